package history

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"parley"
)

const (
	conf    parley.ID = "0190a8f0c0de7000800000000000c0f1"
	other   parley.ID = "0190a8f0c0de7000800000000000c0f2"
	alice   parley.ID = "0190a8f0c0de70008000000000a11ce0"
	bob     parley.ID = "0190a8f0c0de700080000000000b0b00"
	music   parley.ID = "0190a8f0c0de7000800000000000f11e"
	record  parley.ID = "0190a8f0c0de70008000000000003ec0"
	began             = parley.Millis(1_700_000_000_000)
	tenant  parley.ID = "0190a8f0c0de7000800000000000a991"
	seconds           = parley.Millis(1000)
)

// told encodes facts as the events of a stream, as the server does.
func told(t *testing.T, stream parley.ID, facts ...parley.Fact) [][]byte {
	t.Helper()
	var bodies [][]byte
	for i, f := range facts {
		e, err := parley.NewEvent(stream, int64(i+1), tenant, began, f)
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, e.Body)
	}
	return bodies
}

func joinedAt(call parley.ID, uri string, at parley.Millis) *parley.JoinedFact {
	return &parley.JoinedFact{JoinedSeed: parley.JoinedSeed{ID: conf, JoinTime: began + at, CallID: call, PartURI: uri}, Direction: parley.Outbound}
}

func quitAt(call parley.ID, uri string, joined, at parley.Millis) *parley.QuitFact {
	return &parley.QuitFact{QuitSeed: parley.QuitSeed{ID: conf, JoinTime: began + joined, QuitTime: began + at, CallID: call, PartURI: uri}, Reason: "hangup"}
}

// goodHistory is a conference with two calls, one of which comes twice, a
// playback and a recording; a failed conference; and a call.
//
// The conference's events by index: 0 create.succ, 1 joined alice, 2
// record_start, 3 joined bob, 4 play_start, 5 dtmf, 6 play_end, 7 quit bob, 8
// joined bob, 9 quit bob, 10 quit alice, 11 record_end, 12 end. 13 is the
// failed conference, 14 to 16 the call.
func goodHistory(t *testing.T) [][]byte {
	data, failure := "order <4711>", "no capacity"
	period := func(from, to parley.Millis) parley.PeriodSeed {
		return parley.PeriodSeed{ID: conf, BeginTime: began + from, EndTime: began + to, UserData: &data}
	}
	moment := func(at parley.Millis) parley.MomentSeed { return parley.MomentSeed{ID: conf, Time: began + at} }
	play := &parley.PlayStartFact{MomentSeed: moment(4 * seconds), PlaybackID: music, Files: []string{"a.wav"}}
	play.Event = parley.EventConfPlayStart
	rec := &parley.RecordStartFact{MomentSeed: moment(seconds), RecordingID: record}
	rec.Event = parley.EventConfRecordStart
	digit := &parley.DTMFFact{PartSeed: parley.PartSeed{ID: conf, Time: began + 5*seconds, CallID: bob, PartURI: "sip:bob@x"}, Digit: "5"}
	call := func(typ parley.EventType, at parley.Millis) parley.CallSeed {
		return parley.CallSeed{Event: typ, CallID: alice, Time: began + at, Direction: parley.Inbound, PartURI: "sip:alice@x"}
	}
	bodies := told(t, conf,
		&parley.CreateSuccFact{CreateSuccSeed: parley.CreateSuccSeed{ID: conf, BeginTime: began, UserData: &data}},
		joinedAt(alice, "+8613800138000", seconds), rec, joinedAt(bob, "sip:bob@x", 2*seconds), play, digit,
		&parley.PlayEndFact{PeriodSeed: period(4*seconds, 6*seconds), PlaybackID: music, Files: []string{"a.wav"}, Reason: "finished"},
		quitAt(bob, "sip:bob@x", 2*seconds, 7*seconds), joinedAt(bob, "sip:bob@x", 8*seconds),
		quitAt(bob, "sip:bob@x", 8*seconds, 9*seconds), quitAt(alice, "+8613800138000", seconds, 9*seconds),
		&parley.RecordEndFact{PeriodSeed: period(seconds, 9*seconds), RecordingID: record, DurationMS: 8000, Reason: "stopped"},
		&parley.ConfEndFact{EndSeed: parley.EndSeed{ID: conf, BeginTime: began, EndTime: began + 9*seconds, UserData: &data}, Reason: "deleted"},
	)
	bodies = append(bodies, told(t, other, &parley.ConfEndFact{EndSeed: parley.EndSeed{ID: other, Error: &failure}, Reason: "create_failed"})...)
	return append(bodies, told(t, alice,
		&parley.CallIncomingFact{CallSeed: call(parley.EventCallIncoming, 0)},
		&parley.CallAnsweredFact{CallSeed: call(parley.EventCallAnswered, seconds)},
		&parley.CallEndedFact{CallSeed: call(parley.EventCallEnded, 9*seconds), Reason: "hangup"},
	)...)
}

func TestAGoodHistory(t *testing.T) {
	good := goodHistory(t)
	if found := Check(good...); len(found) > 0 {
		t.Errorf("violations: %v", found)
	}
	var repeated [][]byte
	for i, b := range good {
		repeated = append(repeated, b, b)
		if i > 3 {
			repeated = append(repeated, good[i-3]) // an old one comes again
		}
	}
	if found := Check(repeated...); len(found) > 0 {
		t.Errorf("violations with repeats: %v", found)
	}
	// Two conferences may mix in any way.
	mixed := append([][]byte{good[0], good[13], good[14]}, good[1:13]...)
	if found := Check(append(mixed, good[15], good[16])...); len(found) > 0 {
		t.Errorf("violations of mixed conferences: %v", found)
	}
}

// edit replaces text in one body; it must be there.
func edit(t *testing.T, bodies [][]byte, i int, old, replacement string) [][]byte {
	t.Helper()
	if !bytes.Contains(bodies[i], []byte(old)) {
		t.Fatalf("%s is not in %s", old, bodies[i])
	}
	bodies = slices.Clone(bodies)
	bodies[i] = bytes.Replace(bodies[i], []byte(old), []byte(replacement), 1)
	return bodies
}

// renumber gives the conference's events seq 1, 2, 3 … anew.
func renumber(bodies [][]byte) [][]byte {
	var list [][]byte
	seq := 0
	for _, b := range bodies {
		if bytes.Contains(b, []byte(`"event":"conf.`)) && bytes.Contains(b, []byte(`"id":"`+conf+`"`)) {
			seq++
			head, tail, _ := bytes.Cut(b, []byte(`"event_id":"`))
			tail = tail[bytes.IndexByte(tail, ',')+1:]                             // after event_id
			tail = tail[bytes.IndexAny(tail[len(`"seq":`):], ",}")+len(`"seq":`):] // after seq
			b = fmt.Appendf(nil, `%s"event_id":"evt_%s_%d","seq":%d%s`, head, conf, seq, seq, tail)
		}
		list = append(list, b)
	}
	return list
}

// without removes events, and numbers the rest as if they had never been.
func without(bodies [][]byte, remove ...int) [][]byte {
	var list [][]byte
	for i, b := range bodies {
		if !slices.Contains(remove, i) {
			list = append(list, b)
		}
	}
	return renumber(list)
}

// moved puts event from before event to and numbers all anew.
func moved(bodies [][]byte, from, to int) [][]byte {
	b := bodies[from]
	list := slices.Delete(slices.Clone(bodies), from, from+1)
	return renumber(slices.Insert(list, to, b))
}

// twice tells event i a second time under a new ID.
func twice(bodies [][]byte, i int) [][]byte {
	return renumber(slices.Insert(slices.Clone(bodies), i+1, bodies[i]))
}

// mutation is a planted fault.
type mutation struct {
	name  string
	want  Category
	apply func(t *testing.T, good [][]byte) [][]byte
}

// swapping replaces text in event i.
func swapping(i int, old, replacement string) func(t *testing.T, good [][]byte) [][]byte {
	return func(t *testing.T, good [][]byte) [][]byte { return edit(t, good, i, old, replacement) }
}

func dropping(i int) func(*testing.T, [][]byte) [][]byte {
	return func(_ *testing.T, good [][]byte) [][]byte { return slices.Delete(slices.Clone(good), i, i+1) }
}

func lacking(remove ...int) func(*testing.T, [][]byte) [][]byte {
	return func(_ *testing.T, good [][]byte) [][]byte { return without(good, remove...) }
}

func moving(from, to int) func(*testing.T, [][]byte) [][]byte {
	return func(_ *testing.T, good [][]byte) [][]byte { return moved(good, from, to) }
}

func repeating(i int) func(*testing.T, [][]byte) [][]byte {
	return func(_ *testing.T, good [][]byte) [][]byte { return twice(good, i) }
}

func mutations() []mutation {
	return []mutation{
		{"an event in the middle is lost", Lost, dropping(5)},
		{"the first event is lost", Lost, dropping(0)},
		{"an event of a call is lost", Lost, dropping(15)},
		{"two events are swapped", Reordered, func(_ *testing.T, good [][]byte) [][]byte {
			bodies := slices.Clone(good)
			bodies[5], bodies[6] = bodies[6], bodies[5]
			return bodies
		}},
		{"the end comes before the last quit", Reordered, func(_ *testing.T, good [][]byte) [][]byte {
			bodies := slices.Clone(good)
			bodies[10], bodies[12] = bodies[12], bodies[10]
			return bodies
		}},
		{"a retry has other bytes", Changed, func(t *testing.T, good [][]byte) [][]byte {
			return append(slices.Clone(good), edit(t, good, 7, `"hangup"`, `"removed"`)[7])
		}},
		{"a restart uses a seq again", Changed, func(t *testing.T, good [][]byte) [][]byte {
			return slices.Insert(slices.Clone(good), 6, edit(t, good, 5, `"digit":"5"`, `"digit":"6"`)[5])
		}},
		{"a playback's end is told under two IDs", Duplicated, repeating(6)},
		{"a quit is told under two IDs", Duplicated, repeating(7)},
		{"the creation is told under two IDs", Duplicated, repeating(0)},
		{"the event_id is of another conference", WrongID, swapping(3, "evt_"+string(conf), "evt_"+string(other))},
		{"the event_id has another seq", WrongID, swapping(3, string(conf)+"_4", string(conf)+"_40")},
		{"the event_id is random", WrongID, swapping(3, "evt_", "msg_")},
		{"a join comes first", First, moving(0, 2)},
		{"there is no creation", First, lacking(0)},
		{"there is no end", Last, lacking(12)},
		{"a quit comes after the end", Last, moving(10, 13)},
		{"a digit comes after the end", Last, moving(5, 13)},
		{"the conference ends twice", Last, func(t *testing.T, good [][]byte) [][]byte {
			return edit(t, twice(good, 12), 13, `"deleted"`, `"max_duration"`)
		}},
		{"a call never quits", Unpaired, lacking(10)},
		{"a call quits that never joined", Unpaired, lacking(1)},
		{"a call quits twice", Unpaired, func(t *testing.T, good [][]byte) [][]byte {
			return edit(t, twice(good, 9), 10, `"hangup"`, `"removed"`)
		}},
		{"a call joins twice", Unpaired, func(t *testing.T, good [][]byte) [][]byte {
			return edit(t, twice(good, 1), 2, `"outbound"`, `"inbound"`)
		}},
		{"a call quits before it joins", Unpaired, moving(7, 3)},
		{"a quit names another join_time", Unpaired, swapping(10, `"join_time":1700000001000`, `"join_time":1700000001001`)},
		{"a quit is of somebody else", Unpaired, swapping(10, "+8613800138000", "+8613800138001")},
		{"a playback never ends", Unpaired, lacking(6)},
		{"a playback ends that never began", Unpaired, lacking(4)},
		{"a recording never ends", Unpaired, lacking(11)},
		{"a recording ends twice", Unpaired, func(t *testing.T, good [][]byte) [][]byte {
			return edit(t, twice(good, 11), 12, `"stopped"`, `"error"`)
		}},
		{"a quit is before its join", Times, swapping(10, `"quit_time":1700000009000`, `"quit_time":1700000000500`)},
		{"a join is before the beginning", Times, func(t *testing.T, good [][]byte) [][]byte {
			bodies := edit(t, good, 1, `"join_time":1700000001000`, `"join_time":1600000001000`)
			return edit(t, bodies, 10, `"join_time":1700000001000`, `"join_time":1600000001000`)
		}},
		{"a quit is after the end", Times, swapping(10, `"quit_time":1700000009000`, `"quit_time":1700000009001`)},
		{"the beginning changes", Times, swapping(12, `"begin_time":1700000000000`, `"begin_time":1700000000001`)},
		{"the end has no time", Times, swapping(12, `"end_time":1700000009000`, `"end_time":null`)},
		{"a failed conference has times", Times, swapping(13, `"begin_time":null`, `"begin_time":1700000000000`)},
		{"a playback ends before it begins", Times, swapping(6, `"end_time":1700000006000`, `"end_time":1700000003000`)},
		{"a recording is longer than its times", Times, swapping(11, `"duration_ms":8000`, `"duration_ms":9001`)},
		{"a digit is pressed before the beginning", Times, swapping(5, `"time":1700000005000`, `"time":1`)},
		{"a body is cut", Malformed, func(_ *testing.T, good [][]byte) [][]byte {
			bodies := slices.Clone(good)
			bodies[3] = bodies[3][:20]
			return bodies
		}},
		{"part_uri is empty", Malformed, swapping(3, `"part_uri":"sip:bob@x"`, `"part_uri":""`)},
		{"part_uri is null", Malformed, swapping(3, `"part_uri":"sip:bob@x"`, `"part_uri":null`)},
		{"a field is missing", Malformed, swapping(7, `"quit_time":1700000007000,`, ``)},
		{"fields are in another order", Malformed, swapping(0, `"event":"conf.create.succ","id":"`+string(conf)+`"`, `"id":"`+string(conf)+`","event":"conf.create.succ"`)},
		{"a field comes twice", Malformed, swapping(5, `"digit":"5"`, `"digit":"5","digit":"5"`)},
		{"there is no seq", Malformed, swapping(5, `"seq":6,`, ``)},
		{"user_data is too long", Malformed, swapping(0, "order <4711>", strings.Repeat("x", maxUserData+1))},
		{"a failed conference does not say why", Malformed, swapping(13, `"error":"no capacity"`, `"error":null`)},
	}
}

func TestPlantedFaultsAreFound(t *testing.T) {
	caught := map[Category]int{}
	for _, m := range mutations() {
		t.Run(m.name, func(t *testing.T) {
			found := Check(m.apply(t, goodHistory(t))...)
			if !slices.ContainsFunc(found, func(v Violation) bool { return v.Category == m.want }) {
				t.Fatalf("found %v, want one that is %s", found, m.want)
			}
			caught[m.want]++
		})
	}
	for _, c := range []Category{Malformed, WrongID, Lost, Reordered, Changed, Duplicated, First, Last, Unpaired, Times} {
		if caught[c] < 2 {
			t.Errorf("%s was caught %d times", c, caught[c])
		}
	}
}

func TestWhatACheckerAllows(t *testing.T) {
	good := goodHistory(t)
	live := good[:6]
	if found := (Checker{Live: true}).Check(live...); len(found) > 0 {
		t.Errorf("violations of a live conference: %v", found)
	}
	if found := Check(live...); len(found) == 0 {
		t.Error("a live conference passes as one that is over")
	}
	var six [][]byte
	for _, b := range good {
		if e, err := parse(b); err == nil && seedFields()[e.Event] != nil {
			six = append(six, b)
		}
	}
	if found := (Checker{Filtered: true}).Check(six...); len(found) > 0 {
		t.Errorf("violations of a filtered history: %v", found)
	}
	swapped := slices.Clone(six)
	swapped[1], swapped[2] = swapped[2], swapped[1]
	if found := (Checker{Filtered: true}).Check(swapped...); len(found) == 0 {
		t.Error("a filtered history may not be out of order")
	}
}
