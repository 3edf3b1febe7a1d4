// Package telemetry is what an operator sees of a running server: the log, the
// metrics and the health of it. Nobody else knows how these are written down;
// other packages take a *slog.Logger and give their counts through the
// functions of Sources.
package telemetry
