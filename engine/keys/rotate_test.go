package keys_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/keys"
	"github.com/postern-mail/postern/engine/outbox"
	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/vault"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
	"github.com/postern-mail/postern/models/store/storetest"
)

var (
	ctx   = context.Background()
	owner = models.Actor{Kind: models.ActorMember, ID: "owner", Label: "Owner", Role: models.Owner, Permissions: models.Owner.Permissions()}
)

type world struct {
	*storetest.Database
	t       *testing.T
	old     vault.KEK
	tenants []models.TenantID // the platform's own first
	values  map[models.TenantID]map[string]string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Database: storetest.New(t, nil), t: t, values: map[models.TenantID]map[string]string{}, tenants: []models.TenantID{{}}}
	var err error
	w.old, err = vault.CreateFileKEK(filepath.Join(t.TempDir(), "key"))
	w.check(err)
	now := time.Now().UTC()
	w.check(w.OnPlatform(ctx, "furnish a test", func(tx *store.Tx) error {
		for i := range 3 {
			id := models.NewID[models.TenantID](now.Add(time.Duration(i) * time.Millisecond))
			w.tenants = append(w.tenants, id)
			if err := tx.InsertTenant(models.Tenant{ID: id, Name: fmt.Sprint("tenant ", i), Region: "eu", State: models.TenantActive, CreatedAt: now, UpdatedAt: now}); err != nil {
				return err
			}
		}
		return nil
	}))
	return w
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// program is one process with that key-encryption key.
func (w *world) program(kek vault.KEK) (*keys.Service, *sealed.Safe) {
	w.t.Helper()
	safe := sealed.New(vault.New(kek, "test", time.Now), time.Now)
	out, err := outbox.New(safe, time.Now)
	w.check(err)
	return keys.New(keys.Config{Store: w.Store, Safe: safe, Audit: audit.New(w.Store, time.Now), Outbox: out, Source: "a file", Now: time.Now, Log: slog.New(slog.DiscardHandler)}), safe
}

func (w *world) put(safe *sealed.Safe, tenant models.TenantID, n int) {
	w.t.Helper()
	if w.values[tenant] == nil {
		w.values[tenant] = map[string]string{}
	}
	w.check(w.InTenant(ctx, tenant, func(tx *store.Tx) error {
		for i := range n {
			id := models.NewID[models.GrantID](time.Now()).String()
			if err := safe.Put(ctx, tx, tenant, sealed.Owner{Kind: sealed.GrantOwner, ID: id}, "refresh_token", secret.New(fmt.Sprint("value ", i))); err != nil {
				return err
			}
			w.values[tenant][id] = fmt.Sprint("value ", i)
		}
		return nil
	}))
}

// opens asserts that every value is what was put.
func (w *world) opens(safe *sealed.Safe) {
	w.t.Helper()
	for tenant, values := range w.values {
		w.check(w.InTenant(ctx, tenant, func(tx *store.Tx) error {
			for id, want := range values {
				got, err := safe.Open(ctx, tx, tenant, sealed.Owner{Kind: sealed.GrantOwner, ID: id}, "refresh_token")
				if err != nil || got.Reveal() != want {
					w.t.Fatalf("a value of %s after the rotation: %v", tenant, err)
				}
			}
			return nil
		}))
	}
}

func (w *world) finish(s *keys.Service, id models.RotationID) {
	w.t.Helper()
	for until := time.Now().Add(30 * time.Second); time.Now().Before(until); {
		if done, err := s.Work(ctx, id); err != nil {
			w.t.Fatal(err)
		} else if done {
			return
		}
	}
	w.t.Fatal("the rotation does not end")
}

// TestRotation is F26: it turns every key while two processes are at it, one is cut off again and again, and values are written. Nothing may be lost, left or done twice.
func TestRotation(t *testing.T) {
	w := newWorld(t)
	one, safe := w.program(w.old)
	two, _ := w.program(w.old)
	for i, tenant := range w.tenants {
		w.put(safe, tenant, 150*(i+1))
	}
	r, err := one.Start(ctx, owner)
	w.check(err)
	if again, err := two.Start(ctx, owner); err != nil || again.ID != r.ID {
		t.Fatalf("a second start: %v, another rotation: %v", err, again.ID != r.ID)
	}
	var group sync.WaitGroup
	for _, p := range []*keys.Service{one, two} {
		group.Go(func() {
			for range 30 { // cut off wherever it stands
				cut, cancel := context.WithTimeout(ctx, 15*time.Millisecond)
				_, _ = p.Work(cut, r.ID)
				cancel()
			}
		})
	}
	group.Wait()
	w.finish(one, r.ID)
	w.opens(safe)
	found, err := one.Verify(ctx)
	w.check(err)
	if found.Leftover() || found.Opened != 1500 {
		t.Errorf("after the rotation: %+v", found)
	}
	s, err := one.Standing(ctx, owner)
	w.check(err)
	if s.Last.FinishedAt == nil || s.Last.Done != 4 || s.Last.Tenants != 4 || s.Sealed != 1500 || !s.Settled() || s.Keys != 4 {
		t.Errorf("the standing: %+v, rotation %+v", s, s.Last)
	}
	if done, err := two.Work(ctx, r.ID); err != nil || !done {
		t.Errorf("work at a finished rotation: %v, %v", done, err)
	}
	page, err := audit.New(w.Store, time.Now).List(ctx, owner, audit.Filter{Action: "data_key.rotate"})
	w.check(err)
	if len(page.Entries) != 3 {
		t.Errorf("%d entries tell of three tenants' new keys", len(page.Entries))
	}
}

// TestRotationWaitsForWhoIsSealing keeps a transaction open that has sealed under the old key: its value must not be left behind.
func TestRotationWaitsForWhoIsSealing(t *testing.T) {
	w := newWorld(t)
	s, safe := w.program(w.old)
	tenant := w.tenants[1]
	w.put(safe, tenant, 3)
	r, err := s.Start(ctx, owner)
	w.check(err)
	sealedNow, turned := make(chan struct{}), make(chan struct{})
	var group sync.WaitGroup
	late := models.NewID[models.GrantID](time.Now()).String()
	group.Go(func() {
		err := w.InTenant(ctx, tenant, func(tx *store.Tx) error {
			if err := safe.Put(ctx, tx, tenant, sealed.Owner{Kind: sealed.GrantOwner, ID: late}, "refresh_token", secret.New("late")); err != nil {
				return err
			}
			close(sealedNow)
			<-turned
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-sealedNow
	group.Go(func() { w.finish(s, r.ID) })
	for until := time.Now().Add(30 * time.Second); ; { // until the key has turned, and the rotation waits at the lock
		var waiting bool
		conn, err := pgx.Connect(ctx, w.DSN)
		w.check(err)
		w.check(conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%FOR UPDATE%')`).Scan(&waiting))
		_ = conn.Close(ctx)
		if waiting {
			break
		}
		if time.Now().After(until) {
			close(turned)
			t.Fatal("the rotation dropped the old key while somebody was sealing under it")
		}
	}
	close(turned)
	group.Wait()
	w.values[tenant][late] = "late"
	w.opens(safe)
	if found, err := s.Verify(ctx); err != nil || found.Leftover() {
		t.Errorf("%+v, %v", found, err)
	}
}

// TestKeyEncryptionKeyChanges moves everything to another key-encryption key; the one of before opens nothing afterwards.
func TestKeyEncryptionKeyChanges(t *testing.T) {
	w := newWorld(t)
	_, safe := w.program(w.old)
	for _, tenant := range w.tenants {
		w.put(safe, tenant, 5)
	}
	kek, err := vault.CreateFileKEK(filepath.Join(t.TempDir(), "next"))
	w.check(err)
	alone, _ := w.program(kek)
	if _, err := alone.Verify(ctx); !errors.Is(err, vault.ErrWrongKey) && err == nil {
		found, _ := alone.Verify(ctx)
		if !found.Leftover() {
			t.Error("a key that wraps nothing passes the check")
		}
	}
	s, safe := w.program(vault.Ring{KEK: kek, Before: []vault.KEK{w.old}})
	if found, err := s.Verify(ctx); err != nil || found.OldKEK != 4 || !found.Leftover() {
		t.Errorf("before: %+v, %v", found, err)
	}
	r, err := s.Start(ctx, owner)
	w.check(err)
	w.finish(s, r.ID)
	w.opens(safe)
	after, next := w.program(kek)
	w.opens(next)
	if found, err := after.Verify(ctx); err != nil || found.Leftover() || found.Opened != 20 {
		t.Errorf("after: %+v, %v", found, err)
	}
	former, _ := w.program(w.old)
	if found, err := former.Verify(ctx); err != nil || found.Opened != 0 || found.Bad != 20 {
		t.Errorf("the key of before still opens: %+v, %v", found, err)
	}
}

func TestVerifyNamesWhatDoesNotOpen(t *testing.T) {
	w := newWorld(t)
	s, safe := w.program(w.old)
	w.put(safe, w.tenants[1], 4)
	conn, err := pgx.Connect(ctx, w.DSN)
	w.check(err)
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, `UPDATE sealed SET version = version + 1 WHERE owner_id = (SELECT min(owner_id::text)::uuid FROM sealed)`)
	w.check(err)
	found, err := s.Verify(ctx)
	w.check(err)
	if found.Bad != 1 || len(found.Broken) != 1 || !strings.HasPrefix(found.Broken[0], w.tenants[1].String()) || !found.Leftover() {
		t.Errorf("%+v", found)
	}
	if strings.Contains(fmt.Sprint(found), "value 0") {
		t.Error("a value is told")
	}
}

func TestOnlyOwnersAndAdminsRotate(t *testing.T) {
	w := newWorld(t)
	s, _ := w.program(w.old)
	for _, role := range []models.Role{models.Support, models.Reviewer, models.Customer} {
		a := models.Actor{Kind: models.ActorMember, Role: role, Permissions: role.Permissions()}
		if _, err := s.Start(ctx, a); err == nil {
			t.Errorf("a %s rotates the keys", role)
		}
	}
}

// TestAFinishedRotationIsWhole: organisations that never sealed anything have no key, so they are no part of "so many of so many"; and nobody is shown a count of before the rotation, or none.
func TestAFinishedRotationIsWhole(t *testing.T) {
	w := newWorld(t)
	one, safe := w.program(w.old)
	w.put(safe, w.tenants[1], 5)
	r, err := one.Start(ctx, owner)
	w.check(err)
	w.finish(one, r.ID)
	var last *models.KeyRotation
	w.check(w.Store.OnPlatform(ctx, "look at the rotation", func(tx *store.Tx) error {
		rows, err := tx.KeyRotations(1)
		last = &rows[0]
		if err != nil {
			return err
		}
		counts, err := tx.KeyCounts()
		for _, c := range counts {
			if !c.CountedAt.After(r.StartedAt) {
				t.Errorf("%s was counted before the rotation", c.TenantID)
			}
		}
		if len(counts) != len(w.tenants) {
			t.Errorf("%d of %d were counted", len(counts), len(w.tenants))
		}
		return err
	}))
	if last.FinishedAt == nil || last.Done != last.Tenants {
		t.Errorf("a finished rotation says %d of %d keys", last.Done, last.Tenants)
	}
}
