package httpapi

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"parley"
	"parley/internal/control"
)

// invite asks for a participant.
type invite struct {
	To              string    `json:"to,omitempty" doc:"whom to call: a number or a SIP URI; this or call_id" example:"+8613800138000"`
	CallID          parley.ID `json:"call_id,omitempty" doc:"a call that is up, to join instead of calling somebody"`
	From            string    `json:"from,omitempty" doc:"who calls: a number or a SIP URI; none for the trunk's own" example:"02087654321"`
	MaxDialDuration *int      `json:"max_dial_duration,omitempty" minimum:"1" maximum:"300" default:"50" doc:"seconds that the far end may take to answer" example:"30"`
	MaxDuration     *int      `json:"max_duration,omitempty" minimum:"1" maximum:"86400" doc:"seconds in the conference, then it is hung up" example:"1800"`
	PlayFile        string    `json:"play_file,omitempty" doc:"media file or http(s) URL that is played to the conference when they join" example:"joined.wav"`
	Muted           bool      `json:"muted,omitempty" doc:"is not heard" example:"false"`
	Deaf            bool      `json:"deaf,omitempty" doc:"does not hear" example:"false"`
	GainDB          float64   `json:"gain_db,omitempty" minimum:"-40" maximum:"20" doc:"how much louder in the mix, dB" example:"3"`
	UserData        *string   `json:"user_data,omitempty" nullable:"true" maxLength:"4096" doc:"given back with the participant's events exactly; at most 4096 bytes; none for the conference's" example:"alice"`
}

// participantChange changes what is named.
type participantChange struct {
	Muted  *bool    `json:"muted,omitempty" doc:"is not heard" example:"true"`
	Deaf   *bool    `json:"deaf,omitempty" doc:"does not hear"`
	Hold   *bool    `json:"hold,omitempty" doc:"is put on hold, by re-INVITE"`
	GainDB *float64 `json:"gain_db,omitempty" minimum:"-40" maximum:"20" doc:"how much louder in the mix, dB"`
}

// leaving says how a participant leaves.
type leaving struct {
	Hangup *bool `query:"hangup" default:"true" doc:"false keeps the call up, outside the conference"`
}

// participantView is a participant as it is shown.
type participantView struct {
	Conference  parley.ID               `json:"conference" doc:"the conference" example:"0197c2f3a1b27def8123456789abcdef"`
	CallID      parley.ID               `json:"call_id" doc:"the call" example:"0197c2f3a1b37abc8123456789abcdef"`
	PartURI     string                  `json:"part_uri" doc:"who that is, as the customer would dial it" example:"+8613800138000"`
	Direction   parley.Direction        `json:"direction" enum:"inbound,outbound" doc:"inbound: they called us" example:"outbound"`
	State       parley.ParticipantState `json:"state" enum:"dialing,joined,left,failed" doc:"failed: never joined" example:"joined"`
	InviteTime  parley.Millis           `json:"invite_time" nullable:"true" doc:"when they were invited, or called" example:"1751364000100"`
	JoinTime    parley.Millis           `json:"join_time" nullable:"true" doc:"when they joined; null before" example:"1751364004200"`
	QuitTime    parley.Millis           `json:"quit_time" nullable:"true" doc:"when they left; null before"`
	MaxDuration *int                    `json:"max_duration" doc:"seconds in the conference; null for no limit of their own" example:"1800"`
	Muted       bool                    `json:"muted" doc:"is not heard" example:"false"`
	Deaf        bool                    `json:"deaf" doc:"does not hear" example:"false"`
	Hold        bool                    `json:"hold" doc:"is on hold, by us or by the far end" example:"false"`
	GainDB      float64                 `json:"gain_db" doc:"how much louder in the mix, dB" example:"0"`
	Talking     bool                    `json:"talking" doc:"talks now" example:"true"`
	Quality     *qualityView            `json:"quality"`
	PlayFile    *string                 `json:"play_file" doc:"what was played when they joined; null for nothing" example:"joined.wav"`
	UserData    *string                 `json:"user_data" doc:"as it came" example:"alice"`
	Reason      *string                 `json:"reason" doc:"why they left or never joined; null before"`
	SIPStatus   *int                    `json:"sip_status" doc:"the final SIP status; null where there was none"`
}

// TransformSchema makes quality an object or null, which no tag can say.
func (participantView) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	s.Properties["quality"] = &huma.Schema{
		Description: "how the call's sound travels; null when it has no media now",
		AnyOf:       []*huma.Schema{s.Properties["quality"], {Type: "null"}},
	}
	return s
}

func (v participantView) location() string {
	return "/v1/conferences/" + string(v.Conference) + "/participants/" + string(v.CallID)
}

// qualityView is how a call's sound travels.
type qualityView struct {
	Codec           string  `json:"codec" doc:"what is spoken" example:"PCMA"`
	PacketsReceived int64   `json:"packets_received" doc:"RTP packets that came" example:"1500"`
	PacketsLost     int64   `json:"packets_lost" doc:"RTP packets that never came" example:"3"`
	PacketsLate     int64   `json:"packets_late" doc:"RTP packets that came after their time to be played" example:"1"`
	PacketsSent     int64   `json:"packets_sent" doc:"RTP packets that were sent" example:"1502"`
	JitterMS        float64 `json:"jitter_ms" doc:"of arrival, RFC 3550 section 6.4.1" example:"2.5"`
	PlayoutDelayMS  float64 `json:"playout_delay_ms" doc:"from arrival to the mix" example:"40"`
	RTTMS           float64 `json:"rtt_ms" doc:"to the far end and back; 0 until known" example:"31"`
	Concealed       float64 `json:"concealed" minimum:"0" maximum:"1" doc:"share of the frames played that were made up" example:"0.002"`
	Level           int     `json:"level" doc:"of the last frame, dBov" example:"-23"`
}

func showParticipant(p control.ParticipantView) participantView {
	v := participantView{
		Conference: p.Conference, CallID: p.CallID, PartURI: p.PartURI, Direction: p.Direction, State: p.State,
		InviteTime: p.InviteTime, JoinTime: p.JoinTime, QuitTime: p.QuitTime, MaxDuration: orNull(p.MaxDuration),
		Muted: p.Muted, Deaf: p.Deaf, Hold: p.Hold, GainDB: p.GainDB, Talking: p.Talking, PlayFile: orNull(p.PlayFile),
		UserData: p.UserData, Reason: orNull(p.Reason), SIPStatus: orNull(p.SIPStatus),
	}
	if p.Quality != nil {
		q := qualityView(*p.Quality)
		v.Quality = &q
	}
	return v
}

func participantRoutes(c Participants) []route {
	const all, one = "/v1/conferences/{id}/participants", "/v1/conferences/{id}/participants/{call_id}"
	return []route{
		post(meta{
			path: all, id: "invite", tag: "Participants", summary: "Invite a participant",
			description: "Calls somebody into the conference, or joins a call that is up. conf.joined or conf.join.fail tells what became of it.",
			codes: []parley.Code{parley.CodeNotFound, parley.CodeConferenceEnded, parley.CodeConferenceFull, parley.CodeNotJoined, parley.CodeCallEnded,
				parley.CodeCallInConference, parley.CodeParticipantGone, parley.CodeMediaNotFound, parley.CodeNoTrunk, parley.CodeNoCapacity, parley.CodeShuttingDown},
		}, func(q *request, b invite) (participantView, error) {
			p, err := c.Invite(q.ctx, q.app(), q.id("id"), control.InviteRequest{
				To: b.To, CallID: b.CallID, From: b.From, MaxDialDuration: b.MaxDialDuration, MaxDuration: b.MaxDuration,
				PlayFile: b.PlayFile, Muted: b.Muted, Deaf: b.Deaf, GainDB: b.GainDB, UserData: b.UserData,
			})
			return showParticipant(control.ParticipantView{Participant: p}), err
		}),
		get(meta{
			path: all, id: "listParticipants", tag: "Participants", summary: "List participants",
			description: "Those who are in the conference or being called. With state dialing or joined only these; left and failed are those who were, all is everybody.",
			codes:       []parley.Code{parley.CodeNotFound},
		}, func(q *request, p stateListing) (page[participantView], error) {
			list, err := c.Participants(q.ctx, q.app(), q.id("id"), p.request())
			return pageOf(list, showParticipant), err
		}),
		get(meta{
			path: one, id: "getParticipant", tag: "Participants", summary: "See a participant",
			codes: []parley.Code{parley.CodeNotFound},
		}, func(q *request, _ none) (participantView, error) {
			p, err := c.Participant(q.ctx, q.app(), q.id("id"), q.id("call_id"))
			return showParticipant(p), err
		}),
		change(meta{
			method: http.MethodPatch, path: one, id: "updateParticipant", tag: "Participants", summary: "Change a participant",
			description: "Changes what the body names; the rest stays.",
			codes:       []parley.Code{parley.CodeNotFound, parley.CodeConferenceEnded, parley.CodeParticipantGone, parley.CodeNotJoined},
		}, func(q *request, b participantChange) (participantView, error) {
			p, err := c.UpdateParticipant(q.ctx, q.app(), q.id("id"), q.id("call_id"), control.ParticipantPatch(b))
			return showParticipant(p), err
		}),
		remove(meta{
			path: one, id: "removeParticipant", tag: "Participants", summary: "Remove a participant",
			description: "They leave the conference and are hung up; with hangup=false the call stays up.",
			codes:       []parley.Code{parley.CodeNotFound, parley.CodeConferenceEnded, parley.CodeParticipantGone, parley.CodeNotJoined},
		}, func(q *request, p leaving) error {
			return c.RemoveParticipant(q.ctx, q.app(), q.id("id"), q.id("call_id"), p.Hangup == nil || *p.Hangup)
		}),
	}
}
