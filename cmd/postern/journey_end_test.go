package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// supportRevokes is the one click, and everything that must be dead after it.
func (j *journey) supportRevokes() {
	t, p, key := j.t, j.support, j.env["POSTERN_API_KEY"]
	wants(t, 200, "GET", j.messages(j.grant), key, nil)
	if !j.sandboxHolds(j.user(0)) {
		t.Fatal("the sandbox has no live refresh token of this mailbox before the revocation")
	}
	p.visit("/grants/" + j.grant)
	p.click("revoke")
	p.sees("title", "Revoke "+j.user(0))
	p.sees("ends", "Ends now", "Ends later", "Only the mailbox owner can end")
	p.sees("submit", "Revoke")
	p.pictures("revoke")
	p.fill("reason", "Contract ended, ticket 4711")
	p.click("submit")
	// The page after the click is there: from now on nothing may be reachable. The first calls must already fail.
	if a := ask(t, "GET", j.messages(j.grant), key, nil); a.status != 401 {
		t.Errorf("with the API key after the revocation: %d %s", a.status, a.text)
	}
	if a := ask(t, "GET", j.demo.url+"/v3/grants/me/messages?limit=1", j.token, nil); a.status != 401 {
		t.Errorf("with the access token after the revocation: %d %s", a.status, a.text)
	}
	if a := ask(t, "POST", j.demo.url+"/v3/connect/token", "", map[string]any{"grant_type": "refresh_token", "client_id": j.env["POSTERN_CLIENT_ID"], "client_secret": key, "refresh_token": j.fresh}); a.status != 400 {
		t.Errorf("our refresh token after the revocation: %d %s", a.status, a.text)
	}
	p.sees("flash", "cut")
	p.sees("grant-state", "Revoked")
	p.await(30*time.Second, "section-receipts", "Severed")
	p.pictures("grant-revoked")
	p.visit("/grants/" + j.grant + "/receipt")
	p.sees("receipt-sentence", j.user(0))
	p.sees("receipt", "Severed", "Sam Okafor", "Contract ended, ticket 4711")
	p.sees("steps", "sandbox")
	p.pictures("receipt")
	if j.sandboxHolds(j.user(0)) {
		t.Error("the sandbox still takes a refresh token of this mailbox")
	}
	rows := wants(t, 200, "GET", j.demo.url+"/v3/grants?grant_status=invalid", key, nil)
	if len(rows.data()) != 1 || rows.data()[0]["id"] != j.grant {
		t.Errorf("the inventory after the revocation: %s", rows.text)
	}
	j.hook.awaits(t, "grant.updated")
}

// sandboxHolds says whether the sandbox provider still takes any refresh token for a mailbox, by its own memory.
func (j *journey) sandboxHolds(user string) bool {
	j.t.Helper()
	raw, err := os.ReadFile(filepath.Join(j.env["data"], "sandbox.json"))
	if err != nil {
		j.t.Fatal(err)
	}
	var kept struct {
		Refresh map[string]struct {
			User    string `json:"user"`
			Revoked bool   `json:"revoked"`
		} `json:"refresh"`
	}
	if err := json.Unmarshal(raw, &kept); err != nil {
		j.t.Fatal(err)
	}
	for _, r := range kept.Refresh {
		if r.User == user && !r.Revoked {
			return true
		}
	}
	return false
}

// supportDeletes makes the grant unknown; the next consent of the same mailbox is a new one.
func (j *journey) supportDeletes() {
	t, p, key := j.t, j.support, j.env["POSTERN_API_KEY"]
	p.visit("/grants/" + j.grant)
	p.click("delete")
	p.sees("title", "Delete "+j.user(0))
	p.pictures("delete")
	p.click("submit")
	p.sees("flash", j.user(0)+" is deleted")
	p.sees("receipt", "Severed") // the revocation's: nothing was left to cut
	p.pictures("deleted")
	wants(t, 404, "GET", j.messages(j.grant), key, nil)
	wants(t, 404, "GET", j.demo.url+"/v3/grants/"+j.grant, key, nil)
	j.hook.awaits(t, "grant.deleted")
	old := j.grant
	j.connectByLink("Alder & Finch", j.user(0), "returning-owner")
	rows := wants(t, 200, "GET", j.demo.url+"/v3/grants?provider=sandbox", key, nil).data()
	if len(rows) != 1 || rows[0]["id"] == old || rows[0]["grant_status"] != "valid" {
		t.Fatalf("after delete and a new consent: %v, was %s", rows, old)
	}
	j.grant, _ = rows[0]["id"].(string)
	wants(t, 200, "GET", j.messages(j.grant), key, nil)
	wants(t, 404, "GET", j.messages(old), key, nil)
}

// connectByLink is the short way to a connected mailbox at the sandbox.
func (j *journey) connectByLink(tenant, user, who string) {
	j.t.Helper()
	link := j.makeLink(tenant, false, "")
	p := j.someone(who)
	p.visit(link)
	p.click("provider-sandbox")
	j.signInAtSandbox(p, user)
	p.click("sandbox-allow")
	p.sees("title", user, "is connected")
}

// customerLooks is a customer's admin: the mailboxes of one organisation, and the way to disconnect one.
func (j *journey) customerLooks() {
	t, key := j.t, j.env["POSTERN_API_KEY"]
	j.connectByLink("Brightwater", j.user(1), "brightwater-owner")
	foreign := ""
	for _, row := range wants(t, 200, "GET", j.demo.url+"/v3/grants?provider=sandbox", key, nil).data() {
		if row["email"] == j.user(1) {
			foreign, _ = row["id"].(string)
		}
	}
	p := j.someone("customer")
	p.visit(j.env["POSTERN_SIGNIN_CUSTOMER"])
	p.sees("mailboxes", j.user(0))
	p.sees("who", "Cora Lindqvist")
	if text := p.text("main"); strings.Contains(text, j.user(1)) || strings.Contains(text, "Brightwater") {
		t.Errorf("a customer reads about another one:\n%s", text)
	}
	p.pictures("home")
	for _, path := range []string{"/grants/" + foreign, "/grants/" + foreign + "/revoke"} {
		p.lost(404, path)
	}
	p.pictures("not-found")
	for _, path := range []string{"/tenants", "/webhooks", "/members"} {
		p.lost(403, path)
	}
	p.visit("/audit")
	p.sees("main", "Cora Lindqvist")
	p.pictures("activity")
	p.visit("/security")
	p.pictures("security")
	p.visit("/")
	p.visit(j.demo.url + "/grants/" + j.imap)
	p.sees("scopes", "Read messages")
	p.pictures("mailbox")
	p.click("revoke")
	p.sees("title", "Disconnect")
	p.sees("ends", "Ends now")
	p.pictures("disconnect")
	p.click("submit")
	wants(t, 401, "GET", j.messages(j.imap), key, nil)
	wants(t, 200, "GET", j.messages(j.grant), key, nil)           // the others go on
	p.await(30*time.Second, "section-receipts", "Owner must act") // no provider can be told of a password
	p.visit("/grants/" + j.imap + "/receipt")
	p.sees("receipt", "Cora Lindqvist")
	p.pictures("receipt")
}
