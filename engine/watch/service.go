package watch

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postern-mail/postern/engine/outbox"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/engine/tokens"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// Config is what the service is made of. The fields after Log may be zero and then have the value in their comment.
type Config struct {
	Store     *store.Store
	Tokens    *tokens.Keeper
	Safe      *sealed.Safe
	Outbox    *outbox.Keeper
	Providers *provider.Set
	Now       func() time.Time
	Log       *slog.Logger
	Every     time.Duration // between two looks at what is to be watched: 1 second
	Hold      time.Duration // how long a mailbox stays a dead process's: 10 seconds
	// Push is where the provider of a grant may push; nil, or nil for a grant: nobody out there reaches us.
	Push   func(models.GrantID) *provider.Push
	AtOnce int           // mailboxes that are opened or looked at at the same time: 16
	Retry  time.Duration // after the first failure of a mailbox; it doubles up to 5 minutes: 5 seconds
}

// Service watches. It is safe for concurrent use.
type Service struct {
	Config
	id    models.KeeperID  // of this process, among those that share the database
	real  func() time.Time // the machine's, for leases and pauses
	slots chan struct{}
	hooks atomic.Pointer[[]models.Webhook]

	mu       sync.Mutex
	mailbox  map[models.GrantID]*mailbox
	hints    map[store.Hint]struct{}
	group    sync.WaitGroup
	said     time.Time
	place    place     // where adding watches goes on
	tidied   time.Time // when idle watches were last looked for
	frozen   bool      // for tests: the end gives nothing back
	goodTill time.Time // until when this process surely holds what it holds
}

type place struct {
	tenant models.TenantID
	grant  models.GrantID
}

// New makes the service. It starts no work; see Run.
func New(c Config) *Service {
	c.Every, c.Hold, c.AtOnce, c.Retry = cmp.Or(c.Every, time.Second), cmp.Or(c.Hold, 10*time.Second), cmp.Or(c.AtOnce, 16), cmp.Or(c.Retry, 5*time.Second)
	s := &Service{Config: c, real: time.Now, slots: make(chan struct{}, c.AtOnce), mailbox: map[models.GrantID]*mailbox{}, hints: map[store.Hint]struct{}{}}
	s.id = models.NewID[models.KeeperID](s.real())
	s.hooks.Store(&[]models.Webhook{})
	return s
}

// triggers are the events that make a mailbox worth watching.
func triggers() []string {
	kinds := provider.ChangeKinds()
	out := make([]string, len(kinds))
	for i, k := range kinds {
		out[i] = string(k)
	}
	return out
}

// wanted says which kinds of change somebody asks for of a grant.
func (s *Service) wanted(g models.Grant) map[provider.ChangeKind]bool {
	out := map[provider.ChangeKind]bool{}
	for _, h := range *s.hooks.Load() {
		if h.ApplicationID != g.ApplicationID || h.TenantID != nil && *h.TenantID != g.TenantID {
			continue
		}
		for _, t := range h.TriggerTypes {
			out[provider.ChangeKind(t)] = true
		}
	}
	return out
}

// Stop ends the watching of a grant in this process at once, its connection included. Other processes see within a second that the grant was cut.
func (s *Service) Stop(grant models.GrantID) {
	s.mu.Lock()
	m := s.mailbox[grant]
	s.mu.Unlock()
	if m != nil {
		m.stop()
	}
}

// Watching counts the mailboxes that this process watches.
func (s *Service) Watching() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mailbox)
}

// mostHints bounds the hints that wait for the next turn. What is beyond is left to the look that comes anyway.
const mostHints = 10_000

// Wake is told that a provider has something to say of a mailbox, which it names by address, by its own id of the person, or by our id of the grant. Whichever process watches it looks within
// about two seconds. It is a hint, and returns at once: what is true is found by the look.
func (s *Service) Wake(_ context.Context, name, who string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.hints) < mostHints {
		s.hints[store.Hint{Provider: name, Who: strings.ToLower(who)}] = struct{}{}
	}
}

// Lapse is told that a provider has ended the pushes of a grant's mailbox, or is about to: whichever process watches it asks for them anew, and looks. It returns at once.
func (s *Service) Lapse(_ context.Context, name string, grant models.GrantID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.hints) < mostHints {
		s.hints[store.Hint{Provider: name, Who: grant.String(), Lapsed: true}] = struct{}{}
	}
}

// takeHints empties what Wake gathered.
func (s *Service) takeHints() []store.Hint {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := slices.Collect(maps.Keys(s.hints))
	clear(s.hints)
	return out
}
