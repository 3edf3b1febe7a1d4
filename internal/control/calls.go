package control

import (
	"context"
	"net/netip"
	"time"

	"parley"
	"parley/internal/conference"
	"parley/internal/media"
	"parley/internal/store"
)

// SIP statuses that calls are refused with.
const (
	statusUnavailable = 480 // nobody answered the ringing call
	statusBusyHere    = 486 // the conference is full
	statusNoService   = 503
	statusDecline     = 603
)

// Admit implements Inbound.
func (c *Control) Admit(src netip.Addr) (Origin, bool) {
	src = src.Unmap()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.trunks {
		if trunkHas(t, src) {
			return Origin{t.Application, t.Name}, true
		}
	}
	for _, p := range c.cfg.AllowCalls {
		if p.Contains(src) {
			return Origin{Application: c.deflt}, true
		}
	}
	return Origin{}, false
}

// Incoming implements Inbound.
func (c *Control) Incoming(in IncomingCall, handle Call) CallEvents {
	k, err := c.addCall(parley.Call{
		ID: in.ID, Application: in.Application, Direction: parley.Inbound, State: parley.CallRinging,
		PartURI: in.PartURI, From: in.From, To: in.To, Trunk: in.Trunk, StartTime: parley.MillisOf(in.At),
	}, nil)
	if err == nil {
		err = c.refuseDraining()
	}
	if err != nil {
		c.cfg.Logger.Warn("call refused", "call", in.ID, "error", err)
		refused := &call{c: c, id: in.ID, gone: make(chan struct{}), over: true}
		c.wg.Go(func() { handle.Reject(statusNoService) })
		c.mu.Lock()
		delete(c.calls, in.ID)
		c.mu.Unlock()
		return refused
	}
	k.setSignalling(handle)
	c.wg.Go(func() { c.route(k, in) })
	return k
}

// route leads an inbound call to the conference that it asks for, or tells the
// application and lets it ring.
func (c *Control) route(k *call, in IncomingCall) {
	f := c.byName(in.Application, in.User)
	if f == nil || !f.runner.State().DialIn {
		c.ringing(k, in)
		return
	}
	record := k.snapshot()
	c.journal.put(&record)
	invite := conference.Invite{Participant: parley.Participant{ID: c.newID()}}
	if _, err := c.join(c.ctx, f, k, invite); err != nil {
		c.cfg.Logger.Info("call not taken into its conference", "call", k.id, "conference", f.id, "error", err)
		switch parley.CodeOf(err) {
		case parley.CodeConferenceFull:
			k.signalling().Reject(statusBusyHere)
		case parley.CodeStoreUnavailable:
			k.signalling().Reject(statusNoService)
		default:
			k.signalling().Reject(statusUnavailable)
		}
	}
}

// ringing tells the application of a call and gives it RingTime to answer.
func (c *Control) ringing(k *call, in IncomingCall) {
	k.mu.Lock()
	if k.over {
		k.mu.Unlock()
		return
	}
	e := k.tellLocked(in.At, &parley.CallIncomingFact{CallSeed: seed(k.record, in.At)})
	record := k.record
	// In the same order as the events, and before anything that follows.
	c.journal.put(&record, e)
	k.startRingLocked()
	k.mu.Unlock()
}

// Calls lists calls, live and over.
func (c *Control) Calls(ctx context.Context, app parley.ID, r ListRequest) (Page[parley.Call], error) {
	return list(ctx, c, store.Query{Kind: store.KindCall, Application: app}, r,
		func(k parley.Call) bool { return r.State == "" || string(k.State) == r.State })
}

// Call gives a call that is live or over.
func (c *Control) Call(ctx context.Context, app, id parley.ID) (parley.Call, error) {
	if k := c.liveCall(app, id); k != nil {
		return k.snapshot(), nil
	}
	return get[parley.Call](ctx, c, store.KindCall, app, string(id), "call")
}

// AnswerCall answers a ringing call: into a conference, or to stand by itself.
// It is answered before the call is up: call.answered tells that.
func (c *Control) AnswerCall(ctx context.Context, app, id parley.ID, r AnswerRequest) (parley.Call, error) {
	k, err := c.ringingCall(ctx, app, id)
	if err != nil {
		return parley.Call{}, err
	}
	p, err := c.participant(app, r)
	if err != nil {
		return parley.Call{}, err
	}
	if r.Conference == "" {
		k.mu.Lock()
		k.stopRingLocked()
		k.mu.Unlock()
		k.signalling().Answer(nil)
		return k.snapshot(), nil
	}
	f, err := c.live(ctx, app, r.Conference)
	if err != nil {
		return parley.Call{}, inField("conference", err)
	}
	if _, err := c.join(ctx, f, k, conference.Invite{Participant: p, PlaybackID: c.newID()}); err != nil {
		return parley.Call{}, err
	}
	return k.snapshot(), nil
}

// ringingCall finds a call that rings, or says what it is instead.
func (c *Control) ringingCall(ctx context.Context, app, id parley.ID) (*call, error) {
	k := c.liveCall(app, id)
	if k == nil {
		if _, err := c.row(ctx, store.KindCall, app, string(id), "call"); err != nil {
			return nil, err
		}
		return nil, parley.Errorf(parley.CodeCallEnded, "the call %s is over", id)
	}
	switch record := k.snapshot(); {
	case record.State != parley.CallRinging:
		return nil, parley.Errorf(parley.CodeInvalid, "the call %s does not ring: it is %s", id, record.State)
	case record.Conference != "":
		return nil, parley.Errorf(parley.CodeCallInConference, "the call %s is on its way to the conference %s", id, record.Conference)
	}
	return k, nil
}

// RejectCall refuses a ringing call with a SIP status of 400 to 699, or 603.
func (c *Control) RejectCall(ctx context.Context, app, id parley.ID, status int) error {
	if status == 0 {
		status = statusDecline
	}
	if status < 400 || status > 699 {
		return parley.FieldErrorf(parley.CodeInvalid, "status", "%d is out of range: 400 to 699", status)
	}
	k, err := c.ringingCall(ctx, app, id)
	if err != nil {
		return err
	}
	k.signalling().Reject(status)
	return waitGone(ctx, k)
}

// HangupCall ends a call, in a conference or not.
func (c *Control) HangupCall(ctx context.Context, app, id parley.ID) error {
	k := c.liveCall(app, id)
	if k == nil {
		if _, err := c.row(ctx, store.KindCall, app, string(id), "call"); err != nil {
			return err
		}
		return parley.Errorf(parley.CodeCallEnded, "the call %s is over", id)
	}
	if f := c.byName(app, string(k.snapshot().Conference)); f != nil {
		if _, err := f.runner.Do(ctx, conference.Remove{CallID: id, Hangup: true}); err == nil {
			return waitGone(ctx, k)
		}
	}
	k.hangup(parley.ReasonRemoved)
	return waitGone(ctx, k)
}

// waitGone waits until a call is over.
func waitGone(ctx context.Context, k *call) error {
	select {
	case <-k.gone:
		return nil
	case <-ctx.Done():
		return parley.Errorf(parley.CodeStoreUnavailable, "the call %s has not ended yet; it will", k.id)
	}
}

// quality is a session's statistics as a customer sees them.
func quality(s media.SessionStats) Quality {
	q := Quality{
		Codec: s.Codec.Name, PacketsReceived: s.PacketsReceived, PacketsLost: s.PacketsLost, PacketsLate: s.PacketsLate,
		PacketsSent: s.PacketsSent, JitterMS: ms(s.Jitter), PlayoutDelayMS: ms(s.PlayoutDelay), RTTMS: ms(s.RTT), Level: s.Level,
	}
	if all := s.FramesPlayed + s.FramesConcealed; all > 0 {
		q.Concealed = float64(s.FramesConcealed) / float64(all)
	}
	return q
}

// ms is d in milliseconds.
func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
