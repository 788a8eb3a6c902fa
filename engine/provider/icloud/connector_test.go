package icloud_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/icloud"
	"github.com/postern-mail/postern/engine/provider/providertest"
	"github.com/postern-mail/postern/engine/secret"
)

func connector(t *testing.T) (*icloud.Connector, *providertest.DovecotServer, *providertest.Submission) {
	t.Helper()
	d := providertest.Dovecot(t)
	s := providertest.StartSubmission(t, d)
	g := dial.New(dial.Config{Roots: d.Roots, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	return icloud.New(icloud.Config{Guard: g, IMAPAddr: net.JoinHostPort(d.Host, d.IMAPSPort), SMTPAddr: net.JoinHostPort("127.0.0.1", s.Settings()[provider.SMTPPort])}), d, s
}

func TestConformance(t *testing.T) {
	c, d, _ := connector(t)
	providertest.Run(t, providertest.Case{Connector: c, Deliver: d.Deliver, SendTo: "grace@example.com",
		Account: func(t testing.TB) provider.Account {
			a := d.Account(t)
			a.Settings = nil // the servers are the connector's own
			return a
		},
		Revoke: func(t testing.TB, a provider.Account) { d.ChangePassword(t, a.Login) }})
}

func TestCheck(t *testing.T) {
	c, d, _ := connector(t)
	a := d.Account(t)
	login := provider.Login{Address: strings.ToUpper(a.Address[:1]) + a.Address[1:], Username: a.Login, Password: d.Password(a.Login),
		Settings: map[string]string{provider.IMAPHost: "evil.example", provider.IMAPPort: "993"}}
	who, settings, err := c.Check(context.Background(), login)
	if err != nil || who.Subject != "127.0.0.1/"+a.Login || who.Email != login.Address || settings[provider.IMAPHost] != "127.0.0.1" || settings[provider.SMTPTLS] != provider.StartTLS {
		t.Fatalf("%+v %+v %v", who, settings, err)
	}
	wrong := login
	wrong.Password = secret.New("canary-password")
	_, _, err = c.Check(context.Background(), wrong)
	f, _ := fault.As(err)
	if !errors.Is(err, provider.ErrLoginRefused) || f.Field != "password" || !strings.Contains(f.Public, "app-specific") || strings.Contains(err.Error()+f.Public, "canary") {
		t.Errorf("%v %+v", err, f)
	}
	for name, l := range map[string]provider.Login{"no address": {Address: "ada", Password: login.Password}, "no password": {Address: "ada@icloud.com"}, "line break": {Address: "ada@icloud.com", Password: secret.New("a\r\nb")}} {
		if _, _, err := c.Check(context.Background(), l); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A saved setting must not send Apple's password elsewhere.
func TestSavedServersAreIgnored(t *testing.T) {
	c, d, _ := connector(t)
	a := d.Account(t)
	a.Settings = map[string]string{provider.IMAPHost: "evil.example", provider.IMAPPort: "993", provider.IMAPTLS: provider.Plain}
	d.Deliver(t, a, "INBOX", providertest.Mail{Raw: "Subject: file\r\nMIME-Version: 1.0\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=r.pdf\r\n\r\nx\r\n"})
	p, err := c.ListMessages(context.Background(), a, email.Query{})
	if err != nil || len(p.Items) != 1 {
		t.Fatalf("%+v %v", p, err)
	}
	c.Close(a.Key)
	if _, r, err := c.Attachment(context.Background(), a, p.Items[0].ID, "1"); err != nil || r.Close() != nil {
		t.Errorf("attachment: %v", err)
	}
}

func TestUnreachable(t *testing.T) {
	g := dial.New(dial.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	c := icloud.New(icloud.Config{Guard: g, IMAPAddr: "127.0.0.1:1", SMTPAddr: "127.0.0.1:1"})
	_, _, err := c.Check(context.Background(), provider.Login{Address: "ada@icloud.com", Password: secret.New("x")})
	if !errors.Is(err, provider.ErrUnreachable) {
		t.Error(err)
	}
}

func TestDefaultsAreApples(t *testing.T) {
	if g := icloud.Servers(icloud.New(icloud.Config{Guard: dial.New(dial.Config{})})); g != "imap.mail.me.com:993 tls smtp.mail.me.com:587 starttls" {
		t.Error(g)
	}
}

func TestPin(t *testing.T) {
	for in, want := range map[string]string{"Ada@Me.com": "ada@icloud.com", "ada@mac.com": "ada@icloud.com", "ada": "ada@icloud.com", "ada@icloud.com": "ada@icloud.com", "Ada@Firm.example": "ada@firm.example"} {
		if got := icloud.Pin(in); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
}
