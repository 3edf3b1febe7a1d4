package media_test

import (
	"testing"
	"time"

	"parley/internal/audiotest"
	"parley/internal/codec"
	"parley/internal/media"
)

// level is that of a tone in what was heard, in dB of full scale.
func level(sound []int16, hz float64) float64 { return audiotest.ToneLevel(sound, 8000, hz) }

func TestThreePhonesHearEachOtherAndNotThemselves(t *testing.T) {
	for _, format := range codec.Formats() {
		for _, ptime := range []time.Duration{10, 20, 30, 40, 60} {
			ptime *= time.Millisecond
			t.Run(format.Name+" "+ptime.String(), func(t *testing.T) {
				t.Parallel()
				plane := openPlane(t, nil)
				mix := plane.NewMix(media.MixConfig{})
				tones := []float64{440, 1000, 1700}
				var phones []*phone
				for _, hz := range tones {
					p := newPhone(t, hz)
					p.format, p.ptime = format, ptime
					phones = append(phones, p.join(plane, mix))
				}
				phones[0].pass(time.Second)
				for i, p := range phones {
					sound, packets := p.hear(time.Second)
					for j, hz := range tones {
						l := level(sound, hz)
						if i == j && l > -50 {
							t.Errorf("%v Hz hears itself at %.0f dB", hz, l)
						}
						if i != j && (l < -30 || l > -12) {
							t.Errorf("%v Hz hears %v at %.0f dB", tones[i], hz, l)
						}
					}
					if gaps := audiotest.Gaps(sound, nil, 8000, 60*time.Millisecond); len(gaps) > 0 {
						t.Errorf("%v Hz has gaps: %v", tones[i], gaps)
					}
					checkStream(t, packets, format, ptime)
				}
			})
		}
	}
}

// checkStream checks what every RTP stream has to keep to.
func checkStream(t *testing.T, packets []received, format codec.Format, ptime time.Duration) {
	t.Helper()
	size := int(ptime * 8000 / time.Second)
	for i, r := range packets {
		if int(r.pt) != format.PayloadType || len(r.payload) != size {
			t.Fatalf("packet %d has payload type %d and %d bytes, want %d and %d", i, r.pt, len(r.payload), format.PayloadType, size)
		}
		if i == 0 {
			continue
		}
		last := packets[i-1]
		if r.seq != last.seq+1 || r.ts != last.ts+uint32(size) || r.ssrc != last.ssrc || r.marker {
			t.Fatalf("packet %d: seq %d ts %d ssrc %x marker %v after seq %d ts %d ssrc %x", i, r.seq, r.ts, r.ssrc, r.marker, last.seq, last.ts, last.ssrc)
		}
	}
}
