package grants_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/engine/tokens"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

func (w *world) inTenant(tenant models.TenantID) grants.AuthRequest {
	request := w.auth()
	request.WorkspaceID = tenant.String()
	return request
}

// TestThisOrganisationOnlyLeavesTheOther plays A16: the sandbox, like Google, keeps one permission for a person and an app.
func TestThisOrganisationOnlyLeavesTheOther(t *testing.T) {
	w := newWorld(t)
	a := w.connect("ada@sandbox.test", w.auth()).Grant
	b := w.connect("ada@sandbox.test", w.inTenant(w.b)).Grant
	reads := func() error {
		w.clock.forward(2 * time.Hour) // the access token is over: the next read refreshes
		_, err := w.mailbox.Messages(w.ctx, w.key, a, email.Query{Limit: 1})
		return err
	}
	w.must(reads())

	// A flow of the other organisation that is refused ends nothing.
	request := w.inTenant(w.b)
	next, _ := w.leave(request, "browser-9")
	back := w.atProvider(next.URL, "grace@sandbox.test")
	if _, err := w.grants.Return(w.ctx, answer(back, "another browser")); err == nil {
		t.Fatal("a flow came back in another browser")
	}
	w.work()
	w.must(reads())

	if before, after := w.grants.WhatEnds(a), w.grants.WhatEnds(b); strings.Join(before.EndsBy, " ") != strings.Join(after.EndsBy, " ") {
		t.Error("what is said before the click tells whether somebody else holds the mailbox")
	}
	v, err := w.grants.RevokeAs(w.ctx, w.support, b.ID, grants.Ending{Reason: "left", Reach: models.ReachHere})
	w.must(err)
	w.work()
	w.must(reads())
	if n := w.count(`SELECT count(*) FROM sealed WHERE tenant_id = $1 AND owner_kind IN ('grant', 'severance')`, w.b.String()); n != 0 {
		t.Errorf("%d sealed values are left", n)
	}
	live, _, err := w.grants.Severances(w.ctx, w.support, grants.ReceiptFilter{Live: true})
	w.must(err)
	if len(live) != 1 || live[0].ID != v.ID || live[0].Outcome != "deleted-here-only" {
		t.Fatalf("still live: %+v", live)
	}

	// Everywhere: the sibling needs a new consent within one refresh, with the provider's word and no hint of whose deed it was.
	again := w.connect("ada@sandbox.test", w.inTenant(w.b)).Grant
	_, err = w.grants.RevokeAs(w.ctx, w.support, again.ID, grants.Ending{Reach: models.ReachEverywhere})
	w.must(err)
	w.work()
	if err := reads(); !errors.Is(err, tokens.ErrCut) {
		t.Errorf("the sibling still reads: %v", err)
	}
	w.clock.forward(2 * time.Minute)
	_ = reads()
	g, err := w.grants.Find(w.ctx, w.support, a.ID)
	w.must(err)
	if g.Status != models.GrantInvalid || g.StatusReason != "refresh_refused" || strings.Contains(g.StatusDetail, w.b.String()) || strings.Contains(g.StatusDetail, "Tenant B") {
		t.Errorf("the sibling is %s, %s, %q", g.Status, g.StatusReason, g.StatusDetail)
	}
}

func TestConfirmedByTheCustomer(t *testing.T) {
	w := newWorld(t)
	g := w.connect("ada@sandbox.test", w.auth()).Grant
	v, err := w.grants.RevokeAs(w.ctx, w.support, g.ID, grants.Ending{Reach: models.ReachHere})
	w.must(err)
	foreign := models.Actor{Kind: models.ActorMember, Role: models.Customer, Tenant: w.b, Permissions: models.Customer.Permissions()}
	_, err = w.grants.Confirm(w.ctx, foreign, v.ID, "")
	wants(t, err, store.ErrNotFound)
	if _, err = w.grants.Confirm(w.ctx, w.support, v.ID, strings.Repeat("x", 301)); err == nil {
		t.Error("a note without end was taken")
	}
	_, err = w.grants.Confirm(w.ctx, w.support, v.ID, "seen on the phone")
	w.must(err)
	if _, err = w.grants.Confirm(w.ctx, w.support, v.ID, "again"); err == nil {
		t.Error("it was confirmed twice")
	}
	live, err := w.grants.StillLive(w.ctx, w.support)
	w.must(err)
	now, err := w.grants.Severance(w.ctx, w.support, v.ID)
	w.must(err)
	if live != 0 || now.ConfirmedBy != "Sam" || now.ConfirmedAt == nil || now.ConfirmedNote != "seen on the phone" || w.entries("grant.confirm_severed") != 1 {
		t.Errorf("%d live; %+v", live, now)
	}
}

// TestReceiptIsTheSameForEver: what is signed is made anew for each reader, and its digest stands in the log since the day it was written.
func TestReceiptIsTheSameForEver(t *testing.T) {
	w := newWorld(t)
	g := w.connect("ada@sandbox.test", w.auth()).Grant
	_, err := w.grants.Delete(w.ctx, w.support, g.ID, "<left> & gone")
	w.must(err)
	w.work()
	receipts, _, err := w.grants.Receipts(w.ctx, w.support, grants.ReceiptFilter{Grant: g.ID})
	w.must(err)
	row, body, err := w.grants.Receipt(w.ctx, w.support, receipts[0].ID)
	w.must(err)
	document, entry := grants.Document(row, body)
	text, digest := w.signedJSON(document)
	found, err := w.audit.Find(w.ctx, models.System("test"), entry)
	w.must(err)
	if found.Detail["digest"] != digest || found.Detail["receipt"] != row.ID.String() {
		t.Errorf("the log has %v, the receipt is %s: %s", found.Detail, digest, text)
	}
}

// TestLostJobIsFoundAndOneAsks plays F10's crash: the process that had the job is gone, two others find it, and the provider hears it once.
func TestLostJobIsFoundAndOneAsks(t *testing.T) {
	w := newWorld(t)
	g := w.connect("ada@sandbox.test", w.auth()).Grant
	_, err := w.grants.Revoke(w.ctx, w.support, g.ID, "")
	w.must(err)
	w.count(`WITH lost AS (DELETE FROM river.river_job WHERE kind = 'sever_at_provider' RETURNING 1) SELECT count(*) FROM lost`)
	if n, err := w.grants.Requeue(w.ctx); err != nil || n != 0 {
		t.Fatalf("a try that is due now counts as lost: %d, %v", n, err)
	}
	w.clock.forward(time.Minute)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() { _, err := w.grants.Requeue(w.ctx); w.must(err) })
	}
	wait.Wait()
	w.work()
	if w.box.RefreshTokenAlive("ada@sandbox.test") || w.count(`SELECT count(*) FROM receipts`) != 1 || w.count(`SELECT attempts FROM severances`) != 1 {
		t.Errorf("%d receipts after %d attempts", w.count(`SELECT count(*) FROM receipts`), w.count(`SELECT attempts FROM severances`))
	}
}
