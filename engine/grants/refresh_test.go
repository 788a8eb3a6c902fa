package grants_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/sandbox"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/tokens"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// asked is the sandbox's connector with a door in front of its token endpoint, where a test counts who comes and may hold them up.
type asked struct {
	*sandbox.Connector
	times atomic.Int64
	door  func() // called before each request leaves; may be nil
	after func() // called when the provider has answered; may be nil
}

func (a *asked) Refresh(ctx context.Context, app provider.App, token secret.Text) (provider.Token, error) {
	a.times.Add(1)
	if a.door != nil {
		a.door()
	}
	fresh, err := a.Connector.Refresh(ctx, app, token)
	if a.after != nil {
		a.after()
	}
	return fresh, err
}

// process is a keeper as another process would have it: the same database, nothing else in common.
func (w *world) process(a *asked) *tokens.Keeper {
	c := w.tokens.Config
	c.Providers = provider.NewSet(nil, a)
	return tokens.New(c)
}

func (w *world) asked() *asked {
	connector, err := w.tokens.Providers.Connector("sandbox")
	w.must(err)
	box, ok := connector.(*sandbox.Connector)
	if !ok {
		w.t.Fatalf("the sandbox's connector is a %T", connector)
	}
	return &asked{Connector: box}
}

// endLease plays the time that passes until the one lease there is has ended.
func (w *world) endLease() {
	w.t.Helper()
	if n := w.count(`WITH ended AS (UPDATE refresh_leases SET until = clock_timestamp() - interval '1 second' RETURNING 1) SELECT count(*) FROM ended`); n != 1 {
		w.t.Fatalf("%d leases, want 1", n)
	}
}

// TestOneRefreshForAllProcesses is F06: 3 processes with 100 callers each find one token expired; the provider is asked once, and all go on with the same token.
func TestOneRefreshForAllProcesses(t *testing.T) {
	w := newWorld(t)
	g := w.connect("ada@sandbox.test", w.auth()).Grant
	w.clock.forward(3 * time.Hour)
	a := w.asked()
	second := make(chan struct{}, 300)
	a.door = func() { // the answer is slow: whoever would ask as well has the time to
		if a.times.Load() > 1 {
			second <- struct{}{}
		}
		select {
		case <-second:
		case <-time.After(time.Second / 2):
		}
	}
	var tokensSeen sync.Map
	var all sync.WaitGroup
	start := make(chan struct{})
	for range 3 {
		k := w.process(a)
		for range 100 {
			all.Go(func() {
				<-start
				c, err := k.Fresh(w.ctx, g.TenantID, g.ID)
				if err != nil {
					t.Error(err)
					return
				}
				tokensSeen.Store(c.AccessToken.Reveal(), true)
			})
		}
	}
	close(start)
	all.Wait()
	different := 0
	tokensSeen.Range(func(any, any) bool { different++; return true })
	if n := a.times.Load(); n != 1 || different != 1 {
		t.Errorf("300 callers in 3 processes: %d requests, %d different tokens", n, different)
	}
	if n := w.count(`SELECT count(*) FROM refresh_leases`); n != 0 {
		t.Errorf("%d leases left", n)
	}
}

// TestLeaseOfADeadProcess: its holder never comes back. Who waits takes over at the lease's end, and not before.
func TestLeaseOfADeadProcess(t *testing.T) {
	w := newWorld(t)
	g := w.connect("ada@sandbox.test", w.auth()).Grant
	w.clock.forward(3 * time.Hour)
	w.must(w.db.InTenant(w.ctx, g.TenantID, func(tx *store.Tx) error {
		ours, err := tx.TakeRefreshLease(g.TenantID, g.ID, "dead", time.Hour)
		if err == nil && !ours {
			err = errors.New("the lease is not free")
		}
		return err
	}))
	a := w.asked()
	k := w.process(a)
	short, cancel := context.WithTimeout(w.ctx, 300*time.Millisecond)
	defer cancel()
	if _, err := k.Fresh(short, g.TenantID, g.ID); !errors.Is(err, context.DeadlineExceeded) || a.times.Load() != 0 {
		t.Fatalf("while another holds the lease: %v after %d requests", err, a.times.Load())
	}
	w.endLease()
	if _, err := k.Fresh(w.ctx, g.TenantID, g.ID); err != nil || a.times.Load() != 1 {
		t.Errorf("after the lease's end: %v after %d requests", err, a.times.Load())
	}
}

// TestRefreshThatLostItsTurn: a request hangs longer than its lease, another process refreshes meanwhile. The late answer writes nothing, and its caller goes on
// with the token that is kept. Where the grant was cut meanwhile, the late answer opens nothing.
func TestRefreshThatLostItsTurn(t *testing.T) {
	for name, cut := range map[string]bool{"refreshed by another": false, "revoked": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			g := w.connect("ada@sandbox.test", w.auth()).Grant
			w.clock.forward(3 * time.Hour)
			slow, quick := w.asked(), w.asked()
			reached, release := make(chan struct{}), make(chan struct{})
			slow.door = func() { close(reached); <-release }
			type answer struct {
				c   provider.Credential
				err error
			}
			late := make(chan answer, 1)
			k := w.process(slow)
			go func() {
				c, err := k.Fresh(w.ctx, g.TenantID, g.ID)
				late <- answer{c, err}
			}()
			<-reached
			w.endLease()
			var kept provider.Credential
			if cut {
				_, err := w.grants.Revoke(w.ctx, w.support, g.ID, "a test")
				w.must(err)
			} else {
				var err error
				kept, err = w.process(quick).Fresh(w.ctx, g.TenantID, g.ID)
				w.must(err)
			}
			number := w.count(`SELECT credential FROM grants`)
			close(release)
			got := <-late
			switch {
			case cut && !errors.Is(got.err, tokens.ErrCut):
				t.Errorf("a refresh that ended after the revocation: %v", got.err)
			case !cut && (got.err != nil || !got.c.AccessToken.Equal(kept.AccessToken)):
				t.Errorf("the late caller has another token than the one kept (%v)", got.err)
			}
			if now := w.count(`SELECT credential FROM grants`); now != number {
				t.Errorf("the late answer was written: credential %d, was %d", now, number)
			}
			if cut && w.count(`SELECT count(*) FROM sealed WHERE owner_kind = 'grant'`) != 0 {
				t.Error("a revoked grant has a credential again")
			}
		})
	}
}

// TestFailedRefreshFreesTheLease: trouble at the provider is told at once, and the next caller may ask at once.
func TestFailedRefreshFreesTheLease(t *testing.T) {
	w := newWorld(t)
	g := w.connect("ada@sandbox.test", w.auth()).Grant
	w.clock.forward(3 * time.Hour)
	a := w.asked()
	k := w.process(a)
	_ = w.box.Close()
	for want := int64(1); want <= 2; want++ {
		if _, err := k.Fresh(w.ctx, g.TenantID, g.ID); err == nil || a.times.Load() != want {
			t.Errorf("a provider that is down: %v after %d requests, want %d", err, a.times.Load(), want)
		}
	}
	now, err := w.grants.Find(w.ctx, w.support, g.ID)
	w.must(err)
	if now.Status != models.GrantValid || now.RefusedAt != nil {
		t.Errorf("trouble changed the grant: %s, refused at %v", now.Status, now.RefusedAt)
	}
}
