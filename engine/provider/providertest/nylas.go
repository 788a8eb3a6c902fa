package providertest

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
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
