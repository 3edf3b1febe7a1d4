package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// settings is what a configuration file says: option name → text of the value.
type settings map[string]string

// maxConfigSize bounds the configuration file.
const maxConfigSize = 1 << 20

// Validate is kong's: the file was checked when it was read.
func (settings) Validate(*kong.Application) error { return nil }

// Resolve is kong's: the file's value for an option, unless the environment has
// one. (The command line is asked by kong before.)
func (s settings) Resolve(_ *kong.Context, _ *kong.Path, f *kong.Flag) (any, error) {
	value, ok := s[f.Name]
	if !ok {
		return nil, nil
	}
	for _, name := range f.Envs {
		if _, set := os.LookupEnv(name); set {
			return nil, nil
		}
	}
	return value, nil
}

// openConfig reads the file of that name; see readConfig.
func openConfig(name string, options []*kong.Flag) (settings, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	defer f.Close()
	return readConfig(name, f, options)
}

// readConfig reads a YAML mapping of options to values. All that is wrong is in
// the error, a line each, with the file's name, the line and the key: a key
// that is no option (with the nearest that is), one that is there twice, a
// value of the wrong type.
func readConfig(name string, r io.Reader, options []*kong.Flag) (settings, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxConfigSize+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(text) > maxConfigSize {
		return nil, fmt.Errorf("%s: over %d bytes", name, maxConfigSize)
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	var document yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF): // nothing but comments
		return settings{}, nil
	case err != nil:
		return nil, syntaxError(name, err)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: one document is read, and more follows it", name)
	}
	root := document.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return settings{}, nil
	}
	if root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s:%d: lines such as \"http: 127.0.0.1:8080\" are needed, not %s", name, root.Line, kindOf(root))
	}
	return readSettings(name, root, options)
}

// readSettings reads the pairs of the file's mapping.
func readSettings(name string, root *yaml.Node, options []*kong.Flag) (settings, error) {
	s := make(settings)
	lines := make(map[string]int)
	var wrong []error
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		text, err := readSetting(key, value, options)
		if at, double := lines[key.Value]; double && err == nil {
			err = fmt.Errorf("%s is in line %d already", key.Value, at)
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s:%d: %w", name, key.Line, err))
			continue
		}
		lines[key.Value] = key.Line
		s[key.Value] = text
	}
	return s, errors.Join(wrong...)
}

// readSetting checks one pair and gives the value as the flag would have it.
func readSetting(key, value *yaml.Node, options []*kong.Flag) (string, error) {
	i := slices.IndexFunc(options, func(f *kong.Flag) bool { return f.Name == key.Value })
	if key.Kind != yaml.ScalarNode || i < 0 {
		return "", unknownKey(key, options)
	}
	f := options[i]
	text, err := textOf(f, value)
	if err != nil {
		return "", fmt.Errorf("%s: %w", f.Name, err)
	}
	scan := kong.ScanFromTokens(kong.Token{Type: kong.FlagValueToken, Value: text})
	if err := f.Mapper.Decode(&kong.DecodeContext{Value: f.Value, Scan: scan}, reflect.New(f.Target.Type()).Elem()); err != nil {
		return "", fmt.Errorf("%s: %w", f.Name, err)
	}
	return text, nil
}

// textOf is a value as the flag would have it: a scalar of the right type, or,
// for an option that takes several, a list of them.
func textOf(f *kong.Flag, value *yaml.Node) (string, error) {
	if value.Kind == yaml.SequenceNode && f.IsSlice() {
		parts := make([]string, len(value.Content))
		for i, n := range value.Content {
			if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
				return "", fmt.Errorf("a list of single values is needed, entry %d is %s", i+1, kindOf(n))
			}
			parts[i] = n.Value
		}
		return strings.Join(parts, ","), nil
	}
	want := ""
	switch kind := f.Target.Kind(); {
	case value.Kind != yaml.ScalarNode || value.Tag == "!!null":
		return "", fmt.Errorf("a single value is needed, not %s", kindOf(value))
	case f.IsBool() && value.Tag != "!!bool":
		want = "true or false"
	case kind == reflect.String && value.Tag != "!!str":
		want = "text (in quotes where it looks like something else)"
	case kind == reflect.Int && f.Target.Type() == reflect.TypeFor[int]() && value.Tag != "!!int":
		want = "a whole number"
	}
	if want != "" {
		return "", fmt.Errorf("%s is needed, not %s", want, kindOf(value))
	}
	return value.Value, nil
}

// kindOf names what a person wrote.
func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias (*" + n.Value + ")"
	}
	if n.Tag == "!!null" {
		return "nothing"
	}
	return fmt.Sprintf("%q", n.Value)
}

// unknownKey says what the writer may have meant.
func unknownKey(key *yaml.Node, options []*kong.Flag) error {
	if key.Kind != yaml.ScalarNode {
		return fmt.Errorf("unknown key: a name of an option is needed, not %s", kindOf(key))
	}
	best, nearest := max(2, len(key.Value)/3)+1, ""
	names := make([]string, len(options))
	for i, f := range options {
		names[i] = f.Name
		if d := distance(strings.ToLower(key.Value), f.Name); d < best {
			best, nearest = d, f.Name
		}
	}
	if nearest == "" {
		return fmt.Errorf("unknown key %q; there are: %s", key.Value, strings.Join(names, ", "))
	}
	return fmt.Errorf("unknown key %q; did you mean %q?", key.Value, nearest)
}

// distance is the number of bytes to insert, delete or change between a and b
// (Levenshtein). Keys are short; one longer than 64 is cut.
func distance(a, b string) int {
	a = a[:min(len(a), 64)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

// yamlLine finds the line in yaml's errors.
var yamlLine = regexp.MustCompile(`^yaml: line (\d+): `)

// syntaxError is yaml's error with the file's name and line in front.
func syntaxError(name string, err error) error {
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		return fmt.Errorf("%s:%s: %s", name, m[1], err.Error()[len(m[0]):])
	}
	return fmt.Errorf("%s: %w", name, err)
}
