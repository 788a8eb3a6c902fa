package gmail_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/providertest"
	"github.com/postern-mail/postern/engine/secret"
)

const (
	verifier = "a-verifier-that-is-long-enough-for-the-standard-0123"
	readonly = "https://www.googleapis.com/auth/gmail.readonly"
	sendOnly = "https://www.googleapis.com/auth/gmail.send"
	modify   = "https://www.googleapis.com/auth/gmail.modify"
	metadata = "https://www.googleapis.com/auth/gmail.metadata"
)

func request(scopes ...string) provider.AuthRequest {
	sum := sha256.Sum256([]byte(verifier))
	return provider.AuthRequest{State: "a-state", CodeChallenge: base64.RawURLEncoding.EncodeToString(sum[:]), LoginHint: "ada@gmail.example",
		Scopes: append([]string{"openid", "https://www.googleapis.com/auth/userinfo.email", "https://www.googleapis.com/auth/userinfo.profile"}, scopes...)}
}

type desk struct {
	*testing.T
	g *providertest.GoogleServer
	c interface {
		provider.OAuth
		provider.Revoker
	}
	app provider.App
}

func newDesk(t *testing.T) desk {
	g := providertest.Google(t)
	g.AddUser("ada@gmail.example", "Ada Lovelace")
	return desk{t, g, connector(g), g.App(callback)}
}

// code walks the consent pages and answers the query that Google sends back.
func (d desk) code(r provider.AuthRequest, untick ...string) url.Values {
	d.Helper()
	to, err := d.c.AuthURL(d.app, r)
	if err != nil {
		d.Fatal(err)
	}
	back, err := url.Parse(d.g.Consent(d, to, "ada@gmail.example", untick...))
	if err != nil || !strings.HasPrefix(back.String(), callback+"?") || back.Query().Get("state") != r.State {
		d.Fatalf("back to %v (%v)", back, err)
	}
	return back.Query()
}

func (d desk) exchange(code string) (provider.Token, provider.Identity, error) {
	return d.c.Exchange(context.Background(), d.app, secret.New(code), secret.New(verifier))
}

func TestConnectRefreshRevoke(t *testing.T) {
	d := newDesk(t)
	token, who, err := d.exchange(d.code(request(readonly, sendOnly)).Get("code"))
	if err != nil {
		t.Fatal(err)
	}
	if len(who.Subject) != 21 || who.Email != "ada@gmail.example" || who.Name != "Ada Lovelace" || token.Refresh.Empty() || time.Until(token.ExpiresAt) < 50*time.Minute {
		t.Fatalf("%+v %+v", token, who)
	}
	if missing := provider.Missing("google", request(readonly, sendOnly).Scopes, token.Scopes); len(missing) != 0 {
		t.Errorf("missing %v", missing)
	}
	fresh, err := d.c.Refresh(context.Background(), d.app, token.Refresh)
	if err != nil || fresh.Access.Empty() || fresh.Access.Equal(token.Access) || !fresh.Refresh.Empty() {
		t.Fatalf("refresh: %+v %v", fresh, err)
	}
	// Somebody who allowed the app before gets a refresh token again: the consent page is always asked for.
	again, same, err := d.exchange(d.code(request(readonly, sendOnly)).Get("code"))
	if err != nil || again.Refresh.Empty() || same.Subject != who.Subject {
		t.Fatalf("again: %+v %v", again, err)
	}
	r, err := d.c.Revoke(context.Background(), d.app, token)
	if err != nil || r.Outcome != provider.SeveredVerified || r.Status != 200 || r.Answer != "200 OK" || r.ProbeAnswer != "invalid_grant: Token has been expired or revoked." || !r.AccessUntil.IsZero() {
		t.Fatalf("revoke: %+v %v", r, err)
	}
	sent := d.g.Revocations()
	if len(sent) != 1 || sent[0] != (url.Values{"token": {token.Refresh.Reveal()}}).Encode() {
		t.Error("the revocation is not the token alone, in the body")
	}
	// One revocation ended the other connection of this person through this app too.
	if _, err := d.c.Refresh(context.Background(), d.app, again.Refresh); !errors.Is(err, provider.ErrInvalidGrant) {
		t.Errorf("a sibling's refresh token: %v", err)
	}
	r, err = d.c.Revoke(context.Background(), d.app, token)
	if err != nil || r.Outcome != provider.SeveredVerified || r.Answer != "400 invalid_token" {
		t.Errorf("a second time: %+v %v", r, err)
	}
}

func TestGranularConsent(t *testing.T) {
	d := newDesk(t)
	token, _, err := d.exchange(d.code(request(readonly, sendOnly), sendOnly).Get("code"))
	if err != nil {
		t.Fatal(err)
	}
	if got := provider.CapabilitiesOf("google", token.Scopes); slices.Contains(got, provider.SendMail) || !slices.Contains(got, provider.ReadMail) {
		t.Errorf("capabilities %v of %v", got, token.Scopes)
	}
}

func TestAuthURL(t *testing.T) {
	d := newDesk(t)
	for prompt, want := range map[string]string{"": "consent", "consent": "consent", "none": "consent", "select_account": "select_account consent", "detect": "consent"} {
		r := request(readonly)
		r.Prompt = prompt
		to, err := d.c.AuthURL(d.app, r)
		u, _ := url.Parse(to)
		q := u.Query()
		if err != nil || q.Get("prompt") != want || q.Get("access_type") != "offline" || q.Get("code_challenge_method") != "S256" || q.Get("login_hint") != "ada@gmail.example" || q.Get("response_type") != "code" {
			t.Errorf("%q: %v %v", prompt, q, err)
		}
	}
	if scopes := d.c.DefaultScopes(); !slices.Contains(scopes, readonly) || !slices.Contains(scopes, "openid") || len(scopes) != 4 {
		t.Errorf("%v", scopes)
	}
	r := request(readonly)
	r.CodeChallenge = ""
	if _, err := d.c.AuthURL(d.app, r); err == nil {
		t.Error("without a challenge")
	}
}

func TestExchangeRefused(t *testing.T) {
	d := newDesk(t)
	good := func() string { return d.code(request(readonly)).Get("code") }
	ctx := context.Background()
	spent := good()
	if _, _, err := d.exchange(spent); err != nil {
		t.Fatal(err)
	}
	other, wrong := d.app, d.app
	other.RedirectURI += "/other"
	wrong.ClientSecret = secret.New("not-the-secret-of-this-app")
	nobody := d.app
	nobody.ClientID = "nobody.apps.googleusercontent.com"
	for name, f := range map[string]struct {
		app            provider.App
		code, verifier string
		want           error // nil: Upstream that is no invalid_grant
	}{
		"reused":            {d.app, spent, verifier, provider.ErrInvalidGrant},
		"made up":           {d.app, "4/0Amade-up", verifier, provider.ErrInvalidGrant},
		"no verifier":       {d.app, good(), "", provider.ErrInvalidGrant},
		"wrong verifier":    {d.app, good(), verifier + "x", provider.ErrInvalidGrant},
		"redirect mismatch": {other, good(), verifier, nil},
		"wrong secret":      {wrong, good(), verifier, nil},
		"unknown client":    {nobody, good(), verifier, nil},
		"another app":       {d.g.App(callback), good(), verifier, nil},
	} {
		_, _, err := d.c.Exchange(ctx, f.app, secret.New(f.code), secret.New(f.verifier))
		if f.want != nil && !errors.Is(err, f.want) || f.want == nil && (fault.KindOf(err) != fault.Upstream || errors.Is(err, provider.ErrInvalidGrant)) {
			t.Errorf("%s: %v", name, err)
		}
		silent(t, name, err, f.code, f.verifier, f.app.ClientSecret.Reveal())
	}
	late := good()
	d.g.Advance(11 * time.Minute)
	if _, _, err := d.exchange(late); !errors.Is(err, provider.ErrInvalidGrant) {
		t.Errorf("expired code: %v", err)
	}
	d.g.Fail(providertest.GoogleFault{Path: "/userinfo", Status: 503})
	if _, _, err := d.exchange(good()); fault.KindOf(err) != fault.Upstream {
		t.Errorf("userinfo is down: %v", err)
	}
	d.g.Fail(providertest.GoogleFault{Path: "/userinfo", Status: 200, Body: `{"email":"ada@gmail.example"}`})
	if _, who, err := d.exchange(good()); fault.KindOf(err) != fault.Upstream || who.Email != "" {
		t.Errorf("no subject: %v %v", who, err)
	}
}

func TestRefreshRefused(t *testing.T) {
	d := newDesk(t)
	ctx := context.Background()
	_, u, token := d.g.Account(d.app)
	for name, f := range map[string]providertest.GoogleFault{
		"500":          {Status: 500, Body: "<html>" + token.Refresh.Reveal()},
		"503":          {Status: 503, Header: map[string]string{"Retry-After": "7"}, Body: "{}"},
		"429":          {Status: 429, Header: map[string]string{"Retry-After": "7"}, Body: `{"error":"rate_limit_exceeded"}`},
		"not JSON":     {Status: 200, Body: "hello"},
		"no token":     {Status: 200, Body: `{"expires_in":3599}`},
		"odd type":     {Status: 200, Body: `{"access_token":7,"token_type":[]}`},
		"endless":      {Status: 200, Body: strings.Repeat("x", 200_000)},
		"internal":     {Status: 400, Body: `{"error":"internal_failure"}`},
		"org policy":   {Status: 400, Body: `{"error":"admin_policy_enforced"}`},
		"echoes token": {Status: 400, Body: `{"error":"` + token.Refresh.Reveal() + `"}`},
	} {
		f.Path = "/token"
		d.g.Fail(f)
		_, err := d.c.Refresh(ctx, d.app, token.Refresh)
		if fault.KindOf(err) != fault.Upstream || errors.Is(err, provider.ErrInvalidGrant) {
			t.Errorf("%s: %v", name, err)
		}
		if got, _ := fault.As(err); f.Header != nil && got.After != 7*time.Second {
			t.Errorf("%s: retry after %v", name, got.After)
		}
		silent(t, name, err, token.Refresh.Reveal(), d.app.ClientSecret.Reveal())
	}
	if _, err := d.c.Refresh(ctx, d.app, token.Refresh); err != nil {
		t.Errorf("after all that: %v", err)
	}
	d.g.Fail(providertest.GoogleFault{Path: "/token", Status: 400, Body: `{"error":"invalid_grant","error_description":"Bad Request ` + token.Refresh.Reveal() + `"}`})
	_, err := d.c.Refresh(ctx, d.app, token.Refresh)
	if !errors.Is(err, provider.ErrInvalidGrant) {
		t.Errorf("%v", err)
	}
	silent(t, "invalid_grant that repeats the token", err, token.Refresh.Reveal())
	d.g.Cut(u.Address)
	if _, err := d.c.Refresh(ctx, d.app, token.Refresh); !errors.Is(err, provider.ErrInvalidGrant) || provider.ReasonOf(err) != "Token has been expired or revoked." {
		t.Errorf("cut by its owner: %v", err)
	}
}

func TestRevokeThatDoesNotEnd(t *testing.T) {
	d := newDesk(t)
	ctx := context.Background()
	_, _, token := d.g.Account(d.app)
	for name, f := range map[string]providertest.GoogleFault{"429": {Status: 429}, "500": {Status: 500}, "503": {Status: 503}} {
		f.Path = "/revoke"
		d.g.Fail(f)
		if r, err := d.c.Revoke(ctx, d.app, token); fault.KindOf(err) != fault.Upstream || r.Outcome != "" {
			t.Errorf("%s: %+v %v", name, r, err)
		}
	}
	// Google has taken it, and the refresh token still works for a while: nothing may be claimed yet.
	d.g.Lag(1)
	r, err := d.c.Revoke(ctx, d.app, token)
	if got, _ := fault.As(err); r.Outcome != "" || got == nil || got.Code != "revocation_pending" || got.After == 0 {
		t.Errorf("%+v %v", r, err)
	}
	if r, err = d.c.Revoke(ctx, d.app, token); err != nil || r.Outcome != provider.SeveredVerified {
		t.Errorf("a little later: %+v %v", r, err)
	}
	d.g.Lag(0)
	// Without a refresh token there is nothing to try.
	_, _, token = d.g.Account(d.app)
	token.Refresh = secret.Text{}
	if r, err = d.c.Revoke(ctx, d.app, token); err != nil || r.Outcome != provider.SeveredAtProvider || r.ProbeAnswer != "" {
		t.Errorf("access token alone: %+v %v", r, err)
	}
	if r, err = d.c.Revoke(ctx, d.app, provider.Token{}); err != nil || r.Outcome != provider.DeletedHereOnly {
		t.Errorf("no token: %+v %v", r, err)
	}
	// The app's secret was changed meanwhile: the revocation needs none, the probe cannot tell.
	_, _, token = d.g.Account(d.app)
	wrong := d.app
	wrong.ClientSecret = secret.New("an-older-secret")
	if r, err = d.c.Revoke(ctx, wrong, token); err != nil || r.Outcome != provider.SeveredAtProvider || r.ProbeAnswer != "provider_client_refused" {
		t.Errorf("wrong secret: %+v %v", r, err)
	}
	// A refusal, and a probe that gets no answer: not known.
	d.g.Fail(providertest.GoogleFault{Path: "/token", Status: 503})
	if r, err = d.c.Revoke(ctx, d.app, token); err == nil {
		t.Errorf("neither said nor shown: %+v", r)
	}
}

// silent fails when an error, printed in any way, or its public sentence holds one of the secrets.
func silent(t *testing.T, name string, err error, secrets ...string) {
	t.Helper()
	text := fmt.Sprintf("%v %+v %#v %q", err, err, err, err)
	for e := err; e != nil; e = errors.Unwrap(e) {
		text += fmt.Sprintf(" %v %#v", e, e)
	}
	if f, ok := fault.As(err); ok {
		text += f.Public
	}
	for _, s := range secrets {
		if s != "" && strings.Contains(text, s) {
			t.Errorf("%s: the error shows a secret", name)
		}
	}
}
