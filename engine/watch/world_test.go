package watch_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postern-mail/postern/engine"
	"github.com/postern-mail/postern/engine/applications"
	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/outbox"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/tokens"
	"github.com/postern-mail/postern/engine/vault"
	"github.com/postern-mail/postern/engine/watch"
	"github.com/postern-mail/postern/engine/webhooks"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
	"github.com/postern-mail/postern/models/store/storetest"
)

// patience is how long a test waits for a condition at most: the machine may be busy with others.
const patience = 60 * time.Second

// event is what a receiver got.
type event struct {
	ID, Type, Source string
	Data             struct {
		Object map[string]any
	}
}

// receiver is a program that takes webhooks and remembers them.
type receiver struct {
	*httptest.Server
	mu   sync.Mutex
	seen []event
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if c := q.URL.Query().Get("challenge"); c != "" {
			w.Header().Set("Content-Length", fmt.Sprint(len(c)))
			_, _ = io.WriteString(w, c)
			return
		}
		var e event
		if err := json.NewDecoder(q.Body).Decode(&e); err == nil {
			r.mu.Lock()
			r.seen = append(r.seen, e)
			r.mu.Unlock()
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// of lists the events of a type, each once, in the order they came.
func (r *receiver) of(kind string) []event {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []event
	for _, e := range r.seen {
		if e.Type == kind && !slices.ContainsFunc(out, func(x event) bool { return x.ID == e.ID }) {
			out = append(out, e)
		}
	}
	return out
}

// world is a whole engine on a database of its own, with one application and one tenant, a receiver, and the grants that a test connects.
type world struct {
	*testing.T
	ctx    context.Context
	dsn    string
	key    string // file of the key-encryption key
	config engine.Config
	engine *engine.Engine
	tokens *tokens.Keeper
	tenant models.TenantID
	app    models.ApplicationID
	owner  *pgx.Conn
	hooks  *receiver
	staff  models.Actor
}

func newWorld(t *testing.T, connectors ...provider.Connector) *world {
	t.Helper()
	w := &world{T: t, ctx: context.Background(), hooks: newReceiver(t), staff: models.Actor{Kind: models.ActorMember, ID: "m1", Label: "Olga Owner", Role: models.Owner, Permissions: models.Owner.Permissions()}}
	w.key = filepath.Join(t.TempDir(), "key")
	kek, err := vault.CreateFileKEK(w.key)
	w.must(err)
	set := provider.NewSet(nil, connectors...)
	w.dsn = storetest.Fresh(t)
	w.config = configOf(w.dsn, kek, set)
	w.engine, err = engine.New(w.ctx, w.config)
	w.must(err)
	t.Cleanup(func() { _ = w.engine.Close() })
	w.owner, err = pgx.Connect(w.ctx, w.dsn)
	w.must(err)
	t.Cleanup(func() { _ = w.owner.Close(w.ctx) })
	system := models.System("test")
	tenant, err := w.engine.Tenants.Create(w.ctx, system, "Acme", "eu")
	w.must(err)
	app, err := w.engine.Applications.Create(w.ctx, system, applications.Draft{Name: "Sync", DefaultTenant: tenant.ID})
	w.must(err)
	w.tenant, w.app = tenant.ID, app.ID
	w.tokens = tokens.New(tokens.Config{Store: w.engine.Store, Safe: w.safe(), Providers: set, Now: time.Now})
	w.tokens.Refused = w.engine.Grants.Expired
	return w
}

// configOf is an engine's, of any process on the database.
func configOf(dsn string, kek vault.KEK, set *provider.Set) engine.Config {
	return engine.Config{DSN: dsn, Installation: engine.Installation{ID: "test", Region: "eu", Secret: storetest.Secret}, KEK: kek, BaseURL: &url.URL{Scheme: "https", Host: "postern.example"}, Company: "Acme",
		Guard: guard(), Providers: set, PlainHTTP: true, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
}

func guard() *dial.Guard {
	return dial.New(dial.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
}

func (w *world) safe() *sealed.Safe {
	return sealed.New(vault.New(w.config.KEK, "test", time.Now), time.Now)
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// connect makes a valid grant of an account, with its password.
func (w *world) connect(name string, a provider.Account) models.Grant {
	w.Helper()
	c, err := a.Credential(w.ctx)
	w.must(err)
	return w.connectAs(name, a.Address, a, tokens.Credential{Password: c.Password})
}

// connectAs makes a valid grant that may do all.
func (w *world) connectAs(name, subject string, a provider.Account, c tokens.Credential) models.Grant {
	w.Helper()
	at := time.Now().UTC()
	settings, scopes := models.Settings{}, models.Strings(provider.ScopesFor(name, provider.Capabilities()))
	for k, v := range a.Settings {
		settings[k] = v
	}
	g := models.Grant{TenantID: w.tenant, ID: models.NewID[models.GrantID](at), ApplicationID: w.app, Provider: name, Subject: subject, Email: a.Address, Login: a.Login, Status: models.GrantPending, StatusReason: "consented",
		StatusAt: at, Settings: settings, ScopesRequested: scopes, ScopesGranted: scopes, CreatedAt: at, UpdatedAt: at}
	w.must(w.engine.Store.InTenant(w.ctx, w.tenant, func(tx *store.Tx) (err error) {
		if g, err = tx.InsertGrant(g); err != nil {
			return err
		}
		g.StatusReason = "connected"
		if err := tx.MarkGrantConnected(g, time.Now()); err != nil {
			return err
		}
		if err := w.tokens.Save(w.ctx, tx, w.tenant, tokens.Grant(g.ID), c); err != nil {
			return err
		}
		g, err = tx.Grant(w.tenant, g.ID)
		return err
	}))
	return g
}

// offer makes the application's connector, which a grant needs.
func (w *world) offer(name string) {
	w.Helper()
	w.offerApp(name, provider.App{ClientID: "id", ClientSecret: secret.New("secret")})
}

// offerApp is offer with an app that the provider knows.
func (w *world) offerApp(name string, app provider.App) {
	w.Helper()
	_, err := w.engine.Applications.CreateConnector(w.ctx, models.System("test"), w.app, applications.ConnectorDraft{Provider: name, ClientID: app.ClientID, ClientSecret: app.ClientSecret, Settings: app.Settings})
	w.must(err)
}

// ask makes a webhook for triggers.
func (w *world) ask(triggers ...string) models.Webhook {
	w.Helper()
	hook, _, err := w.engine.Webhooks.Create(w.ctx, w.staff, webhooks.Draft{Application: w.app, URL: w.hooks.URL, TriggerTypes: triggers})
	w.must(err)
	return hook
}

func everything() []string {
	var out []string
	for _, k := range provider.ChangeKinds() {
		out = append(out, string(k))
	}
	return out
}

// send sends events until the test ends.
func (w *world) send() { w.background(w.engine.Webhooks.Send) }

// background runs fn until stop is called or the test ends.
func (w *world) background(fn func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(w.ctx)
	over := make(chan struct{})
	go func() { defer close(over); fn(ctx) }()
	stop = func() { cancel(); <-over }
	w.Cleanup(stop)
	return stop
}

// process is another process on the same database, as far as watching goes.
func (w *world) process(change func(*watch.Config)) *watch.Service {
	w.Helper()
	out, err := outbox.New(w.safe(), time.Now)
	w.must(err)
	c := watch.Config{Store: w.engine.Store, Tokens: w.tokens, Safe: w.safe(), Outbox: out, Providers: w.config.Providers, Now: time.Now, Log: w.config.Log, Every: 50 * time.Millisecond, Retry: 50 * time.Millisecond}
	if change != nil {
		change(&c)
	}
	return watch.New(c)
}

// await waits until a condition holds.
func (w *world) await(what string, holds func() bool) {
	w.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if holds() {
			return
		}
	}
	w.Fatalf("waited in vain for %s", what)
}

func (w *world) count(query string, args ...any) int {
	w.Helper()
	var n int
	if err := w.owner.QueryRow(w.ctx, query, args...).Scan(&n); err != nil {
		w.Fatalf("%s: %v", query, err)
	}
	return n
}

// learned waits until the grant's mailbox has a first position.
func (w *world) learned(g models.Grant) {
	w.Helper()
	w.await("the first look", func() bool {
		return w.count(`SELECT count(*) FROM watches WHERE grant_id = $1 AND version > 0`, g.ID.String()) == 1
	})
}

// events counts the events of a type, at the source.
func (w *world) events(kind string) int {
	return w.count(`SELECT count(*) FROM events WHERE type = $1`, kind)
}
