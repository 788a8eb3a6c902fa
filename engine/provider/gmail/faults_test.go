package gmail_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/gmail"
	"github.com/postern-mail/postern/engine/provider/providertest"
	"github.com/postern-mail/postern/engine/secret"
)

func TestTriesAgainWhatOnlyReads(t *testing.T) {
	b := newMailbox(t)
	b.deliver("INBOX", "x")
	for name, f := range map[string]providertest.GoogleFault{
		"429": {Status: 429, Reason: "rateLimitExceeded"}, "403": {Status: 403, Reason: "userRateLimitExceeded"}, "503": {Status: 503, Reason: "backendError"}, "not JSON": {Status: 200, Body: "<html>"},
	} {
		f.Times = 2
		f.Path = "/messages"
		b.g.Fail(f)
		if p, err := b.c.ListMessages(context.Background(), b.a, email.Query{}); err != nil || len(p.Items) != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	b := newMailbox(t)
	b.deliver("INBOX", "secret subject")
	id := b.list(email.Query{}).Items[0].ID
	soon := time.Now().Add(20 * time.Minute).UTC().Format(time.RFC3339)
	for name, f := range map[string]struct {
		fault providertest.GoogleFault
		want  error
		code  string
		after time.Duration
	}{
		"401":                  {providertest.GoogleFault{Status: 401, Reason: "authError", Times: 2}, provider.ErrCredentialRefused, "", 0},
		"403 scope":            {providertest.GoogleFault{Status: 403, Reason: "insufficientPermissions"}, provider.ErrScopeMissing, "", 0},
		"403 rate, long":       {providertest.GoogleFault{Status: 403, Reason: "userRateLimitExceeded", Header: map[string]string{"Retry-After": "30"}}, nil, "provider_rate_limited", 30 * time.Second},
		"429 with a moment":    {providertest.GoogleFault{Status: 429, Reason: "rateLimitExceeded", Say: "User-rate limit exceeded.  Retry after " + soon}, nil, "provider_rate_limited", 20 * time.Minute},
		"403 daily":            {providertest.GoogleFault{Status: 403, Reason: "dailyLimitExceeded"}, nil, "provider_rate_limited", 0},
		"403 API off":          {providertest.GoogleFault{Status: 403, Reason: "accessNotConfigured"}, nil, "provider_api_disabled", 0},
		"403 policy":           {providertest.GoogleFault{Status: 403, Reason: "domainPolicy"}, nil, "provider_policy", 0},
		"403 otherwise":        {providertest.GoogleFault{Status: 403, Reason: "forbidden", Say: "Delegation denied"}, nil, "provider_forbidden", 0},
		"400 no mailbox":       {providertest.GoogleFault{Status: 400, Reason: "failedPrecondition", Say: "Mail service not enabled"}, nil, "mailbox_not_enabled", 0},
		"500":                  {providertest.GoogleFault{Status: 500, Times: 4}, nil, "provider_unavailable", 0},
		"503 later":            {providertest.GoogleFault{Status: 503, Header: map[string]string{"Retry-After": "60"}}, nil, "provider_unavailable", time.Minute},
		"HTML":                 {providertest.GoogleFault{Status: 502, Body: "<html>" + b.token.Access.Reveal() + " secret subject", Times: 4}, nil, "provider_unavailable", 0},
		"array":                {providertest.GoogleFault{Status: 500, Body: `[{"error":{"code":500,"message":"secret subject"}}]`, Times: 4}, nil, "provider_unavailable", 0},
		"odd JSON":             {providertest.GoogleFault{Status: 200, Body: `{"id":7,"payload":[1]}`, Times: 4}, nil, "provider_unavailable", 0},
		"null":                 {providertest.GoogleFault{Status: 200, Body: `null`, Times: 4}, nil, "provider_unavailable", 0},
		"reason is a sentence": {providertest.GoogleFault{Status: 403, Reason: "secret subject"}, nil, "provider_forbidden", 0},
		"error repeats a word": {providertest.GoogleFault{Status: 418, Reason: "teapot", Say: "secret subject " + b.token.Access.Reveal()}, nil, "provider_unavailable", 0},
	} {
		f.fault.Path = "/messages/" + id
		b.g.Fail(f.fault)
		_, err := b.c.Message(context.Background(), b.a, id, email.Standard)
		got, _ := fault.As(err)
		if f.want != nil && !errors.Is(err, f.want) || got == nil || f.code != "" && got.Code != f.code {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := got.After - f.after; d > time.Second || d < -2*time.Second {
			t.Errorf("%s: retry after %v", name, got.After)
		}
		silent(t, name, err, b.token.Access.Reveal(), "secret subject", b.a.Address)
		b.g.Heal()
	}
	if _, err := b.c.Message(context.Background(), b.a, id, email.Standard); err != nil {
		t.Errorf("after all that: %v", err)
	}
}

func TestScopesAtWork(t *testing.T) {
	b := newMailbox(t)
	b.deliver("INBOX", "x")
	id := b.list(email.Query{}).Items[0].ID
	ctx := context.Background()
	yes := true
	with := func(scopes ...string) provider.Account {
		a := providertest.AccountWith(b.u, b.g.Tokens(b.app, b.u, scopes...))
		a.Key = "grant-" + strings.Join(scopes, "") + ":1"
		return a
	}
	reading, sending, changing := with(readonly), with(sendOnly), with(modify)
	for name, err := range map[string]error{
		"read":           second(b.c.Message(ctx, reading, id, email.Standard)),
		"list":           second(b.c.ListMessages(ctx, reading, email.Query{Subject: "x"})),
		"folders":        second(b.c.ListFolders(ctx, reading)),
		"mark":           second(b.c.UpdateMessage(ctx, changing, id, email.Change{Starred: &yes})),
		"trash":          b.c.DeleteMessage(ctx, changing, id, false),
		"send":           second(b.c.Send(ctx, sending, email.Draft{To: []email.Address{{Email: "x@example.com"}}, InReplyTo: "x@example.com"})),
		"send and read":  second(b.c.Send(ctx, changing, email.Draft{To: []email.Address{{Email: "x@example.com"}}})),
		"list a mailbox": second(b.c.ListMessages(ctx, changing, email.Query{})),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, err := range map[string]error{
		"mark":     second(b.c.UpdateMessage(ctx, reading, id, email.Change{Starred: &yes})),
		"trash":    b.c.DeleteMessage(ctx, reading, id, false),
		"erase":    b.c.DeleteMessage(ctx, changing, id, true),
		"send":     second(b.c.Send(ctx, reading, email.Draft{To: []email.Address{{Email: "x@example.com"}}})),
		"read":     second(b.c.Message(ctx, sending, id, email.Standard)),
		"list":     second(b.c.ListMessages(ctx, sending, email.Query{})),
		"folders":  second(b.c.ListFolders(ctx, sending)),
		"metadata": second(b.c.ListMessages(ctx, with("openid"), email.Query{})),
	} {
		if !errors.Is(err, provider.ErrScopeMissing) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestTokenIsKeptRenewedAndForgotten(t *testing.T) {
	b := newMailbox(t)
	b.deliver("INBOX", "x")
	asked := 0
	good := b.token
	b.a.Credential = func(context.Context) (provider.Credential, error) {
		asked++
		return provider.Credential{AccessToken: good.Access, ExpiresAt: good.ExpiresAt}, nil
	}
	for range 3 {
		b.list(email.Query{})
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	// The kept token was ended behind our back; the keeper has a newer one.
	b.g.Cut(b.a.Address)
	good = b.g.Tokens(b.app, b.u, providertest.GoogleEverything...)
	if b.list(email.Query{}); asked != 2 {
		t.Errorf("asked %d times", asked)
	}
	// There is no newer one.
	b.g.Cut(b.a.Address)
	if _, err := b.c.ListMessages(context.Background(), b.a, email.Query{}); !errors.Is(err, provider.ErrCredentialRefused) {
		t.Errorf("%v", err)
	}
	// A token about to end is not kept.
	good = b.g.Tokens(b.app, b.u, providertest.GoogleEverything...)
	good.ExpiresAt = time.Now().Add(10 * time.Second)
	asked = 0
	b.c.Close(b.a.Key)
	for range 2 {
		if _, err := b.c.ListFolders(context.Background(), b.a); err != nil {
			t.Fatal(err)
		}
	}
	if asked < 2 {
		t.Errorf("asked %d times", asked)
	}
	b.c.Close(b.a.Key)
	b.a.Credential = func(context.Context) (provider.Credential, error) {
		return provider.Credential{Password: secret.New("p")}, nil
	}
	if _, err := b.c.ListFolders(context.Background(), b.a); !errors.Is(err, provider.ErrCredentialRefused) {
		t.Errorf("no access token: %v", err)
	}
}

// A server that is not there, one that hangs up, and an address that the guard refuses read the same, and no address of the query shows.
func TestUnreachable(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	rude, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rude.Close() }()
	go func() {
		for {
			conn, err := rude.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	open := dial.New(dial.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	for name, f := range map[string]struct {
		guard *dial.Guard
		addr  string
	}{"closed": {open, closed.Addr().String()}, "hangs up": {open, rude.Addr().String()}, "refused": {dial.New(dial.Config{}), rude.Addr().String()}} {
		at := "http://" + f.addr
		c := gmail.New(gmail.Config{Guard: f.guard, TokenURL: at, RevokeURL: at, UserinfoURL: at, APIURL: at})
		c.Hurry()
		a := providertest.AccountWith(&providertest.GoogleUser{Sub: "1", Address: "ada@gmail.example"}, provider.Token{Access: secret.New("ya29.canary")})
		_, err := c.ListMessages(context.Background(), a, email.Query{From: []string{"private@example.com"}})
		if got, _ := fault.As(err); got == nil || got.Code != "provider_unavailable" || got.Kind != fault.Upstream {
			t.Errorf("%s: %v", name, err)
		}
		silent(t, name, err, "private", "ya29.canary")
		_, err = c.Revoke(context.Background(), provider.App{ClientID: "x"}, provider.Token{Refresh: secret.New("1//canary")})
		if fault.KindOf(err) != fault.Upstream {
			t.Errorf("%s: revoke: %v", name, err)
		}
		silent(t, name, err, "canary")
	}
}
