// Package storetest gives each test a migrated database of its own.
//
// It owns the template from which the databases are copied and their names. It relies on models/store/cluster for the one
// throwaway server that all test programs of a machine share. It is for tests only.
package storetest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postern-mail/postern/migrations"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
	"github.com/postern-mail/postern/models/store/cluster"
)

// Secret is the instance secret of every test database. It is known to all, and guards nothing.
var Secret = []byte("the instance secret of all tests")

// Database is one test's own.
type Database struct {
	*store.Store
	DSN    string // of the owner, for a look behind the walls
	Secret []byte
}

// New copies the template into a fresh database, opens it, and drops it when the test ends. now may be nil for the real clock.
func New(t testing.TB, now func() time.Time) *Database {
	t.Helper()
	if now == nil {
		now = time.Now
	}
	ctx := context.Background()
	dsn := Fresh(t)
	s, err := store.Open(ctx, store.Config{DSN: dsn, Secret: Secret, Conns: 8, Now: now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return &Database{Store: s, DSN: dsn, Secret: Secret}
}

// Fresh makes a migrated and prepared database and gives its owner's address. It is dropped when the test ends.
func Fresh(t testing.TB) string {
	t.Helper()
	server, template := prepared(t)
	return create(t, server, template)
}

// Empty makes a database without any schema.
func Empty(t testing.TB) string {
	t.Helper()
	return create(t, shared(t), "template0")
}

func create(t testing.TB, server *cluster.Cluster, template string) string {
	t.Helper()
	name := "t_" + strings.ReplaceAll(models.NewID[models.EventID](time.Now()).String(), "-", "")
	admin(t, server, `CREATE DATABASE `+name+` TEMPLATE `+template)
	t.Cleanup(func() { admin(t, server, `DROP DATABASE IF EXISTS `+name+` WITH (FORCE)`) })
	return server.DSN(name)
}

// join asks for the shared server once a test program: it starts it or finds it running.
var join = sync.OnceValues(func() (*cluster.Cluster, error) { return cluster.ForTests(context.Background()) })

func shared(t testing.TB) *cluster.Cluster {
	t.Helper()
	server, err := join()
	if err != nil {
		t.Fatalf("the tests' Postgres: %v", err)
	}
	return server
}

func admin(t testing.TB, server *cluster.Cluster, statement string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, server.DSN("postgres"))
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	defer conn.Close(ctx) //nolint:errcheck // done with it
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// prepared makes sure that the template of today's migrations is there. Test programs run side by side, so a lock on the server guards it;
// a new text of any migration makes a new template.
func prepared(t testing.TB) (*cluster.Cluster, string) {
	t.Helper()
	ctx := context.Background()
	server := shared(t)
	template := "tpl_" + fingerprint(t)
	conn, err := pgx.Connect(ctx, server.DSN("postgres"))
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	defer conn.Close(ctx) //nolint:errcheck // ends the lock too
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock(8437019203)`); err != nil {
		t.Fatalf("lock: %v", err)
	}
	var there bool
	if err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1 AND datistemplate)`, template).Scan(&there); err != nil {
		t.Fatal(err)
	}
	if there {
		return server, template
	}
	for _, statement := range []string{`DROP DATABASE IF EXISTS ` + template, `CREATE DATABASE ` + template + ` TEMPLATE template0`} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	dsn := server.DSN(template)
	if err := Install(ctx, dsn); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(ctx, `ALTER DATABASE `+template+` IS_TEMPLATE true`); err != nil {
		t.Fatal(err)
	}
	return server, template
}

// Install migrates an empty database and records a test installation in it.
func Install(ctx context.Context, dsn string) error {
	if err := store.Migrate(ctx, dsn, slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	instance := store.Instance{ID: models.NewID[models.EventID](time.Now()).String(), Region: "eu", KEKID: "test", WrappedSecret: []byte{0}, Canary: []byte{0}}
	if err := store.SaveInstance(ctx, dsn, instance); err != nil {
		return err
	}
	return store.Prepare(ctx, dsn, Secret)
}

func fingerprint(t testing.TB) string {
	t.Helper()
	h := sha256.New()
	names, err := fs.Glob(migrations.Files, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(migrations.Files, name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(h, "%s %d\n%s", name, len(text), text)
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}
