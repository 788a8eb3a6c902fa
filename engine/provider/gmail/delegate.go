package gmail

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/oauth"
	"github.com/postern-mail/postern/engine/secret"
)

// assertionLife is how long an assertion is good: Google takes at most an hour ("Using OAuth 2.0 for Server to Server Applications").
const assertionLife = 10 * time.Minute

var (
	errDelegation = fault.New(fault.Invalid, "delegation_missing", "Google does not let this service account act for the mailbox with these scopes. An administrator of the Google Workspace has to add the service account's client id with exactly these scopes at admin.google.com: Security, Access and data control, API controls, Manage domain-wide delegation. It may take a few minutes, at most a day, to count.").At("settings.credential_id")
	errStranger   = fault.New(fault.Invalid, "mailbox_unknown", "Google knows no such mailbox in the organisation that this service account may act for. Check the address; it must be the main one, no alias and no group.").At("settings.email_address")
	errKey        = fault.New(fault.Upstream, "service_account_refused", "Google does not accept the key of this service account, or the account is disabled. Make a new key in the Google Cloud console and store it in the credential.")
	errClock      = fault.New(fault.Upstream, "clock_wrong", "Google refuses the time in what this machine signed: its clock is wrong. The operator has to set it.")
)

var _ provider.Delegate = (*Connector)(nil)

// Delegated implements provider.Delegate by domain-wide delegation: an assertion (RFC 7523 section 2.1) that the service account signs, with the mailbox as its
// subject. The scopes of identity are asked for as well, because a grant is pinned to Google's own number of the person: the delegation has to name them too.
// errDelegation and errStranger are ErrInvalidGrant as well. The token endpoint is the operator's, never the one that a key file names.
func (c *Connector) Delegated(ctx context.Context, app provider.App, address string, scopes []string) (provider.Token, provider.Identity, error) {
	none := provider.Identity{}
	key, err := jwt.ParseRSAPrivateKeyFromPEM([]byte(app.ClientSecret.Reveal()))
	if err != nil {
		return provider.Token{}, none, errKey.Because(errors.New("the private key cannot be read"))
	}
	scopes = delegatedScopes(scopes)
	now := c.now()
	t := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{"iss": app.ClientID, "sub": address, "scope": strings.Join(scopes, " "), "aud": c.oauth.Token, "iat": now.Unix(), "exp": now.Add(assertionLife).Unix()})
	if id := app.Settings["private_key_id"]; id != "" {
		t.Header["kid"] = id
	}
	signed, err := t.SignedString(key)
	if err != nil {
		return provider.Token{}, none, errKey.Because(errors.New("the private key cannot sign"))
	}
	token, err := c.oauth.Assert(ctx, secret.New(signed))
	if err != nil {
		return provider.Token{}, none, delegationRefused(err)
	}
	token.Scopes, token.Refresh = scopes, secret.Text{}
	var who struct{ Sub, Email, Name string }
	if err := c.oauth.Identity(ctx, token.Access, &who); err != nil {
		return provider.Token{}, none, err
	}
	if who.Sub == "" || who.Email == "" {
		return provider.Token{}, none, errSignIn.Because(errors.New("userinfo names no subject or no address"))
	}
	return token, provider.Identity{Subject: who.Sub, Email: who.Email, Name: who.Name}, nil
}

// delegatedScopes are those asked for by their wire names, and who the person is; without any, reading.
func delegatedScopes(asked []string) []string {
	out := provider.ScopesFor("google", nil)
	if len(asked) == 0 {
		asked = provider.ScopesFor("google", []provider.Capability{provider.ReadMail})
	}
next:
	for _, name := range asked {
		if s, ok := provider.ScopeOf("google", name); ok {
			name = s.Name
		}
		for _, have := range out {
			if have == name {
				continue next
			}
		}
		out = append(out, name)
	}
	return out
}

// delegationRefused gives the token endpoint's refusal of an assertion its meaning. Google says invalid_grant for a person, a key and a clock alike, and tells them
// apart in words alone.
func delegationRefused(err error) error {
	code, words := oauth.RefusalOf(err)
	words = strings.ToLower(words)
	switch {
	case code == "":
		return err
	case code == "unauthorized_client", code == "access_denied", code == "invalid_scope", code == "admin_policy_enforced":
		return errDelegation.Because(provider.InvalidGrant("the delegation does not cover this any more: " + code))
	case strings.Contains(words, "short-lived") || strings.Contains(words, "timeframe"):
		return errClock.Because(errors.New(code))
	case strings.Contains(words, "signature") || strings.Contains(words, "account not found") || code == "invalid_client" || code == "disabled_client" || code == "deleted_client":
		return errKey.Because(errors.New(code))
	case code == "invalid_grant":
		return errStranger.Because(provider.InvalidGrant("the mailbox is unknown or closed"))
	}
	return err
}
