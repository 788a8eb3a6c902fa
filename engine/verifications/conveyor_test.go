package verifications

import (
	"context"
	"sync"
	"testing"
	"time"
)

// TestLoadsAreOneAtATimeAndApart: everybody is answered with what a load found that began after they came, and loads begin as far apart as they shall.
func TestLoadsAreOneAtATimeAndApart(t *testing.T) {
	var mu sync.Mutex
	var begun []time.Time
	asked, busy := 0, false
	c := &conveyor[int, int]{pace: 5 * time.Millisecond}
	c.work = func(_ context.Context, load map[int]int) (map[int]int, error) {
		mu.Lock()
		if busy {
			t.Error("two loads at once")
		}
		busy = true
		begun = append(begun, time.Now())
		for _, n := range load {
			asked += n
		}
		mu.Unlock()
		out := map[int]int{}
		for k := range load {
			if k != 7 { // of which nothing is known
				out[k] = 2 * k
			}
		}
		mu.Lock()
		busy = false
		mu.Unlock()
		return out, nil
	}
	start := time.Now()
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			for range 5 {
				if v, found, err := c.ask(t.Context(), i%10); err != nil || found != (i%10 != 7) || found && v != 2*(i%10) {
					t.Errorf("%d: %d, %v, %v", i%10, v, found, err)
				}
			}
		})
	}
	all.Wait()
	if asked != 1000 {
		t.Errorf("%d of 1000 asked", asked)
	}
	for i, at := range begun { // counted from the start: what a load notes may be late, never early
		if at.Sub(start) < time.Duration(i)*c.pace {
			t.Errorf("load %d began %s after the first call", i, at.Sub(start))
		}
	}
}
