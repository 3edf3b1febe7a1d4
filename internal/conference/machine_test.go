package conference

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"parley"
	"parley/internal/history"
)

// scene plays inputs to a machine, by a clock of its own.
type scene struct {
	t       *testing.T
	now     time.Time
	state   State
	events  []parley.Event
	effects []Effect
}

const (
	confID = parley.ID("0190000000007000800000000000000c")
	alice  = parley.ID("0190000000007000800000000000000a")
	bob    = parley.ID("0190000000007000800000000000000b")
	playID = parley.ID("0190000000007000800000000000000d")
	recID  = parley.ID("0190000000007000800000000000000e")
)

// conferenceOf is a conference that takes 3 participants for an hour.
func conferenceOf(change func(*parley.Conference)) parley.Conference {
	data := "conf data"
	c := parley.Conference{ID: confID, Application: "app", MaxParts: 3, MaxDuration: 3600, AutoHangup: true, UserData: &data}
	if change != nil {
		change(&c)
	}
	return c
}

func newScene(t *testing.T, change func(*parley.Conference)) *scene {
	t.Helper()
	s := &scene{t: t, now: time.UnixMilli(1_700_000_000_000)}
	s.play(Create{Conference: conferenceOf(change), RecordingID: recID})
	return s
}

// activeScene is a scene whose conference has begun.
func activeScene(t *testing.T, change func(*parley.Conference)) *scene {
	t.Helper()
	s := newScene(t, change)
	s.play(Prepared{})
	s.effects = nil
	return s
}

func (s *scene) play(in Input) {
	s.t.Helper()
	if err := s.try(in); err != nil {
		s.t.Fatalf("%T refused: %v", in, err)
	}
}

// try plays an input that may be refused.
func (s *scene) try(in Input) error {
	next, out, err := Step(s.state, in, s.now)
	s.state = next
	s.events = append(s.events, out.Events...)
	s.effects = append(s.effects, out.Effects...)
	return err
}

func (s *scene) wait(d time.Duration) { s.now = s.now.Add(d) }

// tickAt plays a Tick at the machine's own deadline.
func (s *scene) tickAt() {
	s.t.Helper()
	d := s.state.Deadline()
	if d.IsZero() {
		s.t.Fatal("the machine wants no tick")
	}
	if d.After(s.now) {
		s.now = d
	}
	s.play(Tick{})
}

func (s *scene) join(call parley.ID) {
	s.t.Helper()
	s.play(invite(call))
	s.play(Answered{CallID: call, At: s.now})
}

func invite(call parley.ID) Invite {
	return Invite{
		Participant: parley.Participant{CallID: call, ID: call, PartURI: "sip:" + string(call[31]) + "@example.com", Direction: parley.Outbound},
		Dial:        &DialPlan{Target: "sip:x@example.com", Timeout: 50 * time.Second},
	}
}

// types is the types of the events told, in order.
func (s *scene) types() []string {
	var out []string
	for _, e := range s.events {
		out = append(out, string(e.Type))
	}
	return out
}

// last gives the last event's body, decoded.
func (s *scene) last() map[string]any {
	s.t.Helper()
	return decode(s.t, s.events[len(s.events)-1])
}

func decode(t *testing.T, e parley.Event) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(e.Body, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func (s *scene) expect(types ...string) {
	s.t.Helper()
	if got := s.types(); !slices.Equal(got, types) {
		s.t.Fatalf("events\n got %s\nwant %s", strings.Join(got, " "), strings.Join(types, " "))
	}
	for i, e := range s.events {
		if e.Seq != int64(i+1) {
			s.t.Fatalf("event %d has seq %d", i, e.Seq)
		}
	}
}

// did reports whether an effect equal to want was asked for.
func (s *scene) did(want Effect) bool {
	return slices.ContainsFunc(s.effects, func(e Effect) bool { return reflect.DeepEqual(e, want) })
}

func (s *scene) expectEffect(want Effect) {
	s.t.Helper()
	if !s.did(want) {
		s.t.Fatalf("no effect %T%+v among %+v", want, want, s.effects)
	}
}

func TestConferenceBegins(t *testing.T) {
	s := newScene(t, func(c *parley.Conference) { c.BGMFile = "music.wav"; c.Recording = true })
	s.expectEffect(Prepare{BGMFile: "music.wav", RecordingID: recID})
	s.expect()
	s.wait(40 * time.Millisecond)
	s.play(Prepared{})
	s.expect("conf.create.succ")
	got := s.last()
	if got["begin_time"] != float64(1_700_000_000_040) || got["user_data"] != "conf data" || got["id"] != string(confID) {
		t.Errorf("conf.create.succ = %v", got)
	}
}

func TestConferenceThatCannotBegin(t *testing.T) {
	s := newScene(t, nil)
	s.play(PrepareFailed{Error: "bgm_file: no such file"})
	s.expect("conf.end")
	got := s.last()
	if got["begin_time"] != nil || got["end_time"] != nil || got["error"] != "bgm_file: no such file" {
		t.Errorf("conf.end = %v", got)
	}
	if err := s.try(invite(alice)); parley.CodeOf(err) != parley.CodeConferenceEnded {
		t.Errorf("an invite to it: %v", err)
	}
}

func TestEndBeforeBegin(t *testing.T) {
	s := newScene(t, nil)
	s.play(End{Reason: parley.ReasonDeleted, By: parley.EndedByAPI})
	s.play(Prepared{}) // comes too late
	s.expect("conf.end")
	if got := s.last(); got["begin_time"] != nil || got["error"] == nil {
		t.Errorf("conf.end = %v", got)
	}
}

func TestJoinAndQuit(t *testing.T) {
	s := activeScene(t, nil)
	in := invite(alice)
	own := "own data"
	in.Participant.UserData = &own
	s.play(in)
	s.expectEffect(Dial{alice, *in.Dial})
	s.wait(time.Second)
	s.play(Answered{CallID: alice, At: s.now.Add(-30 * time.Millisecond)})
	s.expectEffect(Attach{CallID: alice})
	joined := s.last()
	s.wait(time.Minute)
	s.play(Left{CallID: alice, At: s.now, Reason: "hangup"})
	s.expect("conf.create.succ", "conf.joined", "conf.quit")
	quit := s.last()
	if joined["join_time"] != float64(1_700_000_000_970) || joined["direction"] != "outbound" || joined["user_data"] != "own data" {
		t.Errorf("conf.joined = %v", joined)
	}
	if quit["join_time"] != joined["join_time"] || quit["quit_time"] != float64(1_700_000_061_000) || quit["call_id"] != string(alice) || quit["reason"] != "hangup" || quit["sip_status"] != nil {
		t.Errorf("conf.quit = %v", quit)
	}
}

func TestUserDataFallsBackToTheConference(t *testing.T) {
	s := activeScene(t, nil)
	s.join(alice)
	if got := s.last()["user_data"]; got != "conf data" {
		t.Errorf("user_data = %v", got)
	}
}

func TestInviteThatFails(t *testing.T) {
	s := activeScene(t, nil)
	s.play(invite(alice))
	s.play(Left{CallID: alice, At: s.now, Reason: "busy", Status: 486})
	s.expect("conf.create.succ", "conf.join.fail")
	if got := s.last(); got["reason"] != "busy" || got["sip_status"] != float64(486) || got["part_uri"] != "sip:a@example.com" {
		t.Errorf("conf.join.fail = %v", got)
	}
	s.play(Answered{CallID: alice, At: s.now}) // comes too late
	s.expect("conf.create.succ", "conf.join.fail")
}

func TestFullCountsInvitesInFlight(t *testing.T) {
	s := activeScene(t, func(c *parley.Conference) { c.MaxParts = 2 })
	s.join(alice)
	s.play(invite(bob))
	third := parley.ID("01900000000070008000000000000001")
	if err := s.try(invite(third)); parley.CodeOf(err) != parley.CodeConferenceFull {
		t.Fatalf("the third: %v", err)
	}
	s.play(Left{CallID: bob, At: s.now, Reason: "busy", Status: 486})
	s.play(invite(third))
}

func TestRefusals(t *testing.T) {
	yes := true
	tests := map[string]struct {
		in   Input
		want parley.Code
	}{
		"twice the same call":          {invite(alice), parley.CodeCallInConference},
		"update of nobody":             {Update{CallID: playID}, parley.CodeNotFound},
		"removal of nobody":            {Remove{CallID: playID}, parley.CodeNotFound},
		"hold before joined":           {Update{CallID: bob, Hold: &yes}, parley.CodeNotJoined},
		"playing to nobody":            {Play{parley.Playback{ID: playID, To: []parley.ID{bob}}}, parley.CodeNotJoined},
		"stopping what is not playing": {StopPlay{playID}, parley.CodeNotFound},
		"pausing no recording":         {SetRecording{recID, "paused"}, parley.CodeNotFound},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := activeScene(t, nil)
			s.join(alice)
			s.play(invite(bob))
			before := len(s.events)
			if err := s.try(tt.in); parley.CodeOf(err) != tt.want {
				t.Errorf("code %s, want %s (%v)", parley.CodeOf(err), tt.want, err)
			}
			if len(s.events) != before {
				t.Error("a refused command told an event")
			}
		})
	}
}

func TestEndPairsEverything(t *testing.T) {
	s := activeScene(t, nil)
	s.join(alice)
	s.play(invite(bob))
	s.play(Play{parley.Playback{ID: playID, Files: []string{"a.wav"}}})
	s.play(Record{parley.Recording{ID: recID}})
	s.events, s.state.Seq = nil, 0
	s.play(End{Reason: parley.ReasonDeleted, By: parley.EndedByAPI})
	s.expect("conf.quit", "conf.join.fail", "conf.play_end")
	s.expectEffect(Hangup{alice, parley.ReasonConferenceEnded})
	s.expectEffect(StopRecord{recID})
	if err := s.try(invite(bob)); parley.CodeOf(err) != parley.CodeConferenceEnded {
		t.Errorf("an invite while ending: %v", err)
	}
	s.wait(50 * time.Millisecond)
	s.play(RecordEnded{ID: recID, Duration: 3 * time.Second, Bytes: 48044, Gaps: 1})
	s.expect("conf.quit", "conf.join.fail", "conf.play_end", "conf.record_end", "conf.end")
	rec := decode(t, s.events[3])
	if rec["duration_ms"] != float64(3000) || rec["bytes"] != float64(48044) || rec["gaps"] != float64(1) || rec["reason"] != "conference_ended" {
		t.Errorf("conf.record_end = %v", rec)
	}
	s.play(Left{CallID: alice, At: s.now, Reason: "removed"}) // the BYE is through
	s.expect("conf.quit", "conf.join.fail", "conf.play_end", "conf.record_end", "conf.end")
}

func TestEndDoesNotWaitForABrokenRecorder(t *testing.T) {
	s := activeScene(t, nil)
	s.join(alice)
	s.play(Record{parley.Recording{ID: recID}})
	s.play(End{Reason: parley.ReasonDeleted, By: parley.EndedByAPI})
	s.tickAt()
	if got := s.types(); !slices.Equal(got[len(got)-2:], []string{"conf.record_end", "conf.end"}) {
		t.Errorf("events %v", got)
	}
}

func TestWithoutAutoHangupCallsGoOn(t *testing.T) {
	s := activeScene(t, func(c *parley.Conference) { c.AutoHangup = false })
	s.join(alice)
	s.play(invite(bob))
	s.play(End{Reason: parley.ReasonDeleted, By: parley.EndedByAPI})
	s.expectEffect(Release{alice})
	s.expectEffect(Hangup{bob, parley.ReasonConferenceEnded})
}

func TestMaxDurationWarnsAndEnds(t *testing.T) {
	s := activeScene(t, func(c *parley.Conference) { c.MaxDuration = 90 })
	begin := s.now
	s.tickAt()
	if got := s.now.Sub(begin); got != 30*time.Second {
		t.Errorf("warned after %v", got)
	}
	if s.last()["remaining_ms"] != float64(60_000) {
		t.Errorf("warning = %v", s.last())
	}
	s.tickAt()
	s.expect("conf.create.succ", "conf.end.warning", "conf.end")
	if got := s.now.Sub(begin); got != 90*time.Second {
		t.Errorf("ended after %v", got)
	}
	if got := s.last(); got["reason"] != "max_duration" || got["ended_by"] != "server" || got["error"] != nil {
		t.Errorf("conf.end = %v", got)
	}
	if !s.state.Deadline().IsZero() {
		t.Error("an ended conference wants a tick")
	}
}

func TestShortConferenceIsNotWarned(t *testing.T) {
	s := activeScene(t, func(c *parley.Conference) { c.MaxDuration = 60 })
	s.tickAt()
	s.expect("conf.create.succ", "conf.end")
}

func TestParticipantsOwnMaxDuration(t *testing.T) {
	s := activeScene(t, nil)
	in := invite(alice)
	in.Participant.MaxDuration = 5
	s.play(in)
	s.wait(10 * time.Second) // ringing does not count
	s.play(Answered{CallID: alice, At: s.now})
	joined := s.now
	s.tickAt()
	if got := s.now.Sub(joined); got != 5*time.Second || s.last()["reason"] != "max_duration" {
		t.Errorf("after %v: %v", got, s.last())
	}
	s.expectEffect(Hangup{alice, parley.ReasonMaxDuration})
}

func TestRecordingFromTheFirstJoin(t *testing.T) {
	s := activeScene(t, func(c *parley.Conference) { c.Recording = true })
	s.join(alice)
	s.join(bob)
	s.expect("conf.create.succ", "conf.joined", "conf.record_start", "conf.joined")
}

func TestPausedTimeDoesNotCountForARecording(t *testing.T) {
	s := activeScene(t, nil)
	begin := s.now
	s.play(Record{parley.Recording{ID: recID, MaxDuration: 10}})
	s.wait(4 * time.Second)
	s.play(SetRecording{recID, "paused"})
	s.wait(time.Minute)
	s.play(SetRecording{recID, "recording"})
	s.tickAt()
	if got := s.now.Sub(begin); got != 70*time.Second {
		t.Errorf("stopped after %v, want 70s", got)
	}
	s.expectEffect(StopRecord{recID})
	s.play(RecordEnded{ID: recID, Duration: 10 * time.Second})
	s.expect("conf.create.succ", "conf.record_start", "conf.record.paused", "conf.record.resumed", "conf.record_end")
}

func TestRecorderBreaks(t *testing.T) {
	s := activeScene(t, nil)
	s.play(Record{parley.Recording{ID: recID}})
	s.play(RecordFailed{ID: recID, Error: "no space left on device"})
	s.expectEffect(StopRecord{recID})
	s.play(RecordEnded{ID: recID})
	s.expect("conf.create.succ", "conf.record_start", "conf.record.failed", "conf.record_end")
	if got := s.last(); got["reason"] != "error" {
		t.Errorf("conf.record_end = %v", got)
	}
}

func TestPlayFileOnJoin(t *testing.T) {
	s := activeScene(t, nil)
	in := invite(alice)
	in.Participant.PlayFile, in.PlaybackID = "welcome.wav", playID
	s.play(in)
	s.play(Answered{CallID: alice, At: s.now})
	s.play(PlayEnded{ID: playID})
	s.expect("conf.create.succ", "conf.joined", "conf.play_start", "conf.play_end")
	if got := s.last(); got["reason"] != "finished" || !reflect.DeepEqual(got["files"], []any{"welcome.wav"}) {
		t.Errorf("conf.play_end = %v", got)
	}
}

func TestPlaybackEndsWithItsLastListener(t *testing.T) {
	s := activeScene(t, nil)
	s.join(alice)
	s.join(bob)
	s.play(Play{parley.Playback{ID: playID, Files: []string{"a.wav"}, To: []parley.ID{alice}}})
	s.play(Left{CallID: bob, At: s.now, Reason: "hangup"})
	if s.state.Playback(playID) == nil {
		t.Fatal("it stopped though alice listens")
	}
	s.play(Left{CallID: alice, At: s.now, Reason: "hangup"})
	if got := s.last(); got["event"] != "conf.play_end" || got["reason"] != "stopped" {
		t.Errorf("last event = %v", got)
	}
}

func TestUpdateTellsOnlyChanges(t *testing.T) {
	yes, db := true, -3.0
	s := activeScene(t, nil)
	s.join(alice)
	s.play(Update{CallID: alice, Muted: &yes, GainDB: &db})
	s.expectEffect(Adjust{CallID: alice, Muted: true, GainDB: -3})
	s.play(Update{CallID: alice, Muted: &yes})
	s.play(Update{CallID: alice, Hold: &yes})
	s.expectEffect(Hold{alice, true})
	s.play(Held{CallID: alice, Held: true}) // on hold already
	s.expect("conf.create.succ", "conf.joined", "conf.participant.updated", "conf.participant.updated")
}

func TestTalkingStopsBeforeQuit(t *testing.T) {
	s := activeScene(t, nil)
	s.join(alice)
	s.play(Talking{CallID: alice, Talking: true, At: s.now})
	s.play(Talking{CallID: alice, Talking: true, At: s.now})
	s.play(Digit{CallID: alice, Digit: '#', Duration: 90 * time.Millisecond, At: s.now})
	s.play(Left{CallID: alice, At: s.now, Reason: "hangup"})
	s.expect("conf.create.succ", "conf.joined", "conf.talking.start", "conf.dtmf", "conf.talking.stop", "conf.quit")
}

func TestAClockThatJumpsBackTurnsNothingAround(t *testing.T) {
	s := activeScene(t, nil)
	s.join(alice)
	s.wait(-time.Hour)
	s.play(Left{CallID: alice, At: s.now, Reason: "hangup"})
	s.play(End{Reason: parley.ReasonDeleted, By: parley.EndedByAPI})
	bodies := make([][]byte, len(s.events))
	for i, e := range s.events {
		bodies[i] = e.Body
	}
	for _, v := range history.Check(bodies...) {
		t.Error(v)
	}
}

func TestSettle(t *testing.T) {
	conf := conferenceOf(func(c *parley.Conference) { c.State, c.BeginTime = parley.ConferenceActive, 1000 })
	out := Settle(Remains{
		Conference: conf, LastSeq: 7, LastAlive: 9000,
		Participants: []parley.Participant{
			{CallID: alice, State: parley.ParticipantJoined, JoinTime: 2000, PartURI: "+1"},
			{CallID: bob, State: parley.ParticipantDialing, PartURI: "+2"},
		},
		Playbacks:  []parley.Playback{{ID: playID, BeginTime: 3000}},
		Recordings: []parley.Recording{{ID: recID, BeginTime: 2000, DurationMS: 6500}},
	}, 60_000)
	s := &scene{t: t, events: out.Events}
	if got, want := s.types(), []string{"conf.quit", "conf.join.fail", "conf.play_end", "conf.record_end", "conf.end"}; !slices.Equal(got, want) {
		t.Fatalf("events %v, want %v", got, want)
	}
	for i, e := range out.Events {
		if e.Seq != int64(8+i) {
			t.Errorf("event %d has seq %d", i, e.Seq)
		}
		if decode(t, e)["settled"] != true {
			t.Errorf("%s is not marked as settled", e.Type)
		}
	}
	if quit := decode(t, out.Events[0]); quit["quit_time"] != float64(9000) {
		t.Errorf("conf.quit = %v", quit)
	}
	if end := s.last(); end["end_time"] != float64(9000) || end["error"] == nil || end["reason"] != "server_lost" {
		t.Errorf("conf.end = %v", end)
	}
	if len(out.Effects) != 0 {
		t.Errorf("effects %v", out.Effects)
	}
}

func TestSettleOfOneThatNeverBegan(t *testing.T) {
	out := Settle(Remains{Conference: conferenceOf(func(c *parley.Conference) { c.State = parley.ConferenceCreating })}, 60_000)
	s := &scene{t: t, events: out.Events}
	s.expect("conf.end")
	if end := s.last(); end["begin_time"] != nil || end["end_time"] != nil || end["error"] == nil {
		t.Errorf("conf.end = %v", end)
	}
}
