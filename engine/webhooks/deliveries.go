package webhooks

import (
	"context"
	"errors"
	"fmt"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// DeliveryFilter narrows the list of a webhook's deliveries.
type DeliveryFilter struct {
	Status string // waiting, delivered, failed, dropped
	Type   string
	Cursor string
	Limit  int // 0: 50; at most 200
}

// DeliveryPage is one page of the list, the newest first.
type DeliveryPage struct {
	Deliveries []models.Delivery
	Next       string
}

// DeliveryDetail is one delivery with its tries, the first one first.
type DeliveryDetail struct {
	Delivery models.Delivery
	Attempts []models.Attempt
}

// Deliveries lists what was sent to a webhook.
func (s *Service) Deliveries(ctx context.Context, actor models.Actor, id models.WebhookID, f DeliveryFilter) (DeliveryPage, error) {
	var page DeliveryPage
	q := store.DeliveryQuery{Webhook: id, Status: f.Status, Type: f.Type}
	var err error
	if q.BeforeAt, q.BeforeID, err = store.ReadCursor[models.DeliveryID](f.Cursor); err != nil {
		return page, err
	}
	limit := limited(f.Limit)
	q.Limit = limit + 1
	err = s.look(ctx, actor, id, func(tx *store.Tx, w models.Webhook) (err error) {
		q.Application = w.ApplicationID
		page.Deliveries, err = tx.Deliveries(q)
		return err
	})
	if len(page.Deliveries) > limit {
		page.Deliveries = page.Deliveries[:limit]
		last := page.Deliveries[limit-1]
		page.Next = store.Cursor(last.CreatedAt, last.ID)
	}
	return page, err
}

// Delivery reads one delivery with its attempts.
func (s *Service) Delivery(ctx context.Context, actor models.Actor, webhook models.WebhookID, id models.DeliveryID) (DeliveryDetail, error) {
	var out DeliveryDetail
	err := s.look(ctx, actor, webhook, func(tx *store.Tx, w models.Webhook) (err error) {
		if out.Delivery, err = tx.Delivery(w.ApplicationID, id); err != nil {
			return err
		}
		if out.Delivery.WebhookID != w.ID {
			out.Delivery = models.Delivery{}
			return store.ErrNotFound
		}
		out.Attempts, err = tx.Attempts(w.ApplicationID, id)
		return err
	})
	return out, err
}

// Replay sends a delivery again, now, with the same event id: one more attempt, and the schedule goes on from there. A delivery that waits for its
// next attempt gets it now. Faults: webhook_paused, delivery_spent.
func (s *Service) Replay(ctx context.Context, actor models.Actor, webhook models.WebhookID, id models.DeliveryID) (models.Delivery, error) {
	before, err := s.Delivery(ctx, actor, webhook, id)
	if err != nil {
		return before.Delivery, err
	}
	if d := before.Delivery; d.TenantID != nil {
		if err := s.kept(ctx, *d.TenantID, d.EventID); err != nil {
			return d, err
		}
	}
	var out models.Delivery
	err = s.within(ctx, actor, webhook, func(tx *store.Tx, w models.Webhook) error {
		if !w.Sends() {
			return errPaused
		}
		d, err := tx.DeliveryForUpdate(w.ApplicationID, id)
		if err != nil {
			return err
		}
		at := s.now()
		d.Status, d.NextAttemptAt, d.SettledAt = waiting, &at, nil
		if err := tx.ChangeDelivery(d); err != nil {
			return fmt.Errorf("replay delivery %s: %w", id, err)
		}
		out = d
		return s.audit.Append(ctx, tx, actor, entry("webhook.replay", w, map[string]string{"delivery": id.String(), "event": d.EventID.String(), "event_type": d.EventType}))
	})
	s.wake()
	return out, err
}

// kept says whether the event's content is still there.
func (s *Service) kept(ctx context.Context, tenant models.TenantID, event models.EventID) error {
	err := s.store.InTenant(ctx, tenant, func(tx *store.Tx) error {
		_, err := s.safe.Open(ctx, tx, tenant, sealed.Owner{Kind: sealed.EventOwner, ID: event.String()}, "payload")
		return err
	})
	if errors.Is(err, sealed.ErrAbsent) || errors.Is(err, store.ErrNotFound) || fault.KindOf(err) == fault.Gone {
		return errSpent.Because(err)
	}
	return err
}

// Test sends one made-up event to a webhook, through the same way as genuine ones: one attempt, signed with the newest secret alone. Its
// delivery and the receiver's answer stand in the list a moment later.
func (s *Service) Test(ctx context.Context, actor models.Actor, id models.WebhookID, trigger string) (models.Delivery, error) {
	if trigger == "" {
		trigger = defaultTrigger
	}
	if !KnownTrigger(trigger) {
		return models.Delivery{}, errUnknownTrigger(trigger)
	}
	var d models.Delivery
	err := s.within(ctx, actor, id, func(tx *store.Tx, w models.Webhook) error {
		if !w.Sends() {
			return errPaused
		}
		at := s.now()
		d = models.Delivery{ApplicationID: w.ApplicationID, ID: models.NewID[models.DeliveryID](at), WebhookID: w.ID, EventID: models.NewID[models.EventID](at),
			EventType: trigger, Status: waiting, NextAttemptAt: &at, CreatedAt: at}
		if _, err := tx.InsertDelivery(d); err != nil {
			return fmt.Errorf("add a test delivery: %w", err)
		}
		return s.audit.Append(ctx, tx, actor, entry("webhook.test", w, map[string]string{"event_type": trigger, "delivery": d.ID.String()}))
	})
	s.wake()
	return d, err
}
