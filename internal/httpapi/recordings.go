package httpapi

import (
	"net/http"

	"parley"
	"parley/internal/control"
)

// newRecording asks for a recording.
type newRecording struct {
	MaxDuration *int    `json:"max_duration,omitempty" minimum:"1" maximum:"86400" doc:"seconds of sound, then it is stopped" example:"3600"`
	UserData    *string `json:"user_data,omitempty" nullable:"true" maxLength:"4096" doc:"given back with conf.record_end exactly; at most 4096 bytes; none for the conference's" example:"minutes"`
}

// recordingChange brings a recording to a state.
type recordingChange struct {
	State string `json:"state" enum:"paused,recording,stopped" doc:"paused, recording or stopped" example:"paused"`
}

// recordingListing is the parameters of the list of recordings.
type recordingListing struct {
	stateListing
	Conference parley.ID `query:"conference" doc:"only this conference's"`
}

// recordingView is a recording as it is shown.
type recordingView struct {
	ID          parley.ID             `json:"recording_id" doc:"the recording" example:"0197c2f3a1b57bbb8123456789abcdef"`
	Conference  parley.ID             `json:"conference" doc:"the conference" example:"0197c2f3a1b27def8123456789abcdef"`
	State       parley.RecordingState `json:"state" enum:"recording,paused,ended" doc:"recording, paused or ended" example:"ended"`
	MaxDuration *int                  `json:"max_duration" doc:"seconds of sound, then it is stopped; null for no limit" example:"3600"`
	BeginTime   parley.Millis         `json:"begin_time" nullable:"true" doc:"when it began; null if it waits for the first join" example:"1751364005000"`
	EndTime     parley.Millis         `json:"end_time" nullable:"true" doc:"when it ended; null before" example:"1751364065000"`
	DurationMS  int64                 `json:"duration_ms" doc:"length of the sound in the file; known when it has ended" example:"60000"`
	Bytes       int64                 `json:"bytes" doc:"size of the file; known when it has ended" example:"960044"`
	Gaps        int                   `json:"gaps" doc:"interruptions in the sound, pauses not counted" example:"0"`
	UserData    *string               `json:"user_data" doc:"as it came" example:"minutes"`
	Reason      *string               `json:"reason" doc:"why it ended: stopped, max_duration, conference_ended, error or server_lost; null before" example:"stopped"`
}

func (v recordingView) location() string { return "/v1/recordings/" + string(v.ID) }

func showRecording(r parley.Recording) recordingView {
	return recordingView{
		ID: r.ID, Conference: r.Conference, State: r.State, MaxDuration: orNull(r.MaxDuration), BeginTime: r.BeginTime, EndTime: r.EndTime,
		DurationMS: r.DurationMS, Bytes: r.Bytes, Gaps: r.Gaps, UserData: r.UserData, Reason: orNull(r.Reason),
	}
}

func recordingRoutes(c Recordings) []route {
	const ofConference = "/v1/conferences/{id}/recordings"
	return []route{
		post(meta{
			path: ofConference, id: "record", tag: "Recordings", summary: "Record a conference",
			description: "Records the mix of all participants and playbacks into a WAV file. conf.record_end tells that the file is complete.",
			codes:       []parley.Code{parley.CodeNotFound, parley.CodeConferenceEnded, parley.CodeRecordingActive, parley.CodeNoCapacity},
		}, func(q *request, b newRecording) (recordingView, error) {
			r, err := c.Record(q.ctx, q.app(), q.id("id"), control.RecordRequest(b))
			return showRecording(r), err
		}),
		change(meta{
			method: http.MethodPatch, path: ofConference + "/{recording_id}", id: "updateRecording", tag: "Recordings", summary: "Pause, resume or stop a recording",
			codes: []parley.Code{parley.CodeNotFound, parley.CodeConferenceEnded, parley.CodeRecordingEnded},
		}, func(q *request, b recordingChange) (recordingView, error) {
			r, err := c.SetRecording(q.ctx, q.app(), q.id("id"), q.id("recording_id"), b.State)
			return showRecording(r), err
		}),
		get(meta{
			path: "/v1/recordings", id: "listRecordings", tag: "Recordings", summary: "List recordings",
			description: "The application's, newest first. state is recording, paused or ended.",
		}, func(q *request, p recordingListing) (page[recordingView], error) {
			list, err := c.Recordings(q.ctx, q.app(), p.Conference, p.request())
			return pageOf(list, showRecording), err
		}),
		get(meta{
			path: "/v1/recordings/{id}", id: "getRecording", tag: "Recordings", summary: "See a recording", codes: []parley.Code{parley.CodeNotFound},
		}, func(q *request, _ none) (recordingView, error) {
			r, err := c.Recording(q.ctx, q.app(), q.id("id"))
			return showRecording(r), err
		}),
		download(meta{
			path: "/v1/recordings/{id}/content", id: "getRecordingContent", tag: "Recordings", summary: "Download a recording",
			description: "The WAV file, as a whole or in ranges; while the recording goes on, what there is of it.",
			codes:       []parley.Code{parley.CodeNotFound},
		}, func(q *request) (control.Content, error) {
			return c.RecordingContent(q.ctx, q.app(), q.id("id"))
		}),
		remove(meta{
			path: "/v1/recordings/{id}", id: "deleteRecording", tag: "Recordings", summary: "Delete a recording",
			description: "The file and its record.", codes: []parley.Code{parley.CodeNotFound, parley.CodeRecordingLive},
		}, func(q *request, _ none) error {
			return c.DeleteRecording(q.ctx, q.app(), q.id("id"))
		}),
	}
}
