package gmail

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"net/mail"
	"strings"

	api "google.golang.org/api/gmail/v1"
	"google.golang.org/api/googleapi"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

const (
	sendMost   = 35 << 20 // "Maximum file size: 36,700,160 bytes" (users.messages.send, upload)
	uploadFrom = 4 << 20  // from here on the message travels beside the JSON, not inside
)

var (
	errSendTooLarge = fault.New(fault.Invalid, "message_too_large", "The message is larger than Gmail takes.").At("attachments")
	errUnreadable   = fault.New(fault.Invalid, "message_unreadable", "The message ended before its end.")
	errEnvelope     = fault.New(fault.Invalid, "recipients_differ", "Gmail sends to everybody whom the message names, and it names somebody who is not among the recipients.").At("to")
	// errUnconfirmed is a send whose end is not known: trying again could send twice.
	errUnconfirmed = fault.New(fault.Upstream, "send_unconfirmed", "Google did not say whether it took the message. Look among the sent messages before you send it again.")
	errSendRefused = fault.New(fault.Invalid, "provider_refused", "Gmail does not take this message as it stands. Check its sender, recipients and attachments.")
)

// Send implements provider.Sender. Gmail takes the recipients from the message itself, Bcc included, which it removes; it files the copy
// among the sent messages. An answer to a message of this mailbox joins its conversation.
func (c *Connector) Send(ctx context.Context, a provider.Account, d email.Draft) (email.Message, error) {
	raw, err := c.compose(a, d)
	if err != nil {
		return email.Message{}, err
	}
	r, release := c.open(a)
	defer release()
	msg := &api.Message{ThreadId: r.conversation(ctx, raw)}
	var done *api.Message
	err = r.call(ctx, false, func(ctx context.Context) (err error) {
		if len(raw) >= uploadFrom {
			media := bytes.NewReader(raw)
			done, err = c.api.Users.Messages.Send("me", msg).Media(media, googleapi.ContentType("message/rfc822"), googleapi.ChunkSize(0)).Context(ctx).Do()
			return err
		}
		msg.Raw = base64.URLEncoding.EncodeToString(raw)
		done, err = c.api.Users.Messages.Send("me", msg).Context(ctx).Do()
		return err
	})
	if err != nil {
		return email.Message{}, unsent(err)
	}
	if !validID(done.Id) {
		return email.Message{}, errUnconfirmed
	}
	if m, err := r.message(ctx, done.Id, email.Standard); err == nil {
		return m, nil
	}
	// A grant that may only send cannot look at what was sent: the answer is what was handed over.
	m := rfc5322.Read(raw, email.Standard)
	done.InternalDate = c.now().UnixMilli()
	done.SizeEstimate = int64(len(raw))
	marks(&m, done)
	return m, nil
}

// unsent says what became of a send that failed.
func unsent(err error) error {
	if d, ok := turnedDown(err); ok {
		switch {
		case d.status == http.StatusRequestEntityTooLarge || d.says("too large") || d.says("size"):
			return errSendTooLarge.Because(d.cause())
		case d.says("recipient") || d.says("to header") || d.says("cc header") || d.says("bcc header"):
			return provider.ErrRecipientRefused.Because(d.cause())
		}
		return errSendRefused.Because(d.cause())
	}
	if f, ok := fault.As(err); ok && f.Code == errAnswer.Code {
		return errUnconfirmed.RetryAfter(f.After).Because(err)
	}
	return err
}

// conversation finds the thread of the message that raw answers, by Message-ID. Not finding it, or not being allowed to look, is no
// reason not to send.
func (r *reader) conversation(ctx context.Context, raw []byte) string {
	head := rfc5322.ReadHeader(raw, email.Standard)
	if len(head.InReplyTo) == 0 {
		return ""
	}
	id := head.InReplyTo[0]
	if strings.ContainsAny(id, "\" \t{}()") {
		return ""
	}
	var list *api.ListMessagesResponse
	err := r.call(ctx, true, func(ctx context.Context) (err error) {
		list, err = r.c.api.Users.Messages.List("me").Q("rfc822msgid:" + id).MaxResults(1).Context(ctx).Do()
		return err
	})
	if err != nil || len(list.Messages) == 0 || list.Messages[0] == nil || !validID(list.Messages[0].ThreadId) {
		return ""
	}
	return list.Messages[0].ThreadId
}

// compose writes the message with its Bcc field, which is the only envelope that Gmail has.
func (c *Connector) compose(a provider.Account, d email.Draft) ([]byte, error) {
	if d.Raw != nil {
		return complete(d)
	}
	if err := d.Check(); err != nil {
		return nil, err
	}
	if d.MessageID == "" {
		id := make([]byte, 16)
		_, _ = rand.Read(id) // never fails
		domain := "mail.gmail.com"
		if i := strings.LastIndexByte(a.Address, '@'); i >= 0 && i+1 < len(a.Address) {
			domain = a.Address[i+1:]
		}
		d.MessageID = hex.EncodeToString(id) + "@" + domain
	}
	var b bytes.Buffer
	if len(d.Bcc) > 0 {
		b.WriteString("Bcc: " + addresses(d.Bcc) + "\r\n")
	}
	w := &capped{w: &b, left: sendMost - b.Len()}
	if err := rfc5322.Write(w, d, email.Address{Email: a.Address}, c.now()); err != nil {
		if w.left < 0 {
			return nil, errSendTooLarge
		}
		return nil, errUnreadable.Because(err)
	}
	return b.Bytes(), nil
}

// complete takes a message that the caller wrote. Its recipients are those named in it; where the draft names some, the two must agree,
// because Gmail looks at the message alone.
func complete(d email.Draft) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(d.Raw, sendMost+1))
	if err != nil {
		return nil, errUnreadable.Because(err)
	}
	if len(raw) > sendMost {
		return nil, errSendTooLarge
	}
	m := rfc5322.ReadHeader(raw, email.Standard)
	named := append(append([]email.Address{}, m.To...), m.Cc...)
	to := d.Recipients()
	if len(to) == 0 {
		check := email.Draft{From: d.From, To: m.To, Cc: m.Cc, Bcc: m.Bcc}
		return raw, check.Check()
	}
	check := email.Draft{From: d.From, To: to}
	if err := check.Check(); err != nil {
		return nil, err
	}
	for _, n := range named {
		if !among(to, n) {
			return nil, errEnvelope
		}
	}
	var unnamed []email.Address
	for _, t := range to {
		if !among(named, t) && !among(unnamed, t) {
			unnamed = append(unnamed, t)
		}
	}
	raw = rfc5322.WithoutBcc(raw)
	if len(unnamed) > 0 {
		raw = append([]byte("Bcc: "+addresses(unnamed)+"\r\n"), raw...)
	}
	return raw, nil
}

func among(all []email.Address, a email.Address) bool {
	for _, x := range all {
		if strings.EqualFold(x.Email, a.Email) {
			return true
		}
	}
	return false
}

// addresses writes an address list, one on a line (RFC 5322 section 2.2.3).
func addresses(all []email.Address) string {
	out := make([]string, len(all))
	for i, a := range all {
		out[i] = (&mail.Address{Name: a.Name, Address: a.Email}).String()
	}
	return strings.Join(out, ",\r\n ")
}

// capped stops a message that grows beyond what Gmail takes.
type capped struct {
	w    io.Writer
	left int
}

func (c *capped) Write(p []byte) (int, error) {
	if c.left -= len(p); c.left < 0 {
		return 0, errSendTooLarge
	}
	return c.w.Write(p)
}
