package player

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/audiofile"
	"parley/internal/audiotest"
)

const rate = 8000

// memory is a file in memory.
type memory struct{ *bytes.Reader }

func (memory) Close() error { return nil }

func wav(hz int, samples []int16) Opener {
	b := audiotest.WAV(hz, samples)
	return func() (io.ReadSeekCloser, error) { return memory{bytes.NewReader(b)}, nil }
}

// listen takes frames on the beat until the player ends or for d.
func listen(p *Player, d time.Duration) (sound []int16, ended bool) {
	frame := make([]int16, rate/50)
	for range int(d / (20 * time.Millisecond)) {
		time.Sleep(20 * time.Millisecond) // virtual
		n, end := p.Next(frame)
		sound = append(sound, frame[:n]...)
		if end {
			return sound, true
		}
	}
	return sound, false
}

func TestFilesArePlayedInOrderSampleForSample(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := audiotest.Tone(rate, 440, -10, 1501*time.Millisecond), audiotest.Tone(rate, 1000, -10, 2*time.Second)
		p := Open([]Opener{wav(rate, a), wav(rate, b)}, Options{Rate: rate})
		defer p.Close()
		got, ended := listen(p, 10*time.Second)
		if !ended || p.Err() != nil {
			t.Fatalf("ended %v, %v", ended, p.Err())
		}
		if !slices.Equal(got, slices.Concat(a, b)) {
			t.Errorf("%d samples, want the %d of the files", len(got), len(a)+len(b))
		}
	})
}

func TestLoopHasNoSeam(t *testing.T) {
	for _, hz := range []int{8000, 16000, 44100} {
		synctest.Test(t, func(t *testing.T) {
			// A whole number of periods: the loop is one endless tone.
			p := Open([]Opener{wav(hz, audiotest.Tone(hz, 500, -10, time.Second))}, Options{Rate: rate, Loop: true})
			defer p.Close()
			got, ended := listen(p, 5*time.Second)
			if ended || len(got) < 4*rate {
				t.Fatalf("%d samples, ended %v", len(got), ended)
			}
			if clicks := audiotest.Clicks(got[rate/10:], rate); len(clicks) > 0 {
				t.Errorf("%d Hz: clicks at %v", hz, clicks)
			}
			if level := audiotest.ToneLevel(got[rate/10:], rate, 500); math.Abs(level+10) > 0.2 {
				t.Errorf("%d Hz: tone at %.1f dBFS, want -10", hz, level)
			}
		})
	}
}

func TestAnyRateKeepsLengthAndPitch(t *testing.T) {
	for _, hz := range []int{8000, 11025, 16000, 22050, 32000, 44100, 48000} {
		synctest.Test(t, func(t *testing.T) {
			p := Open([]Opener{wav(hz, audiotest.Tone(hz, 1000, -12, 2*time.Second))}, Options{Rate: rate})
			defer p.Close()
			got, ended := listen(p, 5*time.Second)
			if !ended {
				t.Fatal("does not end")
			}
			if d := len(got) - 2*rate; d < -1 || d > 40 {
				t.Errorf("%d Hz: %d samples, want %d", hz, len(got), 2*rate)
			}
			if level := audiotest.ToneLevel(got[rate/2:rate*3/2], rate, 1000); math.Abs(level+12) > 0.2 {
				t.Errorf("%d Hz: tone at %.1f dBFS, want -12", hz, level)
			}
		})
	}
}

func TestAFileThatFailsIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("disk on fire")
		for want, second := range map[error]Opener{
			broken: func() (io.ReadSeekCloser, error) { return nil, broken },
			audiofile.ErrNotAudio: func() (io.ReadSeekCloser, error) {
				return memory{bytes.NewReader([]byte("<html></html> and more"))}, nil
			},
		} {
			a := audiotest.Tone(rate, 440, -10, 500*time.Millisecond)
			p := Open([]Opener{wav(rate, a), second}, Options{Rate: rate})
			got, ended := listen(p, 5*time.Second)
			if !ended || !slices.Equal(got, a) {
				t.Errorf("%d samples before the fault, ended %v", len(got), ended)
			}
			if err := p.Err(); !errors.Is(err, want) || !bytes.Contains([]byte(err.Error()), []byte("file 2: ")) {
				t.Errorf("Err = %v, want %v in file 2", err, want)
			}
			p.Close()
		}
	})
}

func TestAFileThatFailsWhileItPlays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tone := audiotest.Tone(rate, 440, -10, 3*time.Second)
		file := audiotest.WAV(rate, tone)
		broken := errors.New("disk on fire")
		reader := func() (io.ReadSeekCloser, error) {
			return &faulty{memory{bytes.NewReader(file)}, func() error { return broken }}, nil
		}
		panicking := func() (io.ReadSeekCloser, error) {
			return &faulty{memory{bytes.NewReader(file)}, func() error { panic("on fire") }}, nil
		}
		for _, open := range []Opener{reader, panicking} {
			p := Open([]Opener{open}, Options{Rate: rate, Loop: true, Names: []string{"hello.wav"}})
			got, ended := listen(p, 5*time.Second)
			if !ended || len(got) < rate || !slices.Equal(got, tone[:len(got)]) {
				t.Errorf("%d samples before the fault, ended %v", len(got), ended)
			}
			err, ok := errors.AsType[*FileError](p.Err())
			if !ok || err.Index != 0 || !strings.HasPrefix(err.Error(), "hello.wav: ") || !strings.HasSuffix(err.Error(), "on fire") {
				t.Errorf("Err = %v, want hello.wav and the reason", p.Err())
			}
			p.Close()
		}
	})
}

// faulty is a file whose second half cannot be read.
type faulty struct {
	memory
	fault func() error
}

func (f *faulty) Read(p []byte) (int, error) {
	if int64(f.Len()) < f.Size()/2 {
		return 0, f.fault()
	}
	return f.memory.Read(p[:min(len(p), 2000)])
}

func TestFilesOfDifferentRatesFollowWithoutAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var list []Opener
		want := time.Duration(0)
		for _, hz := range []int{44100, 8000, 16000, 16000, 11025, 48000, 4000} {
			list = append(list, wav(hz, audiotest.Tone(hz, 500, -10, 500*time.Millisecond)))
			want += 500 * time.Millisecond
		}
		p := Open(list, Options{Rate: rate})
		defer p.Close()
		got, ended := listen(p, 10*time.Second)
		if d := audiotest.Duration(rate, len(got)) - want; !ended || d.Abs() > time.Millisecond {
			t.Errorf("%v of sound, ended %v; want %v", audiotest.Duration(rate, len(got)), ended, want)
		}
		if gaps := audiotest.Gaps(got, nil, rate, 500*time.Microsecond); gaps != nil {
			t.Errorf("gaps %v", gaps)
		}
		if level := audiotest.ToneLevel(got, rate, 500); math.Abs(level+10) > 0.2 {
			t.Errorf("tone at %.1f dBFS, want -10", level)
		}
	})
}

func TestConvertingTakesNoTimeAway(t *testing.T) {
	for _, hz := range []int{4000, 8000, 11025, 16000, 44100, 48000} {
		for _, n := range []int{1, 10, 31, 500, 1024, 5000} {
			synctest.Test(t, func(t *testing.T) {
				impulse := make([]int16, n)
				impulse[n/2] = math.MaxInt16
				p := Open([]Opener{wav(hz, impulse)}, Options{Rate: rate})
				defer p.Close()
				got, ended := listen(p, 5*time.Second)
				if d := len(got)*hz - n*rate; !ended || d < -hz || d > hz {
					t.Fatalf("%d samples at %d Hz became %d, ended %v", n, hz, len(got), ended)
				}
				peak := slices.Index(got, slices.Max(got))
				if d := peak*hz - n/2*rate; n > 30 && max(d, -d) > 2*max(hz, rate) {
					t.Errorf("the impulse at %d of %d at %d Hz is at %d", n/2, n, hz, peak)
				}
			})
		}
	}
}

func TestMP3(t *testing.T) {
	file, err := os.ReadFile("../audiofile/testdata/mpeg1-44100-vbr-id3.mp3")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		open := func() (io.ReadSeekCloser, error) { return memory{bytes.NewReader(file)}, nil }
		p := Open([]Opener{open, open}, Options{Rate: rate})
		defer p.Close()
		got, ended := listen(p, 10*time.Second)
		if !ended || len(got) != 4*rate {
			t.Fatalf("%d samples, ended %v; want twice 2 s", len(got), ended)
		}
		want := audiotest.Speech(1)[:2*rate]
		lag, c := audiotest.Correlate(slices.Concat(want, want), got, 100)
		if lag != 0 || c < 0.98 {
			t.Errorf("like the speech by %.4f, %d samples late", c, lag)
		}
	})
}

func TestCloseDoesNotWaitForAFileThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		p := Open([]Opener{func() (io.ReadSeekCloser, error) { <-hang; return nil, errors.New("too late") }}, Options{Rate: rate})
		synctest.Wait()
		start := time.Now()
		p.Close()
		if d := time.Since(start); d != 2*patience { // virtual
			t.Errorf("Close took %v", d)
		}
		close(hang) // its goroutine ends by itself
	})
	synctest.Test(t, func(t *testing.T) {
		file := &hanging{closed: make(chan struct{})}
		p := Open([]Opener{func() (io.ReadSeekCloser, error) { return file, nil }}, Options{Rate: rate})
		synctest.Wait()
		p.Close()
		if p.Err() != nil || file.closes != 1 {
			t.Errorf("Err = %v, the file was closed %d times", p.Err(), file.closes)
		}
	})
}

// hanging is a file that can be read only once it is closed.
type hanging struct {
	closed chan struct{}
	closes int
}

func (h *hanging) Seek(_ int64, whence int) (int64, error) {
	if whence == io.SeekEnd {
		return 1000, nil
	}
	return 0, nil
}

func (h *hanging) Read([]byte) (int, error) {
	<-h.closed
	return 0, os.ErrClosed
}

func (h *hanging) Close() error {
	h.closes++
	close(h.closed)
	return nil
}

func TestEveryFileIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var opened, closed atomic.Int32
		b := audiotest.WAV(rate, make([]int16, rate/10))
		open := func() (io.ReadSeekCloser, error) {
			opened.Add(1)
			return counted{memory{bytes.NewReader(b)}, &closed}, nil
		}
		p := Open([]Opener{open, open}, Options{Rate: rate, Loop: true})
		listen(p, 3*time.Second)
		p.Close()
		if opened.Load() < 20 || opened.Load() != closed.Load() {
			t.Errorf("%d files opened, %d closed", opened.Load(), closed.Load())
		}
	})
}

type counted struct {
	memory
	closed *atomic.Int32
}

func (c counted) Close() error {
	c.closed.Add(1)
	return nil
}

func TestEmptyLoopEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := Open(nil, Options{Rate: rate, Loop: true})
		defer p.Close()
		if _, ended := listen(p, time.Second); !ended {
			t.Error("a loop over nothing goes on")
		}
	})
}

func TestCloseInTheMiddle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := Open([]Opener{wav(rate, audiotest.Tone(rate, 440, -10, time.Minute))}, Options{Rate: rate})
		listen(p, time.Second)
		p.Close()
		p.Close()
		if err := p.Err(); err != nil {
			t.Errorf("Err = %v", err)
		}
	})
}

func TestASlowFileDoesNotHoldTheBeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tone := audiotest.Tone(rate, 440, -10, time.Second)
		slow := func() (io.ReadSeekCloser, error) {
			time.Sleep(3 * time.Second) // virtual
			return wav(rate, tone)()
		}
		p := Open([]Opener{slow}, Options{Rate: rate})
		defer p.Close()
		frame := make([]int16, rate/50)
		if n, ended := p.Next(frame); n != 0 || ended {
			t.Errorf("Next = %d, %v before the file is open", n, ended)
		}
		if got, ended := listen(p, 10*time.Second); !ended || !slices.Equal(got, tone) {
			t.Errorf("%d samples, ended %v", len(got), ended)
		}
	})
}

func TestNextDoesNotAllocate(t *testing.T) {
	p := Open([]Opener{wav(rate, audiotest.Tone(rate, 440, -10, time.Second))}, Options{Rate: rate, Loop: true})
	defer p.Close()
	frame := make([]int16, rate/50)
	if n := testing.AllocsPerRun(1000, func() { p.Next(frame) }); math.Round(n) > 0 {
		t.Errorf("%v allocations", n)
	}
}
