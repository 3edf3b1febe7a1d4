package phone_test

import (
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"parley/internal/audiotest"
	"parley/internal/phone"
)

func TestFilesOfAnyRateAreLoadedAt8kHz(t *testing.T) {
	t.Parallel()
	for _, from := range []int{8000, 16000, 44100, 48000} {
		path := filepath.Join(t.TempDir(), "tone.wav")
		if err := audiotest.SaveWAV(path, from, audiotest.Tone(from, 1000, -20, time.Second)); err != nil {
			t.Fatal(err)
		}
		sound, err := phone.LoadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if level := audiotest.ToneLevel(sound, rate, 1000); math.Abs(float64(len(sound)-rate)) > 1 || math.Abs(level+20) > 0.5 {
			t.Errorf("from %d Hz: %d samples, 1000 Hz at %.1f dBFS", from, len(sound), level)
		}
	}
}

func TestFilesThatAreNotLoaded(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "text.wav")
	if err := os.WriteFile(path, []byte("not a sound"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, path + ".missing"} {
		if _, err := phone.LoadFile(name); err == nil {
			t.Errorf("%s was loaded", name)
		}
	}
}

func TestSources(t *testing.T) {
	t.Parallel()
	frame := make([]int16, 4)
	once := phone.Samples([]int16{1, 2, 3, 4, 5})
	if n, ended := once.Next(frame); n != 4 || ended {
		t.Errorf("first frame: %d samples, ended %v", n, ended)
	}
	if n, ended := once.Next(frame); n != 1 || !ended || frame[0] != 5 {
		t.Errorf("last frame: %d samples, ended %v", n, ended)
	}
	loop := phone.Loop([]int16{1, 2, 3})
	if n, ended := loop.Next(frame); n != 4 || ended || frame[3] != 1 {
		t.Errorf("a loop: %d samples %v, ended %v", n, frame, ended)
	}
	if n, ended := phone.Loop(nil).Next(frame); n != 0 || !ended {
		t.Errorf("a loop of nothing: %d samples, ended %v", n, ended)
	}
}
