package telemetry

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// Level is the least level that is logged.
type Level slog.Level

// UnmarshalText reads debug, info, warn or error, in any case.
func (l *Level) UnmarshalText(text []byte) error {
	switch strings.ToLower(string(text)) {
	case "debug":
		*l = Level(slog.LevelDebug)
	case "info":
		*l = Level(slog.LevelInfo)
	case "warn":
		*l = Level(slog.LevelWarn)
	case "error":
		*l = Level(slog.LevelError)
	default:
		return fmt.Errorf("%q is none of debug, info, warn, error", text)
	}
	return nil
}

// Format is how a line of the log looks.
type Format int

// The formats of the log.
const (
	FormatText Format = iota // key=value
	FormatJSON               // one JSON object a line
)

// UnmarshalText reads text or json, in any case.
func (f *Format) UnmarshalText(text []byte) error {
	switch strings.ToLower(string(text)) {
	case "text":
		*f = FormatText
	case "json":
		*f = FormatJSON
	default:
		return fmt.Errorf("%q is neither text nor json", text)
	}
	return nil
}

// NewLogger makes a logger that writes lines to w, one write each.
func NewLogger(w io.Writer, level Level, format Format) *slog.Logger {
	o := &slog.HandlerOptions{Level: slog.Level(level)}
	if format == FormatJSON {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
