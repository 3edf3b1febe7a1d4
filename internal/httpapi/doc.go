// Package httpapi is the REST edge: it decodes a request, calls one method of
// the use cases and encodes what comes of it. It takes no decision.
//
// A route is a Go value: method, path, words for the documentation, the Go
// types of parameters, body and answer, and the function between them. The
// router, the strict decoding and the OpenAPI document are all made from it, so
// that they cannot differ. Documents and schemas are huma's; its decoding is
// not used, as it lets pass what must be refused here (see strictjson) and
// keeps the form of its errors in package variables.
//
// Every answer that is not a success is an application/problem+json document
// (RFC 9457) with a stable code.
package httpapi
