package sealed_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/outbox"
	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/vault"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
	"github.com/postern-mail/postern/models/store/storetest"
)

type world struct {
	*storetest.Database
	safe *sealed.Safe
	a, b models.TenantID
}

func newWorld(t *testing.T) world {
	t.Helper()
	db := storetest.New(t, nil)
	kek, err := vault.CreateFileKEK(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	w := world{Database: db, safe: sealed.New(vault.New(kek, "test", time.Now), time.Now),
		a: models.NewID[models.TenantID](time.Now()), b: models.NewID[models.TenantID](time.Now())}
	conn := owner(t, db)
	for _, id := range []models.TenantID{w.a, w.b} {
		if _, err := conn.Exec(context.Background(), `INSERT INTO tenants VALUES ($1, 'a tenant', 'eu', 'active', now(), now())`, id.String()); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func owner(t *testing.T, db *storetest.Database) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func TestPutMoveDestroy(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	grant := sealed.Owner{Kind: sealed.GrantOwner, ID: models.NewID[models.GrantID](time.Now()).String()}
	severance := sealed.Owner{Kind: sealed.SeveranceOwner, ID: models.NewID[models.SeveranceID](time.Now()).String()}
	err := w.InTenant(ctx, w.a, func(tx *store.Tx) error {
		for _, value := range []string{"first", "second"} {
			if err := w.safe.Put(ctx, tx, w.a, grant, "refresh_token", secret.New(value)); err != nil {
				return err
			}
		}
		got, err := w.safe.Open(ctx, tx, w.a, grant, "refresh_token")
		if err != nil || got.Reveal() != "second" {
			t.Errorf("opened %v", err)
		}
		if n, err := w.safe.Move(ctx, tx, w.a, grant, severance); err != nil || n != 1 {
			t.Errorf("moved %d, %v", n, err)
		}
		if _, err := w.safe.Open(ctx, tx, w.a, grant, "refresh_token"); !errors.Is(err, sealed.ErrAbsent) {
			t.Errorf("after the move the old place still opens: %v", err)
		}
		if got, err := w.safe.Open(ctx, tx, w.a, severance, "refresh_token"); err != nil || got.Reveal() != "second" {
			t.Errorf("in the new place: %v", err)
		}
		n, err := w.safe.Destroy(ctx, tx, w.a, severance)
		if n != 1 {
			t.Errorf("destroyed %d", n)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.InTenant(ctx, w.a, func(tx *store.Tx) error {
		return w.safe.Put(ctx, tx, w.a, grant, "a_field_nobody_registered", secret.New("x"))
	}); err == nil {
		t.Error("a field outside the registry was sealed")
	}
}

// TestRowCannotBeMovedInTheDatabase is A56: it plays somebody with write access to the tables: copies, rollbacks and replacements must not open.
func TestRowCannotBeMovedInTheDatabase(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	first := sealed.Owner{Kind: sealed.GrantOwner, ID: models.NewID[models.GrantID](time.Now()).String()}
	second := sealed.Owner{Kind: sealed.GrantOwner, ID: models.NewID[models.GrantID](time.Now()).String()}
	for tenant, o := range map[models.TenantID]sealed.Owner{w.a: first, w.b: second} {
		if err := w.InTenant(ctx, tenant, func(tx *store.Tx) error {
			return w.safe.Put(ctx, tx, tenant, o, "password", secret.New("secret of "+o.ID))
		}); err != nil {
			t.Fatal(err)
		}
	}
	conn := owner(t, w.Database)
	open := func(tenant models.TenantID, o sealed.Owner) error {
		return w.InTenant(ctx, tenant, func(tx *store.Tx) error {
			_, err := w.safe.Open(ctx, tx, tenant, o, "password")
			return err
		})
	}
	for name, damage := range map[string]string{
		"another row's ciphertext": `UPDATE sealed SET ciphertext = (SELECT ciphertext FROM sealed WHERE owner_id = '` + second.ID + `') WHERE owner_id = '` + first.ID + `'`,
		"an older version":         `UPDATE sealed SET version = version + 1 WHERE owner_id = '` + first.ID + `'`,
		"cleartext":                `UPDATE sealed SET ciphertext = 'hunter2' WHERE owner_id = '` + first.ID + `'`,
		"another tenant's key":     `UPDATE data_keys SET wrapped = (SELECT wrapped FROM data_keys WHERE tenant_id = '` + w.b.String() + `') WHERE tenant_id = '` + w.a.String() + `'`,
	} {
		if _, err := conn.Exec(ctx, `CREATE TABLE kept AS SELECT * FROM sealed; CREATE TABLE kept_keys AS SELECT * FROM data_keys`); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(ctx, damage); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(name, "key") {
			kekless := sealed.New(vault.New(failing{}, "test", time.Now), time.Now)
			if err := w.InTenant(ctx, w.a, func(tx *store.Tx) error {
				_, err := kekless.Open(ctx, tx, w.a, first, "password")
				return err
			}); !errors.Is(err, vault.ErrWrongKey) {
				t.Errorf("%s: %v", name, err)
			}
		} else if err := open(w.a, first); !errors.Is(err, vault.ErrSealed) {
			t.Errorf("%s: opened with %v", name, err)
		}
		if _, err := conn.Exec(ctx, `DELETE FROM sealed; UPDATE data_keys d SET wrapped = k.wrapped FROM kept_keys k WHERE k.tenant_id = d.tenant_id; INSERT INTO sealed (tenant_id, owner_kind, owner_id, field, version, ciphertext, created_at) SELECT tenant_id, owner_kind, owner_id, field, version, ciphertext, created_at FROM kept; DROP TABLE kept, kept_keys`); err != nil {
			t.Fatal(err)
		}
		if err := open(w.a, first); err != nil {
			t.Fatalf("after repair: %v", err)
		}
	}
}

// failing is a key-encryption key that opens nothing.
type failing struct{}

func (failing) ID() string                          { return "failing" }
func (failing) Encrypt(_, _ []byte) ([]byte, error) { return nil, errors.New("no") }
func (failing) Decrypt(_, _ []byte) ([]byte, error) { return nil, errors.New("no") }

// TestAuditEventAndQueueShareTheTransaction: all or nothing.
func TestAuditEventAndQueueShareTheTransaction(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	keeper := audit.New(w.Store, time.Now)
	out, err := outbox.New(w.safe, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	conn := owner(t, w.Database)
	app := models.NewID[models.ApplicationID](time.Now())
	change := func(fail error) error {
		return w.InTenant(ctx, w.a, func(tx *store.Tx) error {
			if err := keeper.Append(ctx, tx, models.System("test"), audit.Entry{Action: "grant.revoke", Tenant: w.a, ObjectKind: "grant", ObjectID: "1", Object: "ada@example.com"}); err != nil {
				return err
			}
			if _, err := out.Event(ctx, tx, outbox.Event{Tenant: w.a, Application: app, Type: "grant.updated", Source: "/nylas/system", Object: map[string]string{"email": "canary@example.com"}}); err != nil {
				return err
			}
			return fail
		})
	}
	counts := func() (n [4]int) {
		if err := conn.QueryRow(ctx, `SELECT (SELECT count(*) FROM audit_entries), (SELECT count(*) FROM events), (SELECT count(*) FROM sealed), (SELECT count(*) FROM event_queue)`).Scan(&n[0], &n[1], &n[2], &n[3]); err != nil {
			t.Fatal(err)
		}
		return n
	}
	wanted := errors.New("the change failed")
	if err := change(wanted); !errors.Is(err, wanted) || counts() != [4]int{} {
		t.Fatalf("a failed change left %v behind, %v", counts(), err)
	}
	if err := change(nil); err != nil || counts() != [4]int{1, 1, 1, 1} {
		t.Fatalf("a change wrote %v, %v", counts(), err)
	}
	for _, statement := range []string{`UPDATE audit_entries SET actor = 'nobody'`, `DELETE FROM audit_entries`, `TRUNCATE audit_entries`} {
		if _, err := conn.Exec(ctx, statement); err == nil {
			t.Errorf("the owner of the tables could %s", statement)
		}
	}
	staff := models.Actor{Kind: models.ActorMember, Role: models.Support}
	other := models.Actor{Kind: models.ActorMember, Role: models.Customer, Tenant: w.b}
	own := models.Actor{Kind: models.ActorMember, Role: models.Customer, Tenant: w.a}
	for name, c := range map[string]struct {
		actor models.Actor
		want  int
	}{"staff": {staff, 1}, "another tenant": {other, 0}, "own tenant": {own, 1}} {
		page, err := keeper.List(ctx, c.actor, audit.Filter{})
		if err != nil || len(page.Entries) != c.want {
			t.Errorf("%s sees %d entries, %v", name, len(page.Entries), err)
		}
	}
	if _, err := keeper.List(ctx, own, audit.Filter{Cursor: "bm9uc2Vuc2U"}); err == nil {
		t.Error("a damaged cursor was taken")
	}
}
