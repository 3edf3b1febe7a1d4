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

// limiter limits what each source does a second. Sources are IPv4 addresses
// and IPv6 networks of 64 bits, what a subscriber has. It remembers a bounded
// number of them; when that is used up, those it does not remember share one
// bucket. It is safe for concurrent use.
type limiter struct {
	rate, burst float64
	most        int

	mu      sync.Mutex
	sources map[netip.Addr]*bucket // guarded by mu
	rest    bucket                 // guarded by mu
	swept   time.Time              // guarded by mu: when full buckets were last thrown out
}

// maxSources is how many sources a limiter remembers.
const maxSources = 16384

func newLimiter(rate float64) *limiter {
	return &limiter{rate: rate, burst: 2 * rate, most: maxSources, sources: make(map[netip.Addr]*bucket), rest: bucket{level: 2 * rate}}
}

// source is whom an address belongs to, as far as limits go.
func source(a netip.Addr) netip.Addr {
	a = a.Unmap()
	if a.Is6() {
		p, _ := a.WithZone("").Prefix(64)
		return p.Addr()
	}
	return a
}

// allow reports whether a may do one more thing now.
func (l *limiter) allow(a netip.Addr, now time.Time) bool {
	a = source(a)
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
func (l *limiter) rememberLocked(a netip.Addr, now time.Time) *bucket {
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
