package webhooks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/riverqueue/river"

	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// waits is the pause before each attempt after the first: about four days in all. They are jittered by a fifth, so that the deliveries
// that failed together do not come back together.
var waits = []time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour}

const (
	failingAfter = 15 * time.Minute // without one success: the webhook is failing
	failedAfter  = 72 * time.Hour   // of failing: it is given up
	acceptGrain  = 10 * time.Second // how fine last_accepted_at is kept where only one secret signs
)

// record writes the attempt and what follows from it, in one transaction: the next attempt is a job committed with this one's result.
func (s *Service) record(ctx context.Context, p *parcel, a answer) error {
	// The receiver has answered: a shutdown that begins now must not lose that.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err := s.store.InApplication(ctx, p.delivery.ApplicationID, func(tx *store.Tx) error {
		d, err := tx.DeliveryForUpdate(p.delivery.ApplicationID, p.delivery.ID)
		if errors.Is(err, store.ErrNotFound) {
			return nil // the webhook was deleted while the receiver thought
		}
		if err != nil || d.Attempts != p.number-1 {
			return err // the same attempt was made twice, and the other was first to say so
		}
		at := s.now()
		d.Attempts, d.LastStatus, d.NextAttemptAt = p.number, a.status, nil
		switch next, more := s.next(p, a); {
		case a.ok():
			d.Status, d.SettledAt = delivered, &at
		case more:
			due := at.Add(next)
			d.Status, d.NextAttemptAt = waiting, &due
			if err := s.outbox.Job(ctx, tx, Deliver{d.ApplicationID, d.ID, p.number + 1}, &river.InsertOpts{Queue: Queue, ScheduledAt: due}); err != nil {
				return err
			}
		default:
			d.Status, d.SettledAt = failed, &at
		}
		if err := tx.ChangeDelivery(d); err != nil {
			return err
		}
		if err := tx.InsertAttempt(models.Attempt{ApplicationID: d.ApplicationID, ID: models.NewID[models.AttemptID](a.started), DeliveryID: d.ID, Number: p.number,
			Generations: a.generations, Request: a.request, Status: a.status, Response: a.response, Problem: a.problem,
			LatencyMS: int(a.latency.Milliseconds()), StartedAt: a.started}); err != nil {
			return err
		}
		if err := s.learn(tx, p, a, at); err != nil {
			return err
		}
		return s.judge(ctx, tx, p, a, at)
	})
	if err != nil {
		return fmt.Errorf("record attempt %d of delivery %s: %w", p.number, p.delivery.ID, err)
	}
	return nil
}

// next says how long to wait for the next attempt, and whether there is one. 410 means that nobody wants the events any more; a test is tried once.
func (s *Service) next(p *parcel, a answer) (time.Duration, bool) {
	if p.test() || a.status == http.StatusGone || p.number > len(waits) {
		return 0, false
	}
	wait := time.Duration(float64(waits[p.number-1]) * (0.8 + 0.4*s.jitter()))
	return max(wait, a.retryAfter), true
}

// learn notes which secret the receiver took. Where only one signs, that is news only every ten seconds; in an overlap it decides which one
// is tried first, so it is always written.
func (s *Service) learn(tx *store.Tx, p *parcel, a answer, at time.Time) error {
	for _, k := range p.keys {
		last := k.row.LastAcceptedAt
		if k.row.Generation != a.accepted || len(p.keys) == 1 && !p.test() && last != nil && at.Sub(*last) < acceptGrain {
			continue
		}
		return tx.MarkWebhookSecretAccepted(p.hook.ApplicationID, p.hook.ID, a.accepted, at)
	}
	return nil
}

// judge moves the webhook between active, failing and failed. A webhook is failing when nothing got through for 15 minutes, works again at the
// first success, and is given up after 72 hours of failing, or at once when it answers 410.
func (s *Service) judge(ctx context.Context, tx *store.Tx, p *parcel, a answer, at time.Time) error {
	app, id := p.hook.ApplicationID, p.hook.ID
	if a.ok() {
		if err := tx.MarkWebhookSucceeded(app, id, at); err != nil {
			return err
		}
		if p.hook.Status == models.WebhookFailing {
			_, err := tx.MarkWebhookStatus(app, id, models.WebhookFailing, models.WebhookActive, at)
			return err
		}
		return nil
	}
	if p.test() {
		return nil // a probe that was refused says nothing about the events
	}
	since, err := tx.MarkWebhookFailed(app, id, at)
	if err != nil {
		return err
	}
	switch {
	case a.status == http.StatusGone:
		return s.giveUp(ctx, tx, p.hook, at, "the receiver answered 410", since)
	case p.hook.Status == models.WebhookFailing && !at.Before(p.hook.StatusAt.Add(failedAfter)):
		return s.giveUp(ctx, tx, p.hook, at, "nothing got through for 72 hours", since)
	case p.hook.Status == models.WebhookActive && !at.Before(since.Add(failingAfter)):
		_, err := tx.MarkWebhookStatus(app, id, models.WebhookActive, models.WebhookFailing, at)
		return err
	}
	return nil
}

// giveUp stops sending. Only a person, or the company's program, sets the webhook to active again.
func (s *Service) giveUp(ctx context.Context, tx *store.Tx, w models.Webhook, at time.Time, why string, since time.Time) error {
	moved, err := tx.MarkWebhookStatus(w.ApplicationID, w.ID, w.Status, models.WebhookFailed, at)
	if err != nil || !moved {
		return err
	}
	s.log.WarnContext(ctx, "webhook given up", "webhook", w.ID, "reason", why)
	return s.audit.Append(ctx, tx, models.System("webhooks"), entry("webhook.disable", w, map[string]string{
		"reason": why, "failing_for_seconds": strconv.Itoa(int(at.Sub(since).Seconds()))}))
}
