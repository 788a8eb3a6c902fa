package nylas

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/secret"
)

const (
	keyLife = time.Minute      // then the connector's key is read anew, so that a changed one counts soon
	idle    = 15 * time.Minute // an unused session is forgotten
)

var errClosed = fault.New(fault.Unproven, "credential_refused", "This connection was cut. Reconnect the mailbox.")

// session is what is kept for one account between calls: the id of its grant at Nylas, and for a minute the application's key.
type session struct {
	ctx  context.Context // ended by Close
	end  context.CancelFunc
	used time.Time // guarded by the connector

	mu    sync.Mutex
	grant string
	base  string
	key   secret.Text
	other secret.Text // the key before it, while a change of keys lasts
	until time.Time   // of the keys
}

// use keeps the key that has proven good.
func (s *session) use(key secret.Text, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() == nil {
		s.key, s.other, s.until = key, secret.Text{}, until
	}
}

func newSession() *session {
	s := &session{}
	s.ctx, s.end = context.WithCancel(context.Background())
	return s
}

func (c *Connector) session(key string) *session {
	if key == "" { // of nobody in particular: nothing of it may be kept for somebody else
		return newSession()
	}
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, s := range c.sessions {
		if now.Sub(s.used) > idle {
			delete(c.sessions, k) // calls in flight go on
		}
	}
	s := c.sessions[key]
	if s == nil {
		s = newSession()
		c.sessions[key] = s
	}
	s.used = now
	return s
}

// Held implements provider.Connector.
func (c *Connector) Held() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Keys(c.sessions))
}

// Close implements provider.Connector. Calls in flight end, whatever Nylas answers.
func (c *Connector) Close(key string) {
	c.mu.Lock()
	s := c.sessions[key]
	delete(c.sessions, key)
	c.mu.Unlock()
	if s == nil {
		return
	}
	s.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.grant, s.key, s.other, s.until = "", secret.Text{}, secret.Text{}, time.Time{}
}

// with runs one call of the connector for an account.
func (c *Connector) with(ctx context.Context, a provider.Account, do func(*call) error) error {
	k, release, err := c.open(ctx, a)
	if err != nil {
		return err
	}
	defer release()
	if err = do(k); errors.Is(err, errSwitched) {
		err = do(k)
	}
	if k.session.ctx.Err() != nil && ctx.Err() == nil {
		return errClosed
	}
	return err
}

// open prepares one call; release ends what still runs of it.
func (c *Connector) open(ctx context.Context, a provider.Account) (*call, func(), error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, errUpstream.Because(err)
	}
	s := c.session(a.Key)
	followed, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.ctx, cancel)
	release := func() { stop(); cancel() }
	k := &call{c: c, ctx: followed, session: s}
	if err := k.authorize(a); err != nil {
		release()
		return nil, nil, err
	}
	return k, release, nil
}

// authorize finds the grant and the key of a call.
func (k *call) authorize(a provider.Account) error {
	s := k.session
	s.mu.Lock()
	k.grant, k.base, k.key, k.before = s.grant, s.base, s.key, s.other
	fresh := k.c.now().Before(s.until)
	s.mu.Unlock()
	if k.grant == "" {
		got, err := a.Credential(k.ctx)
		if err != nil {
			return err
		}
		if k.grant = got.AccessToken.Reveal(); !grantID(k.grant) {
			return provider.ErrCredentialRefused
		}
	}
	if !fresh {
		if a.App == nil {
			return errAddress.Because(errors.New("the account has no application"))
		}
		app, err := a.App(k.ctx)
		if err != nil {
			return err
		}
		if k.base, err = k.c.base(app); err != nil {
			return err
		}
		k.key, k.before = app.ClientSecret, app.SecretBefore
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return errClosed
	}
	s.grant, s.base, s.key, s.other = k.grant, k.base, k.key, k.before
	if !fresh {
		s.until = k.c.now().Add(keyLife)
	}
	return nil
}

// forget makes the next call read the grant and the key anew.
func (s *session) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.grant, s.key, s.other, s.until = "", secret.Text{}, secret.Text{}, time.Time{}
}

// grantID says whether s is the id of a grant: a UUID, never an address. An address would reach whichever mailbox bears it.
func grantID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, r := range s {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (r == '-') || !dash && !(r >= '0' && r <= '9' || r >= 'a' && r <= 'f') {
			return false
		}
	}
	return true
}
