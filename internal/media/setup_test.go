package media_test

import (
	"net/netip"
	"testing"

	"parley/internal/codec"
	"parley/internal/media"
)

// BenchmarkCall is what a call asks of the plane: open, configure, join, leave.
func BenchmarkCall(b *testing.B) {
	p, err := media.Open(media.Config{Addr: loopback, PortMin: 25000, PortMax: 29999})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	mix := p.NewMix(media.MixConfig{})
	for i := range b.N {
		s, err := p.OpenSession(media.SessionConfig{Mix: mix, Peer: netip.AddrFrom4([4]byte{127, 2, byte(i >> 8), byte(i)})})
		if err != nil {
			b.Fatal(err)
		}
		remote := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 2, byte(i >> 8), byte(i)}), 9)
		if err := s.Configure(media.Params{Remote: remote, Codec: codec.PCMU, Send: true, Receive: true}); err != nil {
			b.Fatal(err)
		}
		mix.Add(s, media.Options{})
		s.Close()
	}
}
