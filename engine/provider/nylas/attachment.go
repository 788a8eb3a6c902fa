package nylas

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
)

// Attachment implements provider.AttachmentReader. The bytes are handed on as they come: nothing of them is held here.
func (c *Connector) Attachment(ctx context.Context, a provider.Account, message, id string) (email.Attachment, io.ReadCloser, error) {
	theirMessage, ok := theirID(message)
	if !ok {
		return email.Attachment{}, nil, provider.ErrMessageNotFound
	}
	theirs, ok := theirID(id)
	if !ok {
		return email.Attachment{}, nil, provider.ErrAttachmentNotFound
	}
	k, release, err := c.open(ctx, a)
	if err != nil {
		return email.Attachment{}, nil, err
	}
	about, body, err := k.download(theirMessage, theirs)
	if errors.Is(err, errSwitched) {
		about, body, err = k.download(theirMessage, theirs)
	}
	if err != nil {
		release()
		return email.Attachment{}, nil, err
	}
	return about, &drained{Reader: body, body: body, release: release}, nil
}

func (k *call) download(message, id string) (email.Attachment, io.ReadCloser, error) {
	query := url.Values{"message_id": {message}}
	var answer envelope[wireAttachment]
	err := k.ask(request{method: http.MethodGet, path: k.path("attachments", id), query: query, missing: provider.ErrAttachmentNotFound}, &answer)
	if errors.Is(err, errRefused) || errors.Is(err, provider.ErrAttachmentNotFound) {
		// Which of the two is not there?
		if _, err := k.message(message, email.Standard); err != nil {
			return email.Attachment{}, nil, err
		}
		return email.Attachment{}, nil, provider.ErrAttachmentNotFound.Because(errors.Unwrap(err))
	}
	if err != nil {
		return email.Attachment{}, nil, err
	}
	res, err := k.do(k.c.streams, request{method: http.MethodGet, path: k.path("attachments", id, "download"), query: query, missing: provider.ErrAttachmentNotFound})
	if err != nil {
		return email.Attachment{}, nil, err
	}
	about := answer.Data.attachment()
	if about.ID == "" {
		about.ID = ourID(id)
	}
	return about, res.Body, nil
}
