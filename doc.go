// Package parley holds the words of the voice-conference server: records,
// events, error codes and identifiers. It is data only: no I/O, no clock, no
// goroutine. Every other package may import it; it imports none of them.
//
// One word stands for each thing, everywhere: a conference, a call (one
// endpoint's signalling and media with us), a participant (a call's place in a
// conference), a playback, a recording, a media file, a webhook, a delivery, a
// trunk, a number, an account.
package parley
