package telemetry

import (
	"encoding/json"
	"net/http"
	"slices"
	"sync/atomic"
)

// State is where a server is in its life.
type State int32

// The states, in their order.
const (
	Starting State = iota // not serving yet
	Ready                 // takes new work
	Draining              // finishes what runs
)

// String is the word that /readyz says.
func (s State) String() string {
	switch s {
	case Starting:
		return "starting"
	case Ready:
		return "ready"
	}
	return "draining"
}

// A Check is something that a server needs to take new work.
type Check struct {
	Name string // in the answer of /readyz
	// Probe gives the fault, or nil. It is called for every request and must
	// be quick and safe for concurrent use.
	Probe func() error
}

// Health answers whether a server lives and whether it takes new work. It is
// safe for concurrent use.
type Health struct {
	state  atomic.Int32
	checks []Check
}

// NewHealth makes a Health that is Starting.
func NewHealth(checks ...Check) *Health {
	return &Health{checks: slices.Clone(checks)}
}

// Set says where the server is now.
func (h *Health) Set(s State) { h.state.Store(int32(s)) }

// State is what was last set.
func (h *Health) State() State { return State(h.state.Load()) }

// Live is /healthz: 200 as long as the process answers at all.
func (h *Health) Live() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, report{Status: "ok"})
	})
}

// Ready is /readyz: 200 when the server is Ready and all checks pass, else 503
// with the state and what failed.
func (h *Health) Ready() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		state := h.State()
		r := report{Status: state.String()}
		for _, c := range h.checks {
			if err := c.Probe(); err != nil {
				if r.Failed == nil {
					r.Failed = make(map[string]string)
				}
				r.Failed[c.Name] = err.Error()
			}
		}
		status := http.StatusOK
		if state != Ready || r.Failed != nil {
			status = http.StatusServiceUnavailable
		}
		if state == Ready && r.Failed != nil {
			r.Status = "failing"
		}
		answer(w, status, r)
	})
}

// report is the body of both answers.
type report struct {
	Status string            `json:"status"`
	Failed map[string]string `json:"failed,omitempty"`
}

func answer(w http.ResponseWriter, status int, r report) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// The client may have gone; nobody is left to tell.
	_ = json.NewEncoder(w).Encode(r)
}
