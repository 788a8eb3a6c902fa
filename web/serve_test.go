package web_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/web"
)

func TestErrorsShowOnlyWhatIsPublic(t *testing.T) {
	s := newSite(t)
	for _, path := range []string{"/panic", "/broken", "/half"} {
		if _, text := s.wants(t, 500, "GET", path, ""); strings.Contains(text, "s3cr3t") || strings.Contains(text, "half of") || strings.Contains(text, "column") {
			t.Errorf("%s shows its cause: %s", path, text)
		}
	}
	if strings.Count(s.log.String(), "does not exist") != 1 {
		t.Errorf("the cause is not logged just once: %s", s.log)
	}
	if _, text := s.wants(t, 500, "GET", "/ours", ""); strings.Contains(text, "s3cr3t") {
		t.Errorf("an internal fault shows its sentence: %s", text)
	}
	reply, _ := s.wants(t, 429, "GET", "/busy", "")
	if reply.Header.Get("Retry-After") != "2" {
		t.Errorf("Retry-After %q", reply.Header.Get("Retry-After"))
	}
}

func TestBodyLimit(t *testing.T) {
	s := newSite(t)
	s.wants(t, 303, "POST", "/change", strings.Repeat("x", 1000), signedIn, sameOrigin)
	s.wants(t, 413, "POST", "/change", strings.Repeat("x", 1001), signedIn, sameOrigin)
	s.wants(t, 413, "POST", "/signin", strings.Repeat("x", 1001), sameOrigin) // also where nobody reads the body
	unannounced := func(r *http.Request) {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat("x", 100_000))), -1
	}
	s.wants(t, 413, "POST", "/change", "", signedIn, sameOrigin, unannounced)
}

func TestSessionCookie(t *testing.T) {
	s := newSite(t)
	reply, _ := s.wants(t, 303, "POST", "/signin", "", sameOrigin, signedIn)
	c := reply.Cookies()[0]
	if c.Name != "__Host-s" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.MaxAge != 0 || !c.Expires.IsZero() || c.Value == sessionID {
		t.Errorf("cookie %+v", c)
	}
	plain := newSite(t, func(c *web.Config, _ *web.Door) { c.BaseURL = &url.URL{Scheme: "http", Host: "127.0.0.1:8400"} })
	reply, _ = plain.wants(t, 303, "POST", "/signin", "", sameOrigin)
	if c := reply.Cookies()[0]; c.Name != "postern-s" || c.Secure || !c.HttpOnly {
		t.Errorf("without https: %+v", c)
	}

	// What cannot be an id never reaches the keeper (A32); what can be one and is unknown signs nobody in.
	s.keeper.asked = 0
	for _, bad := range []string{"../../../../etc/passwd", "%00", strings.Repeat("A", 8000), strings.Repeat("A", 42), strings.Repeat("=", 43), "x'; DROP TABLE sessions; --" + strings.Repeat("a", 16)} {
		s.wants(t, 401, "GET", "/mine", "", header("Cookie", "__Host-s="+bad))
	}
	if s.keeper.asked != 0 {
		t.Errorf("%d malformed ids were looked up", s.keeper.asked)
	}
	s.wants(t, 401, "GET", "/mine", "", header("Cookie", "__Host-s="+strings.Repeat("A", 43)))
	s.wants(t, 401, "GET", "/mine", "", header("Cookie", "postern-s="+sessionID))

	reply, _ = s.wants(t, 303, "POST", "/signout", "", signedIn, sameOrigin)
	if c := reply.Cookies()[0]; c.MaxAge >= 0 || reply.Header.Get("Clear-Site-Data") == "" {
		t.Errorf("signing out leaves %+v", c)
	}
	s.wants(t, 401, "GET", "/mine", "", signedIn)
}

// A36: when sessions cannot be read, nobody is let in and nobody is told that they are signed out.
func TestSessionsOutOfReach(t *testing.T) {
	s := newSite(t)
	s.keeper.down = fault.New(fault.Unavailable, "database_unreachable", "Try again.")
	for _, path := range []string{"/mine", "/open", "/grants"} {
		if reply, _ := s.wants(t, 503, "GET", path, "", signedIn); reply.Header.Get("Retry-After") == "" || len(reply.Cookies()) > 0 {
			t.Errorf("%s: no Retry-After, or a cookie was touched", path)
		}
	}
}

func TestFlashIsShownOnce(t *testing.T) {
	s := newSite(t)
	s.wants(t, 303, "POST", "/change?next=/flash", "", signedIn, sameOrigin)
	if _, text := s.do(t, "GET", "/flash", "", signedIn); text != "Done." {
		t.Errorf("flash %q", text)
	}
	if _, text := s.do(t, "GET", "/flash", "", signedIn); text != "" {
		t.Errorf("again %q", text)
	}
}

func TestRedirectsStayHere(t *testing.T) {
	for path, want := range map[string]string{
		"/grants?x=1": "/grants?x=1", "": "/", "//evil.example": "/", "/\\evil.example": "/", "https://evil.example": "/", "/\t/evil.example": "/",
		"/a\\b": "/", "evil": "/", "/%09/evil.example": "/%09/evil.example", "/a\r\nSet-Cookie: x": "/", "javascript:alert(1)": "/", "/" + strings.Repeat("a", 3000): "/",
	} {
		if got := web.LocalPath(path); got != want {
			t.Errorf("%q becomes %q, want %q", path, got, want)
		}
	}
}

func TestAddress(t *testing.T) {
	ask := func(s *site, more ...with) string {
		s.wants(t, 200, "GET", "/open", "", more...)
		return s.seen.Addr.String()
	}
	direct := newSite(t)
	for _, h := range []string{"X-Forwarded-For", "X-Real-IP", "Forwarded", "X_Forwarded_For", "CF-Connecting-IP"} {
		if got := ask(direct, header(h, "203.0.113.9")); got != "127.0.0.1" {
			t.Errorf("%s moves the address to %s", h, got)
		}
	}
	proxied := newSite(t, func(c *web.Config, _ *web.Door) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}
	})
	for forwarded, want := range map[string]string{
		"203.0.113.9": "203.0.113.9", "198.51.100.1, 203.0.113.9": "203.0.113.9", "198.51.100.1, 203.0.113.9, 10.1.2.3": "203.0.113.9",
		"": "127.0.0.1", "nonsense": "127.0.0.1", "203.0.113.9, nonsense": "127.0.0.1", "::ffff:203.0.113.9": "203.0.113.9",
	} {
		if got := ask(proxied, header("X-Forwarded-For", forwarded)); got != want {
			t.Errorf("%q gives %s, want %s", forwarded, got, want)
		}
	}
	if got := ask(proxied, header("X-Forwarded-For", "203.0.113.9", "198.51.100.1")); got != "198.51.100.1" {
		t.Errorf("two headers give %s", got)
	}
	for _, h := range []string{"X-Real-IP", "Forwarded", "X_Forwarded_For"} {
		if got := ask(proxied, header(h, "203.0.113.9")); got != "127.0.0.1" {
			t.Errorf("behind a proxy, %s moves the address to %s", h, got)
		}
	}
}

func TestReadyNamesWhatFails(t *testing.T) {
	s := newSite(t, func(c *web.Config, _ *web.Door) {
		c.Checks = []web.Check{{Name: "database", Run: func(context.Context) error { return errors.New("s3cr3t host") }}, {Name: "jobs", Run: func(context.Context) error { return nil }}}
	})
	_, text := s.wants(t, 503, "GET", "/readyz", "")
	if !strings.Contains(text, `"database":"failing"`) || !strings.Contains(text, `"jobs":"ok"`) || strings.Contains(text, "s3cr3t") {
		t.Errorf("readyz: %s", text)
	}
	s.wants(t, 200, "GET", "/healthz", "")
}

func TestMetricsCountByPattern(t *testing.T) {
	s := newSite(t)
	s.do(t, "GET", "/grants/0190a000-0000-7000-8000-000000000000", "", signedIn)
	s.do(t, "GET", "/nowhere/s3cr3t", "")
	_, text := s.wants(t, 200, "GET", "/metrics", "")
	if !strings.Contains(text, `postern_http_requests_total{method="GET",route="/grants/:grant",status="200"} 1`) || strings.Contains(text, "0190a000") || strings.Contains(text, "s3cr3t") {
		t.Errorf("metrics: %.2000s", text)
	}
	apart := newSite(t, func(c *web.Config, _ *web.Door) { c.MetricsApart = true })
	apart.wants(t, 404, "GET", "/metrics", "")
}

func TestServeLetsRequestsFinish(t *testing.T) {
	base, _ := url.Parse("http://127.0.0.1")
	server := web.New(web.Config{BaseURL: base, Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
	entered, finish := make(chan struct{}), make(chan struct{})
	server.Mount(web.Door{Name: "x", Fail: web.FailPlain, Routes: []web.Route{{Method: "GET", Path: "/slow", Permission: web.Public, Handler: func(c echo.Context) error {
		close(entered)
		<-finish
		return c.String(200, "whole")
	}}}})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served, answered := make(chan error, 1), make(chan string, 1)
	go func() { served <- server.Serve(ctx, l) }()
	go func() {
		reply, err := http.Get("http://" + l.Addr().String() + "/slow")
		if err != nil {
			answered <- err.Error()
			return
		}
		defer reply.Body.Close()
		text, _ := io.ReadAll(reply.Body)
		answered <- string(text)
	}()
	<-entered
	stop()
	close(finish)
	if got := <-answered; got != "whole" {
		t.Errorf("the running request got %q", got)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// An answer that breaks in its midst must not look whole to whoever reads it.
func TestBrokenAnswerIsCutOff(t *testing.T) {
	s := newSite(t, func(_ *web.Config, d *web.Door) {
		d.Routes = append(d.Routes, web.Route{Method: "GET", Path: "/cut", Permission: web.Public, Handler: func(c echo.Context) error {
			c.Response().WriteHeader(http.StatusOK)
			_, _ = io.WriteString(c.Response(), strings.Repeat("half ", 2000))
			return errors.New("the other half is lost")
		}})
	})
	res, err := s.Client().Get(s.URL + "/cut")
	if err != nil {
		return // cut off even sooner
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("%d bytes came as a whole answer", len(body))
	}
}
