package web_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/web"
)

// keeper is a SessionKeeper in memory: the real one is tested in engine/access, and behind the portal.
type keeper struct {
	mu    sync.Mutex
	rows  map[string]map[string]string
	actor models.Actor
	down  error
	asked int
}

func (k *keeper) OpenSession(_ context.Context, id secret.Text) (models.Actor, map[string]string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked++
	if k.down != nil {
		return models.Actor{}, nil, k.down
	}
	data, ok := k.rows[id.Reveal()]
	if !ok {
		return models.Actor{}, nil, fault.New(fault.Unproven, "session_ended", "")
	}
	return k.actor, data, nil
}

func (k *keeper) BeginSession(_ context.Context, data map[string]string, addr netip.Addr, _ string) (secret.Text, error) {
	if !addr.IsValid() {
		return secret.Text{}, errors.New("the session was not told where it comes from")
	}
	id := base64.RawURLEncoding.EncodeToString([]byte("begun by the test, 32 bytes long"))
	k.rows[id] = data
	return secret.New(id), nil
}

func (k *keeper) SaveSession(_ context.Context, id secret.Text, data map[string]string) error {
	k.rows[id.Reveal()] = data
	return nil
}

func (k *keeper) EndSession(_ context.Context, id secret.Text) error {
	delete(k.rows, id.Reveal())
	return nil
}

var sessionID = base64.RawURLEncoding.EncodeToString([]byte("a session of the test, 32 bytes!"))

type site struct {
	*httptest.Server
	keeper *keeper
	log    *bytes.Buffer
	seen   models.Actor
}

type change func(*web.Config, *web.Door)

func newSite(t *testing.T, changes ...change) *site {
	t.Helper()
	s := &site{keeper: &keeper{rows: map[string]map[string]string{sessionID: {}}, actor: models.Actor{Kind: models.ActorMember, ID: "m1", Role: models.Support,
		Permissions: models.Support.Permissions()}}, log: &bytes.Buffer{}}
	base, _ := url.Parse("https://postern.example")
	config := web.Config{BaseURL: base, Sessions: s.keeper, Now: time.Now, Logger: slog.New(slog.NewJSONHandler(s.log, nil)), Metrics: prometheus.NewRegistry()}
	ok := func(c echo.Context) error {
		s.seen = web.Actor(c)
		return c.String(http.StatusOK, "fine")
	}
	page := templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		_, err := io.WriteString(w, "<p>"+templ.GetNonce(ctx)+"</p>")
		return err
	})
	half := templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		_, _ = io.WriteString(w, "<p>half of")
		return errors.New("the other half is missing")
	})
	portal := web.Door{Name: "portal", Sessions: true, Fail: web.FailPlain, BodyLimit: 1000, Routes: []web.Route{
		{Method: "GET", Path: "/open", Permission: web.Public, Handler: ok},
		{Method: "GET", Path: "/mine", Permission: web.AnyMember, Handler: ok},
		{Method: "GET", Path: "/grants", Permission: models.ReadGrants, Handler: ok},
		{Method: "GET", Path: "/members", Permission: models.ManageMembers, Handler: ok},
		{Method: "GET", Path: "/grants/:grant", Permission: models.ReadGrants, Handler: func(c echo.Context) error {
			_, err := web.ParamID[models.GrantID](c, "grant")
			return err
		}},
		{Method: "POST", Path: "/change", Permission: web.AnyMember, Handler: func(c echo.Context) error {
			if _, err := io.ReadAll(c.Request().Body); err != nil {
				return err
			}
			if err := web.Flash(c, "good", "Done."); err != nil {
				return err
			}
			return web.SeeOther(c, c.QueryParam("next"))
		}},
		{Method: "POST", Path: "/signout", Permission: web.AnyMember, Handler: func(c echo.Context) error {
			if err := web.EndSession(c); err != nil {
				return err
			}
			return web.SeeOther(c, "/")
		}},
		{Method: "GET", Path: "/flash", Permission: web.Public, Handler: func(c echo.Context) error {
			f, err := web.TakeFlash(c)
			if err != nil {
				return err
			}
			return c.String(http.StatusOK, f.Text)
		}},
		{Method: "POST", Path: "/signin", Permission: web.Public, Handler: func(c echo.Context) error {
			web.AdoptSession(c, secret.New(base64.RawURLEncoding.EncodeToString([]byte("the session after, 32 bytes long"))))
			return web.SeeOther(c, "/")
		}},
		{Method: "GET", Path: "/page", Permission: web.Public, Handler: func(c echo.Context) error { return web.Render(c, 200, page) }},
		{Method: "GET", Path: "/half", Permission: web.Public, Handler: func(c echo.Context) error { return web.Render(c, 200, half) }},
		{Method: "GET", Path: "/leave", Permission: web.Public, Handler: func(c echo.Context) error {
			web.AllowFormTarget(c, "https://accounts.example", "https://evil.example; script-src *")
			return web.Render(c, 200, page)
		}},
		{Method: "GET", Path: "/panic", Permission: web.Public, Handler: func(echo.Context) error { panic("a token: s3cr3t") }},
		{Method: "GET", Path: "/broken", Permission: web.Public, Handler: func(echo.Context) error { return errors.New("column s3cr3t does not exist") }},
		{Method: "GET", Path: "/busy", Permission: web.Public, Handler: func(echo.Context) error {
			return fault.New(fault.Limited, "slow_down", "Wait.").RetryAfter(1500 * time.Millisecond)
		}},
	}}
	for _, f := range changes {
		f(&config, &portal)
	}
	server := web.New(config)
	server.Mount(portal)
	server.Mount(web.Door{Name: "v3", Prefix: "/v3", Fail: web.FailJSON, Authenticate: func(c echo.Context) (models.Actor, error) {
		if c.Request().Header.Get("Authorization") == "" {
			return models.Actor{}, nil
		}
		return models.Actor{Kind: models.ActorKey, ID: "k1", Permissions: []models.Permission{models.ReadGrants}}, nil
	}, Routes: []web.Route{
		{Method: "GET", Path: "/v3/grants", Permission: models.ReadGrants, Handler: ok},
		{Method: "POST", Path: "/v3/any", Permission: web.AnyCaller, Handler: ok},
		{Method: "DELETE", Path: "/v3/grants/:grant", Permission: models.DeleteGrants, Handler: ok},
	}})
	s.Server = httptest.NewServer(server.Handler())
	t.Cleanup(s.Close)
	return s
}

type with func(*http.Request)

func header(name string, values ...string) with {
	return func(r *http.Request) {
		for _, v := range values {
			r.Header.Add(name, v)
		}
	}
}

var (
	signedIn   = header("Cookie", "__Host-s="+sessionID)
	sameOrigin = header("Sec-Fetch-Site", "same-origin")
)

func (s *site) do(t *testing.T, method, path, body string, more ...with) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range more {
		f(r)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	reply, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close() //nolint:errcheck // read to its end
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply, string(text)
}

func (s *site) wants(t *testing.T, status int, method, path, body string, more ...with) (*http.Response, string) {
	t.Helper()
	reply, text := s.do(t, method, path, body, more...)
	if reply.StatusCode != status {
		t.Errorf("%s %s: status %d, want %d: %.200s", method, path, reply.StatusCode, status, text)
	}
	return reply, text
}

func TestRoutesNeedAPermission(t *testing.T) {
	fine := func(echo.Context) error { return nil }
	for name, routes := range map[string][]web.Route{
		"no permission": {{Method: "GET", Path: "/x", Handler: fine}},
		"no handler":    {{Method: "GET", Path: "/x", Permission: web.Public}},
		"twice":         {{Method: "GET", Path: "/x", Permission: web.Public, Handler: fine}, {Method: "GET", Path: "/x", Permission: web.AnyMember, Handler: fine}},
		"no slash":      {{Method: "GET", Path: "x", Permission: web.Public, Handler: fine}},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("such a program starts")
				}
			}()
			base, _ := url.Parse("https://postern.example")
			web.New(web.Config{BaseURL: base, Now: time.Now, Logger: slog.New(slog.DiscardHandler)}).
				Mount(web.Door{Name: "x", Fail: web.FailPlain, Routes: routes})
		})
	}
}

func TestPermissionDecides(t *testing.T) {
	s := newSite(t)
	s.wants(t, 200, "GET", "/open", "")
	s.wants(t, 401, "GET", "/mine", "")
	s.wants(t, 401, "GET", "/grants", "")
	s.wants(t, 200, "GET", "/mine", "", signedIn)
	s.wants(t, 200, "GET", "/grants", "", signedIn)
	s.wants(t, 403, "GET", "/members", "", signedIn)
	s.wants(t, 404, "GET", "/grants/not-an-id", "", signedIn)

	// The API ignores cookies entirely, and takes no cross-origin rule: a program sends neither.
	s.wants(t, 401, "GET", "/v3/grants", "", signedIn)
	key := header("Authorization", "Bearer k")
	s.wants(t, 200, "GET", "/v3/grants", "", key)
	s.wants(t, 200, "POST", "/v3/any", "", key, header("Sec-Fetch-Site", "cross-site"))
	if reply, text := s.wants(t, 403, "DELETE", "/v3/grants/x", "", key); !strings.Contains(reply.Header.Get("Content-Type"), "problem+json") || !strings.Contains(text, "permission_missing") {
		t.Errorf("the API's refusal is not its own shape: %s", text)
	}
	// A header trick must not lead past the permission (A38).
	for _, trick := range []with{header("X-Original-URL", "/open"), header("X-Forwarded-Uri", "/open"), header("X-HTTP-Method-Override", "GET"), header("User-Agent", "kube-probe/1.30")} {
		s.wants(t, 401, "GET", "/grants", "", trick)
	}
	for _, path := range []string{"/open%2f..%2fgrants", "/open/../grants", "//grants", "/grants%23", "/GRANTS"} {
		if reply, _ := s.do(t, "GET", path, ""); reply.StatusCode == 200 {
			t.Errorf("%s answers 200 to nobody", path)
		}
	}
}

func TestMethods(t *testing.T) {
	s := newSite(t)
	s.wants(t, 405, "DELETE", "/open", "", sameOrigin)
	s.wants(t, 405, "POST", "/grants", "", signedIn, sameOrigin)
	s.wants(t, 405, "TRACE", "/open", "")
	s.wants(t, 405, "BREW", "/open", "")
	s.wants(t, 405, "PUT", "/v3/grants", "")
	s.wants(t, 404, "GET", "/nowhere", "")
	s.wants(t, 404, "POST", "/nowhere", "", sameOrigin)
	if reply, text := s.wants(t, 404, "GET", "/v3/nowhere", ""); !strings.Contains(reply.Header.Get("Content-Type"), "json") || !strings.Contains(text, "not_found") {
		t.Errorf("below /v3 the portal answers: %s", text)
	}
	if _, text := s.wants(t, 200, "HEAD", "/open", ""); text != "" {
		t.Errorf("HEAD carries a body: %q", text)
	}
}

func TestCrossOrigin(t *testing.T) {
	s := newSite(t)
	for name, c := range map[string]struct {
		status  int
		headers []with
	}{
		"same origin":                   {303, []with{sameOrigin}},
		"same origin by Origin":         {303, []with{header("Origin", "https://postern.example")}},
		"neither header":                {403, nil},
		"typed by hand":                 {403, []with{header("Sec-Fetch-Site", "none")}},
		"same site":                     {403, []with{header("Sec-Fetch-Site", "same-site")}},
		"cross site":                    {403, []with{header("Sec-Fetch-Site", "cross-site")}},
		"cross site, our origin":        {403, []with{header("Sec-Fetch-Site", "cross-site"), header("Origin", "https://postern.example")}},
		"other origin":                  {403, []with{header("Origin", "https://evil.example")}},
		"null origin":                   {403, []with{header("Origin", "null")}},
		"our name over http":            {403, []with{header("Origin", "http://postern.example")}},
		"a suffix of our name":          {403, []with{header("Origin", "https://postern.example.evil.example")}},
		"other origin, made-up host":    {403, []with{header("Origin", "https://evil.example"), func(r *http.Request) { r.Host = "evil.example" }}},
		"the site twice, evil one last": {403, []with{header("Sec-Fetch-Site", "same-originX")}},
	} {
		t.Run(name, func(t *testing.T) {
			s.wants(t, c.status, "POST", "/change", "", append(c.headers, signedIn)...)
		})
	}
	s.wants(t, 403, "POST", "/signin", "") // sign-in too, where no cookie is sent yet
	s.wants(t, 200, "GET", "/mine", "", signedIn, header("Sec-Fetch-Site", "cross-site"))
}

func TestHeadersOnEveryAnswer(t *testing.T) {
	s := newSite(t)
	nonces := map[string]bool{}
	for _, path := range []string{"/open", "/page", "/nowhere", "/grants", "/panic", "/half", "/healthz", "/readyz", "/v3/grants", "/static/nothing.css"} {
		reply, _ := s.do(t, "GET", path, "")
		h := reply.Header
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-store", "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
		} {
			if h.Get(name) != want {
				t.Errorf("%s: %s is %q, want %q", path, name, h.Get(name), want)
			}
		}
		policy := h.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "form-action 'self';", "frame-ancestors 'none'", "base-uri 'none'", "object-src 'none'", "'strict-dynamic'"} {
			if !strings.Contains(policy, part) {
				t.Errorf("%s: no %s in the policy", path, part)
			}
		}
		if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
			t.Errorf("%s: the policy is open: %s", path, policy)
		}
		_, rest, _ := strings.Cut(policy, "'nonce-")
		nonce, _, _ := strings.Cut(rest, "'")
		if len(nonce) < 20 || nonces[nonce] {
			t.Errorf("%s: nonce %q is short or was seen before", path, nonce)
		}
		nonces[nonce] = true
		if h.Get("X-Request-Id") == "" {
			t.Errorf("%s: no request id", path)
		}
	}
	reply, text := s.do(t, "GET", "/page", "")
	if !strings.Contains(reply.Header.Get("Content-Security-Policy"), "'nonce-"+strings.TrimSuffix(strings.TrimPrefix(text, "<p>"), "</p>")+"'") {
		t.Errorf("the page's nonce %s is not the policy's", text)
	}
	if reply.Header.Get("Content-Type") != "text/html; charset=UTF-8" {
		t.Errorf("content type %q", reply.Header.Get("Content-Type"))
	}
	reply, _ = s.do(t, "GET", "/leave", "")
	if p := reply.Header.Get("Content-Security-Policy"); !strings.Contains(p, "form-action 'self' https://accounts.example;") || strings.Contains(p, "evil") {
		t.Errorf("form targets: %s", p)
	}
	plain := newSite(t, func(c *web.Config, _ *web.Door) { c.BaseURL = &url.URL{Scheme: "http", Host: "127.0.0.1:8400"} })
	if reply, _ := plain.do(t, "GET", "/open", ""); reply.Header.Get("Strict-Transport-Security") != "" {
		t.Error("HSTS is sent where there is no https")
	}
}

func TestRequestIDIsOurs(t *testing.T) {
	s := newSite(t)
	reply, _ := s.do(t, "GET", "/open", "", header("X-Request-Id", "chosen-by-the-caller"))
	id := reply.Header.Get("X-Request-Id")
	if _, err := models.ParseID[models.EventID](id); err != nil {
		t.Errorf("request id %q", id)
	}
	if !strings.Contains(s.log.String(), id) || strings.Contains(s.log.String(), "chosen") {
		t.Errorf("the log has %s", s.log)
	}
	if s.seen.RequestID != id {
		t.Error("the actor does not carry the request id")
	}
}

func TestLogHoldsNoQueryAndNoPath(t *testing.T) {
	s := newSite(t)
	s.do(t, "GET", "/open?code=s3cr3t", "", signedIn, header("Referer", "https://x/?s3cr3t"), header("Authorization", "Bearer s3cr3t"))
	s.do(t, "GET", "/grants/s3cr3t", "", signedIn)
	s.do(t, "GET", "/panic", "")
	if strings.Contains(s.log.String(), "s3cr3t") || strings.Contains(s.log.String(), sessionID) {
		t.Errorf("a secret is in the log: %s", s.log)
	}
	for _, want := range []string{`"route":"/grants/:grant"`, `"status":404`, `"actor":"m1"`, `"actor_kind":"member"`, `"status":500`} {
		if !strings.Contains(s.log.String(), want) {
			t.Errorf("the log lacks %s", want)
		}
	}
}

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
	reply, _ := s.wants(t, 429, "GET", "/busy", "")
	if reply.Header.Get("Retry-After") != "2" {
		t.Errorf("Retry-After %q", reply.Header.Get("Retry-After"))
	}
}

func TestBodyLimit(t *testing.T) {
	s := newSite(t)
	s.wants(t, 303, "POST", "/change", strings.Repeat("x", 1000), signedIn, sameOrigin)
	s.wants(t, 413, "POST", "/change", strings.Repeat("x", 1001), signedIn, sameOrigin)
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
		defer reply.Body.Close() //nolint:errcheck // read to its end
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
