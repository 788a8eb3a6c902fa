package mailer_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"net/mail"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/mailer"
	"github.com/postern-mail/postern/engine/secret"
)

// server is a mail server that demands TLS and a password, and keeps what it takes.
type server struct {
	mu       sync.Mutex
	taken    []string
	refuse   error
	withoutT bool
}

type session struct {
	*server
	in bool
}

func (s *server) NewSession(*smtp.Conn) (smtp.Session, error) { return &session{server: s}, nil }
func (s *session) AuthMechanisms() []string                   { return []string{sasl.Plain} }
func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "postern" || password != "p@ss" {
			return smtp.ErrAuthFailed
		}
		s.in = true
		return nil
	}), nil
}
func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }
func (s *session) Mail(string, *smtp.MailOptions) error {
	if !s.in {
		return smtp.ErrAuthRequired
	}
	return nil
}
func (s *session) Rcpt(string, *smtp.RcptOptions) error { return s.refuse }
func (s *session) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken = append(s.taken, string(b))
	return err
}

// start runs the server and gives its port and the guard that trusts it.
func (s *server) start(t *testing.T, implicit bool) (string, *dial.Guard) {
	t.Helper()
	https := httptest.NewTLSServer(nil) // for its certificate
	t.Cleanup(https.Close)
	roots := x509.NewCertPool()
	roots.AddCert(https.Certificate())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().String()
	srv := smtp.NewServer(s)
	srv.Domain = "mail.example"
	if !s.withoutT {
		srv.TLSConfig = &tls.Config{Certificates: https.TLS.Certificates}
	}
	if implicit {
		listener = tls.NewListener(listener, srv.TLSConfig)
	}
	go func() { _ = srv.Serve(listener) }()
	t.Cleanup(func() { _ = srv.Close() })
	return port, dial.New(dial.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Roots: roots})
}

func newMailer(t *testing.T, url string, guard *dial.Guard) *mailer.Mailer {
	t.Helper()
	m, err := mailer.New(mailer.Config{URL: secret.New(url), From: "Postern <postern@example.com>", Guard: guard, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestSend(t *testing.T) {
	ctx := context.Background()
	for scheme, implicit := range map[string]bool{"smtp": false, "smtps": true} {
		s := &server{}
		addr, guard := s.start(t, implicit)
		text := "Line one.\nÜber Zeile zwei, " + strings.Repeat("lang ", 40) + "\n.\n"
		if err := newMailer(t, scheme+"://postern:p%40ss@"+addr, guard).Send(ctx, "ada@example.com", "Webhook “CRM” fails", text); err != nil {
			t.Fatalf("%s: %v", scheme, err)
		}
		if len(s.taken) != 1 {
			t.Fatalf("%s: %d mails", scheme, len(s.taken))
		}
		m, err := mail.ReadMessage(strings.NewReader(s.taken[0]))
		if err != nil || m.Header.Get("To") != "<ada@example.com>" || m.Header.Get("Auto-Submitted") != "auto-generated" || m.Header.Get("From") != `"Postern" <postern@example.com>` {
			t.Errorf("%s: %v, %v", scheme, m.Header, err)
		}
		for line := range strings.Lines(s.taken[0]) {
			if len(line) > 998 {
				t.Errorf("%s: a line of %d bytes", scheme, len(line))
			}
		}
		if err := newMailer(t, scheme+"://postern:wrong@"+addr, guard).Send(ctx, "ada@example.com", "s", "t"); err == nil || strings.Contains(err.Error(), "wrong@") {
			t.Errorf("%s: a wrong password: %v", scheme, err)
		}
	}
}

func TestWhatIsNotSent(t *testing.T) {
	ctx, s := context.Background(), &server{}
	addr, guard := s.start(t, false)
	m := newMailer(t, "smtp://postern:p%40ss@"+addr, guard)
	for name, to := range map[string]string{"no address": "ada", "a header in an address": "ada@example.com\r\nBcc: eve@example.com"} {
		if err := m.Send(ctx, to, "s", "t"); !errors.Is(err, mailer.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := m.Send(ctx, "ada@example.com", "s\r\nBcc: eve@example.com", "t"); !errors.Is(err, mailer.ErrRefused) {
		t.Errorf("a header in a subject: %v", err)
	}
	s.refuse = &smtp.SMTPError{Code: 550, Message: "no such user ada@example.com"}
	if err := m.Send(ctx, "ada@example.com", "s", "t"); !errors.Is(err, mailer.ErrRefused) || strings.Contains(err.Error(), "ada") {
		t.Errorf("an unknown recipient: %v", err)
	}
	s.refuse = &smtp.SMTPError{Code: 451, Message: "later, ada@example.com"}
	if err := m.Send(ctx, "ada@example.com", "s", "t"); err == nil || errors.Is(err, mailer.ErrRefused) || strings.Contains(err.Error(), "ada") {
		t.Errorf("a busy server: %v", err)
	}
	bare := &server{withoutT: true}
	addr, guard = bare.start(t, false)
	if err := newMailer(t, "smtp://postern:p%40ss@"+addr, guard).Send(ctx, "ada@example.com", "s", "t"); err == nil || len(bare.taken) != 0 {
		t.Errorf("a server without TLS was given a mail: %v", err)
	}
	closed := dial.New(dial.Config{})
	if err := newMailer(t, "smtp://postern:p%40ss@"+addr, closed).Send(ctx, "ada@example.com", "s", "t"); err == nil {
		t.Error("the guard was passed by")
	}
	for _, bad := range []string{"", "http://host", "smtp://"} {
		if _, err := mailer.New(mailer.Config{URL: secret.New(bad), From: "a@example.com"}); err == nil {
			t.Errorf("%q is an address", bad)
		}
	}
}
