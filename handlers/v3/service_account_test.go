package v3_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/access"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/providertest"
)

const (
	identity = "openid https://www.googleapis.com/auth/userinfo.email https://www.googleapis.com/auth/userinfo.profile"
	reading  = "https://www.googleapis.com/auth/gmail.readonly"
)

// keyFile is a service account's key file, as the Google Cloud console gives it, with an address for tokens that is not to be believed.
func keyFile(a *providertest.GoogleServiceAccount) string {
	b, _ := json.Marshal(map[string]string{"type": "service_account", "project_id": "p", "private_key_id": a.KeyID, "private_key": a.Key.Reveal(), "client_email": a.Address, "client_id": a.ID,
		"token_uri": "http://127.0.0.1:9/steal", "universe_domain": "googleapis.com"})
	return string(b)
}

// A Workspace's administrator lets a service account act for its mailboxes: each is connected by its address alone, read, renewed without a refresh token, and cut.
func TestServiceAccount(t *testing.T) {
	w := newWorld(t, withGoogle)
	ada := w.google.AddUser("ada@firm.example", "Ada Lovelace")
	w.google.AddUser("eve@elsewhere.example", "Eve")
	w.google.Deliver(t, provider.Account{Address: ada.Address}, "INBOX", providertest.Mail{Received: time.Now(), Unread: true, Raw: "From: grace@example.com\r\nTo: ada@firm.example\r\nSubject: Hello\r\nMessage-ID: <1@example.com>\r\n\r\nFrom afar\r\n"})
	service := w.google.ServiceAccount(t, "firm.example", append(strings.Fields(identity), reading)...)
	app := w.google.App("http://127.0.0.1:8400/v3/connect/callback/google")
	w.do(call{method: "POST", path: "/v3/connectors", body: `{"provider":"google","settings":{"client_id":"` + app.ClientID + `","client_secret":"` + app.ClientSecret.Reveal() + `"}}`})
	const creds = "/v3/connectors/google/creds"
	broken := strings.Replace(keyFile(service), "-----BEGIN", "-----START", 1)
	for what, body := range map[string]string{"a broken key": broken, "no address": `{"private_key":"x"}`, "an app's fields": `{"client_id":"a","client_secret":"b"}`} {
		if a := w.do(call{method: "POST", path: creds, body: `{"name":"x","credential_type":"serviceaccount","credential_data":` + body + `}`}); a.status != 400 || strings.Contains(a.text, "PRIVATE KEY-----\\n") {
			t.Errorf("%s: %d %s", what, a.status, a.text)
		}
	}
	create := func(name, tenant string) string {
		made := w.do(call{method: "POST", path: creds, body: `{"name":"` + name + `","credential_type":"serviceaccount","workspace_id":"` + tenant + `","credential_data":` + keyFile(service) + `}`})
		if made.status != 201 || made.text1("data", "credential_type") != "serviceaccount" || strings.Contains(made.text, "PRIVATE") {
			t.Fatalf("made: %d %s", made.status, made.text)
		}
		return made.text1("data", "id")
	}
	id, bound := create("Firm", ""), create("Only theirs", w.second.ID.String())
	custom := func(key, credential, address, more string) answer {
		return w.do(call{method: "POST", path: "/v3/connect/custom", key: key, body: `{"provider":"google","settings":{"email_address":"` + address + `","credential_id":"` + credential + `"}` + more + `}`})
	}
	narrow := w.keyFor(access.Key{Application: w.app.ID, Tenant: w.tenant.ID})
	for what, c := range map[string]struct {
		got  answer
		says string
	}{
		"without an address":             {custom("", id, "", ""), "email_address"},
		"an unknown mailbox":             {custom("", id, "nobody@firm.example", ""), "no such mailbox"},
		"a mailbox of somebody else":     {custom("", id, "eve@elsewhere.example", ""), "no such mailbox"},
		"a scope that was not delegated": {custom("", id, ada.Address, `,"scope":["gmail.send"]`), "domain-wide delegation"},
		"a scope that is none":           {custom("", id, ada.Address, `,"scope":["gmail.everything"]`), "no such scope"},
		"a key of one tenant":            {custom(narrow, id, ada.Address, ""), "No service account"},
		"another tenant's account":       {custom("", bound, ada.Address, ""), "No service account"},
		"no id at all":                   {custom("", "me", ada.Address, ""), "No service account"},
	} {
		if c.got.status != 400 || !strings.Contains(c.got.text, c.says) {
			t.Errorf("%s: %d %s", what, c.got.status, c.got.text)
		}
	}
	w.google.Disable(service, true)
	if a := custom("", id, ada.Address, ""); a.status/100 != 5 || !strings.Contains(a.text, "Make a new key") {
		t.Errorf("a disabled account: %d %s", a.status, a.text)
	}
	w.google.Disable(service, false)
	w.google.Advance(-2 * time.Hour) // to Google, our clock is two hours ahead
	if a := custom("", id, ada.Address, ""); a.status/100 != 5 || !strings.Contains(a.text, "clock is wrong") {
		t.Errorf("a wrong clock: %d %s", a.status, a.text)
	}
	w.google.Advance(2 * time.Hour)
	if list := w.get("/v3/grants"); len(list.at("data").([]any)) != 0 {
		t.Errorf("something was kept: %s", list.text)
	}
	consent := w.do(call{method: "GET", path: "/v3/connect/auth?response_type=code&provider=google&client_id=" + w.app.ID.String() + "&redirect_uri=" + callback + "&credential_id=" + id, key: "none"})
	if strings.Contains(consent.header.Get("Location"), "/connect/f/") || consent.status == 200 {
		t.Errorf("a consent through a service account: %d %s", consent.status, consent.header.Get("Location"))
	}

	made := custom("", id, ada.Address, "")
	grant := made.text1("data", "id")
	if made.status != 201 || made.text1("data", "grant_status") != "valid" || made.text1("data", "email") != ada.Address {
		t.Fatalf("connected: %d %s", made.status, made.text)
	}
	ada.Aliases = []string{"sales@firm.example"}
	if a := w.get("/v3/grants/" + grant + "?expose_aliases=True&select=id,email_aliases"); a.status != 200 || a.text1("data", "email_aliases", "0") != "sales@firm.example" {
		t.Errorf("with its other addresses: %d %s", a.status, a.text)
	}
	if a := w.get("/v3/grants/" + grant); a.at("data", "email_aliases") != nil {
		t.Errorf("addresses that nobody asked for: %s", a.text)
	}
	w.get("/v3/grants?expose_aliases=true").refused(t, "those of a whole list", 400, "api.invalid_request_error")
	read := func() answer { return w.get("/v3/grants/" + grant + "/messages") }
	if list := read(); list.status != 200 || !strings.Contains(list.text, "From afar") {
		t.Errorf("its mail: %d %s", list.status, list.text)
	}
	if again := custom("", id, ada.Address, ""); again.text1("data", "id") != grant {
		t.Errorf("the same mailbox became another grant: %s", again.text)
	}
	before := w.google.Seen("POST /token")
	w.pass(2 * time.Hour)
	w.google.Advance(2 * time.Hour)
	if list := read(); list.status != 200 || w.google.Seen("POST /token") != before+1 {
		t.Errorf("after its token ended: %d, %d requests: %s", list.status, w.google.Seen("POST /token")-before, list.text)
	}
	w.google.EndAccess(ada.Address)
	if list := read(); list.status != 200 {
		t.Errorf("after its token died early: %d %s", list.status, list.text)
	}
	// The administrator withdraws the delegation: twice refused, a minute apart, is the end.
	w.google.Delegate(service)
	w.google.EndAccess(ada.Address)
	for range 2 {
		if list := read(); list.status != 401 {
			t.Errorf("without a delegation: %d %s", list.status, list.text)
		}
		w.pass(61 * time.Second)
	}
	if a := w.get("/v3/grants/" + grant); a.text1("data", "grant_status") != "invalid" {
		t.Errorf("the grant: %s", a.text)
	}
	w.google.Delegate(service, append(strings.Fields(identity), reading)...)
	if again := custom("", id, ada.Address, ""); again.text1("data", "id") != grant || again.text1("data", "grant_status") != "valid" {
		t.Errorf("reconnected: %s", again.text)
	}
	if a := w.do(call{method: "DELETE", path: "/v3/grants/" + grant}); a.status != 200 {
		t.Errorf("deleted: %d %s", a.status, a.text)
	}
	if a := read(); a.status != 404 {
		t.Errorf("after it was deleted: %d", a.status)
	}
	for _, private := range []string{"PRIVATE KEY", service.Key.Reveal()[40:100], "ya29."} {
		if strings.Contains(w.log.String(), private) {
			t.Error("the log has something that it must not have")
		}
	}
}
