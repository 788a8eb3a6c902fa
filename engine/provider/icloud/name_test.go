package icloud_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/icloud"
	"github.com/postern-mail/postern/engine/secret"
)

// Apple's IMAP server takes some accounts by the bare name only, its SMTP server by the whole address.
func TestBareName(t *testing.T) {
	web := httptest.NewTLSServer(nil) // for its certificate
	defer web.Close()
	config := &tls.Config{Certificates: web.TLS.Certificates, MinVersion: tls.VersionTLS12}
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())

	box := imapmemserver.New()
	ada := imapmemserver.NewUser("ada", "app-pass")
	if err := ada.Create("INBOX", nil); err != nil {
		t.Fatal(err)
	}
	box.AddUser(ada)
	incoming := imapserver.New(&imapserver.Options{Caps: imap.CapSet{imap.CapIMAP4rev1: {}}, Logger: quiet{},
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return box.NewSession(), nil, nil
		}})
	outgoing := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &whole{}, nil }))
	outgoing.TLSConfig, outgoing.Domain, outgoing.ErrorLog = config, "localhost", quiet{}
	il, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	ol, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = incoming.Serve(il) }()
	go func() { _ = outgoing.Serve(ol) }()
	t.Cleanup(func() { _ = incoming.Close(); _ = outgoing.Close() })

	g := dial.New(dial.Config{Roots: roots, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	c := icloud.New(icloud.Config{Guard: g, IMAPAddr: il.Addr().String(), SMTPAddr: ol.Addr().String()})
	password := secret.New("app-pass")
	who, settings, err := c.Check(context.Background(), provider.Login{Address: "ada@me.com", Password: password})
	if err != nil || who.Subject != "127.0.0.1/ada@icloud.com" {
		t.Fatalf("%+v %v", who, err)
	}
	a := provider.Account{Key: "g:1", Address: "ada@me.com", Login: "ada@me.com", Settings: settings, Credential: func(context.Context) (provider.Credential, error) {
		return provider.Credential{Password: password}, nil
	}}
	if _, err := c.ListMessages(context.Background(), a, email.Query{}); err != nil {
		t.Error(err)
	}
}

type whole struct{}

func (*whole) AuthMechanisms() []string { return []string{sasl.Plain} }

func (*whole) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "ada@me.com" || password != "app-pass" {
			return smtp.ErrAuthFailed
		}
		return nil
	}), nil
}
func (*whole) Mail(string, *smtp.MailOptions) error { return nil }
func (*whole) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (*whole) Data(io.Reader) error                 { return nil }
func (*whole) Reset()                               {}
func (*whole) Logout() error                        { return nil }

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}
