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
	w.clock.turn(time.Second)
	one, err := w.ReplayAll(ctx, w.staff, hook.ID, ReplayFailed, since)
	if err != nil || one.Total != 1 {
		t.Fatalf("%+v, %v", one, err)
	}
	if _, err := w.ReplayAll(ctx, w.staff, hook.ID, ReplayFailed, since); code(err) != "webhook_replay_running" {
		t.Errorf("a second replay at once: %v", err)
	}
	w.work()
	if list, err := w.Replays(ctx, w.staff, hook.ID); err != nil || len(list) != 1 || list[0].Done != 1 || list[0].FinishedAt == nil || list[0].Actor != "Olga Owner" {
		t.Errorf("replays %+v, %v", list, err)
	}
	times := map[string]int{}
	for _, d := range w.deliveries(hook) {
		times[d.Delivery.EventID.String()] = len(d.Attempts)
	}
	if len(r.calls()) != before+1 || times[failedEvent.String()] != 2 || times[old.String()] != 1 || times[fine.String()] != 1 {
		t.Errorf("%d calls, attempts %v", len(r.calls())-before, times)
	}
	w.exec(`UPDATE deliveries SET status = 'dropped', attempts = 0 WHERE event_id = $1`, fine.String())
	w.exec(`DELETE FROM attempts`)
	again := func(which string, want int) {
		t.Helper()
		w.clock.turn(time.Second)
		if r, err := w.ReplayAll(ctx, w.staff, hook.ID, which, since); err != nil || r.Total != want {
			t.Errorf("%s: %+v, %v", which, r, err)
		}
		w.work()
	}
	again(ReplayNeverAttempted, 1)
	again(ReplayFailed, 0)
	// What fails anew is not replayed by the same replay, for ever.
	w.exec(`UPDATE deliveries SET status = 'failed', attempts = 10 WHERE event_id = $1`, fine.String())
	w.exec(`DELETE FROM attempts`)
	r.say(func(received) int { return 500 })
	calls := len(r.calls())
	again(ReplayFailed, 1)
	if n := len(r.calls()) - calls; n != 1 {
		t.Errorf("%d attempts of a replay that fails", n)
	}
	// Many pieces, and a pause in between.
	w.exec(`INSERT INTO deliveries (application_id, id, webhook_id, tenant_id, event_id, event_type, status, attempts, created_at, settled_at)
		SELECT $1, gen_random_uuid(), $2, $3, gen_random_uuid(), 'grant.created', 'failed', 10, $4, $4 FROM generate_series(1, $5::int)`,
		w.app.String(), hook.ID.String(), w.a.String(), w.clock.now(), 2*replayPiece+1)
	w.clock.turn(time.Second)
	big, err := w.ReplayAll(ctx, w.staff, hook.ID, ReplayFailed, since)
	if err != nil || big.Total != 2*replayPiece+2 {
		t.Fatalf("%+v, %v", big, err)
	}
	if more, err := w.replaySome(ctx, replayAll{w.app, big.ID}); err != nil || !more {
		t.Fatal(more, err)
	}
	if n := w.count(`SELECT done FROM replays WHERE id = $1`, big.ID.String()); n != replayPiece {
		t.Errorf("%d done after the first piece", n)
	}
	if _, err := w.Update(ctx, w.staff, hook.ID, Change{Status: "pause"}); err != nil {
		t.Fatal(err)
	}
	w.work()
	if list, _ := w.Replays(ctx, w.staff, hook.ID); list[0].FinishedAt == nil || list[0].Stopped == "" || list[0].Done != replayPiece {
		t.Errorf("a replay of a webhook that was paused: %+v", list[0])
	}
	if n := w.count(`SELECT count(*) FROM audit_entries WHERE action = 'webhook.replay_all'`); n != 5 {
		t.Errorf("%d audit entries, want 5", n)
	}
	if _, err := w.ReplayAll(ctx, w.staff, hook.ID, ReplayFailed, since); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a paused webhook: %v", err)
	}
}
