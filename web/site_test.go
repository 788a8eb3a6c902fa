package web_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
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
		{Method: "GET", Path: "/ours", Permission: web.Public, Handler: func(echo.Context) error { return fault.New(fault.Internal, "ours", "table s3cr3t is broken") }},
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
	defer reply.Body.Close()
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
