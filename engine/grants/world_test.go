package grants_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/postern-mail/postern/engine/applications"
	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/engine/mailbox"
	"github.com/postern-mail/postern/engine/outbox"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/sandbox"
	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/tenants"
	"github.com/postern-mail/postern/engine/tokens"
	"github.com/postern-mail/postern/engine/vault"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
	"github.com/postern-mail/postern/models/store/storetest"
)

const callback = "https://app.example/callback"

// clock is the time of a test: it moves when told.
type clock struct {
	mu    sync.Mutex
	shift time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.shift)
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shift += d
}

// world is everything around the deeds: a database of its own, the sandbox provider on loopback, two tenants, an application, a key's actor.
type world struct {
	t       *testing.T
	ctx     context.Context
	clock   *clock
	db      *storetest.Database
	box     *sandbox.Server
	grants  *grants.Service
	mailbox *mailbox.Service
	audit   *audit.Keeper
	tokens  *tokens.Keeper
	apps    *applications.Service
	app     models.ApplicationID
	a, b    models.TenantID
	key     models.Actor // an application-wide API key
	support models.Actor
}

// newWorld makes a world with the sandbox, and whatever connectors more: the application has no connector for those yet.
func newWorld(t *testing.T, more ...provider.Connector) *world {
	t.Helper()
	w := &world{t: t, ctx: context.Background(), clock: &clock{}}
	w.db = storetest.New(t, w.clock.now)
	log := slog.New(slog.DiscardHandler)
	box, err := sandbox.Start(w.ctx, sandbox.Config{Now: w.clock.now, Log: log, RedirectURIs: []string{"https://postern.example/v3/connect/callback/sandbox"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	w.box = box
	kek, err := vault.CreateFileKEK(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	safe := sealed.New(vault.New(kek, "test", w.clock.now), w.clock.now)
	w.audit = audit.New(w.db.Store, w.clock.now)
	out, err := outbox.New(safe, w.clock.now)
	if err != nil {
		t.Fatal(err)
	}
	guard := dial.New(dial.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	set := provider.NewSet(nil, append(more, sandbox.New(sandbox.ConnectorConfig{Guard: guard, Endpoints: box.Endpoints(), Now: w.clock.now}))...)
	kept := tokens.New(tokens.Config{Store: w.db.Store, Safe: safe, Providers: set, BaseURL: "https://postern.example", Now: w.clock.now})
	w.grants = grants.New(grants.Config{Store: w.db.Store, Audit: w.audit, Outbox: out, Tokens: kept, Providers: set, BaseURL: "https://postern.example", Region: "eu", Company: "Acme",
		IDTokens: ed25519.NewKeyFromSeed(make([]byte, 32)), Now: w.clock.now, Log: log})
	kept.Refused, kept.CutThere, w.tokens = w.grants.Expired, w.grants.CutThere, kept
	w.mailbox = mailbox.New(mailbox.Config{Store: w.db.Store, Tokens: kept, Safe: safe, Outbox: out, Providers: set, Now: w.clock.now, Log: log})
	w.apps = applications.New(applications.Config{Store: w.db.Store, Safe: safe, Audit: w.audit, Providers: set, Now: w.clock.now})
	w.furnish(w.apps, tenants.New(w.db.Store, w.audit, "eu", nil, w.clock.now))
	return w
}

func (w *world) furnish(apps *applications.Service, organisations *tenants.Service) {
	system := models.System("test")
	for i, into := range []*models.TenantID{&w.a, &w.b} {
		row, err := organisations.Create(w.ctx, system, "Tenant "+string(rune('A'+i)), "eu")
		w.must(err)
		*into = row.ID
	}
	app, err := apps.Create(w.ctx, system, applications.Draft{Name: "Acme Sync", DefaultTenant: w.a})
	w.must(err)
	w.app = app.ID
	for _, c := range []applications.Callback{{URL: callback}, {URL: "http://localhost:9007/native", Platform: "desktop"}} {
		_, err = apps.AddCallbackURI(w.ctx, system, w.app, c)
		w.must(err)
	}
	registered := w.box.App()
	_, err = apps.CreateConnector(w.ctx, system, w.app, applications.ConnectorDraft{Provider: "sandbox", ClientID: registered.ClientID, ClientSecret: registered.ClientSecret})
	w.must(err)
	w.key = models.Actor{Kind: models.ActorKey, ID: "key", Label: "API key test", Application: w.app, Permissions: models.KeyPermissions()}
	w.support = models.Actor{Kind: models.ActorMember, ID: "sam", Label: "Sam", Role: models.Support, Permissions: models.Support.Permissions()}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// auth is a plain request of a program.
func (w *world) auth() grants.AuthRequest {
	return grants.AuthRequest{ClientID: w.app.String(), RedirectURI: callback, ResponseType: "code", Provider: "sandbox", State: "their state", AccessType: "offline",
		CodeChallenge: "ZTk2YmY2Njg2YTNjMzUxMGU5ZTkyN2RiNzA2OWNiMWNiYTliOTliMDIyZjQ5NDgzYTZjZTMyNzA4MDllNjhhMg", CodeChallengeMethod: "s256"} // of the verifier "nylas"
}

// leave walks a program's flow up to the provider.
func (w *world) leave(request grants.AuthRequest, browser string) (grants.Next, models.FlowID) {
	w.t.Helper()
	flow, err := w.grants.BeginAuth(w.ctx, request)
	w.must(err)
	next, err := w.grants.Go(w.ctx, grants.Step{Flow: flow, Browser: secret.New(browser), Provider: "sandbox"})
	w.must(err)
	return next, flow
}

// atProvider signs in at the sandbox's own pages as a person would, and gives the address the provider sends the browser to. drop lists scopes to untick.
func (w *world) atProvider(to, user string, drop ...string) url.Values {
	w.t.Helper()
	jar, _ := cookiejar.New(nil)
	client := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), w.box.URL()) {
			return nil
		}
		return http.ErrUseLastResponse
	}}
	page := w.fetch(client.Get(to))
	page = w.submit(client, page, map[string][]string{"address": {user}, "password": {w.box.Password()}})
	var scopes []string
	page.doc.Find("input[name=scope]").Each(func(_ int, s *goquery.Selection) {
		value, _ := s.Attr("value")
		for _, d := range drop {
			if value == d {
				return
			}
		}
		scopes = append(scopes, value)
	})
	done := w.submit(client, page, map[string][]string{"scope": scopes, "answer": {"allow"}})
	back, err := url.Parse(done.location)
	w.must(err)
	if back.Query().Get("state") == "" {
		w.t.Fatalf("the sandbox sent the browser to %q", done.location)
	}
	return back.Query()
}

type fetched struct {
	doc      *goquery.Document
	from     *url.URL
	location string
}

func (w *world) fetch(r *http.Response, err error) fetched {
	w.t.Helper()
	w.must(err)
	defer r.Body.Close()
	if r.StatusCode >= 400 {
		text, _ := io.ReadAll(r.Body)
		w.t.Fatalf("%s answered %d: ... %s", r.Request.URL.Path, r.StatusCode, text[max(0, len(text)-300):])
	}
	doc, err := goquery.NewDocumentFromReader(r.Body)
	w.must(err)
	return fetched{doc, r.Request.URL, r.Header.Get("Location")}
}

func (w *world) submit(client *http.Client, page fetched, fields map[string][]string) fetched {
	w.t.Helper()
	form := page.doc.Find("form").First()
	action, _ := form.Attr("action")
	to, err := page.from.Parse(action)
	w.must(err)
	values := url.Values(fields)
	form.Find("input[type=hidden]").Each(func(_ int, s *goquery.Selection) {
		name, _ := s.Attr("name")
		value, _ := s.Attr("value")
		values.Set(name, value)
	})
	return w.fetch(client.PostForm(to.String(), values))
}

func answer(back url.Values, browser string) grants.Answer {
	return grants.Answer{Provider: "sandbox", State: secret.New(back.Get("state")), Code: secret.New(back.Get("code")), Error: back.Get("error"), Browser: secret.New(browser)}
}

// connect walks the whole way of a program and redeems the code.
func (w *world) connect(user string, request grants.AuthRequest) grants.Issued {
	w.t.Helper()
	issued, err := w.grants.Redeem(w.ctx, w.redeem(w.code(user, request)))
	w.must(err)
	return issued
}

// code walks up to the code.
func (w *world) code(user string, request grants.AuthRequest) string {
	w.t.Helper()
	next, _ := w.leave(request, "browser-1")
	done, err := w.grants.Return(w.ctx, answer(w.atProvider(next.URL, user), "browser-1"))
	w.must(err)
	back, err := url.Parse(done.RedirectURL)
	w.must(err)
	if back.Query().Get("state") != request.State {
		w.t.Fatalf("the program's state came back as %q", back.Query().Get("state"))
	}
	return back.Query().Get("code")
}

func (w *world) redeem(code string) grants.RedeemRequest {
	return grants.RedeemRequest{GrantType: "authorization_code", ClientID: w.app.String(), RedirectURI: callback, Code: secret.New(code), CodeVerifier: secret.New("nylas"), Caller: w.key}
}

// work runs the jobs until none is left that is due.
func (w *world) work() {
	w.t.Helper()
	workers := river.NewWorkers()
	w.grants.Workers(workers)
	client, err := river.NewClient(riverpgxv5.New(w.db.Jobs()), &river.Config{Schema: store.JobsSchema, Workers: workers, Logger: slog.New(slog.DiscardHandler), FetchCooldown: 5 * time.Millisecond,
		FetchPollInterval: 20 * time.Millisecond, Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 5}}})
	w.must(err)
	w.must(client.Start(w.ctx))
	deadline := time.Now().Add(20 * time.Second)
	for w.count(`SELECT count(*) FROM river.river_job WHERE state IN ('available', 'running', 'retryable')`) > 0 {
		if time.Now().After(deadline) {
			w.t.Fatal("the jobs did not finish")
		}
		time.Sleep(10 * time.Millisecond) // River works by the real clock; an empty queue is all it has to say that it is through
	}
	w.must(client.Stop(w.ctx))
}

// count asks the owner's connection, past all walls.
func (w *world) count(query string, args ...any) int {
	w.t.Helper()
	conn, err := pgx.Connect(w.ctx, w.db.DSN)
	w.must(err)
	defer conn.Close(w.ctx)
	var n int
	w.must(conn.QueryRow(w.ctx, query, args...).Scan(&n))
	return n
}

// exec changes something as the owner, past all walls.
func (w *world) exec(statement string) error {
	conn, err := pgx.Connect(w.ctx, w.db.DSN)
	if err != nil {
		return err
	}
	defer conn.Close(w.ctx)
	_, err = conn.Exec(w.ctx, statement)
	return err
}

func (w *world) entries(action string) int {
	return w.count(`SELECT count(*) FROM audit_entries WHERE action = $1`, action)
}

func wants(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("got %v, want %v", err, target)
	}
}

// signedJSON gives a document's bytes and their digest.
func (w *world) signedJSON(document any) (string, string) {
	w.t.Helper()
	text, err := json.Marshal(document)
	w.must(err)
	digest, err := audit.Digest(document)
	w.must(err)
	return string(text), digest
}
