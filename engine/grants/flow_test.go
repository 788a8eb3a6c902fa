package grants_test

import (
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

func TestProgramConnectsReadsAndRefreshes(t *testing.T) {
	w := newWorld(t)
	issued := w.connect("ada@sandbox.test", w.auth())
	if issued.Grant.Status != models.GrantValid || issued.Grant.Email != "ada@sandbox.test" || issued.Grant.TenantID != w.a || issued.RefreshToken.Empty() {
		t.Fatalf("issued for %+v", issued.Grant)
	}
	page, err := w.mailbox.Messages(w.ctx, w.key, issued.Grant, email.Query{Limit: 5})
	w.must(err)
	if len(page.Items) != 5 || page.Next == "" {
		t.Fatalf("%d messages, next %q", len(page.Items), page.Next)
	}
	if _, err := w.mailbox.Folders(w.ctx, w.key, issued.Grant); err != nil {
		t.Errorf("folders: %v", err)
	}
	if err := w.mailbox.DeleteMessage(w.ctx, models.Actor{Kind: models.ActorKey, Application: w.app, Permissions: []models.Permission{models.ReadMessages}}, issued.Grant, page.Items[0].ID, false); fault.KindOf(err) != fault.Denied {
		t.Errorf("a key that may only read deleted a message: %v", err)
	}
	if err := w.mailbox.DeleteMessage(w.ctx, w.key, issued.Grant, page.Items[0].ID, false); fault.KindOf(err) != fault.Denied || !strings.Contains(err.Error(), "insufficient_scopes") {
		t.Errorf("a message was deleted without the right to: %v", err)
	}
	uses, err := w.grants.Uses(w.ctx, w.support, issued.Grant)
	w.must(err)
	if len(uses) != 1 || uses["read_mail"].IsZero() {
		t.Errorf("after reading mail the rights used are %v", uses)
	}
	again, err := w.grants.Redeem(w.ctx, grants.RedeemRequest{GrantType: "refresh_token", ClientID: w.app.String(), RefreshToken: issued.RefreshToken, Caller: w.key})
	w.must(err)
	if again.AccessToken.Equal(issued.AccessToken) || !again.RefreshToken.Empty() {
		t.Error("a refresh gives a new access token and keeps the refresh token")
	}
	facts, err := w.grants.TokenInfo(w.ctx, again.AccessToken, secret.Text{})
	w.must(err)
	if facts.Subject != issued.Grant.ID.String() || facts.Audience != w.app.String() {
		t.Errorf("token info %+v", facts)
	}
	if _, err := w.grants.TokenInfo(w.ctx, secret.Text{}, issued.IDToken); err != nil {
		t.Errorf("our own id token: %v", err)
	}
	_, err = w.grants.TokenInfo(w.ctx, secret.Text{}, secret.New(issued.IDToken.Reveal()+"x"))
	wants(t, err, grants.ErrInvalidToken)
	for _, action := range []string{"grant.connect"} {
		if w.entries(action) != 1 {
			t.Errorf("%d audit entries %s", w.entries(action), action)
		}
	}
	if n := w.count(`SELECT count(*) FROM events WHERE type = 'grant.created'`); n != 1 {
		t.Errorf("%d events grant.created", n)
	}
	// The provider's access token is older than its life: the next call refreshes it, once for all callers.
	w.clock.forward(3 * time.Hour)
	before := w.count(`SELECT credential FROM grants`)
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			if _, err := w.mailbox.Messages(w.ctx, w.key, issued.Grant, email.Query{Limit: 1}); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if after := w.count(`SELECT credential FROM grants`); after != before+1 {
		t.Errorf("20 callers made %d refreshes", after-before)
	}
}

// TestFlowBelongsToOneBrowser plays A01 and A05: the provider's answer arrives in another browser than the one that left.
func TestFlowBelongsToOneBrowser(t *testing.T) {
	w := newWorld(t)
	for name, browser := range map[string]string{"another browser": "browser-2", "no cookie": ""} {
		next, _ := w.leave(w.auth(), "browser-1")
		back := w.atProvider(next.URL, "ada@sandbox.test")
		if _, err := w.grants.Return(w.ctx, answer(back, browser)); fault.KindOf(err) != fault.Denied {
			t.Errorf("%s: %v", name, err)
		}
		_, err := w.grants.Return(w.ctx, answer(back, "browser-1"))
		wants(t, err, grants.ErrFlowSpent) // the state is burnt, for the right browser too
	}
	if n := w.entries("connect.binding_mismatch"); n != 2 {
		t.Errorf("%d entries of the mismatch", n)
	}
	if n := w.count(`SELECT count(*) FROM grants`); n != 0 {
		t.Errorf("%d grants came of it", n)
	}
	if n := w.count(`SELECT count(*) FROM sealed WHERE owner_kind = 'connect_flow'`); n != 0 {
		t.Errorf("%d secrets of burnt flows are left", n)
	}
	flow, err := w.grants.BeginAuth(w.ctx, w.auth())
	w.must(err)
	_, err = w.grants.Go(w.ctx, grants.Step{Flow: flow, Browser: secret.New("browser-1"), Provider: "sandbox"})
	w.must(err)
	if _, err = w.grants.Go(w.ctx, grants.Step{Flow: flow, Browser: secret.New("browser-2"), Provider: "sandbox"}); fault.KindOf(err) != fault.Denied {
		t.Errorf("a second browser took the flow over: %v", err)
	}
	_, err = w.grants.Return(w.ctx, grants.Answer{Provider: "imap", State: secret.New("nobody's"), Code: secret.New("x"), Browser: secret.New("browser-1")})
	wants(t, err, grants.ErrFlowSpent)
}

func TestAnswerOfAnotherProviderIsRefused(t *testing.T) {
	w := newWorld(t)
	next, _ := w.leave(w.auth(), "browser-1")
	a := answer(w.atProvider(next.URL, "ada@sandbox.test"), "browser-1")
	a.Provider = "google" // came in at another provider's address (mix-up)
	if _, err := w.grants.Return(w.ctx, a); fault.KindOf(err) != fault.Denied {
		t.Errorf("taken: %v", err)
	}
}

func TestRedirectURIsAreComparedByteForByte(t *testing.T) {
	w := newWorld(t)
	for _, bad := range []string{"", "https://app.example/callback/", "https://app.example/Callback", "https://APP.example/callback", "http://app.example/callback", "https://app.example:443/callback",
		"https://app.example/callback?x=1", "https://app.example/callback#x", "https://app.example@evil.example/callback", "https://user@app.example/callback", "https://app.example/%63allback",
		"https://app.example/callback/../callback", "https://app.example/callback ", " https://app.example/callback", "https://app.example.evil.example/callback", "//app.example/callback",
		"https://app.example/callback%00", "javascript:alert(1)", "https:/app.example/callback", `https://app.example\callback`} {
		request := w.auth()
		request.RedirectURI = bad
		_, err := w.grants.BeginAuth(w.ctx, request)
		var told *grants.AuthError
		if err == nil || asAuthError(err, &told) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	request := w.auth()
	request.ClientID = models.NewID[models.ApplicationID](time.Now()).String()
	if _, err := w.grants.BeginAuth(w.ctx, request); fault.KindOf(err) != fault.Invalid {
		t.Errorf("an unknown client: %v", err)
	}
	if n := w.count(`SELECT count(*) FROM connect_flows`); n != 0 {
		t.Errorf("%d flows were begun", n)
	}
}

func asAuthError(err error, into **grants.AuthError) bool {
	told, ok := err.(*grants.AuthError) //nolint:errorlint // the very type decides whether the door redirects
	*into = told
	return ok
}

func TestOtherMistakesAreToldToTheProgram(t *testing.T) {
	w := newWorld(t)
	for name, spoil := range map[string]func(*grants.AuthRequest){
		"unsupported_response_type": func(r *grants.AuthRequest) { r.ResponseType = "token" },
		"invalid_request":           func(r *grants.AuthRequest) { r.CodeChallengeMethod = "S512" },
		"invalid_scope":             func(r *grants.AuthRequest) { r.Scope = "mail.read nonsense" },
	} {
		request := w.auth()
		spoil(&request)
		_, err := w.grants.BeginAuth(w.ctx, request)
		var told *grants.AuthError
		if !asAuthError(err, &told) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		u, err := url.Parse(told.RedirectURL)
		w.must(err)
		if u.Query().Get("error") != name || u.Query().Get("state") != "their state" || !strings.HasPrefix(told.RedirectURL, callback+"?") {
			t.Errorf("%s was told as %s", name, told.RedirectURL)
		}
	}
}

func TestCodesAreRedeemedOnceAndOnlyByTheirOwner(t *testing.T) {
	w := newWorld(t)
	bad := func(name string, spoil func(*grants.RedeemRequest), want string) {
		t.Helper()
		r := w.redeem(w.code("ada@sandbox.test", w.auth()))
		spoil(&r)
		_, err := w.grants.Redeem(w.ctx, r)
		if known, ok := fault.As(err); !ok || known.Code != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	bad("another redirect_uri", func(r *grants.RedeemRequest) { r.RedirectURI += "/" }, "invalid_grant")
	bad("wrong verifier", func(r *grants.RedeemRequest) { r.CodeVerifier = secret.New("nylas2") }, "invalid_grant")
	bad("no verifier", func(r *grants.RedeemRequest) { r.CodeVerifier = secret.Text{} }, "invalid_grant")
	bad("no client secret", func(r *grants.RedeemRequest) { r.Caller = models.Actor{} }, "invalid_client")
	bad("another tenant's key", func(r *grants.RedeemRequest) { r.Caller.Tenant = w.b }, "invalid_grant")
	bad("another application", func(r *grants.RedeemRequest) {
		r.ClientID = models.NewID[models.ApplicationID](time.Now()).String()
		r.Caller = models.Actor{}
	}, "invalid_grant")
	bad("too late", func(*grants.RedeemRequest) { w.clock.forward(2 * time.Minute) }, "invalid_grant")
	if n := w.count(`SELECT count(*) FROM grants WHERE status <> 'pending'`); n != 0 {
		t.Fatalf("%d grants are in force without a redeemed code", n)
	}

	code := w.code("ada@sandbox.test", w.auth())
	var wait sync.WaitGroup
	results := make(chan error, 50)
	for range 50 {
		wait.Go(func() {
			_, err := w.grants.Redeem(w.ctx, w.redeem(code))
			results <- err
		})
	}
	wait.Wait()
	close(results)
	good := 0
	for err := range results {
		if err == nil {
			good++
		}
	}
	if good != 1 {
		t.Errorf("%d of 50 redemptions worked", good)
	}
	if n := w.count(`SELECT count(*) FROM token_families WHERE revoked_at IS NULL`); n != 0 {
		t.Error("a code was presented twice and its tokens still live")
	}
	if w.entries("token.code_reused") == 0 {
		t.Error("nobody recorded it")
	}
}

func TestPublicPlatformNeedsPKCE(t *testing.T) {
	w := newWorld(t)
	request := w.auth()
	request.RedirectURI = "http://localhost:9007/native"
	r := w.redeem(w.code("ada@sandbox.test", request))
	r.RedirectURI, r.Caller = request.RedirectURI, models.Actor{}
	if _, err := w.grants.Redeem(w.ctx, r); err != nil {
		t.Errorf("PKCE alone: %v", err)
	}
	request.CodeChallenge, request.CodeChallengeMethod = "", ""
	if _, err := w.grants.BeginAuth(w.ctx, request); err == nil {
		t.Error("a public platform began without PKCE")
	}
	// RFC 7636 appendix B
	request = w.auth()
	request.CodeChallenge, request.CodeChallengeMethod = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "S256"
	r = w.redeem(w.code("ada@sandbox.test", request))
	r.CodeVerifier = secret.New("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
	if _, err := w.grants.Redeem(w.ctx, r); err != nil {
		t.Errorf("the RFC's own example: %v", err)
	}
}

// TestOneGrantForAMailbox plays F05 and A15: 50 callbacks for one mailbox at once. The losers are destroyed without a word to the provider: the winner still refreshes.
func TestOneGrantForAMailbox(t *testing.T) {
	w := newWorld(t)
	const n = 50
	backs := make([]url.Values, n)
	for i := range n {
		link := w.link(grants.LinkRequest{Tenant: w.a, Application: w.app, Capabilities: []string{"read_mail"}})
		next, err := w.grants.Go(w.ctx, grants.Step{LinkToken: link, Browser: secret.New("browser-1"), Provider: "sandbox"})
		w.must(err)
		backs[i] = w.atProvider(next.URL, "ada@sandbox.test")
	}
	var wait sync.WaitGroup
	for i := range n {
		wait.Go(func() {
			if _, err := w.grants.Return(w.ctx, answer(backs[i], "browser-1")); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if got := w.count(`SELECT count(*) FROM grants`); got != 1 {
		t.Fatalf("%d callbacks made %d grants", n, got)
	}
	if got := w.count(`SELECT count(*) FROM events WHERE type = 'grant.created'`); got != 1 {
		t.Errorf("%d events say that it was created", got)
	}
	p, err := w.grants.List(w.ctx, w.key, grants.Filter{})
	w.must(err)
	if _, err := w.mailbox.Messages(w.ctx, w.key, p.Grants[0], email.Query{Limit: 1}); err != nil {
		t.Errorf("the winner does not read: %v", err)
	}
	w.work()
	w.clock.forward(3 * time.Hour)
	if _, err := w.tokens.Fresh(w.ctx, w.a, p.Grants[0].ID); err != nil || !w.box.RefreshTokenAlive("ada@sandbox.test") {
		t.Errorf("the winner does not refresh: %v", err)
	}
	if n := w.count(`SELECT count(*) FROM sealed WHERE owner_kind IN ('flow', 'severance')`); n != 0 {
		t.Errorf("%d sealed values of losers are left", n)
	}
}

func (w *world) link(r grants.LinkRequest) secret.Text {
	w.t.Helper()
	_, token, err := w.grants.MakeLink(w.ctx, w.support, r)
	w.must(err)
	return token
}

func TestLinkIsUsedOnceAndPinsTheAddress(t *testing.T) {
	w := newWorld(t)
	link := w.link(grants.LinkRequest{Tenant: w.a, Application: w.app, Capabilities: []string{"read_mail"}, ExpectedEmail: "ada@sandbox.test"})
	walk := func(user string) (grants.Done, error) {
		next, err := w.grants.Go(w.ctx, grants.Step{LinkToken: link, Browser: secret.New("browser-1"), Provider: "sandbox"})
		if err != nil {
			return grants.Done{}, err
		}
		return w.grants.Return(w.ctx, answer(w.atProvider(next.URL, user), "browser-1"))
	}
	for range 3 { // opening uses nothing up
		c, err := w.grants.OpenLink(w.ctx, link)
		w.must(err)
		if len(c.Choices) != 1 || c.Choices[0].Origin != w.box.URL() || c.Requester != "Sam" || c.Tenant.ID != w.a {
			t.Errorf("the page says %+v", c)
		}
	}
	done, err := walk("grace@sandbox.test")
	w.must(err)
	if done.Outcome != grants.WrongAccount || !strings.Contains(done.Public, "grace@sandbox.test") || !strings.Contains(done.Public, "ada@sandbox.test") {
		t.Errorf("another account: %+v", done)
	}
	if n := w.count(`SELECT count(*) FROM grants`) + w.count(`SELECT count(*) FROM sealed WHERE field <> 'client_secret' AND owner_kind <> 'event'`); n != 0 {
		t.Errorf("%d rows of the wrong account were kept", n)
	}
	done, err = walk("ada@sandbox.test")
	w.must(err)
	if done.Outcome != grants.Connected || done.Grant.Status != models.GrantValid {
		t.Fatalf("the right account: %+v", done)
	}
	_, err = walk("ada@sandbox.test")
	wants(t, err, grants.ErrLinkSpent)
	_, err = w.grants.OpenLink(w.ctx, secret.New("nobody's"))
	wants(t, err, store.ErrNotFound)
}

func TestPartialConsentIsNamedAndAskedAgain(t *testing.T) {
	w := newWorld(t)
	link := w.link(grants.LinkRequest{Tenant: w.a, Application: w.app, Capabilities: []string{"read_mail", "send_mail"}})
	next, err := w.grants.Go(w.ctx, grants.Step{LinkToken: link, Browser: secret.New("browser-1"), Provider: "sandbox"})
	w.must(err)
	done, err := w.grants.Return(w.ctx, answer(w.atProvider(next.URL, "ada@sandbox.test", "mail.send"), "browser-1"))
	w.must(err)
	if done.Outcome != grants.Partial || !slices.Equal(done.MissingRaw, []string{"mail.send"}) || len(done.Missing) != 1 || done.Missing[0] != "send_mail" {
		t.Fatalf("a consent without sending: %+v", done)
	}
	if n := w.count(`SELECT count(*) FROM grants`); n != 0 {
		t.Error("it was connected before the person said so")
	}
	if _, err := w.grants.GoOn(w.ctx, done.Flow.ID, secret.New("browser-2")); fault.KindOf(err) != fault.Denied {
		t.Errorf("another browser decided: %v", err)
	}
	again, err := w.grants.AskAgain(w.ctx, done.Flow.ID, secret.New("browser-1"))
	w.must(err)
	done, err = w.grants.Return(w.ctx, answer(w.atProvider(again.URL, "ada@sandbox.test", "mail.send"), "browser-1"))
	w.must(err)
	done, err = w.grants.GoOn(w.ctx, done.Flow.ID, secret.New("browser-1"))
	w.must(err)
	if done.Outcome != grants.Connected || slices.Contains(done.Grant.ScopesGranted, "mail.send") || !slices.Contains(done.Grant.ScopesRequested, "mail.send") {
		t.Errorf("connected with %v of %v", done.Grant.ScopesGranted, done.Grant.ScopesRequested)
	}
}

func TestReconnectKeepsTheGrantAndItsOwner(t *testing.T) {
	w := newWorld(t)
	issued := w.connect("ada@sandbox.test", w.auth())
	link := w.link(grants.LinkRequest{Tenant: w.a, Grant: &issued.Grant.ID})
	walk := func(user string) grants.Done {
		next, err := w.grants.Go(w.ctx, grants.Step{LinkToken: link, Browser: secret.New("browser-1"), Provider: "sandbox"})
		w.must(err)
		done, err := w.grants.Return(w.ctx, answer(w.atProvider(next.URL, user), "browser-1"))
		w.must(err)
		return done
	}
	if done := walk("grace@sandbox.test"); done.Outcome != grants.WrongAccount {
		t.Errorf("a reconnect took another account: %+v", done)
	}
	_, err := w.grants.Revoke(w.ctx, w.support, issued.Grant.ID, "test")
	w.must(err)
	if done := walk("ada@sandbox.test"); done.Outcome != grants.Connected || done.Grant.ID != issued.Grant.ID || done.Grant.Status != models.GrantValid {
		t.Errorf("reconnected as %+v", done.Grant)
	}
}

func TestPendingGrantIsInvisibleAndExpires(t *testing.T) {
	w := newWorld(t)
	w.code("ada@sandbox.test", w.auth())
	p, err := w.grants.List(w.ctx, w.key, grants.Filter{WithPending: true})
	w.must(err)
	if len(p.Grants) != 1 || p.Grants[0].Status != models.GrantPending {
		t.Fatalf("grants %+v", p.Grants)
	}
	_, err = w.grants.Locate(w.ctx, w.key, p.Grants[0].ID.String())
	wants(t, err, store.ErrNotFound)
	conn := w.count(`WITH due AS (UPDATE river.river_job SET scheduled_at = now(), state = 'available' WHERE kind = 'expire_pending' RETURNING 1) SELECT count(*) FROM due`)
	if conn != 1 {
		t.Fatalf("%d jobs wait for the pending grant", conn)
	}
	w.work()
	if n := w.count(`SELECT count(*) FROM grants`) + w.count(`SELECT count(*) FROM sealed WHERE owner_kind IN ('grant', 'connect_flow')`); n != 0 {
		t.Errorf("%d rows of a consent that nobody redeemed are left", n)
	}
}
