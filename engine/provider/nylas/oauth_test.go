package nylas_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/nylas"
	"github.com/postern-mail/postern/engine/provider/providertest"
	"github.com/postern-mail/postern/engine/secret"
)

const verifier = "a-verifier-of-forty-three-characters-or-more-0123"

func (w *world) address(t testing.TB, app provider.App, scopes ...string) string {
	t.Helper()
	d := sha256.Sum256([]byte(verifier))
	u, err := w.c.AuthURL(app, provider.AuthRequest{State: "the-state", CodeChallenge: base64.RawURLEncoding.EncodeToString(d[:]), Scopes: scopes, LoginHint: "ada@nylas.test"})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func (w *world) connect(t testing.TB, a *providertest.NylasAccount) (provider.Token, provider.Identity) {
	t.Helper()
	back := w.Consent(t, w.address(t, w.app, w.c.DefaultScopes()...), a, true)
	if !strings.HasPrefix(back.String(), callback+"?") || back.Query().Get("state") != "the-state" {
		t.Fatalf("sent back to %v", back)
	}
	token, who, err := w.c.Exchange(context.Background(), w.app, secret.New(back.Query().Get("code")), secret.New(verifier))
	if err != nil {
		t.Fatal(err)
	}
	return token, who
}

func TestConnectRefreshRevoke(t *testing.T) {
	w, ctx := start(t), context.Background()
	ada := w.Account("google", "ada@nylas.test", "Ada Lovelace")
	token, who := w.connect(t, ada)
	if who.Subject != "google:"+ada.Subject || who.Email != "ada@nylas.test" || who.Name != "Ada Lovelace" || !token.ExpiresAt.IsZero() {
		t.Fatalf("%+v %v", who, token.ExpiresAt)
	}
	can := provider.CapabilitiesOf("nylas", token.Scopes)
	for _, want := range []provider.Capability{provider.KnowIdentity, provider.ReadMail, provider.ChangeMail, provider.SendMail, provider.ManageDrafts, provider.ManageFolders} {
		if !slices.Contains(can, want) {
			t.Errorf("%s is missing of %v", want, token.Scopes)
		}
	}
	if !slices.Contains(token.Scopes, "https://www.googleapis.com/auth/gmail.modify") {
		t.Errorf("what Nylas said is lost: %v", token.Scopes)
	}
	fresh, err := w.c.Refresh(ctx, w.app, token.Refresh)
	if err != nil || !fresh.Access.Equal(token.Access) || !fresh.Refresh.Empty() {
		t.Fatalf("%v", err)
	}
	again, same := w.connect(t, ada)
	if !again.Access.Equal(token.Access) || same.Subject != who.Subject {
		t.Error("the same mailbox became another grant")
	}
	grant := token.Access.Reveal()
	if w.Alive(grant) == 0 {
		t.Fatal("no token to revoke")
	}
	r, err := w.c.Revoke(ctx, w.app, again)
	if err != nil || r.Outcome != provider.SeveredVerified || r.Status != 200 || !strings.Contains(r.Answer, "tokens: 200") || !strings.Contains(r.Answer, "grant: 200") || r.ProbeAnswer != "404 grant.not_found" {
		t.Fatalf("%+v %v", r, err)
	}
	if w.Has(grant) || w.Alive(grant) != 0 {
		t.Error("it lives on at Nylas")
	}
	var order []string
	for _, s := range w.Seen() {
		if s == "POST /v3/connect/revoke" || strings.HasSuffix(s, " /v3/grants/"+grant) {
			order = append(order, strings.Fields(s)[0])
		}
	}
	if n := len(order); n < 3 || !slices.Equal(order[n-3:], []string{"POST", "DELETE", "GET"}) {
		t.Errorf("asked in this order: %v", order)
	}
	// A second run, as after a crash before the receipt was written.
	if r, err = w.c.Revoke(ctx, w.app, again); err != nil || r.Outcome != provider.SeveredVerified || r.Status != 404 {
		t.Errorf("%+v %v", r, err)
	}
	if _, err := w.c.Refresh(ctx, w.app, token.Refresh); !errors.Is(err, provider.ErrInvalidGrant) {
		t.Errorf("refreshed after all: %v", err)
	}
	// The mailbox comes back under the same subject and another grant.
	renewed, who2 := w.connect(t, ada)
	if who2.Subject != who.Subject || renewed.Access.Equal(token.Access) {
		t.Errorf("%+v", who2)
	}
}

func TestRevokeProvesNothingWithAnotherKey(t *testing.T) {
	w, ctx := start(t), context.Background()
	token, _ := w.connect(t, w.Account("google", "ada@nylas.test", "Ada"))
	other := w.App(callback)
	r, err := w.c.Revoke(ctx, other, token)
	if err != nil || r.Outcome != provider.DeletedHereOnly || !w.Has(token.Access.Reveal()) {
		t.Errorf("by another application: %+v %v", r, err)
	}
	// The client id is the old one, the key another application's: every grant of ours is unknown to it.
	mixed := w.app
	mixed.ClientSecret = other.ClientSecret
	if r, err = w.c.Revoke(ctx, mixed, provider.Token{Access: token.Access, Refresh: token.Refresh}); err != nil || r.Outcome == provider.SeveredVerified {
		t.Errorf("by another key: %+v %v", r, err)
	}
	// A key that Nylas does not take is no answer.
	mixed.ClientSecret = secret.New("nyk_v0_wrong")
	if _, err = w.c.Revoke(ctx, mixed, token); fault.KindOf(err) != fault.Upstream {
		t.Errorf("by a wrong key: %v", err)
	}
	safe(t, err, token.Refresh, mixed.ClientSecret)
	w.Fail(func(r *http.Request) (int, string, map[string]string) {
		if r.Method == http.MethodDelete {
			return 503, `{}`, nil
		}
		return 0, "", nil
	})
	if _, err = w.c.Revoke(ctx, w.app, token); fault.KindOf(err) != fault.Upstream {
		t.Errorf("while Nylas is down: %v", err)
	}
}

func TestExchangeRefuses(t *testing.T) {
	w, ctx := start(t), context.Background()
	ada := w.Account("google", "ada@nylas.test", "Ada")
	code := func() secret.Text {
		return secret.New(w.Consent(t, w.address(t, w.app), ada, true).Query().Get("code"))
	}
	used := code()
	if _, _, err := w.c.Exchange(ctx, w.app, used, secret.New(verifier)); err != nil {
		t.Fatal(err)
	}
	foreign, wrongKey, otherAddress := w.App(callback), w.app, w.app
	wrongKey.ClientSecret = secret.New("nyk_v0_wrong")
	otherAddress.RedirectURI = callback + "/"
	for name, c := range map[string]struct {
		app      provider.App
		code     secret.Text
		verifier string
		invalid  bool
	}{
		"used": {w.app, used, verifier, true}, "made up": {w.app, secret.New("a-code-that-was-never-issued"), verifier, true}, "wrong verifier": {w.app, code(), "another-verifier", true},
		"another application's": {foreign, code(), verifier, true}, "another address": {otherAddress, code(), verifier, true}, "wrong key": {wrongKey, code(), verifier, false},
	} {
		_, _, err := w.c.Exchange(ctx, c.app, c.code, secret.New(c.verifier))
		if err == nil || errors.Is(err, provider.ErrInvalidGrant) != c.invalid || !c.invalid && fault.KindOf(err) != fault.Upstream {
			t.Errorf("%s: %v", name, err)
		}
		safe(t, err, c.code, c.app.ClientSecret)
	}
	back := w.Consent(t, w.address(t, w.app), ada, false)
	if back.Query().Get("error") != "access_denied" || back.Query().Get("state") != "the-state" {
		t.Errorf("cancelled: %v", back)
	}
}

func TestAuthURL(t *testing.T) {
	w := start(t)
	google := w.app
	google.Settings = map[string]string{nylas.Upstream: "google"}
	u, _ := url.Parse(w.address(t, google, provider.ScopesFor("nylas", []provider.Capability{provider.ReadMail})...))
	q := u.Query()
	if q.Get("provider") != "google" || !slices.Contains(strings.Fields(q.Get("scope")), "https://www.googleapis.com/auth/gmail.readonly") || strings.Contains(q.Get("scope"), "read_mail") || q.Get("access_type") != "offline" || q.Get("code_challenge_method") != "S256" {
		t.Errorf("%v", q)
	}
	u, _ = url.Parse(w.address(t, w.app, "read_mail"))
	if u.Query().Has("scope") || u.Query().Has("provider") {
		t.Errorf("Nylas' connector has nothing to say: %v", u.Query())
	}
	c := nylas.New(nylas.Config{Guard: guard()})
	for region, want := range map[string]string{"": "https://api.us.nylas.com/v3/connect/auth", "us": "https://api.us.nylas.com/v3/connect/auth", "eu": "https://api.eu.nylas.com/v3/connect/auth"} {
		got, err := c.AuthURL(provider.App{ClientID: "c", RedirectURI: callback, Settings: map[string]string{nylas.Region: region}}, provider.AuthRequest{State: "s", CodeChallenge: strings.Repeat("A", 43)})
		if err != nil || !strings.HasPrefix(got, want+"?") {
			t.Errorf("%q: %s %v", region, got, err)
		}
	}
	if _, err := c.AuthURL(provider.App{ClientID: "c", RedirectURI: callback, Settings: map[string]string{nylas.Region: "moon"}}, provider.AuthRequest{State: "s", CodeChallenge: strings.Repeat("A", 43)}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a region that is none: %v", err)
	}
}

func TestAdopt(t *testing.T) {
	w, ctx := start(t), context.Background()
	imap := w.Account("imap", "Bob@imap.test", "")
	g := w.Grant(w.app, imap)
	token, who, err := w.c.Adopt(ctx, w.app, g.ID)
	if err != nil || who.Subject != "imap:bob@imap.test" || token.Access.Reveal() != g.ID || !slices.Contains(provider.CapabilitiesOf("nylas", token.Scopes), provider.ManageFolders) {
		t.Fatalf("%+v %v", who, err)
	}
	before := len(w.Seen())
	for _, id := range []string{"", "Bob@imap.test", "me", "../applications", strings.ToUpper(g.ID), g.ID + "/messages"} {
		if _, _, err := w.c.Adopt(ctx, w.app, id); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q: %v", id, err)
		}
	}
	if n := len(w.Seen()); n != before {
		t.Errorf("Nylas was asked %d times for what is no id", n-before)
	}
	foreign := w.App(callback)
	if _, _, err := w.c.Adopt(ctx, foreign, g.ID); fault.KindOf(err) != fault.Invalid {
		t.Errorf("of another application: %v", err)
	}
	w.Expire(g)
	if _, _, err := w.c.Adopt(ctx, w.app, g.ID); fault.KindOf(err) != fault.Invalid {
		t.Errorf("expired: %v", err)
	}
	r, err := w.c.Revoke(ctx, w.app, token)
	if err != nil || r.Outcome != provider.SeveredVerified || w.Has(g.ID) {
		t.Errorf("%+v %v", r, err)
	}
}

// A key that Nylas does not take must not end anybody's connection; a replaced one counts without a restart.
func TestWrongKeyIsNotTheMailboxsFault(t *testing.T) {
	w, ctx := start(t), context.Background()
	g := w.Grant(w.app, w.Account("google", "ada@nylas.test", "Ada"))
	app := w.app
	a := w.Mailbox(w.app, g)
	a.App = func(context.Context) (provider.App, error) { return app, nil }
	if _, err := w.c.ListMessages(ctx, a, email.Query{}); err != nil {
		t.Fatal(err)
	}
	w.SetKey(w.app, "nyk_v0_rotated")
	_, err := w.c.ListMessages(ctx, a, email.Query{})
	if fault.KindOf(err) != fault.Upstream || errors.Is(err, provider.ErrCredentialRefused) {
		t.Errorf("with the old key: %v", err)
	}
	safe(t, err, w.app.ClientSecret)
	app.ClientSecret = secret.New("nyk_v0_rotated")
	if _, err := w.c.ListMessages(ctx, a, email.Query{}); err != nil {
		t.Errorf("with the new key: %v", err)
	}
	w.Expire(g)
	if _, err := w.c.ListMessages(ctx, a, email.Query{}); !errors.Is(err, provider.ErrCredentialRefused) {
		t.Errorf("an expired grant: %v", err)
	}
}

// A live check presents what nobody ever issued: the answer is about the registration, never about a mailbox. While a key is changed, both are good.
func TestKeysAreCheckedAndChanged(t *testing.T) {
	w, ctx := start(t), context.Background()
	nobody := secret.New("postern-live-check-XYZ")
	wrong, foreign := w.app, w.app
	wrong.ClientSecret = secret.New("nyk_v0_wrong")
	foreign.ClientSecret = w.App(callback).ClientSecret
	if _, err := w.c.Refresh(ctx, w.app, nobody); !errors.Is(err, provider.ErrInvalidGrant) {
		t.Errorf("a good registration: %v", err)
	}
	for name, app := range map[string]provider.App{"a wrong key": wrong, "another application's key": foreign} {
		if _, err := w.c.Refresh(ctx, app, nobody); !errors.Is(err, provider.ErrAppRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.Fail(func(*http.Request) (int, string, map[string]string) { return 503, `{}`, nil })
	if _, err := w.c.Refresh(ctx, w.app, nobody); errors.Is(err, provider.ErrAppRefused) || errors.Is(err, provider.ErrInvalidGrant) {
		t.Errorf("no answer is taken for one: %v", err)
	}
	w.Fail(nil)

	ada := w.Account("google", "ada@nylas.test", "Ada")
	changing := w.app
	changing.ClientSecret, changing.SecretBefore = secret.New("nyk_v0_not_yet"), w.app.ClientSecret
	code := w.Consent(t, w.address(t, w.app), ada, true).Query().Get("code")
	token, _, err := w.c.Exchange(ctx, changing, secret.New(code), secret.New(verifier))
	if err != nil {
		t.Fatalf("a consent while the key is changed: %v", err)
	}
	a := w.Mailbox(changing, w.Grant(w.app, ada))
	for range 2 {
		if _, err := w.c.ListMessages(ctx, a, email.Query{}); err != nil {
			t.Errorf("mail while the key is changed: %v", err)
		}
	}
	if r, err := w.c.Revoke(ctx, changing, token); err != nil || r.Outcome != provider.SeveredVerified {
		t.Errorf("a revocation while the key is changed: %+v %v", r, err)
	}
}

func TestFaults(t *testing.T) {
	w, ctx := start(t), context.Background()
	a := w.Mailbox(w.app, w.Grant(w.app, w.Account("google", "ada@nylas.test", "Ada")))
	for name, c := range map[string]struct {
		status int
		body   string
		kind   fault.Kind
	}{
		"throttled": {429, `{"error":{"type":"api.rate_limit_error","message":"private message"}}`, fault.Limited}, "scope": {403, `{"error":{"type":"insufficient_scopes"}}`, fault.Denied},
		"provider": {504, `{"error":{"type":"api.provider_error"}}`, fault.Upstream}, "no JSON": {200, `<html>private message`, fault.Upstream}, "redirect": {302, ``, fault.Upstream},
		"word that is none": {500, `{"error":{"type":"private message with words"}}`, fault.Upstream},
	} {
		w.Fail(func(r *http.Request) (int, string, map[string]string) {
			if strings.HasSuffix(r.URL.Path, "/messages") {
				return c.status, c.body, map[string]string{"Retry-After": "7"}
			}
			return 0, "", nil
		})
		_, err := w.c.ListMessages(ctx, a, email.Query{})
		if fault.KindOf(err) != c.kind {
			t.Errorf("%s: %v", name, err)
		}
		safe(t, err, w.app.ClientSecret)
		if f, _ := fault.As(err); name == "throttled" && f.After.Seconds() != 7 {
			t.Errorf("retry after %v", f.After)
		}
	}
	// A send whose end is not known is not called a failure that may be repeated.
	w.Fail(func(r *http.Request) (int, string, map[string]string) { return 504, `{}`, nil })
	_, err := w.c.Send(ctx, a, email.Draft{To: []email.Address{{Email: "x@nylas.test"}}, Subject: "x", Plain: "x"})
	if f, _ := fault.As(err); f == nil || f.Code != "send_unconfirmed" {
		t.Errorf("send: %v", err)
	}
}
