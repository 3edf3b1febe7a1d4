package httpapi

import (
	"net/http"

	"parley"
	"parley/internal/control"
)

// trunkSettings makes a trunk, or replaces all of one.
type trunkSettings struct {
	Name      string   `json:"name" minLength:"1" maxLength:"128" doc:"what it is called, unique in the application" example:"carrier"`
	Host      string   `json:"host" doc:"the SIP server, host or host:port" example:"sip.carrier.example:5060"`
	Transport string   `json:"transport,omitempty" enum:"udp,tcp" default:"udp" doc:"udp or tcp" example:"udp"`
	Username  string   `json:"username,omitempty" doc:"for digest authentication" example:"parley"`
	Password  string   `json:"password,omitempty" doc:"for digest authentication; never shown" example:"correct horse"`
	From      string   `json:"from,omitempty" doc:"user part of From on calls through it" example:"02087654321"`
	Prefixes  []string `json:"prefixes,omitempty" doc:"beginnings of the numbers that it takes, the longest match over all trunks wins; none for every number" example:"[\"+86\"]"`
	Strip     int      `json:"strip,omitempty" minimum:"0" maximum:"32" doc:"how many leading characters are removed from a number" example:"1"`
	Prepend   string   `json:"prepend,omitempty" doc:"what is put before the rest" example:"00"`
	Addresses []string `json:"addresses,omitempty" doc:"addresses or CIDR blocks from which it calls us, besides host" example:"[\"192.0.2.0/28\"]"`
}

// trunkView is a trunk as it is shown: without its password.
type trunkView struct {
	ID          parley.ID     `json:"id" doc:"the trunk" example:"0197c2f3a1b77ddd8123456789abcdef"`
	Name        string        `json:"name" doc:"what it is called" example:"carrier"`
	Host        string        `json:"host" doc:"the SIP server" example:"sip.carrier.example:5060"`
	Transport   string        `json:"transport" enum:"udp,tcp" doc:"udp or tcp" example:"udp"`
	Username    *string       `json:"username" doc:"for digest authentication; null for none" example:"parley"`
	PasswordSet bool          `json:"password_set" doc:"whether it has a password" example:"true"`
	From        *string       `json:"from" doc:"user part of From on calls through it; null for the server's own" example:"02087654321"`
	Prefixes    []string      `json:"prefixes" doc:"beginnings of the numbers that it takes; empty for every number" example:"[\"+86\"]"`
	Strip       int           `json:"strip" doc:"how many leading characters are removed from a number" example:"1"`
	Prepend     *string       `json:"prepend" doc:"what is put before the rest; null for nothing" example:"00"`
	Addresses   []string      `json:"addresses" doc:"addresses or CIDR blocks from which it calls us" example:"[\"192.0.2.0/28\"]"`
	CreateTime  parley.Millis `json:"create_time" doc:"when it was made, Unix milliseconds" example:"1751364000000"`
}

func (v trunkView) location() string { return "/v1/trunks/" + string(v.ID) }

func showTrunk(t parley.Trunk) trunkView {
	return trunkView{
		ID: t.ID, Name: t.Name, Host: t.Host, Transport: t.Transport, Username: orNull(t.Username), PasswordSet: t.Password != "",
		From: orNull(t.From), Prefixes: orEmpty(t.Prefixes), Strip: t.Strip, Prepend: orNull(t.Prepend), Addresses: orEmpty(t.Addresses),
		CreateTime: t.CreateTime,
	}
}

func trunkRoutes(c Trunks) []route {
	const all, one = "/v1/trunks", "/v1/trunks/{id}"
	return []route{
		post(meta{
			path: all, id: "createTrunk", tag: "Trunks", summary: "Create a trunk", codes: []parley.Code{parley.CodeNameTaken},
		}, func(q *request, b trunkSettings) (trunkView, error) {
			t, err := c.CreateTrunk(q.ctx, q.app(), control.TrunkRequest(b))
			return showTrunk(t), err
		}),
		get(meta{path: all, id: "listTrunks", tag: "Trunks", summary: "List trunks"}, func(q *request, p listing) (page[trunkView], error) {
			list, err := c.Trunks(q.ctx, q.app(), p.request())
			return pageOf(list, showTrunk), err
		}),
		get(meta{
			path: one, id: "getTrunk", tag: "Trunks", summary: "See a trunk", codes: []parley.Code{parley.CodeNotFound},
		}, func(q *request, _ none) (trunkView, error) {
			t, err := c.Trunk(q.ctx, q.app(), q.id("id"))
			return showTrunk(t), err
		}),
		change(meta{
			method: http.MethodPut, path: one, id: "replaceTrunk", tag: "Trunks", summary: "Replace a trunk's settings",
			description: "All of them: what the body leaves out becomes the default, the password too.",
			codes:       []parley.Code{parley.CodeNotFound, parley.CodeNameTaken},
		}, func(q *request, b trunkSettings) (trunkView, error) {
			t, err := c.ReplaceTrunk(q.ctx, q.app(), q.id("id"), control.TrunkRequest(b))
			return showTrunk(t), err
		}),
		remove(meta{
			path: one, id: "deleteTrunk", tag: "Trunks", summary: "Delete a trunk", description: "Calls that go through it go on.",
			codes: []parley.Code{parley.CodeNotFound},
		}, func(q *request, _ none) error {
			return c.DeleteTrunk(q.ctx, q.app(), q.id("id"))
		}),
	}
}
