package sdp

import (
	"net/netip"
	"strings"
	"time"
)

// ContentType is the media type of a session description in a SIP body.
const ContentType = "application/sdp"

// Direction says which way media flows, seen by whoever wrote the description
// (RFC 8866 section 6.7).
type Direction uint8

// The directions; the zero value is the default of RFC 3264 section 5.1.
const (
	SendRecv Direction = iota
	SendOnly
	RecvOnly
	Inactive
)

// NewDirection is the direction of someone who sends, receives, both or none.
func NewDirection(send, receive bool) Direction {
	switch {
	case send && receive:
		return SendRecv
	case send:
		return SendOnly
	case receive:
		return RecvOnly
	}
	return Inactive
}

// Sends reports whether the writer of the description sends media.
func (d Direction) Sends() bool { return d == SendRecv || d == SendOnly }

// Receives reports whether the writer of the description receives media.
func (d Direction) Receives() bool { return d == SendRecv || d == RecvOnly }

// Reverse is the same flow seen from the other end.
func (d Direction) Reverse() Direction { return NewDirection(d.Receives(), d.Sends()) }

// And is the flow that both d and other, seen from the same end, permit.
func (d Direction) And(other Direction) Direction {
	return NewDirection(d.Sends() && other.Sends(), d.Receives() && other.Receives())
}

// String is the attribute's name: "sendrecv", "sendonly", "recvonly" or
// "inactive".
func (d Direction) String() string {
	switch d {
	case SendOnly:
		return "sendonly"
	case RecvOnly:
		return "recvonly"
	case Inactive:
		return "inactive"
	}
	return "sendrecv"
}

func parseDirection(name string) (Direction, bool) {
	for _, d := range []Direction{SendRecv, SendOnly, RecvOnly, Inactive} {
		if name == d.String() {
			return d, true
		}
	}
	return SendRecv, false
}

// Codec is an encoding that our side can speak.
type Codec struct {
	Name        string // the encoding's name of RFC 3551 or its own RFC, compared without regard to case
	ClockRate   int    // of the RTP timestamps, Hz
	Channels    int    // 0 means 1
	PayloadType uint8  // what an offer of ours calls it: the static number, or one of 96 to 127
}

// PCMU is G.711 µ-law (RFC 3551 section 4.5.14).
func PCMU() Codec { return Codec{Name: "PCMU", ClockRate: 8000, Channels: 1, PayloadType: 0} }

// PCMA is G.711 A-law (RFC 3551 section 4.5.14).
func PCMA() Codec { return Codec{Name: "PCMA", ClockRate: 8000, Channels: 1, PayloadType: 8} }

// Is reports whether c and f are the same encoding, whatever its payload type.
func (c Codec) Is(f Format) bool {
	return strings.EqualFold(c.Name, f.Name) && c.ClockRate == f.ClockRate &&
		max(c.Channels, 1) == max(f.Channels, 1)
}

// Format is one payload type of a media description: what a=rtpmap says of it,
// or RFC 3551 where it is static.
type Format struct {
	PayloadType uint8
	Name        string
	ClockRate   int    // Hz
	Channels    int    // 1 or more
	Params      string // of a=fmtp, as written; empty where there is none
}

const telephoneEvent = "telephone-event"

// IsDTMF reports whether the format carries digits as RFC 4733 events.
func (f Format) IsDTMF() bool { return strings.EqualFold(f.Name, telephoneEvent) }

// Media is one media description, an m= line and what belongs to it.
type Media struct {
	Kind      string         // "audio", "video", "image" …
	Port      uint16         // of RTP; 0: refused or ended
	Proto     string         // "RTP/AVP" …
	Tokens    []string       // the formats as the m= line names them
	Formats   []Format       // those of Tokens whose encoding is known; only for audio over RTP/AVP
	Addr      netip.Addr     // of the c= line that applies; invalid where it is a host name, then Host has it
	Host      string         // a host name of the c= line, else empty
	RTCP      netip.AddrPort // of a=rtcp (RFC 3605), else Addr and the port after Port; invalid where there is none
	PTime     time.Duration  // a=ptime: how much sound the writer likes in a packet; 0 where it does not say
	MaxPTime  time.Duration  // a=maxptime; 0 where it does not say
	Direction Direction      // as the writer sees it, from the media or the session level
}

// IsAudio reports whether the media is audio over plain RTP, which is what we
// can speak. It may still be refused by its port, address or formats.
func (m Media) IsAudio() bool { return m.Kind == "audio" && m.Proto == "RTP/AVP" }

// Held reports whether the address is the unspecified one, with which
// RFC 2543 asked not to be sent anything (RFC 3264 section 8.4).
func (m Media) Held() bool { return m.Addr.IsValid() && m.Addr.IsUnspecified() }

// Remote is where the writer receives RTP.
func (m Media) Remote() netip.AddrPort { return netip.AddrPortFrom(m.Addr, m.Port) }

// flow is the direction with an old-style hold taken into account.
func (m Media) flow() Direction {
	if m.Held() {
		return m.Direction.And(SendOnly)
	}
	return m.Direction
}

// Origin is the o= line: who wrote the description, and which version it is.
type Origin struct {
	Username string // "-" where there is none
	ID       uint64 // the same through the whole dialog
	Version  uint64 // grows by one with each change
	Address  string // the writer's host or address
}

// Session is a session description.
type Session struct {
	Origin Origin
	Name   string // the s= line
	Media  []Media
}

// Audio is the first media description that is audio over RTP/AVP with a port,
// and its index; -1 where there is none.
func (s Session) Audio() (Media, int) {
	for i, m := range s.Media {
		if m.IsAudio() && m.Port != 0 {
			return m, i
		}
	}
	return Media{}, -1
}
