package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// Config is what the service is made of. All of it is required, but Demo and Keys.
type Config struct {
	Store    *store.Store
	Audit    *audit.Keeper
	BaseURL  *url.URL          // passkeys are bound to its host
	Region   string            // "us" or "eu": named in every API key
	Demo     bool              // sign-in links may be made
	Keys     time.Duration     // how long the standing of a key may be relied on: KeyStanding, or 0 to read it every time
	Siblings map[string]string // region to base URL, of installations elsewhere
	Now      func() time.Time
	Logger   *slog.Logger
}

// Service is safe for concurrent use.
type Service struct {
	store    *store.Store
	audit    *audit.Keeper
	base     *url.URL
	region   string
	demo     bool
	siblings map[string]string
	now      func() time.Time
	log      *slog.Logger
	passkeys *webauthn.WebAuthn // nil: the base address has no host name, and browsers know no passkeys for an IP address
	failures *limiter
	keys     *keyring

	mu    sync.Mutex
	links map[[32]byte]models.MemberID // the demo's sign-in links, by the hash of their token
	shown []signInLink                 // the same, in the order of their making
}

// New makes the service. Its error is a base address that cannot hold passkeys for another reason than being an IP address.
func New(c Config) (*Service, error) {
	s := &Service{store: c.Store, audit: c.Audit, base: c.BaseURL, region: strings.ToLower(c.Region), demo: c.Demo, siblings: c.Siblings, now: c.Now, log: c.Logger,
		failures: newLimiter(10, 15*time.Minute), keys: newKeyring(c.Keys), links: map[[32]byte]models.MemberID{}}
	if _, err := netip.ParseAddr(c.BaseURL.Hostname()); err == nil {
		return s, nil
	}
	var err error
	s.passkeys, err = webauthn.New(&webauthn.Config{
		RPID: c.BaseURL.Hostname(), RPDisplayName: "Postern", RPOrigins: []string{c.BaseURL.Scheme + "://" + c.BaseURL.Host},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, UserVerification: protocol.VerificationRequired,
		},
	})
	return s, err
}

// Visitor is the browser at the other end. It is shown to the member as one of their sessions.
type Visitor struct {
	Addr      netip.Addr
	UserAgent string
	RequestID string
}

// newSecret makes 256 random bits as 43 characters of base64url.
func newSecret() secret.Text {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails; it ends the process instead
	return secret.New(base64.RawURLEncoding.EncodeToString(b[:]))
}

func hashOf(t secret.Text) []byte {
	h := sha256.Sum256([]byte(t.Reveal()))
	return h[:]
}

// actorOf makes the actor of a member from the strongest of their memberships. ok is false for somebody without any.
func actorOf(m models.Member, memberships []models.Membership) (a models.Actor, ok bool) {
	var best *models.Membership
	for i, s := range memberships {
		if best == nil || rank(s) < rank(*best) {
			best = &memberships[i]
		}
	}
	if best == nil {
		return a, false
	}
	a = models.Actor{Kind: models.ActorMember, ID: m.ID.String(), Label: m.Name, Role: best.Role, Permissions: best.Role.Permissions()}
	if best.TenantID != nil {
		a.Tenant = *best.TenantID
	}
	return a, true
}

// rank orders memberships, the strongest first; a role over all tenants comes before the same role in one.
func rank(m models.Membership) int {
	for i, r := range models.Roles() {
		if r == m.Role {
			if m.TenantID != nil {
				return 2*i + 1
			}
			return 2 * i
		}
	}
	return 1000
}

func from(a models.Actor, v Visitor) models.Actor {
	a.Addr, a.UserAgent, a.RequestID = v.Addr, v.UserAgent, v.RequestID
	return a
}

// memberID is the id of the member an actor is.
func memberID(a models.Actor) (models.MemberID, error) {
	if a.Kind != models.ActorMember {
		return models.MemberID{}, errNotMember
	}
	return models.ParseID[models.MemberID](a.ID)
}

var errNotMember = fault.New(fault.Denied, "members_only", "Only somebody who is signed in to the portal can do this.")

// record writes an audit entry about a member. It stands in the tenant's audit where the member belongs to one.
func (s *Service) record(ctx context.Context, tx *store.Tx, actor models.Actor, action string, m models.Member, tenant models.TenantID, detail map[string]string) error {
	return s.audit.Append(ctx, tx, actor, audit.Entry{Action: action, Tenant: tenant, ObjectKind: "member", ObjectID: m.ID.String(), Object: m.Name, Detail: detail})
}

// limiter counts failures by address, in memory: no rollback of a sign-in undoes it, and a restart forgives. It bounds one node.
type limiter struct {
	mu   sync.Mutex
	most int
	span time.Duration
	seen map[netip.Addr][]time.Time
}

func newLimiter(most int, span time.Duration) *limiter {
	return &limiter{most: most, span: span, seen: map[netip.Addr][]time.Time{}}
}

var errTooMany = fault.New(fault.Limited, "too_many_attempts", "There were too many failed sign-ins from your network address. Wait a few minutes, then try again.")

// check refuses an address that failed too often.
func (l *limiter) check(a netip.Addr, at time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	recent := l.recent(a, at)
	if len(recent) < l.most {
		return nil
	}
	return errTooMany.RetryAfter(recent[0].Add(l.span).Sub(at))
}

func (l *limiter) failed(a netip.Addr, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.seen) > 10_000 { // a flood from many addresses must not fill the memory
		clear(l.seen)
	}
	l.seen[a] = append(l.recent(a, at), at)
}

func (l *limiter) recent(a netip.Addr, at time.Time) []time.Time {
	kept := l.seen[a][:0]
	for _, t := range l.seen[a] {
		if at.Sub(t) < l.span {
			kept = append(kept, t)
		}
	}
	if len(kept) == 0 {
		delete(l.seen, a)
		return nil
	}
	l.seen[a] = kept
	return kept
}
