package sandbox

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/imapmail"
	"github.com/postern-mail/postern/engine/provider/oauth"
	"github.com/postern-mail/postern/engine/secret"
)

// ConnectorConfig is what the connector needs. Guard must allow the sandbox's addresses.
type ConnectorConfig struct {
	Guard     *dial.Guard
	Endpoints Endpoints
	Now       func() time.Time // nil = time.Now
}

// Connector reaches a sandbox, in this process or another. It is safe for concurrent use.
type Connector struct {
	oauth          oauth.Client
	*imapmail.Mail // every capability of a mailbox
	settings       map[string]string
}

var (
	_ provider.Mailbox = (*Connector)(nil)
	_ provider.OAuth   = (*Connector)(nil)
	_ provider.Revoker = (*Connector)(nil)
	_ provider.Domains = (*Connector)(nil)
)

// New makes the connector.
func New(c ConnectorConfig) *Connector {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(c.Endpoints.CA))
	u := c.Endpoints.URL
	out := &Connector{oauth: oauth.Client{HTTP: c.Guard.HTTPClient(dial.Provider, 15*time.Second), Now: c.Now, Auth: u + "/authorize", Token: u + "/token", Revoke: u + "/revoke", Userinfo: u + "/userinfo"},
		settings: map[string]string{provider.IMAPTLS: provider.TLS, provider.SMTPTLS: provider.TLS, provider.SentCopy: provider.ByServer}}
	out.Mail = imapmail.New(imapmail.Config{Guard: c.Guard, Now: c.Now, Roots: roots, At: out.at})
	out.settings[provider.IMAPHost], out.settings[provider.IMAPPort], _ = net.SplitHostPort(c.Endpoints.IMAPAddr)
	out.settings[provider.SMTPHost], out.settings[provider.SMTPPort], _ = net.SplitHostPort(c.Endpoints.SMTPAddr)
	return out
}

// Name implements provider.Connector.
func (c *Connector) Name() string { return "sandbox" }

// Label implements provider.Connector.
func (c *Connector) Label() string { return "Sandbox Mail" }

// Domains implements provider.Domains.
func (c *Connector) Domains() []string { return []string{Domain} }

// DefaultScopes implements provider.OAuth.
func (c *Connector) DefaultScopes() []string { return []string{ScopeIdentity, ScopeRead} }

// AuthURL implements provider.OAuth.
func (c *Connector) AuthURL(app provider.App, r provider.AuthRequest) (string, error) {
	return c.oauth.AuthURL(app, r, nil)
}

// Exchange implements provider.OAuth.
func (c *Connector) Exchange(ctx context.Context, app provider.App, code, verifier secret.Text) (provider.Token, provider.Identity, error) {
	t, err := c.oauth.Exchange(ctx, app, code, verifier)
	if err != nil {
		return provider.Token{}, provider.Identity{}, err
	}
	var who struct{ Sub, Email, Name string }
	if err := c.oauth.Identity(ctx, t.Access, &who); err != nil {
		return provider.Token{}, provider.Identity{}, err
	}
	return t, provider.Identity{Subject: who.Sub, Email: who.Email, Name: who.Name}, nil
}

// Refresh implements provider.OAuth.
func (c *Connector) Refresh(ctx context.Context, app provider.App, refresh secret.Text) (provider.Token, error) {
	return c.oauth.Refresh(ctx, app, refresh)
}

// Revoke implements provider.Revoker: it tells the sandbox, then tries the refresh token once more.
func (c *Connector) Revoke(ctx context.Context, app provider.App, t provider.Token) (provider.Revocation, error) {
	token, hint := t.Refresh, "refresh_token"
	if token.Empty() {
		token, hint = t.Access, "access_token"
	}
	if token.Empty() {
		return provider.Revocation{Outcome: provider.DeletedHereOnly, Answer: "there was no token to revoke"}, nil
	}
	status, answer, err := c.oauth.RevokeToken(ctx, app, token, hint)
	if err != nil {
		return provider.Revocation{}, err
	}
	r := provider.Revocation{Outcome: provider.SeveredAtProvider, Status: status, Answer: answer}
	if status != http.StatusOK {
		r.Outcome, r.AccessUntil = provider.DeletedHereOnly, t.ExpiresAt
	}
	if t.Refresh.Empty() {
		return r, nil
	}
	again, err := c.oauth.Refresh(ctx, app, t.Refresh)
	switch {
	case errors.Is(err, provider.ErrInvalidGrant):
		r.Outcome, r.ProbeAnswer, r.AccessUntil = provider.SeveredVerified, "invalid_grant: "+provider.ReasonOf(err), time.Time{}
	case err == nil:
		// It still works: what the probe got must not live on, and nothing may be claimed.
		_, _, _ = c.oauth.RevokeToken(ctx, app, again.Access, "access_token")
		r.Outcome, r.ProbeAnswer, r.AccessUntil = provider.DeletedHereOnly, "the refresh token still worked", t.ExpiresAt
	default:
		if f, ok := fault.As(err); ok {
			r.ProbeAnswer = f.Code
		}
	}
	return r, nil
}

// at points an account to the sandbox's servers, whatever it was saved with: they move with each start.
func (c *Connector) at(a provider.Account) provider.Account {
	a.Settings = c.settings
	return a
}
