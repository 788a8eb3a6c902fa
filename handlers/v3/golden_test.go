package v3_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/postern-mail/postern/engine/access"
	"github.com/postern-mail/postern/models"
)

func TestApplicationTranscript(t *testing.T) {
	w := newWorld(t)
	tr := w.transcript()
	tr.call(call{method: "GET", path: "/v3/", key: "-"})
	tr.call(call{method: "GET", path: "/v3/applications"})
	tr.call(call{method: "GET", path: "/v3/applications?select=application_id,branding.name"})
	tr.call(call{method: "PATCH", path: "/v3/applications", body: `{"branding":{"name":"Ours, renamed","website_url":"https://ours.example"},"hosted_authentication":{"title":"Connect","spacing":4,"alignment":"left"},"additional_settings":{"login_url":"x"}}`})
	tr.call(call{method: "PATCH", path: "/v3/applications", body: `{"branding":{"name":"","website_url":"javascript:alert(1)"}}`})
	tr.call(call{method: "GET", path: "/v3/applications/" + w.app.ID.String()})
	tr.call(call{method: "GET", path: "/v3/applications/" + w.other.ID.String()})
	tr.call(call{method: "POST", path: "/v3/applications", body: `{"name":"x","region":"eu"}`})
	tr.call(call{method: "DELETE", path: "/v3/applications/" + w.app.ID.String()})
	tr.matches(t, "applications.txt")
}

func TestCallbackTranscript(t *testing.T) {
	w := newWorld(t)
	tr := w.transcript()
	tr.call(call{method: "GET", path: "/v3/applications/callback-uris"})
	made := tr.call(call{method: "POST", path: "/v3/applications/redirect-uris", body: `{"url":"https://app.example.com/cb","platform":"js","settings":{"origin":"https://app.example.com"}}`})
	path := "/v3/applications/redirect-uris/" + made.text1("data", "id")
	tr.call(call{method: "GET", path: path})
	tr.call(call{method: "PATCH", path: strings.Replace(path, "redirect", "callback", 1), body: `{"url":"https://app.example.com/other"}`})
	tr.call(call{method: "POST", path: "/v3/applications/redirect-uris", body: `{"url":"com.example.app:/cb","platform":"android","settings":{"package_name":"com.example.app","sha_1_certificate_fingerprint":"AA:BB"}}`})
	tr.call(call{method: "POST", path: "/v3/applications/callback-uris", body: `{"url":"https://app.example.com/other"}`})
	tr.call(call{method: "POST", path: "/v3/applications/callback-uris", body: `{"url":"http://app.example.com/cb"}`})
	tr.call(call{method: "POST", path: "/v3/applications/callback-uris", body: `{"platform":"web"}`})
	tr.call(call{method: "DELETE", path: path})
	tr.call(call{method: "GET", path: path})
	tr.call(call{method: "DELETE", path: "/v3/applications/callback-uris/not-an-id"})
	tr.call(call{method: "PUT", path: path})
	tr.matches(t, "callback-uris.txt")
}

func TestConnectorTranscript(t *testing.T) {
	w := newWorld(t)
	tr := w.transcript()
	tr.call(call{method: "GET", path: "/v3/connectors"})
	tr.call(call{method: "POST", path: "/v3/connectors", body: `{"provider":"google","name":"x","settings":{"client_id":"id-of-ours","client_secret":"s3cret","topic_name":"t","imap_port":993,"smtp_port":587},"scope":["openid"]}`})
	tr.call(call{method: "POST", path: "/v3/connectors", body: `{"provider":"google","settings":{"client_id":"a","client_secret":"b"}}`})
	tr.call(call{method: "GET", path: "/v3/connectors/google"})
	tr.call(call{method: "PATCH", path: "/v3/connectors/google", body: `{"scope":["openid","https://www.googleapis.com/auth/gmail.readonly"]}`})
	tr.call(call{method: "PUT", path: "/v3/connectors/google", body: `{"name":"Google","settings":{"topic_name":"other","client_secret":"s3cret-two"}}`})
	tr.call(call{method: "GET", path: "/v3/connectors?limit=1&offset=1"})
	tr.call(call{method: "POST", path: "/v3/connectors", body: `{"provider":"microsoft","settings":{}}`})
	tr.call(call{method: "POST", path: "/v3/connectors", body: `{"provider":"virtual-calendar"}`})
	tr.call(call{method: "DELETE", path: "/v3/connectors/google"})
	tr.call(call{method: "GET", path: "/v3/connectors/google"})
	tr.call(call{method: "DELETE", path: "/v3/connectors/google"})
	if strings.Contains(strings.ReplaceAll(tr.text.String(), `> {`, ""), `< {"client_secret`) || strings.Count(tr.text.String(), "s3cret") != 2 {
		t.Error("a client secret came back")
	}
	tr.matches(t, "connectors.txt")
	if strings.Contains(w.log.String(), "s3cret") {
		t.Error("a client secret is in the log")
	}
}

func TestDetectTranscript(t *testing.T) {
	w := newWorld(t)
	tr := w.transcript()
	tr.call(call{method: "POST", path: "/v3/providers/detect?email=ada%40fastmail.com"})
	tr.call(call{method: "POST", path: "/v3/providers/detect?email=ada%40icloud.com"})
	tr.call(call{method: "POST", path: "/v3/providers/detect?email=ada%40icloud.com&all_provider_types=True"})
	tr.call(call{method: "POST", path: "/v3/providers/detect?email=no-address"})
	tr.call(call{method: "POST", path: "/v3/providers/detect"})
	tr.call(call{method: "POST", path: "/v3/providers/detect?email=a%40example.com&all_provider_types=perhaps"})
	tr.call(call{method: "GET", path: "/v3/providers/detect?email=a%40example.com"})
	tr.matches(t, "detect.txt")
}

func TestGrantTranscript(t *testing.T) {
	w := newWorld(t)
	first := w.grant(w.app.ID, w.tenant.ID, "ada@example.com")
	w.grant(w.app.ID, w.second.ID, "bob@example.com")
	w.grant(w.other.ID, w.tenant.ID, "eve@example.com")
	tr := w.transcript()
	tr.call(call{method: "GET", path: "/v3/grants?limit=50"})
	tr.call(call{method: "GET", path: "/v3/grants?limit=1&offset=1&sort_by=createdAt&order_by=ASC&select=id,email"})
	tr.call(call{method: "GET", path: "/v3/grants?email=ADA%40example.com&select=email"})
	tr.call(call{method: "GET", path: "/v3/grants?workspace_id=" + w.second.ID.String() + "&select=email,workspace_id"})
	tr.call(call{method: "GET", path: "/v3/grants?grant_status=invalid"})
	tr.call(call{method: "GET", path: "/v3/grants?provider=imap&ip=192.0.2.1&select=email"})
	tr.call(call{method: "GET", path: "/v3/grants?provider=google"})
	tr.call(call{method: "GET", path: "/v3/grants?since=4102444800"})
	tr.call(call{method: "GET", path: "/v3/grants?account_id=abc"})
	tr.call(call{method: "GET", path: "/v3/grants?connector_id=x&status=y&q=z&select=email&limit=1"})
	tr.call(call{method: "GET", path: "/v3/grants/" + first.ID.String()})
	tr.call(call{method: "GET", path: "/v3/grants/ada%40example.com?select=id&expose_aliases=True"})
	tr.call(call{method: "GET", path: "/v3/grants/email:ada%40example.com?select=id"})
	tr.call(call{method: "GET", path: "/v3/grants/grant:" + first.ID.String() + "?select=id"})
	tr.call(call{method: "PATCH", path: "/v3/grants/" + first.ID.String(), body: `{"settings":{"label":"sales","imap_port":993,"password":"not for here"},"unknown":1}`})
	tr.call(call{method: "PATCH", path: "/v3/grants/" + first.ID.String(), body: `{"settings":{"imap_host":"mail.attacker.example"}}`})
	tr.call(call{method: "DELETE", path: "/v3/grants/" + first.ID.String()})
	tr.call(call{method: "GET", path: "/v3/grants/" + first.ID.String()})
	tr.call(call{method: "DELETE", path: "/v3/grants/" + first.ID.String()})
	tr.matches(t, "grants.txt")
	if strings.Contains(w.log.String(), "not for here") {
		t.Error("a password is in the log")
	}
}

// receiver answers challenges, with the wrong thing when told to.
type receiver struct {
	*httptest.Server
	mu    sync.Mutex
	wrong bool
	got   []http.Header
	body  [][]byte
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, q *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if q.Method == http.MethodGet {
			value := q.URL.Query().Get("challenge")
			if r.wrong {
				value = `"` + value + `"`
			}
			_, _ = io.WriteString(rw, value)
			return
		}
		body, _ := io.ReadAll(q.Body)
		r.got, r.body = append(r.got, q.Header), append(r.body, body)
	}))
	t.Cleanup(r.Close)
	return r
}

func TestWebhookTranscript(t *testing.T) {
	w, r := newWorld(t), newReceiver(t)
	tr := w.transcript()
	body := `{"webhook_url":"` + r.URL + `/hook?a=b","trigger_types":["grant.created","grant.deleted"],"description":"ours","notification_email_addresses":["ops@example.com"]}`
	made := tr.call(call{method: "POST", path: "/v3/webhooks", body: body})
	path := "/v3/webhooks/" + made.text1("data", "id")
	tr.call(call{method: "GET", path: "/v3/webhooks"})
	tr.call(call{method: "GET", path: path})
	tr.call(call{method: "PUT", path: path, body: `{"status":"inactive","description":""}`})
	tr.call(call{method: "PUT", path: path, body: `{"status":"active","trigger_types":["grant.created"],"compressed_delivery":true}`})
	one := tr.call(call{method: "POST", path: "/v3/webhooks/rotate-secret/" + made.text1("data", "id"), body: `{}`})
	two := tr.call(call{method: "PUT", path: path + "/rotate-secret", body: `{}`})
	three := tr.call(call{method: "POST", path: "/v3/webhooks/rotate-secret/" + made.text1("data", "id")})
	secrets := map[string]bool{made.text1("data", "webhook_secret"): true, one.text1("data", "webhook_secret"): true, two.text1("data", "webhook_secret"): true, three.text1("data", "webhook_secret"): true}
	if len(secrets) != 4 || secrets[""] {
		t.Errorf("four secrets should be four: %d", len(secrets))
	}
	tr.call(call{method: "POST", path: path + "/verifications", body: `{"verdict":"refused","reason":"wrong_secret","size":120,"address":"192.0.2.9"}`})
	tr.call(call{method: "POST", path: path + "/verifications", body: `{"verdict":"perhaps"}`})
	tr.call(call{method: "POST", path: path + "/verifications", body: `{"verdict":"accepted","event_id":"never-sent"}`})
	tr.call(call{method: "POST", path: path + "/replays", body: `{"which":"failed","since":1700000000}`})
	tr.call(call{method: "POST", path: path + "/replays", body: `{"which":"failed","since":1700000000}`})
	tr.call(call{method: "POST", path: path + "/replays", body: `{"which":"some","since":1700000000}`})
	tr.call(call{method: "POST", path: path + "/replays", body: `{"which":"never_attempted"}`})
	tr.call(call{method: "POST", path: path + "/replays", body: `{"since":1700000000}`})
	tr.call(call{method: "GET", path: path + "/replays"})
	tr.call(call{method: "GET", path: "/v3/webhooks/ip-addresses"})
	tr.call(call{method: "POST", path: "/v3/webhooks/mock-payload", body: `{"trigger_type":"grant.created"}`})
	tr.call(call{method: "POST", path: "/v3/webhooks/mock-payload", body: `{"trigger_type":"no.such"}`})
	tr.call(call{method: "POST", path: "/v3/webhooks/mock-payload", body: `{}`})
	tr.call(call{method: "POST", path: "/v3/webhooks/send-test-event", body: `{"webhook_url":"` + r.URL + `/hook"}`})
	tr.call(call{method: "POST", path: "/v3/webhooks/send-test-event", body: `{"webhook_url":"` + r.URL + `/hook","trigger_type":"no.such"}`})
	r.mu.Lock()
	r.wrong = true
	r.mu.Unlock()
	tr.call(call{method: "POST", path: "/v3/webhooks", body: body})
	tr.call(call{method: "POST", path: "/v3/webhooks", body: strings.Replace(body, "grant.created", "no.such", 1)})
	tr.call(call{method: "POST", path: "/v3/webhooks", body: `{"webhook_url":"https://192.0.2.1/hook","trigger_types":[]}`})
	tr.call(call{method: "POST", path: "/v3/webhooks", body: `{"trigger_types":["grant.created"]}`})
	tr.call(call{method: "PUT", path: path, body: `{"status":"asleep"}`})
	tr.call(call{method: "DELETE", path: path})
	tr.call(call{method: "GET", path: path})
	tr.call(call{method: "DELETE", path: path})
	tr.call(call{method: "POST", path: "/v3/webhooks/rotate-secret/nothing"})
	tr.matches(t, "webhooks.txt")
	for s := range secrets {
		if strings.Contains(w.log.String(), s) {
			t.Error("a webhook secret is in the log")
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.got) != 1 || len(r.got[0].Get("X-Nylas-Signature")) != 64 {
		t.Errorf("the test event: %v", r.got)
	}
}

func TestWebhooksOfAnotherApplicationAreNotThere(t *testing.T) {
	w, r := newWorld(t), newReceiver(t)
	theirs := w.keyFor(access.Key{Application: w.other.ID})
	made := w.do(call{method: "POST", path: "/v3/webhooks", key: theirs, body: `{"webhook_url":"` + r.URL + `","trigger_types":["grant.created"]}`})
	id := made.text1("data", "id")
	random := models.NewID[models.WebhookID](w.clock()).String()
	for _, c := range []call{{method: "GET", path: "/v3/webhooks/ID"}, {method: "PUT", path: "/v3/webhooks/ID", body: `{"description":"x"}`}, {method: "DELETE", path: "/v3/webhooks/ID"},
		{method: "POST", path: "/v3/webhooks/rotate-secret/ID"}, {method: "PUT", path: "/v3/webhooks/ID/rotate-secret"},
		{method: "POST", path: "/v3/webhooks/ID/replays", body: `{"which":"failed","since":1700000000}`}, {method: "GET", path: "/v3/webhooks/ID/replays"},
		{method: "POST", path: "/v3/webhooks/ID/verifications", body: `{"verdict":"refused","reason":"wrong_secret"}`}} {
		pattern := c.path
		c.path = strings.Replace(pattern, "ID", id, 1)
		foreign := w.do(c)
		foreign.refused(t, c.method+" "+pattern, 400, "70000")
		c.path = strings.Replace(pattern, "ID", random, 1)
		if absent := w.do(c); absent.text1("error", "message") != foreign.text1("error", "message") || absent.status != foreign.status {
			t.Errorf("%s %s: a foreign webhook is told from a random one", c.method, pattern)
		}
	}
	if a := w.do(call{method: "GET", path: "/v3/webhooks/" + id, key: theirs}); a.status != 200 || a.text1("data", "description") != "" {
		t.Errorf("after that: %d %s", a.status, a.text)
	}
	if a := w.get("/v3/webhooks"); len(a.at("data").([]any)) != 0 {
		t.Errorf("our list: %s", a.text)
	}
}

// TestStandardWebhooksOverTheAPI: a program asks for the second scheme and for an overlap, and anybody may read the public key that verifies.
func TestStandardWebhooksOverTheAPI(t *testing.T) {
	w, r := newWorld(t), newReceiver(t)
	made := w.do(call{method: "POST", path: "/v3/webhooks", body: `{"webhook_url":"` + r.URL + `/hook","trigger_types":["grant.created"],"standard_webhooks":true,"secret_overlap_seconds":3600}`})
	if made.status != 200 || made.at("data", "standard_webhooks") != true || made.at("data", "secret_overlap_seconds") != 3600.0 {
		t.Fatalf("%d %s", made.status, made.text)
	}
	path := "/v3/webhooks/" + made.text1("data", "id")
	key := w.do(call{method: "GET", path: path + "/public-key", key: "-"})
	if key.status != 200 || !strings.HasPrefix(key.text1("data", "public_key"), "whpk_") || key.text1("data", "algorithm") != "ed25519" {
		t.Errorf("%d %s", key.status, key.text)
	}
	for _, c := range []struct {
		body string
		want int
	}{{`{"overlap_seconds":60}`, 200}, {`{}`, 200}, {`{"overlap_seconds":604801}`, 400}, {`{"overlap_seconds":-1}`, 400}, {`{"overlap_seconds":"soon"}`, 400}} {
		if a := w.do(call{method: "POST", path: "/v3/webhooks/rotate-secret/" + made.text1("data", "id"), body: c.body}); a.status != c.want {
			t.Errorf("rotate with %s: %d %s", c.body, a.status, a.text)
		}
	}
	if a := w.do(call{method: "PUT", path: path, body: `{"standard_webhooks":false,"secret_overlap_seconds":0}`}); a.status != 200 || a.at("data", "standard_webhooks") != false {
		t.Errorf("%d %s", a.status, a.text)
	}
	for _, gone := range []string{path + "/public-key", "/v3/webhooks/nothing/public-key", "/v3/webhooks/01a22ac4-f31d-71f9-bfcb-8210a32a35b8/public-key"} {
		if a := w.do(call{method: "GET", path: gone, key: "-"}); a.status != 400 && a.status != 404 {
			t.Errorf("%s: %d %s", gone, a.status, a.text)
		}
	}
}
