package httpapi

import (
	"net/http"

	"parley"
	"parley/internal/control"
)

// answerCall answers a ringing call.
type answerCall struct {
	Conference  parley.ID `json:"conference,omitempty" doc:"the conference that it joins; none: it stays by itself" example:"0197c2f3a1b27def8123456789abcdef"`
	MaxDuration *int      `json:"max_duration,omitempty" minimum:"1" maximum:"86400" doc:"seconds in the conference, then it is hung up"`
	PlayFile    string    `json:"play_file,omitempty" doc:"media file or http(s) URL that is played to the conference when they join"`
	Muted       bool      `json:"muted,omitempty" doc:"is not heard" example:"true"`
	Deaf        bool      `json:"deaf,omitempty" doc:"does not hear"`
	GainDB      float64   `json:"gain_db,omitempty" minimum:"-40" maximum:"20" doc:"how much louder in the mix, dB"`
	UserData    *string   `json:"user_data,omitempty" nullable:"true" maxLength:"4096" doc:"given back with the participant's events exactly; at most 4096 bytes" example:"caller"`
}

// rejectCall refuses a ringing call.
type rejectCall struct {
	Status int `json:"status,omitempty" minimum:"400" maximum:"699" default:"603" doc:"the SIP status that the caller gets" example:"486"`
}

// callView is a call as it is shown.
type callView struct {
	ID         parley.ID        `json:"call_id" doc:"the call" example:"0197c2f3a1b37abc8123456789abcdef"`
	Conference *parley.ID       `json:"conference" nullable:"true" doc:"where it is now; null for in none" example:"0197c2f3a1b27def8123456789abcdef"`
	Direction  parley.Direction `json:"direction" enum:"inbound,outbound" doc:"inbound: they called us" example:"inbound"`
	State      parley.CallState `json:"state" enum:"dialing,ringing,up,ended" doc:"dialing: outbound and not answered; ringing: inbound and waiting to be answered" example:"up"`
	PartURI    string           `json:"part_uri" doc:"the other side, as the customer would dial it" example:"sip:alice@example.com"`
	From       string           `json:"from" doc:"caller, as signalled" example:"sip:alice@example.com"`
	To         string           `json:"to" doc:"called, as signalled" example:"sip:weekly@192.0.2.1"`
	Trunk      *string          `json:"trunk" doc:"the trunk that it came or went by; null for none"`
	StartTime  parley.Millis    `json:"start_time" doc:"when it began, Unix milliseconds" example:"1751364000100"`
	AnswerTime parley.Millis    `json:"answer_time" nullable:"true" doc:"when it was answered; null before" example:"1751364004200"`
	EndTime    parley.Millis    `json:"end_time" nullable:"true" doc:"when it ended; null before"`
	Reason     *string          `json:"reason" doc:"why it ended; null before"`
	SIPStatus  *int             `json:"sip_status" doc:"the final SIP status; null where there was none"`
	UserData   *string          `json:"user_data" doc:"as it came" example:"caller"`
	Seq        int64            `json:"seq" doc:"seq of its last call.* event" example:"2"`
}

func showCall(c parley.Call) callView {
	return callView{
		ID: c.ID, Conference: orNull(c.Conference), Direction: c.Direction, State: c.State, PartURI: c.PartURI, From: c.From, To: c.To,
		Trunk: orNull(c.Trunk), StartTime: c.StartTime, AnswerTime: c.AnswerTime, EndTime: c.EndTime, Reason: orNull(c.Reason),
		SIPStatus: orNull(c.SIPStatus), UserData: c.UserData, Seq: c.Seq,
	}
}

func callRoutes(c Calls) []route {
	const one = "/v1/calls/{id}"
	return []route{
		get(meta{
			path: "/v1/calls", id: "listCalls", tag: "Calls", summary: "List calls",
			description: "In conferences and outside, newest first. state is dialing, ringing, up or ended.",
		}, func(q *request, p stateListing) (page[callView], error) {
			list, err := c.Calls(q.ctx, q.app(), p.request())
			return pageOf(list, showCall), err
		}),
		get(meta{
			path: one, id: "getCall", tag: "Calls", summary: "See a call", codes: []parley.Code{parley.CodeNotFound},
		}, func(q *request, _ none) (callView, error) {
			call, err := c.Call(q.ctx, q.app(), q.id("id"))
			return showCall(call), err
		}),
		post(meta{
			path: one + "/answer", id: "answerCall", tag: "Calls", summary: "Answer a ringing call", status: http.StatusOK,
			description: "Into a conference, or to stay by itself until it is invited with call_id.",
			codes: []parley.Code{parley.CodeNotFound, parley.CodeCallEnded, parley.CodeCallInConference, parley.CodeConferenceEnded, parley.CodeConferenceFull,
				parley.CodeMediaNotFound, parley.CodeNoCapacity, parley.CodeShuttingDown},
		}, func(q *request, b answerCall) (callView, error) {
			call, err := c.AnswerCall(q.ctx, q.app(), q.id("id"), control.AnswerRequest(b))
			return showCall(call), err
		}),
		post(meta{
			path: one + "/reject", id: "rejectCall", tag: "Calls", summary: "Reject a ringing call", status: http.StatusNoContent,
			codes: []parley.Code{parley.CodeNotFound, parley.CodeCallEnded, parley.CodeCallInConference},
		}, func(q *request, b rejectCall) (none, error) {
			return none{}, c.RejectCall(q.ctx, q.app(), q.id("id"), b.Status)
		}),
		remove(meta{
			path: one, id: "hangupCall", tag: "Calls", summary: "Hang up a call",
			codes: []parley.Code{parley.CodeNotFound, parley.CodeCallEnded},
		}, func(q *request, _ none) error {
			return c.HangupCall(q.ctx, q.app(), q.id("id"))
		}),
	}
}
