package grants_test

import (
	"errors"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/engine/tokens"
	"github.com/postern-mail/postern/models"
)

// held is a refresh that hangs on its way to the provider, or on its way back.
type held struct {
	reached, release chan struct{}
	late             chan error
}

func (w *world) hold(g models.Grant, back bool) held {
	w.t.Helper()
	w.clock.forward(3 * time.Hour)
	h := held{make(chan struct{}), make(chan struct{}), make(chan error, 1)}
	a := w.asked()
	stop := func() { close(h.reached); <-h.release }
	if back {
		a.after = stop
	} else {
		a.door = stop
	}
	k := w.process(a)
	go func() {
		_, err := k.Fresh(w.ctx, g.TenantID, g.ID)
		h.late <- err
	}()
	<-h.reached
	return h
}

// TestARefreshInFlightEndsWithItsGrant is F11 and A66: the grant is revoked while a refresh is on its way there, or back. What it brings is refused and kept nowhere, and the provider,
// who is told of the person and not of one token, takes none of it either.
func TestARefreshInFlightEndsWithItsGrant(t *testing.T) {
	for name, back := range map[string]bool{"on its way there": false, "on its way back": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			g := w.connect("ada@sandbox.test", w.auth()).Grant
			h := w.hold(g, back)
			_, err := w.grants.Revoke(w.ctx, w.support, g.ID, "a test")
			w.must(err)
			w.work()
			close(h.release)
			if err := <-h.late; err == nil {
				t.Error("a refresh that ended after the revocation gave a token")
			}
			if w.box.RefreshTokenAlive("ada@sandbox.test") {
				t.Error("a token is left at the provider")
			}
			if n := w.count(`SELECT count(*) FROM sealed WHERE owner_kind IN ('grant', 'severance')`); n != 0 {
				t.Errorf("%d sealed values came back", n)
			}
			if _, err := w.tokens.Fresh(w.ctx, g.TenantID, g.ID); !errors.Is(err, tokens.ErrCut) {
				t.Errorf("the next caller: %v", err)
			}
		})
	}
}

// TestAChangeDuringARefresh is F09: somebody edits the grant while it is refreshed. Both stand: neither writes over the other.
func TestAChangeDuringARefresh(t *testing.T) {
	w := newWorld(t)
	g := w.connect("ada@sandbox.test", w.auth()).Grant
	before := w.count(`SELECT credential FROM grants`)
	h := w.hold(g, true)
	_, err := w.grants.Update(w.ctx, w.support, g.ID, grants.Change{Settings: models.Settings{"team": "north"}})
	w.must(err)
	close(h.release)
	w.must(<-h.late)
	now, err := w.grants.Find(w.ctx, w.support, g.ID)
	w.must(err)
	if now.Settings["team"] != "north" || now.Credential != before+1 {
		t.Errorf("after both: settings %v, credential %d, was %d", now.Settings, now.Credential, before)
	}
	w.clock.forward(3 * time.Hour)
	if _, err := w.tokens.Fresh(w.ctx, g.TenantID, g.ID); err != nil {
		t.Errorf("the newer refresh token did not survive: %v", err)
	}
}

// TestKilledBetweenTheAnswerAndTheCommit is F07: the provider has answered, and the process that asked writes nothing any more. A provider whose refresh tokens stay good goes on by itself:
// the next process asks once, and the grant is what it was.
func TestKilledBetweenTheAnswerAndTheCommit(t *testing.T) {
	w := newWorld(t)
	g := w.connect("ada@sandbox.test", w.auth()).Grant
	h := w.hold(g, true)
	w.endLease() // nobody gives it back: it ends by itself
	next := w.asked()
	if _, err := w.process(next).Fresh(w.ctx, g.TenantID, g.ID); err != nil || next.times.Load() != 1 {
		t.Errorf("the next process: %v after %d requests", err, next.times.Load())
	}
	now, err := w.grants.Find(w.ctx, w.support, g.ID)
	w.must(err)
	if now.Status != models.GrantValid {
		t.Errorf("the grant is %s: %s", now.Status, now.StatusReason)
	}
	close(h.release)
	if err := <-h.late; err != nil {
		t.Logf("the late one is told: %v", err) // which does not matter any more
	}
}
