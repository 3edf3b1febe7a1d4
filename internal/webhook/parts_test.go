package webhook

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"
)

func TestSignaturesMatchTheStandardsVectors(t *testing.T) {
	data, err := os.ReadFile("testdata/standard-webhooks-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Sign []struct {
			Secret, ID, Payload, Expected string
			Timestamp                     int64
		}
	}
	if err := json.Unmarshal(data, &vectors); err != nil || len(vectors.Sign) == 0 {
		t.Fatalf("%d vectors, %v", len(vectors.Sign), err)
	}
	for _, v := range vectors.Sign {
		key, err := ParseSecret(v.Secret)
		if err != nil {
			t.Fatal(err)
		}
		if got := Sign([][]byte{key}, v.ID, v.Timestamp, []byte(v.Payload)); got != v.Expected {
			t.Errorf("Sign = %s, want %s", got, v.Expected)
		}
		other := Sign([][]byte{[]byte("old"), key}, v.ID, v.Timestamp, []byte(v.Payload))
		if first, second, ok := strings.Cut(other, " "); !ok || second != v.Expected || !strings.HasPrefix(first, "v1,") || first == second {
			t.Errorf("two secrets sign %q, want two signatures, the second %s", other, v.Expected)
		}
	}
}

func TestSecretsThatAreNone(t *testing.T) {
	for _, s := range []string{"", "whsec_", "whsec_====", "secret", "WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_not base64!", "whsec_a"} {
		key, err := ParseSecret(s)
		if err == nil {
			t.Errorf("ParseSecret(%q) = %x", s, key)
		} else if len(s) > 8 && strings.Contains(err.Error(), strings.TrimPrefix(s, secretPrefix)) {
			t.Errorf("the error %q contains the secret", err)
		}
	}
	for _, s := range []string{"whsec_YQ==", "whsec_YQ"} {
		if key, err := ParseSecret(s); err != nil || string(key) != "a" {
			t.Errorf("ParseSecret(%q) = %q, %v", s, key, err)
		}
	}
}

func FuzzParseSecret(f *testing.F) {
	f.Add("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	f.Add("whsec_YQ==")
	f.Add("whsec_")
	f.Add("whsec_\n\r=")
	f.Fuzz(func(t *testing.T, s string) {
		key, err := ParseSecret(s)
		if err != nil {
			return
		}
		if len(key) == 0 {
			t.Fatalf("ParseSecret(%q) gives no key", s)
		}
		again, err := ParseSecret(secretPrefix + base64.StdEncoding.EncodeToString(key))
		if err != nil || !slices.Equal(again, key) {
			t.Fatalf("%q: the key written again reads %x, %v", s, again, err)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	for _, c := range []struct {
		value string
		want  time.Duration
		ok    bool
	}{
		{"120", 2 * time.Minute, true},
		{" 7 ", 7 * time.Second, true},
		{"0", 0, true},
		{"86401", maxRetryAfter, true},
		{"99999999999999999999999999", maxRetryAfter, true},
		{"Mon, 04 May 2026 03:03:01 GMT", time.Minute, true},
		{"Monday, 04-May-26 03:03:01 GMT", time.Minute, true},
		{"Mon May  4 03:03:01 2026", time.Minute, true},
		{"Mon, 04 May 2026 03:00:00 GMT", 0, true},
		{"Fri, 04 May 2096 03:00:00 GMT", maxRetryAfter, true},
		{"", 0, false},
		{"-5", 0, false},
		{"1.5", 0, false},
		{"soon", 0, false},
		{"+3", 0, false},
	} {
		if got, ok := parseRetryAfter(c.value, now); got != c.want || ok != c.ok {
			t.Errorf("Retry-After %q = %v, %v, want %v, %v", c.value, got, ok, c.want, c.ok)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"120", "Mon, 04 May 2026 03:03:01 GMT", "Mon May  4 03:03:01 2026", "", "-1", "18446744073709551616", "9223372036854775807"} {
		f.Add(s, int64(1_700_000_000))
	}
	f.Fuzz(func(t *testing.T, value string, now int64) {
		d, ok := parseRetryAfter(value, time.Unix(now%(1<<40), 0))
		if d < 0 || d > maxRetryAfter || !ok && d != 0 {
			t.Fatalf("Retry-After %q = %v, %v", value, d, ok)
		}
	})
}

func TestTheDefaultScheduleIsTheContracts(t *testing.T) {
	s := Schedule{}.withDefaults()
	var delays []time.Duration
	for n := 1; n <= 12; n++ {
		delays = append(delays, s.nominal(n))
	}
	want := "[5s 20s 15s 30s 1m0s 2m0s 4m0s 8m0s 16m0s 30m0s 30m0s 30m0s]"
	if fmt.Sprint(delays) != want {
		t.Errorf("delays %v, want %s", delays, want)
	}
	// Three tries within the first minute, even if each times out and chance
	// delays them most.
	third := 2*s.Timeout + s.delay(1, 0.999) + s.delay(2, 0.999)
	if s.Tries != 3 || third >= time.Minute {
		t.Errorf("%d quick tries, the third after %v", s.Tries, third)
	}
	if low, high := s.delay(7, 0), s.delay(7, 0.999999); low != 192*time.Second || high < 287*time.Second || high > 288*time.Second {
		t.Errorf("4 minutes with jitter are %v to %v", low, high)
	}
	total := time.Duration(0)
	for n := 1; n < s.attempts(); n++ {
		total += s.nominal(n)
	}
	if total < 48*time.Hour || total > 72*time.Hour {
		t.Errorf("%d attempts take %v", s.attempts(), total)
	}
}

func TestAScheduleCanBeSetInPart(t *testing.T) {
	s := Schedule{Quick: []time.Duration{}, Tries: 1, Base: time.Second, Jitter: -1}.withDefaults()
	if s.Tries != 1 || s.nominal(1) != time.Second || s.nominal(3) != 4*time.Second || s.Timeout != 10*time.Second || s.Jitter != 0 {
		t.Errorf("schedule %+v", s)
	}
	if s := (Schedule{GiveUp: time.Hour}).withDefaults(); s.Jitter != 0.2 || s.GiveUp != time.Hour {
		t.Errorf("schedule %+v", s)
	}
}

// TestAttemptsBeforeGivingUp counts them one by one, which a schedule of short
// delays would take too long for.
func TestAttemptsBeforeGivingUp(t *testing.T) {
	counted := func(s Schedule) int {
		total := time.Duration(0)
		for n := 1; ; n++ {
			if total += time.Duration(float64(s.nominal(n)) * (1 + s.Jitter)); total >= s.GiveUp {
				return n
			}
		}
	}
	for _, s := range []Schedule{
		{}, {GiveUp: time.Second}, {GiveUp: 5 * time.Second}, {GiveUp: 25 * time.Second}, {GiveUp: time.Hour}, {GiveUp: time.Hour + 1},
		{Quick: []time.Duration{}, Base: time.Second, Max: time.Second, GiveUp: 10 * time.Second},
		{Quick: []time.Duration{time.Hour}, Base: time.Minute, Max: time.Second, GiveUp: time.Hour, Jitter: 0.5},
		{Quick: []time.Duration{time.Second, 2 * time.Second}, Base: 3 * time.Second, Max: 50 * time.Second, GiveUp: 1000 * time.Second, Jitter: 1},
	} {
		s = s.withDefaults()
		if got, want := s.attempts(), counted(s); got != want {
			t.Errorf("%+v: %d attempts, want %d", s, got, want)
		}
	}
	s := Schedule{Quick: []time.Duration{}, Base: time.Nanosecond, Max: time.Nanosecond, GiveUp: 72 * time.Hour, Jitter: -1}.withDefaults()
	if got := s.attempts(); got != int(72*time.Hour) {
		t.Errorf("%d attempts a nanosecond apart", got)
	}
}

func TestWhatAStatusMeans(t *testing.T) {
	for want, statuses := range map[verdict][]int{
		delivered: {200, 201, 202, 204, 299},
		failing:   {301, 302, 303, 307, 308, 401, 403, 404, 408, 429, 500, 501, 502, 503, 504, 599, 600, 999},
		refused:   {400, 402, 405, 406, 409, 413, 415, 418, 422, 451, 499},
		gone:      {410},
	} {
		for _, s := range statuses {
			if got := judge(s); got != want {
				t.Errorf("judge(%d) = %d, want %d", s, got, want)
			}
		}
	}
}

func TestTheBeginningOfAnAnswer(t *testing.T) {
	long := strings.Repeat("x", keptBody-1)
	for _, c := range []struct{ name, body, want string }{
		{"empty", "", ""},
		{"short", "ok\n", "ok\n"},
		{"cut", long + "xyz", long + "x"},
		{"cut in a character", long + "é and more", long},
		{"cut in a long character", strings.Repeat("x", keptBody-3) + "\U0001F600", strings.Repeat("x", keptBody-3)},
		{"not UTF-8", "a\xff\xfeb", "a\uFFFDb"},
		{"nothing but rubbish", strings.Repeat("\xff", 1000), "\uFFFD"},
	} {
		got := beginning(iotest.OneByteReader(strings.NewReader(c.body)))
		if got != c.want || !utf8.ValidString(got) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	broken := io.MultiReader(strings.NewReader("half"), iotest.ErrReader(errors.New("reset")))
	if got := beginning(broken); got != "half" {
		t.Errorf("a broken answer begins %q", got)
	}
}

func TestTheReasonOfAFailureIsShort(t *testing.T) {
	cause := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	got := reason(&url.Error{Op: "Post", URL: "https://user:password@example.com/", Err: cause})
	if got != "dial tcp: connection refused" {
		t.Errorf("reason %q", got)
	}
	if got := reason(errors.New(strings.Repeat("é", 1000))); len(got) > 300 || !utf8.ValidString(got) {
		t.Errorf("reason of %d bytes", len(got))
	}
}

func TestFifo(t *testing.T) {
	var q fifo[int]
	next, want := 0, 0
	for round := range 50 {
		for range round % 7 {
			q.push(next)
			next++
		}
		for range min(q.len(), round%5) {
			if got := q.pop(); got != want {
				t.Fatalf("pop = %d, want %d", got, want)
			}
			want++
		}
		if q.len() != next-want {
			t.Fatalf("len = %d, want %d", q.len(), next-want)
		}
	}
}
