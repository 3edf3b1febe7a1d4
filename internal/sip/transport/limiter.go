package transport

import (
	"net/netip"
	"sync"
	"time"
)

// A bucket is what a source may still do: it holds up to burst, and a second
// puts rate into it.
type bucket struct {
	level float64
	at    time.Time // when level was right
}

// Limiter limits what each source does a second. Sources are IPv4 addresses
// and IPv6 networks of 64 bits, what a subscriber has. It remembers a bounded
// number of them; when that is used up, those it does not remember share one
// bucket. It is safe for concurrent use.
type Limiter struct {
	rate, burst float64
	most        int

	mu      sync.Mutex
	sources map[netip.Addr]*bucket // guarded by mu
	rest    bucket                 // guarded by mu
	swept   time.Time              // guarded by mu: when full buckets were last thrown out
}

// maxSources is how many sources a Limiter remembers.
const maxSources = 16384

// NewLimiter makes a Limiter of rate things a second for long, twice as many for
// a moment.
func NewLimiter(rate float64) *Limiter {
	return &Limiter{rate: rate, burst: 2 * rate, most: maxSources, sources: make(map[netip.Addr]*bucket), rest: bucket{level: 2 * rate}}
}

// Source is whom an address belongs to, as far as limits go: an IPv4 address by
// itself, an IPv6 address its network of 64 bits.
func Source(a netip.Addr) netip.Addr {
	a = a.Unmap()
	if a.Is6() {
		p, _ := a.WithZone("").Prefix(64)
		return p.Addr()
	}
	return a
}

// Allow reports whether a may do one more thing now.
func (l *Limiter) Allow(a netip.Addr, now time.Time) bool {
	a = Source(a)
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.sources[a]
	if b == nil {
		b = l.rememberLocked(a, now)
	}
	b.level = min(l.burst, b.level+l.rate*max(0, now.Sub(b.at).Seconds()))
	b.at = now
	if b.level < 1 {
		return false
	}
	b.level--
	return true
}

// rememberLocked gives a new source its bucket.
func (l *Limiter) rememberLocked(a netip.Addr, now time.Time) *bucket {
	if len(l.sources) >= l.most && now.Sub(l.swept) >= time.Second {
		l.swept = now
		for s, b := range l.sources {
			if b.level+l.rate*now.Sub(b.at).Seconds() >= l.burst {
				delete(l.sources, s)
			}
		}
	}
	if len(l.sources) >= l.most {
		return &l.rest
	}
	b := &bucket{level: l.burst, at: now}
	l.sources[a] = b
	return b
}
