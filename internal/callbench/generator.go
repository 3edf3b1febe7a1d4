package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// generator makes calls with the least of SIP that a well-behaved server needs:
// INVITE, ACK, BYE over one UDP socket. A request without an answer is not
// repeated: on loopback that is a failed call.
type generator struct {
	conn *net.UDPConn
	to   netip.AddrPort
	wg   sync.WaitGroup

	mu    sync.Mutex
	calls map[string]chan []byte // by Call-ID; guarded by mu
}

// patience is how long an answer may take before the call has failed.
const patience = 5 * time.Second

func newGenerator(to netip.AddrPort) (*generator, error) {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		return nil, err
	}
	_ = conn.SetReadBuffer(4 << 20)
	g := &generator{conn: conn, to: to, calls: map[string]chan []byte{}}
	g.wg.Go(g.receive)
	return g, nil
}

func (g *generator) close() {
	_ = g.conn.Close()
	g.wg.Wait()
}

// receive hands answers to their calls.
func (g *generator) receive() {
	buf := make([]byte, 64<<10)
	for {
		n, err := g.conn.Read(buf)
		if err != nil {
			return
		}
		m := bytes.Clone(buf[:n])
		g.mu.Lock()
		c := g.calls[header(m, "Call-ID")]
		g.mu.Unlock()
		select {
		case c <- m: // nil for a call that is over: never
		default:
		}
	}
}

// header is the value of a message's first header of a name.
func header(m []byte, name string) string {
	_, rest, ok := bytes.Cut(m, []byte("\r\n"+name+": "))
	if !ok {
		return ""
	}
	value, _, _ := bytes.Cut(rest, []byte("\r\n"))
	return string(value)
}

// call makes n calls, inFlight at a time, and gives how long each took from
// INVITE to 200, and how many failed.
func (g *generator) call(ctx context.Context, n, inFlight int) (took []time.Duration, failed int) {
	work := make(chan int)
	var wg sync.WaitGroup
	var mu sync.Mutex
	for range inFlight {
		wg.Go(func() {
			for i := range work {
				d, err := g.one(ctx, i)
				mu.Lock()
				if err != nil {
					failed++
				} else {
					took = append(took, d)
				}
				mu.Unlock()
			}
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	wg.Wait()
	return took, failed
}

// one makes one call, from INVITE to the answer of BYE.
func (g *generator) one(ctx context.Context, i int) (time.Duration, error) {
	id := fmt.Sprintf("call-%d-%d", i, time.Now().UnixNano())
	answers := make(chan []byte, 16)
	g.mu.Lock()
	g.calls[id] = answers
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		delete(g.calls, id)
		g.mu.Unlock()
	}()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	began := time.Now()
	// Nothing is sent from the address that the SDP names; the calls do not
	// last long enough for it to be missed.
	sdp := fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %d RTP/AVP 0\r\n", 32768+i%16000*2)
	to := fmt.Sprintf("<sip:bench@%s>", g.to)
	if err := g.send("INVITE", "sip:bench@"+g.to.String(), id, to, 1, sdp); err != nil {
		return 0, err
	}
	ok, err := final(ctx, answers, "1 INVITE")
	if err != nil {
		return 0, err
	}
	took := time.Since(began)
	to = header(ok, "To")
	contact := strings.Trim(header(ok, "Contact"), "<>")
	if err := g.send("ACK", contact, id, to, 1, ""); err != nil {
		return 0, err
	}
	if err := g.send("BYE", contact, id, to, 2, ""); err != nil {
		return 0, err
	}
	_, err = final(ctx, answers, "2 BYE")
	return took, err
}

// final waits for the 200 to a request.
func final(ctx context.Context, answers <-chan []byte, cseq string) ([]byte, error) {
	for {
		select {
		case m := <-answers:
			switch {
			case !bytes.HasPrefix(m, []byte("SIP/2.0 ")) || header(m, "CSeq") != cseq || m[8] == '1':
			case m[8] == '2':
				return m, nil
			default:
				return nil, fmt.Errorf("refused: %.40q", m)
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// send sends a request; the branch follows from call and CSeq (RFC 3261 section
// 8.1.1.7), an ACK of a 2xx has its own.
func (g *generator) send(method, uri, id, to string, seq int, body string) error {
	local := g.conn.LocalAddr()
	kind := ""
	if body != "" {
		kind = "Content-Type: application/sdp\r\n"
	}
	_, err := fmt.Fprintf(g.conn, "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;rport;branch=z9hG4bK%s%s\r\nMax-Forwards: 70\r\nFrom: <sip:bench@%s>;tag=t%s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\nContact: <sip:bench@%s>\r\n%sContent-Length: %d\r\n\r\n%s",
		method, uri, local, method, id, local, id, to, id, seq, method, local, kind, len(body), body)
	return err
}
