package portal_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/postern-mail/postern/engine"
	"github.com/postern-mail/postern/engine/access"
	"github.com/postern-mail/postern/engine/applications"
	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/imap"
	"github.com/postern-mail/postern/engine/vault"
	"github.com/postern-mail/postern/engine/webhooks"
	"github.com/postern-mail/postern/handlers/portal"
	v3 "github.com/postern-mail/postern/handlers/v3"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
	"github.com/postern-mail/postern/models/store/storetest"
	"github.com/postern-mail/postern/web"
)

var ctx = context.Background()

// staff seeds: it is nobody who signs in.
var staff = models.Actor{Kind: models.ActorMember, ID: "seed", Label: "Seed", Role: models.Owner, Permissions: models.Owner.Permissions()}

// world is a whole Postern behind its real router and a real Postgres, without workers.
type world struct {
	*engine.Engine
	t              *testing.T
	server         *httptest.Server
	web            *web.Server
	log            *bytes.Buffer
	dsn            string
	app            models.Application
	north, south   models.Tenant
	webhook        models.Webhook
	receiver       string
	links          map[string]string // path of the sign-in link, by the person's key
	mu             sync.Mutex
	at             time.Time
	northG, southG models.Grant
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(time.Millisecond)
	return w.at
}

// people are those who come in: members by their sign-in link, a guest by a pass to the first tenant.
var people = []string{"owner", "admin", "support", "reviewer", "guest", "customer"}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, log: &bytes.Buffer{}, at: time.Now().UTC().Truncate(time.Second), links: map[string]string{}}
	kek, err := vault.CreateFileKEK(filepath.Join(t.TempDir(), "key"))
	w.check(err)
	guard := dial.New(dial.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	log := slog.New(slog.NewTextHandler(w.log, nil))
	base := &url.URL{Scheme: "http", Host: "localhost:8400"}
	w.dsn = storetest.Fresh(t)
	w.Engine, err = engine.New(ctx, engine.Config{DSN: w.dsn, Installation: engine.Installation{ID: "test", Region: "eu", Secret: storetest.Secret}, KEK: kek,
		BaseURL: base, Siblings: map[string]string{"us": sibling}, Company: "Acme", Demo: true, PlainHTTP: true, Guard: guard, Providers: provider.NewSet(nil, imap.New(imap.Config{Guard: guard})), Now: w.clock, Log: log})
	w.check(err)
	t.Cleanup(func() { _ = w.Close() })
	w.web = web.New(web.Config{BaseURL: base, Sessions: w.Access, Now: w.clock, Logger: log})
	w.web.Mount(portal.New(portal.Config{Server: w.web, Access: w.Access, Applications: w.Applications, Tenants: w.Tenants, Grants: w.Grants, Ledger: w.Ledger, Webhooks: w.Webhooks,
		Verifications: w.Verifications, Keys: w.Keys, Offboardings: w.Offboardings, Evidence: w.Evidence, Audit: w.Audit, AuditLog: w.AuditLog, Company: "Acme", Region: "eu", Siblings: map[string]string{"us": sibling}, Demo: true, Document: v3.Document(), Now: w.clock}).Web())
	w.server = httptest.NewServer(w.web.Handler())
	t.Cleanup(w.server.Close)
	w.seed()
	return w
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) seed() {
	w.t.Helper()
	var err error
	w.north, err = w.Tenants.Create(ctx, staff, "Northwind", "eu")
	w.check(err)
	w.south, err = w.Tenants.Create(ctx, staff, "Southridge", "eu")
	w.check(err)
	w.app, err = w.Applications.Create(ctx, staff, applications.Draft{Name: "CRM Sync", DefaultTenant: w.north.ID})
	w.check(err)
	_, err = w.Applications.CreateConnector(ctx, staff, w.app.ID, applications.ConnectorDraft{Provider: "imap"})
	w.check(err)
	receiver := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(out, r.URL.Query().Get("challenge")) // proves that it wants the events
	}))
	w.t.Cleanup(receiver.Close)
	w.webhook, _, err = w.Webhooks.Create(ctx, staff, webhooks.Draft{Application: w.app.ID, URL: receiver.URL, Description: "Billing events", TriggerTypes: []string{"grant.created", "grant.deleted"}})
	w.check(err)
	w.receiver = receiver.URL
	w.northG, w.southG = w.grant(w.north.ID, "ada.lovelace@northwind.example"), w.grant(w.south.ID, "grace.hopper@southridge.example")
	for _, who := range people {
		in := access.Invitation{Name: strings.ToUpper(who[:1]) + who[1:] + " Person", Email: who + "@acme.example", Role: models.Role(who)}
		switch who {
		case "guest":
			_, link, err := w.Access.CreatePass(ctx, staff, w.north.ID, "Guest Person", 24*time.Hour)
			w.check(err)
			w.links[who] = strings.TrimPrefix(link.Reveal(), "http://localhost:8400")
			continue
		case "customer":
			in.Tenant = w.north.ID
		}
		m, err := w.Access.EnsureMember(ctx, in)
		w.check(err)
		w.links[who] = strings.TrimPrefix(w.Access.SignInLink(m.ID).Reveal(), "http://localhost:8400")
	}
}

// grant puts a valid grant into the database, as a finished consent would have.
func (w *world) grant(tenant models.TenantID, address string) models.Grant {
	w.t.Helper()
	at := w.clock()
	g := models.Grant{TenantID: tenant, ID: models.NewID[models.GrantID](at), ApplicationID: w.app.ID, Provider: "imap", Subject: address, Email: address, Login: address,
		Status: models.GrantPending, StatusReason: "consented", StatusAt: at, Settings: models.Settings{}, ScopesRequested: models.Strings{}, ScopesGranted: models.Strings{}, CreatedAt: at, UpdatedAt: at}
	w.check(w.Store.InTenant(ctx, tenant, func(tx *store.Tx) (err error) {
		if g, err = tx.InsertGrant(g); err != nil {
			return err
		}
		g.StatusReason = "connected"
		if err := tx.MarkGrantConnected(g, at.Add(time.Microsecond)); err != nil {
			return err
		}
		g, err = tx.Grant(tenant, g.ID)
		return err
	}))
	return g
}

// sendUntil sends events, as a running Postern does, until the condition holds. begin is called first.
func (w *world) sendUntil(what string, holds func() bool, begin func()) {
	w.t.Helper()
	sending, stop := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() {
		defer close(over)
		w.Webhooks.Send(sending)
	}()
	defer func() { stop(); <-over }()
	begin()
	for end := time.Now().Add(30 * time.Second); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// browser is one signed-in person, or a stranger.
type browser struct {
	w       *world
	cookies map[string]string
}

func (w *world) stranger() *browser { return &browser{w: w, cookies: map[string]string{}} }

// as signs somebody in through their link.
func (w *world) as(who string) *browser {
	w.t.Helper()
	b := w.stranger()
	if who == "guest" {
		if r := b.post(w.links[who]); r.status != http.StatusSeeOther || len(b.cookies) != 1 {
			w.t.Fatalf("a guest is not let in: %d", r.status)
		}
		return b
	}
	if r := b.get(w.links[who]); r.status != http.StatusSeeOther || len(b.cookies) != 1 {
		w.t.Fatalf("%s is not let in: %d", who, r.status)
	}
	return b
}

type reply struct {
	t      *testing.T
	what   string
	status int
	header http.Header
	text   string
	page   *goquery.Document
}

func (b *browser) get(path string) reply { return b.send("GET", path, nil, "") }

func (b *browser) post(path string, pairs ...string) reply {
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return b.send("POST", path, strings.NewReader(form.Encode()), "application/x-www-form-urlencoded")
}

func (b *browser) send(method, path string, body io.Reader, kind string) reply {
	b.w.t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, b.w.server.URL+path, body)
	b.w.check(err)
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	if method != "GET" {
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(r)
	b.w.check(err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	b.w.check(err)
	for _, c := range answer.Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
	page, err := goquery.NewDocumentFromReader(bytes.NewReader(text))
	b.w.check(err)
	return reply{t: b.w.t, what: method + " " + path, status: answer.StatusCode, header: answer.Header, text: string(text), page: page}
}

// is checks the status and gives the reply back.
func (r reply) is(status int) reply {
	r.t.Helper()
	if r.status != status {
		r.t.Fatalf("%s: status %d, want %d: %s", r.what, r.status, status, r.error())
	}
	return r
}

func (r reply) error() string {
	if text := r.find("error-text").Text(); text != "" {
		return text
	}
	return strings.TrimSpace(r.find("error-summary").Text())
}

func (r reply) find(testid string) *goquery.Selection {
	return r.page.Find(`[data-testid="` + testid + `"]`)
}

// shows checks that an element is there and holds the text.
func (r reply) shows(testid, text string) reply {
	r.t.Helper()
	if s := r.find(testid); s.Length() == 0 || !strings.Contains(s.Text(), text) {
		r.t.Errorf("%s: %s is %q, want %q", r.what, testid, strings.TrimSpace(s.Text()), text)
	}
	return r
}

func (r reply) lacks(testid string) reply {
	r.t.Helper()
	if n := r.find(testid).Length(); n > 0 {
		r.t.Errorf("%s: %s is there", r.what, testid)
	}
	return r
}

// goes checks a redirect and says where to.
func (r reply) goes() string {
	r.t.Helper()
	r.is(http.StatusSeeOther)
	return r.header.Get("Location")
}
