package v3_test

import (
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/access"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/web"
)

// fill puts an id of the right form where a route wants one.
func fill(path string) string {
	const id = "01234567-89ab-7cde-8f01-23456789abcd"
	return strings.NewReplacer(":grant", id, ":message", "m1", ":thread", "t1", ":draft", "d1", ":application", id, ":callback", id, ":provider", "imap", ":webhook", id, ":credential", id, ":folder", "INBOX", ":attachment", "2", ":key", id, ":schedule", id).Replace(path)
}

// TestEveryRouteAsksForItsPermission takes each route of the table in turn: without a key it is 401, with a key that holds every permission
// but the one beside the route it is 403, and with that one alone it is let through to the handler.
func TestEveryRouteAsksForItsPermission(t *testing.T) {
	w := newWorld(t)
	with := map[models.Permission]string{}
	without := map[models.Permission]string{}
	for _, p := range models.KeyPermissions() {
		var rest []models.Permission
		for _, other := range models.KeyPermissions() {
			if other != p {
				rest = append(rest, other)
			}
		}
		with[p] = w.keyFor(access.Key{Application: w.app.ID, Permissions: []models.Permission{p}})
		without[p] = w.keyFor(access.Key{Application: w.app.ID, Permissions: rest})
	}
	seen := 0
	for _, r := range w.routes {
		if r.Door != "v3" || r.Permission == web.Public || strings.HasPrefix(r.Path, "/v3/admin/") {
			continue // under /v3/admin nobody has a key: TestServiceAccounts
		}
		seen++
		what := r.Method + " " + r.Path
		w.do(call{method: r.Method, path: fill(r.Path), key: "-"}).refused(t, what+" without a key", 401, "api.authentication_error")
		w.do(call{method: r.Method, path: fill(r.Path), key: without[r.Permission]}).refused(t, what+" without "+string(r.Permission), 403, "insufficient_scopes")
		if a := w.do(call{method: r.Method, path: fill(r.Path), key: with[r.Permission]}); a.status == 401 || a.status == 403 {
			t.Errorf("%s with %s alone: %d %s", what, r.Permission, a.status, a.text)
		}
	}
	if seen < 35 {
		t.Errorf("only %d routes were tried", seen)
	}
}

// TestPublicRoutesAreTheseAndNoOthers turns red when a route is opened by mistake.
func TestPublicRoutesAreTheseAndNoOthers(t *testing.T) {
	open := map[string]bool{"GET /v3": true, "GET /v3/": true, "GET /v3/openapi.yaml": true, "GET /v3/connect/auth": true, "OPTIONS /v3/connect/auth": true, "POST /v3/connect/token": true,
		"OPTIONS /v3/connect/token": true, "POST /v3/connect/revoke": true, "GET /v3/connect/tokeninfo": true, "OPTIONS /v3/connect/tokeninfo": true,
		"GET /v3/webhooks/:webhook/public-key": true}
	for _, r := range newWorld(t).routes {
		if r.Door == "v3" && (r.Permission == web.Public) != open[r.Method+" "+r.Path] {
			t.Errorf("%s %s is %s", r.Method, r.Path, r.Permission)
		}
	}
}

func TestCredentialsAreTakenFromOnePlaceOnly(t *testing.T) {
	w := newWorld(t)
	for what, c := range map[string]call{
		"a key in the query":      {path: "/v3/grants?api_key=" + w.key + "&access_token=" + w.key, key: "-"},
		"a key in a cookie":       {path: "/v3/grants", key: "-", header: map[string]string{"Cookie": "postern-s=" + w.key + "; api_key=" + w.key}},
		"Basic":                   {path: "/v3/grants", key: "-", header: map[string]string{"Authorization": "Basic " + w.key}},
		"a key without a scheme":  {path: "/v3/grants", key: "-", header: map[string]string{"Authorization": w.key}},
		"an empty bearer":         {path: "/v3/grants", key: "-", header: map[string]string{"Authorization": "Bearer "}},
		"two keys in one":         {path: "/v3/grants", key: w.key + ", " + w.key},
		"an unknown key":          {path: "/v3/grants", key: "postern_eu_" + strings.Repeat("a", 43)},
		"no key of ours":          {path: "/v3/grants", key: "nyk_v0_something"},
		"X-Api-Key":               {path: "/v3/grants", key: "-", header: map[string]string{"X-Api-Key": w.key}},
		"a key with a line break": {path: "/v3/grants", key: w.key + "\tx"},
	} {
		c.method = "GET"
		a := w.do(c)
		a.refused(t, what, 401, "api.authentication_error")
		if a.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: no WWW-Authenticate", what)
		}
	}
	if a := w.do(call{method: "GET", path: "/v3/grants", key: "-", header: map[string]string{"Authorization": "bearer " + w.key}}); a.status != 200 {
		t.Errorf("the scheme in lower case: %d %s", a.status, a.text)
	}
}

func TestKeysAreNarrow(t *testing.T) {
	w := newWorld(t)
	ours, second := w.grant(w.app.ID, w.tenant.ID, "a@example.com"), w.grant(w.app.ID, w.second.ID, "b@example.com")
	foreign := w.grant(w.other.ID, w.tenant.ID, "c@example.com")

	bound := w.keyFor(access.Key{Application: w.app.ID, Tenant: w.tenant.ID})
	a := w.do(call{method: "GET", path: "/v3/grants", key: bound})
	if list, _ := a.at("data").([]any); len(list) != 1 || a.text1("data", "0", "id") != ours.ID.String() {
		t.Errorf("a key of one tenant lists: %s", a.text)
	}
	if a := w.do(call{method: "GET", path: "/v3/grants?workspace_id=" + w.second.ID.String(), key: bound}); a.status != 200 || len(a.at("data").([]any)) != 0 {
		t.Errorf("a key of one tenant asks for another: %d %s", a.status, a.text)
	}
	random := "01234567-89ab-7cde-8f01-23456789abcd"
	same := w.do(call{method: "GET", path: "/v3/grants/" + random, key: bound})
	for what, id := range map[string]string{"another tenant's": second.ID.String(), "another application's": foreign.ID.String(), "its address": "b%40example.com",
		"another application's address": "c%40example.com", "prefixed": "grant:" + second.ID.String(), "a broken id": "nothing", "an odd one": "%00", "another odd one": "%ff"} {
		for _, c := range []call{{method: "GET", path: "/v3/grants/" + id}, {method: "DELETE", path: "/v3/grants/" + id}, {method: "PATCH", path: "/v3/grants/" + id, body: `{"settings":{"a":"b"}}`},
			{method: "GET", path: "/v3/grants/" + id + "/messages"}, {method: "GET", path: "/v3/grants/" + id + "/messages/m"}} {
			c.key = bound
			a := w.do(c)
			a.refused(t, c.method+" "+c.path+", "+what, 404, "api.not_found_error")
			if a.text1("error", "message") != same.text1("error", "message") {
				t.Errorf("%s: a foreign id is told from a random one: %q and %q", what, a.text, same.text)
			}
		}
	}
	if a := w.get("/v3/grants/" + second.ID.String()); a.status != 200 {
		t.Errorf("after all that the second tenant's grant: %d %s", a.status, a.text)
	}

	here := w.keyFor(access.Key{Application: w.app.ID, Addresses: []string{"127.0.0.0/8"}})
	if a := w.do(call{method: "GET", path: "/v3/grants", key: here}); a.status != 200 {
		t.Errorf("a key for this address: %d %s", a.status, a.text)
	}
	elsewhere := w.keyFor(access.Key{Application: w.app.ID, Addresses: []string{"192.0.2.0/24"}})
	if a := w.do(call{method: "GET", path: "/v3/grants", key: elsewhere}); a.status != 403 && a.status != 401 {
		t.Errorf("a key for another address: %d %s", a.status, a.text)
	}
	if a := w.do(call{method: "GET", path: "/v3/grants", key: elsewhere, header: map[string]string{"X-Forwarded-For": "192.0.2.9"}}); a.status != 403 && a.status != 401 {
		t.Errorf("a key for another address, with a forged header: %d %s", a.status, a.text)
	}

	short := w.keyFor(access.Key{Application: w.app.ID, Life: time.Hour})
	if a := w.do(call{method: "GET", path: "/v3/grants", key: short}); a.status != 200 {
		t.Errorf("a fresh key: %d %s", a.status, a.text)
	}
	w.pass(61 * time.Minute)
	w.do(call{method: "GET", path: "/v3/grants", key: short}).refused(t, "an expired key", 401, "api.authentication_error")
}

func TestAccessTokenReachesItsOwnGrantOnly(t *testing.T) {
	w := newWorld(t)
	mine, other := w.grant(w.app.ID, w.tenant.ID, "a@example.com"), w.grant(w.app.ID, w.tenant.ID, "b@example.com")
	token := w.token(mine, time.Hour)
	if a := w.do(call{method: "GET", path: "/v3/grants/me", key: token}); a.status != 200 || a.text1("data", "id") != mine.ID.String() {
		t.Errorf("me: %d %s", a.status, a.text)
	}
	w.do(call{method: "GET", path: "/v3/grants/" + other.ID.String(), key: token}).refused(t, "another grant", 404, "api.not_found_error")
	w.get("/v3/grants/me").refused(t, "me with an API key", 401, "api.authentication_error")
	w.get("/v3/grants/me/messages").refused(t, "me's messages with an API key", 401, "api.authentication_error")
	for _, r := range w.routes {
		if r.Door != "v3" || r.Permission == web.Public || strings.HasPrefix(r.Path, "/v3/grants/:grant/") || r.Path == "/v3/grants/:grant" && r.Method == "GET" {
			continue
		}
		w.do(call{method: r.Method, path: fill(r.Path), key: token}).refused(t, r.Method+" "+r.Path+" with an access token", 403, "insufficient_scopes")
	}
	if _, err := w.Grants.Revoke(ctx, staff, mine.ID, "a test"); err != nil {
		t.Fatal(err)
	}
	w.do(call{method: "GET", path: "/v3/grants/me", key: token}).refused(t, "me after the grant was cut", 401, "api.authentication_error")
	w.get("/v3/grants/"+mine.ID.String()).refused(t, "the grant after it was cut, with a key", 401, "grant.refresh_token_invalid")
	w.get("/v3/grants/"+mine.ID.String()+"/messages").refused(t, "its messages after it was cut", 401, "grant.refresh_token_invalid")

	expired := w.token(other, time.Minute)
	w.pass(2 * time.Minute)
	w.do(call{method: "GET", path: "/v3/grants/me", key: expired}).refused(t, "an expired token", 401, "api.authentication_error")
}
