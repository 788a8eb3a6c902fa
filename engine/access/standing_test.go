package access_test

import (
	"log/slog"
	"net/netip"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/access"
	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// process is a second Postern on the same database: a store and a service of its own.
func (w *world) process(keys time.Duration) *access.Service {
	w.t.Helper()
	now := func() time.Time { return w.at }
	db, err := store.Open(ctx, store.Config{DSN: w.db.DSN, Secret: w.db.Secret, Conns: 4, Now: now, Logger: slog.New(slog.DiscardHandler)})
	w.fatal(err)
	w.t.Cleanup(func() { _ = db.Close() })
	base, _ := url.Parse(origin)
	s, err := access.New(access.Config{Store: db, Audit: audit.New(db, now), BaseURL: base, Region: "eu", Keys: keys, Now: now, Logger: slog.New(slog.DiscardHandler)})
	w.fatal(err)
	return s
}

// A key that one process revokes is refused there at once, and by every other process when what it read is KeyStanding old: no notification is needed, so none can be lost.
func TestARevokedKeyIsRefusedByEveryProcess(t *testing.T) {
	if access.KeyStanding > time.Second/2 {
		t.Fatalf("a revocation takes %v to be seen; a second is promised", access.KeyStanding)
	}
	w := newWorld(t)
	here, there := w.process(access.KeyStanding), w.process(access.KeyStanding)
	app, staff := w.application(), models.System("test")
	key, value, err := here.CreateKey(ctx, staff, access.Key{Application: app, Name: "crm", Addresses: []string{"198.51.100.0/24"}, Permissions: []models.Permission{models.ReadGrants}})
	w.fatal(err)
	for _, s := range []*access.Service{here, there} {
		actor, err := s.Program(ctx, value, visitor.Addr)
		w.fatal(err)
		again, err := s.Program(ctx, value, visitor.Addr)
		w.fatal(err)
		if actor.Application != app || !again.May(models.ReadGrants) || again.May(models.DeleteGrants) || again.ID != key.ID.String() {
			t.Errorf("the key is %+v, then %+v", actor, again)
		}
		_, err = s.Program(ctx, value, netip.MustParseAddr("203.0.113.1")) // what is remembered is the key, not the answer
		w.wants(err, fault.Denied, "address_not_allowed")
	}
	_, err = here.RevokeKey(ctx, staff, key.ID)
	w.fatal(err)
	_, err = here.Program(ctx, value, visitor.Addr)
	w.wants(err, fault.Unproven, "unauthorized")
	if _, err = there.Program(ctx, value, visitor.Addr); err != nil {
		t.Errorf("the other process remembers nothing, so this test shows nothing: %v", err)
	}
	w.at = w.at.Add(access.KeyStanding)
	_, err = there.Program(ctx, value, visitor.Addr)
	w.wants(err, fault.Unproven, "unauthorized")
}

// An expiry is asked for each time, whatever is remembered.
func TestAKeyEndsOnItsSecond(t *testing.T) {
	w := newWorld(t)
	s := w.process(time.Hour)
	_, value, err := s.CreateKey(ctx, models.System("test"), access.Key{Application: w.application(), Name: "short", Life: time.Minute})
	w.fatal(err)
	_, err = s.Program(ctx, value, visitor.Addr)
	w.fatal(err)
	w.at = w.at.Add(time.Minute)
	_, err = s.Program(ctx, value, visitor.Addr)
	w.wants(err, fault.Unproven, "unauthorized")
}

func TestKeysAreAskedForByManyAtOnce(t *testing.T) {
	w := newWorld(t)
	s := w.process(access.KeyStanding)
	key, value, err := s.CreateKey(ctx, models.System("test"), access.Key{Application: w.application(), Name: "busy"})
	w.fatal(err)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for range 20 {
				if _, err := s.Program(ctx, value, visitor.Addr); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	_, err = s.RevokeKey(ctx, models.System("test"), key.ID)
	w.fatal(err)
	for range 20 {
		all.Go(func() {
			if _, err := s.Program(ctx, value, visitor.Addr); fault.KindOf(err) != fault.Unproven {
				t.Errorf("after the revocation: %v", err)
			}
		})
	}
	all.Wait()
}
