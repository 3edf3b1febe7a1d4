package control

import (
	"context"
	"encoding/json"
	"errors"

	"parley"
	"parley/internal/store"
)

// Answer is a REST answer kept for an Idempotency-Key.
type Answer struct {
	Status   int               `json:"status"`
	Header   map[string]string `json:"header,omitempty"`
	Body     []byte            `json:"body"`
	Replayed bool              `json:"-"` // it was given before
}

// kept is the document of an idempotency record. Without Answer the request
// was begun and its end is not known.
type kept struct {
	Fingerprint string        `json:"fingerprint"`
	Time        parley.Millis `json:"time"`
	Answer      *Answer       `json:"answer,omitempty"`
}

// maxIdempotencyKey is the most characters of an Idempotency-Key.
const maxIdempotencyKey = 255

// Idempotent runs do once for each key of an application: a second call with
// the same fingerprint gets the first one's answer, one with another
// fingerprint parley.CodeIdempotencyReused, one while the first is at work, or
// after a crash in the midst of it, parley.CodeIdempotencyPending. Answers of
// 500 and above, and errors of do, are not kept.
func (c *Control) Idempotent(ctx context.Context, app parley.ID, key, fingerprint string, do func() (Answer, error)) (Answer, error) {
	if len(key) > maxIdempotencyKey {
		return Answer{}, parley.FieldErrorf(parley.CodeInvalid, "Idempotency-Key", "has %d characters: at most %d", len(key), maxIdempotencyKey)
	}
	id := string(app) + "/" + key
	if !c.begin(id) {
		return Answer{}, parley.Errorf(parley.CodeIdempotencyPending, "the first request with this Idempotency-Key is still at work")
	}
	defer c.end(id)
	row, err := c.cfg.Store.Get(ctx, store.KindIdempotency, id)
	if err == nil {
		return replay(row, fingerprint)
	}
	if !errors.Is(err, store.ErrNotFound) {
		return Answer{}, storeError(err)
	}
	k := kept{Fingerprint: fingerprint, Time: c.now()}
	if err := c.keep(ctx, app, id, k); err != nil {
		return Answer{}, err
	}
	answer, err := do()
	if err != nil || answer.Status >= 500 {
		return answer, errors.Join(err, c.forget(id))
	}
	k.Answer = &answer
	return answer, c.keep(ctx, app, id, k)
}

// replay is the answer of a request that was made before.
func replay(row store.Row, fingerprint string) (Answer, error) {
	var k kept
	if err := json.Unmarshal(row.Doc, &k); err != nil {
		return Answer{}, storeError(err)
	}
	switch {
	case k.Fingerprint != fingerprint:
		return Answer{}, parley.Errorf(parley.CodeIdempotencyReused, "the Idempotency-Key was used for another request; take a new one")
	case k.Answer == nil:
		return Answer{}, parley.Errorf(parley.CodeIdempotencyPending, "the server stopped in the midst of the first request with this Idempotency-Key; see whether it was done and take a new one")
	}
	k.Answer.Replayed = true
	return *k.Answer, nil
}

func (c *Control) begin(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, busy := c.pending[id]; busy {
		return false
	}
	c.pending[id] = struct{}{}
	return true
}

func (c *Control) end(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pending, id)
}

func (c *Control) keep(ctx context.Context, app parley.ID, id string, k kept) error {
	doc, err := json.Marshal(k)
	if err != nil {
		return storeError(err)
	}
	return c.commit(ctx, &store.Write{Put: []store.Row{{Kind: store.KindIdempotency, ID: id, Application: app, Doc: doc}}})
}

func (c *Control) forget(id string) error {
	return c.commit(context.Background(), &store.Write{Delete: []store.RowKey{{Kind: store.KindIdempotency, ID: id}}})
}
