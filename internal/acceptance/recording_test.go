package acceptance

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"parley"
	"parley/internal/audiotest"
	"parley/internal/phone"
	"parley/internal/servertest"
)

// record begins a recording and gives its ID.
func (c *conf) record(ask body) string {
	c.t.Helper()
	var made struct {
		ID string `json:"recording_id"`
	}
	c.Must(http.MethodPost, c.path("recordings"), ask, &made)
	return made.ID
}

func (c *conf) setRecording(id, state string) {
	c.t.Helper()
	c.Must(http.MethodPatch, c.path("recordings", id), body{"state": state}, nil)
}

// content is a recording's file.
func (h *house) content(id string, header ...string) servertest.Answer {
	h.t.Helper()
	return h.Send(http.MethodGet, "/v1/recordings/"+id+"/content", nil, header...)
}

// whole fails unless a recording has all the sound of so long a time, but for
// the beats that a machine which stood still left out.
func (h *house) whole(sound []int16, want time.Duration) {
	h.t.Helper()
	got := audiotest.Duration(rate, len(sound))
	if lost := h.skipped(); got < want-lost-clocks || got > want+clocks {
		h.t.Errorf("the recording has %v of sound, want %v; the machine stood still for %v", got, want, lost)
	}
}

// skipped is how much time the beats that were left out would have taken.
func (h *house) skipped() time.Duration {
	h.t.Helper()
	for line := range strings.Lines(string(h.Send(http.MethodGet, "/metrics", nil).Body)) {
		if n, ok := strings.CutPrefix(line, "parley_media_beats_skipped_total "); ok {
			beats, err := strconv.Atoi(strings.TrimSpace(n))
			if err != nil {
				h.t.Fatal(err)
			}
			return time.Duration(beats) * 20 * time.Millisecond
		}
	}
	h.t.Fatal("the metrics do not tell of beats that were left out")
	return 0
}

// TestRecordingFromTheFirstJoin records by the conference's own wish.
func TestRecordingFromTheFirstJoin(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	c := h.conference(body{"recording": true, "user_data": "conference"})
	idle := h.conference(body{"recording": true}) // nobody ever joins it
	var none struct{ Items []any }
	h.Must(http.MethodGet, "/v1/recordings", nil, &none)
	equal(t, "recordings before anybody has joined", len(none.Items), 0)
	anna := c.invite(h.Phone("anna", tone(440, -20)), nil)
	start := c.wait(parley.EventConfRecordStart, 1)[0]
	near(t, "begin of the recording", start.Time("time"), c.about(parley.EventConfJoined, "call_id", anna.id).Time("join_time"), roughly)
	ben := c.invite(h.Phone("ben", tone(1000, -20)), nil)
	ben.hearsTone(440, -20)
	anna.hangup()
	ben.missesTone(440)
	ben.hangup()
	c.wait(parley.EventConfQuit, 2)
	c.end()
	idle.end()
	end := c.wait(parley.EventConfRecordEnd, 1)[0]
	equal(t, "reason", end.Text("reason"), "conference_ended")
	equal(t, "user_data", end.Text("user_data"), "conference")
	equal(t, "gaps", end.Number("gaps"), 0)
	if e := c.wait(parley.EventConfEnd, 1)[0]; e.Seq() <= end.Seq() {
		t.Error("conf.end came before conf.record_end")
	}
	sound := wav(t, "recording", h.content(end.Text("recording_id")).Body)
	for _, hz := range []float64{440, 1000} {
		if level := loudest(sound, hz); level < -22 || level > -18 {
			t.Errorf("the recording has %.0f Hz at %.1f dBFS, want -20", hz, level)
		}
	}
	equal(t, "recordings of the conference that nobody joined", len(idle.ofType(h.app.Accepted(), parley.EventConfRecordStart)), 0)
}

// TestRecordingPaused leaves out what is said meanwhile.
func TestRecordingPaused(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	c := h.conference(body{})
	anna := c.invite(h.Phone("anna", nil), nil)
	ben := c.invite(h.Phone("ben", nil), nil)
	id := c.record(body{"user_data": "mine"})
	say := func(hz float64) {
		anna.Play(phone.Tone(hz, -20))
		ben.hearsTone(hz, -20)
	}
	say(440)
	c.setRecording(id, "paused")
	paused := c.wait(parley.EventConfRecordPaused, 1)[0]
	say(880)
	anna.Play(phone.Silence())
	ben.missesTone(880)
	c.setRecording(id, "recording")
	resumed := c.wait(parley.EventConfRecordResumed, 1)[0]
	say(700)
	c.setRecording(id, "stopped")
	end := c.wait(parley.EventConfRecordEnd, 1)[0]
	equal(t, "recording_id", end.Text("recording_id"), id)
	equal(t, "user_data", end.Text("user_data"), "mine")
	sound := wav(t, "recording", h.content(id).Body)
	equal(t, "what is in it", order(sound, 440, 880, 700), "440 700")
	h.whole(sound, end.Time("end_time").Sub(end.Time("begin_time"))-resumed.Time("time").Sub(paused.Time("time")))
}

// TestRecordingMaxDuration stops by itself.
func TestRecordingMaxDuration(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	c := h.conference(body{})
	c.invite(h.Phone("anna", tone(440, -20)), nil)
	id := c.record(body{"max_duration": 1})
	end := c.wait(parley.EventConfRecordEnd, 1)[0]
	equal(t, "reason", end.Text("reason"), "max_duration")
	h.whole(wav(t, "recording", h.content(id).Body), time.Second)
	second := c.record(body{}) // another one may begin
	c.setRecording(second, "stopped")
	equal(t, "code for the first one", h.Refused(http.MethodPatch, c.path("recordings", id), body{"state": "paused"}).Code, parley.CodeRecordingEnded)
}

// TestDownload fetches a recording in pieces.
func TestDownload(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	c := h.conference(body{})
	anna := c.invite(h.Phone("anna", tone(440, -20)), nil)
	id := c.record(body{})
	anna.listen(time.Second)
	c.setRecording(id, "stopped")
	whole := h.content(id)
	equal(t, "status", whole.Status, http.StatusOK)
	equal(t, "type", whole.Header.Get("Content-Type"), "audio/wav")
	equal(t, "length", whole.Header.Get("Content-Length"), fmt.Sprint(len(whole.Body)))
	n := len(whole.Body)
	for _, tt := range []struct {
		ask      string
		from, to int
	}{
		{"bytes=0-43", 0, 44}, {"bytes=44-1043", 44, 1044}, {fmt.Sprintf("bytes=%d-", n-10), n - 10, n}, {"bytes=-100", n - 100, n}, {"bytes=0-99999999", 0, n},
	} {
		part := h.content(id, "Range", tt.ask)
		equal(t, "status of "+tt.ask, part.Status, http.StatusPartialContent)
		equal(t, "range of "+tt.ask, part.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-%d/%d", tt.from, tt.to-1, n))
		if !bytes.Equal(part.Body, whole.Body[tt.from:tt.to]) {
			t.Errorf("%s gave %d other bytes", tt.ask, len(part.Body))
		}
	}
	p := h.Refused(http.MethodGet, "/v1/recordings/"+id+"/content", nil, "Range", fmt.Sprintf("bytes=%d-", n))
	equal(t, "status of a range that is not there", p.Status, http.StatusRequestedRangeNotSatisfiable)
	h.Must(http.MethodDelete, "/v1/recordings/"+id, nil, nil)
	equal(t, "status once it is deleted", h.content(id).Status, http.StatusNotFound)
}
