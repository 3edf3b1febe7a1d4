// Package blob keeps media files and recordings as files below the data
// directory:
//
//	media/<application>/<name>
//	recordings/<recording>.wav
//	incoming/<…>   uploads that are not complete
//
// Every path goes through an os.Root: a name that a customer gives cannot lead
// out of its directory, whatever it is.
package blob

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"unicode"
	"unicode/utf8"

	"parley"
	"parley/internal/control"
	"parley/internal/recorder"
)

const (
	mediaDir      = "media"
	recordingsDir = "recordings"
	incomingDir   = "incoming"
)

// maxName is the most bytes of a media file's name.
const maxName = 128

// Dir is the files of one server. Its methods are safe for concurrent use.
type Dir struct{ root *os.Root }

// Open makes the directories below dir that are missing and removes uploads
// that a crash left incomplete; nobody else may be using dir.
func Open(dir string) (*Dir, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("blob: %w", err)
	}
	if err := root.RemoveAll(incomingDir); err != nil {
		return nil, errors.Join(fmt.Errorf("blob: %w", err), root.Close())
	}
	for _, d := range []string{mediaDir, recordingsDir, incomingDir} {
		if err := root.MkdirAll(d, 0o700); err != nil {
			return nil, errors.Join(fmt.Errorf("blob: %w", err), root.Close())
		}
	}
	return &Dir{root}, nil
}

// Close gives up the directory. Open files stay usable.
func (d *Dir) Close() error { return d.root.Close() }

// CheckMediaName says what is wrong with a media file's name, as a
// parley.CodeInvalid: it is one path element of letters, digits and -_.~+ and
// spaces, at most 128 bytes, and does not begin with a dot.
func (d *Dir) CheckMediaName(name string) error {
	bad := func(what string) error {
		return parley.Errorf(parley.CodeInvalid, "%s: a name has 1 to %d bytes of letters, digits, spaces and -_.~+, and does not begin with a dot", what, maxName)
	}
	switch {
	case name == "":
		return bad("the name is empty")
	case len(name) > maxName:
		return bad(fmt.Sprintf("the name has %d bytes", len(name)))
	case name[0] == '.':
		return bad("the name begins with a dot")
	case !utf8.ValidString(name):
		return bad("the name is not UTF-8")
	}
	for _, r := range name {
		if r == '/' || r == '\\' {
			return bad("the name has a path in it")
		}
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) && r != '-' && r != '_' && r != '.' && r != '~' && r != '+' && r != ' ' {
			return bad(fmt.Sprintf("the name has %q in it", r))
		}
	}
	return nil
}

// mediaPath is where a media file lies. The error is that of CheckMediaName,
// or says that application is not the ID of one.
func (d *Dir) mediaPath(application parley.ID, name string) (string, error) {
	if err := d.CheckMediaName(name); err != nil {
		return "", err
	}
	if d.CheckMediaName(string(application)) != nil {
		return "", fmt.Errorf("blob: %q is not an application's ID", application)
	}
	return path.Join(mediaDir, string(application), name), nil
}

// CreateMedia implements control.Files.
func (d *Dir) CreateMedia(application parley.ID, name string) (control.Upload, error) {
	target, err := d.mediaPath(application, name)
	if err != nil {
		return nil, err
	}
	temp, file, err := d.createIncoming()
	if err != nil {
		return nil, fmt.Errorf("blob: %w", err)
	}
	return &upload{File: file, dir: d, temp: temp, path: target}, nil
}

// createIncoming makes a file that nobody else has.
func (d *Dir) createIncoming() (name string, file *os.File, err error) {
	for n := 0; ; n++ {
		name = path.Join(incomingDir, fmt.Sprintf("%d-%d", os.Getpid(), n))
		file, err = d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if !errors.Is(err, fs.ErrExist) {
			return name, file, err
		}
	}
}

// upload is a media file before anybody can see it.
type upload struct {
	*os.File
	dir        *Dir
	temp, path string
	done       bool
}

// Commit implements control.Upload: file, then directory, are on disk when it
// returns.
func (u *upload) Commit() error {
	u.done = true
	err := errors.Join(u.Sync(), u.Close())
	if err == nil {
		err = u.dir.root.MkdirAll(path.Dir(u.path), 0o700)
	}
	if err == nil {
		err = u.dir.root.Rename(u.temp, u.path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("blob: %w", err), u.dir.root.Remove(u.temp))
	}
	return errors.Join(u.dir.syncDir(path.Dir(u.path)), u.dir.syncDir(mediaDir))
}

// Discard implements control.Upload.
func (u *upload) Discard() {
	if u.done {
		return
	}
	u.done = true
	_ = u.Close()
	_ = u.dir.root.Remove(u.temp)
}

// syncDir makes a directory's entries durable.
func (d *Dir) syncDir(name string) error {
	dir, err := d.root.Open(name)
	if err != nil {
		return fmt.Errorf("blob: %w", err)
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return fmt.Errorf("blob: %w", err)
	}
	return nil
}

// OpenMedia implements control.Files.
func (d *Dir) OpenMedia(application parley.ID, name string) (io.ReadSeekCloser, error) {
	file, err := d.mediaPath(application, name)
	if err != nil {
		return nil, err
	}
	return d.open(file)
}

// open opens for reading, without the trap of a nil *os.File in an interface.
func (d *Dir) open(name string) (io.ReadSeekCloser, error) {
	f, err := d.root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("blob: %w", err)
	}
	return f, nil
}

// RemoveMedia implements control.Files.
func (d *Dir) RemoveMedia(application parley.ID, name string) error {
	file, err := d.mediaPath(application, name)
	if err != nil {
		return err
	}
	return d.remove(file)
}

// remove removes a file; it stays removed after a power cut.
func (d *Dir) remove(name string) error {
	if err := d.root.Remove(name); err != nil {
		return fmt.Errorf("blob: %w", err)
	}
	return d.syncDir(path.Dir(name))
}

// recordingPath is where a recording lies.
func recordingPath(id parley.ID) (string, error) {
	if !id.Valid() {
		return "", fmt.Errorf("blob: %q is not a recording's ID", id)
	}
	return path.Join(recordingsDir, string(id)+".wav"), nil
}

// CreateRecording implements control.Files. It does not wait for a disk that is
// busy: the file's name is durable after the file's first Sync.
func (d *Dir) CreateRecording(id parley.ID) (recorder.File, error) {
	f, err := d.recording(id, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return nil, err
	}
	return &newRecording{File: f, dir: d}, nil
}

// newRecording is a recording whose name is not durable yet.
type newRecording struct {
	*os.File
	dir   *Dir
	named bool
}

// Sync makes the file durable, and with the first call its name. Calls must not
// overlap.
func (f *newRecording) Sync() error {
	if !f.named {
		if err := f.dir.syncDir(recordingsDir); err != nil {
			return err
		}
		f.named = true
	}
	return f.File.Sync()
}

// EditRecording implements control.Files.
func (d *Dir) EditRecording(id parley.ID) (recorder.File, error) { return d.recording(id, os.O_RDWR) }

func (d *Dir) recording(id parley.ID, flags int) (*os.File, error) {
	name, err := recordingPath(id)
	if err != nil {
		return nil, err
	}
	f, err := d.root.OpenFile(name, flags, 0o600)
	if err != nil {
		return nil, fmt.Errorf("blob: %w", err)
	}
	return f, nil
}

// OpenRecording implements control.Files.
func (d *Dir) OpenRecording(id parley.ID) (io.ReadSeekCloser, error) {
	name, err := recordingPath(id)
	if err != nil {
		return nil, err
	}
	return d.open(name)
}

// RemoveRecording implements control.Files.
func (d *Dir) RemoveRecording(id parley.ID) error {
	name, err := recordingPath(id)
	if err != nil {
		return err
	}
	return d.remove(name)
}
