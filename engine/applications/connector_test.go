package applications_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/postern-mail/postern/engine/applications"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

func TestConnectorKeepsItsSecretSealed(t *testing.T) {
	w := newWorld(t)
	app, key := w.application(t, "Ours")
	draft := applications.ConnectorDraft{Provider: "google", ClientID: "id-1", ClientSecret: secret.New("s3cret-one"),
		Settings: models.Settings{"topic_name": "projects/p/topics/t", "imap_port": "993", "client_secret": "left here by mistake"}, Scopes: []string{"openid"}}
	made, err := w.deeds.CreateConnector(ctx, key, app.ID, draft)
	if err != nil || made.Name != "Google" || len(made.Settings) != 1 {
		t.Fatalf("create: %+v, %v", made, err)
	}
	open := func() string {
		var value secret.Text
		err := w.InTenant(ctx, models.PlatformSpace, func(tx *store.Tx) (err error) {
			value, err = w.safe.Open(ctx, tx, models.PlatformSpace, sealed.Owner{Kind: sealed.ConnectorOwner, ID: made.ID.String()}, "client_secret")
			return err
		})
		if err != nil {
			return err.Error()
		}
		return value.Reveal()
	}
	if got := open(); got != "s3cret-one" {
		t.Errorf("sealed: %s", got)
	}
	if _, err := w.deeds.CreateConnector(ctx, key, app.ID, draft); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a second one for the provider: %v", err)
	}
	if got := open(); got != "s3cret-one" {
		t.Errorf("after the refused second one: %s", got)
	}
	name := "Google, ours"
	changed, err := w.deeds.UpdateConnector(ctx, key, app.ID, "google", applications.ConnectorChange{Name: &name, ClientSecret: secret.New("s3cret-two"), Scopes: []string{}})
	if err != nil || changed.ClientID != "id-1" || changed.Settings["topic_name"] == "" || len(changed.Scopes) != 0 || changed.Name != name {
		t.Fatalf("update: %+v, %v", changed, err)
	}
	if got := open(); got != "s3cret-two" {
		t.Errorf("after the change: %s", got)
	}
	_, other := w.application(t, "Theirs")
	if _, err := w.deeds.Connector(ctx, other, app.ID, "google"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("another application's key: %v", err)
	}
	if _, err := w.deeds.UpdateConnector(ctx, other, app.ID, "google", applications.ConnectorChange{ClientSecret: secret.New("taken over")}); !errors.Is(err, store.ErrNotFound) || open() != "s3cret-two" {
		t.Errorf("another application's key changed the secret: %v", err)
	}
	if err := w.deeds.DeleteConnector(ctx, key, app.ID, "google"); err != nil {
		t.Fatal(err)
	}
	if got := open(); got == "s3cret-two" {
		t.Error("the secret outlived its connector")
	}
	for name, d := range map[string]applications.ConnectorDraft{
		"provider":               {Provider: "zoom"},
		"settings.client_id":     {Provider: "microsoft", ClientSecret: secret.New("x")},
		"settings.client_secret": {Provider: "microsoft", ClientID: "x"},
		"scope":                  {Provider: "imap", Scopes: []string{"two words"}},
		"name":                   {Provider: "imap", Name: strings.Repeat("n", 201)},
	} {
		if _, err := w.deeds.CreateConnector(ctx, key, app.ID, d); !at(err, name) {
			t.Errorf("%s: %v", name, err)
		}
	}

	// No row outside the sealed table, the audit included, may hold the value.
	conn, err := pgx.Connect(ctx, w.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	var found int
	if err := conn.QueryRow(ctx, `SELECT (SELECT count(*) FROM audit_entries a WHERE a::text LIKE '%s3cret%') + (SELECT count(*) FROM connectors c WHERE c::text LIKE '%s3cret%')`).Scan(&found); err != nil || found != 0 {
		t.Errorf("%d rows hold the secret in clear, %v", found, err)
	}
}

// atOnce runs do in many goroutines that start together, and counts those that succeed. All others must say Conflict.
func atOnce(t *testing.T, do func(n int) error) int {
	t.Helper()
	const many = 12
	start, errs := make(chan struct{}), make(chan error, many)
	for n := range many {
		go func() {
			<-start
			errs <- do(n)
		}()
	}
	close(start)
	won := 0
	for range many {
		switch err := <-errs; {
		case err == nil:
			won++
		case fault.KindOf(err) != fault.Conflict:
			t.Errorf("a loser says %v, not Conflict", err)
		}
	}
	return won
}

func TestOfManyAtOnceOneWins(t *testing.T) {
	w := newWorld(t)
	app, key := w.application(t, "Ours")
	if won := atOnce(t, func(n int) error {
		_, err := w.deeds.AddCallbackURI(ctx, key, app.ID, applications.Callback{URL: "https://a.example/cb", Platform: []string{"web", "js"}[n%2]})
		return err
	}); won != 1 {
		t.Errorf("%d callback URIs of the same bytes", won)
	}
	if won := atOnce(t, func(n int) error {
		_, err := w.deeds.CreateConnector(ctx, key, app.ID, applications.ConnectorDraft{Provider: "google", ClientID: fmt.Sprint(n), ClientSecret: secret.New(fmt.Sprint("of ", n))})
		return err
	}); won != 1 {
		t.Errorf("%d connectors for one provider", won)
	}
	c, err := w.deeds.Connector(ctx, key, app.ID, "google")
	if err != nil {
		t.Fatal(err)
	}
	if got := w.secretOf(c); got != "of "+c.ClientID {
		t.Errorf("the client id is %s, the secret is that %s", c.ClientID, got)
	}
}

func (w *world) secretOf(c models.Connector) string {
	var value secret.Text
	err := w.InTenant(ctx, models.PlatformSpace, func(tx *store.Tx) (err error) {
		value, err = w.safe.Open(ctx, tx, models.PlatformSpace, sealed.Owner{Kind: sealed.ConnectorOwner, ID: c.ID.String()}, "client_secret")
		return err
	})
	if err != nil {
		return err.Error()
	}
	return value.Reveal()
}

// TestWithoutItsAuditEntryNothingChanges makes the database refuse the entries and looks at what is left.
func TestWithoutItsAuditEntryNothingChanges(t *testing.T) {
	w := newWorld(t)
	app, key := w.application(t, "Ours")
	made, err := w.deeds.CreateConnector(ctx, key, app.ID, applications.ConnectorDraft{Provider: "google", ClientID: "id", ClientSecret: secret.New("before")})
	if err != nil {
		t.Fatal(err)
	}
	uri, err := w.deeds.AddCallbackURI(ctx, key, app.ID, applications.Callback{URL: "https://a.example/cb"})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(ctx, w.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, `ALTER TABLE audit_entries ADD CHECK (action = 'nothing') NOT VALID`); err != nil {
		t.Fatal(err)
	}
	name := "another"
	for what, do := range map[string]func() error{
		"an application's name": func() error {
			_, err := w.deeds.Update(ctx, key, app.ID, applications.Change{Name: &name})
			return err
		},
		"a new application": func() error { _, err := w.deeds.Create(ctx, w.staff, applications.Draft{Name: "new"}); return err },
		"a callback URI": func() error {
			_, err := w.deeds.AddCallbackURI(ctx, key, app.ID, applications.Callback{URL: "https://a.example/2"})
			return err
		},
		"its removal": func() error { return w.deeds.RemoveCallbackURI(ctx, key, app.ID, uri.ID) },
		"a secret": func() error {
			_, err := w.deeds.UpdateConnector(ctx, key, app.ID, "google", applications.ConnectorChange{ClientSecret: secret.New("after")})
			return err
		},
		"a connector's end": func() error { return w.deeds.DeleteConnector(ctx, key, app.ID, "google") },
	} {
		if err := do(); err == nil {
			t.Errorf("%s was changed without an audit entry", what)
		}
	}
	if got := w.secretOf(made); got != "before" {
		t.Errorf("the secret is %q", got)
	}
	a, err := w.deeds.Find(ctx, key, app.ID)
	list, err2 := w.deeds.CallbackURIs(ctx, key, app.ID)
	all, err3 := w.deeds.List(ctx, w.staff)
	if err := errors.Join(err, err2, err3); err != nil || a.Name != "Ours" || len(list) != 1 || len(all) != 1 {
		t.Errorf("left: %q, %d callback URIs, %d applications, %v", a.Name, len(list), len(all), err)
	}
}
