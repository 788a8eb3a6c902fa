package providertest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/secret"
)

// GoogleServiceAccount is a service account with one key, and what an administrator lets it do for the mailboxes of a domain.
type GoogleServiceAccount struct {
	Address, KeyID, ID string
	Key                secret.Text // PEM, PKCS 8

	public    *rsa.PublicKey
	domain    string
	delegated []string // scopes; none: not delegated
	disabled  bool
}

// ServiceAccount makes one that may act for the mailboxes of a domain with scopes.
func (g *GoogleServer) ServiceAccount(t testing.TB, domain string, scopes ...string) *GoogleServiceAccount {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	a := &GoogleServiceAccount{Address: "postern-" + googleRandom(4) + "@project.iam.gserviceaccount.example", KeyID: googleRandom(20), ID: "1" + strings.Repeat("0", 20), public: &key.PublicKey, domain: domain, delegated: scopes,
		Key: secret.New(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.services = append(g.services, a)
	return a
}

// App is the account as a connector gets it.
func (a *GoogleServiceAccount) App() provider.App {
	return provider.App{ClientID: a.Address, ClientSecret: a.Key, Delegated: true, Settings: map[string]string{"private_key_id": a.KeyID}}
}

// Delegate replaces what the administrator lets a service account do; no scopes withdraw the delegation.
func (g *GoogleServer) Delegate(a *GoogleServiceAccount, scopes ...string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	a.delegated = scopes
}

// Disable disables a service account, or enables it.
func (g *GoogleServer) Disable(a *GoogleServiceAccount, yes bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	a.disabled = yes
}

// assert trades an assertion for an access token of the person it names. The lock is held. The words are Google's.
func (g *GoogleServer) assert(w http.ResponseWriter, q url.Values) {
	var claims struct {
		jwt.RegisteredClaims
		Scope string `json:"scope"`
	}
	var from *GoogleServiceAccount
	now := g.now()
	parsed, err := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithoutClaimsValidation()).ParseWithClaims(q.Get("assertion"), &claims, func(t *jwt.Token) (any, error) {
		kid, _ := t.Header["kid"].(string)
		for _, a := range g.services {
			if a.Address == claims.Issuer && (kid == "" || kid == a.KeyID) {
				from = a
				return a.public, nil
			}
		}
		return nil, jwt.ErrTokenUnverifiable
	})
	switch {
	case q.Get("assertion") == "":
		googleOops(w, 400, "invalid_request", "Missing required parameter: assertion")
		return
	case from == nil:
		googleOops(w, 400, "invalid_grant", "Invalid grant: account not found")
		return
	case err != nil || !parsed.Valid:
		googleOops(w, 400, "invalid_grant", "Invalid JWT Signature.")
		return
	case from.disabled:
		googleOops(w, 401, "disabled_client", "The OAuth client was disabled.")
		return
	case len(claims.Audience) != 1 || claims.Audience[0] != g.TokenURL():
		googleOops(w, 400, "invalid_grant", "Invalid JWT: Failed audience check.")
		return
	case claims.IssuedAt == nil || claims.ExpiresAt == nil || claims.ExpiresAt.Sub(claims.IssuedAt.Time) > time.Hour || claims.IssuedAt.After(now.Add(5*time.Minute)) || now.After(claims.ExpiresAt.Time):
		googleOops(w, 400, "invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.")
		return
	}
	scopes := strings.Fields(claims.Scope)
	u := g.users[claims.Subject]
	switch {
	case len(scopes) == 0 || slices.ContainsFunc(scopes, func(s string) bool { return !googleKnownScope(s) }):
		googleOops(w, 400, "invalid_scope", "Invalid OAuth scope or ID token audience provided.")
	case len(from.delegated) == 0 || slices.ContainsFunc(scopes, func(s string) bool { return !slices.Contains(from.delegated, s) }):
		googleOops(w, 401, "unauthorized_client", "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the scopes requested.")
	case u == nil || !strings.HasSuffix(claims.Subject, "@"+from.domain):
		googleOops(w, 400, "invalid_grant", "Invalid email or User ID")
	default:
		access := "ya29.c." + googleRandom(24)
		g.tokens[access] = &googleToken{client: from.Address, user: u, scopes: scopes, ends: now.Add(g.life)}
		googleReply(w, 200, map[string]any{"access_token": access, "expires_in": int(g.life.Seconds()) - 1, "token_type": "Bearer"})
	}
}
