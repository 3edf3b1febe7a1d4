package media

import (
	"net/netip"
	"time"
)

// endpoint is an IPv4 address and port in one word: what packets are told
// apart by. Zero is none.
type endpoint uint64

// endpointOf is a as an endpoint; 0 where it is not IPv4, unspecified, or has
// no port.
func endpointOf(a netip.AddrPort) endpoint {
	ip := a.Addr().Unmap()
	if !ip.Is4() || ip.IsUnspecified() || a.Port() == 0 {
		return 0
	}
	return endpoint(hostOf(ip))<<16 | endpoint(a.Port())
}

// hostOf is an IPv4 address as a number; 0 for any other.
func hostOf(ip netip.Addr) uint32 {
	ip = ip.Unmap()
	if !ip.Is4() {
		return 0
	}
	b := ip.As4()
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

func (e endpoint) host() uint32 { return uint32(e >> 16) }
func (e endpoint) port() uint16 { return uint16(e) }

// addrPort is e in the form that the rest of the server uses.
func (e endpoint) addrPort() netip.AddrPort {
	if e == 0 {
		return netip.AddrPort{}
	}
	h := e.host()
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(h >> 24), byte(h >> 16), byte(h >> 8), byte(h)}), e.port())
}

const (
	// inboxSize and outboxSize are how many packets go through one system call.
	inboxSize  = 64
	outboxSize = 128
	// packetSize is the room for a packet in: longer ones are dropped.
	packetSize = 1024
	// outSize is the room for a packet out: an RTP header and 60 ms of G.711,
	// or an RTCP report.
	outSize = 512
)

// socket is a UDP port that never blocks. There is one implementation with the
// system calls of Linux, and one with golang.org/x/net for all others.
type socket interface {
	// receive fills in with packets that have arrived and reports how many.
	receive(in *inbox) int
	// send sends what is in out and reports how many were not taken.
	send(out *outbox) (failed int)
	close()
}

// datagram is a packet that has arrived.
type datagram struct {
	data []byte
	from endpoint
	age  time.Duration // how long ago it arrived
}

// outbox collects packets for one socket until they are sent in one go.
type outbox struct {
	to   socket
	n    int
	size [outboxSize]int
	dest [outboxSize]endpoint
	data [outboxSize][outSize]byte
	sys  outboxSys

	sent, failed int64
}

// next is room for a packet to dest through to. What the socket before had to
// send is sent.
func (o *outbox) next(to socket, dest endpoint) *[outSize]byte {
	if o.to != to || o.n == outboxSize {
		o.flush()
		o.to = to
	}
	o.dest[o.n] = dest
	return &o.data[o.n]
}

// commit says that the packet asked for with next is n bytes long.
func (o *outbox) commit(n int) {
	o.size[o.n] = n
	o.n++
}

// flush sends what has been collected.
func (o *outbox) flush() {
	if o.n == 0 {
		return
	}
	failed := o.to.send(o)
	o.sent += int64(o.n - failed)
	o.failed += int64(failed)
	o.n = 0
}
