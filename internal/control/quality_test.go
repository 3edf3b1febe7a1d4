package control

import (
	"testing"

	"parley/internal/media"
)

// Played and concealed frames are counted apart: the share is of both.
func TestConcealedIsAShareOfAllFrames(t *testing.T) {
	for _, tt := range []struct {
		played, concealed int64
		want              float64
	}{{0, 0, 0}, {1, 10, 10.0 / 11}, {3, 1, 0.25}, {0, 5, 1}} {
		got := quality(media.SessionStats{FramesPlayed: tt.played, FramesConcealed: tt.concealed}).Concealed
		if got != tt.want {
			t.Errorf("%d played, %d concealed: %v, want %v", tt.played, tt.concealed, got, tt.want)
		}
	}
}
