package strictjson

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"parley"
)

type mode string

// order has a field of every kind that can be read.
type order struct {
	Name  string      `json:"name"`
	Mode  mode        `json:"mode,omitempty"`
	Count int         `json:"count,omitempty"`
	Max   *int        `json:"max,omitempty"`
	Big   int64       `json:"big,omitempty"`
	Gain  *float64    `json:"gain,omitempty"`
	Loud  bool        `json:"loud,omitempty"`
	Deaf  *bool       `json:"deaf,omitempty"`
	Files []string    `json:"files,omitempty"`
	Some  *[]string   `json:"some,omitempty"`
	Call  parley.ID   `json:"call,omitempty"`
	To    []parley.ID `json:"to,omitempty"`
	Data  *string     `json:"data,omitempty" nullable:"true"`
}

const id = "0197c2f3a1b27def8123456789abcdef"

func TestDecode(t *testing.T) {
	d := New[order]()
	tests := map[string]struct {
		body string
		want order
	}{
		"one field":          {`{"name":"a"}`, order{Name: "a"}},
		"white space":        {"\t{ \"name\" :\r\n \"a\" } \n", order{Name: "a"}},
		"every field":        {`{"name":"a","mode":"m","count":3,"max":-1,"big":9223372036854775807,"gain":-2.5e1,"loud":true,"deaf":false,"files":["x","y"],"some":[],"call":"` + id + `","to":["` + id + `"],"data":"d"}`, order{"a", "m", 3, new(-1), math.MaxInt64, new(-25.0), true, new(false), []string{"x", "y"}, &[]string{}, id, []parley.ID{id}, new("d")}},
		"null where allowed": {`{"name":"a","data":null}`, order{Name: "a"}},
		"integer as 100.0":   {`{"name":"a","count":100.0}`, order{Name: "a", Count: 100}},
		"integer as 1e2":     {`{"name":"a","count":1e2}`, order{Name: "a", Count: 100}},
		"escapes":            {`{"name":"\"\\\/\b\f\n\r\t\u0000\u00e9\ud83d\ude00"}`, order{Name: "\"\\/\b\f\n\r\t\x00é😀"}},
		"UTF-8":              {`{"name":"é😀` + "\u2028\ufffd\U0010ffff" + `"}`, order{Name: "é😀\u2028\ufffd\U0010ffff"}},
		"escaped name":       {`{"n\u0061me":"a"}`, order{Name: "a"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := d.Decode([]byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestDecodeFaults(t *testing.T) {
	d := New[order]()
	tests := map[string]struct {
		body  string
		code  parley.Code
		field string
		says  string
	}{
		"no object":            {`[]`, parley.CodeInvalid, "", "the body is an array; it must be an object"},
		"null for object":      {`null`, parley.CodeInvalid, "", "the body is null"},
		"required is missing":  {`{}`, parley.CodeInvalid, "name", "is missing; it must be a string"},
		"unknown field":        {`{"name":"a","nmae":1}`, parley.CodeUnknownField, "nmae", "the fields are name, mode"},
		"case counts":          {`{"Name":"a"}`, parley.CodeUnknownField, "Name", "there is no field"},
		"unknown nested":       {`{"name":"a","x":{"y":[{}]}}`, parley.CodeUnknownField, "x", "there is no field"},
		"string for integer":   {`{"name":"a","max":"12"}`, parley.CodeInvalid, "max", `found a string "12"; it must be an integer`},
		"fraction for integer": {`{"name":"a","max":1.5}`, parley.CodeInvalid, "max", `found 1.5; it must be an integer`},
		"integer too large":    {`{"name":"a","big":9223372036854775808}`, parley.CodeInvalid, "big", "must be an integer"},
		"huge exponent":        {`{"name":"a","max":1e999999999}`, parley.CodeInvalid, "max", "must be an integer"},
		"number out of range":  {`{"name":"a","gain":1e400}`, parley.CodeInvalid, "gain", "out of range"},
		"boolean for string":   {`{"name":true}`, parley.CodeInvalid, "name", "found a boolean true; it must be a string"},
		"number for boolean":   {`{"name":"a","loud":1}`, parley.CodeInvalid, "loud", "found a number 1; it must be true or false"},
		"string for boolean":   {`{"name":"a","deaf":"true"}`, parley.CodeInvalid, "deaf", "must be true or false"},
		"object for string":    {`{"name":{"a":"b"}}`, parley.CodeInvalid, "name", "found an object; it must be a string"},
		"string for array":     {`{"name":"a","files":"x"}`, parley.CodeInvalid, "files", `found a string "x"; it must be an array of strings`},
		"number in array":      {`{"name":"a","files":["x",7]}`, parley.CodeInvalid, "files[1]", "found a number 7; it must be a string"},
		"null in array":        {`{"name":"a","files":[null]}`, parley.CodeInvalid, "files[0]", "found null"},
		"null":                 {`{"name":null}`, parley.CodeInvalid, "name", "found null; it must be a string"},
		"null for optional":    {`{"name":"a","max":null}`, parley.CodeInvalid, "max", "or be left out"},
		"no ID":                {`{"name":"a","call":"` + strings.ToUpper(id) + `"}`, parley.CodeInvalid, "call", "must be an ID"},
		"no ID in array":       {`{"name":"a","to":["` + id + `","7"]}`, parley.CodeInvalid, "to[1]", `found "7"`},
		"twice":                {`{"name":"a","name":"a"}`, parley.CodeInvalid, "name", "stands twice"},
		"twice, once escaped":  {`{"name":"a","\u006eame":"a"}`, parley.CodeInvalid, "name", "stands twice"},
		"twice inside":         {`{"name":{"x":1,"x":2}}`, parley.CodeInvalid, "name", `"x" stands twice`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := d.Decode([]byte(tt.body))
			faults, ok := errors.AsType[Faults](err)
			if !ok {
				t.Fatalf("got %+v, %v, want a fault", got, err)
			}
			if f := faults[0]; f.Code != tt.code || f.Field != tt.field || !strings.Contains(f.Message, tt.says) {
				t.Errorf("got %v, want %s about %q that says %q", f, tt.code, tt.field, tt.says)
			}
			if parley.CodeOf(err) != tt.code {
				t.Errorf("CodeOf gives %s, want %s", parley.CodeOf(err), tt.code)
			}
			if !reflect.DeepEqual(got, order{}) {
				t.Errorf("got %+v beside the fault", got)
			}
		})
	}
}

func TestDecodeTellsAllFaultsInOrder(t *testing.T) {
	_, err := New[order]().Decode([]byte(`{"max":"x","what":1,"files":[1,"a",true]}`))
	faults, _ := errors.AsType[Faults](err)
	var fields []string
	for _, f := range faults {
		fields = append(fields, f.Field)
	}
	if got, want := strings.Join(fields, " "), "max what files[0] files[2] name"; got != want {
		t.Errorf("faults about %s, want %s", got, want)
	}
}

func TestDecodeStopsAtManyFaults(t *testing.T) {
	body := `{"files":[` + strings.Repeat("1,", 10000) + `1]}`
	_, err := New[order]().Decode([]byte(body))
	if faults, _ := errors.AsType[Faults](err); len(faults) != maxFaults {
		t.Errorf("got %d faults, want %d", len(faults), maxFaults)
	}
}

func TestDecodeSyntax(t *testing.T) {
	tests := map[string]struct {
		body         string
		line, column int
		offset       int
		says         string
	}{
		"empty":               {"", 1, 1, 0, "expected a value, found the end"},
		"form":                {"name=a", 1, 1, 0, `expected a value, found "name="`},
		"unquoted name":       {`{name:"a"}`, 1, 2, 1, "expected a name in quotes, found 'n'"},
		"single quotes":       {`{'name':"a"}`, 1, 2, 1, "expected a name in quotes"},
		"second line":         {"{\n  \"name\": a}", 2, 11, 12, "found 'a'"},
		"after umlauts":       {`{"näme":"äö",}`, 1, 14, 16, "expected a name in quotes, found '}'"},
		"comma missing":       {`{"a":1 "b":2}`, 1, 8, 7, `expected ',' or '}', found '"'`},
		"colon missing":       {`{"a" 1}`, 1, 6, 5, "expected ':'"},
		"more behind":         {`{"name":"a"} {}`, 1, 14, 13, "expected the end, found '{'"},
		"cut short":           {`{"name":"a`, 1, 11, 10, "the string has no end"},
		"not UTF-8":           {"{\"name\":\"a\xff\"}", 1, 11, 10, "byte 0xff is not UTF-8"},
		"overlong UTF-8":      {"{\"name\":\"\xc0\xaf\"}", 1, 10, 9, "not UTF-8"},
		"surrogate in UTF-8":  {"{\"name\":\"\xed\xa0\x80\"}", 1, 10, 9, "not UTF-8"},
		"high surrogate":      {`{"name":"\ud83d"}`, 1, 10, 9, `\ud83d is half a surrogate pair`},
		"low surrogate":       {`{"name":"\ude00x"}`, 1, 10, 9, "half a surrogate pair"},
		"two high surrogates": {`{"name":"\ud83d\ud83d"}`, 1, 10, 9, "half a surrogate pair"},
		"bad escape":          {`{"name":"\x"}`, 1, 11, 10, "after \\, found 'x'"},
		"short \\u":           {`{"name":"\u12g4"}`, 1, 14, 13, "four hexadecimal digits"},
		"control character":   {"{\"name\":\"\n\"}", 1, 10, 9, "write it as \\u000a"},
		"leading zero":        {`{"max":01}`, 1, 9, 8, "does not begin with 0"},
		"NaN":                 {`{"max":NaN}`, 1, 8, 7, "expected a value"},
		"plus":                {`{"max":+1}`, 1, 8, 7, "expected a value"},
		"literal":             {`{"loud":tru}`, 1, 9, 8, `expected a value, found "tru}"`},
		"comment":             {`{/**/}`, 1, 2, 1, "expected a name"},
		"byte order mark":     {"\ufeff{}", 1, 1, 0, "byte order mark"},
		"too deep":            {strings.Repeat(`[`, 65), 1, 65, 64, "nested deeper than 64"},
		"too deep, unknown":   {`{"x":` + strings.Repeat(`{"x":`, 64) + `0` + strings.Repeat(`}`, 65), 1, 321, 320, "nested deeper than 64"},
		"wrong type before":   {`{"max":"x","name":}`, 1, 19, 18, "expected a value"},
	}
	d := New[order]()
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := d.Decode([]byte(tt.body))
			e, ok := errors.AsType[*SyntaxError](err)
			if !ok {
				t.Fatalf("got %v, want a syntax error", err)
			}
			if e.Line != tt.line || e.Column != tt.column || e.Offset != tt.offset || !strings.Contains(e.Reason, tt.says) {
				t.Errorf("got %v, want line %d, column %d, byte %d, %q", e, tt.line, tt.column, tt.offset, tt.says)
			}
		})
	}
}

func TestMessagesStaySmall(t *testing.T) {
	long := strings.Repeat("ä", 1<<18)
	for name, body := range map[string]string{
		"name":   `{"` + long + `":1}`,
		"value":  `{"name":"a","max":"` + long + `"}`,
		"ID":     `{"name":"a","call":"` + long + `"}`,
		"number": `{"name":"a","max":` + strings.Repeat("1", 1<<18) + `}`,
		"twice":  `{"` + long + `":1,"` + long + `":1}`,
	} {
		_, err := New[order]().Decode([]byte(body))
		if err == nil || len(err.Error()) > 1500 {
			t.Errorf("%s: error of %d bytes", name, len(err.Error()))
		}
	}
}

func TestNewRefusesOtherTypes(t *testing.T) {
	tests := map[string]func(){
		"map": func() {
			New[struct {
				M map[string]int `json:"m"`
			}]()
		},
		"struct": func() {
			New[struct {
				S struct{} `json:"s"`
			}]()
		},
		"array of numbers": func() {
			New[struct {
				A []int `json:"a"`
			}]()
		},
		"no name": func() { New[struct{ A int }]() },
	}
	for name, f := range tests {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("did not panic")
				}
			}()
			f()
		})
	}
}

// surrogates reports whether text may have an escape in the range of the
// surrogates, which encoding/json takes alone too.
func surrogates(text []byte) bool {
	return strings.Contains(strings.ToLower(string(text)), `\ud`)
}

// FuzzCheck holds Check against encoding/json: it accepts the same, but for
// what it refuses on purpose.
func FuzzCheck(f *testing.F) {
	for _, data := range suite(f) {
		if len(data) < 4096 {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		err := Check(data)
		_, syntax := errors.AsType[*SyntaxError](err)
		switch {
		case !syntax && !json.Valid(data):
			t.Errorf("%q: accepted, but is not JSON (%v)", data, err)
		case syntax && json.Valid(data) && utf8.Valid(data) && !surrogates(data) && !strings.Contains(err.Error(), "deeper"):
			t.Errorf("%q: %v, but is JSON", data, err)
		}
	})
}

// FuzzDecode holds the decoder against encoding/json: what it accepts means
// the same to both.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"name":"a","mode":"m","count":3,"max":-1,"big":9223372036854775807,"gain":-2.5e1,"loud":true,"deaf":false,"files":["x","y"],"some":[],"call":"` + id + `","to":["` + id + `"],"data":"d"}`))
	f.Add([]byte(`{"name":"\ud83d\ude00","data":null,"count":1e2}`))
	f.Add([]byte(`{"name":{"x":1,"x":[true,null]},"files":[1,"2"]}`))
	d := New[order]()
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := d.Decode(data)
		if err != nil {
			if !reflect.DeepEqual(got, order{}) {
				t.Errorf("%q: %+v beside %v", data, got, err)
			}
			return
		}
		// encoding/json knows 1e2 as no integer: those are compared as numbers.
		var want map[string]any
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatalf("%q: accepted, but %v", data, err)
		}
		if got.Name != want["name"] {
			t.Errorf("%q: name %q, want %q", data, got.Name, want["name"])
		}
		if n, ok := want["count"].(float64); ok && float64(got.Count) != n {
			t.Errorf("%q: count %d, want %v", data, got.Count, n)
		}
		if s, ok := want["data"].(string); ok != (got.Data != nil) || ok && *got.Data != s {
			t.Errorf("%q: data %v, want %q", data, got.Data, s)
		}
		if a, ok := want["files"].([]any); ok != (got.Files != nil) || len(a) != len(got.Files) {
			t.Errorf("%q: files %q, want %q", data, got.Files, a)
		}
	})
}
