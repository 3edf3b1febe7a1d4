package control

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"parley"
	"parley/internal/store"
)

// loadTrunks reads all trunks into memory, where every call looks them up.
func (c *Control) loadTrunks(ctx context.Context) error {
	trunks, err := all[parley.Trunk](ctx, c, store.Query{Kind: store.KindTrunk, Ascending: true})
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.trunks = trunks
	c.mu.Unlock()
	return nil
}

// trunkFor is the application's trunk with the longest prefix of the number,
// nil for none.
func (c *Control) trunkFor(app parley.ID, number string) *parley.Trunk {
	c.mu.Lock()
	defer c.mu.Unlock()
	best, length := -1, -1
	for i, t := range c.trunks {
		if t.Application != app {
			continue
		}
		if len(t.Prefixes) == 0 && length < 0 {
			best, length = i, 0
		}
		for _, p := range t.Prefixes {
			if strings.HasPrefix(number, p) && len(p) > length {
				best, length = i, len(p)
			}
		}
	}
	if best < 0 {
		return nil
	}
	t := c.trunks[best]
	return &t
}

// trunkHas reports whether calls from src come through the trunk.
func trunkHas(t parley.Trunk, src netip.Addr) bool {
	if a, err := netip.ParseAddr(t.Host); err == nil && a == src {
		return true
	}
	if a, err := netip.ParseAddrPort(t.Host); err == nil && a.Addr() == src {
		return true
	}
	return slices.ContainsFunc(t.Addresses, func(s string) bool {
		p, err := parsePrefix(s)
		return err == nil && p.Contains(src)
	})
}

// parsePrefix reads an address or a CIDR block.
func parsePrefix(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	return netip.ParsePrefix(s)
}

// trunk makes a record of r, checked.
func (c *Control) trunk(app parley.ID, r TrunkRequest) (parley.Trunk, error) {
	t := parley.Trunk{
		ID: c.newID(), Application: app, Name: r.Name, Host: r.Host, Transport: r.Transport, Username: r.Username, Password: r.Password,
		From: r.From, Prefixes: r.Prefixes, Strip: r.Strip, Prepend: r.Prepend, Addresses: r.Addresses, CreateTime: c.now(),
	}
	if t.Transport == "" {
		t.Transport = "udp"
	}
	switch {
	case t.Name == "" || len(t.Name) > maxName:
		return t, parley.FieldErrorf(parley.CodeInvalid, "name", "a trunk has a name of 1 to %d bytes", maxName)
	case !isHostPort(t.Host):
		return t, parley.FieldErrorf(parley.CodeInvalid, "host", "%q is not a host name or address, with or without a port", clip(t.Host))
	case t.Transport != "udp" && t.Transport != "tcp":
		return t, parley.FieldErrorf(parley.CodeInvalid, "transport", `%q is not a transport: "udp" or "tcp"`, clip(t.Transport))
	case t.Password != "" && t.Username == "":
		return t, parley.FieldErrorf(parley.CodeInvalid, "username", "is missing for the password")
	case t.Strip < 0 || t.Strip > 32:
		return t, parley.FieldErrorf(parley.CodeInvalid, "strip", "%d is out of range: 0 to 32", t.Strip)
	}
	if err := checkFrom(t.From); err != nil {
		return t, err
	}
	for i, p := range t.Prefixes {
		if !isPrefix(p) {
			return t, parley.FieldErrorf(parley.CodeInvalid, fmt.Sprintf("prefixes[%d]", i), "%q is not the beginning of a number: digits, * and #, with or without a leading +", clip(p))
		}
	}
	if t.Prepend != "" && !isPrefix(t.Prepend) {
		return t, parley.FieldErrorf(parley.CodeInvalid, "prepend", "%q is not the beginning of a number", clip(t.Prepend))
	}
	for i, a := range t.Addresses {
		if _, err := parsePrefix(a); err != nil {
			return t, parley.FieldErrorf(parley.CodeInvalid, fmt.Sprintf("addresses[%d]", i), "%q is not an address or a CIDR block", clip(a))
		}
	}
	return t, nil
}

// isPrefix reports whether s is the beginning of a number.
func isPrefix(s string) bool {
	rest := strings.TrimPrefix(s, "+")
	return s != "" && strings.Trim(rest, "0123456789*#") == ""
}

// CreateTrunk makes a trunk.
func (c *Control) CreateTrunk(ctx context.Context, app parley.ID, r TrunkRequest) (parley.Trunk, error) {
	t, err := c.trunk(app, r)
	if err != nil {
		return t, err
	}
	if err := c.save(ctx, &t); err != nil {
		return t, err
	}
	return t, c.loadTrunks(ctx)
}

// Trunks lists an application's trunks.
func (c *Control) Trunks(ctx context.Context, app parley.ID, r ListRequest) (Page[parley.Trunk], error) {
	return list[parley.Trunk](ctx, c, store.Query{Kind: store.KindTrunk, Application: app}, r, nil)
}

// Trunk gives a trunk.
func (c *Control) Trunk(ctx context.Context, app, id parley.ID) (parley.Trunk, error) {
	return get[parley.Trunk](ctx, c, store.KindTrunk, app, string(id), "trunk")
}

// ReplaceTrunk changes a trunk whole; an empty password keeps the old one.
func (c *Control) ReplaceTrunk(ctx context.Context, app, id parley.ID, r TrunkRequest) (parley.Trunk, error) {
	old, err := c.Trunk(ctx, app, id)
	if err != nil {
		return old, err
	}
	if r.Password == "" && r.Username == old.Username {
		r.Password = old.Password
	}
	t, err := c.trunk(app, r)
	if err != nil {
		return t, err
	}
	t.ID, t.CreateTime = old.ID, old.CreateTime
	if err := c.save(ctx, &t); err != nil {
		return t, err
	}
	return t, c.loadTrunks(ctx)
}

// DeleteTrunk removes a trunk. Its calls go on.
func (c *Control) DeleteTrunk(ctx context.Context, app, id parley.ID) error {
	if _, err := c.Trunk(ctx, app, id); err != nil {
		return err
	}
	if err := c.commit(ctx, &store.Write{Delete: []store.RowKey{{Kind: store.KindTrunk, ID: string(id)}}}); err != nil {
		return err
	}
	return c.loadTrunks(ctx)
}
