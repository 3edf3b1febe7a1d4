// Package recorder turns frames of a mix into a growing WAV file.
//
// The beat hands frames over through a ring that one goroutine empties, so it
// never waits for the disk. The file is a valid WAV file at every moment: its
// header is written again with each piece of sound, five times a second. Beside
// that, both are synced to the disk once a second, or as often as the disk can.
// A killed process leaves a file that plays and lacks a fraction of a second,
// however busy the disk is; a power cut costs about the last second of a disk
// that keeps up, and Repair makes the header right.
package recorder

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"parley/internal/audiofile"
)

// File is what a recording is written to; *os.File is one.
type File interface {
	io.Writer
	io.WriterAt
	io.ReaderAt
	io.Seeker
	io.Closer
	Sync() error
	Truncate(size int64) error
}

// Options are those of Create.
type Options struct {
	Rate int // Hz
	// Failed is called once, on the recorder's goroutine, when the file cannot
	// be written any more; what comes after is lost. It must not call Close.
	Failed func(error)
}

// Result is what a recording has become.
type Result struct {
	Duration time.Duration // of the sound in the file
	Bytes    int64         // of the file
	// Gaps counts interruptions: places where the disk was too slow and
	// silence stands for what was lost.
	Gaps int
}

const (
	// poll is how often the ring is emptied into the file.
	poll = 200 * time.Millisecond
	// syncEvery is how often sound and header are made durable.
	syncEvery = time.Second
	// piece is how many samples are written at a time.
	piece = 8192
)

// Recorder writes one file. Write belongs to the beat; Pause, Resume and Close
// may be called from any goroutine.
type Recorder struct {
	file   File
	o      Options
	ring   *ring
	paused atomic.Bool
	failed atomic.Bool // nothing is written any more

	stop chan struct{}
	once sync.Once
	done chan struct{}

	// The goroutine's own until done is closed.
	size    int64 // bytes of sound written
	gaps    int
	samples [piece]int16
	buf     []byte
	err     error // the first
}

// Create begins a recording in an empty file and starts its goroutine. The
// recorder closes the file, also on an error of Create.
func Create(f File, o Options) (*Recorder, error) {
	h := audiofile.Header(o.Rate, 0)
	if _, err := f.Write(h[:]); err != nil {
		return nil, errors.Join(fmt.Errorf("recorder: %w", err), f.Close())
	}
	r := &Recorder{
		file: f, o: o, ring: newRing(o.Rate), stop: make(chan struct{}), done: make(chan struct{}),
		buf: make([]byte, 0, 2*piece),
	}
	go r.run()
	return r, nil
}

// Write implements pcm.Sink. Without room in the ring the frame is lost;
// silence will stand for it.
func (r *Recorder) Write(frame []int16) {
	if r.paused.Load() || r.failed.Load() {
		return
	}
	r.ring.write(frame)
}

// Pause leaves out what comes until Resume.
func (r *Recorder) Pause() { r.paused.Store(true) }

// Resume goes on after Pause.
func (r *Recorder) Resume() { r.paused.Store(false) }

// Close writes what is in the ring, completes the file and closes it. The beat
// must have stopped writing. The error is the first of the file's, if any; the
// Result holds all the same. Further calls give the same.
func (r *Recorder) Close() (Result, error) {
	r.once.Do(func() { close(r.stop) })
	<-r.done
	return result(r.o.Rate, r.size, r.gaps), r.err
}

// result describes a file with size bytes of sound.
func result(rate int, size int64, gaps int) Result {
	return Result{
		Duration: time.Duration(size/2) * time.Second / time.Duration(rate),
		Bytes:    audiofile.HeaderSize + size,
		Gaps:     gaps,
	}
}

func (r *Recorder) run() {
	defer close(r.done)
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	sync := startSyncs(r.file)
	sync.begin() // from now on there is a header to repair
	for polls := 1; ; {
		select {
		case <-ticker.C:
			r.drain()
			if polls++; polls%int(syncEvery/poll) == 0 && !r.failed.Load() {
				sync.begin()
			}
		case err := <-sync.ended:
			sync.busy = false
			r.check(err)
		case <-r.stop:
			r.drain()
			r.check(sync.stop())
			r.finish()
			return
		}
	}
}

// syncs makes a file durable on a goroutine of its own, so that a disk that is
// busy does not keep sound from the file.
type syncs struct {
	wanted chan struct{} // buffered, 1
	ended  chan error    // buffered, 1
	busy   bool          // the recorder's goroutine's: wanted and not ended
}

func startSyncs(f File) *syncs {
	s := &syncs{wanted: make(chan struct{}, 1), ended: make(chan error, 1)}
	go func() {
		defer close(s.ended)
		for range s.wanted {
			s.ended <- f.Sync()
		}
	}()
	return s
}

// begin begins to sync, unless that is under way.
func (s *syncs) begin() {
	if !s.busy {
		s.busy = true
		s.wanted <- struct{}{}
	}
}

// stop waits for what is under way, and gives its error. The goroutine ends.
func (s *syncs) stop() error {
	close(s.wanted)
	err := <-s.ended
	for range s.ended { // until the goroutine is gone
	}
	return err
}

// finish completes the file.
func (r *Recorder) finish() {
	r.drain()
	if lost := r.ring.lost.Load(); lost > 0 { // after the last frame
		r.silence(lost)
		r.header()
	}
	if !r.failed.Load() {
		r.check(r.file.Sync())
	}
	r.check(r.file.Close())
}

// drain moves the ring's samples to the file, with silence for lost ones, and
// brings the header up to date.
func (r *Recorder) drain() {
	before := r.size
	for {
		n, lost := r.ring.read(r.samples[:])
		if n == 0 && lost == 0 {
			break
		}
		r.write(r.samples[:n])
		if lost > 0 {
			r.silence(lost)
		}
	}
	if r.size != before {
		r.header()
	}
}

// silence stands for lost samples.
func (r *Recorder) silence(lost int64) {
	r.gaps++
	clear(r.samples[:])
	for ; lost > 0 && !r.failed.Load(); lost -= piece {
		r.write(r.samples[:min(lost, piece)])
	}
}

// write adds samples to the file. What is written of half a sample when the
// disk is full does not count.
func (r *Recorder) write(samples []int16) {
	if r.failed.Load() || len(samples) == 0 {
		return
	}
	r.buf = audiofile.Append(r.buf[:0], samples)
	if r.size+int64(len(r.buf)) > audiofile.MaxDataSize {
		r.check(audiofile.ErrTooLong)
		return
	}
	n, err := r.file.Write(r.buf)
	r.size += int64(n) &^ 1
	r.check(err)
}

// header makes the header tell of what was written, also when the disk is
// full: it takes no room.
func (r *Recorder) header() {
	h := audiofile.Header(r.o.Rate, r.size)
	_, err := r.file.WriteAt(h[:], 0)
	r.check(err)
}

// check ends the recording with the first error.
func (r *Recorder) check(err error) {
	if err == nil || r.err != nil {
		return
	}
	r.failed.Store(true)
	r.err = fmt.Errorf("recorder: %w", err)
	if r.o.Failed != nil {
		r.o.Failed(r.err)
	}
}
