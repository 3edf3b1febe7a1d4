package safehttp

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// answers is a name server in memory: for each name the addresses of one
// answer after the other, the last one again and again.
type answers map[string]*script

// script is what a name resolves to, query after query.
type script struct {
	answers [][]netip.Addr
	asked   atomic.Int64
}

// resolving makes a script with one answer.
func resolving(addrs ...string) *script {
	s := &script{}
	return s.then(addrs...)
}

// then adds a further answer.
func (s *script) then(addrs ...string) *script {
	var list []netip.Addr
	for _, a := range addrs {
		list = append(list, netip.MustParseAddr(a))
	}
	s.answers = append(s.answers, list)
	return s
}

// resolver gives a resolver that asks nobody else.
func (a answers) resolver(t testing.TB) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		t.Cleanup(func() { _ = server.Close() })
		go a.serve(server)
		return client, nil
	}}
}

// serve answers on a connection, with DNS's TCP framing: net.Pipe is no packet
// connection.
func (a answers) serve(conn net.Conn) {
	for {
		var length [2]byte
		if _, err := io.ReadFull(conn, length[:]); err != nil {
			return
		}
		query := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(conn, query); err != nil {
			return
		}
		reply, err := a.reply(query)
		if err != nil {
			return
		}
		if _, err := conn.Write(binary.BigEndian.AppendUint16(nil, uint16(len(reply)))); err != nil {
			return
		}
		if _, err := conn.Write(reply); err != nil {
			return
		}
	}
}

// reply answers one query for A or AAAA.
func (a answers) reply(query []byte) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil {
		return nil, err
	}
	q := m.Questions[0]
	m.Response, m.Authoritative, m.Additionals = true, true, nil
	s, ok := a[q.Name.String()]
	if !ok {
		m.RCode = dnsmessage.RCodeNameError
		return m.Pack()
	}
	turn := s.asked.Load()
	if q.Type == dnsmessage.TypeA {
		turn = s.asked.Add(1) - 1
	}
	for _, addr := range s.answers[min(int(turn), len(s.answers)-1)] {
		h := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 0}
		switch {
		case q.Type == dnsmessage.TypeA && addr.Is4():
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: addr.As4()}})
		case q.Type == dnsmessage.TypeAAAA && addr.Is6():
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: addr.As16()}})
		}
	}
	return m.Pack()
}
