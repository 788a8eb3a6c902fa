package graph

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/secret"
)

var _ provider.AttachmentReader = (*Connector)(nil)

// Attachment implements provider.AttachmentReader ("Get attachment", raw contents). The bytes are handed on as they come: nothing of them is held here. What is attached as a
// message is given as it travelled; a link to a file elsewhere has no bytes.
func (c *Connector) Attachment(ctx context.Context, a provider.Account, message, id string) (email.Attachment, io.ReadCloser, error) {
	path, err := messagePath(message)
	if err != nil {
		return email.Attachment{}, nil, err
	}
	theirs, ok := theirID(id)
	if !ok {
		return email.Attachment{}, nil, provider.ErrAttachmentNotFound
	}
	path += "/attachments/" + url.PathEscape(theirs)
	var about wireAttachment
	err = c.with(ctx, a, func(k *call) error {
		err := k.json(request{method: http.MethodGet, path: path, query: params{"$select", attachFields}, missing: provider.ErrAttachmentNotFound}, &about)
		if errors.Is(err, provider.ErrAttachmentNotFound) {
			// Which of the two is not there?
			if err := k.json(request{method: http.MethodGet, path: "/me/messages/" + url.PathEscape(mustTheirs(message)), query: params{"$select", "id"}}, nil); err != nil {
				return err
			}
		}
		return err
	})
	if err != nil {
		return email.Attachment{}, nil, err
	}
	body, err := c.stream(ctx, a, path+"/$value")
	if err != nil {
		return email.Attachment{}, nil, err
	}
	return about.attachment(), body, nil
}

func mustTheirs(id string) string { s, _ := theirID(id); return s }

// stream opens an answer to be read by the caller. It ends with the caller's context, and when the account is closed.
func (c *Connector) stream(ctx context.Context, a provider.Account, path string) (io.ReadCloser, error) {
	s := c.session(a.Key)
	followed, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.ctx, cancel)
	release := func() { stop(); cancel() }
	k := &call{c: c, ctx: followed, session: s, account: a, streams: true}
	token, err := k.token(secret.Text{})
	r := request{method: http.MethodGet, path: path, missing: provider.ErrAttachmentNotFound}
	for again := false; err == nil; again = true {
		var res *http.Response
		if res, err = k.once(r, token); err != nil {
			break
		}
		if res.StatusCode == http.StatusOK {
			return &opened{Reader: res.Body, body: res.Body, release: release}, nil
		}
		body, _ := dial.Body(res)
		if err = c.refusal(r, res, body); res.StatusCode == http.StatusUnauthorized && !again {
			var fresh secret.Text
			if fresh, err = k.token(token); err == nil {
				token = fresh
				continue
			}
		}
		if res.StatusCode == http.StatusMethodNotAllowed {
			err = provider.ErrAttachmentNotFound
		}
	}
	release()
	if s.ctx.Err() != nil && ctx.Err() == nil {
		return nil, errClosed
	}
	return nil, err
}

// opened closes a body together with its call.
type opened struct {
	io.Reader
	body    io.Closer
	release func()
}

func (o *opened) Close() error {
	err := o.body.Close()
	o.release()
	return err
}
