package providertest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/secret"
)

type microsoftCode struct {
	account   *MicrosoftAccount
	client    string
	redirect  string
	challenge string
	method    string
	scopes    []string
	expires   time.Time
	used      bool
}

type microsoftToken struct {
	account *MicrosoftAccount
	scopes  []string // short names
	expires time.Time
	revoked bool
}

// microsoftScopes are the permissions of the registered app, and those of OpenID Connect.
var microsoftScopes = []string{"openid", "profile", "email", "offline_access", "User.Read", "Mail.Read", "Mail.ReadWrite", "Mail.Send", "Mail.ReadBasic", "Mail.Read.Shared", "Mail.ReadWrite.Shared", "Contacts.Read", "Contacts.ReadWrite", "People.Read"}

func shortScopes(raw string) (known []string, unknown string) {
	for _, s := range strings.Fields(raw) {
		short := strings.TrimPrefix(s, "https://graph.microsoft.com/")
		i := slices.IndexFunc(microsoftScopes, func(k string) bool { return strings.EqualFold(k, short) })
		if i < 0 {
			return nil, s
		}
		known = append(known, microsoftScopes[i])
	}
	return known, ""
}

// stopPage is what Microsoft shows instead of sending somebody back, when the address to send to is not to be trusted.
func microsoftStop(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = fmt.Fprintf(w, "<!doctype html><link rel=icon href='data:,'><title>Sign in to your account</title><p>Sorry, but we're having trouble signing you in.<p id=error>%s", html.EscapeString(text))
}

func (s *MicrosoftServer) sendBack(w http.ResponseWriter, r *http.Request, q url.Values, answer map[string]string) {
	u, _ := url.Parse(q.Get("redirect_uri"))
	out := u.Query()
	for k, v := range answer {
		out.Set(k, v)
	}
	if q.Get("state") != "" {
		out.Set("state", q.Get("state"))
	}
	u.RawQuery = out.Encode()
	http.Redirect(w, r, u.String(), http.StatusFound)
}

// request checks an authorization request; false when it has been answered.
func (s *MicrosoftServer) request(w http.ResponseWriter, r *http.Request, q url.Values) bool {
	s.mu.Lock()
	client, redirects := s.client, slices.Clone(s.redirects)
	s.mu.Unlock()
	switch {
	case !slices.Contains([]string{"common", "organizations", "consumers"}, r.PathValue("tenant")) && !s.hasTenant(r.PathValue("tenant")):
		microsoftStop(w, "AADSTS90002: Tenant '"+r.PathValue("tenant")+"' not found.")
	case q.Get("client_id") != client:
		microsoftStop(w, "AADSTS700016: Application with identifier '"+q.Get("client_id")+"' was not found in the directory.")
	case !slices.Contains(redirects, q.Get("redirect_uri")):
		microsoftStop(w, "AADSTS50011: The redirect URI '"+q.Get("redirect_uri")+"' specified in the request does not match the redirect URIs configured for the application.")
	case q.Get("response_mode") != "" && q.Get("response_mode") != "query":
		microsoftStop(w, "this server speaks response_mode=query only")
	case q.Get("response_type") != "code":
		s.sendBack(w, r, q, map[string]string{"error": "unsupported_response_type", "error_description": "AADSTS700054: response_type is not enabled for the application."})
	case q.Get("scope") == "":
		s.sendBack(w, r, q, map[string]string{"error": "invalid_request", "error_description": "AADSTS900144: The request body must contain the following parameter: 'scope'."})
	case q.Get("code_challenge") != "" && (q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43):
		s.sendBack(w, r, q, map[string]string{"error": "invalid_request", "error_description": "AADSTS501491: Invalid code challenge."})
	case !slices.Contains([]string{"", "login", "none", "consent", "select_account"}, q.Get("prompt")):
		s.sendBack(w, r, q, map[string]string{"error": "invalid_request", "error_description": "AADSTS90023: Unsupported 'prompt' value."})
	default:
		if _, unknown := shortScopes(q.Get("scope")); unknown != "" {
			s.sendBack(w, r, q, map[string]string{"error": "invalid_scope", "error_description": "AADSTS70011: The provided value for the input parameter 'scope' is not valid. The scope " + unknown + " is not valid."})
			return false
		}
		if q.Get("prompt") == "none" {
			s.sendBack(w, r, q, map[string]string{"error": "login_required", "error_description": "AADSTS50058: A silent sign-in request was sent but no user is signed in."})
			return false
		}
		return true
	}
	return false
}

func (s *MicrosoftServer) hasTenant(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.accounts, func(a *MicrosoftAccount) bool { return a.Tenant == id })
}

// authorize shows one page with account and consent; the real one shows several.
func (s *MicrosoftServer) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if !s.request(w, r, q) {
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = fmt.Fprintf(w, "<!doctype html><link rel=icon href='data:,'><title>Sign in to your account</title><h1>Permissions requested</h1><form method=post action=%q>", html.EscapeString(r.URL.Path))
	for k, v := range q {
		_, _ = fmt.Fprintf(w, "<input type=hidden name=%q value=%q>", html.EscapeString(k), html.EscapeString(v[0]))
	}
	_, _ = fmt.Fprint(w, "<label>Account <select name=account id=account>")
	s.mu.Lock()
	for _, a := range s.accounts {
		chosen := ""
		if strings.EqualFold(a.Login, q.Get("login_hint")) || strings.EqualFold(a.Address, q.Get("login_hint")) {
			chosen = " selected"
		}
		_, _ = fmt.Fprintf(w, "<option value=%q%s>%s</option>", html.EscapeString(a.Login), chosen, html.EscapeString(a.Login))
	}
	s.mu.Unlock()
	_, _ = fmt.Fprint(w, `</select></label><ul>`)
	for _, scope := range strings.Fields(q.Get("scope")) {
		_, _ = fmt.Fprintf(w, "<li>%s", html.EscapeString(scope))
	}
	_, _ = fmt.Fprint(w, `</ul><button name=answer value=accept id=accept>Accept</button> <button name=answer value=cancel id=cancel>Cancel</button></form>`)
}

// decide is the form of that page.
func (s *MicrosoftServer) decide(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		microsoftStop(w, "the form cannot be read")
		return
	}
	q := r.PostForm
	if !s.request(w, r, q) {
		return
	}
	var account *MicrosoftAccount
	s.mu.Lock()
	for _, a := range s.accounts {
		if strings.EqualFold(a.Login, q.Get("account")) {
			account = a
		}
	}
	s.mu.Unlock()
	scopes, _ := shortScopes(q.Get("scope"))
	tenant := r.PathValue("tenant")
	switch {
	case q.Get("answer") != "accept":
		s.sendBack(w, r, q, map[string]string{"error": "access_denied", "error_subcode": "cancel", "error_description": "AADSTS65004: User declined to consent to access the app."})
		return
	case account == nil:
		microsoftStop(w, "AADSTS50034: The user account does not exist in the directory.")
		return
	case tenant == "organizations" && account.Personal || tenant == "consumers" && !account.Personal || tenant != "common" && tenant != "organizations" && tenant != "consumers" && tenant != account.Tenant:
		microsoftStop(w, "AADSTS50020: User account '"+account.Login+"' does not exist in tenant and cannot access the application.")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if account.NeedsAdmin != "" && !s.approved[account.Tenant] || account.NeedsAdmin != "" && q.Get("prompt") == "consent" {
		word := "access_denied"
		if account.NeedsAdmin == "65001" {
			word = "consent_required"
		}
		s.sendBack(w, r, q, map[string]string{"error": word, "error_description": "AADSTS" + account.NeedsAdmin + ": An administrator of " + account.Tenant + " has set a policy that prevents you from granting the permissions that are requested."})
		return
	}
	code := microsoftRandom(60)
	s.codes[code] = &microsoftCode{account: account, client: q.Get("client_id"), redirect: q.Get("redirect_uri"), challenge: q.Get("code_challenge"), method: q.Get("code_challenge_method"), scopes: scopes, expires: s.Now().Add(10 * time.Minute)}
	s.sendBack(w, r, q, map[string]string{"code": code, "session_state": microsoftGUID()})
}

// Disapprove takes an administrator's consent for a tenant back.
func (s *MicrosoftServer) Disapprove(tenant string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.approved, tenant)
}

// adminConsent approves at once: the administrator is taken for one who agrees. With ?refuse=1 in the state the administrator does not.
func (s *MicrosoftServer) adminConsent(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	s.mu.Lock()
	client, redirects := s.client, slices.Clone(s.redirects)
	s.mu.Unlock()
	tenant := r.PathValue("tenant")
	switch _, unknown := shortScopes(q.Get("scope")); {
	case tenant == "common" || tenant == "consumers":
		microsoftStop(w, "AADSTS90009: a tenant or organizations is needed here.")
	case q.Get("client_id") != client || !slices.Contains(redirects, q.Get("redirect_uri")):
		microsoftStop(w, "AADSTS50011: The redirect URI specified in the request does not match.")
	case unknown != "" || q.Get("scope") == "":
		microsoftStop(w, "AADSTS70011: The provided value for the input parameter 'scope' is not valid.")
	default:
		if tenant == "organizations" {
			s.mu.Lock()
			for _, a := range s.accounts {
				if !a.Personal {
					tenant = a.Tenant
				}
			}
			s.mu.Unlock()
		}
		s.Approve(tenant)
		s.sendBack(w, r, q, map[string]string{"admin_consent": "True", "tenant": tenant, "scope": q.Get("scope")})
	}
}

func (s *MicrosoftServer) refuse(w http.ResponseWriter, status int, word, code, text string) {
	trace, correlation, now := microsoftGUID(), microsoftGUID(), s.Now().UTC().Format("2006-01-02 15:04:05Z")
	microsoftJSON(w, status, map[string]any{"error": word, "error_description": "AADSTS" + code + ": " + text + "\r\nTrace ID: " + trace + "\r\nCorrelation ID: " + correlation + "\r\nTimestamp: " + now,
		"error_codes": []int{microsoftNumber(code)}, "timestamp": now, "trace_id": trace, "correlation_id": correlation, "error_uri": "https://login.microsoftonline.com/error?code=" + code})
}

func (s *MicrosoftServer) token(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tokenFail.fails(w) {
		return
	}
	if err := r.ParseForm(); err != nil || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") || len(r.URL.RawQuery) > 0 {
		s.refuse(w, 400, "invalid_request", "900144", "The request body must contain the following parameter: 'grant_type'.")
		return
	}
	f := r.PostForm
	switch {
	case f.Get("client_id") != s.client:
		s.refuse(w, 400, "unauthorized_client", "700016", "Application with identifier '"+f.Get("client_id")+"' was not found in the directory.")
	case f.Get("client_secret") == "":
		s.refuse(w, 401, "invalid_client", "7000218", "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.")
	case f.Get("client_secret") != s.secret:
		s.refuse(w, 401, "invalid_client", "7000215", "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID.")
	case f.Get("grant_type") == "authorization_code":
		s.redeem(w, f)
	case f.Get("grant_type") == "refresh_token":
		s.renew(w, f)
	default:
		s.refuse(w, 400, "unsupported_grant_type", "70003", "The app requested an unsupported grant type '"+f.Get("grant_type")+"'.")
	}
}

func (s *MicrosoftServer) redeem(w http.ResponseWriter, f url.Values) {
	c := s.codes[f.Get("code")]
	verifier := sha256.Sum256([]byte(f.Get("code_verifier")))
	switch {
	case c == nil:
		s.refuse(w, 400, "invalid_grant", "9002313", "Invalid request. Request is malformed or invalid.")
	case c.used:
		s.refuse(w, 400, "invalid_grant", "54005", "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token.")
	case !s.Now().Before(c.expires):
		s.refuse(w, 400, "invalid_grant", "70008", "The provided authorization code or refresh token has expired due to inactivity. Send a new interactive authorization request for this user and resource.")
	case c.redirect != f.Get("redirect_uri"):
		s.refuse(w, 400, "invalid_client", "500112", "The reply address does not match the reply address provided when requesting Authorization code.")
	case c.challenge != "" && f.Get("code_verifier") == "":
		s.refuse(w, 400, "invalid_grant", "501471", "The code_verifier is missing for a code that was requested with a code_challenge.")
	case c.challenge != "" && base64.RawURLEncoding.EncodeToString(verifier[:]) != c.challenge:
		s.refuse(w, 400, "invalid_grant", "501481", "The Code_Verifier does not match the code_challenge supplied in the authorization request.")
	default:
		c.used = true
		s.issue(w, c.account, c.scopes)
	}
}

func (s *MicrosoftServer) renew(w http.ResponseWriter, f url.Values) {
	t := s.refresh[f.Get("refresh_token")]
	switch {
	case t == nil:
		s.refuse(w, 400, "invalid_grant", "9002313", "Invalid request. Request is malformed or invalid.")
	case t.revoked:
		s.refuse(w, 400, "invalid_grant", "50173", "The provided grant has expired due to it being revoked, a fresh auth token is needed.")
	case !s.Now().Before(t.expires):
		s.refuse(w, 400, "invalid_grant", "700082", "The refresh token has expired due to inactivity.")
	default:
		s.issue(w, t.account, t.scopes) // the old one lives on
	}
}

// Tokens issues an access and a refresh token as if the person had just consented to scopes, by their short names.
func (a *MicrosoftAccount) Tokens(scopes ...string) provider.Token {
	s := a.server
	s.mu.Lock()
	defer s.mu.Unlock()
	access, refresh, ends := "EwB"+microsoftRandom(400), "0."+microsoftRandom(300), s.Now().Add(s.life)
	s.access[access] = &microsoftToken{account: a, scopes: scopes, expires: ends}
	s.refresh[refresh] = &microsoftToken{account: a, scopes: append(scopes, "offline_access"), expires: s.Now().Add(90 * 24 * time.Hour)}
	return provider.Token{Access: secret.New(access), Refresh: secret.New(refresh), ExpiresAt: ends}
}

// issue answers with tokens. The lock is held.
func (s *MicrosoftServer) issue(w http.ResponseWriter, a *MicrosoftAccount, scopes []string) {
	now := s.Now()
	s.issued++
	access := "EwB" + microsoftRandom(400)
	s.access[access] = &microsoftToken{account: a, scopes: scopes, expires: now.Add(s.life)}
	var said []string
	for _, x := range scopes {
		switch {
		case x == "offline_access":
			continue
		case strings.Contains(x, ".") && a.LongScopes:
			x = "https://graph.microsoft.com/" + x
		}
		said = append(said, x)
	}
	slices.Reverse(said)
	out := map[string]any{"token_type": "Bearer", "scope": strings.Join(said, " "), "expires_in": int(s.life.Seconds()) - 1, "ext_expires_in": int(s.life.Seconds()) - 1, "access_token": access}
	if slices.Contains(scopes, "offline_access") {
		refresh := "0." + microsoftRandom(300)
		s.refresh[refresh] = &microsoftToken{account: a, scopes: scopes, expires: now.Add(90 * 24 * time.Hour)}
		out["refresh_token"] = refresh
	}
	if slices.Contains(scopes, "openid") {
		out["id_token"] = s.idToken(a, scopes, now)
	}
	microsoftJSON(w, 200, out)
}

func (s *MicrosoftServer) idToken(a *MicrosoftAccount, scopes []string, now time.Time) string {
	claims := map[string]any{"ver": "2.0", "iss": "https://login.microsoftonline.com/" + a.Tenant + "/v2.0", "aud": s.client, "tid": a.Tenant, "sub": microsoftRandom(24), "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix()}
	if slices.Contains(scopes, "profile") {
		claims["oid"], claims["name"], claims["preferred_username"] = a.Object, a.Name, a.Login
	}
	if slices.Contains(scopes, "email") {
		claims["email"] = a.Address
	}
	body, _ := json.Marshal(claims)
	return base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"RS256","kid":"k"}`)) + "." + base64.RawURLEncoding.EncodeToString(body) + "." + microsoftRandom(256)
}

// Consent walks a person through the page at an authorization URL and answers where the browser is sent back to, or the text of the page that stopped it.
func (s *MicrosoftServer) Consent(authURL string, a *MicrosoftAccount, accept bool) (back *url.URL, stopped string) {
	client := s.http.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	u, err := url.Parse(authURL)
	if err != nil {
		return nil, err.Error()
	}
	res, err := client.Get(authURL)
	if err != nil {
		return nil, err.Error()
	}
	if page := microsoftPage(res); res.StatusCode != http.StatusOK {
		to, _ := res.Location()
		return to, page
	}
	form := u.Query()
	form.Set("account", a.Login)
	form.Set("answer", "cancel")
	if accept {
		form.Set("answer", "accept")
	}
	u.RawQuery = ""
	if res, err = client.PostForm(u.String(), form); err != nil {
		return nil, err.Error()
	}
	page := microsoftPage(res)
	to, _ := res.Location()
	return to, page
}
