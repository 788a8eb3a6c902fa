package offboardings_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postern-mail/postern/engine"
	"github.com/postern-mail/postern/engine/access"
	"github.com/postern-mail/postern/engine/applications"
	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/imap"
	"github.com/postern-mail/postern/engine/provider/sandbox"
	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/tokens"
	"github.com/postern-mail/postern/engine/vault"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
	"github.com/postern-mail/postern/models/store/storetest"
)

var (
	ctx = context.Background()
	sam = models.Actor{Kind: models.ActorMember, ID: "sam", Label: "Sam", Role: models.Support, Permissions: models.Support.Permissions()}
	kim = models.Actor{Kind: models.ActorMember, ID: "kim", Label: "Kim", Role: models.Support, Permissions: models.Support.Permissions()}
)

// world is an engine, and everything a second one on the same database needs: processes come and go.
type world struct {
	*engine.Engine
	t      *testing.T
	mu     sync.Mutex
	shift  time.Duration
	config engine.Config
	dsn    string
	box    *sandbox.Server
	tokens *tokens.Keeper
	app    models.Application
	tenant models.Tenant
	other  models.Tenant
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.shift)
}

func (w *world) forward(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.shift += d
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dsn: storetest.Fresh(t)}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	box, err := sandbox.Start(ctx, sandbox.Config{Log: log, RedirectURIs: []string{"https://postern.example/v3/connect/callback/sandbox"}})
	w.must(err)
	t.Cleanup(func() { _ = box.Close() })
	w.box = box
	kek, err := vault.CreateFileKEK(filepath.Join(t.TempDir(), "key"))
	w.must(err)
	guard := dial.New(dial.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	set := provider.NewSet(nil, imap.New(imap.Config{Guard: guard, Now: w.now}), sandbox.New(sandbox.ConnectorConfig{Guard: guard, Endpoints: box.Endpoints(), Now: w.now}))
	w.config = engine.Config{DSN: w.dsn, Installation: engine.Installation{ID: "test", Region: "eu", Secret: storetest.Secret}, KEK: kek, BaseURL: &url.URL{Scheme: "https", Host: "postern.example"},
		Company: "Acme", Guard: guard, Providers: set, Now: w.now, Log: log}
	w.Engine = w.process()
	w.tokens = tokens.New(tokens.Config{Store: w.Store, Safe: sealed.New(vault.New(kek, "test", w.now), w.now), Providers: set, BaseURL: "https://postern.example", Now: w.now})
	system := models.System("test")
	w.tenant, err = w.Tenants.Create(ctx, system, "Northwind", "eu")
	w.must(err)
	w.other, err = w.Tenants.Create(ctx, system, "Southridge", "eu")
	w.must(err)
	w.app, err = w.Applications.Create(ctx, system, applications.Draft{Name: "CRM Sync", DefaultTenant: w.other.ID})
	w.must(err)
	registered := box.App()
	_, err = w.Applications.CreateConnector(ctx, system, w.app.ID, applications.ConnectorDraft{Provider: "sandbox", ClientID: registered.ClientID, ClientSecret: registered.ClientSecret})
	w.must(err)
	_, err = w.Applications.CreateConnector(ctx, system, w.app.ID, applications.ConnectorDraft{Provider: "imap"})
	w.must(err)
	return w
}

// process is another Postern on the same database.
func (w *world) process() *engine.Engine {
	w.t.Helper()
	e, err := engine.New(ctx, w.config)
	w.must(err)
	w.t.Cleanup(func() { _ = e.Close() })
	return e
}

// grants puts n valid grants of a provider into a tenant, as finished consents would have.
func (w *world) grants(tenant models.TenantID, name string, n int) []models.Grant {
	w.t.Helper()
	var out []models.Grant
	for i := range n {
		at := w.now().UTC()
		address := fmt.Sprintf("%s%d@%s.example", name, i, tenant.String()[24:])
		g := models.Grant{TenantID: tenant, ID: models.NewID[models.GrantID](at), ApplicationID: w.app.ID, Provider: name, Subject: address, Email: address, Login: address,
			Status: models.GrantPending, StatusReason: "consented", StatusAt: at, Settings: models.Settings{}, ScopesRequested: models.Strings{}, ScopesGranted: models.Strings{}, CreatedAt: at, UpdatedAt: at}
		c := tokens.Credential{Password: secret.New("canary password")}
		if name == "sandbox" {
			c = tokens.Credential{Access: secret.New("canary access"), Refresh: secret.New("canary refresh"), ExpiresAt: at.Add(time.Hour)}
		}
		w.must(w.Store.InTenant(ctx, tenant, func(tx *store.Tx) (err error) {
			if g, err = tx.InsertGrant(g); err != nil {
				return err
			}
			g.StatusReason = "connected"
			if err := tx.MarkGrantConnected(g, at.Add(time.Microsecond)); err != nil {
				return err
			}
			if err := w.tokens.Save(ctx, tx, tenant, tokens.Grant(g.ID), c); err != nil {
				return err
			}
			g, err = tx.Grant(tenant, g.ID)
			return err
		}))
		out = append(out, g)
	}
	return out
}

// furnish gives the tenant a key, a link and a member with a session.
func (w *world) furnish() access.Invitation {
	w.t.Helper()
	_, _, err := w.Access.CreateKey(ctx, models.System("test"), access.Key{Application: w.app.ID, Tenant: w.tenant.ID, Name: "Northwind's own"})
	w.must(err)
	_, _, err = w.Grants.MakeLink(ctx, models.System("test"), grants.LinkRequest{Tenant: w.tenant.ID, Application: w.app.ID})
	w.must(err)
	in := access.Invitation{Name: "Cora", Email: "cora@northwind.example", Role: models.Customer, Tenant: w.tenant.ID}
	_, err = w.Access.EnsureMember(ctx, in)
	w.must(err)
	return in
}

// run lets a process work until the test ends or stop is called.
func (w *world) run(e *engine.Engine) (stop func()) {
	running, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); _ = e.Run(running) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	w.t.Cleanup(stop)
	return stop
}

// until waits for a condition.
func (w *world) until(what string, fn func() bool) {
	w.t.Helper()
	for end := time.Now().Add(60 * time.Second); !fn(); time.Sleep(30 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("waited in vain: %s", what)
		}
	}
}

func (w *world) count(query string, args ...any) int {
	w.t.Helper()
	conn, err := pgx.Connect(ctx, w.dsn)
	w.must(err)
	defer conn.Close(ctx)
	var n int
	w.must(conn.QueryRow(ctx, query, args...).Scan(&n))
	return n
}
