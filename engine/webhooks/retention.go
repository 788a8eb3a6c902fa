package webhooks

import (
	"context"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

const (
	// DefaultPayloadDays is how long an event's content stays sealed: retries take four days, and a person needs some to replay what failed.
	DefaultPayloadDays = 14
	// DefaultLogDays is how long events, deliveries and attempts are listed.
	DefaultLogDays = 90
	pruneSome      = 1000
)

// removeWebhook is the job that removes what a deleted webhook leaves.
type removeWebhook struct {
	Application models.ApplicationID `json:"application"`
	Webhook     models.WebhookID     `json:"webhook"`
}

// Kind names the job.
func (removeWebhook) Kind() string { return "remove_webhook" }

type removeWorker struct {
	river.WorkerDefaults[removeWebhook]
	service *Service
}

// Timeout is per run; a run that is cut off is taken up where it was.
func (w *removeWorker) Timeout(*river.Job[removeWebhook]) time.Duration { return 2 * time.Minute }

// Work removes in pieces, for a minute; what is left then is done by the next run, so that a webhook with a year of deliveries holds up no other job.
func (w *removeWorker) Work(ctx context.Context, job *river.Job[removeWebhook]) error {
	s, a := w.service, job.Args
	for end := s.real().Add(time.Minute); s.real().Before(end); {
		n, err := s.pruneDeliveries(ctx, a.Application, a.Webhook, s.now().AddDate(1, 0, 0))
		if err != nil {
			return fmt.Errorf("remove the deliveries of webhook %s: %w", a.Webhook, err)
		}
		if n < pruneSome {
			return s.store.InApplication(ctx, a.Application, func(tx *store.Tx) error { return tx.RemoveWebhook(a.Application, a.Webhook) })
		}
	}
	return river.JobSnooze(0)
}

func (s *Service) pruneDeliveries(ctx context.Context, application models.ApplicationID, hook models.WebhookID, before time.Time) (n int, err error) {
	err = s.store.InApplication(ctx, application, func(tx *store.Tx) (err error) {
		n, err = tx.PruneDeliveries(application, hook, before, pruneSome)
		return err
	})
	return n, err
}

// pruneSent is the job that destroys payloads whose time is over, and later what is listed of them.
type pruneSent struct{}

// Kind names the job.
func (pruneSent) Kind() string { return "prune_events" }

type pruneWorker struct {
	river.WorkerDefaults[pruneSent]
	service *Service
}

// Timeout bounds one run; the next one goes on.
func (w *pruneWorker) Timeout(*river.Job[pruneSent]) time.Duration { return 20 * time.Minute }

// Work goes through all tenants and all webhooks.
func (w *pruneWorker) Work(ctx context.Context, _ *river.Job[pruneSent]) error {
	return w.service.prune(ctx)
}

func (s *Service) prune(ctx context.Context) error {
	var tenants []models.TenantID
	var hooks []models.Webhook
	err := s.store.OnPlatform(ctx, "list what events are pruned of", func(tx *store.Tx) (err error) {
		tenants = nil
		var last models.TenantID
		for {
			page, err := tx.TenantIDs(last, pruneSome)
			if err != nil {
				return err
			}
			if tenants = append(tenants, page...); len(page) < pruneSome {
				break
			}
			last = page[len(page)-1]
		}
		hooks, err = tx.WebhooksWithDeleted()
		return err
	})
	if err != nil {
		return err
	}
	payloads, rows := s.now().AddDate(0, 0, -s.payloadDays), s.now().AddDate(0, 0, -s.logDays)
	for _, id := range tenants {
		if err := pieces(func() (n int, err error) {
			err = s.store.InTenant(ctx, id, func(tx *store.Tx) (err error) {
				n, err = tx.PrunePayloads(id, payloads, pruneSome)
				return err
			})
			return n, err
		}); err != nil {
			return fmt.Errorf("destroy old payloads of tenant %s: %w", id, err)
		}
	}
	for _, w := range hooks {
		if err := pieces(func() (int, error) { return s.pruneDeliveries(ctx, w.ApplicationID, w.ID, rows) }); err != nil {
			return fmt.Errorf("remove old deliveries of webhook %s: %w", w.ID, err)
		}
		if err := s.store.InApplication(ctx, w.ApplicationID, func(tx *store.Tx) error { return tx.PruneDeliveryHours(w.ApplicationID, w.ID, rows) }); err != nil {
			return fmt.Errorf("remove old sums of webhook %s: %w", w.ID, err)
		}
	}
	for _, id := range tenants {
		if err := pieces(func() (n int, err error) {
			err = s.store.OnPlatform(ctx, "remove old events", func(tx *store.Tx) (err error) {
				n, err = tx.PruneEvents(id, rows, pruneSome)
				return err
			})
			return n, err
		}); err != nil {
			return fmt.Errorf("remove old events of tenant %s: %w", id, err)
		}
	}
	return nil
}

// pieces repeats what removes a piece until one was not full.
func pieces(piece func() (int, error)) error {
	for {
		if n, err := piece(); err != nil || n < pruneSome {
			return err
		}
	}
}

// Periodic lists the jobs that come round by themselves.
func (s *Service) Periodic() []*river.PeriodicJob {
	return []*river.PeriodicJob{river.NewPeriodicJob(river.PeriodicInterval(time.Hour),
		func() (river.JobArgs, *river.InsertOpts) { return pruneSent{}, &river.InsertOpts{MaxAttempts: 3} }, &river.PeriodicJobOpts{RunOnStart: true})}
}
