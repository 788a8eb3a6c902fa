package main

import (
	"strings"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/providertest"
)

// signInAtSandbox is somebody at the sandbox provider's own page.
func (j *journey) signInAtSandbox(p *person, user string) {
	j.t.Helper()
	p.fill("address", user)
	p.fill("password", j.env["POSTERN_SANDBOX_PASSWORD"])
	p.click("sandbox-signin")
}

// ownerConnects is the mailbox owner with a connect link: gives less than was asked, is told so, and gives the rest.
func (j *journey) ownerConnects() {
	link := j.makeLink("Alder & Finch", true, "link")
	p := j.someone("mailbox-owner")
	p.visit(link)
	p.sees("title", "Connect your mailbox to Harbor Desk Sync")
	p.sees("main", "Harbor Desk", "Alder & Finch Architects", "European Union")
	p.sees("asked", "will be able to", "read messages", "send messages as you", "will not be able to", "see the password of your mailbox", "read other mailboxes")
	p.pictures("consent")
	p.click("provider-sandbox")
	j.signInAtSandbox(p, j.user(0))
	p.pictures("sandbox-allows")
	p.do(chromedp.Click(testid("sandbox-scope-mail.send"), chromedp.NodeVisible))
	p.click("sandbox-allow")
	p.sees("title", "One right was not given")
	p.sees("[data-testid=partial] .beside-warn", "send messages")
	p.sees("[data-testid=partial] section + section", "read messages")
	p.pictures("partial")
	if rows := wants(j.t, 200, "GET", j.demo.url+"/v3/grants", j.env["POSTERN_API_KEY"], nil).data(); len(rows) != 0 {
		j.t.Fatalf("there is a grant before the owner has said how to go on: %v", rows)
	}
	p.click("ask-again")
	if p.has("sandbox-address") {
		j.signInAtSandbox(p, j.user(0))
	}
	p.click("sandbox-allow")
	p.sees("title", j.user(0), "is connected")
	p.sees("main", "read messages", "send messages")
	p.pictures("connected")
	// The link was for one mailbox, and is spent.
	other := j.someone("latecomer")
	other.arrive(410, chromedp.Navigate(link))
	other.pictures("link-used")
	other.arrive(404, chromedp.Navigate(j.demo.url+"/connect/not-a-link-of-ours"))
	other.pictures("link-unknown")
}

func (j *journey) supportSeesGrant() {
	p := j.support
	p.visit("/tenants")
	p.visit(p.rowWith("Alder & Finch"))
	p.sees("section-grants", j.user(0), "Valid")
	p.pictures("tenant")
	p.visit(p.rowWith(j.user(0)))
	j.grant = p.where()[strings.LastIndex(p.where(), "/")+1:]
	p.sees("title", j.user(0))
	p.sees("grant-state", "Valid", "read messages", "send messages")
	p.sees("scopes", "mail.read", "mail.send", "restricted", "sensitive")
	p.sees("section-end", "Revoke", "Delete")
	p.pictures("grant")
	p.visit("/grants")
	p.sees("main", j.user(0))
	p.pictures("grants")
	p.visit("/")
	p.pictures("home")
}

// ownerConnectsIMAP is an owner whose provider has no consent page: a password, tried before anything is kept.
func (j *journey) ownerConnectsIMAP() {
	account := j.dovecot.Account(j.t)
	for i, subject := range []string{"Scaffolding from Monday", "Roof plan for the boathouse"} {
		j.dovecot.Deliver(j.t, account, "INBOX", providertest.Mail{Received: time.Now().Add(time.Duration(i-3) * time.Hour), Unread: true,
			Raw: "Message-ID: <boathouse-" + subject[:4] + "@example.com>\r\nFrom: Ines <ines@example.com>\r\nTo: " + account.Address + "\r\nSubject: " + subject + "\r\n\r\nAs we said.\r\n"})
	}
	link := j.makeLink("Alder & Finch", false, "")
	p := j.someone("password-owner")
	p.visit(link)
	p.fill("address", account.Address)
	p.click("provider-imap")
	p.sees("title", "Connect your mailbox")
	p.pictures("password")
	settings := j.dovecot.Settings(provider.TLS)
	p.do(chromedp.Click(chromedp.CSS("details.servers summary"), chromedp.NodeVisible))
	p.fill("imap_host", settings[provider.IMAPHost])
	p.fill("imap_port", settings[provider.IMAPPort])
	p.fill("password", "not-the-password")
	p.arrive(422, p.clicking("submit"))
	p.sees("error-summary", "password")
	p.sees("error-password", "password")
	if typed := evaluate[string](p, `document.querySelector("input[name=password]").value`); typed != "" {
		j.t.Error("the password comes back in the page")
	}
	for name, want := range map[string]string{"address": account.Address, "imap_host": settings[provider.IMAPHost], "imap_port": settings[provider.IMAPPort]} {
		if typed := evaluate[string](p, `document.querySelector("input[name=`+name+`]").value`); typed != want {
			j.t.Errorf("%s was %q and is %q", name, want, typed)
		}
	}
	p.pictures("password-wrong")
	if rows := wants(j.t, 200, "GET", j.demo.url+"/v3/grants?provider=imap", j.env["POSTERN_API_KEY"], nil).data(); len(rows) != 0 {
		j.t.Errorf("a wrong password left %v", rows)
	}
	password := j.dovecot.Password(account.Login).Reveal()
	j.secrets = append(j.secrets, "not-the-password", password)
	p.fill("password", password)
	p.click("submit")
	p.sees("title", account.Address, "is connected")
	p.pictures("password-connected")
	rows := wants(j.t, 200, "GET", j.demo.url+"/v3/grants?provider=imap", j.env["POSTERN_API_KEY"], nil).data()
	if len(rows) != 1 || rows[0]["email"] != account.Address {
		j.t.Fatalf("the program sees %v", rows)
	}
	j.imap, _ = rows[0]["id"].(string)
	mail := wants(j.t, 200, "GET", j.messages(j.imap), j.env["POSTERN_API_KEY"], nil)
	if len(mail.data()) != 2 || mail.data()[0]["subject"] != "Roof plan for the boathouse" {
		j.t.Fatalf("the mail at Dovecot: %s", mail.text)
	}
}
