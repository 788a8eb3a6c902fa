package providertest

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/secret"
)

// MicrosoftServer plays the Microsoft identity platform and Microsoft Graph on loopback, by Microsoft's public documentation: what the real
// ones refuse, it refuses, with their codes. It is safe for concurrent use.
type MicrosoftServer struct {
	// Now is the server's clock.
	Now func() time.Time
	// Reach turns a public https address into one on loopback, as a proxy in front of us would; nil: Microsoft reaches nobody.
	Reach func(address string) string

	http    *httptest.Server
	posting sync.WaitGroup

	mu        sync.Mutex
	client    string
	secret    string
	redirects []string
	accounts  []*MicrosoftAccount
	codes     map[string]*microsoftCode
	refresh   map[string]*microsoftToken
	access    map[string]*microsoftToken
	uploads   map[string]*microsoftUpload
	subs      []*microsoftSubscription
	muted     bool
	syncs     map[string]*microsoftSync // by state token
	throttled graphFault                // Graph
	broken    graphFault                // Graph
	tokenFail graphFault
	issued    int // answers of the token endpoint
	requests  []string
	approved  map[string]bool // tenants whose administrator has consented
	seq       int
	life      time.Duration  // of an access token
	inFlight  map[string]int // requests by access token
}

// graphFault is an answer that the next so many requests get.
type graphFault struct {
	times, status int
	after         string
	header, body  string
}

// MicrosoftAccount is one person with a mailbox.
type MicrosoftAccount struct {
	Tenant, Object       string // tid, oid
	Address, Login, Name string // Login is the userPrincipalName
	Personal             bool
	NeedsAdmin           string // an AADSTS code (90094, 90095, 65001): consent waits for an administrator of the tenant
	NoMailbox            bool
	Aliases              []string // proxyAddresses besides its own
	LongScopes           bool     // token answers name scopes in their long form
	server               *MicrosoftServer
	folders              []*microsoftFolder
	messages             []*microsoftMessage
}

const microsoftPersonal = "9188040d-6c67-4c5b-b112-36a304b66dad"

// Microsoft starts a server that ends with the test.
func Microsoft(t testing.TB) *MicrosoftServer {
	t.Helper()
	s := &MicrosoftServer{Now: time.Now, client: microsoftGUID(), secret: "~" + microsoftRandom(20), codes: map[string]*microsoftCode{}, refresh: map[string]*microsoftToken{}, access: map[string]*microsoftToken{},
		uploads: map[string]*microsoftUpload{}, syncs: map[string]*microsoftSync{}, approved: map[string]bool{}, life: time.Hour, inFlight: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{tenant}/oauth2/v2.0/authorize", s.authorize)
	mux.HandleFunc("POST /{tenant}/oauth2/v2.0/authorize", s.decide)
	mux.HandleFunc("POST /{tenant}/oauth2/v2.0/token", s.token)
	mux.HandleFunc("GET /{tenant}/v2.0/adminconsent", s.adminConsent)
	// The real ones are two hosts; here a path tells them apart.
	s.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/v1.0/"):
			s.graph(w, r)
		case strings.HasPrefix(r.URL.Path, "/upload/"):
			s.upload(w, r)
		default:
			mux.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(func() { s.http.Close(); s.posting.Wait() })
	return s
}

// URL is where the server listens.
func (s *MicrosoftServer) URL() string { return s.http.URL }

// AuthURL, TokenURL, AdminConsentURL and GraphURL are what an operator would configure.
func (s *MicrosoftServer) AuthURL() string {
	return s.http.URL + "/{tenant}/oauth2/v2.0/authorize"
}

// TokenURL is the token endpoint.
func (s *MicrosoftServer) TokenURL() string { return s.http.URL + "/{tenant}/oauth2/v2.0/token" }

// AdminConsentURL is the administrators' page.
func (s *MicrosoftServer) AdminConsentURL() string { return s.http.URL + "/{tenant}/v2.0/adminconsent" }

// GraphURL is Graph.
func (s *MicrosoftServer) GraphURL() string { return s.http.URL + "/v1.0" }

// App registers a redirect URI and answers the app.
func (s *MicrosoftServer) App(redirect string) provider.App {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.redirects = append(s.redirects, redirect)
	return provider.App{ClientID: s.client, ClientSecret: secret.New(s.secret), RedirectURI: redirect}
}

// Account adds a person of a tenant. An empty tenant is that of personal accounts.
func (s *MicrosoftServer) Account(tenant, address, name string) *MicrosoftAccount {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &MicrosoftAccount{server: s, Tenant: tenant, Object: microsoftGUID(), Address: address, Login: address, Name: name}
	if tenant == "" {
		a.Tenant, a.Personal, a.LongScopes = microsoftPersonal, true, true
		a.Object = "00000000-0000-0000-" + a.Object[19:]
	}
	a.furnish()
	s.accounts = append(s.accounts, a)
	return a
}

// Throttle makes Graph answer 429 to the next n requests.
func (s *MicrosoftServer) Throttle(n int, after string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.throttled = graphFault{times: n, status: http.StatusTooManyRequests, after: after, body: `{"error":{"code":"TooManyRequests","message":"Too many requests"}}`}
}

// Break makes Graph answer the next n requests with a status, and an error code in the body.
func (s *MicrosoftServer) Break(n, status int, code, after string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = graphFault{times: n, status: status, after: after, body: `{"error":{"code":"` + code + `","message":"made to fail: body of a private message"}}`}
}

// Challenge makes Graph refuse the next n requests as continuous access evaluation does.
func (s *MicrosoftServer) Challenge(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = graphFault{times: n, status: http.StatusUnauthorized, body: `{"error":{"code":"InvalidAuthenticationToken","message":"Continuous access evaluation resulted in challenge"}}`,
		header: `Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnt9fQ=="`}
}

// BreakTokens makes the token endpoint answer the next n requests with a status and a body.
func (s *MicrosoftServer) BreakTokens(n, status int, after, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokenFail = graphFault{times: n, status: status, after: after, body: body}
}

// Requests is every request to Graph so far: method, path and query.
func (s *MicrosoftServer) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.requests...)
}

// RevokeSessions ends all refresh and access tokens of a person, as an administrator or the owner may.
func (a *MicrosoftAccount) RevokeSessions() {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	for _, all := range []map[string]*microsoftToken{a.server.refresh, a.server.access} {
		for _, t := range all {
			if t.account == a {
				t.revoked = true
			}
		}
	}
}

// EndAccess ends a person's access tokens before their time; the refresh tokens stay good.
func (a *MicrosoftAccount) EndAccess() {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	for _, t := range a.server.access {
		if t.account == a {
			t.revoked = true
		}
	}
}

// Lifetime sets how long access tokens last that are issued from now on.
func (s *MicrosoftServer) Lifetime(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.life = d
}

// Issued counts how often the token endpoint has given tokens.
func (s *MicrosoftServer) Issued() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.issued
}

// Approve is an administrator's consent for a tenant.
func (s *MicrosoftServer) Approve(tenant string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.approved[tenant] = true
}

// fails answers with an injected fault, if one is due. The lock is held.
func (f *graphFault) fails(w http.ResponseWriter) bool {
	if f.times <= 0 {
		return false
	}
	f.times--
	if f.after != "" {
		w.Header().Set("Retry-After", f.after)
	}
	if f.header != "" {
		w.Header().Set("WWW-Authenticate", f.header)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(f.status)
	_, _ = w.Write([]byte(f.body))
	return true
}

func microsoftJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store, no-cache")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func microsoftRandom(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

func microsoftGUID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b)
	h := hex.EncodeToString(b)
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

func microsoftNumber(code string) int {
	n, _ := strconv.Atoi(code)
	return n
}

// Hostile starts a server that answers every request with 200 and a JSON text of the test's own, and answers its address.
func Hostile(t testing.TB, answer func(path string) string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(answer(r.URL.Path)))
	}))
	t.Cleanup(s.Close)
	return s.URL
}
