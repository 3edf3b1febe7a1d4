// Package media is the media plane: RTP sessions and mixes on a 20 ms beat.
//
// A Plane has a few shards. A shard is one goroutine that owns mixes, the
// sessions heard in them and the UDP ports of those sessions. On each beat of a
// mix it drains the ports without blocking, takes one frame from the jitter
// buffer of each session, sums those who talk, and sends each session the sum
// without its own voice. On the beat nothing is allocated, locked against
// another goroutine, logged or written to disk. A mix that nobody is in is not
// on the beat at all.
//
// The control plane reaches a shard by the methods of this package, which are
// carried out between two beats: most of them wait for that, a few milliseconds
// at most. A shard tells the control plane small facts, through Facts, on a
// goroutine of the plane's own.
package media
