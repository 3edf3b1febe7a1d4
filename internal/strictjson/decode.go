package strictjson

import (
	"errors"
	"fmt"
	"reflect"

	"parley"
)

// Decoder reads objects into values of the struct type T.
//
// A field of T has its name from the json tag. It is required unless the tag
// says omitempty. null is a fault, unless the field's tag says
// nullable:"true": then it is as if the field were not there. Its type is a
// string type, bool, int, int64, float64, a slice of a string type, or a pointer
// to one of these; of parley.ID, what is no ID is a fault.
type Decoder[T any] struct {
	fields []field
}

// New makes the decoder for T. It panics if T is no struct or has a field of
// another type than Decoder says: a fault of the program, seen when it starts.
func New[T any]() Decoder[T] {
	return Decoder[T]{fields: fieldsOf(reflect.TypeFor[T]())}
}

// Decode reads data, which is one JSON object. Its error is a *SyntaxError or
// Faults.
func (d Decoder[T]) Decode(data []byte) (T, error) {
	var v, none T
	r := reader{scanner: scanner{data: data}, fields: d.fields}
	if err := r.document(reflect.ValueOf(&v).Elem()); err != nil {
		return none, err
	}
	return v, nil
}

// Check reports whether data is one JSON text, of any type, in which no name
// stands twice. Its error is a *SyntaxError or Faults.
func Check(data []byte) error {
	r := reader{scanner: scanner{data: data}}
	return r.document(reflect.Value{})
}

// reader fills one struct. A zero reflect.Value takes any value and forgets it.
type reader struct {
	scanner
	fields []field
	depth  int
	faults Faults
}

// errEnough ends the reading when maxFaults are known.
var errEnough = errors.New("too many faults")

// document reads all of the data into dst.
func (r *reader) document(dst reflect.Value) error {
	err := r.wholeText(dst)
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	if len(r.faults) > 0 {
		return r.faults
	}
	return nil
}

func (r *reader) wholeText(dst reflect.Value) error {
	if len(r.data) >= 3 && string(r.data[:3]) == "\xef\xbb\xbf" {
		return r.fail("a byte order mark is not allowed")
	}
	r.space()
	if err := r.top(dst); err != nil {
		return err
	}
	r.space()
	if r.pos < len(r.data) {
		return r.fail("expected the end, found %s", r.found())
	}
	return nil
}

// top reads the outermost value, an object if dst is to be filled.
func (r *reader) top(dst reflect.Value) error {
	if !dst.IsValid() {
		return r.skip("")
	}
	if r.peek() == '{' {
		return r.object(dst)
	}
	kind := r.kind()
	if err := r.skip(""); err != nil {
		return err
	}
	return r.fault(parley.CodeInvalid, "", "the body is %s; it must be an object", kind)
}

// object reads the outermost object into the struct dst.
func (r *reader) object(dst reflect.Value) error {
	seen := make([]bool, len(r.fields))
	err := r.members("", func(name string) error {
		for i, f := range r.fields {
			if f.name == name {
				seen[i] = true
				return r.value(f, dst.Field(i), name)
			}
		}
		name = clip(name, 60)
		if err := r.fault(parley.CodeUnknownField, name, "there is no field %q here; the fields are %s", name, names(r.fields)); err != nil {
			return err
		}
		return r.skip(name)
	})
	if err != nil {
		return err
	}
	for i, f := range r.fields {
		if f.required && !seen[i] {
			if err := r.fault(parley.CodeInvalid, f.name, "is missing; it must be %s", f.wants); err != nil {
				return err
			}
		}
	}
	return nil
}

// members reads an object and calls each at the beginning of every value. path
// is where the object stands.
func (r *reader) members(path string, each func(name string) error) error {
	names := make(map[string]struct{})
	return r.list('}', func() error {
		if r.peek() != '"' {
			return r.fail("expected a name in quotes, found %s", r.found())
		}
		name, err := r.text()
		if err != nil {
			return err
		}
		if _, twice := names[name]; twice {
			field := path
			if field == "" {
				field = clip(name, 60)
			}
			if err := r.fault(parley.CodeInvalid, field, "the name %q stands twice in the object", clip(name, 60)); err != nil {
				return err
			}
		}
		names[name] = struct{}{}
		r.space()
		if r.peek() != ':' {
			return r.fail("expected ':' after a name, found %s", r.found())
		}
		r.pos++
		r.space()
		return each(name)
	})
}

// list reads what stands between brackets, separated by commas. The opening
// one is next.
func (r *reader) list(closing byte, item func() error) error {
	if r.depth++; r.depth > MaxDepth {
		return r.fail("nested deeper than %d", MaxDepth)
	}
	r.pos++
	r.space()
	if r.peek() == closing {
		r.pos++
		r.depth--
		return nil
	}
	for {
		if err := item(); err != nil {
			return err
		}
		r.space()
		switch r.peek() {
		case ',':
			r.pos++
			r.space()
		case closing:
			r.pos++
			r.depth--
			return nil
		default:
			return r.fail("expected ',' or '%c', found %s", closing, r.found())
		}
	}
}

// skip reads any value and forgets it. path is the field that it belongs to.
func (r *reader) skip(path string) error {
	var err error
	switch c := r.peek(); {
	case c == '{':
		return r.members(path, func(string) error { return r.skip(path) })
	case c == '[':
		return r.list(']', func() error { return r.skip(path) })
	case c == '"':
		_, err = r.text()
	case c == '-' || c >= '0' && c <= '9':
		_, err = r.number()
	case c == 't':
		return r.literal("true")
	case c == 'f':
		return r.literal("false")
	case c == 'n':
		return r.literal("null")
	default:
		return r.fail("expected a value, found %s", r.found())
	}
	return err
}

// kind describes the value that is next, for messages.
func (r *reader) kind() string {
	switch c := r.peek(); {
	case c == '{':
		return "an object"
	case c == '[':
		return "an array"
	case c == '"':
		return "a string"
	case c == 't' || c == 'f':
		return "a boolean"
	case c == 'n':
		return "null"
	}
	return "a number"
}

// fault notes what is wrong with a field; its error is errEnough.
func (r *reader) fault(code parley.Code, field, format string, args ...any) error {
	r.faults = append(r.faults, &parley.Error{Code: code, Field: field, Message: fmt.Sprintf(format, args...)})
	if len(r.faults) >= maxFaults {
		return errEnough
	}
	return nil
}
