package access

import (
	"context"
	"encoding/base64"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

var (
	errManage     = fault.New(fault.Denied, "members_denied", "Only an owner or admin manages members.")
	errOwnersOnly = fault.New(fault.Denied, "owners_only", "Only an owner can do this to an owner, or make one.")
	errLastOwner  = fault.New(fault.Conflict, "last_owner", "This is the only owner. Make somebody else an owner first.")
)

func mayManage(a models.Actor) error {
	if a.Kind == models.ActorSystem || a.Platform() && a.May(models.ManageMembers) {
		return nil
	}
	return errManage
}

// managed reads a member whom actor is about to change, locked, with their standing. Owners are for owners only.
func (s *Service) managed(tx *store.Tx, actor models.Actor, id models.MemberID) (models.Member, models.Actor, error) {
	m, err := tx.MemberForUpdate(id)
	if err != nil {
		return m, models.Actor{}, err
	}
	memberships, err := tx.Memberships(id)
	if err != nil {
		return m, models.Actor{}, err
	}
	standing, _ := actorOf(m, memberships)
	if standing.Role == models.Owner && actor.Role != models.Owner {
		return m, standing, errOwnersOnly
	}
	return m, standing, nil
}

// MemberFilter narrows a list of members. Cursor is MemberPage.Next of the list before.
type MemberFilter struct {
	Search string
	Role   models.Role
	Tenant models.TenantID
	Cursor string
	Limit  int // 0: 50; at most 200
}

// MemberLine is a member in a list.
type MemberLine = store.MemberLine

// MemberPage is one page of members by name.
type MemberPage struct {
	Members []MemberLine
	Next    string
}

// Members lists members. An owner or admin sees all; support sees those of one tenant, which it must name; a customer those of their own.
func (s *Service) Members(ctx context.Context, actor models.Actor, f MemberFilter) (MemberPage, error) {
	switch {
	case mayManage(actor) == nil:
	case !actor.Tenant.IsZero():
		f.Tenant = actor.Tenant
	case actor.May(models.ReadTenants) && !f.Tenant.IsZero():
	default:
		return MemberPage{}, errManage
	}
	if f.Limit <= 0 {
		f.Limit = 50
	}
	f.Limit = min(f.Limit, 200)
	q := store.MemberQuery{Search: strings.TrimSpace(f.Search), Role: f.Role, Tenant: f.Tenant, Limit: f.Limit + 1}
	if f.Cursor != "" {
		raw, err := base64.RawURLEncoding.DecodeString(f.Cursor)
		id, name, ok := strings.Cut(string(raw), " ")
		after, errID := models.ParseID[models.MemberID](id)
		if err != nil || !ok || errID != nil || strings.ContainsRune(name, 0) {
			return MemberPage{}, store.ErrCursor
		}
		q.AfterName, q.AfterID = name, after
	}
	var page MemberPage
	err := s.store.OnPlatform(ctx, "list members", func(tx *store.Tx) (err error) {
		page.Members, err = tx.Members(q)
		return err
	})
	if len(page.Members) > f.Limit {
		page.Members = page.Members[:f.Limit]
		last := page.Members[f.Limit-1]
		page.Next = base64.RawURLEncoding.EncodeToString([]byte(last.ID.String() + " " + last.Name))
	}
	return page, err
}

// MemberDetail is one member with what they hold.
type MemberDetail struct {
	Member   models.Member
	Role     models.Role
	Tenant   models.TenantID // zero: all
	Passkeys []models.Passkey
	Sessions []SignedIn
}

// State says in one word where the member stands: active, invited (no passkey yet) or locked.
func (d MemberDetail) State() string { return memberState(d.Member, len(d.Passkeys)) }

func memberState(m models.Member, passkeys int) string {
	switch {
	case m.DisabledAt != nil:
		return "locked"
	case passkeys == 0:
		return "invited"
	default:
		return "active"
	}
}

// StateOf is MemberDetail.State for a line of a list.
func StateOf(l MemberLine) string { return memberState(l.Member, l.Passkeys) }

// Member reads one member for somebody who manages them.
func (s *Service) Member(ctx context.Context, actor models.Actor, id models.MemberID) (MemberDetail, error) {
	if err := mayManage(actor); err != nil {
		return MemberDetail{}, err
	}
	return s.detail(ctx, id, secret.Text{})
}

// Account is what the actor sees of themselves. current is the id of the session they look from.
func (s *Service) Account(ctx context.Context, actor models.Actor, current secret.Text) (MemberDetail, error) {
	id, err := memberID(actor)
	if err != nil {
		return MemberDetail{}, err
	}
	return s.detail(ctx, id, current)
}

func (s *Service) detail(ctx context.Context, id models.MemberID, current secret.Text) (MemberDetail, error) {
	var d MemberDetail
	err := s.store.OnPlatform(ctx, "read a member", func(tx *store.Tx) (err error) {
		if d.Member, err = tx.Member(id); err != nil {
			return err
		}
		memberships, err := tx.Memberships(id)
		if err != nil {
			return err
		}
		standing, _ := actorOf(d.Member, memberships)
		d.Role, d.Tenant = standing.Role, standing.Tenant
		if d.Passkeys, err = tx.Passkeys(id); err != nil {
			return err
		}
		d.Sessions, err = s.live(tx, id, current)
		return err
	})
	return d, err
}

// ChangeRole gives a member another role over all tenants, from their next request on. Whoever belongs to one tenant stays there: they are
// invited anew instead.
func (s *Service) ChangeRole(ctx context.Context, actor models.Actor, id models.MemberID, role models.Role) error {
	if err := mayManage(actor); err != nil {
		return err
	}
	if !role.Valid() || role == models.Customer {
		return fault.New(fault.Invalid, "role_invalid", "Choose one of the roles.").At("role")
	}
	if role == models.Owner && actor.Role != models.Owner {
		return errOwnersOnly.At("role")
	}
	return s.store.OnPlatform(ctx, "change a role", func(tx *store.Tx) error {
		m, before, err := s.managed(tx, actor, id)
		if err != nil {
			return err
		}
		if !before.Tenant.IsZero() {
			return fault.New(fault.Conflict, "bound_to_tenant", "This member belongs to one tenant. Invite them anew for a role over all tenants.").At("role")
		}
		if before.Role == role {
			return nil
		}
		if err := s.keepAnOwner(tx, before, id); err != nil {
			return err
		}
		if err := tx.DeleteMemberships(id); err != nil {
			return err
		}
		at := s.now().UTC()
		if err := tx.InsertMembership(models.Membership{ID: models.NewID[models.MembershipID](at), MemberID: id, Role: role, CreatedAt: at}); err != nil {
			return err
		}
		if _, err := s.endAll(tx, m); err != nil { // a new role is a new session
			return err
		}
		return s.record(ctx, tx, actor, "member.change_role", m, models.TenantID{}, map[string]string{"from": string(before.Role), "to": string(role)})
	})
}

func (s *Service) keepAnOwner(tx *store.Tx, standing models.Actor, id models.MemberID) error {
	if standing.Role != models.Owner {
		return nil
	}
	n, err := tx.OtherOwners(id)
	if err == nil && n == 0 {
		return errLastOwner
	}
	return err
}

// Disable shuts a member out: their sessions end, their passkeys open nothing, open invites are withdrawn. The row stays, because the
// audit names it.
func (s *Service) Disable(ctx context.Context, actor models.Actor, id models.MemberID) error {
	return s.change(ctx, actor, id, "member.disable", func(tx *store.Tx, m models.Member, standing models.Actor, at time.Time) error {
		if err := s.keepAnOwner(tx, standing, id); err != nil {
			return err
		}
		if err := tx.MarkMemberDisabled(id, at); err != nil {
			return fault.New(fault.Conflict, "member_disabled", "This member is locked out already.").Because(err)
		}
		if err := tx.DeleteInvites(id); err != nil {
			return err
		}
		_, err := s.endAll(tx, m)
		return err
	})
}

// Enable lets a member in again, with the passkeys they have.
func (s *Service) Enable(ctx context.Context, actor models.Actor, id models.MemberID) error {
	return s.change(ctx, actor, id, "member.enable", func(tx *store.Tx, m models.Member, _ models.Actor, _ time.Time) error {
		return s.enable(tx, m)
	})
}

func (s *Service) change(ctx context.Context, actor models.Actor, id models.MemberID, action string, do func(*store.Tx, models.Member, models.Actor, time.Time) error) error {
	if err := mayManage(actor); err != nil {
		return err
	}
	return s.store.OnPlatform(ctx, action, func(tx *store.Tx) error {
		m, standing, err := s.managed(tx, actor, id)
		if err != nil {
			return err
		}
		if err := do(tx, m, standing, s.now().UTC()); err != nil {
			return err
		}
		return s.record(ctx, tx, actor, action, m, standing.Tenant, nil)
	})
}
