package control

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"time"

	"parley"
	"parley/internal/conference"
	"parley/internal/recorder"
	"parley/internal/store"
)

// heartbeatID is the row that says when the server was last known to run.
const heartbeatID = "heartbeat"

// heartbeatEvery bounds how far a settled time is from the true one.
const heartbeatEvery = time.Second

// heartbeat writes, while anything is live, that the server runs.
func (c *Control) heartbeat() {
	ticker := time.NewTicker(heartbeatEvery)
	defer ticker.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-ticker.C:
		}
		c.mu.Lock()
		live := len(c.confs) + len(c.calls)
		c.mu.Unlock()
		if live == 0 {
			continue
		}
		doc, _ := json.Marshal(c.now())
		row := store.Row{Kind: store.KindSetting, ID: heartbeatID, Doc: doc}
		if err := c.cfg.Ledger.Commit(c.ctx, &store.Write{Put: []store.Row{row}}); err != nil {
			c.cfg.Logger.Warn("heartbeat not written", "error", err)
		}
	}
}

// lastHeartbeat is when the server was last known to run, 0 if never.
func (c *Control) lastHeartbeat(ctx context.Context) (parley.Millis, error) {
	row, err := c.cfg.Store.Get(ctx, store.KindSetting, heartbeatID)
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, storeError(err)
	}
	var at parley.Millis
	if err := json.Unmarshal(row.Doc, &at); err != nil {
		return 0, storeError(err)
	}
	return at, nil
}

// settle ends what was live when the server stopped without a chance to do so.
func (c *Control) settle(ctx context.Context) error {
	alive, err := c.lastHeartbeat(ctx)
	if err != nil {
		return err
	}
	confs, err := all[parley.Conference](ctx, c, store.Query{Kind: store.KindConference, LiveOnly: true, Ascending: true})
	if err != nil {
		return err
	}
	for _, f := range confs {
		if err := c.settleConference(ctx, f, alive); err != nil {
			return err
		}
	}
	calls, err := all[parley.Call](ctx, c, store.Query{Kind: store.KindCall, LiveOnly: true, Ascending: true})
	if err != nil {
		return err
	}
	for _, k := range calls {
		if err := c.settleCall(ctx, k, alive); err != nil {
			return err
		}
	}
	if len(confs)+len(calls) > 0 {
		c.cfg.Logger.Warn("settled what the last run left", "conferences", len(confs), "calls", len(calls))
	}
	return nil
}

func (c *Control) settleConference(ctx context.Context, f parley.Conference, alive parley.Millis) error {
	r := conference.Remains{Conference: f, LastAlive: alive}
	var err error
	q := store.Query{Application: f.Application, Parent: f.ID, LiveOnly: true, Ascending: true}
	q.Kind = store.KindParticipant
	if r.Participants, err = all[parley.Participant](ctx, c, q); err != nil {
		return err
	}
	q.Kind = store.KindPlayback
	if r.Playbacks, err = all[parley.Playback](ctx, c, q); err != nil {
		return err
	}
	q.Kind = store.KindRecording
	if r.Recordings, err = all[parley.Recording](ctx, c, q); err != nil {
		return err
	}
	for i := range r.Recordings {
		c.repair(&r.Recordings[i])
	}
	seq, latest, err := c.told(ctx, f.ID)
	if err != nil {
		return err
	}
	r.LastSeq, r.LastAlive = seq, max(r.LastAlive, latest)
	return c.commit(ctx, conference.Settle(r, c.now()).Write())
}

// repair makes a recording's file playable and says what is in it. A recording
// that was lost before its file was made gets an empty one.
func (c *Control) repair(r *parley.Recording) {
	file, err := c.cfg.Files.EditRecording(r.ID)
	if errors.Is(err, fs.ErrNotExist) {
		file, err = c.cfg.Files.CreateRecording(r.ID)
	}
	var result recorder.Result
	if err == nil {
		result, err = recorder.Repair(file)
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		c.cfg.Logger.Error("recording not repaired", "recording", r.ID, "error", err)
		return
	}
	r.DurationMS, r.Bytes, r.Gaps = result.Duration.Milliseconds(), result.Bytes, result.Gaps
}

// told gives the seq of a stream's last event and the latest time of any: what
// was observed is told with its own time, which may lie before that of an
// earlier event. Both are 0 for a stream without events.
func (c *Control) told(ctx context.Context, stream parley.ID) (seq int64, latest parley.Millis, err error) {
	for {
		events, err := c.cfg.Store.Events(ctx, store.EventQuery{Stream: stream, AfterSeq: seq, Limit: maxLimit})
		if err != nil {
			return 0, 0, storeError(err)
		}
		if len(events) == 0 {
			return seq, latest, nil
		}
		for _, e := range events {
			seq, latest = e.Seq, max(latest, e.Time)
		}
	}
}

func (c *Control) settleCall(ctx context.Context, k parley.Call, alive parley.Millis) error {
	seq, latest, err := c.told(ctx, k.ID)
	if err != nil {
		return err
	}
	at := max(alive, latest, k.StartTime)
	k.Seq = seq + 1
	k.State, k.EndTime, k.Reason = parley.CallEnded, at, parley.ReasonServerLost
	fact := &parley.CallEndedFact{CallSeed: seed(k, at.Time()), Reason: k.Reason}
	parley.MarkSettled(fact)
	e, err := parley.NewEvent(k.ID, k.Seq, k.Application, at, fact)
	if err != nil {
		return storeError(err)
	}
	return c.commit(ctx, &store.Write{Put: []store.Row{store.Encode(&k)}, Events: []parley.Event{e}})
}
