package applications_test

import (
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/applications"
	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/sandbox"
	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// TestLiveCheckAndTwoSecrets goes through a change of client secrets against an authorization server: what it takes and refuses is told for each, the one
// before lasts until it is ended, and another client id leaves none behind.
func TestLiveCheckAndTwoSecrets(t *testing.T) {
	w := newWorld(t)
	box, err := sandbox.Start(ctx, sandbox.Config{Now: time.Now, Log: slog.New(slog.DiscardHandler), RedirectURIs: []string{"https://postern.example/cb"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	guard := dial.New(dial.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	set := provider.NewSet(nil, sandbox.New(sandbox.ConnectorConfig{Guard: guard, Endpoints: box.Endpoints(), Now: time.Now}))
	deeds := applications.New(applications.Config{Store: w.Store, Safe: w.safe, Providers: set, Audit: audit.New(w.Store, func() time.Time { return w.now }), Now: func() time.Time { return w.now }})
	app, key := w.application(t, "Ours")
	right := box.App()
	row, err := deeds.CreateConnector(ctx, key, app.ID, applications.ConnectorDraft{Provider: "sandbox", ClientID: right.ClientID, ClientSecret: right.ClientSecret, SecretEnds: w.now.AddDate(0, 0, 90)})
	if err != nil || row.SecretAt == nil || row.SecretEnding(w.now) {
		t.Fatalf("created %+v, %v", row, err)
	}
	check := func(now, before models.CheckOutcome) {
		t.Helper()
		w.now = w.now.Add(time.Minute)
		row, err := deeds.CheckConnector(ctx, key, app.ID, "sandbox")
		if err != nil || row.CheckOutcome != now || row.CheckBefore != before || row.CheckedAt == nil || !row.CheckedAt.Equal(w.now) {
			t.Errorf("check: %q, before %q at %v, %v; want %q and %q", row.CheckOutcome, row.CheckBefore, row.CheckedAt, err, now, before)
		}
	}
	sealedNow := func() []string {
		var fields []string
		err := w.InTenant(ctx, models.PlatformSpace, func(tx *store.Tx) (err error) {
			fields, err = tx.SealedFields(models.PlatformSpace, sealed.ConnectorOwner, row.ID.String())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return fields
	}
	change := func(c applications.ConnectorChange) models.Connector {
		t.Helper()
		w.now = w.now.Add(time.Minute)
		row, err := deeds.UpdateConnector(ctx, key, app.ID, "sandbox", c)
		if err != nil {
			t.Fatal(err)
		}
		return row
	}
	check(models.CheckAccepted, "")

	soon := w.now.AddDate(0, 0, 30)
	row = change(applications.ConnectorChange{ClientSecret: secret.New("not-there-yet"), SecretEnds: &soon})
	if row.SecretBeforeAt == nil || row.CheckedAt != nil || row.CheckOutcome != "" || !row.SecretEnding(w.now) {
		t.Errorf("after a new secret: %+v", row)
	}
	check(models.CheckRefused, models.CheckAccepted)
	if ending, err := deeds.Ending(ctx, w.staff); err != nil || len(ending) != 1 || ending[0].ID != row.ID {
		t.Errorf("secrets that end soon: %+v, %v", ending, err)
	}
	if ending, err := deeds.Ending(ctx, models.Actor{Kind: models.ActorMember, Role: models.Reviewer, Permissions: models.Reviewer.Permissions()}); err != nil || len(ending) != 0 {
		t.Errorf("a reviewer is asked to change a secret: %+v, %v", ending, err)
	}

	// The right one again: the wrong one is what came before now, and is ended by hand.
	change(applications.ConnectorChange{ClientSecret: right.ClientSecret})
	check(models.CheckAccepted, models.CheckRefused)
	if err := deeds.EndSecretBefore(ctx, key, app.ID, "sandbox"); err != nil || !slices.Equal(sealedNow(), []string{"client_secret"}) {
		t.Errorf("after the end of the one before: %v sealed, %v", sealedNow(), err)
	}
	if err := deeds.EndSecretBefore(ctx, key, app.ID, "sandbox"); err != nil {
		t.Errorf("ended twice: %v", err)
	}
	check(models.CheckAccepted, "")

	// Another registration: nothing of the old one is presented to it.
	change(applications.ConnectorChange{ClientSecret: secret.New("for-the-old-id")})
	row = change(applications.ConnectorChange{ClientID: "another-client", ClientSecret: secret.New("its-secret")})
	if row.SecretBeforeAt != nil || !slices.Equal(sealedNow(), []string{"client_secret"}) {
		t.Errorf("after another client id: before %v, sealed %v", row.SecretBeforeAt, sealedNow())
	}
	check(models.CheckRefused, "")

	_ = box.Close()
	check(models.CheckNoAnswer, "")
	if _, err := deeds.CreateConnector(ctx, key, app.ID, applications.ConnectorDraft{Provider: "imap"}); err != nil {
		t.Fatal(err)
	}
	if _, err := deeds.CheckConnector(ctx, key, app.ID, "imap"); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a check without anything to check: %v", err)
	}
	_, other := w.application(t, "Theirs")
	if _, err := deeds.CheckConnector(ctx, other, app.ID, "sandbox"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("another application's key: %v", err)
	}
	if err := deeds.EndSecretBefore(ctx, other, app.ID, "sandbox"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("another application's key ended a secret: %v", err)
	}
	if got := w.audited(t); !slices.Contains(got, "connector.check") {
		t.Errorf("audited: %v", got)
	}
}
