package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
)

// fetcher gets audio from customers' URLs into files of its own, which are
// gone when they are closed.
type fetcher struct {
	client *http.Client
	dir    string
}

// Fetch implements control.Fetcher.
func (f fetcher) Fetch(ctx context.Context, url string) (io.ReadSeekCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("fetch: %w", err)
	}
	res, err := f.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("fetch: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch %s: status %s", url, res.Status)
	}
	file, err := os.CreateTemp(f.dir, "fetched-*")
	if err != nil {
		return nil, fmt.Errorf("fetch: %w", err)
	}
	// Without its name the file lives as long as it is open, also over a crash.
	_ = os.Remove(file.Name())
	if _, err := io.Copy(file, res.Body); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("fetch %s: %w", url, err)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("fetch: %w", err)
	}
	return file, nil
}
