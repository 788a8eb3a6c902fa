package gmail

import (
	"context"
	"encoding/base64"
	"net/http"
	"slices"
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
	uploadFrom = 1 << 20  // from here on the message travels beside the JSON, not inside, and piece by piece
)

var (
	errSendTooLarge = fault.New(fault.Invalid, "message_too_large", "The message is larger than Gmail takes.").At("attachments")
	errEnvelope     = fault.New(fault.Invalid, "recipients_differ", "Gmail sends to everybody whom the message names, and it names somebody who is not among the recipients.").At("to")
	// errUnconfirmed is a send whose end is not known: trying again could send twice.
	errUnconfirmed = fault.New(fault.Upstream, "send_unconfirmed", "Google did not say whether it took the message. Look among the sent messages before you send it again.")
	errSendRefused = fault.New(fault.Invalid, "provider_refused", "Gmail does not take this message as it stands. Check its sender, recipients and attachments.")
)

// Send implements provider.Sender. Gmail takes the recipients from the message itself, Bcc included, which it removes; it files the copy
// among the sent messages. An answer to a message of this mailbox joins its conversation.
func (c *Connector) Send(ctx context.Context, a provider.Account, d email.Draft) (email.Message, error) {
	msg, err := c.compose(a, d)
	if err != nil {
		return email.Message{}, err
	}
	size, err := msg.Fits(sendMost, errSendTooLarge)
	if err != nil {
		return email.Message{}, err
	}
	sent, err := msg.Read()
	if err != nil {
		return email.Message{}, err
	}
	r, release := c.open(a)
	defer release()
	wire := &api.Message{ThreadId: r.conversation(ctx, msg.Header().InReplyTo)}
	var done *api.Message
	err = r.call(ctx, false, func(ctx context.Context) (err error) {
		if size >= uploadFrom {
			media := msg.Reader()
			defer media.Close() //nolint:errcheck // it was only read
			done, err = c.api.Users.Messages.Send("me", wire).Media(media, googleapi.ContentType("message/rfc822"), googleapi.ChunkSize(0)).Context(ctx).Do()
			return err
		}
		raw, err := msg.Bytes()
		if err != nil {
			return err
		}
		wire.Raw = base64.URLEncoding.EncodeToString(raw)
		done, err = c.api.Users.Messages.Send("me", wire).Context(ctx).Do()
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
	done.InternalDate = c.now().UnixMilli()
	done.SizeEstimate = size
	marks(&sent, done)
	return sent, nil
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

// conversation finds the thread of the message that is answered, by Message-ID. Not finding it, or not being allowed to look, is no
// reason not to send.
func (r *reader) conversation(ctx context.Context, answered []string) string {
	if len(answered) == 0 {
		return ""
	}
	id := answered[0]
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

// compose makes the message with its Bcc field, which is the only envelope that Gmail has. The recipients of a message that the caller wrote are those
// named in it; where the draft names some, the two must agree, because Gmail looks at the message alone.
func (c *Connector) compose(a provider.Account, d email.Draft) (*rfc5322.Outgoing, error) {
	msg, err := rfc5322.Compose(d, email.Address{Email: a.Address}, c.now())
	if err != nil {
		return nil, err
	}
	if !msg.Complete() {
		msg.Bcc(d.Bcc)
		return msg, nil
	}
	head := msg.Header()
	for _, named := range slices.Concat(head.To, head.Cc) {
		if !rfc5322.Among(msg.To, named) {
			return nil, errEnvelope
		}
	}
	msg.Bcc(msg.Unnamed())
	return msg, nil
}
