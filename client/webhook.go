package client

import (
	"context"
	"net/http"

	"parley"
)

// WebhookRequest makes a webhook.
type WebhookRequest struct {
	URL    string               `json:"url"`
	Format parley.WebhookFormat `json:"format,omitempty"` // default full
	Events []string             `json:"events,omitempty"` // default: the six of the specification and conf.join.fail
	Secret string               `json:"secret,omitempty"` // whsec_…; made when empty
}

// Webhook is where events go.
type Webhook struct {
	ID         parley.ID            `json:"id"`
	URL        string               `json:"url"`
	Format     parley.WebhookFormat `json:"format"`
	Events     []string             `json:"events"`
	Disabled   bool                 `json:"disabled"`
	Reason     string               `json:"reason"` // why it is disabled
	SecretHint string               `json:"secret_hint"`
	Secret     string               `json:"secret"` // only in the answer to the request that made it
	CreateTime parley.Millis        `json:"create_time"`
}

// CreateWebhook makes a webhook; it gets the events from now on.
func (c *Client) CreateWebhook(ctx context.Context, r WebhookRequest) (Webhook, error) {
	return post[Webhook](ctx, c, path("webhooks"), r)
}

// Webhooks lists webhooks.
func (c *Client) Webhooks(ctx context.Context, o ListOptions) (Page[Webhook], error) {
	return get[Page[Webhook]](ctx, c, path("webhooks"), o.query())
}

// Webhook gives one webhook.
func (c *Client) Webhook(ctx context.Context, id parley.ID) (Webhook, error) {
	return get[Webhook](ctx, c, path("webhooks", string(id)), nil)
}

// WebhookPatch changes what is not nil.
type WebhookPatch struct {
	URL          *string               `json:"url,omitempty"`
	Format       *parley.WebhookFormat `json:"format,omitempty"`
	Events       *[]string             `json:"events,omitempty"`
	Disabled     *bool                 `json:"disabled,omitempty"`
	RotateSecret bool                  `json:"rotate_secret,omitempty"` // the old secret signs too until the next rotation
}

// UpdateWebhook changes a webhook; with RotateSecret the answer has the new
// secret.
func (c *Client) UpdateWebhook(ctx context.Context, id parley.ID, p WebhookPatch) (Webhook, error) {
	return change[Webhook](ctx, c, http.MethodPatch, path("webhooks", string(id)), p)
}

// DeleteWebhook deletes a webhook.
func (c *Client) DeleteWebhook(ctx context.Context, id parley.ID) error {
	return c.remove(ctx, path("webhooks", string(id)), nil)
}

// DeliveryOptions chooses a page of a webhook's deliveries.
type DeliveryOptions struct {
	EventID string // only this event's, empty for all
	State   parley.DeliveryState
	Limit   int // 1 to 1000, 0 for 100
	Cursor  string
}

// Deliveries lists how a webhook's deliveries went, newest first.
func (c *Client) Deliveries(ctx context.Context, webhook parley.ID, o DeliveryOptions) (Page[parley.Delivery], error) {
	q := ListOptions{Limit: o.Limit, Cursor: o.Cursor, State: string(o.State)}.query()
	setText(q, "event_id", o.EventID)
	return get[Page[parley.Delivery]](ctx, c, path("webhooks", string(webhook), "deliveries"), q)
}

// ReplayRequest says which events are sent again: one by EventID, those of a
// conference from FromSeq to ToSeq, or all dead letters.
type ReplayRequest struct {
	EventID    string    `json:"event_id,omitempty"`
	Conference parley.ID `json:"conference,omitempty"`
	FromSeq    int64     `json:"from_seq,omitempty"`
	ToSeq      int64     `json:"to_seq,omitempty"` // 0 for the last
	Dead       bool      `json:"dead,omitempty"`
}

// Replay sends events again and gives their number. They keep their event_id.
func (c *Client) Replay(ctx context.Context, webhook parley.ID, r ReplayRequest) (int, error) {
	out, err := post[struct {
		Events int `json:"events"`
	}](ctx, c, path("webhooks", string(webhook), "replay"), r)
	return out.Events, err
}
