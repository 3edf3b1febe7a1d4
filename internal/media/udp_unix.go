//go:build unix && !linux

package media

import (
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/net/ipv4"
)

// inbox is where packets are received to.
type inbox struct {
	packets  [inboxSize]datagram
	messages []ipv4.Message
	data     [inboxSize][packetSize]byte
}

func newInbox() *inbox {
	in := &inbox{messages: make([]ipv4.Message, inboxSize)}
	for i := range in.messages {
		in.messages[i].Buffers = [][]byte{in.data[i][:]}
	}
	return in
}

type outboxSys struct{ messages []ipv4.Message }

func newOutbox() *outbox {
	o := new(outbox)
	o.sys.messages = make([]ipv4.Message, outboxSize)
	for i := range o.sys.messages {
		o.sys.messages[i] = ipv4.Message{Buffers: make([][]byte, 1), Addr: &net.UDPAddr{IP: make(net.IP, 4)}}
	}
	return o
}

// portableSocket is a socket by golang.org/x/net, which sends and receives one
// packet at a time on most systems, and allocates an address for each received.
type portableSocket struct{ conn *ipv4.PacketConn }

// listen opens a socket on addr.
func listen(addr netip.AddrPort) (socket, error) {
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return nil, err
	}
	return portableSocket{ipv4.NewPacketConn(c)}, nil
}

func (s portableSocket) close() { _ = s.conn.Close() }

func (s portableSocket) receive(in *inbox) int {
	n, err := s.conn.ReadBatch(in.messages, syscall.MSG_DONTWAIT)
	if err != nil {
		return 0
	}
	for i, m := range in.messages[:n] {
		from, _ := m.Addr.(*net.UDPAddr)
		in.packets[i] = datagram{data: in.data[i][:m.N], from: endpointOf(from.AddrPort())}
	}
	return n
}

func (s portableSocket) send(o *outbox) (failed int) {
	for i := range o.n {
		m := &o.sys.messages[i]
		m.Buffers[0] = o.data[i][:o.size[i]]
		a, d := m.Addr.(*net.UDPAddr), o.dest[i]
		copy(a.IP, []byte{byte(d >> 40), byte(d >> 32), byte(d >> 24), byte(d >> 16)})
		a.Port = int(d.port())
	}
	for at := 0; at < o.n; {
		n, err := s.conn.WriteBatch(o.sys.messages[at:o.n], syscall.MSG_DONTWAIT)
		at += n
		if err != nil {
			at++
			failed++
		}
	}
	return failed
}

// prefer does nothing on this system.
func prefer() {}
