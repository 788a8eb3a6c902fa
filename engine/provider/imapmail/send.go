package imapmail

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-smtp"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

const (
	sendMost  = 36 << 20 // 25 MB of attachments, encoded
	smtpBytes = 256 << 10
	sendPause = time.Minute // a reply of 4yz names no time (RFC 5321 section 4.2.1)
)

// errSendLater: the server did not take the message, and may take it later.
var errSendLater = fault.New(fault.Limited, "provider_throttled", "The mail server does not take the message just now. Send it again later.")

var errSendTooLarge = fault.New(fault.Invalid, "message_too_large", "The message is larger than the mail server takes.").At("attachments")

// Send submits a draft and keeps a copy among the sent messages, unless the server does that by itself (provider.SentCopy). Once the
// server has taken the message, Send succeeds: a copy that could not be kept only means an answer without an ID. The message is written
// piece by piece, to the one server and to the other.
func (m *Mail) Send(ctx context.Context, a provider.Account, d email.Draft) (email.Message, error) {
	a = m.at(a)
	msg, err := rfc5322.Compose(d, email.Address{Email: a.Address}, m.now())
	if err != nil {
		return email.Message{}, err
	}
	return m.depart(ctx, a, msg)
}

// depart submits a message that is ready, and keeps the copy.
func (m *Mail) depart(ctx context.Context, a provider.Account, msg *rfc5322.Outgoing) (email.Message, error) {
	size, err := msg.Fits(sendMost, errSendTooLarge)
	if err != nil {
		return email.Message{}, err
	}
	from := a.Address
	if len(msg.From) > 0 {
		from = msg.From[0].Email
	}
	out, err := msg.Read()
	if err != nil {
		return out, err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*m.commandTimeout)
	defer cancel()
	followed, done := m.follow(ctx, a.Key)
	defer done()
	if err := m.submit(followed, a, from, msg, size); err != nil {
		if followed.Err() != nil && ctx.Err() == nil {
			return email.Message{}, errClosed
		}
		return email.Message{}, err
	}
	out.Date, out.Size = m.now().UTC(), size
	m.keep(ctx, a, msg, &out)
	return out, nil
}

// submit speaks SMTP submission (RFC 6409).
func (m *Mail) submit(ctx context.Context, a provider.Account, from string, msg *rfc5322.Outgoing, size int64) error {
	c, w, err := m.smtpLogin(ctx, smtpServer(a.Settings), a)
	if err != nil {
		return err
	}
	defer w.kill()
	stop := context.AfterFunc(ctx, w.kill)
	defer stop()
	if most, ok := c.MaxMessageSize(); ok && most > 0 && size > int64(most) {
		return errSendTooLarge
	}
	if err := c.Mail(from, nil); err != nil {
		return smtpFault(w, err, provider.ErrScopeMissing)
	}
	for _, x := range msg.To {
		if err := c.Rcpt(x.Email, nil); err != nil {
			return smtpFault(w, err, provider.ErrRecipientRefused)
		}
	}
	data, err := c.Data()
	if err != nil {
		return smtpFault(w, err, provider.ErrBadAnswer)
	}
	if _, err := msg.WriteTo(data); err != nil {
		return smtpFault(w, err, provider.ErrBadAnswer)
	}
	if err := data.Close(); err != nil {
		return smtpFault(w, err, provider.ErrBadAnswer)
	}
	_ = c.Quit()
	return nil
}

func (m *Mail) smtpLogin(ctx context.Context, s server, a provider.Account) (*smtp.Client, *wire, error) {
	credential, err := a.Credential(ctx)
	if err != nil {
		return nil, nil, err
	}
	// STARTTLS is left to go-smtp here, which throws away what it had buffered before the handshake.
	w, err := m.open(ctx, s, nil)
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, w.kill)
	defer stop()
	deadline, _ := ctx.Deadline()
	w.allow(smtpBytes, deadline)
	var c *smtp.Client
	if s.protection == provider.StartTLS {
		config := m.guard.TLSConfig(s.host)
		if m.roots != nil {
			config.RootCAs = m.roots
		}
		c, err = smtp.NewClientStartTLS(w, config)
	} else {
		c = smtp.NewClient(w)
		err = c.Hello("localhost")
	}
	if err != nil {
		w.kill()
		var refused *smtp.SMTPError
		if errors.As(err, &refused) && refused.Code/100 == 4 && refused.Code != 454 { // 454: TLS is not available
			return nil, nil, errSendLater.RetryAfter(sendPause).Because(plain(err))
		}
		if s.protection == provider.StartTLS && (errors.As(err, &refused) || strings.Contains(err.Error(), "STARTTLS")) {
			return nil, nil, provider.ErrNoTLS.Because(plain(err))
		}
		return nil, nil, provider.ErrUnreachable.Because(firstOf(w.why(), plain(err)))
	}
	c.CommandTimeout, c.SubmissionTimeout = 30*time.Second, 2*time.Minute
	user := a.Settings[provider.SMTPUser]
	if user == "" {
		user = loginName(a)
	}
	mech, err := mechanism(user, credential, c.SupportsAuth)
	if err == nil && mech == nil {
		err = errors.New("no way to log in is offered")
	}
	if err == nil {
		err = c.Auth(mech)
	}
	if err != nil {
		w.kill()
		return nil, nil, smtpFault(w, err, provider.ErrCredentialRefused)
	}
	return c, w, nil
}

// smtpFault reads the reply codes of RFC 5321 and RFC 4954. refused is what a permanent no means at this step.
func smtpFault(w *wire, err error, refused *fault.Error) error {
	var no *smtp.SMTPError
	if w.why() != nil || !errors.As(err, &no) {
		return provider.ErrBadAnswer.Because(firstOf(w.why(), plain(err)))
	}
	switch {
	case no.Code == 535 || no.Code == 534 || no.Code == 530:
		return provider.ErrCredentialRefused.Because(plain(err))
	case no.Code == 552 || no.Code == 523:
		return errSendTooLarge.Because(plain(err))
	case no.Code >= 500:
		return refused.Because(plain(err))
	case no.Code >= 400:
		return errSendLater.RetryAfter(sendPause).Because(plain(err))
	}
	return provider.ErrBadAnswer.Because(plain(err))
}

// keep files the copy, and finds out the id it got.
func (m *Mail) keep(ctx context.Context, a provider.Account, msg *rfc5322.Outgoing, out *email.Message) {
	_ = m.with(ctx, a, "", false, func(s *session) error {
		sent, err := s.special(ctx, email.Sent)
		if err != nil {
			return err
		}
		out.Folders = []string{folderID(sent)}
		if a.Settings[provider.SentCopy] == provider.ByServer {
			if out.MessageID == "" {
				return nil // a search for an empty one finds every message that has one
			}
			if err := s.use(sent, false); err != nil {
				return err
			}
			s.allow(ctx, searchBytes)
			set, err := s.uids(&imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "Message-ID", Value: out.MessageID}}})
			if at := takeBelow(set, 0, 1); err == nil && len(at) == 1 {
				out.ID = messageID(sent, s.validity, at[0])
			}
			return err
		}
		s.allow(ctx, selectBytes)
		data, err := s.put(sent, out.Size, msg, []imap.Flag{imap.FlagSeen})
		if err == nil && data.UID != 0 && data.UIDValidity != 0 {
			out.ID = messageID(sent, data.UIDValidity, data.UID)
		}
		return err
	})
	if out.ThreadID == "" {
		out.ThreadID = "m" + out.ID
	}
}
