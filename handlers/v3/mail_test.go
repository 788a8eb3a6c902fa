package v3_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/access"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/providertest"
	"github.com/postern-mail/postern/models"
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

// form makes a multipart body; a field whose name begins with @ is a file called after it.
func form(fields ...string) (body, contentType string) {
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	for i := 0; i+1 < len(fields); i += 2 {
		var part io.Writer
		if name, isFile := strings.CutPrefix(fields[i], "@"); isFile {
			part, _ = w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {fmt.Sprintf(`form-data; name=%q; filename="file of %s.bin"`, name, name)}, "Content-Type": {"application/x-ours"}})
		} else {
			part, _ = w.CreateFormField(fields[i])
		}
		_, _ = io.WriteString(part, fields[i+1])
	}
	_ = w.Close()
	return out.String(), w.FormDataContentType()
}

func (w *world) send(m mailbox, key, body, contentType string, header ...string) answer {
	w.t.Helper()
	h := map[string]string{"Content-Type": contentType}
	for i := 0; i+1 < len(header); i += 2 {
		h[header[i]] = header[i+1]
	}
	return w.do(call{method: "POST", path: m.path("/messages/send"), key: key, body: body, header: h})
}

func TestSendTranscript(t *testing.T) {
	w := newWorld(t, withMail)
	m := w.connected()
	w.deliver(m, "question", "References: <root@example.com>\r\nContent-Type: text/plain\r\n\r\nWhere?\r\n")
	question := w.get(m.path("/messages?select=id,thread_id"))
	tr := w.transcript()
	path := m.path("/messages/send")
	sent := tr.call(call{method: "POST", path: path, body: `{"to":[{"email":"grace@example.com","name":""}],"cc":[{"email":"bob@example.com"}],"bcc":[{"email":"eve@example.com"}],"subject":"Grüße","body":"<p>Hé</p>","unknown":1,"tracking_options":{"opens":false}}`})
	tr.call(call{method: "POST", path: "/v3/grants/me/messages/send", key: m.token, body: `{"to":[{"email":"grace@example.com"}],"subject":"Re: question","body":"Here <b>.","is_plaintext":true,"reply_to_message_id":` + fmt.Sprintf("%q", question.text1("data", "0", "id")) +
		`,"custom_headers":[{"name":"X-Campaign","value":"seven"}],"attachments":[{"filename":"a b.txt","content_type":"text/plain","content":"aGVsbG8_"},{"content":"iVBORw0KGgo=","content_type":"image/png","filename":"dot.png","content_id":"dot","is_inline":true}]}`})
	taken := m.submission.Taken()
	if len(taken) != 2 || len(taken[0].To) != 3 || strings.Contains(taken[0].Raw, "eve@") || !strings.Contains(taken[0].Raw, "text/html") {
		t.Fatalf("submitted: %+v", taken)
	}
	for _, line := range []string{"In-Reply-To: <question@example.com>", "References: <root@example.com> <question@example.com>", "X-Campaign: seven", "text/plain", "Here <b>.", `filename="a b.txt"`} {
		if !strings.Contains(taken[1].Raw, line) {
			t.Errorf("the answer lacks %q:\n%s", line, taken[1].Raw)
		}
	}
	copies := w.get(m.path("/messages?in=Sent&select=id,thread_id,subject"))
	if copies.text1("data", "1", "id") != sent.text1("data", "id") || copies.text1("data", "0", "thread_id") != question.text1("data", "0", "thread_id") {
		t.Errorf("the copies: %s", copies.text)
	}
	to := `"to":[{"email":"grace@example.com"}]`
	for _, wrong := range []string{`{}`, `{"to":[]}`, `{"to":"grace@example.com"}`, `{"to":["grace@example.com"]}`, `{"to":[{"name":"Grace"}]}`, `{"to":[{"email":"no address"}]}`, `{"to":[{"email":"Grace <grace@example.com>"}]}`,
		`{` + to + `,"subject":"a\r\nBcc: eve@example.com"}`, `{` + to + `,"custom_headers":[{"name":"X-A","value":"b\nBcc: eve@example.com"}]}`, `{` + to + `,"custom_headers":[{"name":"Bcc","value":"eve@example.com"}]}`,
		`{` + to + `,"reply_to_message_id":"no-such"}`, `{` + to + `,"send_at":4102444800}`, `{` + to + `,"use_draft":true}`, `{` + to + `,"tracking_options":{"opens":true}}`, `{` + to + `,"metadata":{"a":"b"}}`,
		`{` + to + `,"attachments":[{"id":"up1"}]}`, `{` + to + `,"attachments":[{"filename":"a","content":"***"}]}`, `{` + to + `,"is_plaintext":"perhaps"}`, `[`} {
		tr.call(call{method: "POST", path: path, body: wrong})
	}
	tr.call(call{method: "POST", path: path + "?type=carrier-pigeon", body: `{` + to + `}`})
	if n := len(m.submission.Taken()); n != 2 {
		t.Errorf("%d messages left", n)
	}
	tr.matches(t, "message-send.txt")
	for _, value := range []string{"grace@", "Grüße", "Here <b>"} {
		if strings.Contains(w.log.String(), value) {
			t.Errorf("the log holds %s", value)
		}
	}
}

func TestSendForms(t *testing.T) {
	w := newWorld(t, withMail)
	m := w.connected()
	message := `{"to":[{"email":"grace@example.com"}],"subject":"files","body":"<img src=\"cid:dot\">"}`
	file := strings.Repeat("0123456789abcdef", 1<<18) // 4 MB: more than JSON takes
	body, kind := form("@dot", "picture", "message", message, "@file0", file)
	a := w.send(m, "", body, kind)
	raw := w.get(m.path("/messages/" + a.text1("data", "id")))
	names := map[string]float64{}
	list, _ := raw.at("data", "attachments").([]any)
	for i := range list {
		size, _ := raw.at("data", "attachments", fmt.Sprint(i), "size").(float64)
		names[raw.text1("data", "attachments", fmt.Sprint(i), "filename")+" "+raw.text1("data", "attachments", fmt.Sprint(i), "content_id")] = size
	}
	if a.status != 200 || len(names) != 2 || names["file of dot.bin dot"] != 7 || names["file of file0.bin "] < 4<<20-3 || names["file of file0.bin "] > 4<<20+3 {
		t.Errorf("a form: %d %s, %v", a.status, a.text, names)
	}
	if got := w.get(m.path("/messages/" + a.text1("data", "id") + "/attachments/" + raw.text1("data", "attachments", fmt.Sprint(len(list)-1), "id") + "/download")); got.status != 200 || got.text != file {
		t.Errorf("a file of many pieces: %d, %d bytes of %d", got.status, len(got.text), len(file))
	}
	mime := "From: " + m.Address + "\r\nTo: grace@example.com\r\nBcc: eve@example.com\r\nSubject: raw\r\nMessage-ID: <mine@example.com>\r\n\r\nAs it is.\r\n"
	body, kind = form("mime", mime)
	a = w.do(call{method: "POST", path: m.path("/messages/send?type=mime"), body: body, header: map[string]string{"Content-Type": kind}})
	taken := m.submission.Taken()
	last := taken[len(taken)-1]
	if a.status != 200 || a.text1("data", "subject") != "raw" || !strings.Contains(last.Raw, "Message-ID: <mine@example.com>") || strings.Contains(last.Raw, "eve@") || len(last.To) != 2 {
		t.Errorf("type=mime: %d %s, %+v", a.status, a.text, last)
	}
	whole, kind := form("message", message)
	twice, kindTwice := form("message", message, "message", message)
	for what, c := range map[string]struct{ body, kind string }{
		"no message":         {strings.ReplaceAll(whole, `name="message"`, `name="letter"`), kind},
		"cut off":            {whole[:len(whole)-40], kind},
		"another boundary":   {whole, "multipart/form-data; boundary=other"},
		"no boundary":        {whole, "multipart/form-data"},
		"message twice":      {twice, kindTwice},
		"a part not named":   {strings.ReplaceAll(whole, `; name="message"`, ``), kind},
		"message is no JSON": {strings.ReplaceAll(whole, `{"to"`, `"to"`), kind},
	} {
		w.send(m, "", c.body, c.kind).refused(t, what, 400, "api.invalid_request_payload")
	}
	w.send(m, "", message, "text/plain").refused(t, "JSON that says it is text", 400, "api.invalid_request_payload")
	w.do(call{method: "POST", path: m.path("/messages/send?type=mime"), body: message}).refused(t, "type=mime without a form", 400, "api.invalid_request_payload")
	body, kind = form("message", message, "@file0", strings.Repeat("x", 25<<20))
	w.send(m, "", body, kind).refused(t, "a form of 25 MB and a bit", 413, "api.invalid_request_error")
	body, kind = form("message", message, "@file0", strings.Repeat("x", 27<<20))
	w.send(m, "", body, kind).refused(t, "a form of 27 MB", 413, "api.invalid_request_error")
	w.send(m, "", `{"body":"`+strings.Repeat("x", 5<<20)+`"}`, "application/json").refused(t, "JSON of 5 MB", 413, "api.invalid_request_error")
	if n := len(m.submission.Taken()); n != 2 {
		t.Errorf("%d messages left", n)
	}
}

func TestAttachmentTranscript(t *testing.T) {
	w := newWorld(t, withMail)
	m := w.connected()
	picture := strings.Repeat("\x00\xffpixel", 20_000)
	body, kind := form("message", `{"to":[{"email":"grace@example.com"}],"subject":"files","body":"x","attachments":[{"filename":"Grüße\"; x=.txt","content_type":"text/html","content":"PHNjcmlwdD4="}]}`, "@file0", picture)
	id := w.send(m, "", body, kind).text1("data", "id")
	tr := w.transcript()
	tr.call(call{method: "GET", path: m.path("/attachments/2?message_id=" + id)})
	got := tr.call(call{method: "GET", path: m.path("/messages/" + id + "/attachments/2/download")})
	if got.text != "<script>" || got.header.Get("Content-Type") != "application/octet-stream" || !strings.HasPrefix(got.header.Get("Content-Disposition"), "attachment; filename") || got.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("a page as a file: %q %v", got.text, got.header)
	}
	got = w.do(call{method: "GET", path: "/v3/grants/me/attachments/3/download?query_imap=True&message_id=" + id, key: m.token})
	if got.status != 200 || got.text != picture {
		t.Errorf("a large file: %d, %d bytes", got.status, len(got.text))
	}
	tr.call(call{method: "GET", path: "/v3/grants/me/messages/" + id + "/attachments/3", key: m.token})
	for _, wrong := range []string{"/attachments/2", "/attachments/9?message_id=" + id, "/attachments/9/download?message_id=" + id, "/attachments/1/download?message_id=" + id, "/attachments/..%2f2/download?message_id=" + id, "/attachments/2/download?message_id=no-such",
		"/messages/no-such/attachments/2"} {
		tr.call(call{method: "GET", path: m.path(wrong)})
	}
	w.deliver(m, "broken", "Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\naGVs*bG8\r\n")
	broken := w.get(m.path("/messages?select=id,attachments"))
	if got := w.get(m.path("/messages/" + broken.text1("data", "0", "id") + "/attachments/" + broken.text1("data", "0", "attachments", "0", "id") + "/download")); got.status != 200 || !strings.HasPrefix(got.text, "hel") {
		t.Errorf("broken base64: %s, %d %q", broken.text, got.status, got.text)
	}
	tr.matches(t, "attachments.txt")
}

func TestIdempotencyKey(t *testing.T) {
	w := newWorld(t, withMail)
	m, other := w.connected(), w.connected()
	one := `{"to":[{"email":"grace@example.com"}],"subject":"once"}`
	first := w.send(m, "", one, "application/json", "Idempotency-Key", "k 1")
	again := w.send(m, "", `{"subject":"once", "to":[{"email":"grace@example.com"}]}`, "application/json", "Idempotency-Key", "k 1")
	if first.status != 200 || first.header.Get("Idempotent-Response") != "" || again.status != 200 || again.header.Get("Idempotent-Response") != "true" || again.text1("data", "id") != first.text1("data", "id") || again.text1("data", "subject") != "once" {
		t.Errorf("first %d %s\nagain %d %s %v", first.status, first.text, again.status, again.text, again.header)
	}
	blind := w.keyFor(access.Key{Application: w.app.ID, Permissions: []models.Permission{models.SendMessages}})
	if a := w.send(m, blind, one, "application/json", "Idempotency-Key", "k 1"); a.status != 200 || a.text1("data", "id") != first.text1("data", "id") || a.text1("data", "subject") != "" {
		t.Errorf("a key that may not read: %d %s", a.status, a.text)
	}
	w.send(m, "", strings.ReplaceAll(one, "once", "other"), "application/json", "Idempotency-Key", "k 1").refused(t, "another message", 409, "api.invalid_idempotent_request")
	if n := len(m.submission.Taken()); n != 1 {
		t.Errorf("%d messages left", n)
	}
	if a := w.send(other, "", one, "application/json", "Idempotency-Key", "k 1"); a.status != 200 || a.header.Get("Idempotent-Response") != "" || len(other.submission.Taken()) != 1 {
		t.Errorf("the same key for another mailbox: %d %s", a.status, a.text)
	}
	// Of ten at once one is sent; the others wait for it or get its answer.
	var wait sync.WaitGroup
	for range 10 {
		wait.Go(func() {
			r, _ := http.NewRequestWithContext(ctx, "POST", w.server.URL+m.path("/messages/send"), strings.NewReader(one))
			r.Header = http.Header{"Authorization": {"Bearer " + w.key}, "Content-Type": {"application/json"}, "Idempotency-Key": {"k 2"}}
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			_ = resp.Body.Close()
			if resp.StatusCode != 200 && resp.StatusCode != 409 {
				t.Errorf("at once: %d", resp.StatusCode)
			}
		})
	}
	wait.Wait()
	if n := len(m.submission.Taken()); n != 2 {
		t.Errorf("%d messages left after ten at once", n)
	}
	// What was refused may be corrected under the same key.
	w.send(m, "", `{"to":[{"email":"grace@example.com"}],"reply_to_message_id":"no"}`, "application/json", "Idempotency-Key", "k 3").refused(t, "a refused one", 400, "api.invalid_request_error")
	if a := w.send(m, "", one, "application/json", "Idempotency-Key", "k 3"); a.status != 200 || a.header.Get("Idempotent-Response") != "" {
		t.Errorf("after it: %d %s", a.status, a.text)
	}
	w.pass(61 * time.Minute)
	if a := w.send(m, "", one, "application/json", "Idempotency-Key", "k 1"); a.status != 200 || a.header.Get("Idempotent-Response") != "" {
		t.Errorf("after an hour: %d %s", a.status, a.text)
	}
	for what, key := range map[string]string{"empty": "", "too long": strings.Repeat("k", 257), "not printable": "k\tx", "not ASCII": "kü"} {
		w.send(m, "", one, "application/json", "Idempotency-Key", key).refused(t, "a key that is "+what, 400, "api.invalid_idempotency_key")
	}
	if n := len(m.submission.Taken()); n != 4 {
		t.Errorf("%d messages left in all", n)
	}
}

func TestSendingIsNarrow(t *testing.T) {
	w := newWorld(t, withMail)
	m := w.connected()
	reads := w.keyFor(access.Key{Application: w.app.ID, Permissions: []models.Permission{models.ReadMessages, models.WriteMessages}})
	w.send(m, reads, `{"to":[{"email":"grace@example.com"}]}`, "application/json").refused(t, "a key that reads", 403, "insufficient_scopes")
	theirs := w.keyFor(access.Key{Application: w.other.ID})
	w.send(m, theirs, `{"to":[{"email":"grace@example.com"}]}`, "application/json").refused(t, "another application's key", 404, "api.not_found_error")
	if n := len(m.submission.Taken()); n != 0 {
		t.Errorf("%d messages left", n)
	}
}

func TestConnectCustom(t *testing.T) {
	w := newWorld(t, withMail)
	a, submission := w.dovecot.Account(t), providertest.StartSubmission(t, w.dovecot)
	maps.Copy(a.Settings, submission.Settings())
	body := func(password string, change ...string) string {
		settings := map[string]any{"imap_username": a.Login, "imap_password": password, "email": a.Address}
		for name, value := range a.Settings {
			settings[name] = value
		}
		for i := 0; i+1 < len(change); i += 2 {
			settings[change[i]] = change[i+1]
		}
		text, _ := json.Marshal(map[string]any{"provider": "imap", "state": "ours", "settings": settings})
		return string(text)
	}
	right := w.dovecot.Password(a.Login).Reveal()
	post := func(key, body string) answer {
		return w.do(call{method: "POST", path: "/v3/connect/custom", key: key, body: body})
	}
	first := post("", body(right))
	id := first.text1("data", "id")
	if first.status != 201 || first.text1("data", "grant_status") != "valid" || first.text1("data", "email") != a.Address || first.text1("data", "state") != "ours" || strings.Contains(first.text, right) {
		t.Fatalf("connected: %d %s", first.status, first.text)
	}
	if list := w.get("/v3/grants/" + id + "/messages"); list.status != 200 {
		t.Errorf("its mail: %d %s", list.status, list.text)
	}
	if again := post("", body(right)); again.status != 201 || again.text1("data", "id") != id {
		t.Errorf("again: %d %s", again.status, again.text)
	}
	post("", body("a wrong password")).refused(t, "a wrong password", 400, "grant.invalid_authentication")
	bound := w.keyFor(access.Key{Application: w.app.ID, Tenant: w.second.ID})
	if a := post(bound, body(right)); a.status != 201 || a.text1("data", "workspace_id") != w.second.ID.String() || a.text1("data", "id") == id {
		t.Errorf("a key of another tenant: %d %s", a.status, a.text)
	}
	post(bound, strings.Replace(body(right), `"state"`, `"workspace_id":"`+w.tenant.ID.String()+`","state"`, 1)).refused(t, "for a tenant that is not the key's", 400, "api.invalid_request_error")
	for _, wrong := range []string{`{}`, `{"provider":"imap"}`, `{"provider":"imap","settings":{"imap_username":"a@example.com"}}`, `{"provider":"imap","settings":{"imap_password":"x"}}`, `{"provider":"google","settings":{"refresh_token":"x"}}`,
		`{"provider":"toaster","settings":{"imap_username":"a@example.com","imap_password":"x"}}`, body(right, "smtp_password", "another"), body(right, "imap_host", "192.168.0.1")} {
		if a := post("", wrong); a.status != 400 && a.status != 504 {
			t.Errorf("%s: %d %s", strings.ReplaceAll(wrong, right, "..."), a.status, a.text)
		}
	}
	if list := w.get("/v3/grants"); len(list.at("data").([]any)) != 2 || w.get("/v3/grants/"+id+"/messages").status != 200 {
		t.Errorf("after all that is refused: %s", list.text)
	}
	if strings.Contains(w.log.String(), right) || strings.Contains(w.log.String(), "a wrong password") {
		t.Error("a password is in the log")
	}
}
