package conference

import (
	"parley"
)

func (in Invite) apply(t *turn) {
	if !t.active() {
		return
	}
	if t.Participant(in.Participant.CallID) != nil {
		t.refuse(parley.FieldErrorf(parley.CodeCallInConference, "call_id", "the call %s is in the conference already", in.Participant.CallID))
		return
	}
	if len(t.Participants) >= t.MaxParts {
		t.refuse(parley.Errorf(parley.CodeConferenceFull, "the conference takes %d participants, invites in flight counted", t.MaxParts))
		return
	}
	p := &Participant{Participant: in.Participant, PlaybackID: in.PlaybackID}
	p.Conference, p.Application = t.ID, t.Application
	p.State, p.InviteTime = parley.ParticipantDialing, t.now
	t.Participants = append(t.Participants[:len(t.Participants):len(t.Participants)], p)
	t.put(&p.Participant)
	if in.Dial != nil {
		t.do(Dial{p.CallID, *in.Dial})
	} else {
		t.do(Take{p.CallID})
	}
}

func (in Answered) apply(t *turn) {
	p := t.editParticipant(in.CallID)
	if p == nil || p.State != parley.ParticipantDialing {
		return
	}
	p.State = parley.ParticipantJoined
	p.JoinTime = min(max(parley.MillisOf(in.At), t.BeginTime), t.now)
	t.put(&p.Participant)
	t.tell(p.JoinTime, &parley.JoinedFact{
		JoinedSeed: parley.JoinedSeed{ID: t.ID, JoinTime: p.JoinTime, CallID: p.CallID, PartURI: p.PartURI, UserData: t.userData(p.UserData)},
		Direction:  p.Direction,
	})
	t.do(Attach{p.CallID, p.Muted, p.Deaf, p.GainDB})
	if t.recordingID != "" {
		id := t.recordingID
		t.recordingID = ""
		if len(t.Recordings) == 0 {
			t.startRecording(parley.Recording{ID: id})
		}
	}
	if p.PlayFile != "" {
		t.startPlayback(parley.Playback{ID: p.PlaybackID, Files: []string{p.PlayFile}, UserData: p.UserData})
	}
}

func (in Left) apply(t *turn) {
	if p := t.Participant(in.CallID); p != nil {
		t.quit(p, min(parley.MillisOf(in.At), t.now), in.Reason, in.Status)
		t.do(Release{in.CallID})
	}
}

func (in Remove) apply(t *turn) {
	if !t.active() {
		return
	}
	p := t.Participant(in.CallID)
	if p == nil {
		t.refuse(parley.Errorf(parley.CodeNotFound, "no participant with the call %s", in.CallID))
		return
	}
	dialing := p.State == parley.ParticipantDialing
	reason := parley.ReasonRemoved
	if dialing {
		reason = parley.ReasonCancelled
	}
	t.quit(p, t.now, reason, 0)
	if in.Hangup || dialing {
		t.do(Hangup{p.CallID, reason})
	} else {
		t.do(Release{p.CallID})
	}
}

// quit takes p out of the state and tells so: conf.quit if it had joined,
// conf.join.fail if it had not.
func (t *turn) quit(p *Participant, at parley.Millis, reason string, code int) {
	t.Participants = without(t.Participants, p)
	gone := p.Participant
	gone.Reason, gone.SIPStatus = reason, code
	if p.State == parley.ParticipantDialing {
		gone.State = parley.ParticipantFailed
		t.put(&gone)
		t.tell(at, &parley.JoinFailFact{
			PartSeed: t.part(p, at), Reason: reason, SIPStatus: status(code),
		})
		return
	}
	if p.Talking {
		t.tell(at, &parley.TalkingFact{PartSeed: t.partEvent(parley.EventConfTalkingStop, p, at)})
	}
	gone.State = parley.ParticipantLeft
	gone.QuitTime = max(at, p.JoinTime)
	t.put(&gone)
	t.tell(gone.QuitTime, &parley.QuitFact{
		QuitSeed: parley.QuitSeed{
			ID: t.ID, JoinTime: p.JoinTime, QuitTime: gone.QuitTime, CallID: p.CallID, PartURI: p.PartURI, UserData: t.userData(p.UserData),
		},
		Reason: reason, SIPStatus: status(code),
	})
	if t.Phase == PhaseActive {
		t.stopUnheard(gone.QuitTime)
	}
}

// stopUnheard ends the playbacks whose last listener has left.
func (t *turn) stopUnheard(at parley.Millis) {
	for _, b := range t.Playbacks {
		if len(b.To) == 0 {
			continue
		}
		heard := false
		for _, call := range b.To {
			heard = heard || t.Participant(call) != nil
		}
		if !heard {
			t.playEnd(b, at, parley.ReasonStopped)
			t.do(StopPlayback{b.ID})
		}
	}
}

func (in Update) apply(t *turn) {
	if !t.active() {
		return
	}
	p := t.editParticipant(in.CallID)
	switch {
	case p == nil:
		t.refuse(parley.Errorf(parley.CodeNotFound, "no participant with the call %s", in.CallID))
		return
	case in.Hold != nil && p.State != parley.ParticipantJoined:
		t.refuse(parley.FieldErrorf(parley.CodeNotJoined, "hold", "the call %s has not joined yet", in.CallID))
		return
	}
	before := *p
	if in.Muted != nil {
		p.Muted = *in.Muted
	}
	if in.Deaf != nil {
		p.Deaf = *in.Deaf
	}
	if in.GainDB != nil {
		p.GainDB = *in.GainDB
	}
	if in.Hold != nil {
		p.HeldByUs = *in.Hold
	}
	p.Hold = p.HeldByUs || p.HeldByThem
	if *p == before {
		return
	}
	if p.HeldByUs != before.HeldByUs {
		t.do(Hold{p.CallID, p.HeldByUs})
	}
	if p.State == parley.ParticipantJoined {
		t.do(Adjust{p.CallID, p.Muted, p.Deaf, p.GainDB})
	}
	t.updated(p)
}

func (in Held) apply(t *turn) {
	p := t.editParticipant(in.CallID)
	if p == nil || p.HeldByThem == in.Held {
		return
	}
	before := p.Hold
	p.HeldByThem = in.Held
	p.Hold = p.HeldByUs || p.HeldByThem
	if p.Hold != before {
		t.updated(p)
	}
}

// updated has the changed participant written and told.
func (t *turn) updated(p *Participant) {
	t.put(&p.Participant)
	t.tell(t.now, &parley.ParticipantUpdatedFact{
		PartSeed: t.part(p, t.now), Muted: p.Muted, Deaf: p.Deaf, Hold: p.Hold, GainDB: p.GainDB,
	})
}

func (in Talking) apply(t *turn) {
	p := t.editParticipant(in.CallID)
	if p == nil || p.State != parley.ParticipantJoined || p.Talking == in.Talking {
		return
	}
	p.Talking = in.Talking
	event := parley.EventConfTalkingStop
	if in.Talking {
		event = parley.EventConfTalkingStart
	}
	at := min(parley.MillisOf(in.At), t.now)
	t.tell(at, &parley.TalkingFact{PartSeed: t.partEvent(event, p, at)})
}

func (in Digit) apply(t *turn) {
	p := t.Participant(in.CallID)
	if p == nil || p.State != parley.ParticipantJoined {
		return
	}
	at := min(parley.MillisOf(in.At), t.now)
	t.tell(at, &parley.DTMFFact{PartSeed: t.part(p, at), Digit: string(rune(in.Digit)), DurationMS: in.Duration.Milliseconds()})
}

// part is the beginning of an event about p.
func (t *turn) part(p *Participant, at parley.Millis) parley.PartSeed {
	return parley.PartSeed{ID: t.ID, Time: at, CallID: p.CallID, PartURI: p.PartURI, UserData: t.userData(p.UserData)}
}

// partEvent is part for a fact that has more than one type.
func (t *turn) partEvent(event parley.EventType, p *Participant, at parley.Millis) parley.PartSeed {
	s := t.part(p, at)
	s.Event = event
	return s
}
