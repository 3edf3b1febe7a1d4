package sdp

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	pion "github.com/pion/sdp/v3"
)

// ErrMalformed: the description breaks the grammar of RFC 8866.
var ErrMalformed = errors.New("malformed session description")

// ErrTooLarge: the description is over one of the bounds MaxSize, MaxLines,
// MaxMedia or MaxFormats.
var ErrTooLarge = errors.New("session description too large")

// Parse reads a description that the other side sent. Errors wrap ErrMalformed
// or ErrTooLarge. What is well formed but of no use to us (a video stream, a
// host name as address, an unknown codec) is no error here; Answer and
// AcceptAnswer decide about it.
func Parse(body []byte) (Session, error) {
	c, err := condense(body)
	if err != nil {
		return Session{}, err
	}
	var d pion.SessionDescription
	if err := d.UnmarshalString(c.text.String()); err != nil {
		return Session{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	s := Session{
		Origin: Origin{
			Username: d.Origin.Username, ID: d.Origin.SessionID,
			Version: d.Origin.SessionVersion, Address: d.Origin.UnicastAddress,
		},
		Name: string(d.SessionName),
	}
	for i, md := range d.MediaDescriptions {
		m, ok := c.foreign[i]
		if !ok {
			if m, err = parseMedia(&d, md); err != nil {
				return Session{}, fmt.Errorf("media description %d: %w", i+1, err)
			}
		}
		s.Media = append(s.Media, m)
	}
	return s, nil
}

func parseMedia(d *pion.SessionDescription, md *pion.MediaDescription) (Media, error) {
	m := Media{
		Kind: md.MediaName.Media, Proto: strings.Join(md.MediaName.Protos, "/"),
		Port: uint16(md.MediaName.Port.Value), Tokens: md.MediaName.Formats,
	}
	conn := md.ConnectionInformation
	if conn == nil {
		conn = d.ConnectionInformation
	}
	if conn != nil && conn.Address != nil {
		m.Addr, m.Host = parseAddress(conn.Address.Address)
	}
	if !m.Addr.IsValid() && m.Host == "" && m.Port != 0 {
		return Media{}, fmt.Errorf("%w: no c= line, neither here nor for the session", ErrMalformed)
	}
	if m.Addr.IsValid() && m.Port != 0 && m.Port < 65535 {
		m.RTCP = netip.AddrPortFrom(m.Addr, m.Port+1)
	}
	for _, a := range d.Attributes {
		m.applyTiming(a.Key, a.Value)
	}
	a := mediaAttributes{rtpmap: map[string]Format{}, fmtp: map[string]string{}}
	for _, attr := range md.Attributes {
		m.applyTiming(attr.Key, attr.Value)
		if err := a.apply(&m, attr.Key, attr.Value); err != nil {
			return Media{}, err
		}
	}
	m.Formats = a.formats(m.Tokens)
	return m, nil
}

// parseAddress reads the address of a c= line: an IP address, without the
// TTL that a multicast one has, or a host name.
func parseAddress(s string) (netip.Addr, string) {
	literal, _, _ := strings.Cut(s, "/")
	addr, err := netip.ParseAddr(literal)
	if err != nil || addr.Zone() != "" {
		return netip.Addr{}, literal
	}
	return addr.Unmap(), ""
}

// applyTiming takes the attributes that stand at either level.
func (m *Media) applyTiming(key, value string) {
	if d, ok := parseDirection(strings.TrimSpace(key)); ok {
		m.Direction = d
		return
	}
	switch key {
	case "ptime":
		m.PTime = parseMillis(value)
	case "maxptime":
		m.MaxPTime = parseMillis(value)
	}
}

// parseMillis reads a packet time; what is no number of 1 to 1000 ms, some
// write fractions, counts as not said.
func parseMillis(s string) time.Duration {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil || n < 1 || n > 1000 {
		return 0
	}
	return time.Duration(n) * time.Millisecond
}

// mediaAttributes collects what the attributes say of payload types, which may
// come in any order.
type mediaAttributes struct {
	rtpmap map[string]Format
	fmtp   map[string]string
}

func (a *mediaAttributes) apply(m *Media, key, value string) error {
	switch key {
	case "rtcp":
		rtcp, err := parseRTCP(value, m.Addr)
		if err != nil {
			return err
		}
		m.RTCP = rtcp
	case "rtpmap":
		pt, encoding, ok := strings.Cut(value, " ")
		f, err := parseEncoding(strings.TrimSpace(encoding))
		if !ok || err != nil {
			return fmt.Errorf("%w: a=rtpmap:%s", ErrMalformed, clip(value))
		}
		a.rtpmap[pt] = f
	case "fmtp":
		pt, params, _ := strings.Cut(value, " ")
		a.fmtp[pt] = strings.TrimSpace(params)
	}
	return nil
}

// parseEncoding reads <name>/<clock rate>[/<channels>] (RFC 8866 section 6.6).
func parseEncoding(s string) (Format, error) {
	parts := strings.Split(s, "/")
	if len(parts) < 2 || len(parts) > 3 || parts[0] == "" {
		return Format{}, ErrMalformed
	}
	f := Format{Name: parts[0], Channels: 1}
	var err error
	if f.ClockRate, err = strconv.Atoi(parts[1]); err != nil || f.ClockRate < 1 {
		return Format{}, ErrMalformed
	}
	if len(parts) == 3 {
		if f.Channels, err = strconv.Atoi(parts[2]); err != nil || f.Channels < 1 {
			return Format{}, ErrMalformed
		}
	}
	return f, nil
}

// formats gives the payload types of the m= line that have a meaning, in their
// order, each once.
func (a *mediaAttributes) formats(tokens []string) []Format {
	var out []Format
	for _, token := range tokens {
		pt, err := strconv.ParseUint(token, 10, 7)
		if err != nil || token != strconv.FormatUint(pt, 10) || slices.ContainsFunc(out, func(f Format) bool { return f.PayloadType == uint8(pt) }) {
			continue
		}
		f, ok := a.rtpmap[token]
		if !ok {
			f, ok = staticFormat(uint8(pt))
		}
		if !ok {
			continue
		}
		f.PayloadType, f.Params = uint8(pt), a.fmtp[token]
		out = append(out, f)
	}
	return out
}

// staticFormat is the payload type's meaning without a=rtpmap, for those of
// RFC 3551 section 6 that telephones still name.
func staticFormat(pt uint8) (Format, bool) {
	switch pt {
	case 0:
		return Format{Name: "PCMU", ClockRate: 8000, Channels: 1}, true
	case 3:
		return Format{Name: "GSM", ClockRate: 8000, Channels: 1}, true
	case 8:
		return Format{Name: "PCMA", ClockRate: 8000, Channels: 1}, true
	case 9:
		return Format{Name: "G722", ClockRate: 8000, Channels: 1}, true
	case 13:
		return Format{Name: "CN", ClockRate: 8000, Channels: 1}, true
	case 18:
		return Format{Name: "G729", ClockRate: 8000, Channels: 1}, true
	}
	return Format{}, false
}

// parseRTCP reads a=rtcp:<port>[ IN IP4|IP6 <address>] (RFC 3605 section 2.1);
// without an address it is that of the media.
func parseRTCP(value string, addr netip.Addr) (netip.AddrPort, error) {
	fields := strings.Fields(value)
	if len(fields) != 1 && len(fields) != 4 {
		return netip.AddrPort{}, fmt.Errorf("%w: a=rtcp:%s", ErrMalformed, clip(value))
	}
	port, err := strconv.ParseUint(fields[0], 10, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%w: a=rtcp:%s", ErrMalformed, clip(value))
	}
	if len(fields) == 4 {
		addr, _ = parseAddress(fields[3])
	}
	if port == 0 || !addr.IsValid() {
		return netip.AddrPort{}, nil
	}
	return netip.AddrPortFrom(addr, uint16(port)), nil
}
