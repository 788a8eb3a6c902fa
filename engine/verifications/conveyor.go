package verifications

import (
	"context"
	"sync"
	"time"
)

// conveyor joins equal work of callers that come at the same time. While one load is under way, everybody who comes waits for the next
// one, which begins after they came: they see nothing older than their own call, and however many there are, the work takes one connection
// to the database. That is what keeps a flood of forged calls from starving the genuine ones.
//
// Loads begin pace apart at least. Under load that makes them large: what a transaction costs beside its rows is shared by all that came meanwhile, where loads one behind
// the other would keep a processor busy with little in each. A call that comes to an idle conveyor waits for nothing.
type conveyor[K comparable, V any] struct {
	work func(ctx context.Context, asked map[K]int) (map[K]V, error) // asked: each key with how many asked for it
	pace time.Duration

	mu      sync.Mutex
	next    *load[K, V]
	running bool
	gate    <-chan time.Time // opens pace after the last load began; only run touches it. nil: it was open already
}

type load[K comparable, V any] struct {
	asked map[K]int
	done  chan struct{}
	found map[K]V
	err   error
}

// loadTimeout bounds one load. Callers may give up earlier.
const loadTimeout = 10 * time.Second

// ask joins the next load and gives what it found for key; false where it found nothing.
func (c *conveyor[K, V]) ask(ctx context.Context, key K) (V, bool, error) {
	c.mu.Lock()
	if c.next == nil {
		c.next = &load[K, V]{asked: map[K]int{}, done: make(chan struct{})}
	}
	l := c.next
	l.asked[key]++
	if !c.running {
		c.running = true
		go c.run(context.WithoutCancel(ctx)) // it serves others too, who must not fail because this caller went away
	}
	c.mu.Unlock()
	var none V
	select {
	case <-l.done:
	case <-ctx.Done():
		return none, false, ctx.Err()
	}
	if l.err != nil {
		return none, false, l.err
	}
	v, found := l.found[key]
	return v, found, nil
}

// run takes loads until there is none.
func (c *conveyor[K, V]) run(ctx context.Context) {
	for {
		if c.gate != nil {
			<-c.gate
			c.gate = nil
		}
		c.mu.Lock()
		l := c.next
		c.next = nil
		if c.running = l != nil; !c.running {
			c.mu.Unlock()
			return
		}
		c.gate = time.After(c.pace)
		c.mu.Unlock()
		c.carry(ctx, l)
	}
}

func (c *conveyor[K, V]) carry(ctx context.Context, l *load[K, V]) {
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	defer close(l.done)
	l.found, l.err = c.work(ctx, l.asked)
}
