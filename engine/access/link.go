package access

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// SignInPath is where a demo's sign-in link is opened: the token follows it.
const SignInPath = "/signin/demo/"

var errNoLink = fault.New(fault.NotFound, "not_found", "This sign-in link is not known. The demo makes new ones each time it starts.")

// EnsureMember gives the member with this address, made when there is none. It is for the demo's people.
func (s *Service) EnsureMember(ctx context.Context, in Invitation) (models.Member, error) {
	var member models.Member
	err := s.store.OnPlatform(ctx, "make a member of the demo", func(tx *store.Tx) (err error) {
		member, err = tx.MemberByEmail(in.Email)
		if errors.Is(err, store.ErrNotFound) {
			member, err = s.insertMember(ctx, tx, models.System("demo"), in.Name, in.Email, in.Role, in.Tenant)
		}
		return err
	})
	return member, err
}

// SignInLink makes a link that signs in as the member, any number of times, while this process runs. It panics outside of a demo.
func (s *Service) SignInLink(member models.MemberID) secret.Text {
	if !s.demo {
		panic("access: sign-in links are for a demo only")
	}
	token := newSecret()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.links[sha256.Sum256([]byte(token.Reveal()))] = member
	link := secret.New(s.base.Scheme + "://" + s.base.Host + SignInPath + token.Reveal())
	s.shown = append(s.shown, signInLink{member, link})
	return link
}

type signInLink struct {
	member models.MemberID
	url    secret.Text
}

// DemoPerson is one of the demo's people with the path that signs in as them.
type DemoPerson struct {
	Name string
	Role models.Role
	Path secret.Text
}

// DemoPeople lists the demo's people for its sign-in page: to a visitor from this machine, nobody else.
func (s *Service) DemoPeople(ctx context.Context, v Visitor) ([]DemoPerson, error) {
	if !s.demo || !v.Addr.IsLoopback() {
		return nil, nil
	}
	s.mu.Lock()
	shown := slices.Clone(s.shown)
	s.mu.Unlock()
	var out []DemoPerson
	err := s.store.OnPlatform(ctx, "list the demo's people", func(tx *store.Tx) error {
		out = nil
		for _, l := range shown {
			member, err := tx.Member(l.member)
			if err != nil {
				return err
			}
			memberships, err := tx.Memberships(l.member)
			if err != nil {
				return err
			}
			actor, _ := actorOf(member, memberships)
			path := strings.TrimPrefix(l.url.Reveal(), s.base.Scheme+"://"+s.base.Host) // the visitor may have come by another name of this machine
			out = append(out, DemoPerson{Name: member.Name, Role: actor.Role, Path: secret.New(path)})
		}
		return nil
	})
	return out, err
}

// FollowSignInLink signs in by a demo's link. It is refused from any address but loopback, and every use is audited.
func (s *Service) FollowSignInLink(ctx context.Context, token, session secret.Text, v Visitor) (secret.Text, models.Actor, error) {
	s.mu.Lock()
	member, ok := s.links[sha256.Sum256([]byte(token.Reveal()))]
	s.mu.Unlock()
	if !s.demo || !ok || !v.Addr.IsLoopback() {
		return secret.Text{}, models.Actor{}, errNoLink
	}
	var id secret.Text
	var actor models.Actor
	err := s.store.OnPlatform(ctx, "follow a sign-in link", func(tx *store.Tx) error {
		row, err := tx.Member(member)
		if err != nil {
			return err
		}
		id, actor, err = s.signIn(ctx, tx, row, session, v, "demo link")
		return err
	})
	return id, actor, err
}
