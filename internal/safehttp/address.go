package safehttp

import (
	"fmt"
	"net/netip"
	"slices"
)

// AddressError says which address was refused.
type AddressError struct {
	Addr netip.Addr
	Port uint16
	// Reason is what the address is: "private", "loopback", "link-local" …, or
	// "port" where the port is not allowed.
	Reason string
}

func (e *AddressError) Error() string {
	if e.Reason == reasonPort {
		return fmt.Sprintf("port %d is not allowed", e.Port)
	}
	return fmt.Sprintf("address %s is not allowed: it is %s", e.Addr, e.Reason)
}

// Reasons that AllowPrivate lifts, and the one for ports.
const (
	reasonLoopback = "loopback"
	reasonPrivate  = "private"
	reasonShared   = "shared (carrier-grade NAT)"
	reasonPort     = "port"
)

// block is a range of addresses that are not public.
type block struct {
	prefix netip.Prefix
	reason string
}

// blocks gives the ranges that are not public, the first match rules. They are
// the IANA special-purpose registries (RFC 6890 and its updates), and the
// addresses at which clouds serve credentials to whoever asks.
func blocks() []block {
	var list []block
	add := func(reason string, prefixes ...string) {
		for _, p := range prefixes {
			list = append(list, block{netip.MustParsePrefix(p), reason})
		}
	}
	add("a cloud's metadata service", "169.254.169.254/32", "169.254.170.2/32", "100.100.100.200/32", "168.63.129.16/32",
		"192.0.0.192/32", "fd00:ec2::254/128", "fd20:ce::254/128")
	add("unspecified", "0.0.0.0/8", "::/128")
	add(reasonLoopback, "127.0.0.0/8", "::1/128")
	add(reasonPrivate, "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
	add(reasonShared, "100.64.0.0/10")
	add("link-local", "169.254.0.0/16", "fe80::/10", "fec0::/10")
	add("documentation", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20")
	add("benchmarking", "198.18.0.0/15", "2001:2::/48")
	add("multicast", "224.0.0.0/4", "ff00::/8")
	add("broadcast", "255.255.255.255/32")
	add("reserved", "192.0.0.0/24", "240.0.0.0/4")
	// Each of these leads to an IPv4 address that would have to be judged too.
	add("translated to IPv4", "192.88.99.0/24", "2002::/16", "2001::/32", "64:ff9b::/96", "64:ff9b:1::/48", "::/96")
	add("reserved", "2001::/23")
	return list
}

// global is the only part of IPv6 that is assigned to public hosts (RFC 4291
// section 2.4, IANA).
const global = "2000::/3"

// policy decides about addresses. It does not change once made.
type policy struct {
	allowPrivate bool
	allow        []netip.Prefix
	ports        []uint16
	blocks       []block
	global       netip.Prefix
}

func newPolicy(o Options) policy {
	return policy{
		allowPrivate: o.AllowPrivate, allow: slices.Clone(o.Allow), ports: slices.Clone(o.Ports),
		blocks: blocks(), global: netip.MustParsePrefix(global),
	}
}

// check gives nil for an address and port that may be reached, else an
// *AddressError.
func (p *policy) check(to netip.AddrPort) error {
	if err := p.checkPort(to.Addr(), to.Port()); err != nil {
		return err
	}
	if reason := p.refuses(to.Addr()); reason != "" {
		return &AddressError{Addr: to.Addr(), Port: to.Port(), Reason: reason}
	}
	return nil
}

// checkPort gives nil for a port that may be reached, else an *AddressError.
func (p *policy) checkPort(addr netip.Addr, port uint16) error {
	if len(p.ports) > 0 && !slices.Contains(p.ports, port) {
		return &AddressError{Addr: addr, Port: port, Reason: reasonPort}
	}
	return nil
}

// refuses says why addr may not be reached, empty if it may.
func (p *policy) refuses(addr netip.Addr) string {
	// An IPv4 address in IPv6's clothes (::ffff:a.b.c.d) is the IPv4 address;
	// a zone belongs to link-local addresses and matches no prefix.
	addr = addr.Unmap().WithZone("")
	for _, allowed := range p.allow {
		if allowed.Contains(addr) {
			return ""
		}
	}
	for _, b := range p.blocks {
		if !b.prefix.Contains(addr) {
			continue
		}
		if p.allowPrivate && (b.reason == reasonLoopback || b.reason == reasonPrivate || b.reason == reasonShared) {
			return ""
		}
		return b.reason
	}
	if addr.Is6() && !p.global.Contains(addr) {
		return "reserved"
	}
	if !addr.IsValid() {
		return "not an address"
	}
	return ""
}
