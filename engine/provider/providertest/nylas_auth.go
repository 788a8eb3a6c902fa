package providertest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// asked checks the parameters of connect/auth (contract, sections 3.1 and 3.8).
func (s *NylasServer) asked(q url.Values) (*nylasApp, string) {
	known := []string{"client_id", "redirect_uri", "response_type", "provider", "scope", "state", "login_hint", "prompt", "access_type", "code_challenge", "code_challenge_method", "credential_id", "include_grant_scopes", "options"}
	for name := range q {
		if !slices.Contains(known, name) {
			return nil, "unknown parameter " + name
		}
	}
	app := s.apps[q.Get("client_id")]
	switch {
	case app == nil:
		return nil, "unknown client_id"
	case !slices.Contains(app.redirects, q.Get("redirect_uri")):
		return nil, "redirect_uri is not registered"
	case q.Get("response_type") != "code":
		return nil, "response_type"
	case len(q.Get("state")) > 256:
		return nil, "state is too long"
	case q.Get("access_type") != "" && q.Get("access_type") != "online" && q.Get("access_type") != "offline":
		return nil, "access_type"
	}
	for _, p := range strings.Split(q.Get("provider"), ",") {
		if p != "" && !slices.Contains([]string{"google", "microsoft", "imap", "icloud", "yahoo", "ews", "zoom"}, p) {
			return nil, "provider"
		}
	}
	return app, ""
}

func (s *NylasServer) authorize(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := r.URL.Query()
	if _, wrong := s.asked(q); wrong != "" {
		nylasProblem(w, 400, "api.invalid_request_error", wrong)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, `<!doctype html><link rel="icon" href="data:,"><title>Hosted authentication</title><form method="post" action="/hosted"><input type="hidden" name="q" value="%s">`, html.EscapeString(r.URL.RawQuery))
	for _, a := range s.accounts {
		if p := q.Get("provider"); p == "" || slices.Contains(strings.Split(p, ","), a.Provider) {
			fmt.Fprintf(w, `<button name="account" value="%s">%s</button>`, html.EscapeString(a.Address), html.EscapeString(a.Address))
		}
	}
	fmt.Fprint(w, `<button name="account" value="">Cancel</button></form>`)
}

func (s *NylasServer) hosted(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, _ := url.ParseQuery(r.FormValue("q"))
	app, wrong := s.asked(q)
	if wrong != "" {
		nylasProblem(w, 400, "api.invalid_request_error", wrong)
		return
	}
	back := url.Values{}
	if q.Get("state") != "" {
		back.Set("state", q.Get("state"))
	}
	i := slices.IndexFunc(s.accounts, func(a *NylasAccount) bool { return a.Address == r.FormValue("account") })
	if i < 0 {
		back.Set("error", "access_denied")
		back.Set("error_description", "The user refused.")
		back.Set("error_code", "45002")
	} else {
		g := s.grantOf(app, s.accounts[i], strings.Fields(q.Get("scope")))
		code := nylasRandom()
		s.codes[code] = &nylasCode{app: app, grant: g, redirect: q.Get("redirect_uri"), challenge: q.Get("code_challenge"), method: strings.ToLower(q.Get("code_challenge_method")),
			offline: q.Get("access_type") == "offline", ends: s.now().Add(10 * time.Minute)}
		back.Set("code", code)
	}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

// token is contract section 3.5. A failed attempt burns the code.
func (s *NylasServer) token(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	form := map[string]string{}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		if json.NewDecoder(r.Body).Decode(&form) != nil {
			nylasOAuthError(w, "invalid_request")
			return
		}
	} else {
		_ = r.ParseForm()
		for name := range r.PostForm {
			form[name] = r.PostForm.Get(name)
		}
	}
	app := s.apps[form["client_id"]]
	if app == nil || form["client_secret"] != app.key {
		nylasOAuthError(w, "invalid_client")
		return
	}
	switch form["grant_type"] {
	case "authorization_code":
		c := s.codes[form["code"]]
		if c == nil || c.spent {
			nylasOAuthError(w, "invalid_grant")
			return
		}
		c.spent = true
		if c.app != app || c.redirect != form["redirect_uri"] || !c.ends.After(s.now()) || !c.proves(form["code_verifier"]) {
			nylasOAuthError(w, "invalid_grant")
			return
		}
		s.issue(w, c.grant, c.offline, nylasRandom())
	case "refresh_token":
		t := s.tokens[form["refresh_token"]]
		if t == nil || t.dead || !t.refresh || t.grant.app != app {
			nylasOAuthError(w, "invalid_grant")
			return
		}
		s.issue(w, t.grant, false, t.family)
	default:
		nylasOAuthError(w, "unsupported_grant_type")
	}
}

// proves checks PKCE in Nylas' way: base64 over the hex digits of the digest, without padding (contract, section 3.4).
func (c *nylasCode) proves(verifier string) bool {
	switch {
	case c.challenge == "":
		return true
	case c.method == "" || c.method == "plain":
		return verifier == c.challenge
	}
	d := sha256.Sum256([]byte(verifier))
	return verifier != "" && c.challenge == base64.RawStdEncoding.EncodeToString([]byte(hex.EncodeToString(d[:])))
}

func (s *NylasServer) issue(w http.ResponseWriter, g *NylasGrant, offline bool, family string) {
	access := nylasRandom()
	s.tokens[access] = &nylasToken{grant: g, family: family}
	out := map[string]any{"access_token": access, "expires_in": 3600, "grant_id": g.ID, "token_type": "Bearer", "scope": strings.Join(g.Scope, " "), "email": g.account.Address, "provider": g.account.Provider}
	if offline {
		refresh := nylasRandom()
		s.tokens[refresh] = &nylasToken{grant: g, refresh: true, family: family}
		out["refresh_token"] = refresh
	}
	nylasJSON(w, 200, out)
}

func (s *NylasServer) revoke(w http.ResponseWriter, r *http.Request, app *nylasApp) {
	t := s.tokens[r.URL.Query().Get("token")]
	if t == nil || t.dead || t.grant.app != app {
		nylasOAuthError(w, "invalid_token")
		return
	}
	for _, other := range s.tokens {
		other.dead = other.dead || other.family == t.family
	}
	nylasJSON(w, 200, map[string]any{"request_id": nylasID(), "success": true})
}

// keyed demands an API key.
func (s *NylasServer) keyed(h func(http.ResponseWriter, *http.Request, *nylasApp)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		for _, a := range s.apps {
			if ok && key == a.key {
				h(w, r, a)
				return
			}
		}
		nylasProblem(w, 401, "api.authentication_error", "Unauthorized")
	}
}

// grant finds the grant of a path within the application, by its id or by its address.
func (s *NylasServer) grant(r *http.Request, app *nylasApp) *NylasGrant {
	for _, g := range s.grants {
		if g.app == app && (g.ID == r.PathValue("grant") || g.account.Address == r.PathValue("grant")) {
			return g
		}
	}
	return nil
}

func (s *NylasServer) showGrant(w http.ResponseWriter, r *http.Request, app *nylasApp) {
	g := s.grant(r, app)
	if g == nil {
		nylasProblem(w, 404, "grant.not_found", "No Grant found")
		return
	}
	scope := g.Scope
	if scope == nil {
		scope = []string{}
	}
	nylasData(w, 200, map[string]any{"id": g.ID, "provider": g.account.Provider, "scope": scope, "grant_status": g.Status, "email": g.account.Address, "name": g.account.Name,
		"provider_user_id": g.account.Subject, "created_at": g.created, "updated_at": g.created, "settings": map[string]any{}})
}

func (s *NylasServer) deleteGrant(w http.ResponseWriter, r *http.Request, app *nylasApp) {
	g := s.grant(r, app)
	if g == nil {
		nylasProblem(w, 404, "grant.not_found", "No Grant found")
		return
	}
	delete(s.grants, g.ID)
	for _, t := range s.tokens {
		t.dead = t.dead || t.grant == g
	}
	nylasJSON(w, 200, map[string]any{"request_id": nylasID()})
}
