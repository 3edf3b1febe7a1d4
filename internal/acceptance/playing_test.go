package acceptance

import (
	"net/http"
	"testing"
	"time"

	"parley"
	"parley/internal/audiotest"
	"parley/internal/phone"
)

// play starts a playback and gives its ID.
func (c *conf) play(ask body) string {
	c.t.Helper()
	var made struct {
		ID string `json:"playback_id"`
	}
	c.Must(http.MethodPost, c.path("playbacks"), ask, &made)
	return made.ID
}

// TestPlayToOne plays to one of three.
func TestPlayToOne(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	h.upload("long.wav", audiotest.Tone(rate, 2300, -20, 20*time.Second))
	c, anna, ben, chen := h.trio()
	id := c.play(body{"files": []string{"long.wav"}, "to": []string{ben.id}, "gain_db": -6})
	ben.hearsTones(levels{2300: -26, 440: -20})
	anna.missesTone(2300)
	chen.missesTone(2300)
	h.Must(http.MethodDelete, c.path("playbacks", id), nil, nil)
	equal(t, "reason", h.about(parley.EventConfPlayEnd, "playback_id", id).Text("reason"), "stopped")
	ben.missesTone(2300)
	// When the last who heard it leaves, it is over.
	id = c.play(body{"files": []string{"long.wav"}, "to": []string{ben.id}})
	ben.hearsTone(2300, -20)
	ben.hangup()
	equal(t, "reason", h.about(parley.EventConfPlayEnd, "playback_id", id).Text("reason"), "stopped")
}

// TestPlayList plays files in order, and a loop.
func TestPlayList(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	h.upload("one.wav", audiotest.Tone(rate, 700, -20, 700*time.Millisecond))
	h.upload("two.wav", audiotest.Tone(rate, 1300, -20, 700*time.Millisecond))
	c := h.conference(body{})
	anna := c.invite(h.Phone("anna", nil), nil)
	anna.listen(window)
	from := anna.HeardLen()
	id := c.play(body{"files": []string{"one.wav", "two.wav", "one.wav"}})
	end := h.about(parley.EventConfPlayEnd, "playback_id", id)
	equal(t, "reason", end.Text("reason"), "finished")
	lasted(t, "the list", end.Time("begin_time"), end.Time("end_time"), 2100*time.Millisecond)
	anna.listen(window)
	equal(t, "what was heard", order(anna.HeardFrom(from), 700, 1300), "700 1300 700")
	id = c.play(body{"files": []string{"one.wav"}, "loop": true})
	anna.hearsTone(700, -20)
	anna.listen(1500 * time.Millisecond) // twice its length
	anna.hearsTone(700, -20)
	h.Must(http.MethodDelete, c.path("playbacks", id), nil, nil)
	anna.missesTone(700)
}

// order names the tones of sound, in the order in which they are heard.
func order(sound []int16, hz ...float64) (out string) {
	names := map[float64]string{700: "700", 1300: "1300", 440: "440", 880: "880"}
	last := 0.0
	for ; len(sound) >= audiotest.Samples(rate, window/2); sound = sound[audiotest.Samples(rate, window/2):] {
		for _, f := range hz {
			if audiotest.ToneLevel(sound[:audiotest.Samples(rate, window/2)], rate, f) > -23 && f != last {
				if out != "" {
					out += " "
				}
				out += names[f]
				last = f
			}
		}
	}
	return out
}

// TestPlayFileOnJoin announces who joins.
func TestPlayFileOnJoin(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	h.upload("long.wav", audiotest.Tone(rate, 2300, -20, time.Second))
	c := h.conference(body{"user_data": "conference"})
	anna := c.invite(h.Phone("anna", nil), nil)
	anna.missesTone(2300)
	ben := c.invite(h.Phone("ben", nil), body{"play_file": "long.wav", "user_data": "ben"})
	anna.hearsTone(2300, -20)
	end := c.wait(parley.EventConfPlayEnd, 1)[0]
	equal(t, "reason", end.Text("reason"), "finished")
	equal(t, "user_data", end.Text("user_data"), "ben")
	joined := c.about(parley.EventConfJoined, "call_id", ben.id)
	near(t, "begin_time", end.Time("begin_time"), joined.Time("join_time"), roughly)
}

// TestMusic plays music in a loop, which goes down while somebody talks.
func TestMusic(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	h.upload("music.wav", audiotest.Tone(rate, 300, -20, 900*time.Millisecond)) // whole periods
	c := h.conference(body{"bgm_file": "music.wav", "recording": true})
	anna := c.invite(h.Phone("anna", nil), nil)
	ben := c.invite(h.Phone("ben", nil), nil)
	ben.hearsTone(300, -20)
	anna.Play(phone.Tone(900, -20))
	ben.hearsTones(levels{900: -20, 300: -34})
	anna.hearsTone(300, -34)
	anna.Play(phone.Silence())
	ben.hearsTone(300, -20)
	c.end()
	end := c.wait(parley.EventConfRecordEnd, 1)[0]
	sound := wav(t, "recording", h.Send(http.MethodGet, "/v1/recordings/"+end.Text("recording_id")+"/content", nil).Body)
	if level := loudest(sound, 900); level < -23 {
		t.Errorf("the recording has the talk at %.1f dBFS", level)
	}
	if level := loudest(sound, 300); level > absent {
		t.Errorf("the recording has the music at %.1f dBFS", level)
	}
}

// TestPlaybackThatBreaks plays a file that is gone when its turn comes.
func TestPlaybackThatBreaks(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	h.upload("one.wav", audiotest.Tone(rate, 700, -20, 5*time.Second))
	h.upload("two.wav", audiotest.Tone(rate, 1300, -20, time.Second))
	c := h.conference(body{})
	anna := c.invite(h.Phone("anna", nil), nil)
	id := c.play(body{"files": []string{"one.wav", "two.wav"}})
	h.Must(http.MethodDelete, "/v1/media/two.wav", nil, nil)
	anna.hearsTone(700, -20)
	end := h.about(parley.EventConfPlayEnd, "playback_id", id)
	equal(t, "reason", end.Text("reason"), "error")
	if took := end.Time("end_time").Sub(end.Time("begin_time")); took < 4*time.Second {
		t.Errorf("what could be played was played for %v, want 5 s", took)
	}
	c.end()
	if e := c.wait(parley.EventConfEnd, 1)[0]; e.Fields["error"] != nil {
		t.Errorf("the conference had an error: %s", e.Body)
	}
}
