package grants_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/tokens"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

func TestRevokeCutsAtOnceAndIsProven(t *testing.T) {
	w := newWorld(t)
	issued := w.connect("ada@sandbox.test", w.auth())
	g := issued.Grant
	severance, err := w.grants.Revoke(w.ctx, w.support, g.ID, "contract ended")
	w.must(err)

	// dead for us from the commit on, before any job has run
	_, err = w.grants.Locate(w.ctx, w.key, g.ID.String())
	wants(t, err, grants.ErrRevoked)
	_, err = w.mailbox.Messages(w.ctx, w.key, g, email.Query{Limit: 1})
	wants(t, err, tokens.ErrCut)
	_, err = w.grants.TokenInfo(w.ctx, issued.AccessToken, secret.Text{})
	wants(t, err, grants.ErrInvalidToken)
	if _, err = w.grants.Redeem(w.ctx, grants.RedeemRequest{GrantType: "refresh_token", ClientID: w.app.String(), RefreshToken: issued.RefreshToken, Caller: w.key}); err == nil {
		t.Error("our refresh token still works")
	}
	if n := w.count(`SELECT count(*) FROM sealed WHERE owner_kind = 'grant'`); n != 0 {
		t.Errorf("the grant still has %d sealed values", n)
	}
	_, err = w.grants.Revoke(w.ctx, w.support, g.ID, "again")
	wants(t, err, grants.ErrAlreadyRevoked)

	w.work()
	if w.box.RefreshTokenAlive("ada@sandbox.test") {
		t.Error("the provider's refresh token still works")
	}
	if n := w.count(`SELECT count(*) FROM sealed WHERE owner_kind IN ('grant', 'severance')`); n != 0 {
		t.Errorf("%d sealed values are left", n)
	}
	receipts, _, err := w.grants.Receipts(w.ctx, w.support, grants.ReceiptFilter{Grant: g.ID})
	w.must(err)
	if len(receipts) != 1 || receipts[0].Outcome != "severed-verified" || receipts[0].SeveranceID != severance.ID {
		t.Fatalf("receipts %+v", receipts)
	}
	_, body, err := w.grants.Receipt(w.ctx, w.support, receipts[0].ID)
	w.must(err)
	if body.Reason != "contract ended" || body.Actor != "Sam" || body.FieldsDestroyed < 2 || body.Probe == "" {
		t.Errorf("the receipt says %+v", body)
	}
	for action, want := range map[string]int{"grant.revoke": 1, "grant.sever": 1} {
		if got := w.entries(action); got != want {
			t.Errorf("%d audit entries %s, want %d", got, action, want)
		}
	}
	outsider := models.Actor{Kind: models.ActorMember, Role: models.Customer, Tenant: w.b, Permissions: models.Customer.Permissions()}
	_, _, err = w.grants.Receipt(w.ctx, outsider, receipts[0].ID)
	wants(t, err, store.ErrNotFound)
}

func TestDeleteForgetsTheGrant(t *testing.T) {
	w := newWorld(t)
	first := w.connect("ada@sandbox.test", w.auth()).Grant
	_, err := w.grants.Delete(w.ctx, w.key, first.ID, "")
	w.must(err)
	_, err = w.grants.Find(w.ctx, w.support, first.ID)
	wants(t, err, store.ErrNotFound)
	w.work()
	second := w.connect("ada@sandbox.test", w.auth()).Grant
	if second.ID == first.ID {
		t.Error("the next consent revived the deleted id")
	}
	// revoked, then deleted: the first severance stands, nothing is done twice
	_, err = w.grants.Revoke(w.ctx, w.support, second.ID, "")
	w.must(err)
	_, err = w.grants.Delete(w.ctx, w.support, second.ID, "")
	w.must(err)
	w.work()
	if n := w.count(`SELECT count(*) FROM receipts WHERE grant_id = $1`, second.ID.String()); n != 1 {
		t.Errorf("%d receipts", n)
	}
}

// TestParallelRevokesAgree plays F10: one effect, whatever number of people press.
func TestParallelRevokesAgree(t *testing.T) {
	w := newWorld(t)
	g := w.connect("ada@sandbox.test", w.auth()).Grant
	var wait sync.WaitGroup
	var mu sync.Mutex
	good := 0
	for range 20 {
		wait.Go(func() {
			if _, err := w.grants.Revoke(w.ctx, w.support, g.ID, ""); err == nil {
				mu.Lock()
				good++
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	w.work()
	if good != 1 || w.count(`SELECT count(*) FROM severances`) != 1 || w.count(`SELECT count(*) FROM receipts`) != 1 {
		t.Errorf("%d revokes worked, %d severances", good, w.count(`SELECT count(*) FROM severances`))
	}
}

func TestRevokedGrantIsNotRevivedByAnEarlierConsent(t *testing.T) {
	w := newWorld(t)
	g := w.connect("ada@sandbox.test", w.auth()).Grant
	code := w.code("ada@sandbox.test", w.auth()) // consented, not redeemed
	_, err := w.grants.Revoke(w.ctx, w.support, g.ID, "")
	w.must(err)
	if _, err := w.grants.Redeem(w.ctx, w.redeem(code)); err == nil {
		t.Error("a consent given before the revocation revived the grant")
	}
}

func TestRevokeTokensIsTheLighterAct(t *testing.T) {
	w := newWorld(t)
	issued := w.connect("ada@sandbox.test", w.auth())
	w.must(w.grants.RevokeToken(w.ctx, w.key, issued.AccessToken))
	wants(t, w.grants.RevokeToken(w.ctx, w.key, issued.AccessToken), grants.ErrInvalidToken)
	wants(t, w.grants.RevokeToken(w.ctx, w.key, issued.RefreshToken), grants.ErrInvalidToken) // its parent died with it
	if _, err := w.mailbox.Messages(w.ctx, w.key, issued.Grant, email.Query{Limit: 1}); err != nil {
		t.Errorf("the connection did not stay: %v", err)
	}
	again := w.connect("ada@sandbox.test", w.auth())
	if again.Grant.ID != issued.Grant.ID {
		t.Error("the grant's id changed")
	}
}

// TestAnotherTenantsGrantDoesNotExist: every deed answers a foreign id as it answers a random one.
func TestAnotherTenantsGrantDoesNotExist(t *testing.T) {
	w := newWorld(t)
	g := w.connect("ada@sandbox.test", w.auth()).Grant
	foreignKey := w.key
	foreignKey.Tenant = w.b
	otherApp := w.key
	otherApp.Application = models.NewID[models.ApplicationID](time.Now())
	customer := models.Actor{Kind: models.ActorMember, Role: models.Customer, Tenant: w.b, Permissions: models.Customer.Permissions()}
	for name, actor := range map[string]models.Actor{"another tenant's key": foreignKey, "another application": otherApp, "another customer": customer, "nobody": {}} {
		for _, id := range []models.GrantID{g.ID, models.NewID[models.GrantID](time.Now())} {
			_, err := w.grants.Find(w.ctx, actor, id)
			wants(t, err, store.ErrNotFound)
			_, err = w.grants.Revoke(w.ctx, actor, id, "")
			wants(t, err, store.ErrNotFound)
			_, err = w.grants.Delete(w.ctx, actor, id, "")
			wants(t, err, store.ErrNotFound)
			_, err = w.grants.RevokeTokens(w.ctx, actor, id)
			wants(t, err, store.ErrNotFound)
			_, err = w.grants.Update(w.ctx, actor, id, grants.Change{Scopes: []string{"x"}})
			wants(t, err, store.ErrNotFound)
			_, err = w.grants.Locate(w.ctx, actor, g.Email)
			wants(t, err, store.ErrNotFound)
		}
		if t.Failed() {
			t.Fatalf("as %s", name)
		}
	}
	_, _, err := w.grants.MakeLink(w.ctx, customer, grants.LinkRequest{Tenant: w.a, Application: w.app})
	wants(t, err, store.ErrNotFound)
	// A second tenant holds the same mailbox, and neither can tell.
	request := w.auth()
	request.WorkspaceID = w.b.String()
	other := w.connect("ada@sandbox.test", request).Grant
	if other.ID == g.ID || other.TenantID != w.b {
		t.Errorf("two tenants share a grant: %+v", other)
	}
}

// TestOwnerRevokesAtTheProvider: the mailbox owner ends it there, and we find out. One refusal proves nothing; two a minute apart do.
func TestOwnerRevokesAtTheProvider(t *testing.T) {
	w := newWorld(t)
	g := w.connect("ada@sandbox.test", w.auth()).Grant
	read := func() error {
		_, err := w.mailbox.Messages(w.ctx, w.key, g, email.Query{Limit: 1})
		return err
	}
	w.must(read())
	var held tokens.Credential
	w.must(w.db.InTenant(w.ctx, g.TenantID, func(tx *store.Tx) (err error) {
		held, err = w.tokens.Load(w.ctx, tx, g.TenantID, tokens.Grant(g.ID))
		return err
	}))
	app := w.box.App()
	answer, err := http.PostForm(w.box.URL()+"/revoke", url.Values{"token": {held.Refresh.Reveal()}, "client_id": {app.ClientID}, "client_secret": {app.ClientSecret.Reveal()}})
	w.must(err)
	_ = answer.Body.Close()

	for range 3 { // the mail server refuses the token, then the token endpoint the refresh
		if fault.KindOf(read()) != fault.Unproven {
			t.Errorf("after the owner revoked: %v", read())
		}
	}
	now, err := w.grants.Find(w.ctx, w.support, g.ID)
	w.must(err)
	if now.Status != models.GrantValid || now.RefusedAt == nil {
		t.Fatalf("at the first refusal: %s, refused at %v", now.Status, now.RefusedAt)
	}
	w.clock.forward(61 * time.Second)
	if fault.KindOf(read()) != fault.Unproven {
		t.Error("a minute later it reads")
	}
	now, err = w.grants.Find(w.ctx, w.support, g.ID)
	w.must(err)
	if now.Status != models.GrantInvalid || now.StatusReason != "refresh_refused" {
		t.Errorf("a minute later: %s, %s", now.Status, now.StatusReason)
	}
	if n := w.count(`SELECT count(*) FROM events WHERE type = 'grant.expired'`); n != 1 || w.entries("grant.expire") != 1 {
		t.Errorf("%d events, %d entries", n, w.entries("grant.expire"))
	}
	back := w.connect("ada@sandbox.test", w.auth()).Grant
	if back.ID != g.ID || back.Status != models.GrantValid {
		t.Errorf("reconnected as %+v", back)
	}
}

// TestNothingSecretIsWritten scans every table for the tokens that went through.
func TestNothingSecretIsWritten(t *testing.T) {
	w := newWorld(t)
	issued := w.connect("ada@sandbox.test", w.auth())
	_, err := w.grants.Revoke(w.ctx, w.support, issued.Grant.ID, "")
	w.must(err)
	w.work()
	for name, canary := range map[string]string{"our access token": issued.AccessToken.Reveal(), "our refresh token": issued.RefreshToken.Reveal(), "the client secret": w.box.App().ClientSecret.Reveal(),
		"the sandbox password": w.box.Password()} {
		for _, table := range strings.Fields("grants connect_flows connect_links token_families issued_tokens severances receipts events audit_entries sealed connectors river.river_job") {
			if n := w.count(`SELECT count(*) FROM `+table+` t WHERE position($1 IN t::text) > 0 OR position(encode(convert_to($1, 'UTF8'), 'hex') IN t::text) > 0`, canary); n > 0 {
				t.Errorf("%s is readable in %s", name, table)
			}
		}
	}
}

// A program knows two words, staff know three.
func TestARevokedGrantIsInvalidToPrograms(t *testing.T) {
	w := newWorld(t)
	g := w.connect("ada@sandbox.test", w.auth()).Grant
	if _, err := w.grants.Revoke(w.ctx, w.support, g.ID, ""); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		who    models.Actor
		status string
		want   int
	}{{w.key, "invalid", 1}, {w.key, "valid", 0}, {w.support, "invalid", 0}, {w.support, "revoked", 1}} {
		p, err := w.grants.List(w.ctx, c.who, grants.Filter{Status: c.status})
		if err != nil || len(p.Grants) != c.want {
			t.Errorf("%s asks for %s: %d, %v", c.who.Kind, c.status, len(p.Grants), err)
		}
	}
}

// TestServersOfAGrantAreFixed: whoever may edit a grant must not be able to have its password sent elsewhere.
func TestServersOfAGrantAreFixed(t *testing.T) {
	w := newWorld(t)
	g := w.connect("ada@sandbox.test", w.auth()).Grant
	w.count(`WITH set AS (UPDATE grants SET settings = '{"imap_host": "mail.example.com"}' RETURNING 1) SELECT count(*) FROM set`)
	for _, settings := range []models.Settings{{"imap_host": "evil.example"}, {"smtp_host": "evil.example"}, {"imap_tls": "none"}} {
		if _, err := w.grants.Update(w.ctx, w.key, g.ID, grants.Change{Settings: settings}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%v: %v", settings, err)
		}
	}
	now, err := w.grants.Update(w.ctx, w.key, g.ID, grants.Change{Settings: models.Settings{"note": "theirs"}})
	w.must(err)
	if now.Settings["imap_host"] != "mail.example.com" || now.Settings["note"] != "theirs" {
		t.Errorf("settings became %v", now.Settings)
	}
}

func TestDeletedConnectorStopsItsGrants(t *testing.T) {
	w := newWorld(t)
	g := w.connect("ada@sandbox.test", w.auth()).Grant
	w.count(`WITH gone AS (DELETE FROM connectors RETURNING 1) SELECT count(*) FROM gone`)
	_, err := w.mailbox.Messages(w.ctx, w.key, g, email.Query{Limit: 1})
	wants(t, err, tokens.ErrCut)
}

// TestTokensDoNotReviveWithTheGrant: a reconnect revives the grant, and nothing that programs held before the revocation.
func TestTokensDoNotReviveWithTheGrant(t *testing.T) {
	w := newWorld(t)
	before := w.connect("ada@sandbox.test", w.auth())
	_, err := w.grants.Revoke(w.ctx, w.support, before.Grant.ID, "")
	w.must(err)
	after := w.connect("ada@sandbox.test", w.auth())
	if after.Grant.ID != before.Grant.ID || after.Grant.Status != models.GrantValid {
		t.Fatalf("reconnected as %+v", after.Grant)
	}
	_, err = w.grants.TokenInfo(w.ctx, before.AccessToken, secret.Text{})
	wants(t, err, grants.ErrInvalidToken)
	if _, err = w.grants.Redeem(w.ctx, grants.RedeemRequest{GrantType: "refresh_token", ClientID: w.app.String(), RefreshToken: before.RefreshToken, Caller: w.key}); err == nil {
		t.Error("the refresh token of before the revocation works again")
	}
}
