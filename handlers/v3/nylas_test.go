package v3_test

import (
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/access"
	"github.com/postern-mail/postern/engine/provider/providertest"
)

// A program moves here with the grants that it has at Nylas: each is looked at live, and its mail is read through.
func TestTakeOverAGrantAtNylas(t *testing.T) {
	w := newWorld(t, withNylas)
	app := w.nylas.App("https://app.example/callback")
	ada := w.nylas.Account("google", "ada@nylas.test", "Ada")
	theirs := w.nylas.Grant(app, ada)
	w.nylas.Deliver(ada, "INBOX", providertest.Mail{Received: time.Now(), Unread: true, Raw: "From: grace@example.com\r\nTo: ada@nylas.test\r\nSubject: Hello\r\nMessage-ID: <1@example.com>\r\n\r\nFrom afar\r\n"})
	post := func(key, id string) answer {
		return w.do(call{method: "POST", path: "/v3/connect/custom", key: key, body: `{"provider":"nylas","state":"moved","settings":{"grant_id":"` + id + `"}}`})
	}
	post("", theirs.ID).refused(t, "without a connector", 400, "api.invalid_request_error")
	made := w.do(call{method: "POST", path: "/v3/connectors", body: `{"provider":"nylas","settings":{"client_id":"` + app.ClientID + `","client_secret":"` + app.ClientSecret.Reveal() + `","region":"eu","imap_port":993}}`})
	if made.status != 201 || made.text1("data", "settings", "region") != "eu" || strings.Contains(made.text, app.ClientSecret.Reveal()) {
		t.Fatalf("connector: %d %s", made.status, made.text)
	}
	if a := w.do(call{method: "PATCH", path: "/v3/connectors/nylas", body: `{"settings":{"region":"moon"}}`}); a.status != 400 {
		t.Errorf("a region that is none: %d %s", a.status, a.text)
	}
	bound := w.keyFor(access.Key{Application: w.app.ID, Tenant: w.tenant.ID})
	if a := post(bound, theirs.ID); a.status != 403 {
		t.Errorf("a key of one tenant: %d %s", a.status, a.text)
	}
	for _, wrong := range []string{"", "ada@nylas.test", "me", "00000000-0000-4000-8000-000000000009"} {
		if a := post("", wrong); a.status != 400 {
			t.Errorf("%q: %d %s", wrong, a.status, a.text)
		}
	}
	if list := w.get("/v3/grants"); len(list.at("data").([]any)) != 0 {
		t.Errorf("something was kept: %s", list.text)
	}
	first := post("", theirs.ID)
	id := first.text1("data", "id")
	if first.status != 201 || first.text1("data", "grant_status") != "valid" || first.text1("data", "provider") != "nylas" || first.text1("data", "email") != "ada@nylas.test" || first.text1("data", "state") != "moved" || id == theirs.ID {
		t.Fatalf("taken over: %d %s", first.status, first.text)
	}
	if list := w.get("/v3/grants/" + id + "/messages"); list.status != 200 || !strings.Contains(list.text, "From afar") {
		t.Errorf("its mail: %d %s", list.status, list.text)
	}
	if again := post("", theirs.ID); again.status != 201 || again.text1("data", "id") != id {
		t.Errorf("again: %d %s", again.status, again.text)
	}
	w.nylas.SetKey(app, "nyk_v0_another")
	if a := w.get("/v3/grants/" + id + "/messages"); a.status != 504 && a.status != 502 && a.status != 503 {
		t.Errorf("with a key that Nylas no longer takes: %d %s", a.status, a.text)
	}
	if a := w.get("/v3/grants/" + id); a.text1("data", "grant_status") != "valid" {
		t.Errorf("the wrong key ended the mailbox: %s", a.text)
	}
	if strings.Contains(w.log.String(), app.ClientSecret.Reveal()) {
		t.Error("the key is in the log")
	}
}
