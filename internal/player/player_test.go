package player

import (
	"bytes"
	"errors"
	"io"
	"math"
	"slices"
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
			broken:                func() (io.ReadSeekCloser, error) { return nil, broken },
			audiofile.ErrNotAudio: func() (io.ReadSeekCloser, error) { return memory{bytes.NewReader([]byte("<html></html> and more"))}, nil },
		} {
			a := audiotest.Tone(rate, 440, -10, 500*time.Millisecond)
			p := Open([]Opener{wav(rate, a), second}, Options{Rate: rate})
			got, ended := listen(p, 5*time.Second)
			if !ended || !slices.Equal(got, a) {
				t.Errorf("%d samples before the fault, ended %v", len(got), ended)
			}
			if err := p.Err(); !errors.Is(err, want) || !bytes.Contains([]byte(err.Error()), []byte("file 2 of 2")) {
				t.Errorf("Err = %v, want %v in file 2", err, want)
			}
			p.Close()
		}
	})
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
