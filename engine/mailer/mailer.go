package mailer

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/url"
	"strings"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/secret"
)

const sendTimeout = time.Minute

// ErrRefused is a mail server that will not take this mail, now or later.
var ErrRefused = fault.New(fault.Upstream, "mail_refused", "The mail server refused the message.")

// Config says how to send. All fields must be set.
type Config struct {
	URL   secret.Text // smtps://user:password@host:465, or smtp://... for STARTTLS, which is demanded
	From  string      // postern@example.com, or with a name
	Guard *dial.Guard
	Now   func() time.Time
}

// Mailer sends mail. It is safe for concurrent use.
type Mailer struct {
	host, addr     string
	implicit       bool // TLS from the first byte
	user, password string
	from           *mail.Address
	guard          *dial.Guard
	now            func() time.Time
}

// New reads the configuration. It connects to nothing.
func New(c Config) (*Mailer, error) {
	u, err := url.Parse(c.URL.Reveal())
	if err != nil || u.Hostname() == "" || u.Scheme != "smtp" && u.Scheme != "smtps" {
		return nil, errors.New("the address of the mail server is not smtp:// or smtps://") // the parser's own error would quote the password
	}
	m := &Mailer{host: u.Hostname(), implicit: u.Scheme == "smtps", user: u.User.Username(), guard: c.Guard, now: c.Now}
	m.password, _ = u.User.Password()
	port := u.Port()
	if port == "" {
		if port = "587"; m.implicit {
			port = "465"
		}
	}
	m.addr = net.JoinHostPort(m.host, port)
	if m.from, err = mail.ParseAddress(c.From); err != nil {
		return nil, fmt.Errorf("read the sender's address: %w", err)
	}
	return m, nil
}

// Send gives one mail to the server. Where it returns nil the server has taken it. ErrRefused: trying again is useless; every other error may pass.
func (m *Mailer) Send(ctx context.Context, to, subject, text string) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	raw, err := m.compose(to, subject, text)
	if err != nil {
		return err
	}
	conn, err := m.guard.Context(ctx, dial.SMTP, "tcp", m.addr)
	if err != nil {
		return fmt.Errorf("reach the mail server: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer conn.Close() //nolint:errcheck // the mail is taken, or it failed before
	if err := m.submit(conn, to, raw); err != nil {
		var answer *smtp.SMTPError
		if errors.As(err, &answer) && answer.Code >= 500 {
			return ErrRefused.Because(fmt.Errorf("status %d", answer.Code)) // the text may name people
		}
		return fmt.Errorf("send a mail: %w", plain(err))
	}
	return nil
}

func (m *Mailer) submit(conn net.Conn, to string, raw []byte) (err error) {
	var c *smtp.Client
	if m.implicit {
		c = smtp.NewClient(tls.Client(conn, m.guard.TLSConfig(m.host)))
		err = c.Hello("localhost")
	} else {
		c, err = smtp.NewClientStartTLS(conn, m.guard.TLSConfig(m.host))
	}
	if err != nil {
		return err
	}
	if m.user != "" {
		if err := c.Auth(sasl.NewPlainClient("", m.user, m.password)); err != nil {
			return err
		}
	}
	if err := c.Mail(m.from.Address, nil); err != nil {
		return err
	}
	if err := c.Rcpt(to, nil); err != nil {
		return err
	}
	data, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := data.Write(raw); err != nil {
		return err
	}
	if err := data.Close(); err != nil {
		return err
	}
	_ = c.Quit()
	return nil
}

// compose writes the message (RFC 5322), marked as written by a program, so that no answering machine answers (RFC 3834 section 5).
func (m *Mailer) compose(to, subject, text string) ([]byte, error) {
	address, err := mail.ParseAddress(to)
	if err != nil || strings.ContainsAny(subject, "\r\n") {
		return nil, ErrRefused.Because(errors.New("an address or a subject that cannot be written into a header"))
	}
	_, domain, _ := strings.Cut(m.from.Address, "@")
	var out bytes.Buffer
	for _, h := range [][2]string{
		{"From", m.from.String()}, {"To", address.String()}, {"Subject", mime.QEncoding.Encode("utf-8", subject)}, {"Date", m.now().UTC().Format(time.RFC1123Z)},
		{"Message-ID", "<" + rand.Text() + "@" + domain + ">"}, {"Auto-Submitted", "auto-generated"}, {"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"}, {"Content-Transfer-Encoding", "quoted-printable"},
	} {
		fmt.Fprintf(&out, "%s: %s\r\n", h[0], h[1])
	}
	out.WriteString("\r\n")
	body := quotedprintable.NewWriter(&out)
	if _, err := body.Write([]byte(strings.ReplaceAll(text, "\n", "\r\n"))); err != nil {
		return nil, fmt.Errorf("write a mail: %w", err)
	}
	if err := body.Close(); err != nil {
		return nil, fmt.Errorf("write a mail: %w", err)
	}
	return out.Bytes(), nil
}

// plain keeps an error's kind and drops what a server said: it may repeat an address.
func plain(err error) error {
	var answer *smtp.SMTPError
	if errors.As(err, &answer) {
		return fmt.Errorf("the mail server answered %d", answer.Code)
	}
	return err
}
