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

	"github.com/postern-mail/postern/engine/applications"
	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/sealed"
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
