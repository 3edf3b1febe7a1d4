package parley_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

// TestArchitecture holds the code to the level table of ARCHITECTURE.md.
func TestArchitecture(t *testing.T) {
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	table, problems := readTable(string(text))
	problems = append(problems, checkTree(os.DirFS("."), table)...)
	for _, p := range problems {
		t.Error(p)
	}
}

// module is the import path of the root package.
const module = "parley"

// testsOnly is the level of packages that only tests may import.
const testsOnly = 99

// A row is one package of the table.
type row struct {
	level   int
	planned bool // described before it is there
}

var (
	rowForm     = regexp.MustCompile("^\\| *([^|]*?) *\\| *((?:`[^`|]+` *)+)\\| *([^|]*?) *\\|$")
	packageForm = regexp.MustCompile("`([^`]+)`")
)

// readTable finds the rows of the level table: the level, which an empty first
// cell takes from the row above, and one or more packages in backquotes.
func readTable(text string) (table map[string]row, problems []string) {
	table = make(map[string]row)
	level := -1
	for line := range strings.Lines(text) {
		m := rowForm.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		switch first, _, _ := strings.Cut(m[1], " "); {
		case m[1] == "tests only":
			level = testsOnly
		case m[1] != "":
			n, err := strconv.Atoi(first)
			if err != nil {
				continue // another table
			}
			level = n
		}
		for _, p := range packageForm.FindAllStringSubmatch(m[2], -1) {
			if _, double := table[p[1]]; double {
				problems = append(problems, fmt.Sprintf("ARCHITECTURE.md: %s is in the level table twice", p[1]))
			}
			table[p[1]] = row{level: level, planned: strings.HasPrefix(m[3], "planned")}
		}
	}
	if len(table) == 0 {
		problems = append(problems, "ARCHITECTURE.md: no level table found")
	}
	return table, problems
}

// checkTree compares the Go files under tree with the table.
func checkTree(tree fs.FS, table map[string]row) (problems []string) {
	seen := make(map[string]bool)
	err := fs.WalkDir(tree, ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return skipForeign(tree, file)
		}
		if !strings.HasSuffix(file, ".go") {
			return nil
		}
		name := packageName(path.Dir(file))
		r, ok := table[name]
		if !seen[name] && !ok {
			problems = append(problems, fmt.Sprintf("%s is not in the level table of ARCHITECTURE.md", name))
		}
		seen[name] = true
		if !ok || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		src, err := fs.ReadFile(tree, file)
		if err != nil {
			return err
		}
		found, err := checkFile(file, src, name, r, table)
		problems = append(problems, found...)
		return err
	})
	if err != nil {
		problems = append(problems, err.Error())
	}
	for name, r := range table {
		if !seen[name] && !r.planned {
			problems = append(problems, fmt.Sprintf("ARCHITECTURE.md: %s is in the level table, but there is no such package", name))
		}
	}
	slices.Sort(problems)
	return problems
}

// skipForeign leaves out directories that the go command leaves out too.
func skipForeign(tree fs.FS, dir string) error {
	base := path.Base(dir)
	if dir == "." {
		return nil
	}
	if base == "testdata" || base == "vendor" || base[0] == '.' || base[0] == '_' {
		return fs.SkipDir
	}
	if _, err := fs.Stat(tree, path.Join(dir, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

// packageName is the table's name for the package in dir.
func packageName(dir string) string {
	if dir == "." {
		return module
	}
	return dir
}

// checkFile checks the imports of one file that is no test, and, in the pure
// levels, what it does.
func checkFile(file string, src []byte, name string, r row, table map[string]row) (problems []string, err error) {
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, file, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	complain := func(at token.Pos, format string, args ...any) {
		problems = append(problems, fmt.Sprintf("%s: %s", set.Position(at), fmt.Sprintf(format, args...)))
	}
	pure := r.level <= 1
	named := make(map[string]string) // the file's name of a package → its path
	for _, spec := range f.Imports {
		p, _ := strconv.Unquote(spec.Path.Value)
		named[localName(spec, p)] = p
		if why := badImport(name, p, r, table); why != "" {
			complain(spec.Pos(), "%s", why)
		}
		if pure && impure(p) {
			complain(spec.Pos(), "level %d knows no network, process or database, but imports %s", r.level, p)
		}
	}
	if pure {
		checkPure(f, named, r.level, complain)
	}
	return problems, nil
}

// localName is the name by which a file uses an import.
func localName(spec *ast.ImportSpec, p string) string {
	if spec.Name != nil {
		return spec.Name.Name
	}
	return path.Base(p)
}

// badImport says why the package name may not import p, or nothing.
func badImport(name, p string, r row, table map[string]row) string {
	own, inside := strings.CutPrefix(p, module+"/")
	if p == module {
		own, inside = module, true
	}
	if !inside || r.level == testsOnly {
		return ""
	}
	target, ok := table[own]
	switch {
	case !ok:
		return fmt.Sprintf("imports %s, which is not in the level table", own)
	case target.level == testsOnly:
		return fmt.Sprintf("imports %s, which is for tests only", own)
	case strings.HasPrefix(own, name+"/"), target.level < r.level:
		return ""
	}
	return fmt.Sprintf("%s is level %d and imports %s, level %d", name, r.level, own, target.level)
}

// impure reports whether an import brings the network, other processes or a
// database.
func impure(p string) bool {
	switch p {
	case "net/netip", "net/url", "net/textproto", "net/mail":
		return false
	case "net", "database/sql", "os/exec", "os/signal", "syscall", "C":
		return true
	}
	for _, prefix := range []string{"net/", "database/sql/", "crypto/tls", "golang.org/x/net/", "golang.org/x/sys/", "modernc.org/", "github.com/jackc/", "github.com/mattn/go-sqlite3"} {
		if strings.HasPrefix(p, prefix) {
			return true
		}
	}
	return false
}

// clocks are the functions that read a clock or start a timer.
var clocks = map[string][]string{
	"time":    {"Now", "Since", "Until", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick", "Sleep"},
	"context": {"WithTimeout", "WithTimeoutCause", "WithDeadline", "WithDeadlineCause"},
}

// checkPure finds goroutines and clocks.
func checkPure(f *ast.File, named map[string]string, level int, complain func(token.Pos, string, ...any)) {
	for _, p := range []string{"time", "context"} {
		if named["."] == p {
			complain(f.Pos(), "level %d imports %s with a dot, which hides the clock", level, p)
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			complain(n.Pos(), "level %d starts no goroutine", level)
		case *ast.CallExpr:
			if s, ok := n.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "Go" {
				complain(n.Pos(), "level %d starts no goroutine, but calls Go", level)
			}
		case *ast.SelectorExpr:
			x, ok := n.X.(*ast.Ident)
			if ok && slices.Contains(clocks[named[x.Name]], n.Sel.Name) {
				complain(n.Pos(), "level %d reads no clock, but uses %s.%s", level, x.Name, n.Sel.Name)
			}
		}
		return true
	})
}

// plantedTable is a small house for the test of the test.
const plantedTable = "# A house\n\n" +
	"| field | `not a row` | of the level table |\n" +
	"|---|---|---|\n" +
	"| 3 use cases | `internal/control` | decides |\n" +
	"| 2 engines | `internal/media` | moves sound |\n" +
	"| | `internal/ledger` `internal/ledger/ring` | remembers |\n" +
	"| 1 parts | `internal/mixer` | adds up |\n" +
	"| 0 words | `parley` | data |\n" +
	"| tests only | `internal/history` | checks |\n" +
	"| | `internal/later` | planned: not yet there |\n"

func TestArchitectureFindsPlantedFaults(t *testing.T) {
	sound := map[string]string{
		"doc.go":                       "package parley",
		"internal/control/a.go":        `package control; import ("parley"; "parley/internal/media")`,
		"internal/media/a.go":          `package media; import ("net"; "time"); func f() { go f(); _ = net.IPv4len; time.Sleep(1) }`,
		"internal/media/a_test.go":     `package media; import ("parley/internal/history"; "parley/internal/control")`,
		"internal/ledger/a.go":         `package ledger; import ("parley/internal/ledger/ring"; "parley/internal/mixer")`,
		"internal/ledger/ring/a.go":    `package ring`,
		"internal/mixer/a.go":          `package mixer; import ("net/netip"; "time"); var d = time.Second; var a netip.Addr`,
		"internal/mixer/a_test.go":     `package mixer; import "time"; func f() { go f(); time.Sleep(1) }`,
		"internal/history/a.go":        `package history; import ("parley/internal/control"; "time"); func f() { go f(); _ = time.Now }`,
		"internal/media/testdata/a.go": `not go at all`,
		"tools/go.mod":                 "module tools",
		"tools/a.go":                   `package main; import "parley/internal/control"`,
	}
	tests := []struct {
		name string
		file string // planted in the sound tree; no source removes it
		src  string
		want string // in the one problem; nothing: no problem
	}{
		{name: "a sound tree"},
		{name: "an import upwards", file: "internal/mixer/b.go", src: `package mixer; import "parley/internal/media"`,
			want: "internal/mixer/b.go:1:23: internal/mixer is level 1 and imports internal/media, level 2"},
		{name: "an import sideways", file: "internal/media/b.go", src: `package media; import "parley/internal/ledger"`,
			want: "internal/media is level 2 and imports internal/ledger, level 2"},
		{name: "another's sub-package", file: "internal/media/b.go", src: `package media; import "parley/internal/ledger/ring"`,
			want: "internal/media is level 2 and imports internal/ledger/ring, level 2"},
		{name: "a sub-package that imports its parent", file: "internal/ledger/ring/b.go", src: `package ring; import "parley/internal/ledger"`,
			want: "internal/ledger/ring is level 2 and imports internal/ledger, level 2"},
		{name: "the root imports a part", file: "b.go", src: `package parley; import "parley/internal/mixer"`,
			want: "parley is level 0 and imports internal/mixer, level 1"},
		{name: "a package for tests in the program", file: "internal/control/b.go", src: `package control; import "parley/internal/history"`,
			want: "imports internal/history, which is for tests only"},
		{name: "a package that is not in the table", file: "internal/util/a.go", src: `package util`,
			want: "internal/util is not in the level table"},
		{name: "a test alone in a package that is not in the table", file: "e2e/a_test.go", src: `package e2e`,
			want: "e2e is not in the level table"},
		{name: "an import that is not in the table", file: "internal/control/b.go", src: `package control; import "parley/internal/lost"`,
			want: "imports internal/lost, which is not in the level table"},
		{name: "a row without a package", file: "internal/mixer", want: "internal/mixer is in the level table, but there is no such package"},
		{name: "a goroutine", file: "internal/mixer/b.go", src: `package mixer; func f() { go f() }`,
			want: "level 1 starts no goroutine"},
		{name: "a goroutine by a wait group", file: "internal/mixer/b.go", src: `package mixer; import "sync"; func f(w *sync.WaitGroup) { w.Go(func() {}) }`,
			want: "level 1 starts no goroutine, but calls Go"},
		{name: "a clock", file: "internal/mixer/b.go", src: `package mixer; import "time"; func f() { _ = time.Now() }`,
			want: "level 1 reads no clock, but uses time.Now"},
		{name: "a clock handed on", file: "b.go", src: `package parley; import "time"; func f() any { return time.Now }`,
			want: "level 0 reads no clock, but uses time.Now"},
		{name: "a clock under another name", file: "internal/mixer/b.go", src: `package mixer; import t "time"; func f() { t.NewTicker(1) }`,
			want: "uses t.NewTicker"},
		{name: "a clock behind a dot", file: "internal/mixer/b.go", src: `package mixer; import . "time"; func f() { _ = Now() }`,
			want: "imports time with a dot"},
		{name: "a deadline", file: "internal/mixer/b.go", src: `package mixer; import "context"; func f(c context.Context) { context.WithTimeout(c, 1) }`,
			want: "uses context.WithTimeout"},
		{name: "a socket", file: "internal/mixer/b.go", src: `package mixer; import "net"; var _ net.Conn`,
			want: "imports net"},
		{name: "HTTP", file: "b.go", src: `package parley; import _ "net/http"`, want: "imports net/http"},
		{name: "SQL", file: "internal/mixer/b.go", src: `package mixer; import _ "database/sql"`, want: "imports database/sql"},
		{name: "a driver", file: "internal/mixer/b.go", src: `package mixer; import _ "modernc.org/sqlite"`, want: "imports modernc.org/sqlite"},
		{name: "a file that is no Go", file: "internal/mixer/b.go", src: `package`, want: "internal/mixer/b.go:1"},
	}
	table, problems := readTable(plantedTable)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tree := make(fstest.MapFS)
			for file, src := range sound {
				if tt.src != "" || tt.file == "" || !strings.HasPrefix(file, tt.file+"/") {
					tree[file] = &fstest.MapFile{Data: []byte(src)}
				}
			}
			if tt.src != "" {
				tree[tt.file] = &fstest.MapFile{Data: []byte(tt.src)}
			}
			expectProblem(t, checkTree(tree, table), tt.want)
		})
	}
}

// expectProblem fails unless the one problem holds want, or there is none
// where want is empty. A fault may be told about twice by name.
func expectProblem(t *testing.T, got []string, want string) {
	t.Helper()
	if want == "" {
		if len(got) > 0 {
			t.Errorf("problems in a sound tree: %q", got)
		}
		return
	}
	if !slices.ContainsFunc(got, func(p string) bool { return strings.Contains(p, want) }) {
		t.Errorf("got %q, want a problem with %q", got, want)
	}
}

func TestArchitectureReadsTheTable(t *testing.T) {
	table, _ := readTable(plantedTable)
	want := map[string]row{
		"internal/control": {level: 3}, "internal/media": {level: 2}, "internal/ledger": {level: 2},
		"internal/ledger/ring": {level: 2}, "internal/mixer": {level: 1}, "parley": {level: 0},
		"internal/history": {level: testsOnly}, "internal/later": {level: testsOnly, planned: true},
	}
	for name, r := range want {
		if table[name] != r {
			t.Errorf("%s: got %+v, want %+v", name, table[name], r)
		}
	}
	if len(table) != len(want) {
		t.Errorf("got %d rows, want %d: %v", len(table), len(want), table)
	}
	if _, problems := readTable(plantedTable + plantedTable); len(problems) == 0 {
		t.Error("a package in the table twice was not found")
	}
	if _, problems := readTable("nothing here"); len(problems) == 0 {
		t.Error("a missing table was not found")
	}
}
