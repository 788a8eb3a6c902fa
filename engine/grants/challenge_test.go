package grants_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/applications"
	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/graph"
	"github.com/postern-mail/postern/engine/provider/providertest"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/tokens"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// loopback is a guard that opens this machine alone.
func loopback() *dial.Guard {
	return dial.New(dial.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
}

// put makes a valid grant of an identity and a credential, as a connect flow would leave it.
func (w *world) put(name string, who provider.Identity, scopes []string, c tokens.Credential, settings models.Settings) models.Grant {
	w.t.Helper()
	at := w.clock.now().UTC().Truncate(time.Microsecond)
	if settings == nil {
		settings = models.Settings{}
	}
	g := models.Grant{TenantID: w.a, ID: models.NewID[models.GrantID](at), ApplicationID: w.app, Provider: name, Subject: who.Subject, Email: who.Email, Login: who.Email, Status: models.GrantPending,
		StatusReason: "consented", StatusAt: at, Settings: settings, ScopesRequested: scopes, ScopesGranted: scopes, CreatedAt: at, UpdatedAt: at}
	w.must(w.db.InTenant(w.ctx, w.a, func(tx *store.Tx) (err error) {
		if g, err = tx.InsertGrant(g); err != nil {
			return err
		}
		g.StatusReason = "connected"
		if err := tx.MarkGrantConnected(g, at); err != nil {
			return err
		}
		if err := w.tokens.Save(w.ctx, tx, w.a, tokens.Grant(g.ID), c); err != nil {
			return err
		}
		g, err = tx.Grant(w.a, g.ID)
		return err
	}))
	return g
}

// microsoft is a world with a mailbox at Microsoft.
func microsoft(t *testing.T) (*world, *providertest.MicrosoftServer, *providertest.MicrosoftAccount, models.Grant) {
	t.Helper()
	there := providertest.Microsoft(t)
	connector := graph.New(graph.Config{Guard: loopback(), AuthURL: there.AuthURL(), TokenURL: there.TokenURL(), GraphURL: there.GraphURL()})
	w := newWorld(t, connector)
	app := there.App("https://postern.example/v3/connect/callback/microsoft")
	_, err := w.apps.CreateConnector(w.ctx, models.System("test"), w.app, applications.ConnectorDraft{Provider: "microsoft", ClientID: app.ClientID, ClientSecret: app.ClientSecret})
	w.must(err)
	ada := there.Account("8eaef023-2b34-4da1-9baa-8bc8c9d6a490", "ada@contoso.test", "Ada")
	verifier := strings.Repeat("v", 43)
	challenge := sha256.Sum256([]byte(verifier))
	to, err := connector.AuthURL(app, provider.AuthRequest{State: strings.Repeat("s", 43), CodeChallenge: base64.RawURLEncoding.EncodeToString(challenge[:]), Scopes: []string{"Mail.Read"}})
	w.must(err)
	back, why := there.Consent(to, ada, true)
	if back == nil {
		t.Fatal(why)
	}
	token, who, err := connector.Exchange(w.ctx, app, secret.New(back.Query().Get("code")), secret.New(verifier))
	w.must(err)
	return w, there, ada, w.put("microsoft", who, token.Scopes, tokens.Credential{Access: token.Access, Refresh: token.Refresh, ExpiresAt: token.ExpiresAt}, nil)
}

func (w *world) standing(g models.Grant) models.Grant {
	w.t.Helper()
	now, err := w.grants.Find(w.ctx, w.support, g.ID)
	w.must(err)
	return now
}

// TestMicrosoftEndsAnAccessItself plays continuous access evaluation: a token is ended before its time, with a claims challenge beside the 401. One refresh is tried. Where it
// brings a token that works, nothing happened; where it is refused, or its token is ended too, the grant was cut at the provider, at once and with the cause.
func TestMicrosoftEndsAnAccessItself(t *testing.T) {
	w, there, ada, g := microsoft(t)
	read := func() error {
		_, err := w.mailbox.Messages(w.ctx, w.key, g, email.Query{Limit: 1})
		return err
	}
	w.must(read())

	there.Challenge(1)
	if err := read(); err != nil {
		t.Errorf("a challenge that a new token answers: %v", err)
	}
	if now := w.standing(g); now.Status != models.GrantValid || now.Credential != g.Credential+1 {
		t.Fatalf("after one refresh the grant is %s with credential %d", now.Status, now.Credential)
	}

	w.clock.forward(20 * time.Minute) // another event, another day
	there.Challenge(1)
	if err := read(); err != nil {
		t.Errorf("a later challenge: %v", err)
	}

	w.clock.forward(20 * time.Minute)
	there.Challenge(1)
	ada.RevokeSessions() // as an administrator does: the refresh is refused
	if err := read(); fault.KindOf(err) != fault.Unproven {
		t.Errorf("after an administrator ended the sessions: %v", err)
	}
	now := w.standing(g)
	if now.Status != models.GrantInvalid || now.StatusReason != "cut_at_provider" || now.StatusDetail != provider.ClaimsChallenge || now.StatusAt.IsZero() {
		t.Errorf("the grant says %s, %s, %q", now.Status, now.StatusReason, now.StatusDetail)
	}
	if n := w.count(`SELECT count(*) FROM audit_entries WHERE action = 'grant.cut_at_provider' AND detail::text LIKE '%AADSTS50173%'`); n != 1 {
		t.Errorf("%d audit entries with Microsoft's own words", n)
	}
	if n := w.count(`SELECT count(*) FROM events WHERE type = 'grant.expired'`); n != 1 {
		t.Errorf("%d events", n)
	}
}

// TestChallengesThatNoRefreshAnswersCutTheGrant: Microsoft still gives tokens, and ends each, as a policy of the organisation makes it do.
func TestChallengesThatNoRefreshAnswersCutTheGrant(t *testing.T) {
	w, there, _, g := microsoft(t)
	there.Challenge(1000)
	if _, err := w.mailbox.Messages(w.ctx, w.key, g, email.Query{Limit: 1}); fault.KindOf(err) != fault.Unproven {
		t.Errorf("answered %v", err)
	}
	if now := w.standing(g); now.Status != models.GrantInvalid || now.StatusReason != "cut_at_provider" || now.Credential != g.Credential+1 {
		t.Errorf("the grant says %s, %s, with credential %d", now.Status, now.StatusReason, now.Credential)
	}
}

// TestAnOrdinary401IsNoCut: a token that merely died is refreshed, and a refresh that is refused counts as it always did, twice and a minute apart.
func TestAnOrdinary401IsNoCut(t *testing.T) {
	w, there, ada, g := microsoft(t)
	there.Break(1, 401, "InvalidAuthenticationToken", "")
	if _, err := w.mailbox.Messages(w.ctx, w.key, g, email.Query{Limit: 1}); err != nil {
		t.Errorf("an ordinary 401: %v", err)
	}
	ada.RevokeSessions()
	for range 2 {
		_, _ = w.mailbox.Messages(w.ctx, w.key, g, email.Query{Limit: 1})
	}
	if now := w.standing(g); now.Status != models.GrantValid || now.RefusedAt == nil || now.ChallengedAt != nil {
		t.Errorf("at the first refusal the grant is %s, refused %v, challenged %v", now.Status, now.RefusedAt, now.ChallengedAt)
	}
	w.clock.forward(2 * time.Minute)
	_, _ = w.mailbox.Messages(w.ctx, w.key, g, email.Query{Limit: 1})
	if now := w.standing(g); now.Status != models.GrantInvalid || now.StatusReason != "refresh_refused" {
		t.Errorf("the grant says %s, %s", now.Status, now.StatusReason)
	}
}
