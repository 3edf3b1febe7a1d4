package codec_test

import (
	"errors"
	"testing"

	"parley/internal/codec"
)

func TestFormatsAreFoundByNameAndPayloadType(t *testing.T) {
	cases := []struct {
		name  string
		clock int
		want  codec.Format
	}{
		{"PCMU", 8000, codec.PCMU},
		{"pcma", 8000, codec.PCMA},
		{"PCMU", 16000, codec.Format{}},
		{"telephone-event", 8000, codec.Format{}},
	}
	for _, c := range cases {
		got, ok := codec.ByName(c.name, c.clock)
		if got != c.want || ok != (c.want != codec.Format{}) {
			t.Errorf("%s/%d: %v, %v; want %v", c.name, c.clock, got, ok, c.want)
		}
	}
	for pt, want := range map[uint8]codec.Format{0: codec.PCMU, 8: codec.PCMA, 3: {}, 255: {}} {
		if got, ok := codec.ByPayloadType(pt); got != want || ok != (want != codec.Format{}) {
			t.Errorf("payload type %d: %v, %v; want %v", pt, got, ok, want)
		}
	}
}

func TestEveryFormatCarriesAFrame(t *testing.T) {
	for _, f := range codec.Formats() {
		t.Run(f.String(), func(t *testing.T) {
			enc, err := codec.NewEncoder(f)
			if err != nil {
				t.Fatal(err)
			}
			dec, err := codec.NewDecoder(f)
			if err != nil {
				t.Fatal(err)
			}
			frame := make([]int16, f.SampleRate/50)
			for i := range frame {
				frame[i] = int16(i * 100)
			}
			back := make([]int16, len(frame))
			n, err := dec.Decode(back, enc.Encode(nil, frame))
			if err != nil || n != len(frame) {
				t.Fatalf("decoded %d samples, %v; want %d", n, err, len(frame))
			}
			for i, s := range frame {
				// G.711 keeps at least 5 bits of each sample.
				if d := int(s) - int(back[i]); max(d, -d) > max(int(s)/31, 16) {
					t.Fatalf("sample %d was %d, came back as %d", i, s, back[i])
				}
			}
		})
	}
}

func TestPayloadLongerThanTheBuffer(t *testing.T) {
	dec, err := codec.NewDecoder(codec.PCMA)
	if err != nil {
		t.Fatal(err)
	}
	n, err := dec.Decode(make([]int16, 160), make([]byte, 161))
	if n != 160 || !errors.Is(err, codec.ErrShortBuffer) {
		t.Errorf("%d, %v; want 160 samples and ErrShortBuffer", n, err)
	}
}

func TestUnknownFormat(t *testing.T) {
	f := codec.Format{Name: "G729", ClockRate: 8000}
	if _, err := codec.NewEncoder(f); !errors.Is(err, codec.ErrUnknown) {
		t.Errorf("encoder: %v, want ErrUnknown", err)
	}
	if _, err := codec.NewDecoder(f); !errors.Is(err, codec.ErrUnknown) {
		t.Errorf("decoder: %v, want ErrUnknown", err)
	}
}
