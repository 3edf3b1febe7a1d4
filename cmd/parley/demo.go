package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"parley/internal/demo"
	"parley/internal/server"
	"parley/internal/telemetry"
)

// demoCmd is `parley demo`.
type demoCmd struct {
	Data string `type:"path" placeholder:"DIR" help:"Where the recording is to lie. Without it a new directory is made."`
}

// demoPatience is how long the demonstration may take in all.
const demoPatience = 80 * time.Second

// Run shows the conference and fails unless everything in it was right.
func (c demoCmd) Run(ctx context.Context, t terminal) (err error) {
	ctx, cancel := context.WithTimeout(ctx, demoPatience)
	defer cancel()
	if c.Data == "" {
		if c.Data, err = os.MkdirTemp("", "parley-demo-"); err != nil {
			return err
		}
	}
	cfg := server.Default()
	cfg.Data, cfg.HTTP, cfg.SIP.Addr = c.Data, "127.0.0.1:0", "127.0.0.1:0"
	cfg.APIKey = "demo-" + fmt.Sprint(os.Getpid()) + "-key"
	cfg.Webhooks.AllowPrivate = true
	cfg.DrainTimeout = 0
	cfg.Version = version()
	cfg.Logger = telemetry.NewLogger(t.err, telemetry.Level(slog.LevelWarn), telemetry.FormatText)
	s, err := server.Start(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop(context.WithoutCancel(ctx))) }()
	_, _ = fmt.Fprintf(t.out, "A parley on loopback: API http://%s, SIP %s, data %s\n", s.HTTPAddr(), s.SIPAddr(), c.Data)
	err = demo.Run(ctx, demo.Config{API: "http://" + s.HTTPAddr().String(), Key: cfg.APIKey, SIP: s.SIPAddr(), Data: c.Data, Out: t.out})
	if err != nil {
		return fmt.Errorf("not everything was right:\n%w", err)
	}
	_, _ = fmt.Fprintln(t.out, "\nEverything was right.")
	return nil
}
