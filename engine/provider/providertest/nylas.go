package providertest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/secret"
)

// NylasServer plays Nylas' cloud on loopback: hosted authentication, tokens, grants and the mail of a grant, as the public documentation of its v3 API has them. It is
// strict where Nylas is: callback addresses byte for byte, its own PKCE, codes that work once, keys that reach one application.
type NylasServer struct {
	URL string

	mu       sync.Mutex
	apps     map[string]*nylasApp // by client id
	accounts []*NylasAccount
	grants   map[string]*NylasGrant
	codes    map[string]*nylasCode
	tokens   map[string]*nylasToken
	seen     []string // method and path of every request
	fail     func(*http.Request) (status int, answer string, header map[string]string)
	offset   time.Duration
}

type nylasApp struct {
	id, key   string
	redirects []string
	scopes    map[string][]string // of its connectors
}

// NylasAccount is a mailbox that can be connected at Nylas.
type NylasAccount struct {
	Provider, Subject, Address, Name string

	box nylasBox
}

// NylasGrant is a connected mailbox of one application.
type NylasGrant struct {
	ID, Status string
	Scope      []string

	app     *nylasApp
	account *NylasAccount
	created int64
}

type nylasCode struct {
	app                         *nylasApp
	grant                       *NylasGrant
	redirect, challenge, method string
	offline, spent              bool
	ends                        time.Time
}

type nylasToken struct {
	grant   *NylasGrant
	refresh bool
	family  string
	dead    bool
}

// Nylas starts a server that lives as long as the test.
func Nylas(t testing.TB) *NylasServer {
	s := &NylasServer{apps: map[string]*nylasApp{}, grants: map[string]*NylasGrant{}, codes: map[string]*nylasCode{}, tokens: map[string]*nylasToken{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v3/connect/auth", s.authorize)
	mux.HandleFunc("POST /hosted", s.hosted)
	mux.HandleFunc("POST /v3/connect/token", s.token)
	mux.HandleFunc("POST /v3/connect/revoke", s.keyed(s.revoke))
	mux.HandleFunc("GET /v3/applications", s.keyed(func(w http.ResponseWriter, _ *http.Request, a *nylasApp) {
		nylasData(w, 200, map[string]any{"application_id": a.id, "organization_id": nylasID(), "region": "us", "environment": "sandbox", "branding": map[string]any{"name": "App"}})
	}))
	mux.HandleFunc("GET /v3/grants/{grant}", s.keyed(s.showGrant))
	mux.HandleFunc("DELETE /v3/grants/{grant}", s.keyed(s.deleteGrant))
	mux.HandleFunc("/v3/grants/{grant}/", s.keyed(s.mail))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.seen = append(s.seen, r.Method+" "+r.URL.Path)
		fail := s.fail
		s.mu.Unlock()
		if fail != nil {
			if status, answer, header := fail(r); status != 0 {
				for name, value := range header {
					w.Header().Set(name, value)
				}
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(status)
				_, _ = w.Write([]byte(answer))
				return
			}
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

func nylasID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func nylasRandom() string {
	var b [24]byte
	_, _ = rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func (s *NylasServer) now() time.Time { return time.Now().Add(s.offset) }

// Pass moves the server's clock.
func (s *NylasServer) Pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offset += d
}

// Fail makes requests fail for which f answers a status; nil ends it.
func (s *NylasServer) Fail(f func(*http.Request) (status int, answer string, header map[string]string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = f
}

// Seen is the method and path of every request so far.
func (s *NylasServer) Seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

// App registers an application with its callback addresses; its client secret is the API key. The scopes of its connectors are wide.
func (s *NylasServer) App(redirects ...string) provider.App {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &nylasApp{id: nylasID(), key: "nyk_v0_" + nylasRandom(), redirects: redirects, scopes: map[string][]string{
		"google":    {"openid", "https://www.googleapis.com/auth/userinfo.email", "https://www.googleapis.com/auth/gmail.modify", "https://www.googleapis.com/auth/gmail.compose", "https://www.googleapis.com/auth/gmail.labels"},
		"microsoft": {"offline_access", "https://graph.microsoft.com/Mail.ReadWrite", "https://graph.microsoft.com/Mail.Send"},
	}}
	s.apps[a.id] = a
	app := provider.App{ClientID: a.id, ClientSecret: secret.New(a.key)}
	if len(redirects) > 0 {
		app.RedirectURI = redirects[0]
	}
	return app
}

// SetKey replaces the API key of an application.
func (s *NylasServer) SetKey(app provider.App, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apps[app.ClientID].key = key
}

// Account makes a mailbox at a provider behind Nylas.
func (s *NylasServer) Account(upstream, address, name string) *NylasAccount {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &NylasAccount{Provider: upstream, Address: address, Name: name}
	if upstream == "google" || upstream == "microsoft" {
		a.Subject = fmt.Sprintf("1%020d", len(s.accounts)+1)
	}
	a.box.init()
	s.accounts = append(s.accounts, a)
	return a
}

// Grant connects a mailbox to an application, as its owner's consent does. Connecting it again finds the same grant.
func (s *NylasServer) Grant(app provider.App, a *NylasAccount) *NylasGrant {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.grantOf(s.apps[app.ClientID], a, nil)
}

func (s *NylasServer) grantOf(app *nylasApp, a *NylasAccount, scope []string) *NylasGrant {
	if len(scope) == 0 {
		scope = app.scopes[a.Provider]
	}
	for _, g := range s.grants {
		if g.app == app && g.account == a {
			g.Status, g.Scope = "valid", scope
			return g
		}
	}
	g := &NylasGrant{ID: nylasID(), Status: "valid", Scope: scope, app: app, account: a, created: s.now().Unix()}
	s.grants[g.ID] = g
	return g
}

// Expire makes a grant invalid, as a password change at the mailbox's provider does.
func (s *NylasServer) Expire(g *NylasGrant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g.Status = "invalid"
}

// Has says whether a grant is there.
func (s *NylasServer) Has(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.grants[id] != nil
}

// Alive counts the tokens of a grant that still work.
func (s *NylasServer) Alive(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, t := range s.tokens {
		if t.grant.ID == id && !t.dead {
			n++
		}
	}
	return n
}

// Mailbox is how a connector reaches a grant.
func (s *NylasServer) Mailbox(app provider.App, g *NylasGrant) provider.Account {
	return provider.Account{Key: g.ID + ":1", Address: g.account.Address, Login: g.account.Address,
		Credential: func(context.Context) (provider.Credential, error) {
			return provider.Credential{AccessToken: secret.New(g.ID)}, nil
		},
		App: func(context.Context) (provider.App, error) { return app, nil }}
}

// Consent walks a connect/auth address as a person who signs in with an account, and answers where the browser is sent.
func (s *NylasServer) Consent(t testing.TB, address string, a *NylasAccount, allow bool) *url.URL {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("connect/auth answered %d", res.StatusCode)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	answer := a.Address
	if !allow {
		answer = ""
	}
	res, err = client.PostForm(s.URL+"/hosted", url.Values{"q": {u.RawQuery}, "account": {answer}})
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	back, err := res.Location()
	if err != nil {
		t.Fatal(err)
	}
	return back
}

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
	fmt.Fprintf(w, `<!doctype html><title>Hosted authentication</title><form method="post" action="/hosted"><input type="hidden" name="q" value="%s">`, html.EscapeString(r.URL.RawQuery))
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

func nylasJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func nylasData(w http.ResponseWriter, status int, data any) {
	nylasJSON(w, status, map[string]any{"request_id": nylasID(), "data": data})
}

func nylasProblem(w http.ResponseWriter, status int, kind, text string) {
	nylasJSON(w, status, map[string]any{"request_id": nylasID(), "error": map[string]any{"type": kind, "message": text + ": private message"}})
}

func nylasOAuthError(w http.ResponseWriter, word string) {
	nylasJSON(w, 400, map[string]any{"error": word, "error_description": "private message", "error_uri": "https://example.com", "error_code": 20000})
}
