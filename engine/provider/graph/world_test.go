package graph_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/graph"
	"github.com/postern-mail/postern/engine/provider/providertest"
	"github.com/postern-mail/postern/engine/secret"
)

const (
	callback = "http://localhost:9007/v3/connect/callback/microsoft"
	contoso  = "6d9b8c3e-1c0c-4c3a-9a0e-5b3f1f6f7a11"
	verifier = "a-verifier-of-forty-three-characters-or-more-0123"
)

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// world is a Microsoft, its clock, and a connector to it.
type world struct {
	*providertest.MicrosoftServer
	c     *graph.Connector
	app   provider.App
	clock *clock
}

func start(t testing.TB) *world {
	t.Helper()
	w := &world{MicrosoftServer: providertest.Microsoft(t), clock: &clock{at: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}}
	w.Now = w.clock.now
	w.app = w.App(callback)
	w.c = w.connector(w.GraphURL())
	return w
}

func (w *world) connector(graphURL string) *graph.Connector {
	guard := dial.New(dial.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	return graph.New(graph.Config{Guard: guard, Now: w.clock.now, AuthURL: w.AuthURL(), TokenURL: w.TokenURL(), AdminConsentURL: w.AdminConsentURL(), GraphURL: graphURL})
}

func challenge(v string) string {
	d := sha256.Sum256([]byte(v))
	return base64.RawURLEncoding.EncodeToString(d[:])
}

func everything() []string {
	return provider.ScopesFor("microsoft", provider.Capabilities())
}

func (w *world) authURL(t testing.TB, a *providertest.MicrosoftAccount, scopes ...string) string {
	t.Helper()
	u, err := w.c.AuthURL(w.app, provider.AuthRequest{State: "the-state", CodeChallenge: challenge(verifier), Scopes: scopes, LoginHint: a.Address})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func (w *world) code(t testing.TB, a *providertest.MicrosoftAccount, scopes ...string) secret.Text {
	t.Helper()
	back, page := w.Consent(w.authURL(t, a, scopes...), a, true)
	if back == nil || back.Query().Get("code") == "" || back.Query().Get("state") != "the-state" || !strings.HasPrefix(back.String(), callback+"?") {
		t.Fatalf("sent back to %v: %s", back, page)
	}
	return secret.New(back.Query().Get("code"))
}

func (w *world) connect(t testing.TB, a *providertest.MicrosoftAccount, scopes ...string) (provider.Token, provider.Identity) {
	t.Helper()
	tok, who, err := w.c.Exchange(context.Background(), w.app, w.code(t, a, scopes...), secret.New(verifier))
	if err != nil {
		t.Fatal(err)
	}
	return tok, who
}

func account(a *providertest.MicrosoftAccount, tok provider.Token) provider.Account {
	return provider.Account{Key: a.Address + ":1", Address: a.Address, Login: a.Login, Credential: func(context.Context) (provider.Credential, error) {
		return provider.Credential{AccessToken: tok.Access, ExpiresAt: tok.ExpiresAt}, nil
	}}
}

// mailbox is a connected person with all scopes.
func (w *world) mailbox(t testing.TB, name string) (*providertest.MicrosoftAccount, provider.Account, provider.Token) {
	t.Helper()
	a := w.Account(contoso, name+"@contoso.test", "Person "+name)
	tok, _ := w.connect(t, a, everything()...)
	return a, account(a, tok), tok
}

func mail(n int, at time.Time) providertest.Mail {
	return providertest.Mail{Received: at, Unread: true, Raw: fmt.Sprintf("From: S <s%d@example.com>\r\nTo: me@contoso.test\r\nSubject: Number %03d\r\nMessage-ID: <n%d@example.com>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nBody %d\r\n", n%3, n, n, n)}
}

func kind(t testing.TB, err error) fault.Kind {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	return fault.KindOf(err)
}

// safe fails when an error shows a token, a code, an address with a query, or text of Microsoft's answer.
func safe(t testing.TB, err error, secrets ...secret.Text) {
	t.Helper()
	text := fmt.Sprintf("%v %+v %#v", err, err, err)
	if f, ok := fault.As(err); ok {
		text += f.Public
	}
	for _, s := range secrets {
		if !s.Empty() && strings.Contains(text, s.Reveal()) {
			t.Errorf("a secret in %.60q...", text)
		}
	}
	for _, leak := range []string{"private message", "Bearer ", "$filter", "claims=", "eyJ", "127.0.0.1"} {
		if strings.Contains(text, leak) {
			t.Errorf("%q in %q", leak, text)
		}
	}
}
