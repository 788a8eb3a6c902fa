package grants_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/applications"
	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/tokens"
	"github.com/postern-mail/postern/models"
)

// credential adds an app with the right secret, and leaves the connector's own app with one that the provider does not know: what works from here works through
// the credential.
func (w *world) credential(tenant models.TenantID) models.Credential {
	w.t.Helper()
	system, app := models.System("test"), w.box.App()
	_, err := w.apps.UpdateConnector(w.ctx, system, w.app, "sandbox", applications.ConnectorChange{ClientSecret: secret.New("not the secret")})
	w.must(err)
	w.must(w.apps.EndSecretBefore(w.ctx, system, w.app, "sandbox"))
	c, err := w.apps.CreateCredential(w.ctx, system, w.app, "sandbox", applications.CredentialDraft{Name: "Their own", Type: "connector", Tenant: tenant, ClientID: app.ClientID, ClientSecret: app.ClientSecret})
	w.must(err)
	return c
}

// A grant is made, refreshed and revoked with the app that it was consented to through.
func TestACredentialIsUsedFromConsentToRevocation(t *testing.T) {
	w := newWorld(t)
	c := w.credential(models.TenantID{})
	next, _ := w.leave(w.auth(), "browser-1")
	if done, err := w.grants.Return(w.ctx, answer(w.atProvider(next.URL, w.box.Users()[0]), "browser-1")); err == nil && !strings.Contains(done.RedirectURL, "error=") {
		t.Fatal("the connector's own app still works, so this test shows nothing")
	}
	request := w.auth()
	request.CredentialID = c.ID.String()
	issued := w.connect(w.box.Users()[0], request)
	g, err := w.grants.Find(w.ctx, w.key, issued.Grant.ID)
	w.must(err)
	if g.CredentialID == nil || *g.CredentialID != c.ID {
		t.Fatalf("the grant has the credential %v", g.CredentialID)
	}
	w.clock.forward(2 * time.Hour) // its access token is over: the next read refreshes it
	if _, err := w.mailbox.Messages(w.ctx, w.key, g, email.Query{Limit: 1}); err != nil {
		t.Errorf("refreshed through its credential: %v", err)
	}
	if _, err := w.grants.Revoke(w.ctx, w.support, g.ID, "test"); err != nil {
		t.Fatal(err)
	}
	w.work()
	if n := w.count(`SELECT count(*) FROM receipts WHERE grant_id = $1 AND outcome = 'severed-verified'`, g.ID.String()); n != 1 {
		t.Error("the provider was not told through the credential")
	}
}

// A tenant's own app is taken whenever that tenant connects, and for no other.
func TestATenantConnectsThroughItsOwnApp(t *testing.T) {
	w := newWorld(t)
	c := w.credential(w.a)
	issued := w.connect(w.box.Users()[0], w.auth())
	g, err := w.grants.Find(w.ctx, w.key, issued.Grant.ID)
	w.must(err)
	if g.CredentialID == nil || *g.CredentialID != c.ID {
		t.Fatalf("the grant has the credential %v", g.CredentialID)
	}
	for what, request := range map[string]func(*grants.AuthRequest){
		"another organisation's": func(r *grants.AuthRequest) { r.WorkspaceID, r.CredentialID = w.b.String(), c.ID.String() },
		"one that is not there":  func(r *grants.AuthRequest) { r.CredentialID = models.NewID[models.CredentialID](time.Now()).String() },
		"no id":                  func(r *grants.AuthRequest) { r.CredentialID = "x" },
	} {
		r := w.auth()
		request(&r)
		_, err := w.grants.BeginAuth(w.ctx, r)
		var told *grants.AuthError
		if !errors.As(err, &told) || told.Fault.Field != "credential_id" {
			t.Errorf("%s: %v", what, err)
		}
	}
	// Deleting it stops its grants at once, whatever token they still hold.
	w.must(w.apps.DeleteCredential(w.ctx, models.System("test"), w.app, "sandbox", c.ID))
	_, err = w.mailbox.Messages(w.ctx, w.key, g, email.Query{Limit: 1})
	wants(t, err, tokens.ErrCut)
	if n := w.count(`SELECT count(*) FROM sealed WHERE owner_kind = 'credential'`); n != 0 {
		t.Errorf("%d secrets of a deleted credential are left", n)
	}
}

func TestAConnectorTakesItsCredentialsWithIt(t *testing.T) {
	w := newWorld(t)
	w.credential(w.a)
	if n := w.count(`SELECT count(*) FROM sealed WHERE owner_kind = 'credential'`); n != 1 {
		t.Fatalf("%d secrets of credentials", n)
	}
	w.must(w.apps.DeleteConnector(w.ctx, models.System("test"), w.app, "sandbox"))
	if n := w.count(`SELECT (SELECT count(*) FROM sealed WHERE owner_kind = 'credential') + (SELECT count(*) FROM credentials)`); n != 0 {
		t.Errorf("%d rows are left of the credentials of a deleted connector", n)
	}
}
