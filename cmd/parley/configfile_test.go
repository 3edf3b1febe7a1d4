package main

import (
	"io"
	"maps"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// options are the options of `parley serve` that may be in a file.
func options(t testing.TB) []*kong.Flag {
	t.Helper()
	parser, err := newParser(t.Context(), new(commands), terminal{io.Discard, io.Discard}, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	k, err := kong.Trace(parser, []string{"serve"})
	if err != nil {
		t.Fatal(err)
	}
	return fileOptions(k)
}

func TestConfigFile(t *testing.T) {
	tests := []struct {
		name, text string
		want       settings
	}{
		{"empty", "", settings{}},
		{"comments alone", "# nothing\n", settings{}},
		{"a document mark alone", "---\n", settings{}},
		{"an empty mapping", "{}\n", settings{}},
		{"values", "http: :80 # web\nmax-calls: 5\nallow-private-callbacks: true\napi-key: \"12345678\"\n",
			settings{"http": ":80", "max-calls": "5", "allow-private-callbacks": "true", "api-key": "12345678"}},
		{"a list", "sip-allow:\n  - 10.0.0.0/8\n  - 192.0.2.1\n", settings{"sip-allow": "10.0.0.0/8,192.0.2.1"}},
		{"a list in one value", "sip-allow: 10.0.0.0/8,192.0.2.1\n", settings{"sip-allow": "10.0.0.0/8,192.0.2.1"}},
		{"JSON", `{"http": ":80", "media-shards": 2}`, settings{"http": ":80", "media-shards": "2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := readConfig("parley.yaml", strings.NewReader(tt.text), options(t))
			if err != nil || !maps.Equal(got, tt.want) {
				t.Errorf("got %v, %v, want %v", got, err, tt.want)
			}
		})
	}
}

func TestBadConfigFile(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string // lines of the error
	}{
		{"an unknown key", "http: :80\n\nhtpt: :81\n", []string{`parley.yaml:3: unknown key "htpt"; did you mean "http"?`}},
		{"a key in capitals", "HTTP: :80\n", []string{`parley.yaml:1: unknown key "HTTP"; did you mean "http"?`}},
		{"a key with an underscore", "rtp_ports: 2000-3000\n", []string{`parley.yaml:1: unknown key "rtp_ports"; did you mean "rtp-ports"?`}},
		{"a key like no other", "colour: blue\n", []string{`parley.yaml:1: unknown key "colour"; there are: data, http, sip,`}},
		{"the file in the file", "config: other.yaml\n", []string{`parley.yaml:1: unknown key "config"`}},
		{"a key that is a list", "[http]: :80\n", []string{"parley.yaml:1: unknown key: a name of an option is needed, not a list"}},
		{"a key twice", "http: :80\nsip: :5060\nhttp: :81\n", []string{"parley.yaml:3: http is in line 1 already"}},
		{"two faults", "a: 1\nb: 2\n", []string{`parley.yaml:1: unknown key "a"`, `parley.yaml:2: unknown key "b"`}},
		{"a list for one value", "http: [a, b]\n", []string{"parley.yaml:1: http: a single value is needed, not a list"}},
		{"a mapping for one value", "rtp:\n  ports: 1-2\n", []string{"parley.yaml:1: rtp: a single value is needed, not a mapping"}},
		{"a mapping in a list", "sip-allow:\n - a: b\n", []string{"parley.yaml:1: sip-allow: a list of single values is needed, entry 1 is a mapping"}},
		{"nothing for a value", "data:\nhttp: :80\n", []string{"parley.yaml:1: data: a single value is needed, not nothing"}},
		{"an alias", "data: &d x\nhttp: *d\n", []string{"parley.yaml:2: http: a single value is needed, not an alias (*d)"}},
		{"a number for text", "http: 8080\n", []string{`parley.yaml:1: http: text (in quotes where it looks like something else) is needed, not "8080"`}},
		{"text for a number", "max-calls: lots\n", []string{`parley.yaml:1: max-calls: a whole number is needed, not "lots"`}},
		{"a fraction for a number", "max-calls: 1.5\n", []string{`parley.yaml:1: max-calls: a whole number is needed, not "1.5"`}},
		{"text for a switch", "allow-private-callbacks: maybe\n", []string{`parley.yaml:1: allow-private-callbacks: true or false is needed, not "maybe"`}},
		{"a number for a duration", "drain-timeout: 30\n", []string{"parley.yaml:1: drain-timeout: "}},
		{"a bad address", "rtp: here\n", []string{"parley.yaml:1: rtp: "}},
		{"a bad range", "rtp-ports: 20000\n", []string{`parley.yaml:1: rtp-ports: "20000" is not a range`}},
		{"a bad block", "sip-allow: [10.0.0.0/8, 10.0.0.0/99]\n", []string{`parley.yaml:1: sip-allow: "10.0.0.0/99" is neither`}},
		{"a bad level", "log-level: loud\n", []string{`parley.yaml:1: log-level: "loud" is none of`}},
		{"a list for the file", "- http\n", []string{`parley.yaml:1: lines such as "http: 127.0.0.1:8080" are needed, not a list`}},
		{"text for the file", "http\n", []string{`parley.yaml:1: lines such as "http: 127.0.0.1:8080" are needed, not "http"`}},
		{"broken YAML", "http: :80\nsip: [\n", []string{"parley.yaml:"}},
		{"a second document", "http: :80\n---\nhttp: :81\n", []string{"parley.yaml: one document is read"}},
		{"too large", strings.Repeat("# a line of a comment\n", 1<<16), []string{"parley.yaml: over 1048576 bytes"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := readConfig("parley.yaml", strings.NewReader(tt.text), options(t))
			if err == nil {
				t.Fatalf("taken as %v", got)
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != len(tt.want) {
				t.Fatalf("got %q, want %d line(s)", err, len(tt.want))
			}
			for i, want := range tt.want {
				if !strings.HasPrefix(lines[i], want) {
					t.Errorf("got %q, want a line that begins %q", lines[i], want)
				}
			}
		})
	}
}

// FuzzConfigFile: no file, however made, does anything but give settings of
// known options or an error that names the file.
func FuzzConfigFile(f *testing.F) {
	for _, seed := range []string{
		"", "http: :80\n", "htpp: :80\n", "sip-allow: [10.0.0.0/8, 192.0.2.1]\n", "a: &a [*a]\n", "? [x]\n: y\n",
		"rtp-ports: 1-2\nrtp-ports: 3-4\n", "max-upload: 64MiB\n", "--- {}\n--- {}\n", "webhook-schedule: 1s,2s\n", "data: !!binary aGk=\n",
		"{http: \"\\u0000\"}", "\xff\xfe", "a: \n  b: \n   c: \n",
	} {
		f.Add([]byte(seed))
	}
	known := options(f)
	names := make(map[string]bool)
	for _, o := range known {
		names[o.Name] = true
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := readConfig("parley.yaml", strings.NewReader(string(text)), known)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "parley.yaml:") {
				t.Errorf("an error without the file's name: %v", err)
			}
			return
		}
		for name := range s {
			if !names[name] {
				t.Errorf("%q is no option and was taken", name)
			}
		}
	})
}

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"http", "http", 0}, {"htpp", "http", 1}, {"kitten", "sitting", 3}} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("%q to %q: got %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}
