package store_test

import (
	"context"
	"crypto/rand"
	"errors"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
	"github.com/postern-mail/postern/models/store/storetest"
)

// twoTenants are identical to the letter, so that only the scope tells them apart.
type twoTenants struct {
	*storetest.Database
	app    models.ApplicationID
	tenant [2]models.TenantID
	grant  [2]models.GrantID
}

func newTwoTenants(t *testing.T) twoTenants {
	t.Helper()
	w := twoTenants{Database: storetest.New(t, nil), app: models.NewID[models.ApplicationID](time.Now())}
	now := time.Now().UTC()
	err := w.OnPlatform(context.Background(), "furnish a test", func(tx *store.Tx) error {
		for i := range w.tenant {
			w.tenant[i] = models.NewID[models.TenantID](now)
			if err := tx.InsertTenant(models.Tenant{ID: w.tenant[i], Name: "the same", Region: "eu", State: models.TenantActive, CreatedAt: now, UpdatedAt: now}); err != nil {
				return err
			}
		}
		return tx.InsertApplication(models.Application{ID: w.app, Name: "app", Environment: "test", CreatedAt: now, UpdatedAt: now})
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, tenant := range w.tenant {
		w.grant[i] = models.NewID[models.GrantID](now)
		err := w.InTenant(context.Background(), tenant, func(tx *store.Tx) error {
			_, err := tx.InsertGrant(models.Grant{TenantID: tenant, ID: w.grant[i], ApplicationID: w.app, Provider: "imap", Subject: "one mailbox", Email: "a@example.com", Status: models.GrantPending,
				StatusReason: "consented", StatusAt: now, CreatedAt: now, UpdatedAt: now})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func code(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// TestScopeIsTheSecondWall asks with the wrong WHERE on purpose: the first wall is taken away, the second must hold.
func TestScopeIsTheSecondWall(t *testing.T) {
	ctx, w := context.Background(), newTwoTenants(t)
	count := func(tx *store.Tx) (n int) {
		if err := tx.SQL().QueryRowContext(ctx, `SELECT count(*) FROM grants`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	_ = w.InTenant(ctx, w.tenant[0], func(tx *store.Tx) error {
		if n := count(tx); n != 1 {
			t.Errorf("a tenant sees %d grants", n)
		}
		if _, err := tx.Grant(w.tenant[1], w.grant[1]); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("another tenant's grant: %v", err)
		}
		if err := tx.DeleteGrant(w.tenant[1], w.grant[1]); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("deleting another tenant's grant: %v", err)
		}
		return nil
	})
	err := w.InTenant(ctx, w.tenant[0], func(tx *store.Tx) error {
		_, err := tx.SQL().ExecContext(ctx, `UPDATE grants SET tenant_id = $1`, w.tenant[1].String())
		return err
	})
	if code(err) != "42501" && code(err) != "23505" {
		t.Errorf("a grant was moved to another tenant: %v", err)
	}
	_ = w.InApplication(ctx, w.app, func(tx *store.Tx) error {
		if n := count(tx); n != 2 {
			t.Errorf("an application sees %d grants", n)
		}
		return nil
	})
	_ = w.InApplication(ctx, models.NewID[models.ApplicationID](time.Now()), func(tx *store.Tx) error {
		if n := count(tx); n != 0 {
			t.Errorf("another application sees %d grants", n)
		}
		return nil
	})
	err = w.OnPlatform(ctx, "a test that must fail", func(tx *store.Tx) error {
		_, err := tx.SQL().ExecContext(ctx, `SELECT * FROM sealed`)
		return err
	})
	if code(err) != "42501" {
		t.Errorf("the platform read sealed values: %v", err)
	}
}

// TestInjectedSQLCannotChangeTheScope plays A25: an attacker who can run any statement in our transaction.
func TestInjectedSQLCannotChangeTheScope(t *testing.T) {
	ctx, w := context.Background(), newTwoTenants(t)
	var signed string
	_ = w.InTenant(ctx, w.tenant[0], func(tx *store.Tx) error {
		return tx.SQL().QueryRowContext(ctx, `SELECT current_setting('postern.scope')`).Scan(&signed)
	})
	part := strings.Split(signed, "|")
	forged := map[string]string{
		"another tenant under our MAC": strings.Replace(signed, w.tenant[0].String(), w.tenant[1].String(), 1),
		"an application":               strings.Replace(signed, "tenant|", "application|", 1),
		"a later expiry":               strings.Join([]string{part[0], part[1], part[2], "99999999999", part[4]}, "|"),
		"no MAC":                       strings.Join(part[:4], "|"),
		"an empty MAC":                 strings.Join(part[:4], "|") + "|",
		"nonsense":                     "tenant",
	}
	for name, scope := range forged {
		err := w.InTenant(ctx, w.tenant[0], func(tx *store.Tx) error {
			if _, err := tx.SQL().ExecContext(ctx, `SELECT set_config('postern.scope', $1, true)`, scope); err != nil {
				return err
			}
			var n int
			err := tx.SQL().QueryRowContext(ctx, `SELECT count(*) FROM grants`).Scan(&n)
			if err == nil {
				t.Errorf("%s: %d grants are seen", name, n)
			}
			return err
		})
		if code(err) != "42501" {
			t.Errorf("%s: %v", name, err)
		}
	}
	// a scope that was signed for another backend is worth nothing here
	err := w.InTenant(ctx, w.tenant[1], func(tx *store.Tx) error {
		var mine int
		if err := tx.SQL().QueryRowContext(ctx, `SELECT pg_backend_pid()`).Scan(&mine); err != nil {
			return err
		}
		return w.InTenant(ctx, w.tenant[0], func(other *store.Tx) error {
			var stolen string
			if err := other.SQL().QueryRowContext(ctx, `SELECT current_setting('postern.scope')`).Scan(&stolen); err != nil {
				return err
			}
			if _, err := tx.SQL().ExecContext(ctx, `SELECT set_config('postern.scope', $1, true)`, stolen); err != nil {
				return err
			}
			var n int
			return tx.SQL().QueryRowContext(ctx, `SELECT count(*) FROM grants`).Scan(&n)
		})
	})
	if code(err) != "42501" {
		t.Errorf("a scope of another backend: %v", err)
	}
	for _, statement := range []string{`SELECT * FROM sec.scope_key`, `SET ROLE postern_platform`, `SELECT sec.scope()`, `CREATE TABLE x ()`, `TRUNCATE grants`, `CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'`,
		`ALTER TABLE grants DISABLE ROW LEVEL SECURITY`, `UPDATE audit_entries SET actor = ''`, `DELETE FROM audit_entries`} {
		err := w.InTenant(ctx, w.tenant[0], func(tx *store.Tx) error {
			_, err := tx.SQL().ExecContext(ctx, statement)
			return err
		})
		if code(err) != "42501" {
			t.Errorf("%s: %v", statement, err)
		}
	}
}

func TestWithoutAScopeNothingIsSeen(t *testing.T) {
	ctx, w := context.Background(), newTwoTenants(t)
	// A transaction that forgot its scope, on a connection where another had one before.
	for range 5 {
		_ = w.InTenant(ctx, w.tenant[0], func(*store.Tx) error { return nil })
	}
	err := w.InTenant(ctx, w.tenant[0], func(tx *store.Tx) error {
		if _, err := tx.SQL().ExecContext(ctx, `SELECT set_config('postern.scope', '', true)`); err != nil {
			return err
		}
		var n int
		if err := tx.SQL().QueryRowContext(ctx, `SELECT count(*) FROM grants`).Scan(&n); err != nil || n != 0 {
			t.Errorf("without a scope %d grants are seen, %v", n, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestPoolNeverMixesTenants plays A26: many goroutines, two tenants, one small pool, contexts that end at random.
func TestPoolNeverMixesTenants(t *testing.T) {
	w := newTwoTenants(t)
	reads := 200
	if testing.Short() {
		reads = 20
	}
	var wait sync.WaitGroup
	for i := range 32 {
		wait.Go(func() {
			mine := i % 2
			for range reads {
				ctx, cancel := context.WithCancel(context.Background())
				if n, _ := rand.Int(rand.Reader, big.NewInt(10)); n.Int64() == 0 {
					time.AfterFunc(time.Duration(n.Int64())*100*time.Microsecond, cancel)
				}
				_ = w.InTenant(ctx, w.tenant[mine], func(tx *store.Tx) error {
					rows, err := tx.Grants(store.GrantQuery{Limit: 10})
					if err == nil && (len(rows) != 1 || rows[0].TenantID != w.tenant[mine]) {
						t.Errorf("tenant %d sees %d rows", mine, len(rows))
					}
					return err
				})
				cancel()
			}
		})
	}
	wait.Wait()
}

func TestErrorsAndPanicsRollBack(t *testing.T) {
	ctx, w := context.Background(), newTwoTenants(t)
	stop := errors.New("stop")
	if err := w.InTenant(ctx, w.tenant[0], func(tx *store.Tx) error {
		if err := tx.DeleteGrant(w.tenant[0], w.grant[0]); err != nil {
			return err
		}
		return stop
	}); !errors.Is(err, stop) {
		t.Fatal(err)
	}
	func() {
		defer func() { _ = recover() }()
		_ = w.InTenant(ctx, w.tenant[0], func(tx *store.Tx) error {
			_ = tx.DeleteGrant(w.tenant[0], w.grant[0])
			panic("in the middle")
		})
	}()
	if err := w.InTenant(ctx, w.tenant[0], func(tx *store.Tx) error { _, err := tx.Grant(w.tenant[0], w.grant[0]); return err }); err != nil {
		t.Errorf("after an error and a panic: %v", err)
	}
	illegal := w.InTenant(ctx, w.tenant[0], func(tx *store.Tx) error {
		_, err := tx.SQL().ExecContext(ctx, `UPDATE grants SET status = 'invalid', status_at = now() WHERE status = 'pending'`)
		return err
	})
	if code(illegal) != "23514" {
		t.Errorf("a pending grant became invalid: %v", illegal)
	}
}

func TestDeadlocksAreRunAgain(t *testing.T) {
	ctx, w := context.Background(), newTwoTenants(t)
	runs := 0
	err := w.InTenant(ctx, w.tenant[0], func(*store.Tx) error {
		if runs++; runs < 3 {
			return &pgconn.PgError{Code: "40P01"}
		}
		return nil
	})
	if err != nil || runs != 3 {
		t.Errorf("%d runs, %v", runs, err)
	}
}

func TestSchemaMatchesModels(t *testing.T) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, storetest.Fresh(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	for table, tags := range columnsOfModels() {
		var columns []string
		if err := conn.QueryRow(ctx, `SELECT COALESCE(array_agg(column_name::text ORDER BY column_name), '{}') FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1`, table).Scan(&columns); err != nil {
			t.Fatal(err)
		}
		if strings.Join(columns, " ") != strings.Join(tags, " ") {
			t.Errorf("%s has columns\n  %v\nand its model\n  %v", table, columns, tags)
		}
	}
}
