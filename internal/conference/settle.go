package conference

import (
	"parley"
)

// Remains is what the store has of a conference that was live when the server
// was lost.
type Remains struct {
	Conference   parley.Conference
	Participants []parley.Participant // dialing or joined
	Playbacks    []parley.Playback    // playing
	// Recordings are those not ended; EndTime, DurationMS, Bytes and Gaps are
	// set to what their files show.
	Recordings []parley.Recording
	// LastSeq is the seq of the conference's last event.
	LastSeq int64
	// LastAlive is the latest time that the server is known to have run.
	LastAlive parley.Millis
}

// Settle writes what a lost conference still owes: conf.quit (or
// conf.join.fail), conf.play_end, conf.record_end and conf.end, each settled.
// now is the time of the settlement.
func Settle(r Remains, now parley.Millis) Output {
	t := &turn{State: State{Conference: r.Conference, Phase: PhaseEnding}, now: now, settled: true}
	t.Seq = r.LastSeq
	t.Reason, t.EndedBy = parley.ReasonServerLost, parley.EndedByServer
	at := max(r.LastAlive, r.Conference.BeginTime)
	if r.Conference.State == parley.ConferenceCreating {
		message := "the server stopped before the conference began"
		t.Conference.Error = &message
		t.finish(now)
		return t.out
	}
	message := "the server stopped unexpectedly"
	t.Conference.Error = &message
	for _, p := range r.Participants {
		t.quit(&Participant{Participant: p}, at, parley.ReasonServerLost, 0)
	}
	for _, p := range r.Playbacks {
		t.playEnd(&p, at, parley.ReasonServerLost)
	}
	for _, rec := range r.Recordings {
		end := rec.EndTime
		if end == 0 {
			end = at
		}
		t.recordEnd(&Recording{Recording: rec, Stopping: parley.ReasonServerLost}, end)
	}
	t.finish(at)
	t.out.Effects = nil
	return t.out
}
