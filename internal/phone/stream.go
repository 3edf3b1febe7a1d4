package phone

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/rtp"

	"parley/internal/codec"
	"parley/internal/pcm"
	"parley/internal/sdp"
)

// A stream is the media of one call: two sockets, what is sent and what was
// heard. The phone's sender calls tick, two goroutines of the call read.
type stream struct {
	rtp, rtcp *net.UDPConn
	now       func() time.Time
	forced    time.Duration // packet time whatever was agreed on, 0: what was agreed on
	trace     func(name, detail string)
	packetOut func(*rtp.Packet) bool

	mu      sync.Mutex // guards all that follows
	agreed  sdp.Negotiated
	decoder codec.Decoder
	muted   bool // sends no RTP, by order of the script
	closed  bool
	out     outgoing
	heard   timeline
	digits  digitLog
	in      reception
	report  reports
	grown   chan struct{} // closed and replaced when something was received
}

// outgoing is the sending half of a stream.
type outgoing struct {
	active    bool // a description was agreed on
	encoder   codec.Encoder
	ptime     time.Duration
	due       time.Time // of the next packet
	ssrc      uint32
	sequence  uint16
	timestamp uint32
	sound     pcm.Source
	ended     chan struct{} // closed when sound has ended or was replaced
	keypad    keypad
	sent      Flow
	late      int // packets that were left out because the sender came too late
	paused    bool
}

// maxLag is how late the sender may be and still make up for it, in one burst:
// on a busy machine nothing of what should be heard is missing, it only comes
// late. What is older is left out.
const maxLag = 2 * time.Second

// openStream binds an RTP port on ip and the next one for RTCP.
func openStream(ip netip.Addr, now func() time.Time) (*stream, error) {
	media, control, err := listenPair(ip)
	if err != nil {
		return nil, err
	}
	return &stream{
		rtp: media, rtcp: control, now: now, grown: make(chan struct{}),
		out: outgoing{
			ssrc: rand.Uint32(), sequence: uint16(rand.Uint32()), timestamp: rand.Uint32(),
			sound: Silence(), ended: make(chan struct{}),
		},
	}, nil
}

// listenPair binds two adjacent ports: the kernel chooses one, and its
// neighbour is tried until that is free too.
func listenPair(ip netip.Addr) (media, control *net.UDPConn, err error) {
	for range 100 {
		media, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, 0)))
		if err != nil {
			return nil, nil, err
		}
		next := addrPort(media.LocalAddr())
		if next.Port() < 65535 {
			control, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, next.Port()+1)))
			if err == nil {
				return media, control, nil
			}
		}
		_ = media.Close()
	}
	return nil, nil, fmt.Errorf("no two adjacent UDP ports are free on %s: %w", ip, err)
}

func addrPort(a net.Addr) netip.AddrPort {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

func (s *stream) local() netip.AddrPort { return addrPort(s.rtp.LocalAddr()) }

// configure takes what offer and answer agreed on; sending begins or goes on
// where it permits.
func (s *stream) configure(n sdp.Negotiated) error {
	format, ok := codec.ByName(n.Codec.Name, n.Codec.ClockRate)
	if !ok {
		return fmt.Errorf("%w %s/%d", codec.ErrUnknown, n.Codec.Name, n.Codec.ClockRate)
	}
	encoder, err := codec.NewEncoder(format)
	if err != nil {
		return err
	}
	decoder, err := codec.NewDecoder(format)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrEnded
	}
	s.agreed, s.decoder, s.out.encoder = n, decoder, encoder
	s.out.ptime = n.PTime
	if s.forced > 0 {
		s.out.ptime = s.forced
	}
	if !s.out.active {
		s.out.active, s.out.due = true, s.now()
		s.report.due = s.out.due.Add(firstReport)
	}
	close(s.grown)
	s.grown = make(chan struct{})
	return nil
}

// active reports whether a description was agreed on.
func (s *stream) active() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.active
}

// close ends both directions. It is idempotent.
func (s *stream) close() {
	s.mu.Lock()
	closed := s.closed
	s.closed, s.out.active = true, false
	if !closed {
		close(s.grown)
	}
	s.mu.Unlock()
	if !closed {
		_ = s.rtp.Close()
		_ = s.rtcp.Close()
	}
}

// play replaces what is sent. The channel is closed when sound has ended or
// was replaced in turn.
func (s *stream) play(sound pcm.Source) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out.finish()
	s.out.sound, s.out.ended = sound, make(chan struct{})
	return s.out.ended
}

func (o *outgoing) finish() {
	select {
	case <-o.ended:
	default:
		close(o.ended)
	}
}

// due is when tick has something to do next; ok is false while nothing was
// agreed on.
func (s *stream) due() (at time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.out.active {
		return time.Time{}, false
	}
	if s.report.due.Before(s.out.due) {
		return s.report.due, true
	}
	return s.out.due, true
}

// tick sends what is due now. Only the sender calls it.
func (s *stream) tick(now time.Time) {
	for {
		packet, remote, ok := s.next(now)
		if !ok {
			break
		}
		s.send(packet, remote)
	}
	s.tickReport(now)
}

// next is the next packet that is due; its time line runs on while nothing may
// be sent.
func (s *stream) next(now time.Time) (*rtp.Packet, netip.AddrPort, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.out.active && !s.out.due.After(now) {
		size := int(s.out.ptime * sampleRate / time.Second)
		if now.Sub(s.out.due) > maxLag {
			s.out.late++
			s.out.pass(size)
			continue
		}
		if s.muted || !s.agreed.Direction.Sends() || s.agreed.Remote.Addr().IsUnspecified() {
			s.out.paused = true
			s.out.pass(size)
			continue
		}
		packet, ok := s.out.packet(size, s.agreed)
		s.out.pass(size)
		if ok {
			return packet, s.agreed.Remote, true
		}
	}
	return nil, netip.AddrPort{}, false
}

// pass moves the schedule on by one packet.
func (o *outgoing) pass(size int) {
	o.due = o.due.Add(o.ptime)
	o.timestamp += uint32(size)
}

// packet is the next packet of sound or of a digit; none in the pause after a
// digit.
func (o *outgoing) packet(size int, agreed sdp.Negotiated) (*rtp.Packet, bool) {
	p := &rtp.Packet{Header: rtp.Header{
		Version: 2, PayloadType: agreed.SendPayloadType, Timestamp: o.timestamp, SSRC: o.ssrc,
		Marker: o.paused || o.sent.Packets == 0, // a talkspurt begins (RFC 3551 section 4.1)
	}}
	e, ok, busy := o.keypad.step(o.timestamp, uint32(size))
	switch {
	case ok && agreed.SendDTMF != 0:
		p.Header.PayloadType, p.Header.Timestamp, p.Header.Marker = agreed.SendDTMF, e.timestamp, e.marker
		p.Payload = e.payload[:]
	case ok || busy:
		o.paused = true
		return nil, false
	default:
		o.paused = false
		p.Payload = o.encoder.Encode(nil, o.frame(size))
	}
	p.Header.SequenceNumber = o.sequence
	o.sequence++
	o.sent.Packets++
	o.sent.Bytes += uint64(len(p.Payload))
	return p, true
}

func (o *outgoing) frame(size int) []int16 {
	frame := make([]int16, size)
	n, ended := o.sound.Next(frame)
	clear(frame[n:])
	if ended {
		o.sound = Silence()
		o.finish()
	}
	return frame
}

func (s *stream) send(packet *rtp.Packet, remote netip.AddrPort) {
	if s.packetOut != nil && !s.packetOut(packet) {
		return
	}
	b, err := packet.Marshal()
	if err != nil {
		s.trace("error", "RTP packet: "+err.Error())
		return
	}
	// A refused port (ICMP) shows here as an error of a later write; sending
	// goes on as over any lossy network.
	_, _ = s.rtp.WriteToUDPAddrPort(b, remote)
}

// readRTP takes packets until the stream is closed.
func (s *stream) readRTP() {
	buf := make([]byte, 2048)
	for {
		n, _, err := s.rtp.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		var p rtp.Packet
		if err != nil || p.Unmarshal(buf[:n]) != nil {
			continue
		}
		if key, ok := s.receive(&p); ok {
			s.trace("digit", string(key))
		}
	}
}

// receive takes one packet and gives the digit that began with it.
func (s *stream) receive(p *rtp.Packet) (key byte, ok bool) {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.decoder == nil || s.closed {
		return 0, false
	}
	s.in.packet(&p.Header, len(p.Payload), now)
	switch {
	case s.agreed.ReceiveDTMF != 0 && p.PayloadType == s.agreed.ReceiveDTMF:
		if ok = s.digits.packet(p.Timestamp, p.Payload, now); ok {
			key = s.digits.digits[len(s.digits.digits)-1].Key
		}
	case p.PayloadType == s.agreed.ReceivePayloadType:
		frame := make([]int16, len(p.Payload)) // one sample a byte in G.711
		n, err := s.decoder.Decode(frame, p.Payload)
		if err != nil {
			return 0, false
		}
		s.heard.put(p.SSRC, p.Timestamp, frame[:n], now)
	default:
		s.in.unknown++
	}
	close(s.grown)
	s.grown = make(chan struct{})
	return key, ok
}

// waitFor blocks until done reports true; it is asked again whenever something
// was received, with the stream locked. The error is ErrEnded when the call
// ends before, or the context's.
func (s *stream) waitFor(ctx context.Context, done func() bool) error {
	for {
		s.mu.Lock()
		ok, closed, grown := done(), s.closed, s.grown
		s.mu.Unlock()
		switch {
		case ok:
			return nil
		case closed:
			return ErrEnded
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
