package offboardings_test

import (
	"context"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/access"
	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/engine/offboardings"
	"github.com/postern-mail/postern/engine/tokens"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

func (w *world) plan() (models.Offboarding, string) {
	w.t.Helper()
	o, err := w.Offboardings.Plan(ctx, sam, w.tenant.ID, offboardings.Request{Reason: "The contract ended.", Ticket: "OPS-17"})
	w.must(err)
	return o, hex.EncodeToString(o.PlanHash)
}

// TestApprovalNeedsASecondPersonAndTheSamePlan is A40.
func TestApprovalNeedsASecondPersonAndTheSamePlan(t *testing.T) {
	w := newWorld(t)
	g := w.grants(w.tenant.ID, "imap", 2)[0]
	o, hash := w.plan()
	refused := func(name string, actor models.Actor, hash string, want error) {
		t.Helper()
		if _, err := w.Offboardings.Approve(ctx, actor, o.ID, hash); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
		if now, err := w.Grants.Find(ctx, sam, g.ID); err != nil || !now.Usable() {
			t.Fatalf("%s: a refused approval touched a grant: %v", name, err)
		}
	}
	refused("the one who asked", sam, hash, offboardings.ErrOwnPlan)
	again := sam
	again.RequestID, again.UserAgent, again.Label = "another session", "another browser", "Samuel"
	refused("another session of the same person", again, hash, offboardings.ErrOwnPlan)
	customer := models.Actor{Kind: models.ActorMember, ID: "cora", Role: models.Customer, Tenant: w.tenant.ID, Permissions: models.Customer.Permissions()}
	refused("the customer", customer, hash, store.ErrNotFound)
	refused("a program", models.Actor{Kind: models.ActorKey, ID: "k", Application: w.app.ID}, hash, store.ErrNotFound)
	if _, err := w.Offboardings.Plan(ctx, kim, w.tenant.ID, offboardings.Request{Reason: "me too"}); err == nil {
		t.Error("two open plans for one tenant")
	}
	// The database says the same as the program: nobody approves what they asked for.
	w.must(w.Store.OnPlatform(ctx, "test", func(tx *store.Tx) error {
		at := w.now()
		if err := tx.ApproveOffboarding(models.Offboarding{TenantID: w.tenant.ID, ID: o.ID, ApprovedByID: "sam", ApprovedAt: &at}); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the store lets the requester approve: %v", err)
		}
		return nil
	}))

	refused("another plan than the one shown", kim, hex.EncodeToString(make([]byte, 32)), offboardings.ErrChanged)
	o, hash = w.plan()
	w.grants(w.tenant.ID, "sandbox", 1)
	refused("after the plan changed", kim, hash, offboardings.ErrChanged)
	o, hash = w.plan()
	w.forward(25 * time.Hour)
	refused("after a day", kim, hash, offboardings.ErrExpired)
	refused("a plan that is over", kim, hash, offboardings.ErrNotThat)
	if n := w.count(`SELECT count(*) FROM audit_entries WHERE action = 'offboarding.approve' AND outcome = 'refused'`); n < 6 {
		t.Errorf("%d refused approvals are on record", n)
	}

	o, hash = w.plan()
	w.must(w.Offboardings.Withdraw(ctx, sam, o.ID))
	refused("a plan that was withdrawn", kim, hash, offboardings.ErrNotThat)
}

// TestOffboardingEndsEverything goes from the dry run to the certificate.
func TestOffboardingEndsEverything(t *testing.T) {
	w := newWorld(t)
	w.furnish()
	mail, ours := w.grants(w.tenant.ID, "imap", 4), w.grants(w.tenant.ID, "sandbox", 3)
	foreign := w.grants(w.other.ID, "imap", 1)[0]
	_, err := w.Grants.Revoke(ctx, sam, mail[3].ID, "earlier")
	w.must(err)
	pack, err := w.Evidence.Request(ctx, models.System("test"), w.tenant.ID, false)
	w.must(err)
	w.must(w.Evidence.Make(ctx, pack.ID))
	late, err := w.Evidence.Request(ctx, models.System("test"), w.tenant.ID, true) // asked for, and not made when the organisation goes
	w.must(err)
	preview, err := w.Offboardings.DryRun(ctx, sam, w.tenant.ID)
	w.must(err)
	if live, revoked := preview.Total(); live != 6 || revoked != 1 || preview.KeyCount != 1 || preview.Links != 1 || preview.Members != 1 || len(preview.Apps) != 2 || preview.Seconds <= 0 {
		t.Fatalf("the dry run says %+v", preview)
	}
	o, hash := w.plan()
	second := w.process()
	_, err = w.Offboardings.Approve(ctx, kim, o.ID, hash)
	w.must(err)

	// The door is closed on every process when the approval returns; nothing has been carried out yet.
	for _, g := range append(mail[:3], ours...) {
		if _, err := second.Grants.Locate(ctx, models.Actor{Kind: models.ActorKey, ID: "k", Application: w.app.ID}, g.ID.String()); !errors.Is(err, grants.ErrRevoked) {
			t.Errorf("another process still knows %s: %v", g.Email, err)
		}
		if _, err := w.tokens.Fresh(ctx, w.tenant.ID, g.ID); !errors.Is(err, tokens.ErrCut) {
			t.Errorf("a credential of %s is still given: %v", g.Email, err)
		}
	}
	for name, err := range map[string]error{
		"a link":   second1(w.Grants.MakeLink(ctx, sam, grants.LinkRequest{Tenant: w.tenant.ID, Application: w.app.ID})),
		"a key":    second1(w.Access.CreateKey(ctx, models.System("test"), access.Key{Application: w.app.ID, Tenant: w.tenant.ID, Name: "x"})),
		"a member": second0(w.Access.EnsureMember(ctx, access.Invitation{Name: "X", Email: "x@northwind.example", Role: models.Customer, Tenant: w.tenant.ID})),
	} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s can still be made: %v", name, err)
		}
	}
	if _, err := w.Grants.Delete(ctx, sam, ours[0].ID, ""); err == nil {
		t.Error("a grant was taken out of a running offboarding")
	}
	if _, err := w.Offboardings.Approve(ctx, kim, o.ID, hash); !errors.Is(err, offboardings.ErrNotThat) {
		t.Errorf("approved twice: %v", err)
	}

	w.run(w.Engine)
	w.run(second)
	w.until("the certificate", func() bool {
		now, err := w.Offboardings.Find(ctx, sam, o.ID)
		w.must(err)
		return now.State == models.OffboardingDone
	})
	c, entry, err := w.Offboardings.Certificate(ctx, sam, o.ID)
	w.must(err)
	if !c.MatchesPlan || c.Receipts != 6 || c.RecordsRemoved != 1 || c.KeysDestroyed != 1 || c.PacksDestroyed != 2 || c.Unconfirmed != 0 || c.OwnerMustAct != 3 || c.Access["keys"] != 1 || c.Access["links"] != 1 || c.Access["members"] != 1 {
		t.Errorf("the certificate says %+v", c)
	}
	for query, want := range map[string]int{
		`SELECT count(*) FROM grants WHERE tenant_id = $1`:                                                  0,
		`SELECT count(*) FROM evidence_contents WHERE tenant_id = $1`:                                       0,
		`SELECT count(*) FROM sealed WHERE tenant_id = $1`:                                                  0,
		`SELECT count(*) FROM data_keys WHERE tenant_id = $1 AND wrapped IS NOT NULL`:                       0,
		`SELECT count(*) FROM api_keys WHERE tenant_id = $1 AND revoked_at IS NULL`:                         0,
		`SELECT count(*) FROM memberships WHERE tenant_id = $1`:                                             0,
		`SELECT count(*) FROM receipts r JOIN severances s ON s.id = r.severance_id WHERE s.tenant_id = $1`: 7,
		`SELECT count(*) FROM severances WHERE tenant_id = $1 AND attempts > 1`:                             0,
		`SELECT count(*) FROM tenants WHERE id = $1 AND state = 'offboarded'`:                               1,
		`SELECT count(*) FROM audit_entries WHERE tenant_id = $1 AND action = 'offboarding.complete'`:       1,
	} {
		if got := w.count(query, w.tenant.ID.String()); got != want {
			t.Errorf("%s: %d, want %d", query, got, want)
		}
	}
	if g, err := w.Grants.Find(ctx, sam, foreign.ID); err != nil || !g.Usable() {
		t.Errorf("the other organisation's grant: %+v, %v", g.Status, err)
	}

	w.must(w.Evidence.Make(ctx, late.ID)) // a job that comes late makes nothing
	if _, _, err := w.Evidence.Content(ctx, models.System("test"), pack.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the pack can still be taken home: %v", err)
	}

	// The certificate is a paper that proves itself.
	var text []byte
	w.until("the log has the certificate", func() bool {
		text, err = w.AuditLog.Document(ctx, audit.CertificateFormat, c, entry)
		return err == nil
	})
	v, err := audit.VerifyDocument(text, w.AuditLog.Key())
	if err != nil || !v.Proven {
		t.Errorf("the certificate does not hold: %+v, %v", v, err)
	}
	// Run again it does nothing again.
	more, _, err := w.Offboardings.Step(ctx, w.tenant.ID, o.ID)
	if more || err != nil || w.count(`SELECT count(*) FROM audit_entries WHERE action = 'offboarding.complete'`) != 1 {
		t.Errorf("a second run: %v, %v", more, err)
	}
}

func second0[T any](_ T, err error) error         { return err }
func second1[A, B any](_ A, _ B, err error) error { return err }

// TestKilledAnywhereItGoesOn is F12: a process is killed at many moments, another goes on; nothing is done twice and the totals match.
func TestKilledAnywhereItGoesOn(t *testing.T) {
	w := newWorld(t)
	w.furnish()
	w.grants(w.tenant.ID, "imap", 60)
	o, hash := w.plan()
	_, err := w.Offboardings.Approve(ctx, kim, o.ID, hash)
	w.must(err)
	kills := 0
	for range 500 {
		dying, kill := context.WithTimeout(ctx, time.Duration(1+rand.IntN(40))*time.Millisecond)
		_, _, err := w.Offboardings.Step(dying, w.tenant.ID, o.ID)
		kill()
		if err != nil {
			kills++
		}
		now, err := w.Offboardings.Find(ctx, sam, o.ID)
		w.must(err)
		if now.State == models.OffboardingDone {
			break
		}
		if kills >= 40 { // a slow machine: let it end
			for more := true; more; {
				more, _, err = w.Offboardings.Step(ctx, w.tenant.ID, o.ID)
				w.must(err)
			}
		}
	}
	c, _, err := w.Offboardings.Certificate(ctx, sam, o.ID)
	w.must(err)
	if !c.MatchesPlan || c.Receipts != 60 || c.OwnerMustAct != 60 {
		t.Errorf("after %d kills the certificate says %+v", kills, c)
	}
	for query, want := range map[string]int{
		`SELECT count(*) FROM severances WHERE tenant_id = $1`: 60, `SELECT count(*) FROM receipts WHERE tenant_id = $1`: 60, `SELECT count(*) FROM sealed WHERE tenant_id = $1`: 0,
		`SELECT count(*) FROM audit_entries WHERE tenant_id = $1 AND action = 'grant.delete'`: 60, `SELECT count(*) FROM audit_entries WHERE tenant_id = $1 AND action = 'offboarding.shred'`: 1,
		`SELECT count(*) FROM audit_entries WHERE tenant_id = $1 AND action = 'offboarding.complete'`: 1,
	} {
		if got := w.count(query, w.tenant.ID.String()); got != want {
			t.Errorf("%s: %d, want %d", query, got, want)
		}
	}
}

// TestProviderDownUntilTheDeadline is F13.
func TestProviderDownUntilTheDeadline(t *testing.T) {
	w := newWorld(t)
	w.grants(w.tenant.ID, "sandbox", 3)
	w.grants(w.tenant.ID, "imap", 2)
	_ = w.box.Close()
	o, hash := w.plan()
	_, err := w.Offboardings.Approve(ctx, kim, o.ID, hash)
	w.must(err)
	stop := w.run(w.Engine)
	w.until("each severance was tried", func() bool {
		return w.count(`SELECT count(*) FROM severances WHERE attempts > 0 AND closed_at IS NULL`) == 3
	})
	now, err := w.Offboardings.Find(ctx, sam, o.ID)
	w.must(err)
	if now.State != models.OffboardingRunning || now.Open != 3 {
		t.Fatalf("it did not wait: %s, %d open", now.State, now.Open)
	}
	stop()
	w.forward(73 * time.Hour)
	for more := true; more; {
		more, _, err = w.Offboardings.Step(ctx, w.tenant.ID, o.ID)
		w.must(err)
	}
	c, _, err := w.Offboardings.Certificate(ctx, sam, o.ID)
	w.must(err)
	if c.Unconfirmed != 3 || c.OwnerMustAct != 2 || !c.MatchesPlan || w.count(`SELECT count(*) FROM sealed WHERE tenant_id = $1`, w.tenant.ID.String()) != 0 {
		t.Errorf("the certificate says %+v", c)
	}
	live, err := w.Grants.StillLive(ctx, sam)
	w.must(err)
	if live != 5 {
		t.Errorf("%d are on the list of what is still live, want 5", live)
	}
	// Somebody may also say that it has been long enough.
	if err := w.Offboardings.StopWaiting(ctx, sam, o.ID); err == nil {
		t.Error("an offboarding that is over still waits")
	}
}

// TestScheduledItBeginsByItselfUnlessThePlanChanged.
func TestScheduledItBeginsByItselfUnlessThePlanChanged(t *testing.T) {
	for _, changed := range []bool{false, true} {
		w := newWorld(t)
		g := w.grants(w.tenant.ID, "imap", 1)[0]
		o, err := w.Offboardings.Plan(ctx, sam, w.tenant.ID, offboardings.Request{Reason: "The contract ends.", StartAt: w.now().Add(48 * time.Hour)})
		w.must(err)
		_, err = w.Offboardings.Approve(ctx, kim, o.ID, hex.EncodeToString(o.PlanHash))
		w.must(err)
		w.must(w.Offboardings.TickOnce(ctx))
		if now, err := w.Grants.Find(ctx, sam, g.ID); err != nil || !now.Usable() {
			t.Fatalf("it began before its time: %v", err)
		}
		if changed {
			w.grants(w.tenant.ID, "sandbox", 1)
		}
		w.forward(49 * time.Hour)
		w.must(w.Offboardings.TickOnce(ctx))
		now, err := w.Offboardings.Find(ctx, sam, o.ID)
		w.must(err)
		grant, err := w.Grants.Find(ctx, sam, g.ID)
		w.must(err)
		if want := models.OffboardingRunning; !changed && (now.State != want || grant.Usable()) {
			t.Errorf("it did not begin: %s, grant %s", now.State, grant.Status)
		}
		if want := models.OffboardingStale; changed && (now.State != want || !grant.Usable()) {
			t.Errorf("it began with another plan: %s, grant %s", now.State, grant.Status)
		}
	}
}
