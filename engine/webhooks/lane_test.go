package webhooks

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
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

// TestASlowReceiverHoldsUpNobody: one receiver does not answer, another does. All events of the other arrive while the calls to the silent one are still under way.
func TestASlowReceiverHoldsUpNobody(t *testing.T) {
	w := newWorld(t)
	w.Service.clock = time.Now
	w.client.Timeout = 10 * time.Minute // no call is given up meanwhile, however slow the machine
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
	prompt := newReceiver(t)
	first, _ := w.create(silent.URL)
	second, _ := w.create(prompt.URL)
	const events = 40
	for range events {
		w.happen(w.a, "grant.created", map[string]string{"grant_id": "g"})
	}
	start := time.Now()
	w.run()
	t.Cleanup(func() { close(over) }) // before the sender is stopped, which waits for its calls
	eventually(t, "all events at the prompt receiver", func() bool { return len(prompt.calls()) >= events })
	t.Logf("all arrived after %s", time.Since(start).Round(time.Millisecond))
	// What found no room is still to be done, and none of it counts as an attempt.
	if n := w.count(`SELECT count(*) FROM deliveries WHERE webhook_id = $1 AND status = 'waiting' AND attempts = 0`, first.ID.String()); n != events {
		t.Errorf("%d of %d deliveries to the silent receiver wait", n, events)
	}
	eventually(t, "the deliveries to the prompt receiver, recorded", func() bool {
		return w.count(`SELECT count(*) FROM deliveries WHERE webhook_id = $1 AND status = 'delivered'`, second.ID.String()) == events
	})
}

// eventually waits for what another goroutine or process does. The bound only ends a test that hangs.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
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

// TestASlowReadingIsFreshEnough: where reading webhook and secrets takes longer than they are good for, each reading still serves the calls after it. The clock
// leaps by most of that time whenever it is looked at, and by more while reading, as it does on a machine out of breath.
func TestASlowReadingIsFreshEnough(t *testing.T) {
	w := newWorld(t)
	r := newReceiver(t)
	hook, _ := w.create(r.URL)
	w.happen(w.a, "grant.created", 1)
	_, touched, err := w.fanOut(t.Context())
	if err != nil || len(touched) != 1 {
		t.Fatal(touched, err)
	}
	var ticks atomic.Int64
	begun := time.Now()
	w.real = func() time.Time { return begun.Add(time.Duration(ticks.Add(1)) * laneFresh * 4 / 5) }
	w.Service.clock = func() time.Time { ticks.Add(2); return w.clock.now() } // it is looked at once in each reading
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	l := w.newLane(touched[0], 0)
	over := make(chan struct{})
	go func() { defer close(over); l.run(ctx) }()
	for len(r.calls()) == 0 && ctx.Err() == nil {
		time.Sleep(10 * time.Millisecond) // the receiver tells nobody
	}
	stop()
	<-over
	if n := w.count(`SELECT count(*) FROM deliveries WHERE webhook_id = $1 AND status = 'delivered'`, hook.ID.String()); n != 1 {
		t.Errorf("%d of 1 arrived", n)
	}
}
