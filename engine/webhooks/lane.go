package webhooks

import (
	"context"
	"sync"
	"time"

	"github.com/postern-mail/postern/models"
)

// One slow receiver must not take the workers away from the others. A receiver that answers has as many calls under way as there is work; one that
// has not answered for a while gets a few, and one that keeps failing two: enough to notice that it is back.
const (
	coldCalls   = 10              // under way at once, before the first answer and after silence
	brokenCalls = 2               // after brokenAfter failures in a row
	brokenAfter = 5               // the circuit's threshold
	warmFor     = 5 * time.Second // after a quick success, the receiver is taken to answer
	quick       = time.Second
	laneWait    = 100 * time.Millisecond // for room, before the job is put off
	laneBack    = 2 * time.Second        // when a job that found no room is tried again
)

// lanes is what this process knows of each receiver. Other processes learn it by themselves.
type lanes struct {
	mu sync.Mutex
	of map[models.WebhookID]*lane
}

type lane struct {
	calls    int // under way
	failures int // in a row
	warm     time.Time
	freed    chan struct{} // closed when a call ends
}

// room says how many calls may be under way.
func (l *lane) room(at time.Time) int {
	switch {
	case l.failures >= brokenAfter:
		return brokenCalls
	case at.Before(l.warm):
		return 1 << 30
	default:
		return coldCalls
	}
}

// enter takes a place at the receiver, waiting a moment for one. It says false where there is none.
func (l *lanes) enter(ctx context.Context, id models.WebhookID, now func() time.Time) bool {
	timer := time.NewTimer(laneWait)
	defer timer.Stop()
	for {
		l.mu.Lock()
		if l.of == nil {
			l.of = map[models.WebhookID]*lane{}
		}
		if l.of[id] == nil {
			l.of[id] = &lane{freed: make(chan struct{})}
		}
		one := l.of[id]
		if one.calls < one.room(now()) {
			one.calls++
			l.mu.Unlock()
			return true
		}
		freed := one.freed
		l.mu.Unlock()
		select {
		case <-freed:
		case <-timer.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// leave gives the place back and notes how the call went. A receiver of which nothing is worth knowing is forgotten.
func (l *lanes) leave(id models.WebhookID, a answer, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	one := l.of[id]
	one.calls--
	if a.ok() {
		one.failures = 0
	} else {
		one.failures++
	}
	if a.status != 0 && a.latency < quick {
		one.warm = at.Add(warmFor)
	}
	close(one.freed)
	one.freed = make(chan struct{})
	if one.calls == 0 && one.failures == 0 && !at.Before(one.warm) {
		delete(l.of, id)
	}
}
