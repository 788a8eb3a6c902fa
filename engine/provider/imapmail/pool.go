package imapmail

import (
	"context"
	"crypto/x509"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/provider"
)

// Config is what Mail needs. Guard is required; a zero limit takes its default.
type Config struct {
	Guard          *dial.Guard
	Now            func() time.Time // nil = time.Now; stamps what is sent
	Roots          *x509.CertPool   // issuers trusted in place of the guard's
	PerAccount     int              // connections to one account at once: 4. Many servers allow ten, for all of a person's programs
	Total          int              // connections in all: 2000
	IdleAfter      time.Duration    // a connection unused for so long is closed: 5 minutes
	ConnectTimeout time.Duration    // from the socket to the login's answer: 20 seconds
	CommandTimeout time.Duration    // one call: 60 seconds
	WatchEvery     time.Duration    // a watched mailbox is looked at so often even if its server says nothing: 5 minutes
	PollEvery      time.Duration    // the same where the server cannot say anything (no IDLE): 1 minute
	// At changes an account before it is used, as a connector does whose servers are fixed; nil = as it was saved. It is asked once for a call.
	At func(provider.Account) provider.Account
}

// Mail reaches mailboxes over IMAP and SMTP. It is safe for concurrent use.
type Mail struct {
	guard                                     *dial.Guard
	now                                       func() time.Time
	roots                                     *x509.CertPool
	perAccount, most                          int
	idleAfter, connectTimeout, commandTimeout time.Duration
	watchEvery, pollEvery                     time.Duration
	at                                        func(provider.Account) provider.Account

	mu       sync.Mutex
	accounts map[string]*account
	total    int
	indexes  map[indexKey]*indexEntry
	indexed  int // messages in indexes
}

// account is the connections of one key.
type account struct {
	ctx    context.Context // ends when the key is closed
	cancel context.CancelFunc
	slots  chan struct{}
	tree   atomic.Int64 // changes of folders made here: a folder that is selected under its old name must be selected anew
	users  int          // callers inside with; guarded by Mail.mu, as are idle and live
	idle   []*session
	live   map[*session]struct{}
	watch  *watch // the one that watches; its connection is not of the pool, and not counted in its total
	closed bool
}

// New makes a Mail.
func New(c Config) *Mail {
	m := &Mail{guard: c.Guard, now: c.Now, roots: c.Roots, perAccount: c.PerAccount, most: c.Total, idleAfter: c.IdleAfter,
		connectTimeout: c.ConnectTimeout, commandTimeout: c.CommandTimeout, watchEvery: c.WatchEvery, pollEvery: c.PollEvery, at: c.At, accounts: map[string]*account{}, indexes: map[indexKey]*indexEntry{}}
	if m.now == nil {
		m.now = time.Now
	}
	if m.at == nil {
		m.at = func(a provider.Account) provider.Account { return a }
	}
	orInt(&m.perAccount, 4)
	orInt(&m.most, 2000)
	orTime(&m.idleAfter, 5*time.Minute)
	orTime(&m.connectTimeout, 20*time.Second)
	orTime(&m.commandTimeout, time.Minute)
	orTime(&m.watchEvery, 5*time.Minute)
	orTime(&m.pollEvery, time.Minute)
	return m
}

func orInt(v *int, d int) {
	if *v == 0 {
		*v = d
	}
}

func orTime(v *time.Duration, d time.Duration) {
	if *v == 0 {
		*v = d
	}
}

// Close closes all connections of a key, those in use included, before it returns.
func (m *Mail) Close(key string) {
	m.mu.Lock()
	for k := range m.indexes {
		if k.account == key {
			m.forgetIndex(k)
		}
	}
	a := m.accounts[key]
	if a == nil {
		m.mu.Unlock()
		return
	}
	delete(m.accounts, key)
	a.closed = true
	a.cancel()
	dying := make([]*session, 0, len(a.live))
	for s := range a.live {
		dying = append(dying, s)
		m.total--
	}
	if a.watch != nil {
		dying = append(dying, a.watch.session)
	}
	a.live, a.idle, a.watch = nil, nil, nil
	m.mu.Unlock()
	for _, s := range dying {
		s.end()
	}
}

// Held lists the keys of which a connection is open, is being opened, or an index is kept.
func (m *Mail) Held() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	keys := slices.Collect(maps.Keys(m.accounts))
	for k := range m.indexes {
		if m.accounts[k.account] == nil {
			keys = append(keys, k.account)
		}
	}
	return keys
}

// Open counts the open connections of a key, for tests and for the page that shows them.
func (m *Mail) Open(key string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a := m.accounts[key]; a != nil {
		if a.watch != nil {
			return len(a.live) + 1
		}
		return len(a.live)
	}
	return 0
}

// with lends f a logged-in session that has folder selected (none when folder is empty), and takes it back.
// An error that leaves the connection unsure ends it.
func (m *Mail) with(ctx context.Context, acct provider.Account, folder string, write bool, f func(*session) error) error {
	ctx, cancel := context.WithTimeout(ctx, m.commandTimeout)
	defer cancel()
	a, err := m.enter(ctx, acct.Key)
	if err != nil {
		return err
	}
	defer m.leave(acct.Key, a)
	for {
		s, fresh, err := m.session(ctx, a, acct, folder)
		if err != nil {
			if a.ctx.Err() != nil {
				return errClosed
			}
			return err
		}
		stop := context.AfterFunc(ctx, s.wire.kill)
		s.allow(ctx, selectBytes)
		s.follow(a)
		err = s.use(folder, write)
		if _, fatal := s.answer(err); fatal && !fresh && ctx.Err() == nil && a.ctx.Err() == nil {
			stop()
			// A pooled connection that the server has given up, or whose token has run out: not the caller's trouble.
			m.drop(a, s)
			continue
		}
		if err == nil {
			err = f(s)
		}
		out, fatal := s.answer(err)
		if !stop() || fatal {
			m.drop(a, s)
		} else {
			m.giveBack(a, s)
		}
		switch {
		case a.ctx.Err() != nil && out != nil:
			return errClosed
		case ctx.Err() != nil && out != nil:
			return provider.ErrBadAnswer.Because(ctx.Err())
		}
		return out
	}
}

// member finds or makes the account of a key, and counts the caller in.
func (m *Mail) member(key string) *account {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.accounts[key]
	if a == nil {
		a = &account{slots: make(chan struct{}, m.perAccount), live: map[*session]struct{}{}}
		a.ctx, a.cancel = context.WithCancel(context.Background())
		m.accounts[key] = a
	}
	a.users++
	return a
}

// follow is ctx that also ends when the key is closed. done must be called.
func (m *Mail) follow(ctx context.Context, key string) (followed context.Context, done func()) {
	a := m.member(key)
	followed, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(a.ctx, cancel)
	return followed, func() { stop(); cancel(); m.forget(key, a) }
}

func (m *Mail) enter(ctx context.Context, key string) (*account, error) {
	a := m.member(key)
	select {
	case a.slots <- struct{}{}:
		return a, nil
	case <-a.ctx.Done():
		m.forget(key, a)
		return nil, errClosed
	case <-ctx.Done():
		m.forget(key, a)
		return nil, provider.ErrBadAnswer.Because(ctx.Err())
	}
}

func (m *Mail) leave(key string, a *account) {
	<-a.slots
	m.forget(key, a)
}

// forget lets go of an account that nobody uses and that has no connection.
func (m *Mail) forget(key string, a *account) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a.users--; a.users == 0 && len(a.live) == 0 && m.accounts[key] == a {
		delete(m.accounts, key)
		a.cancel()
	}
}

// session takes an idle connection, one with the folder selected first, or opens one.
func (m *Mail) session(ctx context.Context, a *account, acct provider.Account, folder string) (s *session, fresh bool, err error) {
	m.mu.Lock()
	if n := len(a.idle); n > 0 {
		at := n - 1
		for i, x := range a.idle {
			if x.folder == folder {
				at = i
			}
		}
		s = a.idle[at]
		a.idle = append(a.idle[:at], a.idle[at+1:]...)
		s.timer.Stop()
		m.mu.Unlock()
		return s, false, nil
	}
	if m.total >= m.most && !m.evict() {
		m.mu.Unlock()
		return nil, false, errBusy
	}
	m.total++ // before the dial, so that many dials at once cannot pass the cap
	m.mu.Unlock()

	s, err = m.dial(ctx, a, acct)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		m.total--
		return nil, false, err
	}
	if a.closed {
		m.total--
		go s.end()
		return nil, false, errClosed
	}
	a.live[s] = struct{}{}
	return s, true, nil
}

func (m *Mail) dial(ctx context.Context, a *account, acct provider.Account) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, m.connectTimeout)
	defer cancel()
	stop := context.AfterFunc(a.ctx, cancel)
	defer stop()
	credential, err := acct.Credential(ctx)
	if err != nil {
		return nil, err
	}
	return m.login(ctx, imapServer(acct.Settings), loginName(acct), credential)
}

func loginName(a provider.Account) string {
	if a.Login != "" {
		return a.Login
	}
	return a.Address
}

// evict closes the connection that has been idle longest. It is called with mu held.
func (m *Mail) evict() bool {
	var from *account
	var oldest *session
	for _, a := range m.accounts {
		if len(a.idle) > 0 && (oldest == nil || a.idle[0].since.Before(oldest.since)) {
			from, oldest = a, a.idle[0]
		}
	}
	if oldest == nil {
		return false
	}
	from.idle = from.idle[1:]
	oldest.timer.Stop()
	delete(from.live, oldest)
	m.total--
	go oldest.end()
	return true
}

func (m *Mail) giveBack(a *account, s *session) {
	s.wire.allow(idleBytes, time.Time{})
	m.mu.Lock()
	defer m.mu.Unlock()
	if a.closed {
		go s.end()
		return
	}
	s.since = time.Now()
	s.timer = time.AfterFunc(m.idleAfter, func() { m.expire(a, s) })
	a.idle = append(a.idle, s)
}

func (m *Mail) expire(a *account, s *session) {
	m.mu.Lock()
	found := false
	for i, x := range a.idle {
		if x == s {
			a.idle = append(a.idle[:i], a.idle[i+1:]...)
			delete(a.live, s)
			m.total--
			found = true
			break
		}
	}
	if found && a.users == 0 && len(a.live) == 0 {
		for key, x := range m.accounts {
			if x == a {
				delete(m.accounts, key)
				a.cancel()
				break
			}
		}
	}
	m.mu.Unlock()
	if found {
		s.end()
	}
}

func (m *Mail) drop(a *account, s *session) {
	m.mu.Lock()
	if _, ok := a.live[s]; ok {
		delete(a.live, s)
		m.total--
	}
	m.mu.Unlock()
	s.end()
}
