package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine"
	"github.com/postern-mail/postern/engine/access"
	"github.com/postern-mail/postern/engine/applications"
	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/sandbox"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/tenants"
	"github.com/postern-mail/postern/engine/vault"
	"github.com/postern-mail/postern/models"
)

// demoCallback is where programs on this machine wait for a code: the address that command line clients of the v3 API use.
const demoCallback = "http://localhost:9007/callback"

// demoTenants are the organisations of the demo; the first is the customer's.
var demoTenants = []string{"Alder & Finch Architects", "Brightwater Clinic", "Corvid Logistics"}

// demoState is what a demo remembers of its last run, in its data folder. It holds the API key: the demo's keys open nothing but the demo.
type demoState struct {
	Application models.ApplicationID `json:"application"`
	Tenants     []models.TenantID    `json:"tenants"`
	APIKey      string               `json:"api_key"`
}

// demo runs everything on one machine, with nothing to configure: a private Postgres, sample organisations, the sandbox provider, sign-in links.
func demo(ctx context.Context, args []string, e env) int {
	c, err := loadConfig(modeDemo, args, e.environ)
	if err != nil {
		return fail(e, err)
	}
	log := logger(c, e)
	fmt.Fprintln(e.stdout, "Postern demo: starting Postgres, the sandbox provider and the portal. The first start takes a few seconds.")
	ctx, dsn, end, err := database(ctx, c, false, log)
	if err != nil {
		return fail(e, err)
	}
	defer end()
	kek, err := demoKey(c)
	if err != nil {
		return fail(e, err)
	}
	box, err := sandbox.Start(ctx, sandbox.Config{StatePath: filepath.Join(c.Data, "sandbox.json"), RedirectURIs: []string{c.URL.String() + "/v3/connect/callback/sandbox"}, Log: log})
	if err != nil {
		return fail(e, err)
	}
	defer box.Close() //nolint:errcheck // the process ends
	p, err := assemble(ctx, c, dsn, kek, extras{demo: true,
		allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
		connectors: func(guard *dial.Guard) []provider.Connector {
			return []provider.Connector{sandbox.New(sandbox.ConnectorConfig{Guard: guard, Endpoints: box.Endpoints(), Now: time.Now})}
		}}, log)
	if err != nil {
		return fail(e, err)
	}
	defer p.engine.Close() //nolint:errcheck // the process ends
	d := &demonstration{config: c, engine: p.engine, box: box}
	if err := p.run(ctx, func() error {
		text, err := d.prepare(ctx)
		if err != nil {
			return err
		}
		fmt.Fprint(e.stdout, text)
		return p.ensureSelfChecks(ctx) // the demo's application has just been made: its first event is to be seen as well
	}); err != nil {
		return fail(e, err)
	}
	return 0
}

func demoKey(c *config) (vault.FileKEK, error) {
	if c.KeyFile == "" {
		c.KeyFile = filepath.Join(c.Data, "key")
	}
	kek, err := vault.ReadFileKEK(c.KeyFile)
	if errors.Is(err, vault.ErrNoKeyFile) {
		return vault.CreateFileKEK(c.KeyFile)
	}
	return kek, err
}

type demonstration struct {
	config *config
	engine *engine.Engine
	box    *sandbox.Server
	state  demoState
}

// prepare makes what a demo shows, or finds it from the run before, writes the clients' file and gives the text for the terminal.
func (d *demonstration) prepare(ctx context.Context) (string, error) {
	path := filepath.Join(d.config.Data, "demo.json")
	if text, err := os.ReadFile(path); err == nil {
		if err := json.Unmarshal(text, &d.state); err != nil {
			return "", fmt.Errorf("read %s (remove the folder %s to start afresh): %w", path, d.config.Data, err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the demo's memory: %w", err)
	}
	for _, step := range []func(context.Context) error{d.organisations, d.program, d.connectors, d.key} {
		if err := step(ctx); err != nil {
			return "", fmt.Errorf("prepare the demo: %w", err)
		}
	}
	text, err := json.MarshalIndent(d.state, "", "  ")
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return "", fmt.Errorf("keep the demo's memory: %w", err)
	}
	return d.announce(ctx)
}

// organisations finds its rows by name: a demo that was cut off in the middle begins again.
func (d *demonstration) organisations(ctx context.Context) error {
	if len(d.state.Tenants) > 0 {
		return nil
	}
	page, err := d.engine.Tenants.List(ctx, system, tenants.Filter{Limit: 200})
	if err != nil {
		return err
	}
	known := map[string]models.TenantID{}
	for _, t := range page.Tenants {
		known[t.Name] = t.ID
	}
	for _, name := range demoTenants {
		id, ok := known[name]
		if !ok {
			t, err := d.engine.Tenants.Create(ctx, system, name, d.config.Region)
			if err != nil {
				return err
			}
			id = t.ID
		}
		d.state.Tenants = append(d.state.Tenants, id)
	}
	return nil
}

func (d *demonstration) program(ctx context.Context) error {
	if !d.state.Application.IsZero() {
		return nil
	}
	all, err := d.engine.Applications.List(ctx, system)
	if err != nil {
		return err
	}
	if len(all) > 0 {
		d.state.Application = all[0].ID
	} else {
		a, err := d.engine.Applications.Create(ctx, system, applications.Draft{Name: d.config.Company + " Sync", Environment: "sandbox", DefaultTenant: d.state.Tenants[0]})
		if err != nil {
			return err
		}
		d.state.Application = a.ID
	}
	_, err = d.engine.Applications.AddCallbackURI(ctx, system, d.state.Application, applications.Callback{URL: demoCallback})
	return unlessThere(err)
}

func (d *demonstration) connectors(ctx context.Context) error {
	app := d.box.App()
	_, err := d.engine.Applications.CreateConnector(ctx, system, d.state.Application, applications.ConnectorDraft{Provider: "sandbox", Name: "Sandbox", ClientID: app.ClientID, ClientSecret: app.ClientSecret})
	if err := unlessThere(err); err != nil {
		return err
	}
	_, err = d.engine.Applications.CreateConnector(ctx, system, d.state.Application, applications.ConnectorDraft{Provider: "imap", Name: "IMAP"})
	return unlessThere(err)
}

// unlessThere lets "exists already" pass: a demo finds what it made before.
func unlessThere(err error) error {
	if fault.KindOf(err) == fault.Conflict {
		return nil
	}
	return err
}

// key keeps the API key of the run before while it works.
func (d *demonstration) key(ctx context.Context) error {
	if d.state.APIKey != "" {
		if _, err := d.engine.Access.Program(ctx, secret.New(d.state.APIKey), netip.MustParseAddr("127.0.0.1")); err == nil {
			return nil
		}
	}
	_, key, err := d.engine.Access.CreateKey(ctx, system, access.Key{Application: d.state.Application, Name: "demo"})
	d.state.APIKey = key.Reveal()
	return err
}

// announce writes the clients' file and says where everything is.
func (d *demonstration) announce(ctx context.Context) (string, error) {
	people := []struct {
		variable, what string
		in             access.Invitation
	}{
		{"POSTERN_SIGNIN_OWNER", "platform owner", access.Invitation{Name: "Olive Marsh", Email: "olive@harbordesk.test", Role: models.Owner}},
		{"POSTERN_SIGNIN_SUPPORT", "support staff", access.Invitation{Name: "Sam Okafor", Email: "sam@harbordesk.test", Role: models.Support}},
		{"POSTERN_SIGNIN_REVIEWER", "security reviewer", access.Invitation{Name: "Rina Sato", Email: "rina@harbordesk.test", Role: models.Reviewer}},
		{"POSTERN_SIGNIN_CUSTOMER", "customer admin, " + demoTenants[0], access.Invitation{Name: "Cora Lindqvist", Email: "cora@alderfinch.test", Role: models.Customer, Tenant: d.state.Tenants[0]}},
	}
	_, token, err := d.engine.Grants.MakeLink(ctx, system, grants.LinkRequest{Tenant: d.state.Tenants[0], Application: d.state.Application,
		Capabilities: []string{string(provider.ReadMail), string(provider.SendMail)}})
	if err != nil {
		return "", err
	}
	file := []string{"POSTERN_URL=" + d.config.URL.String(), "POSTERN_CLIENT_ID=" + d.state.Application.String(), "POSTERN_API_KEY=" + d.state.APIKey, "POSTERN_CALLBACK_URI=" + demoCallback,
		"POSTERN_TENANT_ID=" + d.state.Tenants[0].String(), "POSTERN_SANDBOX_USERS=" + strings.Join(d.box.Users(), ","), "POSTERN_SANDBOX_PASSWORD=" + d.box.Password()}
	var out strings.Builder
	fmt.Fprintf(&out, "\nPostern is ready at %s\n\nSign in (this machine only, while the demo runs) as\n", d.config.URL)
	for _, p := range people {
		member, err := d.engine.Access.EnsureMember(ctx, p.in)
		if err != nil {
			return "", err
		}
		link := d.engine.Access.SignInLink(member.ID).Reveal()
		file = append(file, p.variable+"="+link)
		fmt.Fprintf(&out, "  %-42s %s\n", p.what, link)
	}
	fmt.Fprintf(&out, "\nConnect a mailbox of %s with this link (good for one mailbox, three days)\n  %s/connect/%s\n  as %s, password %s\n",
		demoTenants[0], d.config.URL, token.Reveal(), strings.Join(d.box.Users(), " or "), d.box.Password())
	fmt.Fprintf(&out, "\nPrograms find the same in %s\n\n", d.config.EnvFile)
	return out.String(), writeEnvFile(d.config.EnvFile, file)
}

// writeEnvFile puts the file in place in one step: whoever waits for it finds it whole.
func writeEnvFile(path string, lines []string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make the folder of %s: %w", path, err)
	}
	if err := os.WriteFile(path+".new", []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
