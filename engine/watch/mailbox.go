package watch

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

const (
	longestPause = 5 * time.Minute
	openTakes    = time.Minute     // the opening of a watch
	lookTakes    = 5 * time.Minute // one look
	touchEvery   = time.Hour       // of a quiet mailbox
)

// errLost says that this process does not watch the mailbox any more: it was taken over, or its grant was cut.
var errLost = errors.New("the mailbox is not ours to watch any more")

// mailbox is one mailbox that this process watches: one goroutine, which keeps nothing of the mailbox between two looks.
type mailbox struct {
	*Service
	row    models.Watch // holder and fence as they were taken
	pokes  int64        // guarded by Service.mu
	lapses int64        // likewise
	lapsed atomic.Bool  // the provider's pushes end
	poked  chan struct{}
	over   chan struct{} // closed when the goroutine has ended
	stop   context.CancelFunc
}

func (m *mailbox) poke() {
	select {
	case m.poked <- struct{}{}:
	default:
	}
}

func (m *mailbox) ended() bool {
	select {
	case <-m.over:
		return true
	default:
		return false
	}
}

// run watches until ctx ends or the mailbox is lost. Trouble is waited out: it says nothing about the grant.
func (m *mailbox) run(ctx context.Context) {
	pause := m.Retry
	for {
		worked, err := m.session(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errLost):
			return
		case worked:
			pause = m.Retry
		}
		if err != nil {
			m.Log.DebugContext(ctx, "a mailbox cannot be watched at the moment", "grant", m.row.GrantID, "error", err)
		}
		if provider.Pause(ctx, pause/2+fraction(pause/2), m.poked) != nil {
			return
		}
		pause = min(2*pause, longestPause)
	}
}

// fraction is a random part of d, so that thousands of mailboxes of one provider do not come back in step.
func fraction(d time.Duration) time.Duration {
	var b [8]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails; it ends the process instead
	return time.Duration(float64(d) * float64(binary.BigEndian.Uint64(b[:])>>11) / (1 << 53))
}

// session opens the watch and looks whenever there may be something, until something fails. worked says that at least one look succeeded.
func (m *mailbox) session(ctx context.Context) (worked bool, err error) {
	g, watcher, err := m.standing(ctx)
	if err != nil {
		return false, err
	}
	if watcher == nil {
		<-ctx.Done() // this provider's mailboxes cannot be watched
		return false, ctx.Err()
	}
	w, err := m.open(ctx, watcher, g)
	if err != nil {
		return false, m.judge(ctx, g, err)
	}
	defer w.Close()
	defer context.AfterFunc(ctx, w.Close)()
	for {
		if pushed, ok := w.(provider.Pushed); ok && m.lapsed.Swap(false) {
			pushed.Lapsed()
		}
		more, err := m.look(ctx, w, g)
		if err != nil {
			return worked, m.judge(ctx, g, err)
		}
		worked = true
		if more {
			continue
		}
		if err := w.Wait(ctx, m.poked); err != nil {
			return worked, m.judge(ctx, g, err)
		}
	}
}

// standing reads the grant as it is now, and what watches its mailbox; nil where nothing can.
func (m *mailbox) standing(ctx context.Context) (g models.Grant, watcher provider.Watcher, err error) {
	err = m.Store.InTenant(ctx, m.row.TenantID, func(tx *store.Tx) (err error) {
		g, err = tx.Grant(m.row.TenantID, m.row.GrantID)
		return err
	})
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && !g.Usable():
		return g, nil, errLost
	case err != nil:
		return g, nil, fmt.Errorf("read the grant of a watched mailbox: %w", err)
	}
	if err := m.Tokens.Offered(ctx, g.ApplicationID, g.Provider, g.CredentialID); err != nil {
		return g, nil, err
	}
	connector, err := m.Providers.Connector(g.Provider)
	if err != nil {
		return g, nil, err
	}
	watcher, ok := connector.(provider.Watcher)
	if !ok || !slices.Contains(provider.CapabilitiesOf(g.Provider, g.ScopesGranted), provider.ReadMail) {
		return g, nil, nil
	}
	return g, watcher, nil
}

// slot waits until few enough mailboxes are being opened or looked at.
func (m *mailbox) slot(ctx context.Context) (leave func(), err error) {
	select {
	case m.slots <- struct{}{}:
		return func() { <-m.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (m *mailbox) open(ctx context.Context, watcher provider.Watcher, g models.Grant) (provider.Watch, error) {
	leave, err := m.slot(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, openTakes)
	defer cancel()
	a := m.Tokens.Account(g)
	if m.Push != nil {
		a.Push = m.Push(g.ID)
	}
	w, err := watcher.Watch(ctx, a)
	if err != nil {
		return nil, fmt.Errorf("open the watch of a mailbox: %w", err)
	}
	return w, nil
}

// judge notes a credential that the mail server refused, as every other call on a mailbox does: the token is then refreshed, and a password that is refused twice, a
// minute apart, makes the grant invalid. All other trouble changes nothing.
func (m *mailbox) judge(ctx context.Context, g models.Grant, err error) error {
	if ctx.Err() != nil || !errors.Is(err, provider.ErrCredentialRefused) {
		return err
	}
	if _, refused := m.Tokens.Reject(ctx, g, err); refused != nil {
		return errors.Join(err, refused)
	}
	return err
}

// look looks once, and writes what it found.
func (m *mailbox) look(ctx context.Context, w provider.Watch, g models.Grant) (more bool, err error) {
	leave, err := m.slot(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, lookTakes)
	defer cancel()
	row, position, err := m.position(ctx)
	if err != nil {
		return false, err
	}
	wanted := m.wanted(g)
	looked, err := w.Look(ctx, position, wanted)
	switch {
	case err != nil:
		return false, fmt.Errorf("look at a mailbox: %w", err)
	case looked.Position != nil:
		return looked.More, m.write(ctx, row, g, looked, wanted)
	case m.now().Sub(row.Since) > touchEvery:
		return looked.More, m.lost(m.Store.InTenant(ctx, row.TenantID, func(tx *store.Tx) error { return tx.TouchWatch(row, m.now()) }))
	}
	return looked.More, nil
}

// position reads how far the mailbox was looked at.
func (m *mailbox) position(ctx context.Context) (row models.Watch, position []byte, err error) {
	err = m.Store.InTenant(ctx, m.row.TenantID, func(tx *store.Tx) error {
		position = nil
		if row, err = tx.Watch(m.row); err != nil || row.Version == 0 {
			return err
		}
		text, err := m.Safe.Open(ctx, tx, row.TenantID, owner(row), "position")
		if errors.Is(err, sealed.ErrAbsent) {
			return nil // it begins anew
		}
		position = []byte(text.Reveal())
		return err
	})
	return row, position, m.lost(err)
}

func owner(w models.Watch) sealed.Owner {
	return sealed.Owner{Kind: sealed.WatchOwner, ID: w.GrantID.String()}
}

// lost names the one outcome after which the mailbox is left alone.
func (m *mailbox) lost(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return errLost
	}
	return err
}

// write moves the watch on and writes the events, in one transaction: both or neither, and only while the mailbox is still ours.
func (m *mailbox) write(ctx context.Context, row models.Watch, g models.Grant, looked provider.Looked, wanted map[provider.ChangeKind]bool) error {
	list := events(row, g, looked.Changes, wanted)
	err := m.Store.InTenant(ctx, row.TenantID, func(tx *store.Tx) error {
		if err := tx.AdvanceWatch(row, m.now()); err != nil {
			return err
		}
		if err := m.Safe.Put(ctx, tx, row.TenantID, owner(row), "position", secret.New(string(looked.Position))); err != nil {
			return err
		}
		_, err := m.Outbox.Events(ctx, tx, list)
		return err
	})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("write what changed in a mailbox: %w", err)
	}
	return m.lost(err)
}
