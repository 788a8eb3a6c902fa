package evidence_test

import (
	"log/slog"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postern-mail/postern/engine"
	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/evidence"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/vault"
	"github.com/postern-mail/postern/models/store"
	"github.com/postern-mail/postern/models/store/storetest"
)

// turns breaks the thing behind a row and mends it: met, not met, met.
func (w world) turns(id string, breakIt, mend func()) {
	w.t.Helper()
	for i, act := range []func(){func() {}, breakIt, mend} {
		act()
		want := evidence.Met
		if i == 1 {
			want = evidence.NotMet
		}
		if r := w.state(id); r.State != want {
			w.t.Errorf("%s, step %d: %s, %s", id, i, r.State, r.Detail)
		}
	}
}

func (w world) does(sql string) func() { return func() { w.t.Helper(); w.exec(sql) } }

// TestEventsRowTurns: a day without one accepted signature is not met, whatever came in before.
func TestEventsRowTurns(t *testing.T) {
	w := newWorld(t, "https://mail.example.com")
	if r := w.state("events"); r.State != evidence.NotClaimed {
		t.Errorf("without any event: %s", r.State)
	}
	w.exec(`INSERT INTO verifications (id, at, source, verdict, reason) VALUES (gen_random_uuid(), now(), 'hook', 'accepted', '');
		INSERT INTO verification_hours (hour, shard, key, total, source, event_type, verdict, reason, count) VALUES (date_trunc('hour', now()), 1, 'x', true, 'hook', '', 'accepted', '', 1)`)
	w.turns("events", w.does(`UPDATE verifications SET at = at - interval '25 hours'`), w.does(`UPDATE verifications SET at = at + interval '25 hours'`))
}

// TestKeyRowsTurn: a data key of two years, and a sealed value under a key that is not the one in use.
func TestKeyRowsTurn(t *testing.T) {
	w := newWorld(t, "https://mail.example.com")
	for _, id := range []string{"asvs-keys", "asvs-ciphers"} {
		if r := w.state(id); r.State != evidence.NotClaimed {
			t.Errorf("%s with nothing sealed: %s", id, r.State)
		}
	}
	check(t, w.Evidence.Attach(ctx, owner, "soc2", "Report", time.Time{}, []byte("%PDF-1.7")))
	counted := func(sql string) func() {
		return func() {
			t.Helper()
			w.exec(sql)
			_, err := w.Keys.Refresh(ctx, owner)
			check(t, err)
		}
	}
	counted(`SELECT 1`)()
	w.turns("asvs-keys", counted(`UPDATE data_keys SET created_at = created_at - interval '2 years', rotated_at = rotated_at - interval '2 years'`),
		counted(`UPDATE data_keys SET created_at = created_at + interval '2 years', rotated_at = rotated_at + interval '2 years'`))
	w.turns("asvs-ciphers", counted(`UPDATE sealed SET ciphertext = set_byte(ciphertext, 4, (get_byte(ciphertext, 4) + 1) % 256)`),
		counted(`UPDATE sealed SET ciphertext = set_byte(ciphertext, 4, (get_byte(ciphertext, 4) + 255) % 256)`))
}

// TestRolesRowTurns gives the running program's own role the right to pass by row-level security. Roles belong to the whole server, so this installation gets roles of its own.
func TestRolesRowTurns(t *testing.T) {
	dsn := storetest.Fresh(t)
	conn, err := pgx.Connect(ctx, dsn)
	check(t, err)
	t.Cleanup(func() { _ = conn.Close(ctx) })
	var login string
	check(t, conn.QueryRow(ctx, `UPDATE instance SET id = gen_random_uuid() RETURNING 'postern_' || left(replace(id::text, '-', ''), 12)`).Scan(&login))
	check(t, store.Prepare(ctx, dsn, storetest.Secret))
	kek, err := vault.CreateFileKEK(filepath.Join(t.TempDir(), "key"))
	check(t, err)
	base := &url.URL{Scheme: "https", Host: "mail.example.com"}
	e, err := engine.New(ctx, engine.Config{DSN: dsn, Installation: engine.Installation{ID: "test", Region: "eu", Secret: storetest.Secret}, KEK: kek, BaseURL: base, Company: "Acme", Guard: dial.New(dial.Config{}),
		Providers: provider.NewSet(nil), Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	check(t, err)
	w := world{Engine: e, t: t, conn: conn}
	defer func() {
		check(t, e.Close())
		w.exec(`DROP OWNED BY ` + login + `_app, ` + login + `_platform; DROP ROLE ` + login + `_app, ` + login + `_platform`)
	}()
	w.turns("asvs-roles", w.does(`ALTER ROLE `+login+`_platform BYPASSRLS`), w.does(`ALTER ROLE `+login+`_platform NOBYPASSRLS`))
	w.turns("asvs-log-guard", w.does(`GRANT postern_eraser TO `+login+`_platform`), w.does(`REVOKE postern_eraser FROM `+login+`_platform`))
}

// TestLogRowTurns: an entry that the log does not take, and a tree that is not the one that was signed.
func TestLogRowTurns(t *testing.T) {
	w := newWorld(t, "https://mail.example.com")
	if r := w.state("asvs-log"); r.State != evidence.NotClaimed {
		t.Errorf("without a checkpoint: %s", r.State)
	}
	entry := func(age string) func() {
		return w.does(`INSERT INTO audit_entries (id, at, actor_kind, actor_id, actor, action, object_kind, object_id, object, outcome)
			VALUES (gen_random_uuid(), now() - interval '` + age + `', 'system', 'x', 'x', 'tenant.create', 'tenant', 't', 't', 'done')`)
	}
	sequence := func() {
		t.Helper()
		_, err := w.AuditLog.SequenceOnce(ctx)
		check(t, err)
	}
	entry("0 s")()
	sequence()
	w.turns("asvs-log", entry("5 minutes"), sequence)
	w.turns("asvs-log", w.does(`ALTER TABLE audit_hashes DISABLE TRIGGER ALL; UPDATE audit_hashes SET hash = set_byte(hash, 0, get_byte(hash, 0) # 1) WHERE index = (SELECT max(index) FROM audit_hashes)`),
		w.does(`UPDATE audit_hashes SET hash = set_byte(hash, 0, get_byte(hash, 0) # 1) WHERE index = (SELECT max(index) FROM audit_hashes)`))
	for _, trigger := range []string{"audit_is_final", "audit_is_erased", "audit_is_kept"} {
		w.turns("asvs-log-guard", w.does(`ALTER TABLE audit_entries DISABLE TRIGGER `+trigger), w.does(`ALTER TABLE audit_entries ENABLE TRIGGER `+trigger))
	}
}

// TestTokensRowTurns: an access token without an end, and one of two days.
func TestTokensRowTurns(t *testing.T) {
	w := newWorld(t, "https://mail.example.com")
	w.exec(`SET session_replication_role = replica; INSERT INTO issued_tokens (tenant_id, id, application_id, grant_id, family_id, kind, hash, created_at, expires_at)
		VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'access', sha256('t'), now(), now() + interval '1 hour'); RESET session_replication_role`)
	w.turns("casa-tokens", w.does(`UPDATE issued_tokens SET expires_at = NULL`), w.does(`UPDATE issued_tokens SET expires_at = created_at + interval '1 hour'`))
	w.turns("casa-tokens", w.does(`UPDATE issued_tokens SET expires_at = created_at + interval '2 days'`), w.does(`UPDATE issued_tokens SET expires_at = created_at + interval '1 hour'`))
}
