package v3

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/web"
)

var (
	errClient      = fault.New(fault.Unproven, "invalid_client", "The API key is not one of this application, or it is expired, revoked, or not good from this address.")
	errMayExchange = fault.New(fault.Denied, "unauthorized_client", "This API key may not exchange tokens.")
)

// tokenJSON is the bare object of a successful exchange (contract, section 3.5).
type tokenJSON struct {
	AccessToken  string `json:"access_token"`
	ExpiresIn    int    `json:"expires_in"`
	TokenType    string `json:"token_type"`
	GrantID      string `json:"grant_id"`
	Scope        string `json:"scope"`
	Email        string `json:"email"`
	IDToken      string `json:"id_token,omitempty"`
	RefreshToken string `json:"refresh_token,omitempty"`
	Provider     string `json:"provider,omitempty"`
	RequestID    string `json:"request_id"`
}

// connectToken redeems a code or a refresh token.
func (d *Door) connectToken(c echo.Context) error {
	b, err := formOrBody(c)
	if err != nil {
		return err
	}
	r := grants.RedeemRequest{GrantType: b.text("grant_type"), ClientID: b.text("client_id"), RedirectURI: b.text("redirect_uri"),
		Code: secret.New(b.text("code")), CodeVerifier: secret.New(b.text("code_verifier")), RefreshToken: secret.New(b.text("refresh_token"))}
	key := b.text("client_secret")
	if b.err != nil {
		return b.err
	}
	if r.Caller, err = d.client(c, r.ClientID, key); err != nil {
		return err
	}
	issued, err := d.Grants.Redeem(c.Request().Context(), r)
	if err != nil {
		return err
	}
	provider := ""
	if r.GrantType == "authorization_code" {
		provider = issued.Grant.Provider
	}
	c.Response().Header().Set("Cache-Control", "no-store") // RFC 6749 section 5.1
	c.Response().Header().Set("Pragma", "no-cache")
	return reply(c, http.StatusOK, tokenJSON{AccessToken: issued.AccessToken.Reveal(), ExpiresIn: issued.ExpiresIn, TokenType: "Bearer",
		GrantID: issued.Grant.ID.String(), Scope: issued.Scope, Email: issued.Grant.Email, IDToken: issued.IDToken.Reveal(),
		RefreshToken: issued.RefreshToken.Reveal(), Provider: provider, RequestID: web.RequestID(c)})
}

// client proves the program that redeems. Clients show an API key of the application as the bearer, as client_secret, as both or, on a
// platform that keeps no secret, not at all. Whatever is shown must be right: a wrong key beside a right one is refused.
func (d *Door) client(c echo.Context, clientID, key string) (models.Actor, error) {
	bearer, err := bearerOf(c.Request())
	if err != nil {
		return models.Actor{}, errClient.Because(err)
	}
	var caller models.Actor
	for _, shown := range []secret.Text{bearer, secret.New(key)} {
		if shown.Empty() || shown.Equal(bearer) && caller.Kind != "" {
			continue
		}
		actor, err := d.prove(c, shown)
		if kind := fault.KindOf(err); kind == fault.Unproven || kind == fault.Denied || kind == fault.NotFound {
			return models.Actor{}, errClient.Because(err)
		}
		if err != nil {
			return models.Actor{}, err
		}
		if actor.Kind != models.ActorKey || actor.Application.String() != clientID {
			return models.Actor{}, errClient
		}
		if !actor.May(models.ExchangeTokens) {
			return models.Actor{}, errMayExchange
		}
		caller = withRequest(c, actor)
	}
	return caller, nil
}

// withRequest adds what web adds to the actors that it knows itself.
func withRequest(c echo.Context, a models.Actor) models.Actor {
	from := web.Actor(c)
	a.Addr, a.UserAgent, a.RequestID = from.Addr, from.UserAgent, from.RequestID
	return a
}

var errTokenMissing = fault.New(fault.Invalid, "invalid_request", "Name the token in the query: ?token=...")

// connectRevoke ends one token and all that came from the same exchange. The grant stays.
func (d *Door) connectRevoke(c echo.Context) error {
	actor, err := d.caller(c)
	if err != nil {
		return err
	}
	if actor.Kind == "" {
		return errNoCaller
	}
	if !actor.May(models.ExchangeTokens) {
		return errMayExchange
	}
	q := queryOf(c)
	token := q.text("token")
	if q.err != nil {
		return q.err
	}
	if token == "" {
		return errTokenMissing
	}
	if err := d.Grants.RevokeToken(c.Request().Context(), withRequest(c, actor), secret.New(token)); err != nil {
		return err
	}
	return reply(c, http.StatusOK, map[string]any{"success": true, "request_id": web.RequestID(c)})
}

var errTokeninfo = fault.New(fault.Invalid, "invalid_request", "Name either access_token or id_token in the query.")

// connectTokeninfo says what a token is. Whoever holds the token may ask: browsers do, without any key.
func (d *Door) connectTokeninfo(c echo.Context) error {
	if _, err := d.caller(c); err != nil { // a key that is shown must be right, also where none is needed
		return err
	}
	q := queryOf(c)
	access, id := q.text("access_token"), q.text("id_token")
	if q.err != nil {
		return q.err
	}
	if (access == "") == (id == "") {
		return errTokeninfo
	}
	info, err := d.Grants.TokenInfo(c.Request().Context(), secret.New(access), secret.New(id))
	if err != nil {
		return err
	}
	return one(c, map[string]any{"iss": info.Issuer, "aud": info.Audience, "sub": info.Subject, "email": info.Email,
		"iat": info.IssuedAt.Unix(), "exp": info.ExpiresAt.Unix()})
}
