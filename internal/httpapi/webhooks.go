package httpapi

import (
	"net/http"

	"parley"
	"parley/internal/control"
)

// newWebhook makes a webhook.
type newWebhook struct {
	URL    string               `json:"url" doc:"where events are posted to, http or https" example:"https://example.com/events"`
	Format parley.WebhookFormat `json:"format,omitempty" enum:"full,seed" default:"full" doc:"full: every field; seed: the specification's fields alone" example:"full"`
	Events []string             `json:"events,omitempty" doc:"the event types that it gets, or *; none for the six of the specification and conf.join.fail" example:"[\"*\"]"`
	Secret string               `json:"secret,omitempty" doc:"signs the deliveries: whsec_ and the base64 of 24 to 64 bytes; made if left out"`
}

// webhookChange changes what is named.
type webhookChange struct {
	URL          *string               `json:"url,omitempty" doc:"where events are posted to"`
	Format       *parley.WebhookFormat `json:"format,omitempty" enum:"full,seed" doc:"full or seed"`
	Events       *[]string             `json:"events,omitempty" doc:"the event types that it gets, or *"`
	Disabled     *bool                 `json:"disabled,omitempty" doc:"true: nothing is sent; false: everything since is sent in order" example:"false"`
	RotateSecret bool                  `json:"rotate_secret,omitempty" doc:"make a new secret; the old one signs too until the next rotation" example:"true"`
}

// webhookView is a webhook as it is shown; its secret only to whom made it.
type webhookView struct {
	ID         parley.ID            `json:"id" doc:"the webhook" example:"0197c2f3a1b67ccc8123456789abcdef"`
	URL        string               `json:"url" doc:"where events are posted to" example:"https://example.com/events"`
	Format     parley.WebhookFormat `json:"format" enum:"full,seed" doc:"full or seed" example:"full"`
	Events     []string             `json:"events" doc:"the event types that it gets, or *" example:"[\"*\"]"`
	Disabled   bool                 `json:"disabled" doc:"nothing is sent" example:"false"`
	Reason     *string              `json:"reason" doc:"why it is disabled: gone (the receiver answered 410) or api; null when it is not"`
	SecretHint string               `json:"secret_hint" doc:"the beginning of the secret that signs" example:"whsec_MfKQ…"`
	Secret     string               `json:"secret,omitempty" doc:"the secret that signs; only in the answer to the request that made it" example:"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"`
	CreateTime parley.Millis        `json:"create_time" doc:"when it was made, Unix milliseconds" example:"1751364000000"`
}

func (v webhookView) location() string { return "/v1/webhooks/" + string(v.ID) }

// hintLen is how much of a secret is shown: whsec_ and four characters.
const hintLen = 10

func showWebhook(w parley.Webhook) webhookView {
	v := webhookView{
		ID: w.ID, URL: w.URL, Format: w.Format, Events: w.Events, Disabled: w.Disabled, Reason: orNull(w.Reason), CreateTime: w.CreateTime,
	}
	if len(v.Events) == 0 {
		for _, t := range parley.DefaultEventTypes() {
			v.Events = append(v.Events, string(t))
		}
	}
	if len(w.Secrets) > 0 && len(w.Secrets[0]) > hintLen {
		v.SecretHint = w.Secrets[0][:hintLen] + "…"
	}
	return v
}

// showSecret is showWebhook for whom made the secret.
func showSecret(w parley.Webhook) webhookView {
	v := showWebhook(w)
	if len(w.Secrets) > 0 {
		v.Secret = w.Secrets[0]
	}
	return v
}

// deliveryListing selects deliveries.
type deliveryListing struct {
	listing
	EventID string               `query:"event_id" doc:"only this event's"`
	State   parley.DeliveryState `query:"state" enum:"pending,succeeded,dead" doc:"only what is in this state"`
}

// deliveryView is one event's way to one webhook as it is shown.
type deliveryView struct {
	Webhook    parley.ID            `json:"webhook" doc:"the webhook" example:"0197c2f3a1b67ccc8123456789abcdef"`
	EventID    string               `json:"event_id" doc:"the event" example:"evt_0197c2f3a1b27def8123456789abcdef_7"`
	Stream     parley.ID            `json:"stream" doc:"the conference, or for call.* events the call" example:"0197c2f3a1b27def8123456789abcdef"`
	Seq        int64                `json:"seq" doc:"the event's" example:"7"`
	EventType  parley.EventType     `json:"event" doc:"its type" example:"conf.joined"`
	State      parley.DeliveryState `json:"state" enum:"pending,succeeded,dead" doc:"dead: refused for good; it can be replayed" example:"succeeded"`
	Attempts   int                  `json:"attempts" doc:"how often it was sent" example:"1"`
	LastStatus *int                 `json:"last_status" doc:"the HTTP status of the last answer; null where there was none" example:"204"`
	LastError  *string              `json:"last_error" doc:"why there was no answer; null where there was one"`
	LatencyMS  int64                `json:"latency_ms" doc:"of the last attempt" example:"12"`
	Response   *string              `json:"response" doc:"the beginning of the last answer's body; null for none"`
	FirstTime  parley.Millis        `json:"first_time" nullable:"true" doc:"of the first attempt" example:"1751364004205"`
	LastTime   parley.Millis        `json:"last_time" nullable:"true" doc:"of the last attempt" example:"1751364004205"`
	NextTime   parley.Millis        `json:"next_time" nullable:"true" doc:"of the next attempt; null if none is planned"`
}

func showDelivery(d parley.Delivery) deliveryView {
	return deliveryView{
		Webhook: d.Webhook, EventID: d.EventID, Stream: d.Stream, Seq: d.Seq, EventType: d.EventType, State: d.State, Attempts: d.Attempts,
		LastStatus: orNull(d.LastStatus), LastError: orNull(d.LastError), LatencyMS: d.LatencyMS, Response: orNull(d.Response),
		FirstTime: d.FirstTime, LastTime: d.LastTime, NextTime: d.NextTime,
	}
}

// replay says which events are sent again.
type replay struct {
	EventID    string    `json:"event_id,omitempty" doc:"this event" example:"evt_0197c2f3a1b27def8123456789abcdef_7"`
	Conference parley.ID `json:"conference,omitempty" doc:"this conference's events, from_seq to to_seq"`
	FromSeq    int64     `json:"from_seq,omitempty" minimum:"1" doc:"the first of them"`
	ToSeq      int64     `json:"to_seq,omitempty" minimum:"1" doc:"the last of them; none for the last that there is"`
	Dead       bool      `json:"dead,omitempty" doc:"every dead letter"`
}

// replayed says how many events are sent again.
type replayed struct {
	Events int `json:"events" doc:"how many events will be sent again" example:"1"`
}

func webhookRoutes(c Webhooks) []route {
	const all, one = "/v1/webhooks", "/v1/webhooks/{id}"
	return []route{
		post(meta{
			path: all, id: "createWebhook", tag: "Webhooks", summary: "Create a webhook",
			description: "It gets the events from now on. The answer is the only one that has the secret.", codes: []parley.Code{parley.CodeWebhookURL},
		}, func(q *request, b newWebhook) (webhookView, error) {
			w, err := c.CreateWebhook(q.ctx, q.app(), control.WebhookRequest(b))
			return showSecret(w), err
		}),
		get(meta{path: all, id: "listWebhooks", tag: "Webhooks", summary: "List webhooks"}, func(q *request, p listing) (page[webhookView], error) {
			list, err := c.Webhooks(q.ctx, q.app(), p.request())
			return pageOf(list, showWebhook), err
		}),
		get(meta{
			path: one, id: "getWebhook", tag: "Webhooks", summary: "See a webhook", codes: []parley.Code{parley.CodeNotFound},
		}, func(q *request, _ none) (webhookView, error) {
			w, err := c.Webhook(q.ctx, q.app(), q.id("id"))
			return showWebhook(w), err
		}),
		change(meta{
			method: http.MethodPatch, path: one, id: "updateWebhook", tag: "Webhooks", summary: "Change a webhook, or rotate its secret",
			description: "Changes what the body names. With rotate_secret the answer has the new secret; deliveries are signed with it and with the one before.",
			codes:       []parley.Code{parley.CodeNotFound, parley.CodeWebhookURL},
		}, func(q *request, b webhookChange) (webhookView, error) {
			w, err := c.UpdateWebhook(q.ctx, q.app(), q.id("id"), control.WebhookPatch(b))
			if b.RotateSecret {
				return showSecret(w), err
			}
			return showWebhook(w), err
		}),
		remove(meta{
			path: one, id: "deleteWebhook", tag: "Webhooks", summary: "Delete a webhook", codes: []parley.Code{parley.CodeNotFound},
		}, func(q *request, _ none) error {
			return c.DeleteWebhook(q.ctx, q.app(), q.id("id"))
		}),
		get(meta{
			path: one + "/deliveries", id: "listDeliveries", tag: "Webhooks", summary: "List a webhook's deliveries",
			description: "How each event's delivery went, newest first.", codes: []parley.Code{parley.CodeNotFound},
		}, func(q *request, p deliveryListing) (page[deliveryView], error) {
			list, err := c.Deliveries(q.ctx, q.app(), q.id("id"), control.DeliveryRequest{EventID: p.EventID, State: p.State, Limit: p.Limit, Cursor: p.Cursor})
			return pageOf(list, showDelivery), err
		}),
		post(meta{
			path: one + "/replay", id: "replayEvents", tag: "Webhooks", summary: "Send events again", status: http.StatusAccepted,
			description: "One event, a conference's events from one seq to another, or every dead letter. They keep their event_id.",
			codes:       []parley.Code{parley.CodeNotFound},
		}, func(q *request, b replay) (replayed, error) {
			n, err := c.Replay(q.ctx, q.app(), q.id("id"), control.ReplayRequest(b))
			return replayed{n}, err
		}),
	}
}
