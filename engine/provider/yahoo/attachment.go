package yahoo

import (
	"context"
	"io"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
)

// Attachment implements provider.AttachmentReader.
func (c *Connector) Attachment(ctx context.Context, a provider.Account, message, id string) (email.Attachment, io.ReadCloser, error) {
	return c.mail.Attachment(ctx, c.at(a), message, id)
}
