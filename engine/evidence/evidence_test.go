package evidence_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postern-mail/postern/engine"
	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/evidence"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/vault"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store/storetest"
)

var (
	ctx   = context.Background()
	owner = models.Actor{Kind: models.ActorMember, ID: "owner", Label: "Owner", Role: models.Owner, Permissions: models.Owner.Permissions()}
)

type world struct {
	*engine.Engine
	t    *testing.T
	conn *pgx.Conn
}

func newWorld(t *testing.T, base string, allow ...netip.Prefix) world {
	t.Helper()
	kek, err := vault.CreateFileKEK(filepath.Join(t.TempDir(), "key"))
	check(t, err)
	u, err := url.Parse(base)
	check(t, err)
	dsn := storetest.Fresh(t)
	guard := dial.New(dial.Config{Allow: allow})
	e, err := engine.New(ctx, engine.Config{DSN: dsn, Installation: engine.Installation{ID: "test", Region: "eu", Secret: storetest.Secret}, KEK: kek, BaseURL: u, Company: "Acme", Guard: guard, EgressAllow: allow,
		Providers: provider.NewSet(nil), Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	check(t, err)
	t.Cleanup(func() { _ = e.Close() })
	conn, err := pgx.Connect(ctx, dsn)
	check(t, err)
	t.Cleanup(func() { _ = conn.Close(ctx) })
	return world{Engine: e, t: t, conn: conn}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w world) exec(sql string) {
	w.t.Helper()
	_, err := w.conn.Exec(ctx, sql)
	check(w.t, err)
}

func (w world) state(id string) evidence.Result {
	w.t.Helper()
	found, err := w.Evidence.Evaluate(ctx, owner)
	check(w.t, err)
	r, ok := evidence.Find(found, id)
	if !ok {
		w.t.Fatalf("there is no row %s", id)
	}
	return r
}

// seed is everything that rows are judged by, as it should be.
const seed = `
INSERT INTO tenants VALUES ('018f0000-0000-7000-8000-000000000001', 'Northwind', 'eu', 'active', now(), now());
INSERT INTO applications (id, name, created_at, updated_at) VALUES ('018f0000-0000-7000-8000-000000000002', 'CRM', now(), now());
INSERT INTO members (id, name, email, user_handle, created_at) VALUES ('018f0000-0000-7000-8000-000000000003', 'Ada', 'ada@acme.example', sha256('ada'), now());
INSERT INTO memberships VALUES ('018f0000-0000-7000-8000-000000000004', '018f0000-0000-7000-8000-000000000003', 'owner', NULL, now());
INSERT INTO passkeys (id, member_id, credential_id, credential, name, created_at) VALUES ('018f0000-0000-7000-8000-000000000005', '018f0000-0000-7000-8000-000000000003', 'x', '{}', 'key', now());
INSERT INTO callback_uris (application_id, id, url, created_at) VALUES ('018f0000-0000-7000-8000-000000000002', '018f0000-0000-7000-8000-000000000006', 'https://crm.example/callback', now());
INSERT INTO api_keys (application_id, id, name, prefix, hash, created_by, created_at) VALUES ('018f0000-0000-7000-8000-000000000002', '018f0000-0000-7000-8000-000000000007', 'k', 'p', sha256('k'), 'x', now());
INSERT INTO webhooks (application_id, id, url, trigger_types, status, status_at, created_at, updated_at) VALUES ('018f0000-0000-7000-8000-000000000002', '018f0000-0000-7000-8000-000000000008', 'https://crm.example/hook', '{grant.created}', 'active', now(), now(), now());
INSERT INTO webhook_secrets (application_id, webhook_id, id, generation, valid_from) VALUES ('018f0000-0000-7000-8000-000000000002', '018f0000-0000-7000-8000-000000000008', '018f0000-0000-7000-8000-000000000009', 1, now());
INSERT INTO grants (tenant_id, id, application_id, provider, subject, email, status, status_reason, status_at, scopes_requested, scopes_granted, created_at, updated_at)
	VALUES ('018f0000-0000-7000-8000-000000000001', '018f0000-0000-7000-8000-00000000000a', '018f0000-0000-7000-8000-000000000002', 'sandbox', 'subject-4711', 'ada.lovelace@northwind.example', 'valid', 'connected', now(), '{mail.read}', '{mail.read}', now(), now());
INSERT INTO capability_uses VALUES ('018f0000-0000-7000-8000-000000000001', '018f0000-0000-7000-8000-00000000000a', 'read_mail', now(), now());
INSERT INTO egress_hosts (purpose, host, port, connected, first_at, last_at, seen_at) VALUES ('webhook', 'crm.example', 443, 1, now(), now(), now());
`

// TestEveryRowCanFail breaks the fact behind each row, one at a time, and mends it again. A row that stays as it was is a constant.
func TestEveryRowCanFail(t *testing.T) {
	w := newWorld(t, "https://mail.example.com")
	// The seed is put by the owner, past the walls, as a broken fact would be.
	w.exec(`DO $$ DECLARE t record; BEGIN FOR t IN SELECT relname FROM pg_class WHERE relforcerowsecurity LOOP EXECUTE format('ALTER TABLE %I NO FORCE ROW LEVEL SECURITY', t.relname); END LOOP; END $$`)
	w.exec(seed)
	w.exec(`DO $$ DECLARE t record; BEGIN FOR t IN SELECT relname FROM pg_class WHERE relrowsecurity AND relkind IN ('r', 'p') LOOP EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t.relname); END LOOP; END $$`)
	loose := func(table, sql string) string {
		return `ALTER TABLE ` + table + ` NO FORCE ROW LEVEL SECURITY; ` + sql + `; ALTER TABLE ` + table + ` FORCE ROW LEVEL SECURITY`
	}
	for _, c := range []struct{ id, broken, mended string }{
		{"reach", loose("grants", `UPDATE grants SET scopes_granted = '{}'`), loose("grants", `UPDATE grants SET scopes_granted = '{mail.read}'`)},
		{"cut", loose("severances", `INSERT INTO severances (tenant_id, id, application_id, grant_id, act, provider, subject, email, actor, actor_id, reason, cut_at) VALUES ('018f0000-0000-7000-8000-000000000001', gen_random_uuid(), '018f0000-0000-7000-8000-000000000002', gen_random_uuid(), 'revoke', 'google', 's', 'a@b.example', 'x', 'x', '', now() - interval '4 days')`), loose("severances", `DELETE FROM severances`)},
		{"region", loose("tenants", `ALTER TABLE tenants DISABLE TRIGGER tenant_may_move; UPDATE tenants SET region = 'us'`), loose("tenants", `UPDATE tenants SET region = 'eu'`)},
		{"asvs-passkeys", `DELETE FROM passkeys`, `INSERT INTO passkeys (id, member_id, credential_id, credential, name, created_at) VALUES ('018f0000-0000-7000-8000-000000000005', '018f0000-0000-7000-8000-000000000003', 'x', '{}', 'key', now())`},
		{"asvs-sessions", `INSERT INTO sessions (id_hash, created_at, seen_at, expires_at) VALUES (sha256('s'), now(), now(), now() + interval '3 days')`, `DELETE FROM sessions`},
		{"asvs-tenants", `ALTER TABLE grants NO FORCE ROW LEVEL SECURITY`, `ALTER TABLE grants FORCE ROW LEVEL SECURITY`},
		{"asvs-callbacks", loose("callback_uris", `UPDATE callback_uris SET url = 'http://crm.example/callback'`), loose("callback_uris", `UPDATE callback_uris SET url = 'https://crm.example/callback'`)},
		{"asvs-egress", `UPDATE egress_hosts SET seen_at = NULL`, `UPDATE egress_hosts SET seen_at = now()`},
		{"asvs-secrets", `GRANT SELECT ON data_keys TO postern_platform`, `REVOKE SELECT ON data_keys FROM postern_platform`},
		{"asvs-log-guard", `GRANT DELETE ON audit_entries TO postern_app`, `REVOKE DELETE ON audit_entries FROM postern_app`},
		{"casa-keys", loose("api_keys", `UPDATE api_keys SET created_at = now() - interval '2 years'`), loose("api_keys", `UPDATE api_keys SET created_at = now()`)},
		{"casa-webhooks", loose("webhook_secrets", `UPDATE webhook_secrets SET valid_until = now() - interval '1 hour'`), loose("webhook_secrets", `UPDATE webhook_secrets SET valid_until = NULL`)},
		{"casa-secrets", loose("webhook_secrets", `UPDATE webhook_secrets SET valid_from = now() - interval '200 days'`), loose("webhook_secrets", `UPDATE webhook_secrets SET valid_from = now()`)},
		{"casa-rights", loose("capability_uses", `UPDATE capability_uses SET last_at = now() - interval '100 days'`), loose("capability_uses", `UPDATE capability_uses SET last_at = now()`)},
		{"casa-deletion", loose("severances", `INSERT INTO severances (tenant_id, id, application_id, grant_id, act, provider, subject, email, actor, actor_id, reason, cut_at, closed_at, outcome) VALUES ('018f0000-0000-7000-8000-000000000001', gen_random_uuid(), '018f0000-0000-7000-8000-000000000002', gen_random_uuid(), 'revoke', 'google', 's', 'a@b.example', 'x', 'x', '', now(), now(), 'severed-verified')`), loose("severances", `DELETE FROM severances`)},
	} {
		if r := w.state(c.id); r.State != evidence.Met {
			t.Errorf("%s before: %s, %s", c.id, r.State, r.Detail)
		}
		w.exec(c.broken)
		if r := w.state(c.id); r.State != evidence.NotMet {
			t.Errorf("%s with its fact broken: %s, %s", c.id, r.State, r.Detail)
		}
		w.exec(c.mended)
		if r := w.state(c.id); r.State != evidence.Met {
			t.Errorf("%s mended: %s, %s", c.id, r.State, r.Detail)
		}
	}
	for _, id := range []string{"soc2", "hipaa", "casa-scans"} {
		if r := w.state(id); r.State != evidence.NotClaimed {
			t.Errorf("%s is claimed", id)
		}
	}
}

func TestRowsOfTheConfiguration(t *testing.T) {
	w := newWorld(t, "http://localhost:8400", netip.MustParsePrefix("0.0.0.0/0"))
	for _, id := range []string{"encryption", "asvs-tls", "asvs-egress"} {
		if r := w.state(id); r.State != evidence.NotMet {
			t.Errorf("%s over plain http, with egress open to all: %s", id, r.State)
		}
	}
}

// TestPack makes a masked pack, checks it offline, and alters every byte of it in turn.
func TestPack(t *testing.T) {
	w := newWorld(t, "https://mail.example.com")
	w.exec(`ALTER TABLE tenants NO FORCE ROW LEVEL SECURITY; ALTER TABLE grants NO FORCE ROW LEVEL SECURITY; ALTER TABLE applications NO FORCE ROW LEVEL SECURITY; ALTER TABLE memberships NO FORCE ROW LEVEL SECURITY;
		ALTER TABLE callback_uris NO FORCE ROW LEVEL SECURITY; ALTER TABLE api_keys NO FORCE ROW LEVEL SECURITY; ALTER TABLE webhooks NO FORCE ROW LEVEL SECURITY; ALTER TABLE webhook_secrets NO FORCE ROW LEVEL SECURITY; ALTER TABLE capability_uses NO FORCE ROW LEVEL SECURITY`)
	w.exec(seed)
	tenant, err := models.ParseID[models.TenantID]("018f0000-0000-7000-8000-000000000001")
	check(t, err)
	p, err := w.Evidence.Request(ctx, owner, tenant, true)
	check(t, err)
	_, err = w.AuditLog.SequenceOnce(ctx)
	check(t, err)
	check(t, w.Evidence.Make(ctx, p.ID))
	check(t, w.Evidence.Make(ctx, p.ID)) // again does nothing
	guest := models.Actor{Kind: models.ActorGuest, ID: "g", Label: "Guest", Role: models.Guest, Tenant: tenant, Permissions: models.Guest.Permissions()}
	got, content, err := w.Evidence.Content(ctx, guest, p.ID)
	check(t, err)
	if got.Size != int64(len(content)) || got.State != "ready" {
		t.Errorf("%+v", got)
	}
	if _, err := audit.VerifyPack(content, w.AuditLog.Key()); err != nil {
		t.Fatal(err)
	}
	r, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	check(t, err)
	var all strings.Builder
	for _, f := range r.File {
		file, err := f.Open()
		check(t, err)
		var text bytes.Buffer
		_, err = text.ReadFrom(file)
		check(t, err)
		all.WriteString(f.Name + "\n" + text.String())
	}
	for _, secret := range []string{"ada.lovelace@", "subject-4711"} {
		if strings.Contains(all.String(), secret) {
			t.Errorf("a masked pack holds %s", secret)
		}
	}
	for _, want := range []string{"index.html", "manifest.json", "mailboxes.csv", "a…@northwind.example", "requirements.json"} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("the pack lacks %s", want)
		}
	}
	altered := bytes.Clone(content)
	for i := range altered {
		altered[i] ^= 0x01
		var b *audit.Broken
		if _, err := audit.VerifyPack(altered, w.AuditLog.Key()); !errors.As(err, &b) {
			t.Fatalf("byte %d of %d altered: %v", i, len(altered), err)
		}
		altered[i] ^= 0x01
	}
	for _, cut := range [][]byte{content[:len(content)-1], append(bytes.Clone(content), '\n'), content[1:], nil} {
		if _, err := audit.VerifyPack(cut, w.AuditLog.Key()); err == nil {
			t.Error("a pack that was cut or grown holds")
		}
	}
	stranger := guest
	stranger.Tenant = models.NewID[models.TenantID](time.Now())
	if _, _, err := w.Evidence.Content(ctx, stranger, p.ID); err == nil {
		t.Error("another tenant's guest has the pack")
	}
	whole, err := w.Evidence.Request(ctx, owner, tenant, false)
	check(t, err)
	check(t, w.Evidence.Make(ctx, whole.ID))
	if _, _, err := w.Evidence.Content(ctx, guest, whole.ID); err == nil {
		t.Error("a guest has a pack that names mailboxes")
	}
}

// TestEgressLedger counts in batches, tells a new host once, and forgets nothing between two counts.
func TestEgressLedger(t *testing.T) {
	w := newWorld(t, "https://mail.example.com")
	guard := w.Evidence.Guard
	for range 3 {
		_, _ = guard.Context(ctx, dial.Webhook, "tcp", "10.1.2.3:443") // refused: a private address
	}
	check(t, w.Evidence.CountEgress(ctx))
	_, _ = guard.Context(ctx, dial.Webhook, "tcp", "10.1.2.3:443")
	check(t, w.Evidence.CountEgress(ctx))
	check(t, w.Evidence.CountEgress(ctx)) // nothing new
	hosts, err := w.Evidence.Egress(ctx, owner)
	check(t, err)
	if len(hosts) != 1 || hosts[0].Refused != 4 || !hosts[0].New {
		t.Fatalf("%+v", hosts)
	}
	page, err := w.Audit.List(ctx, owner, audit.Filter{Action: "egress.new_host"})
	check(t, err)
	if len(page.Entries) != 1 || page.Entries[0].Object != "10.1.2.3" {
		t.Errorf("%+v", page.Entries)
	}
	check(t, w.Evidence.SeenEgress(ctx, owner, hosts[0].FirstAt.Add(time.Second)))
	if n, err := w.Evidence.NewHosts(ctx); err != nil || n != 0 {
		t.Errorf("%d new hosts, %v", n, err)
	}
	reviewer := models.Actor{Kind: models.ActorMember, Role: models.Reviewer, Permissions: models.Reviewer.Permissions()}
	if err := w.Evidence.SeenEgress(ctx, reviewer, time.Now()); err == nil {
		t.Error("a reviewer says that hosts are known")
	}
}

func TestDocuments(t *testing.T) {
	w := newWorld(t, "https://mail.example.com")
	for _, bad := range []struct {
		requirement, name string
		content           []byte
	}{{"reach", "x", []byte("%PDF-1.7")}, {"soc2", "", []byte("%PDF-1.7")}, {"soc2", "x", nil}, {"soc2", "x", []byte("PK\x03\x04\x00\x00")}, {"soc2", "x", bytes.Repeat([]byte("a"), 2<<20+1)}} {
		if err := w.Evidence.Attach(ctx, owner, bad.requirement, bad.name, time.Time{}, bad.content); err == nil {
			t.Errorf("%s %q with %d bytes is taken", bad.requirement, bad.name, len(bad.content))
		}
	}
	check(t, w.Evidence.Attach(ctx, owner, "soc2", "Report", time.Now().AddDate(0, 1, 0), []byte("%PDF-1.7 secret words")))
	rows, err := w.Evidence.Documents(ctx, "soc2")
	check(t, err)
	if len(rows) != 1 || rows[0].Kind != "application/pdf" {
		t.Fatalf("%+v", rows)
	}
	var plain int
	check(t, w.conn.QueryRow(ctx, `SELECT count(*) FROM sealed WHERE position('secret words'::bytea IN ciphertext) > 0`).Scan(&plain))
	if plain != 0 {
		t.Error("the document is not sealed")
	}
	if _, content, err := w.Evidence.Document(ctx, owner, rows[0].ID); err != nil || string(content) != "%PDF-1.7 secret words" {
		t.Errorf("%q, %v", content, err)
	}
	if _, err := w.Evidence.Remove(ctx, owner, rows[0].ID); err != nil {
		t.Error(err)
	}
	if _, _, err := w.Evidence.Document(ctx, owner, rows[0].ID); err == nil {
		t.Error("a removed document is given")
	}
}
