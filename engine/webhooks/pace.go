package webhooks

import "time"

// One slow receiver must not hold up the others, nor be run down by us. How many calls it has under way at once grows by one with each quick answer and halves with
// each slow one; a receiver that has not answered for a while gets a few, and one that keeps failing two: enough to notice that it is back.
const (
	coldCalls   = 10              // before the first answer and after silence
	mostCalls   = 128             // of a receiver that answers
	brokenCalls = 2               // after brokenAfter failures in a row
	brokenAfter = 5               // the circuit's threshold
	warmFor     = 5 * time.Second // after a quick answer, the receiver is taken to answer
	quick       = time.Second
)

// pace is what a lane has learned of its receiver. The next holder of the lane learns it anew.
type pace struct {
	failures int // in a row
	allowed  int // calls under way, while warm
	warm     time.Time
}

// room says how many calls may be under way.
func (p *pace) room(at time.Time) int {
	switch {
	case p.failures >= brokenAfter:
		return brokenCalls
	case at.Before(p.warm):
		return min(max(p.allowed, coldCalls), mostCalls)
	default:
		return coldCalls
	}
}

// after notes how a call went.
func (p *pace) after(a answer, at time.Time) {
	if a.ok() {
		p.failures = 0
	} else {
		p.failures++
	}
	switch {
	case a.status == 0 || a.latency >= quick || a.status == 429 || a.status >= 500:
		p.allowed = max(p.allowed/2, coldCalls)
	default:
		p.allowed, p.warm = min(max(p.allowed, coldCalls)+1, mostCalls), at.Add(warmFor)
	}
}
