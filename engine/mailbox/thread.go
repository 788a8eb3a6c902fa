package mailbox

import (
	"context"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/models"
)

// ask is with, for a connector that can do what C says.
func ask[C any](ctx context.Context, s *Service, actor models.Actor, g models.Grant, p models.Permission, c provider.Capability, do func(C, provider.Account) error) error {
	return s.with(ctx, actor, g, p, c, func(connector provider.Connector, a provider.Account) error {
		able, ok := connector.(C)
		if !ok {
			return errNotOffered
		}
		return do(able, a)
	})
}

// Threads lists conversations, the one with the newest message first.
func (s *Service) Threads(ctx context.Context, actor models.Actor, g models.Grant, q email.ThreadQuery) (page email.Page[email.Thread], err error) {
	err = ask(ctx, s, actor, g, models.ReadMessages, provider.ReadMail, func(c provider.ThreadReader, a provider.Account) (err error) {
		page, err = c.ListThreads(ctx, a, q)
		return err
	})
	return page, err
}

// Thread reads one conversation.
func (s *Service) Thread(ctx context.Context, actor models.Actor, g models.Grant, id string) (t email.Thread, err error) {
	err = ask(ctx, s, actor, g, models.ReadMessages, provider.ReadMail, func(c provider.ThreadReader, a provider.Account) (err error) {
		t, err = c.Thread(ctx, a, id)
		return err
	})
	return t, err
}

// UpdateThread marks and moves the messages of a conversation and answers it as it then is.
func (s *Service) UpdateThread(ctx context.Context, actor models.Actor, g models.Grant, id string, change email.Change) (t email.Thread, err error) {
	err = ask(ctx, s, actor, g, models.WriteMessages, provider.ChangeMail, func(c provider.ThreadWriter, a provider.Account) (err error) {
		t, err = c.UpdateThread(ctx, a, id, change)
		return err
	})
	return t, err
}

// DeleteThread moves the messages of a conversation to the trash.
func (s *Service) DeleteThread(ctx context.Context, actor models.Actor, g models.Grant, id string) error {
	return ask(ctx, s, actor, g, models.WriteMessages, provider.ChangeMail, func(c provider.ThreadWriter, a provider.Account) error {
		return c.DeleteThread(ctx, a, id)
	})
}
