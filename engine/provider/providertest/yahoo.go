package providertest

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/secret"
)

// YahooServer plays Yahoo: its OAuth endpoints over HTTPS, as strict as the documentation says they are, in front of a Dovecot and an
// SMTP server that take the tokens by XOAUTH2. Mailboxes are the Dovecot's.
type YahooServer struct {
	*DovecotServer
	URL      string // of the OAuth server: /oauth2/request_auth, /oauth2/get_token, /openid/v1/userinfo
	IMAPAddr string // TLS
	SMTPAddr string // TLS
	Redirect string // the one redirect URI that is registered

	now    func() time.Time
	life   time.Duration // of an access token
	issued int           // answers of the token endpoint
	mu     sync.Mutex
	codes  map[string]*yahooGrant
	tokens map[string]*yahooGrant // access tokens
	fresh  map[string]*yahooGrant // refresh tokens
	fail   int                    // status of the next answer of the token endpoint
	hidden bool                   // userinfo leaves the address out
	taken  []Taken
}

type yahooGrant struct {
	user, challenge string
	scopes          []string
	until           time.Time
	used            bool
}

const (
	yahooClient   = "dj0yJmk9cG9zdGVybg--"
	yahooSecret   = "yahoo-client-secret"
	yahooLifetime = time.Hour
)

var yahooScopes = []string{"openid", "email", "profile", "mail-r", "mail-w"}

// Yahoo starts one for the length of the test.
func Yahoo(t testing.TB) *YahooServer {
	t.Helper()
	y := &YahooServer{DovecotServer: Dovecot(t), Redirect: "https://postern.example/v3/connect/callback/yahoo", now: time.Now, life: yahooLifetime,
		codes: map[string]*yahooGrant{}, tokens: map[string]*yahooGrant{}, fresh: map[string]*yahooGrant{}}
	pair, err := tls.LoadX509KeyPair(filepath.Join(y.dir, "cert.pem"), filepath.Join(y.dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	mux := http.NewServeMux()
	mux.HandleFunc("/oauth2/request_auth", y.authorize)
	mux.HandleFunc("/oauth2/get_token", y.token)
	mux.HandleFunc("/openid/v1/userinfo", y.userinfo)
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	serve(t, l, mux)
	y.URL = "https://" + l.Addr().String()
	y.IMAPAddr = net.JoinHostPort(y.Host, y.IMAPSPort)
	y.takeTokens(t)
	y.SMTPAddr = y.submission(t, config)
	return y
}

func serve(t testing.TB, l net.Listener, h http.Handler) {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
}

// App is the registration that the server knows.
func (y *YahooServer) App() provider.App {
	return provider.App{ClientID: yahooClient, ClientSecret: secret.New(yahooSecret), RedirectURI: y.Redirect}
}

func token() string {
	var b [18]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// authorize shows the consent page, and takes its answer.
func (y *YahooServer) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	refuse := func(word string) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte("<p>Uh oh, looks like something went wrong. <small>" + word + "</small>"))
	}
	scopes := strings.Fields(q.Get("scope"))
	switch {
	case q.Get("client_id") != yahooClient:
		refuse("INVALID_CONSUMER_KEY")
	case q.Get("redirect_uri") != y.Redirect:
		refuse("BAD_REDIRECT_URI")
	case q.Get("response_type") != "code":
		refuse("INVALID_RESPONSE_TYPE")
	case len(scopes) == 0 || slices.ContainsFunc(scopes, func(s string) bool { return !slices.Contains(yahooScopes, s) }):
		refuse("INVALID_SCOPE")
	case q.Get("state") == "" || len(q.Get("code_challenge")) != 43 || q.Get("code_challenge_method") != "S256":
		refuse("INVALID_REQUEST")
	case r.Method == http.MethodGet:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(`<!doctype html><link rel="icon" href="data:,"><title>Yahoo</title><form method="post"><label>Account <input name="user" data-testid="yahoo-user" value="` + html.EscapeString(q.Get("login_hint")) +
			`"></label><button name="answer" value="yes" data-testid="yahoo-agree">Agree</button><button name="answer" value="no" data-testid="yahoo-not-now">Not now</button></form>`))
	default:
		back := url.Values{"state": {q.Get("state")}}
		user := r.PostFormValue("user")
		switch {
		case r.PostFormValue("answer") != "yes":
			back.Set("error", "access_denied")
		case y.Password(user).Empty():
			refuse("no such account")
			return
		default:
			code := token()
			y.mu.Lock()
			y.codes[code] = &yahooGrant{user: user, scopes: scopes, challenge: q.Get("code_challenge"), until: y.now().Add(10 * time.Minute)}
			y.mu.Unlock()
			back.Set("code", code)
		}
		http.Redirect(w, r, y.Redirect+"?"+back.Encode(), http.StatusFound)
	}
}

// token is the token endpoint. Its words of refusal are those of Yahoo's error page.
func (y *YahooServer) token(w http.ResponseWriter, r *http.Request) {
	y.mu.Lock()
	defer y.mu.Unlock()
	refuse := func(status int, word string) {
		answer(w, status, map[string]any{"error": word, "error_description": "see the guide"})
	}
	if y.fail != 0 {
		status := y.fail
		y.fail = 0
		w.Header().Set("Retry-After", "7")
		refuse(status, "ERROR_HANDLING_REQUEST")
		return
	}
	id, password, _ := r.BasicAuth()
	switch {
	case r.Method != http.MethodPost || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") || r.URL.RawQuery != "":
		refuse(http.StatusBadRequest, "INVALID_REQUEST")
		return
	case id != yahooClient:
		refuse(http.StatusBadRequest, "INVALID_CLIENT")
		return
	case subtle.ConstantTimeCompare([]byte(password), []byte(yahooSecret)) != 1:
		refuse(http.StatusUnauthorized, "INVALID_CLIENT_SECRET")
		return
	}
	var g *yahooGrant
	refresh := r.PostFormValue("refresh_token")
	switch r.PostFormValue("grant_type") {
	case "authorization_code":
		g = y.codes[r.PostFormValue("code")]
		sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
		switch {
		case r.PostFormValue("redirect_uri") != y.Redirect:
			refuse(http.StatusBadRequest, "INVALID_REDIRECT_URI")
			return
		case g == nil || g.used || y.now().After(g.until) || base64.RawURLEncoding.EncodeToString(sum[:]) != g.challenge:
			refuse(http.StatusUnauthorized, "INVALID_GRANT")
			return
		}
		g.used = true
		refresh = token()
		y.fresh[refresh] = g
	case "refresh_token":
		if g = y.fresh[refresh]; g == nil {
			refuse(http.StatusBadRequest, "INVALID_REFRESH_TOKEN")
			return
		}
	default:
		refuse(http.StatusBadRequest, "UNSUPPORTED_GRANT_TYPE")
		return
	}
	access := token()
	y.issued++
	y.tokens[access] = &yahooGrant{user: g.user, scopes: g.scopes, until: y.now().Add(y.life)}
	answer(w, http.StatusOK, map[string]any{"access_token": access, "refresh_token": refresh, "expires_in": int(y.life.Seconds()), "token_type": "bearer"})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (y *YahooServer) userinfo(w http.ResponseWriter, r *http.Request) {
	bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	g := y.holder(bearer, "openid")
	if g == nil {
		answer(w, http.StatusUnauthorized, map[string]any{"error": map[string]string{"localizedMessage": "client request is not acceptable or not supported"}})
		return
	}
	out := map[string]any{"sub": YahooSubject(g.user)}
	y.mu.Lock()
	defer y.mu.Unlock()
	if slices.Contains(g.scopes, "email") && !y.hidden {
		out["email"], out["email_verified"] = g.user, true
	}
	answer(w, http.StatusOK, out)
}

// YahooSubject is the account number of a mailbox.
func YahooSubject(user string) string {
	sum := sha256.Sum256([]byte(user))
	return strings.ToUpper(hex.EncodeToString(sum[:13]))
}

// holder is whose access token it is, nil unless it is good for the scope.
func (y *YahooServer) holder(access, scope string) *yahooGrant {
	y.mu.Lock()
	defer y.mu.Unlock()
	g := y.tokens[access]
	if g == nil || y.now().After(g.until) || !slices.Contains(g.scopes, scope) {
		return nil
	}
	return g
}

// Remove is the owner removing the app in the account's security settings: every token of theirs ends.
func (y *YahooServer) Remove(user string) {
	y.mu.Lock()
	defer y.mu.Unlock()
	for _, all := range []map[string]*yahooGrant{y.codes, y.tokens, y.fresh} {
		for k, g := range all {
			if g.user == user {
				delete(all, k)
			}
		}
	}
}

// Lifetime sets how long access tokens last that are issued from now on.
func (y *YahooServer) Lifetime(d time.Duration) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.life = d
}

// Issued counts how often the token endpoint has given tokens.
func (y *YahooServer) Issued() int {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.issued
}

// FailToken makes the next answer of the token endpoint this status.
func (y *YahooServer) FailToken(status int) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.fail = status
}

// HideAddress makes userinfo leave the address out, as for an app without that permission.
func (y *YahooServer) HideAddress() {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.hidden = true
}
