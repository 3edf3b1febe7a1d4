package transport

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

func TestASourceMayDoSoMuchASecond(t *testing.T) {
	l := NewLimiter(10)
	now := time.Unix(1000, 0)
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("::ffff:192.0.2.2")
	count := func(who netip.Addr, tries int) (n int) {
		for range tries {
			if l.Allow(who, now) {
				n++
			}
		}
		return n
	}
	if got := count(a, 100); got != 20 {
		t.Errorf("at once: %d, want 20", got)
	}
	if got := count(b, 100); got != 20 {
		t.Errorf("another source: %d, want 20", got)
	}
	now = now.Add(500 * time.Millisecond)
	if got := count(a, 100); got != 5 {
		t.Errorf("half a second later: %d, want 5", got)
	}
	now = now.Add(-time.Hour) // a clock set back must not empty or fill anything
	if got := count(a, 100); got != 0 {
		t.Errorf("clock set back: %d, want 0", got)
	}
}

func TestAnIPv6SubscriberIsOneSource(t *testing.T) {
	l := NewLimiter(1)
	now := time.Unix(1000, 0)
	allowed := 0
	for i := range 100 {
		if l.Allow(netip.MustParseAddr(fmt.Sprintf("2001:db8:1:2::%x%%eth0", i+1)), now) {
			allowed++
		}
	}
	if allowed != 2 {
		t.Errorf("allowed %d, want 2", allowed)
	}
	if !l.Allow(netip.MustParseAddr("2001:db8:1:3::1"), now) {
		t.Error("the neighbour is refused")
	}
}

func TestALimiterRemembersSoManySources(t *testing.T) {
	l := NewLimiter(1)
	l.most = 100
	now := time.Unix(1000, 0)
	address := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}) }
	for i := range 1000 {
		l.Allow(address(i), now)
	}
	if len(l.sources) != 100 {
		t.Errorf("%d sources, want 100", len(l.sources))
	}
	if l.Allow(address(2000), now) {
		t.Error("strangers share one bucket, and that is empty")
	}
	now = now.Add(10 * time.Second)
	if !l.Allow(address(3000), now) || l.sources[address(3000)] == nil {
		t.Error("sources that were silent are not forgotten")
	}
}
