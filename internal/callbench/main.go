// Command callbench measures what it takes to set up calls: joins per second,
// the time from INVITE to 200, and the server's CPU time for each call, through
// a whole server in a process of its own. `make bench` runs it.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

const key = "callbench-key-0123456789"

// result is one row of the table.
type result struct {
	InFlight int     `json:"in_flight"`
	Calls    int     `json:"calls"`
	Failed   int     `json:"failed"`
	Rate     float64 `json:"calls_per_second"`
	P50      float64 `json:"invite_to_200_p50_ms"`
	P99      float64 `json:"invite_to_200_p99_ms"`
	CPU      float64 `json:"cpu_ms_per_call"`
}

func main() {
	binary := flag.String("parley", "bin/parley", "the program to measure")
	calls := flag.Int("calls", 2000, "calls of each row")
	file := flag.String("json", "", "file for the figures")
	flag.Parse()
	if err := run(*binary, *calls, *file); err != nil {
		fmt.Fprintln(os.Stderr, "callbench:", err)
		os.Exit(1)
	}
}

func run(binary string, calls int, file string) error {
	fmt.Println("Setting up calls: INVITE into a conference, answered, ended by BYE")
	fmt.Println("in flight   calls/s   INVITE→200 p50 / p99 ms   CPU ms a call   failed")
	var rows []result
	for _, inFlight := range []int{1, 16, 64} {
		r, err := measure(binary, calls, inFlight)
		if err != nil {
			return err
		}
		fmt.Printf("%9d %9.0f %15.1f / %.1f %15.2f %8d\n", r.InFlight, r.Rate, r.P50, r.P99, r.CPU, r.Failed)
		rows = append(rows, r)
	}
	fmt.Println("peers, 16 in flight: Asterisk 425 (30 / 79 ms, 2.2 ms CPU), FreeSWITCH 152, Janus 105")
	if file == "" {
		return nil
	}
	doc, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(doc, '\n'), 0o600)
}

// measure makes calls to a server of its own, inFlight at a time.
func measure(binary string, calls, inFlight int) (result, error) {
	s, err := serve(binary)
	if err != nil {
		return result{}, err
	}
	defer s.stop()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := s.conference(ctx); err != nil {
		return result{}, err
	}
	g, err := newGenerator(s.sip)
	if err != nil {
		return result{}, err
	}
	defer g.close()
	before, err := s.cpu()
	if err != nil {
		return result{}, err
	}
	began := time.Now()
	took, failed := g.call(ctx, calls, inFlight)
	all := time.Since(began)
	after, err := s.cpu()
	if err != nil {
		return result{}, err
	}
	if len(took) == 0 {
		return result{}, errors.New("no call was answered")
	}
	slices.Sort(took)
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	return result{
		InFlight: inFlight, Calls: calls, Failed: failed, Rate: float64(len(took)) / all.Seconds(),
		P50: ms(took[len(took)/2]), P99: ms(took[len(took)*99/100]), CPU: ms(after-before) / float64(calls),
	}, nil
}

// process is a server in a process of its own, on the first processor.
type process struct {
	cmd  *exec.Cmd
	data string
	api  string
	sip  netip.AddrPort
}

func serve(binary string) (*process, error) {
	data, err := os.MkdirTemp("", "callbench-")
	if err != nil {
		return nil, err
	}
	args := []string{binary, "serve", "--data", data, "--http", "127.0.0.1:0", "--sip", "127.0.0.1:0", "--drain-timeout", "0s", "--log-level", "error"}
	if path, err := exec.LookPath("taskset"); err == nil {
		args = append([]string{path, "-c", "0"}, args...)
	}
	s := &process{data: data, cmd: exec.Command(args[0], args[1:]...)}
	s.cmd.Env = append(os.Environ(), "PARLEY_API_KEY="+key)
	s.cmd.Stderr = os.Stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	r := bufio.NewReader(out)
	line, err := r.ReadString('\n')
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("the server said nothing: %w", err)
	}
	go func() { _, _ = io.Copy(io.Discard, r) }()
	_, rest, _ := strings.Cut(line, "API ")
	s.api, rest, _ = strings.Cut(rest, ", SIP ")
	addr, _, _ := strings.Cut(rest, " ")
	if s.sip, err = netip.ParseAddrPort(addr); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

func (s *process) stop() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	_ = os.RemoveAll(s.data)
}

// conference makes the conference that the calls dial into.
func (s *process) conference(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.api+"/v1/conferences", bytes.NewReader([]byte(`{"name":"bench","dial_in":true}`)))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusCreated {
		return fmt.Errorf("conference: %s", res.Status)
	}
	return nil
}

// cpu is the user and system time that the process has used (proc(5), stat,
// fields 14 and 15, in hundredths of a second).
func (s *process) cpu() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	var ticks int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}
