package v3

import (
	"math"
	"sync"
	"time"

	"github.com/postern-mail/postern/engine/fault"
)

// Limits are how often something may be asked. Zero takes the contract's figure, a negative number lifts the limit.
// A caller may be ahead of the rate for five seconds' worth, for detect by one minute's worth.
type Limits struct {
	Application float64 // requests a second to an application's own endpoints; 50
	Grant       float64 // requests a second to the mailbox of one grant; 200
	Key         float64 // requests a second with one API key, access token or service account, whatever it asks for; 2000
	Detect      float64 // provider detections a minute for an application; 20
	Address     float64 // requests a second from one address without a credential, or with a wrong one; 50
}

func (l Limits) orDefaults() Limits {
	for _, f := range []struct {
		field *float64
		value float64
	}{{&l.Application, 50}, {&l.Grant, 200}, {&l.Key, 2000}, {&l.Detect, 20}, {&l.Address, 50}} {
		if *f.field == 0 {
			*f.field = f.value
		}
	}
	return l
}

var errLimited = fault.New(fault.Limited, "rate_limit", "Too many requests at once. Wait for the time that Retry-After says, then go on more slowly.")

// buckets is a token bucket for each key. They live in this process alone: a limit keeps one caller from crowding out the others, and for
// that every process counting for itself is enough.
type buckets struct {
	rate, burst float64
	now         func() time.Time
	mu          sync.Mutex
	of          map[string]bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

// mostBuckets bounds the memory that strangers can make us use.
const mostBuckets = 50_000

func newBuckets(rate float64, ahead time.Duration, now func() time.Time) *buckets {
	return &buckets{rate: rate, burst: math.Max(1, rate*ahead.Seconds()), now: now, of: map[string]bucket{}}
}

// take uses one token of key's bucket, or answers a fault that says when there will be one.
func (b *buckets) take(key string) error {
	if b.rate < 0 {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	have, known := b.of[key]
	switch {
	case !known:
		if len(b.of) >= mostBuckets {
			b.sweep(now)
		}
		have = bucket{tokens: b.burst, at: now}
	case now.After(have.at):
		have = bucket{tokens: math.Min(b.burst, have.tokens+now.Sub(have.at).Seconds()*b.rate), at: now}
	}
	if have.tokens < 1 {
		b.of[key] = have
		return errLimited.RetryAfter(time.Duration((1 - have.tokens) / b.rate * float64(time.Second)))
	}
	have.tokens--
	b.of[key] = have
	return nil
}

// sweep forgets the buckets that are full again. When none is, all are forgotten: to let a few through is better than to grow.
func (b *buckets) sweep(now time.Time) {
	for key, have := range b.of {
		if have.tokens+now.Sub(have.at).Seconds()*b.rate >= b.burst {
			delete(b.of, key)
		}
	}
	if len(b.of) >= mostBuckets {
		clear(b.of)
	}
}
