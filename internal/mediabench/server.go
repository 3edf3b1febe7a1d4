//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"time"

	"parley"
	"parley/internal/audiotest"
	"parley/internal/codec"
	"parley/internal/media"
)

// participantAddr is where participant i sends from: an address of its own.
func participantAddr(i, port int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 1, byte(i >> 8), byte(i)}), uint16(port))
}

// serve is the media plane with all participants of a shape.
func serve(in io.Reader, out io.Writer) error {
	dec, enc := json.NewDecoder(in), json.NewEncoder(out)
	var pl plan
	if err := dec.Decode(&pl); err != nil {
		return err
	}
	before := memory()
	plane, err := media.Open(media.Config{
		Addr: netip.MustParseAddr("127.0.0.1"), PortMin: 30000, PortMax: 39999, SessionsPerPort: pl.PerPort,
	})
	if err != nil {
		return err
	}
	defer plane.Close()
	addrs, err := fill(plane, pl)
	if err != nil {
		return err
	}
	if err := enc.Encode(addrs); err != nil {
		return err
	}

	var word string
	if err := dec.Decode(&word); err != nil { // begin
		return err
	}
	stop := profile()
	began, cpu, stats, mallocs := time.Now(), cpuTime(), plane.Stats(), mallocCount()
	if err := dec.Decode(&word); err != nil { // end
		return err
	}
	r := serverReport{CPU: (cpuTime() - cpu).Seconds(), Seconds: time.Since(began).Seconds()}
	stop()
	after := plane.Stats()
	r.Beats = after.Beats - stats.Beats
	r.LateBeats, r.SkippedBeats = after.LateBeats-stats.LateBeats, after.SkippedBeats-stats.SkippedBeats
	// Reading the commands of this bench allocates a little itself.
	r.AllocsPerBeat = max(0, float64(mallocCount()-mallocs)-100) / float64(r.Beats)
	r.Ports = after.Ports
	now := memory()
	r.RSS, r.RSSBefore, r.Heap, r.HeapBefore = now.rss, before.rss, now.heap, before.heap
	return enc.Encode(r)
}

// fill opens all conferences and calls of a shape.
func fill(plane *media.Plane, pl plan) (addrs []string, err error) {
	for c := range pl.Shape.Conferences {
		mix := plane.NewMix(media.MixConfig{})
		for i := range pl.Shape.Participants {
			remote := participantAddr(c*pl.Shape.Participants+i, pl.Port)
			s, err := plane.OpenSession(media.SessionConfig{
				Call: parley.ID(strconv.Itoa(i)), Mix: mix, Peer: remote.Addr(), CNAME: "bench",
			})
			if err != nil {
				return nil, err
			}
			err = s.Configure(media.Params{
				Remote: remote, Codec: codec.PCMU, PayloadType: 0, DTMFPayloadType: 101, Send: true, Receive: true,
			})
			if err != nil {
				return nil, err
			}
			mix.Add(s, media.Options{})
			addrs = append(addrs, s.LocalAddr().String())
		}
		if pl.Shape.Everything {
			mix.Play(&loop{samples: audiotest.Speech(3)}, media.PlayOptions{GainDB: -20, Duck: true, Record: true})
			mix.Record(discard{})
		}
	}
	return addrs, nil
}

// loop is a source without end.
type loop struct {
	samples []int16
	at      int
}

func (l *loop) Next(frame []int16) (int, bool) {
	for i := range frame {
		frame[i] = l.samples[l.at]
		l.at = (l.at + 1) % len(l.samples)
	}
	return len(frame), false
}

// discard is a sink that keeps nothing.
type discard struct{}

func (discard) Write([]int16) {}

// cpuTime is what this process has used, user and system.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func mallocCount() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

type usage struct{ rss, heap int64 }

// memory is what this process has resident, and live on its heap.
func memory() usage {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u := usage{heap: int64(m.HeapAlloc)}
	status, _ := os.ReadFile("/proc/self/status")
	for line := range bytes.Lines(status) {
		if f := strings.Fields(string(line)); len(f) >= 2 && f[0] == "VmRSS:" {
			kb, _ := strconv.ParseInt(f[1], 10, 64)
			u.rss = kb << 10
		}
	}
	return u
}

// profile writes a CPU profile of what is measured where MEDIABENCH_PROFILE
// names a file.
func profile() (stop func()) {
	name := os.Getenv("MEDIABENCH_PROFILE")
	if name == "" {
		return func() {}
	}
	f, err := os.Create(name)
	if err != nil {
		return func() {}
	}
	_ = pprof.StartCPUProfile(f)
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close()
	}
}
