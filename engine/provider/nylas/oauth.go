package nylas

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/secret"
)

var (
	errAuthRequest = fault.New(fault.Internal, "auth_request", "")
	errIdentity    = fault.New(fault.Upstream, "provider_identity", "Nylas did not say which mailbox this is. Connect it again.")
	errNoMail      = fault.New(fault.Invalid, "grant_without_mail", "This grant is of a calendar or meeting service: there is no mailbox behind it.").At("settings.grant_id")
	errAdoptID     = fault.New(fault.Invalid, "grant_id_invalid", "grant_id is the id of a grant of your Nylas application, as GET /v3/grants shows it there.").At("settings.grant_id")
	errAdoptGone   = fault.New(fault.Invalid, "grant_unknown", "Your Nylas application has no such grant, or it has expired there. Nothing was connected.").At("settings.grant_id")
)

// AuthURL implements provider.OAuth: Nylas' hosted authentication (GET /v3/connect/auth). Nylas hashes a PKCE verifier in its own way, base64 over the hex digits of the
// digest, which is made here from the standard challenge. Scopes are those of the mailbox's own provider: ours are translated where the connector names that provider, else
// Nylas' connector decides, and what came of it is read from the answer.
func (c *Connector) AuthURL(app provider.App, r provider.AuthRequest) (string, error) {
	base, err := c.base(app)
	if err != nil {
		return "", err
	}
	digest, err := base64.RawURLEncoding.DecodeString(r.CodeChallenge)
	if r.State == "" || len(r.CodeChallenge) != 43 || err != nil || len(digest) != 32 || app.ClientID == "" || app.RedirectURI == "" {
		return "", errAuthRequest.Because(errors.New("state, S256 challenge, client id and redirect URI are needed"))
	}
	q := url.Values{"client_id": {app.ClientID}, "redirect_uri": {app.RedirectURI}, "response_type": {"code"}, "access_type": {"offline"}, "state": {r.State},
		"code_challenge": {base64.RawStdEncoding.EncodeToString([]byte(hex.EncodeToString(digest)))}, "code_challenge_method": {"S256"}}
	upstream := app.Settings[Upstream]
	for name, value := range map[string]string{"login_hint": r.LoginHint, "provider": upstream, "scope": strings.Join(upstreamScopes(upstream, r.Scopes), " ")} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return base + "/v3/connect/auth?" + q.Encode(), nil
}

// upstreamScopes translates our words into the scopes of the mailbox's provider; scopes that are none of our words are that provider's already.
func upstreamScopes(upstream string, scopes []string) []string {
	var out []string
	var wanted []provider.Capability
	for _, s := range scopes {
		if slices.Contains(provider.Capabilities(), provider.Capability(s)) {
			wanted = append(wanted, provider.Capability(s))
		} else {
			out = append(out, s)
		}
	}
	if len(provider.ScopesOf(upstream)) > 0 && upstream != "nylas" {
		for _, s := range provider.ScopesFor(upstream, wanted) {
			if !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	return out
}

// tokenAnswer is a success of connect/token: a bare object.
type tokenAnswer struct {
	Access   string `json:"access_token"`
	Refresh  string `json:"refresh_token"`
	Grant    string `json:"grant_id"`
	Email    string `json:"email"`
	Provider string `json:"provider"`
	Scope    string `json:"scope"`
}

// Exchange implements provider.OAuth. The grant that the code stands for is read live with the application's key: what cannot be read is not connected.
func (c *Connector) Exchange(ctx context.Context, app provider.App, code, verifier secret.Text) (provider.Token, provider.Identity, error) {
	var t tokenAnswer
	err := c.token(ctx, app, map[string]string{"grant_type": "authorization_code", "code": code.Reveal(), "redirect_uri": app.RedirectURI, "code_verifier": verifier.Reveal()}, &t)
	if err != nil {
		return provider.Token{}, provider.Identity{}, err
	}
	if !grantID(t.Grant) {
		return provider.Token{}, provider.Identity{}, errIdentity.Because(errors.New("the token answer names no grant"))
	}
	k, err := c.bare(ctx, app, t.Grant)
	if err != nil {
		return provider.Token{}, provider.Identity{}, err
	}
	g, err := k.find()
	if err != nil {
		return provider.Token{}, provider.Identity{}, err
	}
	if len(g.Scope) == 0 {
		g.Scope = strings.Fields(t.Scope)
	}
	who, err := identity(g)
	if err != nil {
		return provider.Token{}, provider.Identity{}, err
	}
	return connected(app, g, t.Refresh), who, nil
}

// Adopt implements provider.Adopter: a grant that exists at Nylas already.
func (c *Connector) Adopt(ctx context.Context, app provider.App, id string) (provider.Token, provider.Identity, error) {
	if !grantID(id) {
		return provider.Token{}, provider.Identity{}, errAdoptID
	}
	k, err := c.bare(ctx, app, id)
	if err != nil {
		return provider.Token{}, provider.Identity{}, err
	}
	g, err := k.find()
	if errors.Is(err, provider.ErrInvalidGrant) {
		return provider.Token{}, provider.Identity{}, errAdoptGone.Because(err)
	}
	if err != nil {
		return provider.Token{}, provider.Identity{}, err
	}
	who, err := identity(g)
	if err != nil {
		return provider.Token{}, provider.Identity{}, err
	}
	return connected(app, g, ""), who, nil
}

// Refresh implements provider.OAuth. There is nothing to refresh, the key opens the grant: it is asked for, so that the caller learns whether it is still good.
func (c *Connector) Refresh(ctx context.Context, app provider.App, refresh secret.Text) (provider.Token, error) {
	grant, _, _ := stored(refresh)
	k, err := c.bare(ctx, app, grant)
	if err != nil {
		return provider.Token{}, err
	}
	if !grantID(grant) {
		if err := k.registered(app.ClientID); err != nil {
			return provider.Token{}, err
		}
		return provider.Token{}, provider.InvalidGrant("the stored connection names no grant")
	}
	g, err := k.find()
	if err != nil {
		return provider.Token{}, err
	}
	return provider.Token{Access: secret.New(grant), Scopes: granted(g)}, nil
}

// registered says whether the key is one of the application: what is no grant at all is answered like a refused token only where the registration is good (RFC 6749 section 6
// has the same order), so that a live check of the connector tells the truth.
func (k *call) registered(client string) error {
	res, err := k.once(k.c.tokenHTTP, request{method: http.MethodGet, path: "/v3/applications"})
	if err != nil {
		return err
	}
	body, err := dial.Body(res)
	word := wordOf(body)
	cause := errors.New(strings.TrimSpace(strconv.Itoa(res.StatusCode) + " " + word))
	switch s := res.StatusCode; {
	case s == http.StatusUnauthorized || s == http.StatusForbidden || s == http.StatusBadRequest && strings.HasPrefix(word, "token."):
		return errKey.Because(cause)
	case s == http.StatusTooManyRequests:
		return errThrottled.RetryAfter(k.c.after(res)).Because(cause)
	case s != http.StatusOK:
		return errUpstream.RetryAfter(k.c.after(res)).Because(cause)
	case err != nil:
		return errUpstream.Because(err)
	}
	var answer envelope[struct {
		ID string `json:"application_id"`
	}]
	if json.Unmarshal(body, &answer) != nil {
		return errUpstream.Because(errors.New("the answer is not an application"))
	}
	if answer.Data.ID != client {
		return errKey.Because(errors.New("the key belongs to another application"))
	}
	return nil
}

// connected is what is kept of a grant: its id, the application that it belongs to, and Nylas' own refresh token, which goes along only so that it can be revoked in
// the end.
func connected(app provider.App, g wireGrant, refresh string) provider.Token {
	return provider.Token{Access: secret.New(g.ID), Refresh: secret.New(strings.TrimSpace(g.ID + " " + url.QueryEscape(app.ClientID) + " " + refresh)), Scopes: granted(g)}
}

// stored reads what connected wrote.
func stored(refresh secret.Text) (grant, client, token string) {
	parts := append(strings.Split(refresh.Reveal(), " "), "", "")
	client, _ = url.QueryUnescape(parts[1])
	return parts[0], client, parts[2]
}

// identity pins a mailbox by the provider's own id of it where Nylas tells that, else by the address, which is what Nylas itself goes by. It is not the grant's id:
// after a revocation the same mailbox gets a new one.
func identity(g wireGrant) (provider.Identity, error) {
	switch {
	case g.Provider == "" || (email.Address{Email: g.Email}).Check() != nil:
		return provider.Identity{}, errIdentity
	case g.Provider == "virtual-calendar" || g.Provider == "zoom":
		return provider.Identity{}, errNoMail
	}
	subject := g.Subject
	if subject == "" {
		subject = strings.ToLower(g.Email)
	}
	return provider.Identity{Subject: g.Provider + ":" + subject, Email: g.Email, Name: g.Name}, nil
}

// granted names what a grant may do in our words, and beside them the scopes that Nylas listed. A mailbox that Nylas opens by a password has none: then it may do
// all. nil: an OAuth mailbox of which Nylas did not say.
func granted(g wireGrant) []string {
	var can []provider.Capability
	switch {
	case g.Provider == "ews" && (len(g.Scope) == 0 || slices.Contains(g.Scope, "ews.messages")), len(provider.ScopesOf(g.Provider)) == 0 && g.Provider != "ews", g.Provider == "nylas":
		can = provider.CapabilitiesOf("imap", nil)
	case len(g.Scope) == 0:
		return nil
	default:
		can = provider.CapabilitiesOf(g.Provider, g.Scope)
	}
	out := []string{string(provider.KnowIdentity)}
	for _, one := range can {
		if _, ok := provider.ScopeOf("nylas", string(one)); ok && !slices.Contains(out, string(one)) {
			out = append(out, string(one))
		}
	}
	for _, s := range g.Scope {
		if s != "" && len(s) <= 300 && !strings.ContainsAny(s, " \r\n\x00") && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// bare is a call while there is no grant of ours yet, or not any more.
func (c *Connector) bare(ctx context.Context, app provider.App, grant string) (*call, error) {
	base, err := c.base(app)
	if err != nil {
		return nil, err
	}
	if app.ClientSecret.Empty() {
		return nil, errKey.Because(errors.New("the connector has no API key"))
	}
	return &call{c: c, ctx: ctx, base: base, grant: grant, key: app.ClientSecret, before: app.SecretBefore}, nil
}

// token asks POST /v3/connect/token. The client secret is the application's API key.
// A refused client costs nothing: the code is looked at after it.
func (c *Connector) token(ctx context.Context, app provider.App, form map[string]string, out *tokenAnswer) error {
	err := c.tokenAs(ctx, app, form, out)
	if errors.Is(err, errKey) && !app.SecretBefore.Empty() {
		app.ClientSecret, app.SecretBefore = app.SecretBefore, secret.Text{}
		err = c.tokenAs(ctx, app, form, out)
	}
	return err
}

func (c *Connector) tokenAs(ctx context.Context, app provider.App, form map[string]string, out *tokenAnswer) error {
	k, err := c.bare(ctx, app, "")
	if err != nil {
		return err
	}
	form["client_id"], form["client_secret"] = app.ClientID, app.ClientSecret.Reveal()
	body, err := json.Marshal(form)
	if err != nil {
		return errUpstream.Because(errors.New("the request cannot be written"))
	}
	res, err := k.once(c.tokenHTTP, request{method: http.MethodPost, path: "/v3/connect/token", kind: "application/json", body: body})
	if err != nil {
		return err
	}
	answer, err := dial.Body(res)
	word := wordOf(answer)
	cause := errors.New(strings.TrimSpace(strconv.Itoa(res.StatusCode) + " " + word))
	switch s := res.StatusCode; {
	case s == http.StatusTooManyRequests:
		return errThrottled.RetryAfter(c.after(res)).Because(cause)
	case s >= 500:
		return errUpstream.RetryAfter(c.after(res)).Because(cause)
	case word == "invalid_client" || word == "unauthorized_client" || s == http.StatusUnauthorized || strings.HasPrefix(word, "token.unauthorized"):
		return errKey.Because(cause)
	case s >= 400 && (word == "invalid_grant" || word == "invalid_token" || strings.HasPrefix(word, "token.")):
		return provider.InvalidGrant(word)
	case s < 200 || s > 299:
		return errUpstream.Because(cause)
	case err != nil:
		return errUpstream.Because(err)
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return errUpstream.Because(errors.New("the token endpoint answered without a usable token"))
	}
	return nil
}
