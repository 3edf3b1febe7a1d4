// Package player turns files into frames for a mix. A goroutine decodes and
// resamples ahead of the beat into a ring; the beat takes from the ring and
// never waits.
package player

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"parley/internal/audiofile"
	"parley/internal/resample"
)

// Opener opens a file. It may be slow, and is called once for each time that
// the file is played, on the player's goroutine.
type Opener func() (io.ReadSeekCloser, error)

// Options are those of Open.
type Options struct {
	Rate int  // of the frames, Hz
	Loop bool // begin again after the last file, without a gap
}

const (
	// ahead is how much sound the ring holds.
	ahead = time.Second
	// poll is how often a full ring is looked at again.
	poll = 40 * time.Millisecond
)

// Player plays files in order. It is a pcm.Source: Next belongs to the beat;
// Err and Close may be called from any goroutine.
type Player struct {
	list []Opener
	o    Options

	ring     []int16
	head     atomic.Uint64 // samples written; by the goroutine
	tail     atomic.Uint64 // samples read; by the beat
	finished atomic.Bool   // nothing more will be written

	stop chan struct{}
	once sync.Once
	done chan struct{}
	err  error // set before finished

	// The goroutine's own.
	resampler *resample.Resampler
	from      int // the resampler's input rate
	in, out   []int16
}

// Open starts to play list, at least one file. The caller closes the Player.
func Open(list []Opener, o Options) *Player {
	p := &Player{
		list: list, o: o, ring: make([]int16, int(ahead.Seconds()*float64(o.Rate))),
		stop: make(chan struct{}), done: make(chan struct{}), in: make([]int16, 1024), out: make([]int16, 1024),
	}
	go p.run()
	return p
}

// Next implements pcm.Source. While the files are slower than the beat it
// gives less than a frame.
func (p *Player) Next(frame []int16) (n int, ended bool) {
	finished := p.finished.Load() // before head: what is written before it counts
	tail := p.tail.Load()
	n = min(len(frame), int(p.head.Load()-tail))
	for i := range n {
		frame[i] = p.ring[(tail+uint64(i))%uint64(len(p.ring))]
	}
	p.tail.Store(tail + uint64(n))
	return n, finished && n < len(frame)
}

// Err says, once Next has told the end, which file failed and why; nil when
// all were played.
func (p *Player) Err() error {
	if !p.finished.Load() {
		return nil
	}
	return p.err
}

// Close ends the player and waits for its goroutine, which may be waiting for
// a slow file.
func (p *Player) Close() {
	p.once.Do(func() { close(p.stop) })
	<-p.done
}

// errStopped ends the goroutine's work when the player is closed.
var errStopped = errors.New("player: closed")

func (p *Player) run() {
	defer close(p.done)
	err := p.playList()
	if err == nil {
		err = p.flush()
	}
	if !errors.Is(err, errStopped) {
		p.err = err
	}
	p.finished.Store(true)
}

// playList plays every file, over and over if asked to.
func (p *Player) playList() error {
	for {
		var samples int64
		for i, open := range p.list {
			n, err := p.playFile(open)
			if err != nil && !errors.Is(err, errStopped) {
				return fmt.Errorf("file %d of %d: %w", i+1, len(p.list), err)
			}
			if err != nil {
				return err
			}
			samples += n
		}
		if !p.o.Loop || samples == 0 {
			return nil
		}
	}
}

// playFile plays one file and gives the number of its samples.
func (p *Player) playFile(open Opener) (samples int64, err error) {
	if p.stopped() {
		return 0, errStopped
	}
	file, err := open()
	if err != nil {
		return 0, err
	}
	defer func() { _ = file.Close() }()
	r, err := audiofile.NewReader(file)
	if err != nil {
		return 0, err
	}
	if err := p.setRate(r.Info().SampleRate); err != nil {
		return 0, err
	}
	for {
		n, err := r.Read(p.in)
		samples += int64(n)
		if err := p.convert(p.in[:n]); err != nil {
			return samples, err
		}
		if errors.Is(err, io.EOF) {
			return samples, nil
		}
		if err != nil {
			return samples, err
		}
	}
}

// setRate makes ready for a file of rate from. Files of one rate follow each
// other without a seam.
func (p *Player) setRate(from int) error {
	if from == p.from {
		return nil
	}
	if err := p.flush(); err != nil {
		return err
	}
	p.from, p.resampler = from, nil
	if from != p.o.Rate {
		p.resampler = resample.New(from, p.o.Rate)
	}
	return nil
}

// flush brings out what the resampler still holds.
func (p *Player) flush() error {
	if p.resampler == nil {
		return nil
	}
	rest := p.resampler.Delay()
	zeros := make([]int16, 64)
	for rest > 0 {
		n, _ := p.resampler.Process(p.out, zeros)
		n = min(n, rest)
		rest -= n
		if err := p.push(p.out[:n]); err != nil {
			return err
		}
	}
	p.resampler = nil
	p.from = 0
	return nil
}

// convert brings samples to the rate and into the ring.
func (p *Player) convert(samples []int16) error {
	if p.resampler == nil {
		return p.push(samples)
	}
	for len(samples) > 0 {
		written, read := p.resampler.Process(p.out, samples)
		samples = samples[read:]
		if err := p.push(p.out[:written]); err != nil {
			return err
		}
	}
	return nil
}

// push writes samples into the ring, waiting for room.
func (p *Player) push(samples []int16) error {
	for len(samples) > 0 {
		head := p.head.Load()
		n := min(len(samples), len(p.ring)-int(head-p.tail.Load()))
		if n == 0 {
			if err := p.wait(); err != nil {
				return err
			}
			continue
		}
		for i, s := range samples[:n] {
			p.ring[(head+uint64(i))%uint64(len(p.ring))] = s
		}
		p.head.Store(head + uint64(n))
		samples = samples[n:]
	}
	if p.stopped() {
		return errStopped
	}
	return nil
}

// wait lets the beat make room.
func (p *Player) wait() error {
	timer := time.NewTimer(poll)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-p.stop:
		return errStopped
	}
}

func (p *Player) stopped() bool {
	select {
	case <-p.stop:
		return true
	default:
		return false
	}
}
