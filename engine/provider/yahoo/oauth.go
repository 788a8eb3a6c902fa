package yahoo

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/secret"
)

// openid is what makes the userinfo endpoint answer (OpenID Connect Core 1.0 section 3.1.2.1). It is ours to ask for and says nothing to
// a person that "email" does not, so it stands in no table and is taken out of what was granted.
const openid = "openid"

var (
	errClient   = fault.New(fault.Upstream, "provider_client_refused", "Yahoo does not accept this installation's client id or secret. An administrator has to check the connector.")
	errIdentity = fault.New(fault.Upstream, "provider_identity", "Yahoo did not say which mailbox this is. Connect it again and allow the app to see the address; if that does not help, the app needs Yahoo's OpenID Connect permission for email.")
)

// DefaultScopes implements provider.OAuth.
func (c *Connector) DefaultScopes() []string {
	return provider.ScopesFor("yahoo", []provider.Capability{provider.ReadMail})
}

// AuthURL implements provider.OAuth.
func (c *Connector) AuthURL(app provider.App, r provider.AuthRequest) (string, error) {
	if !slices.Contains(r.Scopes, openid) {
		r.Scopes = append([]string{openid}, r.Scopes...)
	}
	return c.oauth.AuthURL(app, r, nil)
}

// Exchange implements provider.OAuth.
func (c *Connector) Exchange(ctx context.Context, app provider.App, code, verifier secret.Text) (provider.Token, provider.Identity, error) {
	t, err := c.oauth.Exchange(ctx, app, code, verifier)
	if err != nil {
		return provider.Token{}, provider.Identity{}, meaning(err)
	}
	var who struct{ Sub, Email, Name string }
	if err := c.oauth.Identity(ctx, t.Access, &who); err != nil {
		return provider.Token{}, provider.Identity{}, err
	}
	// Without the address nobody can log in to the mail servers: XOAUTH2 names the user.
	if who.Sub == "" || (email.Address{Email: who.Email}).Check() != nil {
		return provider.Token{}, provider.Identity{}, errIdentity
	}
	return plain(t), provider.Identity{Subject: who.Sub, Email: who.Email, Name: who.Name}, nil
}

// Refresh implements provider.OAuth.
func (c *Connector) Refresh(ctx context.Context, app provider.App, refresh secret.Text) (provider.Token, error) {
	t, err := c.oauth.Refresh(ctx, app, refresh)
	if err != nil {
		return provider.Token{}, meaning(err)
	}
	return plain(t), nil
}

func plain(t provider.Token) provider.Token {
	t.Scopes = slices.DeleteFunc(t.Scopes, func(s string) bool { return s == openid })
	return t
}

// meaning reads Yahoo's own error words (developer.yahoo.com/oauth2/guide/errors), which stand in capitals where RFC 6749 section 5.2
// has invalid_grant and invalid_client. The shared client leaves an answer that it does not know with its status and word as the cause.
func meaning(err error) error {
	f, ok := fault.As(err)
	if !ok || f.Code != "provider_unavailable" || errors.Unwrap(f) == nil {
		return err
	}
	status, word, _ := strings.Cut(errors.Unwrap(f).Error(), " ")
	if !strings.HasPrefix(status, "4") {
		return err
	}
	switch word {
	case "INVALID_REFRESH_TOKEN", "TOKEN_EXPIRED", "INVALID_GRANT", "ACCOUNT_NOT_AUTHORIZED", "INVALID_AUTHORIZATION_CODE":
		return provider.InvalidGrant(word)
	case "INVALID_CLIENT", "INVALID_CLIENT_SECRET", "INVALID_CALLBACK", "INVALID_REDIRECT_URI":
		return errClient.Because(errors.New(word))
	}
	return err
}
