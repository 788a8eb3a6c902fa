package provider_test

import (
	"context"
	"errors"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
)

type mxs map[string]string

func (m mxs) LookupMX(_ context.Context, d string) ([]*net.MX, error) {
	if h, ok := m[d]; ok {
		return []*net.MX{{Host: h}}, nil
	}
	return nil, errors.New("no such host")
}

type owner struct{ provider.Connector }

func (owner) Name() string      { return "sandbox" }
func (owner) Label() string     { return "Sandbox" }
func (owner) Domains() []string { return []string{"sandbox.test"} }

func TestDetect(t *testing.T) {
	s := provider.NewSet(mxs{"firm.example": "aspmx.l.google.com.", "corp.example": "corp-example.mail.protection.outlook.com.", "own.example": "in1-smtp.messagingengine.com.",
		"evil.example": "google.com.evil.example.", "y.example": "mx-biz.mail.am0.yahoodns.net."}, owner{})
	for address, want := range map[string][2]string{
		"ada@gmail.com": {"google", ""}, "ADA@GoogleMail.com": {"google", ""}, "a@outlook.com": {"microsoft", ""}, "a@hotmail.co.uk": {"microsoft", ""}, "a@live.fr": {"microsoft", ""}, "a@msn.com": {"microsoft", ""},
		"a@yahoo.com": {"yahoo", ""}, "a@yahoo.co.jp": {"yahoo", ""}, "a@ymail.com": {"yahoo", ""}, "a@icloud.com": {"icloud", "icloud"}, "a@me.com": {"icloud", "icloud"}, "a@mac.com": {"icloud", "icloud"},
		"a@aol.com": {"imap", "aol"}, "a@fastmail.com": {"imap", "fastmail"}, "a@web.de": {"imap", "webde"}, "a@gmx.net": {"imap", "gmx"}, "a@posteo.de": {"imap", "posteo"}, "a@mailbox.org": {"imap", "mailbox.org"},
		"a@firm.example": {"google", ""}, "a@corp.example": {"microsoft", ""}, "a@own.example": {"imap", "fastmail"}, "a@y.example": {"yahoo", ""}, "a@evil.example": {"imap", ""}, "a@nowhere.example": {"imap", ""},
		"a@sandbox.test": {"sandbox", ""}, "a@yahoo.example.com": {"imap", ""}, "a@notgmail.com": {"imap", ""}, "a@gmail.com.evil.example": {"imap", ""}, "a@outlook.co": {"microsoft", ""},
	} {
		d, err := s.Detect(context.Background(), address)
		if err != nil || d.Provider != want[0] || d.Flavour != want[1] {
			t.Errorf("%s: %+v %v", address, d, err)
		}
	}
	for _, bad := range []string{"", "ada", "@x.y", "a@", "a@[127.0.0.1]", "Ada <a@b.c>", "a@b.c\r\nx", "a b@c.d", strings.Repeat("a", 400) + "@b.c"} {
		if _, err := s.Detect(context.Background(), bad); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if d, _ := s.Detect(context.Background(), "a@gmx.de"); d.Settings[provider.IMAPHost] != "imap.gmx.net" || !d.Known {
		t.Errorf("%+v", d)
	}
}

func TestScopesForIsLeast(t *testing.T) {
	g := "https://www.googleapis.com/auth/"
	m := "https://graph.microsoft.com/"
	for _, c := range []struct {
		provider string
		caps     []provider.Capability
		want     []string
	}{
		{"google", []provider.Capability{provider.ReadMail}, []string{g + "gmail.readonly"}},
		{"google", []provider.Capability{provider.ReadMail, provider.SendMail}, []string{g + "gmail.readonly", g + "gmail.send"}},
		{"google", []provider.Capability{provider.ManageFolders}, []string{g + "gmail.labels"}},
		{"google", []provider.Capability{provider.SendMail, provider.ManageDrafts}, []string{g + "gmail.compose"}},
		{"microsoft", []provider.Capability{provider.ReadMail}, []string{m + "Mail.Read"}},
		{"microsoft", []provider.Capability{provider.ReadMail, provider.SendMail}, []string{m + "Mail.ReadWrite", m + "Mail.Send"}},
		{"yahoo", []provider.Capability{provider.ReadMail}, []string{"mail-r"}},
		{"sandbox", []provider.Capability{provider.ReadMail, provider.SendMail}, []string{"mail.read", "mail.send"}},
		{"imap", []provider.Capability{provider.ReadMail}, nil},
	} {
		var got []string
		for _, name := range provider.ScopesFor(c.provider, c.caps) {
			if s, _ := provider.ScopeOf(c.provider, name); !s.Identity {
				got = append(got, name)
			}
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s %v: %v", c.provider, c.caps, got)
		}
	}
	for _, name := range []string{"google", "microsoft", "yahoo", "sandbox"} {
		for _, p := range provider.Presets() {
			got := provider.CapabilitiesOf(name, p.Scopes(name))
			for _, c := range p.Capabilities {
				if !contains(got, c) {
					t.Errorf("%s %s lacks %s", name, p.Name, c)
				}
			}
		}
		for _, s := range provider.ScopesOf(name) {
			if s.Words == "" || s.Sensitivity == "" || s.Name == "" {
				t.Errorf("%s: %+v", name, s)
			}
		}
	}
}

func contains(list []provider.Capability, c provider.Capability) bool {
	for _, x := range list {
		if x == c {
			return true
		}
	}
	return false
}

func TestCapabilitiesOf(t *testing.T) {
	if got := provider.CapabilitiesOf("imap", nil); !contains(got, provider.SendMail) || contains(got, provider.ReadContacts) {
		t.Errorf("imap: %v", got)
	}
	if got := provider.CapabilitiesOf("microsoft", []string{"Mail.Send", "mail.read"}); contains(got, provider.SendMail) || !contains(got, provider.ReadMail) {
		t.Errorf("Mail.Send without Mail.ReadWrite: %v", got)
	}
	if got := provider.CapabilitiesOf("google", []string{"no.such.scope"}); got != nil {
		t.Errorf("unknown scope: %v", got)
	}
	if got := provider.Missing("google", []string{"gmail.readonly", "gmail.send"}, []string{"https://www.googleapis.com/auth/gmail.readonly"}); !reflect.DeepEqual(got, []string{"https://www.googleapis.com/auth/gmail.send"}) {
		t.Errorf("missing: %v", got)
	}
	if got := provider.MostSensitive("google", []string{"openid", "gmail.send"}); got != provider.Sensitive {
		t.Error(got)
	}
}

func TestWordingClaimsNoMoreThanWasChecked(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	f := provider.SeveranceFacts{Address: "ada@example.com", Server: "mail.example.com"}
	for _, name := range []string{"google", "microsoft", "yahoo", "icloud", "imap", "ews", "nylas", "sandbox", "unheard-of"} {
		s := provider.SeveranceOf(name, f)
		if len(s.EndsNow) < 3 || !strings.Contains(s.EndsNow[0], "ada@example.com") {
			t.Errorf("%s: %+v", name, s)
		}
		verified := strings.Join(provider.AfterRevocation(name, f, provider.Revocation{Outcome: provider.SeveredVerified}, at), " ")
		here := strings.Join(provider.AfterRevocation(name, f, provider.Revocation{Outcome: provider.DeletedHereOnly}, at), " ")
		if !strings.Contains(verified, "confirmed") || strings.Contains(here, " confirmed that") || !strings.Contains(here, "has not confirmed") {
			t.Errorf("%s: %q / %q", name, verified, here)
		}
		needed := strings.Join(provider.AfterRevocation(name, f, provider.Revocation{Outcome: provider.UserActionNeeded}, at), " ")
		if strings.Contains(needed, "confirmed") {
			t.Errorf("%s: %q", name, needed)
		}
	}
	if s := provider.SeveranceOf("google", f); strings.Contains(strings.Join(s.EndsBy, " "), "more connection") {
		t.Error("a count is told that nobody gave")
	}
	hostile := provider.AfterRevocation("imap", f, provider.Revocation{Answer: "NO\r\nrevoked: yes\x00\x1b[2J"}, at)
	for _, line := range hostile {
		if strings.ContainsAny(line, "\r\n\x00\x1b") {
			t.Errorf("%q", line)
		}
	}
}

func TestInvalidGrantKeepsReasonOnOneLine(t *testing.T) {
	err := provider.InvalidGrant("Token has been\r\nexpired or revoked.")
	if !errors.Is(err, provider.ErrInvalidGrant) || provider.ReasonOf(err) != "Token has been  expired or revoked." {
		t.Fatalf("%q", provider.ReasonOf(err))
	}
	if provider.ReasonOf(provider.ErrInvalidGrant) != "" {
		t.Fatal("a reason from nowhere")
	}
}
