package gmail

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/secret"
)

var (
	errSignIn = fault.New(fault.Upstream, "provider_unavailable", "Google did not answer as it should. Try again in a few minutes.")
	// errNotYet is a permission that Google has withdrawn in words but not in deed: "it might take some time before the revocation
	// has full effect" (Using OAuth 2.0 for Web Server Applications, "Revoking a token").
	errNotYet = fault.New(fault.Upstream, "revocation_pending", "Google took the revocation, but the permission still works. It is asked again soon.").RetryAfter(time.Minute)
)

// DefaultScopes implements provider.OAuth: who it is, and reading.
func (c *Connector) DefaultScopes() []string {
	return provider.ScopesFor("google", []provider.Capability{provider.KnowIdentity, provider.ReadMail})
}

// AuthURL implements provider.OAuth. The consent page is always asked for: only then does Google send a refresh token to somebody
// who has allowed this app before.
func (c *Connector) AuthURL(app provider.App, r provider.AuthRequest) (string, error) {
	prompt := "consent"
	for _, p := range strings.Fields(r.Prompt) {
		if p == "select_account" { // "none" contradicts consent, and Google refuses words it does not know
			prompt = "select_account consent"
		}
	}
	r.Prompt = prompt
	return c.oauth.AuthURL(app, r, url.Values{"access_type": {"offline"}})
}

// Exchange implements provider.OAuth. The answered scopes may be fewer than asked for: people untick single ones (granular consent).
func (c *Connector) Exchange(ctx context.Context, app provider.App, code, verifier secret.Text) (provider.Token, provider.Identity, error) {
	t, err := c.oauth.Exchange(ctx, app, code, verifier)
	if err != nil {
		return provider.Token{}, provider.Identity{}, err
	}
	var who struct{ Sub, Email, Name string }
	if err := c.oauth.Identity(ctx, t.Access, &who); err != nil {
		return provider.Token{}, provider.Identity{}, err
	}
	if who.Sub == "" {
		return provider.Token{}, provider.Identity{}, errSignIn.Because(errors.New("userinfo names no subject"))
	}
	return t, provider.Identity{Subject: who.Sub, Email: who.Email, Name: who.Name}, nil
}

// Refresh implements provider.OAuth.
func (c *Connector) Refresh(ctx context.Context, app provider.App, refresh secret.Text) (provider.Token, error) {
	return c.oauth.Refresh(ctx, app, refresh)
}

// Revoke implements provider.Revoker. Google ends every token of this person and app with any one of them. The refresh token is tried
// afterwards; while it still works the answer is an error, so that the caller asks again instead of claiming anything.
func (c *Connector) Revoke(ctx context.Context, app provider.App, t provider.Token) (provider.Revocation, error) {
	if app.Delegated { // no person's permission that could be withdrawn, and revoking one token ends no other
		return provider.Revocation{Outcome: provider.UserActionNeeded, Delegated: true, AccessUntil: t.ExpiresAt}, nil
	}
	token := t.Refresh
	if token.Empty() {
		token = t.Access
	}
	if token.Empty() {
		return provider.Revocation{Outcome: provider.DeletedHereOnly, Answer: "there was no token to revoke"}, nil
	}
	status, answer, err := c.tell(ctx, token)
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
	if err == nil {
		// What the probe got must not live on. Ending it ends the grant once more.
		_, _, _ = c.tell(ctx, again.Access)
		return provider.Revocation{}, errNotYet
	}
	if errors.Is(err, provider.ErrInvalidGrant) {
		r.Outcome, r.ProbeAnswer, r.AccessUntil = provider.SeveredVerified, "invalid_grant: "+provider.ReasonOf(err), time.Time{}
		return r, nil
	}
	f, ok := fault.As(err)
	if status != http.StatusOK && (!ok || f.Code == errSignIn.Code) {
		return provider.Revocation{}, err // neither said nor shown: ask again later
	}
	if ok {
		r.ProbeAnswer = f.Code
	}
	return r, nil
}

// tell revokes a token the way Google documents it: the token alone, in the body. answer is short and holds no secret.
func (c *Connector) tell(ctx context.Context, token secret.Text) (status int, answer string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.revoke, strings.NewReader(url.Values{"token": {token.Reveal()}}.Encode()))
	if err != nil {
		return 0, "", errSignIn.Because(dial.WithoutURL(err))
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := c.signIn.Do(r)
	if err != nil {
		return 0, "", errSignIn.Because(dial.WithoutURL(err))
	}
	body, err := dial.Body(res)
	if err != nil {
		return 0, "", errSignIn.Because(err)
	}
	if res.StatusCode == http.StatusTooManyRequests || res.StatusCode >= 500 {
		return 0, "", errSignIn.RetryAfter(c.pause(res.Header)).Because(errors.New("status " + strconv.Itoa(res.StatusCode)))
	}
	answer = strings.TrimSpace(strconv.Itoa(res.StatusCode) + " " + http.StatusText(res.StatusCode))
	var e struct {
		Error any `json:"error"`
	}
	if json.Unmarshal(body, &e) == nil {
		if code, _ := e.Error.(string); code != "" && code == word(code) && !strings.Contains(code, token.Reveal()) {
			answer = strconv.Itoa(res.StatusCode) + " " + code
		}
	}
	return res.StatusCode, answer, nil
}
