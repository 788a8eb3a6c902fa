package webhooks

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// TestPayloadsAreKeptOnlyAsLongAsTheyAreNeeded: then the digest stays, and later nothing; what is younger is not touched.
func TestPayloadsAreKeptOnlyAsLongAsTheyAreNeeded(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	w.outbox.Digest = []byte("a key for digests in the tests...")
	hook, _ := w.create(newReceiver(t).URL)
	counts := func(payloads, events, deliveries, attempts int, when string) {
		t.Helper()
		if err := w.prune(ctx); err != nil {
			t.Fatal(err)
		}
		for query, want := range map[string]int{`sealed WHERE owner_kind = 'event'`: payloads, `events`: events, `deliveries`: deliveries, `attempts`: attempts} {
			if n := w.count(`SELECT count(*) FROM ` + query); n != want {
				t.Errorf("%s: %d of %s, want %d", when, n, query, want)
			}
		}
	}
	w.happen(w.a, "grant.created", 1)
	w.happen(w.b, "grant.created", 1)
	w.work()
	w.clock.turn((DefaultPayloadDays*24 - 1) * time.Hour)
	counts(2, 2, 2, 2, "before the time")
	w.happen(w.a, "grant.created", 2)
	w.work()
	w.clock.turn(2 * time.Hour)
	counts(1, 3, 3, 3, "after it")
	if n := w.count(`SELECT count(*) FROM events WHERE length(digest) = 32`); n != 3 {
		t.Errorf("%d events have a digest", n)
	}
	list := w.deliveries(hook)
	if _, err := w.Replay(ctx, w.staff, hook.ID, list[2].Delivery.ID); code(err) != "delivery_spent" {
		t.Errorf("replay of what is not kept: %v", err)
	}
	w.clock.turn((DefaultLogDays - DefaultPayloadDays) * 24 * time.Hour)
	counts(0, 1, 1, 1, "when the log's time is over too")
}

// TestADeletedWebhookGoesInPieces: it is gone at once for everybody, with one row changed, and the job removes the rest.
func TestADeletedWebhookGoesInPieces(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	r := newReceiver(t)
	hook, _ := w.create(r.URL)
	other, _ := w.create(newReceiver(t).URL)
	w.happen(w.a, "grant.created", 1)
	w.work()
	w.exec(`INSERT INTO deliveries (application_id, id, webhook_id, tenant_id, event_id, event_type, status, created_at, next_attempt_at)
		SELECT $1, gen_random_uuid(), $2, $3, gen_random_uuid(), 'grant.created', CASE WHEN n % 2 = 0 THEN 'failed' ELSE 'waiting' END, now(), now() FROM generate_series(1, $4::int) n`,
		w.app.String(), hook.ID.String(), w.a.String(), 2*pruneSome+7)
	calls := len(r.calls())
	if err := w.Delete(ctx, w.staff, hook.ID); err != nil {
		t.Fatal(err)
	}
	if n := w.count(`SELECT count(*) FROM deliveries WHERE webhook_id = $1`, hook.ID.String()); n != 2*pruneSome+8 {
		t.Errorf("the request itself removed deliveries: %d are left", n)
	}
	if _, err := w.Find(ctx, w.staff, hook.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a deleted webhook is found: %v", err)
	}
	if page, err := w.List(ctx, w.staff, Filter{}); err != nil || len(page.Webhooks) != 1 || page.Webhooks[0].ID != other.ID {
		t.Errorf("list %+v, %v", page, err)
	}
	if err := w.Delete(ctx, w.staff, hook.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("deleted twice: %v", err)
	}
	w.happen(w.a, "grant.created", 1)
	w.work()
	if len(r.calls()) != calls {
		t.Error("a deleted webhook is sent to")
	}
	if n := w.count(`SELECT (SELECT count(*) FROM deliveries WHERE webhook_id = $1) + (SELECT count(*) FROM webhooks WHERE id = $1) + (SELECT count(*) FROM webhook_secrets WHERE webhook_id = $1)
		+ (SELECT count(*) FROM attempts a WHERE NOT EXISTS (SELECT FROM deliveries d WHERE d.id = a.delivery_id))`, hook.ID.String()); n != 0 {
		t.Errorf("%d rows are left", n)
	}
	if n := len(w.deliveries(other)); n != 2 {
		t.Errorf("the other webhook has %d deliveries", n)
	}
	if models.FloorID[models.EventID](w.clock.now()).String() > models.NewID[models.EventID](w.clock.now()).String() {
		t.Error("the floor of a time is above an id of that time")
	}
}
