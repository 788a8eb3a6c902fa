package webhooks

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// fanBatch is how many events are fanned out in one transaction.
const fanBatch = 500

// fanOut takes committed events out of the queue and makes one delivery of each for each webhook that wants it, in one transaction. It says how many events
// there were and which webhooks have something to send. Several processes may do this at once.
func (s *Service) fanOut(ctx context.Context) (int, []store.DueWebhook, error) {
	count := 0
	var touched []store.DueWebhook
	err := s.store.OnPlatform(ctx, "fan events out to the webhooks of their applications", func(tx *store.Tx) error {
		touched = nil
		events, err := tx.TakeEvents(fanBatch)
		count = len(events)
		if err != nil || count == 0 {
			return err
		}
		hooks, err := tx.SendingWebhooks(applicationsOf(events))
		if err != nil {
			return fmt.Errorf("find the webhooks for %d events: %w", count, err)
		}
		deliveries := fan(events, hooks, s.now())
		if len(deliveries) == 0 {
			return nil
		}
		seen := map[models.WebhookID]bool{}
		for _, d := range deliveries {
			if !seen[d.WebhookID] {
				seen[d.WebhookID] = true
				touched = append(touched, store.DueWebhook{Application: d.ApplicationID, Webhook: d.WebhookID})
			}
		}
		return tx.InsertDeliveries(ctx, deliveries)
	})
	if err != nil {
		return 0, nil, fmt.Errorf("fan out: %w", err)
	}
	return count, touched, nil
}

func applicationsOf(events []models.Event) []models.ApplicationID {
	var out []models.ApplicationID
	for _, e := range events {
		if !slices.Contains(out, e.ApplicationID) {
			out = append(out, e.ApplicationID)
		}
	}
	return out
}

// fan says what goes where: an event goes to each webhook of its application that wants its type and is not another tenant's.
func fan(events []models.Event, hooks []models.Webhook, at time.Time) []models.Delivery {
	var out []models.Delivery

	for i := range events {
		e := &events[i]
		trigger := subscription(e.Type)
		for _, hook := range hooks {
			if hook.ApplicationID != e.ApplicationID || hook.TenantID != nil && *hook.TenantID != e.TenantID || !slices.Contains(hook.TriggerTypes, trigger) {
				continue
			}
			out = append(out, models.Delivery{ApplicationID: e.ApplicationID, ID: models.NewID[models.DeliveryID](at), WebhookID: hook.ID, TenantID: &e.TenantID,
				EventID: e.ID, EventType: e.Type, Status: waiting, NextAttemptAt: &at, CreatedAt: at})
		}
	}
	return out
}
