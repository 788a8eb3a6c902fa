package main

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/chromedp/chromedp"
)

// lost opens an address that this person must not see, and wants an error page with a way on.
func (p *person) lost(status int64, path string) {
	p.t.Helper()
	p.arrive(status, chromedp.Navigate(p.absolute(path)))
	if !p.has("error-page") || !p.has("[data-testid=error-page] a[href]") {
		p.stuck(http.ErrNotSupported)
	}
}

func (j *journey) supportCreatesWebhook() {
	p := j.support
	p.visit("/webhooks")
	p.click("primary-action")
	p.fill("url", "http://192.168.7.7/events")
	p.fill("description", "Billing")
	p.arrive(422, p.clicking("submit"))
	p.sees("error-url", "address")
	p.pictures("webhook-form")
	p.fill("url", j.hook.server.URL+"/events")
	p.click("submit")
	secret := p.text("secret-value")
	j.hook.knows(secret)
	j.secrets = append(j.secrets, secret)
	p.pictures("webhook-secret")
	p.click("done")
	j.webhook = p.where()
	p.sees("main", "Billing", j.hook.server.URL)
	if !p.has("state-active") {
		j.t.Error("a new webhook is not active")
	}
	if strings.Contains(evaluate[string](p, "document.documentElement.outerHTML"), secret) {
		j.t.Error("the secret is shown again")
	}
	p.pictures("webhook-new")
}

// supportRotatesSecret makes a new secret; for a day the old one, which is all that the receiver knows, goes on.
func (j *journey) supportRotatesSecret() {
	t, p := j.t, j.support
	j.hook.awaits(t, "grant.created")
	j.oldSecret = j.hook.secret
	p.visit(j.webhook)
	p.click("rotate")
	p.tick("overlap", "24h", true)
	p.pictures("rotate")
	p.click("submit")
	j.newSecret = p.text("secret-value")
	if j.newSecret == j.oldSecret || j.newSecret == "" {
		t.Fatal("the rotation made no new secret")
	}
	j.secrets = append(j.secrets, j.newSecret)
	p.click("done")
	p.sees("secrets", "Generation 1", "Generation 2")
	p.pictures("webhook-overlap")
	j.hook.knows(j.oldSecret)
}

// receiverSwitches comes after an event in the overlap: it arrived with the old secret. Then the receiver takes the new one, and the old one is ended.
func (j *journey) receiverSwitches() {
	t, p := j.t, j.support
	j.hook.awaits(t, "grant.updated")
	if n := j.hook.refusals(); n != 0 {
		t.Errorf("a receiver with the old secret refused %d calls during the overlap", n)
	}
	j.hook.knows(j.newSecret)
	j.sendTest("Delivered")
	p.pictures("delivery")
	p.sees("main", "generation 2")
	p.visit(j.webhook)
	p.click("post-end-the-old-secret-now")
	p.sees("flash", "old secret has ended")
	j.hook.knows(j.oldSecret)
	j.sendTest("Gave up") // what a receiver that was forgotten looks like
	p.sees("main", "401")
	p.pictures("delivery-refused")
	j.hook.knows(j.newSecret)
	p.visit(j.webhook)
	p.pictures("webhook")
	p.visit("/webhooks")
	p.pictures("webhooks")
}

// sendTest sends a test event from the page of the webhook and waits for what becomes of it on the page of the delivery.
func (j *journey) sendTest(state string) {
	j.t.Helper()
	p := j.support
	p.visit(j.webhook)
	p.click("post-send-a-test-event")
	p.await(30*time.Second, "main .answer", state)
}

// forge posts an event with a false signature to the built-in receiver of the self-check, which a stranger could find as well.
func (j *journey) forge() {
	p := j.support
	p.visit("/webhooks")
	hook := evaluate[string](p, `[...document.querySelectorAll("[data-testid=webhook-row] .target")].map(x => x.title).find(x => x.includes("/hooks/")) || ""`)
	if hook == "" {
		p.stuck(http.ErrNotSupported)
	}
	forged := `{"specversion":"1.0","type":"grant.deleted","forged":"yes"}`
	for signature, body := range map[string]string{strings.Repeat("0", 64): forged, "": forged, strings.Repeat("1", 64): strings.Repeat(forged, 40_000)} {
		req, err := http.NewRequestWithContext(j.t.Context(), http.MethodPost, hook, strings.NewReader(body))
		if err != nil {
			j.t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		if signature != "" {
			req.Header.Set("X-Nylas-Signature", signature)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			j.t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode < 400 {
			j.t.Errorf("a forged event is answered with %d", res.StatusCode)
		}
	}
}

func (j *journey) reviewerLooks() {
	j.forge()
	t := j.t
	p := j.someone("reviewer")
	p.visit(j.env["POSTERN_SIGNIN_REVIEWER"])
	p.sees("who", "Rina Sato")
	if n := evaluate[int](p, `document.querySelectorAll("[data-testid=primitives] > li").length`); n != 5 {
		t.Errorf("the reviewer's home has %d primitives", n)
	}
	p.pictures("home")
	p.visit("/verifications")
	p.sees("main", "Accepted", "Refused", "Our own events")
	p.pictures("verifications")
	p.visit("/verifications?verdict=refused")
	rows := evaluate[[]string](p, `[...document.querySelectorAll("[data-testid=verification-row]")].map(r => r.innerText)`)
	all := strings.Join(rows, "\n")
	for _, reason := range []string{"Wrong secret", "No signature", "Too large"} {
		if !strings.Contains(all, reason) {
			t.Errorf("no forged event is refused for %q: %s", reason, all)
		}
	}
	for _, row := range rows {
		if !strings.Contains(row, "Refused") {
			t.Errorf("the filter shows %q", row)
		}
	}
	p.sees("chips", "Refused")
	p.pictures("verifications-refused")
	p.visit(evaluate[string](p, `document.querySelector("[data-testid=verification-row] a").href`))
	p.sees("main", "Refused", "What to do")
	if text := p.text("main"); strings.Contains(text, "forged") {
		t.Error("the log shows the body")
	}
	p.pictures("verification")
	p.visit("/audit")
	p.pictures("audit")
	p.visit("/audit?" + url.Values{"action": {"grant.revoke"}}.Encode())
	p.sees("main", "grant.revoke", "Sam Okafor", "Cora Lindqvist")
	p.visit(evaluate[string](p, `document.querySelector("[data-testid=audit-row] a").href`))
	p.sees("main", "grant.revoke")
	p.pictures("audit-entry")
	p.visit("/receipts")
	p.pictures("receipts")
	p.visit("/security")
	p.pictures("security")
	p.visit("/grants")
	p.visit(p.rowWith("Brightwater"))
	if p.has("revoke") || p.has("delete") {
		t.Error("a reviewer is offered to end a grant")
	}
	p.pictures("grant")
	p.lost(403, "/members")
	for _, path := range []string{"/verifications/export.csv", "/audit/export.json"} {
		if status := evaluate[int](p, `fetch("`+path+`").then(r => r.status)`); status != 200 {
			t.Errorf("%s: %d", path, status)
		}
	}
}

func (j *journey) ownerLooks() {
	t := j.t
	p := j.someone("owner")
	p.visit(j.env["POSTERN_SIGNIN_OWNER"])
	p.pictures("home")
	p.visit("/settings")
	p.pictures("settings")
	p.visit("/applications")
	p.pictures("applications")
	p.visit(p.rowWith("Harbor Desk Sync"))
	p.sees("main", "http://localhost:9007/callback", j.env["POSTERN_CLIENT_ID"])
	p.pictures("application")
	p.visit("/connectors")
	p.sees("main", "Sandbox", "IMAP")
	p.pictures("connectors")
	p.visit(p.rowWith("Sandbox"))
	p.sees("main", j.demo.url+"/v3/connect/callback/sandbox")
	p.pictures("connector")
	p.visit("/api-keys")
	p.click("primary-action")
	p.fill("name", "Corvid export")
	corvid := evaluate[string](p, `[...document.querySelectorAll("select[name=tenant] option")].find(o => o.text.includes("Corvid")).value`)
	p.choose("tenant", corvid)
	p.pictures("api-key-form")
	p.click("submit")
	key := p.text("secret-value")
	j.secrets = append(j.secrets, key)
	p.pictures("api-key")
	p.click("done")
	p.sees("main", "Corvid export", "Corvid Logistics")
	if strings.Contains(evaluate[string](p, "document.documentElement.outerHTML"), key) {
		t.Error("the key is shown again")
	}
	p.pictures("api-keys")
	if rows := wants(t, 200, "GET", j.demo.url+"/v3/grants", key, nil).data(); len(rows) != 0 {
		t.Errorf("a key of one tenant sees grants of others: %v", rows)
	}
	wants(t, 404, "GET", j.messages(j.grant), key, nil)
	p.visit("/tenants")
	p.visit(p.rowWith("Alder & Finch"))
	p.sees("main", j.user(0), "Severed", "Owner must act")
	p.pictures("tenant")
	p.visit("/members")
	p.pictures("members")
	p.click("primary-action")
	p.fill("name", "Noor Haddad")
	p.fill("email", "noor@harbordesk.test")
	p.tick("role", "reviewer", true)
	p.pictures("invite")
	p.click("submit")
	invitation := p.text("secret-value")
	j.secrets = append(j.secrets, invitation[strings.LastIndex(invitation, "/")+1:])
	p.pictures("invitation")
	guest := j.someone("invited")
	guest.visit(invitation)
	guest.sees("title", "Noor Haddad")
	guest.pictures("enrol")
	p.visit("/members")
	p.visit(p.rowWith("Noor Haddad"))
	p.pictures("member")
	p.visit("/account")
	p.pictures("account")
	p.visit("/search?q=" + url.QueryEscape("brightwater"))
	p.sees("main", "Brightwater")
	p.pictures("search")
	p.visit("/grants")
	p.visit(p.rowWith(j.user(1)))
	p.click("delete")
	p.fill("reason", "Duplicate of another tenant")
	p.click("submit")
	p.await(30*time.Second, "receipt", "was refused")
	p.sees("receipt", "Deleted", "Olive Marsh", "Duplicate of another tenant")
	p.pictures("delete-receipt")
	p.do(chromedp.Click(testid("who"), chromedp.NodeVisible))
	p.click("signout")
	p.visit("/grants")
	p.sees("title", "Sign in")
}
