package providertest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/provider"
)

const googleCodeLife = 10 * time.Minute

var googlePages = template.Must(template.New("").Parse(`{{define "head"}}<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,"><title>{{.Title}}</title><body><h1>{{.Title}}</h1>{{end}}
{{define "error"}}{{template "head" .}}<p data-testid="google-error">Error {{.Status}}: {{.Code}}</p>{{end}}
{{define "signin"}}{{template "head" .}}<form method="post" action="/signin"><input type="hidden" name="flow" value="{{.Flow}}">
<label>Email <input name="address" value="{{.Hint}}" data-testid="google-address"></label><button data-testid="google-signin">Next</button></form>{{end}}
{{define "consent"}}{{template "head" .}}<form method="post" action="/consent"><input type="hidden" name="flow" value="{{.Flow}}">
{{range .Scopes}}<label><input type="checkbox" name="scope" value="{{.}}" data-testid="google-scope-{{.}}"> {{.}}</label><br>{{end}}
<button name="answer" value="allow" data-testid="google-allow">Continue</button><button name="answer" value="deny" data-testid="google-deny">Cancel</button></form>{{end}}`))

func googlePage(w http.ResponseWriter, status int, name string, data map[string]any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_ = googlePages.ExecuteTemplate(w, name, data)
}

func googleFailed(w http.ResponseWriter, status int, code string) {
	googlePage(w, status, "error", map[string]any{"Title": "Sign in with Google: authorization error", "Status": status, "Code": code})
}

// identityScopes need no box on the consent page.
func googleIdentityScope(s string) bool {
	return s == "openid" || s == "email" || s == "profile" || strings.HasSuffix(s, "/auth/userinfo.email") || strings.HasSuffix(s, "/auth/userinfo.profile")
}

func googleKnownScope(s string) bool {
	if s == "email" || s == "profile" {
		return true
	}
	known, ok := provider.ScopeOf("google", s)
	return ok && known.Name == s
}

// authorize is the first page. Errors of the app are shown to the person, never sent to a redirect URI that is not registered.
func (g *GoogleServer) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	g.mu.Lock()
	client, ok := g.clients[q.Get("client_id")]
	g.mu.Unlock()
	for k, v := range q {
		if len(v) != 1 {
			googleFailed(w, 400, "invalid_request: "+k+" given twice")
			return
		}
	}
	switch challenge, err := base64.RawURLEncoding.DecodeString(q.Get("code_challenge")); {
	case q.Get("client_id") == "":
		googleFailed(w, 400, "invalid_request: Missing required parameter: client_id")
	case !ok:
		googleFailed(w, 401, "invalid_client: The OAuth client was not found.")
	case !slices.Contains(client.redirects, q.Get("redirect_uri")):
		googleFailed(w, 400, "redirect_uri_mismatch")
	case q.Get("response_type") != "code":
		googleFailed(w, 400, "unsupported_response_type")
	case q.Get("code_challenge") != "" && (q.Get("code_challenge_method") != "S256" || err != nil || len(challenge) != sha256.Size):
		googleFailed(w, 400, "invalid_request: code challenge")
	case q.Get("access_type") != "" && q.Get("access_type") != "online" && q.Get("access_type") != "offline":
		googleFailed(w, 400, "invalid_request: Invalid access_type")
	case q.Get("scope") == "":
		googleFailed(w, 400, "invalid_request: Missing required parameter: scope")
	default:
		prompts := strings.Fields(q.Get("prompt"))
		for _, p := range prompts {
			if p != "consent" && p != "select_account" && (p != "none" || len(prompts) > 1) {
				googleFailed(w, 400, "invalid_request: Invalid parameter value for prompt")
				return
			}
		}
		for _, s := range strings.Fields(q.Get("scope")) {
			if !googleKnownScope(s) {
				googleFailed(w, 400, "invalid_scope: Some requested scopes were invalid.")
				return
			}
		}
		id := googleRandom(12)
		g.mu.Lock()
		g.flows[id] = &googleFlow{q: q}
		g.mu.Unlock()
		googlePage(w, 200, "signin", map[string]any{"Title": "Sign in", "Flow": id, "Hint": q.Get("login_hint")})
	}
}

func (g *GoogleServer) signIn(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	g.mu.Lock()
	f, u := g.flows[r.PostForm.Get("flow")], g.users[r.PostForm.Get("address")]
	var before []string
	if f != nil && u != nil {
		f.user = u
		before = g.consents[u.Sub+f.q.Get("client_id")]
	}
	g.mu.Unlock()
	if f == nil || u == nil {
		googleFailed(w, 400, "Couldn't find your Google Account")
		return
	}
	var boxes []string
	all := true
	for _, s := range strings.Fields(f.q.Get("scope")) {
		all = all && slices.Contains(before, s)
		if !googleIdentityScope(s) {
			boxes = append(boxes, s)
		}
	}
	if all && !strings.Contains(f.q.Get("prompt"), "consent") {
		g.back(w, r, r.PostForm.Get("flow"), f, before, false)
		return
	}
	googlePage(w, 200, "consent", map[string]any{"Title": "Select what the app can access", "Flow": r.PostForm.Get("flow"), "Scopes": boxes})
}

func (g *GoogleServer) consent(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	g.mu.Lock()
	f := g.flows[r.PostForm.Get("flow")]
	g.mu.Unlock()
	if f == nil || f.user == nil {
		googleFailed(w, 400, "the session ended")
		return
	}
	if r.PostForm.Get("answer") != "allow" {
		http.Redirect(w, r, googleQuery(f.q.Get("redirect_uri"), url.Values{"error": {"access_denied"}, "state": {f.q.Get("state")}}), http.StatusFound)
		return
	}
	var scopes []string
	for _, s := range strings.Fields(f.q.Get("scope")) {
		if googleIdentityScope(s) || slices.Contains(r.PostForm["scope"], s) {
			scopes = append(scopes, s)
		}
	}
	g.back(w, r, r.PostForm.Get("flow"), f, scopes, true)
}

// back sends the browser to the app with a code. Only a consent that was given now may end in a refresh token.
func (g *GoogleServer) back(w http.ResponseWriter, r *http.Request, id string, f *googleFlow, scopes []string, asked bool) {
	code := "4/0A" + googleRandom(24)
	g.mu.Lock()
	delete(g.flows, id)
	g.consents[f.user.Sub+f.q.Get("client_id")] = scopes
	g.codes[code] = &googleCode{client: f.q.Get("client_id"), redirect: f.q.Get("redirect_uri"), challenge: f.q.Get("code_challenge"), scopes: scopes, user: f.user, ends: g.now().Add(googleCodeLife),
		offline: asked && f.q.Get("access_type") == "offline"}
	g.mu.Unlock()
	out := url.Values{"code": {code}, "scope": {strings.Join(scopes, " ")}, "authuser": {"0"}, "prompt": {"consent"}}
	if f.q.Has("state") {
		out.Set("state", f.q.Get("state"))
	}
	http.Redirect(w, r, googleQuery(f.q.Get("redirect_uri"), out), http.StatusFound)
}

func googleQuery(uri string, q url.Values) string {
	u, _ := url.Parse(uri)
	old := u.Query()
	for k, v := range q {
		old[k] = v
	}
	u.RawQuery = old.Encode()
	return u.String()
}

func googleOops(w http.ResponseWriter, status int, code, words string) {
	googleReply(w, status, map[string]string{"error": code, "error_description": words})
}

// form takes a POST with its parameters in the body. Google takes them from the query as well; a secret has no place there.
func googleForm(w http.ResponseWriter, r *http.Request) bool {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case r.Method != http.MethodPost:
		googleOops(w, 405, "invalid_request", "Method Not Allowed")
	case kind != "application/x-www-form-urlencoded" || r.URL.RawQuery != "" || r.ParseForm() != nil:
		googleOops(w, 400, "invalid_request", "Bad Request")
	default:
		for k, v := range r.PostForm {
			if len(v) != 1 {
				googleOops(w, 400, "invalid_request", "Parameter "+k+" appears more than once")
				return false
			}
		}
		return true
	}
	return false
}

func (g *GoogleServer) token(w http.ResponseWriter, r *http.Request) {
	if !googleForm(w, r) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if r.PostForm.Get("grant_type") == "urn:ietf:params:oauth:grant-type:jwt-bearer" { // the assertion says who asks
		g.assert(w, r.PostForm)
		return
	}
	id, key := r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	if user, pass, ok := r.BasicAuth(); ok {
		id, key = user, pass
	}
	client, ok := g.clients[id]
	switch {
	case id == "":
		googleOops(w, 400, "invalid_request", "Could not determine client ID from request.")
	case !ok:
		googleOops(w, 401, "invalid_client", "The OAuth client was not found.")
	case key == "":
		googleOops(w, 400, "invalid_request", "client_secret is missing.")
	case key != client.secret:
		googleOops(w, 401, "invalid_client", "The provided client secret is invalid.")
	case r.PostForm.Get("grant_type") == "authorization_code":
		g.redeem(w, r.PostForm, id)
	case r.PostForm.Get("grant_type") == "refresh_token":
		g.refresh(w, r.PostForm, id)
	default:
		googleOops(w, 400, "unsupported_grant_type", "Invalid grant_type: "+r.PostForm.Get("grant_type"))
	}
}

func (g *GoogleServer) redeem(w http.ResponseWriter, q url.Values, client string) {
	c := g.codes[q.Get("code")]
	sum := sha256.Sum256([]byte(q.Get("code_verifier")))
	switch {
	case c == nil:
		googleOops(w, 400, "invalid_grant", "Malformed auth code.")
	case c.client != client:
		googleOops(w, 401, "unauthorized_client", "Unauthorized")
	case c.spent || g.now().After(c.ends):
		googleOops(w, 400, "invalid_grant", "Bad Request")
	case c.redirect != q.Get("redirect_uri"):
		googleOops(w, 400, "redirect_uri_mismatch", "Bad Request")
	case c.challenge != "" && q.Get("code_verifier") == "":
		googleOops(w, 400, "invalid_grant", "Missing code verifier.")
	case c.challenge != "" && base64.RawURLEncoding.EncodeToString(sum[:]) != c.challenge:
		googleOops(w, 400, "invalid_grant", "Invalid code verifier.")
	default:
		c.spent = true
		access, refresh := "ya29."+googleRandom(24), ""
		g.tokens[access] = &googleToken{client: client, user: c.user, scopes: c.scopes, ends: g.now().Add(g.life)}
		if c.offline {
			refresh = "1//0" + googleRandom(24)
			g.tokens[refresh] = &googleToken{client: client, user: c.user, scopes: c.scopes, refresh: true}
		}
		g.grant(w, access, refresh, c.user, c.scopes, client)
	}
}

func (g *GoogleServer) refresh(w http.ResponseWriter, q url.Values, client string) {
	k := g.tokens[q.Get("refresh_token")]
	if k != nil && k.dead && k.dying > 0 {
		k.dying--
	} else if k == nil || !k.refresh || k.dead {
		googleOops(w, 400, "invalid_grant", "Token has been expired or revoked.")
		return
	}
	if k.client != client {
		googleOops(w, 401, "unauthorized_client", "Unauthorized")
		return
	}
	access := "ya29." + googleRandom(24)
	g.tokens[access] = &googleToken{client: client, user: k.user, scopes: k.scopes, ends: g.now().Add(g.life)}
	g.grant(w, access, "", k.user, k.scopes, client)
}

func (g *GoogleServer) grant(w http.ResponseWriter, access, refresh string, u *GoogleUser, scopes []string, client string) {
	out := map[string]any{"access_token": access, "expires_in": int(g.life.Seconds()) - 1, "scope": strings.Join(scopes, " "), "token_type": "Bearer"}
	if refresh != "" {
		out["refresh_token"] = refresh
	}
	if slices.Contains(scopes, "openid") {
		claims, _ := json.Marshal(map[string]any{"iss": "https://accounts.google.com", "aud": client, "sub": u.Sub, "email": u.Address, "iat": g.now().Unix(), "exp": g.now().Add(time.Hour).Unix()})
		part := base64.RawURLEncoding.EncodeToString
		out["id_token"] = part([]byte(`{"alg":"RS256","kid":"1"}`)) + "." + part(claims) + "." + part([]byte("not a signature"))
	}
	googleReply(w, 200, out)
}

// revoke ends every token that the user gave to the app, whichever of them it is told of.
func (g *GoogleServer) revoke(w http.ResponseWriter, r *http.Request) {
	if !googleForm(w, r) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.revoked = append(g.revoked, r.PostForm.Encode())
	k := g.tokens[r.PostForm.Get("token")]
	switch {
	case !r.PostForm.Has("token"):
		googleOops(w, 400, "invalid_request", "Missing required parameter: token")
	case k == nil || k.dead && k.dying == 0 || !k.ends.IsZero() && g.now().After(k.ends):
		googleOops(w, 400, "invalid_token", "Token expired or revoked")
	default:
		for _, x := range g.tokens {
			if x.user == k.user && x.client == k.client && !x.dead {
				x.dead, x.dying = true, g.lag
			}
		}
		delete(g.consents, k.user.Sub+k.client)
		googleReply(w, 200, map[string]any{})
	}
}

func (g *GoogleServer) userinfo(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	k := g.live(r)
	if k == nil {
		w.Header().Set("WWW-Authenticate", `Bearer realm="https://accounts.google.com/", error="invalid_token"`)
		googleOops(w, 401, "invalid_request", "Invalid Credentials")
		return
	}
	out := map[string]any{"sub": k.user.Sub}
	for _, s := range k.scopes {
		switch {
		case s == "email" || strings.HasSuffix(s, "userinfo.email"):
			out["email"], out["email_verified"] = k.user.Address, true
		case s == "profile" || strings.HasSuffix(s, "userinfo.profile"):
			out["name"], out["picture"] = k.user.Name, "https://lh3.googleusercontent.com/a/x"
		}
	}
	googleReply(w, 200, out)
}

// live finds the access token of a request, nil when it is none or over.
func (g *GoogleServer) live(r *http.Request) *googleToken {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	k := g.tokens[token]
	if !ok || k == nil || k.refresh || k.dead || g.now().After(k.ends) {
		return nil
	}
	return k
}

var (
	googleFlowField = regexp.MustCompile(`name="flow" value="([0-9a-f]+)"`)
	googleScopeBox  = regexp.MustCompile(`name="scope" value="([^"]+)"`)
)

// Consent walks the pages as a person would: signs in, ticks all boxes but untick, allows. It answers where the browser is sent.
func (g *GoogleServer) Consent(t testing.TB, authURL, address string, untick ...string) string {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Timeout: 10 * time.Second}
	read := func(res *http.Response, err error) (string, string) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(b), res.Header.Get("Location")
	}
	body, _ := read(client.Get(authURL))
	m := googleFlowField.FindStringSubmatch(body)
	if m == nil {
		t.Fatalf("no sign-in page: %s", body)
	}
	body, to := read(client.PostForm(g.URL+"/signin", url.Values{"flow": {m[1]}, "address": {address}}))
	if to != "" {
		return to
	}
	answer := url.Values{"flow": {m[1]}, "answer": {"allow"}}
	for _, b := range googleScopeBox.FindAllStringSubmatch(body, -1) {
		if !slices.Contains(untick, b[1]) {
			answer.Add("scope", b[1])
		}
	}
	body, to = read(client.PostForm(g.URL+"/consent", answer))
	if to == "" {
		t.Fatalf("no way back: %s", body)
	}
	return to
}
