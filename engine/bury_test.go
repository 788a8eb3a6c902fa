package engine_test

import (
	"context"
	"encoding/hex"
	"io"
	"log/slog"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postern-mail/postern/engine"
	"github.com/postern-mail/postern/engine/applications"
	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/offboardings"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/imap"
	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/tokens"
	"github.com/postern-mail/postern/engine/vault"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
	"github.com/postern-mail/postern/models/store/storetest"
)

// TestARestoreBringsNothingBack is F28: the database of before the cuts is served again, beside the ledger of after them.
func TestARestoreBringsNothingBack(t *testing.T) {
	ctx := context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	kek, err := vault.CreateFileKEK(filepath.Join(t.TempDir(), "key"))
	must(err)
	guard := dial.New(dial.Config{})
	set := provider.NewSet(nil, imap.New(imap.Config{Guard: guard, Now: time.Now}))
	dsn := storetest.Fresh(t)
	config := engine.Config{DSN: dsn, Installation: engine.Installation{ID: "test", Region: "eu", Secret: storetest.Secret}, KEK: kek, BaseURL: &url.URL{Scheme: "https", Host: "postern.example"}, Company: "Acme",
		Guard: guard, Providers: set, Tombstones: filepath.Join(t.TempDir(), "tombstones"), Now: time.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	e, err := engine.New(ctx, config)
	must(err)
	defer e.Close()
	system := models.System("test")
	sam := models.Actor{Kind: models.ActorMember, ID: "sam", Label: "Sam", Role: models.Support}
	kim := models.Actor{Kind: models.ActorMember, ID: "kim", Label: "Kim", Role: models.Support}
	leaving, err := e.Tenants.Create(ctx, system, "Leaving", "eu")
	must(err)
	staying, err := e.Tenants.Create(ctx, system, "Staying", "eu")
	must(err)
	app, err := e.Applications.Create(ctx, system, applications.Draft{Name: "CRM", DefaultTenant: staying.ID})
	must(err)
	kept := tokens.New(tokens.Config{Store: e.Store, Safe: sealed.New(vault.New(kek, "test", time.Now), time.Now), Providers: set, Now: time.Now})
	connect := func(tenant models.TenantID, address string) models.Grant {
		at := time.Now().UTC()
		g := models.Grant{TenantID: tenant, ID: models.NewID[models.GrantID](at), ApplicationID: app.ID, Provider: "imap", Subject: address, Email: address, Login: address, Status: models.GrantPending, StatusReason: "consented",
			StatusAt: at, Settings: models.Settings{}, ScopesRequested: models.Strings{}, ScopesGranted: models.Strings{}, CreatedAt: at, UpdatedAt: at}
		must(e.Store.InTenant(ctx, tenant, func(tx *store.Tx) (err error) {
			if g, err = tx.InsertGrant(g); err != nil {
				return err
			}
			g.StatusReason = "connected"
			if err := tx.MarkGrantConnected(g, time.Now()); err != nil {
				return err
			}
			return kept.Save(ctx, tx, tenant, tokens.Grant(g.ID), tokens.Credential{Password: secret.New("canary")})
		}))
		return g
	}
	gone, cut, back, alive := connect(leaving.ID, "a@leaving.example"), connect(staying.ID, "cut@staying.example"), connect(staying.ID, "back@staying.example"), connect(staying.ID, "alive@staying.example")

	// What a backup holds of this moment.
	owner, err := pgx.Connect(ctx, dsn)
	must(err)
	defer owner.Close(ctx)
	for _, statement := range []string{`CREATE SCHEMA backup`, `CREATE TABLE backup.grants AS TABLE grants`, `CREATE TABLE backup.sealed AS TABLE sealed`, `CREATE TABLE backup.data_keys AS TABLE data_keys`} {
		_, err = owner.Exec(ctx, statement)
		must(err)
	}

	_, err = e.Grants.Revoke(ctx, sam, cut.ID, "left")
	must(err)
	_, err = e.Grants.Revoke(ctx, sam, back.ID, "by mistake")
	must(err)
	back = connect(staying.ID, "back@staying.example") // the owner consents anew, after the cut
	o, err := e.Offboardings.Plan(ctx, sam, leaving.ID, offboardings.Request{Reason: "It left."})
	must(err)
	_, err = e.Offboardings.Approve(ctx, kim, o.ID, hexOf(o.PlanHash))
	must(err)
	for more := true; more; {
		more, _, err = e.Offboardings.Step(ctx, leaving.ID, o.ID)
		must(err)
	}
	_, err = e.BuryOnce(ctx, time.Time{})
	must(err)

	// A start on the database as it is cuts nothing.
	same, err := engine.New(ctx, config)
	must(err)
	grants, tenants, err := same.CutAgain(ctx)
	must(err)
	must(same.Close())
	if grants != 0 || tenants != 0 {
		t.Fatalf("a plain start cut %d grants and %d tenants again", grants, tenants)
	}

	// The restore: the rows of the backup are there again, and what was written since is gone.
	for _, statement := range []string{
		`DELETE FROM receipts`, `DELETE FROM severances`, `DELETE FROM offboarding_steps`, `DELETE FROM offboardings`, `DELETE FROM sealed`, `DELETE FROM grants WHERE email <> 'back@staying.example'`,
		`UPDATE tenants SET state = 'active'`, `UPDATE data_keys k SET wrapped = b.wrapped, destroyed_at = NULL FROM backup.data_keys b WHERE b.tenant_id = k.tenant_id`,
		`INSERT INTO grants SELECT * FROM backup.grants WHERE email <> 'back@staying.example'`, `INSERT INTO sealed (tenant_id, owner_kind, owner_id, field, version, ciphertext, created_at) SELECT tenant_id, owner_kind, owner_id, field, version, ciphertext, created_at FROM backup.sealed`,
	} {
		_, err = owner.Exec(ctx, statement)
		must(err)
	}
	restoredEngine, err := engine.New(ctx, config)
	must(err)
	defer restoredEngine.Close()
	grants, tenants, err = restoredEngine.CutAgain(ctx)
	must(err)
	if grants != 1 || tenants != 1 {
		t.Errorf("%d grants and %d tenants were cut again, want 1 and 1", grants, tenants)
	}
	for _, c := range []struct {
		name   string
		g      models.Grant
		usable bool
	}{{"of the tenant that left", gone, false}, {"that was cut", cut, false}, {"that came back after its cut", back, true}, {"that was never cut", alive, true}} {
		found, err := restoredEngine.Grants.Find(ctx, sam, c.g.ID)
		must(err)
		if found.Usable() != c.usable {
			t.Errorf("the grant %s is %s", c.name, found.Status)
		}
	}
	for query, want := range map[string]int{
		`SELECT count(*) FROM sealed WHERE tenant_id = $1`: 0, `SELECT count(*) FROM data_keys WHERE tenant_id = $1 AND wrapped IS NOT NULL`: 0,
		`SELECT count(*) FROM tenants WHERE id = $1 AND state = 'offboarded'`: 1, `SELECT count(*) FROM audit_entries WHERE tenant_id = $1 AND action = 'tenant.cut_again'`: 1,
	} {
		var n int
		must(owner.QueryRow(ctx, query, leaving.ID.String()).Scan(&n))
		if n != want {
			t.Errorf("%s: %d, want %d", query, n, want)
		}
	}
	if _, err := kept.Fresh(ctx, leaving.ID, gone.ID); err == nil {
		t.Error("the credential of the tenant that left is given again")
	}
}

func hexOf(b []byte) string { return hex.EncodeToString(b) }
