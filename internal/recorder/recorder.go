// Package recorder turns frames of a mix into a growing WAV file.
//
// The beat hands frames over through a ring that one goroutine empties, so it
// never waits for the disk. The file is a valid WAV file at every moment but
// the first: sound is synced to the disk about once a second, then the header
// that tells of it, so a crash costs at most the last second.
package recorder

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"parley/internal/audiofile"
	"parley/internal/pcm"
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
	// slots is the length of the ring in frames: 4 s.
	slots = 200
	// poll is how often the ring is emptied.
	poll = 100 * time.Millisecond
	// syncEvery is how often sound and header are made durable.
	syncEvery = time.Second
)

// slot is one frame in the ring, and how many were lost right before it.
type slot struct {
	samples []int16
	lost    uint32
}

// Recorder writes one file. Write belongs to the beat; Pause, Resume and Close
// may be called from any goroutine.
type Recorder struct {
	file   File
	o      Options
	paused atomic.Bool
	ring   [slots]slot
	head   atomic.Uint64 // next slot to be written; by the beat
	tail   atomic.Uint64 // next slot to be read; by the goroutine
	lost   uint32        // frames lost since the last slot; the beat's own

	stop chan struct{}
	once sync.Once
	done chan struct{}

	// The goroutine's own until done is closed.
	size   int64 // bytes of sound written
	gaps   int
	buf    []byte
	broken error
}

// Create begins a recording in an empty file and starts its goroutine. The
// recorder closes the file, also on an error of Create.
func Create(f File, o Options) (*Recorder, error) {
	h := audiofile.Header(o.Rate, 0)
	if _, err := f.Write(h[:]); err != nil {
		return nil, errors.Join(fmt.Errorf("recorder: %w", err), f.Close())
	}
	r := &Recorder{file: f, o: o, stop: make(chan struct{}), done: make(chan struct{})}
	size := pcm.FrameSize(o.Rate)
	all := make([]int16, slots*size)
	for i := range r.ring {
		r.ring[i].samples = all[i*size : (i+1)*size : (i+1)*size]
	}
	go r.run()
	return r, nil
}

// Write implements pcm.Sink: one frame of 20 ms. Without room in the ring the
// frame is lost and counted.
func (r *Recorder) Write(frame []int16) {
	if r.paused.Load() {
		return
	}
	head := r.head.Load()
	if head-r.tail.Load() == slots {
		r.lost++
		return
	}
	s := &r.ring[head%slots]
	copy(s.samples, frame)
	s.lost, r.lost = r.lost, 0
	r.head.Store(head + 1)
}

// Pause leaves out what comes until Resume.
func (r *Recorder) Pause() { r.paused.Store(true) }

// Resume goes on after Pause.
func (r *Recorder) Resume() { r.paused.Store(false) }

// Close writes what is in the ring, completes the file and closes it. The beat
// must have stopped writing. The error is the first of the file's, if any; the
// Result holds all the same.
func (r *Recorder) Close() (Result, error) {
	r.once.Do(func() { close(r.stop) })
	<-r.done
	return Result{
		Duration: time.Duration(r.size/2) * time.Second / time.Duration(r.o.Rate),
		Bytes:    audiofile.HeaderSize + r.size, Gaps: r.gaps,
	}, r.broken
}

func (r *Recorder) run() {
	defer close(r.done)
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	synced := 0
	for running := true; running; {
		select {
		case <-ticker.C:
		case <-r.stop:
			running = false
		}
		r.drain()
		if synced++; synced >= int(syncEvery/poll) || !running {
			synced = 0
			r.sync()
		}
	}
	if err := r.file.Close(); err != nil {
		r.fail(err)
	}
}

// drain moves the ring's frames to the file, with silence for lost ones.
func (r *Recorder) drain() {
	r.buf = r.buf[:0]
	for tail, head := r.tail.Load(), r.head.Load(); tail < head; tail++ {
		s := &r.ring[tail%slots]
		if s.lost > 0 {
			r.gaps++
			r.buf = append(r.buf, make([]byte, 2*len(s.samples)*int(s.lost))...)
		}
		r.buf = audiofile.Append(r.buf, s.samples)
		r.tail.Store(tail + 1)
	}
	if len(r.buf) == 0 || r.broken != nil {
		return
	}
	if r.size+int64(len(r.buf)) > audiofile.MaxDataSize {
		r.fail(audiofile.ErrTooLong)
		return
	}
	n, err := r.file.Write(r.buf)
	r.size += int64(n &^ 1)
	if err != nil {
		r.fail(err)
	}
}

// sync makes durable first the sound, then the header that tells of it. A file
// that cannot be written gets a last chance for its header.
func (r *Recorder) sync() {
	h := audiofile.Header(r.o.Rate, r.size)
	err := r.file.Sync()
	if err == nil {
		_, err = r.file.WriteAt(h[:], 0)
	}
	if err != nil && r.broken == nil {
		r.fail(err)
	}
}

// fail remembers the first error and tells it.
func (r *Recorder) fail(err error) {
	if r.broken != nil {
		return
	}
	r.broken = fmt.Errorf("recorder: %w", err)
	if r.o.Failed != nil {
		r.o.Failed(r.broken)
	}
}

// Repair makes the header of a recording that was not closed tell of all the
// sound that is in the file, which stays open. A file that is too short to be
// a recording is an error.
func Repair(f File) (Result, error) {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return Result{}, fmt.Errorf("recorder: %w", err)
	}
	var head [audiofile.HeaderSize]byte
	if _, err := f.ReadAt(head[:], 0); err != nil {
		return Result{}, fmt.Errorf("recorder: the file has no header: %w", err)
	}
	rate := int(head[24]) | int(head[25])<<8 | int(head[26])<<16
	if string(head[:4]) != "RIFF" || rate == 0 {
		return Result{}, errors.New("recorder: the file is not a recording")
	}
	sound := min((size-audiofile.HeaderSize)&^1, audiofile.MaxDataSize)
	if err := f.Truncate(audiofile.HeaderSize + sound); err != nil {
		return Result{}, fmt.Errorf("recorder: %w", err)
	}
	h := audiofile.Header(rate, sound)
	if _, err := f.WriteAt(h[:], 0); err != nil {
		return Result{}, fmt.Errorf("recorder: %w", err)
	}
	if err := f.Sync(); err != nil {
		return Result{}, fmt.Errorf("recorder: %w", err)
	}
	return Result{Duration: time.Duration(sound/2) * time.Second / time.Duration(rate), Bytes: audiofile.HeaderSize + sound}, nil
}
