package client

import (
	"context"
	"net/http"
	"net/url"

	"parley"
)

// ConferenceRequest asks for a conference.
type ConferenceRequest struct {
	Name        string  `json:"name,omitempty"`         // unique among the application's live conferences
	MaxDuration *int    `json:"max_duration,omitempty"` // seconds
	MaxParts    *int    `json:"max_parts,omitempty"`
	Recording   bool    `json:"recording,omitempty"`   // from the first join
	BGMFile     string  `json:"bgm_file,omitempty"`    // media file or URL, looped under the voices
	AutoHangup  *bool   `json:"auto_hangup,omitempty"` // hang up the participants when it ends; default true
	DialIn      bool    `json:"dial_in,omitempty"`     // calls to its name or ID join
	UserData    *string `json:"user_data,omitempty"`   // at most 4096 bytes
}

// Conference is a conference, with its participants where one is asked for.
type Conference struct {
	parley.Conference
	Participants []Participant `json:"participants"`
}

// CreateConference creates a conference. It is not active yet when that
// returns: one of the events conf.create.succ and conf.end follows.
func (c *Client) CreateConference(ctx context.Context, r ConferenceRequest) (Conference, error) {
	return post[Conference](ctx, c, path("conferences"), r)
}

// Conferences lists conferences, newest first, without their participants.
func (c *Client) Conferences(ctx context.Context, o ListOptions) (Page[Conference], error) {
	return get[Page[Conference]](ctx, c, path("conferences"), o.query())
}

// Conference gives a conference with its participants.
func (c *Client) Conference(ctx context.Context, id parley.ID) (Conference, error) {
	return get[Conference](ctx, c, path("conferences", string(id)), nil)
}

// EndConference ends a conference.
func (c *Client) EndConference(ctx context.Context, id parley.ID) (Conference, error) {
	return change[Conference](ctx, c, http.MethodDelete, path("conferences", string(id)), nil)
}

// InviteRequest asks for a participant: To calls somebody, CallID joins a call
// that is up.
type InviteRequest struct {
	To              string    `json:"to,omitempty"` // number or SIP URI
	CallID          parley.ID `json:"call_id,omitempty"`
	From            string    `json:"from,omitempty"`
	MaxDialDuration *int      `json:"max_dial_duration,omitempty"` // seconds, default 50
	MaxDuration     *int      `json:"max_duration,omitempty"`      // seconds in the conference
	PlayFile        string    `json:"play_file,omitempty"`         // played to the conference when they join
	Muted           bool      `json:"muted,omitempty"`
	Deaf            bool      `json:"deaf,omitempty"`
	GainDB          float64   `json:"gain_db,omitempty"` // -40 to 20
	UserData        *string   `json:"user_data,omitempty"`
}

// Participant is a participant with how its sound travels.
type Participant struct {
	parley.Participant
	Talking bool     `json:"talking"`
	Quality *Quality `json:"quality"` // nil when the call has no media now
}

// Quality is how a call's sound travels.
type Quality struct {
	Codec           string  `json:"codec"`
	PacketsReceived int64   `json:"packets_received"`
	PacketsLost     int64   `json:"packets_lost"`
	PacketsLate     int64   `json:"packets_late"` // after their time to be played
	PacketsSent     int64   `json:"packets_sent"`
	JitterMS        float64 `json:"jitter_ms"`
	PlayoutDelayMS  float64 `json:"playout_delay_ms"`
	RTTMS           float64 `json:"rtt_ms"`    // 0 until known
	Concealed       float64 `json:"concealed"` // share of the frames played, 0 to 1
	Level           int     `json:"level"`     // of the last frame, dBov
}

// Invite calls somebody into a conference, or joins a call that is up. One of
// the events conf.joined and conf.join.fail follows.
func (c *Client) Invite(ctx context.Context, conference parley.ID, r InviteRequest) (Participant, error) {
	return post[Participant](ctx, c, path("conferences", string(conference), "participants"), r)
}

// Participants lists who is in a conference or being called; State "all" lists
// those who were, too.
func (c *Client) Participants(ctx context.Context, conference parley.ID, o ListOptions) (Page[Participant], error) {
	return get[Page[Participant]](ctx, c, path("conferences", string(conference), "participants"), o.query())
}

// Participant gives one participant.
func (c *Client) Participant(ctx context.Context, conference, call parley.ID) (Participant, error) {
	return get[Participant](ctx, c, path("conferences", string(conference), "participants", string(call)), nil)
}

// ParticipantPatch changes what is not nil.
type ParticipantPatch struct {
	Muted  *bool    `json:"muted,omitempty"`
	Deaf   *bool    `json:"deaf,omitempty"`
	Hold   *bool    `json:"hold,omitempty"`
	GainDB *float64 `json:"gain_db,omitempty"` // -40 to 20
}

// UpdateParticipant changes what a participant hears and gives.
func (c *Client) UpdateParticipant(ctx context.Context, conference, call parley.ID, p ParticipantPatch) (Participant, error) {
	return change[Participant](ctx, c, http.MethodPatch, path("conferences", string(conference), "participants", string(call)), p)
}

// RemoveParticipant takes a participant out of the conference and hangs up, or
// keeps the call up if hangup is false.
func (c *Client) RemoveParticipant(ctx context.Context, conference, call parley.ID, hangup bool) error {
	q := url.Values{}
	if !hangup {
		q.Set("hangup", "false")
	}
	return c.remove(ctx, path("conferences", string(conference), "participants", string(call)), q)
}

// PlayRequest asks for a playback.
type PlayRequest struct {
	Files    []string    `json:"files"` // media file names or URLs, played in order
	Loop     bool        `json:"loop,omitempty"`
	GainDB   float64     `json:"gain_db,omitempty"` // -40 to 20
	To       []parley.ID `json:"to,omitempty"`      // calls that hear it; none for everybody
	UserData *string     `json:"user_data,omitempty"`
}

// Play plays files to a conference. The event conf.play_end tells its end.
func (c *Client) Play(ctx context.Context, conference parley.ID, r PlayRequest) (parley.Playback, error) {
	return post[parley.Playback](ctx, c, path("conferences", string(conference), "playbacks"), r)
}

// Playbacks lists a conference's playbacks, newest first.
func (c *Client) Playbacks(ctx context.Context, conference parley.ID, o ListOptions) (Page[parley.Playback], error) {
	return get[Page[parley.Playback]](ctx, c, path("conferences", string(conference), "playbacks"), o.query())
}

// Playback gives one playback.
func (c *Client) Playback(ctx context.Context, conference, id parley.ID) (parley.Playback, error) {
	return get[parley.Playback](ctx, c, path("conferences", string(conference), "playbacks", string(id)), nil)
}

// StopPlayback stops a playback.
func (c *Client) StopPlayback(ctx context.Context, conference, id parley.ID) error {
	return c.remove(ctx, path("conferences", string(conference), "playbacks", string(id)), nil)
}
