package client

import (
	"context"
	"io"
	"net/http"

	"parley"
)

// RecordRequest asks for a recording.
type RecordRequest struct {
	MaxDuration *int    `json:"max_duration,omitempty"` // seconds of sound
	UserData    *string `json:"user_data,omitempty"`
}

// Record records a conference. The event conf.record_end tells that the file
// is complete.
func (c *Client) Record(ctx context.Context, conference parley.ID, r RecordRequest) (parley.Recording, error) {
	return post[parley.Recording](ctx, c, path("conferences", string(conference), "recordings"), r)
}

// SetRecording brings a recording to the state "paused", "recording" or
// "stopped".
func (c *Client) SetRecording(ctx context.Context, conference, id parley.ID, state string) (parley.Recording, error) {
	body := struct {
		State string `json:"state"`
	}{state}
	return change[parley.Recording](ctx, c, http.MethodPatch, path("conferences", string(conference), "recordings", string(id)), body)
}

// Recordings lists recordings, newest first: those of a conference, or all of
// the application for an empty one.
func (c *Client) Recordings(ctx context.Context, conference parley.ID, o ListOptions) (Page[parley.Recording], error) {
	q := o.query()
	setText(q, "conference", conference)
	return get[Page[parley.Recording]](ctx, c, path("recordings"), q)
}

// Recording gives one recording.
func (c *Client) Recording(ctx context.Context, id parley.ID) (parley.Recording, error) {
	return get[parley.Recording](ctx, c, path("recordings", string(id)), nil)
}

// RecordingContent downloads a recording, a WAV file; while the recording goes
// on, what there is of it. The caller closes it.
func (c *Client) RecordingContent(ctx context.Context, id parley.ID) (io.ReadCloser, error) {
	return c.download(ctx, path("recordings", string(id), "content"))
}

// DeleteRecording deletes a recording that has ended, with its file.
func (c *Client) DeleteRecording(ctx context.Context, id parley.ID) error {
	return c.remove(ctx, path("recordings", string(id)), nil)
}

func (c *Client) download(ctx context.Context, path string) (io.ReadCloser, error) {
	req, err := c.raw(ctx, http.MethodGet, path, nil, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.send(req)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// PutMedia uploads a WAV or MP3 file under a name; one of that name is replaced.
func (c *Client) PutMedia(ctx context.Context, name string, file io.Reader) (parley.MediaFile, error) {
	var out parley.MediaFile
	req, err := c.raw(ctx, http.MethodPut, path("media", name), nil, file)
	if err != nil {
		return out, err
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	err = c.finish(req, &out)
	return out, err
}

// MediaFiles lists media files by name, from last to first.
func (c *Client) MediaFiles(ctx context.Context, o ListOptions) (Page[parley.MediaFile], error) {
	return get[Page[parley.MediaFile]](ctx, c, path("media"), o.query())
}

// MediaContent downloads a media file. The caller closes it.
func (c *Client) MediaContent(ctx context.Context, name string) (io.ReadCloser, error) {
	return c.download(ctx, path("media", name))
}

// DeleteMedia deletes a media file.
func (c *Client) DeleteMedia(ctx context.Context, name string) error {
	return c.remove(ctx, path("media", name), nil)
}
