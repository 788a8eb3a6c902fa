package webhooks

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// run sends in this process until the test ends.
func (w *world) run() {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		w.Send(ctx)
	}()
	w.t.Cleanup(func() { cancel(); <-over })
}

// TestASlowReceiverHoldsUpNobody: one receiver never answers, another does. All events of the
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
	w.run()
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

func TestPace(t *testing.T) {
	at := time.Now()
	p := &pace{}
	room := func(want int, what string) {
		t.Helper()
		if got := p.room(at); got != want {
			t.Errorf("%s: %d calls at once, want %d", what, got, want)
		}
	}
	after := func(n int, a answer) {
		for range n {
			p.after(a, at)
		}
	}
	room(coldCalls, "before any answer")
	after(brokenAfter, answer{latency: answerTimeout})
	room(brokenCalls, "after failures")
	after(1, answer{status: 200, latency: 2 * time.Second})
	room(coldCalls, "after a slow success")
	after(20, answer{status: 200})
	room(coldCalls+20, "after quick ones")
	after(500, answer{status: 200})
	room(mostCalls, "after many")
	after(1, answer{status: 429})
	room(mostCalls/2, "after it asked for less")
	at = at.Add(warmFor)
	room(coldCalls, "after silence")
}
