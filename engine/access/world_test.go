package access_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/access"
	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
	"github.com/postern-mail/postern/models/store/storetest"
)

const origin = "https://postern.example"

type world struct {
	*access.Service
	t     *testing.T
	db    *storetest.Database
	audit *audit.Keeper
	at    time.Time
	log   *bytes.Buffer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, at: time.Now().UTC().Truncate(time.Millisecond), log: &bytes.Buffer{}}
	now := func() time.Time { return w.at }
	w.db = storetest.New(t, now)
	w.audit = audit.New(w.db.Store, now)
	base, _ := url.Parse(origin)
	var err error
	w.Service, err = access.New(access.Config{Store: w.db.Store, Audit: w.audit, BaseURL: base, Region: "eu", Demo: true, Now: now, Logger: slog.New(slog.NewTextHandler(w.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) fatal(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) wants(err error, kind fault.Kind, code string) {
	w.t.Helper()
	f, ok := fault.As(err)
	if !ok || f.Kind != kind || f.Code != code {
		w.t.Errorf("got %v (%v), want %v %s", err, fault.KindOf(err), kind, code)
	}
}

var (
	ctx     = context.Background()
	visitor = access.Visitor{Addr: netip.MustParseAddr("198.51.100.7"), UserAgent: "a browser", RequestID: "r1"}
)

// member makes a member with a passkey, signed in.
func (w *world) member(role models.Role, tenant models.TenantID) (models.Actor, secret.Text, *authenticator) {
	w.t.Helper()
	n := models.NewID[models.MemberID](w.at).String()[30:]
	m, token, _, err := w.Invite(ctx, models.Actor{Kind: models.ActorSystem, Label: "test", Role: models.Owner}, access.Invitation{Name: "M " + n, Email: n + "@example.com", Role: role, Tenant: tenant})
	w.fatal(err)
	key := newAuthenticator(w.t, origin, "postern.example")
	id, actor := w.enrol(token, key)
	if actor.ID != m.ID.String() || actor.Role != role || actor.Tenant != tenant {
		w.t.Fatalf("enrolled as %+v", actor)
	}
	return actor, id, key
}

func (w *world) enrol(token secret.Text, key *authenticator) (secret.Text, models.Actor) {
	w.t.Helper()
	options, session, err := w.BeginEnrol(ctx, token, "Laptop", secret.Text{}, visitor)
	w.fatal(err)
	id, actor, err := w.FinishEnrol(ctx, token, session, key.create(options), visitor)
	w.fatal(err)
	return id, actor
}

func (w *world) signIn(key *authenticator, session secret.Text) (secret.Text, models.Actor, error) {
	w.t.Helper()
	options, session, err := w.BeginSignIn(ctx, session, visitor)
	w.fatal(err)
	key.count++
	return w.FinishSignIn(ctx, session, key.get(options), visitor)
}

func (w *world) tenant(name string) models.TenantID {
	w.t.Helper()
	id := models.NewID[models.TenantID](w.at)
	w.fatal(w.db.OnPlatform(ctx, "test", func(tx *store.Tx) error {
		return tx.InsertTenant(models.Tenant{ID: id, Name: name, Region: "eu", State: models.TenantActive, CreatedAt: w.at, UpdatedAt: w.at})
	}))
	return id
}

func (w *world) application() models.ApplicationID {
	w.t.Helper()
	id := models.NewID[models.ApplicationID](w.at)
	w.fatal(w.db.OnPlatform(ctx, "test", func(tx *store.Tx) error {
		return tx.InsertApplication(models.Application{ID: id, Name: "CRM", Environment: "production", CreatedAt: w.at, UpdatedAt: w.at})
	}))
	return id
}

func (w *world) entries(action string) []models.AuditEntry {
	w.t.Helper()
	page, err := w.audit.List(ctx, models.System("test"), audit.Filter{Action: action})
	w.fatal(err)
	return page.Entries
}
