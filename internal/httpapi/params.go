package httpapi

import (
	"fmt"
	"maps"
	"math"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"parley"
	"parley/internal/strictjson"
)

// params decodes the query of a URL into the struct P. Its fields have their
// names from the tag query and are strings, IDs, counts (int, from 1), points
// in time and *bool. A parameter without a value is as if it were not there; an
// unknown one is an error, so that a misspelt filter does not show everything.
type params[P any] struct {
	fields []reflect.StructField
	names  []string
}

func newParams[P any]() params[P] {
	p := params[P]{fields: paramFields(reflect.TypeFor[P]())}
	for _, f := range p.fields {
		p.names = append(p.names, f.Tag.Get("query"))
	}
	return p
}

// paramFields are the fields of t that are parameters, those of embedded
// structs too.
func paramFields(t reflect.Type) []reflect.StructField {
	return slices.DeleteFunc(reflect.VisibleFields(t), func(f reflect.StructField) bool { return f.Anonymous })
}

// decode reads a query. Its error is strictjson.Faults.
func (ps params[P]) decode(query string) (P, error) {
	var p, none P
	values, err := url.ParseQuery(query)
	if err != nil {
		return none, strictjson.Faults{parley.Errorf(parley.CodeInvalid, "the query of the URL cannot be read: %v", err)}
	}
	var faults strictjson.Faults
	for _, name := range slices.Sorted(maps.Keys(values)) {
		given := values[name]
		i := slices.Index(ps.names, name)
		switch {
		case i < 0:
			faults = append(faults, parley.FieldErrorf(parley.CodeUnknownField, clip(name), "there is no such parameter here; there are %s", joined(ps.names)))
		case len(given) > 1:
			faults = append(faults, parley.FieldErrorf(parley.CodeInvalid, name, "is given %d times", len(given)))
		case given[0] == "":
		default:
			if says := setParam(reflect.ValueOf(&p).Elem().FieldByIndex(ps.fields[i].Index), given[0]); says != "" {
				faults = append(faults, parley.FieldErrorf(parley.CodeInvalid, name, "found %q; it must be %s", clip(given[0]), says))
			}
		}
		if len(faults) == maxQueryFaults {
			break
		}
	}
	if len(faults) > 0 {
		return none, faults
	}
	return p, nil
}

// maxQueryFaults bounds what is told of a query.
const maxQueryFaults = 20

// setParam sets dst; it gives what the text should be if it cannot.
func setParam(dst reflect.Value, text string) (wants string) {
	switch v := dst.Addr().Interface().(type) {
	case *string:
		*v = text
	case *parley.EventType:
		*v = parley.EventType(text)
	case *parley.DeliveryState:
		*v = parley.DeliveryState(text)
	case *parley.ID:
		if *v = parley.ID(text); !v.Valid() {
			return "an ID, 32 lower-case hexadecimal digits"
		}
	case *int:
		n, err := strconv.ParseUint(text, 10, 31)
		if err != nil || n == 0 {
			return "an integer from 1"
		}
		*v = int(n)
	case *parley.Millis:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 1 || n == math.MaxInt64 {
			return "a Unix time in milliseconds"
		}
		*v = parley.Millis(n)
	case **bool:
		if text != "true" && text != "false" {
			return "true or false"
		}
		*v = new(text == "true")
	default:
		panic(fmt.Sprintf("httpapi: a parameter of type %s", dst.Type()))
	}
	return ""
}

func joined(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// clip shortens what a client sent, for messages.
func clip(s string) string {
	if len(s) <= 80 {
		return s
	}
	return strings.ToValidUTF8(s[:80], "") + "…"
}
