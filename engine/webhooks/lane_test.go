package webhooks

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// run starts the workers in this process.
func (w *world) run(deliveries int) {
	w.t.Helper()
	workers := river.NewWorkers()
	w.Workers(workers)
	client, err := river.NewClient(riverpgxv5.New(w.Jobs()), &river.Config{Schema: store.JobsSchema, Workers: workers, Logger: slog.New(slog.DiscardHandler),
		FetchPollInterval: 50 * time.Millisecond, FetchCooldown: 5 * time.Millisecond,
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 4}, Queue: {MaxWorkers: deliveries}}})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := client.Start(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		_ = client.StopAndCancel(ctx)
	})
}

// TestASlowReceiverHoldsUpNobody: one receiver never answers, another does. With fewer workers than the silent one has events, all events of the
// other arrive long before the first call to the silent one is given up.
func TestASlowReceiverHoldsUpNobody(t *testing.T) {
	w := newWorld(t)
	w.Service.clock = time.Now
	over := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
		if in.Method == http.MethodGet {
			_, _ = io.WriteString(out, in.URL.Query().Get("challenge"))
			return
		}
		_, _ = io.Copy(io.Discard, in.Body)
		select {
		case <-over:
		case <-in.Context().Done():
		}
	}))
	t.Cleanup(silent.Close)
	t.Cleanup(func() { close(over) })
	prompt := newReceiver(t)
	first, _ := w.create(silent.URL)
	second, _ := w.create(prompt.URL)
	const events = 40
	for range events {
		w.happen(w.a, "grant.created", map[string]string{"grant_id": "g"})
	}
	start := time.Now()
	w.run(coldCalls + 4)
	for len(prompt.calls()) < events {
		if time.Since(start) > answerTimeout-3*time.Second {
			t.Fatalf("%d of %d events arrived at the prompt receiver while the other was silent", len(prompt.calls()), events)
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Logf("all arrived after %s", time.Since(start).Round(time.Millisecond))
	// What found no room is still to be done, and none of it counts as an attempt.
	if n := w.count(`SELECT count(*) FROM deliveries WHERE webhook_id = $1 AND status = 'waiting' AND attempts = 0`, first.ID.String()); n != events {
		t.Errorf("%d of %d deliveries to the silent receiver wait", n, events)
	}
	for end := time.Now().Add(5 * time.Second); w.count(`SELECT count(*) FROM deliveries WHERE webhook_id = $1 AND status = 'delivered'`, second.ID.String()) < events; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("deliveries to the prompt receiver are not recorded")
		}
	}
}

func TestLanes(t *testing.T) {
	ctx, l, at := context.Background(), &lanes{}, time.Now()
	now := func() time.Time { return at }
	id := models.NewID[models.WebhookID](at)
	enter := func(want int, what string) {
		t.Helper()
		got := 0
		for l.enter(ctx, id, now) {
			if got++; got > want {
				break
			}
		}
		if got != want {
			t.Errorf("%s: %d calls at once, want %d", what, got, want)
		}
	}
	leave := func(n int, a answer) {
		for range n {
			l.leave(id, a, at)
		}
	}
	enter(coldCalls, "before any answer")
	leave(coldCalls, answer{latency: answerTimeout})
	enter(brokenCalls, "after failures")
	leave(1, answer{status: 200, latency: 2 * time.Second})
	enter(coldCalls-1, "after a slow success")
	leave(coldCalls, answer{status: 200})
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if !l.enter(ctx, id, now) {
				t.Error("a receiver that answers has no room")
			}
		})
	}
	wg.Wait()
	at = at.Add(warmFor)
	leave(100, answer{status: 200, latency: 2 * time.Second})
	if len(l.of) != 0 {
		t.Error("a receiver of which nothing is known is remembered")
	}
	// Whoever waits is let in when a call ends.
	enter(coldCalls, "again")
	entered := make(chan bool)
	go func() { entered <- l.enter(ctx, id, now) }()
	time.Sleep(laneWait / 5)
	leave(1, answer{status: 200, latency: 2 * time.Second})
	if !<-entered {
		t.Error("nobody was let in after a call had ended")
	}
}
