package v3

import (
	"errors"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/web"
)

// connectAuth begins a consent and sends the browser to the hosted page. What is wrong with a request whose callback URI is registered is
// told there (RFC 6749 section 4.1.2.1); everything else is answered here, for an unregistered address must never be redirected to.
func (d *Door) connectAuth(c echo.Context) error {
	// Clients open this in a popup and listen for its message. A policy that parts the popup from its opener, on any answer on the way,
	// looks to them like a window that was closed.
	c.Response().Header().Set("Cross-Origin-Opener-Policy", "unsafe-none")
	q := queryOf(c)
	r := grants.AuthRequest{
		ClientID: q.text("client_id"), RedirectURI: q.text("redirect_uri"), ResponseType: q.text("response_type"), Provider: q.text("provider"),
		Scope: q.text("scope"), State: q.text("state"), LoginHint: q.text("login_hint"), Prompt: q.text("prompt"), AccessType: q.text("access_type"),
		CodeChallenge: q.text("code_challenge"), CodeChallengeMethod: q.text("code_challenge_method"),
		CredentialID: q.text("credential_id"), WorkspaceID: q.text("workspace_id"),
		Addr: address(c), UserAgent: strings.ToValidUTF8(web.Actor(c).UserAgent, ""),
	}
	if q.err != nil {
		return q.err
	}
	flow, err := d.Grants.BeginAuth(c.Request().Context(), r)
	var told *grants.AuthError
	if errors.As(err, &told) && told.RedirectURL != "" {
		return c.Redirect(http.StatusFound, told.RedirectURL)
	}
	if err != nil {
		return err
	}
	return c.Redirect(http.StatusFound, d.URL("/connect/flow/"+flow.String()))
}
