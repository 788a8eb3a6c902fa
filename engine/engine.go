package engine

import (
	"context"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"time"

	"github.com/postern-mail/postern/engine/access"
	"github.com/postern-mail/postern/engine/applications"
	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/evidence"
	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/engine/keys"
	"github.com/postern-mail/postern/engine/ledger"
	"github.com/postern-mail/postern/engine/mailbox"
	"github.com/postern-mail/postern/engine/mailer"
	"github.com/postern-mail/postern/engine/offboardings"
	"github.com/postern-mail/postern/engine/outbox"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/engine/tenants"
	"github.com/postern-mail/postern/engine/tokens"
	"github.com/postern-mail/postern/engine/tombstones"
	"github.com/postern-mail/postern/engine/vault"
	"github.com/postern-mail/postern/engine/verifications"
	"github.com/postern-mail/postern/engine/watch"
	"github.com/postern-mail/postern/engine/webhooks"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// Config is what the engine is made of.
type Config struct {
	DSN          string // of the owner; see store.Config
	Installation Installation
	KEK          vault.KEK
	KEKSource    string   // where it is, in words; empty: a file
	BaseURL      *url.URL // public address, without a path
	Company      string   // who asks, on consent pages
	Demo         bool     // sign-in links; webhooks over plain http where the guard lets them
	PlainHTTP    bool
	Guard        *dial.Guard
	Providers    *provider.Set
	Addresses    []string // where deliveries come from
	Push         verifications.PushConfig
	Mail         *mailer.Mailer    // nil: Postern mails nobody
	EventDays    int               // how long events' content is kept; 0: the default
	DeliveryDays int               // how long deliveries are listed; 0: the default
	Siblings     map[string]string // region to base URL, of installations elsewhere
	EgressAllow  []netip.Prefix    // what the operator opened in Guard
	Witnesses    []audit.Witness   // where the audit log's checkpoints are published
	Tombstones   string            // file of the ledger of what was cut; empty: none is kept
	Now          func() time.Time
	Log          *slog.Logger
}

// Engine is the deeds, wired. Its fields are what the doors are given.
type Engine struct {
	Store         *store.Store
	Audit         *audit.Keeper
	AuditLog      *audit.Log
	Access        *access.Service
	Applications  *applications.Service
	Tenants       *tenants.Service
	Grants        *grants.Service
	Mailbox       *mailbox.Service
	Ledger        *ledger.Service
	Webhooks      *webhooks.Service
	Watch         *watch.Service
	Verifications *verifications.Service
	Keys          *keys.Service
	Evidence      *evidence.Service
	Vault         *vault.Vault
	Outbox        *outbox.Keeper
	Offboardings  *offboardings.Service

	log    *slog.Logger
	now    func() time.Time
	graves *tombstones.Ledger
	stones []tombstones.Stone // as they were when the engine was made
}

// New opens the database and wires everything. It starts no work; see Run. Close the engine when done.
func New(ctx context.Context, c Config) (*Engine, error) {
	s, err := store.Open(ctx, store.Config{DSN: c.DSN, Secret: c.Installation.Secret, Now: c.Now, Logger: c.Log})
	if err != nil {
		return nil, err
	}
	e := &Engine{Store: s, log: c.Log, now: c.Now}
	if err := e.wire(c); err != nil {
		_ = s.Close()
		return nil, err
	}
	return e, nil
}

func (e *Engine) wire(c Config) (err error) {
	if c.Tombstones != "" {
		key, err := derive(c.Installation.Secret, "tombstones")
		if err != nil {
			return err
		}
		if e.graves, e.stones, err = tombstones.Open(c.Tombstones, key); err != nil {
			return err
		}
	}
	base := c.BaseURL.String()
	e.Vault = vault.New(c.KEK, c.Installation.ID, c.Now)
	safe := sealed.New(e.Vault, c.Now)
	if c.KEKSource == "" {
		c.KEKSource = "a file on this machine"
	}
	e.Audit = audit.New(e.Store, c.Now)
	checkpoints, err := derive(c.Installation.Secret, "audit checkpoints")
	if err != nil {
		return err
	}
	e.AuditLog = audit.NewLog(audit.LogConfig{Store: e.Store, Keeper: e.Audit, Origin: "postern/" + c.Installation.ID, Key: ed25519.NewKeyFromSeed(checkpoints), Now: c.Now, Logger: c.Log, Witnesses: c.Witnesses, Client: c.Guard.HTTPClient(dial.Webhook, 0), Local: dial.Local})
	out, err := outbox.New(safe, c.Now)
	if err != nil {
		return err
	}
	kept := tokens.New(tokens.Config{Store: e.Store, Safe: safe, Providers: c.Providers, BaseURL: base, Now: c.Now})
	seed, err := derive(c.Installation.Secret, "id tokens")
	if err != nil {
		return err
	}
	e.Keys = keys.New(keys.Config{Store: e.Store, Safe: safe, Audit: e.Audit, Outbox: out, Source: c.KEKSource, Now: c.Now, Log: c.Log})
	e.Evidence = evidence.New(evidence.Config{Store: e.Store, Safe: safe, Audit: e.Audit, Log: e.AuditLog, Outbox: out, Guard: c.Guard, BaseURL: c.BaseURL, Region: c.Installation.Region,
		Siblings: c.Siblings, Allow: c.EgressAllow, Company: c.Company, Keys: e.keyFacts, Now: c.Now, Logger: c.Log})
	e.Grants = grants.New(grants.Config{Store: e.Store, Audit: e.Audit, Outbox: out, Tokens: kept, Providers: c.Providers, BaseURL: base, Region: c.Installation.Region,
		Company: c.Company, IDTokens: ed25519.NewKeyFromSeed(seed), Cut: func(id models.GrantID) { e.Watch.Stop(id) },
		Push: func(id models.GrantID) *provider.Push { return e.Verifications.MicrosoftPush(id) }, Now: c.Now, Log: c.Log})
	kept.Refused, kept.CutThere = e.Grants.Expired, e.Grants.CutThere
	e.Ledger = ledger.New(e.Store, c.Now, c.Log)
	e.Mailbox = mailbox.New(mailbox.Config{Store: e.Store, Tokens: kept, Safe: safe, Outbox: out, Providers: c.Providers, Now: c.Now, Log: c.Log})
	e.Watch = watch.New(watch.Config{Store: e.Store, Tokens: kept, Safe: safe, Outbox: out, Providers: c.Providers, Now: c.Now, Log: c.Log,
		Push: func(id models.GrantID) *provider.Push { return e.Verifications.MicrosoftPush(id) }})
	e.Tenants = tenants.New(e.Store, e.Audit, c.Installation.Region, c.Siblings, c.Now)
	e.Applications = applications.New(applications.Config{Store: e.Store, Safe: safe, Audit: e.Audit, Providers: c.Providers, Now: c.Now})
	if e.Access, err = access.New(access.Config{Store: e.Store, Audit: e.Audit, BaseURL: c.BaseURL, Region: c.Installation.Region, Demo: c.Demo, Siblings: c.Siblings, Keys: access.KeyStanding, Now: c.Now, Logger: c.Log}); err != nil {
		return err
	}
	digest, err := derive(c.Installation.Secret, "digests")
	if err != nil {
		return err
	}
	if seed, err = derive(c.Installation.Secret, "webhook signatures"); err != nil {
		return err
	}
	out.Digest = digest
	e.Outbox = out
	e.Webhooks = webhooks.New(webhooks.Config{Store: e.Store, Safe: safe, Audit: e.Audit, Outbox: out, Guard: c.Guard, DigestKey: digest,
		SigningKey: ed25519.NewKeyFromSeed(seed), Addresses: c.Addresses,
		AddressesAt: c.Now(), PlainHTTP: c.PlainHTTP, Mail: c.Mail, BaseURL: base, PayloadDays: c.EventDays, LogDays: c.DeliveryDays, Now: c.Now, Logger: c.Log})
	e.Offboardings = offboardings.New(offboardings.Config{Store: e.Store, Audit: e.Audit, Outbox: out, Grants: e.Grants, Webhooks: e.Webhooks, Region: c.Installation.Region, Now: c.Now, Log: c.Log})
	push := c.Push
	push.Cut, push.Wake, push.Lapse, push.Base = e.Grants.CutAtProvider, e.Watch.Wake, e.Watch.Lapse, c.BaseURL
	if push.StateKey, err = derive(c.Installation.Secret, "graph subscriptions"); err != nil {
		return err
	}
	e.Verifications = verifications.New(verifications.Config{Store: e.Store, Safe: safe, Audit: e.Audit, Push: push, Guard: c.Guard, DigestKey: digest, Now: c.Now, Logger: c.Log})
	return nil
}

// keyFacts brings what one deed knows to another.
func (e *Engine) keyFacts(ctx context.Context, actor models.Actor) (evidence.KeyFacts, error) {
	s, err := e.Keys.Standing(ctx, actor)
	return evidence.KeyFacts{Settled: s.Settled(), Sealed: s.Sealed, Current: s.Current, Oldest: s.Oldest, CountedAt: s.CountedAt}, err
}

// ledgerEnd is how long the end of the program may be held up by accesses that are not written yet.
const ledgerEnd = 10 * time.Second

// Close writes what the access ledger still holds and ends the engine's database connections. The doors must have stopped answering.
func (e *Engine) Close() error {
	ending, cancel := context.WithTimeout(context.Background(), ledgerEnd)
	defer cancel()
	return errors.Join(e.Ledger.Flush(ending), e.Store.Close())
}

// derive makes a 32-byte key for one purpose from the instance secret (HKDF-SHA256, RFC 5869).
func derive(secret []byte, purpose string) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, "postern "+purpose, 32)
	if err != nil {
		return nil, fmt.Errorf("derive the key for %s: %w", purpose, err)
	}
	return key, nil
}
