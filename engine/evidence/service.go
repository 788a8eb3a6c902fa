package evidence

import (
	"context"
	"log/slog"
	"net/netip"
	"net/url"
	"time"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/outbox"
	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// Config is what the service is made of. Everything is required but Guard, Siblings and Allow.
type Config struct {
	Store    *store.Store
	Safe     *sealed.Safe
	Audit    *audit.Keeper
	Log      *audit.Log
	Outbox   *outbox.Keeper
	Guard    *dial.Guard // nil: no egress is counted
	BaseURL  *url.URL
	Region   string
	Siblings map[string]string // region to base URL, of Postern's installations elsewhere
	Allow    []netip.Prefix    // what the operator opened in the guard
	Company  string
	Keys     func(context.Context, models.Actor) (KeyFacts, error)
	Now      func() time.Time
	Logger   *slog.Logger
}

// Service does the deeds. It is safe for concurrent use.
type Service struct {
	Config
	counted map[egressKey]dial.Entry // by the one goroutine that counts
	latest  latest
}

// New makes the service.
func New(c Config) *Service { return &Service{Config: c, counted: map[egressKey]dial.Entry{}} }

// scope is the tenant whose rows the actor may see; zero: all.
func scope(actor models.Actor) models.TenantID {
	if actor.Platform() {
		return models.TenantID{}
	}
	return actor.Tenant
}

// read runs fn where the actor's rows are.
func (s *Service) read(ctx context.Context, actor models.Actor, reason string, fn func(*store.Tx) error) error {
	if actor.Platform() {
		return s.Store.OnPlatform(ctx, reason, fn)
	}
	if actor.Tenant.IsZero() {
		return store.ErrNotFound
	}
	return s.Store.InTenant(ctx, actor.Tenant, fn)
}
