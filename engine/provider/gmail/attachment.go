package gmail

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"

	api "google.golang.org/api/gmail/v1"
	"google.golang.org/api/googleapi"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

var _ provider.AttachmentReader = (*Connector)(nil)

// Attachment implements provider.AttachmentReader. Gmail's own attachment ids change with every answer, so ours are the paths of the parts; the part tells the id of the
// moment. The bytes come as base64 within JSON (users.messages.attachments.get) and are decoded while they are read: nothing of them is held here.
func (c *Connector) Attachment(ctx context.Context, a provider.Account, message, id string) (email.Attachment, io.ReadCloser, error) {
	if !validID(message) {
		return email.Attachment{}, nil, provider.ErrMessageNotFound
	}
	r, release := c.open(a)
	defer release()
	g, err := r.get(ctx, message, "full", withoutTexts())
	if errors.Is(err, provider.ErrMessageNotFound) {
		g, err = r.within(ctx, message)
	}
	if err != nil {
		return email.Attachment{}, nil, err
	}
	_, parts, _, _ := whole(g, email.Standard)
	about, ok := rfc5322.AboutFile(parts, id)
	part := partAt(g.Payload, nil, id)
	switch {
	case !ok || part == nil:
		return about, nil, provider.ErrAttachmentNotFound
	case part.Body != nil && part.Body.AttachmentId != "":
		body, err := c.stream(ctx, r, "gmail/v1/users/me/messages/"+url.PathEscape(g.Id)+"/attachments/"+url.PathEscape(part.Body.AttachmentId))
		return about, body, err
	}
	// What Gmail does not keep apart is small, or a message within the message.
	raw, err := r.get(ctx, g.Id, "raw")
	if err != nil {
		return email.Attachment{}, nil, err
	}
	about, content, ok := rfc5322.File(octets(raw.Raw), id)
	if !ok {
		return about, nil, provider.ErrAttachmentNotFound
	}
	return about, io.NopCloser(content), nil
}

// within is the message within a draft, for a draft's id.
func (r *reader) within(ctx context.Context, draft string) (*api.Message, error) {
	var g *api.Draft
	err := r.call(ctx, true, func(ctx context.Context) (err error) {
		g, err = r.c.api.Users.Drafts.Get("me", draft).Format("full").Fields(googleapi.Field("id,message(" + string(withoutTexts()) + ")")).Context(ctx).Do()
		return err
	})
	if err = absent(err); err != nil {
		return nil, err
	}
	if g.Message == nil || !validID(g.Message.Id) {
		return nil, errAnswer
	}
	return g.Message, nil
}

// partAt finds a part by its path; see walk.
func partAt(p *api.MessagePart, path []int, id string) *api.MessagePart {
	if p == nil || len(path) > deepest {
		return nil
	}
	if multipart(p) {
		for i, sub := range p.Parts {
			if found := partAt(sub, append(path[:len(path):len(path)], i+1), id); found != nil {
				return found
			}
		}
		return nil
	}
	if len(path) == 0 {
		path = []int{1}
	}
	if rfc5322.Path(path) == id {
		return p
	}
	return nil
}

// stream opens an answer to be read by the caller. It ends with the caller's context, and when the account is closed.
func (c *Connector) stream(ctx context.Context, r *reader, path string) (io.ReadCloser, error) {
	s := r.session
	followed, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.ctx, cancel)
	release := func() { stop(); cancel() }
	for again := false; ; again = true {
		token, err := s.credential(followed, r.account)
		if err != nil {
			release()
			return nil, err
		}
		q, err := http.NewRequestWithContext(context.WithValue(followed, bearerKey{}, token), http.MethodGet, c.api.BasePath+path+"?alt=json&prettyPrint=false", http.NoBody)
		if err != nil {
			release()
			return nil, errAnswer
		}
		res, err := c.slow.Do(q)
		if err == nil {
			if err = googleapi.CheckResponse(res); err == nil {
				return &opened{Reader: dataOf(res.Body), body: res.Body, release: release}, nil
			}
			_ = res.Body.Close()
		}
		var g *googleapi.Error
		if errors.As(err, &g) && g.Code == http.StatusUnauthorized {
			s.forget(token)
			if !again {
				continue
			}
		}
		out, _ := c.refusal(ctx, err)
		release()
		if s.ctx.Err() != nil && ctx.Err() == nil {
			return nil, errClosed
		}
		return nil, absent(out)
	}
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
