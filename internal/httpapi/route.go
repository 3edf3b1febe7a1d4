package httpapi

import (
	"net/http"
	"reflect"

	"parley"
	"parley/internal/strictjson"
)

// meta is what a route is called and what is said about it.
type meta struct {
	method, path string
	id           string // operationId
	tag          string
	summary      string
	description  string
	status       int  // of a success
	operator     bool // only for an operator's key
	// codes are the errors of its own, beside those of every route.
	codes []parley.Code
	// rest: the last wildcard of path takes what follows, slashes too.
	rest bool
}

// route is one method of one path.
type route struct {
	meta
	query, body, view reflect.Type // nil where there is none
	// content describes a body or answer that is not JSON.
	content *content
	serve   func(e *edge, w *writer, q *request) error
}

// none stands for parameters, a body or an answer that there are not.
type none struct{}

// located is an answer that has a path of its own, for Location.
type located interface{ location() string }

// keepable is an answer that is kept for an Idempotency-Key in another form.
type keepable interface{ kept() any }

// endpoint is a route that takes parameters P and a JSON body B and answers
// with V; any of them may be none.
func endpoint[P, B, V any](m meta, do func(q *request, p P, b B) (V, error)) route {
	params, decoder := newParams[P](), strictjson.New[B]()
	r := route{meta: m, query: typeOf[P](), body: typeOf[B](), view: typeOf[V]()}
	r.serve = func(e *edge, w *writer, q *request) error {
		p, err := params.decode(q.URL.RawQuery)
		if err != nil {
			return err
		}
		var b B
		if r.body != nil {
			if err := q.readBody(w); err != nil {
				return err
			}
			if b, err = decodeBody(decoder, q); err != nil {
				return err
			}
		}
		return e.answer(w, q, m, func() (any, error) { return do(q, p, b) })
	}
	return r
}

// get is a route that only reads.
func get[P, V any](m meta, do func(q *request, p P) (V, error)) route {
	m.method, m.status = http.MethodGet, http.StatusOK
	return endpoint(m, func(q *request, p P, _ none) (V, error) { return do(q, p) })
}

// post is a route that makes something; its status is 201 unless m has one.
func post[B, V any](m meta, do func(q *request, b B) (V, error)) route {
	m.method = http.MethodPost
	if m.status == 0 {
		m.status = http.StatusCreated
	}
	return endpoint(m, func(q *request, _ none, b B) (V, error) { return do(q, b) })
}

// change is a PATCH or PUT.
func change[B, V any](m meta, do func(q *request, b B) (V, error)) route {
	m.status = http.StatusOK
	return endpoint(m, func(q *request, _ none, b B) (V, error) { return do(q, b) })
}

// remove is a DELETE that leaves nothing to show.
func remove[P any](m meta, do func(q *request, p P) error) route {
	m.method, m.status = http.MethodDelete, http.StatusNoContent
	return endpoint(m, func(q *request, p P, _ none) (none, error) { return none{}, do(q, p) })
}

// typeOf is T's type, nil for none.
func typeOf[T any]() reflect.Type {
	if t := reflect.TypeFor[T](); t != reflect.TypeFor[none]() {
		return t
	}
	return nil
}
