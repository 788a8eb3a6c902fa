package v3_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/access"
	"github.com/postern-mail/postern/engine/applications"
	"github.com/postern-mail/postern/engine/provider/providertest"
	"github.com/postern-mail/postern/models"
)

// challenge is S256 as the clients of this API compute it: base64 of the digest's hexadecimal text, without padding.
func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawStdEncoding.EncodeToString([]byte(hex.EncodeToString(sum[:])))
}

func TestChallengeIsTheContractsVector(t *testing.T) {
	if got := challenge("nylas"); got != "ZTk2YmY2Njg2YTNjMzUxMGU5ZTkyN2RiNzA2OWNiMWNiYTliOTliMDIyZjQ5NDgzYTZjZTMyNzA4MDllNjhhMg" {
		t.Fatal(got)
	}
}

func authURL(values ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(values); i += 2 {
		q.Set(values[i], values[i+1])
	}
	return "/v3/connect/auth?" + q.Encode()
}

func TestConnectAuthNeverRedirectsToAnUnregisteredAddress(t *testing.T) {
	w := newWorld(t)
	id := w.app.ID.String()
	for what, path := range map[string]string{
		"another host":         authURL("client_id", id, "redirect_uri", "https://evil.example/callback", "response_type", "code"),
		"a slash more":         authURL("client_id", id, "redirect_uri", callback+"/", "response_type", "code"),
		"a query more":         authURL("client_id", id, "redirect_uri", callback+"?x=1", "response_type", "code"),
		"another case":         authURL("client_id", id, "redirect_uri", strings.ToUpper(callback), "response_type", "code"),
		"another port":         authURL("client_id", id, "redirect_uri", "http://localhost:9008/callback", "response_type", "code"),
		"an address in it":     authURL("client_id", id, "redirect_uri", "http://localhost:9007@evil.example/callback", "response_type", "code"),
		"a wrong request, too": authURL("client_id", id, "redirect_uri", "https://evil.example/", "response_type", "nonsense", "state", "s"),
		"none":                 authURL("client_id", id, "response_type", "code"),
		"a random application": authURL("client_id", "01234567-89ab-7cde-8f01-23456789abcd", "redirect_uri", callback, "response_type", "code"),
		"no application":       authURL("client_id", "x", "redirect_uri", callback, "response_type", "code"),
		"two of them":          authURL("client_id", id, "redirect_uri", callback, "response_type", "code") + "&redirect_uri=https%3A%2F%2Fevil.example%2F",
		"a broken query":       authURL("client_id", id, "redirect_uri", callback) + "&state=%zz",
		"invalid UTF-8":        authURL("client_id", id, "redirect_uri", callback, "response_type", "code", "state", "\xff"),
	} {
		a := w.do(call{method: "GET", path: path, key: "-"})
		if a.status != 400 || a.header.Get("Location") != "" || a.text1("error", "message") == "" {
			t.Errorf("%s: %d to %q, %s", what, a.status, a.header.Get("Location"), a.text)
		}
	}
	a := w.do(call{method: "GET", path: authURL("client_id", id, "redirect_uri", "https://evil.example/", "response_type", "code"), key: "-", header: map[string]string{"Accept": "text/html"}})
	if a.status != 400 || a.header.Get("Location") != "" || !strings.Contains(a.text, "<html") {
		t.Errorf("a person: %d %q", a.status, a.text)
	}
	for what, c := range map[string]struct{ path, word string }{
		"a wrong response type": {authURL("client_id", id, "redirect_uri", callback, "response_type", "token", "state", "the state"), "unsupported_response_type"},
		"an unknown provider":   {authURL("client_id", id, "redirect_uri", callback, "response_type", "code", "provider", "gopher", "state", "the state"), "invalid_request"},
		"an unknown workspace":  {authURL("client_id", id, "redirect_uri", callback, "response_type", "code", "workspace_id", id, "state", "the state"), "invalid_request"},
	} {
		a := w.do(call{method: "GET", path: c.path, key: "-"})
		to, err := url.Parse(a.header.Get("Location"))
		if err != nil || a.status != 302 || !strings.HasPrefix(to.String(), callback+"?") || to.Query().Get("error") != c.word || to.Query().Get("state") != "the state" ||
			to.Query().Get("error_description") == "" || to.Query().Get("code") != "" {
			t.Errorf("%s: %d to %s", what, a.status, a.header.Get("Location"))
		}
	}
	a = w.do(call{method: "GET", path: authURL("client_id", id, "redirect_uri", callback, "response_type", "code"), key: "-"})
	if a.status != 302 || !strings.HasPrefix(a.header.Get("Location"), "http://127.0.0.1:8400/connect/flow/") {
		t.Errorf("a good one: %d to %s", a.status, a.header.Get("Location"))
	}
}

// TestTheWholeConversation is the main job over the wire: consent, exchange, reading, refreshing, revoking and deleting, against a real
// mail server. The golden transcript is what a program sees.
func TestTheWholeConversation(t *testing.T) {
	w := newWorld(t, withMail)
	mailbox := w.dovecot.Account(t)
	for i, subject := range []string{"First", "Second", "Third <&> ünïcode"} {
		w.dovecot.Deliver(t, mailbox, "INBOX", providertest.Mail{Received: time.Date(2026, 11, 20+i, 12, 0, 0, 0, time.UTC), Unread: i == 2, Starred: i == 1, Raw: fmt.Sprintf(
			"Message-ID: <m%d@example.com>\r\nDate: Fri, 20 Nov 2026 12:00:00 +0000\r\nFrom: Grace <grace@example.com>\r\nTo: %s\r\nSubject: %s\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHello %d.\r\n",
			i, mailbox.Address, subject, i)})
	}
	tr := w.transcript()
	begin := func(state string) url.Values {
		a := w.do(call{method: "GET", key: "-", path: authURL("client_id", w.app.ID.String(), "redirect_uri", callback, "response_type", "code", "provider", "imap", "state", state,
			"access_type", "offline", "code_challenge", challenge("nylas"), "code_challenge_method", "s256")})
		back, err := url.Parse(w.consent(a.header.Get("Location"), mailbox))
		if err != nil || !strings.HasPrefix(back.String(), callback+"?") || back.Query().Get("state") != state {
			t.Fatalf("back to %s, %v", back, err)
		}
		return back.Query()
	}
	exchange := func(code string, more string) string {
		return fmt.Sprintf(`{"grant_type":"authorization_code","client_id":%q,"redirect_uri":%q,"code":%q,"code_verifier":"nylas"%s}`, w.app.ID, callback, code, more)
	}
	code := begin("st").Get("code")
	if list := w.get("/v3/grants"); len(list.at("data").([]any)) != 0 {
		t.Errorf("a grant is shown before its code is redeemed: %s", list.text)
	}
	issued := w.do(call{method: "POST", path: "/v3/connect/token", key: "-", body: exchange(code, fmt.Sprintf(`,"client_secret":%q`, w.key))})
	for _, field := range []string{"access_token", "refresh_token", "id_token", "grant_id", "email", "provider", "token_type"} {
		if issued.text1(field) == "" {
			t.Errorf("the exchange gives no %s: %d %s", field, issued.status, issued.text)
		}
	}
	if issued.at("expires_in") != 3600.0 || issued.text1("token_type") != "Bearer" || issued.header.Get("Cache-Control") != "no-store" {
		t.Errorf("the exchange: %s, %s", issued.text, issued.header.Get("Cache-Control"))
	}
	token, grant := issued.text1("access_token"), issued.text1("grant_id")
	tr.call(call{method: "GET", path: "/v3/grants/me?select=id,provider,email,grant_status,workspace_id", key: token})
	tr.call(call{method: "GET", path: "/v3/connect/tokeninfo?access_token=" + token, key: "-"})
	tr.call(call{method: "GET", path: "/v3/connect/tokeninfo?id_token=" + issued.text1("id_token"), key: "-"})
	tr.call(call{method: "GET", path: "/v3/grants/" + grant + "/messages?limit=2&select=subject,unread,starred,from"})
	first := w.get("/v3/grants/" + grant + "/messages?limit=2")
	next := w.get("/v3/grants/" + grant + "/messages?limit=2&page_token=" + url.QueryEscape(first.text1("next_cursor")))
	if first.text1("data", "0", "subject") != "Third <&> ünïcode" || next.text1("data", "0", "subject") != "First" || next.at("next_cursor") != nil {
		t.Errorf("pages: %s\n%s", first.text, next.text)
	}
	w.get("/v3/grants/"+grant+"/messages?limit=1&page_token=broken").refused(t, "a broken cursor", 400, "api.invalid_request_error")
	w.get("/v3/grants/"+grant+"/messages?limit=1&subject=x&page_token="+url.QueryEscape(first.text1("next_cursor"))).refused(t, "a cursor of other filters", 400, "api.invalid_request_error")
	id := url.PathEscape(first.text1("data", "0", "id"))
	tr.call(call{method: "GET", path: "/v3/grants/me/messages/" + id, key: token})
	tr.call(call{method: "GET", path: "/v3/grants/me/messages/" + id + "?fields=include_headers&select=headers", key: token})
	raw := w.do(call{method: "GET", path: "/v3/grants/me/messages/" + id + "?fields=raw_mime", key: token})
	if mime, err := base64.URLEncoding.DecodeString(raw.text1("data", "raw_mime")); err != nil || !bytes.Contains(mime, []byte("Message-ID: <m2@example.com>")) || len(raw.at("data").(map[string]any)) != 4 {
		t.Errorf("raw_mime: %s, %v", raw.text, err)
	}
	unread := w.get("/v3/grants/" + url.PathEscape(mailbox.Address) + "/messages?unread=True&any_email=nobody%40example.com,grace%40example.com")
	if list, _ := unread.at("data").([]any); len(list) != 1 {
		t.Errorf("by address, unread, any_email: %d %s", unread.status, unread.text)
	}
	tr.call(call{method: "GET", path: "/v3/grants/" + grant + "/messages/%3Cm%2F1%23%3E"})
	tr.call(call{method: "GET", path: "/v3/grants/" + grant + "/messages?in=INBOX%2FNo"})

	// A code is good once, and its second use ends what was issued for it.
	again := w.do(call{method: "POST", path: "/v3/connect/token", body: exchange(code, "")})
	again.refusedOAuth(t, "a code used twice", 400, "invalid_grant")
	w.do(call{method: "GET", path: "/v3/grants/me", key: token}).refused(t, "the token of a code used twice", 401, "api.authentication_error")
	second := w.do(call{method: "POST", path: "/v3/connect/token", body: exchange(begin("st2").Get("code"), "")})
	if second.text1("grant_id") != grant {
		t.Errorf("consent again makes another grant: %s, %s", second.text, grant)
	}
	token = second.text1("access_token")
	refresh := second.text1("refresh_token")
	renew := fmt.Sprintf(`{"grant_type":"refresh_token","client_id":%q,"client_secret":%q,"refresh_token":%q,"redirect_uri":%q}`, w.app.ID, w.key, refresh, callback)
	renewed := w.do(call{method: "POST", path: "/v3/connect/token", key: "-", body: renew})
	if renewed.status != 200 || renewed.text1("access_token") == token || renewed.text1("access_token") == "" || renewed.text1("grant_id") != grant || renewed.at("provider") != nil {
		t.Errorf("refresh: %d %s", renewed.status, renewed.text)
	}
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {w.app.ID.String()}, "client_secret": {w.key}, "refresh_token": {refresh}}.Encode()
	if a := w.do(call{method: "POST", path: "/v3/connect/token", key: "-", body: form, header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}); a.status != 200 {
		t.Errorf("refresh by form: %d %s", a.status, a.text)
	}
	w.do(call{method: "POST", path: "/v3/connect/token", key: "-", body: form + "&refresh_token=x", header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}).
		refusedOAuth(t, "a form field twice", 400, "invalid_request")

	tr.call(call{method: "POST", path: "/v3/connect/revoke?token=" + renewed.text1("access_token")})
	for what, dead := range map[string]string{"the revoked token": renewed.text1("access_token"), "its sibling": token} {
		w.do(call{method: "GET", path: "/v3/grants/me", key: dead}).refused(t, what, 401, "api.authentication_error")
	}
	w.do(call{method: "POST", path: "/v3/connect/token", key: "-", body: renew}).refusedOAuth(t, "the parent refresh token", 400, "invalid_grant")
	tr.call(call{method: "POST", path: "/v3/connect/revoke?token=" + token})
	tr.call(call{method: "GET", path: "/v3/connect/tokeninfo?access_token=" + token, key: "-"})
	tr.call(call{method: "GET", path: "/v3/grants/" + grant + "?select=id,grant_status"})

	if a := w.do(call{method: "DELETE", path: "/v3/grants/" + grant}); a.status != 200 {
		t.Fatalf("delete: %d %s", a.status, a.text)
	}
	tr.call(call{method: "GET", path: "/v3/grants/" + grant + "/messages"})
	third := w.do(call{method: "POST", path: "/v3/connect/token", body: exchange(begin("st3").Get("code"), "")})
	if third.text1("grant_id") == "" || third.text1("grant_id") == grant {
		t.Errorf("consent after deletion: %s", third.text)
	}
	tr.matches(t, "conversation.txt")
	for _, value := range []string{w.key, token, refresh, code, renewed.text1("access_token"), "Hello 2", "Third"} {
		if strings.Contains(w.log.String(), value) {
			t.Errorf("the log holds a secret or a mail: %s", value[:4])
		}
	}
}

func TestTokenEndpointKnowsItsClients(t *testing.T) {
	w := newWorld(t, withMail)
	if _, err := w.Applications.AddCallbackURI(ctx, staff, w.app.ID, applications.Callback{URL: "https://spa.example.com/cb", Platform: "js"}); err != nil {
		t.Fatal(err)
	}
	mailbox := w.dovecot.Account(t)
	code := func(redirect, verifier string) string {
		pairs := []string{"client_id", w.app.ID.String(), "redirect_uri", redirect, "response_type", "code", "provider", "imap"}
		if verifier != "" {
			pairs = append(pairs, "code_challenge", challenge(verifier), "code_challenge_method", "S256")
		}
		a := w.do(call{method: "GET", key: "-", path: authURL(pairs...)})
		back, err := url.Parse(w.consent(a.header.Get("Location"), mailbox))
		if err != nil {
			t.Fatal(err)
		}
		return back.Query().Get("code")
	}
	body := func(redirect, code, verifier, key string) string {
		return fmt.Sprintf(`{"grant_type":"authorization_code","client_id":%q,"redirect_uri":%q,"code":%q,"code_verifier":%q,"client_secret":%q}`, w.app.ID, redirect, code, verifier, key)
	}
	const spa = "https://spa.example.com/cb"
	weak := w.keyFor(access.Key{Application: w.app.ID, Permissions: []models.Permission{models.ReadGrants}})
	theirs := w.keyFor(access.Key{Application: w.other.ID})
	wrong := "postern_eu_" + strings.Repeat("a", 43)
	for what, c := range map[string]struct {
		bearer, body, word string
	}{
		"bearer and body":                      {w.key, body(callback, code(callback, "v"), "v", w.key), ""},
		"bearer alone":                         {w.key, body(callback, code(callback, ""), "", ""), ""},
		"body alone":                           {"-", body(callback, code(callback, "v"), "v", w.key), ""},
		"PKCE alone, of a browser":             {"-", body(spa, code(spa, "v"), "v", ""), ""},
		"PKCE alone, of a web server":          {"-", body(callback, code(callback, "v"), "v", ""), "invalid_client"},
		"a wrong bearer":                       {wrong, body(callback, "x", "", ""), "invalid_client"},
		"a wrong bearer beside a right secret": {wrong, body(callback, "x", "", w.key), "invalid_client"},
		"a wrong secret beside a right bearer": {w.key, body(callback, "x", "", wrong), "invalid_client"},
		"another application's key":            {theirs, body(callback, code(callback, "v"), "v", ""), "invalid_client"},
		"a key that may not":                   {weak, body(callback, "x", "", ""), "unauthorized_client"},
		"Basic":                                {"-", body(callback, "x", "", ""), "invalid_client"},
		"a wrong verifier":                     {w.key, body(callback, code(callback, "v"), "w", ""), "invalid_grant"},
		"no verifier":                          {w.key, body(callback, code(callback, "v"), "", ""), "invalid_grant"},
		"another redirect_uri":                 {w.key, body(spa, code(callback, "v"), "v", ""), "invalid_grant"},
		"an unknown code":                      {w.key, body(callback, "nothing", "v", ""), "invalid_grant"},
		"another grant type":                   {w.key, `{"grant_type":"password","client_id":"` + w.app.ID.String() + `"}`, "unsupported_grant_type"},
		"no grant type":                        {w.key, `{"client_id":"` + w.app.ID.String() + `"}`, "unsupported_grant_type"},
		"no client":                            {"-", `{"grant_type":"authorization_code","code":"x"}`, "invalid_client"},
		"no JSON":                              {w.key, `grant_type=x`, "invalid_request"},
		"a number for a text":                  {w.key, `{"grant_type":1}`, "invalid_request"},
	} {
		request := call{method: "POST", path: "/v3/connect/token", key: c.bearer, body: c.body}
		if what == "Basic" {
			request.header = map[string]string{"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(w.app.ID.String()+":"+w.key))}
		}
		a := w.do(request)
		if c.word == "" {
			if a.status != 200 || a.text1("access_token") == "" {
				t.Errorf("%s: %d %s", what, a.status, a.text)
			}
			continue
		}
		a.refusedOAuth(t, what, 400, c.word)
	}
	w.do(call{method: "POST", path: "/v3/connect/revoke?token=x", key: "-"}).refusedOAuth(t, "revoke without a key", 401, "invalid_client")
	w.do(call{method: "POST", path: "/v3/connect/revoke?token=x"}).refusedOAuth(t, "revoke of nothing", 400, "invalid_token")
	w.do(call{method: "POST", path: "/v3/connect/revoke"}).refusedOAuth(t, "revoke without a token", 400, "invalid_request")
	w.do(call{method: "GET", path: "/v3/connect/tokeninfo", key: "-"}).refusedOAuth(t, "tokeninfo of nothing", 400, "invalid_request")
	w.do(call{method: "GET", path: "/v3/connect/tokeninfo?access_token=a&id_token=b", key: "-"}).refusedOAuth(t, "tokeninfo of two", 400, "invalid_request")
	w.do(call{method: "GET", path: "/v3/connect/tokeninfo?id_token=" + forged, key: "-"}).refusedOAuth(t, "tokeninfo of a forged id token", 400, "invalid_token")
}

// forged is an id token with alg none.
const forged = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJpc3MiOiJodHRwOi8vMTI3LjAuMC4xOjg0MDAiLCJhdWQiOiJ4Iiwic3ViIjoieCIsImlhdCI6MSwiZXhwIjo5OTk5OTk5OTk5fQ."

func TestBrowserOrigins(t *testing.T) {
	w := newWorld(t)
	if _, err := w.Applications.AddCallbackURI(ctx, staff, w.app.ID, applications.Callback{URL: "https://spa.example.com/cb", Platform: "js"}); err != nil {
		t.Fatal(err)
	}
	ask := map[string]string{"Origin": "https://spa.example.com", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-nylas-connect"}
	for _, path := range []string{"/v3/connect/token", "/v3/connect/tokeninfo", "/v3/connect/auth"} {
		a := w.do(call{method: "OPTIONS", path: path, key: "-", header: ask})
		if a.status != 200 || a.header.Get("Access-Control-Allow-Origin") != "https://spa.example.com" || !strings.Contains(a.header.Get("Access-Control-Allow-Headers"), "x-nylas-connect") ||
			!strings.Contains(a.header.Get("Access-Control-Allow-Methods"), "POST") || a.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("preflight of %s: %d %v", path, a.status, a.header)
		}
	}
	for _, origin := range []string{"https://evil.example", "http://spa.example.com", "https://spa.example.com.evil.example", "null", "http://localhost:9007"} {
		a := w.do(call{method: "OPTIONS", path: "/v3/connect/token", key: "-", header: map[string]string{"Origin": origin, "Access-Control-Request-Method": "POST"}})
		if a.status != 403 || a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("preflight from %s: %d %q", origin, a.status, a.header.Get("Access-Control-Allow-Origin"))
		}
	}
	a := w.do(call{method: "POST", path: "/v3/connect/token", key: "-", body: `{"grant_type":"authorization_code"}`, header: map[string]string{"Origin": "https://spa.example.com"}})
	if a.status != 400 || a.header.Get("Access-Control-Allow-Origin") != "https://spa.example.com" {
		t.Errorf("an error must be readable too: %d %q", a.status, a.header.Get("Access-Control-Allow-Origin"))
	}
	if a := w.do(call{method: "GET", path: "/v3/grants", header: map[string]string{"Origin": "https://spa.example.com"}}); a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("the administration is open to browsers")
	}
}

func TestRepliesAreCompressedWhenAsked(t *testing.T) {
	w := newWorld(t)
	w.grant(w.app.ID, w.tenant.ID, "ada@example.com")
	for accept, want := range map[string]string{"gzip": "gzip", "br, gzip;q=0.5": "gzip", "identity": "", "gzip;q=0": ""} {
		r, err := http.NewRequestWithContext(ctx, "GET", w.server.URL+"/v3/grants", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+w.key)
		r.Header.Set("Accept-Encoding", accept)
		resp, err := (&http.Transport{DisableCompression: true}).RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		body := io.Reader(resp.Body)
		if resp.Header.Get("Content-Encoding") != want {
			t.Errorf("%s: encoded as %q", accept, resp.Header.Get("Content-Encoding"))
		}
		if want == "gzip" {
			if body, err = gzip.NewReader(resp.Body); err != nil {
				t.Fatal(err)
			}
		}
		text, err := io.ReadAll(body)
		_ = resp.Body.Close()
		if err != nil || !strings.Contains(string(text), "ada@example.com") {
			t.Errorf("%s: %s, %v", accept, text, err)
		}
	}
}
