package eventschema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"parley"
)

const (
	conference = parley.ID("0197c2f3a1b27def8123456789abcdef")
	call       = parley.ID("0197c2f3a1b27def8123456789abcde0")
	other      = parley.ID("0197c2f3a1b27def8123456789abcde1")
	app        = parley.ID("0197c2f3a1b27def8123456789abcde2")
	begin      = parley.Millis(1751364000000)
	end        = parley.Millis(1751364060000)
)

// facts has every kind of event, with and without values that may be null.
func facts() map[string]parley.Fact {
	data := new("order <4711> & \u2028 \x00")
	part := parley.PartSeed{ID: conference, Time: begin, CallID: call, PartURI: "+8613800138000", UserData: data}
	moment := parley.MomentSeed{ID: conference, Time: begin, UserData: data}
	period := parley.PeriodSeed{ID: conference, BeginTime: begin, EndTime: end}
	signalled := parley.CallSeed{CallID: call, Time: begin, Direction: parley.Inbound, PartURI: "02087654321", From: "sip:02087654321@trunk", To: "sip:1@server"}
	files := []string{"a.wav", "https://example.com/b.mp3"}
	withEvent := func(s parley.PartSeed, t parley.EventType) parley.PartSeed { s.Event = t; return s }
	atEvent := func(s parley.MomentSeed, t parley.EventType) parley.MomentSeed { s.Event = t; return s }
	return map[string]parley.Fact{
		"created":               &parley.CreateSuccFact{CreateSuccSeed: parley.CreateSuccSeed{ID: conference, BeginTime: begin, UserData: data}},
		"created, no user_data": &parley.CreateSuccFact{CreateSuccSeed: parley.CreateSuccSeed{ID: conference, BeginTime: begin}},
		"ended":                 &parley.ConfEndFact{EndSeed: parley.EndSeed{ID: conference, BeginTime: begin, EndTime: end, UserData: data}, Reason: "deleted", EndedBy: "api"},
		"never began":           &parley.ConfEndFact{EndSeed: parley.EndSeed{ID: conference, Error: new("bgm_file: cannot be read")}, Reason: "create_failed", EndedBy: "server"},
		"ended by a crash":      &parley.ConfEndFact{EndSeed: parley.EndSeed{ID: conference, BeginTime: begin, EndTime: end, Error: new("server lost")}, EventMeta: parley.EventMeta{Settled: true}, Reason: "server_lost", EndedBy: "server"},
		"joined":                &parley.JoinedFact{JoinedSeed: parley.JoinedSeed{ID: conference, JoinTime: begin, CallID: call, PartURI: "sip:alice@example.com", UserData: data}, Direction: parley.Inbound},
		"quit":                  &parley.QuitFact{QuitSeed: parley.QuitSeed{ID: conference, JoinTime: begin, QuitTime: end, CallID: call, PartURI: "webrtc:bob"}, Reason: "hangup"},
		"quit, status":          &parley.QuitFact{QuitSeed: parley.QuitSeed{ID: conference, JoinTime: begin, QuitTime: end, CallID: call, PartURI: "webrtc:bob"}, Reason: "error", SIPStatus: new(488)},
		"play_end":              &parley.PlayEndFact{PeriodSeed: period, PlaybackID: other, Files: files, Reason: "finished"},
		"record_end":            &parley.RecordEndFact{PeriodSeed: period, RecordingID: other, DurationMS: 60000, Bytes: 960044, Reason: "stopped"},
		"join.fail":             &parley.JoinFailFact{PartSeed: part, Reason: "busy", SIPStatus: new(486)},
		"join.fail, no status":  &parley.JoinFailFact{PartSeed: part, Reason: "cancelled"},
		"end.warning":           &parley.EndWarningFact{MomentSeed: moment, RemainingMS: 60000},
		"participant.updated":   &parley.ParticipantUpdatedFact{PartSeed: part, Muted: true, GainDB: -3.5},
		"talking.start":         &parley.TalkingFact{PartSeed: withEvent(part, parley.EventConfTalkingStart)},
		"talking.stop":          &parley.TalkingFact{PartSeed: withEvent(part, parley.EventConfTalkingStop)},
		"dtmf":                  &parley.DTMFFact{PartSeed: part, Digit: "#", DurationMS: 120},
		"play_start":            &parley.PlayStartFact{MomentSeed: moment, PlaybackID: other, Files: files},
		"record_start":          &parley.RecordStartFact{MomentSeed: moment, RecordingID: other},
		"record.paused":         &parley.RecordStateFact{MomentSeed: atEvent(moment, parley.EventConfRecordPaused), RecordingID: other},
		"record.resumed":        &parley.RecordStateFact{MomentSeed: atEvent(moment, parley.EventConfRecordResumed), RecordingID: other},
		"record.failed":         &parley.RecordFailedFact{MomentSeed: moment, RecordingID: other, Error: "disk full"},
		"call.incoming":         &parley.CallIncomingFact{CallSeed: signalled},
		"call.answered":         &parley.CallAnsweredFact{CallSeed: signalled},
		"call.ended":            &parley.CallEndedFact{CallSeed: signalled, Reason: "hangup", SIPStatus: new(200)},
	}
}

func validator(t testing.TB) *Validator {
	t.Helper()
	v, err := NewValidator()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func event(t *testing.T, fact parley.Fact) parley.Event {
	t.Helper()
	e, err := parley.NewEvent(conference, 3, app, begin, fact)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestEveryEventIsValidInBothFormats(t *testing.T) {
	v := validator(t)
	seen := map[parley.EventType]bool{}
	for name, fact := range facts() {
		t.Run(name, func(t *testing.T) {
			e := event(t, fact)
			seen[e.Type] = true
			if err := v.Validate(e.Body, parley.FormatFull); err != nil {
				t.Errorf("full: %v\n%s", err, e.Body)
			}
			if err := v.Validate(e.Seed(), parley.FormatSeed); err != nil {
				t.Errorf("seed: %v\n%s", err, e.Seed())
			}
			if err := v.Validate(e.Body, parley.FormatSeed); err == nil {
				t.Errorf("the full body passes as seed")
			}
			if err := v.Validate(e.Seed(), parley.FormatFull); err == nil {
				t.Errorf("the seed body passes as full")
			}
		})
	}
	for _, typ := range parley.EventTypes() {
		if !seen[typ] {
			t.Errorf("no fact of type %s was tried", typ)
		}
	}
}

func TestExamplesAreValid(t *testing.T) {
	v := validator(t)
	for _, typ := range parley.EventTypes() {
		for _, format := range []parley.WebhookFormat{parley.FormatFull, parley.FormatSeed} {
			body, err := Example(typ, format)
			if err != nil {
				t.Fatal(err)
			}
			if err := v.Validate(body, format); err != nil {
				t.Errorf("%v\n%s", err, body)
			}
		}
	}
}

// The table of the specification, word by word.
func TestSeedFieldsOfTheSpecification(t *testing.T) {
	want := map[parley.EventType]string{
		parley.EventConfCreateSucc: "event id begin_time user_data",
		parley.EventConfEnd:        "event id begin_time end_time error user_data",
		parley.EventConfJoined:     "event id join_time call_id part_uri user_data",
		parley.EventConfQuit:       "event id join_time quit_time call_id part_uri user_data",
		parley.EventConfPlayEnd:    "event id begin_time end_time user_data",
		parley.EventConfRecordEnd:  "event id begin_time end_time user_data",
		parley.EventConfJoinFail:   "event id time call_id part_uri user_data",
	}
	for typ, fields := range want {
		got, err := Fields(typ, parley.FormatSeed)
		if err != nil || strings.Join(got, " ") != fields {
			t.Errorf("%s: %q, %v; want %q", typ, got, err, fields)
		}
	}
}

// Each change to a good event must be found.
func TestValidateFindsFaults(t *testing.T) {
	v := validator(t)
	joined := string(event(t, facts()["joined"]).Body)
	ended := string(event(t, facts()["ended"]).Body)
	failed := string(event(t, facts()["never began"]).Body)
	swap := strings.NewReplacer
	tests := map[string]string{
		"not JSON":              joined[:len(joined)-1],
		"an array":              "[" + joined + "]",
		"unknown type":          swap("conf.joined", "conf.entered").Replace(joined),
		"a definition's name":   swap("conf.joined", "Id").Replace(joined),
		"part_uri null":         swap(`"part_uri":"sip:alice@example.com"`, `"part_uri":null`).Replace(joined),
		"part_uri empty":        swap(`sip:alice@example.com`, ``).Replace(joined),
		"id with dashes":        swap(string(conference), "0197c2f3-a1b2-7def-8123-456789abcdef").Replace(joined),
		"id upper case":         swap(`"id":"`+string(conference), `"id":"`+strings.ToUpper(string(conference))).Replace(joined),
		"time as text":          swap(`1751364000000`, `"1751364000000"`).Replace(joined),
		"time null":             swap(`1751364000000`, `null`).Replace(joined),
		"time with fraction":    swap(`1751364000000`, `1751364000000.5`).Replace(joined),
		"user_data a number":    swap(`"user_data":"`, `"user_data":7,"was":"`).Replace(joined),
		"user_data missing":     `{"event":"conf.create.succ","id":"` + string(conference) + `","begin_time":1,"event_id":"evt_` + string(conference) + `_1","seq":1}`,
		"seq 0":                 swap(`"seq":3`, `"seq":0`).Replace(joined),
		"event_id":              swap(`evt_`, `ev_`).Replace(joined),
		"settled false":         swap(`"seq":3`, `"seq":3,"settled":false`).Replace(joined),
		"direction":             swap(`inbound`, `in`).Replace(joined),
		"unknown field":         swap(`"seq":3`, `"seq":3,"sequel":4`).Replace(joined),
		"field twice":           swap(`"seq":3`, `"seq":3,"seq":3`).Replace(joined),
		"order of the seed":     swap(`"call_id":"`+string(call)+`",`, ``, `"part_uri"`, `"part_uri":"x","call_id":"`+string(call)+`","was"`).Replace(joined),
		"order, swapped":        swap(`"seq":3,"direction":"inbound"`, `"direction":"inbound","seq":3`).Replace(joined),
		"one time of two":       swap(`"end_time":1751364060000`, `"end_time":null`).Replace(ended),
		"never began, no error": swap(`"error":"bgm_file: cannot be read"`, `"error":null`).Replace(failed),
	}
	for name, body := range tests {
		t.Run(name, func(t *testing.T) {
			if body == joined || body == ended || body == failed {
				t.Fatal("nothing was changed")
			}
			if err := v.Validate([]byte(body), parley.FormatFull); err == nil {
				t.Errorf("accepted: %s", body)
			}
		})
	}
}

func TestUnknownTypeOrFormat(t *testing.T) {
	if _, err := Schema("conf.entered", parley.FormatFull); err == nil {
		t.Error("there is a schema of a type that does not exist")
	}
	if _, err := Schema(parley.EventConfEnd, "half"); err == nil {
		t.Error("there is a schema of a format that does not exist")
	}
}

// The additive fields of a full event may grow: a customer's schema must not
// break then. The seed's must not.
func TestSchemaOfFullAllowsMore(t *testing.T) {
	for _, typ := range parley.EventTypes() {
		for format, closed := range map[parley.WebhookFormat]bool{parley.FormatFull: false, parley.FormatSeed: true} {
			source, err := Schema(typ, format)
			if err != nil {
				t.Fatal(err)
			}
			var doc struct {
				Defs map[parley.EventType]struct {
					AdditionalProperties *bool    `json:"additionalProperties"`
					Required             []string `json:"required"`
				} `json:"$defs"`
			}
			if err := json.Unmarshal(source, &doc); err != nil {
				t.Fatal(err)
			}
			def := doc.Defs[typ]
			if (def.AdditionalProperties != nil) != closed {
				t.Errorf("%s (%s): additionalProperties is %v", typ, format, def.AdditionalProperties)
			}
			fields, err := Fields(typ, format)
			if err != nil {
				t.Fatal(err)
			}
			optional := slices.DeleteFunc(slices.Clone(fields), func(f string) bool { return f == "settled" })
			if !reflect.DeepEqual(def.Required, optional) {
				t.Errorf("%s (%s): required are %q of %q", typ, format, def.Required, fields)
			}
		}
	}
}

func ExampleValidate() {
	body := `{"event":"conf.quit","id":"0197c2f3a1b27def8123456789abcdef","join_time":1751364000000}`
	err := Validate([]byte(body), parley.FormatSeed)
	fmt.Println(strings.Contains(err.Error(), "missing properties"))
	// Output: true
}

func FuzzValidate(f *testing.F) {
	for _, fact := range facts() {
		e, err := parley.NewEvent(conference, 3, app, begin, fact)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(e.Body)
	}
	v := validator(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		if v.Validate(body, parley.FormatFull) == nil && bytes.Contains(body, []byte(`"part_uri":null`)) {
			t.Errorf("accepted %s", body)
		}
	})
}
