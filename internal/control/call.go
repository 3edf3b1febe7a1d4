package control

import (
	"net/netip"
	"time"

	"parley"
	"parley/internal/media"
)

// Dialer places calls. The sip edge implements it.
type Dialer interface {
	// Dial starts an outbound call and returns at once. What becomes of it is
	// told to req.Events; the first event comes after Dial has returned.
	Dial(req DialRequest) Call
}

// DialRequest is an outbound call to be placed.
type DialRequest struct {
	ID parley.ID
	// Target is the SIP URI to call, with a transport parameter where one is
	// wanted.
	Target string
	// From is the SIP URI, or its user part alone, that the call comes from;
	// empty for the server's own.
	From string
	// Trunk is the way that the call takes; nil for straight to Target.
	Trunk *parley.Trunk
	// Timeout is how long the far end may take to answer.
	Timeout time.Duration
	// Mix is where the call will be heard: its media is opened in that shard.
	Mix    *media.Mix
	Events CallEvents
}

// CallEvents is told what becomes of a call: its methods are called in the
// order of events, never two at once, never from within a method of Call, and
// do not block. It also takes the facts of the call's media session.
type CallEvents interface {
	media.Facts
	// Answered: the call is up and its session configured. At most once.
	Answered(at time.Time)
	// Held: the far end has put us on hold, or back. Only while up.
	Held(held bool, at time.Time)
	// Ended is the last event, exactly once, whether or not the call was up.
	Ended(end CallEnd)
}

// CallEnd says how a call ended.
type CallEnd struct {
	At time.Time
	// Reason is one of parley's Reason constants.
	Reason string
	// Status is the final SIP status, 0 where there was none.
	Status int
}

// Why a call ended or an invite failed.
const (
	ReasonHangup      = parley.ReasonHangup
	ReasonRemoved     = parley.ReasonRemoved
	ReasonBusy        = parley.ReasonBusy
	ReasonNoAnswer    = parley.ReasonNoAnswer
	ReasonRejected    = parley.ReasonRejected
	ReasonNotFound    = parley.ReasonNotFound
	ReasonUnreachable = parley.ReasonUnreachable
	ReasonCancelled   = parley.ReasonCancelled
	ReasonError       = parley.ReasonError
	ReasonMedia       = parley.ReasonMediaTimeout
)

// Call is a call's signalling as an edge hands it in. Its methods return at
// once and are safe for concurrent use; what comes of them is told to the
// call's CallEvents.
type Call interface {
	// Session is the call's media, nil until it is opened. It is configured
	// before Answered is told.
	Session() *media.Session
	// Answer accepts a ringing inbound call, its media in the shard of mix
	// (any shard for nil). Without effect on other calls.
	Answer(mix *media.Mix)
	// Reject refuses a ringing inbound call with a SIP status of 400 to 699.
	Reject(status int)
	// Hangup ends the call in the way that its state asks for: CANCEL, a
	// refusal or BYE. reason becomes CallEnd.Reason.
	Hangup(reason string)
	// Hold puts the far end on hold by re-INVITE, or takes it back.
	Hold(hold bool)
	// Move makes the call's media usable in mix: done is called, maybe at once
	// and on the caller's goroutine, when Session() is in mix's shard, or with
	// why that failed. It may take a re-INVITE.
	Move(mix *media.Mix, done func(error))
}

// IncomingCall is what an inbound INVITE says.
type IncomingCall struct {
	ID          parley.ID
	Application parley.ID // that the caller's trunk or address belongs to
	Trunk       string    // its name, empty for none
	User        string    // user part of the request-URI
	From, To    string    // SIP URIs
	// PartURI is the caller as the customer would dial it.
	PartURI string
	At      time.Time
}

// Origin is whom an inbound call comes from, as far as its source tells.
type Origin struct {
	Application parley.ID
	Trunk       string
}

// Inbound is what the sip edge asks of the use cases. Control implements it.
type Inbound interface {
	// Admit tells whose calls come from src; ok is false for an address that
	// nobody may call from.
	Admit(src netip.Addr) (origin Origin, ok bool)
	// Incoming takes a new inbound call that rings. It returns at once; the
	// answer or refusal follows through call's methods.
	Incoming(in IncomingCall, call Call) CallEvents
}
