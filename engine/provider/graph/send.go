package graph

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/mail"
	"net/url"
	"strings"

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
	if d.Raw != nil {
		raw, err := io.ReadAll(io.LimitReader(d.Raw, sendMost+1))
		if err != nil {
			return outgoing{}, fault.New(fault.Invalid, "message_unreadable", "The message ended before its end.").Because(err)
		}
		if base64.StdEncoding.EncodedLen(len(raw)) > mimeMost {
			return outgoing{}, errTooLarge
		}
		sender, named, _ := rfc5322.Recipients(raw)
		if len(d.Recipients()) == 0 {
			d.To = named
		}
		if len(d.From) == 0 {
			d.From = sender
		}
		check := email.Draft{From: d.From, To: d.To, Cc: d.Cc, Bcc: d.Bcc}
		return outgoing{mime: withBcc(raw, unnamed(d.Recipients(), named))}, check.Check()
	}
	if err := d.Check(); err != nil {
		return outgoing{}, err
	}
	if d.MessageID == "" {
		var id [16]byte
		_, _ = rand.Read(id[:])
		d.MessageID = hex.EncodeToString(id[:]) + "@" + domain(from.Email)
	}
	var apart []email.Enclosure
	total := len(d.HTML) + len(d.Plain)
	for i := range d.Attachments {
		e := &d.Attachments[i]
		var content []byte
		if e.Content != nil {
			var err error
			if content, err = io.ReadAll(io.LimitReader(e.Content, sendMost+1)); err != nil {
				return outgoing{}, fault.New(fault.Invalid, "attachment_unreadable", "An attachment ended before its end.").At("attachments").Because(err)
			}
		}
		if total += len(content); total > sendMost {
			return outgoing{}, errTooLarge
		}
		e.Content, e.Size = bytes.NewReader(content), int64(len(content))
	}
	// Attachments within the text are base64, and the text once more.
	if total > mimeMost/2 {
		apart, d.Attachments = d.Attachments, nil
	}
	var out bytes.Buffer
	if err := rfc5322.Write(&out, *d, from, c.now()); err != nil {
		return outgoing{}, err
	}
	mime := withBcc(out.Bytes(), d.Bcc)
	if base64.StdEncoding.EncodedLen(len(mime)) > mimeMost {
		return outgoing{}, errTooLarge
	}
	return outgoing{mime: mime, apart: apart}, nil
}

// withBcc names hidden recipients in the draft: Exchange takes the recipients from there, and the field out of what it sends.
func withBcc(mime []byte, bcc []email.Address) []byte {
	if len(bcc) == 0 {
		return mime
	}
	all := make([]string, len(bcc))
	for i, a := range bcc {
		all[i] = (&mail.Address{Name: a.Name, Address: a.Email}).String()
	}
	return append([]byte("Bcc: "+strings.Join(all, ",\r\n ")+"\r\n"), mime...)
}

// unnamed is who is to get a message that does not name them.
func unnamed(wanted, named []email.Address) []email.Address {
	var out []email.Address
next:
	for _, w := range wanted {
		for _, n := range named {
			if strings.EqualFold(w.Email, n.Email) {
				continue next
			}
		}
		out = append(out, w)
	}
	return out
}

func domain(address string) string {
	if i := strings.LastIndexByte(address, '@'); i >= 0 && i+1 < len(address) {
		return address[i+1:]
	}
	return "localhost"
}
