package graph

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

const (
	mimeMost = 4<<20 - 64<<10 // of one request, once it is base64 ("Outlook service limits")
	sendMost = 36 << 20       // 25 MB of attachments, encoded
)

var (
	errTooLarge = fault.New(fault.Invalid, "message_too_large", "The message is larger than Microsoft takes.").At("attachments")
	errSendAs   = fault.New(fault.Invalid, "from_refused", "Microsoft does not let this mailbox send under that sender.").At("from")
)

// Send implements provider.Sender. The message is made as a draft and then sent, because only a draft has an id to answer with: with immutable ids it is that of the
// copy among the sent items. That takes Mail.ReadWrite beside Mail.Send. A draft that Microsoft then refuses to send is taken away again; when it is
// not known whether the message left, the draft stays, and the answer is an error.
func (c *Connector) Send(ctx context.Context, a provider.Account, d email.Draft) (email.Message, error) {
	m, err := c.compose(&d, email.Address{Email: a.Address})
	if err != nil {
		return email.Message{}, err
	}
	var made wireMessage
	err = c.with(ctx, a, func(k *call) error {
		body := []byte(base64.StdEncoding.EncodeToString(m.mime))
		err := k.json(request{method: http.MethodPost, path: "/me/messages", kind: "text/plain", body: body}, &made)
		if err == nil && made.ID == "" {
			err = errUpstream.Because(errors.New("the draft has no id"))
		}
		if (errors.Is(err, errRefused) || errors.Is(err, provider.ErrMessageNotFound)) && len(m.apart) == 0 {
			// A server without drafts from MIME may still send it ("user: sendMail"); then there is no id to answer with.
			made = wireMessage{}
			return senderRefused(k.json(request{method: http.MethodPost, path: "/me/sendMail", kind: "text/plain", body: body}, nil))
		}
		if err != nil {
			return senderRefused(err)
		}
		path := "/me/messages/" + url.PathEscape(made.ID)
		for _, e := range m.apart {
			if err = k.attach(path, e); err != nil {
				break
			}
		}
		if err == nil {
			err = k.json(request{method: http.MethodPost, path: path + "/send"}, nil)
		}
		if err != nil && fault.KindOf(err) != fault.Upstream {
			_ = k.erase(path)
		}
		return senderRefused(err)
	})
	if err != nil {
		return email.Message{}, err
	}
	out := rfc5322.Read(m.mime, email.Standard)
	out.ID, out.ThreadID, out.Date, out.Size = ourID(made.ID), ourID(made.ConversationID), c.now().UTC(), int64(len(m.mime))
	if len(out.From) == 0 {
		out.From = []email.Address{{Email: a.Address}}
	}
	return out, nil
}

func senderRefused(err error) error {
	switch codeOf(err) {
	case "ErrorSendAsDenied", "ErrorSendOnBehalfOfDenied", "ErrorSubmissionQuotaExceeded":
		if codeOf(err) == "ErrorSubmissionQuotaExceeded" {
			return errThrottled.Because(errors.Unwrap(err))
		}
		return errSendAs.Because(errors.Unwrap(err))
	}
	return err
}

// outgoing is a message on its way: its MIME form, and what is too heavy to be within it.
type outgoing struct {
	mime  []byte
	apart []email.Enclosure
}

func (c *Connector) compose(d *email.Draft, from email.Address) (outgoing, error) {
	var apart []email.Enclosure
	total := int64(len(d.HTML) + len(d.Plain))
	for _, e := range d.Attachments {
		total += email.Reader(e.Content).Size()
	}
	if total > sendMost {
		return outgoing{}, errTooLarge
	}
	// Attachments within the text are base64, and the text once more.
	if d.Raw == nil && total > mimeMost/2 {
		if err := d.Check(); err != nil { // of what goes apart too
			return outgoing{}, err
		}
		apart, d.Attachments = d.Attachments, nil
	}
	msg, err := rfc5322.Compose(*d, from, c.now())
	if err != nil {
		return outgoing{}, err
	}
	// Exchange takes the recipients from the draft, and the Bcc field out of what it sends.
	if msg.Complete() {
		msg.Bcc(msg.Unnamed())
	} else {
		msg.Bcc(d.Bcc)
	}
	if _, err := msg.Fits(int64(base64.StdEncoding.DecodedLen(mimeMost)), errTooLarge); err != nil {
		return outgoing{}, err
	}
	mime, err := msg.Bytes()
	return outgoing{mime: mime, apart: apart}, err
}
