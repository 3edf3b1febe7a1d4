package phone

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"parley/internal/audiofile"
	"parley/internal/pcm"
	"parley/internal/resample"
)

// Silence is a source of zeros without end.
func Silence() pcm.Source { return silence{} }

type silence struct{}

func (silence) Next(frame []int16) (int, bool) {
	clear(frame)
	return len(frame), false
}

// Tone is a sine without end of hz at level dBFS (RMS, at most -3.01).
func Tone(hz, level float64) pcm.Source {
	return &tone{step: 2 * math.Pi * hz / sampleRate, amplitude: math.Sqrt2 * 32768 * pcm.Gain(level)}
}

type tone struct{ phase, step, amplitude float64 }

func (t *tone) Next(frame []int16) (int, bool) {
	for i := range frame {
		frame[i] = pcm.Saturate(int32(math.Round(t.amplitude * math.Sin(t.phase))))
		t.phase = math.Mod(t.phase+t.step, 2*math.Pi)
	}
	return len(frame), false
}

// Samples plays sound once, at 8 kHz. The slice must not change meanwhile.
func Samples(sound []int16) pcm.Source { return &samples{sound: sound} }

// Loop plays sound over and over, at 8 kHz. The slice must not change
// meanwhile.
func Loop(sound []int16) pcm.Source { return &samples{sound: sound, loop: len(sound) > 0} }

type samples struct {
	sound []int16
	at    int
	loop  bool
}

func (s *samples) Next(frame []int16) (n int, ended bool) {
	for n < len(frame) {
		if s.at == len(s.sound) {
			if !s.loop {
				return n, true
			}
			s.at = 0
		}
		copied := copy(frame[n:], s.sound[s.at:])
		n, s.at = n+copied, s.at+copied
	}
	return n, s.at == len(s.sound) && !s.loop
}

// LoadFile reads a WAV or MP3 file of any rate, several channels averaged, for
// Samples or Loop. Files of more than an hour are refused.
func LoadFile(path string) ([]int16, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sound, err := load(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return sound, nil
}

func load(f io.ReadSeeker) ([]int16, error) {
	r, err := audiofile.NewReader(f)
	if err != nil {
		return nil, err
	}
	rate := r.Info().SampleRate
	convert := resample.New(rate, sampleRate)
	in := make([]int16, rate/10+1)
	var sound []int16
	for {
		n, err := r.Read(in)
		out := make([]int16, n*sampleRate/rate+2)
		written, _ := convert.Process(out, in[:n])
		sound = append(sound, out[:written]...)
		switch {
		case errors.Is(err, io.EOF):
			return sound, nil
		case err != nil:
			return nil, err
		case len(sound) > maxHeard:
			return nil, errors.New("longer than an hour")
		}
	}
}
