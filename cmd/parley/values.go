package main

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
)

// portRange is "FIRST-LAST", both included.
type portRange struct{ first, last uint16 }

// UnmarshalText reads "20000-29999".
func (r *portRange) UnmarshalText(text []byte) error {
	a, b, ok := strings.Cut(string(text), "-")
	first, err1 := strconv.ParseUint(a, 10, 16)
	last, err2 := strconv.ParseUint(b, 10, 16)
	if !ok || err1 != nil || err2 != nil {
		return fmt.Errorf("%q is not a range of ports such as 20000-29999", text)
	}
	*r = portRange{uint16(first), uint16(last)}
	return nil
}

// String is the form that UnmarshalText reads.
func (r portRange) String() string { return fmt.Sprintf("%d-%d", r.first, r.last) }

// prefix is a block of addresses.
type prefix netip.Prefix

// UnmarshalText reads "10.0.0.0/8", or one address.
func (p *prefix) UnmarshalText(text []byte) error {
	s := string(text)
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		*p = prefix(netip.PrefixFrom(a, a.BitLen()))
		return nil
	}
	block, err := netip.ParsePrefix(s)
	if err != nil {
		return fmt.Errorf("%q is neither a block of addresses such as 10.0.0.0/8 nor an address", s)
	}
	*p = prefix(block.Masked())
	return nil
}

// byteSize is a number of bytes.
type byteSize int64

// units are the suffixes of a byteSize, the largest first.
var units = []struct {
	name string
	size int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1}}

// UnmarshalText reads "64MiB", "10MB" or "1048576".
func (b *byteSize) UnmarshalText(text []byte) error {
	number, size := string(text), int64(1)
	for _, u := range units {
		if rest, ok := strings.CutSuffix(number, u.name); ok {
			number, size = strings.TrimSpace(rest), u.size
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/size {
		return fmt.Errorf("%q is not a size such as 64MiB, 10MB or 1048576", text)
	}
	*b = byteSize(n * size)
	return nil
}

// String is the shortest exact form that UnmarshalText reads.
func (b byteSize) String() string {
	for _, u := range units {
		if b != 0 && int64(b)%u.size == 0 {
			return strconv.FormatInt(int64(b)/u.size, 10) + u.name
		}
	}
	return "0B"
}
