package imapmail

import (
	"context"
	"errors"
	"strings"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-smtp"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
)

// plain strips a server's own words from an error: some servers repeat the command they dislike, password included, and parts of mail
// may stand in the rest.
func plain(err error) error {
	var no *imap.Error
	if errors.As(err, &no) {
		return errors.New(token("imap", string(no.Type), string(no.Code)))
	}
	var refused *smtp.SMTPError
	if errors.As(err, &refused) {
		return errors.New("smtp: " + strings.TrimSpace(string(rune('0'+refused.Code/100%10))+string(rune('0'+refused.Code/10%10))+string(rune('0'+refused.Code%10))))
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errTooMuch) || errors.Is(err, errNested) {
		return err
	}
	text := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, err.Error())
	if i := strings.Index(text, "panic reading response"); i >= 0 {
		text = text[i:min(len(text), i+80)] // without the stack
	}
	if len(text) > 160 {
		text = text[:160]
	}
	return errors.New(text)
}

func token(words ...string) string {
	var out []string
	for _, w := range words {
		w = strings.Map(func(r rune) rune {
			if r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' {
				return r
			}
			return -1
		}, w)
		if w != "" {
			out = append(out, w[:min(len(w), 40)])
		}
	}
	return strings.Join(out, " ")
}

// answer turns what a command ended with into a fault. fatal says that the connection must not be used again.
func (s *session) answer(err error) (out error, fatal bool) {
	out, fatal = s.judge(err)
	return out, fatal || s.spent
}

func (s *session) judge(err error) (out error, fatal bool) {
	if err == nil {
		return nil, false
	}
	if f, ok := fault.As(err); ok {
		return f, s.wire.why() != nil
	}
	if why := s.wire.why(); why != nil {
		return provider.ErrBadAnswer.Because(why), true
	}
	var no *imap.Error
	if !errors.As(err, &no) {
		return provider.ErrBadAnswer.Because(plain(err)), true
	}
	switch {
	case no.Type == imap.StatusResponseTypeBye:
		return provider.ErrBadAnswer.Because(plain(err)), true
	case no.Code == imap.ResponseCodeNonExistent || no.Code == imap.ResponseCodeTryCreate:
		return provider.ErrFolderNotFound.Because(plain(err)), false
	case no.Code == imap.ResponseCodeAuthenticationFailed || no.Code == imap.ResponseCodeExpired:
		return provider.ErrCredentialRefused.Because(plain(err)), true
	case no.Code == imap.ResponseCodeNoPerm || no.Code == imap.ResponseCodeAuthorizationFailed:
		return provider.ErrScopeMissing.Because(plain(err)), false
	case throttled(no):
		return errThrottled.Because(plain(err)), false
	case no.Code == imap.ResponseCodeOverQuota:
		return errQuota.Because(plain(err)), false
	}
	return provider.ErrBadAnswer.Because(plain(err)), false
}

// throttled: the server does not want so much at once (RFC 5530 section 3). It says no to this command and has not carried it out.
func throttled(no *imap.Error) bool {
	return no.Type == imap.StatusResponseTypeNo && (no.Code == imap.ResponseCodeLimit || no.Code == imap.ResponseCodeInUse)
}

var (
	errThrottled = fault.New(fault.Limited, "provider_throttled", "The mail server asks for fewer requests to this mailbox. Try again in a moment.")
	errQuota     = fault.New(fault.Upstream, "mailbox_full", "The mailbox is full. Its owner must free some space first.")
	errClosed    = fault.New(fault.Unproven, "credential_refused", "This connection was cut. Reconnect the mailbox.")
	errBusy      = fault.New(fault.Unavailable, "mail_connections_exhausted", "Too many mailboxes are open at once. Try again in a minute.")
)
