package evidence_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/evidence"
)

// TestAPageShowsTheLastCheck: a page does not look at everything; it shows what was found last and when, and an old check is renewed behind it.
func TestAPageShowsTheLastCheck(t *testing.T) {
	w := newWorld(t, "https://mail.example.com")
	var ahead atomic.Int64
	w.Evidence.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	latest := func() evidence.Result {
		t.Helper()
		found, err := w.Evidence.Latest(ctx, owner)
		check(t, err)
		r, _ := evidence.Find(found, "asvs-egress")
		return r
	}
	first := latest()
	w.exec(`INSERT INTO egress_hosts (purpose, host, port, connected, first_at, last_at) VALUES ('webhook', 'unknown.example', 443, 1, now(), now())`)
	if again := latest(); again.State != first.State || !again.At.Equal(first.At) {
		t.Errorf("a second page a moment later looked again: %s of %s, first %s", again.State, again.At, first.At)
	}
	found, err := w.Evidence.Check(ctx, owner)
	check(t, err)
	now, _ := evidence.Find(found, "asvs-egress")
	if now.State == first.State || !now.At.After(first.At) {
		t.Errorf("a check that was asked for found %s, as before", now.State)
	}
	if shown := latest(); !shown.At.Equal(now.At) {
		t.Error("what was found is not shown")
	}
	w.exec(`UPDATE egress_hosts SET seen_at = now()`)
	ahead.Store(int64(6 * time.Minute))
	if shown := latest(); !shown.At.Equal(now.At) {
		t.Error("somebody waited for a check that could be made behind them")
	}
	for end := time.Now().Add(30 * time.Second); latest().State != first.State; time.Sleep(20 * time.Millisecond) { // the check runs behind the page
		if time.Now().After(end) {
			t.Fatal("a check of six minutes ago was not renewed")
		}
	}
	ahead.Store(int64(2 * time.Hour))
	if shown := latest(); !shown.At.After(time.Now().Add(90 * time.Minute)) {
		t.Errorf("a check of %s is shown two hours later", shown.At)
	}
}
