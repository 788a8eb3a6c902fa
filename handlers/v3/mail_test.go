package v3_test

import (
	"fmt"
	"maps"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/providertest"
)

// mailbox is one connected mailbox of the test's Dovecot, with an access token.
type mailbox struct {
	provider.Account
	grant, token string
	submission   *providertest.Submission
}

func (m mailbox) path(rest string) string { return "/v3/grants/" + m.grant + rest }

// connected has a mailbox consented to and its code redeemed, as a program would.
func (w *world) connected() mailbox {
	w.t.Helper()
	m := mailbox{Account: w.dovecot.Account(w.t), submission: providertest.StartSubmission(w.t, w.dovecot)}
	maps.Copy(m.Settings, m.submission.Settings())
	a := w.do(call{method: "GET", key: "-", path: authURL("client_id", w.app.ID.String(), "redirect_uri", callback, "response_type", "code", "provider", "imap")})
	back, err := url.Parse(w.consent(a.header.Get("Location"), m.Account))
	if err != nil {
		w.t.Fatal(err)
	}
	issued := w.do(call{method: "POST", path: "/v3/connect/token", body: fmt.Sprintf(`{"grant_type":"authorization_code","client_id":%q,"redirect_uri":%q,"code":%q}`, w.app.ID, callback, back.Query().Get("code"))})
	if m.grant, m.token = issued.text1("grant_id"), issued.text1("access_token"); m.grant == "" || m.token == "" {
		w.t.Fatalf("not connected: %d %s", issued.status, issued.text)
	}
	return m
}

func (w *world) deliver(m mailbox, subject, raw string) {
	w.t.Helper()
	w.dovecot.Deliver(w.t, m.Account, "INBOX", providertest.Mail{Received: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC), Unread: true, Raw: "Message-ID: <" + subject + "@example.com>\r\nDate: Fri, 20 Nov 2026 12:00:00 +0000\r\nFrom: Grace <grace@example.com>\r\nTo: " +
		m.Address + "\r\nSubject: " + subject + "\r\nMIME-Version: 1.0\r\n" + raw})
}

func TestMessageChangeTranscript(t *testing.T) {
	w := newWorld(t, withMail)
	m := w.connected()
	for _, subject := range []string{"first", "second"} {
		w.deliver(m, subject, "Content-Type: text/plain\r\n\r\nHello.\r\n")
	}
	list := w.get(m.path("/messages?select=id"))
	id, other := list.text1("data", "0", "id"), list.text1("data", "1", "id")
	tr := w.transcript()
	tr.call(call{method: "PUT", path: m.path("/messages/" + id), body: `{"unread":false,"starred":"True","unknown":1}`})
	tr.call(call{method: "PUT", path: "/v3/grants/me/messages/" + id, key: m.token, body: `{"starred":false}`})
	for _, wrong := range []string{`{}`, `{"unread":"perhaps"}`, `{"folders":[]}`, `{"folders":"Trash"}`, `{"folders":["No-such"]}`, `{"folders":["INBOX","Trash"]}`, `{"starred":true,"metadata":{"a":"b"}}`} {
		tr.call(call{method: "PUT", path: m.path("/messages/" + id), body: wrong})
	}
	if a := w.get(m.path("/messages/" + id)); a.at("data", "starred") != false || a.at("data", "unread") != false {
		t.Errorf("after all that is refused: %s", a.text)
	}
	moved := tr.call(call{method: "PUT", path: m.path("/messages/" + id), body: `{"folders":["Archive"]}`})
	now := moved.text1("data", "id")
	if w.get(m.path("/messages/"+id)).status != 404 || w.get(m.path("/messages/"+now)).at("data", "folders", "0") != "Archive" {
		t.Errorf("moved: %s", moved.text)
	}
	tr.call(call{method: "DELETE", path: m.path("/messages/" + now + "?hard_delete=perhaps")})
	tr.call(call{method: "DELETE", path: m.path("/messages/" + now)})
	trash := w.get(m.path("/messages?in=Trash&select=id,subject"))
	if trash.text1("data", "0", "subject") != "second" {
		t.Errorf("the trash: %s", trash.text)
	}
	tr.call(call{method: "DELETE", path: m.path("/messages/" + other + "?hard_delete=True")})
	tr.call(call{method: "DELETE", path: m.path("/messages/" + other)})
	if a := w.get(m.path("/messages?in=Trash&select=id")); len(a.at("data").([]any)) != 1 {
		t.Errorf("what is erased is in the trash: %s", a.text)
	}
	tr.call(call{method: "GET", path: m.path("/folders")})
	page := tr.call(call{method: "GET", path: m.path("/folders?limit=2&select=id")})
	seen := len(page.at("data").([]any))
	for cursor := page.text1("next_cursor"); cursor != ""; {
		a := w.get(m.path("/folders?limit=2&select=id&page_token=" + cursor))
		seen += len(a.at("data").([]any))
		cursor = a.text1("next_cursor")
	}
	if all := w.get(m.path("/folders?limit=200")); seen != len(all.at("data").([]any)) || all.at("next_cursor") != nil {
		t.Errorf("%d folders by pages, all: %s", seen, all.text)
	}
	tr.call(call{method: "GET", path: m.path("/folders/INBOX")})
	tr.call(call{method: "GET", path: "/v3/grants/me/folders/Sent?select=name,attributes", key: m.token})
	for _, wrong := range []string{"/folders/No-such", "/folders?limit=0", "/folders?page_token=broken", "/folders?shared_from=x"} {
		tr.call(call{method: "GET", path: m.path(wrong)})
	}
	tr.matches(t, "message-change.txt")
	if strings.Contains(w.log.String(), "second") {
		t.Error("the log holds a subject")
	}
}
