// Package server is the assembly: it builds every part, starts them in order,
// stops them in reverse and waits for each.
package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"parley/internal/blob"
	"parley/internal/control"
	"parley/internal/httpapi"
	"parley/internal/ledger"
	"parley/internal/media"
	"parley/internal/safehttp"
	"parley/internal/sip"
	"parley/internal/store/sqlite"
	"parley/internal/telemetry"
	"parley/internal/webhook"
)

// Server is a running server.
type Server struct {
	cfg    Config
	made   control.Made
	health *telemetry.Health

	store      *sqlite.Store
	ledger     *ledger.Ledger
	dispatcher *webhook.Dispatcher
	plane      *media.Plane
	files      *blob.Dir
	control    *control.Control
	agent      *sip.Agent
	api        *http.Server
	listener   net.Listener
	closing    context.CancelFunc // ends event streams
	serving    sync.WaitGroup     // the API
	working    sync.WaitGroup     // deliveries
	failed     chan error         // buffered, 1: the API's listener broke
}

// Start builds and starts every part, the lowest first. It returns when the
// server takes requests and calls.
func Start(ctx context.Context, cfg Config) (_ *Server, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if err := prepareData(cfg.Data); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, failed: make(chan error, 1), closing: func() {}}
	defer func() {
		if err != nil {
			s.release()
		}
	}()
	s.health = telemetry.NewHealth()
	if s.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.HTTP); err != nil {
		return nil, fmt.Errorf("http: %w", err)
	}
	if err := s.startLedger(ctx); err != nil {
		return nil, err
	}
	if err := s.startControl(ctx); err != nil {
		return nil, err
	}
	s.serve()
	s.health.Set(telemetry.Ready)
	return s, nil
}

// startLedger opens what remembers.
func (s *Server) startLedger(ctx context.Context) (err error) {
	if s.store, err = sqlite.Open(ctx, sqlite.Config{Dir: s.cfg.Data}); err != nil {
		return err
	}
	if s.ledger, err = ledger.Open(s.store, ledger.Config{Logger: s.cfg.Logger, Now: s.cfg.Now}); err != nil {
		return err
	}
	s.dispatcher = webhook.New(webhook.Config{
		Ledger: s.ledger, Store: s.store, Logger: s.cfg.Logger, Now: s.cfg.Now, Schedule: s.cfg.Webhooks.schedule(),
		Client:  safehttp.New(s.customers(webhookTimeout)),
		Trusted: safehttp.New(safehttp.Options{AllowPrivate: true, Timeout: webhookTimeout}),
	})
	return nil
}

// schedule is how failed deliveries are repeated.
func (c WebhookConfig) schedule() webhook.Schedule {
	s := webhook.Schedule{GiveUp: c.GiveUp}
	if n := len(c.Schedule); n > 0 {
		s.Quick, s.Base, s.Max = c.Schedule, c.Schedule[n-1], c.Schedule[n-1]
	}
	return s
}

// webhookTimeout is how long a receiver may take to answer.
const webhookTimeout = 10 * time.Second

// fetchTimeout is how long a file at a URL may take to come.
const fetchTimeout = time.Minute

// customers is how URLs that customers give may be called.
func (s *Server) customers(timeout time.Duration) safehttp.Options {
	return safehttp.Options{AllowPrivate: s.cfg.Webhooks.AllowPrivate, Timeout: timeout}
}

// startControl opens what decides and sounds.
func (s *Server) startControl(ctx context.Context) (err error) {
	cfg := s.cfg
	if s.files, err = blob.Open(cfg.Data); err != nil {
		return err
	}
	s.plane, err = media.Open(media.Config{
		Addr: cfg.RTP.Addr, PortMin: cfg.RTP.PortMin, PortMax: cfg.RTP.PortMax, Shards: cfg.RTP.Shards,
		SilenceTimeout: cfg.RTP.SilenceTimeout, Logger: cfg.Logger, Now: cfg.Now,
	})
	if err != nil {
		return fmt.Errorf("rtp-ports: %w", err)
	}
	fetch := s.customers(fetchTimeout)
	fetch.MaxBody = cfg.MaxUpload
	s.control = control.New(control.Config{
		Store: s.store, Ledger: s.ledger, Plane: s.plane, Files: s.files, Dispatcher: s.dispatcher,
		Fetcher: fetcher{safehttp.New(fetch), cfg.Data}, CheckURL: s.customers(0).CheckURL,
		Logger: cfg.Logger, Now: cfg.Now, AllowCalls: cfg.SIP.Allow, RingTime: cfg.SIP.RingTimeout, MaxCalls: cfg.MaxCalls,
	})
	setup := control.Setup{APIKey: cfg.APIKey, NotifyURL: cfg.Webhooks.NotifyURL, NotifySecret: cfg.Webhooks.NotifySecret}
	if s.made, err = s.control.Bootstrap(ctx, setup); err != nil {
		return err
	}
	if err := s.control.Open(ctx); err != nil {
		return err
	}
	s.working.Go(func() {
		if err := s.dispatcher.Run(context.Background()); err != nil {
			cfg.Logger.Error("deliveries have stopped", "error", err)
		}
	})
	s.agent, err = sip.Listen(sip.Config{Addr: cfg.SIP.Addr, Media: s.plane, Inbound: s.control, Logger: cfg.Logger, Now: cfg.Now})
	if err != nil {
		return fmt.Errorf("sip: %w", err)
	}
	s.control.Connect(s.agent)
	return nil
}

// serve starts the API.
func (s *Server) serve() {
	ctx, cancel := context.WithCancel(context.Background())
	s.closing = cancel
	metrics := telemetry.NewMetrics(s.cfg.Version, telemetry.Sources{
		Live:     func() telemetry.Live { return telemetry.Live(s.control.Live()) },
		Media:    s.plane.Stats,
		Ledger:   s.ledger.Stats,
		Webhooks: s.webhookCounts,
	})
	mux := http.NewServeMux()
	mux.Handle("/healthz", s.health.Live())
	mux.Handle("/readyz", s.health.Ready())
	mux.Handle("/metrics", metrics.Handler())
	mux.Handle("/", httpapi.New(httpapi.Config{
		Control: s.control, Logger: s.cfg.Logger, Version: s.cfg.Version, MaxUpload: s.cfg.MaxUpload, Closing: ctx,
	}))
	s.api = &http.Server{
		Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelDebug),
	}
	s.serving.Go(func() {
		if err := s.api.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- fmt.Errorf("http: %w", err)
		}
	})
}

// webhookCounts is what the metrics show of the deliveries.
func (s *Server) webhookCounts() telemetry.Webhooks {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	n, err := s.dispatcher.Stats(ctx)
	if err != nil {
		return telemetry.Webhooks{}
	}
	return telemetry.Webhooks{
		Deliveries: map[string]int64{"succeeded": n.Delivered, "failed": n.Failed, "dead": n.Dead},
		Pending:    n.Lanes, Breakers: n.OpenBreaks,
	}
}

// HTTPAddr is where the API listens.
func (s *Server) HTTPAddr() netip.AddrPort {
	return netip.MustParseAddrPort(s.listener.Addr().String())
}

// SIPAddr is where SIP listens.
func (s *Server) SIPAddr() netip.AddrPort { return s.agent.Addr() }

// Made is what this start made that is shown only once: a key, a secret.
func (s *Server) Made() control.Made { return s.made }

// Stop ends the server in an orderly way: it takes nothing new, lets running
// conferences go on for the drain time, ends them, and waits for every part.
// After ctx ends it waits no more for conferences to end by themselves.
func (s *Server) Stop(ctx context.Context) error {
	s.health.Set(telemetry.Draining)
	s.control.Drain()
	drain, cancel := context.WithTimeout(ctx, s.cfg.DrainTimeout)
	_ = s.control.WaitIdle(drain)
	cancel()
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	err := s.control.Close(end)
	s.closeAgent()
	s.agent = nil
	s.control = nil
	s.release()
	return err
}

// endTimeout is how long ending everything may take.
const endTimeout = 20 * time.Second

// byeTimeout is how long far ends may take to confirm that their calls are
// over: long enough for lost packets to be repeated, and no longer than a
// person waits for a server to stop.
const byeTimeout = 5 * time.Second

// closeAgent ends the signalling. A far end that is gone and confirms nothing
// is no fault of ours.
func (s *Server) closeAgent() {
	ctx, cancel := context.WithTimeout(context.Background(), byeTimeout)
	defer cancel()
	if err := s.agent.Close(ctx); err != nil {
		s.cfg.Logger.Warn("signalling not ended in order", "error", err)
	}
}

// release gives up what was started, the highest first.
func (s *Server) release() {
	s.closing()
	if s.api != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		if s.api.Shutdown(ctx) != nil {
			_ = s.api.Close()
		}
		cancel()
		s.serving.Wait()
	} else if s.listener != nil {
		_ = s.listener.Close()
	}
	end, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	if s.agent != nil {
		s.closeAgent()
	}
	if s.control != nil {
		_ = s.control.Close(end)
	}
	if s.dispatcher != nil {
		_ = s.dispatcher.Close()
		s.working.Wait()
	}
	if s.plane != nil {
		_ = s.plane.Close()
	}
	if s.ledger != nil {
		if err := s.ledger.Close(); err != nil {
			s.cfg.Logger.Error("ledger not closed", "error", err)
		}
	}
	if s.files != nil {
		_ = s.files.Close()
	}
	if s.store != nil {
		if err := s.store.Close(); err != nil {
			s.cfg.Logger.Error("store not closed", "error", err)
		}
	}
}

// Run serves until ctx ends, then drains and stops everything. What a person
// should see once (addresses, a new API key) goes to out.
func Run(ctx context.Context, cfg Config, out io.Writer) error {
	s, err := Start(ctx, cfg)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "parley: API http://%s, SIP %s (UDP and TCP), RTP %s ports %d-%d, data %s\n",
		s.HTTPAddr(), s.SIPAddr(), cfg.RTP.Addr, cfg.RTP.PortMin, cfg.RTP.PortMax, cfg.Data)
	if s.made.APIKey != "" {
		_, _ = fmt.Fprintf(out, "parley: API key, shown only now: %s\n", s.made.APIKey)
	}
	if s.made.NotifySecret != "" {
		_, _ = fmt.Fprintf(out, "parley: signing secret of the default webhook, shown only now: %s\n", s.made.NotifySecret)
	}
	select {
	case <-ctx.Done():
		_, _ = fmt.Fprintln(out, "parley: stopping; running conferences may go on for", cfg.DrainTimeout)
		return s.Stop(context.WithoutCancel(ctx))
	case err := <-s.failed:
		return errors.Join(err, s.Stop(ctx))
	}
}
