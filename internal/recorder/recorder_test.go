package recorder

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/audiotest"
)

const rate = 8000

func create(t *testing.T) (*os.File, string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "r.wav")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	return f, name
}

// feed writes sound frame by frame on the beat.
func feed(r *Recorder, sound []int16) {
	for frame := range slices.Chunk(sound, rate/50) {
		time.Sleep(20 * time.Millisecond) // virtual
		r.Write(frame)
	}
}

func load(t *testing.T, name string) []int16 {
	t.Helper()
	got, hz, err := audiotest.LoadWAV(name)
	if err != nil {
		t.Fatal(err)
	}
	if hz != rate {
		t.Fatalf("rate %d", hz)
	}
	return got
}

func TestEverySampleIsInTheFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, name := create(t)
		r, err := Create(f, Options{Rate: rate})
		if err != nil {
			t.Fatal(err)
		}
		sound := audiotest.Tone(rate, 440, -10, 5*time.Second)
		feed(r, sound)
		got, err := r.Close()
		if err != nil {
			t.Fatal(err)
		}
		if want := (Result{Duration: 5 * time.Second, Bytes: 44 + 80_000}); got != want {
			t.Errorf("result %+v, want %+v", got, want)
		}
		if !slices.Equal(load(t, name), sound) {
			t.Error("the file has other samples")
		}
	})
}

func TestPauseLeavesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, name := create(t)
		r, err := Create(f, Options{Rate: rate})
		if err != nil {
			t.Fatal(err)
		}
		a, b, c := audiotest.Tone(rate, 440, -10, time.Second), audiotest.Tone(rate, 1000, -10, time.Second), audiotest.Tone(rate, 1700, -10, time.Second)
		feed(r, a)
		r.Pause()
		feed(r, b)
		r.Resume()
		feed(r, c)
		if res, err := r.Close(); err != nil || res.Gaps != 0 || res.Duration != 2*time.Second {
			t.Errorf("%+v, %v", res, err)
		}
		if !slices.Equal(load(t, name), slices.Concat(a, c)) {
			t.Error("not just what was not paused")
		}
	})
}

func TestAPlayableFileAtEveryMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, name := create(t)
		r, err := Create(f, Options{Rate: rate})
		if err != nil {
			t.Fatal(err)
		}
		sound := audiotest.Tone(rate, 440, -10, 7*time.Second)
		feed(r, sound[:6*rate+rate/2])
		crashed := filepath.Join(t.TempDir(), "crashed.wav") // what a crash would leave
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(crashed, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := load(t, crashed); len(got) < 5*rate+rate/2-rate/10 || !slices.Equal(got, sound[:len(got)]) {
			t.Errorf("%d samples can be played, want at least all but the last second", len(got))
		}
		c, err := os.OpenFile(crashed, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		res, err := Repair(c)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
		got := load(t, crashed)
		if res.Bytes != int64(44+2*len(got)) || len(got) < 6*rate || !slices.Equal(got, sound[:len(got)]) {
			t.Errorf("repaired: %+v, %d samples", res, len(got))
		}
		if _, err := r.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// slowFile is a disk that stops for a while.
type slowFile struct {
	*os.File
	after int
	pause time.Duration
}

func (f *slowFile) Write(p []byte) (int, error) {
	if f.after--; f.after == 0 {
		time.Sleep(f.pause) // virtual
	}
	return f.File.Write(p)
}

func TestASlowDiskLeavesAGapInTheRightPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, name := create(t)
		r, err := Create(&slowFile{f, 10, 6 * time.Second}, Options{Rate: rate})
		if err != nil {
			t.Fatal(err)
		}
		sound := audiotest.Tone(rate, 441, -10, 12*time.Second)
		feed(r, sound)
		res, err := r.Close()
		if err != nil {
			t.Fatal(err)
		}
		if res.Gaps != 1 || res.Duration != 12*time.Second {
			t.Errorf("%+v", res)
		}
		got := load(t, name)
		if len(got) != len(sound) {
			t.Fatalf("%d samples", len(got))
		}
		silent := 0
		for i := range got {
			if got[i] != sound[i] {
				if got[i] != 0 {
					t.Fatalf("sample %d is out of place", i)
				}
				silent++
			}
		}
		if d := audiotest.Duration(rate, silent); d < time.Second || d > 3*time.Second {
			t.Errorf("%v are missing; the disk stopped 2 s longer than the ring holds", d)
		}
	})
}

// fullFile is a disk without space after so many bytes.
type fullFile struct {
	*os.File
	room int
}

var errFull = errors.New("no space left on device")

func (f *fullFile) Write(p []byte) (int, error) {
	n := min(len(p), f.room)
	f.room -= n
	written, err := f.File.Write(p[:n])
	if err == nil && n < len(p) {
		err = errFull
	}
	return written, err
}

func TestAFullDiskIsToldOnceAndWhatIsThereStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, name := create(t)
		told := 0
		r, err := Create(&fullFile{f, 44 + 16_001}, Options{Rate: rate, Failed: func(err error) {
			if !errors.Is(err, errFull) {
				t.Errorf("told %v", err)
			}
			told++
		}})
		if err != nil {
			t.Fatal(err)
		}
		sound := audiotest.Tone(rate, 440, -10, 3*time.Second)
		feed(r, sound)
		res, err := r.Close()
		if !errors.Is(err, errFull) || told != 1 || res.Duration != time.Second {
			t.Errorf("%+v, %v, told %d times", res, err, told)
		}
		if got := load(t, name); !slices.Equal(got, sound[:rate]) {
			t.Errorf("%d samples", len(got))
		}
	})
}

func TestRepairRefusesWhatIsNoRecording(t *testing.T) {
	for _, content := range [][]byte{nil, []byte("RIFF"), bytes.Repeat([]byte{7}, 100)} {
		f, _ := create(t)
		if _, err := f.Write(content); err != nil {
			t.Fatal(err)
		}
		if _, err := Repair(f); err == nil {
			t.Errorf("%d bytes of something are repaired", len(content))
		}
		_ = f.Close()
	}
}

func TestWriteDoesNotAllocate(t *testing.T) {
	f, _ := create(t)
	r, err := Create(f, Options{Rate: rate})
	if err != nil {
		t.Fatal(err)
	}
	frame := make([]int16, rate/50)
	if n := testing.AllocsPerRun(1000, func() { r.Write(frame) }); math.Round(n) != 0 {
		t.Errorf("%v allocations", n)
	}
	if _, err := r.Close(); err != nil {
		t.Fatal(err)
	}
}
