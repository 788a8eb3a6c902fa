package applications_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postern-mail/postern/engine/applications"
	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/vault"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
	"github.com/postern-mail/postern/models/store/storetest"
)

var ctx = context.Background()

type world struct {
	*storetest.Database
	deeds *applications.Service
	safe  *sealed.Safe
	staff models.Actor
	now   time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	now := func() time.Time { return w.now }
	w.Database = storetest.New(t, nil)
	kek, err := vault.CreateFileKEK(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	w.safe = sealed.New(vault.New(kek, "test", time.Now), now)
	w.deeds = applications.New(applications.Config{Store: w.Store, Safe: w.safe, Audit: audit.New(w.Store, now), Now: now})
	w.staff = models.Actor{Kind: models.ActorMember, ID: "m", Label: "Ada", Role: models.Admin, Permissions: models.Admin.Permissions()}
	return w
}

func (w *world) application(t *testing.T, name string) (models.Application, models.Actor) {
	t.Helper()
	a, err := w.deeds.Create(ctx, w.staff, applications.Draft{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return a, models.Actor{Kind: models.ActorKey, ID: "k", Label: "key of " + name, Application: a.ID, Permissions: models.KeyPermissions()}
}

func (w *world) audited(t *testing.T) []string {
	t.Helper()
	page, err := audit.New(w.Store, time.Now).List(ctx, w.staff, audit.Filter{Limit: 200})
	if err != nil {
		t.Fatal(err)
	}
	actions := make([]string, 0, len(page.Entries))
	for _, e := range page.Entries {
		actions = append(actions, e.Action)
	}
	slices.Sort(actions)
	return actions
}

func TestApplicationIsReadAndChangedByItsOwnKeyAndByStaffOnly(t *testing.T) {
	w := newWorld(t)
	ours, key := w.application(t, "Ours")
	theirs, _ := w.application(t, "Theirs")

	for name, find := range map[string]func() error{
		"a foreign application": func() error { _, err := w.deeds.Find(ctx, key, theirs.ID); return err },
		"a random application": func() error {
			_, err := w.deeds.Find(ctx, key, models.NewID[models.ApplicationID](w.now))
			return err
		},
		"changing a foreign application": func() error {
			name := "x"
			_, err := w.deeds.Update(ctx, key, theirs.ID, applications.Change{Name: &name})
			return err
		},
	} {
		if err := find(); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v, want not found", name, err)
		}
	}
	name := "Ours, renamed"
	got, err := w.deeds.Update(ctx, key, ours.ID, applications.Change{Name: &name, Branding: &applications.Branding{WebsiteURL: "https://ours.example"}})
	if err != nil || got.Name != name || applications.BrandingOf(got).WebsiteURL != "https://ours.example" {
		t.Fatalf("update: %+v, %v", got, err)
	}
	if again, err := w.deeds.Find(ctx, w.staff, ours.ID); err != nil || again.Name != name {
		t.Errorf("find: %+v, %v", again, err)
	}
	if list, err := w.deeds.List(ctx, key); err != nil || len(list) != 1 {
		t.Errorf("a key lists %d applications, %v", len(list), err)
	}
	if list, err := w.deeds.List(ctx, w.staff); err != nil || len(list) != 2 {
		t.Errorf("staff list %d applications, %v", len(list), err)
	}

	tenantKey := key
	tenantKey.Tenant = models.NewID[models.TenantID](w.now)
	if _, err := w.deeds.Find(ctx, tenantKey, ours.ID); err != nil {
		t.Errorf("a tenant's key cannot read its application: %v", err)
	}
	if _, err := w.deeds.Update(ctx, tenantKey, ours.ID, applications.Change{Name: &name}); fault.KindOf(err) != fault.Denied {
		t.Errorf("a tenant's key changed what all tenants share: %v", err)
	}
	weak := key
	weak.Permissions = []models.Permission{models.ReadGrants}
	if _, err := w.deeds.Find(ctx, weak, ours.ID); fault.KindOf(err) != fault.Denied {
		t.Errorf("a key without the permission: %v", err)
	}
	if _, err := w.deeds.Create(ctx, key, applications.Draft{Name: "x"}); fault.KindOf(err) != fault.Denied {
		t.Errorf("a key made an application: %v", err)
	}
	customer := models.Actor{Kind: models.ActorMember, Role: models.Customer, Tenant: tenantKey.Tenant, Permissions: []models.Permission{models.ReadApps}}
	if _, err := w.deeds.Find(ctx, customer, ours.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a customer: %v", err)
	}
	random := models.NewID[models.TenantID](w.now)
	if _, err := w.deeds.Update(ctx, w.staff, ours.ID, applications.Change{DefaultTenant: &random}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a tenant that is not there: %v", err)
	}
	for field, c := range map[string]applications.Change{
		"name":                            {Name: new(string)},
		"branding.icon_url":               {Branding: &applications.Branding{IconURL: "javascript:alert(1)"}},
		"branding.website_url":            {Branding: &applications.Branding{WebsiteURL: "http://plain.example"}},
		"hosted_authentication.alignment": {HostedAuth: &applications.HostedAuth{Alignment: "top"}},
		"hosted_authentication.title":     {HostedAuth: &applications.HostedAuth{Title: "a\nb"}},
	} {
		if _, err := w.deeds.Update(ctx, key, ours.ID, c); !at(err, field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	if got := w.audited(t); !slices.Equal(got, []string{"application.create", "application.create", "application.update"}) {
		t.Errorf("audited: %v", got)
	}
}

func at(err error, field string) bool {
	f, ok := fault.As(err)
	return ok && f.Kind == fault.Invalid && f.Field == field
}

func TestCallbackURIs(t *testing.T) {
	good := map[string]string{ // address to platform
		"https://app.example.com/cb":              "web",
		"https://app.example.com/cb?keep=1":       "web",
		"https://app.example.com":                 "js",
		"http://localhost:9007/callback":          "web",
		"http://127.0.0.1/callback":               "desktop",
		"http://[::1]:8080/cb":                    "desktop",
		"com.example.app:/oauth":                  "ios",
		"exampleapp://callback":                   "android",
		"https://APP.example.com/CB/":             "web",
		"https://xn--bcher-kva.example/%E2%82%AC": "web",
	}
	bad := map[string]string{
		"":                                       "web",
		"/relative":                              "web",
		"app.example.com/cb":                     "web",
		"http://app.example.com/cb":              "web",
		"http://localhost.example.com/cb":        "web",
		"http://127.0.0.1.example.com/cb":        "web",
		"http://0.0.0.0/cb":                      "web",
		"https://app.example.com/cb#fragment":    "web",
		"https://app.example.com/cb#":            "web",
		"https://user:word@app.example.com/cb":   "web",
		"https://app.example.com\\@evil.example": "web",
		"https://app.example.com/a b":            "web",
		"https://app.example.com/\r\nX: y":       "web",
		"https://bücher.example/":                "web",
		"https:///cb":                            "web",
		"https:opaque":                           "web",
		"javascript:alert(1)":                    "ios",
		"data:text/html,x":                       "android",
		"file:///etc/passwd":                     "ios",
		"intent://x#Intent;end":                  "android",
		"com.example.app:/oauth":                 "web",
		"exampleapp://callback":                  "desktop",
		"https://a.example/":                     "windows",
		"https://" + strings.Repeat("a", 2000):   "web",
	}
	w := newWorld(t)
	app, key := w.application(t, "Ours")
	for url, platform := range good {
		got, err := w.deeds.AddCallbackURI(ctx, key, app.ID, applications.Callback{URL: url, Platform: platform})
		if err != nil || got.URL != url {
			t.Errorf("%s for %s: %q, %v", url, platform, got.URL, err)
		}
	}
	for url, platform := range bad {
		if _, err := w.deeds.AddCallbackURI(ctx, key, app.ID, applications.Callback{URL: url, Platform: platform}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q for %s: %v, want Invalid", url, platform, err)
		}
	}
	list, err := w.deeds.CallbackURIs(ctx, key, app.ID)
	if err != nil || len(list) != len(good) {
		t.Fatalf("%d callback URIs, %v", len(list), err)
	}
	list = slices.DeleteFunc(list, func(c models.CallbackURI) bool { return c.Platform != "web" })
	if _, err := w.deeds.AddCallbackURI(ctx, key, app.ID, applications.Callback{URL: "http://localhost:9007/callback", Platform: "js"}); fault.KindOf(err) != fault.Conflict {
		t.Errorf("the same address for a platform without a secret: %v", err)
	}

	_, other := w.application(t, "Theirs")
	if _, err := w.deeds.CallbackURI(ctx, other, app.ID, list[0].ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("another application's key: %v", err)
	}
	if err := w.deeds.RemoveCallbackURI(ctx, other, app.ID, list[0].ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("another application's key removes: %v", err)
	}
	if _, err := w.deeds.UpdateCallbackURI(ctx, key, app.ID, list[0].ID, applications.CallbackChange{URL: &list[1].URL}); fault.KindOf(err) != fault.Conflict {
		t.Errorf("changed into a taken one: %v", err)
	}
	insecure := "http://a.example/"
	if _, err := w.deeds.UpdateCallbackURI(ctx, key, app.ID, list[0].ID, applications.CallbackChange{URL: &insecure}); !at(err, "url") {
		t.Errorf("changed into a plain one: %v", err)
	}
	js := "js"
	settings := models.Settings{"origin": "https://app.example.com/path"}
	if _, err := w.deeds.UpdateCallbackURI(ctx, key, app.ID, list[0].ID, applications.CallbackChange{Platform: &js, Settings: settings}); !at(err, "settings.origin") {
		t.Errorf("an origin with a path: %v", err)
	}
	if err := w.deeds.RemoveCallbackURI(ctx, key, app.ID, list[0].ID); err != nil {
		t.Fatal(err)
	}
	if _, err := w.deeds.CallbackURI(ctx, key, app.ID, list[0].ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("removed and still there: %v", err)
	}
	if err := w.deeds.RemoveCallbackURI(ctx, key, app.ID, list[0].ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("removed twice: %v", err)
	}
	if there, err := w.deeds.OriginRegistered(ctx, "https://app.example.com"); err != nil || !there {
		t.Errorf("the origin of a js callback URI: %v, %v", there, err)
	}
	if there, _ := w.deeds.OriginRegistered(ctx, "http://localhost:9007"); there {
		t.Error("the origin of a web callback URI is registered for browsers")
	}
	if got := len(w.audited(t)); got != 2+len(good)+1 {
		t.Errorf("%d audit entries: %v", got, w.audited(t))
	}
}

func TestCallbackURIsAreBounded(t *testing.T) {
	w := newWorld(t)
	app, key := w.application(t, "Ours")
	for i := range 100 {
		if _, err := w.deeds.AddCallbackURI(ctx, key, app.ID, applications.Callback{URL: fmt.Sprintf("https://a.example/%d", i)}); err != nil {
			t.Fatal(i, err)
		}
	}
	if _, err := w.deeds.AddCallbackURI(ctx, key, app.ID, applications.Callback{URL: "https://a.example/one-more"}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("the 101st: %v", err)
	}
}

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
