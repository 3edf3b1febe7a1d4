package control

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"

	"parley"
	"parley/internal/store"
)

// defaultApplication is the name of the application that a first start makes.
const defaultApplication = "default"

// minKey is the least characters of a key that the operator presets.
const minKey = 8

// hashKey is what is kept of a key: it is long and random, so that one round
// of SHA-256 is enough.
func hashKey(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// Setup is what the operator presets. Every field may be empty.
type Setup struct {
	APIKey       string // always valid, an operator's
	NotifyURL    string // of the default webhook
	NotifySecret string // that signs its deliveries: whsec_…
}

// Made is what a first start made and what is shown only then.
type Made struct {
	APIKey       string
	NotifySecret string
}

// Bootstrap makes the application "default", its operator's key if there is
// none, and the default webhook as s says. It comes before Open.
func (c *Control) Bootstrap(ctx context.Context, s Setup) (Made, error) {
	if s.APIKey != "" && len(s.APIKey) < minKey {
		return Made{}, parley.FieldErrorf(parley.CodeInvalid, "api_key", "a key has at least %d characters", minKey)
	}
	if s.NotifySecret != "" {
		if err := checkSecret(s.NotifySecret); err != nil {
			return Made{}, err
		}
	}
	apps, err := all[parley.Application](ctx, c, store.Query{Kind: store.KindApplication, Key: defaultApplication})
	if err != nil {
		return Made{}, err
	}
	var app parley.Application
	if len(apps) > 0 {
		app = apps[0]
	} else {
		app = parley.Application{ID: c.newID(), Name: defaultApplication, CreateTime: c.now()}
		if err := c.save(ctx, &app); err != nil {
			return Made{}, err
		}
	}
	c.mu.Lock()
	c.deflt = app.ID
	c.mu.Unlock()
	var made Made
	if made.APIKey, err = c.firstKey(ctx, app.ID, s.APIKey); err != nil {
		return Made{}, err
	}
	made.NotifySecret, err = c.defaultWebhook(ctx, app.ID, s)
	return made, err
}

// firstKey makes the preset key valid, or makes one if there is none at all.
func (c *Control) firstKey(ctx context.Context, app parley.ID, preset string) (made string, err error) {
	keys, err := all[parley.Key](ctx, c, store.Query{Kind: store.KindKey})
	if err != nil {
		return "", err
	}
	if preset == "" {
		if len(keys) > 0 {
			return "", nil
		}
		_, key, err := c.CreateKey(ctx, app, true)
		return key, err
	}
	for _, k := range keys {
		if k.Hash == hashKey(preset) {
			return "", nil
		}
	}
	k := c.key(app, preset, true)
	return "", c.save(ctx, &k)
}

// defaultWebhook makes the operator's own webhook as s says; it gives the
// secret if it made one.
func (c *Control) defaultWebhook(ctx context.Context, app parley.ID, s Setup) (secret string, err error) {
	hooks, err := all[parley.Webhook](ctx, c, store.Query{Kind: store.KindWebhook, Application: app})
	if err != nil {
		return "", err
	}
	w := &store.Write{}
	found := s.NotifyURL == ""
	for _, h := range hooks {
		switch {
		case !h.Trusted:
		case found: // no URL is wanted any more
			w.Delete = append(w.Delete, store.RowKey{Kind: store.KindWebhook, ID: string(h.ID)})
		default:
			found = true
			changed := h.URL != s.NotifyURL
			if changed { // what is not delivered yet goes there, too
				h.URL, h.Disabled, h.Reason = s.NotifyURL, false, ""
			}
			if s.NotifySecret != "" && h.Secrets[0] != s.NotifySecret {
				h.Secrets, changed = []string{s.NotifySecret, h.Secrets[0]}, true
			}
			if changed {
				w.Put = append(w.Put, store.Encode(&h))
			}
		}
	}
	if !found {
		if s.NotifySecret == "" {
			secret = newSecret()
			s.NotifySecret = secret
		}
		start, err := c.cfg.Store.LastPosition(ctx)
		if err != nil {
			return "", storeError(err)
		}
		w.Put = append(w.Put, store.Encode(&parley.Webhook{
			ID: c.newID(), Application: app, URL: s.NotifyURL, Format: parley.FormatFull, Secrets: []string{s.NotifySecret},
			CreateTime: c.now(), Trusted: true, Start: start,
		}))
	}
	if len(w.Put)+len(w.Delete) == 0 {
		return secret, nil
	}
	return secret, c.commit(ctx, w)
}

// loadKeys reads all keys into memory, where every request looks them up.
func (c *Control) loadKeys(ctx context.Context) error {
	list, err := all[parley.Key](ctx, c, store.Query{Kind: store.KindKey})
	if err != nil {
		return err
	}
	keys := make(map[string]parley.Key, len(list))
	for _, k := range list {
		keys[k.Hash] = k
	}
	c.mu.Lock()
	c.keys = keys
	c.mu.Unlock()
	return nil
}

// Authenticate finds whose key it is: parley.CodeUnauthorized if nobody's. The
// key is looked up by its hash, which tells an observer of the time nothing
// about keys, and the hashes are compared in constant time.
func (c *Control) Authenticate(_ context.Context, key string) (Principal, error) {
	hash := hashKey(key)
	c.mu.Lock()
	k, ok := c.keys[hash]
	c.mu.Unlock()
	if !ok || subtle.ConstantTimeCompare([]byte(k.Hash), []byte(hash)) != 1 {
		return Principal{}, parley.Errorf(parley.CodeUnauthorized, "the API key is missing or not valid: Authorization: Bearer <key>")
	}
	return Principal{Application: k.Application, Key: k.ID, Operator: k.Operator}, nil
}

// key makes the record of a key.
func (c *Control) key(app parley.ID, key string, operator bool) parley.Key {
	return parley.Key{ID: c.newID(), Application: app, Hash: hashKey(key), Hint: key[:6], Operator: operator, CreateTime: c.now()}
}

// CreateApplication makes an application.
func (c *Control) CreateApplication(ctx context.Context, name string) (parley.Application, error) {
	a := parley.Application{ID: c.newID(), Name: name, CreateTime: c.now()}
	if name == "" || len(name) > maxName {
		return a, parley.FieldErrorf(parley.CodeInvalid, "name", "an application has a name of 1 to %d bytes", maxName)
	}
	return a, c.save(ctx, &a)
}

// Applications lists all applications.
func (c *Control) Applications(ctx context.Context, r ListRequest) (Page[parley.Application], error) {
	return list[parley.Application](ctx, c, store.Query{Kind: store.KindApplication}, r, nil)
}

// CreateKey makes a key for an application; the key itself is shown only here.
func (c *Control) CreateKey(ctx context.Context, app parley.ID, operator bool) (parley.Key, string, error) {
	if _, err := c.row(ctx, store.KindApplication, "", string(app), "application"); err != nil {
		return parley.Key{}, "", err
	}
	var b [24]byte
	_, _ = rand.Read(b[:])
	secret := "pk_" + hex.EncodeToString(b[:])
	k := c.key(app, secret, operator)
	if err := c.save(ctx, &k); err != nil {
		return k, "", err
	}
	return k, secret, c.loadKeys(ctx)
}

// Keys lists keys: an application's, or all for an empty app.
func (c *Control) Keys(ctx context.Context, app parley.ID, r ListRequest) (Page[parley.Key], error) {
	return list[parley.Key](ctx, c, store.Query{Kind: store.KindKey, Application: app}, r, nil)
}

// DeleteKey makes a key invalid at once. The last operator's key stays.
func (c *Control) DeleteKey(ctx context.Context, app, id parley.ID) error {
	if _, err := c.row(ctx, store.KindKey, app, string(id), "key"); err != nil {
		return err
	}
	c.mu.Lock()
	operators := 0
	for _, k := range c.keys {
		if k.Operator && k.ID != id {
			operators++
		}
	}
	c.mu.Unlock()
	if operators == 0 {
		return parley.Errorf(parley.CodeForbidden, "the last operator's key cannot be deleted")
	}
	if err := c.commit(ctx, &store.Write{Delete: []store.RowKey{{Kind: store.KindKey, ID: string(id)}}}); err != nil {
		return err
	}
	return c.loadKeys(ctx)
}
