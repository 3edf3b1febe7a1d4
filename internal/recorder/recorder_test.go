package recorder

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/audiofile"
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

// snapshot is what a killed process would leave of the file called name.
func snapshot(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(t.TempDir(), "left.wav")
	if err := os.WriteFile(left, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return left
}

func TestAPlayableFileAtEveryMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, name := create(t)
		r, err := Create(f, Options{Rate: rate})
		if err != nil {
			t.Fatal(err)
		}
		sound := audiotest.Tone(rate, 440, -10, 7*time.Second)
		for said := 0; said < len(sound); said += rate / 50 * 7 {
			feed(r, sound[said:min(said+rate/50*7, len(sound))])
			synctest.Wait()
			got := load(t, snapshot(t, name)) // as strict as a reader can be
			if missing := audiotest.Duration(rate, said-len(got)); missing > poll || !slices.Equal(got, sound[:len(got)]) {
				t.Fatalf("after %v a killed process leaves a file that lacks %v", audiotest.Duration(rate, said), missing)
			}
		}
		if _, err := r.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// cutFile knows how much of the file a power cut would leave.
type cutFile struct {
	*os.File
	size   atomic.Int64
	synced atomic.Int64
}

func (f *cutFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	f.size.Add(int64(n))
	return n, err
}

func (f *cutFile) Sync() error {
	f.synced.Store(f.size.Load())
	return f.File.Sync()
}

func TestAPowerCutCostsAboutASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, name := create(t)
		cut := &cutFile{File: f}
		r, err := Create(cut, Options{Rate: rate})
		if err != nil {
			t.Fatal(err)
		}
		sound := audiotest.Tone(rate, 440, -10, 6*time.Second)
		for said := 0; said < len(sound); said += rate / 50 * 9 {
			feed(r, sound[said:min(said+rate/50*9, len(sound))])
			synctest.Wait()
			left := snapshot(t, name) // its header may tell of more than is there
			if err := os.Truncate(left, cut.synced.Load()); err != nil {
				t.Fatal(err)
			}
			c, err := os.OpenFile(left, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			res, err := Repair(c)
			if err := errors.Join(err, c.Close()); err != nil {
				t.Fatal(err)
			}
			got := load(t, left)
			missing := audiotest.Duration(rate, said-len(got))
			if missing > syncEvery+poll || !slices.Equal(got, sound[:len(got)]) || res.Bytes != int64(44+2*len(got)) {
				t.Fatalf("after %v a power cut costs %v (%+v)", audiotest.Duration(rate, said), missing, res)
			}
		}
		if _, err := r.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// busyFile is a disk that takes sound at once, but a long time to make it
// durable.
type busyFile struct{ *os.File }

func (f busyFile) Sync() error {
	time.Sleep(7 * time.Second) // virtual
	return f.File.Sync()
}

func TestABusyDiskHoldsNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, name := create(t)
		r, err := Create(busyFile{f}, Options{Rate: rate})
		if err != nil {
			t.Fatal(err)
		}
		sound := audiotest.Tone(rate, 440, -10, 12*time.Second)
		for said := 0; said < len(sound); said += rate {
			feed(r, sound[said:said+rate])
			synctest.Wait()
			got := load(t, snapshot(t, name))
			if missing := audiotest.Duration(rate, said+rate-len(got)); missing > poll {
				t.Errorf("after %v a killed process leaves a file that lacks %v", audiotest.Duration(rate, said+rate), missing)
			}
		}
		res, err := r.Close()
		if err != nil {
			t.Fatal(err)
		}
		if res.Gaps != 0 || !slices.Equal(load(t, name), sound) {
			t.Errorf("sound was lost: %+v", res)
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

func TestGapAtTheVeryEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, name := create(t)
		// It stops at its first write and goes on after the last frame.
		r, err := Create(&slowFile{f, 2, 9 * time.Second}, Options{Rate: rate})
		if err != nil {
			t.Fatal(err)
		}
		feed(r, audiotest.Tone(rate, 440, -10, 8*time.Second))
		res, err := r.Close()
		if err != nil || res.Gaps != 1 || res.Duration != 8*time.Second {
			t.Errorf("%+v, %v; want one gap in 8 s", res, err)
		}
		if got := load(t, name); len(got) != 8*rate || audiotest.RMS(got[7*rate:]) != audiotest.Silence {
			t.Errorf("%d samples, the last second at %.1f dBFS", len(got), audiotest.RMS(got[7*rate:]))
		}
	})
}

func TestRepairMakesAnEmptyRecordingOfAnUnwrittenOne(t *testing.T) {
	for _, n := range []int{0, 4, 43, 44, 45} {
		f, name := create(t)
		h := audiofile.Header(16000, 0)
		if _, err := f.Write(append(h[:], 0)[:n]); err != nil {
			t.Fatal(err)
		}
		res, err := Repair(f)
		if err != nil || res != (Result{Bytes: 44}) {
			t.Errorf("%d bytes: %+v, %v; want an empty recording", n, res, err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if got, _, err := audiotest.LoadWAV(name); err != nil || len(got) != 0 {
			t.Errorf("%d bytes: %d samples, %v", n, len(got), err)
		}
	}
}

func TestRepairRefusesWhatIsNoRecording(t *testing.T) {
	other := audiotest.WAV(rate, make([]int16, 100))
	other[22] = 2 // stereo
	for _, content := range [][]byte{bytes.Repeat([]byte{7}, 100), make([]byte, 100), other} {
		f, name := create(t)
		if _, err := f.Write(content); err != nil {
			t.Fatal(err)
		}
		if res, err := Repair(f); err == nil {
			t.Errorf("repaired: %+v", res)
		}
		_ = f.Close()
		if left, err := os.ReadFile(name); err != nil || !bytes.Equal(left, content) {
			t.Errorf("the file was changed to % x (%v)", left, err)
		}
	}
}

func TestFramesOfAnyLength(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, name := create(t)
		r, err := Create(f, Options{Rate: rate})
		if err != nil {
			t.Fatal(err)
		}
		sound := audiotest.Noise(rate, -10, 10*time.Second, 1)
		for rest, n := sound, 0; len(rest) > 0; n++ {
			frame := rest[:min(1+n*37%500, len(rest))]
			r.Write(frame)
			rest = rest[len(frame):]
			time.Sleep(audiotest.Duration(rate, len(frame))) // virtual
		}
		if _, err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(load(t, name), sound) {
			t.Error("the file has other samples")
		}
	})
}

func TestErrorOfEachCallOfTheFile(t *testing.T) {
	for _, c := range []struct {
		name string
		file func(*os.File) File
	}{
		{"sync", func(f *os.File) File { return &faultyFile{File: f, sync: errFull} }},
		{"header", func(f *os.File) File { return &faultyFile{File: f, writeAt: errFull} }},
		{"close", func(f *os.File) File { return &faultyFile{File: f, close: errFull} }},
	} {
		synctest.Test(t, func(t *testing.T) {
			f, _ := create(t)
			told := 0
			r, err := Create(c.file(f), Options{Rate: rate, Failed: func(error) { told++ }})
			if err != nil {
				t.Fatal(err)
			}
			feed(r, make([]int16, 2*rate))
			if _, err := r.Close(); !errors.Is(err, errFull) || told != 1 {
				t.Errorf("%s: %v, told %d times; want the disk's error, once", c.name, err, told)
			}
			if _, err := r.Close(); !errors.Is(err, errFull) {
				t.Errorf("%s: closed again: %v", c.name, err)
			}
		})
	}
	f, _ := create(t)
	_ = f.Close()
	if _, err := Create(f, Options{Rate: rate}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Create on a closed file: %v", err)
	}
}

// faultyFile fails in one of its calls.
type faultyFile struct {
	*os.File
	sync, writeAt, close error
}

func (f *faultyFile) Sync() error { return errors.Join(f.sync, f.File.Sync()) }

func (f *faultyFile) WriteAt(p []byte, at int64) (int, error) {
	n, err := f.File.WriteAt(p, at)
	return n, errors.Join(f.writeAt, err)
}

func (f *faultyFile) Close() error { return errors.Join(f.close, f.File.Close()) }

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
