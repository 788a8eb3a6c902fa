package webhooks

import (
	"cmp"
	"context"
	"fmt"
	"slices"

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

// parcel is one attempt in the making.
type parcel struct {
	delivery models.Delivery
	event    models.Event
	payload  secret.Text
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

// attempt makes one attempt: builds and signs the bytes, and asks the receiver. No connection to the database is held meanwhile.
func (s *Service) attempt(ctx context.Context, p *parcel) outcome {
	body, err := s.body(p)
	if err == nil {
		err = s.announce(ctx, p, body)
	}
	if err != nil {
		return outcome{parcel: p, err: err}
	}
	return outcome{parcel: p, answer: s.send(ctx, p, body)}
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

// open takes the secrets out of the vault that are not at hand yet. A lane holds them while it works and no longer.
func (s *Service) open(ctx context.Context, keys []key) error {
	if !slices.ContainsFunc(keys, func(k key) bool { return k.value.Empty() }) {
		return nil
	}
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
func (s *Service) body(p *parcel) (wire, error) {
	event, object := p.event, []byte(p.payload.Reveal())
	if p.test() {
		event = mockEvent(p.delivery.EventType, p.delivery.ApplicationID, p.delivery.CreatedAt)
		event.ID = p.delivery.EventID
		object = mockObject(event.Type, event.ApplicationID, event.OccurredAt)
	}
	plain, err := newEnvelope(event, p.number, object).wire()
	if err == nil && len(plain) > mostEnvelope {
		event.Type, object = truncated(event.Type, object)
		plain, err = newEnvelope(event, p.number, object).wire()
	}
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
