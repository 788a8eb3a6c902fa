package mailbox

import (
	"context"
	"io"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/models"
)

// Attachment opens one attachment of a message for reading. The caller closes it.
func (s *Service) Attachment(ctx context.Context, actor models.Actor, g models.Grant, message, id string) (email.Attachment, io.ReadCloser, error) {
	var about email.Attachment
	var content io.ReadCloser
	err := s.with(ctx, actor, g, models.ReadMessages, provider.ReadMail, func(c provider.Connector, a provider.Account) (err error) {
		reader, ok := c.(provider.AttachmentReader)
		if !ok {
			return errNotOffered
		}
		about, content, err = reader.Attachment(ctx, a, message, id)
		return err
	})
	return about, content, err
}
