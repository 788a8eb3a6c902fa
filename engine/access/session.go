package access

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

const (
	anonymousLife = 30 * time.Minute
	mostSessions  = 5
	// touchEvery bounds how often the last use of a session is written. It is well below the shortest idle time.
	touchEvery = time.Minute
)

// lifetimes says how long a session of a role lasts unused, and at most.
func lifetimes(r models.Role) (idle, most time.Duration) {
	if r == models.Reviewer || r == models.Customer || r == models.Guest {
		return 30 * time.Minute, 12 * time.Hour
	}
	return 15 * time.Minute, 8 * time.Hour
}

// errNoSession says that an id names no live session. It does not say why: the id may be a guess.
var errNoSession = fault.New(fault.Unproven, "session_ended", "Your session has ended. Sign in again.")

type sessionData struct {
	Web json.RawMessage `json:"web"`
}

// OpenSession finds a live session and who is signed in to it: the zero Actor when nobody is yet. An id that names none, one unused for too
// long, one over its time, and one of a member who was shut out or signed out everywhere are all the same fault of kind Unproven.
func (s *Service) OpenSession(ctx context.Context, id secret.Text) (models.Actor, map[string]string, error) {
	var actor models.Actor
	var data map[string]string
	hash := hashOf(id)
	err := s.store.OnPlatform(ctx, "open a session", func(tx *store.Tx) error {
		at := s.now().UTC()
		row, err := tx.Session(hash)
		if errors.Is(err, store.ErrNotFound) {
			return errNoSession
		}
		if err != nil {
			return err
		}
		if actor, err = s.standing(tx, row, at); err != nil {
			return err
		}
		if data, err = webData(row.Data); err != nil {
			return err
		}
		if at.Sub(row.SeenAt) >= touchEvery {
			return tx.TouchSession(hash, at)
		}
		return nil
	})
	return actor, data, err
}

// standing says who is signed in to a session, or that it is dead.
func (s *Service) standing(tx *store.Tx, row models.Session, at time.Time) (models.Actor, error) {
	if !at.Before(row.ExpiresAt) {
		return models.Actor{}, errNoSession
	}
	if row.PassID != nil {
		return s.standingGuest(tx, row, at)
	}
	if row.MemberID == nil {
		return models.Actor{}, nil
	}
	member, err := tx.Member(*row.MemberID)
	if err != nil {
		return models.Actor{}, err
	}
	memberships, err := tx.Memberships(member.ID)
	if err != nil {
		return models.Actor{}, err
	}
	actor, ok := actorOf(member, memberships)
	idle, most := lifetimes(actor.Role)
	// The longest life is judged again by today's role: a reviewer's session must not keep its twelve hours for an admin.
	if !ok || member.DisabledAt != nil || row.Epoch != member.SessionEpoch || at.Sub(row.SeenAt) >= idle || at.Sub(row.CreatedAt) >= most {
		return models.Actor{}, errNoSession
	}
	return actor, s.athome(tx, actor.Tenant)
}

// athome refuses the people of an organisation that another region keeps: their pages are there.
func (s *Service) athome(tx *store.Tx, tenant models.TenantID) error {
	if tenant.IsZero() {
		return nil
	}
	row, err := tx.Tenant(tenant)
	if err != nil {
		return err
	}
	return s.belongs(fault.Denied, "Your organisation", row.Region)
}

func webData(raw models.JSON) (map[string]string, error) {
	var parts sessionData
	if err := json.Unmarshal(raw, &parts); err != nil {
		return nil, fmt.Errorf("read a session's data: %w", err)
	}
	data := map[string]string{}
	if len(parts.Web) > 0 {
		if err := json.Unmarshal(parts.Web, &data); err != nil {
			return nil, fmt.Errorf("read what a session carries: %w", err)
		}
	}
	return data, nil
}

// BeginSession begins a session that nobody is signed in to.
func (s *Service) BeginSession(ctx context.Context, data map[string]string, addr netip.Addr, userAgent string) (secret.Text, error) {
	id := newSecret()
	err := s.store.OnPlatform(ctx, "begin a session", func(tx *store.Tx) error {
		at := s.now().UTC()
		if err := tx.DeleteExpiredSessions(at, 100); err != nil { // whoever comes sweeps a little: no job is needed
			return err
		}
		web, err := json.Marshal(map[string]any{"web": data})
		if err != nil {
			return err
		}
		return tx.InsertSession(models.Session{IDHash: hashOf(id), Data: web, Address: addressText(addr), UserAgent: userAgent,
			CreatedAt: at, SeenAt: at, ExpiresAt: at.Add(anonymousLife)})
	})
	return id, err
}

// SaveSession replaces what a session carries for the browser. A passkey ceremony under way is not touched.
func (s *Service) SaveSession(ctx context.Context, id secret.Text, data map[string]string) error {
	web, err := json.Marshal(data)
	if err != nil {
		return err
	}
	err = s.store.OnPlatform(ctx, "save a session", func(tx *store.Tx) error { return tx.ReplaceSessionData(hashOf(id), web) })
	if errors.Is(err, store.ErrNotFound) {
		return errNoSession
	}
	return err
}

// EndSession ends a session and records it where somebody was signed in. One that is over already is no error.
func (s *Service) EndSession(ctx context.Context, id secret.Text) error {
	return s.store.OnPlatform(ctx, "end a session", func(tx *store.Tx) error {
		return s.endSession(ctx, tx, hashOf(id), Visitor{})
	})
}

// SignOut is EndSession, recorded with where the request came from.
func (s *Service) SignOut(ctx context.Context, id secret.Text, v Visitor) error {
	return s.store.OnPlatform(ctx, "sign out", func(tx *store.Tx) error { return s.endSession(ctx, tx, hashOf(id), v) })
}

func (s *Service) endSession(ctx context.Context, tx *store.Tx, hash []byte, v Visitor) error {
	row, err := tx.Session(hash)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := tx.DeleteSession(hash); err != nil || row.MemberID == nil {
		return err
	}
	member, err := tx.Member(*row.MemberID)
	if err != nil {
		return err
	}
	memberships, err := tx.Memberships(member.ID)
	if err != nil {
		return err
	}
	actor, _ := actorOf(member, memberships)
	if actor.Kind == "" {
		actor = models.Actor{Kind: models.ActorMember, ID: member.ID.String(), Label: member.Name}
	}
	return s.record(ctx, tx, from(actor, v), "session.end", member, actor.Tenant, nil)
}

// signIn ends the browser's old session, if any, and begins one for the member: the id is always a new one, so that an id planted
// before sign-in is worth nothing after it.
func (s *Service) signIn(ctx context.Context, tx *store.Tx, member models.Member, old secret.Text, v Visitor, how string) (secret.Text, models.Actor, error) {
	at := s.now().UTC()
	memberships, err := tx.Memberships(member.ID)
	if err != nil {
		return secret.Text{}, models.Actor{}, err
	}
	actor, ok := actorOf(member, memberships)
	if !ok || member.DisabledAt != nil {
		return secret.Text{}, models.Actor{}, errRefused
	}
	if err := s.athome(tx, actor.Tenant); err != nil {
		return secret.Text{}, models.Actor{}, err
	}
	actor = from(actor, v)
	if !old.Empty() {
		if _, err := tx.DeleteSession(hashOf(old)); err != nil {
			return secret.Text{}, actor, err
		}
	}
	id := newSecret()
	_, most := lifetimes(actor.Role)
	row := models.Session{IDHash: hashOf(id), MemberID: &member.ID, Epoch: member.SessionEpoch, Address: addressText(v.Addr), UserAgent: v.UserAgent,
		CreatedAt: at, SeenAt: at, ExpiresAt: at.Add(most)}
	if err := tx.InsertSession(row); err != nil {
		return secret.Text{}, actor, err
	}
	ended, err := tx.TrimSessions(member.ID, mostSessions)
	if err != nil {
		return secret.Text{}, actor, err
	}
	detail := map[string]string{"how": how}
	if ended > 0 {
		detail["oldest_ended"] = fmt.Sprint(ended)
	}
	return id, actor, s.record(ctx, tx, actor, "session.begin", member, actor.Tenant, detail)
}

func addressText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// SignedIn is one of a member's sessions as they see it.
type SignedIn struct {
	Handle    string // names the session in a page's address; it opens nothing
	Address   string
	UserAgent string
	CreatedAt time.Time
	SeenAt    time.Time
	Current   bool
}

// handle is the beginning of the hash: enough to tell a member's few sessions apart.
func handle(hash []byte) string { return hex.EncodeToString(hash[:8]) }

// live lists the sessions of a member that still open.
func (s *Service) live(tx *store.Tx, member models.MemberID, current secret.Text) ([]SignedIn, error) {
	rows, err := tx.SessionsOfMember(member)
	if err != nil {
		return nil, err
	}
	var out []SignedIn
	for _, r := range rows {
		if _, err := s.standing(tx, r, s.now().UTC()); errors.Is(err, errNoSession) {
			continue
		} else if err != nil {
			return nil, err
		}
		out = append(out, SignedIn{Handle: handle(r.IDHash), Address: r.Address, UserAgent: r.UserAgent, CreatedAt: r.CreatedAt, SeenAt: r.SeenAt,
			Current: !current.Empty() && handle(hashOf(current)) == handle(r.IDHash)})
	}
	return out, nil
}

// EndOneSession ends one of the actor's own sessions.
func (s *Service) EndOneSession(ctx context.Context, actor models.Actor, name string) error {
	id, err := memberID(actor)
	if err != nil {
		return err
	}
	return s.store.OnPlatform(ctx, "end one of a member's sessions", func(tx *store.Tx) error {
		rows, err := tx.SessionsOfMember(id)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if handle(r.IDHash) == name {
				return s.endSession(ctx, tx, r.IDHash, Visitor{Addr: actor.Addr, UserAgent: actor.UserAgent, RequestID: actor.RequestID})
			}
		}
		return store.ErrNotFound
	})
}

// EndSessions signs a member out everywhere: the actor, or, with the right to manage members, somebody else. It reaches every node at the
// next request, because the epoch is read with each.
func (s *Service) EndSessions(ctx context.Context, actor models.Actor, member models.MemberID) error {
	if actor.ID != member.String() {
		if err := mayManage(actor); err != nil {
			return err
		}
	}
	return s.store.OnPlatform(ctx, "sign a member out everywhere", func(tx *store.Tx) error {
		row, err := tx.MemberForUpdate(member)
		if err != nil {
			return err
		}
		n, err := s.endAll(tx, row)
		if err != nil {
			return err
		}
		return s.record(ctx, tx, actor, "session.end_all", row, actor.Tenant, map[string]string{"sessions": fmt.Sprint(n)})
	})
}

func (s *Service) endAll(tx *store.Tx, m models.Member) (int, error) {
	if err := tx.RaiseSessionEpoch(m.ID); err != nil {
		return 0, err
	}
	return tx.DeleteSessionsOfMember(m.ID, nil)
}
