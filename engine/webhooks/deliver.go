package webhooks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/riverqueue/river"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// The statuses of a delivery.
const (
	waiting   = "waiting"
	delivered = "delivered"
	failed    = "failed"  // every attempt was made
	dropped   = "dropped" // the webhook was paused or given up, or the content is gone: nothing more is tried
)

type deliverWorker struct {
	river.WorkerDefaults[Deliver]
	service *Service
}

// Timeout covers two answers of the receiver, one for each secret of an overlap, and our own work around them.
func (w *deliverWorker) Timeout(*river.Job[Deliver]) time.Duration {
	return 2*answerTimeout + 15*time.Second
}

// NextRetry is soon: what fails here is ours. A receiver's failure is not the job's: the next attempt is a job of its own.
func (w *deliverWorker) NextRetry(job *river.Job[Deliver]) time.Time {
	return w.service.soon(job.Attempt)
}

// Work makes one attempt: reads what to send, asks the receiver with no connection to the database held, records what came of it.
func (w *deliverWorker) Work(ctx context.Context, job *river.Job[Deliver]) error {
	s := w.service
	p, err := s.load(ctx, job.Args)
	if err != nil || p == nil {
		return err
	}
	body, err := s.body(ctx, p)
	if fault.KindOf(err) == fault.Gone || errors.Is(err, store.ErrNotFound) || errors.Is(err, sealed.ErrAbsent) {
		return s.drop(ctx, p.delivery)
	}
	if err != nil {
		return err
	}
	if err := s.announce(ctx, p, body); err != nil {
		return err
	}
	if !s.lanes.enter(ctx, p.hook.ID, s.now) {
		// Jittered, so that the jobs which found no room do not come back together.
		return river.JobSnooze(time.Duration(float64(laneBack) * (0.5 + s.jitter())))
	}
	var a answer
	defer func() { s.lanes.leave(p.hook.ID, a, s.now()) }()
	a = s.send(ctx, p, body)
	return s.record(ctx, p, a)
}

// parcel is one attempt in the making.
type parcel struct {
	delivery models.Delivery
	hook     models.Webhook
	number   int
	keys     []key // in the order in which they are tried
}

type key struct {
	row   models.WebhookSecret
	value secret.Text
}

// test says that the delivery was asked for on the page. It carries a made-up event, is tried once, and is signed with the newest secret alone, so
// that its answer says whether the receiver knows that one.
func (p *parcel) test() bool { return p.delivery.TenantID == nil }

// load reads what the job is about; nil: there is nothing to do.
func (s *Service) load(ctx context.Context, a Deliver) (*parcel, error) {
	p := &parcel{number: a.Number}
	skip := false
	err := s.store.InApplication(ctx, a.Application, func(tx *store.Tx) error {
		var err error
		if p.delivery, err = tx.Delivery(a.Application, a.Delivery); err != nil {
			return err
		}
		if skip = p.delivery.Status != waiting || p.delivery.Attempts != a.Number-1; skip {
			return nil
		}
		if p.hook, err = tx.Webhook(a.Application, p.delivery.WebhookID); err != nil {
			return err
		}
		if !p.hook.Sends() {
			return nil
		}
		rows, err := tx.WebhookSecrets(a.Application, p.hook.ID)
		at := s.now()
		for _, row := range rows {
			if row.Signs(at) {
				p.keys = append(p.keys, key{row: row})
			}
		}
		return err
	})
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil // the webhook was deleted, and its deliveries with it
	case err != nil:
		return nil, fmt.Errorf("read delivery %s: %w", a.Delivery, err)
	case skip:
		return nil, nil
	case !p.hook.Sends() || len(p.keys) == 0:
		return nil, s.drop(ctx, p.delivery)
	}
	if p.test() {
		p.keys = p.keys[:1] // the newest
	}
	order(p.keys)
	return p, s.open(ctx, p.keys)
}

// order puts first the secret that the receiver accepted last. During an overlap nobody tells us when the receiver has switched, and a v3 receiver
// knows one signature header only, so two signatures cannot be sent at once: the right secret is learned from the answers. Without any
// answer yet the newest goes first.
func order(keys []key) {
	slices.SortStableFunc(keys, func(a, b key) int {
		x, y := a.row.LastAcceptedAt, b.row.LastAcceptedAt
		switch {
		case x != nil && y != nil && !x.Equal(*y):
			return y.Compare(*x)
		case x != nil && y == nil:
			return -1
		case x == nil && y != nil:
			return 1
		default:
			return cmp.Compare(b.row.Generation, a.row.Generation)
		}
	})
}

// open takes the secrets out of the vault. They are not kept in memory beyond the attempt: a rotation elsewhere holds from the next one on.
func (s *Service) open(ctx context.Context, keys []key) error {
	return s.store.InTenant(ctx, models.PlatformSpace, func(tx *store.Tx) error {
		for i, k := range keys {
			value, err := s.safe.Open(ctx, tx, models.PlatformSpace, owner(k.row.ID), "secret")
			if err != nil {
				return fmt.Errorf("open the secret of webhook %s, generation %d: %w", k.row.WebhookID, k.row.Generation, err)
			}
			keys[i].value = value
		}
		return nil
	})
}

// body builds the bytes that are sent and signed.
func (s *Service) body(ctx context.Context, p *parcel) (wire, error) {
	event := mockEvent(p.delivery.EventType, p.delivery.ApplicationID, p.delivery.CreatedAt)
	event.ID = p.delivery.EventID
	object := mockObject(event.Type, event.ApplicationID, event.OccurredAt)
	if !p.test() {
		var err error
		if event, object, err = s.event(ctx, *p.delivery.TenantID, p.delivery.EventID); err != nil {
			return wire{}, err
		}
	}
	plain, err := newEnvelope(event, p.number, object).wire()
	if err != nil || !p.hook.Compressed {
		return wire{sent: plain, object: object}, err
	}
	sent, err := zip(plain)
	return wire{sent: sent, object: object, gzip: true}, err
}

// wire is what goes out.
type wire struct {
	sent   []byte
	gzip   bool
	object []byte // to recognise it in an answer that repeats it
}

func (s *Service) event(ctx context.Context, tenant models.TenantID, id models.EventID) (models.Event, []byte, error) {
	var event models.Event
	var payload secret.Text
	err := s.store.InTenant(ctx, tenant, func(tx *store.Tx) (err error) {
		if event, err = tx.Event(tenant, id); err != nil {
			return err
		}
		payload, err = s.safe.Open(ctx, tx, tenant, sealed.Owner{Kind: sealed.EventOwner, ID: id.String()}, "payload")
		return err
	})
	if err != nil {
		return event, nil, fmt.Errorf("read event %s: %w", id, err)
	}
	return event, []byte(payload.Reveal()), nil
}

// announce notes the digests of the signatures that Postern's own receiver is about to see, so that it can tell a body that was altered on the
// way from one signed with a wrong secret. Only then: other receivers do not ask us.
func (s *Service) announce(ctx context.Context, p *parcel, body wire) error {
	if !p.hook.SelfCheck {
		return nil
	}
	return s.store.OnPlatform(ctx, "note the signature of a self-check", func(tx *store.Tx) error {
		for _, k := range p.keys {
			if err := tx.NoteSignature(models.SignatureDigest(s.digestKey, p.hook.ID, sign(k.value, body.sent)), s.now()); err != nil {
				return err
			}
		}
		return nil
	})
}

// drop gives a delivery up without an attempt.
func (s *Service) drop(ctx context.Context, d models.Delivery) error {
	return s.store.InApplication(ctx, d.ApplicationID, func(tx *store.Tx) error {
		now, err := tx.DeliveryForUpdate(d.ApplicationID, d.ID)
		if errors.Is(err, store.ErrNotFound) || err == nil && now.Status != waiting {
			return nil
		}
		if err != nil {
			return err
		}
		at := s.now()
		now.Status, now.NextAttemptAt, now.SettledAt = dropped, nil, &at
		return tx.ChangeDelivery(now)
	})
}
