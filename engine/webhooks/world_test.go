package webhooks

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/outbox"
	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/engine/vault"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
	"github.com/postern-mail/postern/models/store/storetest"
)

// world is a real database, vault and outbox with two applications and two tenants, a clock that the test turns, and the jobs run by hand.
type world struct {
	*storetest.Database
	*Service
	t          *testing.T
	owner      *pgx.Conn
	app, other models.ApplicationID
	a, b       models.TenantID
	staff      models.Actor
	logged     *bytes.Buffer
	clock      *clock
	keyFile    string // of the key-encryption key
}

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) turn(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldOn(t, storetest.New(t, nil))
}

// newWorldOn makes the world in a database of the test's choice.
func newWorldOn(t *testing.T, db *storetest.Database) *world {
	t.Helper()
	ctx := context.Background()
	c := &clock{at: time.Now().UTC()}
	keyFile := filepath.Join(t.TempDir(), "key")
	kek, err := vault.CreateFileKEK(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	safe := sealed.New(vault.New(kek, "test", c.now), c.now)
	out, err := outbox.New(safe, c.now)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(ctx, db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(ctx) })
	w := &world{Database: db, t: t, keyFile: keyFile, owner: conn, clock: c, logged: &bytes.Buffer{},
		app: models.NewID[models.ApplicationID](c.at), other: models.NewID[models.ApplicationID](c.at),
		a: models.NewID[models.TenantID](c.at), b: models.NewID[models.TenantID](c.at),
		staff: models.Actor{Kind: models.ActorMember, ID: "m1", Label: "Olga Owner", Role: models.Owner, Permissions: models.Owner.Permissions()}}
	for _, id := range []models.TenantID{w.a, w.b} {
		w.exec(`INSERT INTO tenants VALUES ($1, 'a tenant', 'eu', 'active', now(), now())`, id.String())
	}
	for _, id := range []models.ApplicationID{w.app, w.other} {
		w.exec(`INSERT INTO applications (id, name, created_at, updated_at) VALUES ($1, 'an application', now(), now())`, id.String())
	}
	w.Service = New(Config{Store: db.Store, Safe: safe, Audit: audit.New(db.Store, c.now), Outbox: out, DigestKey: []byte("a key for digests in the tests..."), PlainHTTP: true,
		Guard: dial.New(dial.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}), Now: c.now, Logger: slog.New(slog.NewTextHandler(w.logged, nil))})
	w.jitter = func() float64 { return 0.5 }
	return w
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

func (w *world) key(tenant models.TenantID) models.Actor {
	return models.Actor{Kind: models.ActorKey, ID: "k1", Label: "a key", Application: w.app, Tenant: tenant, Permissions: models.KeyPermissions()}
}

// happen writes an event of the tenant, as a deed does.
func (w *world) happen(tenant models.TenantID, kind string, object any) models.EventID {
	w.t.Helper()
	var id models.EventID
	err := w.InTenant(context.Background(), tenant, func(tx *store.Tx) (err error) {
		id, err = w.outbox.Event(context.Background(), tx, outbox.Event{Tenant: tenant, Application: w.app, Type: kind, Source: "/nylas/system", Object: object})
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// work runs every job that is due by the test's clock, fans out, and sends what is due, until there is nothing left. It says how many jobs and attempts there were.
func (w *world) work() int {
	w.t.Helper()
	ctx, done := context.Background(), 0
	for {
		jobs := w.jobs()
		done += jobs
		n, _, err := w.fanOut(ctx)
		if err != nil {
			w.t.Fatal(err)
		}
		due, err := w.Service.due(ctx)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, hook := range due {
			l := w.newLane(hook, 0)
			l.run(ctx)
			done += l.handled
		}
		if n == 0 && len(due) == 0 && jobs == 0 {
			return done
		}
	}
}

func (w *world) jobs() int {
	w.t.Helper()
	ctx, done := context.Background(), 0
	for {
		var id int64
		var kind string
		var args []byte
		err := w.owner.QueryRow(ctx, `DELETE FROM river.river_job WHERE id = (SELECT id FROM river.river_job WHERE scheduled_at <= $1 OR scheduled_at <= now() ORDER BY id LIMIT 1) RETURNING id, kind, args`,
			w.clock.now()).Scan(&id, &kind, &args)
		if err == pgx.ErrNoRows { //nolint:errorlint // pgx gives it bare
			return done
		}
		if err != nil {
			w.t.Fatal(err)
		}
		done++
		switch kind {
		case "destroy_webhook_secrets":
			err = (&destroyWorker{service: w.Service}).Work(ctx, job[destroySecrets](w.t, args))
		case "replay_deliveries":
			err = (&replayWorker{service: w.Service}).Work(ctx, job[replayAll](w.t, args))
		case "webhook_notice":
			err = (&noticeWorker{service: w.Service}).Work(ctx, job[notice](w.t, args))
		case "remove_webhook":
			err = (&removeWorker{service: w.Service}).Work(ctx, job[removeWebhook](w.t, args))
		default:
			w.t.Fatalf("a job of the unknown kind %s", kind)
		}
		if err != nil {
			w.t.Fatalf("job %s: %v", kind, err)
		}
	}
}

func job[T river.JobArgs](t *testing.T, args []byte) *river.Job[T] {
	t.Helper()
	var j river.Job[T]
	if err := json.Unmarshal(args, &j.Args); err != nil {
		t.Fatal(err)
	}
	return &j
}

// receiver is a real HTTP server that answers challenges and keeps what it is sent.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	got    []received
	answer func(received) int // nil: 200
	reply  func(http.ResponseWriter, received)
}

type received struct {
	header http.Header
	body   []byte
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
		if in.Method == http.MethodGet {
			_, _ = io.WriteString(out, in.URL.Query().Get("challenge"))
			return
		}
		body, _ := io.ReadAll(in.Body)
		call := received{in.Header.Clone(), body}
		r.mu.Lock()
		r.got = append(r.got, call)
		answer, reply := r.answer, r.reply
		r.mu.Unlock()
		if reply != nil {
			reply(out, call)
			return
		}
		if answer != nil {
			out.WriteHeader(answer(call))
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) calls() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]received{}, r.got...)
}

func (r *receiver) say(answer func(received) int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

// eventID is the id in an envelope; empty where there is none.
func eventID(body []byte) string {
	var e struct{ ID string }
	_ = json.Unmarshal(body, &e)
	return e.ID
}
