package transaction

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"parley/internal/sip/message"

	sipgo "github.com/emiago/sipgo/sip"
)

// Client is the transaction of a request of ours (RFC 3261 section 17.1).
type Client struct {
	layer  *Layer
	key    string
	invite bool
	req    *sipgo.Request
	data   []byte // the request as it is sent
	flow   message.Flow
	handle func(m *message.Message, err error)

	mu       sync.Mutex
	state    state         // guarded by mu; another request's Trying is stateCalling here
	interval time.Duration // guarded by mu: until the request is repeated
	repeat   *time.Timer   // guarded by mu: Timer A or E
	deadline *time.Timer   // guarded by mu: Timer B or F, then D, K or M
	ack      []byte        // guarded by mu: to the refusal that came
}

// Send sends a request, other than ACK, and follows what becomes of it. req
// has its Via, with a branch that no other request has, and is not changed any
// more. handle takes every answer but repetitions: for an INVITE all
// provisional ones and all 2xx, those repeated included, until 64*T1 after the
// first; or, once and instead of a final answer, the error that ended the
// transaction: ErrTimeout, ErrClosed, or that of sending. It is called by
// Receive or from a timer, never by Send itself, and must not block.
func (l *Layer) Send(req *sipgo.Request, flow message.Flow, handle func(m *message.Message, err error)) *Client {
	branch, _ := req.Via().Params.Get("branch")
	c := &Client{
		layer: l, key: clientKey(branch, string(req.Method)), invite: req.IsInvite(),
		req: req, data: []byte(req.String()), flow: flow, handle: handle, interval: T1,
	}
	l.mu.Lock()
	closed := l.closed
	if !closed {
		l.clients[c.key] = c
	}
	l.mu.Unlock()

	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = time.AfterFunc(Timeout, func() { c.expired() })
	if closed {
		c.failLocked(ErrClosed)
		return c
	}
	c.repeat = time.AfterFunc(T1, c.again)
	if err := flow.Send(c.data); err != nil {
		c.failLocked(fmt.Errorf("send %s: %w", req.Method, err))
	}
	return c
}

// failLocked ends the transaction with an error that is told later.
func (c *Client) failLocked(err error) {
	c.stopLocked()
	c.state = stateTerminated
	c.deadline = time.AfterFunc(0, func() {
		c.layer.forget(c)
		c.handle(nil, err)
	})
}

func (c *Client) stopLocked() {
	c.deadline.Stop()
	if c.repeat != nil {
		c.repeat.Stop()
	}
}

// errLost: the connection that the request went over is gone.
var errLost = errors.New("connection lost")

// again repeats the request: Timers A and E (RFC 3261 sections 17.1.1.2 and
// 17.1.2.2). On a stream it looks whether that is still there.
func (c *Client) again() {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.state == stateCalling && c.invite:
		c.interval *= 2
	case c.state == stateCalling:
		c.interval = min(2*c.interval, T2)
	case c.state == stateProceeding && !c.invite:
		c.interval = T2
	default:
		return
	}
	c.repeat.Reset(c.interval)
	if c.flow.Reliable() {
		if !c.flow.Alive() {
			c.failLocked(errLost)
		}
		return
	}
	if err := c.flow.Send(c.data); err != nil {
		c.failLocked(fmt.Errorf("send %s: %w", c.req.Method, err))
	}
}

// expired is Timer B or F without a final answer, else the end of the wait for
// repetitions: Timer D, K or M.
func (c *Client) expired() {
	c.mu.Lock()
	waiting := c.state == stateCalling || c.state == stateProceeding
	c.stopLocked()
	c.state = stateTerminated
	c.mu.Unlock()
	c.layer.forget(c)
	if waiting {
		c.handle(nil, ErrTimeout)
	}
}

// receive takes an answer, on Receive's goroutine.
func (c *Client) receive(m message.Message) {
	var tell bool
	if c.invite {
		tell = c.receiveInvite(m)
	} else {
		tell = c.receiveOther(m)
	}
	if tell {
		c.handle(&m, nil)
	}
}

// receiveInvite is RFC 3261 section 17.1.1.2, and RFC 6026 section 8.4 for 2xx.
// It reports whether the answer is for the user agent.
func (c *Client) receiveInvite(m message.Message) (tell bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	waiting := c.state == stateCalling || c.state == stateProceeding
	switch status := m.Status; {
	case waiting && status < 200:
		// A provisional answer ends repetition and Timer B: ringing takes as
		// long as it takes, and whoever called sees to that.
		c.state = stateProceeding
		c.stopLocked()
		return true
	case waiting && status < 300:
		c.state = stateAccepted
		c.waitLocked(Timeout) // Timer M
		return true
	case c.state == stateAccepted:
		return status >= 200 && status < 300
	case waiting:
		c.state = stateCompleted
		c.ack = c.acknowledge(&m)
		c.waitLocked(Timeout) // Timer D, at least 32 s
		c.sendAckLocked()
		return true
	case c.state == stateCompleted && status >= 300:
		c.sendAckLocked()
	}
	return false
}

// receiveOther is RFC 3261 section 17.1.2.2.
func (c *Client) receiveOther(m message.Message) (tell bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != stateCalling && c.state != stateProceeding {
		return false
	}
	if m.Status < 200 {
		c.state = stateProceeding
		return true
	}
	c.state = stateCompleted
	c.waitLocked(T4) // Timer K
	return true
}

// waitLocked stops repetition and leaves the transaction there for a while to
// take what is repeated; not for long where nothing is.
func (c *Client) waitLocked(d time.Duration) {
	if c.repeat != nil {
		c.repeat.Stop()
	}
	if c.flow.Reliable() && c.state == stateCompleted {
		d = 0
	}
	c.deadline.Reset(d)
}

func (c *Client) sendAckLocked() {
	if err := c.flow.Send(c.ack); err != nil {
		c.layer.cfg.Logger.Debug("ACK not sent", "to", c.flow.Remote(), "error", err)
	}
}

// acknowledge is the ACK to a refusal (RFC 3261 section 17.1.1.3).
func (c *Client) acknowledge(m *message.Message) []byte {
	ack := sipgo.NewRequest(sipgo.ACK, c.req.Recipient)
	ack.AppendHeader(c.req.Via().Clone())
	for _, h := range c.req.GetHeaders("Route") {
		ack.AppendHeader(h)
	}
	ack.AppendHeader(sipgo.NewHeader("Max-Forwards", "70"))
	ack.AppendHeader(c.req.GetHeader("From"))
	ack.AppendHeader(sipgo.NewHeader("To", m.To))
	ack.AppendHeader(c.req.GetHeader("Call-ID"))
	ack.AppendHeader(&sipgo.CSeqHeader{SeqNo: c.req.CSeq().SeqNo, MethodName: sipgo.ACK})
	ack.SetBody(nil)
	return []byte(ack.String())
}

// end ends a transaction that has no final answer yet with err, and any other
// without a word.
func (c *Client) end(err error) {
	c.mu.Lock()
	waiting := c.state == stateCalling || c.state == stateProceeding
	if waiting {
		c.failLocked(err)
	} else {
		c.stopLocked()
		c.state = stateTerminated
	}
	c.mu.Unlock()
	c.layer.forget(c)
}

// Abandon ends the transaction if it has no final answer yet: handle is told
// ErrTimeout.
func (c *Client) Abandon() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == stateCalling || c.state == stateProceeding {
		c.failLocked(ErrTimeout)
	}
}

// forget takes a client transaction that has ended out of the layer.
func (l *Layer) forget(c *Client) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.clients[c.key] == c {
		delete(l.clients, c.key)
	}
}
