package webhooks

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// TestReplayAll: what was given up since a time is sent again, once each, with its own id; what was delivered, is older, or is another's is not.
func TestReplayAll(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	r := newReceiver(t)
	hook, _ := w.create(r.URL)
	r.say(func(received) int { return 410 })
	old := w.happen(w.a, "grant.created", map[string]string{"grant_id": "old"})
	w.work()
	revive := func() {
		t.Helper()
		r.say(nil)
		if _, err := w.Update(ctx, w.staff, hook.ID, Change{Status: "active"}); err != nil {
			t.Fatal(err)
		}
	}
	revive()
	w.clock.turn(time.Hour)
	since := w.clock.now()
	w.clock.turn(time.Second)
	fine := w.happen(w.a, "grant.created", map[string]string{"grant_id": "fine"})
	w.work()
	r.say(func(received) int { return 410 })
	failedEvent := w.happen(w.a, "grant.created", map[string]string{"grant_id": "failed"})
	w.work()
	revive()
	if _, err := w.ReplayAll(ctx, w.staff, hook.ID, "everything", since); fault.KindOf(err) != fault.Invalid {
		t.Errorf("an unknown choice: %v", err)
	}
	for _, bad := range []time.Time{{}, w.clock.now().Add(time.Minute)} {
		if _, err := w.ReplayAll(ctx, w.staff, hook.ID, ReplayFailed, bad); fault.KindOf(err) != fault.Invalid {
			t.Errorf("since %s: %v", bad, err)
		}
	}
	if _, err := w.ReplayAll(ctx, models.Actor{Kind: models.ActorKey, Application: w.other}, hook.ID, ReplayFailed, since); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("another application: %v", err)
	}
	w.work()
	before := len(r.calls())
	n, err := w.ReplayAll(ctx, w.staff, hook.ID, ReplayFailed, since)
	if err != nil || n != 1 {
		t.Fatalf("%d replayed, %v", n, err)
	}
	w.clock.turn(replaySpread)
	w.work()
	times := map[string]int{}
	for _, d := range w.deliveries(hook) {
		times[d.Delivery.EventID.String()] = len(d.Attempts)
	}
	if len(r.calls()) != before+1 || times[failedEvent.String()] != 2 || times[old.String()] != 1 || times[fine.String()] != 1 {
		t.Errorf("%d calls, attempts %v", len(r.calls())-before, times)
	}
	w.exec(`UPDATE deliveries SET status = 'dropped', attempts = 0 WHERE event_id = $1`, fine.String())
	if n, err := w.ReplayAll(ctx, w.staff, hook.ID, ReplayNeverAttempted, since); err != nil || n != 1 {
		t.Errorf("%d replayed that were never attempted, %v", n, err)
	}
	if n, err := w.ReplayAll(ctx, w.staff, hook.ID, ReplayFailed, since); err != nil || n != 0 {
		t.Errorf("%d replayed again, %v", n, err)
	}
	if n := w.count(`SELECT count(*) FROM audit_entries WHERE action = 'webhook.replay_all'`); n != 3 {
		t.Errorf("%d audit entries, want 3", n)
	}
	if _, err := w.Update(ctx, w.staff, hook.ID, Change{Status: "pause"}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.ReplayAll(ctx, w.staff, hook.ID, ReplayFailed, since); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a paused webhook: %v", err)
	}
}
