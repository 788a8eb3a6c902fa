package audit_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
	"github.com/postern-mail/postern/models/store/storetest"
)

var staff = models.Actor{Kind: models.ActorMember, ID: "rina", Label: "Rina", Role: models.Owner}

type world struct {
	t      *testing.T
	ctx    context.Context
	db     *storetest.Database
	keeper *audit.Keeper
	log    *audit.Log
	a, b   models.TenantID
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, ctx: context.Background(), db: storetest.New(t, nil), a: models.NewID[models.TenantID](time.Now()), b: models.NewID[models.TenantID](time.Now())}
	w.keeper = audit.New(w.db.Store, time.Now)
	w.log = w.another(bytes.Repeat([]byte{7}, 32))
	return w
}

func (w *world) another(seed []byte) *audit.Log {
	return audit.NewLog(audit.LogConfig{Store: w.db.Store, Keeper: w.keeper, Origin: "postern/test", Key: ed25519.NewKeyFromSeed(seed), Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) write(tenant models.TenantID, n int) {
	w.t.Helper()
	for i := range n {
		w.must(w.db.OnPlatform(w.ctx, "a test", func(tx *store.Tx) error {
			return w.keeper.Append(w.ctx, tx, staff, audit.Entry{Action: "grant.revoke", Tenant: tenant, ObjectKind: "grant", ObjectID: fmt.Sprint(i), Object: "ada@example.com", Detail: map[string]string{"reason": "left", "n": fmt.Sprint(i)}})
		}))
	}
}

func (w *world) sequence() int {
	w.t.Helper()
	total := 0
	for {
		n, err := w.log.SequenceOnce(w.ctx)
		w.must(err)
		if total += n; n == 0 {
			return total
		}
	}
}

func (w *world) key() string {
	s, err := w.log.Standing(w.ctx)
	w.must(err)
	return s.Key
}

func (w *world) export(tenant models.TenantID) string {
	w.t.Helper()
	var out bytes.Buffer
	_, err := w.log.Export(w.ctx, staff, tenant, &out)
	w.must(err)
	return out.String()
}

// owner runs a statement past all walls, as somebody who owns the database could.
func (w *world) owner(statement string, args ...any) {
	w.t.Helper()
	conn, err := pgx.Connect(w.ctx, w.db.DSN)
	w.must(err)
	defer conn.Close(w.ctx)
	_, err = conn.Exec(w.ctx, statement, args...)
	w.must(err)
}

func TestWholeLogProvesItself(t *testing.T) {
	w := newWorld(t)
	for _, n := range []int{1, 2, 5, 40} {
		w.write(w.a, n)
		w.write(models.TenantID{}, 1)
		if got := w.sequence(); got < n {
			t.Fatalf("%d of %d entries were sequenced", got, n)
		}
	}
	bundle := w.export(models.TenantID{})
	v, err := audit.Verify(strings.NewReader(bundle), w.key(), "")
	if err != nil || v.Entries != 52 || v.Size != 52 || v.Checkpoints < 4 {
		t.Fatalf("%+v, %v", v, err)
	}
}

// TestAnyChangeIsFound alters a bundle in every way, line by line and byte by byte.
func TestAnyChangeIsFound(t *testing.T) {
	w := newWorld(t)
	w.write(w.a, 6)
	w.sequence()
	w.write(w.b, 3)
	w.sequence()
	for name, tenant := range map[string]models.TenantID{"whole": {}, "tenant": w.a} {
		good := w.export(tenant)
		if _, err := audit.Verify(strings.NewReader(good), w.key(), ""); err != nil {
			t.Fatalf("%s: the good bundle: %v", name, err)
		}
		lines := strings.Split(strings.TrimSuffix(good, "\n"), "\n")
		broken := map[string][]string{
			"reordered": append(append(append([]string{}, lines[:2]...), lines[3], lines[2]), lines[4:]...),
			"doubled":   append(append([]string{}, lines[:3]...), lines[2:]...),
		}
		if name == "whole" {
			broken["one taken out"] = append(append([]string{}, lines[:3]...), lines[4:]...)
			broken["cut off at the end"] = lines[:len(lines)-1]
		}
		for how, changed := range broken {
			if _, err := audit.Verify(strings.NewReader(strings.Join(changed, "\n")+"\n"), w.key(), ""); !isBroken(err) {
				t.Errorf("%s %s: %v", name, how, err)
			}
		}
		silent := 0
		for i := 0; i < len(good); i += 3 {
			changed := []byte(good)
			changed[i] ^= 1
			if _, err := audit.Verify(bytes.NewReader(changed), w.key(), ""); err == nil {
				silent++
				t.Errorf("%s: byte %d, %q, was changed and it verifies", name, i, good[max(0, i-20):min(len(good), i+20)])
			}
			if silent > 3 {
				break
			}
		}
	}
	if _, err := audit.Verify(strings.NewReader(w.export(models.TenantID{})), "postern/test+00000000+AQ==", ""); !isBroken(err) {
		t.Errorf("another key: %v", err)
	}
	for _, nonsense := range []string{"", "{}", "not json", strings.Repeat("x", 2<<20)} {
		if _, err := audit.Verify(strings.NewReader(nonsense), w.key(), ""); !isBroken(err) {
			t.Errorf("nonsense: %v", err)
		}
	}
}

func isBroken(err error) bool {
	var b *audit.Broken
	return errors.As(err, &b)
}

// TestRewrittenDatabaseIsFound plays A59: the owner of the database edits, and one older checkpoint is enough to tell.
func TestRewrittenDatabaseIsFound(t *testing.T) {
	for name, rewrite := range map[string]string{
		"an entry edited":   `ALTER TABLE audit_entries DISABLE TRIGGER ALL; UPDATE audit_entries SET action = 'grant.update' WHERE object_id = '3'`,
		"a name edited":     `ALTER TABLE audit_entries DISABLE TRIGGER ALL; UPDATE audit_entries SET actor = 'Somebody Else' WHERE object_id = '3'`,
		"entries exchanged": `ALTER TABLE audit_leaves DISABLE TRIGGER ALL; UPDATE audit_leaves SET index = index + 1000 WHERE index IN (2, 3); UPDATE audit_leaves SET index = 1005 - index WHERE index > 1000`,
	} {
		w := newWorld(t)
		w.write(w.a, 8)
		w.sequence()
		if s, err := w.log.Standing(w.ctx); err != nil || !s.Holds || s.Waiting != 0 {
			t.Errorf("a log in order: %+v, %v", s, err)
		}
		w.owner(rewrite)
		_, err := audit.Verify(strings.NewReader(w.export(models.TenantID{})), w.key(), "")
		if !isBroken(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	{
		w := newWorld(t)
		w.write(w.a, 8)
		w.sequence()
		w.owner(`ALTER TABLE audit_hashes DISABLE TRIGGER ALL; UPDATE audit_hashes SET hash = sha256('x') WHERE index = (SELECT max(index) FROM audit_hashes)`)
		if s, err := w.log.Standing(w.ctx); err != nil || s.Holds {
			t.Errorf("a damaged tree holds: %+v, %v", s, err)
		}
	}
	// The database is rewound to before some entries, and goes on: a new history with a valid signature. Only a checkpoint kept outside tells.
	w := newWorld(t)
	w.write(w.a, 8)
	w.sequence()
	s, err := w.log.Standing(w.ctx)
	w.must(err)
	kept := s.Checkpoint.Note
	w.owner(`ALTER TABLE audit_leaves DISABLE TRIGGER ALL; ALTER TABLE audit_hashes DISABLE TRIGGER ALL; ALTER TABLE checkpoints DISABLE TRIGGER ALL; DELETE FROM audit_leaves; DELETE FROM audit_hashes; DELETE FROM checkpoints;
		ALTER TABLE audit_entries DISABLE TRIGGER ALL; DELETE FROM audit_entries WHERE object_id = '7'; INSERT INTO audit_pending (entry_id) SELECT id FROM audit_entries`)
	w.sequence()
	bundle := w.export(models.TenantID{})
	if _, err := audit.Verify(strings.NewReader(bundle), w.key(), ""); err != nil {
		t.Fatalf("the new history is not consistent in itself: %v", err)
	}
	if _, err := audit.Verify(strings.NewReader(bundle), w.key(), kept); !isBroken(err) {
		t.Errorf("one older checkpoint does not tell: %v", err)
	}
}

func TestTenantBundleShowsNothingOfOthers(t *testing.T) {
	w := newWorld(t)
	w.write(w.a, 3)
	w.write(w.b, 3)
	w.sequence()
	bundle := w.export(w.b)
	v, err := audit.Verify(strings.NewReader(bundle), w.key(), "")
	if err != nil || v.Entries != 3 || v.Tenant != w.b.String() {
		t.Fatalf("%+v, %v", v, err)
	}
	if strings.Contains(bundle, w.a.String()) {
		t.Error("another tenant's id is in the bundle")
	}
	customer := models.Actor{Kind: models.ActorMember, Role: models.Customer, Tenant: w.b}
	for name, tenant := range map[string]models.TenantID{"another tenant's": w.a, "the whole log": {}} {
		if _, err := w.log.Export(w.ctx, customer, tenant, &bytes.Buffer{}); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a customer exports %s: %v", name, err)
		}
	}
	// Personal fields may be erased: the leaf stays, what it stands for goes.
	lines := strings.Split(strings.TrimSuffix(bundle, "\n"), "\n")
	for i := 1; i < len(lines); i++ {
		var r audit.Record
		w.must(json.Unmarshal([]byte(lines[i]), &r))
		r.Shown = nil
		text, err := json.Marshal(r)
		w.must(err)
		lines[i] = string(text)
	}
	erased := strings.Join(lines, "\n") + "\n"
	if strings.Contains(erased, "ada@example.com") {
		t.Error("the leaf itself names a person")
	}
	if _, err := audit.Verify(strings.NewReader(erased), w.key(), ""); err != nil {
		t.Errorf("after erasure: %v", err)
	}
}

// TestOneSequencerAmongMany plays F29: several processes sequence while others write; the log has every entry once and no fork.
func TestOneSequencerAmongMany(t *testing.T) {
	w := newWorld(t)
	ctx, stop := context.WithCancel(w.ctx)
	var wait sync.WaitGroup
	for range 3 {
		other := w.another(bytes.Repeat([]byte{7}, 32))
		wait.Go(func() { other.Sequence(ctx) })
	}
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() { w.write(w.a, 50) })
	}
	writers.Wait()
	deadline := time.Now().Add(20 * time.Second)
	for {
		s, err := w.log.Standing(w.ctx)
		w.must(err)
		if s.Waiting == 0 && s.Checkpoint.Size == 200 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d entries wait, the log has %d", s.Waiting, s.Checkpoint.Size)
		}
		time.Sleep(20 * time.Millisecond) // the sequencers run by the real clock, as three processes would: nothing of ours tells when they are through
	}
	stop()
	wait.Wait()
	if v, err := audit.Verify(strings.NewReader(w.export(models.TenantID{})), w.key(), ""); err != nil || v.Entries != 200 {
		t.Errorf("%+v, %v", v, err)
	}
}

func FuzzVerify(f *testing.F) {
	f.Add([]byte(`{"format":"postern audit bundle 2","origin":"o","key":"k","size":1,"checkpoint":""}`+"\n{}\n"), "o+00000000+AQ==")
	f.Fuzz(func(t *testing.T, bundle []byte, key string) {
		if v, err := audit.Verify(bytes.NewReader(bundle), key, ""); err == nil && v.Size > 0 {
			t.Errorf("a bundle that nobody signed verifies: %+v", v)
		}
	})
}
