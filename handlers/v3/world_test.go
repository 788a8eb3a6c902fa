package v3_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
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

	"github.com/postern-mail/postern/engine"
	"github.com/postern-mail/postern/engine/access"
	"github.com/postern-mail/postern/engine/applications"
	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/gmail"
	"github.com/postern-mail/postern/engine/provider/imap"
	"github.com/postern-mail/postern/engine/provider/nylas"
	"github.com/postern-mail/postern/engine/provider/providertest"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/vault"
	v3 "github.com/postern-mail/postern/handlers/v3"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
	"github.com/postern-mail/postern/models/store/storetest"
	"github.com/postern-mail/postern/web"
)

var ctx = context.Background()

const callback = "http://localhost:9007/callback"

// world is a whole Postern behind its real router, without workers.
type world struct {
	*engine.Engine
	t       *testing.T
	server  *httptest.Server
	log     *bytes.Buffer
	lines   *locked                     // what writes it
	dovecot *providertest.DovecotServer // nil unless asked for
	nylas   *providertest.NylasServer   // the same
	google  *providertest.GoogleServer  // the same
	app     models.Application
	other   models.Application
	tenant  models.Tenant
	second  models.Tenant
	key     string
	routes  []web.RouteInfo
	dsn     string

	mu  sync.Mutex
	now time.Time
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(time.Millisecond) // time passes, so that order by time is an order
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

var staff = models.Actor{Kind: models.ActorMember, ID: "ada", Label: "Ada", Role: models.Owner, Permissions: models.Owner.Permissions()}

type option func(*world, *v3.Config)

func withMail(w *world, _ *v3.Config) { w.dovecot = providertest.Dovecot(w.t) }

func withNylas(w *world, _ *v3.Config) { w.nylas = providertest.Nylas(w.t) }

func withGoogle(w *world, _ *v3.Config) { w.google = providertest.Google(w.t) }

func withLimits(l v3.Limits) option { return func(_ *world, c *v3.Config) { c.Limits = l } }

func newWorld(t *testing.T, options ...option) *world {
	t.Helper()
	w := &world{t: t, log: &bytes.Buffer{}, now: time.Now().UTC().Truncate(time.Second)}
	config := v3.Config{Limits: v3.Limits{Application: -1, Grant: -1, Key: -1, Detect: -1, Address: -1}}
	for _, o := range options {
		o(w, &config)
	}
	kek, err := vault.CreateFileKEK(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	guard := dial.New(dial.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	mail := imap.Config{Guard: guard}
	if w.dovecot != nil {
		mail.Roots = w.dovecot.Roots
	}
	connectors := []provider.Connector{imap.New(mail)}
	if w.nylas != nil {
		connectors = append(connectors, nylas.New(nylas.Config{Guard: guard, APIURL: w.nylas.URL}))
	}
	if g := w.google; g != nil {
		connectors = append(connectors, gmail.New(gmail.Config{Guard: guard, Now: w.clock, AuthURL: g.AuthURL(), TokenURL: g.TokenURL(), RevokeURL: g.RevokeURL(), UserinfoURL: g.UserinfoURL(), APIURL: g.APIURL()}))
	}
	w.lines = &locked{w: w.log}
	log := slog.New(slog.NewTextHandler(w.lines, nil))
	base := &url.URL{Scheme: "http", Host: "127.0.0.1:8400"}
	w.dsn = storetest.Fresh(t)
	w.Engine, err = engine.New(ctx, engine.Config{DSN: w.dsn, Installation: engine.Installation{ID: "test", Region: "eu", Secret: storetest.Secret}, KEK: kek,
		BaseURL: base, Siblings: map[string]string{"us": sibling}, Company: "Acme", PlainHTTP: true, Guard: guard, Providers: provider.NewSet(nil, connectors...), Addresses: []string{"192.0.2.7/32"}, Now: w.clock, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	server := web.New(web.Config{BaseURL: base, Now: w.clock, Logger: log})
	config.Ledger = w.Ledger
	config.Access, config.Applications, config.Grants, config.Mailbox, config.Webhooks, config.Verifications = w.Access, w.Applications, w.Grants, w.Mailbox, w.Webhooks, w.Verifications
	config.URL, config.Region, config.Organization, config.Now = server.URL, "eu", "00000000-0000-4000-8000-000000000001", w.clock
	server.Mount(v3.New(config).Web())
	w.routes = server.Routes()
	w.server = httptest.NewServer(server.Handler())
	t.Cleanup(w.server.Close)
	w.seed()
	return w
}

// locked lets the log be written from handlers and read at the end.
type locked struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// logged is what stands in the log by now.
func (w *world) logged() string {
	w.lines.mu.Lock()
	defer w.lines.mu.Unlock()
	return w.log.String()
}

func (w *world) seed() {
	w.t.Helper()
	var err error
	check := func(err error) {
		w.t.Helper()
		if err != nil {
			w.t.Fatal(err)
		}
	}
	w.tenant, err = w.Tenants.Create(ctx, staff, "First tenant", "eu")
	check(err)
	w.second, err = w.Tenants.Create(ctx, staff, "Second tenant", "eu")
	check(err)
	w.app, err = w.Applications.Create(ctx, staff, applications.Draft{Name: "Ours", DefaultTenant: w.tenant.ID})
	check(err)
	w.other, err = w.Applications.Create(ctx, staff, applications.Draft{Name: "Theirs", DefaultTenant: w.tenant.ID})
	check(err)
	for _, a := range []models.Application{w.app, w.other} {
		_, err = w.Applications.AddCallbackURI(ctx, staff, a.ID, applications.Callback{URL: callback})
		check(err)
		_, err = w.Applications.CreateConnector(ctx, staff, a.ID, applications.ConnectorDraft{Provider: "imap"})
		check(err)
	}
	w.key = w.keyFor(access.Key{Application: w.app.ID, Name: "all"})
}

func (w *world) keyFor(k access.Key) string {
	w.t.Helper()
	if k.Name == "" {
		k.Name = "a key"
	}
	_, value, err := w.Access.CreateKey(ctx, staff, k)
	if err != nil {
		w.t.Fatal(err)
	}
	return value.Reveal()
}

// grant puts a valid grant into the database, as a finished consent would have; without capabilities it may do everything.
func (w *world) grant(application models.ApplicationID, tenant models.TenantID, address string, capabilities ...string) models.Grant {
	w.t.Helper()
	at := w.clock()
	g := models.Grant{TenantID: tenant, ID: models.NewID[models.GrantID](at), ApplicationID: application, Provider: "imap", Subject: address, Email: address, Name: "Somebody",
		Login: address, Status: models.GrantPending, StatusReason: "consented", StatusAt: at, Settings: models.Settings{"imap_host": "mail.example.com", "imap_port": "993"},
		ScopesRequested: models.Strings{}, ScopesGranted: append(models.Strings{}, capabilities...), State: "the state", Address: "192.0.2.1", UserAgent: "a browser", CreatedAt: at, UpdatedAt: at}
	err := w.Store.InTenant(ctx, tenant, func(tx *store.Tx) (err error) {
		if g, err = tx.InsertGrant(g); err != nil {
			return err
		}
		g.StatusReason = "connected"
		if err := tx.MarkGrantConnected(g, at.Add(time.Microsecond)); err != nil {
			return err
		}
		g, err = tx.Grant(tenant, g.ID)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return g
}

// token issues an access token for a grant, as an exchange would have.
func (w *world) token(g models.Grant, life time.Duration) string {
	w.t.Helper()
	at := w.clock()
	ends := at.Add(life)
	token := models.NewToken(models.AccessTokenPrefix)
	err := w.Store.InTenant(ctx, g.TenantID, func(tx *store.Tx) error {
		family := models.TokenFamily{TenantID: g.TenantID, ID: models.NewID[models.FamilyID](at), ApplicationID: g.ApplicationID, GrantID: g.ID, CreatedAt: at}
		if err := tx.InsertTokenFamily(family); err != nil {
			return err
		}
		return tx.InsertIssuedToken(models.IssuedToken{TenantID: g.TenantID, ID: models.NewID[models.TokenID](at), ApplicationID: g.ApplicationID, GrantID: g.ID, FamilyID: family.ID,
			Kind: "access", Hash: models.HashToken(token), CreatedAt: at, ExpiresAt: &ends})
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

// consent walks the hosted flow that began at location, with a mailbox of the test's Dovecot, and gives the address it returns to.
func (w *world) consent(location string, a provider.Account) string {
	w.t.Helper()
	_, id, found := strings.Cut(location, "/connect/flow/")
	flow, err := models.ParseID[models.FlowID](id)
	if !found || err != nil {
		w.t.Fatalf("no consent page: %s", location)
	}
	browser := secret.New("one browser")
	if _, err := w.Grants.Go(ctx, grants.Step{Flow: flow, Browser: browser, Provider: "imap"}); err != nil {
		w.t.Fatal(err)
	}
	done, err := w.Grants.Submit(ctx, grants.PasswordLogin{Flow: flow, Browser: browser, Address: a.Address, Password: w.dovecot.Password(a.Login), Settings: a.Settings})
	if err != nil {
		w.t.Fatal(err)
	}
	return done.RedirectURL
}

// call is one request. The zero header is application/json where there is a body.
type call struct {
	method, path, body string
	key                string // bearer; "-": none
	header             map[string]string
}

type answer struct {
	status int
	header http.Header
	text   string
	json   map[string]any
}

func (w *world) do(c call) answer {
	w.t.Helper()
	var body io.Reader
	if c.body != "" {
		body = strings.NewReader(c.body)
	}
	r, err := http.NewRequestWithContext(ctx, c.method, w.server.URL+c.path, body)
	if err != nil {
		w.t.Fatal(err)
	}
	if c.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	switch c.key {
	case "":
		r.Header.Set("Authorization", "Bearer "+w.key)
	case "-":
	default:
		r.Header.Set("Authorization", "Bearer "+c.key)
	}
	for name, value := range c.header {
		r.Header.Set(name, value)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Timeout: 30 * time.Second}
	resp, err := client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header, text: string(text)}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") && c.method != http.MethodHead {
		if err := json.Unmarshal(text, &a.json); err != nil {
			w.t.Fatalf("%s %s answers what is no JSON object: %q", c.method, c.path, text)
		}
	}
	w.agrees(c, a)
	return a
}

func (w *world) get(path string) answer { w.t.Helper(); return w.do(call{method: "GET", path: path}) }

// at walks into a JSON value: at("data", "0", "id").
func (a answer) at(path ...string) any {
	var value any = a.json
	for _, step := range path {
		switch v := value.(type) {
		case map[string]any:
			value = v[step]
		case []any:
			var i int
			if _, err := fmt.Sscan(step, &i); err != nil || i >= len(v) {
				return nil
			}
			value = v[i]
		default:
			return nil
		}
	}
	return value
}

func (a answer) text1(path ...string) string { s, _ := a.at(path...).(string); return s }

// refused checks an error in the API's shape.
func (a answer) refused(t *testing.T, what string, status int, kind string) {
	t.Helper()
	if a.status != status || a.text1("error", "type") != kind || a.text1("error", "message") == "" || a.text1("request_id") == "" {
		t.Errorf("%s: %d %s, want %d %s", what, a.status, a.text, status, kind)
	}
	if id := a.header.Get("X-Request-Id"); id == "" || id != a.text1("request_id") {
		t.Errorf("%s: X-Request-Id %q, request_id %q", what, id, a.text1("request_id"))
	}
}

// refusedOAuth checks an error in OAuth's shape: all four keys, the code a number.
func (a answer) refusedOAuth(t *testing.T, what string, status int, word string) {
	t.Helper()
	code, isNumber := a.at("error_code").(float64)
	if a.status != status || a.text1("error") != word || a.text1("error_description") == "" || a.text1("error_uri") == "" || !isNumber || int(code) != status || a.text1("request_id") == "" {
		t.Errorf("%s: %d %s, want %d %s with all four keys", what, a.status, a.text, status, word)
	}
}
