package sdp

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	pion "github.com/pion/sdp/v3"
)

// Bytes is the description as it goes into a SIP body, its lines ended by
// CRLF. The c= line stands at the session level, and again in a media
// description whose address differs.
func (s Session) Bytes() []byte {
	addr, host := s.connection()
	d := pion.SessionDescription{
		Origin: pion.Origin{
			Username: orDash(s.Origin.Username), SessionID: s.Origin.ID, SessionVersion: s.Origin.Version,
			NetworkType: "IN", AddressType: addressType(s.Origin.Address), UnicastAddress: s.Origin.Address,
		},
		SessionName:      pion.SessionName(orDash(s.Name)),
		TimeDescriptions: []pion.TimeDescription{{}},
	}
	if d.Origin.UnicastAddress == "" {
		d.Origin.UnicastAddress = "0.0.0.0"
	}
	d.ConnectionInformation = connectionLine(addr, host)
	for _, m := range s.Media {
		d.MediaDescriptions = append(d.MediaDescriptions, m.describe(addr, host))
	}
	b, _ := d.Marshal() // fails never: it only appends to a buffer
	return b
}

// connection is the address of the first media description that has one.
func (s Session) connection() (netip.Addr, string) {
	for _, m := range s.Media {
		if m.Addr.IsValid() || m.Host != "" {
			return m.Addr, m.Host
		}
	}
	return netip.Addr{}, ""
}

func (m Media) describe(addr netip.Addr, host string) *pion.MediaDescription {
	d := &pion.MediaDescription{MediaName: pion.MediaName{
		Media: m.Kind, Port: pion.RangedPort{Value: int(m.Port)},
		Protos: strings.Split(m.Proto, "/"), Formats: m.Tokens,
	}}
	if !m.IsAudio() {
		return d
	}
	if m.Addr != addr || m.Host != host {
		d.ConnectionInformation = connectionLine(m.Addr, m.Host)
	}
	for _, f := range m.Formats {
		d.Attributes = append(d.Attributes, pion.NewAttribute("rtpmap", f.rtpmap()))
		if f.Params != "" {
			d.Attributes = append(d.Attributes, pion.NewAttribute("fmtp", fmt.Sprintf("%d %s", f.PayloadType, f.Params)))
		}
	}
	if m.PTime > 0 {
		d.Attributes = append(d.Attributes, pion.NewAttribute("ptime", millis(m.PTime)))
	}
	if m.MaxPTime > 0 {
		d.Attributes = append(d.Attributes, pion.NewAttribute("maxptime", millis(m.MaxPTime)))
	}
	if m.RTCP.IsValid() && m.RTCP != netip.AddrPortFrom(m.Addr, m.Port+1) {
		a := m.RTCP.Addr()
		d.Attributes = append(d.Attributes, pion.NewAttribute("rtcp",
			fmt.Sprintf("%d IN %s %s", m.RTCP.Port(), addressType(a.String()), a)))
	}
	d.Attributes = append(d.Attributes, pion.NewPropertyAttribute(m.Direction.String()))
	return d
}

func (f Format) rtpmap() string {
	s := fmt.Sprintf("%d %s/%d", f.PayloadType, f.Name, f.ClockRate)
	if f.Channels > 1 {
		s += "/" + strconv.Itoa(f.Channels)
	}
	return s
}

func connectionLine(addr netip.Addr, host string) *pion.ConnectionInformation {
	if addr.IsValid() {
		host = addr.String()
	}
	if host == "" {
		return nil
	}
	return &pion.ConnectionInformation{
		NetworkType: "IN", AddressType: addressType(host), Address: &pion.Address{Address: host},
	}
}

func addressType(address string) string {
	if a, err := netip.ParseAddr(address); err == nil && a.Is6() {
		return "IP6"
	}
	return "IP4"
}

func millis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
