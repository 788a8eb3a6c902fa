package mailbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/outbox"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/engine/tokens"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// Service reads mailboxes. It is safe for concurrent use.
type Service struct {
	store     *store.Store
	tokens    *tokens.Keeper
	safe      *sealed.Safe
	outbox    *outbox.Keeper
	providers *provider.Set
	now       func() time.Time
	log       *slog.Logger
	notes     sync.Map // noted to time.Time: what this process wrote last. One small entry for a mailbox and right in use
}

// noted is one right of one grant.
type noted struct {
	grant      models.GrantID
	capability provider.Capability
}

// Config is what the service is made of. All of it is required.
type Config struct {
	Store     *store.Store
	Tokens    *tokens.Keeper
	Safe      *sealed.Safe
	Outbox    *outbox.Keeper
	Providers *provider.Set
	Now       func() time.Time
	Log       *slog.Logger
}

// New makes the service.
func New(c Config) *Service {
	return &Service{store: c.Store, tokens: c.Tokens, safe: c.Safe, outbox: c.Outbox, providers: c.Providers, now: c.Now, log: c.Log}
}

// ErrCapability is a grant whose owner did not allow what is asked. The provider was not called.
func ErrCapability(c provider.Capability) *fault.Error {
	return fault.New(fault.Denied, "insufficient_scopes", "This mailbox was connected without the right to: %s. Reconnect it and allow that.", c.Words())
}

var errNotOffered = fault.New(fault.Invalid, "not_offered", "This provider does not offer that.")

// Messages lists messages, the newest first. The grant must come from grants.Locate: whether the actor may know of it is decided there.
func (s *Service) Messages(ctx context.Context, actor models.Actor, g models.Grant, q email.Query) (email.Page[email.Message], error) {
	var page email.Page[email.Message]
	err := s.with(ctx, actor, g, models.ReadMessages, provider.ReadMail, func(c provider.Connector, a provider.Account) (err error) {
		lister, ok := c.(provider.MessageLister)
		if !ok {
			return errNotOffered
		}
		page, err = lister.ListMessages(ctx, a, q)
		return err
	})
	return page, err
}

// Message reads one message.
func (s *Service) Message(ctx context.Context, actor models.Actor, g models.Grant, id string, fields email.Fields) (email.Message, error) {
	var m email.Message
	err := s.with(ctx, actor, g, models.ReadMessages, provider.ReadMail, func(c provider.Connector, a provider.Account) (err error) {
		reader, ok := c.(provider.MessageReader)
		if !ok {
			return errNotOffered
		}
		m, err = reader.Message(ctx, a, id, fields)
		return err
	})
	return m, err
}

// UpdateMessage marks and moves one message and answers it as it then is. Its id may change with a move.
func (s *Service) UpdateMessage(ctx context.Context, actor models.Actor, g models.Grant, id string, change email.Change) (email.Message, error) {
	var m email.Message
	err := s.with(ctx, actor, g, models.WriteMessages, provider.ChangeMail, func(c provider.Connector, a provider.Account) (err error) {
		updater, ok := c.(provider.MessageUpdater)
		if !ok {
			return errNotOffered
		}
		m, err = updater.UpdateMessage(ctx, a, id, change)
		return err
	})
	return m, err
}

// DeleteMessage moves one message to the trash, or erases it.
func (s *Service) DeleteMessage(ctx context.Context, actor models.Actor, g models.Grant, id string, forever bool) error {
	return s.with(ctx, actor, g, models.WriteMessages, provider.ChangeMail, func(c provider.Connector, a provider.Account) error {
		deleter, ok := c.(provider.MessageDeleter)
		if !ok {
			return errNotOffered
		}
		return deleter.DeleteMessage(ctx, a, id, forever)
	})
}

// Folders lists all folders, flat.
func (s *Service) Folders(ctx context.Context, actor models.Actor, g models.Grant) ([]email.Folder, error) {
	var folders []email.Folder
	err := s.with(ctx, actor, g, models.ReadMessages, provider.ReadMail, func(c provider.Connector, a provider.Account) (err error) {
		lister, ok := c.(provider.FolderLister)
		if !ok {
			return errNotOffered
		}
		folders, err = lister.ListFolders(ctx, a)
		return err
	})
	return folders, err
}

// Send sends a message as the mailbox's owner. Mail that was sent is not sent again: an error after the provider took it is not told as one.
func (s *Service) Send(ctx context.Context, actor models.Actor, g models.Grant, d email.Draft) (email.Message, error) {
	var m email.Message
	err := s.with(ctx, actor, g, models.SendMessages, provider.SendMail, func(c provider.Connector, a provider.Account) (err error) {
		sender, ok := c.(provider.Sender)
		if !ok {
			return errNotOffered
		}
		m, err = sender.Send(ctx, a, d)
		return err
	})
	return m, err
}

// with checks that the actor and the grant may, then asks the provider. The grant's standing is read anew here, so that a revocation in another process counts from
// its commit on. A revocation while the provider is answering closes the connection under it: then the answer is the revocation, not the broken line. An access token
// that died before its time (clocks that differ, a provider's policy) is renewed and the provider asked once more: what it refused with 401 it has not done.
func (s *Service) with(ctx context.Context, actor models.Actor, g models.Grant, p models.Permission, c provider.Capability, do func(provider.Connector, provider.Account) error) error {
	standing, err := s.may(ctx, actor, g, p, c)
	if err != nil {
		return err
	}
	connector, err := s.providers.Connector(g.Provider)
	if err != nil {
		return err
	}
	for renewals := 0; ; renewals++ {
		err := do(connector, s.tokens.Account(standing))
		if err == nil {
			break
		}
		if _, cut := s.standing(ctx, g); errors.Is(cut, tokens.ErrCut) {
			return cut
		}
		again := false
		if errors.Is(err, provider.ErrCredentialRefused) && (renewals == 0 || renewals == 1 && provider.CutCause(err) != "") {
			var refused error
			if again, refused = s.tokens.Reject(ctx, standing, err); refused != nil {
				return refused
			}
		}
		if !again {
			return fmt.Errorf("ask the provider %s: %w", g.Provider, err)
		}
		if standing, err = s.renewed(ctx, standing); err != nil {
			return err
		}
	}
	s.used(ctx, standing, c)
	return nil
}

// renewed gets a fresh token in place of one that was refused, and reads the grant after it: what connectors keep is kept under the credential's number.
func (s *Service) renewed(ctx context.Context, g models.Grant) (models.Grant, error) {
	if _, err := s.tokens.Fresh(ctx, g.TenantID, g.ID); err != nil {
		return g, err
	}
	return s.standing(ctx, g)
}

// may checks what with checks before a provider is asked, and answers the grant as it stands.
func (s *Service) may(ctx context.Context, actor models.Actor, g models.Grant, p models.Permission, c provider.Capability) (models.Grant, error) {
	if !actor.May(p) {
		return g, fault.New(fault.Denied, "permission_missing", "This key or role is not allowed to do that: it lacks %s.", p)
	}
	standing, err := s.standing(ctx, g)
	if err != nil {
		return g, err
	}
	if !slices.Contains(provider.CapabilitiesOf(g.Provider, standing.ScopesGranted), c) {
		return g, ErrCapability(c)
	}
	return standing, nil
}

// standing reads the grant as it is now. One whose connector or credential was deleted is as good as cut.
func (s *Service) standing(ctx context.Context, g models.Grant) (models.Grant, error) {
	now, offered, err := s.store.GrantOffered(ctx, g.ApplicationID, g.TenantID, g.ID)
	switch {
	case err != nil:
		return now, fmt.Errorf("read the grant: %w", err)
	case !now.Usable() || !offered:
		return now, tokens.ErrCut
	}
	return now, nil
}

// used notes the use of a right, at most once a minute for each in this process. After the provider has answered the caller gets the answer even if the note fails.
func (s *Service) used(ctx context.Context, g models.Grant, c provider.Capability) {
	now := s.now().UTC()
	key := noted{g.ID, c}
	if last, _ := s.notes.Load(key); last != nil && now.Sub(last.(time.Time)) < time.Minute {
		return
	}
	err := s.store.InTenant(ctx, g.TenantID, func(tx *store.Tx) error { return tx.MarkGrantUsed(g.TenantID, g.ID, string(c), now) })
	if err != nil {
		s.log.WarnContext(ctx, "the use of a grant was not noted", "grant", g.ID, "error", err)
		return
	}
	s.notes.Store(key, now)
}
