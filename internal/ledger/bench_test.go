package ledger_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley"
	"parley/internal/ledger"
	"parley/internal/store"
	"parley/internal/store/sqlite"
)

// eventsPerConference is how many events a conference has in the benchmarks:
// one with eight participants.
const eventsPerConference = 20

// BenchmarkCommit reports durable events a second and how long a caller waits.
func BenchmarkCommit(b *testing.B) {
	for _, writers := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) { benchmarkCommit(b, writers) })
	}
}

func benchmarkCommit(b *testing.B, writers int) {
	st, err := sqlite.Open(b.Context(), sqlite.Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	l, err := ledger.Open(st, ledger.Config{})
	if err != nil {
		b.Fatal(err)
	}
	var next atomic.Int64
	waits := make([][]time.Duration, writers)
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for i := range writers {
		wg.Go(func() {
			stream := parley.NewID(time.Now())
			for seq := int64(1); next.Add(1) <= int64(b.N); seq++ {
				if seq > eventsPerConference {
					stream, seq = parley.NewID(time.Now()), 1
				}
				began := time.Now()
				if err := l.Commit(b.Context(), &store.Write{Events: []parley.Event{joined(stream, seq)}}); err != nil {
					b.Error(err)
					return
				}
				waits[i] = append(waits[i], time.Since(began))
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	all := slices.Concat(waits...)
	slices.Sort(all)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	if err := st.Close(); err != nil {
		b.Fatal(err)
	}
}

// joined is conf.joined as the server writes it.
func joined(stream parley.ID, seq int64) parley.Event {
	data := "order-4711"
	e, err := parley.NewEvent(stream, seq, "0190a8f0c0de70008000000000000001", 1_700_000_000_000, &parley.JoinedFact{
		JoinedSeed: parley.JoinedSeed{ID: stream, JoinTime: 1_700_000_000_000, CallID: stream, PartURI: "+8613800138000", UserData: &data},
		Direction:  parley.Outbound,
	})
	if err != nil {
		panic(err)
	}
	return e
}
