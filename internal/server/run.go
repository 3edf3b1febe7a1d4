// Package server is the assembly: it builds every part, starts them in order,
// stops them in reverse and waits for each.
package server

import (
	"context"
	"io"
)

// Run serves until ctx ends, then drains and stops everything. What a person
// should see once (addresses, a new API key) goes to out.
func Run(ctx context.Context, cfg Config, out io.Writer) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	if err := prepareData(cfg.Data); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}
