package providertest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
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

// GoogleServer plays Google on loopback: its sign-in and consent pages, token, revocation and userinfo endpoints, and the Gmail API, as
// Google's public documentation has them. It is strict where Google is: what Google refuses, it refuses with Google's words.
type GoogleServer struct {
	URL string

	mu       sync.Mutex
	clients  map[string]googleClient
	users    map[string]*GoogleUser // by address
	services []*GoogleServiceAccount
	flows    map[string]*googleFlow
	codes    map[string]*googleCode
	tokens   map[string]*googleToken // access and refresh tokens
	consents map[string][]string     // sub + client to scopes allowed
	faults   []*GoogleFault
	seen     []string // method and address of every request to the API, and of the token endpoints
	revoked  []string // bodies of revocations
	offset   time.Duration
	life     time.Duration // of an access token
	lag      int
	inFlight int
	most     int
}

type googleClient struct {
	secret    string
	redirects []string
}

// GoogleUser is a Google account with a mailbox.
type GoogleUser struct {
	Sub, Address, Name string
	Aliases            []string // that the owner may send as
	Unproved           []string // added, and not proved yet

	box googleBox
}

type googleFlow struct {
	q    url.Values
	user *GoogleUser
}

type googleCode struct {
	client, redirect, challenge string
	scopes                      []string
	user                        *GoogleUser
	ends                        time.Time
	offline, spent              bool
}

type googleToken struct {
	client  string
	user    *GoogleUser
	scopes  []string
	refresh bool
	ends    time.Time // zero: until revoked
	dying   int       // refreshes that still work after a revocation
	dead    bool
}

// GoogleFault makes matching requests fail. Times below 1 means once.
type GoogleFault struct {
	Method string // empty: any
	Path   string // part of the path; "/token" and "/revoke" too
	Times  int
	Status int
	Reason string // errors[0].reason of the answer
	Say    string // message of the answer
	Header map[string]string
	Body   string        // instead of Google's error JSON
	After  bool          // do what was asked, then fail
	Wait   chan struct{} // until it is closed nothing is answered; with Status 0 what was asked follows
}

// Google starts a server that lives as long as the test.
func Google(t testing.TB) *GoogleServer {
	g := &GoogleServer{clients: map[string]googleClient{}, users: map[string]*GoogleUser{}, flows: map[string]*googleFlow{}, codes: map[string]*googleCode{}, tokens: map[string]*googleToken{}, consents: map[string][]string{}, life: time.Hour}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /o/oauth2/v2/auth", g.authorize)
	mux.HandleFunc("POST /signin", g.signIn)
	mux.HandleFunc("POST /consent", g.consent)
	mux.HandleFunc("/token", g.token)
	mux.HandleFunc("/revoke", g.revoke)
	mux.HandleFunc("/v1/userinfo", g.userinfo)
	mux.HandleFunc("/gmail/v1/users/", g.api)
	mux.HandleFunc("/upload/gmail/v1/users/", g.api)
	s := httptest.NewServer(g.faulty(mux))
	t.Cleanup(s.Close)
	g.URL = s.URL
	return g
}

// AuthURL and the others are where each of Google's services is.
func (g *GoogleServer) AuthURL() string     { return g.URL + "/o/oauth2/v2/auth" }
func (g *GoogleServer) TokenURL() string    { return g.URL + "/token" }
func (g *GoogleServer) RevokeURL() string   { return g.URL + "/revoke" }
func (g *GoogleServer) UserinfoURL() string { return g.URL + "/v1/userinfo" }
func (g *GoogleServer) APIURL() string      { return g.URL + "/" }

// App registers an app with its redirect URIs; the first is the app's.
func (g *GoogleServer) App(redirects ...string) provider.App {
	g.mu.Lock()
	defer g.mu.Unlock()
	id, key := "1057-"+googleRandom(8)+".apps.googleusercontent.com", "GOCSPX-"+googleRandom(14)
	g.clients[id] = googleClient{key, redirects}
	app := provider.App{ClientID: id, ClientSecret: secret.New(key)}
	if len(redirects) > 0 {
		app.RedirectURI = redirects[0]
	}
	return app
}

// AddUser makes an account.
func (g *GoogleServer) AddUser(address, name string) *GoogleUser {
	g.mu.Lock()
	defer g.mu.Unlock()
	u := &GoogleUser{Sub: "1" + fmt.Sprintf("%020d", len(g.users)+1), Address: address, Name: name}
	u.box.init()
	g.users[address] = u
	return u
}

// Tokens issues an access and a refresh token as if the user had just consented to scopes.
func (g *GoogleServer) Tokens(app provider.App, u *GoogleUser, scopes ...string) provider.Token {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.consents[u.Sub+app.ClientID] = scopes
	access, refresh := "ya29."+googleRandom(24), "1//0"+googleRandom(24)
	g.tokens[access] = &googleToken{client: app.ClientID, user: u, scopes: scopes, ends: g.now().Add(time.Hour)}
	g.tokens[refresh] = &googleToken{client: app.ClientID, user: u, scopes: scopes, refresh: true}
	return provider.Token{Access: secret.New(access), Refresh: secret.New(refresh), ExpiresAt: g.now().Add(time.Hour), Scopes: scopes}
}

// GoogleEverything is the scopes of a mailbox that may do all.
var GoogleEverything = []string{"openid", "https://www.googleapis.com/auth/userinfo.email", "https://www.googleapis.com/auth/userinfo.profile", "https://mail.google.com/"}

// Account is a new mailbox that may do all, and the user behind it.
func (g *GoogleServer) Account(app provider.App) (provider.Account, *GoogleUser, provider.Token) {
	u := g.AddUser("user-"+googleRandom(5)+"@gmail.example", "Ada Lovelace")
	t := g.Tokens(app, u, GoogleEverything...)
	return AccountWith(u, t), u, t
}

// AccountWith is a user's mailbox as it opens with a token.
func AccountWith(u *GoogleUser, t provider.Token) provider.Account {
	return provider.Account{Key: "grant-" + u.Sub + ":1", Address: u.Address, Login: u.Address, Credential: func(context.Context) (provider.Credential, error) {
		return provider.Credential{AccessToken: t.Access, ExpiresAt: t.ExpiresAt}, nil
	}}
}

// Deliver puts a message under a label of an account, known by its id; a label that does not exist is made with that name.
func (g *GoogleServer) Deliver(t testing.TB, a provider.Account, folder string, m Mail) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	u := g.users[a.Address]
	if u == nil {
		t.Fatalf("no user %s", a.Address)
	}
	ids := []string{u.box.label(folder)}
	if m.Unread {
		ids = append(ids, "UNREAD")
	}
	if m.Starred {
		ids = append(ids, "STARRED")
	}
	u.box.put([]byte(m.Raw), m.Received, ids, "")
}

// Label answers the id of a label by name; it is made when it is missing.
func (g *GoogleServer) Label(u *GoogleUser, name string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return u.box.label(name)
}

// Cut ends every token of a user, as the user's own page of connected apps does.
func (g *GoogleServer) Cut(address string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, k := range g.tokens {
		k.dead = k.dead || k.user.Address == address
	}
}

// Advance moves the server's clock.
func (g *GoogleServer) Advance(d time.Duration) { g.mu.Lock(); g.offset += d; g.mu.Unlock() }

// Lifetime sets how long access tokens last that are issued from now on.
func (g *GoogleServer) Lifetime(d time.Duration) { g.mu.Lock(); g.life = d; g.mu.Unlock() }

// EndAccess ends the access tokens of a user before their time; the refresh tokens stay good.
func (g *GoogleServer) EndAccess(address string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, k := range g.tokens {
		if !k.refresh && k.user.Address == address {
			k.dead = true
		}
	}
}

// Lag lets n refreshes still work after each revocation: Google's own takes a while.
func (g *GoogleServer) Lag(n int) { g.mu.Lock(); g.lag = n; g.mu.Unlock() }

// Fail makes requests fail.
func (g *GoogleServer) Fail(f GoogleFault) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f.Times = max(f.Times, 1)
	g.faults = append(g.faults, &f)
}

// Heal takes back every fault that has not struck.
func (g *GoogleServer) Heal() { g.mu.Lock(); g.faults = nil; g.mu.Unlock() }

// Seen counts the requests whose method and address hold part.
func (g *GoogleServer) Seen(part string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := 0
	for _, s := range g.seen {
		if strings.Contains(s, part) {
			n++
		}
	}
	return n
}

// Revocations are the bodies that the revocation endpoint got, the newest last.
func (g *GoogleServer) Revocations() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.revoked)
}

// MostAtOnce is the highest number of API requests that were under way together.
func (g *GoogleServer) MostAtOnce() int { g.mu.Lock(); defer g.mu.Unlock(); return g.most }

func (g *GoogleServer) now() time.Time { return time.Now().Add(g.offset) }

func googleRandom(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}

// faulty counts requests and puts faults in their way.
func (g *GoogleServer) faulty(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		g.seen = append(g.seen, r.Method+" "+r.URL.RequestURI())
		g.inFlight++
		g.most = max(g.most, g.inFlight)
		var hit *GoogleFault
		for i, f := range g.faults {
			if (f.Method == "" || f.Method == r.Method) && strings.Contains(r.URL.Path, f.Path) {
				hit = f
				if f.Times--; f.Times == 0 {
					g.faults = slices.Delete(g.faults, i, i+1)
				}
				break
			}
		}
		g.mu.Unlock()
		defer func() { g.mu.Lock(); g.inFlight--; g.mu.Unlock() }()
		if hit == nil {
			next.ServeHTTP(w, r)
			return
		}
		if hit.After {
			next.ServeHTTP(httptest.NewRecorder(), r)
		}
		if hit.Wait != nil {
			select {
			case <-hit.Wait:
			case <-r.Context().Done():
			}
		}
		if hit.Status == 0 {
			next.ServeHTTP(w, r)
			return
		}
		for k, v := range hit.Header {
			w.Header().Set(k, v)
		}
		if hit.Body != "" {
			w.WriteHeader(hit.Status)
			_, _ = w.Write([]byte(hit.Body))
			return
		}
		googleRefuse(w, hit.Status, hit.Reason, hit.Say)
	})
}

// refuse answers in the form of the API's errors: both the older list of reasons and the newer status.
func googleRefuse(w http.ResponseWriter, status int, reason, say string) {
	name := map[int]string{400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 409: "ALREADY_EXISTS", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE"}[status]
	if reason == "failedPrecondition" {
		name = "FAILED_PRECONDITION"
	}
	body := map[string]any{"code": status, "message": say, "errors": []map[string]string{{"message": say, "domain": "global", "reason": reason}}, "status": name}
	if reason == "insufficientPermissions" {
		body["details"] = []map[string]any{{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT", "domain": "googleapis.com"}}
		w.Header().Set("WWW-Authenticate", `Bearer realm="https://accounts.google.com/", error="insufficient_scope", scope="https://mail.google.com/"`)
	}
	googleReply(w, status, map[string]any{"error": body})
}

func googleReply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.Header().Set("Cache-Control", "private")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
