package grants_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/tokens"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// many puts valid grants of a provider that nobody can tell into a tenant.
func (w *world) many(tenant models.TenantID, name string, n int) []models.Grant {
	w.t.Helper()
	now := w.clock.now().UTC().Truncate(time.Microsecond)
	var out []models.Grant
	w.must(w.db.InTenant(w.ctx, tenant, func(tx *store.Tx) error {
		for i := range n {
			address := fmt.Sprintf("%s%d@many.example", name, i)
			g, err := tx.InsertGrant(models.Grant{TenantID: tenant, ID: models.NewID[models.GrantID](now), ApplicationID: w.app, Provider: "imap", Subject: address, Email: address,
				Settings: models.Settings{provider.IMAPHost: "mail.many.example"}, Status: models.GrantPending, StatusReason: "consented", StatusAt: now, ScopesRequested: models.Strings{}, ScopesGranted: models.Strings{}, CreatedAt: now, UpdatedAt: now})
			if err != nil {
				return err
			}
			g.StatusReason = "connected"
			if err := tx.MarkGrantConnected(g, now.Add(time.Microsecond)); err != nil {
				return err
			}
			if err := w.tokens.Save(w.ctx, tx, tenant, tokens.Grant(g.ID), tokens.Credential{Password: secret.New("app password")}); err != nil {
				return err
			}
			g.Status = models.GrantValid
			out = append(out, g)
		}
		return nil
	}))
	return out
}

func idsOf(list []models.Grant) []models.GrantID {
	out := make([]models.GrantID, len(list))
	for i, g := range list {
		out[i] = g.ID
	}
	return out
}

// together confirms a selection as a person would: look, then say yes to what was seen.
func (w *world) together(actor models.Actor, act string, sel grants.Selection) grants.Together {
	w.t.Helper()
	c, err := w.grants.Choose(w.ctx, actor, act, sel)
	w.must(err)
	return grants.Together{ID: models.NewID[models.BatchID](w.clock.now()), Act: act, Selection: sel, Digest: c.Digest, Ending: grants.Ending{Reason: "they left"}}
}

// TestABatchEndsWhatWasChosenAndNothingElse is A60 too: everything is revoked by one act, and what remains at providers is told one by one.
func TestABatchEndsWhatWasChosenAndNothingElse(t *testing.T) {
	w := newWorld(t)
	chosen, kept, foreign := w.many(w.a, "ada", 5), w.many(w.a, "kept", 2), w.many(w.b, "bob", 2)
	told := w.connect("ada@sandbox.test", w.auth()).Grant
	_, err := w.grants.Revoke(w.ctx, w.support, chosen[4].ID, "earlier")
	w.must(err)
	sel := grants.Selection{IDs: append(idsOf(chosen), told.ID, foreign[0].ID)}
	c, err := w.grants.Choose(w.ctx, w.support, "revoke", sel)
	w.must(err)
	if len(c.Grants) != 6 || c.Already != 1 || c.Tenants() != 2 || fmt.Sprint(c.Providers()) != "[{imap 5} {sandbox 1}]" {
		t.Fatalf("chosen: %d, already %d, %v", len(c.Grants), c.Already, c.Providers())
	}
	form := w.together(w.support, "revoke", sel)
	// The form is sent many times at once: one batch, one job's worth of effects.
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			if b, err := w.grants.EndTogether(w.ctx, w.support, form); err != nil || b.ID != form.ID {
				t.Errorf("sent again: %v", err)
			}
		})
	}
	all.Wait()
	w.work()
	b, err := w.grants.FindBatch(w.ctx, w.support, form.ID, 0, 3)
	w.must(err)
	if b.EndedAt == nil || b.Cut() != 6 || b.Open() != 0 || b.Severed("deleted-here-only") != 5 || b.Severed("severed-verified") != 1 || len(b.Lines) != 3 || b.Next == 0 || b.Lines[0].ReceiptID == nil {
		t.Fatalf("the batch says %+v", b)
	}
	if w.box.RefreshTokenAlive("ada@sandbox.test") {
		t.Error("the provider was not told")
	}
	for _, g := range append(kept, foreign[1]) {
		if now, err := w.grants.Find(w.ctx, w.support, g.ID); err != nil || now.Status != models.GrantValid {
			t.Errorf("%s was not chosen and is %s, %v", g.Email, now.Status, err)
		}
	}
	for action, want := range map[string]int{"grants.revoke": 1, "grant.revoke": 7, "grant.sever": 7} { // one of them earlier
		if got := w.entries(action); got != want {
			t.Errorf("%d audit entries %s, want %d", got, action, want)
		}
	}
	if n := w.count(`SELECT count(*) FROM audit_entries WHERE action = 'grant.revoke' AND detail ->> 'batch' = $1 AND actor_id = 'sam'`, form.ID.String()); n != 6 {
		t.Errorf("%d entries name the batch", n)
	}
	// Run again it does nothing again.
	if more, _, err := w.grants.StepBatch(w.ctx, form.ID); more || err != nil {
		t.Errorf("a second run: %v, %v", more, err)
	}
	if w.count(`SELECT count(*) FROM severances`) != 7 || w.count(`SELECT count(*) FROM receipts`) != 7 {
		t.Error("something was done twice")
	}
}

// TestABatchIsNotAnotherOnes: who may begin one, over what, and who sees it.
func TestABatchIsNotAnotherOnes(t *testing.T) {
	w := newWorld(t)
	own, foreign := w.many(w.a, "ada", 3), w.many(w.b, "bob", 2)
	customer := models.Actor{Kind: models.ActorMember, ID: "cora", Label: "Cora", Role: models.Customer, Tenant: w.a, Permissions: models.Customer.Permissions()}
	stranger := customer
	stranger.ID, stranger.Tenant = "sid", w.b

	_, err := w.grants.Choose(w.ctx, customer, "revoke", grants.Selection{IDs: idsOf(foreign)})
	wants(t, err, store.ErrNotFound)
	_, err = w.grants.Choose(w.ctx, customer, "revoke", grants.Selection{Filter: grants.Filter{Tenant: w.b}})
	wants(t, err, store.ErrNotFound)
	mixed := w.together(customer, "delete", grants.Selection{IDs: append(idsOf(own), foreign[0].ID)})
	_, err = w.grants.EndTogether(w.ctx, models.Actor{Kind: models.ActorKey, Application: w.app}, mixed)
	wants(t, err, store.ErrNotFound)

	_, err = w.grants.EndTogether(w.ctx, customer, mixed)
	w.must(err)
	w.work()
	b, err := w.grants.FindBatch(w.ctx, customer, mixed.ID, 0, 10)
	w.must(err)
	if b.Total != 3 || b.Cut() != 3 || b.TenantID == nil || *b.TenantID != w.a {
		t.Errorf("the customer's batch: %+v", b)
	}
	_, err = w.grants.FindBatch(w.ctx, stranger, mixed.ID, 0, 10)
	wants(t, err, store.ErrNotFound)
	if list, _, err := w.grants.Batches(w.ctx, stranger, "", 10); err != nil || len(list) != 0 {
		t.Errorf("another organisation lists %d batches, %v", len(list), err)
	}
	if g, err := w.grants.Find(w.ctx, w.support, foreign[0].ID); err != nil || g.Status != models.GrantValid {
		t.Errorf("the foreign grant: %s, %v", g.Status, err)
	}
	// A batch over both organisations is the staff's alone.
	more := w.many(w.a, "eve", 1)
	both := w.together(w.support, "revoke", grants.Selection{IDs: []models.GrantID{more[0].ID, foreign[0].ID}})
	_, err = w.grants.EndTogether(w.ctx, w.support, both)
	w.must(err)
	_, err = w.grants.FindBatch(w.ctx, customer, both.ID, 0, 10)
	wants(t, err, store.ErrNotFound)
	// Nor is a form of somebody else's taken for one's own.
	kim := w.support
	kim.ID = "kim"
	if _, err := w.grants.EndTogether(w.ctx, kim, both); err == nil {
		t.Error("somebody else's form was taken")
	}
}

func TestABatchIsWhatWasConfirmed(t *testing.T) {
	w := newWorld(t)
	w.many(w.a, "ada", 2)
	all := grants.Selection{Filter: grants.Filter{Tenant: w.a, Status: "valid"}}
	form := w.together(w.support, "revoke", all)
	late := w.many(w.a, "late", 1)[0]
	_, err := w.grants.EndTogether(w.ctx, w.support, form)
	wants(t, err, grants.ErrSelectionMoved)
	if w.entries("grants.revoke") != 0 || w.count(`SELECT count(*) FROM batches`) != 0 {
		t.Error("a refused batch left something behind")
	}
	form = w.together(w.support, "revoke", all)
	_, err = w.grants.EndTogether(w.ctx, w.support, form)
	w.must(err)
	// Between the click and the work somebody else is first: it is said, and no error.
	_, err = w.grants.Delete(w.ctx, w.support, late.ID, "")
	w.must(err)
	w.work()
	b, err := w.grants.FindBatch(w.ctx, w.support, form.ID, 0, 10)
	w.must(err)
	if b.Cut() != 2 || b.Ended(models.BatchGone) != 1 || b.EndedAt == nil {
		t.Errorf("%+v", b.Counts)
	}
	_, err = w.grants.EndTogether(w.ctx, w.support, w.together(w.support, "revoke", all))
	wants(t, err, grants.ErrNothingChosen)
}

// TestABatchThatIsKilledGoesOn cuts the work off at many moments; what is left is done by whoever comes next, and nothing twice.
func TestABatchThatIsKilledGoesOn(t *testing.T) {
	w := newWorld(t)
	list := w.many(w.a, "ada", 60)
	form := w.together(w.support, "delete", grants.Selection{Filter: grants.Filter{Tenant: w.a}})
	_, err := w.grants.EndTogether(w.ctx, w.support, form)
	w.must(err)
	kills := 0
	for more := true; more; {
		dying, kill := w.ctx, context.CancelFunc(func() {})
		if kills < 40 {
			dying, kill = context.WithTimeout(w.ctx, time.Duration(1+rand.IntN(30))*time.Millisecond)
		}
		again, _, err := w.grants.StepBatch(dying, form.ID)
		kill()
		if err != nil {
			kills++
			continue
		}
		more = again
	}
	if kills == 0 {
		t.Error("nothing was ever cut off")
	}
	w.work()
	for query, want := range map[string]int{
		`SELECT count(*) FROM grants`: 0, `SELECT count(*) FROM severances`: len(list), `SELECT count(*) FROM receipts`: len(list),
		`SELECT count(*) FROM audit_entries WHERE action = 'grant.delete'`: len(list), `SELECT count(*) FROM batch_items WHERE outcome = 'cut' AND severance_id IS NOT NULL`: len(list),
		`SELECT count(*) FROM batches WHERE ended_at IS NOT NULL`: 1, `SELECT count(*) FROM sealed WHERE owner_kind IN ('grant', 'severance')`: 0,
	} {
		if got := w.count(query); got != want {
			t.Errorf("%s: %d, want %d", query, got, want)
		}
	}
}

// TestABatchWhoseProcessIsGoneIsFound: the job itself was lost; somebody notices and goes on.
func TestABatchWhoseProcessIsGoneIsFound(t *testing.T) {
	w := newWorld(t)
	w.many(w.a, "ada", 2)
	form := w.together(w.support, "revoke", grants.Selection{Filter: grants.Filter{Tenant: w.a}})
	_, err := w.grants.EndTogether(w.ctx, w.support, form)
	w.must(err)
	w.must(w.exec(`DELETE FROM river.river_job`))
	if _, err := w.grants.Requeue(w.ctx); err != nil || w.count(`SELECT count(*) FROM river.river_job`) != 0 {
		t.Fatalf("a batch that was begun just now counts as lost: %v", err)
	}
	w.clock.forward(time.Minute)
	for range 2 { // found twice, it is enqueued once
		_, err = w.grants.Requeue(w.ctx)
		w.must(err)
	}
	if n := w.count(`SELECT count(*) FROM river.river_job`); n != 1 {
		t.Errorf("%d jobs", n)
	}
	w.work()
	if b, err := w.grants.FindBatch(w.ctx, w.support, form.ID, 0, 0); err != nil || b.Cut() != 2 || b.EndedAt == nil {
		t.Errorf("%+v, %v", b, err)
	}
}

// TestABatchOfAClosedTenant: what ends with its organisation ends there.
func TestABatchOfAClosedTenant(t *testing.T) {
	w := newWorld(t)
	w.many(w.a, "ada", 2)
	form := w.together(w.support, "delete", grants.Selection{Filter: grants.Filter{Tenant: w.a}})
	_, err := w.grants.EndTogether(w.ctx, w.support, form)
	w.must(err)
	w.must(w.db.InTenant(w.ctx, w.a, func(tx *store.Tx) error { return tx.CloseTenant(w.a, w.clock.now().UTC()) }))
	w.work()
	b, err := w.grants.FindBatch(w.ctx, w.support, form.ID, 0, 0)
	w.must(err)
	if b.Ended(models.BatchOffboarding) != 2 || b.EndedAt == nil {
		t.Errorf("%+v", b.Counts)
	}
	c, err := w.grants.Choose(w.ctx, w.support, "delete", grants.Selection{Filter: grants.Filter{Tenant: w.a}})
	if err != nil || c.Offboarding != 2 || len(c.Grants) != 0 {
		t.Errorf("%+v, %v", c, err)
	}
}
