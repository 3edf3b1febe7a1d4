package parley_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"parley"
)

var firstCell = regexp.MustCompile("^\\| `([^`]+)` \\|")

// tableUnder gives the first cells of the tables that follow each heading.
func tableUnder(t *testing.T, file, heading string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	tables := make(map[string][]string)
	under := ""
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), heading+" "); ok {
			under = strings.Trim(name, "`")
		} else if strings.HasPrefix(line, "#") {
			under = ""
		}
		if m := firstCell.FindStringSubmatch(line); m != nil && under != "" {
			tables[under] = append(tables[under], m[1])
		}
	}
	return tables
}

// TestEventReference holds both event references to the schema: every event,
// every field, in its order.
func TestEventReference(t *testing.T) {
	text, err := os.ReadFile("internal/eventschema/events.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Defs map[string]struct {
			Properties json.RawMessage `json:"properties"`
		} `json:"$defs"`
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"docs/events.md", "docs/events.zh-CN.md"} {
		tables := tableUnder(t, file, "###")
		for _, event := range parley.EventTypes() {
			want := names(t, schema.Defs[string(event)].Properties)
			if got := tables[string(event)]; !slices.Equal(got, want) {
				t.Errorf("%s: %s has the fields %v, the schema has %v", file, event, got, want)
			}
			delete(tables, string(event))
		}
		if len(tables) > 0 {
			t.Errorf("%s tells of events that do not exist: %v", file, tables)
		}
	}
}

// names gives the names in a JSON object, in their order.
func names(t *testing.T, object json.RawMessage) (names []string) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(object)))
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			t.Fatal(err)
		}
		names = append(names, name.(string))
	}
	return names
}

// TestErrorReference holds the contract's table of errors to error.go.
func TestErrorReference(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "error.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	ast.Inspect(f, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && len(v.Values) == 1 && strings.HasPrefix(v.Names[0].Name, "Code") {
			code, _ := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			codes = append(codes, code)
		}
		return true
	})
	told := tableUnder(t, "docs/contract.md", "##")["Errors"]
	for _, code := range codes {
		if !slices.Contains(told, code) {
			t.Errorf("docs/contract.md does not tell of the error %s", code)
		}
	}
	for _, code := range told {
		if !slices.Contains(codes, code) {
			t.Errorf("docs/contract.md tells of the error %s, which does not exist", code)
		}
	}
}

var link = regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)

// TestLinks follows the links between the documents.
func TestLinks(t *testing.T) {
	files, _ := filepath.Glob("docs/*.md")
	root, _ := filepath.Glob("*.md")
	for _, file := range append(files, root...) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), m[1])); err != nil {
				t.Errorf("%s links to %s, which does not exist", file, m[1])
			}
		}
	}
}

var required = regexp.MustCompile(`(?m)^\t([^\s/]+\.[^\s]+/?[^\s]*) v[0-9]`)

// TestNotice: every module that the server or its tests are built with is in
// NOTICE.
func TestNotice(t *testing.T) {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	notice, err := os.ReadFile("NOTICE")
	if err != nil {
		t.Fatal(err)
	}
	modules := required.FindAllStringSubmatch(string(mod), -1)
	if len(modules) < 10 {
		t.Fatalf("only %d modules found in go.mod", len(modules))
	}
	for _, m := range modules {
		if !strings.Contains(string(notice), "\n"+m[1]+" (") {
			t.Errorf("NOTICE does not name %s", m[1])
		}
	}
}
