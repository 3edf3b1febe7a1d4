package audiofile_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"parley/internal/audiofile"
)

func sound(t *testing.T, file []byte) []int16 {
	t.Helper()
	r, err := audiofile.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	return readAll(t, r)
}

func TestTagsAndPaddingAroundMP3(t *testing.T) {
	plain := load(t, "mpeg2-24000-32k.mp3")
	want := sound(t, plain)
	id3 := func(flags byte, size int) []byte {
		return append([]byte{'I', 'D', '3', 4, 0, flags, 0, 0, byte(size >> 7), byte(size & 0x7f)}, bytes.Repeat([]byte{0xff}, size)...)
	}
	footer := []byte("3DI\x04\x00\x10\x00\x00\x00\x00")
	end := append([]byte("TAG"), bytes.Repeat([]byte{0xff, 0xfb}, 62)...)
	cases := map[string][]byte{
		"ID3v2":                  slices.Concat(id3(0, 3000), plain),
		"two of them":            slices.Concat(id3(0, 300), id3(0, 10), plain),
		"with a footer":          slices.Concat(id3(0x10, 300), footer, plain),
		"zeros before the sound": slices.Concat(id3(0, 20), make([]byte, 5000), plain),
		"ID3v1 at the end":       slices.Concat(plain, end),
		"half a frame at start":  slices.Concat(plain[60:96], plain),
		"half a frame at end":    slices.Concat(plain, plain[:50]),
	}
	for name, file := range cases {
		info, err := audiofile.Probe(bytes.NewReader(file))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := sound(t, file); !slices.Equal(got, want) {
			t.Errorf("%s: %d samples, other than the %d without it (%v)", name, len(got), len(want), info)
		}
	}
}

func TestMP3FromTheMiddleOfAStream(t *testing.T) {
	file := load(t, "mpeg2-24000-32k.mp3")
	got := sound(t, file[2000:])
	var peak int16
	for _, s := range got[:576] {
		peak = max(peak, s, -s)
	}
	if peak > 12000 {
		t.Errorf("a burst of %d where earlier frames are missing", peak)
	}
	want := sound(t, file)
	if tail := 20000; !slices.Equal(got[len(got)-tail:], want[len(want)-tail:]) {
		t.Error("the rest of the stream sounds different")
	}
}

func TestGarbageIsNoMP3(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 40 {
		garbage := make([]byte, 20_000)
		for i := range garbage {
			garbage[i] = byte(rng.Uint32())
			if rng.IntN(3) == 0 { // rich in what looks like a frame
				garbage[i] = []byte{0xff, 0xfb, 0x90, 0x00}[i%4]
			}
		}
		if info, err := audiofile.Probe(bytes.NewReader(garbage)); !errors.Is(err, audiofile.ErrNotAudio) {
			t.Fatalf("garbage is %+v, %v; want ErrNotAudio", info, err)
		}
	}
}

func TestDamageInsideMP3(t *testing.T) {
	file := load(t, "mpeg1-44100-vbr-id3.mp3")
	rng := rand.New(rand.NewPCG(2, 2))
	for range 25 {
		bad := slices.Clone(file)
		for range 1 + rng.IntN(20) {
			bad[1000+rng.IntN(len(bad)-1000)] = byte(rng.Uint32())
		}
		r, err := audiofile.NewReader(bytes.NewReader(bad))
		if err == nil {
			_, err = drain(r)
		}
		if err != nil && !errors.Is(err, audiofile.ErrDamaged) {
			t.Fatalf("error %v, want none or ErrDamaged", err)
		}
	}
	mostly := slices.Concat(file[:4000], make([]byte, 50_000), file[4000:])
	if _, err := audiofile.Probe(bytes.NewReader(mostly)); !errors.Is(err, audiofile.ErrDamaged) {
		t.Errorf("nearly all zeros: %v, want ErrDamaged", err)
	}
}

func TestMP3OfUnsupportedKinds(t *testing.T) {
	frame := func(header ...byte) []byte { return append(header, make([]byte, 2000)...) }
	layer2 := bytes.Repeat(frame(0xff, 0xfd, 0x80, 0x00)[:417], 5) // 128 kbit/s, 44.1 kHz
	mpeg25 := bytes.Repeat(frame(0xff, 0xe3, 0x18, 0xc0)[:72], 5)  // 8 kbit/s, 8 kHz
	for name, file := range map[string][]byte{"layer II": layer2, "8 kHz": mpeg25} {
		if _, err := audiofile.Probe(bytes.NewReader(file)); !errors.Is(err, audiofile.ErrUnsupported) {
			t.Errorf("%s: %v, want ErrUnsupported", name, err)
		}
	}
}

func TestMP3DurationWithoutItsTag(t *testing.T) {
	info, err := audiofile.Probe(bytes.NewReader(load(t, "mpeg1-48000-40k-crc.mp3")))
	if err != nil {
		t.Fatal(err)
	}
	if d := info.Duration - 2*time.Second; d < 0 || d > 100*time.Millisecond {
		t.Errorf("%v, want 2 s and a little", info.Duration)
	}
}
