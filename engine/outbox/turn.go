package outbox

import (
	"context"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
)

// Long work is a job that does one piece after the other, each guarded by the rows that it ends: it may be killed anywhere, and two processes may be at it at once.
const (
	turnTakes = 30 * time.Second // how long one job works before it lets others have the worker

	TurnMost = 2 * turnTakes    // a job's Timeout
	Lost     = 15 * time.Second // nobody was at it for so long: its process is gone
	AtOnce   = 8                // transactions of one job at the same time
)

// Turn does pieces for a while, then gives the worker back and comes again. more: there is more to do, after wait.
func Turn(now func() time.Time, piece func() (more bool, wait time.Duration, err error)) error {
	for began := now(); now().Sub(began) < turnTakes; {
		more, wait, err := piece()
		switch {
		case err != nil:
			return err
		case !more:
			return nil
		case wait > 0:
			return river.JobSnooze(wait)
		}
	}
	return river.JobSnooze(0)
}

// LongWork is how a job of long work is enqueued: it fails often before it is given up, and is found anew even then.
func LongWork() *river.InsertOpts { return &river.InsertOpts{MaxAttempts: 1000} }

// Watch looks, again and again until ctx ends, for work that is due or was lost with its process. Every process runs it.
func Watch(ctx context.Context, log *slog.Logger, what string, every time.Duration, look func(context.Context) error) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := look(ctx); err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, what+" could not be looked after", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
