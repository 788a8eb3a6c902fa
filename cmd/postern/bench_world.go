package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postern-mail/postern/cmd/postern/load"
	"github.com/postern-mail/postern/engine/access"
	"github.com/postern-mail/postern/engine/applications"
	v3 "github.com/postern-mail/postern/handlers/v3"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
	"github.com/postern-mail/postern/models/store/cluster"
)

// worldTenants is over how many organisations the rows are spread where no flag says otherwise.
const worldTenants = 100

// world is what figures are taken on: a private Postgres as demo runs it, with fsync, in a folder of its own, and a whole Postern on loopback over it.
type world struct {
	dir     string
	cluster *cluster.Cluster
	dsn     string // of the superuser: for seeding, past every wall
	process *process
	addr    string // host:port of the API
	mail    *load.IMAPServer
	wanted  int // tenants to make

	application models.ApplicationID
	tenants     []models.TenantID
	key         string // an API key over the whole application
	grants      []models.GrantID
	asking      *http.Client // made when it is first asked for

	tokens *tokenServer // a provider that counts

	stop context.CancelFunc
	done chan error
}

// world gives the world that the measures share, made at the first call.
func (b *bench) world(ctx context.Context) (*world, error) {
	if b.made != nil {
		return b.made, nil
	}
	fmt.Fprintln(b.out, "  starting Postgres and Postern")
	w := &world{wanted: max(b.tenants, 1)}
	b.made = w // so that what was begun is taken down
	if err := w.start(ctx); err != nil {
		return nil, fmt.Errorf("make the world: %w", err)
	}
	conn, err := pgx.Connect(ctx, w.dsn)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // read only
	var version, fsync, buffers string
	if err := conn.QueryRow(ctx, `SELECT current_setting('server_version'), current_setting('fsync'), current_setting('shared_buffers')`).Scan(&version, &fsync, &buffers); err != nil {
		return nil, fmt.Errorf("ask the server: %w", err)
	}
	settle(ctx, conn)
	b.machine += fmt.Sprintf("; PostgreSQL %s, fsync %s, shared_buffers %s", version, fsync, buffers)
	return w, nil
}

// settle waits until what every process does once at its start is done, a minute at most: days of logs are made, keys are counted. It is no part of any measure.
func settle(ctx context.Context, conn *pgx.Conn) {
	for end := time.Now().Add(time.Minute); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(100 * time.Millisecond) { // jobs tell nobody when they end
		left := 0
		if err := conn.QueryRow(ctx, `SELECT count(*) FROM `+store.JobsSchema+`.river_job WHERE state IN ('available', 'running') AND scheduled_at <= now()`).Scan(&left); err != nil || left == 0 {
			return
		}
	}
}

func (b *bench) end() {
	if b.made == nil {
		return
	}
	if err := b.made.end(); err != nil {
		fmt.Fprintf(b.out, "the bench was not cleared away: %v\n", err)
	}
}

func (w *world) start(ctx context.Context) (err error) {
	if w.dir, err = os.MkdirTemp("", "postern-bench-"); err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	log := slog.New(slog.NewJSONHandler(io.Discard, nil)) // lines are made as in service, and not kept
	if w.cluster, err = cluster.Start(ctx, cluster.Config{Dir: filepath.Join(w.dir, "postgres"), Logger: log}); err != nil {
		return err
	}
	if w.dsn, err = w.cluster.EnsureDatabase(ctx, "postern"); err != nil {
		return err
	}
	if w.addr, err = unusedAddr(); err != nil {
		return err
	}
	if w.mail, err = load.StartIMAP(); err != nil {
		return err
	}
	issuer := filepath.Join(w.dir, "mail-ca.pem")
	if err := os.WriteFile(issuer, w.mail.CA, 0o600); err != nil {
		return fmt.Errorf("write the mail server's issuer: %w", err)
	}
	if w.tokens, err = startTokens(); err != nil {
		return err
	}
	c, err := loadConfig(modeDemo, []string{"--addr", w.addr, "--egress-roots", issuer, "--data", w.dir,
		"--google-token-url", w.tokens.url + "/token", "--google-userinfo-url", w.tokens.url + "/userinfo", "--google-api-url", w.tokens.url + "/"}, nil)
	if err != nil {
		return err
	}
	kek, err := demoKey(c)
	if err != nil {
		return err
	}
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	w.process, err = assemble(ctx, c, w.dsn, kek, extras{demo: true, allow: loopback, limits: v3.Limits{Application: -1, Grant: -1, Key: -1, Detect: -1, Address: -1}}, log)
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	w.stop, w.done = stop, make(chan error, 1)
	ready := make(chan error, 1)
	go func() {
		w.done <- w.process.run(running, func() error { ready <- w.furnish(ctx); return nil })
	}()
	select {
	case err := <-ready:
		return err
	case err := <-w.done:
		w.done <- err
		return errors.Join(errors.New("the server ended"), err)
	}
}

// furnish makes what every measure needs.
func (w *world) furnish(ctx context.Context) error {
	for i := range w.wanted {
		t, err := w.process.engine.Tenants.Create(ctx, system, fmt.Sprintf("Tenant %03d", i), w.process.config.Region)
		if err != nil {
			return err
		}
		w.tenants = append(w.tenants, t.ID)
	}
	a, err := w.process.engine.Applications.Create(ctx, system, applications.Draft{Name: "Bench", Environment: "production", DefaultTenant: w.tenants[0]})
	if err != nil {
		return err
	}
	w.application = a.ID
	_, key, err := w.process.engine.Access.CreateKey(ctx, system, access.Key{Application: a.ID, Name: "bench"})
	w.key = key.Reveal()
	return err
}

// seedGrants makes n valid grants of the application, spread over the tenants and over the last year, by COPY. Grants that are there already count.
func (w *world) seedGrants(ctx context.Context, n int) error {
	if len(w.grants) >= n {
		return nil
	}
	columns := []string{"tenant_id", "id", "application_id", "provider", "subject", "email", "name", "login", "status", "status_reason", "status_at", "settings",
		"scopes_requested", "scopes_granted", "state", "address", "user_agent", "credential", "created_at", "updated_at", "authenticated_at"}
	scopes := []string{"https://www.googleapis.com/auth/gmail.readonly", "https://www.googleapis.com/auth/gmail.send"}
	begin, from := time.Now().UTC().AddDate(-1, 0, 0), len(w.grants)
	_, err := w.copyRows(ctx, "grants", columns, n-from, func(i int) ([]any, error) {
		i += from
		at := begin.Add(time.Duration(float64(i) / float64(n) * float64(360*24*time.Hour)))
		id, address := models.NewID[models.GrantID](at), fmt.Sprintf("person%06d@example.test", i)
		w.grants = append(w.grants, id)
		return []any{w.tenants[i%len(w.tenants)].String(), id.String(), w.application.String(), "google", fmt.Sprintf("subject-%06d", i), address, fmt.Sprintf("Person %d", i), address,
			"valid", "connected", at, map[string]string{}, scopes, scopes, "", "192.0.2.7", "Mozilla/5.0", 1, at, at, at}, nil
	})
	return err
}

// copyRows puts n rows into a table as the superuser, past triggers of policy but not past constraints, and analyses the table.
func (w *world) copyRows(ctx context.Context, table string, columns []string, n int, row func(i int) ([]any, error)) (int64, error) {
	conn, err := pgx.Connect(ctx, w.dsn)
	if err != nil {
		return 0, fmt.Errorf("connect to seed: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // what was written is committed
	copied, err := conn.CopyFrom(ctx, pgx.Identifier{table}, columns, pgx.CopyFromSlice(n, row))
	if err != nil {
		return copied, fmt.Errorf("seed %s: %w", table, err)
	}
	_, err = conn.Exec(ctx, `ANALYZE `+pgx.Identifier{table}.Sanitize()+`; CHECKPOINT`) // what was seeded is not to be written out while something else is measured
	return copied, err
}

func (w *world) end() error {
	var errs []error
	if w.stop != nil {
		w.stop()
		errs = append(errs, <-w.done)
	}
	if w.process != nil {
		errs = append(errs, w.process.engine.Close())
	}
	if w.mail != nil {
		errs = append(errs, w.mail.Close())
	}
	if w.tokens != nil {
		errs = append(errs, w.tokens.server.Close())
	}
	if w.cluster != nil {
		errs = append(errs, w.cluster.Stop(), os.RemoveAll(w.cluster.Home()))
	}
	if w.dir != "" {
		errs = append(errs, os.RemoveAll(w.dir))
	}
	return errors.Join(errs...)
}

// unusedAddr finds a port that nobody listens on just now.
func unusedAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}
