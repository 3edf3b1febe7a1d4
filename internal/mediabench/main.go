//go:build linux

// Command mediabench measures what the media plane costs. It runs a server (the
// media plane, or a bare UDP reflector to compare with) and a load generator as
// two processes, each on a processor of its own where taskset is present, and
// prints one table:
//
//	go run ./internal/mediabench [-time 10s] [-shapes 1x100,1x1000/0] [-json FILE]
//
// The generator is every participant at once: a packet each 20 ms, at a phase
// of its own, from an address of its own (127.1.x.y); the speakers play speech,
// the others a quiet line. CPU is the server process's, user and system, in the
// steady state. Linux only.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	role := ""
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-") {
		role = os.Args[1]
		os.Args = append(os.Args[:1], os.Args[2:]...)
	}
	var err error
	switch role {
	case "":
		err = runBench()
	case "server":
		err = serve(os.Stdin, os.Stdout)
	case "reflector":
		err = reflect(os.Stdin, os.Stdout)
	case "generator":
		err = generate(os.Stdin, os.Stdout)
	default:
		err = fmt.Errorf("unknown role %q", role)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mediabench:", err)
		os.Exit(1)
	}
}

// shape is one load.
type shape struct {
	Conferences  int
	Participants int // in each
	Talkers      int // in each; 0 means all
	// Everything also plays a file and records in each conference.
	Everything bool
}

func (s shape) total() int { return s.Conferences * s.Participants }

func (s shape) talkers() int {
	if s.Talkers == 0 {
		return s.Participants
	}
	return min(s.Talkers, s.Participants)
}

func (s shape) String() string {
	talk := "all talk"
	if s.Talkers > 0 {
		talk = fmt.Sprintf("%d talk", s.Talkers)
	}
	if s.Everything {
		talk += ", plays, records"
	}
	return fmt.Sprintf("%d x %d, %s", s.Conferences, s.Participants, talk)
}

// allShapes are those of the table.
func allShapes() []shape {
	return []shape{
		{1, 8, 3, false}, {1, 8, 0, false}, {1, 100, 3, false}, {1, 100, 0, false}, {1, 100, 3, true},
		{1, 400, 3, false}, {1, 400, 0, false}, {50, 8, 3, false}, {1, 1000, 3, false},
	}
}

// parseShapes reads a list such as 1x100,50x8/0.
func parseShapes(list string) (shapes []shape, err error) {
	for _, word := range strings.Split(list, ",") {
		s := shape{Talkers: 3}
		size, talkers, ok := strings.Cut(word, "/")
		if ok {
			if s.Talkers, err = strconv.Atoi(talkers); err != nil {
				return nil, fmt.Errorf("shape %q: %w", word, err)
			}
		}
		if _, err := fmt.Sscanf(size, "%dx%d", &s.Conferences, &s.Participants); err != nil {
			return nil, fmt.Errorf("shape %q: %w", word, err)
		}
		if s.total() < 1 || s.total() > 65000 {
			return nil, fmt.Errorf("shape %q: 1 to 65000 participants", word)
		}
		shapes = append(shapes, s)
	}
	return shapes, nil
}

// runBench runs all shapes and prints the table.
func runBench() error {
	length := flag.Duration("time", 10*time.Second, "how long each run measures")
	only := flag.String("shapes", "", "other shapes: conferences x participants / who talk, e.g. 1x100,50x8/0 (3 talk, 0 is all)")
	out := flag.String("json", "", "also write the results to this file")
	perPort := flag.Int("per-port", 0, "sessions that share a UDP port; 1 is a socket per call (default as the server has it)")
	noReflector := flag.Bool("no-reflector", false, "leave out the reflectors")
	flag.Parse()

	var results []result
	fmt.Println(header)
	shapes := allShapes()
	if *only != "" {
		var err error
		if shapes, err = parseShapes(*only); err != nil {
			return err
		}
	}
	for _, s := range shapes {
		r, err := runShape(s, *length, *perPort, !*noReflector && !s.Everything && s.Talkers > 0)
		if err != nil {
			return fmt.Errorf("%v: %w", s, err)
		}
		fmt.Println(r.row())
		results = append(results, r)
	}
	fmt.Print(peerTable())
	if *out != "" {
		b, err := json.MarshalIndent(results, "", "  ")
		if err != nil {
			return err
		}
		return os.WriteFile(*out, b, 0o644)
	}
	return nil
}
