package graph

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/secret"
)

const (
	// personal is the tenant of all personal accounts ("ID token claims reference", tid).
	personal = "9188040d-6c67-4c5b-b112-36a304b66dad"
	skew     = 5 * time.Minute // between Microsoft's clock and ours
)

var errIdentity = fault.New(fault.Upstream, "identity_unknown", "Microsoft did not say which account this is. Nothing was connected. Try again; if it happens again, an administrator has to check the connector.")

// claims are those of a v2.0 id token that matter here ("ID token claims reference").
type claims struct {
	Issuer   string   `json:"iss"`
	Audience audience `json:"aud"`
	Expires  float64  `json:"exp"`
	Tenant   string   `json:"tid"`
	Object   string   `json:"oid"`
	Name     string   `json:"name"`
	Email    string   `json:"email"`
	Username string   `json:"preferred_username"`
}

// audience is one value or a list (RFC 7519 section 4.1.3).
type audience []string

func (a *audience) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(a))
}

// identity reads the id token of a token answer. A subject is the pair of tenant and object id, the only name of an account that neither its
// owner nor the administrator of some other tenant can choose; addresses can be chosen, and are labels.
//
// The signature is not verified: the token came straight from the token endpoint over a connection that proved the server's name, which
// OpenID Connect Core 1.0 section 3.1.3.7 (6) accepts instead. Issuer, audience, expiry and tenant are checked all the same, as that section asks.
func (c *Connector) identity(app provider.App, endpoint string, token secret.Text) (provider.Identity, error) {
	var k claims
	parts := strings.Split(token.Reveal(), ".")
	if len(parts) != 3 {
		return provider.Identity{}, errIdentity.Because(errors.New("the answer has no id token"))
	}
	body, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil || json.Unmarshal(body, &k) != nil {
		return provider.Identity{}, errIdentity.Because(errors.New("the id token cannot be read"))
	}
	k.Tenant, k.Object = strings.ToLower(k.Tenant), strings.ToLower(k.Object)
	switch {
	case !identifier(k.Tenant) || !identifier(k.Object):
		err = errors.New("the id token lacks tid or oid")
	case !slices.Contains(k.Audience, app.ClientID):
		err = errors.New("the id token is for another app")
	case !issuedBy(k.Issuer, k.Tenant, endpoint, c.auth):
		err = errors.New("the id token is from another issuer")
	case k.Expires <= 0 || c.now().Add(-skew).After(time.Unix(int64(k.Expires), 0)):
		err = errors.New("the id token has expired")
	case !admits(app, k.Tenant):
		err = errors.New("the id token is of another tenant")
	}
	if err != nil {
		return provider.Identity{}, errIdentity.Because(err)
	}
	who := provider.Identity{Subject: k.Tenant + ":" + k.Object, Email: k.Username, Name: k.Name}
	if !strings.Contains(who.Email, "@") {
		who.Email = k.Email
	}
	return who, nil
}

func identifier(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for _, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.') {
			return false
		}
	}
	return true
}

// issuedBy: the issuer names the account's own tenant, whatever tenant was asked ("common" is nobody's issuer). It lives at the public address
// or, with endpoints of the operator's choice, there.
func issuedBy(issuer, tenant string, endpoints ...string) bool {
	want := "/" + tenant + "/v2.0"
	i, err := url.Parse(issuer)
	if err != nil || i.RawQuery != "" || i.Fragment != "" || i.User != nil || !strings.HasSuffix(strings.ToLower(i.Path), want) {
		return false
	}
	if strings.EqualFold(issuer, login+want) {
		return true
	}
	for _, endpoint := range endpoints {
		if e, err := url.Parse(endpoint); err == nil && i.Scheme == e.Scheme && strings.EqualFold(i.Host, e.Host) {
			return true
		}
	}
	return false
}

// admits holds an account to the tenant that the app is set up for. A tenant given by domain is held to by Microsoft alone.
func admits(app provider.App, tid string) bool {
	t, err := tenant(app)
	switch t = strings.ToLower(t); {
	case err != nil:
		return false
	case t == "consumers":
		return tid == personal
	case t == "organizations":
		return tid != personal
	case len(t) == 36 && strings.Count(t, "-") == 4:
		return t == tid
	}
	return true
}

// label asks Graph for the mailbox's address: the id token tells the sign-in name, which need not be one. An account that Graph does not describe keeps
// what the id token said; trouble that may pass does so too, because the code is spent by now.
func (c *Connector) label(ctx context.Context, access secret.Text, who *provider.Identity) error {
	var me struct{ Mail, UserPrincipalName, DisplayName string }
	k := &call{c: c, ctx: ctx, fixed: access}
	err := k.json(request{method: "GET", path: "/me", query: params{"$select", "id,displayName,mail,userPrincipalName"}}, &me)
	if err == nil {
		for _, address := range []string{me.UserPrincipalName, me.Mail} {
			if strings.Contains(address, "@") {
				who.Email = address
			}
		}
		if me.DisplayName != "" {
			who.Name = me.DisplayName
		}
	}
	who.Email, who.Name = line(who.Email), line(who.Name)
	if ctx.Err() != nil {
		return errUpstream.Because(ctx.Err())
	}
	if who.Email == "" {
		if err == nil {
			err = errors.New("the account has no address")
		}
		return errIdentity.Because(err)
	}
	return nil
}

// line keeps foreign text on one line.
func line(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.TrimSpace(s))
	if len(s) > 320 {
		return ""
	}
	return s
}
