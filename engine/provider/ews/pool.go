package ews

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
)

const (
	perAccount = 4 // Exchange allows ten or more to one person, for all of their programs
	idleAfter  = time.Minute
)

var errClosed = fault.New(fault.Unproven, "credential_refused", "This connection was cut. Reconnect the mailbox.")

// held is what is kept for one key.
type held struct {
	ctx    context.Context // ends when the key is closed
	cancel context.CancelFunc
	slots  chan struct{}

	mu   sync.Mutex
	idle []*parked
	live map[*session]struct{}
	way  string
	// offersBasic notes a refusal that would also have taken Basic.
	offersBasic bool
	folders     *special // nil = not asked yet
	closed      bool
	users       int // guarded by Connector.mu
}

type parked struct {
	*session
	timer *time.Timer
}

// apart is what is kept for one live check, known by no key.
func (c *Connector) apart() *held {
	h := &held{slots: make(chan struct{}, 1), live: map[*session]struct{}{}}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h
}

// drop closes all connections.
func (h *held) drop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for s := range h.live {
		s.end()
	}
	h.live, h.idle = map[*session]struct{}{}, nil
}

func (h *held) refused(way string, offersBasic bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.way, h.offersBasic = way, h.offersBasic || offersBasic
}

// enter finds or makes what is kept for a key, and takes one of its places.
func (c *Connector) enter(ctx context.Context, key string) (*held, error) {
	c.mu.Lock()
	h := c.accounts[key]
	if h == nil {
		h = c.apart()
		h.slots = make(chan struct{}, perAccount)
		c.accounts[key] = h
	}
	h.users++
	c.mu.Unlock()
	select {
	case h.slots <- struct{}{}:
		return h, nil
	case <-h.ctx.Done():
		c.leave(key, h, false)
		return nil, errClosed
	case <-ctx.Done():
		c.leave(key, h, false)
		return nil, provider.ErrUnreachable.Because(ctx.Err())
	}
}

// leave gives the place back, and forgets the key when nothing of it is open.
func (c *Connector) leave(key string, h *held, slot bool) {
	if slot {
		<-h.slots
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	h.users--
	h.mu.Lock()
	gone := h.users == 0 && len(h.live) == 0
	h.mu.Unlock()
	if gone && c.accounts[key] == h {
		delete(c.accounts, key)
		h.cancel()
	}
}

// Held implements provider.Connector.
func (c *Connector) Held() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Keys(c.accounts))
}

// Close implements provider.Connector.
func (c *Connector) Close(key string) {
	c.mu.Lock()
	h := c.accounts[key]
	delete(c.accounts, key)
	c.mu.Unlock()
	if h == nil {
		return
	}
	h.cancel()
	h.drop()
}

// Open counts the open connections of an account.
func (c *Connector) Open(key string) int {
	c.mu.Lock()
	h := c.accounts[key]
	c.mu.Unlock()
	if h == nil {
		return 0
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.live)
}

// take lends a connection: one that is idle, unless fresh is wanted, else a new one. The credential is asked for only then.
func (c *Connector) take(ctx context.Context, h *held, a provider.Account, fresh bool) (*session, error) {
	h.mu.Lock()
	for !fresh && len(h.idle) > 0 {
		p := h.idle[len(h.idle)-1]
		h.idle = h.idle[:len(h.idle)-1]
		if p.timer.Stop() {
			h.mu.Unlock()
			return p.session, nil
		}
	}
	way := h.way
	h.mu.Unlock()
	credential, err := a.Credential(ctx)
	if err != nil {
		return nil, err
	}
	if way == "" {
		way = a.Settings[authSetting]
	}
	login := a.Login
	if login == "" {
		login = a.Address
	}
	s, err := c.connect(ctx, addressOf(a.Settings), login, credential.Password, way)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		s.end()
		return nil, errClosed
	}
	h.live[s] = struct{}{}
	return s, nil
}

// giveBack parks a good connection, and drops a bad one.
func (c *Connector) giveBack(key string, h *held, s *session, good bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !good || h.closed {
		delete(h.live, s)
		s.end()
		return
	}
	h.way = s.way
	p := &parked{session: s}
	p.timer = time.AfterFunc(c.idleAfter, func() { c.expire(key, h, p) })
	h.idle = append(h.idle, p)
}

func (c *Connector) expire(key string, h *held, p *parked) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, x := range h.idle {
		if x == p {
			h.idle = append(h.idle[:i:i], h.idle[i+1:]...)
		}
	}
	delete(h.live, p.session)
	p.end()
	if h.users == 0 && len(h.live) == 0 && c.accounts[key] == h {
		delete(c.accounts, key)
		h.cancel()
	}
}

// send posts one request for an account. once says that it must not be repeated: then it takes a connection of its own, which no server
// can have closed unnoticed.
func (c *Connector) send(ctx context.Context, h *held, a provider.Account, body payload, limit int64, once bool) (reply, error) {
	for fresh, again := once, true; ; fresh = true {
		s, err := c.take(ctx, h, a, fresh)
		if err != nil {
			return reply{}, c.ended(ctx, h, err)
		}
		stop := context.AfterFunc(ctx, s.end)
		until := context.AfterFunc(h.ctx, s.end)
		r, err := s.post(pathOf(a.Settings), soapHeader(), body, limit)
		whole, standing := stop(), until()
		good := whole && standing && err == nil && r.status != http.StatusUnauthorized && !r.last
		c.giveBack(a.Key, h, s, good)
		if err == nil && r.status == http.StatusUnauthorized {
			h.refused(s.way, offers(r.header, basic))
		}
		switch cut := ctx.Err() != nil || h.ctx.Err() != nil; {
		case cut:
		case errors.Is(err, errStale) && !fresh:
			continue
		case errors.Is(err, errReconnect) && again:
			again = false
			h.mu.Lock()
			h.way = s.way
			h.mu.Unlock()
			continue
		}
		if err != nil || h.ctx.Err() != nil {
			return reply{}, c.ended(ctx, h, err)
		}
		return r, nil
	}
}

// ended says why a call ended: cut here, out of time, or the server's doing.
func (c *Connector) ended(ctx context.Context, h *held, err error) error {
	switch {
	case h.ctx.Err() != nil:
		return errClosed
	case ctx.Err() != nil:
		return provider.ErrBadAnswer.Because(ctx.Err())
	}
	if _, ok := fault.As(err); ok {
		return err
	}
	return provider.ErrBadAnswer.Because(err)
}
