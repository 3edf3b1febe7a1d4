package message

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// FuzzParse: whatever comes, nothing panics; what is refused with a status can
// be answered, the answer can be read, and nothing of the start line is in it;
// what is taken is taken from a stream as well.
func FuzzParse(f *testing.F) {
	f.Add([]byte(invite))
	files, _ := filepath.Glob("../testdata/rfc4475/*.dat")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	p := NewParser()
	f.Fuzz(func(t *testing.T, data []byte) {
		m, fault := p.Parse(data)
		_, _ = Frame(data)
		if fault != nil && fault.Status == 0 {
			return
		}
		if !m.IsRequest() {
			if fault != nil {
				t.Fatalf("a response is answered: %v", fault)
			}
			return
		}
		status := 200
		if fault != nil {
			status = fault.Status
		} else if m.Size > len(data) || m.Header > m.Size || len(m.Body()) != m.Size-m.Header {
			t.Fatalf("body of %d, header to %d, message to %d of %d", len(m.Body()), m.Header, m.Size, len(data))
		}
		answer := []byte(m.Head.Answer(status, "tag", src).String())
		if !bytes.HasPrefix(answer, []byte("SIP/2.0 ")) {
			t.Fatalf("answer begins with %.20q", answer)
		}
		if fault == nil {
			back, wrong := p.Parse(answer)
			if wrong != nil || back.Status != status || back.CallID != m.CallID || back.Seq != m.Seq || back.Top.Branch != m.Top.Branch {
				t.Fatalf("answer cannot be read: %v\n%s", wrong, answer)
			}
		}
	})
}
