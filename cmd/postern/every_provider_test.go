package main

import (
	"context"
	"encoding/pem"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/security"
	"github.com/chromedp/chromedp"

	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/providertest"
	"github.com/postern-mail/postern/models/store/storetest"
)

// upstream is one provider as this test meets it: a server on loopback, a mailbox with one message, and what its owner does to connect it.
type upstream struct {
	name     string
	address  string
	subject  string            // of the one message
	settings map[string]string // of the connector
	consent  func(p *person)   // from the choice of the provider to the page that says "connected"
	sent     func() bool       // the provider has the message that was sent
	issued   func() int        // how often the token endpoint gave tokens; nil: there is none
	settle   func()            // tokens last an hour from now on
	cut      func()            // ends the access token before its time, without a word to us; nil where connections outlive it
	receipt  string            // what the receipt must say
}

// every is one Postern with all seven providers around it.
type every struct {
	t        *testing.T
	at       *running
	dsn, key string
	staff    *person
	link     string // address of the form that makes a connect link
	again    func() // starts it anew, where it was
}

// TestEveryProvider is one "postern serve" that was told nothing but addresses. At each of the seven providers a mailbox is connected through the consent page, its mail
// is listed, read and sent, its token is renewed, and one click cuts it.
func TestEveryProvider(t *testing.T) {
	in := browser(t)
	e, upstreams := amongSeven(t, in, "staff-of-seven", nil)
	owner := newPerson(t, in, e.at.url, "owner-of-seven")
	owner.trusting()
	for _, u := range upstreams {
		begun := time.Now()
		e.walk(u, owner)
		if t.Failed() {
			t.Fatalf("stopped at %s", u.name)
		}
		t.Logf("%-10s %v", u.name, time.Since(begun).Round(time.Millisecond))
	}
	if n := count(t, e.dsn, "SELECT count(*) FROM sealed WHERE owner_kind IN ('grant', 'severance', 'flow')"); n != 0 {
		t.Errorf("%d sealed values of credentials are left", n)
	}
	for _, secret := range []string{e.key, "level=ERROR", "panic", "Roof plan"} {
		if strings.Contains(e.at.said(), secret) {
			t.Errorf("the log has something of %d characters that it must not have", len(secret))
		}
	}
}

// amongSeven starts a Postern with all seven providers around it. more gives further settings.
func amongSeven(t *testing.T, in context.Context, name string, more func(*providertest.GoogleServer) []string) (*every, []upstream) {
	t.Helper()
	port := freePort(t)
	base := "http://localhost:" + port
	google, microsoft, yahoo, exchange, nylas := providertest.Google(t), providertest.Microsoft(t), providertest.Yahoo(t), providertest.Exchange(t), providertest.Nylas(t)
	submission := providertest.StartSubmission(t, yahoo.DovecotServer)
	yahoo.Redirect = base + "/v3/connect/callback/yahoo"
	data := t.TempDir()
	roots := filepath.Join(data, "roots.pem")
	if err := os.WriteFile(roots, append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: exchange.CA}), yahoo.CA...), 0o600); err != nil {
		t.Fatal(err)
	}
	smtp := submission.Settings()
	dsn := storetest.Empty(t)
	common := []string{"DATABASE_URL=" + dsn, "POSTERN_AUTO_MIGRATE=true", "POSTERN_REGION=eu", "POSTERN_COMPANY=Northgate CRM", "POSTERN_DATA=" + data, "POSTERN_KEY_FILE=" + filepath.Join(data, "key"), "POSTERN_LOG_FORMAT=text",
		"POSTERN_EGRESS_ALLOW=127.0.0.0/8", "POSTERN_EGRESS_ROOTS=" + roots,
		"POSTERN_GOOGLE_AUTH_URL=" + google.AuthURL(), "POSTERN_GOOGLE_TOKEN_URL=" + google.TokenURL(), "POSTERN_GOOGLE_REVOKE_URL=" + google.RevokeURL(), "POSTERN_GOOGLE_USERINFO_URL=" + google.UserinfoURL(), "POSTERN_GOOGLE_API_URL=" + google.APIURL(),
		"POSTERN_MICROSOFT_AUTH_URL=" + microsoft.AuthURL(), "POSTERN_MICROSOFT_TOKEN_URL=" + microsoft.TokenURL(), "POSTERN_MICROSOFT_ADMINCONSENT_URL=" + microsoft.AdminConsentURL(), "POSTERN_MICROSOFT_GRAPH_URL=" + microsoft.GraphURL(),
		"POSTERN_YAHOO_AUTH_URL=" + yahoo.URL + "/oauth2/request_auth", "POSTERN_YAHOO_TOKEN_URL=" + yahoo.URL + "/oauth2/get_token", "POSTERN_YAHOO_IMAP_ADDR=" + yahoo.IMAPAddr, "POSTERN_YAHOO_SMTP_ADDR=" + yahoo.SMTPAddr,
		"POSTERN_ICLOUD_IMAP_ADDR=" + yahoo.IMAPAddr, "POSTERN_ICLOUD_SMTP_ADDR=" + net.JoinHostPort(smtp[provider.SMTPHost], smtp[provider.SMTPPort]),
		"POSTERN_NYLAS_API_URL=" + nylas.URL}
	if out, faults, code := invoke(t, common, "keys", "create"); code != 0 {
		t.Fatalf("keys create: exit %d, %s%s", code, out, faults)
	}
	if more != nil {
		common = append(common, more(google)...) // what is named twice counts as named last
	}
	e := &every{t: t, dsn: dsn, at: servingOn(t, port, common)}
	e.again = func() { e.at = servingOn(t, port, common) }
	e.furnish(newPerson(t, in, base, name), append([]string{"POSTERN_URL=" + base}, common...))
	return e, []upstream{atGoogle(t, google, base), atMicrosoft(t, microsoft, base), atYahoo(t, yahoo), atICloud(t, yahoo, submission), atIMAP(t, yahoo, submission), atExchange(t, exchange), atNylas(t, nylas, base)}
}

// furnish makes the first owner, an application, a tenant and a key for the program.
func (e *every) furnish(p *person, environ []string) {
	e.t.Helper()
	out, faults, code := invoke(e.t, environ, "setup", "priya@northgate.test")
	if code != 0 {
		e.t.Fatalf("setup: exit %d, %s", code, faults)
	}
	e.staff = p
	p.passkeyDevice()
	p.visit(strings.Fields(out[strings.Index(out, p.base):])[0])
	p.fill("name", "Priya's laptop")
	p.click("[data-testid=passkey-enrol] button")
	p.sees("title", "Today")
	p.visit("/applications")
	p.click("primary-action")
	p.sees("flash", "was added")
	p.visit("/tenants/new")
	p.fill("name", "Osprey Dental")
	p.click("submit")
	p.click("primary-action")
	e.link = p.where() // the form for a connect link of this tenant
	p.visit("/api-keys/new")
	p.fill("name", "sync")
	for _, right := range []string{"grants.read", "messages.read", "messages.send", "connectors.write"} {
		p.tick("permission", right, true)
	}
	p.click("submit")
	e.key = p.text("secret-value")
}

// connect brings one mailbox in through the consent page and gives its grant.
func (e *every) connect(u upstream, owner *person) string {
	t, p := e.t, e.staff
	t.Helper()
	wants(t, 201, "POST", e.at.url+"/v3/connectors", e.key, map[string]any{"provider": u.name, "settings": u.settings})
	p.visit(e.link)
	p.tick("capability", "read_mail", true)
	p.tick("capability", "send_mail", true)
	p.click("submit")
	owner.visit(p.text("secret-value"))
	owner.fill("address", u.address)
	owner.click("provider-" + u.name)
	u.consent(owner)
	owner.sees("title", u.address, "is connected")
	owner.sees("main", "read messages", "send messages")
	rows := wants(t, 200, "GET", e.at.url+"/v3/grants?provider="+u.name, e.key, nil).data()
	if len(rows) != 1 || rows[0]["email"] != u.address || rows[0]["grant_status"] != "valid" {
		t.Fatalf("%s: the program sees %v", u.name, rows)
	}
	grant, _ := rows[0]["id"].(string)
	return grant
}

// walk is the whole life of one mailbox.
func (e *every) walk(u upstream, owner *person) {
	t, p := e.t, e.staff
	grant := e.connect(u, owner)

	// The token of the consent is about to end: the first call renews it, the others need not.
	mail := e.at.url + "/v3/grants/" + grant + "/messages"
	before := 0
	if u.issued != nil {
		u.settle()
		before = u.issued()
	}
	list := wants(t, 200, "GET", mail+"?limit=5", e.key, nil).data()
	if len(list) != 1 || list[0]["subject"] != u.subject {
		t.Fatalf("%s: the mail: %v", u.name, list)
	}
	id, _ := list[0]["id"].(string)
	one := wants(t, 200, "GET", mail+"/"+url.PathEscape(id), e.key, nil)
	if m, _ := one.body["data"].(map[string]any); m["subject"] != u.subject || !strings.Contains(m["body"].(string), "As we said.") {
		t.Fatalf("%s: one message: %s", u.name, one.text)
	}
	wants(t, 200, "POST", mail+"/send", e.key, map[string]any{"subject": "Re: " + u.subject, "body": "<p>On Tuesday.</p>", "to": []map[string]string{{"email": "ines@example.com"}}})
	if !u.sent() {
		t.Errorf("%s: what was sent did not get there", u.name)
	}
	if u.issued != nil && u.issued() != before+1 {
		t.Errorf("%s: %d refreshes for one token that had ended", u.name, u.issued()-before)
	}
	// A token that is dead before its time is the provider's word against our clock: the caller still gets the mail.
	if u.cut != nil {
		u.cut()
		wants(t, 200, "GET", mail+"?limit=5", e.key, nil)
	}

	p.visit("/grants/" + grant)
	p.click("revoke")
	p.sees("ends", "Ends now")
	p.fill("reason", "Left the clinic")
	p.click("submit")
	wants(t, 401, "GET", mail, e.key, nil)
	wants(t, 401, "POST", mail+"/send", e.key, map[string]any{"subject": "no", "to": []map[string]string{{"email": "ines@example.com"}}})
	eventually(t, 60*time.Second, "a closed severance at "+u.name, func() bool {
		return count(t, e.dsn, "SELECT count(*) FROM severances WHERE grant_id = $1 AND closed_at IS NULL", grant) == 0
	})
	p.visit("/grants/" + grant + "/receipt")
	p.sees("receipt", "Left the clinic", u.receipt)
	p.sees("receipt-sentence", u.address)
	if n := count(t, e.dsn, "SELECT count(*) FROM sealed WHERE owner_id = $1", grant); n != 0 {
		t.Errorf("%s: %d sealed values of the grant are left", u.name, n)
	}
}

// letter is the one message of a mailbox.
func letter(to, subject string) providertest.Mail {
	return providertest.Mail{Received: time.Now().Add(-time.Hour), Unread: true,
		Raw: "Message-ID: <" + strings.ReplaceAll(subject, " ", "-") + "@example.com>\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\nFrom: Ines <ines@example.com>\r\nTo: " + to + "\r\nSubject: " + subject + "\r\n\r\nAs we said.\r\n"}
}

func atGoogle(t *testing.T, g *providertest.GoogleServer, base string) upstream {
	app := g.App(base + "/v3/connect/callback/google")
	user := g.AddUser("ada@gmail.example", "Ada Lovelace")
	g.Deliver(t, provider.Account{Address: user.Address}, "INBOX", letter(user.Address, "Roof plan at Google"))
	g.Lifetime(time.Minute)
	return upstream{name: "google", address: user.Address, subject: "Roof plan at Google", settings: map[string]string{"client_id": app.ClientID, "client_secret": app.ClientSecret.Reveal()},
		consent: func(p *person) {
			p.click("google-signin")
			for _, box := range []string{"gmail.readonly", "gmail.send"} {
				p.do(chromedp.Click(testid("google-scope-https://www.googleapis.com/auth/"+box), chromedp.NodeVisible))
			}
			p.click("google-allow")
		},
		sent:   func() bool { return g.Seen("messages/send") == 1 },
		issued: func() int { return g.Seen("POST /token") }, settle: func() { g.Lifetime(time.Hour) }, cut: func() { g.EndAccess(user.Address) }, receipt: "Severed"}
}

func atMicrosoft(t *testing.T, s *providertest.MicrosoftServer, base string) upstream {
	t.Helper()
	app := s.App(base + "/v3/connect/callback/microsoft")
	a := s.Account("3f1c6a52-9c0e-4d1b-8a51-2f6f7f1a0c11", "bo@osprey.example", "Bo Holm")
	a.Deliver("inbox", letter(a.Address, "Roof plan at Microsoft"))
	s.Lifetime(time.Minute)
	return upstream{name: "microsoft", address: a.Address, subject: "Roof plan at Microsoft", settings: map[string]string{"client_id": app.ClientID, "client_secret": app.ClientSecret.Reveal(), "tenant": "common"},
		consent: func(p *person) {
			p.choose("account", a.Login)
			p.click("button#accept")
		},
		sent: func() bool {
			for _, r := range s.Requests() {
				if strings.HasPrefix(r, "POST ") && strings.HasSuffix(r, "/send") {
					return true
				}
			}
			return false
		},
		issued: s.Issued, settle: func() { s.Lifetime(time.Hour) }, cut: a.EndAccess, receipt: "Owner must act"}
}

func atYahoo(t *testing.T, y *providertest.YahooServer) upstream {
	t.Helper()
	account := y.DovecotServer.Account(t)
	y.DovecotServer.Deliver(t, account, "INBOX", letter(account.Address, "Roof plan at Yahoo"))
	y.Lifetime(time.Minute)
	app := y.App()
	return upstream{name: "yahoo", address: account.Address, subject: "Roof plan at Yahoo", settings: map[string]string{"client_id": app.ClientID, "client_secret": app.ClientSecret.Reveal()},
		consent: func(p *person) { p.click("yahoo-agree") },
		sent:    func() bool { return len(y.Taken()) == 1 },
		issued:  y.Issued, settle: func() { y.Lifetime(time.Hour) }, receipt: "Owner must act"}
}

func atICloud(t *testing.T, y *providertest.YahooServer, s *providertest.Submission) upstream {
	t.Helper()
	account := y.DovecotServer.Account(t)
	y.DovecotServer.Deliver(t, account, "INBOX", letter(account.Address, "Roof plan at iCloud"))
	return upstream{name: "icloud", address: account.Address, subject: "Roof plan at iCloud",
		consent: func(p *person) {
			p.fill("password", y.Password(account.Login).Reveal())
			p.click("submit")
		},
		sent: func() bool { return taken(s, account.Address) }, receipt: "Owner must act"}
}

func atIMAP(t *testing.T, y *providertest.YahooServer, s *providertest.Submission) upstream {
	t.Helper()
	account := y.DovecotServer.Account(t)
	y.DovecotServer.Deliver(t, account, "INBOX", letter(account.Address, "Roof plan at IMAP"))
	settings, smtp := y.Settings(provider.TLS), s.Settings()
	return upstream{name: "imap", address: account.Address, subject: "Roof plan at IMAP",
		consent: func(p *person) {
			p.do(chromedp.Click(chromedp.CSS("details.servers summary"), chromedp.NodeVisible))
			p.fill("imap_host", settings[provider.IMAPHost])
			p.fill("imap_port", settings[provider.IMAPPort])
			p.fill("smtp_host", smtp[provider.SMTPHost])
			p.fill("smtp_port", smtp[provider.SMTPPort])
			p.choose("smtp_security", "starttls")
			p.fill("password", y.Password(account.Login).Reveal())
			p.click("submit")
		},
		sent: func() bool { return taken(s, account.Address) }, receipt: "Owner must act"}
}

// taken says whether a mailbox has submitted a message.
func taken(s *providertest.Submission, from string) bool {
	for _, m := range s.Taken() {
		if m.From == from {
			return true
		}
	}
	return false
}

func atExchange(t *testing.T, x *providertest.ExchangeServer) upstream {
	t.Helper()
	account := x.Account(t)
	x.Deliver(t, account, "INBOX", letter(account.Address, "Roof plan at Exchange"))
	return upstream{name: "ews", address: account.Address, subject: "Roof plan at Exchange",
		consent: func(p *person) {
			p.fill("exchange_host", net.JoinHostPort(x.Host, x.Port))
			p.fill("password", x.Password(account.Login).Reveal())
			p.click("submit")
		},
		sent: func() bool { return len(x.Taken()) == 1 }, receipt: "Owner must act"}
}

func atNylas(t *testing.T, s *providertest.NylasServer, base string) upstream {
	t.Helper()
	app := s.App(base + "/v3/connect/callback/nylas")
	a := s.Account("google", "cy@nylas.example", "Cy Rao")
	s.Deliver(a, "INBOX", letter(a.Address, "Roof plan at Nylas"))
	return upstream{name: "nylas", address: a.Address, subject: "Roof plan at Nylas", settings: map[string]string{"client_id": app.ClientID, "client_secret": app.ClientSecret.Reveal(), "region": "eu"},
		consent: func(p *person) { p.click("button[value='" + a.Address + "']") },
		sent: func() bool {
			for _, r := range s.Seen() {
				if strings.HasPrefix(r, "POST /v3/grants/") && strings.HasSuffix(r, "/messages/send") {
					return true
				}
			}
			return false
		},
		receipt: "Severed"}
}

// trusting has a person's browser take the self-made certificate of a provider on loopback.
func (p *person) trusting() {
	p.t.Helper()
	if _, err := chromedp.Call(p.ctx, security.SetIgnoreCertificateErrors, security.SetIgnoreCertificateErrorsParams{Ignore: true}); err != nil {
		p.t.Fatal(err)
	}
}
