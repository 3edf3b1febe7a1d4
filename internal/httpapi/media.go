package httpapi

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"parley"
	"parley/internal/control"
)

// mediaView is a media file as it is shown.
type mediaView struct {
	Name       string        `json:"name" doc:"what playbacks call it" example:"welcome.wav"`
	Format     string        `json:"format" enum:"wav,mp3" doc:"wav or mp3" example:"wav"`
	Encoding   string        `json:"encoding" doc:"how the sound is written" example:"pcm_s16le"`
	SampleRate int           `json:"sample_rate" doc:"Hz" example:"16000"`
	Channels   int           `json:"channels" doc:"how many; they are mixed to one when played" example:"1"`
	DurationMS int64         `json:"duration_ms" doc:"length of the sound" example:"2500"`
	Bytes      int64         `json:"bytes" doc:"size of the file" example:"80044"`
	SHA256     string        `json:"sha256" doc:"of the file, hexadecimal" example:"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"`
	CreateTime parley.Millis `json:"create_time" doc:"when it was uploaded, Unix milliseconds" example:"1751364000000"`
}

func (v mediaView) location() string { return "/v1/media/" + url.PathEscape(v.Name) }

func showMedia(m parley.MediaFile) mediaView {
	return mediaView{m.Name, m.Format, m.Encoding, m.SampleRate, m.Channels, m.DurationMS, m.Bytes, m.SHA256, m.CreateTime}
}

func mediaRoutes(c MediaFiles, limit int64) []route {
	const one = "/v1/media/{name}"
	return []route{
		upload(c, limit, meta{
			method: http.MethodPut, path: one, rest: true, id: "putMedia", tag: "Media files", summary: "Upload a media file",
			description: "The body is the WAV or MP3 file itself. It is checked on arrival; a file of that name is replaced.", status: http.StatusCreated,
			codes: []parley.Code{parley.CodeMediaUnreadable, parley.CodeMediaInUse, parley.CodeNoCapacity},
		}),
		get(meta{
			path: "/v1/media", id: "listMedia", tag: "Media files", summary: "List media files", description: "By name, from last to first.",
		}, func(q *request, p listing) (page[mediaView], error) {
			list, err := c.MediaFiles(q.ctx, q.app(), p.request())
			return pageOf(list, showMedia), err
		}),
		download(meta{
			path: one, rest: true, id: "getMedia", tag: "Media files", summary: "Download a media file",
			description: "The file as it was uploaded, as a whole or in ranges.", codes: []parley.Code{parley.CodeMediaNotFound},
		}, func(q *request) (control.Content, error) {
			return c.MediaContent(q.ctx, q.app(), q.PathValue("name"))
		}),
		remove(meta{
			path: one, rest: true, id: "deleteMedia", tag: "Media files", summary: "Delete a media file",
			codes: []parley.Code{parley.CodeMediaNotFound, parley.CodeMediaInUse},
		}, func(q *request, _ none) error {
			return ownPath(c.DeleteMedia(q.ctx, q.app(), q.PathValue("name")))
		}),
	}
}

// upload is the route that takes a media file, 201 for a new one and 200 for
// one that replaces another.
func upload(c MediaFiles, limit int64, m meta) route {
	serve := func(_ *edge, w *writer, q *request) error {
		if _, err := newParams[none]().decode(q.URL.RawQuery); err != nil {
			return err
		}
		tooLarge := parley.Errorf(parley.CodeTooLarge, "the file is over the limit of %d bytes", limit)
		if q.ContentLength > limit {
			return tooLarge
		}
		if kind, _, _ := mime.ParseMediaType(q.Header.Get("Content-Type")); strings.HasPrefix(kind, "multipart/") {
			return parley.FieldErrorf(parley.CodeUnsupportedMedia, "Content-Type", "found %q; the body must be the file itself", kind)
		}
		m, name := m, q.PathValue("name")
		if old, err := c.MediaContent(q.ctx, q.app(), name); err == nil {
			_ = old.Close() // it was not even read
			m.status = http.StatusOK
		}
		defer w.readBy(0)
		body := &uploadReader{body: http.MaxBytesReader(w.ResponseWriter, q.Body, limit), w: w, tooLarge: tooLarge}
		file, err := c.PutMedia(q.ctx, q.app(), name, body)
		if err != nil {
			return err
		}
		a, err := success(m, showMedia(file))
		if err != nil {
			return err
		}
		send(w, a)
		return nil
	}
	return route{
		meta: m, view: typeOf[mediaView](), serve: serve,
		content: &content{types: []string{"audio/wav", "audio/mpeg", "application/octet-stream"}, description: "the file"},
	}
}

// uploadReader reads a body that may be long: each read has a deadline of its
// own.
type uploadReader struct {
	body     io.Reader
	w        *writer
	tooLarge error
}

// Read implements io.Reader.
func (u *uploadReader) Read(p []byte) (int, error) {
	u.w.readBy(patience)
	n, err := u.body.Read(p)
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		err = u.tooLarge
	}
	return n, err
}
