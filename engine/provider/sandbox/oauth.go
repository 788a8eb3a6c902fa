package sandbox

import (
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"sort"
	"strings"
	"sync"
	"time"
)

// The scopes of the sandbox. provider.ScopesOf("sandbox") says what they mean.
const (
	ScopeIdentity = "identity"
	ScopeRead     = "mail.read"
	ScopeModify   = "mail.modify"
	ScopeSend     = "mail.send"
	ScopeDrafts   = "mail.drafts"
	ScopeFolders  = "mail.folders"
	ScopeContacts = "contacts.read"
)

var scopeWords = []struct{ name, words string }{
	{ScopeIdentity, "See your name and address"},
	{ScopeRead, "Read your messages and folders"},
	{ScopeModify, "Mark, move and delete your messages"},
	{ScopeSend, "Send messages as you"},
	{ScopeDrafts, "Write, change and delete your drafts"},
	{ScopeFolders, "Create, rename and delete your folders"},
	{ScopeContacts, "Read your contacts"},
}

// flow is one person on the way through the consent page.
type flow struct {
	redirect, state, challenge, hint, user string
	scopes                                 []string
	until                                  time.Time
}

type flows struct {
	mu   sync.Mutex
	byID map[string]*flow
}

const (
	flowLife  = 10 * time.Minute
	mostFlows = 1000
)

func (s *Server) routes() http.Handler {
	fl := &flows{byID: map[string]*flow{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /authorize", func(w http.ResponseWriter, r *http.Request) { s.authorize(w, r, fl) })
	mux.HandleFunc("POST /signin", func(w http.ResponseWriter, r *http.Request) { s.signin(w, r, fl) })
	mux.HandleFunc("POST /consent", func(w http.ResponseWriter, r *http.Request) { s.consent(w, r, fl) })
	mux.HandleFunc("POST /token", s.token)
	mux.HandleFunc("POST /revoke", s.revoke)
	mux.HandleFunc("GET /userinfo", s.userinfo)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { s.page(w, http.StatusOK, page{Kind: "home"}) })
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", s.metadata)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		mux.ServeHTTP(w, r)
	})
}

// authorize begins a flow (RFC 6749 section 4.1.1). A wrong client or redirect URI is told to the person, never to the URI.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request, fl *flows) {
	q := r.URL.Query()
	id, _ := s.book.client()
	if q.Get("client_id") != id {
		s.page(w, http.StatusBadRequest, page{Kind: "error", Error: "The app that sent you here is not known to the sandbox."})
		return
	}
	redirect := q.Get("redirect_uri")
	if !s.mayRedirect(redirect) {
		s.page(w, http.StatusBadRequest, page{Kind: "error", Error: "The app that sent you here wants to continue at an address that is not registered for it."})
		return
	}
	f := &flow{redirect: redirect, state: q.Get("state"), challenge: q.Get("code_challenge"), hint: q.Get("login_hint"), until: s.now().Add(flowLife)}
	switch {
	case q.Get("response_type") != "code":
		f.fail(w, r, "unsupported_response_type", "response_type must be code")
		return
	case f.challenge == "" || q.Get("code_challenge_method") != "S256" || len(f.challenge) != 43:
		f.fail(w, r, "invalid_request", "a code_challenge with code_challenge_method=S256 is required")
		return
	}
	known := map[string]bool{}
	for _, sc := range scopeWords {
		known[sc.name] = true
	}
	seen := map[string]bool{}
	for _, sc := range strings.Fields(q.Get("scope")) {
		if !known[sc] {
			f.fail(w, r, "invalid_scope", "the sandbox has no such scope")
			return
		}
		if !seen[sc] {
			seen[sc] = true
			f.scopes = append(f.scopes, sc)
		}
	}
	if len(f.scopes) == 0 {
		f.fail(w, r, "invalid_scope", "at least one scope is required")
		return
	}
	flowID := random(16)
	fl.mu.Lock()
	for k, x := range fl.byID {
		if s.now().After(x.until) || len(fl.byID) > mostFlows {
			delete(fl.byID, k)
		}
	}
	fl.byID[flowID] = f
	fl.mu.Unlock()
	s.page(w, http.StatusOK, page{Kind: "signin", Flow: flowID, Address: f.hint})
}

// mayRedirect compares byte by byte with the registered URIs; without any, everything on loopback is one.
func (s *Server) mayRedirect(raw string) bool {
	for _, u := range s.redirects {
		if u == raw {
			return true
		}
	}
	u, err := url.Parse(raw)
	if err != nil || len(s.redirects) > 0 || u.Scheme != "http" && u.Scheme != "https" || u.Fragment != "" || u.User != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

func (fl *flows) find(id string, now time.Time) *flow {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	f := fl.byID[id]
	if f == nil || now.After(f.until) {
		return nil
	}
	c := *f
	return &c
}

const flowOver = "This sign-in has expired or was finished already. Go back to the app and start again."

func (s *Server) signin(w http.ResponseWriter, r *http.Request, fl *flows) {
	flowID, address := r.PostFormValue("flow"), strings.ToLower(strings.TrimSpace(r.PostFormValue("address")))
	f := fl.find(flowID, s.now())
	if f == nil {
		s.page(w, http.StatusGone, page{Kind: "error", Error: flowOver})
		return
	}
	box := s.box(address)
	if box == nil || !same(r.PostFormValue("password"), s.book.password()) {
		s.page(w, http.StatusUnauthorized, page{Kind: "signin", Flow: flowID, Address: address, Error: "Address and password do not match."})
		return
	}
	fl.mu.Lock()
	if x := fl.byID[flowID]; x != nil {
		x.user = address
	}
	fl.mu.Unlock()
	p := page{Kind: "consent", Flow: flowID, Address: address, Name: box.name}
	for _, sc := range scopeWords {
		for _, wanted := range f.scopes {
			if wanted == sc.name {
				p.Scopes = append(p.Scopes, pageScope{Name: sc.name, Words: sc.words, Always: sc.name == ScopeIdentity})
			}
		}
	}
	s.page(w, http.StatusOK, p)
}

func (s *Server) consent(w http.ResponseWriter, r *http.Request, fl *flows) {
	flowID := r.PostFormValue("flow")
	f := fl.find(flowID, s.now())
	if f == nil || f.user == "" {
		s.page(w, http.StatusGone, page{Kind: "error", Error: flowOver})
		return
	}
	fl.mu.Lock()
	delete(fl.byID, flowID)
	fl.mu.Unlock()
	if r.PostFormValue("answer") != "allow" {
		f.fail(w, r, "access_denied", "the person declined")
		return
	}
	ticked := map[string]bool{ScopeIdentity: true}
	for _, sc := range r.PostForm["scope"] {
		ticked[sc] = true
	}
	var granted []string
	for _, sc := range f.scopes {
		if ticked[sc] {
			granted = append(granted, sc)
		}
	}
	if len(granted) == 0 {
		f.fail(w, r, "access_denied", "nothing was allowed")
		return
	}
	f.back(w, r, url.Values{"code": {s.book.newCode(f.user, f.redirect, f.challenge, granted)}})
}

func (f *flow) fail(w http.ResponseWriter, r *http.Request, code, description string) {
	f.back(w, r, url.Values{"error": {code}, "error_description": {description}})
}

// back sends the browser to the app with 303: a POST must not be repeated there (RFC 9700 section 4.12).
func (f *flow) back(w http.ResponseWriter, r *http.Request, q url.Values) {
	u, err := url.Parse(f.redirect)
	if err != nil {
		http.Error(w, "redirect", http.StatusInternalServerError)
		return
	}
	all := u.Query()
	for k, v := range q {
		all[k] = v
	}
	if f.state != "" {
		all.Set("state", f.state)
	}
	u.RawQuery = all.Encode()
	http.Redirect(w, r, u.String(), http.StatusSeeOther)
}

func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	if !s.clientOf(w, r) {
		return
	}
	var i issue
	var why string
	switch r.PostFormValue("grant_type") {
	case "authorization_code":
		i, why = s.book.redeem(r.PostFormValue("code"), r.PostFormValue("redirect_uri"), r.PostFormValue("code_verifier"))
	case "refresh_token":
		i, why = s.book.renew(r.PostFormValue("refresh_token"))
	default:
		oauthError(w, http.StatusBadRequest, "unsupported_grant_type", "authorization_code and refresh_token are")
		return
	}
	if why != "" {
		oauthError(w, http.StatusBadRequest, "invalid_grant", why)
		return
	}
	out := map[string]any{"access_token": i.access, "token_type": "Bearer", "expires_in": int(s.book.ttl / time.Second), "scope": strings.Join(i.scopes, " ")}
	if i.refresh != "" {
		out["refresh_token"] = i.refresh
	}
	writeJSON(w, http.StatusOK, out)
}

func (s *Server) revoke(w http.ResponseWriter, r *http.Request) {
	if !s.clientOf(w, r) {
		return
	}
	if r.PostFormValue("token") == "" {
		oauthError(w, http.StatusBadRequest, "invalid_request", "token is missing")
		return
	}
	s.book.revoke(r.PostFormValue("token"))
	w.WriteHeader(http.StatusOK)
}

// clientOf authenticates the client by header or body (RFC 6749 section 2.3.1).
func (s *Server) clientOf(w http.ResponseWriter, r *http.Request) bool {
	id, key := r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	if u, p, ok := r.BasicAuth(); ok {
		id, _ = url.QueryUnescape(u)
		key, _ = url.QueryUnescape(p)
	}
	if s.book.isClient(id, key) {
		return true
	}
	w.Header().Set("WWW-Authenticate", `Basic realm="sandbox"`)
	oauthError(w, http.StatusUnauthorized, "invalid_client", "client id or secret is wrong")
	return false
}

func (s *Server) userinfo(w http.ResponseWriter, r *http.Request) {
	bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	a := s.book.check(bearer)
	if !ok || a == nil {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		oauthError(w, http.StatusUnauthorized, "invalid_token", "the access token is not good")
		return
	}
	box := s.box(a.user)
	if box == nil {
		oauthError(w, http.StatusUnauthorized, "invalid_token", "there is no such person any more")
		return
	}
	out := map[string]any{"sub": box.subject}
	if a.may(ScopeIdentity) {
		out["email"], out["name"] = a.user, box.name
	}
	writeJSON(w, http.StatusOK, out)
}

func (s *Server) metadata(w http.ResponseWriter, _ *http.Request) {
	var scopes []string
	for _, sc := range scopeWords {
		scopes = append(scopes, sc.name)
	}
	sort.Strings(scopes)
	u := s.endpoints.URL
	writeJSON(w, http.StatusOK, map[string]any{"issuer": u, "authorization_endpoint": u + "/authorize", "token_endpoint": u + "/token", "revocation_endpoint": u + "/revoke", "userinfo_endpoint": u + "/userinfo",
		"response_types_supported": []string{"code"}, "grant_types_supported": []string{"authorization_code", "refresh_token"}, "code_challenge_methods_supported": []string{"S256"}, "scopes_supported": scopes,
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post"}})
}

func oauthError(w http.ResponseWriter, status int, code, description string) {
	writeJSON(w, status, map[string]any{"error": code, "error_description": description})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
