package client

import (
	"context"
	"net/http"

	"parley"
)

// Calls lists calls in conferences and outside, newest first.
func (c *Client) Calls(ctx context.Context, o ListOptions) (Page[parley.Call], error) {
	return get[Page[parley.Call]](ctx, c, path("calls"), o.query())
}

// Call gives one call.
func (c *Client) Call(ctx context.Context, id parley.ID) (parley.Call, error) {
	return get[parley.Call](ctx, c, path("calls", string(id)), nil)
}

// AnswerRequest answers a ringing call: into Conference, or to stay by itself.
type AnswerRequest struct {
	Conference  parley.ID `json:"conference,omitempty"`
	MaxDuration *int      `json:"max_duration,omitempty"` // seconds in the conference
	PlayFile    string    `json:"play_file,omitempty"`    // played to the conference when they join
	Muted       bool      `json:"muted,omitempty"`
	Deaf        bool      `json:"deaf,omitempty"`
	GainDB      float64   `json:"gain_db,omitempty"` // -40 to 20
	UserData    *string   `json:"user_data,omitempty"`
}

// AnswerCall answers a ringing call.
func (c *Client) AnswerCall(ctx context.Context, id parley.ID, r AnswerRequest) (parley.Call, error) {
	return post[parley.Call](ctx, c, path("calls", string(id), "answer"), r)
}

// RejectCall refuses a ringing call with a SIP status of 400 to 699, 0 for 603.
func (c *Client) RejectCall(ctx context.Context, id parley.ID, status int) error {
	body := struct {
		Status int `json:"status,omitempty"`
	}{status}
	return c.call(ctx, http.MethodPost, path("calls", string(id), "reject"), nil, body, nil)
}

// HangupCall ends a call.
func (c *Client) HangupCall(ctx context.Context, id parley.ID) error {
	return c.remove(ctx, path("calls", string(id)), nil)
}
