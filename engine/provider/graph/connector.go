package graph

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/oauth"
	"github.com/postern-mail/postern/engine/secret"
)

// The public addresses (Microsoft identity platform, "OAuth 2.0 authorization code flow", "Admin consent"; Microsoft Graph, "Use the API").
const (
	login            = "https://login.microsoftonline.com"
	publicAuth       = login + "/{tenant}/oauth2/v2.0/authorize"
	publicToken      = login + "/{tenant}/oauth2/v2.0/token"
	publicAdmin      = login + "/{tenant}/v2.0/adminconsent"
	publicGraph      = "https://graph.microsoft.com/v1.0"
	graphScope       = "https://graph.microsoft.com/"
	placeholder      = "{tenant}"
	tokenTimeout     = 15 * time.Second
	callTimeout      = 60 * time.Second
	maxTenantSetting = 100
)

// Config is what the connector needs. The addresses are the operator's; an empty one is the public one. {tenant} in one of them is replaced
// by the tenant of the app. A GraphURL without a path gets /v1.0.
type Config struct {
	Guard           *dial.Guard
	Now             func() time.Time // nil = time.Now
	AuthURL         string
	TokenURL        string
	AdminConsentURL string
	GraphURL        string
}

// Connector reaches Microsoft. It is safe for concurrent use.
type Connector struct {
	now                func() time.Time
	auth, token, admin string
	graph              *url.URL
	graphErr           error
	tokenHTTP          *http.Client
	http               *http.Client
	slow               *http.Client // bounded by the caller's context alone

	mu       sync.Mutex
	sessions map[string]*session
}

var (
	_ provider.OAuth          = (*Connector)(nil)
	_ provider.MessageLister  = (*Connector)(nil)
	_ provider.MessageReader  = (*Connector)(nil)
	_ provider.MessageUpdater = (*Connector)(nil)
	_ provider.MessageDeleter = (*Connector)(nil)
	_ provider.FolderLister   = (*Connector)(nil)
	_ provider.Sender         = (*Connector)(nil)
	_ provider.ThreadReader   = (*Connector)(nil)
	_ provider.ThreadWriter   = (*Connector)(nil)
	_ provider.DraftReader    = (*Connector)(nil)
	_ provider.DraftWriter    = (*Connector)(nil)
	_ provider.DraftSender    = (*Connector)(nil)
	_ provider.FolderWriter   = (*Connector)(nil)
	_ provider.Silencer       = (*Connector)(nil)
	_ provider.Pushed         = (*watch)(nil)
)

var (
	errTenant  = fault.New(fault.Invalid, "tenant_invalid", "The Microsoft tenant of this connector is neither a tenant id, a domain, common, organizations nor consumers. An administrator has to correct it.").At("tenant")
	errAddress = fault.New(fault.Internal, "graph_address", "")
)

// New makes the connector.
func New(c Config) *Connector {
	out := &Connector{now: c.Now, auth: or(c.AuthURL, publicAuth), token: or(c.TokenURL, publicToken), admin: or(c.AdminConsentURL, publicAdmin),
		tokenHTTP: c.Guard.HTTPClient(dial.Provider, tokenTimeout), http: c.Guard.HTTPClient(dial.Provider, callTimeout), slow: c.Guard.HTTPClient(dial.Provider, 0), sessions: map[string]*session{}}
	if out.now == nil {
		out.now = time.Now
	}
	u, err := url.Parse(or(c.GraphURL, publicGraph))
	if err != nil || u.Host == "" {
		out.graphErr = errAddress.Because(errors.New("the address of Microsoft Graph is not a URL"))
		return out
	}
	u.Path = strings.TrimRight(u.Path, "/")
	if u.Path == "" {
		u.Path = "/v1.0"
	}
	u.RawQuery, u.Fragment = "", ""
	out.graph = u
	return out
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// Name implements provider.Connector.
func (c *Connector) Name() string { return "microsoft" }

// Label implements provider.Connector.
func (c *Connector) Label() string { return "Microsoft 365" }

// DefaultScopes implements provider.OAuth: reading, and who the person is.
func (c *Connector) DefaultScopes() []string {
	return provider.ScopesFor("microsoft", []provider.Capability{provider.KnowIdentity, provider.ReadMail})
}

// tenant is the directory that people of this app sign in to: "common" takes work, school and personal accounts.
func tenant(app provider.App) (string, error) {
	t := strings.TrimSpace(app.Settings["tenant"])
	if t == "" {
		return "common", nil
	}
	if len(t) > maxTenantSetting || strings.Trim(t, ".") != t {
		return "", errTenant
	}
	for _, r := range t {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.') {
			return "", errTenant
		}
	}
	return t, nil
}

func (c *Connector) client(app provider.App) (*oauth.Client, error) {
	t, err := tenant(app)
	if err != nil {
		return nil, err
	}
	return &oauth.Client{HTTP: c.tokenHTTP, Now: c.now, Auth: strings.ReplaceAll(c.auth, placeholder, t), Token: strings.ReplaceAll(c.token, placeholder, t),
		// "interaction_required" and "consent_required" at the token endpoint ("Error codes for token endpoint errors") want the person, not a later try.
		Ended: []string{"interaction_required", "consent_required", "login_required"}}, nil
}

// AuthURL implements provider.OAuth. The answer comes back in the query, because the cookie that ties the flow to its browser does not travel with a
// form post. Identity scopes are always asked for: without openid and profile the answer would not say whose mailbox it is, without offline_access
// there would be no refresh token. No prompt is forced: it would ask people again for what their administrator has approved.
func (c *Connector) AuthURL(app provider.App, r provider.AuthRequest) (string, error) {
	o, err := c.client(app)
	if err != nil {
		return "", err
	}
	r.Scopes = wireScopes(r.Scopes)
	for _, s := range provider.ScopesOf("microsoft") {
		if s.Identity {
			r.Scopes = with(r.Scopes, s.Name)
		}
	}
	return o.AuthURL(app, r, url.Values{"response_mode": {"query"}})
}

// AdminConsentURL is where an administrator approves the scopes for a whole organisation. state comes back with admin_consent and tenant, or with error.
// A tenant that is "common" or "consumers" becomes "organizations": a personal account has no administrator.
func (c *Connector) AdminConsentURL(app provider.App, scopes []string, state string) (string, error) {
	t, err := tenant(app)
	if err != nil {
		return "", err
	}
	if t == "common" || t == "consumers" {
		t = "organizations"
	}
	u, err := url.Parse(strings.ReplaceAll(c.admin, placeholder, t))
	if err != nil || u.Host == "" || app.ClientID == "" || app.RedirectURI == "" || state == "" {
		return "", errAddress.Because(errors.New("the address of the admin consent page cannot be built"))
	}
	q := u.Query()
	q.Set("client_id", app.ClientID)
	q.Set("redirect_uri", app.RedirectURI)
	q.Set("state", state)
	q.Set("scope", strings.Join(wireScopes(scopes), " "))
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// Exchange implements provider.OAuth. Whose mailbox it is stands in the id token; /me gives the address, which is a label.
func (c *Connector) Exchange(ctx context.Context, app provider.App, code, verifier secret.Text) (provider.Token, provider.Identity, error) {
	o, err := c.client(app)
	if err != nil {
		return provider.Token{}, provider.Identity{}, err
	}
	t, id, err := o.ExchangeOpenID(ctx, app, code, verifier)
	if err != nil {
		return provider.Token{}, provider.Identity{}, err
	}
	who, err := c.identity(app, o.Token, id)
	if err != nil {
		return provider.Token{}, provider.Identity{}, err
	}
	if err := c.label(ctx, t.Access, &who); err != nil {
		return provider.Token{}, provider.Identity{}, err
	}
	t.Scopes = granted(t)
	if t.Scopes != nil {
		t.Scopes = with(t.Scopes, "openid") // an id token was given; Microsoft does not always list the scopes of OpenID Connect
	}
	return t, who, nil
}

// Refresh implements provider.OAuth. Microsoft sends a new refresh token with every answer and lets the old one live on; the caller must keep the new one.
func (c *Connector) Refresh(ctx context.Context, app provider.App, refresh secret.Text) (provider.Token, error) {
	o, err := c.client(app)
	if err != nil {
		return provider.Token{}, err
	}
	t, err := o.Refresh(ctx, app, refresh)
	if err != nil {
		return provider.Token{}, err
	}
	t.Scopes = granted(t)
	return t, nil
}

// granted names the scopes of an answer as the scope table does. offline_access is never in the answer's list: the refresh token itself is its proof.
func granted(t provider.Token) []string {
	if t.Scopes == nil {
		return nil
	}
	out := wireScopes(t.Scopes)
	if !t.Refresh.Empty() {
		out = with(out, "offline_access")
	}
	return out
}

// wireScopes writes scopes as they go over the wire. Microsoft answers short names or long ones, in letter cases of its own.
func wireScopes(scopes []string) []string {
	out := []string{}
next:
	for _, s := range scopes {
		for _, known := range provider.ScopesOf("microsoft") {
			if strings.EqualFold(s, known.Name) || strings.EqualFold(s, known.Short) {
				out = with(out, known.Name)
				continue next
			}
		}
		if strings.Contains(s, ".") && !strings.Contains(s, "/") {
			s = graphScope + s // a short name is a permission of Graph
		}
		out = with(out, s)
	}
	return out
}

func with(scopes []string, one string) []string {
	for _, s := range scopes {
		if s == one {
			return scopes
		}
	}
	return append(scopes, one)
}
