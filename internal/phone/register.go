package phone

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Register registers the phone's address with its registrar and keeps the
// registration alive until Close, which takes it back. It returns when the
// registrar has agreed; the error of a refusal is a *StatusError. It is called
// once.
func (p *Phone) Register(ctx context.Context) error {
	r, err := newRegistration(p)
	if err != nil {
		return err
	}
	granted, err := r.send(ctx, r.expires)
	if err != nil {
		return err
	}
	p.trace("", "registered", fmt.Sprintf("%s for %v", r.aor.String(), granted))
	if !p.start(func() { r.keep(granted) }) {
		return ErrClosed
	}
	p.mu.Lock()
	p.registration = r
	p.mu.Unlock()
	return nil
}

// registration is the phone's binding at its registrar (RFC 3261 section 10).
type registration struct {
	phone     *Phone
	registrar sip.Uri
	aor       sip.Uri
	expires   time.Duration
	callID    sip.CallIDHeader
	tag       string
	seq       atomic.Uint32
}

func newRegistration(p *Phone) (*registration, error) {
	registrar, err := parseURI(p.cfg.Account.Registrar)
	if err != nil {
		return nil, fmt.Errorf("registrar: %w", err)
	}
	r := &registration{
		phone: p, registrar: registrar, aor: p.identity(), expires: p.cfg.Account.Expires,
		callID: sip.CallIDHeader(sip.GenerateTagN(24)), tag: newTag(),
	}
	if r.expires == 0 {
		r.expires = time.Hour
	}
	r.seq.Store(rand.Uint32N(1000))
	return r, nil
}

func (r *registration) request(expires time.Duration) *sip.Request {
	req := sip.NewRequest(sip.REGISTER, r.registrar)
	callID := r.callID
	req.AppendHeader(r.phone.via())
	req.AppendHeader(&sip.FromHeader{Address: r.aor, Params: sip.HeaderParams{{K: "tag", V: r.tag}}})
	req.AppendHeader(&sip.ToHeader{Address: r.aor})
	req.AppendHeader(&callID)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: r.seq.Add(1), MethodName: sip.REGISTER})
	req.AppendHeader(&sip.ContactHeader{Address: r.phone.contact()})
	req.AppendHeader(sip.NewHeader("Expires", fmt.Sprint(int(expires/time.Second))))
	r.phone.complete(req)
	return req
}

// send registers for that long, 0 takes the binding back, and gives the time
// that the registrar granted.
func (r *registration) send(ctx context.Context, expires time.Duration) (time.Duration, error) {
	res, err := r.phone.exchange(ctx, func() *sip.Request { return r.request(expires) })
	if err != nil {
		return 0, fmt.Errorf("register: %w", err)
	}
	return r.granted(res, expires), nil
}

// granted is the binding's time, in the Contact or for all (RFC 3261 section
// 10.3).
func (r *registration) granted(res *sip.Response, asked time.Duration) time.Duration {
	seconds := ""
	if h := res.GetHeader("Expires"); h != nil {
		seconds = h.Value()
	}
	if c := res.Contact(); c != nil {
		if v, ok := c.Params.Get("expires"); ok {
			seconds = v
		}
	}
	var n int
	if _, err := fmt.Sscan(seconds, &n); err != nil || n < 1 {
		return asked
	}
	return time.Duration(n) * time.Second
}

// keep registers again at half of the granted time, until the phone closes.
func (r *registration) keep(granted time.Duration) {
	timer := time.NewTimer(granted / 2)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-r.phone.closing.Done():
			return
		}
		next, err := r.send(r.phone.closing, r.expires)
		if err != nil {
			r.phone.trace("", "error", err.Error())
			next = granted / 4
		}
		granted = max(next, time.Second)
		timer.Reset(granted / 2)
	}
}
