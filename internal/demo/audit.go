package demo

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"

	"parley"
	"parley/client"
	"parley/internal/audiotest"
)

// listenBack measures what is in the recording.
func (s *stage) listenBack(ctx context.Context) error {
	recordings, err := s.api.Recordings(ctx, s.conf, client.ListOptions{})
	if err != nil {
		return err
	}
	if len(recordings.Items) != 1 {
		return errors.New("not exactly one recording")
	}
	r := recordings.Items[0]
	content, err := s.api.RecordingContent(ctx, r.ID)
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }()
	sound, hz, err := audiotest.ReadWAV(content)
	if err != nil {
		return err
	}
	s.say("  %s", filepath.Join(s.cfg.Data, "recordings", string(r.ID)+".wav"))
	s.check(hz == rate && len(sound) > 8*rate, "it has %.1f s of sound at %d Hz", float64(len(sound))/float64(hz), hz)
	opening := sound[rate : 6*rate] // all three speak
	for _, a := range s.cast {
		like := likeness(a.voice, opening)
		s.check(like >= threshold, "%-4s is in it (correlation %.2f)", a.name, like)
	}
	best := -120.0
	for from := 0; from+rate/2 <= len(sound); from += rate / 4 {
		best = max(best, audiotest.ToneLevel(sound[from:from+rate/2], rate, chimeHz))
	}
	s.check(best > -40, "the chime is in it (%.0f dBFS)", best)
	return nil
}

// audit compares what the callbacks said with what is in the ledger, and looks
// for the six kinds.
func (s *stage) audit(ctx context.Context) error {
	callbacks, err := s.receiver.all()
	if err != nil {
		return err
	}
	s.say("  ok    every signature was valid")
	events, err := s.api.Events(ctx, client.EventOptions{Conference: s.conf, Limit: 1000})
	if err != nil {
		return err
	}
	var wanted [][]byte
	for _, e := range events.Items {
		if slices.Contains(parley.DefaultEventTypes(), e.Type) {
			wanted = append(wanted, e.Body)
		}
	}
	s.check(slices.EqualFunc(wanted, callbacks, func(b []byte, c callback) bool { return bytes.Equal(b, c.Body) }),
		"the %d callbacks are the ledger's events, byte for byte and in order", len(callbacks))
	for _, t := range parley.EventTypes()[:6] {
		n := 0
		for _, c := range callbacks {
			if c.Type == t {
				n++
			}
		}
		s.check(n > 0, "%-18s came: %d", t, n)
	}
	return nil
}
