package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"github.com/postern-mail/postern/engine"
	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/mailer"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/ews"
	"github.com/postern-mail/postern/engine/provider/gmail"
	"github.com/postern-mail/postern/engine/provider/graph"
	"github.com/postern-mail/postern/engine/provider/icloud"
	"github.com/postern-mail/postern/engine/provider/imap"
	"github.com/postern-mail/postern/engine/provider/nylas"
	"github.com/postern-mail/postern/engine/provider/yahoo"
	"github.com/postern-mail/postern/engine/vault"
	"github.com/postern-mail/postern/handlers/consent"
	"github.com/postern-mail/postern/handlers/inbound"
	"github.com/postern-mail/postern/handlers/portal"
	v3 "github.com/postern-mail/postern/handlers/v3"
	"github.com/postern-mail/postern/models/store/cluster"
	"github.com/postern-mail/postern/static"
	"github.com/postern-mail/postern/web"
)

// process is one running Postern: its engine and its doors.
type process struct {
	config       *config
	engine       *engine.Engine
	providers    *provider.Set
	installation engine.Installation
	server       *web.Server
	log          *slog.Logger
}

// extras is what the demo has beside the rest.
type extras struct {
	keySource  string // where the key-encryption key is; empty: a file
	demo       bool
	limits     v3.Limits                                    // of the API; zero: the contract's
	allow      []netip.Prefix                               // opened in the egress guard
	connectors func(guard *dial.Guard) []provider.Connector // nil: none
}

// logger writes structured lines to w, in the configured form.
func logger(c *config, e env) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.LogLevel}
	if c.LogFormat == "text" {
		return slog.New(slog.NewTextHandler(e.stderr, options))
	}
	return slog.New(slog.NewJSONHandler(e.stderr, options))
}

// database gives the owner's address: that of DATABASE_URL, or of the private Postgres. That one is started, or, with join, found running under another Postern
// of the same data folder: commands beside a running server need it. The context it gives ends when the private Postgres does; end stops what was started.
func database(ctx context.Context, c *config, join bool, log *slog.Logger) (running context.Context, dsn string, end func(), err error) {
	if !c.DatabaseURL.Empty() {
		return ctx, c.DatabaseURL.Reveal(), func() {}, nil
	}
	where := cluster.Config{Dir: filepath.Join(c.Data, "postgres"), Logger: log}
	server, err := cluster.Start(ctx, where)
	if join && errors.Is(err, cluster.ErrInUse) {
		server, err = cluster.Join(ctx, where)
	}
	if err != nil {
		return ctx, "", nil, fmt.Errorf("start the private Postgres: %w", err)
	}
	running, cancel := context.WithCancelCause(ctx)
	stop := func() {
		cancel(nil)
		if err := server.Stop(); err != nil {
			log.Warn("the private Postgres did not stop cleanly", "error", err)
		}
	}
	if done := server.Done(); done != nil {
		go func() {
			select {
			case <-done:
				cancel(errDatabaseEnded)
			case <-running.Done():
			}
		}()
	}
	dsn, err = server.EnsureDatabase(ctx, "postern")
	if err != nil {
		stop()
		return ctx, "", nil, fmt.Errorf("make the database: %w", err)
	}
	return running, dsn, stop, nil
}

// errDatabaseEnded is a private Postgres that stopped under a running program.
var errDatabaseEnded = errors.New("the private Postgres has ended; its log is in the data folder. Start Postern again")

// reach makes the connectors of this build. An address that the operator did not change is the provider's public one.
func reach(guard *dial.Guard, at providers) []provider.Connector {
	return []provider.Connector{
		imap.New(imap.Config{Guard: guard, Now: time.Now}),
		gmail.New(gmail.Config{Guard: guard, Now: time.Now, AuthURL: at.Google.AuthURL, TokenURL: at.Google.TokenURL, RevokeURL: at.Google.RevokeURL, UserinfoURL: at.Google.UserinfoURL, APIURL: at.Google.APIURL}),
		graph.New(graph.Config{Guard: guard, Now: time.Now, AuthURL: at.Microsoft.AuthURL, TokenURL: at.Microsoft.TokenURL, AdminConsentURL: at.Microsoft.AdminConsentURL, GraphURL: at.Microsoft.GraphURL}),
		yahoo.New(yahoo.Config{Guard: guard, Now: time.Now, AuthURL: at.Yahoo.AuthURL, TokenURL: at.Yahoo.TokenURL, IMAPAddr: at.Yahoo.IMAPAddr, SMTPAddr: at.Yahoo.SMTPAddr}),
		icloud.New(icloud.Config{Guard: guard, Now: time.Now, IMAPAddr: at.ICloud.IMAPAddr, SMTPAddr: at.ICloud.SMTPAddr}),
		ews.New(ews.Config{Guard: guard, Now: time.Now}),
		nylas.New(nylas.Config{Guard: guard, Now: time.Now, APIURL: at.Nylas.APIURL}),
	}
}

// assemble prepares the database and wires the engine and the doors. Nothing listens yet.
func assemble(ctx context.Context, c *config, dsn string, kek vault.KEK, x extras, log *slog.Logger) (*process, error) {
	if err := static.Ready(); err != nil {
		return nil, err
	}
	installation, err := engine.Prepare(ctx, dsn, kek, c.Region, c.AutoMigrate || x.demo, time.Now, log)
	if err != nil {
		return nil, err
	}
	guard := dial.New(dial.Config{Allow: append(c.EgressAllow, x.allow...), Servers: ownServers(c, dsn), Roots: c.EgressRoots, Now: time.Now})
	connectors := reach(guard, c.Providers)
	if x.connectors != nil {
		connectors = append(connectors, x.connectors(guard)...)
	}
	set := provider.NewSet(guard, connectors...)
	var post *mailer.Mailer
	if !c.SMTPURL.Empty() {
		if post, err = mailer.New(mailer.Config{URL: c.SMTPURL, From: c.MailFrom, Guard: guard, Now: time.Now}); err != nil {
			return nil, err
		}
	}
	e, err := engine.New(ctx, engine.Config{DSN: dsn, Installation: installation, KEK: kek, KEKSource: x.keySource, BaseURL: c.URL, Company: c.Company, Demo: x.demo, PlainHTTP: x.demo || c.URL.Scheme == "http",
		Guard: guard, Providers: set, Addresses: c.EgressAddresses, Push: c.Push, Siblings: c.Siblings, EgressAllow: append(slices.Clone(c.EgressAllow), x.allow...), Mail: post, Witnesses: c.Witnesses, Tombstones: tombstonesFile(c, installation, log), EventDays: c.EventDays, DeliveryDays: c.DeliveryDays, Now: time.Now, Log: log})
	if err != nil {
		return nil, err
	}
	grants, tenants, err := e.CutAgain(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("compare the database with the ledger of tombstones: %w", err), e.Close())
	}
	if grants+tenants > 0 {
		log.Warn("this database had brought back what was cut: it is cut again", "grants", grants, "tenants", tenants)
	}
	p := &process{config: c, engine: e, providers: set, installation: installation, log: log}
	p.mount(x)
	return p, nil
}

// tombstonesFile names the file of the ledger of tombstones. Without a setting it stands in the data folder under the installation's id, and where no such folder can be made the log says that none is kept.
func tombstonesFile(c *config, installation engine.Installation, log *slog.Logger) string {
	if c.Tombstones != "" {
		return c.Tombstones
	}
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		log.Warn("no ledger of what was cut is kept: a restored database could bring it back. Set POSTERN_TOMBSTONES", "error", err)
		return ""
	}
	return filepath.Join(c.Data, "tombstones-"+installation.ID)
}

// mount puts the four doors on one server.
func (p *process) mount(x extras) {
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	c, e := p.config, p.engine
	p.server = web.New(web.Config{BaseURL: c.URL, TrustedProxies: c.TrustedProxies, Sessions: e.Access, Metrics: metrics, MetricsApart: c.MetricsAddr != "", Now: time.Now, Logger: p.log,
		Checks: []web.Check{{Name: "database", Run: e.Store.Ready}}})
	p.server.Mount(v3.New(v3.Config{Access: e.Access, Applications: e.Applications, Grants: e.Grants, Mailbox: e.Mailbox, Ledger: e.Ledger, Webhooks: e.Webhooks, Verifications: e.Verifications, URL: p.server.URL, Region: c.Region,
		Organization: p.installation.ID, Limits: x.limits, Now: time.Now}).Web())
	p.server.Mount(consent.New(consent.Config{Grants: e.Grants, Server: p.server, Company: c.Company, Region: c.Region, Demo: x.demo, Now: time.Now}).Web())
	in := inbound.New(e.Verifications, p.log)
	p.server.Mount(in.Web())
	p.server.Mount(in.PushWeb())
	p.server.Mount(portal.New(portal.Config{Access: e.Access, Applications: e.Applications, Tenants: e.Tenants, Grants: e.Grants, Ledger: e.Ledger, Webhooks: e.Webhooks, Verifications: e.Verifications, Keys: e.Keys, Offboardings: e.Offboardings, Evidence: e.Evidence, Siblings: c.Siblings,
		Audit: e.Audit, AuditLog: e.AuditLog, Providers: p.providers, Server: p.server, Document: v3.Document(), Company: c.Company, Region: c.Region, Demo: x.demo, Now: time.Now}).Web())
}

// selfCheckEvery is how often a missing self-check is tried again.
const selfCheckEvery = 30 * time.Second

// run serves until ctx ends. ready is called once, when requests are taken.
func (p *process) run(ctx context.Context, ready func() error) error {
	listener, err := p.listen(p.config.Addr)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return p.server.Serve(ctx, listener) })
	group.Go(func() error { return p.engine.Run(ctx) })
	if p.config.MetricsAddr != "" {
		apart, err := net.Listen("tcp", p.config.MetricsAddr)
		if err != nil {
			return errors.Join(fmt.Errorf("listen for metrics: %w", err), listener.Close())
		}
		group.Go(func() error { return p.server.ServeMetrics(ctx, apart) })
	}
	group.Go(func() error { p.keepSelfChecks(ctx); return nil })
	group.Go(ready)
	if err := group.Wait(); err != nil {
		return err
	}
	if errors.Is(context.Cause(ctx), errDatabaseEnded) {
		return errDatabaseEnded
	}
	return nil
}

func (p *process) listen(addr string) (net.Listener, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	if p.config.TLSCert == "" {
		return listener, nil
	}
	pair, err := tls.LoadX509KeyPair(p.config.TLSCert, p.config.TLSKey)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("load the certificate: %w", err), listener.Close())
	}
	return tls.NewListener(listener, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}), nil
}

// keepSelfChecks makes sure that every application's events are also sent to our own receiver. It needs the server to listen, and the address
// to be reachable from here; where it is not, the log says so once an hour.
func (p *process) keepSelfChecks(ctx context.Context) {
	tick := time.NewTicker(selfCheckEvery)
	defer tick.Stop()
	var told time.Time
	for {
		if err := p.ensureSelfChecks(ctx); err != nil && ctx.Err() == nil && time.Since(told) > time.Hour {
			p.log.WarnContext(ctx, "the self-check is not running: Postern cannot reach its own receiver", "address", p.config.URL.String(), "error", err)
			told = time.Now()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (p *process) ensureSelfChecks(ctx context.Context) error {
	all, err := p.engine.Applications.List(ctx, system)
	if err != nil {
		return err
	}
	for _, a := range all {
		if _, _, err := p.engine.Webhooks.EnsureSelfCheck(ctx, a.ID, p.config.URL.String()); err != nil {
			return err
		}
	}
	return nil
}
