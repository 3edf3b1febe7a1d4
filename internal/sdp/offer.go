package sdp

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ErrNotAcceptable: the descriptions have no audio in common. In a request
// that means 488 Not Acceptable Here, in an answer the end of the call.
var ErrNotAcceptable = errors.New("no audio in common")

// DTMFPayloadType is the payload type that Local usually gives RFC 4733
// events, the customary one.
const DTMFPayloadType = 101

// dtmfEvents are the digits 0-9, *, #, A-D (RFC 4733 section 3.2).
const dtmfEvents = "0-15"

// The bounds of a packet that we send, and what we send where neither side
// says anything (RFC 3551 section 4.2).
const (
	MinPTime     = 10 * time.Millisecond
	MaxPTime     = 60 * time.Millisecond
	defaultPTime = 20 * time.Millisecond
)

// Local is what our side can do and wants in one dialog.
type Local struct {
	Addr            netip.AddrPort // where we receive RTP; RTCP is the next port
	Codecs          []Codec        // the best first
	DTMFPayloadType uint8          // of RFC 4733 events in an offer; 0: no events, neither offered nor accepted
	PTime           time.Duration  // what we like to receive; 0: not said
	Direction       Direction      // what we want, as we see it
	SessionID       uint64         // of the o= line while Previous is nil
	Previous        *Session       // the description that we sent last in this dialog, nil before the first
}

// Negotiated is what both descriptions agree on, seen from our side.
type Negotiated struct {
	Remote             netip.AddrPort // where to send RTP; unspecified address: an old-style hold, do not send
	RemoteRTCP         netip.AddrPort // where to send RTCP; invalid: nowhere
	Codec              Codec          // PayloadType in it is that of Local
	SendPayloadType    uint8          // in the RTP packets that we send
	ReceivePayloadType uint8          // in those that we receive
	SendDTMF           uint8          // payload type of the events that we send; 0: send none
	ReceiveDTMF        uint8          // payload type of the events that we receive; 0: none will come
	PTime              time.Duration  // to send in each packet: a multiple of 10 ms from MinPTime to MaxPTime
	Direction          Direction      // ours
}

// MakeOffer writes an offer. In a dialog that has media descriptions already
// (Local.Previous) it keeps their number and order and the payload types in use
// (RFC 3264 section 8), the audio in its place and all others refused.
func MakeOffer(l Local) Session {
	audio := Media{
		Kind: "audio", Proto: "RTP/AVP", Port: l.Addr.Port(), Addr: l.Addr.Addr(),
		PTime: l.PTime, Direction: l.Direction, RTCP: nextPort(l.Addr),
	}
	for _, c := range l.Codecs {
		audio.addFormat(Format{PayloadType: c.PayloadType, Name: c.Name, ClockRate: c.ClockRate, Channels: max(c.Channels, 1)})
	}
	if l.DTMFPayloadType != 0 {
		audio.addFormat(Format{
			PayloadType: l.DTMFPayloadType, Name: telephoneEvent, ClockRate: eventRate(l.Codecs),
			Channels: 1, Params: dtmfEvents,
		})
	}
	media := []Media{audio}
	if l.Previous != nil {
		media = placeAudio(l.Previous.Media, audio)
	}
	return l.seal(media)
}

// placeAudio gives the media of the next offer: as many as before, audio where
// it was, or added at the end (RFC 3264 section 8.1) where there was none.
func placeAudio(before []Media, audio Media) []Media {
	_, at := Session{Media: before}.Audio()
	media := make([]Media, 0, len(before)+1)
	for i, m := range before {
		if i == at {
			audio.keepPayloadTypes(m)
			m = audio
		} else {
			m = refuse(m)
		}
		media = append(media, m)
	}
	if at < 0 {
		media = append(media, audio)
	}
	return media
}

// keepPayloadTypes gives the formats the numbers that they had in before: a
// dialog never gives a payload type a second meaning (RFC 3264 section 8.3.2).
func (m *Media) keepPayloadTypes(before Media) {
	for _, old := range before.Formats {
		i := slices.IndexFunc(m.Formats, func(f Format) bool { return old.encoding().Is(f) })
		if i < 0 || m.Formats[i].PayloadType == old.PayloadType {
			continue
		}
		taken := slices.IndexFunc(m.Formats, func(f Format) bool { return f.PayloadType == old.PayloadType })
		if taken >= 0 {
			m.Formats[taken].PayloadType = m.Formats[i].PayloadType
		}
		m.Formats[i].PayloadType = old.PayloadType
	}
	formats := m.Formats
	m.Formats, m.Tokens = nil, nil
	for _, f := range formats {
		m.addFormat(f)
	}
}

// Answer answers an offer: the first media description that is usable audio is
// accepted, with the first of the offer's codecs that we have; all others are
// refused by port 0, in the same order (RFC 3264 section 6). The error wraps
// ErrNotAcceptable and says of each audio description what was wrong.
func Answer(offer Session, l Local) (Session, Negotiated, error) {
	var (
		reasons    []error
		negotiated Negotiated
		accepted   = -1
	)
	media := make([]Media, len(offer.Media))
	for i, m := range offer.Media {
		media[i] = refuse(m)
		if accepted >= 0 {
			continue
		}
		n, err := agree(m, l.Codecs, l.PTime)
		if err != nil {
			reasons = append(reasons, fmt.Errorf("media description %d: %w", i+1, err))
			continue
		}
		accepted, negotiated = i, n
	}
	if accepted < 0 {
		return Session{}, Negotiated{}, fmt.Errorf("%w: %w", ErrNotAcceptable, errors.Join(append(reasons, errNothing(offer))...))
	}
	remote := offer.Media[accepted]
	negotiated.Direction = remote.flow().Reverse().And(l.Direction)
	media[accepted] = l.answerAudio(remote, &negotiated)
	return l.seal(media), negotiated, nil
}

// answerAudio is our description of the audio that was agreed on: one codec,
// under the payload types of the offer (RFC 3264 section 6.1).
func (l Local) answerAudio(remote Media, n *Negotiated) Media {
	m := Media{
		Kind: "audio", Proto: remote.Proto, Port: l.Addr.Port(), Addr: l.Addr.Addr(),
		PTime: l.PTime, Direction: n.Direction, RTCP: nextPort(l.Addr),
	}
	m.addFormat(Format{
		PayloadType: n.SendPayloadType, Name: n.Codec.Name, ClockRate: n.Codec.ClockRate, Channels: max(n.Codec.Channels, 1),
	})
	n.ReceivePayloadType = n.SendPayloadType
	if l.DTMFPayloadType == 0 {
		n.SendDTMF = 0
	}
	if n.SendDTMF != 0 {
		n.ReceiveDTMF = n.SendDTMF
		m.addFormat(Format{
			PayloadType: n.SendDTMF, Name: telephoneEvent, ClockRate: n.Codec.ClockRate, Channels: 1, Params: dtmfEvents,
		})
	}
	return m
}

// AcceptAnswer is what our offer and the answer to it agree on. The codec is
// the first of the answer's that we offered. The error wraps ErrNotAcceptable.
func AcceptAnswer(offer, answer Session) (Negotiated, error) {
	ours, at := offer.Audio()
	if at < 0 {
		return Negotiated{}, fmt.Errorf("%w: the offer has none", ErrNotAcceptable)
	}
	if at >= len(answer.Media) {
		return Negotiated{}, fmt.Errorf("%w: %d media descriptions offered, %d answered",
			ErrNotAcceptable, len(offer.Media), len(answer.Media))
	}
	var codecs []Codec
	for _, f := range ours.Formats {
		if !f.IsDTMF() {
			codecs = append(codecs, f.encoding())
		}
	}
	theirs := answer.Media[at]
	n, err := agree(theirs, codecs, ours.PTime)
	if err != nil {
		return Negotiated{}, fmt.Errorf("%w: %w", ErrNotAcceptable, err)
	}
	n.ReceivePayloadType = n.Codec.PayloadType
	n.ReceiveDTMF = ours.dtmf(n.Codec.ClockRate)
	if n.ReceiveDTMF == 0 || n.SendDTMF == 0 {
		n.ReceiveDTMF, n.SendDTMF = 0, 0
	}
	n.Direction = theirs.flow().Reverse().And(ours.Direction)
	return n, nil
}

// agree finds what we can send to the media description m of the other side.
func agree(m Media, codecs []Codec, like time.Duration) (Negotiated, error) {
	switch {
	case !m.IsAudio():
		return Negotiated{}, fmt.Errorf("%s over %s", clip(m.Kind), clip(m.Proto))
	case m.Port == 0:
		return Negotiated{}, errors.New("audio refused by port 0")
	case m.Host != "":
		return Negotiated{}, fmt.Errorf("address %q is a host name, not an IP address", clip(m.Host))
	case !m.Addr.IsValid():
		return Negotiated{}, errors.New("no address")
	case m.Addr.IsMulticast():
		return Negotiated{}, fmt.Errorf("address %s is multicast", m.Addr)
	}
	for _, f := range m.Formats {
		i := slices.IndexFunc(codecs, func(c Codec) bool { return c.Is(f) })
		if i < 0 {
			continue
		}
		return Negotiated{
			Remote: m.Remote(), RemoteRTCP: m.RTCP, Codec: codecs[i], SendPayloadType: f.PayloadType,
			SendDTMF: m.dtmf(f.ClockRate), PTime: m.sendPTime(like),
		}, nil
	}
	return Negotiated{}, fmt.Errorf("no common codec: offered %s", m.formatNames())
}

// dtmf is the payload type of RFC 4733 events at rate, 0 where there are none.
func (m Media) dtmf(rate int) uint8 {
	for _, f := range m.Formats {
		if f.IsDTMF() && f.ClockRate == rate {
			return f.PayloadType
		}
	}
	return 0
}

// sendPTime is what we send to someone who described himself by m: what he
// likes, else what we like, never over his limit, and what our media can make.
func (m Media) sendPTime(like time.Duration) time.Duration {
	p := m.PTime
	if p == 0 {
		p = like
	}
	if p == 0 {
		p = defaultPTime
	}
	if m.MaxPTime > 0 {
		p = min(p, m.MaxPTime)
	}
	return max(MinPTime, min(MaxPTime, p)).Truncate(MinPTime)
}

func (m Media) formatNames() string {
	if len(m.Formats) == 0 {
		return clip(strings.Join(m.Tokens, " "))
	}
	names := make([]string, len(m.Formats))
	for i, f := range m.Formats {
		names[i] = fmt.Sprintf("%s/%d", clip(f.Name), f.ClockRate)
	}
	return strings.Join(names, ", ")
}

func (m *Media) addFormat(f Format) {
	m.Formats = append(m.Formats, f)
	m.Tokens = append(m.Tokens, strconv.Itoa(int(f.PayloadType)))
}

func (f Format) encoding() Codec {
	return Codec{Name: f.Name, ClockRate: f.ClockRate, Channels: f.Channels, PayloadType: f.PayloadType}
}

// refuse is the media description that says no to m: port 0, the rest of the
// m= line as it was (RFC 3264 section 6).
func refuse(m Media) Media {
	return Media{Kind: m.Kind, Proto: m.Proto, Tokens: m.Tokens}
}

// seal makes a description of ours out of media, with the o= line that follows
// from what was sent before (RFC 3264 section 8).
func (l Local) seal(media []Media) Session {
	s := Session{Origin: Origin{Username: "-", ID: l.SessionID, Version: 1, Address: l.Addr.Addr().String()}, Name: "-", Media: media}
	if l.Previous == nil {
		return s
	}
	s.Origin.ID, s.Origin.Version = l.Previous.Origin.ID, l.Previous.Origin.Version
	if string(s.Bytes()) != string(l.Previous.Bytes()) {
		s.Origin.Version++
	}
	return s
}

// eventRate is the clock rate that events share with the audio they go with
// (RFC 4733 section 2.1).
func eventRate(codecs []Codec) int {
	if len(codecs) == 0 {
		return 8000
	}
	return codecs[0].ClockRate
}

func nextPort(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr(), a.Port()+1)
}

func errNothing(offer Session) error {
	if len(offer.Media) == 0 {
		return errors.New("no media description at all")
	}
	return nil
}
