package acceptance

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// pulse does what a recorder does, beside the server and as often: it adds to
// a file. When it stands still, so did the machine or its disk, and what the
// server lacks for that time is no fault of the server.
type pulse struct {
	mu    sync.Mutex
	beats []time.Time // when a write had been made; guarded by mu
}

// pulseEvery is how often it writes.
const pulseEvery = 50 * time.Millisecond

// startPulse writes to a file in dir until the test ends.
func startPulse(t *testing.T, dir string) *pulse {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "pulse"))
	if err != nil {
		t.Fatal(err)
	}
	p := &pulse{}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		ticker := time.NewTicker(pulseEvery)
		defer ticker.Stop()
		for {
			select {
			case now := <-ticker.C:
				if _, err := f.Write([]byte(now.String())); err != nil {
					t.Errorf("pulse: %v", err)
					return
				}
				p.beat()
			case <-stop:
				return
			}
		}
	})
	t.Cleanup(func() {
		close(stop)
		wg.Wait()
		_ = f.Close()
	})
	return p
}

func (p *pulse) beat() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.beats = append(p.beats, time.Now())
}

// stood is how long nothing could be written, all in all, between two moments.
func (p *pulse) stood(from, to time.Time) (d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := from
	still := func(until time.Time) {
		if gap := until.Sub(last); gap > 2*pulseEvery {
			d += gap
		}
		last = until
	}
	for _, at := range p.beats {
		if at.After(from) && at.Before(to) {
			still(at)
		}
	}
	still(to)
	return d
}
