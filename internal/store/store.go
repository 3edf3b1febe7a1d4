// Package store declares what the ledger and the use cases need of a database:
// records and events written together, durably, in groups. The drivers are its
// sub-packages; storetest holds the suite that every driver passes.
package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"parley"
)

// Errors of every driver.
var (
	// ErrConflict: a unique key (an event's stream and seq, a live record's
	// key) exists already. Nothing of that write was done.
	ErrConflict = errors.New("store: conflict")
	// ErrNotFound: no such record.
	ErrNotFound = errors.New("store: not found")
	// ErrUnavailable: the database cannot write or read now; the same call may
	// succeed later.
	ErrUnavailable = errors.New("store: unavailable")
	// ErrLocked: another process has the database.
	ErrLocked = errors.New("store: in use by another process")
)

// Kind names a kind of record.
type Kind string

// The kinds of records.
const (
	KindConference  Kind = "conference"
	KindParticipant Kind = "participant"
	KindCall        Kind = "call"
	KindPlayback    Kind = "playback"
	KindRecording   Kind = "recording"
	KindMedia       Kind = "media"
	KindWebhook     Kind = "webhook"
	KindTrunk       Kind = "trunk"
	KindApplication Kind = "application"
	KindKey         Kind = "key"
	KindIdempotency Kind = "idempotency"
	KindSetting     Kind = "setting"
)

// Row is a record as the database keeps it: a JSON document and the few
// columns that it is found by.
type Row struct {
	Kind        Kind
	ID          string // unique within Kind
	Application parley.ID
	// Parent is the conference of a participant, playback or recording.
	Parent parley.ID
	// Key finds a record by something other than its ID (a conference's name,
	// a key's hash). Among live rows of a Kind and Application a Key that is
	// not empty is unique.
	Key string
	// Live is true until the record has ended.
	Live bool
	Doc  json.RawMessage
}

// Write is what one caller wants written: all of it or nothing, together with
// the events that report it. Deletions are done first. Deleting a webhook also
// forgets its cursors.
type Write struct {
	Put    []Row
	Delete []RowKey
	Events []parley.Event // Position is assigned by the driver
	// Deliveries and Cursors are the dispatcher's bookkeeping.
	Deliveries []parley.Delivery
	Cursors    []Cursor
}

// RowKey names a row.
type RowKey struct {
	Kind Kind
	ID   string
}

// Cursor is how far a webhook has got in a stream: every event of the stream
// up to and including Seq is settled (delivered, dead, or not wanted). Position
// is that event's, if it is known.
//
// A Cursor without Stream is the webhook's watermark: every event of its
// application up to and including Position is settled, whatever the stream. It
// makes the webhook's cursors up to that Position superfluous, and the driver
// may forget them.
type Cursor struct {
	Webhook  parley.ID
	Stream   parley.ID
	Seq      int64
	Position int64
}

// Query selects rows. Zero fields do not restrict.
type Query struct {
	Kind        Kind
	Application parley.ID
	Parent      parley.ID
	Key         string
	LiveOnly    bool
	// Before gives rows with smaller IDs, in descending order of ID (newest
	// first, as IDs sort by time). Ascending turns the order around and
	// Before into "after".
	Before    string
	Ascending bool
	Limit     int // 0 means no limit
}

// EventQuery selects events, in ascending order of Position.
type EventQuery struct {
	Application parley.ID // zero for all
	Stream      parley.ID // zero for all
	Type        parley.EventType
	After       int64 // Position
	AfterSeq    int64 // with Stream
	Since       parley.Millis
	Until       parley.Millis
	Limit       int
}

// DeliveryQuery selects deliveries, newest first.
type DeliveryQuery struct {
	Webhook parley.ID
	EventID string
	State   parley.DeliveryState
	Before  int64 // opaque cursor from the last call, 0 for the start
	Limit   int
}

// Store is a database. Methods are safe for concurrent use.
type Store interface {
	// Apply writes the group in one durable transaction and returns when it is
	// on disk: one error for each write (nil where it was done), the same
	// length. A write that conflicts fails alone with ErrConflict; a fault of
	// the database fails all with ErrUnavailable. Each event's Position is set
	// in place, ascending in the order of the group. Only the ledger calls it.
	Apply(ctx context.Context, group []*Write) []error

	// Get gives one row, or ErrNotFound.
	Get(ctx context.Context, kind Kind, id string) (Row, error)
	// List gives the rows that q selects.
	List(ctx context.Context, q Query) ([]Row, error)
	// Events gives the events that q selects.
	Events(ctx context.Context, q EventQuery) ([]parley.Event, error)
	// Event gives one event by stream and seq, or ErrNotFound.
	Event(ctx context.Context, stream parley.ID, seq int64) (parley.Event, error)
	// LastPosition is the Position of the newest event, 0 for none.
	LastPosition(ctx context.Context) (int64, error)

	// Deliveries gives deliveries and the cursor for the next call (0: no more).
	Deliveries(ctx context.Context, q DeliveryQuery) ([]parley.Delivery, int64, error)
	// Behind gives, for a webhook of application, where to go on in each stream
	// that has events after both the position start and the webhook's
	// watermark, and beyond the webhook's cursor in the stream: the first event
	// that is not settled is the one after the given Seq. A stream whose events
	// began earlier comes first.
	Behind(ctx context.Context, webhook, application parley.ID, start int64) ([]Cursor, error)

	// Close waits for what runs and closes the database.
	Close() error
}

// Encode makes the row of a record: one of parley's record types. It panics
// for any other type, which is a programming error.
func Encode(record any) Row {
	doc, err := json.Marshal(record)
	if err != nil {
		panic(fmt.Sprintf("store: encode %T: %v", record, err))
	}
	switch r := record.(type) {
	case *parley.Conference:
		return Row{KindConference, string(r.ID), r.Application, "", r.Name, r.State != parley.ConferenceEnded, doc}
	case *parley.Participant:
		live := r.State == parley.ParticipantDialing || r.State == parley.ParticipantJoined
		return Row{KindParticipant, string(r.ID), r.Application, r.Conference, "", live, doc}
	case *parley.Call:
		return Row{KindCall, string(r.ID), r.Application, r.Conference, "", r.State != parley.CallEnded, doc}
	case *parley.Playback:
		return Row{KindPlayback, string(r.ID), r.Application, r.Conference, "", r.State != parley.PlaybackEnded, doc}
	case *parley.Recording:
		return Row{KindRecording, string(r.ID), r.Application, r.Conference, "", r.State != parley.RecordingEnded, doc}
	case *parley.MediaFile:
		return Row{KindMedia, MediaID(r.Application, r.Name), r.Application, "", r.Name, true, doc}
	case *parley.Webhook:
		return Row{KindWebhook, string(r.ID), r.Application, "", "", true, doc}
	case *parley.Trunk:
		return Row{KindTrunk, string(r.ID), r.Application, "", r.Name, true, doc}
	case *parley.Application:
		return Row{KindApplication, string(r.ID), "", "", r.Name, true, doc}
	case *parley.Key:
		return Row{KindKey, string(r.ID), r.Application, "", r.Hash, true, doc}
	}
	panic(fmt.Sprintf("store: no kind for %T", record))
}

// MediaID is the row ID of an application's media file.
func MediaID(application parley.ID, name string) string { return string(application) + "/" + name }

// Decode fills record (a pointer to the record type that the row was made
// from) and the fields that its JSON leaves out.
func Decode(row Row, record any) error {
	if err := json.Unmarshal(row.Doc, record); err != nil {
		return fmt.Errorf("store: %s %s: %w", row.Kind, row.ID, err)
	}
	switch r := record.(type) {
	case *parley.Participant:
		r.ID, r.Application = parley.ID(row.ID), row.Application
	case *parley.Call:
		r.Application = row.Application
	case *parley.Playback:
		r.Application = row.Application
	case *parley.Recording:
		r.Application = row.Application
	case *parley.MediaFile:
		r.Application = row.Application
	case *parley.Webhook:
		r.Application = row.Application
	case *parley.Trunk:
		r.Application = row.Application
	}
	return nil
}
