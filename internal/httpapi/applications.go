package httpapi

import (
	"parley"
)

// newApplication makes an application.
type newApplication struct {
	Name string `json:"name" minLength:"1" maxLength:"128" doc:"what it is called" example:"support"`
}

// applicationView is an application as it is shown.
type applicationView struct {
	ID         parley.ID     `json:"id" doc:"the application" example:"0197c2f3a1b87eee8123456789abcdef"`
	Name       string        `json:"name" doc:"what it is called" example:"support"`
	CreateTime parley.Millis `json:"create_time" doc:"when it was made, Unix milliseconds" example:"1751364000000"`
}

func showApplication(a parley.Application) applicationView {
	return applicationView{a.ID, a.Name, a.CreateTime}
}

func applicationRoutes(c Applications) []route {
	return []route{
		post(meta{
			path: "/v1/applications", id: "createApplication", tag: "Applications and keys", operator: true, summary: "Create an application",
			description: "A tenant: every record belongs to one, and is seen by it alone.", codes: []parley.Code{parley.CodeNameTaken},
		}, func(q *request, b newApplication) (applicationView, error) {
			a, err := c.CreateApplication(q.ctx, b.Name)
			return showApplication(a), err
		}),
		get(meta{
			path: "/v1/applications", id: "listApplications", tag: "Applications and keys", operator: true, summary: "List applications",
		}, func(q *request, p listing) (page[applicationView], error) {
			list, err := c.Applications(q.ctx, p.request())
			return pageOf(list, showApplication), err
		}),
	}
}

// newKey makes an API key.
type newKey struct {
	Application parley.ID `json:"application,omitempty" doc:"whose key it is; none for the application of the key that asks" example:"0197c2f3a1b87eee8123456789abcdef"`
	Operator    bool      `json:"operator,omitempty" doc:"it may manage applications and keys" example:"false"`
}

// keyListing is the parameters of the list of keys.
type keyListing struct {
	listing
	Application parley.ID `query:"application" doc:"only this application's"`
}

// keyView is an API key as it is shown.
type keyView struct {
	ID          parley.ID     `json:"id" doc:"names the key; is not the key" example:"0197c2f3a1b97fff8123456789abcdef"`
	Application parley.ID     `json:"application" doc:"whose key it is" example:"0197c2f3a1b87eee8123456789abcdef"`
	Hint        string        `json:"hint" doc:"its first characters" example:"pk_a1b"`
	Operator    bool          `json:"operator" doc:"whether it may manage applications and keys" example:"false"`
	CreateTime  parley.Millis `json:"create_time" doc:"when it was made, Unix milliseconds" example:"1751364000000"`
	Key         string        `json:"key,omitempty" doc:"the key itself: only in the answer to the request that made it, and not when that is repeated for its Idempotency-Key, as only a hash is kept" example:"pk_a1b2c3d4"`
}

func showKey(k parley.Key) keyView {
	return keyView{ID: k.ID, Application: k.Application, Hint: k.Hint, Operator: k.Operator, CreateTime: k.CreateTime}
}

// kept implements keepable: a key is kept nowhere but as a hash.
func (v keyView) kept() any {
	v.Key = ""
	return v
}

func (v keyView) location() string { return "/v1/keys/" + string(v.ID) }

func keyRoutes(c Keys) []route {
	return []route{
		post(meta{
			path: "/v1/keys", id: "createKey", tag: "Applications and keys", operator: true, summary: "Create an API key",
			description: "The answer is the only one that has the key itself.", codes: []parley.Code{parley.CodeNotFound},
		}, func(q *request, b newKey) (keyView, error) {
			app := b.Application
			if app == "" {
				app = q.app()
			}
			k, secret, err := c.CreateKey(q.ctx, app, b.Operator)
			v := showKey(k)
			v.Key = secret
			return v, err
		}),
		get(meta{
			path: "/v1/keys", id: "listKeys", tag: "Applications and keys", operator: true, summary: "List API keys",
			description: "All of them, or one application's; never the keys themselves.",
		}, func(q *request, p keyListing) (page[keyView], error) {
			list, err := c.Keys(q.ctx, p.Application, p.request())
			return pageOf(list, showKey), err
		}),
		remove(meta{
			path: "/v1/keys/{id}", id: "deleteKey", tag: "Applications and keys", operator: true, summary: "Delete an API key",
			description: "It is not valid any more at once.", codes: []parley.Code{parley.CodeNotFound},
		}, func(q *request, _ none) error {
			return c.DeleteKey(q.ctx, "", q.id("id"))
		}),
	}
}
