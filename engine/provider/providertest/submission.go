package providertest

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/postern-mail/postern/engine/provider"
)

// Submission is an SMTP server beside a Dovecot: STARTTLS, and the same passwords.
type Submission struct {
	port string
	d    *DovecotServer
	mu   sync.Mutex
	got  []Taken
	say  error
}

// Taken is one message that was submitted.
type Taken struct {
	From string
	To   []string
	Raw  string
}

// StartSubmission starts one for the length of the test.
func StartSubmission(t testing.TB, d *DovecotServer) *Submission {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(d.dir, "cert.pem"), filepath.Join(d.dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	s := &Submission{d: d}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &submitting{s: s}, nil }))
	server.Domain = "localhost"
	server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	server.ReadTimeout, server.WriteTimeout = 10*time.Second, 10*time.Second
	server.ErrorLog = silent{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, s.port, _ = net.SplitHostPort(l.Addr().String())
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return s
}

type silent struct{}

func (silent) Printf(string, ...any) {}
func (silent) Println(...any)        {}

// Settings is how to reach it.
func (s *Submission) Settings() map[string]string {
	return map[string]string{provider.SMTPHost: "127.0.0.1", provider.SMTPPort: s.port, provider.SMTPTLS: provider.StartTLS}
}

// Answer has every message refused with err from now on, after it was heard to its end; nil takes them again.
func (s *Submission) Answer(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.say = err
}

// Taken is what was submitted so far.
func (s *Submission) Taken() []Taken {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Taken(nil), s.got...)
}

type submitting struct {
	s    *Submission
	user string
	msg  Taken
}

func (x *submitting) AuthMechanisms() []string { return []string{sasl.Plain} }

func (x *submitting) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if want := x.s.d.Password(user); want.Empty() || want.Reveal() != password {
			return smtp.ErrAuthFailed
		}
		x.user = user
		return nil
	}), nil
}

func (x *submitting) Mail(from string, _ *smtp.MailOptions) error {
	if x.user == "" {
		return smtp.ErrAuthRequired
	}
	x.msg = Taken{From: from}
	return nil
}

func (x *submitting) Rcpt(to string, _ *smtp.RcptOptions) error {
	if to == "refused@example.com" {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such person"}
	}
	x.msg.To = append(x.msg.To, to)
	return nil
}

func (x *submitting) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if len(x.msg.To) == 0 {
		return errors.New("nobody")
	}
	x.msg.Raw = string(b)
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	if x.s.say != nil {
		return x.s.say
	}
	x.s.got = append(x.s.got, x.msg)
	return nil
}

func (x *submitting) Reset()        { x.msg = Taken{} }
func (x *submitting) Logout() error { return nil }
