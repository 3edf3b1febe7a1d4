package sip

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"parley/internal/sip/message"

	sipgo "github.com/emiago/sipgo/sip"
)

// resolveTimeout is how long finding a host and connecting to it may take.
const resolveTimeout = 10 * time.Second

// hop is where a request is sent next.
type hop struct {
	network string // "UDP" or "TCP"
	chosen  bool   // the URI says which
	host    string // a name or an address
	port    uint16
}

func (h hop) String() string { return fmt.Sprintf("%s %s:%d", h.network, h.host, h.port) }

// hopOf is where a SIP URI leads (RFC 3263 section 4, as far as one host is
// concerned).
func hopOf(u *sipgo.Uri) (hop, error) {
	h := hop{network: "UDP", host: strings.Trim(u.Host, "[]"), port: 5060}
	if u.Scheme != "sip" {
		return hop{}, fmt.Errorf("scheme %q is not supported", u.Scheme)
	}
	if h.host == "" {
		return hop{}, errors.New("no host")
	}
	if t, ok := u.UriParams.Get("transport"); ok {
		h.chosen = true
		switch strings.ToLower(t) {
		case "udp":
		case "tcp":
			h.network = "TCP"
		default:
			return hop{}, fmt.Errorf("transport %q is not supported", t)
		}
	}
	if u.Port != 0 {
		if u.Port < 0 || u.Port > 65535 {
			return hop{}, fmt.Errorf("port %d", u.Port)
		}
		h.port = uint16(u.Port)
	}
	return h, nil
}

// addr is the hop's address if its host is one.
func (h hop) addr() (netip.AddrPort, bool) {
	a, err := netip.ParseAddr(h.host)
	return netip.AddrPortFrom(a.Unmap(), h.port), err == nil
}

// resolver finds the addresses of a host name. *net.Resolver is one.
type resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// flow finds a way to a hop; it may take some seconds. Host names become
// addresses of the kind that our sockets have.
func (a *Agent) flow(ctx context.Context, h hop) (message.Flow, error) {
	to, ok := h.addr()
	if !ok {
		network := "ip4"
		if a.network.Local().Addr().Is6() {
			network = "ip6"
		}
		found, err := a.resolver.LookupNetIP(ctx, network, h.host)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, &net.DNSError{Err: "no address", Name: h.host, IsNotFound: true}
		}
		to = netip.AddrPortFrom(found[0].Unmap(), h.port)
	}
	if to.Addr().Is6() != a.network.Local().Addr().Is6() {
		return nil, fmt.Errorf("no way from %s to %s", a.network.Local().Addr(), to.Addr())
	}
	return a.network.Flow(ctx, h.network, to)
}

// reach finds a way to a hop and hands it to found, on the call's goroutine:
// before it returns where nobody has to be asked, else later. A stream that is
// there already and leads to the same host is preferred, unless the URI asks
// for UDP: far ends behind address translators, and simple ones, listen on no
// other.
func (c *call) reach(ctx context.Context, h hop, prefer message.Flow, found func(message.Flow, error)) {
	to, literal := h.addr()
	if (h.network == "TCP" || !h.chosen) && prefer != nil && prefer.Reliable() && prefer.Alive() && literal && prefer.Remote().Addr() == to.Addr() {
		found(prefer, nil)
		return
	}
	if literal && h.network == "UDP" {
		found(c.agent.flow(ctx, h))
		return
	}
	c.owe()
	c.agent.wg.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
		defer cancel()
		f, err := c.agent.flow(ctx, h)
		c.post(func() {
			defer c.settle()
			found(f, err)
		})
	})
}

// via is the topmost Via of a request of ours.
func (a *Agent) via(f message.Flow, branch string) sipgo.Header {
	host, port := a.host(f)
	via := &sipgo.ViaHeader{ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: f.Network(), Host: host, Port: int(port)}
	via.Params.Add("branch", branch)
	via.Params.Add("rport", "")
	return via
}

// newBranch names a transaction of ours (RFC 3261 section 8.1.1.7).
func newBranch() string { return "z9hG4bK" + newTag() }

// host is what we call ourselves towards the far end of f: the address that
// was advertised to it, else that of our sockets, else the one from which the
// kernel would send there.
func (a *Agent) host(f message.Flow) (string, uint16) {
	local := a.network.Local()
	switch {
	case a.cfg.AdvertisedHost != "":
		return a.cfg.AdvertisedHost, local.Port()
	case !local.Addr().IsUnspecified():
		return local.Addr().String(), local.Port()
	}
	if at := f.Local().Addr(); at.IsValid() && !at.IsUnspecified() {
		return at.String(), local.Port()
	}
	return sourceFor(f.Remote()).String(), local.Port()
}

// sourceFor is the address from which the kernel sends to remote. Nothing is
// sent to find out.
func sourceFor(remote netip.AddrPort) netip.Addr {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(remote))
	if err != nil {
		return netip.IPv4Unspecified()
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
}

// contact is our Contact towards the far end of f.
func (a *Agent) contact(f message.Flow) sipgo.Header {
	host, port := a.host(f)
	uri := "sip:parley@" + net.JoinHostPort(host, fmt.Sprint(port))
	if f.Network() == "TCP" {
		uri += ";transport=tcp"
	}
	return sipgo.NewHeader("Contact", "<"+uri+">")
}

// newTag makes a tag, or another word that nobody can guess.
func newTag() string { return strings.ToLower(rand.Text()) }
