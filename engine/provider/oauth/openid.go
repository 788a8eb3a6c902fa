package oauth

import (
	"context"
	"net/url"

	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/secret"
)

// ExchangeOpenID is Exchange for a provider that says who the person is in an id token (OpenID Connect Core 1.0 section 3.1.3.3). The id token
// is empty when the answer has none. Nothing in it is checked here.
func (c *Client) ExchangeOpenID(ctx context.Context, app provider.App, code, verifier secret.Text) (provider.Token, secret.Text, error) {
	return c.tokens(ctx, app, url.Values{"grant_type": {"authorization_code"}, "code": {code.Reveal()}, "redirect_uri": {app.RedirectURI}, "code_verifier": {verifier.Reveal()}})
}
