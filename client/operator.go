package client

import (
	"context"
	"net/http"

	"parley"
)

// TrunkRequest makes a trunk, or replaces all of one.
type TrunkRequest struct {
	Name      string   `json:"name"`
	Host      string   `json:"host"`                // host or host:port
	Transport string   `json:"transport,omitempty"` // udp or tcp, default udp
	Username  string   `json:"username,omitempty"`
	Password  string   `json:"password,omitempty"`
	From      string   `json:"from,omitempty"`     // user part of From on calls through it
	Prefixes  []string `json:"prefixes,omitempty"` // of the numbers that it takes; none for every number
	Strip     int      `json:"strip,omitempty"`    // how many leading characters are removed
	Prepend   string   `json:"prepend,omitempty"`
	Addresses []string `json:"addresses,omitempty"` // from which it calls us
}

// Trunk is a way to the telephone network; its Password is never shown.
type Trunk struct {
	parley.Trunk
	PasswordSet bool `json:"password_set"`
}

// CreateTrunk makes a trunk.
func (c *Client) CreateTrunk(ctx context.Context, r TrunkRequest) (Trunk, error) {
	return post[Trunk](ctx, c, path("trunks"), r)
}

// Trunks lists trunks.
func (c *Client) Trunks(ctx context.Context, o ListOptions) (Page[Trunk], error) {
	return get[Page[Trunk]](ctx, c, path("trunks"), o.query())
}

// Trunk gives one trunk.
func (c *Client) Trunk(ctx context.Context, id parley.ID) (Trunk, error) {
	return get[Trunk](ctx, c, path("trunks", string(id)), nil)
}

// ReplaceTrunk replaces all of a trunk's settings, the password too.
func (c *Client) ReplaceTrunk(ctx context.Context, id parley.ID, r TrunkRequest) (Trunk, error) {
	return change[Trunk](ctx, c, http.MethodPut, path("trunks", string(id)), r)
}

// DeleteTrunk deletes a trunk.
func (c *Client) DeleteTrunk(ctx context.Context, id parley.ID) error {
	return c.remove(ctx, path("trunks", string(id)), nil)
}

// CreateApplication makes an application; it needs an operator's key.
func (c *Client) CreateApplication(ctx context.Context, name string) (parley.Application, error) {
	body := struct {
		Name string `json:"name"`
	}{name}
	return post[parley.Application](ctx, c, path("applications"), body)
}

// Applications lists applications; it needs an operator's key.
func (c *Client) Applications(ctx context.Context, o ListOptions) (Page[parley.Application], error) {
	return get[Page[parley.Application]](ctx, c, path("applications"), o.query())
}

// Key is an API key.
type Key struct {
	ID          parley.ID     `json:"id"`
	Application parley.ID     `json:"application"`
	Hint        string        `json:"hint"` // its first characters
	Operator    bool          `json:"operator"`
	CreateTime  parley.Millis `json:"create_time"`
	Key         string        `json:"key"` // the key itself, only in CreateKey's answer
}

// CreateKey makes a key for an application, the client's own if that is empty;
// it needs an operator's key.
func (c *Client) CreateKey(ctx context.Context, application parley.ID, operator bool) (Key, error) {
	body := struct {
		Application parley.ID `json:"application,omitempty"`
		Operator    bool      `json:"operator,omitempty"`
	}{application, operator}
	return post[Key](ctx, c, path("keys"), body)
}

// Keys lists keys, those of one application if that is not empty; it needs an
// operator's key.
func (c *Client) Keys(ctx context.Context, application parley.ID, o ListOptions) (Page[Key], error) {
	q := o.query()
	setText(q, "application", application)
	return get[Page[Key]](ctx, c, path("keys"), q)
}

// DeleteKey makes a key invalid; it needs an operator's key.
func (c *Client) DeleteKey(ctx context.Context, id parley.ID) error {
	return c.remove(ctx, path("keys", string(id)), nil)
}
