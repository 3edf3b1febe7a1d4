package safehttp

import (
	"compress/gzip"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// errReached stands for a connection: no test dials an address that is not
// loopback.
var errReached = errors.New("the address was let through")

// refuseAll is a client that records which addresses the policy let through,
// and connects to none.
func refuseAll(t *testing.T, o Options, names answers) (*http.Client, *[]netip.AddrPort) {
	var reached []netip.AddrPort
	o.Resolver = names.resolver(t)
	return newClient(o, func(to netip.AddrPort) error {
		reached = append(reached, to)
		return errReached
	}), &reached
}

// refusedForms are URLs that must not lead anywhere, literal or by name.
func refusedForms() []string {
	return []string{
		// Loopback.
		"http://127.0.0.1/", "http://127.0.0.1:8080/", "https://127.255.255.254/", "http://[::1]/", "http://localhost/",
		"http://LOCALHOST./", "http://a.localhost/", "http://127.0.0.1./",
		// Private, shared, link-local.
		"http://10.0.0.1/", "http://10.255.255.255/", "http://172.16.0.1/", "http://172.31.255.255/", "http://192.168.0.1/",
		"http://192.168.255.255/", "http://100.64.0.1/", "http://100.127.255.255/", "http://169.254.0.1/", "http://[fe80::1]/",
		"http://[fe80::1%25eth0]/", "http://[fec0::1]/", "http://[fc00::1]/", "http://[fdff:ffff::1]/",
		// Metadata services.
		"http://169.254.169.254/latest/meta-data/", "http://169.254.170.2/", "http://100.100.100.200/", "http://168.63.129.16/",
		"http://192.0.0.192/", "http://[fd00:ec2::254]/", "http://[fd20:ce::254]/",
		// Zero, broadcast, multicast, reserved.
		"http://0.0.0.0/", "http://0.1.2.3/", "http://[::]/", "http://255.255.255.255/", "http://240.0.0.1/", "http://224.0.0.1/",
		"http://239.255.255.255/", "http://[ff02::1]/", "http://192.0.0.1/", "http://[100::1]/", "http://[5f00::1]/", "http://[4000::1]/",
		// Documentation and benchmarking.
		"http://192.0.2.1/", "http://198.51.100.1/", "http://203.0.113.1/", "http://198.18.0.1/", "http://198.19.255.255/",
		"http://[2001:db8::1]/", "http://[3fff::1]/", "http://[2001:2::1]/",
		// IPv4 in IPv6's clothes.
		"http://[::ffff:127.0.0.1]/", "http://[::ffff:10.0.0.1]/", "http://[::ffff:a9fe:a9fe]/", "http://[0:0:0:0:0:ffff:c0a8:1]/",
		"http://[::127.0.0.1]/", "http://[64:ff9b::127.0.0.1]/", "http://[64:ff9b::a00:1]/", "http://[64:ff9b:1::a00:1]/",
		"http://[2002:7f00:1::]/", "http://[2002:a9fe:a9fe::1]/", "http://[2001::1]/", "http://[2001:10::1]/", "http://192.88.99.1/",
		// Unusual spellings of addresses.
		"http://2130706433/", "http://0x7f000001/", "http://0x7f.0.0.1/", "http://0177.0.0.1/", "http://017700000001/",
		"http://127.1/", "http://127.0.1/", "http://0/", "http://3232235777/", "http://0xA9FEA9FE/", "http://169.254.43518/",
		"http://127.0.0.01/", "http://00000127.0.0.1/", "http://a.0x7f/",
		// Names that lead there.
		"http://loopback.test/", "http://private.test/", "http://metadata.test:8080/", "https://mapped.test/", "http://nat64.test/",
		"http://ula.test/", "http://mixed.test/",
		// Schemes and URLs that are none.
		"ftp://8.8.8.8/", "file:///etc/passwd", "gopher://8.8.8.8/", "//8.8.8.8/", "http:///path", "http://8.8.8.8:0/", "http://8.8.8.8:70000/",
	}
}

func privateNames() answers {
	return answers{
		"loopback.test.": resolving("127.0.0.1", "::1"),
		"private.test.":  resolving("10.1.2.3"),
		"metadata.test.": resolving("169.254.169.254"),
		"mapped.test.":   resolving("::ffff:192.168.1.1"),
		"nat64.test.":    resolving("64:ff9b::a9fe:a9fe"),
		"ula.test.":      resolving("fd12:3456::1"),
		"mixed.test.":    resolving("192.168.7.7", "fe80::1", "::ffff:127.0.0.1"),
	}
}

func TestNoConnectionToAnythingThatIsNotPublic(t *testing.T) {
	forms := refusedForms()
	if len(forms) < 60 {
		t.Fatalf("%d forms, want at least 60", len(forms))
	}
	for _, form := range forms {
		t.Run(form, func(t *testing.T) {
			client, reached := refuseAll(t, Options{}, privateNames())
			resp, err := client.Get(form)
			if err == nil {
				_ = resp.Body.Close()
			}
			if len(*reached) > 0 || err == nil || errors.Is(err, errReached) {
				t.Fatalf("%v was let through (%v)", *reached, err)
			}
			if strings.Contains(form, ".test") {
				if _, ok := errors.AsType[*AddressError](err); !ok {
					t.Errorf("%v, want an AddressError", err)
				}
			}
		})
	}
}

func TestPublicAddressesAreReached(t *testing.T) {
	names := answers{
		"v4.test.":   resolving("8.8.8.8"),
		"v6.test.":   resolving("2606:4700::1111"),
		"both.test.": resolving("10.0.0.1", "8.8.4.4"),
	}
	for form, want := range map[string]string{
		"http://8.8.8.8/":          "8.8.8.8:80",
		"https://8.8.8.8:8443/":    "8.8.8.8:8443",
		"http://[2606:4700::1]/":   "[2606:4700::1]:80",
		"http://[::ffff:8.8.8.8]/": "8.8.8.8:80",
		"http://v4.test/":          "8.8.8.8:80",
		"https://v6.test/":         "[2606:4700::1111]:443",
		"http://both.test/":        "8.8.4.4:80",
		"http://172.15.255.255/":   "172.15.255.255:80",
		"http://172.32.0.1/":       "172.32.0.1:80",
		"http://100.128.0.1/":      "100.128.0.1:80",
		"http://11.0.0.1/":         "11.0.0.1:80",
		"http://223.255.255.255/":  "223.255.255.255:80",
		"http://198.20.0.1/":       "198.20.0.1:80",
		"http://[2001:4860::1]/":   "[2001:4860::1]:80",
	} {
		client, reached := refuseAll(t, Options{}, names)
		resp, err := client.Get(form)
		if err == nil {
			_ = resp.Body.Close()
		}
		if fmt.Sprint(*reached) != "["+want+"]" {
			t.Errorf("%s reached %v (%v), want %s", form, *reached, err, want)
		}
		if err := (Options{}).CheckURL(form); err != nil {
			t.Errorf("CheckURL %s = %v", form, err)
		}
	}
}

// TestTheAddressIsJudgedWhenItIsDialled has a name that is public when looked
// at and private when dialled.
func TestTheAddressIsJudgedWhenItIsDialled(t *testing.T) {
	names := answers{"rebind.test.": resolving("8.8.8.8").then("127.0.0.1")}
	client, reached := refuseAll(t, Options{}, names)
	_, err := client.Get("http://rebind.test/")
	if !errors.Is(err, errReached) {
		t.Fatalf("the public address was not reached: %v", err)
	}
	_, err = client.Get("http://rebind.test/")
	refused, ok := errors.AsType[*AddressError](err)
	if !ok || refused.Addr != netip.MustParseAddr("127.0.0.1") || refused.Reason != "loopback" || len(*reached) != 1 {
		t.Errorf("error %v after %v, want an AddressError for 127.0.0.1", err, *reached)
	}
}

func TestWhatTheOperatorAllows(t *testing.T) {
	for _, c := range []struct {
		name    string
		o       Options
		url     string
		allowed bool
	}{
		{"private", Options{AllowPrivate: true}, "http://10.0.0.1/", true},
		{"loopback", Options{AllowPrivate: true}, "http://localhost/", true},
		{"shared", Options{AllowPrivate: true}, "http://100.64.1.1/", true},
		{"unique local", Options{AllowPrivate: true}, "http://[fd00::1]/", true},
		{"never metadata by AllowPrivate", Options{AllowPrivate: true}, "http://169.254.169.254/", false},
		{"never metadata by AllowPrivate, shared", Options{AllowPrivate: true}, "http://100.100.100.200/", false},
		{"never link-local by AllowPrivate", Options{AllowPrivate: true}, "http://169.254.1.1/", false},
		{"never multicast by AllowPrivate", Options{AllowPrivate: true}, "http://224.0.0.1/", false},
		{"a range", Options{Allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}}, "http://10.1.2.3/", true},
		{"a range, mapped", Options{Allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}}, "http://[::ffff:10.1.2.3]/", true},
		{"beyond the range", Options{Allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}}, "http://10.2.0.1/", false},
		{"a port", Options{Ports: []uint16{443, 8443}}, "https://8.8.8.8/", true},
		{"another port", Options{Ports: []uint16{443, 8443}}, "http://8.8.8.8/", false},
		{"another port of a name", Options{Ports: []uint16{443}}, "http://v4.test:22/", false},
	} {
		client, reached := refuseAll(t, c.o, answers{"v4.test.": resolving("8.8.8.8")})
		_, _ = client.Get(c.url)
		if got := len(*reached) > 0; got != c.allowed {
			t.Errorf("%s: %s reached: %v, want %v", c.name, c.url, got, c.allowed)
		}
		if err := c.o.CheckURL(c.url); (err == nil) != c.allowed {
			t.Errorf("%s: CheckURL %s = %v", c.name, c.url, err)
		}
	}
}

func TestCheckURLRefusesWhatItCanSee(t *testing.T) {
	for _, form := range refusedForms() {
		if strings.Contains(form, ".test") {
			continue
		}
		if err := (Options{}).CheckURL(form); err == nil {
			t.Errorf("CheckURL %s = nil", form)
		}
	}
	for _, form := range []string{"http://a b/", "http://[::1", "https://example.com/" + strings.Repeat("x", maxURL), "http://exa\nmple.com/"} {
		if err := (Options{}).CheckURL(form); err == nil {
			t.Errorf("CheckURL %.40q = nil", form)
		}
	}
	for _, form := range []string{"https://example.com", "http://example.com:8080/hook?x=1", "https://hooks.1and1.de/", "https://müller.example/"} {
		if err := (Options{}).CheckURL(form); err != nil {
			t.Errorf("CheckURL %s = %v", form, err)
		}
	}
}

// local is a client that may reach the test servers.
func local(o Options) *http.Client {
	o.AllowPrivate = true
	return New(o)
}

func TestARedirectIsNotFollowed(t *testing.T) {
	followed := false
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		followed = followed || r.URL.Path != "/"
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer s.Close()
	resp, err := local(Options{}).Post(s.URL, "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusTemporaryRedirect || followed {
		t.Errorf("status %d, followed %v", resp.StatusCode, followed)
	}
}

func TestTheEnvironmentsProxyIsNotUsed(t *testing.T) {
	transport := New(Options{}).Transport.(*guard).transport
	if transport.Proxy != nil {
		t.Error("the client asks for a proxy")
	}
}

func TestABodyIsBounded(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", 1000))
	}))
	defer s.Close()
	for _, c := range []struct {
		limit int64
		want  int
		err   error
	}{{999, 999, ErrTooLarge}, {1000, 1000, nil}, {1001, 1000, nil}, {1, 1, ErrTooLarge}} {
		resp, err := local(Options{MaxBody: c.limit}).Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if len(body) != c.want || !errors.Is(err, c.err) {
			t.Errorf("limit %d: %d bytes, %v; want %d, %v", c.limit, len(body), err, c.want, c.err)
		}
	}
}

func TestACompressedBodyIsNotUnpacked(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "" {
			t.Errorf("the client asks for %s", r.Header.Get("Accept-Encoding"))
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = z.Write(make([]byte, 1<<20))
		_ = z.Close()
	}))
	defer s.Close()
	resp, err := local(Options{}).Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); len(body) > 10_000 {
		t.Errorf("%d bytes", len(body))
	}
}

func TestAHugeHeaderIsRefused(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X", strings.Repeat("x", 2*maxHeader))
	}))
	defer s.Close()
	resp, err := local(Options{}).Get(s.URL)
	if err == nil {
		_ = resp.Body.Close()
		t.Error("the answer was read")
	}
}

func TestAHangingServerIsLeft(t *testing.T) {
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer s.Close()
	defer close(release)
	resp, err := local(Options{Timeout: 50 * time.Millisecond}).Get(s.URL)
	if err == nil {
		_ = resp.Body.Close()
	}
	if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() {
		t.Errorf("error %v, want a time-out", err)
	}
}

func TestTLSIsVerified(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	resp, err := local(Options{}).Get(s.URL)
	if err == nil {
		_ = resp.Body.Close()
		t.Error("an unknown certificate was accepted")
	}
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	if resp, err = local(Options{RootCAs: roots}).Get(s.URL); err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
}

func TestAConnectionIsUsedAgain(t *testing.T) {
	var connections []string
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		connections = append(connections, r.RemoteAddr)
	}))
	defer s.Close()
	client := local(Options{})
	for range 3 {
		resp, err := client.Post(s.URL, "text/plain", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	if connections[0] != connections[2] {
		t.Errorf("connections %v", connections)
	}
}

func FuzzCheckURL(f *testing.F) {
	for _, form := range refusedForms() {
		f.Add(form)
	}
	f.Add("https://example.com/hook")
	p := newPolicy(Options{})
	f.Fuzz(func(t *testing.T, raw string) {
		if (Options{}).CheckURL(raw) != nil {
			return
		}
		// What passes is dialled by the name that was judged.
		req, err := http.NewRequest(http.MethodPost, raw, nil)
		if err != nil {
			t.Fatalf("%q passed and cannot be called: %v", raw, err)
		}
		if addr, err := netip.ParseAddr(strings.TrimSuffix(req.URL.Hostname(), ".")); err == nil && p.refuses(addr) != "" {
			t.Fatalf("%q passed and leads to %s", raw, addr)
		}
	})
}
