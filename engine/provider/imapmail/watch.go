package imapmail

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/postern-mail/postern/engine/provider"
)

// deepEvery is how often all folders are compared where the server does not count changes: a flag may change there without any number changing.
const deepEvery = 15 * time.Minute

// watch is a mailbox that is being watched: one connection of its own, in IDLE (RFC 2177) on the inbox between two looks. Nothing of the mailbox is kept here.
type watch struct {
	mail    *Mail
	account *account
	key     string
	session *session
	told    chan struct{}
	deep    time.Time // when all folders were compared last
	once    sync.Once
}

// teller signals what a server says unasked. The contents do not matter: what is true is found by a look.
func teller(told chan<- struct{}) *imapclient.UnilateralDataHandler {
	if told == nil {
		return nil
	}
	signal := func() {
		select {
		case told <- struct{}{}:
		default:
		}
	}
	return &imapclient.UnilateralDataHandler{
		Expunge: func(uint32) { signal() },
		Mailbox: func(d *imapclient.UnilateralDataMailbox) {
			if d.NumMessages != nil {
				signal()
			}
		},
		Fetch: func(d *imapclient.FetchMessageData) {
			for d.Next() != nil { //nolint:revive // it has to be read to its end
			}
			signal()
		},
	}
}

// Watch implements provider.Watcher. A key has one watch: a second one ends the first.
func (m *Mail) Watch(ctx context.Context, acct provider.Account) (provider.Watch, error) {
	acct = m.at(acct)
	a := m.member(acct.Key)
	w := &watch{mail: m, account: a, key: acct.Key, told: make(chan struct{}, 1)}
	ok := false
	defer func() {
		if !ok {
			m.forget(acct.Key, a)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, m.connectTimeout)
	defer cancel()
	stop := context.AfterFunc(a.ctx, cancel)
	defer stop()
	credential, err := acct.Credential(ctx)
	if err != nil {
		return nil, err
	}
	if w.session, err = m.loginTold(ctx, imapServer(acct.Settings), loginName(acct), credential, w.told); err != nil {
		if a.ctx.Err() != nil {
			return nil, errClosed
		}
		return nil, err
	}
	w.session.account = a
	m.mu.Lock()
	before := a.watch
	if !a.closed {
		a.watch, ok = w, true
	}
	m.mu.Unlock()
	if before != nil {
		before.Close()
	}
	if !ok {
		w.session.end()
		return nil, errClosed
	}
	return w, nil
}

// Close implements provider.Watch.
func (w *watch) Close() {
	w.once.Do(func() {
		w.session.end()
		w.mail.mu.Lock()
		if w.account.watch == w {
			w.account.watch = nil
		}
		w.mail.mu.Unlock()
		w.mail.forget(w.key, w.account)
	})
}

// Wait implements provider.Watch.
func (w *watch) Wait(ctx context.Context, poked <-chan struct{}) error {
	s := w.session
	if !s.has(imap.CapIdle) && !s.has(imap.CapIMAP4rev2) {
		return provider.Pause(ctx, w.mail.pollEvery, poked)
	}
	select {
	case <-w.told: // between the look and now
		return nil
	default:
	}
	idle, err := w.idle()
	if err != nil {
		return err
	}
	timer := time.NewTimer(w.mail.watchEvery)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		s.end()
		return ctx.Err()
	case <-s.client.Closed():
		return w.broken(nil)
	case <-w.told:
	case <-poked:
	case <-timer.C:
	}
	s.wire.allow(idleBytes, time.Now().Add(w.mail.commandTimeout))
	if err := errors.Join(idle.Close(), idle.Wait()); err != nil {
		return w.broken(err)
	}
	return nil
}

// idle goes into IDLE. From its acknowledgement on the connection may be silent for as long as it likes; it is spoken to at every watchEvery.
func (w *watch) idle() (*imapclient.IdleCommand, error) {
	s := w.session
	s.wire.allow(idleBytes, time.Now().Add(w.mail.commandTimeout))
	idle, err := s.client.Idle()
	if err != nil {
		return nil, w.broken(err)
	}
	s.wire.allow(idleBytes, time.Time{})
	return idle, nil
}

// broken is what a connection that is of no use any more answers.
func (w *watch) broken(err error) error {
	if w.account.ctx.Err() != nil {
		return errClosed
	}
	if err == nil {
		err = errors.New("the server hung up")
	}
	out, _ := w.session.answer(err)
	return out
}
