package webhooks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

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

// record writes the outcomes of a webhook's attempts and what follows from them, in one transaction. Where that fails for another reason than a database that
// is away, one of them is at fault, and they are written one by one.
func (s *Service) record(ctx context.Context, hook models.Webhook, batch []outcome) error {
	// The receivers have answered: a shutdown that begins now must not lose that.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err := s.settle(ctx, hook, batch)
	if err == nil || errors.Is(err, store.ErrUnreachable) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	for _, o := range batch {
		if len(batch) > 1 {
			err = s.settle(ctx, hook, []outcome{o})
		}
		if err != nil && !errors.Is(err, store.ErrUnreachable) {
			o.answer.response, o.answer.request = "", nil
			err = s.settle(ctx, hook, []outcome{o})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) settle(ctx context.Context, hook models.Webhook, batch []outcome) error {
	list := make([]store.Settlement, len(batch))
	at := s.now()
	for i, o := range batch {
		p, a := o.parcel, o.answer
		d := p.delivery
		d.Attempts, d.LastStatus, d.NextAttemptAt, d.SettledAt = p.number, a.status, nil, nil
		switch next, more := s.next(p, a); {
		case a.ok():
			d.Status, d.SettledAt = delivered, &at
		case more:
			due := at.Add(next)
			d.Status, d.NextAttemptAt = waiting, &due
		default:
			d.Status, d.SettledAt = failed, &at
		}
		list[i] = store.Settlement{Delivery: d, Attempt: models.Attempt{ApplicationID: d.ApplicationID, ID: models.NewID[models.AttemptID](a.started), DeliveryID: d.ID, Number: p.number,
			Generations: a.generations, Request: a.request, Status: a.status, Response: a.response, Problem: a.problem, LatencyMS: int(a.latency.Milliseconds()), StartedAt: a.started}}
	}
	err := s.store.InApplication(ctx, hook.ApplicationID, func(tx *store.Tx) error {
		done, err := tx.Settle(ctx, hook.ApplicationID, list)
		if err != nil {
			return err
		}
		var counted []outcome
		sums := map[string]int{}
		for i, o := range batch {
			if done[o.parcel.delivery.ID] {
				counted = append(counted, o)
				sums[list[i].Delivery.Status]++
			}
		}
		if err := tx.AddDeliveryHours(hook.ApplicationID, hook.ID, at, sums); err != nil {
			return err
		}
		if err := s.learn(tx, hook, counted, at); err != nil {
			return err
		}
		return s.judge(ctx, tx, hook, counted, at)
	})
	if err != nil {
		return fmt.Errorf("record %d attempts of webhook %s: %w", len(batch), hook.ID, err)
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

// learn notes which secrets the receiver took. Where only one signs, that is news only every ten seconds; in an overlap it decides which one
// is tried first, so it is always written. A test is signed by the newest alone: it is a proof, and always written too.
func (s *Service) learn(tx *store.Tx, hook models.Webhook, batch []outcome, at time.Time) error {
	type news struct {
		at     time.Time
		always bool
		before *time.Time
	}
	taken := map[int]news{}
	for _, o := range batch {
		if o.answer.accepted == 0 {
			continue
		}
		n := taken[o.answer.accepted]
		if end := o.answer.started.Add(o.answer.latency); end.After(n.at) {
			n.at = end
		}
		n.always = n.always || len(o.parcel.keys) > 1 || o.parcel.test()
		for _, k := range o.parcel.keys {
			if k.row.Generation == o.answer.accepted {
				n.before = k.row.LastAcceptedAt
			}
		}
		taken[o.answer.accepted] = n
	}
	for generation, n := range taken {
		if !n.always && n.before != nil && at.Sub(*n.before) < acceptGrain {
			continue
		}
		if err := tx.MarkWebhookSecretAccepted(hook.ApplicationID, hook.ID, generation, n.at); err != nil {
			return err
		}
	}
	return nil
}

// judge moves the webhook between active, failing and failed. A webhook is failing when nothing got through for 15 minutes, works again at the
// first success, and is given up after 72 hours of failing, or at once when it answers 410. Of a batch that counts which came last: it was all under way at once.
func (s *Service) judge(ctx context.Context, tx *store.Tx, hook models.Webhook, batch []outcome, at time.Time) error {
	app, id := hook.ApplicationID, hook.ID
	var good, bad time.Time
	gone := false
	for _, o := range batch {
		end := o.answer.started.Add(o.answer.latency)
		switch {
		case o.answer.ok():
			good = later(good, end)
		case !o.parcel.test(): // a probe that was refused says nothing about the events
			bad = later(bad, end)
			gone = gone || o.answer.status == http.StatusGone
		}
	}
	if !good.IsZero() && !gone {
		if err := tx.MarkWebhookSucceeded(app, id, at); err != nil {
			return err
		}
		if hook.Status == models.WebhookFailing {
			_, err := tx.MarkWebhookStatus(app, id, models.WebhookFailing, models.WebhookActive, at)
			return err
		}
	}
	if bad.IsZero() || good.After(bad) && !gone {
		return nil
	}
	since, err := tx.MarkWebhookFailed(app, id, at)
	if err != nil {
		return err
	}
	switch {
	case gone:
		return s.giveUp(ctx, tx, hook, at, "the receiver answered 410", true, since)
	case hook.Status == models.WebhookFailing && !at.Before(hook.StatusAt.Add(failedAfter)):
		return s.giveUp(ctx, tx, hook, at, "nothing got through for 72 hours", false, since)
	case hook.Status == models.WebhookActive && !at.Before(since.Add(failingAfter)):
		moved, err := tx.MarkWebhookStatus(app, id, models.WebhookActive, models.WebhookFailing, at)
		if err != nil || !moved {
			return err
		}
		s.log.WarnContext(ctx, "webhook failing", "webhook", id)
		return s.tell(ctx, tx, hook, models.WebhookFailing, false)
	}
	return nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// giveUp stops sending. Only a person, or the company's program, sets the webhook to active again.
func (s *Service) giveUp(ctx context.Context, tx *store.Tx, w models.Webhook, at time.Time, why string, gone bool, since time.Time) error {
	moved, err := tx.MarkWebhookStatus(w.ApplicationID, w.ID, w.Status, models.WebhookFailed, at)
	if err != nil || !moved {
		return err
	}
	s.log.WarnContext(ctx, "webhook given up", "webhook", w.ID, "reason", why)
	if err := s.tell(ctx, tx, w, models.WebhookFailed, gone); err != nil {
		return err
	}
	return s.audit.Append(ctx, tx, models.System("webhooks"), entry("webhook.disable", w, map[string]string{
		"reason": why, "failing_for_seconds": strconv.Itoa(int(at.Sub(since).Seconds()))}))
}
