package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/secret"
)

// Client speaks to one provider. It is safe for concurrent use.
type Client struct {
	HTTP     *http.Client // from dial.Guard.HTTPClient
	Now      func() time.Time
	Auth     string // endpoints
	Token    string
	Revoke   string // empty: the provider has none
	Userinfo string
	// Basic sends our client id and secret in a header instead of the body (RFC 6749 section 2.3.1).
	Basic bool
	// Ended are the provider's own error words, beside invalid_grant, for a grant that only a person can bring back.
	Ended []string
}

var (
	errAuthRequest = fault.New(fault.Internal, "auth_request", "")
	errProvider    = fault.New(fault.Upstream, "provider_unavailable", "The provider did not answer as it should. Try again in a few minutes.")
)

// AuthURL is where to send the person's browser. PKCE with S256 and a state are demanded.
func (c *Client) AuthURL(app provider.App, r provider.AuthRequest, extra url.Values) (string, error) {
	u, err := url.Parse(c.Auth)
	if err != nil || r.State == "" || len(r.CodeChallenge) != 43 || app.ClientID == "" || app.RedirectURI == "" {
		return "", errAuthRequest.Because(errors.New("state, S256 challenge, client id and redirect URI are needed"))
	}
	q := u.Query()
	for k, v := range map[string]string{"response_type": "code", "client_id": app.ClientID, "redirect_uri": app.RedirectURI, "state": r.State,
		"scope": strings.Join(r.Scopes, " "), "code_challenge": r.CodeChallenge, "code_challenge_method": "S256", "login_hint": r.LoginHint, "prompt": r.Prompt} {
		if v != "" {
			q.Set(k, v)
		}
	}
	for k, v := range extra {
		q[k] = v
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// Exchange redeems a code.
func (c *Client) Exchange(ctx context.Context, app provider.App, code, verifier secret.Text) (provider.Token, error) {
	return c.token(ctx, app, url.Values{"grant_type": {"authorization_code"}, "code": {code.Reveal()}, "redirect_uri": {app.RedirectURI}, "code_verifier": {verifier.Reveal()}})
}

// Refresh gets a new access token. Token.Refresh is empty unless the provider sent a new one.
func (c *Client) Refresh(ctx context.Context, app provider.App, refresh secret.Text) (provider.Token, error) {
	return c.token(ctx, app, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh.Reveal()}})
}

func (c *Client) token(ctx context.Context, app provider.App, form url.Values) (provider.Token, error) {
	out, _, err := c.tokens(ctx, app, form)
	return out, err
}

// tokens answers the id token as well, where there is one.
func (c *Client) tokens(ctx context.Context, app provider.App, form url.Values) (provider.Token, secret.Text, error) {
	status, after, body, err := c.post(ctx, c.Token, app, form)
	if err != nil {
		return provider.Token{}, secret.Text{}, err
	}
	if status != http.StatusOK {
		return provider.Token{}, secret.Text{}, c.refusal(status, after, body, form)
	}
	var t struct {
		Access    string      `json:"access_token"`
		Refresh   string      `json:"refresh_token"`
		ID        string      `json:"id_token"`
		Type      string      `json:"token_type"`
		ExpiresIn json.Number `json:"expires_in"`
		Scope     *string     `json:"scope"`
	}
	if err := json.Unmarshal(body, &t); err != nil || t.Access == "" || !strings.EqualFold(t.Type, "bearer") {
		return provider.Token{}, secret.Text{}, errProvider.Because(errors.New("the token endpoint answered without a usable token"))
	}
	out := provider.Token{Access: secret.New(t.Access), Refresh: secret.New(t.Refresh)}
	if n, err := strconv.ParseFloat(t.ExpiresIn.String(), 64); err == nil && n > 0 && n < 1e9 {
		out.ExpiresAt = c.now().Add(time.Duration(n) * time.Second)
	}
	if t.Scope != nil {
		out.Scopes = append([]string{}, strings.Fields(strings.ReplaceAll(*t.Scope, ",", " "))...)
	}
	return out, secret.New(t.ID), nil
}

func (c *Client) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

// RevokeToken tells the provider to end a token (RFC 7009). The token travels in the body. answer is short and holds no secret.
// An error means that it is not known whether the provider heard.
func (c *Client) RevokeToken(ctx context.Context, app provider.App, token secret.Text, hint string) (status int, answer string, err error) {
	form := url.Values{"token": {token.Reveal()}}
	if hint != "" {
		form.Set("token_type_hint", hint)
	}
	status, after, body, err := c.post(ctx, c.Revoke, app, form)
	if err != nil {
		return 0, "", err
	}
	if status == http.StatusTooManyRequests || status >= 500 {
		return 0, "", passing(status, after)
	}
	answer = strconv.Itoa(status) + " " + http.StatusText(status)
	if code, _ := words(body, form); code != "" {
		answer = strconv.Itoa(status) + " " + code
	}
	return status, answer, nil
}

// Identity reads the provider's userinfo endpoint into v. An access token that is refused answers ErrCredentialRefused.
func (c *Client) Identity(ctx context.Context, access secret.Text, v any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Userinfo, nil)
	if err != nil {
		return errProvider.Because(dial.WithoutURL(err))
	}
	r.Header.Set("Authorization", "Bearer "+access.Reveal())
	r.Header.Set("Accept", "application/json")
	status, after, body, err := c.do(r)
	switch {
	case err != nil:
		return err
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return provider.ErrCredentialRefused
	case status != http.StatusOK:
		return passing(status, after)
	}
	if err := json.Unmarshal(body, v); err != nil {
		return errProvider.Because(errors.New("userinfo is not JSON"))
	}
	return nil
}

// post sends a form in our name. During a change of client secrets the provider may know only one of the two yet, or not any more: the other is tried as well.
// A refused client costs nothing: code and token are looked at after it (RFC 6749 section 4.1.3).
func (c *Client) post(ctx context.Context, endpoint string, app provider.App, form url.Values) (status int, after time.Duration, body []byte, err error) {
	status, after, body, err = c.postAs(ctx, endpoint, app, form)
	if err != nil || app.SecretBefore.Empty() || status != http.StatusBadRequest && status != http.StatusUnauthorized {
		return status, after, body, err
	}
	if code, _ := words(body, form); !clientRefused(code) {
		return status, after, body, nil
	}
	app.ClientSecret = app.SecretBefore
	return c.postAs(ctx, endpoint, app, form)
}

// clientRefused says whether an error code is about us, not about what we presented (RFC 6749 section 5.2).
func clientRefused(code string) bool {
	return code == "invalid_client" || code == "unauthorized_client"
}

func (c *Client) postAs(ctx context.Context, endpoint string, app provider.App, form url.Values) (status int, after time.Duration, body []byte, err error) {
	if !c.Basic && app.ClientID != "" {
		form.Set("client_id", app.ClientID)
		if !app.ClientSecret.Empty() {
			form.Set("client_secret", app.ClientSecret.Reveal())
		}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, 0, nil, errProvider.Because(dial.WithoutURL(err))
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	if c.Basic {
		r.SetBasicAuth(url.QueryEscape(app.ClientID), url.QueryEscape(app.ClientSecret.Reveal()))
	}
	return c.do(r)
}

func (c *Client) do(r *http.Request) (status int, after time.Duration, body []byte, err error) {
	res, err := c.HTTP.Do(r)
	if err != nil {
		return 0, 0, nil, errProvider.Because(dial.WithoutURL(err))
	}
	body, err = dial.Body(res)
	if err != nil {
		return 0, 0, nil, errProvider.Because(err)
	}
	if n, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && n > 0 && n < 86400 {
		after = time.Duration(n) * time.Second
	}
	return res.StatusCode, after, body, nil
}

// Refusal is the cause inside an error that a token endpoint answered: the code and, where there are any, the provider's words. It holds nothing that we sent.
type Refusal struct{ Code, Words string }

func (r Refusal) Error() string { return strings.TrimSpace(r.Code + " " + r.Words) }

// RefusalOf is what a token endpoint said in a refusal; empty when the error is none.
func RefusalOf(err error) (code, words string) {
	var r Refusal
	if errors.As(err, &r) {
		return r.Code, r.Words
	}
	return "", ""
}

// Assert trades a signed assertion for an access token (RFC 7523 section 2.1). The assertion itself says who we are. RefusalOf tells what the provider said.
func (c *Client) Assert(ctx context.Context, assertion secret.Text) (provider.Token, error) {
	form := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion.Reveal()}}
	out, err := c.token(ctx, provider.App{}, form)
	return out, err
}

// refusal reads an error answer of a token endpoint (RFC 6749 section 5.2). Only invalid_grant says that the grant is over.
func (c *Client) refusal(status int, after time.Duration, body []byte, form url.Values) error {
	code, description := words(body, form)
	switch {
	case status == http.StatusTooManyRequests || status >= 500:
		return passing(status, after)
	case code == "invalid_grant" && form.Has("assertion"): // an assertion is refused for a clock, a key or a person: the connector tells them apart
		return errProvider.Because(Refusal{code, description})
	case code == "invalid_grant" || code != "" && slices.Contains(c.Ended, code):
		if description == "" {
			description = code
		}
		return provider.InvalidGrant(description)
	case clientRefused(code):
		return provider.ErrAppRefused.Because(Refusal{Code: code})
	}
	if code != "" && form.Has("assertion") {
		return errProvider.Because(Refusal{code, description})
	}
	return errProvider.Because(errors.New(strings.TrimSpace(strconv.Itoa(status) + " " + code)))
}

func passing(status int, after time.Duration) error {
	return errProvider.RetryAfter(after).Because(errors.New("status " + strconv.Itoa(status)))
}

// words is an error's code and description, without anything that we sent: some providers repeat the token they refuse.
func words(body []byte, form url.Values) (code, description string) {
	var e struct {
		Code        any    `json:"error"`
		Description string `json:"error_description"`
	}
	if json.Unmarshal(body, &e) != nil {
		return "", ""
	}
	code, _ = e.Code.(string)
	for _, r := range code {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-') {
			return "", ""
		}
	}
	if len(code) > 60 {
		return "", ""
	}
	for _, k := range []string{"token", "refresh_token", "code", "code_verifier", "client_secret", "assertion"} {
		v := form.Get(k)
		if v == "" {
			continue
		}
		if strings.Contains(code, v) {
			return "", ""
		}
		if strings.Contains(e.Description, v) {
			return code, ""
		}
	}
	return code, e.Description
}
