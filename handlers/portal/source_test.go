package portal_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/verifications"
	"github.com/postern-mail/postern/models"
)

const senderSecret = "the-secret-of-some-sender-32-ok"

func hmacHex(key string, body []byte) string {
	h := hmac.New(sha256.New, []byte(key))
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

// source makes a source of the north tenant.
func (w *world) source() models.InboundEndpoint {
	w.t.Helper()
	e, err := w.Verifications.CreateSource(ctx, staff, verifications.SourceDraft{Application: w.app.ID, Tenant: w.north.ID, Name: "Some sender", Kind: verifications.KindV3, Secret: secret.New(senderSecret)})
	w.check(err)
	return e
}

// call lets a call come in.
func (w *world) call(e models.InboundEndpoint, key, body string) models.Verification {
	w.t.Helper()
	v, err := w.Verifications.Receive(ctx, verifications.Request{Endpoint: e.ID.String(), Header: http.Header{"X-Nylas-Signature": {hmacHex(key, []byte(body))}}, Length: int64(len(body)),
		Body: strings.NewReader(body), Addr: netip.MustParseAddr("192.0.2.9")})
	w.check(err)
	return v
}

// TestASourceFromItsMakingToItsEnd walks through every act on the pages, and looks at what a sender is told meanwhile.
func TestASourceFromItsMakingToItsEnd(t *testing.T) {
	w := newWorld(t)
	b := w.as("support")
	r := b.post("/verifications/sources", "name", "Nylas <US>", "kind", "v3", "application", w.app.ID.String(), "tenant", w.north.ID.String(), "addresses", "192.0.2.0/24")
	made := r.find("secret-value").Text()
	if r.status != http.StatusOK || len(made) < 40 {
		t.Fatalf("no secret is shown: status %d, %q", r.status, made)
	}
	list, err := w.Verifications.ListSources(ctx, staff, w.app.ID)
	w.check(err)
	e := list[0]
	base := "/verifications/sources/" + e.ID.String()
	if text := b.get(base).text; strings.Contains(text, made) || !strings.Contains(text, "/hooks/"+e.ID.String()) || !strings.Contains(text, "192.0.2.0/24") {
		t.Error("the page shows the secret again, or lacks address or allowlist")
	}
	if v := w.call(e, made, `{"id":"a","type":"message.created"}`); v.Reason != verifications.OK {
		t.Errorf("a genuine call: %s", v.Reason)
	}

	if r := b.post(base + "/pause"); r.status != http.StatusSeeOther {
		t.Errorf("pause: status %d", r.status)
	}
	if v := w.call(e, made, `{"id":"b","type":"message.created"}`); v.Reason != verifications.Paused {
		t.Errorf("while paused: %s", v.Reason)
	}
	b.post(base + "/resume")
	if v := w.call(e, made, `{"id":"b","type":"message.created"}`); v.Reason != verifications.OK {
		t.Errorf("after resuming: %s", v.Reason)
	}

	if r := b.post(base+"/edit", "name", "Nylas", "addresses", "nonsense"); r.status != http.StatusUnprocessableEntity || r.find("error-addresses").Length() != 1 {
		t.Errorf("a bad address: status %d", r.status)
	}
	b.post(base+"/edit", "name", "Nylas", "addresses", "198.51.100.7")
	if v := w.call(e, made, `{"id":"c","type":"message.created"}`); v.Reason != verifications.NotAllowlisted {
		t.Errorf("from elsewhere: %s", v.Reason)
	}
	b.post(base+"/edit", "name", "Nylas", "addresses", "")

	// A secret entered ahead: both count, and the first call under the new one puts it in force.
	const next = "the-senders-next-secret-entered-ahead"
	if r := b.post(base+"/rotate", "secret", next, "when", "staged", "overlap", "0s"); r.status != http.StatusSeeOther {
		t.Errorf("rotate: status %d %s", r.status, r.error())
	}
	if v := w.call(e, made, `{"id":"d","type":"message.created"}`); v.Reason != verifications.OK {
		t.Errorf("the old secret while the new one waits: %s", v.Reason)
	}
	if v := w.call(e, next, `{"id":"e","type":"message.created"}`); v.Reason != verifications.OK {
		t.Errorf("the new secret: %s", v.Reason)
	}
	if v := w.call(e, made, `{"id":"f","type":"message.created"}`); v.Reason != verifications.OldSecret {
		t.Errorf("the old secret afterwards: %s", v.Reason)
	}
	b.post(base+"/window", "window", "10m")
	if v := w.call(e, "a secret that nobody entered", `{"id":"g","type":"message.created"}`); v.Reason != verifications.RotationWindow {
		t.Errorf("in the window: %s", v.Reason)
	}
	b.post(base+"/window", "window", "0s")
	if v := w.call(e, "a secret that nobody entered", `{"id":"g","type":"message.created"}`); v.Reason != verifications.WrongSecret {
		t.Errorf("after the window: %s", v.Reason)
	}

	if r := b.post(base + "/delete"); r.status != http.StatusSeeOther {
		t.Errorf("delete: status %d", r.status)
	}
	if v := w.call(e, next, `{"id":"h","type":"message.created"}`); v.Reason != verifications.UnknownEndpoint {
		t.Errorf("after the end: %s", v.Reason)
	}
	page, err := w.Audit.List(ctx, staff, audit.Filter{Limit: 100})
	w.check(err)
	acts := map[string]int{}
	for _, entry := range page.Entries {
		acts[entry.Action]++
	}
	for _, action := range []string{"source.create", "source.pause", "source.resume", "source.update", "source.rotate_secret", "source.secret_in_use", "source.rotation_window", "source.disable"} {
		if acts[action] == 0 {
			t.Errorf("no audit entry of %s", action)
		}
	}
	if strings.Contains(w.log.String(), made) || strings.Contains(w.log.String(), next) {
		t.Error("a secret is in the log")
	}
}

// TestAddressesAreAskedOfTheSender: what it names becomes the list; anything else changes nothing.
func TestAddressesAreAskedOfTheSender(t *testing.T) {
	w := newWorld(t)
	e := w.source()
	answer := `{"request_id":"1","data":{"ip_addresses":["198.51.100.7","203.0.113.0/24"],"updated_at":1700000000}}`
	var asked string
	sender := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		asked = r.Method + " " + r.URL.Path + " " + r.Header.Get("Authorization")
		_, _ = rw.Write([]byte(answer))
	}))
	defer sender.Close()
	b, base := w.as("admin"), "/verifications/sources/"+e.ID.String()
	if r := b.post(base+"/addresses", "server", sender.URL, "key", "nyk_one_question"); r.status != http.StatusSeeOther {
		t.Fatalf("status %d: %s", r.status, r.error())
	}
	if asked != "GET /v3/webhooks/ip-addresses Bearer nyk_one_question" {
		t.Errorf("asked %q", asked)
	}
	addresses := func() string {
		d, err := w.Verifications.FindSource(ctx, staff, e.ID)
		w.check(err)
		return strings.Join(d.Endpoint.Addresses, " ")
	}
	if got := addresses(); got != "198.51.100.7/32 203.0.113.0/24" {
		t.Errorf("the list is %q", got)
	}
	for name, bad := range map[string]string{"none named": `{"data":{"ip_addresses":[]}}`, "nonsense": `{"data":{"ip_addresses":["everywhere"]}}`, "no JSON": `<html>`} {
		answer = bad
		if r := b.post(base+"/addresses", "server", sender.URL, "key", "k"); r.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: status %d", name, r.status)
		}
	}
	// The guard decides here as everywhere: a private address is no place to ask.
	for _, server := range []string{"http://169.254.169.254", "http://10.0.0.1", "https://user:pass@example.com", "file:///etc/passwd", "nonsense"} {
		if r := b.post(base+"/addresses", "server", server, "key", "k"); r.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: status %d", server, r.status)
		}
	}
	if got := addresses(); got != "198.51.100.7/32 203.0.113.0/24" {
		t.Errorf("the list became %q", got)
	}
	if strings.Contains(w.log.String(), "nyk_one_question") {
		t.Error("the key is in the log")
	}
}

// check sends the checker's form as a browser does.
func (b *browser) check(fields map[string]string, file []byte) reply {
	b.w.t.Helper()
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	for name, value := range fields {
		b.w.check(m.WriteField(name, value))
	}
	if file != nil {
		part, err := m.CreateFormFile("file", "body.bin")
		b.w.check(err)
		_, err = part.Write(file)
		b.w.check(err)
	}
	b.w.check(m.Close())
	return b.send("POST", "/verifications/check", &body, m.FormDataContentType())
}

// TestTheChecker: what it finds, to whom, how often; and that nothing of it stays anywhere.
func TestTheChecker(t *testing.T) {
	w := newWorld(t)
	b := w.as("customer")
	body := "{\"id\":\"1\",\n \"type\":\"a\"}"
	header := "X-Nylas-Signature: " + hmacHex(senderSecret, []byte(body))
	overBrowser := strings.ReplaceAll(body, "\n", "\r\n")
	base := map[string]string{"headers": header, "body": overBrowser, "form": "text", "secret": senderSecret}
	with := func(changes ...string) map[string]string {
		out := map[string]string{}
		for k, v := range base {
			out[k] = v
		}
		for i := 0; i < len(changes); i += 2 {
			out[changes[i]] = changes[i+1]
		}
		return out
	}
	for name, c := range map[string]struct {
		fields map[string]string
		file   []byte
		want   string
	}{
		"genuine, from a text box":   {base, nil, "Genuine"},
		"genuine, a signature alone": {with("headers", hmacHex(senderSecret, []byte(body))), nil, "Genuine"},
		"genuine, in hexadecimal":    {with("form", "hex", "body", hex.EncodeToString([]byte(body))), nil, "Genuine"},
		"genuine, a file":            {with("body", "something else"), []byte(body), "Genuine"},
		"the second secret":          {with("secret", "another one altogether", "previous", senderSecret), nil, "Genuine"},
		"a line break at the end":    {with("body", overBrowser+"\r\n"), nil, "A line break at the end"},
		"written anew":               {with("body", `{"id":"1","type":"a"}`), nil, "The JSON was written anew"},
		"another secret":             {with("secret", "another one altogether"), nil, "No match"},
		"no signature":               {with("headers", "Content-Type: application/json"), nil, "No signature"},
	} {
		// "written anew" cannot be found from a body that lost its spaces: the likeliest is that no secret fits.
		if name == "written anew" {
			c.want = "No match"
		}
		r := b.check(c.fields, c.file)
		if got := r.find("check-result").Find(".answer-line").Text(); r.status != http.StatusOK || !strings.Contains(got, c.want) {
			t.Errorf("%s: status %d, %q, want %q", name, r.status, strings.Join(strings.Fields(got), " "), c.want)
		}
		if strings.Contains(r.text, senderSecret) {
			t.Errorf("%s: the answer repeats the secret", name)
		}
	}
	if r := b.check(map[string]string{"form": "hex", "body": "xyz"}, nil); r.status != http.StatusUnprocessableEntity || r.find("error-summary").Find("li").Length() != 3 {
		t.Errorf("an empty form: status %d", r.status)
	}
	page, err := w.Audit.List(ctx, staff, audit.Filter{Limit: 200})
	w.check(err)
	entries, err := json.Marshal(page.Entries)
	w.check(err)
	for _, kept := range []string{senderSecret, hmacHex(senderSecret, []byte(body)), `"type\":\"a`} {
		if strings.Contains(w.log.String(), kept) || strings.Contains(string(entries), kept) {
			t.Errorf("%q was kept", kept)
		}
	}
	limited := 0
	for range 40 {
		if b.check(base, nil).status == http.StatusTooManyRequests {
			limited++
		}
	}
	if limited == 0 {
		t.Error("forty checks at once were all answered")
	}
	if r := w.as("support").check(base, nil); r.status != http.StatusOK {
		t.Errorf("somebody else is limited with them: status %d", r.status)
	}
}

// TestACustomersLog: the way to it is in the navigation, it holds what came in for that tenant, and filters and files hold to it.
func TestACustomersLog(t *testing.T) {
	w := newWorld(t)
	north := w.source()
	south, err := w.Verifications.CreateSource(ctx, staff, verifications.SourceDraft{Application: w.app.ID, Tenant: w.south.ID, Name: "Their sender", Kind: verifications.KindV3, Secret: secret.New(senderSecret)})
	w.check(err)
	ours := w.call(north, senderSecret, `{"id":"ours-1","type":"message.created"}`)
	w.call(north, senderSecret, `{"id":"ours-2","type":"grant.deleted"}`)
	w.call(north, "a wrong secret altogether", `{"id":"forged","type":"message.created"}`)
	theirs := w.call(south, senderSecret, `{"id":"theirs-1","type":"message.created"}`)

	b := w.as("customer")
	if r := b.get("/"); r.page.Find(`nav a[href="/verifications"]`).Length() == 0 {
		t.Error("no entry in the navigation")
	}
	rows := func(query string) int {
		r := b.get("/verifications" + query)
		if r.status != http.StatusOK {
			t.Errorf("%s: status %d", query, r.status)
		}
		return r.find("verification-row").Length()
	}
	for query, want := range map[string]int{"": 3, "?verdict=refused": 1, "?reason=wrong_secret": 1, "?type=grant.deleted": 1, "?source=v3": 3, "?q=ours-1": 1, "?q=theirs-1": 0,
		"?endpoint=" + south.ID.String(): 0, "?endpoint=" + north.ID.String(): 3, "?since=1h": 3, "?first=2020-01-01&last=2020-01-02": 0, "?tenant=" + w.south.ID.String(): 3} {
		if got := rows(query); got != want {
			t.Errorf("%q shows %d rows, want %d", query, got, want)
		}
	}
	if r := b.get("/verifications"); r.find("chart-verdicts").Find(".chart-table tbody tr").Length() != 30 || strings.Contains(r.text, "Their sender") || strings.Contains(r.text, "/verifications/sources") {
		t.Error("the chart lacks its table, or the page shows what is not theirs")
	}
	if r := b.get("/verifications/" + ours.ID.String()); r.status != http.StatusOK || !strings.Contains(r.text, "ours-1") {
		t.Errorf("their own check: status %d", r.status)
	}
	if r := b.get("/verifications/" + theirs.ID.String()); r.status != http.StatusNotFound {
		t.Errorf("another tenant's check: status %d", r.status)
	}
	csv := b.get("/verifications/export.csv").text
	if strings.Count(csv, "\n") != 4 || strings.Contains(csv, "theirs-1") || !strings.Contains(csv, "ours-2") {
		t.Errorf("the file: %s", csv)
	}
	var file struct {
		Rows      []map[string]string
		Truncated *bool
	}
	if err := json.Unmarshal([]byte(b.get("/verifications/export.json?verdict=refused").text), &file); err != nil || len(file.Rows) != 1 || file.Truncated == nil || file.Rows[0]["reason"] != "wrong_secret" {
		t.Errorf("the JSON file: %v %v", err, file)
	}
	if err := json.Unmarshal([]byte(b.get("/verifications/export.json?q=nothing").text), &file); err != nil || len(file.Rows) != 0 {
		t.Errorf("an empty JSON file: %v", err)
	}
	if r := b.get("/verifications?first=nonsense"); r.status != http.StatusBadRequest && r.status != http.StatusUnprocessableEntity {
		t.Errorf("a day that is none: status %d", r.status)
	}
}
