package audit_test

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store/storetest"
)

// TestReadingIsAudited: one entry for one person, one view and one hour, however many pages are turned and by however many processes; every file is one.
func TestReadingIsAudited(t *testing.T) {
	at := time.Date(2026, 5, 4, 10, 40, 0, 0, time.UTC)
	var mu sync.Mutex
	clock := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		at = at.Add(time.Millisecond)
		return at
	}
	w := &world{t: t, ctx: context.Background(), db: storetest.New(t, nil), a: models.NewID[models.TenantID](at), b: models.NewID[models.TenantID](at)}
	w.keeper = audit.New(w.db.Store, clock)
	w.log = w.another(bytes.Repeat([]byte{7}, 32))
	w.write(w.a, 3)
	count := func(what, action string, tenant models.TenantID, want int) {
		t.Helper()
		page, err := w.keeper.List(w.ctx, staff, audit.Filter{Action: action, Tenant: tenant, Limit: 200})
		w.must(err)
		if len(page.Entries) != want {
			t.Errorf("%s: %d entries %s, want %d", what, len(page.Entries), action, want)
		}
	}
	count("reading beside something else", "audit.read", models.TenantID{}, 0)

	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			if _, err := w.keeper.Read(w.ctx, staff, audit.Filter{}); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	count("eight pages at once", "audit.read", models.TenantID{}, 1)
	other := models.Actor{Kind: models.ActorMember, ID: "omar", Label: "Omar", Role: models.Reviewer}
	customer := models.Actor{Kind: models.ActorMember, ID: "cleo", Label: "Cleo", Role: models.Customer, Tenant: w.a}
	for range 2 {
		for _, f := range []audit.Filter{{}, {Tenant: w.a}, {Tenant: w.b}, {Action: "grant.revoke"}} {
			_, err := w.keeper.Read(w.ctx, other, f)
			w.must(err)
		}
		page, err := w.keeper.Read(w.ctx, customer, audit.Filter{})
		w.must(err)
		_, err = w.keeper.Open(w.ctx, customer, page.Entries[0].ID)
		w.must(err)
	}
	count("another person, and by organisation", "audit.read", models.TenantID{}, 1+3+2)
	count("a customer learns who read theirs", "audit.read", w.a, 1+2)

	mu.Lock()
	at = at.Add(time.Hour)
	mu.Unlock()
	_, err := w.keeper.Read(w.ctx, staff, audit.Filter{})
	w.must(err)
	count("the next hour", "audit.read", models.TenantID{}, 7)

	for range 3 {
		w.must(w.keeper.NoteExport(w.ctx, customer, audit.Filter{}, "csv"))
	}
	w.sequence()
	if _, err := w.log.Export(w.ctx, staff, w.a, &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	count("files", "audit.export", w.a, 4)

	// What cannot be noted is not shown.
	w.owner(`REVOKE INSERT ON audit_entries FROM postern_app, postern_platform`)
	for name, read := range map[string]func() error{
		"a page": func() error {
			_, err := w.keeper.Read(w.ctx, models.Actor{Kind: models.ActorMember, ID: "new", Role: models.Owner}, audit.Filter{})
			return err
		},
		"a file":   func() error { return w.keeper.NoteExport(w.ctx, staff, audit.Filter{}, "csv") },
		"a bundle": func() error { _, err := w.log.Export(w.ctx, staff, w.a, &bytes.Buffer{}); return err },
	} {
		if read() == nil {
			t.Errorf("%s is shown though it cannot be noted", name)
		}
	}
}
