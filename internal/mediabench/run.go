//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// plan is what the processes are told.
type plan struct {
	Shape   shape
	Time    time.Duration
	Port    int      // of all participants
	Addrs   []string // of the server, by participant
	PerPort int      // sessions on a port of the server
	Batched bool     // kind of reflector
}

// serverReport is what the server side measures of itself.
type serverReport struct {
	CPU           float64 // seconds, user and system, while measuring
	Seconds       float64
	RSS           int64 // bytes, with all participants
	RSSBefore     int64 // bytes, before the first
	Heap          int64 // bytes in use, with all participants
	HeapBefore    int64
	AllocsPerBeat float64
	LateBeats     int64
	SkippedBeats  int64
	Beats         int64
	Ports         int
}

// loadReport is what the generator measures.
type loadReport struct {
	CPU       float64 // seconds
	Seconds   float64
	Sent      int64
	Received  int64
	Expected  int64
	Dropped   int64   // by the kernel, before the generator read them
	JitterP99 float64 // ms
	ClickP50  float64 // ms added
	ClickP95  float64
	Clicks    int
	Behind    float64 // ms by which the generator itself was late, p99
}

// result is one row.
type result struct {
	Shape     shape
	Server    serverReport
	Load      loadReport
	Simple    *serverReport `json:",omitempty"` // reflector, a socket and goroutine per call
	Batched   *serverReport `json:",omitempty"` // reflector, shared sockets, recvmmsg and sendmmsg
	LoadAlone float64       // CPU s per participant-minute of the generator
}

// runShape measures one shape, and the reflectors beside it.
func runShape(s shape, length time.Duration, perPort int, reflectors bool) (result, error) {
	r := result{Shape: s}
	var err error
	if r.Server, r.Load, err = measure("server", plan{Shape: s, Time: length, PerPort: perPort}); err != nil {
		return r, err
	}
	r.LoadAlone = perMinute(r.Load.CPU, r.Load.Seconds, s)
	if !reflectors {
		return r, nil
	}
	for _, batched := range []bool{false, true} {
		report, _, err := measure("reflector", plan{Shape: s, Time: length / 2, Batched: batched})
		if err != nil {
			return r, fmt.Errorf("reflector: %w", err)
		}
		if batched {
			r.Batched = &report
		} else {
			r.Simple = &report
		}
	}
	return r, nil
}

// perMinute is CPU seconds per participant-minute.
func perMinute(cpu, seconds float64, s shape) float64 {
	return cpu / (seconds / 60) / float64(s.total())
}

// process is a child of ours that is spoken with line by line.
type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// start starts this program in another role, on one processor if that can be.
func start(role string, core int) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{self, role}
	if taskset, err := exec.LookPath("taskset"); err == nil {
		args = append([]string{taskset, "-c", fmt.Sprint(core)}, args...)
	}
	p := &process{cmd: exec.Command(args[0], args[1:]...)}
	p.cmd.Stderr = os.Stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReaderSize(out, 1<<20)
	return p, p.cmd.Start()
}

func (p *process) say(v any) error { return json.NewEncoder(p.in).Encode(v) }

func (p *process) hear(v any) error {
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("%s: %w", p.cmd.Args[len(p.cmd.Args)-1], err)
	}
	return json.Unmarshal(line, v)
}

// end closes the child's input, which ends it, and waits.
func (p *process) end() {
	_ = p.in.Close()
	_ = p.cmd.Wait()
}

// measure runs a server and a generator against each other.
func measure(role string, pl plan) (serverReport, loadReport, error) {
	var sr serverReport
	var lr loadReport
	server, err := start(role, 0)
	if err != nil {
		return sr, lr, err
	}
	defer server.end()
	load, err := start("generator", 1)
	if err != nil {
		return sr, lr, err
	}
	defer load.end()

	steps := []func() error{
		func() error { return load.say(pl) },
		func() error { return load.hear(&pl.Port) }, // bound
		func() error { return server.say(pl) },
		func() error { return server.hear(&pl.Addrs) }, // listening
		func() error { return load.say(pl) },
		func() error { var ok bool; return load.hear(&ok) }, // steady
		func() error { return server.say("begin") },
		func() error { return load.hear(&lr) }, // over
		func() error { return server.say("end") },
		func() error { return server.hear(&sr) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return sr, lr, err
		}
	}
	return sr, lr, nil
}
