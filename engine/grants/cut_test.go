package grants_test

import (
	"testing"
	"time"

	"github.com/postern-mail/postern/models"
)

// TestCutAtTheProvider: the provider says that a person ended the app's access. The grant says so with cause and audit entry, once; a consent that is newer stands.
func TestCutAtTheProvider(t *testing.T) {
	w := newWorld(t)
	issued := w.connect("ada@sandbox.test", w.auth())
	g, err := w.grants.Find(w.ctx, models.System("test"), issued.Grant.ID)
	w.must(err)
	w.must(w.grants.CutAtProvider(w.ctx, g.Provider, g.Subject, "tokens_revoked", g.AuthenticatedAt.Add(-time.Hour)))
	w.must(w.grants.CutAtProvider(w.ctx, g.Provider, "somebody else", "tokens_revoked", time.Now().Add(time.Hour)))
	if g, err = w.grants.Find(w.ctx, models.System("test"), g.ID); err != nil || g.Status != models.GrantValid {
		t.Fatalf("an older event, or somebody else's, cut it: %s %v", g.Status, err)
	}
	for range 2 {
		w.must(w.grants.CutAtProvider(w.ctx, g.Provider, g.Subject, "tokens_revoked", time.Now().Add(time.Hour)))
	}
	g, err = w.grants.Find(w.ctx, models.System("test"), g.ID)
	w.must(err)
	if g.Status != models.GrantInvalid || g.StatusReason != "cut_at_provider" || g.StatusDetail != "tokens_revoked" || g.StatusAt.IsZero() {
		t.Errorf("the grant says %s, %s, %s", g.Status, g.StatusReason, g.StatusDetail)
	}
	if n := w.entries("grant.cut_at_provider"); n != 1 {
		t.Errorf("%d audit entries", n)
	}
	if n := w.count(`SELECT count(*) FROM events WHERE type = 'grant.expired'`); n != 1 {
		t.Errorf("%d events", n)
	}
}
