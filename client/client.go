// Package client is parley's API from Go: one method for each call, errors with
// the API's stable codes, the event stream with resumption, and the check of a
// webhook's signature.
//
//	api := client.New("http://127.0.0.1:8080", key)
//	conf, err := api.CreateConference(ctx, client.ConferenceRequest{Name: "weekly"})
//
// Records are the types of the package parley; a pointer in a request that is
// nil leaves the field to its default.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"parley"
)

// Client calls the API of one server with one key. It is safe for concurrent
// use.
type Client struct {
	base string
	key  string
	once string // Idempotency-Key of POSTs, empty for none
	http *http.Client
}

// Option changes how a Client works.
type Option func(*Client)

// HTTPClient makes a Client use h instead of http.DefaultClient. A Timeout of h
// cuts downloads and event streams too; deadlines belong into contexts.
func HTTPClient(h *http.Client) Option {
	return func(c *Client) { c.http = h }
}

// New makes a client of the server at baseURL, such as "http://127.0.0.1:8080".
func New(baseURL, key string, options ...Option) *Client {
	c := &Client{base: strings.TrimSuffix(baseURL, "/"), key: key, http: http.DefaultClient}
	for _, o := range options {
		o(c)
	}
	return c
}

// Once is the same client with an Idempotency-Key on its POSTs: a call that is
// made again with it is not done again, but gets the first one's answer. Take
// a new key, of at most 255 visible ASCII characters, for each thing to be done.
func (c *Client) Once(idempotencyKey string) *Client {
	other := *c
	other.once = idempotencyKey
	return &other
}

// Page is one page of a list; an empty NextCursor means that it was the last.
type Page[T any] struct {
	Items      []T    `json:"items"`
	NextCursor string `json:"next_cursor"`
}

// ListOptions chooses a page of a list.
type ListOptions struct {
	Limit  int    // 1 to 1000, 0 for the server's default of 100
	Cursor string // NextCursor of the page before, empty for the first page
	State  string // only records in that state, empty for all; not for every list
}

func (o ListOptions) query() url.Values {
	q := url.Values{}
	setCount(q, "limit", o.Limit)
	setText(q, "cursor", o.Cursor)
	setText(q, "state", o.State)
	return q
}

func setText[T ~string](q url.Values, name string, value T) {
	if value != "" {
		q.Set(name, string(value))
	}
}

func setCount[T int | parley.Millis](q url.Values, name string, value T) {
	if value != 0 {
		q.Set(name, strconv.FormatInt(int64(value), 10))
	}
}

// path joins the segments of a path, escaped.
func path(segments ...string) string {
	for i, s := range segments {
		segments[i] = url.PathEscape(s)
	}
	return "/v1/" + strings.Join(segments, "/")
}

// request makes a request with a JSON body, none for nil.
func (c *Client) request(ctx context.Context, method, path string, query url.Values, body any) (*http.Request, error) {
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encode the request: %w", err)
		}
		r = bytes.NewReader(b)
	}
	req, err := c.raw(ctx, method, path, query, r)
	if err == nil && body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, err
}

// raw makes a request with a body of any kind.
func (c *Client) raw(ctx context.Context, method, path string, query url.Values, body io.Reader) (*http.Request, error) {
	target := c.base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	if method == http.MethodPost && c.once != "" {
		req.Header.Set("Idempotency-Key", c.once)
	}
	return req, nil
}

// send gives the answer of a request if it is a success, else an *Error. The
// caller closes the body.
func (c *Client) send(req *http.Request) (*http.Response, error) {
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer drain(resp)
	return nil, errorOf(resp)
}

// drain reads what is left of a body, so that the connection can be used again.
func drain(resp *http.Response) {
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16)) // if that fails, a new connection is made
	_ = resp.Body.Close()
}

// call makes a request and decodes its answer into out, nil for none.
func (c *Client) call(ctx context.Context, method, path string, query url.Values, body, out any) error {
	req, err := c.request(ctx, method, path, query, body)
	if err != nil {
		return err
	}
	return c.finish(req, out)
}

func (c *Client) finish(req *http.Request, out any) error {
	resp, err := c.send(req)
	if err != nil {
		return err
	}
	defer drain(resp)
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("%s %s: the answer cannot be read: %w", req.Method, req.URL.Path, err)
	}
	return nil
}

func get[T any](ctx context.Context, c *Client, path string, query url.Values) (T, error) {
	var out T
	err := c.call(ctx, http.MethodGet, path, query, nil, &out)
	return out, err
}

func post[T any](ctx context.Context, c *Client, path string, body any) (T, error) {
	var out T
	err := c.call(ctx, http.MethodPost, path, nil, body, &out)
	return out, err
}

// change is a PATCH or PUT.
func change[T any](ctx context.Context, c *Client, method, path string, body any) (T, error) {
	var out T
	err := c.call(ctx, method, path, nil, body, &out)
	return out, err
}

func (c *Client) remove(ctx context.Context, path string, query url.Values) error {
	return c.call(ctx, http.MethodDelete, path, query, nil, nil)
}
