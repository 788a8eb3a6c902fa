package access

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// PassPath is where a guest's link is opened: the token follows it.
const PassPath = "/guest/"

const (
	leastPass = time.Hour
	mostPass  = 90 * 24 * time.Hour
)

var (
	errPasses = fault.New(fault.Denied, "passes_denied", "Only an owner or admin gives guests a pass.")
	// errPass is one sentence for a pass that is unknown, over, revoked, or of an organisation that has left: a link is all that a stranger has.
	errPass = fault.New(fault.NotFound, "not_found", "This pass is not known, or it has ended. Ask whoever sent it to you for a new one.")
)

func mayPass(a models.Actor) error {
	if a.Platform() && a.May(models.ManagePasses) {
		return nil
	}
	return errPasses
}

// CreatePass makes a guest pass to one tenant. The link is returned here and never again: only its hash is kept.
func (s *Service) CreatePass(ctx context.Context, actor models.Actor, tenant models.TenantID, name string, life time.Duration) (models.GuestPass, secret.Text, error) {
	if err := mayPass(actor); err != nil {
		return models.GuestPass{}, secret.Text{}, err
	}
	name = strings.TrimSpace(name)
	if name == "" || utf8.RuneCountInString(name) > 200 || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return models.GuestPass{}, secret.Text{}, fault.New(fault.Invalid, "name_invalid", "Say whom the pass is for, in at most 200 characters.").At("name")
	}
	if life < leastPass || life > mostPass {
		return models.GuestPass{}, secret.Text{}, fault.New(fault.Invalid, "expiry_invalid", "A pass lasts 90 days at most.").At("expires")
	}
	at, token := s.now().UTC(), newSecret()
	row := models.GuestPass{TenantID: tenant, ID: models.NewID[models.PassID](at), Name: name, TokenHash: hashOf(token), CreatedBy: actor.Label, CreatedAt: at, ExpiresAt: at.Add(life)}
	err := s.store.OnPlatform(ctx, "give a guest a pass", func(tx *store.Tx) error {
		t, err := tx.Tenant(tenant)
		if errors.Is(err, store.ErrNotFound) || err == nil && t.State != models.TenantActive {
			return fault.New(fault.Invalid, "tenant_unknown", "Choose one of the organisations that are active.").At("tenant")
		}
		if err != nil {
			return err
		}
		if err := tx.InsertGuestPass(row); err != nil {
			return err
		}
		return s.recordPass(ctx, tx, actor, "guest_pass.create", row, map[string]string{"until": row.ExpiresAt.Format(time.RFC3339)})
	})
	return row, secret.New(s.base.Scheme + "://" + s.base.Host + PassPath + token.Reveal()), err
}

func (s *Service) recordPass(ctx context.Context, tx *store.Tx, actor models.Actor, action string, p models.GuestPass, detail map[string]string) error {
	return s.audit.Append(ctx, tx, actor, audit.Entry{Action: action, Tenant: p.TenantID, ObjectKind: "guest_pass", ObjectID: p.ID.String(), Object: p.Name, Detail: detail})
}

// Passes lists guest passes, dead ones too, the newest first; the zero tenant stands for all. It gives at most 200.
func (s *Service) Passes(ctx context.Context, actor models.Actor, tenant models.TenantID) ([]models.GuestPass, error) {
	if err := mayPass(actor); err != nil {
		return nil, err
	}
	var rows []models.GuestPass
	err := s.store.OnPlatform(ctx, "list guest passes", func(tx *store.Tx) (err error) {
		rows, err = tx.GuestPasses(tenant, 200)
		return err
	})
	return rows, err
}

// Pass gives one pass and the last pages that were seen with it, at most 500.
func (s *Service) Pass(ctx context.Context, actor models.Actor, id models.PassID) (p models.GuestPass, seen []models.GuestView, err error) {
	if err := mayPass(actor); err != nil {
		return p, nil, err
	}
	err = s.store.OnPlatform(ctx, "show a guest pass", func(tx *store.Tx) (err error) {
		if p, err = tx.GuestPass(id); err != nil {
			return err
		}
		seen, err = tx.GuestViews(p.TenantID, id, 500)
		return err
	})
	return p, seen, err
}

// RevokePass ends a pass and the sessions of whoever uses it: their next request is refused, on every node.
func (s *Service) RevokePass(ctx context.Context, actor models.Actor, id models.PassID) error {
	if err := mayPass(actor); err != nil {
		return err
	}
	return s.store.OnPlatform(ctx, "revoke a guest pass", func(tx *store.Tx) error {
		p, err := tx.GuestPass(id)
		if err != nil {
			return err
		}
		if p.RevokedAt != nil {
			return fault.New(fault.Conflict, "pass_already_revoked", "This pass was revoked already.")
		}
		if err := tx.MarkGuestPassRevoked(id, s.now().UTC()); err != nil {
			return err
		}
		n, err := tx.DeleteSessionsOfPass(id)
		if err != nil {
			return err
		}
		return s.recordPass(ctx, tx, actor, "guest_pass.revoke", p, map[string]string{"sessions": fmt.Sprint(n)})
	})
}

// usablePass is a pass that opens something now, with its tenant.
func (s *Service) usablePass(tx *store.Tx, p models.GuestPass, at time.Time) (models.Tenant, error) {
	if !p.Usable(at) {
		return models.Tenant{}, errPass
	}
	t, err := tx.Tenant(p.TenantID)
	if err == nil && t.State != models.TenantActive {
		return t, errPass
	}
	if err != nil {
		return t, err
	}
	return t, s.belongs(fault.Denied, "The organisation of this pass", t.Region)
}

// FindPass tells the holder of a link what it opens: whom it is for, which organisation, until when.
func (s *Service) FindPass(ctx context.Context, token secret.Text) (p models.GuestPass, t models.Tenant, err error) {
	err = s.store.OnPlatform(ctx, "find a guest pass by its link", func(tx *store.Tx) error {
		if p, err = tx.GuestPassByToken(hashOf(token)); errors.Is(err, store.ErrNotFound) {
			return errPass
		} else if err != nil {
			return err
		}
		t, err = s.usablePass(tx, p, s.now().UTC())
		return err
	})
	return p, t, err
}

// BeginGuest begins a guest's session; the browser's old one, whoever's it was, ends. The link stays good until the pass ends.
func (s *Service) BeginGuest(ctx context.Context, token, old secret.Text, v Visitor) (secret.Text, error) {
	if err := s.failures.check(v.Addr, s.now()); err != nil {
		return secret.Text{}, err
	}
	id := newSecret()
	err := s.store.OnPlatform(ctx, "let a guest in", func(tx *store.Tx) error {
		at := s.now().UTC()
		p, err := tx.GuestPassByToken(hashOf(token))
		if errors.Is(err, store.ErrNotFound) {
			return errPass
		}
		if err != nil {
			return err
		}
		if _, err := s.usablePass(tx, p, at); err != nil {
			return err
		}
		if !old.Empty() {
			if _, err := tx.DeleteSession(hashOf(old)); err != nil {
				return err
			}
		}
		_, most := lifetimes(models.Guest)
		until := at.Add(most)
		if p.ExpiresAt.Before(until) {
			until = p.ExpiresAt
		}
		row := models.Session{IDHash: hashOf(id), PassID: &p.ID, Address: addressText(v.Addr), UserAgent: v.UserAgent, CreatedAt: at, SeenAt: at, ExpiresAt: until}
		if err := tx.InsertSession(row); err != nil {
			return err
		}
		return s.recordPass(ctx, tx, from(guestOf(p), v), "guest_pass.use", p, nil)
	})
	if errors.Is(err, errPass) {
		s.failures.failed(v.Addr, s.now())
	}
	return id, err
}

// guestOf makes the actor of a pass.
func guestOf(p models.GuestPass) models.Actor {
	return models.Actor{Kind: models.ActorGuest, ID: p.ID.String(), Label: p.Name + " (guest)", Role: models.Guest, Tenant: p.TenantID, Permissions: models.Guest.Permissions()}
}

// standingGuest says who a guest's session belongs to, or that it is dead.
func (s *Service) standingGuest(tx *store.Tx, row models.Session, at time.Time) (models.Actor, error) {
	p, err := tx.GuestPass(*row.PassID)
	if err != nil {
		return models.Actor{}, err
	}
	if _, err := s.usablePass(tx, p, at); errors.Is(err, errPass) {
		return models.Actor{}, errNoSession
	} else if err != nil {
		return models.Actor{}, err
	}
	if idle, _ := lifetimes(models.Guest); at.Sub(row.SeenAt) >= idle {
		return models.Actor{}, errNoSession
	}
	return guestOf(p), nil
}

// NoteView writes down that a guest is about to see a page. Its error must keep the page from being shown.
func (s *Service) NoteView(ctx context.Context, actor models.Actor, path string) error {
	id, err := models.ParseID[models.PassID](actor.ID)
	if actor.Kind != models.ActorGuest || err != nil {
		return errNotMember
	}
	if len(path) > 500 {
		path = path[:500]
	}
	at := s.now().UTC()
	return s.store.OnPlatform(ctx, "note what a guest sees", func(tx *store.Tx) error {
		return tx.InsertGuestView(models.GuestView{TenantID: actor.Tenant, PassID: id, ID: models.NewID[models.EventID](at), At: at, Path: strings.ToValidUTF8(path, "?"),
			Address: addressText(actor.Addr), UserAgent: strings.ToValidUTF8(actor.UserAgent, "?")})
	})
}
