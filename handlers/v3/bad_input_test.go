package v3_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	v3 "github.com/postern-mail/postern/handlers/v3"
)

func TestBadQueriesAreRefusedAndChangeNothing(t *testing.T) {
	w := newWorld(t)
	g := w.grant(w.app.ID, w.tenant.ID, "ada@example.com")
	for _, query := range []string{"limit=0", "limit=-1", "limit=201", "limit=99999999999999999999", "limit=ten", "limit=1&limit=2", "limit=1.5", "offset=-1", "offset=x",
		"offset=99999999999999999999", "since=yesterday", "since=-1", "before=99999999999999", "sort_by=email", "order_by=up", "grant_status=maybe", "workspace_id=x",
		"email=%zz", "email=%ff", "email=a%00b", "a;b=c", "grant_status=valid&grant_status=invalid", "provider=%C3%28"} {
		w.get("/v3/grants?"+query).refused(t, "grants?"+query, 400, "api.invalid_request_error")
	}
	for _, query := range []string{"limit=1&limit=1", "limit=", "grant_status=VALID", "order_by=DESC", "sort_by=updatedAt", "unknown=1&unknown=2", "email="} {
		if a := w.get("/v3/grants?" + query); a.status != 200 {
			t.Errorf("grants?%s: %d %s", query, a.status, a.text)
		}
	}
	messages := "/v3/grants/" + g.ID.String() + "/messages"
	for _, query := range []string{"limit=0", "limit=201", "unread=perhaps", "starred=2", "has_attachment=yes", "received_after=soon", "fields=everything", "fields=include_tracking_options",
		"metadata_pair=key1:a", "shared_from=x%40example.com", "subject=a&subject=b", "query_imap=perhaps"} {
		w.get(messages+"?"+query).refused(t, "messages?"+query, 400, "api.invalid_request_error")
	}
	w.get(messages+"/x?fields=nothing").refused(t, "message?fields=nothing", 400, "api.invalid_request_error")
}

func TestBadBodiesAreRefusedAndChangeNothing(t *testing.T) {
	w := newWorld(t)
	g := w.grant(w.app.ID, w.tenant.ID, "ada@example.com")
	before := w.get("/v3/applications").text1("data", "branding", "name")
	payload := "api.invalid_request_payload"
	for what, c := range map[string]call{
		"nothing":              {body: ""},
		"white space":          {body: "  \n"},
		"no JSON":              {body: "name=x"},
		"half a JSON":          {body: `{"name":"x"`},
		"a list":               {body: `[{"name":"x"}]`},
		"a text":               {body: `"x"`},
		"null":                 {body: `null`},
		"two objects":          {body: `{"name":"x"}{"name":"y"}`},
		"a comma too many":     {body: `{"name":"x",}`},
		"deep nesting":         {body: strings.Repeat(`{"a":`, 20000)},
		"another content type": {body: `{"name":"x"}`, header: map[string]string{"Content-Type": "text/plain"}},
		"a form":               {body: `name=x`, header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}},
		"a broken type":        {body: `{"name":"x"}`, header: map[string]string{"Content-Type": "application/json; ="}},
	} {
		for _, path := range []string{"PATCH /v3/applications", "POST /v3/applications/redirect-uris", "POST /v3/connectors", "PUT /v3/connectors/imap", "PATCH /v3/grants/" + g.ID.String(),
			"POST /v3/webhooks", "POST /v3/webhooks/mock-payload", "POST /v3/webhooks/send-test-event"} {
			c.method, c.path, _ = strings.Cut(path, " ")
			w.do(c).refused(t, what+" to "+path, 400, payload)
		}
	}
	field := "api.invalid_request_error"
	for _, c := range []struct{ path, body string }{
		{"PATCH /v3/applications", `{"name":1}`},
		{"PATCH /v3/applications", `{"name":"\u0000"}`},
		{"PATCH /v3/applications", `{"branding":"x"}`},
		{"PATCH /v3/applications", `{"branding":{"name":7}}`},
		{"PATCH /v3/applications", `{"hosted_authentication":{"spacing":"wide"}}`},
		{"PATCH /v3/applications", `{"hosted_authentication":{"spacing":99999}}`},
		{"POST /v3/applications/redirect-uris", `{"url":["https://a.example/"]}`},
		{"POST /v3/applications/redirect-uris", `{"url":"https://a.example/","platform":"toaster"}`},
		{"POST /v3/applications/redirect-uris", `{"url":"https://a.example/","settings":[]}`},
		{"POST /v3/connectors", `{"provider":"google","settings":{"client_id":"x","client_secret":"y"},"scope":"openid"}`},
		{"POST /v3/connectors", `{"provider":"google","settings":{"client_id":"x","client_secret":"y"},"scope":[1]}`},
		{"POST /v3/connectors", `{"provider":"../../etc"}`},
		{"PATCH /v3/grants/" + g.ID.String(), `{"settings":"x"}`},
		{"PATCH /v3/grants/" + g.ID.String(), `{"scope":"x"}`},
		{"PATCH /v3/grants/" + g.ID.String(), `{"settings":{"imap_host":"mail.attacker.example"}}`},
		{"POST /v3/webhooks", `{"webhook_url":1,"trigger_types":["grant.created"]}`},
		{"POST /v3/webhooks", `{"webhook_url":"https://a.example/","trigger_types":"grant.created"}`},
		{"POST /v3/webhooks", `{"webhook_url":"https://a.example/","trigger_types":["grant.created"],"compressed_delivery":"maybe"}`},
		{"POST /v3/webhooks", `{"webhook_url":"ftp://a.example/","trigger_types":["grant.created"]}`},
	} {
		method, path, _ := strings.Cut(c.path, " ")
		w.do(call{method: method, path: path, body: c.body}).refused(t, c.body+" to "+c.path, 400, field)
	}
	if after := w.get("/v3/applications").text1("data", "branding", "name"); after != before {
		t.Errorf("the application is called %q now", after)
	}
	if a := w.get("/v3/applications/callback-uris"); len(a.at("data").([]any)) != 1 {
		t.Errorf("callback URIs: %s", a.text)
	}
	if a := w.get("/v3/connectors"); len(a.at("data").([]any)) != 1 {
		t.Errorf("connectors: %s", a.text)
	}
}

func TestOversizedBodies(t *testing.T) {
	w := newWorld(t)
	big := `{"name":"` + strings.Repeat("x", 3<<20) + `"}`
	w.do(call{method: "PATCH", path: "/v3/applications", body: big}).refused(t, "3 MB and a bit", 413, "api.invalid_request_error")
	w.do(call{method: "POST", path: "/v3/connect/token", key: "-", body: `{"code":"` + strings.Repeat("x", 65<<10) + `"}`}).refusedOAuth(t, "a token request of 65 KiB", 413, "invalid_request")

	// Without a Content-Length the bytes are counted as they come.
	r, err := http.NewRequestWithContext(ctx, "PATCH", w.server.URL+"/v3/applications", struct{ io.Reader }{strings.NewReader(big)})
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.key)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != 413 {
		t.Errorf("chunked: %d", resp.StatusCode)
	}
}

func TestUnknownAddressesAndMethods(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/v3/nothing", "/v3/grants/x/y/z", "/v3/grants/x/nothing", "/v3/admin/applications/x", "/v3/channels/pubsub", "/v3/connect/custom/x", "/v3/%zz%00", "/v3//grants"} {
		if strings.Contains(path, "%zz") {
			continue // net/http itself answers 400
		}
		w.get(path).refused(t, path, 404, "api.not_found_error")
		w.do(call{method: "GET", path: path, key: "-"}).refused(t, path+" without a key", 404, "api.not_found_error")
	}
	for _, path := range []string{"PUT /v3/grants", "POST /v3/grants/x", "DELETE /v3/webhooks", "GET /v3/providers/detect", "PATCH /v3/webhooks/x", "DELETE /v3/connectors", "POST /v3/connect/auth"} {
		method, path, _ := strings.Cut(path, " ")
		a := w.do(call{method: method, path: path})
		a.refused(t, method+" "+path, 405, "api.invalid_request_error")
		if a.header.Get("Allow") == "" {
			t.Errorf("%s %s: no Allow", method, path)
		}
	}
	w.do(call{method: "GET", path: "/v3/connect/token", key: "-"}).refusedOAuth(t, "GET of the token endpoint", 405, "invalid_request")
	for _, method := range []string{"GET", "HEAD"} {
		if a := w.do(call{method: method, path: "/v3/grants"}); a.status != 200 {
			t.Errorf("%s: %d", method, a.status)
		}
	}
}

func TestLimits(t *testing.T) {
	w := newWorld(t, withLimits(v3.Limits{Application: 2, Grant: 2, Detect: 20, Address: 2}))
	g := w.grant(w.app.ID, w.tenant.ID, "ada@example.com")
	limited := func(what string, c call, allowed int) {
		t.Helper()
		for i := range allowed + 3 {
			a := w.do(c)
			if a.status != 429 {
				continue
			}
			if i < allowed {
				t.Errorf("%s: refused at request %d", what, i+1)
			}
			var after int
			if _, err := fmt.Sscan(a.header.Get("Retry-After"), &after); err != nil || after < 1 {
				t.Errorf("%s: Retry-After %q", what, a.header.Get("Retry-After"))
			}
			if strings.Contains(c.path, "/connect/token") {
				a.refusedOAuth(t, what, 429, "temporarily_unavailable")
			} else {
				a.refused(t, what, 429, "api.rate_limit_error")
			}
			return
		}
		t.Errorf("%s: never refused", what)
	}
	limited("an application", call{method: "GET", path: "/v3/connectors"}, 10)
	w.pass(time.Minute)
	limited("a grant", call{method: "GET", path: "/v3/grants/me", key: w.token(g, time.Hour)}, 10)
	w.pass(time.Minute)
	limited("guessing keys", call{method: "GET", path: "/v3/grants", key: "postern_eu_" + strings.Repeat("a", 43)}, 10)
	if a := w.get("/v3/grants"); a.status != 200 {
		t.Errorf("a good key from the address of one who guesses: %d %s", a.status, a.text)
	}
	w.pass(time.Minute)
	limited("the token endpoint", call{method: "POST", path: "/v3/connect/token", key: "-", body: `{}`}, 10)
	w = newWorld(t, withLimits(v3.Limits{Application: -1, Address: -1}))
	limited("detect", call{method: "POST", path: "/v3/providers/detect?email=a%40example.com"}, 20)
	w.pass(3 * time.Second)
	if a := w.do(call{method: "POST", path: "/v3/providers/detect?email=a%40example.com"}); a.status != 200 {
		t.Errorf("detect, three seconds later: %d %s", a.status, a.text)
	}
}
