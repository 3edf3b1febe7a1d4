package strictjson

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"parley"
)

// field is what is known of one field of a struct.
type field struct {
	name     string
	wants    string // in words, what its value must be
	required bool
	nullable bool
}

func fieldsOf(t reflect.Type) []field {
	fields := make([]field, t.NumField())
	for i := range fields {
		sf := t.Field(i)
		name, option, _ := strings.Cut(sf.Tag.Get("json"), ",")
		f := field{name: name, required: option != "omitempty", nullable: sf.Tag.Get("nullable") == "true"}
		if f.wants = wants(sf.Type); f.wants == "" || name == "" {
			panic(fmt.Sprintf("strictjson: %s.%s: no such field can be read", t, sf.Name))
		}
		fields[i] = f
	}
	return fields
}

// wants says in words what a value of type t is written as, empty for a type
// that is not read.
func wants(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[parley.ID]():
		return "an ID, 32 lower-case hexadecimal digits"
	case t.Kind() == reflect.Pointer && t.Elem().Kind() != reflect.Pointer:
		return wants(t.Elem())
	case t.Kind() == reflect.String:
		return "a string"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Int || t.Kind() == reflect.Int64:
		return "an integer"
	case t.Kind() == reflect.Float64:
		return "a number"
	case t == reflect.TypeFor[[]parley.ID]():
		return "an array of IDs"
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.String:
		return "an array of strings"
	}
	return ""
}

func names(fields []field) string {
	if len(fields) == 0 {
		return "none"
	}
	all := make([]string, len(fields))
	for i, f := range fields {
		all[i] = f.name
	}
	return strings.Join(all, ", ")
}

// value reads the value of f into dst; what is not of the right type is
// skipped and noted.
func (r *reader) value(f field, dst reflect.Value, path string) error {
	if r.peek() == 'n' {
		if err := r.literal("null"); err != nil || f.nullable {
			return err
		}
		return r.fault(parley.CodeInvalid, path, "found null; it must be %s, or be left out", f.wants)
	}
	if dst.Kind() == reflect.Pointer {
		dst.Set(reflect.New(dst.Type().Elem()))
		dst = dst.Elem()
	}
	switch c := r.peek(); {
	case c == '"' && dst.Kind() == reflect.String:
		return r.stringValue(dst, path)
	case c == '[' && dst.Kind() == reflect.Slice:
		return r.arrayValue(dst, path)
	case c == 't' && dst.Kind() == reflect.Bool:
		dst.SetBool(true)
		return r.literal("true")
	case c == 'f' && dst.Kind() == reflect.Bool:
		return r.literal("false")
	case (c == '-' || c >= '0' && c <= '9') && (dst.CanInt() || dst.CanFloat()):
		return r.numberValue(f, dst, path)
	}
	return r.mismatch(f, path)
}

// mismatch skips a value of another type than f wants and shows its beginning.
func (r *reader) mismatch(f field, path string) error {
	kind, begin := r.kind(), r.pos
	if err := r.skip(path); err != nil {
		return err
	}
	if kind != "an object" && kind != "an array" {
		kind += " " + clip(string(r.data[begin:r.pos]), 40)
	}
	return r.fault(parley.CodeInvalid, path, "found %s; it must be %s", kind, f.wants)
}

func (r *reader) stringValue(dst reflect.Value, path string) error {
	text, err := r.text()
	if err != nil {
		return err
	}
	if dst.Type() == reflect.TypeFor[parley.ID]() && !parley.ID(text).Valid() {
		return r.fault(parley.CodeInvalid, path, "found %q; it must be an ID, 32 lower-case hexadecimal digits", clip(text, 40))
	}
	dst.SetString(text)
	return nil
}

func (r *reader) arrayValue(dst reflect.Value, path string) error {
	elem := field{wants: wants(dst.Type().Elem())}
	values := reflect.MakeSlice(dst.Type(), 0, 0)
	one := reflect.New(dst.Type().Elem()).Elem()
	err := r.list(']', func() error {
		one.SetZero()
		if err := r.value(elem, one, fmt.Sprintf("%s[%d]", path, values.Len())); err != nil {
			return err
		}
		values = reflect.Append(values, one)
		return nil
	})
	dst.Set(values)
	return err
}

func (r *reader) numberValue(f field, dst reflect.Value, path string) error {
	text, err := r.number()
	if err != nil {
		return err
	}
	if dst.CanFloat() {
		x, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return r.fault(parley.CodeInvalid, path, "found %s, which is out of range", clip(text, 40))
		}
		dst.SetFloat(x)
		return nil
	}
	n, ok := integer(text)
	if !ok || dst.OverflowInt(n) {
		return r.fault(parley.CodeInvalid, path, "found %s; it must be %s", clip(text, 40), f.wants)
	}
	dst.SetInt(n)
	return nil
}

// integer is the value of a number that is an integer, however written: 100,
// 100.0 and 1e2 are one. Beyond 2^53 only the first way is exact and accepted.
func integer(text string) (int64, bool) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, true
	}
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || x != math.Trunc(x) || math.Abs(x) > 1<<53 {
		return 0, false
	}
	return int64(x), true
}
