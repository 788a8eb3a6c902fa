package gmail_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/providertest"
	"github.com/postern-mail/postern/engine/secret"
)

// The assertion is what Google documents, and every refusal says what to do: what ends the grant is told apart from what an operator or an administrator repairs.
func TestDelegation(t *testing.T) {
	g := providertest.Google(t)
	c := connector(g)
	ada := g.AddUser("ada@firm.example", "Ada Lovelace")
	who := []string{"openid", "https://www.googleapis.com/auth/userinfo.email", "https://www.googleapis.com/auth/userinfo.profile"}
	service := g.ServiceAccount(t, "firm.example", append(slices.Clone(who), readonly)...)
	token, identity, err := c.Delegated(t.Context(), service.App(), ada.Address, []string{"gmail.readonly"})
	if err != nil || identity.Subject != ada.Sub || identity.Email != ada.Address || !token.Refresh.Empty() || token.Access.Empty() || !slices.Contains(token.Scopes, readonly) || time.Until(token.ExpiresAt) < 50*time.Minute {
		t.Fatalf("%+v %+v %v", token.Scopes, identity, err)
	}
	again, _, err := c.Delegated(t.Context(), service.App(), ada.Address, token.Scopes) // as a refresh does, by what was granted
	if err != nil || again.Access.Equal(token.Access) {
		t.Errorf("a second token: %v", err)
	}
	other := g.ServiceAccount(t, "firm.example", who...)
	wrongKey, unreadable := service.App(), service.App()
	wrongKey.ClientSecret, unreadable.ClientSecret = other.Key, secret.New("no key")
	unknown := service.App()
	unknown.ClientID = "nobody@project.iam.gserviceaccount.example"
	for what, x := range map[string]struct {
		app     provider.App
		address string
		scope   string
		before  func()
		says    string
		over    bool // the grant ends
	}{
		"a scope that was not delegated": {app: service.App(), address: ada.Address, scope: sendOnly, says: "Manage domain-wide delegation", over: true},
		"nobody":                         {app: service.App(), address: "nobody@firm.example", scope: readonly, says: "no such mailbox", over: true},
		"the key of another":             {app: wrongKey, address: ada.Address, scope: readonly, says: "Make a new key"},
		"no key":                         {app: unreadable, address: ada.Address, scope: readonly, says: "Make a new key"},
		"an unknown account":             {app: unknown, address: ada.Address, scope: readonly, says: "Make a new key"},
		"Google is down":                 {app: service.App(), address: ada.Address, scope: readonly, says: "Try again", before: func() { g.Fail(providertest.GoogleFault{Path: "/token", Status: 503}) }},
	} {
		if x.before != nil {
			x.before()
		}
		_, _, err := c.Delegated(t.Context(), x.app, x.address, []string{x.scope})
		f, ok := fault.As(err)
		if !ok || !strings.Contains(f.Public, x.says) || errors.Is(err, provider.ErrInvalidGrant) != x.over || x.over == (f.Kind == fault.Upstream) {
			t.Errorf("%s: %v", what, err)
		}
		if err != nil && strings.Contains(err.Error(), "eyJ") {
			t.Errorf("%s: the error holds the assertion", what)
		}
	}
	r, err := c.Revoke(t.Context(), service.App(), token)
	if err != nil || r.Outcome != provider.UserActionNeeded || !r.AccessUntil.Equal(token.ExpiresAt) || len(g.Revocations()) != 0 {
		t.Errorf("revoked: %+v %v", r, err)
	}
	words := strings.Join(provider.AfterRevocation("google", provider.SeveranceFacts{Address: ada.Address}, r, time.Now()), " ")
	if !strings.Contains(words, "Manage domain-wide delegation") || strings.Contains(words, "myaccount.google.com") {
		t.Error(words)
	}
	if s := provider.SeveranceOf("google", provider.SeveranceFacts{Address: ada.Address, Delegated: true}); strings.Contains(strings.Join(s.EndsBy, " "), "told at once") || len(s.OwnerOnly) != 1 {
		t.Errorf("before the click: %+v", s)
	}
}
