package sandbox

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

func (s *Server) smtpServer() *smtp.Server {
	out := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &submission{server: s, conn: c}, nil }))
	out.Domain = Domain
	out.ReadTimeout, out.WriteTimeout = time.Minute, time.Minute
	out.MaxMessageBytes = 36 << 20
	out.MaxRecipients = 100
	out.AllowInsecureAuth = true // the listener is TLS already
	out.ErrorLog = quiet{s.log}
	return out
}

// submission is one SMTP connection. A token needs mail.send, and is asked again at each message.
type submission struct {
	server *Server
	conn   *smtp.Conn
	user   string
	token  *access
	to     []string
}

func (x *submission) AuthMechanisms() []string { return []string{"XOAUTH2", sasl.Plain} }

func (x *submission) Auth(mech string) (sasl.Server, error) {
	switch mech {
	case "XOAUTH2":
		return &xoauth2{check: func(user, token string) bool {
			a := x.server.book.check(token)
			if a == nil || a.user != strings.ToLower(user) || !x.server.book.hold(a, x.conn.Conn()) {
				return false
			}
			x.token, x.user = a, a.user
			return true
		}, refused: smtp.ErrAuthFailed}, nil
	case sasl.Plain:
		return sasl.NewPlainServer(func(_, user, password string) error {
			user = strings.ToLower(user)
			if x.server.box(user) == nil || !same(password, x.server.book.password()) {
				return smtp.ErrAuthFailed
			}
			x.user = user
			return nil
		}), nil
	}
	return nil, smtp.ErrAuthUnknownMechanism
}

func (x *submission) may() error {
	switch {
	case x.user == "":
		return smtp.ErrAuthRequired
	case x.token == nil:
		return nil
	case !x.server.book.live(x.token):
		return smtp.ErrAuthFailed
	case !x.token.may(ScopeSend):
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "The access token does not allow sending"}
	}
	return nil
}

func (x *submission) Mail(from string, _ *smtp.MailOptions) error {
	if err := x.may(); err != nil {
		return err
	}
	if !strings.EqualFold(from, x.user) {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "You may send only as yourself"}
	}
	return nil
}

func (x *submission) Rcpt(to string, _ *smtp.RcptOptions) error {
	to = strings.ToLower(to)
	if x.server.box(to) == nil {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "The sandbox delivers to its own mailboxes only"}
	}
	x.to = append(x.to, to)
	return nil
}

// Data delivers, and files the sender's own copy.
func (x *submission) Data(r io.Reader) error {
	if err := x.may(); err != nil {
		return err
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	at := x.server.now()
	clean := rfc5322.WithoutBcc(raw)
	received := fmt.Sprintf("Received: by %s; %s\r\n", Domain, at.Format(time.RFC1123Z))
	delivered := map[string]bool{}
	for _, to := range x.to {
		if delivered[to] {
			continue
		}
		delivered[to] = true
		if err := x.server.box(to).put("INBOX", append([]byte(received), clean...), at, nil); err != nil {
			return err
		}
	}
	return x.server.box(x.user).put("Sent", bytes.Clone(raw), at, []imap.Flag{imap.FlagSeen})
}

func (x *submission) Reset() { x.to = nil }

func (x *submission) Logout() error {
	if x.token != nil {
		x.server.book.release(x.token, x.conn.Conn())
	}
	return nil
}
