package webhooks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

func draft(app models.ApplicationID, url string) Draft {
	return Draft{Application: app, URL: url, Description: "a receiver", TriggerTypes: []string{"grant.created", "grant.updated", "grant.deleted", "grant.expired"}}
}

func (w *world) create(url string) (models.Webhook, secret.Text) {
	w.t.Helper()
	hook, key, err := w.Create(context.Background(), w.staff, draft(w.app, url))
	if err != nil {
		w.t.Fatal(err)
	}
	return hook, key
}

func code(err error) string {
	if f, ok := fault.As(err); ok {
		return f.Code
	}
	return fmt.Sprint(err)
}

// A74: an address whose owner did not answer the challenge gets no webhook, and so no event.
func TestNothingIsCreatedWithoutProofOfOwnership(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	answers := map[string]http.HandlerFunc{
		"404":     http.NotFound,
		"quoted":  func(o http.ResponseWriter, r *http.Request) { fmt.Fprintf(o, "%q", r.URL.Query().Get("challenge")) },
		"newline": func(o http.ResponseWriter, r *http.Request) { fmt.Fprintln(o, r.URL.Query().Get("challenge")) },
		"empty":   func(http.ResponseWriter, *http.Request) {},
		"created": func(o http.ResponseWriter, r *http.Request) {
			o.WriteHeader(201)
			io.WriteString(o, r.URL.Query().Get("challenge"))
		},
		"redirect":    func(o http.ResponseWriter, r *http.Request) { http.Redirect(o, r, "/elsewhere?"+r.URL.RawQuery, 302) },
		"endless":     func(o http.ResponseWriter, _ *http.Request) { _, _ = io.CopyN(o, zeroes{}, 1<<20) },
		"other value": func(o http.ResponseWriter, _ *http.Request) { io.WriteString(o, "x") },
	}
	for name, answer := range answers {
		server := httptest.NewServer(answer)
		_, _, err := w.Create(ctx, w.staff, draft(w.app, server.URL+"/in"))
		if code(err) != "webhook_unverified" {
			t.Errorf("%s: %v", name, err)
		}
		server.Close()
	}
	for url, want := range map[string]string{
		"http://10.0.0.1/in": "webhook_unverified", "http://127.0.0.1:1/": "webhook_unverified", "https://169.254.169.254/": "webhook_unverified",
		"": "webhook_url_invalid", "ftp://a.example/": "webhook_url_invalid", "https://": "webhook_url_invalid", "/hooks": "webhook_url_invalid",
		"https://user:pass@a.example/": "webhook_url_invalid", "https://a.example/#x": "webhook_url_invalid", "https://a.example/" + strings.Repeat("x", 2000): "webhook_url_invalid",
	} {
		if _, _, err := w.Create(ctx, w.staff, draft(w.app, url)); code(err) != want {
			t.Errorf("%.40s: %v, want %s", url, err, want)
		}
	}
	if n := w.count(`SELECT (SELECT count(*) FROM webhooks) + (SELECT count(*) FROM sealed) + (SELECT count(*) FROM audit_entries)`); n != 0 {
		t.Errorf("refused webhooks left %d rows", n)
	}
	w.happen(w.a, "grant.created", 1)
	if w.work(); w.count(`SELECT count(*) FROM deliveries`) != 0 {
		t.Error("an event is on its way to an address that nobody vouched for")
	}
	w.plain = false
	if _, _, err := w.Create(ctx, w.staff, draft(w.app, newReceiver(t).URL)); code(err) != "webhook_url_invalid" {
		t.Errorf("plain http outside the demo: %v", err)
	}
}

type zeroes struct{}

func (zeroes) Read(b []byte) (int, error) { return len(b), nil }

func TestWhatIsAskedForIsChecked(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	url := newReceiver(t).URL
	for want, change := range map[string]func(*Draft){
		"application_required":          func(d *Draft) { d.Application = models.ApplicationID{} },
		"webhook_description_invalid":   func(d *Draft) { d.Description = strings.Repeat("x", 501) },
		"webhook_emails_invalid":        func(d *Draft) { d.NotificationEmails = []string{"Ada <ada@example.com>"} },
		"webhook_trigger_types_invalid": func(d *Draft) { d.TriggerTypes = []string{"grant.created", "calendar.created"} },
		"webhook_overlap_invalid":       func(d *Draft) { d.Overlap = 8 * 24 * time.Hour },
	} {
		d := draft(w.app, url)
		change(&d)
		if _, _, err := w.Create(ctx, w.staff, d); code(err) != want {
			t.Errorf("%s: %v", want, err)
		}
	}
	d := draft(w.app, url)
	d.TriggerTypes = nil
	if _, _, err := w.Create(ctx, w.staff, d); code(err) != "webhook_trigger_types_invalid" {
		t.Errorf("no trigger: %v", err)
	}
	d = draft(w.app, url)
	d.Tenant = models.NewID[models.TenantID](w.now())
	if _, _, err := w.Create(ctx, w.staff, d); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a tenant that is not there: %v", err)
	}
	if n := w.count(`SELECT (SELECT count(*) FROM webhooks) + (SELECT count(*) FROM sealed)`); n != 0 {
		t.Errorf("refused webhooks left %d rows", n)
	}
	for _, actor := range []models.Actor{{}, {Kind: models.ActorMember, Role: models.Customer, Tenant: w.a}, {Kind: models.ActorToken, Application: w.app, Tenant: w.a}} {
		if _, _, err := w.Create(ctx, actor, draft(w.app, url)); code(err) != "webhooks_denied" {
			t.Errorf("%s could create: %v", actor.Kind, err)
		}
		if _, err := w.List(ctx, actor, Filter{}); code(err) != "webhooks_denied" {
			t.Errorf("%s could list: %v", actor.Kind, err)
		}
	}
}

// TestWhoSeesWhichWebhook: a key sees its application's, a tenant's key that tenant's, and what is not seen cannot be changed either.
func TestWhoSeesWhichWebhook(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	url := newReceiver(t).URL
	wide, _ := w.create(url)
	narrow, _, err := w.Create(ctx, w.key(w.a), draft(w.other, url)) // the application it names is not its own, and does not count
	if err != nil || narrow.ApplicationID != w.app || narrow.TenantID == nil || *narrow.TenantID != w.a {
		t.Fatalf("a tenant's key made %+v, %v", narrow, err)
	}
	foreign, _, err := w.Create(ctx, w.staff, draft(w.other, url))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		actor models.Actor
		sees  []models.WebhookID
	}{
		"staff": {w.staff, []models.WebhookID{wide.ID, narrow.ID, foreign.ID}}, "key": {w.key(models.TenantID{}), []models.WebhookID{wide.ID, narrow.ID}},
		"key of a": {w.key(w.a), []models.WebhookID{narrow.ID}}, "key of b": {w.key(w.b), nil},
	} {
		page, err := w.List(ctx, c.actor, Filter{Application: models.ApplicationID{}})
		if err != nil || len(page.Webhooks) != len(c.sees) {
			t.Errorf("%s lists %d, %v", name, len(page.Webhooks), err)
		}
		for _, id := range []models.WebhookID{wide.ID, narrow.ID, foreign.ID} {
			seen := false
			for _, s := range c.sees {
				seen = seen || s == id
			}
			_, err := w.Find(ctx, c.actor, id)
			if seen != (err == nil) || !seen && !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s finds %v: %v", name, seen, err)
			}
			if seen {
				continue
			}
			_, _, rotated := w.Rotate(ctx, c.actor, id, nil)
			_, updated := w.Update(ctx, c.actor, id, Change{Status: "pause"})
			_, tested := w.Test(ctx, c.actor, id, "")
			_, listed := w.Deliveries(ctx, c.actor, id, DeliveryFilter{})
			for act, err := range map[string]error{"rotate": rotated, "update": updated, "test": tested, "deliveries": listed, "delete": w.Delete(ctx, c.actor, id), "end": w.EndOverlap(ctx, c.actor, id)} {
				if !errors.Is(err, store.ErrNotFound) {
					t.Errorf("%s, %s: %v", name, act, err)
				}
			}
		}
	}
	if n := w.count(`SELECT count(*) FROM webhooks WHERE status = 'active'`); n != 3 {
		t.Errorf("%d webhooks are left as they were", n)
	}
	page, _ := w.List(ctx, w.staff, Filter{Limit: 2})
	next, err := w.List(ctx, w.staff, Filter{Limit: 2, Cursor: page.Next})
	if err != nil || len(page.Webhooks) != 2 || len(next.Webhooks) != 1 || next.Next != "" {
		t.Errorf("pages of %d and %d, %v", len(page.Webhooks), len(next.Webhooks), err)
	}
	if _, err := w.List(ctx, w.staff, Filter{Cursor: "nonsense"}); code(err) != "bad_cursor" {
		t.Errorf("a damaged cursor: %v", err)
	}
}

func TestUpdateAndDelete(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	first, second := newReceiver(t), newReceiver(t)
	hook, _ := w.create(first.URL + "/in?token=canary-token")
	compressed := true
	got, err := w.Update(ctx, w.staff, hook.ID, Change{Description: "renamed", TriggerTypes: []string{"grant.deleted"}, Compressed: &compressed, Status: "inactive"})
	if err != nil || got.Status != models.WebhookPaused || got.Description != "renamed" || !got.Compressed || got.URL != hook.URL || !got.StatusAt.After(hook.StatusAt) && !got.StatusAt.Equal(hook.StatusAt) {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := w.Update(ctx, w.staff, hook.ID, Change{Status: "failed"}); code(err) != "webhook_status_invalid" {
		t.Errorf("a status that is ours to say: %v", err)
	}
	// A way back to active, and a new address, are challenged; when that fails nothing changes.
	first.Close()
	if _, err := w.Update(ctx, w.staff, hook.ID, Change{Status: "active"}); code(err) != "webhook_unverified" {
		t.Errorf("active without proof: %v", err)
	}
	if _, err := w.Update(ctx, w.staff, hook.ID, Change{URL: "http://127.0.0.1:1/"}); code(err) != "webhook_unverified" {
		t.Errorf("another address without proof: %v", err)
	}
	if kept, err := w.Find(ctx, w.staff, hook.ID); err != nil || kept.URL != hook.URL || kept.Status != models.WebhookPaused {
		t.Errorf("a refused change left %+v, %v", kept, err)
	}
	if got, err = w.Update(ctx, w.staff, hook.ID, Change{Status: "active", URL: second.URL}); err != nil || got.Status != models.WebhookActive || got.URL != second.URL {
		t.Fatalf("%+v, %v", got, err)
	}
	if err := w.Delete(ctx, w.staff, hook.ID); err != nil {
		t.Fatal(err)
	}
	w.work()
	if n := w.count(`SELECT (SELECT count(*) FROM webhooks) + (SELECT count(*) FROM webhook_secrets) + (SELECT count(*) FROM sealed)`); n != 0 {
		t.Errorf("a deleted webhook leaves %d rows", n)
	}
	if n := w.count(`SELECT count(*) FROM audit_entries WHERE action IN ('webhook.create', 'webhook.update', 'webhook.delete')`); n != 4 {
		t.Errorf("%d audit entries, want 4", n)
	}
	if n := w.count(`SELECT count(*) FROM audit_entries e WHERE e::text LIKE '%canary-token%'`); n != 0 {
		t.Error("the audit holds the query of an address, where receivers put keys")
	}
}

// TestSecretIsShownOnceAndSealed: nowhere in the database does the secret stand in the clear.
func TestSecretIsShownOnceAndSealed(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	hook, key := w.create(newReceiver(t).URL)
	if len(key.Reveal()) < 20 {
		t.Errorf("a secret of %d characters", len(key.Reveal()))
	}
	_, second, err := w.Rotate(ctx, w.staff, hook.ID, nil)
	if err != nil || second.Reveal() == key.Reveal() {
		t.Fatalf("rotated to the same secret, %v", err)
	}
	w.absent(key.Reveal(), second.Reveal())
}

// absent looks for texts in every column of every table, and in the log.
func (w *world) absent(texts ...string) {
	w.t.Helper()
	ctx := context.Background()
	rows, err := w.owner.Query(ctx, `SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND n.nspname IN ('public', 'river')`)
	if err != nil {
		w.t.Fatal(err)
	}
	var tables []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			w.t.Fatal(err)
		}
		tables = append(tables, name)
	}
	if len(tables) < 25 {
		w.t.Fatalf("only %d tables: the query has lost its subject", len(tables))
	}
	for _, text := range texts {
		for _, table := range tables {
			if n := w.count(`SELECT count(*) FROM `+table+` x WHERE strpos(x::text, $1) > 0 OR strpos(x::text, encode(convert_to($1, 'UTF8'), 'hex')) > 0`, text); n > 0 {
				w.t.Errorf("%s holds %.12s... in %d rows", table, text, n)
			}
		}
		if strings.Contains(w.logged.String(), text) {
			w.t.Errorf("the log holds %.12s...", text)
		}
	}
}

func TestTheMostWebhooks(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	w.exec(`INSERT INTO webhooks (application_id, id, url, trigger_types, status, status_at, created_at, updated_at)
		SELECT $1, gen_random_uuid(), 'https://a.example', '{grant.created}', 'active', now(), now(), now() FROM generate_series(1, 97)`, w.app.String())
	url := newReceiver(t).URL
	var wg sync.WaitGroup
	var mu sync.Mutex
	made := 0
	for range 8 {
		wg.Go(func() {
			_, _, err := w.Create(ctx, w.staff, draft(w.app, url))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				made++
			} else if code(err) != "webhooks_full" {
				t.Errorf("%v", err)
			}
		})
	}
	wg.Wait()
	if made != 3 {
		t.Errorf("%d made where three had room", made)
	}
}
