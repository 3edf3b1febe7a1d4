package blob

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"parley"
	"parley/internal/control"
)

var _ control.Files = (*Dir)(nil)

func open(t *testing.T, dir string) *Dir {
	t.Helper()
	d, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func put(t *testing.T, d *Dir, name, content string) control.Upload {
	t.Helper()
	u, err := d.CreateMedia("app", name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	return u
}

func content(t *testing.T, d *Dir, name string) string {
	t.Helper()
	f, err := d.OpenMedia("app", name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestUploadIsSeenOnlyWhenCommitted(t *testing.T) {
	d := open(t, t.TempDir())
	u := put(t, d, "a.wav", "first")
	if _, err := d.OpenMedia("app", "a.wav"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("before Commit: %v", err)
	}
	if err := u.Commit(); err != nil {
		t.Fatal(err)
	}
	u.Discard() // without effect
	if got := content(t, d, "a.wav"); got != "first" {
		t.Errorf("content %q", got)
	}
	second := put(t, d, "a.wav", "second")
	second.Discard()
	if got := content(t, d, "a.wav"); got != "first" {
		t.Errorf("after a discarded upload: %q", got)
	}
	if err := put(t, d, "a.wav", "third").Commit(); err != nil {
		t.Fatal(err)
	}
	if got := content(t, d, "a.wav"); got != "third" {
		t.Errorf("replaced: %q", got)
	}
	if err := d.RemoveMedia("app", "a.wav"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.OpenMedia("app", "a.wav"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after removal: %v", err)
	}
}

func TestIncompleteUploadsAreGoneAfterACrash(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir)
	_ = put(t, d, "a.wav", "half")
	open(t, dir)
	left, err := os.ReadDir(filepath.Join(dir, incomingDir))
	if err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestNames(t *testing.T) {
	d := open(t, t.TempDir())
	for _, name := range []string{"a.wav", "Begrüßung 1.mp3", "欢迎.wav", "a-b_c~d+e"} {
		if err := d.CheckMediaName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", ".", "..", ".hidden", "../a.wav", "a/b.wav", `a\b.wav`, "a\x00b", "a\nb", "a:b", "\xff", string(make([]byte, 129))} {
		if err := d.CheckMediaName(name); parley.CodeOf(err) != parley.CodeInvalid {
			t.Errorf("%q: %v", name, err)
		}
		if _, err := d.CreateMedia("app", name); err == nil {
			t.Errorf("%q can be created", name)
		}
		if _, err := d.OpenMedia("app", name); err == nil {
			t.Errorf("%q can be opened", name)
		}
	}
}

func TestUploadsAtOnceDoNotMix(t *testing.T) {
	d := open(t, t.TempDir())
	var wg sync.WaitGroup
	for n := range 20 {
		wg.Go(func() {
			u, err := d.CreateMedia("app", "a.wav")
			if err != nil {
				t.Error(err)
				return
			}
			for range 100 {
				u.Write([]byte{byte('a' + n)})
			}
			if err := u.Commit(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := content(t, d, "a.wav"); len(got) != 100 || strings.Trim(got, got[:1]) != "" {
		t.Errorf("content %q, want that of one upload", got)
	}
}

func TestApplicationsDoNotSeeEachOther(t *testing.T) {
	d := open(t, t.TempDir())
	if err := put(t, d, "a.wav", "secret").Commit(); err != nil {
		t.Fatal(err)
	}
	for _, other := range []parley.ID{"other", "", "..", "../media/app", "/"} {
		if _, err := d.OpenMedia(other, "a.wav"); err == nil {
			t.Errorf("application %q opens it", other)
		}
	}
}

func TestALinkLeadsNowhere(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "media", "app"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, filepath.Join(dir, "media", "app", "a.wav")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.OpenMedia("app", "a.wav"); err == nil {
		t.Error("a link led out of the directory")
	}
}

func TestRecordings(t *testing.T) {
	d := open(t, t.TempDir())
	id := parley.NewID(time.Now())
	if _, err := d.EditRecording(id); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("before it is there: %v", err)
	}
	f, err := d.CreateRecording(id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("RIFF")); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the first makes the name durable
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.CreateRecording(id); !errors.Is(err, fs.ErrExist) {
		t.Errorf("created twice: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := d.OpenRecording(id)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	if b, _ := io.ReadAll(r); string(b) != "RIFF" {
		t.Errorf("content %q", b)
	}
	if _, err := d.OpenRecording("../x"); err == nil {
		t.Error("a path is taken for an ID")
	}
	if err := d.RemoveRecording(id); err != nil {
		t.Fatal(err)
	}
}
