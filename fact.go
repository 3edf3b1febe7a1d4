package parley

// This file has one type for each event. A struct's fields are in the order of
// the JSON: first those that the specification names, in an embedded struct of
// their own, then EventMeta, then what is additive. A zero Millis and a nil
// pointer are null.

// PeriodSeed is the specification's part of conf.play_end and conf.record_end.
type PeriodSeed struct {
	Event     EventType `json:"event"`
	ID        ID        `json:"id"` // the conference
	BeginTime Millis    `json:"begin_time"`
	EndTime   Millis    `json:"end_time"`
	UserData  *string   `json:"user_data"`
}

// MomentSeed is the part that most additive conf.* events begin with.
type MomentSeed struct {
	Event    EventType `json:"event"`
	ID       ID        `json:"id"` // the conference
	Time     Millis    `json:"time"`
	UserData *string   `json:"user_data"`
}

// PartSeed is the part that additive events about one participant begin with.
type PartSeed struct {
	Event    EventType `json:"event"`
	ID       ID        `json:"id"` // the conference
	Time     Millis    `json:"time"`
	CallID   ID        `json:"call_id"`
	PartURI  string    `json:"part_uri"`
	UserData *string   `json:"user_data"`
}

// CallSeed is the part that call.* events begin with.
type CallSeed struct {
	Event     EventType `json:"event"`
	CallID    ID        `json:"call_id"`
	Time      Millis    `json:"time"`
	Direction Direction `json:"direction"`
	PartURI   string    `json:"part_uri"`
	From      string    `json:"from"`
	To        string    `json:"to"`
	UserData  *string   `json:"user_data"`
}

// CreateSuccSeed is the specification's part of conf.create.succ.
type CreateSuccSeed struct {
	Event     EventType `json:"event"`
	ID        ID        `json:"id"`
	BeginTime Millis    `json:"begin_time"`
	UserData  *string   `json:"user_data"`
}

// EndSeed is the specification's part of conf.end. Both times are null and
// Error is set for a conference that never began.
type EndSeed struct {
	Event     EventType `json:"event"`
	ID        ID        `json:"id"`
	BeginTime Millis    `json:"begin_time"`
	EndTime   Millis    `json:"end_time"`
	Error     *string   `json:"error"`
	UserData  *string   `json:"user_data"`
}

// JoinedSeed is the specification's part of conf.joined.
type JoinedSeed struct {
	Event    EventType `json:"event"`
	ID       ID        `json:"id"`
	JoinTime Millis    `json:"join_time"`
	CallID   ID        `json:"call_id"`
	PartURI  string    `json:"part_uri"`
	UserData *string   `json:"user_data"`
}

// QuitSeed is the specification's part of conf.quit.
type QuitSeed struct {
	Event    EventType `json:"event"`
	ID       ID        `json:"id"`
	JoinTime Millis    `json:"join_time"`
	QuitTime Millis    `json:"quit_time"`
	CallID   ID        `json:"call_id"`
	PartURI  string    `json:"part_uri"`
	UserData *string   `json:"user_data"`
}

// CreateSuccFact is conf.create.succ: the conference is active.
type CreateSuccFact struct {
	CreateSuccSeed
	EventMeta
}

// Type is EventConfCreateSucc.
func (f *CreateSuccFact) Type() EventType { return EventConfCreateSucc }

func (f *CreateSuccFact) seed() any { f.Event = EventConfCreateSucc; return f.CreateSuccSeed }

// ConfEndFact is conf.end: the last event of a conference.
type ConfEndFact struct {
	EndSeed
	EventMeta
	Reason  string `json:"reason"`   // deleted, max_duration, create_failed, server_lost
	EndedBy string `json:"ended_by"` // api or server
}

// Type is EventConfEnd.
func (f *ConfEndFact) Type() EventType { return EventConfEnd }

func (f *ConfEndFact) seed() any { f.Event = EventConfEnd; return f.EndSeed }

// JoinedFact is conf.joined: a call is in the conference.
type JoinedFact struct {
	JoinedSeed
	EventMeta
	Direction Direction `json:"direction"`
}

// Type is EventConfJoined.
func (f *JoinedFact) Type() EventType { return EventConfJoined }

func (f *JoinedFact) seed() any { f.Event = EventConfJoined; return f.JoinedSeed }

// QuitFact is conf.quit: a call is no longer in the conference.
type QuitFact struct {
	QuitSeed
	EventMeta
	// Reason is hangup, removed, conference_ended, media_timeout, max_duration,
	// error or server_lost.
	Reason    string `json:"reason"`
	SIPStatus *int   `json:"sip_status"`
}

// Type is EventConfQuit.
func (f *QuitFact) Type() EventType { return EventConfQuit }

func (f *QuitFact) seed() any { f.Event = EventConfQuit; return f.QuitSeed }

// PlayEndFact is conf.play_end: a playback is over.
type PlayEndFact struct {
	PeriodSeed
	EventMeta
	PlaybackID ID       `json:"playback_id"`
	Files      []string `json:"files"`
	// Reason is finished, stopped, conference_ended, error or server_lost.
	Reason string `json:"reason"`
}

// Type is EventConfPlayEnd.
func (f *PlayEndFact) Type() EventType { return EventConfPlayEnd }

func (f *PlayEndFact) seed() any { f.Event = EventConfPlayEnd; return f.PeriodSeed }

// RecordEndFact is conf.record_end: a recording is over and its file complete.
type RecordEndFact struct {
	PeriodSeed
	EventMeta
	RecordingID ID    `json:"recording_id"`
	DurationMS  int64 `json:"duration_ms"`
	Bytes       int64 `json:"bytes"`
	// Reason is stopped, max_duration, conference_ended, error or server_lost.
	Reason string `json:"reason"`
	Gaps   int    `json:"gaps"`
}

// Type is EventConfRecordEnd.
func (f *RecordEndFact) Type() EventType { return EventConfRecordEnd }

func (f *RecordEndFact) seed() any { f.Event = EventConfRecordEnd; return f.PeriodSeed }

// JoinFailFact is conf.join.fail: an invited call did not join.
type JoinFailFact struct {
	PartSeed
	EventMeta
	// Reason is busy, no_answer, rejected, not_found, unreachable, cancelled,
	// conference_ended, error or server_lost.
	Reason    string `json:"reason"`
	SIPStatus *int   `json:"sip_status"`
}

// Type is EventConfJoinFail.
func (f *JoinFailFact) Type() EventType { return EventConfJoinFail }

func (f *JoinFailFact) seed() any { f.Event = EventConfJoinFail; return f.PartSeed }

// EndWarningFact is conf.end.warning: max_duration is near.
type EndWarningFact struct {
	MomentSeed
	EventMeta
	RemainingMS int64 `json:"remaining_ms"`
}

// Type is EventConfEndWarning.
func (f *EndWarningFact) Type() EventType { return EventConfEndWarning }

func (f *EndWarningFact) seed() any { f.Event = EventConfEndWarning; return f.MomentSeed }

// ParticipantUpdatedFact is conf.participant.updated: what a participant hears or gives has changed.
type ParticipantUpdatedFact struct {
	PartSeed
	EventMeta
	Muted  bool    `json:"muted"`
	Deaf   bool    `json:"deaf"`
	Hold   bool    `json:"hold"`
	GainDB float64 `json:"gain_db"`
}

// Type is EventConfParticipantUpdated.
func (f *ParticipantUpdatedFact) Type() EventType { return EventConfParticipantUpdated }

func (f *ParticipantUpdatedFact) seed() any { f.Event = EventConfParticipantUpdated; return f.PartSeed }

// TalkingFact is conf.talking.start or conf.talking.stop, as Event says.
type TalkingFact struct {
	PartSeed
	EventMeta
}

// Type is the event's type.
func (f *TalkingFact) Type() EventType { return f.Event }

func (f *TalkingFact) seed() any { return f.PartSeed }

// DTMFFact is conf.dtmf: a participant pressed a key.
type DTMFFact struct {
	PartSeed
	EventMeta
	Digit      string `json:"digit"`
	DurationMS int64  `json:"duration_ms"`
}

// Type is EventConfDTMF.
func (f *DTMFFact) Type() EventType { return EventConfDTMF }

func (f *DTMFFact) seed() any { f.Event = EventConfDTMF; return f.PartSeed }

// PlayStartFact is conf.play_start: a playback has begun.
type PlayStartFact struct {
	MomentSeed
	EventMeta
	PlaybackID ID       `json:"playback_id"`
	Files      []string `json:"files"`
}

// Type is EventConfPlayStart.
func (f *PlayStartFact) Type() EventType { return EventConfPlayStart }

func (f *PlayStartFact) seed() any { f.Event = EventConfPlayStart; return f.MomentSeed }

// RecordStartFact is conf.record_start: a recording has begun.
type RecordStartFact struct {
	MomentSeed
	EventMeta
	RecordingID ID `json:"recording_id"`
}

// Type is EventConfRecordStart.
func (f *RecordStartFact) Type() EventType { return EventConfRecordStart }

func (f *RecordStartFact) seed() any { f.Event = EventConfRecordStart; return f.MomentSeed }

// RecordStateFact is conf.record.paused or conf.record.resumed, as Event says.
type RecordStateFact struct {
	MomentSeed
	EventMeta
	RecordingID ID `json:"recording_id"`
}

// Type is the event's type.
func (f *RecordStateFact) Type() EventType { return f.Event }

func (f *RecordStateFact) seed() any { return f.MomentSeed }

// RecordFailedFact is conf.record.failed: a recording could not begin or go on.
type RecordFailedFact struct {
	MomentSeed
	EventMeta
	RecordingID ID     `json:"recording_id"`
	Error       string `json:"error"`
}

// Type is EventConfRecordFailed.
func (f *RecordFailedFact) Type() EventType { return EventConfRecordFailed }

func (f *RecordFailedFact) seed() any { f.Event = EventConfRecordFailed; return f.MomentSeed }

// CallIncomingFact is call.incoming: a call rings and waits for an answer.
type CallIncomingFact struct {
	CallSeed
	EventMeta
}

// Type is EventCallIncoming.
func (f *CallIncomingFact) Type() EventType { return EventCallIncoming }

func (f *CallIncomingFact) seed() any { f.Event = EventCallIncoming; return f.CallSeed }

// CallAnsweredFact is call.answered: a call is up.
type CallAnsweredFact struct {
	CallSeed
	EventMeta
}

// Type is EventCallAnswered.
func (f *CallAnsweredFact) Type() EventType { return EventCallAnswered }

func (f *CallAnsweredFact) seed() any { f.Event = EventCallAnswered; return f.CallSeed }

// CallEndedFact is call.ended: a call is over.
type CallEndedFact struct {
	CallSeed
	EventMeta
	Reason    string `json:"reason"`
	SIPStatus *int   `json:"sip_status"`
}

// Type is EventCallEnded.
func (f *CallEndedFact) Type() EventType { return EventCallEnded }

func (f *CallEndedFact) seed() any { f.Event = EventCallEnded; return f.CallSeed }

func (m *EventMeta) meta() *EventMeta { return m }

// MarkSettled marks a fact as written by the server after a crash.
func MarkSettled(f Fact) { f.meta().Settled = true }
