package audit_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// entry writes one entry by somebody.
func (w *world) entry(actor models.Actor, e audit.Entry) models.AuditID {
	w.t.Helper()
	e.ID = models.NewID[models.AuditID](time.Now())
	w.must(w.db.OnPlatform(w.ctx, "a test", func(tx *store.Tx) error { return w.keeper.Append(w.ctx, tx, actor, e) }))
	return e.ID
}

// TestErasingAPerson: a person goes out of the log and nothing else does; bundles of before and after, and documents, still verify.
func TestErasingAPerson(t *testing.T) {
	w := newWorld(t)
	ada := models.Member{ID: models.NewID[models.MemberID](time.Now()), Name: "Ada Lovelace", Email: "ada@example.com", UserHandle: bytes.Repeat([]byte{1}, 32), CreatedAt: time.Now()}
	w.must(w.db.OnPlatform(w.ctx, "a test", func(tx *store.Tx) error { return tx.InsertMember(ada) }))
	person := models.Actor{Kind: models.ActorMember, ID: ada.ID.String(), Label: ada.Name, Role: models.Owner}
	w.entry(person, audit.Entry{Action: "tenant.create", Tenant: w.a, ObjectKind: "tenant", ObjectID: "t", Object: "Northwind"})
	w.entry(staff, audit.Entry{Action: "member.disable", ObjectKind: "member", ObjectID: ada.ID.String(), Object: ada.Name, Detail: map[string]string{"reason": "left", "email": "Ada@Example.com"}})
	w.entry(staff, audit.Entry{Action: "grant.create", Tenant: w.a, ObjectKind: "grant", ObjectID: "g", Object: "ada@example.com", Detail: map[string]string{"provider": "google"}})
	w.entry(models.Actor{Kind: models.ActorToken, ID: "tok", Label: "Access token for ada@example.com"}, audit.Entry{Action: "token.revoke", Tenant: w.a, ObjectKind: "token", ObjectID: "tok", Object: "x"})
	others := w.entry(staff, audit.Entry{Action: "grant.create", Tenant: w.a, ObjectKind: "grant", ObjectID: "h", Object: "lada@example.com", Detail: map[string]string{"note": "ada@example.com.au"}})
	receipt := document(t, w, paper{Act: "revoke", Mailbox: "grace@example.com"})
	w.sequence()
	old := w.entry(staff, audit.Entry{Action: "grant.revoke", Tenant: w.a, ObjectKind: "grant", ObjectID: "g", Object: "ada@example.com", Detail: map[string]string{"reason": "left"}})
	w.write(w.b, 2)
	w.sequence()
	before := map[string]string{"whole": w.export(models.TenantID{}), "tenant": w.export(w.a)}
	kept := standing(w).Checkpoint.Note

	dry, err := w.log.Erase(w.ctx, staff, w.db.DSN, "ADA@example.com", true)
	w.must(err)
	if strings.Contains(w.export(w.a), "(erased)") {
		t.Fatal("a dry run erased")
	}
	done, err := w.log.Erase(w.ctx, staff, w.db.DSN, " ADA@example.com", false)
	w.must(err)
	// world.write uses the same address: 2 more.
	if done != dry || !done.Member || done.Entries != 7 || done.Fields != 8 {
		t.Errorf("erased %+v, a dry run said %+v", done, dry)
	}
	w.sequence()
	after := map[string]string{"whole": w.export(models.TenantID{}), "tenant": w.export(w.a)}
	for name := range after {
		for when, bundle := range map[string]string{"before": before[name], "after": after[name]} {
			if v, err := audit.Verify(strings.NewReader(bundle), w.key(), kept); err != nil || v.Entries == 0 {
				t.Errorf("the %s bundle of %s: %+v, %v", name, when, v, err)
			}
		}
		for _, word := range []string{"Ada Lovelace", `"ada@example.com"`, "Ada@Example.com", "for ada@"} {
			if !strings.Contains(before["whole"], word) {
				t.Errorf("%s was not there before: the test looks for the wrong thing", word)
			}
			if strings.Contains(after[name], word) {
				t.Errorf("%s is still in the %s bundle", word, name)
			}
		}
		for _, word := range []string{"lada@example.com", "ada@example.com.au", "Northwind", "left", "grant.create", ada.ID.String()} {
			if !strings.Contains(after["whole"], word) {
				t.Errorf("%s was erased too", word)
			}
		}
	}
	if v, err := audit.VerifyDocument(receipt, w.log.Key()); err != nil || !v.Proven {
		t.Errorf("somebody else's receipt: %+v, %v", v, err)
	}
	e, err := w.keeper.Find(w.ctx, staff, others)
	w.must(err)
	if e.Object != "lada@example.com" || len(e.Salt) == 0 {
		t.Errorf("another mailbox's entry: %+v", e)
	}
	if e, err = w.keeper.Find(w.ctx, staff, old); err != nil || e.Object != store.Erased || e.Detail["reason"] != "left" || len(e.Salt) != 0 {
		t.Errorf("an erased entry: %+v, %v", e, err)
	}
	again, err := w.log.Erase(w.ctx, staff, w.db.DSN, "ada@example.com", false)
	if err != nil || again.Entries != 0 {
		t.Errorf("erased twice: %+v, %v", again, err)
	}
	if page, err := w.keeper.List(w.ctx, staff, audit.Filter{Action: "audit.erase"}); err != nil || len(page.Entries) != 1 || page.Entries[0].Detail["entries"] != "7" {
		t.Errorf("the erasure's own entry: %+v, %v", page.Entries, err)
	}
	for _, nobody := range []string{"", "ada", "@", "a@b@c"} {
		if _, err := w.log.Erase(w.ctx, staff, w.db.DSN, nobody, false); err == nil {
			t.Errorf("%q was erased", nobody)
		}
	}
}

func standing(w *world) audit.Standing {
	s, err := w.log.Standing(w.ctx)
	w.must(err)
	return s
}

// TestErasureOfOldEntries: entries that were in the log before fields had salts of their own lose all four at once, and keep their leaf.
func TestErasureOfOldEntries(t *testing.T) {
	w := newWorld(t)
	w.write(w.a, 3)
	w.ageLeaves()
	before := w.export(models.TenantID{})
	if !strings.Contains(before, `"leaf":{"v":1,`) || !strings.Contains(before, `"open":{`) {
		t.Fatal("the entries are not old ones")
	}
	done, err := w.log.Erase(w.ctx, staff, w.db.DSN, "ada@example.com", false)
	w.must(err)
	if done.Entries != 3 || done.Whole != 3 {
		t.Errorf("%+v", done)
	}
	w.write(w.a, 1)
	w.sequence()
	after := w.export(models.TenantID{})
	for name, bundle := range map[string]string{"before": before, "after": after} {
		if v, err := audit.Verify(strings.NewReader(bundle), w.key(), ""); err != nil {
			t.Errorf("%s: %+v, %v", name, v, err)
		}
	}
	if strings.Count(after, "ada@example.com") != 1 {
		t.Error("old entries still name the person")
	}
}

// ageLeaves sequences what waits as an older program did: leaves of version 1.
func (w *world) ageLeaves() {
	w.t.Helper()
	w.log.SetLeafVersion(1)
	w.sequence()
	w.log.SetLeafVersion(audit.LeafVersion)
}

// TestNobodyElseErases: neither the running program's roles nor the owner of the tables can change an entry otherwise, and an entry that was altered before is not erased over.
func TestNobodyElseErases(t *testing.T) {
	w := newWorld(t)
	w.write(w.a, 2)
	refused := func(name, statement string) {
		t.Helper()
		conn, err := pgx.Connect(w.ctx, w.db.DSN)
		w.must(err)
		defer conn.Close(w.ctx)
		if _, err := conn.Exec(w.ctx, statement); err == nil {
			t.Errorf("%s is let through", name)
		}
	}
	set := `UPDATE audit_entries SET object = '(erased)', address = '(erased)', salt = '', erased = '{"object": "00"}'`
	refused("an entry that is not in the log yet", set)
	w.sequence()
	refused("another act", set+`, action = 'grant.create'`)
	refused("another actor", `UPDATE audit_entries SET actor = 'Somebody Else', salt = '', erased = '{"actor": "00"}'`)
	refused("a detail more", set+`, detail = detail || '{"more": "(erased)"}'`)
	refused("another detail", set+`, detail = detail || '{"reason": "none"}'`)
	refused("an erasure that keeps the salt", `UPDATE audit_entries SET object = '(erased)', erased = '{"object": "00"}'`)
	refused("an erasure without commitment", `UPDATE audit_entries SET object = '(erased)', salt = ''`)
	refused("removal", `DELETE FROM audit_entries`)
	for _, role := range []string{"postern_app", "postern_platform"} {
		refused(role+" that erases", `SET ROLE `+role+`; `+set)
	}
	refused("the eraser that alters a leaf", `SET ROLE postern_eraser; UPDATE audit_leaves SET version = 1`)
	refused("the eraser that reads a sealed value", `SET ROLE postern_eraser; SELECT * FROM sealed`)
	var member bool
	conn, err := pgx.Connect(w.ctx, w.db.DSN)
	w.must(err)
	defer conn.Close(w.ctx)
	w.must(conn.QueryRow(w.ctx, `SELECT pg_has_role('postern_platform', 'postern_eraser', 'MEMBER') OR pg_has_role('postern_app', 'postern_eraser', 'MEMBER')`).Scan(&member))
	if member {
		t.Error("the running program can become the eraser")
	}
	w.owner(`ALTER TABLE audit_entries DISABLE TRIGGER ALL; UPDATE audit_entries SET outcome = 'failed' WHERE object_id = '1'; ALTER TABLE audit_entries ENABLE TRIGGER ALL`)
	if _, err := w.log.Erase(w.ctx, staff, w.db.DSN, "ada@example.com", false); err == nil || !strings.Contains(err.Error(), "altered") {
		t.Errorf("an altered entry was erased over: %v", err)
	}
	if bundle := w.export(models.TenantID{}); strings.Contains(bundle, "(erased)") || strings.Count(bundle, `"value":"ada@example.com"`) != 2 {
		t.Error("a part was erased though the whole failed")
	}
}

// TestErasureReachesTheAccessLedger: an access token is labelled with the mailbox that it opens.
func TestErasureReachesTheAccessLedger(t *testing.T) {
	w := newWorld(t)
	now := time.Now().UTC()
	var rows []models.Access
	for i, label := range []string{"Access token for ada@example.com", "Access token for Ada@example.com", "Access token for lada@example.com", "crm ada@example.com"} {
		kind := models.ActorToken
		if i == 3 {
			kind = models.ActorKey
		}
		rows = append(rows, models.Access{At: now, ID: models.NewID[models.AccessID](now), TenantID: w.a, ApplicationID: models.NewID[models.ApplicationID](now), GrantID: models.NewID[models.GrantID](now),
			ActorKind: kind, ActorID: fmt.Sprint(i), Actor: label, Operation: "messages.list", Outcome: "ok"})
	}
	w.must(w.db.OnPlatform(w.ctx, "a test", func(tx *store.Tx) error { return tx.InsertAccesses(rows) }))
	done, err := w.log.Erase(w.ctx, staff, w.db.DSN, "ada@example.com", false)
	w.must(err)
	if done.Accesses != 2 {
		t.Errorf("%+v", done)
	}
	var labels []string
	w.must(w.db.OnPlatform(w.ctx, "a test", func(tx *store.Tx) error {
		list, err := tx.Accesses(store.AccessQuery{Limit: 10})
		for _, a := range list {
			labels = append(labels, a.Actor)
		}
		return err
	}))
	if text := strings.Join(labels, "\n"); strings.Count(text, "Access token for (erased)") != 2 || !strings.Contains(text, "lada@example.com") || !strings.Contains(text, "crm ada") {
		t.Errorf("labels: %s", text)
	}
}
