package provider

import (
	"context"
	"io"

	"github.com/postern-mail/postern/engine/email"
)

// AttachmentReader is a connector that gives the bytes of an attachment, decoded. The ids are those of Message.ID and Attachment.ID. ErrMessageNotFound and
// ErrAttachmentNotFound tell what is not there. The caller closes the reader.
type AttachmentReader interface {
	Attachment(ctx context.Context, a Account, message, id string) (email.Attachment, io.ReadCloser, error)
}
