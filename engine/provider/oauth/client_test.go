package oauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/oauth"
	"github.com/postern-mail/postern/engine/secret"
)

const canary = "canary-refresh-token"

func client(t *testing.T, h http.HandlerFunc) *oauth.Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	g := dial.New(dial.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	return &oauth.Client{HTTP: g.HTTPClient(dial.Provider, 2*time.Second), Now: func() time.Time { return at }, Auth: s.URL + "/auth", Token: s.URL + "/token?x=1", Revoke: s.URL + "/revoke", Userinfo: s.URL + "/me"}
}

var app = provider.App{ClientID: "client", ClientSecret: secret.New("canary-client-secret"), RedirectURI: "https://portal.example/cb"}

func TestRefreshTellsOverFromPassing(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		over   bool
		code   string
	}{
		"invalid_grant":               {400, `{"error":"invalid_grant","error_description":"Token has been revoked."}`, true, "invalid_grant"},
		"invalid_grant 401":           {401, `{"error":"invalid_grant"}`, true, "invalid_grant"},
		"invalid_grant by a 5xx":      {503, `{"error":"invalid_grant"}`, false, "provider_unavailable"},
		"invalid_client":              {401, `{"error":"invalid_client"}`, false, "provider_client_refused"},
		"throttled":                   {429, `{"error":"invalid_grant"}`, false, "provider_unavailable"},
		"html":                        {400, `<html>` + canary, false, "provider_unavailable"},
		"empty":                       {200, ``, false, "provider_unavailable"},
		"no token":                    {200, `{"token_type":"bearer"}`, false, "provider_unavailable"},
		"mac token":                   {200, `{"access_token":"x","token_type":"mac"}`, false, "provider_unavailable"},
		"huge":                        {200, strings.Repeat("x", 100_000), false, "provider_unavailable"},
		"redirect":                    {302, ``, false, "provider_unavailable"},
		"repeats the token":           {400, `{"error":"invalid_grant","error_description":"bad token ` + canary + `"}`, true, "invalid_grant"},
		"repeats the token, no error": {400, canary, false, "provider_unavailable"},
		"token as the code":           {400, `{"error":"` + canary + `"}`, false, "provider_unavailable"},
		"object as error":             {400, `{"error":{"code":1}}`, false, "provider_unavailable"},
	} {
		c2 := client(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://169.254.169.254/")
			w.WriteHeader(c.status)
			_, _ = w.Write([]byte(c.body))
		})
		_, err := c2.Refresh(context.Background(), app, secret.New(canary))
		f, ok := fault.As(err)
		if !ok || f.Code != c.code || errors.Is(err, provider.ErrInvalidGrant) != c.over {
			t.Errorf("%s: %v", name, err)
		}
		if all := fmt.Sprintf("%v %+v %s %s", err, err, f.Public, provider.ReasonOf(err)); strings.Contains(all, "canary") {
			t.Errorf("%s leaks: %s", name, all)
		}
	}
}

func TestNetworkTroubleLeaksNothing(t *testing.T) {
	c := client(t, func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) })
	_, err := c.Refresh(context.Background(), app, secret.New(canary))
	if fault.KindOf(err) != fault.Upstream || strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "x=1") {
		t.Fatal(err)
	}
	if _, _, err := c.RevokeToken(context.Background(), app, secret.New(canary), ""); fault.KindOf(err) != fault.Upstream || strings.Contains(err.Error(), "canary") {
		t.Fatal(err)
	}
}

func TestTokenAndSecretsTravelInTheBody(t *testing.T) {
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.String(), "canary") {
			t.Errorf("in the URL: %s", r.URL)
		}
		_ = r.ParseForm()
		if r.Method != http.MethodPost || r.PostForm.Get("client_secret") == "" || r.PostForm.Get("token")+r.PostForm.Get("refresh_token")+r.PostForm.Get("code") == "" {
			t.Errorf("%s %v", r.Method, r.PostForm)
		}
		_, _ = w.Write([]byte(`{"access_token":"a","token_type":"Bearer","expires_in":"3600","scope":"mail.read openid"}`))
	})
	tok, err := c.Exchange(context.Background(), app, secret.New("canary-code"), secret.New("canary-verifier"))
	if err != nil || tok.Access.Reveal() != "a" || len(tok.Scopes) != 2 || !tok.Refresh.Empty() || !tok.ExpiresAt.Equal(time.Date(2026, 11, 23, 13, 0, 0, 0, time.UTC)) {
		t.Fatalf("%+v %v", tok, err)
	}
	if status, answer, err := c.RevokeToken(context.Background(), app, secret.New(canary), "refresh_token"); err != nil || status != 200 || answer != "200 OK" {
		t.Fatalf("%d %q %v", status, answer, err)
	}
}

func TestAuthURLDemandsStateAndChallenge(t *testing.T) {
	c := &oauth.Client{Auth: "https://provider.example/auth?tenant=1"}
	good := provider.AuthRequest{State: "s", CodeChallenge: strings.Repeat("c", 43), Scopes: []string{"a", "b"}, LoginHint: "ada@example.com"}
	u, err := c.AuthURL(app, good, url.Values{"access_type": {"offline"}})
	if err != nil {
		t.Fatal(err)
	}
	q, _ := url.Parse(u)
	if v := q.Query(); v.Get("scope") != "a b" || v.Get("code_challenge_method") != "S256" || v.Get("access_type") != "offline" || v.Get("tenant") != "1" || strings.Contains(u, "canary") {
		t.Error(u)
	}
	for _, bad := range []provider.AuthRequest{{State: "s"}, {CodeChallenge: good.CodeChallenge}, {State: "s", CodeChallenge: "short"}} {
		if _, err := c.AuthURL(app, bad, nil); err == nil {
			t.Errorf("%+v", bad)
		}
	}
}

// TestSecretBefore: while a client secret is being changed, whichever of the two the provider knows is used, and a refused grant is not asked about twice.
func TestSecretBefore(t *testing.T) {
	changing := app
	changing.SecretBefore = secret.New("canary-secret-before")
	for name, c := range map[string]struct {
		knows  string // the one secret that the provider takes
		basic  bool
		grant  bool // whether it takes the refresh token
		code   string
		posted int
	}{
		"the new one is known":               {"canary-client-secret", false, true, "", 1},
		"not yet":                            {"canary-secret-before", false, true, "", 2},
		"not yet, in a header":               {"canary-secret-before", true, true, "", 2},
		"neither":                            {"another", false, true, "provider_client_refused", 2},
		"the new one, but the grant is over": {"canary-client-secret", false, false, "invalid_grant", 1},
		"the one before, the grant is over":  {"canary-secret-before", false, false, "invalid_grant", 2},
	} {
		posted := 0
		c2 := client(t, func(w http.ResponseWriter, r *http.Request) {
			posted++
			got := r.FormValue("client_secret")
			if c.basic {
				_, got, _ = r.BasicAuth()
			}
			switch {
			case got != c.knows:
				w.WriteHeader(401)
				_, _ = fmt.Fprint(w, `{"error":"invalid_client"}`)
			case !c.grant:
				w.WriteHeader(400)
				_, _ = fmt.Fprint(w, `{"error":"invalid_grant"}`)
			default:
				_, _ = fmt.Fprint(w, `{"access_token":"x","token_type":"bearer","expires_in":3600}`)
			}
		})
		c2.Basic = c.basic
		_, err := c2.Refresh(context.Background(), changing, secret.New(canary))
		code := ""
		if f, ok := fault.As(err); ok {
			code = f.Code
		}
		if code != c.code || posted != c.posted {
			t.Errorf("%s: %q after %d requests (%v)", name, code, posted, err)
		}
	}
}
