package httpapi

import (
	"net/http"

	"parley"
	"parley/internal/control"
)

// page is one page of a list.
type page[V any] struct {
	Items      []V     `json:"items" doc:"newest first, unless said otherwise"`
	NextCursor *string `json:"next_cursor" doc:"the cursor of the next page; null on the last" example:"0197c2f3a1b27def8123456789abcdef"`
}

// pageOf shows each item of a page.
func pageOf[T, V any](p control.Page[T], show func(T) V) page[V] {
	out := page[V]{Items: make([]V, len(p.Items)), NextCursor: orNull(p.NextCursor)}
	for i, item := range p.Items {
		out.Items[i] = show(item)
	}
	return out
}

// listing is the parameters of every list.
type listing struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"how many items at most" example:"20"`
	Cursor string `query:"cursor" doc:"next_cursor of the page before; none for the first page"`
}

// stateListing is the parameters of a list of things that have a state.
type stateListing struct {
	listing
	State string `query:"state" doc:"only what is in this state"`
}

func (l listing) request() control.ListRequest {
	return control.ListRequest{Limit: l.Limit, Cursor: l.Cursor}
}

func (l stateListing) request() control.ListRequest {
	r := l.listing.request()
	r.State = l.State
	return r
}

// orNull is nil, which is null, for the zero value of T.
func orNull[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// orEmpty is s, or an empty slice for nil, which would be null.
func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// newConference asks for a conference.
type newConference struct {
	Name        string  `json:"name,omitempty" maxLength:"128" doc:"a name for it, unique among the application's live conferences; at most 128 bytes, without spaces and @/:;?" example:"weekly"`
	MaxDuration *int    `json:"max_duration,omitempty" minimum:"1" maximum:"86400" default:"86400" doc:"seconds after which it is ended" example:"3600"`
	MaxParts    *int    `json:"max_parts,omitempty" minimum:"1" maximum:"3000" default:"3000" doc:"how many participants at most, invites in flight counted" example:"20"`
	Recording   bool    `json:"recording,omitempty" doc:"record from the first join" example:"true"`
	BGMFile     string  `json:"bgm_file,omitempty" doc:"media file or http(s) URL that is played in a loop under the voices" example:"lounge.mp3"`
	AutoHangup  *bool   `json:"auto_hangup,omitempty" default:"true" doc:"hang up the participants when it ends" example:"true"`
	DialIn      bool    `json:"dial_in,omitempty" doc:"calls to sip:<name or id>@server join" example:"true"`
	UserData    *string `json:"user_data,omitempty" nullable:"true" maxLength:"4096" doc:"given back with its events exactly; at most 4096 bytes" example:"order-4711"`
}

// conferenceView is a conference as it is shown.
type conferenceView struct {
	ID           parley.ID              `json:"id" doc:"the conference" example:"0197c2f3a1b27def8123456789abcdef"`
	Name         *string                `json:"name" doc:"its name; null for none" example:"weekly"`
	State        parley.ConferenceState `json:"state" enum:"creating,active,ended" doc:"creating until conf.create.succ or conf.end" example:"active"`
	CreateTime   parley.Millis          `json:"create_time" doc:"when the request was accepted, Unix milliseconds" example:"1751364000000"`
	BeginTime    parley.Millis          `json:"begin_time" nullable:"true" doc:"when it became active; null if it never did" example:"1751364000012"`
	EndTime      parley.Millis          `json:"end_time" nullable:"true" doc:"when it ended; null before, and if it never began"`
	Error        *string                `json:"error" doc:"the fault that ended it; null for none"`
	Reason       *string                `json:"reason" doc:"why it ended: deleted, max_duration, create_failed or server_lost; null before"`
	EndedBy      *string                `json:"ended_by" doc:"who ended it: api or server; null before"`
	MaxDuration  int                    `json:"max_duration" doc:"seconds after which it is ended" example:"3600"`
	MaxParts     int                    `json:"max_parts" doc:"how many participants at most" example:"20"`
	Recording    bool                   `json:"recording" doc:"whether it is recorded from the first join" example:"true"`
	BGMFile      *string                `json:"bgm_file" doc:"what is played under the voices; null for nothing"`
	AutoHangup   bool                   `json:"auto_hangup" doc:"whether participants are hung up when it ends" example:"true"`
	DialIn       bool                   `json:"dial_in" doc:"whether calls to its name or ID join" example:"true"`
	UserData     *string                `json:"user_data" doc:"as it came" example:"order-4711"`
	Seq          int64                  `json:"seq" doc:"seq of its last event" example:"3"`
	Participants []participantView      `json:"participants,omitzero" doc:"who is in it, or was; not in lists"`
}

func (v conferenceView) location() string { return "/v1/conferences/" + string(v.ID) }

func showConference(c parley.Conference) conferenceView {
	return conferenceView{
		ID: c.ID, Name: orNull(c.Name), State: c.State, CreateTime: c.CreateTime, BeginTime: c.BeginTime, EndTime: c.EndTime,
		Error: c.Error, Reason: orNull(c.Reason), EndedBy: orNull(c.EndedBy), MaxDuration: c.MaxDuration, MaxParts: c.MaxParts,
		Recording: c.Recording, BGMFile: orNull(c.BGMFile), AutoHangup: c.AutoHangup, DialIn: c.DialIn, UserData: c.UserData, Seq: c.Seq,
	}
}

func conferenceRoutes(c Conferences) []route {
	return []route{
		post(meta{
			path: "/v1/conferences", id: "createConference", tag: "Conferences", summary: "Create a conference",
			description: "Creation is asynchronous: the answer has the ID; then comes exactly one of the events conf.create.succ, or conf.end with an error.",
			codes:       []parley.Code{parley.CodeNameTaken, parley.CodeNoCapacity, parley.CodeShuttingDown},
		}, func(q *request, b newConference) (conferenceView, error) {
			conf, err := c.CreateConference(q.ctx, q.app(), control.ConferenceRequest{
				Name: b.Name, MaxDuration: b.MaxDuration, MaxParts: b.MaxParts, Recording: b.Recording, BGMFile: b.BGMFile,
				AutoHangup: b.AutoHangup, DialIn: b.DialIn, UserData: b.UserData,
			})
			return showConference(conf), err
		}),
		get(meta{
			path: "/v1/conferences", id: "listConferences", tag: "Conferences", summary: "List conferences",
			description: "Live and ended ones, newest first, without their participants. state is creating, active or ended.",
		}, func(q *request, p stateListing) (page[conferenceView], error) {
			list, err := c.Conferences(q.ctx, q.app(), p.request())
			return pageOf(list, showConference), err
		}),
		get(meta{
			path: "/v1/conferences/{id}", id: "getConference", tag: "Conferences", summary: "See a conference",
			description: "With those who are in it, or were, once it has ended.", codes: []parley.Code{parley.CodeNotFound},
		}, func(q *request, _ none) (conferenceView, error) {
			conf, err := c.Conference(q.ctx, q.app(), q.id("id"))
			v := showConference(conf.Conference)
			v.Participants = make([]participantView, len(conf.Participants))
			for i, p := range conf.Participants {
				v.Participants[i] = showParticipant(p)
			}
			return v, err
		}),
		endpoint(meta{
			method: http.MethodDelete, path: "/v1/conferences/{id}", id: "endConference", tag: "Conferences", summary: "End a conference", status: http.StatusOK,
			description: "Everyone leaves; with auto_hangup their calls are hung up. conf.end is its last event.",
			codes:       []parley.Code{parley.CodeNotFound, parley.CodeConferenceEnded},
		}, func(q *request, _, _ none) (conferenceView, error) {
			conf, err := c.EndConference(q.ctx, q.app(), q.id("id"))
			return showConference(conf), err
		}),
	}
}
