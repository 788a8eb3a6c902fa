package graph

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/secret"
)

const (
	tokenMargin  = time.Minute     // a token this close to its end is asked for anew
	tokenUnknown = 5 * time.Minute // how long a token of unknown end is kept
	mostAtOnce   = 4
	idle         = 15 * time.Minute // an unused session is forgotten
)

var errClosed = fault.New(fault.Unproven, "credential_refused", "This connection was cut. Reconnect the mailbox.")

// session is what is kept for one account between calls: its access token, and the ids of the folders that Outlook makes by itself, which do not
// change. Keys change with the credential's version, so that sessions of old versions are forgotten when idle.
type session struct {
	ctx  context.Context // ended by Close
	end  context.CancelFunc
	used time.Time // guarded by the connector
	// slots are the requests under way: Outlook takes four at once for one app and mailbox ("Outlook service limits") and refuses the fifth.
	slots chan struct{}

	mu      sync.Mutex
	token   secret.Text
	until   time.Time
	folders map[string]string // well-known name to id; "" = this mailbox has none
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

func newSession() *session {
	s := &session{folders: map[string]string{}, slots: make(chan struct{}, mostAtOnce)}
	s.ctx, s.end = context.WithCancel(context.Background())
	return s
}

// Held implements provider.Connector.
func (c *Connector) Held() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Keys(c.sessions))
}

// Close implements provider.Connector. Calls in flight end, whatever Microsoft answers.
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
	s.token, s.until = secret.Text{}, time.Time{}
}

// with runs one call of the connector for an account.
func (c *Connector) with(ctx context.Context, a provider.Account, do func(*call) error) error {
	if err := ctx.Err(); err != nil {
		return errUpstream.Because(err)
	}
	s := c.session(a.Key)
	followed, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	err := do(&call{c: c, ctx: followed, session: s, account: a})
	if s.ctx.Err() != nil && ctx.Err() == nil {
		return errClosed
	}
	return err
}

// token gives the account's access token. refused is one that Microsoft has just refused: when the keeper has no other, neither have we.
func (k *call) token(refused secret.Text) (secret.Text, error) {
	if k.session == nil {
		if !refused.Empty() {
			return secret.Text{}, provider.ErrCredentialRefused
		}
		return k.fixed, nil
	}
	s := k.session
	s.mu.Lock()
	held, until := s.token, s.until
	s.mu.Unlock()
	now := k.c.now()
	if !held.Empty() && !held.Equal(refused) && now.Before(until) {
		return held, nil
	}
	// Not under the lock: a refresh takes its time, and may close this very session.
	got, err := k.account.Credential(k.ctx)
	if err != nil {
		return secret.Text{}, err
	}
	if got.AccessToken.Empty() || got.AccessToken.Equal(refused) {
		return secret.Text{}, provider.ErrCredentialRefused
	}
	until = got.ExpiresAt.Add(-tokenMargin)
	if got.ExpiresAt.IsZero() {
		until = now.Add(tokenUnknown)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return secret.Text{}, errClosed
	}
	s.token, s.until = got.AccessToken, until
	return got.AccessToken, nil
}
