package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"parley/internal/sip/message"
)

// conn is one TCP connection, and the Flow over it.
type conn struct {
	t             *Transport
	nc            net.Conn
	local, remote netip.AddrPort
	opened        bool // by us
	gone          atomic.Bool

	write sync.Mutex // held while writing, which ends at a deadline
}

func (c *conn) Network() string        { return "TCP" }
func (c *conn) Reliable() bool         { return true }
func (c *conn) Alive() bool            { return !c.gone.Load() }
func (c *conn) Local() netip.AddrPort  { return c.local }
func (c *conn) Remote() netip.AddrPort { return c.remote }

// Send writes a message. A far end that does not read loses its connection.
func (c *conn) Send(data []byte) error {
	c.write.Lock()
	defer c.write.Unlock()
	if c.gone.Load() {
		return net.ErrClosed
	}
	err := c.nc.SetWriteDeadline(time.Now().Add(c.t.cfg.Limits.WriteTimeout))
	if err == nil {
		_, err = c.nc.Write(data)
	}
	if err != nil {
		c.close()
	}
	return err
}

// close closes the connection; its reader then ends and forgets it.
func (c *conn) close() {
	if !c.gone.Swap(true) {
		_ = c.nc.Close()
	}
}

// accept takes connections until the listener is closed.
func (t *Transport) accept() {
	for {
		nc, err := t.tcp.AcceptTCP()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			// Out of files: others must end before this can go on.
			t.cfg.Logger.Warn("TCP accept", "error", err)
			select {
			case <-time.After(100 * time.Millisecond):
			case <-t.ctx.Done():
				return
			}
			continue
		}
		if _, err := t.add(nc, false); err != nil {
			t.refused.Add(1)
			t.cfg.Logger.Debug("connection refused", "from", nc.RemoteAddr(), "error", err)
			_ = nc.Close()
		}
	}
}

// peer is a connection to remote that there is.
func (t *Transport) peer(remote netip.AddrPort) *conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := t.peers[remote]; c != nil && c.Alive() {
		return c
	}
	return nil
}

// dial opens a connection.
func (t *Transport) dial(ctx context.Context, remote netip.AddrPort) (*conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(t.ctx, cancel)()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: t.Local().Addr().AsSlice()}}
	nc, err := d.DialContext(ctx, "tcp", remote.String())
	if err != nil {
		return nil, err
	}
	c, err := t.add(nc, true)
	if err != nil {
		_ = nc.Close()
		return nil, err
	}
	return c, nil
}

// errConnections: as many connections as there may be.
var errConnections = errors.New("too many connections")

// add makes a connection known and begins to read it.
func (t *Transport) add(nc net.Conn, opened bool) (*conn, error) {
	c := &conn{t: t, nc: nc, opened: opened}
	c.local = unmap(nc.LocalAddr().(*net.TCPAddr).AddrPort())
	c.remote = unmap(nc.RemoteAddr().(*net.TCPAddr).AddrPort())
	from := Source(c.remote.Addr())
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed:
		return nil, ErrClosed
	case opened:
	case len(t.conns) >= t.cfg.Limits.Connections, t.counts[from] >= t.cfg.Limits.ConnectionsPerSource:
		return nil, errConnections
	default:
		t.counts[from]++
	}
	t.conns[c] = struct{}{}
	t.peers[c.remote] = c
	t.wg.Go(c.read)
	return c, nil
}

// forget takes a connection that has ended out of the books.
func (t *Transport) forget(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.conns, c)
	if t.peers[c.remote] == c {
		delete(t.peers, c.remote)
	}
	if from := Source(c.remote.Addr()); !c.opened {
		if t.counts[from]--; t.counts[from] <= 0 {
			delete(t.counts, from)
		}
	}
}

// read reads messages until the connection ends.
func (c *conn) read() {
	defer c.t.forget(c)
	defer c.close()
	var b buffer
	for {
		data, err := b.next(c)
		if data != nil {
			c.message(data, err)
		}
		if err != nil {
			c.t.cfg.Logger.Debug("connection ended", "far end", c.remote, "error", err)
			return
		}
	}
}

// message takes one message; with an error from Frame it is the header of one
// that has no end.
func (c *conn) message(data []byte, bad error) {
	now := c.t.cfg.Now()
	if !c.t.messages.Allow(c.remote.Addr(), now) {
		c.t.dropped.Add(1)
		return
	}
	m, fault := c.t.parser.Parse(data)
	m.Source, m.Reply, m.At = c.remote, c, now
	if bad != nil && fault == nil {
		fault = &message.Fault{Cause: bad.Error()}
		if m.IsRequest() {
			fault.Status = 400
		}
	}
	if fault != nil {
		c.t.refuse(&m, fault)
		return
	}
	c.t.deliver(m)
}

// buffer holds what a connection sent and nobody has taken yet.
type buffer struct {
	data  []byte
	off   int // how much of data was taken
	since time.Time
}

// next reads one message. It is valid until the next call. An error ends the
// connection; what came with it of a message whose end cannot be found is
// returned beside it.
func (b *buffer) next(c *conn) ([]byte, error) {
	for {
		if err := b.skipGap(c); err != nil {
			return nil, err
		}
		rest := b.data[b.off:]
		n, err := message.Frame(rest)
		switch {
		case err != nil:
			if i := bytes.Index(rest, []byte("\r\n\r\n")); i >= 0 {
				return rest[:i+4], err
			}
			return nil, err
		case n > 0:
			b.off += n
			b.since = time.Time{}
			return rest[:n], nil
		}
		if err := b.fill(c); err != nil {
			return nil, err
		}
	}
}

// skipGap takes line ends between messages, and answers a ping (RFC 5626
// section 3.5.1).
func (b *buffer) skipGap(c *conn) error {
	n := message.Gap(b.data[b.off:])
	if n == 0 {
		return nil
	}
	b.off += n
	b.since = time.Time{}
	if n >= len("\r\n\r\n") {
		return c.Send([]byte("\r\n"))
	}
	return nil
}

// step is how much is read at least.
const step = 4096

// fill reads more, until the deadline of the message that has begun, or that
// of a silent connection.
func (b *buffer) fill(c *conn) error {
	if b.off > 0 {
		b.data = append(b.data[:0], b.data[b.off:]...)
		b.off = 0
	}
	if len(b.data) == 0 && cap(b.data) > 4*step {
		b.data = nil // a large message came; the next need not be
	}
	now := time.Now()
	deadline := now.Add(c.t.cfg.Limits.IdleTimeout)
	if len(b.data) > 0 {
		if b.since.IsZero() {
			b.since = now
		}
		deadline = b.since.Add(c.t.cfg.Limits.PartialTimeout)
	}
	if err := c.nc.SetReadDeadline(deadline); err != nil {
		return err
	}
	n := len(b.data)
	if cap(b.data)-n < step {
		b.data = append(make([]byte, 0, 2*cap(b.data)+step), b.data...)
	}
	got, err := c.nc.Read(b.data[n:cap(b.data)])
	b.data = b.data[:n+got]
	if got > 0 {
		return nil
	}
	if errors.Is(err, os.ErrDeadlineExceeded) && n > 0 {
		c.t.timedOut.Add(1)
		return fmt.Errorf("message not complete after %s", c.t.cfg.Limits.PartialTimeout)
	}
	return err
}
