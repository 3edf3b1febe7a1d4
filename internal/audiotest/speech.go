package audiotest

import (
	"embed"
	"fmt"
)

// SpeechRate is the sample rate of the embedded speech in Hz.
const SpeechRate = 8000

// Speakers is the number of embedded speakers.
const Speakers = 3

//go:embed speech/speaker1.wav speech/speaker2.wav speech/speaker3.wav
var speech embed.FS

// SpeechWAV is the WAV file of speaker n, from 1 to Speakers: about 15 s of
// synthetic speech, made for this project, at SpeechRate. Another n panics.
func SpeechWAV(n int) []byte {
	file, err := speech.ReadFile(fmt.Sprintf("speech/speaker%d.wav", n))
	if err != nil {
		panic(fmt.Sprintf("audiotest: speaker %d of %d", n, Speakers))
	}
	return file
}

// Speech is what speaker n, from 1 to Speakers, says, at SpeechRate. Another n
// panics.
func Speech(n int) []int16 {
	samples, rate, err := ParseWAV(SpeechWAV(n))
	if err != nil || rate != SpeechRate {
		panic(fmt.Sprintf("audiotest: speaker %d: rate %d, %v", n, rate, err))
	}
	return samples
}
