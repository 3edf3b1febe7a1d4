package audiofile_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"parley/internal/audiofile"
	"parley/internal/audiotest"
)

// faults are the errors that bytes in memory may give.
var faults = []error{
	audiofile.ErrNotAudio, audiofile.ErrEmpty, audiofile.ErrCutShort, audiofile.ErrUnsupported, audiofile.ErrDamaged,
}

func known(err error) bool {
	for _, f := range faults {
		if errors.Is(err, f) {
			return true
		}
	}
	return false
}

// seed adds the files of testdata with a suffix.
func seed(f *testing.F, suffix string) {
	f.Helper()
	entries, err := os.ReadDir("testdata")
	if err != nil {
		f.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), suffix) {
			file, err := os.ReadFile(filepath.Join("testdata", e.Name()))
			if err != nil {
				f.Fatal(err)
			}
			f.Add(file[:min(len(file), 600)])
		}
	}
}

// check reads a file in both ways and holds the answers to what is promised.
func check(t *testing.T, file []byte) {
	info, probeErr := audiofile.Probe(bytes.NewReader(file))
	r, err := audiofile.NewReader(bytes.NewReader(file))
	if err != nil {
		if probeErr == nil || !known(err) {
			t.Fatalf("NewReader says %v, Probe %v", err, probeErr)
		}
		return
	}
	samples, err := drain(r)
	if err != nil && !known(err) {
		t.Fatalf("reading says %v", err)
	}
	if probeErr != nil {
		if !known(probeErr) {
			t.Fatalf("Probe says %v", probeErr)
		}
		return
	}
	got := r.Info()
	if info.Format == audiofile.FormatWAV && (got != info || audiotest.Samples(info.SampleRate, info.Duration)-len(samples) > 1) {
		t.Fatalf("%d samples, info %+v, Probe says %+v", len(samples), got, info)
	}
	if info.SampleRate < 4000 || info.Channels < 1 || info.Duration < 0 {
		t.Fatalf("info %+v", info)
	}
}

func FuzzWAV(f *testing.F) {
	seed(f, ".wav")
	f.Fuzz(func(t *testing.T, file []byte) { check(t, file) })
}

func FuzzMP3(f *testing.F) {
	seed(f, ".mp3")
	f.Fuzz(func(t *testing.T, file []byte) { check(t, file) })
}
