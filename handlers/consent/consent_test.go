package consent_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/postern-mail/postern/engine"
	"github.com/postern-mail/postern/engine/applications"
	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/imap"
	"github.com/postern-mail/postern/engine/provider/sandbox"
	"github.com/postern-mail/postern/engine/vault"
	"github.com/postern-mail/postern/handlers/consent"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store/storetest"
	"github.com/postern-mail/postern/web"
)

const hostile = `<script>alert("x")</script>`

// world is the hosted pages behind the real router, on a real Postgres, with the sandbox provider on loopback.
type world struct {
	*engine.Engine
	t      *testing.T
	server *httptest.Server
	box    *sandbox.Server
	log    *bytes.Buffer
	app    models.ApplicationID
	tenant models.TenantID
}

var staff = models.Actor{Kind: models.ActorMember, ID: "seed", Label: hostile, Role: models.Owner, Permissions: models.Owner.Permissions()}

// with is one more provider of a world: its connector, and how the application is set up for it.
type with func(guard *dial.Guard, base *url.URL) (provider.Connector, applications.ConnectorDraft)

func newWorld(t *testing.T, more ...with) *world {
	t.Helper()
	ctx := context.Background()
	w := &world{t: t, log: &bytes.Buffer{}}
	w.server = httptest.NewUnstartedServer(nil)
	base := &url.URL{Scheme: "http", Host: w.server.Listener.Addr().String()}
	log := slog.New(slog.NewTextHandler(w.log, nil))
	var err error
	w.box, err = sandbox.Start(ctx, sandbox.Config{RedirectURIs: []string{base.String() + "/v3/connect/callback/sandbox"}})
	w.must(err)
	t.Cleanup(func() { _ = w.box.Close() })
	kek, err := vault.CreateFileKEK(filepath.Join(t.TempDir(), "key"))
	w.must(err)
	guard := dial.New(dial.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	app := w.box.App()
	connectors := []provider.Connector{imap.New(imap.Config{Guard: guard, CheckTimeout: 3 * time.Second, TryTimeout: time.Second}), sandbox.New(sandbox.ConnectorConfig{Guard: guard, Endpoints: w.box.Endpoints()})}
	drafts := []applications.ConnectorDraft{{Provider: "sandbox", ClientID: app.ClientID, ClientSecret: app.ClientSecret}, {Provider: "imap"}}
	for _, m := range more {
		connector, draft := m(guard, base)
		connectors, drafts = append(connectors, connector), append(drafts, draft)
	}
	set := provider.NewSet(nil, connectors...)
	w.Engine, err = engine.New(ctx, engine.Config{DSN: storetest.Fresh(t), Installation: engine.Installation{ID: "test", Region: "eu", Secret: storetest.Secret}, KEK: kek,
		BaseURL: base, Company: "Acme", Guard: guard, Providers: set, Now: time.Now, Log: log})
	w.must(err)
	t.Cleanup(func() { _ = w.Close() })
	front := web.New(web.Config{BaseURL: base, Now: time.Now, Logger: log})
	front.Mount(consent.New(consent.Config{Grants: w.Grants, Server: front, Company: "Acme", Region: "eu", Now: time.Now}).Web())
	w.server.Config.Handler = front.Handler()
	w.server.Start()
	t.Cleanup(w.server.Close)

	n, err := w.Tenants.Create(ctx, staff, hostile, "eu")
	w.must(err)
	a, err := w.Applications.Create(ctx, staff, applications.Draft{Name: hostile, DefaultTenant: n.ID})
	w.must(err)
	w.app, w.tenant = a.ID, n.ID
	for _, c := range drafts {
		_, err = w.Applications.CreateConnector(ctx, staff, w.app, c)
		w.must(err)
	}
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) link() string {
	w.t.Helper()
	_, token, err := w.Grants.MakeLink(context.Background(), staff, grants.LinkRequest{Tenant: w.tenant, Application: w.app, Capabilities: []string{"read_mail"}})
	w.must(err)
	return "/connect/" + token.Reveal()
}

// browser follows nothing by itself, so that each answer can be looked at.
func browser() *http.Client {
	jar, _ := cookiejar.New(nil)
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

type page struct {
	*http.Response
	doc *goquery.Document
	raw string
}

func (w *world) get(b *http.Client, path string) page {
	w.t.Helper()
	r, err := b.Get(w.at(path))
	return w.read(r, err)
}

func (w *world) post(b *http.Client, path, origin string, form url.Values) page {
	w.t.Helper()
	r, err := http.NewRequest(http.MethodPost, w.at(path), strings.NewReader(form.Encode()))
	w.must(err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	answer, err := b.Do(r)
	return w.read(answer, err)
}

func (w *world) at(path string) string {
	if strings.HasPrefix(path, "http") {
		return path
	}
	return w.server.URL + path
}

func (w *world) read(r *http.Response, err error) page {
	w.t.Helper()
	w.must(err)
	defer r.Body.Close()
	raw, err := io.ReadAll(r.Body)
	w.must(err)
	doc, err := goquery.NewDocumentFromReader(bytes.NewReader(raw))
	w.must(err)
	return page{r, doc, string(raw)}
}

func TestOpeningALinkBindsNothingAndShowsText(t *testing.T) {
	w := newWorld(t)
	p := w.get(browser(), w.link())
	if p.StatusCode != http.StatusOK || len(p.Cookies()) != 0 {
		t.Errorf("status %d, cookies %v", p.StatusCode, p.Cookies())
	}
	if strings.Contains(p.raw, hostile) || !strings.Contains(p.doc.Text(), hostile) {
		t.Error("the names of application and tenant are not shown as the text they are")
	}
	for _, want := range []string{"frame-ancestors 'none'", "form-action 'self' " + w.box.URL()} {
		if !strings.Contains(p.Header.Get("Content-Security-Policy"), want) {
			t.Errorf("the policy lacks %s: %s", want, p.Header.Get("Content-Security-Policy"))
		}
	}
	for _, unknown := range []string{"/connect/" + strings.Repeat("x", 43), "/connect/x", "/connect/%00", "/connect/flow/" + strings.Repeat("0", 36)} {
		if p := w.get(browser(), unknown); p.StatusCode != http.StatusNotFound || p.doc.Find("h1").Length() != 1 {
			t.Errorf("%s: %d", unknown, p.StatusCode)
		}
	}
}

func TestPostsOfOtherSitesAreRefused(t *testing.T) {
	w := newWorld(t)
	for name, origin := range map[string]string{"another site": "https://evil.example", "no word of the browser": "", "a sibling port": "http://127.0.0.1:1"} {
		if p := w.post(browser(), w.link(), origin, url.Values{"provider": {"sandbox"}}); p.StatusCode != http.StatusForbidden || len(p.Cookies()) != 0 {
			t.Errorf("%s: %d, %v", name, p.StatusCode, p.Cookies())
		}
	}
}

func TestWalkToAConnectedMailbox(t *testing.T) {
	w := newWorld(t)
	b, link := browser(), w.link()
	p := w.post(b, link, w.server.URL, url.Values{"address": {"not an address"}})
	if p.StatusCode != http.StatusUnprocessableEntity || p.doc.Find("[data-testid=error-summary]").Length() == 0 {
		t.Errorf("no address: %d", p.StatusCode)
	}
	p = w.post(b, link, w.server.URL, url.Values{"address": {"ada@sandbox.test"}}) // the provider is found by it
	if p.StatusCode != http.StatusSeeOther || len(p.Cookies()) != 1 || !p.Cookies()[0].HttpOnly || p.Cookies()[0].SameSite != http.SameSiteLaxMode {
		t.Fatalf("status %d, cookies %v", p.StatusCode, p.Cookies())
	}
	back, err := w.box.GiveConsent(context.Background(), p.Header.Get("Location"), "ada@sandbox.test")
	w.must(err)
	if stolen := w.get(browser(), back); stolen.StatusCode != http.StatusForbidden {
		t.Errorf("the provider's answer was taken from another browser: %d", stolen.StatusCode)
	}

	p = w.post(b, link, w.server.URL, url.Values{"provider": {"sandbox"}}) // that burnt the flow; the link is still good
	back, err = w.box.GiveConsent(context.Background(), p.Header.Get("Location"), "ada@sandbox.test")
	w.must(err)
	p = w.get(b, back)
	if p.StatusCode != http.StatusSeeOther || strings.Contains(p.Header.Get("Location"), "code=") {
		t.Fatalf("after the callback: %d, %s", p.StatusCode, p.Header.Get("Location"))
	}
	done := w.get(b, p.Header.Get("Location"))
	if done.StatusCode != http.StatusOK || !strings.Contains(done.doc.Text(), "ada@sandbox.test") {
		t.Errorf("the last page: %d", done.StatusCode)
	}
	if other := w.get(browser(), p.Header.Get("Location")); other.StatusCode != http.StatusForbidden {
		t.Errorf("another browser reads the last page: %d", other.StatusCode)
	}
	if again := w.get(b, back); again.StatusCode != http.StatusGone {
		t.Errorf("the same answer again: %d", again.StatusCode)
	}
	if used := w.get(b, link); used.StatusCode != http.StatusGone {
		t.Errorf("the link again: %d", used.StatusCode)
	}
	u, err := url.Parse(back)
	w.must(err)
	for name, secret := range map[string]string{"the code": u.Query().Get("code"), "the state": u.Query().Get("state"), "the link's token": strings.TrimPrefix(link, "/connect/")} {
		if strings.Contains(w.log.String(), secret) {
			t.Errorf("%s is in the log", name)
		}
	}
}

func TestPasswordFormKeepsAllButThePassword(t *testing.T) {
	w := newWorld(t)
	b := browser()
	p := w.post(b, w.link(), w.server.URL, url.Values{"provider": {"imap"}, "address": {"bob@mail.invalid"}})
	form := p.Header.Get("Location")
	if !strings.HasSuffix(form, "/password") {
		t.Fatalf("led to %s", form)
	}
	if p = w.get(browser(), form); p.StatusCode != http.StatusForbidden {
		t.Errorf("another browser sees the form: %d", p.StatusCode)
	}
	p = w.post(b, form, w.server.URL, url.Values{"address": {"bob@mail.invalid"}, "password": {"canary-pass"}, "imap_host": {"127.0.0.1"}, "imap_port": {"1"}, "imap_security": {"tls"}})
	if p.StatusCode != http.StatusUnprocessableEntity || p.doc.Find("[data-testid=error-summary]").Length() == 0 {
		t.Errorf("a server that is not there: %d", p.StatusCode)
	}
	if host, _ := p.doc.Find("input[name=imap_host]").Attr("value"); host != "127.0.0.1" {
		t.Errorf("the server typed came back as %q", host)
	}
	if strings.Contains(p.raw, "canary-pass") || strings.Contains(w.log.String(), "canary-pass") {
		t.Error("the password came back, or is in the log")
	}
	if p = w.post(b, strings.TrimSuffix(form, "/password")+"/cancel", w.server.URL, nil); p.StatusCode != http.StatusOK {
		t.Errorf("cancel: %d", p.StatusCode)
	}
	if p = w.get(b, form); p.StatusCode != http.StatusGone {
		t.Errorf("the form after cancelling: %d", p.StatusCode)
	}
}
