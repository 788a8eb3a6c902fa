package yahoo_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/providertest"
	"github.com/postern-mail/postern/engine/provider/yahoo"
	"github.com/postern-mail/postern/engine/secret"
)

const verifier = "canary-verifier-of-at-least-forty-three-characters"

func start(t *testing.T) (*yahoo.Connector, *providertest.YahooServer, *dial.Guard) {
	t.Helper()
	y := providertest.Yahoo(t)
	g := dial.New(dial.Config{Roots: y.Roots, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	return yahoo.New(yahoo.Config{Guard: g, AuthURL: y.URL + "/oauth2/request_auth", TokenURL: y.URL + "/oauth2/get_token",
		IMAPAddr: y.IMAPAddr, SMTPAddr: y.SMTPAddr}), y, g
}

func TestConformance(t *testing.T) {
	c, y, _ := start(t)
	providertest.Run(t, providertest.Case{Connector: c, Account: y.Account, Deliver: y.Deliver, SendTo: "grace@example.com",
		Revoke: func(_ testing.TB, a provider.Account) { y.Remove(a.Login) }})
}

// consent walks Yahoo's page as a person would, and answers the code.
func consent(t *testing.T, c *yahoo.Connector, g *dial.Guard, app provider.App, user string, scopes []string) secret.Text {
	t.Helper()
	sum := sha256.Sum256([]byte(verifier))
	to, err := c.AuthURL(app, provider.AuthRequest{State: "state-1", CodeChallenge: base64.RawURLEncoding.EncodeToString(sum[:]), Scopes: scopes, LoginHint: user})
	if err != nil {
		t.Fatal(err)
	}
	client := g.HTTPClient(dial.Provider, 5*time.Second)
	page, err := client.Get(to)
	if err != nil || page.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", page, err)
	}
	_ = page.Body.Close()
	back, err := client.PostForm(to, url.Values{"user": {user}, "answer": {"yes"}})
	if err != nil {
		t.Fatal(err)
	}
	_ = back.Body.Close()
	at, err := back.Location()
	if err != nil || at.Query().Get("state") != "state-1" {
		t.Fatalf("%v %v", at, err)
	}
	return secret.New(at.Query().Get("code"))
}

func TestWholeLife(t *testing.T) {
	c, y, g := start(t)
	user := y.DovecotServer.Account(t).Login
	code := consent(t, c, g, y.App(), user, provider.ScopesFor("yahoo", []provider.Capability{provider.ReadMail, provider.SendMail}))
	tok, who, err := c.Exchange(context.Background(), y.App(), code, secret.New(verifier))
	if err != nil || who.Subject != providertest.YahooSubject(user) || who.Email != user || tok.Refresh.Empty() || tok.Scopes != nil {
		t.Fatalf("%+v %+v %v", tok, who, err)
	}
	if _, _, err := c.Exchange(context.Background(), y.App(), code, secret.New(verifier)); !errors.Is(err, provider.ErrInvalidGrant) {
		t.Errorf("a used code: %v", err)
	}
	next, err := c.Refresh(context.Background(), y.App(), tok.Refresh)
	if err != nil || next.Access.Equal(tok.Access) || next.ExpiresAt.IsZero() {
		t.Fatalf("%+v %v", next, err)
	}
	a := provider.Account{Key: "g:1", Address: user, Login: user, Settings: map[string]string{provider.IMAPHost: "evil.example"}, Credential: func(context.Context) (provider.Credential, error) {
		return provider.Credential{AccessToken: next.Access}, nil
	}}
	if _, err := c.ListMessages(context.Background(), a, email.Query{}); err != nil {
		t.Error(err)
	}
	m, err := c.Send(context.Background(), a, email.Draft{To: []email.Address{{Email: "grace@example.com"}}, Subject: "Hi", Plain: "x",
		Attachments: []email.Enclosure{{Filename: "a.txt", ContentType: "text/plain", Content: strings.NewReader("note")}}})
	if err != nil || m.ID == "" || len(y.Taken()) != 1 {
		t.Errorf("%+v %v, taken %d", m, err, len(y.Taken()))
	}
	c.Close(a.Key)
	if _, r, err := c.Attachment(context.Background(), a, m.ID, m.Attachments[0].ID); err != nil || r.Close() != nil {
		t.Errorf("attachment: %v", err)
	}
	for _, status := range []int{500, 503, 429} {
		y.FailToken(status)
		_, err := c.Refresh(context.Background(), y.App(), tok.Refresh)
		if f, _ := fault.As(err); fault.KindOf(err) != fault.Upstream || errors.Is(err, provider.ErrInvalidGrant) || f.After != 7*time.Second {
			t.Errorf("%d: %v", status, err)
		}
	}
	y.Remove(user)
	if _, err := c.Refresh(context.Background(), y.App(), tok.Refresh); !errors.Is(err, provider.ErrInvalidGrant) || provider.ReasonOf(err) != "INVALID_REFRESH_TOKEN" {
		t.Errorf("removed at Yahoo: %v", err)
	}
	c.Close(a.Key)
	if _, err := c.ListMessages(context.Background(), a, email.Query{}); !errors.Is(err, provider.ErrCredentialRefused) {
		t.Errorf("mail after removal: %v", err)
	}
}

func TestReadOnlyGrantCannotSend(t *testing.T) {
	c, y, g := start(t)
	user := y.DovecotServer.Account(t).Login
	tok, _, err := c.Exchange(context.Background(), y.App(), consent(t, c, g, y.App(), user, c.DefaultScopes()), secret.New(verifier))
	if err != nil {
		t.Fatal(err)
	}
	a := provider.Account{Key: "g:1", Address: user, Login: user, Credential: func(context.Context) (provider.Credential, error) {
		return provider.Credential{AccessToken: tok.Access}, nil
	}}
	if _, err := c.ListMessages(context.Background(), a, email.Query{}); err != nil {
		t.Error(err)
	}
	if _, err := c.Send(context.Background(), a, email.Draft{To: []email.Address{{Email: "grace@example.com"}}, Plain: "x"}); err == nil || len(y.Taken()) != 0 {
		t.Errorf("sent: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	c, y, g := start(t)
	user := y.DovecotServer.Account(t).Login
	ctx := context.Background()
	wrongSecret, wrongID, wrongURI := y.App(), y.App(), y.App()
	wrongSecret.ClientSecret, wrongID.ClientID, wrongURI.RedirectURI = secret.New("canary-secret"), "canary-client", "https://evil.example/"
	for name, app := range map[string]provider.App{"secret": wrongSecret, "id": wrongID, "redirect": wrongURI} {
		_, _, err := c.Exchange(ctx, app, secret.New("canary-code"), secret.New(verifier))
		if f, _ := fault.As(err); f == nil || f.Code != "provider_client_refused" || strings.Contains(fmt.Sprint(err, f.Public), "canary") {
			t.Errorf("wrong %s: %v", name, err)
		}
	}
	code := consent(t, c, g, y.App(), user, c.DefaultScopes())
	if _, _, err := c.Exchange(ctx, y.App(), code, secret.New("another-verifier")); !errors.Is(err, provider.ErrInvalidGrant) {
		t.Errorf("wrong verifier: %v", err)
	}
	y.HideAddress()
	if _, _, err := c.Exchange(ctx, y.App(), code, secret.New(verifier)); fault.KindOf(err) != fault.Upstream {
		t.Errorf("no address: %v", err)
	}
	if _, err := c.AuthURL(y.App(), provider.AuthRequest{State: "s"}); err == nil {
		t.Error("no challenge")
	}
}

func TestDefaultsAreYahoos(t *testing.T) {
	c := yahoo.New(yahoo.Config{Guard: dial.New(dial.Config{})})
	u, err := c.AuthURL(provider.App{ClientID: "x", RedirectURI: "https://x.example/"}, provider.AuthRequest{State: "s", CodeChallenge: strings.Repeat("c", 43), Scopes: c.DefaultScopes()})
	if err != nil || !strings.HasPrefix(u, "https://api.login.yahoo.com/oauth2/request_auth?") || !strings.Contains(u, "scope=openid+email+mail-r") {
		t.Errorf("%s %v", u, err)
	}
	if _, ok := provider.Connector(c).(provider.Revoker); ok {
		t.Error("claims to revoke at Yahoo")
	}
}
