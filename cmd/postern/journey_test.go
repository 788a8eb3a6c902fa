package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/provider/providertest"
)

// journey is one walk through the product, by all kinds of people, on one demo.
type journey struct {
	t                    *testing.T
	browser              context.Context
	demo                 *running
	env                  map[string]string
	dovecot              *providertest.DovecotServer
	support              *person
	hook                 *receiver
	webhook              string // page of the receiver's webhook
	oldSecret, newSecret string // of that webhook, before and after its rotation

	grant   string   // id of ada's grant
	imap    string   // id of the grant of the mailbox at Dovecot
	token   string   // access token of ada's grant
	fresh   string   // its refresh token
	secrets []string // what must be in no log
}

// TestJourney is the main job from end to end, at the program that is delivered, in a real browser, against the sandbox and a real mail server.
func TestJourney(t *testing.T) {
	in := browser(t)
	d := providertest.Dovecot(t)
	j := &journey{t: t, browser: in, dovecot: d, hook: newReceiver(t)}
	j.demo, j.env = startDemo(t, "POSTERN_EGRESS_ROOTS="+rootsFile(t, d))
	for _, step := range []struct {
		name string
		walk func()
	}{
		{"support signs in", j.supportSignsIn}, {"a webhook", j.supportCreatesWebhook}, {"a partial consent", j.ownerConnects}, {"support sees the grant", j.supportSeesGrant},
		{"the program reads", j.programReads}, {"a password mailbox", j.ownerConnectsIMAP}, {"the secret is rotated", j.supportRotatesSecret}, {"the program's own consent", j.programConnects}, {"the receiver switches", j.receiverSwitches},
		{"revoke", j.supportRevokes}, {"delete", j.supportDeletes}, {"the customer", j.customerLooks}, {"the reviewer", j.reviewerLooks}, {"the owner", j.ownerLooks}, {"an evidence pack", j.ownerTakesPack}, {"every page", j.ownerTours},
		{"what was written", j.nothingLeaked},
	} {
		begun := time.Now()
		step.walk()
		if t.Failed() {
			t.Fatalf("stopped after: %s", step.name)
		}
		t.Logf("%-28s %v", step.name, time.Since(begun).Round(time.Millisecond))
	}
}

// someone is a new person at a browser of their own.
func (j *journey) someone(name string) *person {
	j.t.Helper()
	return newPerson(j.t, j.browser, j.demo.url, name)
}

func (j *journey) supportSignsIn() {
	p := j.someone("support")
	j.support = p
	p.visit("/grants")
	p.sees("title", "Sign in") // strangers are sent there
	p.pictures("sign-in")
	p.visit(j.env["POSTERN_SIGNIN_SUPPORT"])
	p.sees("title", "Today")
	p.sees("who", "Sam Okafor")
	p.sees("region", "EU")
	p.pictures("home-empty")
	p.click("nav .current, [data-testid=nav] a[href='/tenants']")
	p.sees("title", "Tenants")
	p.pictures("tenants")
	p.visit(p.rowWith("Alder & Finch"))
	p.sees("title", "Alder & Finch Architects")
	p.pictures("tenant-empty")
}

// makeLink is support making a connect link for a tenant; it gives the link.
func (j *journey) makeLink(tenant string, send bool, picture string) string {
	j.t.Helper()
	p := j.support
	p.visit("/tenants")
	p.visit(p.rowWith(tenant))
	p.click("primary-action")
	p.tick("capability", "read_mail", true)
	p.tick("capability", "send_mail", send)
	if picture != "" {
		p.pictures(picture + "-form")
	}
	p.click("submit")
	link := p.text("secret-value")
	if !strings.HasPrefix(link, j.demo.url+"/connect/") {
		j.t.Fatalf("the link is %q", link)
	}
	j.secrets = append(j.secrets, link[strings.LastIndex(link, "/")+1:])
	if picture != "" {
		p.pictures(picture)
	}
	p.click("done")
	return link
}

// messages is the address of a grant's mail.
func (j *journey) messages(grant string) string {
	return j.demo.url + "/v3/grants/" + grant + "/messages?limit=5"
}

func (j *journey) programReads() {
	key := j.env["POSTERN_API_KEY"]
	list := wants(j.t, 200, "GET", j.demo.url+"/v3/grants", key, nil)
	if len(list.data()) != 1 || list.data()[0]["id"] != j.grant || list.data()[0]["grant_status"] != "valid" || list.data()[0]["email"] != j.user(0) ||
		list.data()[0]["workspace_id"] != j.env["POSTERN_TENANT_ID"] {
		j.t.Fatalf("the program's inventory: %s", list.text)
	}
	mail := wants(j.t, 200, "GET", j.messages(j.grant), key, nil)
	if len(mail.data()) != 5 {
		j.t.Fatalf("%d messages: %s", len(mail.data()), mail.text)
	}
	id, _ := mail.data()[0]["id"].(string)
	one := wants(j.t, 200, "GET", j.demo.url+"/v3/grants/"+j.grant+"/messages/"+url.PathEscape(id), key, nil)
	if m, _ := one.body["data"].(map[string]any); m["subject"] != mail.data()[0]["subject"] || m["body"] == "" || m["grant_id"] != j.grant {
		j.t.Fatalf("one message: %s", one.text)
	}
	wants(j.t, 404, "GET", j.demo.url+"/v3/grants/00000000-0000-7000-8000-000000000000/messages", key, nil)
	wants(j.t, 401, "GET", j.messages(j.grant), "not-a-key", nil)
}

// user is one of the sandbox's people.
func (j *journey) user(n int) string { return strings.Split(j.env["POSTERN_SANDBOX_USERS"], ",")[n] }

// program is a program's own page, to which consent returns. It gives the page's address, and with what its user came back last.
func program(t *testing.T) (callback string, back func() url.Values) {
	t.Helper()
	var mu sync.Mutex
	var came url.Values
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/callback" {
			mu.Lock()
			came = r.URL.Query()
			mu.Unlock()
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(`<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>The program</title><p data-testid="program">Back at the program.`))
	}))
	t.Cleanup(server.Close)
	return server.URL + "/callback", func() url.Values {
		mu.Lock()
		defer mu.Unlock()
		return came
	}
}

// programConnects is the other way in: a program sends its user to connect/auth and redeems the code. It is the mailbox that is connected already, so it is the same grant.
func (j *journey) programConnects() {
	t := j.t
	callback, back := program(t)
	key := j.env["POSTERN_API_KEY"]
	wants(t, 200, "POST", j.demo.url+"/v3/applications/redirect-uris", key, map[string]any{"url": callback, "platform": "web"})
	verifier := strings.Repeat("v3rifier-", 6)
	sum := sha256.Sum256([]byte(verifier))
	query := url.Values{"client_id": {j.env["POSTERN_CLIENT_ID"]}, "redirect_uri": {callback}, "response_type": {"code"}, "access_type": {"offline"}, "state": {"the-state"},
		"scope": {"mail.read mail.send"}, "provider": {"sandbox"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}}
	p := j.someone("user")
	p.visit("/v3/connect/auth?" + query.Encode())
	p.sees("asked", "read messages", "send messages")
	p.pictures("program-asks")
	p.click("provider-sandbox")
	j.signInAtSandbox(p, j.user(0))
	p.click("sandbox-allow")
	p.sees("program", "Back at the program")
	if back().Get("state") != "the-state" || back().Get("code") == "" {
		t.Fatalf("back at the program with %v", back())
	}
	exchange := map[string]any{"grant_type": "authorization_code", "client_id": j.env["POSTERN_CLIENT_ID"], "client_secret": key, "redirect_uri": callback, "code": back().Get("code"), "code_verifier": verifier}
	issued := wants(t, 200, "POST", j.demo.url+"/v3/connect/token", "", exchange)
	if issued.body["grant_id"] != j.grant {
		t.Fatalf("the same mailbox became another grant: %v, was %s", issued.body["grant_id"], j.grant)
	}
	if again := ask(t, "POST", j.demo.url+"/v3/connect/token", "", exchange); again.status != 400 {
		t.Errorf("a code is good twice: %d %s", again.status, again.text)
	}
	j.redeem(issued)
	// The code that came a second time has ended what it was redeemed for: the program asks again, as after an attack.
	if a := ask(t, "GET", j.demo.url+"/v3/grants/me/messages", j.token, nil); a.status != 401 {
		t.Errorf("the token of a copied code still opens the mailbox: %d", a.status)
	}
	p.visit("/v3/connect/auth?" + query.Encode())
	p.click("provider-sandbox")
	if p.has("sandbox-address") {
		j.signInAtSandbox(p, j.user(0))
	}
	p.click("sandbox-allow")
	exchange["code"] = back().Get("code")
	j.redeem(wants(t, 200, "POST", j.demo.url+"/v3/connect/token", "", exchange))
	wants(t, 200, "GET", j.demo.url+"/v3/grants/me/messages?limit=1", j.token, nil)
	renewed := wants(t, 200, "POST", j.demo.url+"/v3/connect/token", "", map[string]any{"grant_type": "refresh_token", "client_id": j.env["POSTERN_CLIENT_ID"], "client_secret": key, "refresh_token": j.fresh})
	j.redeem(renewed)
	wants(t, 200, "GET", j.demo.url+"/v3/grants/me/messages?limit=1", j.token, nil)
}

// redeem notes the tokens of an answer.
func (j *journey) redeem(issued answered) {
	j.t.Helper()
	j.token, _ = issued.body["access_token"].(string)
	if fresh, ok := issued.body["refresh_token"].(string); ok && fresh != "" {
		j.fresh = fresh
	}
	if j.token == "" || j.fresh == "" {
		j.t.Fatalf("no tokens: %s", issued.text)
	}
	j.secrets = append(j.secrets, j.token, j.fresh)
}

// nothingLeaked reads what the program wrote during all this.
func (j *journey) nothingLeaked() {
	log := j.demo.said()
	for _, secret := range append(j.secrets, "Roof plan for the boathouse") {
		if strings.Contains(strings.ReplaceAll(log, j.firstLink(log), ""), secret) {
			j.t.Errorf("the log has a secret of %d characters", len(secret))
		}
	}
	for _, bad := range []string{"panic", "level=ERROR"} {
		if strings.Contains(log, bad) {
			j.t.Errorf("the log has %q", bad)
		}
	}
}

// firstLink is the link that a demo prints on purpose.
func (j *journey) firstLink(log string) string {
	at := strings.Index(log, j.demo.url+"/connect/")
	if at < 0 {
		j.t.Fatal("the demo prints no connect link")
	}
	return strings.Fields(log[at:])[0]
}
