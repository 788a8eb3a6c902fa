package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine"
	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/outbox"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
	receive "github.com/postern-mail/postern/webhook"
)

// strict is a receiver that knows one secret at a time and takes nothing that Standard Webhooks does not prove with it.
type strict struct {
	mu      sync.Mutex
	secret  string
	taken   map[string]int // event ids
	refused []error
}

func (s *strict) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		_, _ = io.WriteString(w, r.URL.Query().Get("challenge"))
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 2<<20))
	if err != nil {
		return // the sender went away: nothing was decided
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := receive.VerifyStandard(body, r.Header, s.secret); err != nil {
		s.refused = append(s.refused, err)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var event struct{ ID string }
	_ = json.Unmarshal(body, &event)
	s.taken[event.ID]++
}

func (s *strict) knows(secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secret = secret
}

func (s *strict) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.taken)
}

// TestRotationUnderLoad rotates a webhook's secret in a browser while 200 events flow a second to a receiver that knows one secret and verifies each call: the old one
// first, the new one when it was given it. Not one event is refused, from the first to the last.
func TestRotationUnderLoad(t *testing.T) {
	in := browser(t)
	demo, env := startDemo(t)
	hook := &strict{taken: map[string]int{}}
	server := httptest.NewServer(hook)
	t.Cleanup(server.Close)

	p := newPerson(t, in, demo.url, "rotation")
	p.visit(env["POSTERN_SIGNIN_SUPPORT"])
	p.visit("/webhooks")
	p.click("primary-action")
	p.fill("url", server.URL+"/events")
	p.fill("description", "Strict")
	p.tick("standard", "yes", true)
	p.pictures("webhook-form-standard")
	p.click("submit")
	hook.knows(p.text("secret-value"))
	p.click("done")
	page := p.where()

	stop := flow(t, env)
	more := func(n int) {
		t.Helper()
		had := hook.count()
		eventually(t, 60*time.Second, "events that go on arriving", func() bool { return hook.count() >= had+n })
	}
	more(200)
	p.click("rotate")
	p.tick("overlap", "24h", true)
	p.click("submit")
	fresh := p.text("secret-value")
	p.click("done")
	p.sees("safety", "Not safe yet")
	p.pictures("rotation-begun")
	more(200)
	hook.knows(fresh)
	more(200)
	p.visit(page)
	p.click("post-probe-the-new-secret")
	eventually(t, 60*time.Second, "a receiver that has proved the new secret", func() bool {
		p.visit(page)
		return p.has("note-good")
	})
	p.sees("safety", "Safe: the old secret can end")
	p.pictures("rotation-safe")
	p.click("post-end-the-old-secret-now")
	p.sees("flash", "old secret has ended")
	more(200)
	committed := stop()

	eventually(t, 60*time.Second, "all that was committed", func() bool {
		hook.mu.Lock()
		defer hook.mu.Unlock()
		for _, id := range committed {
			if hook.taken[id.String()] == 0 {
				return false
			}
		}
		return true
	})
	hook.mu.Lock()
	defer hook.mu.Unlock()
	if len(hook.refused) != 0 {
		t.Errorf("%d calls were refused, the first: %v", len(hook.refused), hook.refused[0])
	}
	t.Logf("%d events, none refused", len(committed))
}

// flow commits 200 events a second in the demo's database, as another process of the same installation does, until the function that it gives is called; that
// one tells what was committed.
func flow(t *testing.T, env map[string]string) func() []models.EventID {
	t.Helper()
	ctx, log := context.Background(), slog.New(slog.DiscardHandler)
	c, err := loadConfig(modeDemo, []string{"--data", env["data"]}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, dsn, end, err := database(ctx, c, true, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(end)
	kek, err := demoKey(c)
	if err != nil {
		t.Fatal(err)
	}
	installation, err := engine.Prepare(ctx, dsn, kek, c.Region, false, time.Now, log)
	if err != nil {
		t.Fatal(err)
	}
	guard := dial.New(dial.Config{Now: time.Now})
	e, err := engine.New(ctx, engine.Config{DSN: dsn, Installation: installation, KEK: kek, BaseURL: &url.URL{Scheme: "http", Host: "localhost"}, Demo: true, Guard: guard,
		Providers: provider.NewSet(guard), Now: time.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	tenant, err1 := models.ParseID[models.TenantID](env["POSTERN_TENANT_ID"])
	app, err2 := models.ParseID[models.ApplicationID](env["POSTERN_CLIENT_ID"])
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	const every, some = 50 * time.Millisecond, 10
	list := make([]outbox.Event, some)
	for i := range list {
		list[i] = outbox.Event{Tenant: tenant, Application: app, Type: "grant.updated", Source: "/nylas/system", Object: map[string]string{"grant_id": "g"}}
	}
	var committed []models.EventID
	done, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			var ids []models.EventID
			err := e.Store.InTenant(ctx, tenant, func(tx *store.Tx) (err error) {
				ids, err = e.Outbox.Events(ctx, tx, list)
				return err
			})
			if err != nil {
				t.Errorf("commit events: %v", err)
				return
			}
			committed = append(committed, ids...)
		}
	}()
	stop := sync.OnceFunc(func() { close(done); <-over; _ = e.Close() })
	t.Cleanup(stop)
	return func() []models.EventID { stop(); return committed }
}
