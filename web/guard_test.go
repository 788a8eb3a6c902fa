package web_test

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/web"
)

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
