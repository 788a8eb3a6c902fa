package ledger_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/ledger"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
	"github.com/postern-mail/postern/models/store/storetest"
)

type world struct {
	*ledger.Service
	db     *storetest.Database
	at     time.Time
	app    models.ApplicationID
	tenant [2]models.TenantID
	grant  [2]models.Grant
	key    models.Actor
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{at: time.Now().UTC().Truncate(time.Millisecond), app: models.NewID[models.ApplicationID](time.Now())}
	w.db = storetest.New(t, nil)
	w.Service = ledger.New(w.db.Store, func() time.Time { w.at = w.at.Add(time.Millisecond); return w.at }, slog.New(slog.DiscardHandler))
	err := w.db.OnPlatform(t.Context(), "furnish a test", func(tx *store.Tx) error {
		for i := range w.tenant {
			w.tenant[i] = models.NewID[models.TenantID](w.at)
			if err := tx.InsertTenant(models.Tenant{ID: w.tenant[i], Name: "T", Region: "eu", State: models.TenantActive, CreatedAt: w.at, UpdatedAt: w.at}); err != nil {
				return err
			}
		}
		return tx.InsertApplication(models.Application{ID: w.app, Name: "app", Environment: "test", CreatedAt: w.at, UpdatedAt: w.at})
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, tenant := range w.tenant {
		g := models.Grant{TenantID: tenant, ID: models.NewID[models.GrantID](w.at), ApplicationID: w.app, Provider: "imap", Subject: "s", Email: "a@example.com", Status: models.GrantPending,
			StatusReason: "consented", StatusAt: w.at, CreatedAt: w.at, UpdatedAt: w.at}
		if err := w.db.InTenant(t.Context(), tenant, func(tx *store.Tx) (err error) { w.grant[i], err = tx.InsertGrant(g); return err }); err != nil {
			t.Fatal(err)
		}
	}
	w.key = models.Actor{Kind: models.ActorKey, ID: models.NewID[models.APIKeyID](w.at).String(), Label: "CRM (postern_eu_abc…)", Application: w.app, Addr: netip.MustParseAddr("198.51.100.7"), RequestID: "r1"}
	return w
}

var staff = models.Actor{Kind: models.ActorMember, Role: models.Support}

func (w *world) list(t *testing.T, actor models.Actor, f ledger.Filter) ledger.Page {
	t.Helper()
	p, err := w.List(t.Context(), actor, f)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestTheLedgerTellsWhoReachedWhat(t *testing.T) {
	w := newWorld(t)
	w.Note(t.Context(), w.key, w.grant[0], "messages.list", "ok")
	w.Note(t.Context(), w.key, w.grant[0], "messages.send", "insufficient_scopes")
	w.Note(t.Context(), models.Actor{Kind: models.ActorToken, ID: "t1", Label: "Access token for a@example.com"}, w.grant[1], "messages.read", "ok")
	if n := len(w.list(t, staff, ledger.Filter{}).Accesses); n != 0 {
		t.Errorf("%d entries are there before any was written", n)
	}
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := w.list(t, staff, ledger.Filter{}).Accesses
	if len(all) != 3 || all[0].Operation != "messages.read" || all[2].Operation != "messages.list" {
		t.Fatalf("the ledger has %+v", all)
	}
	a := all[2]
	if a.TenantID != w.tenant[0] || a.GrantID != w.grant[0].ID || a.ActorKind != models.ActorKey || a.ActorID != w.key.ID || a.Actor != w.key.Label || a.Outcome != "ok" || a.Address != "198.51.100.7" ||
		a.RequestID != "r1" || a.Email != "a@example.com" || a.At.IsZero() {
		t.Errorf("an entry is %+v", a)
	}
	for name, f := range map[string]ledger.Filter{"grant": {Grant: w.grant[0].ID, Operation: "messages.list"}, "actor": {Actor: "t1"}, "refused": {Refused: true}, "tenant": {Tenant: w.tenant[1]},
		"since": {Since: all[0].At}} {
		if n := len(w.list(t, staff, f).Accesses); n != 1 {
			t.Errorf("by %s there are %d entries", name, n)
		}
	}
	customer := models.Actor{Kind: models.ActorMember, Role: models.Customer, Tenant: w.tenant[0]}
	if p := w.list(t, customer, ledger.Filter{}); len(p.Accesses) != 2 {
		t.Errorf("a customer sees %d entries", len(p.Accesses))
	}
	for name, f := range map[string]ledger.Filter{"tenant": {Tenant: w.tenant[1]}, "grant": {Grant: w.grant[1].ID}, "actor": {Actor: "t1"}} {
		if p := w.list(t, customer, f); len(p.Accesses) != 0 {
			t.Errorf("a customer sees entries of another %s", name)
		}
	}
	if _, err := w.List(t.Context(), w.key, ledger.Filter{}); fault.KindOf(err) != fault.Denied {
		t.Errorf("a key reads the ledger: %v", err)
	}
	who, err := w.Who(t.Context(), customer, w.grant[0])
	if err != nil || len(who) != 1 || who[0].Operation != "messages.list" || who[0].Count != 1 || who[0].Actor != w.key.Label {
		t.Errorf("who: %+v, %v", who, err)
	}
	if _, err := w.Who(t.Context(), customer, w.grant[1]); err == nil {
		t.Error("a customer learns who reached another's mailbox")
	}
}

func TestTheLedgerIsReadPageByPage(t *testing.T) {
	w := newWorld(t)
	for range 1203 { // more than two batches
		w.Note(t.Context(), w.key, w.grant[0], "messages.list", "ok")
	}
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen := map[models.AccessID]bool{}
	f := ledger.Filter{Limit: 500}
	for {
		p := w.list(t, staff, f)
		for _, a := range p.Accesses {
			seen[a.ID] = true
		}
		if f.Cursor = p.Next; f.Cursor == "" {
			break
		}
	}
	if len(seen) != 1203 {
		t.Errorf("page by page there are %d entries", len(seen))
	}
	if _, err := w.List(t.Context(), staff, ledger.Filter{Cursor: "%"}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a broken cursor: %v", err)
	}
}

// Entries wait while they cannot be written, and come when they can: once each.
func TestEntriesOutliveAnOutage(t *testing.T) {
	w := newWorld(t)
	w.Note(t.Context(), w.key, w.grant[0], "messages.list", "ok")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Flush(gone); err == nil {
		t.Fatal("an entry was written without a database")
	}
	w.Note(t.Context(), w.key, w.grant[0], "messages.read", "ok")
	for range 2 {
		if err := w.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(w.list(t, staff, ledger.Filter{}).Accesses); n != 2 || w.Lost() != 0 {
		t.Errorf("%d entries of 2, %d lost", n, w.Lost())
	}
}

// The loop writes by itself and leaves nothing behind that a flush does not take.
func TestTheLoopWrites(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	var loop sync.WaitGroup
	loop.Go(func() { w.Run(ctx) })
	w.Note(t.Context(), w.key, w.grant[0], "messages.list", "ok")
	for end := time.Now().Add(30 * time.Second); len(w.list(t, staff, ledger.Filter{}).Accesses) == 0; time.Sleep(20 * time.Millisecond) { // the loop is what is tested: it writes by the real clock and tells nobody
		if time.Now().After(end) {
			t.Fatal("the loop writes nothing")
		}
	}
	cancel()
	loop.Wait()
	w.Note(t.Context(), w.key, w.grant[0], "messages.read", "ok")
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(w.list(t, staff, ledger.Filter{}).Accesses); n != 2 {
		t.Errorf("%d entries of 2", n)
	}
	conn, err := pgx.Connect(t.Context(), w.db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var days int
	if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_inherits WHERE inhparent = 'access_ledger'::regclass`).Scan(&days); err != nil || days < 8 {
		t.Errorf("the ledger has %d parts, %v", days, err)
	}
}

// Nobody changes the ledger, and nobody shortens it below the time that a review looks back.
func TestTheLedgerOnlyGrows(t *testing.T) {
	w := newWorld(t)
	w.Note(t.Context(), w.key, w.grant[0], "messages.list", "ok")
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{`DELETE FROM access_ledger`, `UPDATE access_ledger SET outcome = 'ok'`, `SELECT sec.turn_access_ledger(89, 0)`,
		`INSERT INTO access_ledger SELECT * FROM access_ledger`} {
		for name, run := range map[string]func(func(*store.Tx) error) error{
			"tenant":   func(fn func(*store.Tx) error) error { return w.db.InTenant(t.Context(), w.tenant[0], fn) },
			"platform": func(fn func(*store.Tx) error) error { return w.db.OnPlatform(t.Context(), "test", fn) },
		} {
			if name == "platform" && strings.HasPrefix(statement, "INSERT") {
				continue // adding is its right; the same row twice is refused by its key
			}
			if err := run(func(tx *store.Tx) error { _, err := tx.SQL().Exec(statement); return err }); err == nil {
				t.Errorf("in the scope of a %s: %s", name, statement)
			}
		}
	}
}

func TestRecordHasItsHeader(t *testing.T) {
	a := store.AccessSeen{Access: models.Access{Operation: "messages.list", Outcome: "ok"}, Email: "a@example.com"}
	if len(ledger.Record(a)) != len(ledger.Header()) || !bytes.Contains([]byte(strings.Join(ledger.Record(a), ",")), []byte("messages.list,ok")) {
		t.Errorf("%v does not fit %v", ledger.Record(a), ledger.Header())
	}
}
