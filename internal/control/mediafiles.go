package control

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"io/fs"
	"strings"

	"parley"
	"parley/internal/audiofile"
	"parley/internal/player"
	"parley/internal/store"
)

// isURL reports whether a file of a playback is a URL and not a name.
func isURL(name string) bool {
	return strings.HasPrefix(name, "http://") || strings.HasPrefix(name, "https://")
}

// opener opens a file of a playback: a media file by name, or a URL.
func (c *Control) opener(app parley.ID, name string) player.Opener {
	return func() (io.ReadSeekCloser, error) {
		if isURL(name) {
			return c.cfg.Fetcher.Fetch(c.ctx, name)
		}
		file, err := c.cfg.Files.OpenMedia(app, name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, &parley.Error{Code: parley.CodeMediaNotFound, Message: "no media file " + name, Err: err}
		}
		return file, err
	}
}

// checkAudio opens a file and reads its beginning.
func (c *Control) checkAudio(open player.Opener) error {
	file, err := open()
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	r, err := audiofile.NewReader(file)
	if err != nil {
		return err
	}
	if _, err := r.Read(make([]int16, 160)); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// checkFileName says what is wrong with a name that may be empty.
func (c *Control) checkFileName(field, name string) error {
	switch {
	case name == "":
		return nil
	case isURL(name):
		if err := c.cfg.CheckURL(name); err != nil {
			return &parley.Error{Code: parley.CodeInvalid, Field: field, Message: err.Error(), Err: err}
		}
		return nil
	}
	return inField(field, c.cfg.Files.CheckMediaName(name))
}

// checkFile says what is wrong with a name, and whether the file is missing.
func (c *Control) checkFile(app parley.ID, field, name string) error {
	if name == "" {
		return parley.FieldErrorf(parley.CodeInvalid, field, "is empty: the name of a media file or an http(s) URL")
	}
	if err := c.checkFileName(field, name); err != nil || isURL(name) {
		return err
	}
	file, err := c.cfg.Files.OpenMedia(app, name)
	if err != nil {
		return &parley.Error{Code: parley.CodeMediaNotFound, Field: field, Message: "no media file " + name, Err: err}
	}
	return file.Close()
}

// inField says in which field a *parley.Error is.
func inField(field string, err error) error {
	if e, ok := errors.AsType[*parley.Error](err); ok {
		at := *e
		at.Field = field
		return &at
	}
	return err
}

// reason is an error as a customer may read it.
func reason(err error) string {
	if e, ok := errors.AsType[*parley.Error](err); ok {
		return e.Message
	}
	return err.Error()
}

// PutMedia stores an upload under name. It is checked whole before it can be
// seen; a file of that name is replaced.
func (c *Control) PutMedia(ctx context.Context, app parley.ID, name string, body io.Reader) (parley.MediaFile, error) {
	m := parley.MediaFile{Application: app, Name: name, CreateTime: c.now()}
	if err := inField("name", c.cfg.Files.CheckMediaName(name)); err != nil {
		return m, err
	}
	up, err := c.cfg.Files.CreateMedia(app, name)
	if err != nil {
		return m, storeError(err)
	}
	defer up.Discard()
	sum := sha256.New()
	if m.Bytes, err = receive(up, sum, body); err != nil {
		return m, err
	}
	m.SHA256 = hex.EncodeToString(sum.Sum(nil))
	if _, err := up.Seek(0, io.SeekStart); err != nil {
		return m, storeError(err)
	}
	info, err := audiofile.Probe(bufferedSeeker{bufio.NewReaderSize(up, 1<<16), up})
	if err != nil {
		return m, &parley.Error{Code: parley.CodeMediaUnreadable, Message: err.Error() + "; a WAV (8 to 48 kHz) or MP3 file is read here", Err: err}
	}
	m.Format, m.Encoding, m.SampleRate, m.Channels = info.Format, info.Encoding, info.SampleRate, info.Channels
	m.DurationMS = info.Duration.Milliseconds()
	if err := up.Commit(); err != nil {
		return m, storeError(err)
	}
	return m, c.save(ctx, &m)
}

// receive writes body to the upload and the hash. A reader's *parley.Error
// (the body is over its limit) stays what it is.
func receive(up io.Writer, sum hash.Hash, body io.Reader) (int64, error) {
	w := &faultyWriter{w: up}
	n, err := io.Copy(io.MultiWriter(w, sum), body)
	switch {
	case w.err != nil:
		return n, storeError(w.err)
	case err != nil && parley.CodeOf(err) != parley.CodeInternal:
		return n, err
	case err != nil:
		return n, &parley.Error{Code: parley.CodeMediaUnreadable, Message: "the upload broke off", Err: err}
	case n == 0:
		return n, parley.Errorf(parley.CodeMediaUnreadable, "the upload is empty; a WAV or MP3 file is read here")
	}
	return n, nil
}

// faultyWriter remembers the error of a write, to tell it from a read's.
type faultyWriter struct {
	w   io.Writer
	err error
}

func (f *faultyWriter) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	if err != nil {
		f.err = err
	}
	return n, err
}

// bufferedSeeker reads through a buffer that every Seek empties.
type bufferedSeeker struct {
	*bufio.Reader
	s io.ReadSeeker
}

// Seek implements io.Seeker.
func (b bufferedSeeker) Seek(offset int64, whence int) (int64, error) {
	if whence == io.SeekCurrent {
		offset -= int64(b.Buffered())
	}
	n, err := b.s.Seek(offset, whence)
	b.Reset(b.s)
	return n, err
}

// MediaFiles lists an application's media files, by name from last to first.
func (c *Control) MediaFiles(ctx context.Context, app parley.ID, r ListRequest) (Page[parley.MediaFile], error) {
	return list[parley.MediaFile](ctx, c, store.Query{Kind: store.KindMedia, Application: app}, r, nil)
}

// mediaFile gives a media file's record.
func (c *Control) mediaFile(ctx context.Context, app parley.ID, name string) (parley.MediaFile, error) {
	m, err := get[parley.MediaFile](ctx, c, store.KindMedia, app, store.MediaID(app, name), "media file")
	if parley.CodeOf(err) == parley.CodeNotFound {
		return m, parley.Errorf(parley.CodeMediaNotFound, "no media file %s", name)
	}
	return m, err
}

// MediaContent opens a media file.
func (c *Control) MediaContent(ctx context.Context, app parley.ID, name string) (Content, error) {
	m, err := c.mediaFile(ctx, app, name)
	if err != nil {
		return Content{}, err
	}
	file, err := c.cfg.Files.OpenMedia(app, name)
	if err != nil {
		return Content{}, &parley.Error{Code: parley.CodeMediaNotFound, Message: "no media file " + name, Err: err}
	}
	kind := "audio/wav"
	if m.Format == "mp3" {
		kind = "audio/mpeg"
	}
	return Content{ReadSeekCloser: file, Name: name, Type: kind, Modified: m.CreateTime.Time()}, nil
}

// DeleteMedia removes a media file. What is playing it plays on.
func (c *Control) DeleteMedia(ctx context.Context, app parley.ID, name string) error {
	if _, err := c.mediaFile(ctx, app, name); err != nil {
		return err
	}
	if err := c.commit(ctx, &store.Write{Delete: []store.RowKey{{Kind: store.KindMedia, ID: store.MediaID(app, name)}}}); err != nil {
		return err
	}
	if err := c.cfg.Files.RemoveMedia(app, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.cfg.Logger.Warn("media file not removed", "name", name, "error", err)
	}
	return nil
}
