package graph_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/graph"
	"github.com/postern-mail/postern/engine/provider/providertest"
	"github.com/postern-mail/postern/engine/secret"
)

var _ provider.OAuth = (*graph.Connector)(nil)

func TestNoRevoker(t *testing.T) {
	if _, ok := any(start(t).c).(provider.Revoker); ok {
		t.Error("Microsoft offers an app no revocation; a connector that claims one would say more than is true")
	}
}

func TestAuthURL(t *testing.T) {
	w := start(t)
	a := w.Account(contoso, "ada@contoso.test", "Ada")
	u, _ := url.Parse(w.authURL(t, a, "Mail.Read", "https://graph.microsoft.com/Mail.Send"))
	q := u.Query()
	for name, want := range map[string]string{"response_type": "code", "response_mode": "query", "code_challenge_method": "S256", "code_challenge": challenge(verifier), "login_hint": "ada@contoso.test", "redirect_uri": callback, "state": "the-state"} {
		if q.Get(name) != want {
			t.Errorf("%s = %q, want %q", name, q.Get(name), want)
		}
	}
	for _, s := range []string{"openid", "profile", "email", "offline_access", "https://graph.microsoft.com/User.Read", "https://graph.microsoft.com/Mail.Read", "https://graph.microsoft.com/Mail.Send"} {
		if !strings.Contains(" "+q.Get("scope")+" ", " "+s+" ") {
			t.Errorf("%s is not asked for in %q", s, q.Get("scope"))
		}
	}
	if q.Has("prompt") || q.Has("client_secret") || u.Path != "/common/oauth2/v2.0/authorize" {
		t.Errorf("%s", u)
	}
	again, err := w.c.AuthURL(w.app, provider.AuthRequest{State: "s", CodeChallenge: challenge(verifier), Prompt: "consent"})
	if err != nil || !strings.Contains(again, "prompt=consent") {
		t.Errorf("%s %v", again, err)
	}
	app := w.app
	for _, bad := range []string{"../evil", "a/b", "a?b", "a b", ".", strings.Repeat("x", 200)} {
		app.Settings = map[string]string{"tenant": bad}
		if _, err := w.c.AuthURL(app, provider.AuthRequest{State: "s", CodeChallenge: challenge(verifier)}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("tenant %q: %v", bad, err)
		}
	}
	app.Settings = map[string]string{"tenant": contoso}
	if to, err := w.c.AuthURL(app, provider.AuthRequest{State: "s", CodeChallenge: challenge(verifier)}); err != nil || !strings.Contains(to, "/"+contoso+"/oauth2/") {
		t.Errorf("%s %v", to, err)
	}
}

func TestConnectAndRefresh(t *testing.T) {
	w := start(t)
	work := w.Account(contoso, "ada@contoso.test", "Ada Lindqvist")
	work.Login = "a.lindqvist@contoso.onmicrosoft.test"
	tok, who := w.connect(t, work, everything()...)
	if who.Subject != contoso+":"+work.Object || who.Email != "ada@contoso.test" || who.Name != "Ada Lindqvist" || tok.Refresh.Empty() || !tok.ExpiresAt.Equal(w.clock.now().Add(3599*time.Second)) {
		t.Errorf("%+v %+v", who, tok)
	}
	if missing := provider.Missing("microsoft", everything(), tok.Scopes); len(missing) != 0 || len(provider.CapabilitiesOf("microsoft", tok.Scopes)) != len(provider.Capabilities()) {
		t.Errorf("granted %q, missing %q", tok.Scopes, missing)
	}
	home := w.Account("", "ada@outlook.test", "Ada")
	htok, me := w.connect(t, home, everything()...)
	if me.Subject != "9188040d-6c67-4c5b-b112-36a304b66dad:"+home.Object || me.Email != "ada@outlook.test" || len(provider.Missing("microsoft", everything(), htok.Scopes)) != 0 {
		t.Errorf("personal: %+v %q", me, htok.Scopes)
	}
	if _, again := w.connect(t, work, everything()...); again.Subject != who.Subject {
		t.Error("another subject on reconnecting")
	}
	fresh, err := w.c.Refresh(context.Background(), w.app, tok.Refresh)
	if err != nil || fresh.Refresh.Empty() || fresh.Refresh.Equal(tok.Refresh) || fresh.Access.Equal(tok.Access) || len(provider.Missing("microsoft", everything(), fresh.Scopes)) != 0 {
		t.Fatalf("%+v %v", fresh, err)
	}
	if _, err := w.c.ListMessages(context.Background(), account(work, fresh), email.Query{}); err != nil {
		t.Error(err)
	}
	work.RevokeSessions()
	if _, err := w.c.Refresh(context.Background(), w.app, fresh.Refresh); !errors.Is(err, provider.ErrInvalidGrant) || !strings.Contains(provider.ReasonOf(err), "AADSTS50173") || strings.ContainsAny(provider.ReasonOf(err), "\r\n") {
		t.Errorf("revoked: %v %q", err, provider.ReasonOf(err))
	}
	w.clock.pass(91 * 24 * time.Hour)
	if _, err := w.c.Refresh(context.Background(), w.app, htok.Refresh); !errors.Is(err, provider.ErrInvalidGrant) || !strings.Contains(provider.ReasonOf(err), "AADSTS700082") {
		t.Errorf("unused for 91 days: %v", err)
	}
}

func TestLabelWithoutGraph(t *testing.T) {
	w := start(t)
	a := w.Account(contoso, "ada@contoso.test", "Ada")
	code := w.code(t, a, everything()...)
	w.Break(1, 503, "serviceUnavailable", "")
	if _, who, err := w.c.Exchange(context.Background(), w.app, code, secret.New(verifier)); err != nil || who.Email != a.Login || who.Subject != contoso+":"+a.Object {
		t.Errorf("a spent code must not be lost for the sake of a label: %+v %v", who, err)
	}
}

func TestFewerScopesThanAsked(t *testing.T) {
	w := start(t)
	a := w.Account(contoso, "ada@contoso.test", "Ada")
	tok, _ := w.connect(t, a, "Mail.Read")
	caps := provider.CapabilitiesOf("microsoft", tok.Scopes)
	if len(caps) != 2 {
		t.Errorf("%v", caps)
	}
	a.Deliver("INBOX", mail(1, w.clock.now()))
	x := account(a, tok)
	p, err := w.c.ListMessages(context.Background(), x, email.Query{})
	if err != nil || len(p.Items) != 1 {
		t.Fatalf("%v", err)
	}
	yes := true
	if _, err := w.c.UpdateMessage(context.Background(), x, p.Items[0].ID, email.Change{Starred: &yes}); !errors.Is(err, provider.ErrScopeMissing) {
		t.Errorf("update: %v", err)
	}
	if err := w.c.DeleteMessage(context.Background(), x, p.Items[0].ID, true); !errors.Is(err, provider.ErrScopeMissing) {
		t.Errorf("delete: %v", err)
	}
	if _, err := w.c.Send(context.Background(), x, email.Draft{To: []email.Address{{Email: "x@example.com"}}, Plain: "x"}); !errors.Is(err, provider.ErrScopeMissing) {
		t.Errorf("send: %v", err)
	}
}

func TestCodesAreStrict(t *testing.T) {
	w := start(t)
	a := w.Account(contoso, "ada@contoso.test", "Ada")
	ctx := context.Background()
	fresh := func() secret.Text { return w.code(t, a, everything()...) }
	other := w.App(callback + "2")
	wrong, none := w.app, w.app
	wrong.ClientSecret, none.ClientSecret = secret.New("not-the-secret"), secret.Text{}
	stranger := w.app
	stranger.ClientID = "00000000-aaaa-bbbb-cccc-000000000000"
	used := fresh()
	if _, _, err := w.c.Exchange(ctx, w.app, used, secret.New(verifier)); err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		app      provider.App
		code     secret.Text
		verifier string
		pass     time.Duration
		over     bool   // ErrInvalidGrant
		reason   string // in ReasonOf
		code2    string // fault code
	}{
		"used":             {w.app, used, verifier, 0, true, "AADSTS54005", ""},
		"wrong verifier":   {w.app, fresh(), verifier + "x", 0, true, "AADSTS501481", ""},
		"no verifier":      {w.app, fresh(), "", 0, true, "AADSTS501471", ""},
		"made up":          {w.app, secret.New("made-up-code"), verifier, 0, true, "AADSTS9002313", ""},
		"another redirect": {other, fresh(), verifier, 0, false, "", "provider_client_refused"},
		"wrong secret":     {wrong, fresh(), verifier, 0, false, "", "provider_client_refused"},
		"no secret":        {none, fresh(), verifier, 0, false, "", "provider_client_refused"},
		"another client":   {stranger, fresh(), verifier, 0, false, "", "provider_client_refused"},
	} {
		_, _, err := w.c.Exchange(ctx, x.app, x.code, secret.New(x.verifier))
		f, _ := fault.As(err)
		if f == nil || errors.Is(err, provider.ErrInvalidGrant) != x.over || !strings.Contains(provider.ReasonOf(err), x.reason) || x.code2 != "" && f.Code != x.code2 {
			t.Errorf("%s: %v (%s)", name, err, provider.ReasonOf(err))
		}
		safe(t, err, x.code, x.app.ClientSecret, secret.New(verifier))
	}
	late := fresh()
	w.clock.pass(11 * time.Minute)
	if _, _, err := w.c.Exchange(ctx, w.app, late, secret.New(verifier)); !errors.Is(err, provider.ErrInvalidGrant) || !strings.Contains(provider.ReasonOf(err), "AADSTS70008") {
		t.Errorf("late: %v", err)
	}
}

func TestTokenEndpointTrouble(t *testing.T) {
	w := start(t)
	a := w.Account(contoso, "ada@contoso.test", "Ada")
	tok, _ := w.connect(t, a, everything()...)
	for name, x := range map[string]struct {
		status int
		after  string
		body   string
		over   bool
		wait   time.Duration
	}{
		"503":                  {503, "30", "<html>try later</html>", false, 30 * time.Second},
		"429":                  {429, "5", `{"error":"temporarily_unavailable"}`, false, 5 * time.Second},
		"500 that says no":     {500, "", `{"error":"invalid_grant","error_description":"AADSTS90033: A transient error has occurred."}`, false, 0},
		"second factor needed": {400, "", `{"error":"interaction_required","error_description":"AADSTS50076: you must use multi-factor authentication"}`, true, 0},
		"consent withdrawn":    {400, "", `{"error":"invalid_grant","suberror":"consent_required","error_description":"AADSTS65001: The user or administrator has not consented"}`, true, 0},
		"account disabled":     {400, "", `{"error":"invalid_grant","error_description":"AADSTS50057: The user account is disabled."}`, true, 0},
		"not JSON":             {200, "", "<html>welcome to the captive portal</html>", false, 0},
		"no token":             {200, "", `{"token_type":"Bearer"}`, false, 0},
		"redirect":             {302, "", ``, false, 0},
	} {
		w.BreakTokens(1, x.status, x.after, x.body)
		_, err := w.c.Refresh(context.Background(), w.app, tok.Refresh)
		f, _ := fault.As(err)
		if f == nil || errors.Is(err, provider.ErrInvalidGrant) != x.over || f.After != x.wait || !x.over && f.Kind != fault.Upstream {
			t.Errorf("%s: %v %+v", name, err, f)
		}
		safe(t, err, tok.Refresh, w.app.ClientSecret)
	}
	w.BreakTokens(1, 400, "", `{"error":"invalid_grant","error_description":"AADSTS70000: bad token `+tok.Refresh.Reveal()+`"}`)
	_, err := w.c.Refresh(context.Background(), w.app, tok.Refresh)
	safe(t, err, tok.Refresh)
	if strings.Contains(provider.ReasonOf(err), tok.Refresh.Reveal()) || !errors.Is(err, provider.ErrInvalidGrant) {
		t.Errorf("an echoed token: %v", err)
	}
}

func TestConsentRefusals(t *testing.T) {
	w := start(t)
	a := w.Account(contoso, "ada@contoso.test", "Ada")
	home := w.Account("", "ada@outlook.test", "Ada")
	if back, _ := w.Consent(w.authURL(t, a), a, false); back == nil || back.Query().Get("error") != "access_denied" || back.Query().Get("state") != "the-state" {
		t.Errorf("declined: %v", back)
	}
	if back, _ := w.Consent(w.authURL(t, a, "Files.ReadWrite.All"), a, true); back == nil || !strings.Contains(back.Query().Get("error_description"), "AADSTS70011") {
		t.Errorf("unknown scope: %v", back)
	}
	stopped := func(name, want string, change func(*provider.App), who *providertest.MicrosoftAccount) {
		t.Helper()
		app := w.app
		change(&app)
		u, err := w.c.AuthURL(app, provider.AuthRequest{State: "s", CodeChallenge: challenge(verifier)})
		if err != nil {
			t.Fatal(err)
		}
		if back, page := w.Consent(u, who, true); back != nil || !strings.Contains(page, want) {
			t.Errorf("%s: %v %s", name, back, page)
		}
	}
	stopped("redirect", "AADSTS50011", func(a *provider.App) { a.RedirectURI += "/more" }, a)
	stopped("client", "AADSTS700016", func(a *provider.App) { a.ClientID = "x" }, a)
	stopped("tenant", "AADSTS90002", func(a *provider.App) { a.Settings = map[string]string{"tenant": "nobody.test"} }, a)
	stopped("personal in a tenant", "AADSTS50020", func(a *provider.App) { a.Settings = map[string]string{"tenant": "organizations"} }, home)
}

// The page is walked as a browser would: what its form holds, and nothing else, is sent.
func TestTheConsentPageIsAForm(t *testing.T) {
	w := start(t)
	w.Account(contoso, "bob@contoso.test", "Bob")
	a := w.Account(contoso, "ada@contoso.test", "Ada \"A\" <b>")
	res, err := http.Get(w.authURL(t, a, "Mail.Read"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	page, err := goquery.NewDocumentFromReader(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"answer": {page.Find("#accept").AttrOr("value", "")}, "account": {page.Find("#account option[selected]").AttrOr("value", "")}}
	page.Find("form input[type=hidden]").Each(func(_ int, s *goquery.Selection) { form.Set(s.AttrOr("name", ""), s.AttrOr("value", "")) })
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	done, err := client.PostForm(w.URL()+page.Find("form").AttrOr("action", ""), form)
	if err != nil {
		t.Fatal(err)
	}
	defer done.Body.Close()
	back, err := done.Location()
	if err != nil || back.Query().Get("code") == "" || form.Get("account") != "ada@contoso.test" {
		t.Fatalf("%v %v", back, err)
	}
	if _, who, err := w.c.Exchange(context.Background(), w.app, secret.New(back.Query().Get("code")), secret.New(verifier)); err != nil || who.Email != "ada@contoso.test" {
		t.Errorf("%+v %v", who, err)
	}
}

func TestAdministratorsApproval(t *testing.T) {
	for _, code := range []string{"65001", "90094", "90095"} {
		w := start(t)
		a := w.Account(contoso, "ada@contoso.test", "Ada")
		a.NeedsAdmin = code
		back, _ := w.Consent(w.authURL(t, a, "Mail.Read"), a, true)
		if back == nil || !strings.Contains(back.Query().Get("error_description"), "AADSTS"+code) || back.Query().Has("code") {
			t.Fatalf("%v", back)
		}
		u, err := w.c.AdminConsentURL(w.app, []string{"Mail.Read", "User.Read"}, "admin-state")
		if err != nil || !strings.Contains(u, "/organizations/v2.0/adminconsent?") || strings.Contains(u, w.app.ClientSecret.Reveal()) {
			t.Fatalf("%s %v", u, err)
		}
		if back, page := w.Consent(u, a, true); back == nil || back.Query().Get("admin_consent") != "True" || back.Query().Get("tenant") != contoso || back.Query().Get("state") != "admin-state" {
			t.Fatalf("%v %s", back, page)
		}
		if tok, _ := w.connect(t, a, "Mail.Read"); tok.Access.Empty() { // no forced prompt: it would be refused again
			t.Error("not connected after the approval")
		}
	}
}
