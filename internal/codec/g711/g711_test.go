package g711_test

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"parley/internal/codec/g711"
)

// interval is one row of G.711 table 1 or 2: magnitudes from low up to (not
// including) high become one code, which gives back value.
type interval struct {
	low, high, value int
	code             byte
}

// tableA is table 1a of the Recommendation, in its own scale (4096 is full
// scale): decision values 0, 2, 4 … 64, then steps that double in each segment.
// The character signal is numbered from the smallest magnitude; every second
// bit is inverted.
func tableA() []interval {
	var rows []interval
	low, step := 0, 2
	for n := range 128 {
		if n >= 32 && n%16 == 0 {
			step *= 2
		}
		rows = append(rows, interval{low, low + step, low + step/2, (0x80 | byte(n)) ^ 0x55})
		low += step
	}
	return rows
}

// tableMu is table 2a, in its own scale (8159 is the limit): decision values
// 0, 1, 3, 5 … 31, then steps that double in each segment; the first interval
// gives 0. All bits are inverted.
func tableMu() []interval {
	rows := []interval{{0, 1, 0, 0xff}}
	low, step := 1, 2
	for n := 1; n < 128; n++ {
		if n%16 == 0 {
			step *= 2
		}
		rows = append(rows, interval{low, low + step, low + step/2, 0xff - byte(n)})
		low += step
	}
	return rows
}

func lookup(rows []interval, magnitude int) interval {
	for _, r := range rows {
		if magnitude < r.high {
			return r
		}
	}
	return rows[len(rows)-1]
}

func TestTablesOfTheRecommendationEndWhereItSays(t *testing.T) {
	if a := tableA(); a[127].high != 4096 || a[127].value != 4032 {
		t.Errorf("A-law table ends with %+v, table 1a says 4096 and 4032", a[127])
	}
	if mu := tableMu(); mu[127].high != 8159 || mu[127].value != 8031 {
		t.Errorf("µ-law table ends with %+v, table 2a says 8159 and 8031", mu[127])
	}
}

func TestEverySampleAgainstTheRecommendation(t *testing.T) {
	laws := []struct {
		name   string
		rows   []interval
		shift  int // from 16 bits to the table's scale
		encode func([]byte, []int16) []byte
		decode func([]int16, []byte) int
	}{
		{"A-law", tableA(), 3, g711.EncodeA, g711.DecodeA},
		{"µ-law", tableMu(), 2, g711.EncodeMu, g711.DecodeMu},
	}
	for _, law := range laws {
		t.Run(law.name, func(t *testing.T) {
			for s := -32768; s <= 32767; s++ {
				// A negative sample lies at the lower edge of the step that it
				// stands for, so its magnitude is counted from the other edge.
				magnitude, negative := s>>law.shift, s < 0
				if negative {
					magnitude = ^s >> law.shift
				}
				row := lookup(law.rows, magnitude)
				code, value := row.code, row.value<<law.shift
				if negative {
					code, value = code^0x80, -value
				}
				got := law.encode(nil, []int16{int16(s)})[0]
				if got != code {
					t.Fatalf("sample %d encodes to %#02x, want %#02x", s, got, code)
				}
				var back [1]int16
				law.decode(back[:], []byte{got})
				if int(back[0]) != value {
					t.Fatalf("sample %d, code %#02x, decodes to %d, want %d", s, got, back[0], value)
				}
			}
		})
	}
}

func TestEveryCodeSurvivesDecodingAndEncoding(t *testing.T) {
	for c := range 256 {
		var s [1]int16
		g711.DecodeA(s[:], []byte{byte(c)})
		if got := g711.EncodeA(nil, s[:])[0]; int(got) != c {
			t.Errorf("A-law code %#02x became %#02x by way of %d", c, got, s[0])
		}
		g711.DecodeMu(s[:], []byte{byte(c)})
		// µ-law has two zeros; "minus zero" (0x7f) comes back as the other.
		if got := g711.EncodeMu(nil, s[:])[0]; int(got) != c && (c != 0x7f || got != g711.SilenceMu) {
			t.Errorf("µ-law code %#02x became %#02x by way of %d", c, got, s[0])
		}
	}
}

func TestSilenceCodes(t *testing.T) {
	zero := []int16{0}
	if got := g711.EncodeA(nil, zero)[0]; got != g711.SilenceA {
		t.Errorf("A-law silence is %#02x, want %#02x", got, g711.SilenceA)
	}
	if got := g711.EncodeMu(nil, zero)[0]; got != g711.SilenceMu {
		t.Errorf("µ-law silence is %#02x, want %#02x", got, g711.SilenceMu)
	}
}

// vectors reads 16-bit words of ITU-T's test sequences (G.191), which are not
// part of this repository.
func vectors(t *testing.T, name string) []int16 {
	t.Helper()
	dir := os.Getenv("PARLEY_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared")
	}
	path := filepath.Join(dir, "data", "g711-itu", name)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("no ITU-T test sequences: %s does not exist (PARLEY_SHARED names the folder that has them)", path)
	}
	if err != nil {
		t.Fatal(err)
	}
	words := make([]int16, len(raw)/2)
	for i := range words {
		words[i] = int16(binary.LittleEndian.Uint16(raw[2*i:]))
	}
	return words
}

func TestITUSequences(t *testing.T) {
	laws := []struct {
		name, codes, samples, both string
		encode                     func([]byte, []int16) []byte
		decode                     func([]int16, []byte) int
	}{
		{"A-law", "sweep-r.a", "sweep-r.rea", "sweep-r.a-a", g711.EncodeA, g711.DecodeA},
		{"µ-law", "sweep-r.u", "sweep-r.reu", "sweep-r.u-u", g711.EncodeMu, g711.DecodeMu},
	}
	for _, law := range laws {
		t.Run(law.name, func(t *testing.T) {
			source, want := vectors(t, "sweep.src"), vectors(t, law.codes)
			if len(source) != 65536 || len(want) != len(source) {
				t.Fatalf("%d samples and %d codes, want 65536 of each", len(source), len(want))
			}
			codes := law.encode(nil, source)
			for i, c := range codes {
				if int16(c) != want[i] {
					t.Fatalf("sample %d: code %#02x, ITU-T has %#02x", source[i], c, want[i])
				}
			}
			samples := make([]int16, len(codes))
			law.decode(samples, codes)
			for _, name := range []string{law.samples, law.both} {
				for i, w := range vectors(t, name) {
					if samples[i] != w {
						t.Fatalf("%s: sample %d decodes to %d, ITU-T has %d", name, source[i], samples[i], w)
					}
				}
			}
		})
	}
}

func TestEncodeAppends(t *testing.T) {
	got := g711.EncodeMu([]byte{1, 2}, []int16{0, 0})
	if want := "\x01\x02\xff\xff"; string(got) != want {
		t.Errorf("got %x, want %x", got, want)
	}
}

func TestNoAllocation(t *testing.T) {
	frame, payload := make([]int16, 160), make([]byte, 0, 160)
	n := testing.AllocsPerRun(100, func() {
		g711.DecodeA(frame, g711.EncodeA(payload, frame))
		g711.DecodeMu(frame, g711.EncodeMu(payload, frame))
	})
	if n != 0 {
		t.Errorf("%v allocations a frame, want 0", n)
	}
}
