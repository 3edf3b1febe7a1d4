package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"parley"
	"parley/internal/control"
)

// Config is what the edge needs.
//
// The http.Server around it should have a ReadHeaderTimeout and an IdleTimeout
// but no ReadTimeout and no WriteTimeout, which would cut uploads, downloads
// and event streams: the handler bounds bodies and writes itself.
type Config struct {
	Control Control
	Logger  *slog.Logger
	// Version is the program's, for the OpenAPI document.
	Version string
	// MaxUpload is the most bytes of a media file; zero for 256 MiB.
	MaxUpload int64
	// Heartbeat is how often an event stream without events shows that it is
	// alive; zero for 15 s.
	Heartbeat time.Duration
	// Closing ends event streams when it is done, so that the server can stop;
	// nil for never.
	Closing context.Context
}

// edge is the handler.
type edge struct {
	cfg  Config
	mux  *http.ServeMux
	spec func() ([]byte, error) // the OpenAPI document, made when first asked for
}

// New makes the handler of /v1/… and /openapi.json; it answers 404 for any
// other path.
func New(cfg Config) http.Handler {
	if cfg.MaxUpload == 0 {
		cfg.MaxUpload = 256 << 20
	}
	if cfg.Heartbeat == 0 {
		cfg.Heartbeat = 15 * time.Second
	}
	if cfg.Closing == nil {
		cfg.Closing = context.Background()
	}
	routes := routesOf(cfg)
	e := &edge{cfg: cfg, mux: http.NewServeMux()}
	e.spec = sync.OnceValues(func() ([]byte, error) { return document(routes, cfg.Version) })
	e.mount(routes)
	return e
}

// routesOf is every route, in the order of the documentation.
func routesOf(cfg Config) []route {
	c := cfg.Control
	return slices.Concat(
		conferenceRoutes(c), participantRoutes(c), playbackRoutes(c), recordingRoutes(c), mediaRoutes(c, cfg.MaxUpload),
		callRoutes(c), eventRoutes(c, cfg), webhookRoutes(c), trunkRoutes(c), applicationRoutes(c), keyRoutes(c),
	)
}

// mount puts the routes, and for every path what answers other methods.
func (e *edge) mount(routes []route) {
	methods := make(map[string][]string)
	for _, r := range routes {
		pattern := r.path
		if r.rest {
			pattern = strings.TrimSuffix(pattern, "}") + "...}"
		}
		e.mux.HandleFunc(r.method+" "+pattern, e.handle(r))
		methods[pattern] = append(methods[pattern], r.method)
		if r.method == http.MethodGet {
			methods[pattern] = append(methods[pattern], http.MethodHead)
		}
	}
	e.mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, r *http.Request) {
		spec, err := e.spec()
		if err != nil {
			e.fail(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(spec) // the client has gone
	})
	methods["/openapi.json"] = []string{http.MethodGet, http.MethodHead}
	for pattern, allowed := range methods {
		slices.Sort(allowed)
		allow := strings.Join(allowed, ", ")
		e.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", allow)
			e.fail(w, r, parley.Errorf(parley.CodeMethodNotAllowed, "%s is not possible here; these are: %s", clip(r.Method), allow))
		})
	}
	e.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { e.fail(w, r, errNoPath(r)) })
}

func errNoPath(r *http.Request) error {
	return parley.Errorf(parley.CodeNotFound, "there is no path %s", clip(r.URL.Path))
}

// principalKey finds the control.Principal in a request's context.
type principalKey struct{}

// ServeHTTP implements http.Handler.
func (e *edge) ServeHTTP(plain http.ResponseWriter, r *http.Request) {
	w := &writer{ResponseWriter: plain}
	w.writeBy(patience)
	secure(w.Header())
	defer e.recover(w, r)
	// The router would send clients with a path that is not clean elsewhere.
	if !cleanPath(r.URL.EscapedPath()) {
		e.fail(w, r, errNoPath(r))
		return
	}
	if r.URL.Path == "/v1" || strings.HasPrefix(r.URL.Path, "/v1/") {
		who, err := e.authenticate(r)
		if err != nil {
			e.fail(w, r, err)
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), principalKey{}, who))
	}
	e.mux.ServeHTTP(w, r)
}

// cleanPath reports whether the router takes a path as it is.
func cleanPath(p string) bool {
	clean := path.Clean(p)
	return strings.HasPrefix(p, "/") && (p == clean || clean != "/" && p == clean+"/")
}

// secure sets what keeps browsers from doing more with an answer than showing
// it to the program that asked.
func secure(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
}

// recover answers a panic in a handler with 500; the server goes on.
func (e *edge) recover(w *writer, r *http.Request) {
	v := recover()
	if v == nil {
		return
	}
	if v == http.ErrAbortHandler { //nolint:errorlint // the value itself is panicked with, never wrapped
		panic(v)
	}
	e.cfg.Logger.Error("panic in a request", "method", r.Method, "path", r.URL.Path, "panic", v, "stack", string(debug.Stack()))
	if w.begun {
		panic(http.ErrAbortHandler)
	}
	send(w, problemAnswer(problemOf(parley.Errorf(parley.CodeInternal, "the server failed to do this; its log says why"))))
}

// authenticate finds whose request it is. Whatever is wrong with the key, the
// answer is the same.
func (e *edge) authenticate(r *http.Request) (control.Principal, error) {
	refused := parley.Errorf(parley.CodeUnauthorized, "the API key is missing or not valid; send it as Authorization: Bearer <key>")
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return control.Principal{}, refused
	}
	scheme, key, _ := strings.Cut(values[0], " ")
	key = strings.TrimSpace(key)
	if !strings.EqualFold(scheme, "Bearer") || key == "" {
		return control.Principal{}, refused
	}
	who, err := e.cfg.Control.Authenticate(r.Context(), key)
	if parley.CodeOf(err) == parley.CodeUnauthorized {
		return control.Principal{}, refused
	}
	return who, err
}

// handle serves one route.
func (e *edge) handle(rt route) http.HandlerFunc {
	var ids []string
	for _, name := range wildcards(rt.path) {
		if !rt.rest {
			ids = append(ids, name)
		}
	}
	return func(plain http.ResponseWriter, r *http.Request) {
		w := plain.(*writer)
		who, _ := r.Context().Value(principalKey{}).(control.Principal)
		q := &request{Request: r, ctx: r.Context(), who: who}
		if rt.method != http.MethodGet {
			q.ctx = context.WithoutCancel(q.ctx)
		}
		if err := e.admit(rt, q, ids); err != nil {
			e.fail(w, r, err)
			return
		}
		if err := rt.serve(e, w, q); err != nil {
			e.fail(w, r, err)
		}
	}
}

// admit refuses a key that may not do this, and a path that names nothing.
func (e *edge) admit(rt route, q *request, ids []string) error {
	if rt.operator && !q.who.Operator {
		return parley.Errorf(parley.CodeForbidden, "this needs an operator's key")
	}
	for _, name := range ids {
		if !q.id(name).Valid() {
			return parley.Errorf(parley.CodeNotFound, "there is no %s; an ID has 32 lower-case hexadecimal digits", clip(q.URL.Path))
		}
	}
	return nil
}

// wildcards are the names in braces in a path.
func wildcards(path string) []string {
	var names []string
	for part := range strings.SplitSeq(path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			names = append(names, strings.TrimSuffix(name, "}"))
		}
	}
	return names
}
