// Package player turns files into frames for a mix. A goroutine decodes and
// resamples ahead of the beat into a ring; the beat takes from the ring and
// never waits.
package player

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"parley/internal/audiofile"
)

// Opener opens a file. It may be slow, and is called once for each time that
// the file is played, on the player's goroutine. The file's Close may be
// called while a Read waits, as with *os.File.
type Opener func() (io.ReadSeekCloser, error)

// Options are those of Open.
type Options struct {
	Rate int  // of the frames, Hz
	Loop bool // begin again after the last file, without a gap
	// Names are the files' names for errors, as many as there are files; nil
	// numbers them.
	Names []string
}

// FileError is a file that could not be played, or not to its end.
type FileError struct {
	Index int    // in the list
	Name  string // empty where Options has no names
	Err   error
}

// Error names the file and says why.
func (e *FileError) Error() string {
	if e.Name == "" {
		return fmt.Sprintf("file %d: %v", e.Index+1, e.Err)
	}
	return fmt.Sprintf("%s: %v", e.Name, e.Err)
}

// Unwrap gives the cause.
func (e *FileError) Unwrap() error { return e.Err }

const (
	// ahead is how much sound the ring holds.
	ahead = time.Second
	// poll is how often a full ring is looked at again.
	poll = 200 * time.Millisecond
	// patience is how long Close waits for a file, first to come back by
	// itself, then when it has been closed under its reader.
	patience = time.Second
)

// errStopped ends the goroutine's work when the player is closed.
var errStopped = errors.New("player: closed")

// Player plays files in order. It is a pcm.Source: Next belongs to the beat;
// Err and Close may be called from any goroutine.
type Player struct {
	list []Opener
	o    Options
	ring *ring

	stop chan struct{}
	once sync.Once
	done chan struct{}
	err  error // set before ring.finished

	mu   sync.Mutex
	file io.Closer // open now; nil for none; guarded by mu

	// The goroutine's own.
	convert converter
	in, out []int16
}

// Open starts to play list, at least one file. The caller closes the Player.
func Open(list []Opener, o Options) *Player {
	p := &Player{
		list: list, o: o, ring: newRing(int(int64(o.Rate) * int64(ahead) / int64(time.Second))),
		stop: make(chan struct{}), done: make(chan struct{}),
		convert: converter{to: o.Rate}, in: make([]int16, 1024), out: make([]int16, 1024),
	}
	go p.run()
	return p
}

// Next implements pcm.Source. While the files are slower than the beat it
// gives less than a frame.
func (p *Player) Next(frame []int16) (n int, ended bool) { return p.ring.read(frame) }

// Err is a *FileError once Next has told the end, if a file could not be
// played to its end; nil when all were, and while they are.
func (p *Player) Err() error {
	if !p.ring.finished.Load() {
		return nil
	}
	return p.err
}

// Close ends the player and waits for its goroutine, at most two seconds for a
// file that hangs: its reader is then left to end by itself.
func (p *Player) Close() {
	p.once.Do(func() { close(p.stop) })
	if p.waitDone() {
		return
	}
	p.mu.Lock()
	file := p.file
	p.file = nil
	p.mu.Unlock()
	if file != nil {
		_ = file.Close() // nobody is interested any more
	}
	p.waitDone()
}

// waitDone reports whether the goroutine has ended within patience.
func (p *Player) waitDone() bool {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.done:
		return true
	case <-timer.C:
		return false
	}
}

func (p *Player) run() {
	defer close(p.done)
	if err := p.playAll(); !errors.Is(err, errStopped) {
		p.err = err
	}
	p.ring.finished.Store(true)
}

// playAll plays every file, over and over if asked to.
func (p *Player) playAll() error {
	for {
		heard := false
		for i, open := range p.list {
			any, err := p.playFile(open)
			if errors.Is(err, errStopped) {
				return err
			}
			if err != nil {
				if stopped := p.flush(); stopped != nil {
					return stopped
				}
				return p.fileError(i, err)
			}
			heard = heard || any
		}
		if !p.o.Loop || !heard { // silent files would be looped without end
			return p.flush()
		}
	}
}

// fileError is err with the name of the file that it is about.
func (p *Player) fileError(i int, err error) error {
	e := &FileError{Index: i, Err: err}
	if i < len(p.o.Names) {
		e.Name = p.o.Names[i]
	}
	return e
}

// playFile plays one file and reports whether it had any samples. A panic of
// what reads it is its error.
func (p *Player) playFile(open Opener) (any bool, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	if p.stopped() {
		return false, errStopped
	}
	file, err := open()
	if err != nil {
		return false, err
	}
	p.hold(file)
	defer p.letGo()
	r, err := audiofile.NewReader(file)
	if err == nil {
		any, err = p.playSound(r)
	}
	if err != nil && p.stopped() {
		return any, errStopped // Close may have closed the file
	}
	return any, err
}

// playSound plays what r gives, to its end.
func (p *Player) playSound(r audiofile.Reader) (any bool, err error) {
	if rate := r.Info().SampleRate; rate != p.convert.from {
		if err := p.flush(); err != nil {
			return false, err
		}
		p.convert.begin(rate)
	}
	for {
		n, err := r.Read(p.in)
		any = any || n > 0
		if err := p.push(p.in[:n]); err != nil {
			return any, err
		}
		if errors.Is(err, io.EOF) {
			return any, nil
		}
		if err != nil {
			return any, err
		}
	}
}

// hold remembers the open file for Close.
func (p *Player) hold(file io.Closer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.file = file
}

// letGo closes the open file, if Close has not done so.
func (p *Player) letGo() {
	p.mu.Lock()
	file := p.file
	p.file = nil
	p.mu.Unlock()
	if file != nil {
		_ = file.Close() // it was only read
	}
}

// flush brings out what the converter still holds.
func (p *Player) flush() error {
	for {
		n := p.convert.flush(p.out)
		if n == 0 {
			return nil
		}
		if err := p.put(p.out[:n]); err != nil {
			return err
		}
	}
}

// push brings samples to the rate and into the ring.
func (p *Player) push(samples []int16) error {
	for {
		written, read := p.convert.process(p.out, samples)
		samples = samples[read:]
		if err := p.put(p.out[:written]); err != nil {
			return err
		}
		if len(samples) == 0 && written < len(p.out) {
			return nil
		}
	}
}

// put writes samples into the ring, waiting for room.
func (p *Player) put(samples []int16) error {
	for !p.stopped() {
		samples = samples[p.ring.write(samples):]
		if len(samples) == 0 {
			return nil
		}
		p.pause()
	}
	return errStopped
}

// pause lets the beat make room.
func (p *Player) pause() {
	timer := time.NewTimer(poll)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.stop:
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
