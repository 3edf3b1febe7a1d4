package transport

import (
	"errors"
	"net"
	"net/netip"

	"parley/internal/sip/message"
)

// datagrams is the Flow to a UDP address.
type datagrams struct {
	t      *Transport
	remote netip.AddrPort
}

func (f *datagrams) Send(data []byte) error {
	_, err := f.t.udp.WriteToUDPAddrPort(data, f.remote)
	return err
}

func (f *datagrams) Network() string        { return "UDP" }
func (f *datagrams) Reliable() bool         { return false }
func (f *datagrams) Alive() bool            { return true }
func (f *datagrams) Local() netip.AddrPort  { return f.t.local }
func (f *datagrams) Remote() netip.AddrPort { return f.remote }

// readUDP reads datagrams until the socket is closed.
func (t *Transport) readUDP() {
	buf := make([]byte, message.MaxSize+1)
	for {
		n, from, err := t.udp.ReadFromUDPAddrPort(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			// Such as an ICMP error that some kernels report here: it is about
			// one far end.
			t.cfg.Logger.Debug("UDP read", "error", err)
			continue
		}
		t.datagram(buf[:n], unmap(from))
	}
}

// datagram takes one datagram. What follows on in memory from it is its own.
func (t *Transport) datagram(data []byte, from netip.AddrPort) {
	now := t.cfg.Now()
	if !t.messages.Allow(from.Addr(), now) {
		t.dropped.Add(1)
		return
	}
	if message.Gap(data) == len(data) {
		return // keep-alive (RFC 5626 section 3.5.1 has them on streams, phones send them here)
	}
	m, fault := t.parser.Parse(data)
	m.Source, m.At = from, now
	m.Reply = &datagrams{t: t, remote: m.Top.ReplyTo(from)}
	if fault != nil {
		t.refuse(&m, fault)
		return
	}
	t.deliver(m)
}
