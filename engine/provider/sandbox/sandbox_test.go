package sandbox_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"

	"crypto/tls"
	"crypto/x509"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/providertest"
	"github.com/postern-mail/postern/engine/provider/sandbox"
	"github.com/postern-mail/postern/engine/secret"
)

const callback = "http://localhost:9007/callback"

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

func start(t testing.TB, c sandbox.Config) (*sandbox.Server, *sandbox.Connector) {
	t.Helper()
	s, err := sandbox.Start(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, connector(s, c.Now)
}

func connector(s *sandbox.Server, now func() time.Time) *sandbox.Connector {
	g := dial.New(dial.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	return sandbox.New(sandbox.ConnectorConfig{Guard: g, Endpoints: s.Endpoints(), Now: now})
}

func app(s *sandbox.Server) provider.App {
	a := s.App()
	a.RedirectURI = callback
	return a
}

const verifier = "a-verifier-of-forty-three-characters-or-more-0123"

func challenge(v string) string {
	d := sha256.Sum256([]byte(v))
	return base64.RawURLEncoding.EncodeToString(d[:])
}

func authURL(t testing.TB, s *sandbox.Server, c *sandbox.Connector, scopes ...string) string {
	t.Helper()
	u, err := c.AuthURL(app(s), provider.AuthRequest{State: "the-state", CodeChallenge: challenge(verifier), Scopes: scopes, LoginHint: "ada@sandbox.test"})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func all() []string {
	return []string{sandbox.ScopeIdentity, sandbox.ScopeRead, sandbox.ScopeModify, sandbox.ScopeSend, sandbox.ScopeDrafts, sandbox.ScopeFolders}
}

func connect(t testing.TB, s *sandbox.Server, c *sandbox.Connector, user string, scopes ...string) (provider.Token, provider.Identity) {
	t.Helper()
	tok, id, err := c.Exchange(context.Background(), app(s), secret.New(codeFor(t, s, c, user, scopes...)), secret.New(verifier))
	if err != nil {
		t.Fatal(err)
	}
	return tok, id
}

func codeFor(t testing.TB, s *sandbox.Server, c *sandbox.Connector, user string, scopes ...string) string {
	t.Helper()
	back, err := s.GiveConsent(context.Background(), authURL(t, s, c, scopes...), user)
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(back)
	if !strings.HasPrefix(back, callback+"?") || u.Query().Get("state") != "the-state" {
		t.Fatalf("sent back to %s", back)
	}
	return u.Query().Get("code")
}

func account(user string, tok provider.Token) provider.Account {
	return provider.Account{Key: user + ":1", Address: user, Login: user, Credential: func(context.Context) (provider.Credential, error) {
		return provider.Credential{AccessToken: tok.Access, ExpiresAt: tok.ExpiresAt}, nil
	}}
}

func TestConformance(t *testing.T) {
	s, c := start(t, sandbox.Config{})
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(s.Endpoints().CA))
	n := 0
	tokens := map[string]provider.Token{}
	providertest.Run(t, providertest.Case{Connector: c, SendTo: "grace@sandbox.test",
		Account: func(t testing.TB) provider.Account {
			n++
			user := s.AddUser(fmt.Sprintf("test%d", n), "Test Person")
			tokens[user], _ = connect(t, s, c, user, all()...)
			return account(user, tokens[user])
		},
		Deliver: func(t testing.TB, a provider.Account, folder string, m providertest.Mail) {
			t.Helper()
			k, err := imapclient.DialTLS(s.Endpoints().IMAPAddr, &imapclient.Options{TLSConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = k.Close() }()
			if err := k.Login(a.Login, s.Password()).Wait(); err != nil {
				t.Fatal(err)
			}
			providertest.Append(t, k, folder, m)
		},
		Revoke: func(t testing.TB, a provider.Account) {
			if r, err := c.Revoke(context.Background(), app(s), tokens[a.Login]); err != nil || r.Outcome != provider.SeveredVerified {
				t.Fatalf("%+v %v", r, err)
			}
		}})
}

func TestConnectRefreshRevoke(t *testing.T) {
	s, c := start(t, sandbox.Config{})
	tok, id := connect(t, s, c, "ada@sandbox.test", all()...)
	if id.Email != "ada@sandbox.test" || id.Name != "Ada Lindqvist" || id.Subject == "" || len(tok.Scopes) != 6 || tok.Refresh.Empty() || time.Until(tok.ExpiresAt) < 50*time.Minute {
		t.Fatalf("%+v %+v", id, tok)
	}
	again, err := c.Refresh(context.Background(), app(s), tok.Refresh)
	if err != nil || again.Access.Equal(tok.Access) || !again.Refresh.Empty() {
		t.Fatalf("%v", err)
	}
	a := account("ada@sandbox.test", tok)
	p, err := c.ListMessages(context.Background(), a, email.Query{Limit: 10})
	if err != nil || len(p.Items) != 10 {
		t.Fatalf("%d %v", len(p.Items), err)
	}
	if !s.RefreshTokenAlive("ada@sandbox.test") || s.RefreshTokenAlive("grace@sandbox.test") {
		t.Error("who has a live token?")
	}
	r, err := c.Revoke(context.Background(), app(s), tok)
	if err != nil || r.Outcome != provider.SeveredVerified || r.Status != 200 || !r.AccessUntil.IsZero() || strings.Contains(fmt.Sprint(r), tok.Refresh.Reveal()) {
		t.Fatalf("%+v %v", r, err)
	}
	if s.RefreshTokenAlive("ada@sandbox.test") {
		t.Error("alive after revoke")
	}
	// The connection that stood open is dead as well, and so is what the refresh gave.
	for _, x := range []provider.Token{tok, again} {
		if _, err := c.ListMessages(context.Background(), account("ada@sandbox.test", x), email.Query{}); !errors.Is(err, provider.ErrCredentialRefused) {
			t.Errorf("list: %v", err)
		}
	}
	if _, err := c.Refresh(context.Background(), app(s), tok.Refresh); !errors.Is(err, provider.ErrInvalidGrant) || !strings.Contains(provider.ReasonOf(err), "revoked") {
		t.Errorf("refresh: %v", err)
	}
	if r, err := c.Revoke(context.Background(), app(s), tok); err != nil || r.Outcome != provider.SeveredVerified {
		t.Errorf("a second time: %+v %v", r, err)
	}
}

// A mailbox that consented more than once leaves more than one refresh token. One revocation withdraws the permission, and so ends all of them.
func TestRevokingEndsEveryConsentOfTheMailbox(t *testing.T) {
	s, c := start(t, sandbox.Config{})
	first, _ := connect(t, s, c, "ada@sandbox.test", all()...)
	second, _ := connect(t, s, c, "ada@sandbox.test", all()...)
	other, _ := connect(t, s, c, "grace@sandbox.test", all()...)
	if _, err := c.Revoke(context.Background(), app(s), second); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Refresh(context.Background(), app(s), first.Refresh); !errors.Is(err, provider.ErrInvalidGrant) {
		t.Errorf("the first consent's token: %v", err)
	}
	if _, err := c.Refresh(context.Background(), app(s), other.Refresh); err != nil {
		t.Errorf("somebody else's token: %v", err)
	}
}

func TestUntickedScopesAreNotGranted(t *testing.T) {
	s, c := start(t, sandbox.Config{})
	back, err := s.GiveConsent(context.Background(), authURL(t, s, c, all()...), "grace@sandbox.test", sandbox.ScopeSend, sandbox.ScopeModify)
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(back)
	tok, _, err := c.Exchange(context.Background(), app(s), secret.New(u.Query().Get("code")), secret.New(verifier))
	if err != nil || len(provider.Missing("sandbox", all(), tok.Scopes)) != 2 {
		t.Fatalf("%v %v", tok.Scopes, err)
	}
	a := account("grace@sandbox.test", tok)
	p, err := c.ListMessages(context.Background(), a, email.Query{})
	if err != nil || len(p.Items) == 0 {
		t.Fatal(err)
	}
	if _, err := c.Send(context.Background(), a, email.Draft{To: []email.Address{{Email: "ada@sandbox.test"}}, Plain: "x"}); !errors.Is(err, provider.ErrScopeMissing) {
		t.Errorf("send: %v", err)
	}
	yes := true
	if _, err := c.UpdateMessage(context.Background(), a, p.Items[0].ID, email.Change{Starred: &yes}); !errors.Is(err, provider.ErrScopeMissing) {
		t.Errorf("update: %v", err)
	}
	only, _ := connect(t, s, c, "linus@sandbox.test", sandbox.ScopeIdentity, sandbox.ScopeSend)
	b := account("linus@sandbox.test", only)
	if _, err := c.ListMessages(context.Background(), b, email.Query{}); !errors.Is(err, provider.ErrScopeMissing) {
		t.Errorf("read with mail.send: %v", err)
	}
	if _, err := c.Send(context.Background(), b, email.Draft{To: []email.Address{{Email: "ada@sandbox.test"}}, Plain: "x"}); err != nil {
		t.Errorf("send with mail.send: %v", err)
	}
}

func TestSendingArrives(t *testing.T) {
	s, c := start(t, sandbox.Config{})
	ada, _ := connect(t, s, c, "ada@sandbox.test", all()...)
	grace, _ := connect(t, s, c, "grace@sandbox.test", all()...)
	sent, err := c.Send(context.Background(), account("ada@sandbox.test", ada), email.Draft{To: []email.Address{{Email: "grace@sandbox.test"}}, Bcc: []email.Address{{Email: "linus@sandbox.test"}}, Subject: "Lunch?", Plain: "At one."})
	if err != nil || sent.ID == "" {
		t.Fatalf("%+v %v", sent, err)
	}
	p, err := c.ListMessages(context.Background(), account("grace@sandbox.test", grace), email.Query{Limit: 1, Fields: email.WithHeaders})
	if err != nil || p.Items[0].Subject != "Lunch?" || !p.Items[0].Unread || p.Items[0].From[0].Email != "ada@sandbox.test" || p.Items[0].ThreadID != sent.ThreadID {
		t.Fatalf("%+v %v", p, err)
	}
	for _, h := range p.Items[0].Headers {
		if strings.EqualFold(h.Name, "bcc") {
			t.Error("Bcc shows")
		}
	}
	if _, err := c.Send(context.Background(), account("ada@sandbox.test", ada), email.Draft{To: []email.Address{{Email: "someone@example.com"}}, Plain: "x"}); !errors.Is(err, provider.ErrRecipientRefused) {
		t.Errorf("outside: %v", err)
	}
	if _, err := c.Send(context.Background(), account("ada@sandbox.test", ada), email.Draft{From: []email.Address{{Email: "grace@sandbox.test"}}, To: []email.Address{{Email: "ada@sandbox.test"}}, Plain: "x"}); err == nil {
		t.Error("sent as someone else")
	}
}

func TestCodesAreStrict(t *testing.T) {
	clk := &clock{at: time.Now()}
	s, c := start(t, sandbox.Config{Now: clk.now})
	ctx := context.Background()
	refusedFor := func(name, reason string, err error) {
		t.Helper()
		if !errors.Is(err, provider.ErrInvalidGrant) || !strings.Contains(provider.ReasonOf(err), reason) {
			t.Errorf("%s: %v (%s)", name, err, provider.ReasonOf(err))
		}
	}
	code := codeFor(t, s, c, "ada@sandbox.test", all()...)
	tok, _, err := c.Exchange(ctx, app(s), secret.New(code), secret.New(verifier))
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = c.Exchange(ctx, app(s), secret.New(code), secret.New(verifier))
	refusedFor("twice", "used before", err)
	_, err = c.Refresh(ctx, app(s), tok.Refresh)
	refusedFor("what the copied code gave", "revoked", err)

	_, _, err = c.Exchange(ctx, app(s), secret.New(codeFor(t, s, c, "ada@sandbox.test", all()...)), secret.New(verifier+"x"))
	refusedFor("wrong verifier", "verifier", err)
	_, _, err = c.Exchange(ctx, app(s), secret.New(codeFor(t, s, c, "ada@sandbox.test", all()...)), secret.New(""))
	refusedFor("no verifier", "verifier", err)
	late := codeFor(t, s, c, "ada@sandbox.test", all()...)
	clk.pass(61 * time.Second)
	_, _, err = c.Exchange(ctx, app(s), secret.New(late), secret.New(verifier))
	refusedFor("late", "expired", err)
	other := app(s)
	other.RedirectURI = callback + "2"
	_, _, err = c.Exchange(ctx, other, secret.New(codeFor(t, s, c, "ada@sandbox.test", all()...)), secret.New(verifier))
	refusedFor("another redirect", "redirect", err)
	_, _, err = c.Exchange(ctx, app(s), secret.New("made up"), secret.New(verifier))
	refusedFor("unknown", "unknown", err)
	wrong := app(s)
	wrong.ClientSecret = secret.New("wrong")
	if _, err := c.Refresh(ctx, wrong, tok.Refresh); err == nil || errors.Is(err, provider.ErrInvalidGrant) {
		t.Errorf("wrong client: %v", err)
	}
}

func TestAuthorizeRefuses(t *testing.T) {
	s, c := start(t, sandbox.Config{})
	good, _ := url.Parse(authURL(t, s, c, all()...))
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for name, x := range map[string]struct {
		change func(url.Values)
		status int
		code   string // in the redirect
	}{
		"good":                  {func(url.Values) {}, 200, ""},
		"unknown client":        {func(q url.Values) { q.Set("client_id", "x") }, 400, ""},
		"foreign redirect":      {func(q url.Values) { q.Set("redirect_uri", "https://evil.example/") }, 400, ""},
		"loopback by name only": {func(q url.Values) { q.Set("redirect_uri", "http://localhost.evil.example/") }, 400, ""},
		"javascript":            {func(q url.Values) { q.Set("redirect_uri", "javascript://localhost/%0aalert(1)") }, 400, ""},
		"user in redirect":      {func(q url.Values) { q.Set("redirect_uri", "http://a@localhost/") }, 400, ""},
		"no challenge":          {func(q url.Values) { q.Del("code_challenge") }, 303, "invalid_request"},
		"plain challenge":       {func(q url.Values) { q.Set("code_challenge_method", "plain") }, 303, "invalid_request"},
		"unknown scope":         {func(q url.Values) { q.Set("scope", "mail.everything") }, 303, "invalid_scope"},
		"no scope":              {func(q url.Values) { q.Del("scope") }, 303, "invalid_scope"},
		"implicit":              {func(q url.Values) { q.Set("response_type", "token") }, 303, "unsupported_response_type"},
	} {
		u := *good
		q := u.Query()
		x.change(q)
		u.RawQuery = q.Encode()
		res, err := client.Get(u.String())
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		to, _ := res.Location()
		got := ""
		if to != nil {
			got = to.Query().Get("error")
		}
		if res.StatusCode != x.status || got != x.code || strings.Contains(res.Header.Get("Location"), "evil") {
			t.Errorf("%s: %d %q", name, res.StatusCode, got)
		}
	}
}

func TestAccessTokensExpire(t *testing.T) {
	clk := &clock{at: time.Now()}
	s, c := start(t, sandbox.Config{Now: clk.now, AccessTTL: time.Minute})
	tok, _ := connect(t, s, c, "ada@sandbox.test", all()...)
	a := account("ada@sandbox.test", tok)
	asked := 0
	fresh := tok
	a.Credential = func(ctx context.Context) (provider.Credential, error) {
		if asked++; asked > 1 {
			var err error
			if fresh, err = c.Refresh(ctx, app(s), tok.Refresh); err != nil {
				return provider.Credential{}, err
			}
		}
		return provider.Credential{AccessToken: fresh.Access}, nil
	}
	if _, err := c.ListMessages(context.Background(), a, email.Query{}); err != nil {
		t.Fatal(err)
	}
	clk.pass(2 * time.Minute)
	// The open connection speaks for a token that has run out: the connector must ask for a new one by itself.
	if _, err := c.ListMessages(context.Background(), a, email.Query{}); err != nil || asked != 2 {
		t.Fatalf("asked %d times: %v", asked, err)
	}
}

func TestStateOutlivesRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "sandbox.json")
	s, c := start(t, sandbox.Config{StatePath: path})
	tok, _ := connect(t, s, c, "ada@sandbox.test", all()...)
	password, id := s.Password(), s.App().ClientID
	_ = s.Close()
	raw, err := os.ReadFile(path)
	info, _ := os.Stat(path)
	if err != nil || strings.Contains(string(raw), tok.Refresh.Reveal()) || info.Mode().Perm() != 0o600 {
		t.Fatalf("state: %v %v", err, info.Mode())
	}
	s2, c2 := start(t, sandbox.Config{StatePath: path})
	if s2.Password() != password || s2.App().ClientID != id || !s2.RefreshTokenAlive("ada@sandbox.test") {
		t.Fatal("forgotten")
	}
	if _, err := c2.Refresh(context.Background(), app(s2), tok.Refresh); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sandbox.Start(context.Background(), sandbox.Config{StatePath: path}); err == nil {
		t.Fatal("a broken state file is taken for an empty one")
	}
}

func TestRevokeWhileTheProviderIsDown(t *testing.T) {
	s, c := start(t, sandbox.Config{})
	tok, _ := connect(t, s, c, "ada@sandbox.test", all()...)
	_ = s.Close()
	if _, err := c.Revoke(context.Background(), app(s), tok); err == nil || errors.Is(err, provider.ErrInvalidGrant) {
		t.Fatalf("%v", err)
	}
}
