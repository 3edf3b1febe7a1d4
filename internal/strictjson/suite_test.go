package strictjson

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path"
	"strings"
	"testing"
)

// suite gives the files of JSONTestSuite by name.
func suite(t testing.TB) map[string][]byte {
	t.Helper()
	f, err := os.Open("testdata/jsontestsuite.tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string][]byte)
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(h.Name, ".json") {
			continue
		}
		if files[path.Base(h.Name)], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

func TestJSONTestSuite(t *testing.T) {
	// RFC 8259 section 4 lets a reader refuse a name that stands twice.
	refusedByChoice := map[string]bool{
		"y_object_duplicated_key.json":           true,
		"y_object_duplicated_key_and_value.json": true,
	}
	counts := map[byte]int{}
	for name, data := range suite(t) {
		err := Check(data)
		counts[name[0]]++
		switch {
		case refusedByChoice[name]:
			if _, ok := errors.AsType[Faults](err); !ok {
				t.Errorf("%s: got %v, want a fault", name, err)
			}
		case name[0] == 'y' && err != nil:
			t.Errorf("%s: refused: %v", name, err)
		case name[0] == 'n' && err == nil:
			t.Errorf("%s: accepted", name)
		case name[0] == 'n':
			if _, ok := errors.AsType[*SyntaxError](err); !ok {
				t.Errorf("%s: got %v, want a syntax error", name, err)
			}
		}
	}
	if counts['y'] != 95 || counts['n'] != 188 || counts['i'] != 35 {
		t.Errorf("read %d y_, %d n_ and %d i_ files, want 95, 188 and 35", counts['y'], counts['n'], counts['i'])
	}
}

// What the suite leaves open: we refuse what could not be given back exactly,
// and what is nested very deep.
func TestJSONTestSuiteOpenQuestions(t *testing.T) {
	accepted := map[string]bool{}
	for name, data := range suite(t) {
		if name[0] == 'i' && Check(data) == nil {
			accepted[name] = true
		}
	}
	for name := range accepted {
		if !strings.HasPrefix(name, "i_number_") {
			t.Errorf("%s: accepted", name)
		}
	}
	if len(accepted) == 0 {
		t.Error("no number beyond the range of a float64 was accepted by Check")
	}
}
