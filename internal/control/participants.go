package control

import (
	"context"
	"errors"
	"time"

	"parley"
	"parley/internal/conference"
	"parley/internal/store"
)

// Bounds and defaults of an invite, in seconds.
const (
	defaultDialDuration = 50
	maxDialDuration     = 300
)

// Invite calls somebody, or takes a call that is up, into a conference; it is
// answered when the participant is durable, before the call is placed.
func (c *Control) Invite(ctx context.Context, app, id parley.ID, r InviteRequest) (parley.Participant, error) {
	f, err := c.live(ctx, app, id)
	if err != nil {
		return parley.Participant{}, err
	}
	in, k, err := c.invitation(app, r)
	if err != nil {
		return parley.Participant{}, err
	}
	if k != nil {
		return c.join(ctx, f, k, in)
	}
	if err := c.refuseDraining(); err != nil {
		return parley.Participant{}, err
	}
	return added(f.runner.Do(ctx, in))(in.Participant.CallID)
}

// added picks the participant out of the state after an Invite. It may have
// left again in the same turn.
func added(s *conference.State, err error) func(parley.ID) (parley.Participant, error) {
	return func(call parley.ID) (parley.Participant, error) {
		if err != nil {
			return parley.Participant{}, err
		}
		if p := s.Participant(call); p != nil {
			return p.Participant, nil
		}
		return parley.Participant{}, parley.Errorf(parley.CodeParticipantGone, "the participant with the call %s has left", call)
	}
}

// invitation checks r and makes the machine's input of it; with CallID the
// call that is to be taken comes too.
func (c *Control) invitation(app parley.ID, r InviteRequest) (conference.Invite, *call, error) {
	var in conference.Invite
	dial, err := inRange("max_dial_duration", r.MaxDialDuration, defaultDialDuration, 1, maxDialDuration)
	if err != nil {
		return in, nil, err
	}
	p, err := c.participant(app, AnswerRequest{MaxDuration: r.MaxDuration, PlayFile: r.PlayFile, Muted: r.Muted, Deaf: r.Deaf, GainDB: r.GainDB, UserData: r.UserData})
	if err != nil {
		return in, nil, err
	}
	in = conference.Invite{Participant: p, PlaybackID: c.newID()}
	switch {
	case r.To != "" && r.CallID != "":
		return in, nil, parley.FieldErrorf(parley.CodeInvalid, "call_id", "give either to or call_id")
	case r.To == "" && r.CallID == "":
		return in, nil, parley.FieldErrorf(parley.CodeInvalid, "to", "is missing: a telephone number or a SIP URI to call, or call_id for a call that is up")
	case r.CallID != "":
		k := c.liveCall(app, r.CallID)
		if k == nil {
			return in, nil, parley.FieldErrorf(parley.CodeNotFound, "call_id", "no live call %s", r.CallID)
		}
		return in, k, nil
	}
	t, err := c.target(app, r.To, r.From)
	if err != nil {
		return in, nil, err
	}
	in.Participant.CallID, in.Participant.PartURI, in.Participant.Direction = c.newID(), t.partURI, parley.Outbound
	in.Dial = &conference.DialPlan{Target: t.uri, From: t.from, Trunk: t.trunk, Timeout: time.Duration(dial) * time.Second}
	return in, nil, nil
}

// participant checks what invites and answers have in common.
func (c *Control) participant(app parley.ID, r AnswerRequest) (parley.Participant, error) {
	p := parley.Participant{ID: c.newID(), Muted: r.Muted, Deaf: r.Deaf, GainDB: r.GainDB, PlayFile: r.PlayFile, UserData: r.UserData}
	var err error
	if p.MaxDuration, err = inRange("max_duration", r.MaxDuration, 0, 1, maxConferenceDuration); err != nil {
		return p, err
	}
	if err := checkGain(r.GainDB); err != nil {
		return p, err
	}
	if err := checkUserData(r.UserData); err != nil {
		return p, err
	}
	if r.PlayFile != "" {
		if err := c.checkFile(app, "play_file", r.PlayFile); err != nil {
			return p, err
		}
	}
	return p, nil
}

// join takes a call that exists into a conference.
func (c *Control) join(ctx context.Context, f *conf, k *call, in conference.Invite) (parley.Participant, error) {
	record := k.snapshot()
	switch {
	case record.State == parley.CallDialing:
		return parley.Participant{}, parley.FieldErrorf(parley.CodeNotJoined, "call_id", "the call %s is not up yet", k.id)
	case record.State == parley.CallEnded:
		return parley.Participant{}, parley.FieldErrorf(parley.CodeCallEnded, "call_id", "the call %s is over", k.id)
	case !k.enter(f):
		return parley.Participant{}, parley.FieldErrorf(parley.CodeCallInConference, "call_id", "the call %s is in the conference %s", k.id, record.Conference)
	}
	in.Participant.CallID, in.Participant.PartURI, in.Participant.Direction = k.id, record.PartURI, record.Direction
	if in.Participant.UserData == nil {
		in.Participant.UserData = record.UserData
	}
	p, err := added(f.runner.Do(ctx, in))(k.id)
	if err != nil && parley.CodeOf(err) != parley.CodeParticipantGone {
		k.leave(f, true)
	}
	return p, err
}

// Participants lists who is in a conference; with State "left", "failed" or
// "all", who was.
func (c *Control) Participants(ctx context.Context, app, id parley.ID, r ListRequest) (Page[ParticipantView], error) {
	record, err := c.Conference(ctx, app, id)
	if err != nil {
		return Page[ParticipantView]{}, err
	}
	live := map[parley.ID]ParticipantView{}
	for _, p := range record.Participants {
		live[p.ID] = p
	}
	ended := record.State == parley.ConferenceEnded
	page, err := list(ctx, c, store.Query{Kind: store.KindParticipant, Application: app, Parent: id, LiveOnly: r.State == "" && !ended}, r,
		func(p parley.Participant) bool {
			return r.State == "" || r.State == "all" || string(p.State) == r.State
		})
	if err != nil {
		return Page[ParticipantView]{}, err
	}
	out := Page[ParticipantView]{Items: make([]ParticipantView, len(page.Items)), NextCursor: page.NextCursor}
	for i, p := range page.Items {
		out.Items[i].Participant = p
		if v, ok := live[p.ID]; ok {
			out.Items[i] = v
		}
	}
	return out, nil
}

// Participant gives the participant that a call is, or was last.
func (c *Control) Participant(ctx context.Context, app, id, call parley.ID) (ParticipantView, error) {
	view, err := c.Conference(ctx, app, id)
	if err != nil {
		return ParticipantView{}, err
	}
	for i := len(view.Participants) - 1; i >= 0; i-- {
		if view.Participants[i].CallID == call {
			return view.Participants[i], nil
		}
	}
	gone, err := c.gone(ctx, app, id, call)
	return ParticipantView{Participant: gone}, err
}

// gone finds who has left a conference by call, or gives parley.CodeNotFound.
func (c *Control) gone(ctx context.Context, app, id, call parley.ID) (parley.Participant, error) {
	page, err := list(ctx, c, store.Query{Kind: store.KindParticipant, Application: app, Parent: id}, ListRequest{Limit: 1},
		func(p parley.Participant) bool { return p.CallID == call })
	if err != nil {
		return parley.Participant{}, err
	}
	if len(page.Items) == 0 {
		return parley.Participant{}, parley.Errorf(parley.CodeNotFound, "no participant with the call %s", call)
	}
	return page.Items[0], nil
}

// UpdateParticipant changes what a participant hears and gives.
func (c *Control) UpdateParticipant(ctx context.Context, app, id, call parley.ID, p ParticipantPatch) (ParticipantView, error) {
	f, err := c.live(ctx, app, id)
	if err != nil {
		return ParticipantView{}, err
	}
	if p.GainDB != nil {
		if err := checkGain(*p.GainDB); err != nil {
			return ParticipantView{}, err
		}
	}
	s, err := f.runner.Do(ctx, conference.Update{CallID: call, Muted: p.Muted, Deaf: p.Deaf, Hold: p.Hold, GainDB: p.GainDB})
	if err != nil {
		return ParticipantView{}, c.orGone(ctx, app, id, call, err)
	}
	part := s.Participant(call)
	if part == nil {
		return ParticipantView{}, c.orGone(ctx, app, id, call, parley.Errorf(parley.CodeNotFound, "no participant with the call %s", call))
	}
	return c.view(part), nil
}

// RemoveParticipant makes a participant leave, and hangs up if asked to.
func (c *Control) RemoveParticipant(ctx context.Context, app, id, call parley.ID, hangup bool) error {
	f, err := c.live(ctx, app, id)
	if err != nil {
		return err
	}
	_, err = f.runner.Do(ctx, conference.Remove{CallID: call, Hangup: hangup})
	return c.orGone(ctx, app, id, call, err)
}

// orGone makes parley.CodeNotFound parley.CodeParticipantGone for somebody who
// was there.
func (c *Control) orGone(ctx context.Context, app, id, call parley.ID, err error) error {
	if e, ok := errors.AsType[*parley.Error](err); !ok || e.Code != parley.CodeNotFound {
		return err
	}
	if _, missing := c.gone(ctx, app, id, call); missing != nil {
		return missing
	}
	return parley.Errorf(parley.CodeParticipantGone, "the participant with the call %s has left the conference", call)
}

// view adds what the media plane knows.
func (c *Control) view(p *conference.Participant) ParticipantView {
	v := ParticipantView{Participant: p.Participant, Talking: p.Talking}
	c.mu.Lock()
	k := c.calls[p.CallID]
	c.mu.Unlock()
	if k == nil || p.State != parley.ParticipantJoined {
		return v
	}
	if s := k.session(); s != nil {
		q := quality(s.Stats())
		v.Quality = &q
	}
	return v
}
