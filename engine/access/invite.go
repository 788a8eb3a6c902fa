package access

import (
	"context"
	"crypto/rand"
	"errors"
	"net/mail"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

const (
	setupLife  = 30 * time.Minute
	inviteLife = 24 * time.Hour
	// EnrolPath is where an invite is opened: the token follows it.
	EnrolPath = "/enrol/"
)

var errInvite = fault.New(fault.Gone, "invite_spent", "This invitation was used already, was withdrawn, or has expired. Ask for a new one.")

func inviteError(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return errInvite
	}
	return err
}

// Invited is what somebody with an invite is shown before they register.
type Invited struct {
	Name       string
	Role       models.Role
	FirstOwner bool // the link came from the shell, not from an admin
	ExpiresAt  time.Time
}

// setupBy marks invites that the shell made.
const setupBy = "postern setup"

// Invited reads an invite that is still good.
func (s *Service) Invited(ctx context.Context, token secret.Text) (Invited, error) {
	var out Invited
	err := s.store.OnPlatform(ctx, "read an invite", func(tx *store.Tx) error {
		invite, member, err := s.invited(tx, token)
		if err != nil {
			return err
		}
		memberships, err := tx.Memberships(member.ID)
		if err != nil {
			return err
		}
		actor, _ := actorOf(member, memberships)
		out = Invited{Name: member.Name, Role: actor.Role, FirstOwner: invite.CreatedBy == setupBy, ExpiresAt: invite.ExpiresAt}
		return nil
	})
	return out, err
}

func (s *Service) invited(tx *store.Tx, token secret.Text) (models.Invite, models.Member, error) {
	invite, err := tx.Invite(hashOf(token))
	if err != nil {
		return invite, models.Member{}, inviteError(err)
	}
	if invite.UsedAt != nil || !s.now().Before(invite.ExpiresAt) {
		return invite, models.Member{}, errInvite
	}
	member, err := tx.Member(invite.MemberID)
	if err == nil && member.DisabledAt != nil {
		err = errInvite
	}
	return invite, member, err
}

// invite makes a new invite for a member; what was open before is withdrawn.
func (s *Service) invite(tx *store.Tx, member models.MemberID, by string, life time.Duration) (secret.Text, time.Time, error) {
	at := s.now().UTC()
	if err := tx.DeleteInvites(member); err != nil {
		return secret.Text{}, at, err
	}
	token := newSecret()
	return token, at.Add(life), tx.InsertInvite(models.Invite{TokenHash: hashOf(token), MemberID: member, CreatedBy: by, CreatedAt: at, ExpiresAt: at.Add(life)})
}

// Setup makes the one-time link of `postern setup`: for the owner with this address, who is made when there is none; for the only owner
// when email is empty. Whoever may run it holds the database already. The link is a secret, good for thirty minutes.
func (s *Service) Setup(ctx context.Context, email string) (secret.Text, error) {
	var token secret.Text
	actor := models.Actor{Kind: models.ActorSystem, ID: "setup", Label: "postern setup, from the shell"}
	err := s.store.OnPlatform(ctx, "set up an owner", func(tx *store.Tx) error {
		member, err := s.ownerFor(ctx, tx, actor, strings.TrimSpace(email))
		if err != nil {
			return err
		}
		if token, _, err = s.invite(tx, member.ID, setupBy, setupLife); err != nil {
			return err
		}
		return s.record(ctx, tx, actor, "member.invite", member, models.TenantID{}, map[string]string{"role": string(models.Owner), "how": "setup"})
	})
	if err != nil {
		return secret.Text{}, err
	}
	return secret.New(s.EnrolURL(token)), nil
}

// EnrolURL is the address where an invite is opened, on the configured origin.
func (s *Service) EnrolURL(token secret.Text) string {
	return s.base.Scheme + "://" + s.base.Host + EnrolPath + token.Reveal()
}

func (s *Service) ownerFor(ctx context.Context, tx *store.Tx, actor models.Actor, email string) (models.Member, error) {
	owners, err := tx.Members(store.MemberQuery{Role: models.Owner, Limit: 2})
	if err != nil {
		return models.Member{}, err
	}
	if email == "" && len(owners) == 1 {
		return owners[0].Member, s.enable(tx, owners[0].Member)
	}
	if email == "" && len(owners) > 1 {
		return models.Member{}, fault.New(fault.Invalid, "owner_ambiguous", "There are several owners. Say whose link is wanted, by their mail address.").At("email")
	}
	if email == "" {
		email = "owner@localhost"
	} else if err := checkEmail(email); err != nil {
		return models.Member{}, err
	}
	member, err := tx.MemberByEmail(email)
	if errors.Is(err, store.ErrNotFound) {
		name, _, _ := strings.Cut(email, "@")
		return s.insertMember(ctx, tx, actor, name, email, models.Owner, models.TenantID{})
	}
	if err != nil {
		return models.Member{}, err
	}
	memberships, err := tx.Memberships(member.ID)
	if err != nil {
		return models.Member{}, err
	}
	if a, _ := actorOf(member, memberships); a.Role != models.Owner {
		return models.Member{}, fault.New(fault.Conflict, "not_an_owner", "The member with this address is not an owner. Use another address, or let an owner change the role.").At("email")
	}
	return member, s.enable(tx, member)
}

func (s *Service) enable(tx *store.Tx, m models.Member) error {
	if m.DisabledAt == nil {
		return nil
	}
	return tx.MarkMemberEnabled(m.ID)
}

func (s *Service) insertMember(ctx context.Context, tx *store.Tx, actor models.Actor, name, email string, role models.Role, tenant models.TenantID) (models.Member, error) {
	at := s.now().UTC()
	m := models.Member{ID: models.NewID[models.MemberID](at), Name: name, Email: email, UserHandle: make([]byte, 32), CreatedAt: at}
	_, _ = rand.Read(m.UserHandle)
	if err := tx.InsertMember(m); err != nil {
		if errors.Is(err, store.ErrTaken) {
			return m, fault.New(fault.Conflict, "member_exists", "Somebody with this address is a member already.").At("email").Because(err)
		}
		return m, err
	}
	membership := models.Membership{ID: models.NewID[models.MembershipID](at), MemberID: m.ID, Role: role, CreatedAt: at}
	if !tenant.IsZero() {
		membership.TenantID = &tenant
	}
	if err := tx.InsertMembership(membership); err != nil {
		return m, err
	}
	return m, s.record(ctx, tx, actor, "member.create", m, tenant, map[string]string{"role": string(role)})
}

// Invitation is who is invited, as what.
type Invitation struct {
	Name, Email string
	Role        models.Role
	Tenant      models.TenantID // customers: theirs; reviewers: the one they may see, or zero for all
}

// Invite adds a member and makes the token of their invite, good for a day and for one passkey. Only an owner invites an owner.
func (s *Service) Invite(ctx context.Context, actor models.Actor, in Invitation) (models.Member, secret.Text, time.Time, error) {
	var member models.Member
	var token secret.Text
	var until time.Time
	if err := mayManage(actor); err != nil {
		return member, token, until, err
	}
	in.Name, in.Email = strings.TrimSpace(in.Name), strings.TrimSpace(in.Email)
	if err := checkInvitation(actor, in); err != nil {
		return member, token, until, err
	}
	err := s.store.OnPlatform(ctx, "invite a member", func(tx *store.Tx) (err error) {
		if !in.Tenant.IsZero() {
			if _, err := tx.Tenant(in.Tenant); err != nil {
				return fault.New(fault.Invalid, "tenant_unknown", "Choose one of the tenants.").At("tenant").Because(err)
			}
		}
		if member, err = s.insertMember(ctx, tx, actor, in.Name, in.Email, in.Role, in.Tenant); err != nil {
			return err
		}
		if token, until, err = s.invite(tx, member.ID, actor.Label, inviteLife); err != nil {
			return err
		}
		return s.record(ctx, tx, actor, "member.invite", member, in.Tenant, map[string]string{"role": string(in.Role)})
	})
	return member, token, until, err
}

func checkInvitation(actor models.Actor, in Invitation) error {
	if in.Name == "" || utf8.RuneCountInString(in.Name) > 200 {
		return fault.New(fault.Invalid, "name_invalid", "Give a name of 1 to 200 characters.").At("name")
	}
	if err := checkEmail(in.Email); err != nil {
		return err
	}
	switch {
	case !in.Role.Valid():
		return fault.New(fault.Invalid, "role_invalid", "Choose one of the roles.").At("role")
	case in.Role == models.Owner && actor.Role != models.Owner:
		return errOwnersOnly.At("role")
	case in.Role == models.Customer && in.Tenant.IsZero():
		return fault.New(fault.Invalid, "tenant_required", "A customer belongs to one tenant. Choose it.").At("tenant")
	case in.Role != models.Customer && in.Role != models.Reviewer && !in.Tenant.IsZero():
		return fault.New(fault.Invalid, "tenant_not_for_role", "This role works for all tenants. Leave the tenant empty.").At("tenant")
	}
	return nil
}

func checkEmail(email string) error {
	if a, err := mail.ParseAddress(email); err != nil || a.Address != email || len(email) > 320 {
		return fault.New(fault.Invalid, "email_invalid", "Give a mail address such as ada@example.com.").At("email")
	}
	return nil
}

// Reinvite makes a new invite for a member: for one who never came, or who lost every passkey. What was open before is withdrawn.
func (s *Service) Reinvite(ctx context.Context, actor models.Actor, id models.MemberID) (models.Member, secret.Text, time.Time, error) {
	var member models.Member
	var token secret.Text
	var until time.Time
	if err := mayManage(actor); err != nil {
		return member, token, until, err
	}
	err := s.store.OnPlatform(ctx, "invite a member again", func(tx *store.Tx) error {
		m, standing, err := s.managed(tx, actor, id)
		if err != nil {
			return err
		}
		if m.DisabledAt != nil {
			return fault.New(fault.Conflict, "member_disabled", "This member is locked out. Let them in again first.")
		}
		member = m
		if token, until, err = s.invite(tx, id, actor.Label, inviteLife); err != nil {
			return err
		}
		return s.audit.Append(ctx, tx, actor, audit.Entry{Action: "member.invite", Tenant: standing.Tenant, ObjectKind: "member", ObjectID: id.String(), Object: m.Name,
			Detail: map[string]string{"role": string(standing.Role), "again": "yes"}})
	})
	return member, token, until, err
}
