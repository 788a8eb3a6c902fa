package gmail

import (
	"context"
	"errors"
	"io"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

var _ provider.AttachmentReader = (*Connector)(nil)

// Attachment implements provider.AttachmentReader, by the whole message: Gmail's own attachment ids change with every answer, so ours are the paths of the parts.
func (c *Connector) Attachment(ctx context.Context, a provider.Account, message, id string) (email.Attachment, io.ReadCloser, error) {
	m, err := c.Message(ctx, a, message, email.RawOnly)
	if errors.Is(err, provider.ErrMessageNotFound) {
		return c.draftAttachment(ctx, a, message, id)
	}
	if err != nil {
		return email.Attachment{}, nil, err
	}
	about, content, ok := rfc5322.File(m.Raw, id)
	if !ok {
		return about, nil, provider.ErrAttachmentNotFound
	}
	return about, io.NopCloser(content), nil
}

// draftAttachment is Attachment for a draft's id.
func (c *Connector) draftAttachment(ctx context.Context, a provider.Account, draft, id string) (email.Attachment, io.ReadCloser, error) {
	if !validID(draft) {
		return email.Attachment{}, nil, provider.ErrMessageNotFound
	}
	r, release := c.open(a)
	defer release()
	g, err := r.getDraft(ctx, draft, "raw")
	if errors.Is(err, provider.ErrDraftNotFound) {
		err = provider.ErrMessageNotFound
	}
	if err != nil {
		return email.Attachment{}, nil, err
	}
	about, content, ok := rfc5322.File(octets(g.Message.Raw), id)
	if !ok {
		return about, nil, provider.ErrAttachmentNotFound
	}
	return about, io.NopCloser(content), nil
}
