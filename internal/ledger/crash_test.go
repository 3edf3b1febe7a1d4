package ledger_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"parley"
	"parley/internal/ledger"
	"parley/internal/store"
	"parley/internal/store/sqlite"
)

// crashDir names the variable that turns the test binary into a server that
// commits until it is killed.
const crashDir = "PARLEY_TEST_CRASH_DIR"

const crashWriters = 16

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		if err := commitForEver(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// commitForEver commits events and record rows together and prints a line
// "stream seq" after each acknowledgement. Every stream goes on where the
// database says that it ended.
func commitForEver(dir string) error {
	ctx := context.Background()
	st, err := sqlite.Open(ctx, sqlite.Config{Dir: dir})
	if err != nil {
		return err
	}
	l, err := ledger.Open(st, ledger.Config{})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	errs := make(chan error)
	for i := range crashWriters {
		go func() { errs <- commitStream(ctx, st, l, parley.ID(fmt.Sprint("stream", i))) }()
	}
	return <-errs
}

func commitStream(ctx context.Context, st store.Store, l *ledger.Ledger, stream parley.ID) error {
	events, err := st.Events(ctx, store.EventQuery{Stream: stream})
	if err != nil {
		return err
	}
	for seq := int64(len(events)) + 1; ; seq++ {
		w := one(stream, seq)
		w.Put = []store.Row{{Kind: store.KindCall, ID: string(stream), Live: true, Doc: fmt.Appendf(nil, `{"seq":%d}`, seq)}}
		if err := l.Commit(ctx, w); err != nil {
			return err
		}
		// One write of a short line to a pipe is whole or not there at all.
		fmt.Printf("%s %d\n", stream, seq)
	}
}

// TestNothingAcknowledgedIsLostByKill kills a committing process again and
// again; what it said was committed must be there, and every stream whole.
func TestNothingAcknowledgedIsLostByKill(t *testing.T) {
	kills := 8
	if testing.Short() {
		kills = 2
	}
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(1, 1))
	acknowledged := map[parley.ID]int64{}
	for range kills {
		runUntilKilled(t, dir, 20+rng.IntN(400), acknowledged)
		checkAfterCrash(t, dir, acknowledged)
	}
	if len(acknowledged) != crashWriters {
		t.Errorf("%d of %d streams were committed to", len(acknowledged), crashWriters)
	}
}

// runUntilKilled runs the process until it has acknowledged so many writes and
// notes all that it acknowledged.
func runUntilKilled(t *testing.T, dir string, acks int, acknowledged map[parley.ID]int64) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), crashDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "ready" {
		t.Fatalf("the process did not start: %q, %v", lines.Text(), cmd.Wait())
	}
	var kill sync.Once
	for n := 0; lines.Scan(); n++ {
		if stream, text, ok := strings.Cut(lines.Text(), " "); ok {
			seq, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				t.Fatalf("the process printed %q", lines.Text())
			}
			acknowledged[parley.ID(stream)] = max(acknowledged[parley.ID(stream)], seq)
		}
		if n >= acks {
			kill.Do(func() { _ = cmd.Process.Kill() }) // SIGKILL
		}
	}
	_ = cmd.Wait() // "signal: killed"
}

// checkAfterCrash opens the database and compares.
func checkAfterCrash(t *testing.T, dir string, acknowledged map[parley.ID]int64) {
	t.Helper()
	began := time.Now()
	st, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	t.Logf("opened in %v", time.Since(began).Round(time.Millisecond))
	for stream, last := range acknowledged {
		events, err := st.Events(t.Context(), store.EventQuery{Stream: stream})
		if err != nil {
			t.Fatal(err)
		}
		if int64(len(events)) < last {
			t.Errorf("%s: %d events, %d were acknowledged", stream, len(events), last)
		}
		for i, e := range events {
			if e.Seq != int64(i+1) {
				t.Fatalf("%s: event %d has seq %d", stream, i+1, e.Seq)
			}
		}
		row, err := st.Get(t.Context(), store.KindCall, string(stream))
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf(`{"seq":%d}`, len(events)); string(row.Doc) != want {
			t.Errorf("%s: the record says %s beside %d events: they were not written together", stream, row.Doc, len(events))
		}
	}
}
