//go:build linux

package main

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"runtime/debug"
	"slices"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"parley/internal/audiotest"
	"parley/internal/codec/g711"
)

const (
	frameSize  = 160
	headerSize = 12
	warmUp     = 4 * time.Second
	tick       = time.Millisecond
	ticks      = 20 // of a frame
	clickEvery = 13 // frames between two clicks of a conference
	earsPer    = 3  // participants of a conference in whose sound clicks are looked for
	earsAll    = 48 // and of all conferences
)

// participant is one end of the load.
type participant struct {
	to       netip.AddrPort
	tick     int // of the frame in which it sends
	seq      uint16
	ts       uint32
	voice    []byte // encoded, a loop of whole frames
	at       int
	ear      bool
	last     time.Duration // arrival of its last packet
	received int64
}

// generator is all participants.
type generator struct {
	pl      plan
	sock    *batch
	in      *batch // the same socket, for receiving
	all     []*participant
	byTick  [ticks][]int
	frame   int
	clicked map[int]time.Duration // conference: when its last click was sent, plus its place in the packet
	report  loadReport
	jitter  []float64
	added   []float64
	late    []float64
	measure bool
	dropped uint32
	base    uint32 // dropped when measuring began
}

func generate(in io.Reader, out io.Writer) error {
	runtime.LockOSThread()
	// A generator that is late measures itself.
	_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: 2}, 0)
	dec, enc := json.NewDecoder(in), json.NewEncoder(out)
	g := &generator{clicked: make(map[int]time.Duration)}
	if err := dec.Decode(&g.pl); err != nil {
		return err
	}
	var err error
	if g.sock, err = openBatch(netip.MustParseAddrPort("0.0.0.0:0"), 128); err != nil {
		return err
	}
	if g.in, err = openBatch(netip.MustParseAddrPort("127.0.0.1:0"), 128); err != nil {
		return err
	}
	_ = syscall.Close(g.in.fd)
	g.in.fd = g.sock.fd
	g.in.stamps()
	if err := enc.Encode(g.sock.addr().Port()); err != nil {
		return err
	}
	if err := dec.Decode(&g.pl); err != nil {
		return err
	}
	g.prepare()
	debug.SetGCPercent(-1)
	g.run(warmUp)
	if err := enc.Encode(true); err != nil {
		return err
	}
	g.measure, g.base = true, g.dropped
	for _, p := range g.all {
		p.received = 0
	}
	cpu, began := cpuTime(), time.Now()
	g.run(g.pl.Time)
	r := &g.report
	r.CPU, r.Seconds = (cpuTime() - cpu).Seconds(), time.Since(began).Seconds()
	for _, p := range g.all {
		r.Received += p.received
	}
	r.Expected = int64(len(g.all)) * int64(g.pl.Time/(ticks*tick))
	r.Dropped = int64(g.dropped - g.base)
	r.JitterP99 = percentile(g.jitter, 0.99)
	r.ClickP50, r.ClickP95, r.Clicks = percentile(g.added, 0.5), percentile(g.added, 0.95), len(g.added)
	r.Behind = percentile(g.late, 0.99)
	return enc.Encode(r)
}

// prepare makes the participants: phases, voices, ears.
func (g *generator) prepare() {
	s := g.pl.Shape
	rng := rand.New(rand.NewPCG(7, 7))
	var voices [][]byte
	for n := range audiotest.Speakers {
		v := scaled(audiotest.Speech(n+1), 7000)
		voices = append(voices, g711.EncodeMu(nil, v[:len(v)/frameSize*frameSize]))
	}
	quiet := g711.EncodeMu(nil, audiotest.Noise(8000, -66, 2*time.Second, 1))
	ears := 0
	for i := range s.total() {
		in := i % s.Participants
		p := &participant{to: netip.MustParseAddrPort(g.pl.Addrs[i]), tick: rng.IntN(ticks), ts: rng.Uint32(), seq: uint16(rng.Uint32()), voice: quiet}
		if in < s.talkers() {
			p.voice = voices[i%len(voices)]
		}
		p.at = rng.IntN(len(p.voice)/frameSize) * frameSize
		if in > 0 && in >= s.Participants-earsPer && ears < earsAll {
			p.ear = true
			ears++
		}
		g.all = append(g.all, p)
		g.byTick[p.tick] = append(g.byTick[p.tick], i)
	}
}

// scaled is samples with the given peak.
func scaled(samples []int16, peak int) []int16 {
	top := 1
	for _, v := range samples {
		top = max(top, int(v), -int(v))
	}
	out := make([]int16, len(samples))
	for i, v := range samples {
		out[i] = int16(int(v) * peak / top)
	}
	return out
}

// run sends and receives for so long.
func (g *generator) run(d time.Duration) {
	start := time.Now()
	for n := 0; n < int(d/tick); n++ {
		due := start.Add(time.Duration(n) * tick)
		sleepUntil(due)
		if g.measure {
			g.late = append(g.late, time.Since(due).Seconds()*1e3)
		}
		if n%ticks == 0 {
			g.frame++
		}
		g.sendTick(n % ticks)
		if n%2 == 0 {
			g.receive()
		}
	}
}

// sleepUntil sleeps in the kernel, whose timers are finer than the runtime's.
func sleepUntil(t time.Time) {
	if d := time.Until(t); d > 0 {
		ts := syscall.NsecToTimespec(int64(d))
		_, _, _ = syscall.RawSyscall(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&ts)), 0, 0)
	}
}

func (g *generator) sendTick(t int) {
	n := 0
	for _, i := range g.byTick[t] {
		p := g.all[i]
		b := g.sock.data[n][:headerSize+frameSize]
		b[0], b[1] = 0x80, 0
		binary.BigEndian.PutUint16(b[2:], p.seq)
		binary.BigEndian.PutUint32(b[4:], p.ts)
		binary.BigEndian.PutUint32(b[8:], uint32(i)+1)
		p.seq++
		p.ts += frameSize
		copy(b[headerSize:], p.voice[p.at:p.at+frameSize])
		p.at = (p.at + frameSize) % len(p.voice)
		if g.clicks(i) {
			g.click(i, b[headerSize:])
		}
		g.sock.prepare(n, i, len(b), p.to)
		if n++; n == len(g.sock.hdrs) {
			g.report.Sent += int64(g.sock.send(n))
			n = 0
		}
	}
	g.report.Sent += int64(g.sock.send(n))
}

// clicks reports whether participant i clicks in this frame: in each conference
// one after the other, so that every phase of a sender counts.
func (g *generator) clicks(i int) bool {
	size := g.pl.Shape.Participants
	n := g.frame + 5*(i/size)
	return n%clickEvery == 0 && i%size == n/clickEvery%(size-min(earsPer, size-1))
}

// A click is a short burst at half the sample rate, where speech has nothing.
const (
	clickLength = 10
	clickLevel  = 12000
	clickFound  = clickLevel * clickLength / 3
)

func (g *generator) click(i int, payload []byte) {
	at := 20 + (g.frame*37)%(frameSize-40)
	var x [clickLength]int16
	for k := range x {
		x[k] = clickLevel - 2*clickLevel*int16(k&1)
	}
	g711.EncodeMu(payload[at:at], x[:])
	g.clicked[i/g.pl.Shape.Participants] = wallNow() + samplesTime(at)
}

func samplesTime(n int) time.Duration { return time.Duration(n) * time.Second / 8000 }

func wallNow() time.Duration { return time.Duration(time.Now().UnixNano()) }

func (g *generator) receive() {
	for n := g.in.receive(); n > 0; n = g.in.receive() {
		for i := range n {
			at, who, dropped := g.in.arrival(i)
			g.dropped = max(g.dropped, dropped)
			size := int(g.in.hdrs[i].len)
			if who >= len(g.all) || size < headerSize+1 || g.in.data[i][1]&0x7f != 0 {
				continue
			}
			p := g.all[who]
			p.received++
			if g.measure && p.last != 0 {
				g.jitter = append(g.jitter, abs((at-p.last-ticks*tick).Seconds()*1e3))
			}
			p.last = at
			if p.ear && g.measure {
				g.listen(who, at, g.in.data[i][headerSize:size])
			}
		}
	}
}

// listen looks for a click of the participant's conference.
func (g *generator) listen(who int, at time.Duration, payload []byte) {
	conference := who / g.pl.Shape.Participants
	sent := g.clicked[conference]
	if sent == 0 || at-sent > 500*time.Millisecond {
		return
	}
	var x [bufferSize]int16
	n := g711.DecodeMu(x[:], payload)
	best, place := 0, 0
	for i := 0; i+clickLength <= n; i++ {
		sum := 0
		for k := range clickLength {
			v := int(x[i+k])
			sum += v - 2*v*(k&1)
		}
		if sum > best {
			best, place = sum, i
		}
	}
	if best > clickFound {
		g.added = append(g.added, (at+samplesTime(place)-sent).Seconds()*1e3)
	}
}

func abs(x float64) float64 { return max(x, -x) }

// percentile sorts x.
func percentile(x []float64, p float64) float64 {
	if len(x) == 0 {
		return 0
	}
	slices.Sort(x)
	return x[min(len(x)-1, int(p*float64(len(x))))]
}
