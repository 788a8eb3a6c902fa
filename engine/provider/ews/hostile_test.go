package ews_test

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/ews"
	"github.com/postern-mail/postern/engine/secret"
)

// evil is a server that means no good: h answers what comes after the sign-in.
func evil(t *testing.T, h http.HandlerFunc) (*ews.Connector, provider.Account) {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		h(w, r)
	}))
	t.Cleanup(s.Close)
	return client(t, s)
}

func client(t *testing.T, s *httptest.Server) (*ews.Connector, provider.Account) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	g := dial.New(dial.Config{Roots: roots, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	host, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	return ews.New(ews.Config{Guard: g, CallTimeout: 3 * time.Second}), provider.Account{Key: "g:1", Address: "ada@x.example", Login: "ada", Settings: map[string]string{"ews_host": host, "ews_port": port},
		Credential: func(context.Context) (provider.Credential, error) {
			return provider.Credential{Password: secret.New(canary)}, nil
		}}
}

func TestHostileAnswers(t *testing.T) {
	const start = `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><FindItemResponse><ResponseMessages>`
	var written atomic.Int64
	t.Cleanup(func() {
		if n := written.Load(); n == 0 || n > 16<<20 {
			t.Errorf("%d bytes of header were taken", n)
		}
	})
	for name, h := range map[string]http.HandlerFunc{
		"endless body": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(start))
			for {
				if _, err := w.Write([]byte(strings.Repeat("<x/>", 10_000))); err != nil {
					return
				}
			}
		},
		"endless headers": func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				return
			}
			defer func() { _ = c.Close() }()
			_, err = c.Write([]byte("HTTP/1.1 200 OK\r\n"))
			for err == nil {
				_, err = c.Write([]byte("X-A: " + strings.Repeat("a", 1000) + "\r\n"))
				written.Add(1000)
			}
		},
		"a document type": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`<!DOCTYPE x [<!ENTITY a "` + strings.Repeat("a", 1000) + `"><!ENTITY b "` + strings.Repeat("&a;", 100) + `">]>` + start + `&b;</ResponseMessages></FindItemResponse></s:Body></s:Envelope>`))
		},
		"deep nesting": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(start + strings.Repeat("<x>", 100_000)))
		},
		"no XML": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(canary + " <<<>")) },
		"no message": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(start + `</ResponseMessages></FindItemResponse></s:Body></s:Envelope>`))
		},
		"success of none": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(start + `<M ResponseClass="Success"><ResponseCode>` + canary + `</ResponseCode></M></ResponseMessages></FindItemResponse></s:Body></s:Envelope>`))
		},
		"silence": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		},
		"hangs up": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"repeats the password": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusTeapot)
			_, _ = w.Write([]byte(r.Header.Get("Authorization") + canary))
		},
		"sends us elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/", http.StatusTemporaryRedirect)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, a := evil(t, h)
			begin := time.Now()
			_, err := c.ListMessages(context.Background(), a, email.Query{})
			if fault.KindOf(err) != fault.Upstream {
				t.Errorf("%v", err)
			}
			if err != nil && strings.Contains(err.Error(), canary) {
				t.Errorf("leaks: %v", err)
			}
			if time.Since(begin) > 10*time.Second {
				t.Error("slow to give up")
			}
		})
	}
}

func TestCloseEndsCallsInFlight(t *testing.T) {
	in := make(chan struct{}, 1)
	c, a := evil(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		in <- struct{}{}
		<-r.Context().Done()
	})
	done := make(chan error, 1)
	go func() { _, err := c.ListMessages(context.Background(), a, email.Query{}); done <- err }()
	<-in
	begin := time.Now()
	c.Close(a.Key)
	if err := <-done; !errors.Is(err, provider.ErrCredentialRefused) || time.Since(begin) > time.Second || c.Open(a.Key) != 0 {
		t.Errorf("%v after %v, %d open", err, time.Since(begin), c.Open(a.Key))
	}
}

// A server that hangs up between two calls must not be the caller's trouble, and must not make a message go out twice.
func TestStaleConnection(t *testing.T) {
	c, x, _ := start(t)
	a := x.Account(t)
	x.Deliver(t, a, "INBOX", note("one"))
	for range 3 {
		if _, err := c.ListMessages(context.Background(), a, email.Query{}); err != nil {
			t.Fatal(err)
		}
		x.HangUp()
	}
	if _, err := c.Send(context.Background(), a, email.Draft{To: []email.Address{{Email: "grace@example.com"}}, Plain: "x"}); err != nil || len(x.Taken()) != 1 {
		t.Errorf("%v, %d sent", err, len(x.Taken()))
	}
}

// A send whose answer is lost is not repeated, not even over a connection that was in use before.
func TestLostAnswerToSending(t *testing.T) {
	var posts atomic.Int64
	c, a := evil(t, func(w http.ResponseWriter, r *http.Request) {
		if b, _ := io.ReadAll(r.Body); strings.Contains(string(b), "CreateItem") {
			posts.Add(1)
			panic(http.ErrAbortHandler)
		}
		_, _ = w.Write([]byte("no SOAP"))
	})
	_, _ = c.ListMessages(context.Background(), a, email.Query{})
	if c.Open(a.Key) != 1 {
		t.Fatal("no connection to use again")
	}
	_, err := c.Send(context.Background(), a, email.Draft{To: []email.Address{{Email: "grace@example.com"}}, Plain: "x"})
	if fault.KindOf(err) != fault.Upstream || posts.Load() != 1 {
		t.Errorf("%v, sent %d times", err, posts.Load())
	}
}

// A 401 that closes the connection says how to sign in; it is no word on the password.
func TestRefusalThatHangsUp(t *testing.T) {
	var asked atomic.Int64
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		asked.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(s.Close)
	c, a := client(t, s)
	if _, err := c.Send(context.Background(), a, email.Draft{To: []email.Address{{Email: "grace@example.com"}}, Plain: "x"}); fault.KindOf(err) != fault.Upstream || asked.Load() != 1 {
		t.Errorf("%v, asked %d times", err, asked.Load())
	}
}

func TestIdleConnectionsClose(t *testing.T) {
	_, x, z := start(t)
	c := ews.New(ews.Config{Guard: dial.New(dial.Config{Roots: x.Roots, Resolver: z, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}), IdleAfter: 50 * time.Millisecond})
	a := x.Account(t)
	if _, err := c.ListMessages(context.Background(), a, email.Query{}); err != nil || c.Open(a.Key) != 1 {
		t.Fatalf("%v, %d open", err, c.Open(a.Key))
	}
	// Closing by idleness happens by a timer of the connector's own: the test can only look until it has.
	for end := time.Now().Add(5 * time.Second); c.Open(a.Key) != 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("idle connections stay open")
		}
	}
}
