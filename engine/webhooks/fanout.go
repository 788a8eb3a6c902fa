package webhooks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"github.com/postern-mail/postern/engine/outbox"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// Deliver is the job of one attempt. Number tells a job whose attempt was recorded already, by this process before it died or by
// another, from one that is still to be done.
type Deliver struct {
	Application models.ApplicationID `json:"application"`
	Delivery    models.DeliveryID    `json:"delivery"`
	Number      int                  `json:"number"`
}

// Kind names the job.
func (Deliver) Kind() string { return "deliver" }

// InsertOpts puts deliveries in their own queue. The job's attempts count only failures of ours, such as a key that cannot be reached: they must
// not use up a delivery.
func (Deliver) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: Queue, MaxAttempts: 1000}
}

type fanOutWorker struct {
	river.WorkerDefaults[outbox.FanOut]
	service *Service
}

// NextRetry is soon: what fails here is the database, not a receiver.
func (w *fanOutWorker) NextRetry(job *river.Job[outbox.FanOut]) time.Time {
	return w.service.soon(job.Attempt)
}

// Work makes one delivery of the event for each webhook that wants it, and their first jobs, in one transaction. Running it twice adds nothing.
func (w *fanOutWorker) Work(ctx context.Context, job *river.Job[outbox.FanOut]) error {
	s := w.service
	var event models.Event
	err := s.store.InTenant(ctx, job.Args.Tenant, func(tx *store.Tx) (err error) {
		event, err = tx.Event(job.Args.Tenant, job.Args.Event)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil // its tenant was offboarded
	}
	if err != nil {
		return fmt.Errorf("read event %s: %w", job.Args.Event, err)
	}
	return s.store.InApplication(ctx, event.ApplicationID, func(tx *store.Tx) error {
		hooks, err := tx.WebhooksForEvent(event.ApplicationID, event.TenantID, subscription(event.Type))
		if err != nil {
			return fmt.Errorf("find the webhooks for event %s: %w", event.ID, err)
		}
		at := s.now()
		for _, hook := range hooks {
			d := models.Delivery{ApplicationID: event.ApplicationID, ID: models.NewID[models.DeliveryID](at), WebhookID: hook.ID, TenantID: &event.TenantID,
				EventID: event.ID, EventType: event.Type, Status: waiting, NextAttemptAt: &at, CreatedAt: at}
			added, err := tx.InsertDelivery(d)
			if err != nil {
				return fmt.Errorf("add a delivery of event %s: %w", event.ID, err)
			}
			if !added {
				continue
			}
			if err := s.outbox.Job(ctx, tx, Deliver{d.ApplicationID, d.ID, 1}, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

// soon is when a job that failed on our side is tried again: 1 s, 2 s, 4 s ... up to ten minutes.
func (s *Service) soon(attempt int) time.Time {
	return s.now().Add(min(time.Second<<min(max(attempt-1, 0), 10), 10*time.Minute))
}
