package dial_test

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/fault"
)

// names answers loopback and private addresses for the inside names of the corpus, as a real resolver in a data centre would.
type names struct{ net.Resolver }

func (*names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	switch {
	case host == "metadata.google.internal":
		return []netip.Addr{netip.MustParseAddr("169.254.169.254")}, nil
	case strings.Contains(host, "localhost"):
		return []netip.Addr{netip.MustParseAddr("::1"), netip.MustParseAddr("127.0.0.1")}, nil
	}
	return []netip.Addr{netip.MustParseAddr("10.9.8.7")}, nil
}

// A44, A47, A49: the whole corpus, for every purpose that there is.
func TestCorpusIsRefusedForEveryPurpose(t *testing.T) {
	if len(corpus) < 150 {
		t.Fatalf("the corpus has shrunk to %d", len(corpus))
	}
	port := map[dial.Purpose]string{dial.Webhook: "443", dial.Provider: "443", dial.IMAP: "993", dial.SMTP: "465"}
	g := dial.New(dial.Config{Resolver: &names{}})
	var wg sync.WaitGroup
	gate := make(chan struct{}, 64)
	for _, p := range dial.Purposes() {
		for _, host := range corpus {
			wg.Add(1)
			gate <- struct{}{}
			go func() {
				defer func() { <-gate; wg.Done() }()
				ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
				defer cancel()
				conn, err := g.Context(ctx, p, "tcp", net.JoinHostPort(host, port[p]))
				if conn != nil {
					_ = conn.Close()
				}
				if !errors.Is(err, dial.ErrRefused) {
					t.Errorf("%s to %q: %v", p, host, err)
				}
			}()
		}
	}
	wg.Wait()
	for _, e := range g.Ledger() {
		if e.Connected != 0 || e.Failed != 0 {
			t.Errorf("the ledger counts something that left: %+v", e)
		}
	}
}

// A44, A47: the same through the client that speaks HTTP.
func TestCorpusIsRefusedOverHTTP(t *testing.T) {
	g := dial.New(dial.Config{Resolver: &names{}})
	for _, p := range []dial.Purpose{dial.Webhook, dial.Provider} {
		client := g.HTTPClient(p, 30*time.Second) // a refusal takes no time; a busy machine does
		for _, host := range corpus {
			if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
				host = "[" + strings.ReplaceAll(host, "%", "%25") + "]"
			}
			for _, scheme := range []string{"https", "http"} {
				u := scheme + "://" + host + "/"
				r, err := http.NewRequest(http.MethodPost, u, strings.NewReader("{}"))
				if err != nil {
					continue // net/url refuses it before we could
				}
				res, err := client.Do(r)
				if err == nil {
					_ = res.Body.Close()
					t.Fatalf("%s answered", u)
				}
				// net/http turns some of these away itself; what it lets through the guard must refuse.
				if !errors.Is(dial.WithoutURL(err), dial.ErrRefused) && !strings.Contains(err.Error(), "no Host in request URL") && !strings.Contains(err.Error(), "invalid URL host") && !strings.Contains(err.Error(), "idna") {
					t.Errorf("%s: %v", u, err)
				}
			}
		}
	}
	for _, e := range g.Ledger() {
		if e.Connected != 0 {
			t.Errorf("the ledger counts a connection: %+v", e)
		}
	}
}

// alternating answers a public address first and a private one after, with no time to live: DNS rebinding.
type alternating struct {
	net.Resolver
	asked atomic.Int64
	inner netip.Addr
}

func (a *alternating) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	if a.asked.Add(1)%2 == 1 {
		return []netip.Addr{netip.MustParseAddr("2606:4700::1"), a.inner}, nil
	}
	return []netip.Addr{a.inner}, nil
}

// A45: a name that turns from public to private between looks is dialled a thousand times for each port and never reaches the inside.
func TestRebindingNeverReachesInside(t *testing.T) {
	var reached atomic.Int64
	inside := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer inside.Close()
	inside.Config.ErrorLog = nil
	var accepted atomic.Int64
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted.Add(1)
			_ = c.Close()
		}
	}()
	r := &alternating{inner: netip.MustParseAddr("127.0.0.1")}
	// The public address is denied as well, so that the test needs no network and cannot hang on one.
	g := dial.New(dial.Config{Resolver: r, Deny: []netip.Prefix{netip.MustParsePrefix("2606:4700::/32")}})
	_, port, _ := net.SplitHostPort(l.Addr().String())
	for i := range 1000 {
		p := dial.Purposes()[i%4]
		for _, port := range []string{port, "443", "993"} {
			conn, err := g.Context(context.Background(), p, "tcp", "rebind.example:"+port)
			if conn != nil || !errors.Is(err, dial.ErrRefused) {
				t.Fatalf("attempt %d: %v", i, err)
			}
		}
	}
	if accepted.Load() != 0 || reached.Load() != 0 {
		t.Fatalf("%d connections reached the inside", accepted.Load())
	}
}

// A46
func TestProxyEnvironmentHasNoSay(t *testing.T) {
	var proxied atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { proxied.Add(1); w.WriteHeader(200) }))
	defer proxy.Close()
	for _, k := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		t.Setenv(k, proxy.URL)
	}
	t.Setenv("NO_PROXY", "*")
	g := dial.New(dial.Config{Resolver: &names{}})
	for _, u := range []string{"http://internal.example/", "https://internal.example/", "http://169.254.169.254/latest/"} {
		res, err := g.HTTPClient(dial.Webhook, 30*time.Second).Get(u)
		if err == nil {
			_ = res.Body.Close()
		}
		if !errors.Is(dial.WithoutURL(err), dial.ErrRefused) {
			t.Errorf("%s: %v", u, err)
		}
	}
	if tr, ok := http.DefaultTransport.(*http.Transport); ok && tr.Proxy == nil {
		t.Fatal("the environment is not read by anyone, so this test shows nothing")
	}
	if proxied.Load() != 0 {
		t.Fatalf("the proxy saw %d requests", proxied.Load())
	}
}

func loopback() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }

// A48
func TestRedirectIsTheAnswer(t *testing.T) {
	var inside atomic.Int64
	secretHost := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { inside.Add(1) }))
	defer secretHost.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, to := range []string{secretHost.URL, "http://169.254.169.254/", "http://[::1]:5432/"} {
			outside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, status) }))
			g := dial.New(dial.Config{Allow: loopback()})
			res, err := g.HTTPClient(dial.Webhook, 30*time.Second).Post(outside.URL, "application/json", strings.NewReader("{}"))
			if err != nil || res.StatusCode != status {
				t.Fatalf("%d to %s: %v %v", status, to, res, err)
			}
			_ = res.Body.Close()
			outside.Close()
		}
	}
	if inside.Load() != 0 {
		t.Fatal("a redirect was followed")
	}
}

func TestAllowOpensAddressAnyPortAndPlainHTTP(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	defer server.Close()
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	g := dial.New(dial.Config{Allow: loopback(), Now: func() time.Time { return at }})
	res, err := g.HTTPClient(dial.Webhook, 30*time.Second).Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := dial.Body(res); err != nil || string(b) != "ok" {
		t.Fatalf("%q %v", b, err)
	}
	u, _ := url.Parse(server.URL)
	port, _ := strconv.Atoi(u.Port())
	if l := g.Ledger(); len(l) != 1 || l[0].Connected != 1 || l[0].Host != "127.0.0.1" || int(l[0].Port) != port || !l[0].First.Equal(at) || l[0].Purpose != dial.Webhook {
		t.Fatalf("ledger: %+v", l)
	}
	if _, err := dial.New(dial.Config{}).HTTPClient(dial.Webhook, 30*time.Second).Get(server.URL); !errors.Is(dial.WithoutURL(err), dial.ErrRefused) {
		t.Fatalf("without Allow: %v", err)
	}
}

// A50: whether an address is closed or forbidden cannot be told from the answer.
func TestRefusedAndClosedReadTheSame(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	_, closed := dial.New(dial.Config{Allow: loopback()}).Context(context.Background(), dial.IMAP, "tcp", addr)
	_, private := dial.New(dial.Config{}).Context(context.Background(), dial.IMAP, "tcp", addr)
	a, _ := fault.As(closed)
	b, _ := fault.As(private)
	if a == nil || b == nil || a.Public != b.Public || !errors.Is(closed, dial.ErrFailed) || !errors.Is(private, dial.ErrRefused) {
		t.Fatalf("%v / %v", closed, private)
	}
	if strings.Contains(a.Public, "127.0.0.1") {
		t.Fatal("the sentence names the address")
	}
}

func TestCertificateIsAlwaysChecked(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))
	defer server.Close()
	server.Config.ErrorLog = nil
	if _, err := dial.New(dial.Config{Allow: loopback()}).HTTPClient(dial.Provider, 30*time.Second).Get(server.URL); err == nil {
		t.Fatal("an unknown issuer was believed")
	}
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	g := dial.New(dial.Config{Allow: loopback(), Roots: pool})
	res, err := g.HTTPClient(dial.Provider, 30*time.Second).Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	conn, err := g.TLS(context.Background(), dial.IMAP, strings.TrimPrefix(server.URL, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}

func TestErrorsHoldNoURL(t *testing.T) {
	_, err := dial.New(dial.Config{}).HTTPClient(dial.Provider, 30*time.Second).Get("https://127.0.0.1/?token=canary-value")
	if err == nil || !strings.Contains(err.Error(), "canary-value") {
		t.Fatal("http.Client no longer prints the URL; WithoutURL may go")
	}
	if got := dial.WithoutURL(err); strings.Contains(got.Error(), "canary") {
		t.Fatal(got)
	}
	_, err = dial.New(dial.Config{}).HTTPClient(dial.Provider, 30*time.Second).Get("https://user:canary-value@example.com/")
	if got := dial.WithoutURL(err); !errors.Is(got, dial.ErrRefused) || strings.Contains(got.Error(), "canary") {
		t.Fatal(got)
	}
}

func TestBodyIsCapped(t *testing.T) {
	if _, err := dial.ReadAll(strings.NewReader(strings.Repeat("x", 11)), 10); !errors.Is(err, dial.ErrBodyTooLarge) {
		t.Fatal(err)
	}
	if b, err := dial.ReadAll(strings.NewReader(strings.Repeat("x", 10)), 10); err != nil || len(b) != 10 {
		t.Fatal(err)
	}
}

func TestLedgerIsBounded(t *testing.T) {
	g := dial.New(dial.Config{})
	for i := range 10_050 {
		_, _ = g.Context(context.Background(), dial.IMAP, "tcp", "h"+strconv.Itoa(i)+".0x1:993")
	}
	l := g.Ledger()
	if len(l) > 10_001 {
		t.Fatalf("%d lines", len(l))
	}
	for _, e := range l {
		if e.Host == dial.Others && e.Refused == 50 {
			return
		}
	}
	t.Fatal("what did not fit was not counted")
}
