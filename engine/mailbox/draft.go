package mailbox

import (
	"context"
	"errors"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/models"
)

// Drafts lists drafts, newest first.
func (s *Service) Drafts(ctx context.Context, actor models.Actor, g models.Grant, q email.Query) (page email.Page[email.Message], err error) {
	err = ask(ctx, s, actor, g, models.ReadMessages, provider.ReadMail, func(c provider.DraftReader, a provider.Account) (err error) {
		page, err = c.ListDrafts(ctx, a, q)
		return err
	})
	return page, err
}

// Draft reads one draft.
func (s *Service) Draft(ctx context.Context, actor models.Actor, g models.Grant, id string) (m email.Message, err error) {
	err = ask(ctx, s, actor, g, models.ReadMessages, provider.ReadMail, func(c provider.DraftReader, a provider.Account) (err error) {
		m, err = c.Draft(ctx, a, id)
		return err
	})
	return m, err
}

// CreateDraft keeps a draft in the mailbox. replyTo is the id of the message that it answers; empty: none.
func (s *Service) CreateDraft(ctx context.Context, actor models.Actor, g models.Grant, d email.Draft, replyTo string) (m email.Message, err error) {
	if replyTo != "" {
		if d.InReplyTo, d.References, err = s.answered(ctx, actor, g, replyTo); err != nil {
			return m, err
		}
	}
	err = ask(ctx, s, actor, g, models.WriteMessages, provider.ManageDrafts, func(c provider.DraftWriter, a provider.Account) (err error) {
		m, err = c.CreateDraft(ctx, a, d)
		return err
	})
	return m, err
}

// UpdateDraft changes what the change names and answers the draft as it then is.
func (s *Service) UpdateDraft(ctx context.Context, actor models.Actor, g models.Grant, id string, change email.DraftChange, replyTo string) (m email.Message, err error) {
	if replyTo != "" {
		answers, references, err := s.answered(ctx, actor, g, replyTo)
		if err != nil {
			return m, err
		}
		change.InReplyTo, change.References = &answers, &references
	}
	err = ask(ctx, s, actor, g, models.WriteMessages, provider.ManageDrafts, func(c provider.DraftWriter, a provider.Account) (err error) {
		m, err = c.UpdateDraft(ctx, a, id, change)
		return err
	})
	return m, err
}

// DeleteDraft deletes a draft.
func (s *Service) DeleteDraft(ctx context.Context, actor models.Actor, g models.Grant, id string) error {
	return ask(ctx, s, actor, g, models.WriteMessages, provider.ManageDrafts, func(c provider.DraftWriter, a provider.Account) error {
		return c.DeleteDraft(ctx, a, id)
	})
}

// SendDraft sends a draft as it is kept. It is gone from the drafts then, so that a second call sends nothing.
func (s *Service) SendDraft(ctx context.Context, actor models.Actor, g models.Grant, id string) (m email.Message, err error) {
	err = ask(ctx, s, actor, g, models.SendMessages, provider.SendMail, func(c provider.DraftSender, a provider.Account) (err error) {
		m, err = c.SendDraft(ctx, a, id)
		return err
	})
	return m, err
}

// answered is what an answer to a message says in its header. The message is looked up for a caller who may write drafts, whether or not they may read: nothing of it
// is shown.
func (s *Service) answered(ctx context.Context, actor models.Actor, g models.Grant, id string) (inReplyTo string, references []string, err error) {
	var original email.Message
	err = ask(ctx, s, actor, g, models.WriteMessages, provider.ReadMail, func(c provider.MessageReader, a provider.Account) (err error) {
		original, err = c.Message(ctx, a, id, email.WithBasicHeaders)
		return err
	})
	if errors.Is(err, provider.ErrMessageNotFound) {
		return "", nil, errReplyTo.Because(err)
	}
	return original.MessageID, chain(original), err
}
