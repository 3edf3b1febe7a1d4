package media

import (
	"parley/internal/pcm"
)

// Mix is what the participants of one conference hear of each other. Its
// methods are safe for concurrent use. After Close they do nothing.
type Mix struct{}

// Options is a participant's place in a mix.
type Options struct {
	Muted  bool    // is not heard
	Deaf   bool    // hears nobody, and no playback
	GainDB float64 // of the participant's voice, -40 to 20 dB
}

// Add puts s into the mix. The session must be of the mix's shard (see
// SameShard); one that is not, or is closed, is not added. A session that is in
// another mix leaves that first.
func (m *Mix) Add(s *Session, o Options) {}

// Set changes a participant's options, smoothly within 20 ms.
func (m *Mix) Set(s *Session, o Options) {}

// Remove takes s out of the mix. The session goes on, in no mix.
func (m *Mix) Remove(s *Session) {}

// PlayOptions says who hears a source, and how.
type PlayOptions struct {
	// GainDB is the loudness, -40 to 20 dB.
	GainDB float64
	// To are those who hear it; nil means everybody, also those who join later.
	To []*Session
	// Duck lowers it while somebody talks: background music.
	Duck bool
	// Record puts it into recordings too.
	Record bool
	// Done is told, on the facts goroutine, when src has ended by itself. It
	// may be nil.
	Done func()
}

// Playing is a source that is played in a mix.
type Playing struct{}

// Play mixes src in, from the next beat on. src is used by the beat alone
// until Done is told or Stop has returned.
func (m *Mix) Play(src pcm.Source, o PlayOptions) *Playing { return &Playing{} }

// Stop ends the playing; Done is not told then, unless src had ended before.
// After Stop src is not used any more. It may be called twice.
func (p *Playing) Stop() {}

// Tap is a recording of a mix.
type Tap struct{}

// Record writes every frame of the mix to sink: all participants who are not
// muted, and the playbacks that say so, whether or not anybody is in the mix.
func (m *Mix) Record(sink pcm.Sink) *Tap { return &Tap{} }

// Stop ends the recording and returns after the last Write. It may be called
// twice.
func (t *Tap) Stop() {}

// Close ends all playings and recordings (Done is not told) and takes everyone
// out of the mix. It may be called twice.
func (m *Mix) Close() {}
