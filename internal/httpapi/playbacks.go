package httpapi

import (
	"parley"
	"parley/internal/control"
)

// newPlayback asks for a playback.
type newPlayback struct {
	Files    []string    `json:"files" minItems:"1" maxItems:"100" doc:"media file names or http(s) URLs, played in order" example:"[\"welcome.wav\"]"`
	Loop     bool        `json:"loop,omitempty" doc:"begin again after the last file" example:"false"`
	GainDB   float64     `json:"gain_db,omitempty" minimum:"-40" maximum:"20" doc:"how much louder, dB" example:"-6"`
	To       []parley.ID `json:"to,omitempty" doc:"calls of the participants that hear it; none for everybody"`
	UserData *string     `json:"user_data,omitempty" nullable:"true" maxLength:"4096" doc:"given back with conf.play_end exactly; at most 4096 bytes; none for the conference's" example:"welcome"`
}

// playbackView is a playback as it is shown.
type playbackView struct {
	ID         parley.ID            `json:"playback_id" doc:"the playback" example:"0197c2f3a1b47aaa8123456789abcdef"`
	Conference parley.ID            `json:"conference" doc:"the conference" example:"0197c2f3a1b27def8123456789abcdef"`
	State      parley.PlaybackState `json:"state" enum:"playing,ended" doc:"playing or ended" example:"playing"`
	Files      []string             `json:"files" doc:"what is played, in order" example:"[\"welcome.wav\"]"`
	Loop       bool                 `json:"loop" doc:"whether it begins again after the last file" example:"false"`
	GainDB     float64              `json:"gain_db" doc:"how much louder, dB" example:"-6"`
	To         []parley.ID          `json:"to" doc:"calls of those who hear it; empty for everybody" example:"[]"`
	BeginTime  parley.Millis        `json:"begin_time" nullable:"true" doc:"when it began" example:"1751364010000"`
	EndTime    parley.Millis        `json:"end_time" nullable:"true" doc:"when it ended; null before"`
	UserData   *string              `json:"user_data" doc:"as it came" example:"welcome"`
	Reason     *string              `json:"reason" doc:"why it ended: finished, stopped, conference_ended, error or server_lost; null before"`
}

func (v playbackView) location() string {
	return "/v1/conferences/" + string(v.Conference) + "/playbacks/" + string(v.ID)
}

func showPlayback(p parley.Playback) playbackView {
	return playbackView{
		ID: p.ID, Conference: p.Conference, State: p.State, Files: orEmpty(p.Files), Loop: p.Loop, GainDB: p.GainDB, To: orEmpty(p.To),
		BeginTime: p.BeginTime, EndTime: p.EndTime, UserData: p.UserData, Reason: orNull(p.Reason),
	}
}

func playbackRoutes(c Playbacks) []route {
	const all, one = "/v1/conferences/{id}/playbacks", "/v1/conferences/{id}/playbacks/{playback_id}"
	return []route{
		post(meta{
			path: all, id: "play", tag: "Playbacks", summary: "Play files",
			description: "Plays one or more files in order. conf.play_end tells that it is over.",
			codes: []parley.Code{parley.CodeNotFound, parley.CodeConferenceEnded, parley.CodeMediaNotFound, parley.CodeParticipantGone, parley.CodeNotJoined,
				parley.CodeNoCapacity},
		}, func(q *request, b newPlayback) (playbackView, error) {
			p, err := c.Play(q.ctx, q.app(), q.id("id"), control.PlayRequest(b))
			return showPlayback(p), err
		}),
		get(meta{
			path: all, id: "listPlaybacks", tag: "Playbacks", summary: "List playbacks",
			description: "All that the conference has and had, newest first. state is playing or ended.", codes: []parley.Code{parley.CodeNotFound},
		}, func(q *request, p stateListing) (page[playbackView], error) {
			list, err := c.Playbacks(q.ctx, q.app(), q.id("id"), p.request())
			return pageOf(list, showPlayback), err
		}),
		get(meta{
			path: one, id: "getPlayback", tag: "Playbacks", summary: "See a playback", codes: []parley.Code{parley.CodeNotFound},
		}, func(q *request, _ none) (playbackView, error) {
			p, err := c.Playback(q.ctx, q.app(), q.id("id"), q.id("playback_id"))
			return showPlayback(p), err
		}),
		remove(meta{
			path: one, id: "stopPlayback", tag: "Playbacks", summary: "Stop a playback",
			codes: []parley.Code{parley.CodeNotFound, parley.CodeConferenceEnded, parley.CodePlaybackEnded},
		}, func(q *request, _ none) error {
			return c.StopPlayback(q.ctx, q.app(), q.id("id"), q.id("playback_id"))
		}),
	}
}
