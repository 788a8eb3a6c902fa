package webhooks

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/outbox"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// TestOutcomesAreSummed: the chart of a webhook counts all that came of its deliveries, by day, however many there were; what another process recorded first counts once.
func TestOutcomesAreSummed(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	r := newReceiver(t)
	hook, _ := w.create(r.URL)
	other, _ := w.create(newReceiver(t).URL)
	since := w.clock.now().Truncate(24 * time.Hour)
	sums := func(id models.WebhookID) map[string]int {
		t.Helper()
		list, err := w.Outcomes(ctx, w.staff, id, since)
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]int{}
		for _, n := range list {
			if !n.Day.Equal(n.Day.Truncate(24 * time.Hour)) {
				t.Errorf("%s is no day", n.Day)
			}
			out[n.Outcome] += n.Count
		}
		return out
	}
	many := make([]outbox.Event, 230) // more than a page of the list
	for i := range many {
		many[i] = outbox.Event{Tenant: w.a, Application: w.app, Type: "grant.created", Source: "/nylas/system", Object: i}
	}
	if err := w.InTenant(ctx, w.a, func(tx *store.Tx) error { _, err := w.outbox.Events(ctx, tx, many); return err }); err != nil {
		t.Fatal(err)
	}
	w.work()
	if got := sums(hook.ID); got["delivered"] != 230 || len(got) != 1 {
		t.Errorf("after 230 deliveries: %v", got)
	}
	r.say(func(received) int { return http.StatusInternalServerError })
	w.happen(w.a, "grant.created", 1)
	w.happen(w.b, "grant.created", 2)
	w.work()
	if got := sums(hook.ID); got["delivered"] != 230 || got["waiting"] != 2 {
		t.Errorf("after two that failed: %v", got)
	}
	if got := sums(other.ID); got["delivered"] != 232 || len(got) != 1 {
		t.Errorf("another webhook: %v", got)
	}
	if _, err := w.Update(ctx, w.staff, hook.ID, Change{Status: "pause"}); err != nil {
		t.Fatal(err)
	}
	w.clock.turn(time.Minute)
	w.work()
	if got := sums(hook.ID); got["dropped"] != 2 {
		t.Errorf("after a pause: %v", got)
	}
}
