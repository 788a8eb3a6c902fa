package inbound_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/outbox"
	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/vault"
	"github.com/postern-mail/postern/engine/verifications"
	"github.com/postern-mail/postern/engine/webhooks"
	"github.com/postern-mail/postern/handlers/inbound"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
	"github.com/postern-mail/postern/models/store/storetest"
	"github.com/postern-mail/postern/web"
)

// world is everything between an event and the log of its verification, all of it real: database, vault, jobs, HTTP in both directions.
type world struct {
	*storetest.Database
	t             *testing.T
	owner         *pgx.Conn
	outbox        *outbox.Keeper
	webhooks      *webhooks.Service
	verifications *verifications.Service
	server        *httptest.Server
	app           models.ApplicationID
	tenant, other models.TenantID
	staff         models.Actor
	logged        *lockedBuffer
	keyFile       string // of the key-encryption key
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldOn(t, storetest.New(t, nil))
}

// newWorldOn makes the world in a database of the test's choice.
func newWorldOn(t *testing.T, db *storetest.Database) *world {
	t.Helper()
	ctx, now := context.Background(), time.Now
	keyFile := filepath.Join(t.TempDir(), "key")
	kek, err := vault.CreateFileKEK(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	safe := sealed.New(vault.New(kek, "test", now), now)
	out, err := outbox.New(safe, now)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(ctx, db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(ctx) })
	w := &world{Database: db, t: t, keyFile: keyFile, owner: conn, outbox: out, logged: &lockedBuffer{}, app: models.NewID[models.ApplicationID](now()),
		tenant: models.NewID[models.TenantID](now()), other: models.NewID[models.TenantID](now()),
		staff: models.Actor{Kind: models.ActorMember, ID: "m1", Label: "Olga Owner", Role: models.Owner, Permissions: models.Owner.Permissions()}}
	for _, id := range []models.TenantID{w.tenant, w.other} {
		w.exec(`INSERT INTO tenants VALUES ($1, 'a tenant', 'eu', 'active', now(), now())`, id.String())
	}
	w.exec(`INSERT INTO applications (id, name, created_at, updated_at) VALUES ($1, 'an application', now(), now())`, w.app.String())
	log := slog.New(slog.NewTextHandler(w.logged, nil))
	digestKey := []byte("a key for digests in the tests...")
	w.verifications = verifications.New(verifications.Config{Store: db.Store, Safe: safe, Audit: audit.New(db.Store, now), DigestKey: digestKey, Now: now, Logger: log})
	w.webhooks = webhooks.New(webhooks.Config{Store: db.Store, Safe: safe, Audit: audit.New(db.Store, now), Outbox: out, DigestKey: digestKey, PlainHTTP: true,
		Guard: dial.New(dial.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}), Now: now, Logger: log})

	w.server = httptest.NewUnstartedServer(nil)
	base, _ := url.Parse("http://" + w.server.Listener.Addr().String())
	srv := web.New(web.Config{BaseURL: base, Now: now, Logger: log})
	srv.Mount(inbound.New(w.verifications, log).Web())
	w.server.Config.Handler = srv.Handler()
	w.server.Start()
	t.Cleanup(w.server.Close)
	return w
}

// run starts the workers.
func (w *world) run() {
	w.t.Helper()
	workers := river.NewWorkers()
	w.webhooks.Workers(workers)
	w.verifications.Workers(workers)
	client, err := river.NewClient(riverpgxv5.New(w.Jobs()), &river.Config{Schema: store.JobsSchema, Workers: workers, Logger: slog.New(slog.DiscardHandler),
		FetchPollInterval: 100 * time.Millisecond, FetchCooldown: 10 * time.Millisecond,
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 4}}})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := client.Start(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	sending, stop := context.WithCancel(context.Background())
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		w.webhooks.Send(sending)
	}()
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		_ = client.StopAndCancel(ctx)
		stop()
		<-sent
	})
}

func (w *world) exec(statement string, args ...any) {
	w.t.Helper()
	if _, err := w.owner.Exec(context.Background(), statement, args...); err != nil {
		w.t.Fatalf("%s: %v", statement, err)
	}
}

func (w *world) count(query string, args ...any) int {
	w.t.Helper()
	var n int
	if err := w.owner.QueryRow(context.Background(), query, args...).Scan(&n); err != nil {
		w.t.Fatalf("%s: %v", query, err)
	}
	return n
}

// eventually waits until the condition holds; what it waits for is another goroutine's transaction, not a time.
func (w *world) eventually(what string, holds func() bool) {
	w.t.Helper()
	for end := time.Now().Add(2 * time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("waited in vain: %s\n%s", what, w.logged.String())
		}
	}
}

func (w *world) happen(tenant models.TenantID, object any) models.EventID {
	w.t.Helper()
	var id models.EventID
	err := w.InTenant(context.Background(), tenant, func(tx *store.Tx) (err error) {
		id, err = w.outbox.Event(context.Background(), tx, outbox.Event{Tenant: tenant, Application: w.app, Type: "grant.created", Source: "/nylas/system", Object: object})
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// selfCheck makes the self-check and gives its secret, which a rotation shows.
func (w *world) selfCheck() (models.Webhook, models.InboundEndpoint, secret.Text) {
	w.t.Helper()
	hook, endpoint, err := w.webhooks.EnsureSelfCheck(context.Background(), w.app, w.server.URL)
	if err != nil {
		w.t.Fatal(err)
	}
	none := time.Duration(0)
	_, key, err := w.webhooks.Rotate(context.Background(), w.staff, hook.ID, &none)
	if err != nil {
		w.t.Fatal(err)
	}
	return hook, endpoint, key
}

type call struct {
	body      []byte
	signature string
	gzip      bool
	chunked   bool
}

// post sends what a test made up and gives status and answer.
func (w *world) post(endpoint string, c call) (*http.Response, string) {
	w.t.Helper()
	var body io.Reader = bytes.NewReader(c.body)
	if c.chunked {
		body = struct{ io.Reader }{body}
	}
	req, err := http.NewRequest(http.MethodPost, w.server.URL+"/hooks/"+endpoint, body)
	if err != nil {
		w.t.Fatal(err)
	}
	if c.signature != "" {
		req.Header.Set("x-nylas-signature", c.signature)
	}
	if c.gzip {
		req.Header.Set("Content-Encoding", "gzip")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatalf("post: %v", err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp, string(text)
}

func sign(key secret.Text, body []byte) string {
	h := hmac.New(sha256.New, []byte(key.Reveal()))
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

func zip(body []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(body)
	_ = z.Close()
	return out.Bytes()
}

func (w *world) newest() models.Verification {
	w.t.Helper()
	page, err := w.verifications.List(context.Background(), w.staff, verifications.Filter{Limit: 1})
	if err != nil || len(page.Verifications) != 1 {
		w.t.Fatalf("the newest row of the log: %v, %v\n%s", page, err, w.logged.String())
	}
	return page.Verifications[0]
}

// absent looks for texts, bare and in hexadecimal, in every column of every table and in the log.
func (w *world) absent(texts ...string) {
	w.t.Helper()
	rows, err := w.owner.Query(context.Background(), `SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND n.nspname IN ('public', 'river')`)
	if err != nil {
		w.t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(tables) < 25 {
		w.t.Fatalf("%d tables, %v: the query has lost its subject", len(tables), err)
	}
	for _, text := range texts {
		for _, table := range tables {
			if n := w.count(`SELECT count(*) FROM `+table+` x WHERE strpos(x::text, $1) > 0 OR strpos(x::text, encode(convert_to($1, 'UTF8'), 'hex')) > 0`, text); n > 0 {
				w.t.Errorf("%s holds %.12s... in %d rows", table, text, n)
			}
		}
		if strings.Contains(w.logged.String(), text) {
			w.t.Errorf("the log holds %.12s...", text)
		}
	}
}
