package engine

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/postern-mail/postern/models/store"
)

// workersEnd is how long jobs in hand may take to finish when the program stops; then they are cut off and done again elsewhere.
const workersEnd = 20 * time.Second

// stuck is how long a job may be in hand before another process takes it: its own was killed. Every job ends, or times out, well before.
const stuck = 3 * time.Minute

// Run does the jobs, sends events and sequences the audit until ctx ends, then lets those in hand finish. Several processes may run on one database: each job is done by one.
func (e *Engine) Run(ctx context.Context) error {
	workers := river.NewWorkers()
	e.Grants.Workers(workers)
	e.Webhooks.Workers(workers)
	e.Mailbox.Workers(workers)
	e.Verifications.Workers(workers)
	e.Keys.Workers(workers)
	e.Evidence.Workers(workers)
	e.Offboardings.Workers(workers)
	client, err := river.NewClient(riverpgxv5.New(e.Store.Jobs()), &river.Config{
		RescueStuckJobsAfter: stuck,
		Schema:               store.JobsSchema, Workers: workers, Logger: slog.New(warnings{e.log.Handler()}), PeriodicJobs: slices.Concat(e.Verifications.Periodic(), e.Webhooks.Periodic(), e.Keys.Periodic()), FetchCooldown: 10 * time.Millisecond,
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 20}},
	})
	if err != nil {
		return fmt.Errorf("make the workers: %w", err)
	}
	if err := client.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start the workers: %w", err)
	}
	var beside, sending sync.WaitGroup
	beside.Go(func() { e.Ledger.Run(ctx) })
	beside.Go(func() { e.Evidence.KeepEgress(ctx) })
	sending.Go(func() { e.Webhooks.Send(ctx) })
	beside.Go(func() { e.Offboardings.Tick(ctx) })
	beside.Go(func() { e.requeue(ctx) })
	beside.Go(func() { e.Grants.KeepClosed(ctx) })
	beside.Go(func() { e.bury(ctx) })
	beside.Go(func() { e.AuditLog.Publish(ctx) })
	beside.Go(func() { e.Watch.Run(ctx) })
	e.AuditLog.Sequence(ctx)
	beside.Wait()
	defer sending.Wait() // the calls under way end while the jobs do
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), workersEnd)
	defer cancel()
	if err := client.Stop(ending); err != nil {
		cut, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return client.StopAndCancel(cut)
	}
	return nil
}

// requeueEvery is how often work is looked for whose job was lost with its process.
const requeueEvery = 10 * time.Second

func (e *Engine) requeue(ctx context.Context) {
	tick := time.NewTicker(requeueEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if _, err := e.Grants.Requeue(ctx); err != nil && ctx.Err() == nil {
			e.log.WarnContext(ctx, "lost severances could not be looked for", "error", err)
		}
	}
}

// warnings lets a library say only what somebody should look at: it counts its jobs aloud otherwise.
type warnings struct{ slog.Handler }

// Enabled implements slog.Handler.
func (w warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && w.Handler.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (w warnings) WithAttrs(attrs []slog.Attr) slog.Handler {
	return warnings{w.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (w warnings) WithGroup(name string) slog.Handler { return warnings{w.Handler.WithGroup(name)} }
