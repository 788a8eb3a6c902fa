package v3_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/access"
	v3 "github.com/postern-mail/postern/handlers/v3"
	"github.com/postern-mail/postern/models"
)

// A provider that wants fewer requests is passed on: 429 in the API's shape, with the provider's own Retry-After, and with one of ours where it names none. What each
// connector takes for throttling is in its own tests.
func TestThrottlingOfTheProviderIsPassedOn(t *testing.T) {
	w := newWorld(t, withNylas)
	app := w.nylas.App("https://app.example/callback")
	theirs := w.nylas.Grant(app, w.nylas.Account("google", "ada@nylas.test", "Ada"))
	w.do(call{method: "POST", path: "/v3/connectors", body: `{"provider":"nylas","settings":{"client_id":"` + app.ClientID + `","client_secret":"` + app.ClientSecret.Reveal() + `","region":"eu"}}`})
	made := w.do(call{method: "POST", path: "/v3/connect/custom", body: `{"provider":"nylas","settings":{"grant_id":"` + theirs.ID + `"}}`})
	for named, want := range map[string]string{"7": "7", "": "5", "soon": "5", time.Now().Add(20 * time.Second).UTC().Format(http.TimeFormat): ""} {
		w.nylas.Fail(func(*http.Request) (int, string, map[string]string) {
			header := map[string]string{"Retry-After": named}
			if named == "" {
				header = nil
			}
			return 429, `{"error":{"type":"api.rate_limit_error","message":"private words"}}`, header
		})
		for _, c := range []call{{method: "GET", path: "/messages"}, {method: "GET", path: "/messages/m1"}, {method: "GET", path: "/folders"}, {method: "GET", path: "/threads"}, {method: "GET", path: "/drafts"},
			{method: "PUT", path: "/messages/m1", body: `{"unread":true}`}, {method: "POST", path: "/messages/send", body: `{"to":[{"email":"grace@example.com"}]}`}} {
			c.path = "/v3/grants/" + made.text1("data", "id") + c.path
			a := w.do(c)
			a.refused(t, c.method+" "+c.path, 429, "api.rate_limit_error")
			if after := a.header.Get("Retry-After"); want != "" && after != want || after == "" || strings.Contains(a.text, "private") {
				t.Errorf("%s %s, Retry-After %q: we answer %q, %s", c.method, c.path, named, after, a.text)
			}
		}
	}
}

// One key cannot crowd out the others of its application, whatever it asks for; nor can one token.
func TestLimitOfAKey(t *testing.T) {
	w := newWorld(t, withLimits(v3.Limits{Application: -1, Grant: -1, Key: 2, Detect: -1, Address: -1}))
	g := w.grant(w.app.ID, w.tenant.ID, "ada@example.com")
	s := w.service(access.ServiceAccount{Application: w.app.ID})
	for what, ask := range map[string]func() answer{
		"a key": func() answer { return w.get("/v3/grants/" + g.ID.String()) },
		"a token": func(token string) func() answer {
			return func() answer { return w.do(call{method: "GET", path: "/v3/grants/me", key: token}) }
		}(w.token(g, time.Hour)),
		"a service account": func() answer {
			return w.do(s.sign(t, call{method: "GET", path: "/v3/admin/applications/" + w.app.ID.String() + "/api-keys"}, w.clock()))
		},
	} {
		allowed := 0
		for ; allowed < 20; allowed++ {
			a := ask()
			if a.status == 429 {
				a.refused(t, what, 429, "api.rate_limit_error")
				var after int
				if _, err := fmt.Sscan(a.header.Get("Retry-After"), &after); err != nil || after < 1 {
					t.Errorf("%s: Retry-After %q", what, a.header.Get("Retry-After"))
				}
				break
			}
			if a.status != 200 {
				t.Fatalf("%s: %d %s", what, a.status, a.text)
			}
		}
		if allowed < 10 || allowed == 20 {
			t.Errorf("%s: %d requests", what, allowed)
		}
	}
	if a := w.do(call{method: "GET", path: "/v3/grants", key: w.keyFor(access.Key{Application: w.app.ID})}); a.status != 200 {
		t.Errorf("another key: %d %s", a.status, a.text)
	}
}

// A token is no wider than the key that it was issued to, nor does refreshing it with a wider key make it so.
func TestTokensAreNoWiderThanTheirKey(t *testing.T) {
	w := newWorld(t, withMail)
	m := w.connected()
	exchange := func(key string) answer {
		t.Helper()
		a := w.do(call{method: "GET", key: "-", path: authURL("client_id", w.app.ID.String(), "redirect_uri", callback, "response_type", "code", "provider", "imap", "access_type", "offline")})
		back, err := url.Parse(w.consent(a.header.Get("Location"), m.Account))
		if err != nil {
			t.Fatal(err)
		}
		issued := w.do(call{method: "POST", path: "/v3/connect/token", key: key, body: fmt.Sprintf(`{"grant_type":"authorization_code","client_id":%q,"redirect_uri":%q,"code":%q}`, w.app.ID, callback, back.Query().Get("code"))})
		if issued.status != 200 {
			t.Fatalf("%d %s", issued.status, issued.text)
		}
		return issued
	}
	refresh := func(token, key string) string {
		t.Helper()
		a := w.do(call{method: "POST", path: "/v3/connect/token", key: key, body: fmt.Sprintf(`{"grant_type":"refresh_token","client_id":%q,"refresh_token":%q}`, w.app.ID, token)})
		if a.status != 200 {
			t.Fatalf("%d %s", a.status, a.text)
		}
		return a.text1("access_token")
	}
	may := func(what, token string, reads, sends bool) {
		t.Helper()
		for path, allowed := range map[string]bool{"/messages?limit=1": reads, "/messages/schedules": sends} {
			a := w.do(call{method: "GET", path: "/v3/grants/me" + path, key: token})
			if allowed && a.status != 200 {
				t.Errorf("%s: %s: %d %s", what, path, a.status, a.text)
			}
			if !allowed {
				a.refused(t, what+": "+path, 403, "insufficient_scopes")
			}
		}
	}
	reader := w.keyFor(access.Key{Application: w.app.ID, Permissions: []models.Permission{models.ReadMessages, models.ExchangeTokens}})
	sender := w.keyFor(access.Key{Application: w.app.ID, Permissions: []models.Permission{models.SendMessages, models.ExchangeTokens}})
	wide := exchange("")
	may("a token of a key that may do everything", wide.text1("access_token"), true, true)
	narrow := exchange(reader)
	may("a token of a key that may read", narrow.text1("access_token"), true, false)
	may("refreshed by a wider key", refresh(narrow.text1("refresh_token"), ""), true, false)
	may("a wide one, refreshed by a key that may send", refresh(wide.text1("refresh_token"), sender), false, true)
	may("a narrow one, refreshed by a key that may send", refresh(narrow.text1("refresh_token"), sender), false, false)

	here := w.keyFor(access.Key{Application: w.app.ID, Addresses: []string{"127.0.0.0/8"}})
	bound := exchange(here)
	may("a token of a key for this address", bound.text1("access_token"), true, true)
	w.sql(`UPDATE issued_tokens SET addresses = '{192.0.2.0/24}' WHERE addresses = '{127.0.0.0/8}'`)
	w.do(call{method: "GET", path: "/v3/grants/me", key: bound.text1("access_token")}).refused(t, "the same token, from another address", 403, "insufficient_scopes")
}
