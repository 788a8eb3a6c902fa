package offboardings

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/outbox"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// Grants is what an offboarding asks of the deed on grants.
type Grants interface {
	// CutFor deletes some grants whose tenant's door is closed, in a transaction of its own. Those that are gone are no error.
	CutFor(ctx context.Context, actor models.Actor, o models.Offboarding, ids []models.GrantID) error
	// GiveUp closes what is still open of a tenant at providers, as unconfirmed, and says how many there were.
	GiveUp(ctx context.Context, tenant models.TenantID) (int, error)
}

// Webhooks is what an offboarding asks of the deed on webhooks.
type Webhooks interface {
	Delete(ctx context.Context, actor models.Actor, id models.WebhookID) error
}

// Config wires the deeds.
type Config struct {
	Store    *store.Store
	Audit    *audit.Keeper
	Outbox   *outbox.Keeper
	Grants   Grants
	Webhooks Webhooks
	Region   string
	Now      func() time.Time
	Log      *slog.Logger
}

// Service does the deeds. It is safe for concurrent use.
type Service struct {
	Config
}

// New makes the service. It starts no work; see Workers and Tick.
func New(c Config) *Service { return &Service{c} }

// now is cut to what the database keeps.
func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }

func (s *Service) read(ctx context.Context, actor models.Actor, reason string, fn func(*store.Tx) error) error {
	switch {
	case actor.Platform():
		return s.Store.OnPlatform(ctx, reason, fn)
	case !actor.Tenant.IsZero():
		return s.Store.InTenant(ctx, actor.Tenant, fn)
	default:
		return store.ErrNotFound
	}
}

// Filter narrows the list. Cursor is the next of the page before.
type Filter struct {
	Tenant models.TenantID
	State  models.OffboardingState
	Cursor string
	Limit  int // 0: 50; at most 200
}

// List gives the offboardings that the actor may know of, the newest first, and the cursor of the next page.
func (s *Service) List(ctx context.Context, actor models.Actor, f Filter) ([]models.Offboarding, string, error) {
	if f.Limit <= 0 {
		f.Limit = 50
	}
	q := store.OffboardingQuery{Tenant: f.Tenant, State: f.State, Limit: min(f.Limit, 200) + 1}
	if !actor.Tenant.IsZero() {
		if !f.Tenant.IsZero() && f.Tenant != actor.Tenant {
			return nil, "", store.ErrNotFound
		}
		q.Tenant = actor.Tenant
	}
	var err error
	if q.BeforeAt, q.BeforeID, err = store.ReadCursor[models.OffboardingID](f.Cursor); err != nil {
		return nil, "", err
	}
	var rows []models.Offboarding
	err = s.read(ctx, actor, "list offboardings for staff", func(tx *store.Tx) (err error) {
		rows, err = tx.Offboardings(q)
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("list offboardings: %w", err)
	}
	if len(rows) < q.Limit {
		return rows, "", nil
	}
	rows = rows[:q.Limit-1]
	last := rows[len(rows)-1]
	return rows, store.Cursor(last.RequestedAt, last.ID), nil
}

// Standing is an offboarding and how far it got.
type Standing struct {
	models.Offboarding
	Plan  Plan
	Steps []models.OffboardingStep
	Open  int // severances whose provider has not answered yet
}

// Find gives one. A foreign one is store.ErrNotFound.
func (s *Service) Find(ctx context.Context, actor models.Actor, id models.OffboardingID) (Standing, error) {
	var out Standing
	err := s.read(ctx, actor, "read an offboarding for staff", func(tx *store.Tx) (err error) {
		if out.Offboarding, err = tx.AnyOffboarding(id); err != nil {
			return err
		}
		if out.Steps, err = tx.OffboardingSteps(out.TenantID, id); err != nil {
			return err
		}
		out.Open, err = tx.CountOpenSeverances(out.TenantID)
		return err
	})
	if err != nil {
		return out, fmt.Errorf("read an offboarding: %w", err)
	}
	if !actor.Sees(out.TenantID) {
		return Standing{}, store.ErrNotFound
	}
	out.Plan, err = readPlan(out.Offboarding.Plan)
	return out, err
}

// object names a tenant in the audit.
func object(o models.Offboarding, name, action string, detail map[string]string) audit.Entry {
	if detail == nil {
		detail = map[string]string{}
	}
	detail["offboarding"] = o.ID.String()
	return audit.Entry{Action: action, Tenant: o.TenantID, ObjectKind: "tenant", ObjectID: o.TenantID.String(), Object: name, Detail: detail}
}
