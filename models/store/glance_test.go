package store_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// What is read at a glance is what a transaction reads, column by column, and sees no further.
func TestAGlanceSeesWhatATransactionSees(t *testing.T) {
	w := newTwoTenants(t)
	own, foreign := w.tenant[0], w.tenant[1]
	if err := w.InTenant(t.Context(), own, func(tx *store.Tx) error {
		g, err := tx.Grant(own, w.grant[0])
		if err != nil {
			return err
		}
		g.Settings, g.ScopesRequested, g.ScopesGranted, g.Name = models.Settings{"imap_host": "mail.example.com"}, models.Strings{"a b", `c"`}, models.Strings{}, "Åsa"
		return tx.MarkGrantConnected(g, time.Now().UTC().Truncate(time.Microsecond))
	}); err != nil {
		t.Fatal(err)
	}
	for _, scope := range []store.Scope{store.TenantScope(own), store.ApplicationScope(w.app), store.PlatformScope("test")} {
		seen, err := w.GrantsSeen(t.Context(), scope, store.GrantQuery{Limit: 50, ID: w.grant[0]})
		if err != nil || len(seen) != 1 {
			t.Fatalf("%+v: %d grants, %v", scope, len(seen), err)
		}
		var read models.Grant
		if err := w.InTenant(t.Context(), own, func(tx *store.Tx) (err error) {
			read, err = tx.Grant(own, w.grant[0])
			return err
		}); err != nil {
			t.Fatal(err)
		}
		a, b := reflect.ValueOf(seen[0]), reflect.ValueOf(read)
		for i := range a.NumField() {
			if !same(a.Field(i).Interface(), b.Field(i).Interface()) {
				t.Errorf("%s is %v at a glance, %v in a transaction", a.Type().Field(i).Name, a.Field(i), b.Field(i))
			}
		}
	}
	for name, scope := range map[string]store.Scope{"another tenant": store.TenantScope(foreign), "another application": store.ApplicationScope(models.NewID[models.ApplicationID](time.Now()))} {
		if seen, err := w.GrantsSeen(t.Context(), scope, store.GrantQuery{Limit: 50}); err != nil || slices.ContainsFunc(seen, func(g models.Grant) bool { return g.ID == w.grant[0] }) {
			t.Errorf("%s sees %d grants, %v", name, len(seen), err)
		}
	}
	// The scope of a glance ends with it: the next user of the connection states its own or sees nothing.
	for range 20 {
		seen, err := w.GrantsSeen(t.Context(), store.TenantScope(foreign), store.GrantQuery{Limit: 50})
		if err != nil || slices.ContainsFunc(seen, func(g models.Grant) bool { return g.TenantID != foreign }) {
			t.Fatalf("a scope outlived its glance: %v", err)
		}
	}
	if _, err := w.GrantsSeen(t.Context(), store.TenantScope(own), store.GrantQuery{Limit: 1, Provider: "a\x00b"}); err == nil || errors.Is(err, store.ErrUnreachable) {
		t.Errorf("a statement that the database refuses is %v", err)
	}
	if _, err := w.GrantsSeen(t.Context(), store.TenantScope(own), store.GrantQuery{Limit: 1}); err != nil {
		t.Errorf("after a refused statement the connection is of no use: %v", err)
	}
}

// A grant is offered while its application has the connector, and the credential where it was made with one. No other application hears of it.
func TestAGrantIsOfferedWithItsConnector(t *testing.T) {
	w := newTwoTenants(t)
	offered := func() bool {
		t.Helper()
		g, offered, err := w.GrantOffered(t.Context(), w.app, w.tenant[0], w.grant[0])
		if err != nil || g.ID != w.grant[0] || g.TenantID != w.tenant[0] {
			t.Fatalf("the grant is %v, %v", g.ID, err)
		}
		return offered
	}
	do := func(fn func(*store.Tx) error) {
		t.Helper()
		if err := w.OnPlatform(t.Context(), "furnish a test", fn); err != nil {
			t.Fatal(err)
		}
	}
	var g models.Grant
	do(func(tx *store.Tx) (err error) { g, err = tx.Grant(w.tenant[0], w.grant[0]); return err })
	if offered() {
		t.Error("offered without a connector")
	}
	now := time.Now().UTC()
	c := models.Connector{ApplicationID: w.app, ID: models.NewID[models.ConnectorID](now), Provider: g.Provider, CreatedAt: now, UpdatedAt: now}
	do(func(tx *store.Tx) error { return tx.InsertConnector(c) })
	if !offered() {
		t.Error("not offered with its connector")
	}
	credential := models.Credential{ApplicationID: w.app, ID: models.NewID[models.CredentialID](now), Provider: g.Provider, Type: models.CredentialApp, Name: "own", ClientID: "x", CreatedAt: now, UpdatedAt: now}
	do(func(tx *store.Tx) error { return tx.InsertCredential(credential) })
	g.CredentialID = &credential.ID
	if err := w.InTenant(t.Context(), g.TenantID, func(tx *store.Tx) error { return tx.MarkGrantConnected(g, now) }); err != nil {
		t.Fatal(err)
	}
	if !offered() {
		t.Error("not offered with its credential")
	}
	do(func(tx *store.Tx) error { return tx.DeleteCredential(w.app, credential.ID) })
	if offered() {
		t.Error("offered without its credential")
	}
	for name, try := range map[string]struct {
		application models.ApplicationID
		tenant      models.TenantID
	}{"another application": {models.NewID[models.ApplicationID](now), w.tenant[0]}, "another tenant": {w.app, w.tenant[1]}} {
		if g, _, err := w.GrantOffered(t.Context(), try.application, try.tenant, w.grant[0]); !errors.Is(err, store.ErrNotFound) || g.Email != "" {
			t.Errorf("%s: %v, %v", name, g.ID, err)
		}
	}
}

func same(a, b any) bool {
	switch x := a.(type) {
	case time.Time:
		return x.Equal(b.(time.Time))
	case *time.Time:
		y := b.(*time.Time)
		return (x == nil) == (y == nil) && (x == nil || x.Equal(*y))
	default:
		return reflect.DeepEqual(a, b)
	}
}

func TestAGlanceNamesEveryColumn(t *testing.T) {
	var want []string
	row := reflect.TypeFor[models.Grant]()
	for i := range row.NumField() {
		_, column, _ := strings.Cut(row.Field(i).Tag.Get("gorm"), "column:")
		column, _, _ = strings.Cut(column, ";")
		want = append(want, column)
	}
	if !slices.Equal(want, store.GrantColumns) {
		t.Errorf("a glance reads %v\nthe row has   %v", store.GrantColumns, want)
	}
}
