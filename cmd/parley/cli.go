package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/alecthomas/kong"
)

// commands is the command line.
type commands struct {
	Serve   serveCmd   `cmd:"" help:"Run the server."`
	Demo    demoCmd    `cmd:"" help:"Show a whole conference on this machine: three phones, sound, callbacks."`
	Phone   phoneCmd   `cmd:"" help:"Be a scripted SIP phone."`
	Version versionCmd `cmd:"" help:"Say which version this is."`
}

// terminal is where a command writes.
type terminal struct {
	out io.Writer // results
	err io.Writer // log and errors
}

// Exit statuses.
const (
	exitFailed = 1 // the command was understood and did not succeed
	exitUsage  = 2 // the command line, the environment or the file is wrong
)

// run carries out one command line and gives the exit status.
func run(ctx context.Context, args []string, t terminal) int {
	status := -1
	parser, err := newParser(ctx, new(commands), t, func(code int) { status = code })
	if err != nil { // the struct tags are wrong: a test runs every command
		fmt.Fprintln(t.err, "parley:", err)
		return exitFailed
	}
	command, err := parser.Parse(args)
	switch {
	case status >= 0: // help was asked for and printed
		return status
	case err != nil:
		fmt.Fprintf(t.err, "parley: %v\nRun \"parley --help\" for what there is.\n", err)
		return exitUsage
	}
	if err := command.Run(); err != nil {
		fmt.Fprintln(t.err, "parley:", err)
		return exitFailed
	}
	return 0
}

// newParser makes the parser that fills c. Help, once printed, calls exit.
func newParser(ctx context.Context, c *commands, t terminal, exit func(int)) (*kong.Kong, error) {
	return kong.New(c,
		kong.Name("parley"),
		kong.Description("A programmable voice-conference server."),
		kong.Writers(t.out, t.err),
		kong.Exit(exit),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		serveDefaults(),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(t),
	)
}

// versionCmd is `parley version`.
type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(t terminal) error {
	fmt.Fprintf(t.out, "parley %s %s %s/%s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}

// version is what the build knows of itself: the module's version and, where
// it was built in a checkout, the commit.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	if v == "" || v == "(devel)" {
		v = "devel"
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v += "-" + s.Value[:min(12, len(s.Value))]
			}
		}
	}
	return v
}
