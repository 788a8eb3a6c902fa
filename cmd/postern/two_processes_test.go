package main

import (
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
	"github.com/jackc/pgx/v5"

	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/providertest"
	"github.com/postern-mail/postern/models/store/storetest"
)

// serving is one "postern serve", on its own port, on the database and the key of the others.
func serving(t *testing.T, common []string) *running {
	t.Helper()
	return servingOn(t, freePort(t), common)
}

// servingOn is serving on a port that is known beforehand, as those who send people back to it need.
func servingOn(t *testing.T, port string, common []string) *running {
	t.Helper()
	r := start(t, append([]string{"POSTERN_ADDR=127.0.0.1:" + port, "POSTERN_URL=http://localhost:" + port}, common...), "serve")
	r.url = "http://localhost:" + port
	eventually(t, 120*time.Second, "a postern serve that is ready", func() bool {
		res, err := http.Get(r.url + "/readyz")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	return r
}

// TestTwoProcesses is an installation as a company runs it: a database of its own, migrated by command, a first owner with a passkey, two processes. What is cut at
// one is dead at the other.
func TestTwoProcesses(t *testing.T) {
	in := browser(t)
	dovecot := providertest.Dovecot(t)
	dsn := storetest.Empty(t)
	data := t.TempDir()
	common := []string{"DATABASE_URL=" + dsn, "POSTERN_REGION=eu", "POSTERN_COMPANY=Northgate CRM", "POSTERN_DATA=" + data, "POSTERN_KEY_FILE=" + filepath.Join(data, "key"),
		"POSTERN_EGRESS_ALLOW=127.0.0.0/8", "POSTERN_EGRESS_ROOTS=" + rootsFile(t, dovecot), "POSTERN_LOG_FORMAT=text"}
	if _, faults, code := invoke(t, common, "serve"); code != exitBadConfig || !strings.Contains(faults, "postern keys create") {
		t.Fatalf("without a key: exit %d, %s", code, faults)
	}
	if out, faults, code := invoke(t, common, "keys", "create"); code != 0 || !strings.Contains(out, filepath.Join(data, "key")) {
		t.Fatalf("keys create: exit %d, %s%s", code, out, faults)
	}
	if _, faults, code := invoke(t, common, "serve"); code == 0 || !strings.Contains(faults, "postern migrate up") {
		t.Fatalf("with an empty database: exit %d, %s", code, faults)
	}
	if _, faults, code := invoke(t, common, "migrate", "up"); code != 0 {
		t.Fatalf("migrate up: exit %d, %s", code, faults)
	}
	a, b := serving(t, common), serving(t, common)

	out, faults, code := invoke(t, append([]string{"POSTERN_URL=" + a.url}, common...), "setup", "priya@northgate.test")
	if code != 0 {
		t.Fatalf("setup: exit %d, %s", code, faults)
	}
	p := newPerson(t, in, a.url, "first-owner")
	p.passkeyDevice()
	enrol := out[strings.Index(out, a.url):]
	p.visit(strings.Fields(enrol)[0])
	p.sees("title", "Become the owner of this Postern")
	p.pictures("enrol")
	p.fill("name", "Priya's laptop")
	p.click("[data-testid=passkey-enrol] button")
	p.sees("title", "Today")
	p.do(chromedp.Click(testid("who"), chromedp.NodeVisible))
	p.click("signout")
	p.arrive(410, chromedp.Navigate(strings.Fields(enrol)[0])) // the link works once
	p.visit("/signin")
	p.pictures("sign-in")
	p.click("[data-testid=passkey-signin] button")
	p.sees("title", "Today")
	p.pictures("home")

	p.visit("/applications")
	p.click("primary-action")
	p.sees("flash", "was added")
	application := p.where()[strings.LastIndex(p.where(), "/")+1:]
	p.visit("/connectors/" + application + "/imap/edit")
	p.click("submit")
	p.sees("flash", "saved")
	p.visit("/tenants/new")
	p.fill("name", "Osprey Dental")
	p.click("submit")
	p.sees("title", "Osprey Dental")
	tenant := p.where()
	p.visit("/api-keys/new")
	p.fill("name", "sync")
	p.tick("permission", "messages.read", true)
	p.tick("permission", "grants.read", true)
	p.tick("permission", "applications.write", true)
	p.click("submit")
	key := p.text("secret-value")

	// A mailbox is connected through the one process, and both serve it.
	account := dovecot.Account(t)
	dovecot.Deliver(t, account, "INBOX", providertest.Mail{Received: time.Now(), Raw: "Message-ID: <x@example.com>\r\nFrom: Ines <ines@example.com>\r\nTo: " + account.Address + "\r\nSubject: Both of us\r\n\r\nHello.\r\n"})
	p.visit(tenant)
	p.click("primary-action")
	p.click("submit")
	owner := newPerson(t, in, a.url, "mailbox-owner-of-two")
	owner.visit(p.text("secret-value"))
	owner.fill("address", account.Address)
	owner.click("provider-imap")
	settings := dovecot.Settings(provider.TLS)
	owner.do(chromedp.Click(chromedp.CSS("details.servers summary"), chromedp.NodeVisible))
	owner.fill("imap_host", settings[provider.IMAPHost])
	owner.fill("imap_port", settings[provider.IMAPPort])
	owner.fill("password", dovecot.Password(account.Login).Reveal())
	owner.click("submit")
	owner.sees("title", account.Address, "is connected")

	rows := wants(t, 200, "GET", b.url+"/v3/grants", key, nil).data()
	if len(rows) != 1 {
		t.Fatalf("grants at the other process: %v", rows)
	}
	grant, _ := rows[0]["id"].(string)
	for _, at := range []*running{a, b} {
		if mail := wants(t, 200, "GET", at.url+"/v3/grants/"+grant+"/messages", key, nil).data(); len(mail) != 1 || mail[0]["subject"] != "Both of us" {
			t.Fatalf("the mail at %s: %v", at.url, mail)
		}
	}
	if n := count(t, dsn, "SELECT count(*) FROM sealed WHERE owner_kind = 'grant' AND owner_id = $1", grant); n == 0 {
		t.Fatal("the grant has no sealed credential")
	}

	// A program holds an access token too: its user walks through the one process, the code is redeemed at the other.
	callback, back := program(t)
	wants(t, 200, "POST", a.url+"/v3/applications/redirect-uris", key, map[string]any{"url": callback, "platform": "web"})
	owner.visit("/v3/connect/auth?" + url.Values{"client_id": {application}, "redirect_uri": {callback}, "response_type": {"code"}, "provider": {"imap"},
		"workspace_id": {tenant[strings.LastIndex(tenant, "/")+1:]}}.Encode())
	owner.fill("address", account.Address)
	owner.click("provider-imap")
	owner.do(chromedp.Click(chromedp.CSS("details.servers summary"), chromedp.NodeVisible))
	owner.fill("imap_host", settings[provider.IMAPHost])
	owner.fill("imap_port", settings[provider.IMAPPort])
	owner.fill("password", dovecot.Password(account.Login).Reveal())
	owner.click("submit")
	owner.sees("program", "Back at the program")
	issued := wants(t, 200, "POST", b.url+"/v3/connect/token", "", map[string]any{"grant_type": "authorization_code", "client_id": application, "client_secret": key, "redirect_uri": callback, "code": back().Get("code")})
	token, _ := issued.body["access_token"].(string)
	if issued.body["grant_id"] != grant {
		t.Fatalf("the same mailbox became another grant: %v", issued.text)
	}
	for _, at := range []*running{a, b} {
		wants(t, 200, "GET", at.url+"/v3/grants/me/messages", token, nil)
	}

	// One click at the one process; the other one has the mailbox open, and must let go.
	p.visit("/grants/" + grant)
	p.click("revoke")
	p.fill("reason", "Left the clinic")
	p.click("submit")
	// The page that answers the click is here: the other process must refuse from now on, not after a while.
	wants(t, 401, "GET", b.url+"/v3/grants/"+grant+"/messages", key, nil)
	wants(t, 401, "GET", a.url+"/v3/grants/"+grant+"/messages", key, nil)
	for _, at := range []*running{b, a} {
		wants(t, 401, "GET", at.url+"/v3/grants/me/messages", token, nil)
	}
	eventually(t, 30*time.Second, "a closed severance", func() bool {
		return count(t, dsn, "SELECT count(*) FROM severances WHERE grant_id = $1 AND closed_at IS NULL", grant) == 0
	})
	if n := count(t, dsn, "SELECT count(*) FROM sealed WHERE owner_kind IN ('grant', 'severance')"); n != 0 {
		t.Errorf("%d sealed values of the credential are left", n)
	}
	if n := count(t, dsn, "SELECT count(*) FROM audit_entries WHERE action = 'grant.revoke' AND object_id = $1", grant); n != 1 {
		t.Errorf("%d audit entries say that it was revoked", n)
	}

	// The session is the database's: the other process knows it, and so does one that starts later.
	p.base = b.url
	a.stop()
	p.visit("/grants/" + grant + "/receipt")
	p.sees("receipt", "Left the clinic")
	p.pictures("receipt")
	for _, r := range []*running{a, b} {
		for _, secret := range []string{key, dovecot.Password(account.Login).Reveal(), "Both of us", "level=ERROR", "panic"} {
			if strings.Contains(r.said(), secret) {
				t.Errorf("the log of a process has something of %d characters that it must not have", len(secret))
			}
		}
	}
}

// passkeyDevice gives the person's browser an authenticator that says yes to whatever its owner is asked.
func (p *person) passkeyDevice() {
	p.t.Helper()
	if _, err := chromedp.Call(p.ctx, webauthn.Enable, webauthn.EnableParams{}); err != nil {
		p.t.Fatal(err)
	}
	if _, err := chromedp.Call(p.ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal, HasResidentKey: true, HasUserVerification: true, IsUserVerified: true,
		AutomaticPresenceSimulation: true}}); err != nil {
		p.t.Fatal(err)
	}
}

// count asks the database as its owner, behind all walls.
func count(t *testing.T, dsn, query string, args ...any) int {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	var n int
	if err := conn.QueryRow(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// TestBadConfigurationIsToldAtOnce: whoever sets up a machine learns all that is wrong in one go, each with what to do, and nothing starts.
func TestBadConfigurationIsToldAtOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	out, faults, code := invoke(t, []string{"POSTERN_REGION=mars", "POSTERN_ADDR=nowhere", "POSTERN_URL=http://mail.example.com", "POSTERN_KEY_FILE=/nowhere/key", "POSTERN_LOG_LEVEL=loud",
		"POSTERN_TLS_CERT=/nowhere/cert", "POSTERN_EGRESS_ALLOW=10.0.0.0/8,everywhere", "DATABASE_URL=mysql://root:hunter2-secret@db/postern", "POSTERN_REGOIN=eu"}, "serve")
	if code != 2 || out != "" {
		t.Errorf("exit %d, %q", code, out)
	}
	for _, name := range []string{"POSTERN_REGION", "POSTERN_ADDR", "POSTERN_URL", "POSTERN_COMPANY", "POSTERN_KEY_FILE", "POSTERN_LOG_LEVEL", "POSTERN_TLS", "POSTERN_EGRESS_ALLOW", "DATABASE_URL", "POSTERN_REGOIN",
		"us or eu", "https", "postern keys create"} {
		if !strings.Contains(faults, name) {
			t.Errorf("nothing is said about %s:\n%s", name, faults)
		}
	}
	if strings.Contains(faults, "hunter2") {
		t.Error("the message shows the database's password")
	}
	if _, faults, code := invoke(t, []string{"POSTERN_REGION=eu"}, "demo", "--nonsense", "--addr", "0.0.0.0:0"); code != 2 || !strings.Contains(faults, "nonsense") {
		t.Errorf("a flag that does not exist: exit %d, %s", code, faults)
	}
}
