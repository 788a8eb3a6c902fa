package webhooks

import (
	"context"
	"time"

	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// Filter narrows a list. Cursor is Page.Next of the list before.
type Filter struct {
	Application models.ApplicationID // a program's is its own, whatever stands here
	Tenant      models.TenantID
	Status      models.WebhookStatus
	Search      string // part of the address or the description
	Cursor      string
	Limit       int // 0: 50; at most 200
}

// Page is one page of the list, the newest first. Next is empty at the end.
type Page struct {
	Webhooks []models.Webhook
	Next     string
}

// List lists the webhooks that the actor may know of.
func (s *Service) List(ctx context.Context, actor models.Actor, f Filter) (Page, error) {
	q := store.WebhookQuery{Application: f.Application, Tenant: f.Tenant, Status: f.Status, Search: f.Search}
	var err error
	if q.BeforeAt, q.BeforeID, err = store.ReadCursor[models.WebhookID](f.Cursor); err != nil {
		return Page{}, err
	}
	limit := limited(f.Limit)
	q.Limit = limit + 1
	var rows []models.Webhook
	read := func(tx *store.Tx) (err error) {
		rows, err = tx.Webhooks(q)
		return err
	}
	switch {
	case actor.Platform():
		err = s.store.OnPlatform(ctx, "list webhooks for staff", read)
	case actor.Kind == models.ActorKey && !actor.Application.IsZero():
		q.Application, q.WithoutSelf = actor.Application, true
		if !actor.Tenant.IsZero() {
			q.Tenant = actor.Tenant
		}
		err = s.store.InApplication(ctx, actor.Application, read)
	default:
		err = errDenied
	}
	if err != nil {
		return Page{}, err
	}
	page := Page{Webhooks: rows}
	if len(rows) > limit {
		page.Webhooks = rows[:limit]
		last := page.Webhooks[limit-1]
		page.Next = store.Cursor(last.CreatedAt, last.ID)
	}
	return page, nil
}

// Find reads one webhook.
func (s *Service) Find(ctx context.Context, actor models.Actor, id models.WebhookID) (models.Webhook, error) {
	var found models.Webhook
	err := s.look(ctx, actor, id, func(_ *store.Tx, w models.Webhook) error {
		found = w
		return nil
	})
	return found, err
}

// Secrets lists the generations of a webhook's secret, the newest first: their ages and when the receiver last accepted each. The secrets
// themselves are shown at their making and never again.
func (s *Service) Secrets(ctx context.Context, actor models.Actor, id models.WebhookID) ([]models.WebhookSecret, error) {
	var rows []models.WebhookSecret
	err := s.look(ctx, actor, id, func(tx *store.Tx, w models.Webhook) (err error) {
		rows, err = tx.WebhookSecrets(w.ApplicationID, w.ID)
		return err
	})
	return rows, err
}

// OutcomeCount is how often an outcome was recorded on one day.
type OutcomeCount struct {
	Day     time.Time // its midnight, UTC
	Outcome string    // delivered, failed, dropped; waiting: an attempt failed and is made again
	Count   int
}

// Outcomes sums what came of a webhook's deliveries by day since a time. A delivery that is sent again counts again. It goes back as far as deliveries are listed.
func (s *Service) Outcomes(ctx context.Context, actor models.Actor, id models.WebhookID, since time.Time) ([]OutcomeCount, error) {
	var list []OutcomeCount
	err := s.look(ctx, actor, id, func(tx *store.Tx, w models.Webhook) error {
		rows, err := tx.DeliveryCounts(w.ApplicationID, w.ID, since)
		for _, r := range rows {
			list = append(list, OutcomeCount{r.Day.UTC(), r.Outcome, r.Count})
		}
		return err
	})
	return list, err
}

// Health says how sending to a webhook went lately. It is empty where nothing was sent yet.
func (s *Service) Health(ctx context.Context, actor models.Actor, id models.WebhookID) (models.WebhookHealth, error) {
	var health models.WebhookHealth
	err := s.look(ctx, actor, id, func(tx *store.Tx, w models.Webhook) (err error) {
		health, err = tx.WebhookHealth(w.ApplicationID, w.ID)
		return err
	})
	return health, err
}
