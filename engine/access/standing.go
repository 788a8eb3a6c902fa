package access

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
)

// KeyStanding is how old the standing of an API key may be when it is relied on. It is the bound on how long a key that another process revoked is still taken here;
// one that this process revokes is refused at once. It rests on the age of what was read and on nothing else: a notification that was lost could not be told from one
// that was never sent, so nobody is waited for.
const KeyStanding = 250 * time.Millisecond

// mostKeys bounds the keys held at once. Above it all are forgotten, and read again.
const mostKeys = 10_000

// keyStanding is what was read of one key, ready to be asked.
type keyStanding struct {
	key         models.APIKey
	region      string              // of the tenant that the key is bound to; empty: bound to none
	permissions []models.Permission // shared between requests: never written to
	networks    []netip.Prefix
	noted       *atomic.Int64 // unix seconds of the use that was written last
	at          time.Time     // from before the read began
}

// keyring remembers the keys of the last moment. Unknown keys are never remembered: strangers would fill it.
type keyring struct {
	life   time.Duration // 0: nothing is remembered
	mu     sync.Mutex
	of     map[[32]byte]*keyStanding
	turn   int // goes up with every key forgotten: a read that began before does not count
	flight singleflight.Group
}

func newKeyring(life time.Duration) *keyring {
	return &keyring{life: life, of: map[[32]byte]*keyStanding{}}
}

func (r *keyring) recall(hash [32]byte, now time.Time) (k *keyStanding, turn int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k = r.of[hash]; k != nil && (now.Sub(k.at) >= r.life || now.Before(k.at)) {
		k = nil
	}
	return k, r.turn
}

func (r *keyring) keep(hash [32]byte, k *keyStanding, turn int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.life == 0 || turn != r.turn {
		return
	}
	if before := r.of[hash]; before != nil {
		k.noted = before.noted
	} else if len(r.of) >= mostKeys {
		clear(r.of)
	}
	r.of[hash] = k
}

// forget drops a key that was changed here. Its hash is not at hand where it is changed; there are few.
func (r *keyring) forget(id models.APIKeyID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn++
	for hash, k := range r.of {
		if k.key.ID == id {
			delete(r.of, hash)
		}
	}
}

// keyOf gives the standing of a key as it was at most KeyStanding ago.
func (s *Service) keyOf(ctx context.Context, bearer secret.Text) (*keyStanding, error) {
	hash := [32]byte(hashOf(bearer))
	held, turn := s.keys.recall(hash, s.now())
	if held != nil {
		return held, nil
	}
	if s.keys.life == 0 {
		return s.readKey(ctx, hash)
	}
	// Those who come while somebody reads take what that one finds, unless a key was forgotten in between. That one's request may be given up; theirs is not.
	shared := s.keys.flight.DoChan(string(hash[:])+strconv.Itoa(turn), func() (any, error) {
		k, err := s.readKey(context.WithoutCancel(ctx), hash)
		if err == nil {
			s.keys.keep(hash, k, turn)
		}
		return k, err
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case found := <-shared:
		if found.Err != nil {
			return nil, found.Err
		}
		return found.Val.(*keyStanding), nil
	}
}

func (s *Service) readKey(ctx context.Context, hash [32]byte) (*keyStanding, error) {
	k := &keyStanding{at: s.now(), noted: new(atomic.Int64)}
	application, id, err := s.store.FindKey(ctx, hash[:])
	if err != nil {
		return nil, unknown(err)
	}
	if k.key, err = s.store.KeySeen(ctx, application, id); err != nil {
		return nil, unknown(err)
	}
	if k.key.TenantID != nil {
		if k.region, err = s.store.TenantRegion(ctx, *k.key.TenantID); err != nil {
			return nil, unknown(err)
		}
	}
	k.permissions = models.KeyPermissions()
	if len(k.key.Permissions) > 0 {
		k.permissions = slices.DeleteFunc(k.permissions, func(p models.Permission) bool { return !slices.Contains(k.key.Permissions, string(p)) })
	}
	for _, text := range k.key.Addresses {
		p, err := netip.ParsePrefix(strings.TrimSpace(text))
		if err != nil {
			p = netip.Prefix{} // covers nothing; the list is still one, so that the key does not become one for everywhere
		}
		k.networks = append(k.networks, p)
	}
	if k.key.LastUsedAt != nil {
		k.noted.Store(k.key.LastUsedAt.Unix())
	}
	return k, nil
}

// allowed says whether addr is in one of the networks; without networks every address is. An address that could not be told is in none.
func (k *keyStanding) allowed(addr netip.Addr) bool {
	return len(k.networks) == 0 || slices.ContainsFunc(k.networks, func(p netip.Prefix) bool { return p.Contains(addr.Unmap()) })
}

// noteUse writes the last use, at most once a minute for each key in this process, in a transaction of its own. That it fails is no reason to refuse the program.
func (s *Service) noteUse(ctx context.Context, k *keyStanding, at time.Time) {
	last := k.noted.Load()
	if at.Unix()-last < 60 || !k.noted.CompareAndSwap(last, at.Unix()) {
		return
	}
	if err := s.store.NoteKeyUse(ctx, k.key.ApplicationID, k.key.ID, at); err != nil {
		s.log.WarnContext(ctx, "the use of an API key was not noted", "key", k.key.ID.String(), "error", err.Error())
	}
}
