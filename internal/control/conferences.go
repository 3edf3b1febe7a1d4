package control

import (
	"context"
	"unicode/utf8"

	"parley"
	"parley/internal/conference"
	"parley/internal/store"
)

// Bounds of a conference.
const (
	maxConferenceDuration = 86_400 // seconds
	maxConferenceParts    = 3_000
	maxName               = 128 // bytes
)

// CreateConference makes a conference; it is answered when that is durable.
// Whether it begins is told by conf.create.succ or conf.end.
func (c *Control) CreateConference(ctx context.Context, app parley.ID, r ConferenceRequest) (parley.Conference, error) {
	record := parley.Conference{
		ID: c.newID(), Application: app, Name: r.Name, Recording: r.Recording, BGMFile: r.BGMFile,
		AutoHangup: r.AutoHangup == nil || *r.AutoHangup, DialIn: r.DialIn, UserData: r.UserData,
	}
	if err := c.refuseDraining(); err != nil {
		return record, err
	}
	var err error
	if record.MaxDuration, err = inRange("max_duration", r.MaxDuration, maxConferenceDuration, 1, maxConferenceDuration); err != nil {
		return record, err
	}
	if record.MaxParts, err = inRange("max_parts", r.MaxParts, maxConferenceParts, 1, maxConferenceParts); err != nil {
		return record, err
	}
	if err := checkName(r.Name); err != nil {
		return record, err
	}
	if err := checkUserData(r.UserData); err != nil {
		return record, err
	}
	if err := c.checkFileName("bgm_file", r.BGMFile); err != nil {
		return record, err
	}
	create := conference.Create{Conference: record}
	if r.Recording {
		create.RecordingID = c.newID()
	}
	f, err := c.startConf(ctx, create)
	if err != nil {
		return record, err
	}
	return f.runner.State().Conference, nil
}

// checkName says what is wrong with a conference's name. It must fit into the
// user part of a SIP URI as it is.
func checkName(name string) error {
	if len(name) > maxName || !utf8.ValidString(name) {
		return parley.FieldErrorf(parley.CodeInvalid, "name", "a name is UTF-8 text of at most %d bytes", maxName)
	}
	for _, r := range name {
		if r <= ' ' || r == 0x7f || r == '@' || r == '/' || r == ':' || r == ';' || r == '?' || r == '<' || r == '>' || r == '"' {
			return parley.FieldErrorf(parley.CodeInvalid, "name", `%q may not be in a name: letters, digits and -_.!~*'()&=+$, may`, r)
		}
	}
	return nil
}

// Conference gives a live or ended conference with its participants: those now
// in it while it is live, all that it had once it has ended.
func (c *Control) Conference(ctx context.Context, app, id parley.ID) (ConferenceView, error) {
	c.mu.Lock()
	f := c.confs[id]
	c.mu.Unlock()
	if f != nil && f.app == app {
		s := f.runner.State()
		view := ConferenceView{Conference: s.Conference, Participants: make([]ParticipantView, len(s.Participants))}
		for i, p := range s.Participants {
			view.Participants[i] = c.view(p)
		}
		return view, nil
	}
	record, err := get[parley.Conference](ctx, c, store.KindConference, app, string(id), "conference")
	if err != nil {
		return ConferenceView{}, err
	}
	parts, err := all[parley.Participant](ctx, c, store.Query{Kind: store.KindParticipant, Application: app, Parent: id, Ascending: true})
	if err != nil {
		return ConferenceView{}, err
	}
	view := ConferenceView{Conference: record, Participants: make([]ParticipantView, len(parts))}
	for i, p := range parts {
		view.Participants[i].Participant = p
	}
	return view, nil
}

// Conferences lists conferences, without participants.
func (c *Control) Conferences(ctx context.Context, app parley.ID, r ListRequest) (Page[parley.Conference], error) {
	return list(ctx, c, store.Query{Kind: store.KindConference, Application: app, LiveOnly: r.State == string(parley.ConferenceActive)}, r,
		func(f parley.Conference) bool { return r.State == "" || string(f.State) == r.State })
}

// EndConference ends a conference; it is answered when conf.end is durable.
func (c *Control) EndConference(ctx context.Context, app, id parley.ID) (parley.Conference, error) {
	f, err := c.live(ctx, app, id)
	if err != nil {
		return parley.Conference{}, err
	}
	if _, err := f.runner.Do(ctx, conference.End{Reason: parley.ReasonDeleted, By: parley.EndedByAPI}); err != nil {
		return parley.Conference{}, err
	}
	s, err := f.runner.Await(ctx, func(s *conference.State) bool { return s.Phase == conference.PhaseEnded })
	if err != nil {
		return parley.Conference{}, err
	}
	return s.Conference, nil
}
