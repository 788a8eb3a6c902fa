package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postern-mail/postern/cmd/postern/load"
	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/models"
)

// benchAudit measures what the audit costs and whether it proves itself in time: changes with their entries, how far the log is behind meanwhile, and the offline check of a bundle.
func benchAudit(ctx context.Context, b *bench) error {
	w, err := b.world(ctx)
	if err != nil {
		return err
	}
	if err := b.auditWriters(ctx, w); err != nil {
		return err
	}
	return b.auditVerify(ctx, w)
}

// auditWriters renames tenants, each writer its own: a change and its entry in one transaction.
func (b *bench) auditWriters(ctx context.Context, w *world) error {
	const writers = 16
	conn, err := pgx.Connect(ctx, w.dsn)
	if err != nil {
		return fmt.Errorf("look at the queue: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // read only
	running, stop := context.WithTimeout(ctx, b.seconds)
	defer stop()
	var done atomic.Int64
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	began := time.Now()
	for i := range writers {
		all.Go(func() {
			for n := 0; running.Err() == nil; n++ {
				if err := w.process.engine.Tenants.Rename(running, system, w.tenants[i%len(w.tenants)], fmt.Sprintf("Tenant %03d, %d", i, n)); err != nil {
					if running.Err() == nil {
						failed.Store(&err)
						stop()
					}
					return
				}
				done.Add(1)
			}
		})
	}
	var lags []time.Duration
	for running.Err() == nil {
		var seconds float64
		if err := conn.QueryRow(ctx, `SELECT coalesce(extract(epoch FROM clock_timestamp() - min(e.at)), 0)::float8 FROM audit_pending p JOIN audit_entries e ON e.id = p.entry_id`).Scan(&seconds); err != nil {
			stop()
			all.Wait()
			return fmt.Errorf("look at the queue: %w", err)
		}
		lags = append(lags, time.Duration(seconds*float64(time.Second)))
		time.Sleep(20 * time.Millisecond) // between two samples of the lag: looking without end would be a load of its own
	}
	all.Wait()
	took := time.Since(began)
	if err := failed.Load(); err != nil {
		return *err
	}
	slices.Sort(lags)
	b.note(figure{Measure: "audit", What: "changes with their audit entry, 16 writers", Value: float64(done.Load()) / took.Seconds(), Unit: "/s", Goal: 3000})
	b.note(figure{Measure: "audit", What: "age of the oldest entry not yet in the log, p99", Value: float64(load.Percentile(lags, 99)) / float64(time.Millisecond), Unit: "ms", Goal: 1000, AtMost: true,
		Note: fmt.Sprintf("%d looks, p50 %s", len(lags), short(load.Percentile(lags, 50)))})
	return nil
}

// auditVerify fills the log up to b.entries, exports the whole of it and checks the file with the command, whose memory is its own.
func (b *bench) auditVerify(ctx context.Context, w *world) error {
	log := w.process.engine.AuditLog
	if err := w.seedAudit(ctx, b.entries); err != nil {
		return err
	}
	began := time.Now()
	for {
		s, err := log.Standing(ctx)
		if err != nil {
			return err
		}
		if s.Waiting == 0 {
			break
		}
		if _, err := log.SequenceOnce(ctx); err != nil {
			return err
		}
	}
	b.note(figure{Measure: "audit", What: "entries into the log, a backlog", Value: float64(b.entries) / time.Since(began).Seconds(), Unit: "/s"})
	name := filepath.Join(w.dir, "audit.bundle")
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	n, err := log.Export(ctx, system, models.TenantID{}, file)
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	defer os.Remove(name) //nolint:errcheck // the folder goes anyway
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	bundle, err := os.Open(name)
	if err != nil {
		return err
	}
	defer bundle.Close() //nolint:errcheck // it was only read
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	checked, most := make(chan struct{}), make(chan uint64)
	go func() { most <- peakMemory(checked) }()
	began = time.Now()
	_, err = audit.Verify(bundle, log.Key(), "")
	took := time.Since(began)
	close(checked)
	peak := <-most
	if err != nil {
		return fmt.Errorf("the bundle does not verify: %w", err)
	}
	b.note(figure{Measure: "audit", What: "entries verified offline", Value: float64(n) / took.Seconds(), Unit: "/s", Goal: 10_000_000.0 / 60,
		Note: fmt.Sprintf("%d entries, %.0f MiB, in %s; the goal is 10 million in 60 s", n, float64(info.Size())/(1<<20), took.Round(10*time.Millisecond))})
	b.note(figure{Measure: "audit", What: "memory that verifying takes, at most", Value: (float64(peak) - float64(before.HeapInuse)) / (1 << 20), Unit: "MiB", Goal: 200, AtMost: true})
	return nil
}

// peakMemory looks at the heap until done, and gives the most that was in use.
func peakMemory(done <-chan struct{}) (peak uint64) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		var now runtime.MemStats
		runtime.ReadMemStats(&now)
		peak = max(peak, now.HeapInuse)
		select {
		case <-done:
			return peak
		case <-tick.C:
		}
	}
}

// seedAudit adds entries by COPY until there are n of them, spread over the tenants and the last year. The database's own trigger puts each into the sequencer's queue.
func (w *world) seedAudit(ctx context.Context, n int) error {
	conn, err := pgx.Connect(ctx, w.dsn)
	if err != nil {
		return fmt.Errorf("count the audit: %w", err)
	}
	var have int
	err = conn.QueryRow(ctx, `SELECT count(*) FROM audit_entries`).Scan(&have)
	_ = conn.Close(ctx)
	if err != nil || have >= n {
		return err
	}
	begin, acts := time.Now().UTC().AddDate(-1, 0, 0), []string{"grant.create", "grant.revoke", "session.begin", "webhook.update", "api_key.create"}
	columns := []string{"id", "at", "tenant_id", "actor_kind", "actor_id", "actor", "action", "object_kind", "object_id", "object", "outcome", "detail", "address", "request_id"}
	_, err = w.copyRows(ctx, "audit_entries", columns, n-have, func(i int) ([]any, error) {
		at := begin.Add(time.Duration(float64(i) / float64(n) * float64(360*24*time.Hour)))
		return []any{models.NewID[models.AuditID](at).String(), at, w.tenants[i%len(w.tenants)].String(), "member", fmt.Sprintf("member-%d", i%400), fmt.Sprintf("Person %d", i%400), acts[i%len(acts)], "grant",
			fmt.Sprintf("grant-%d", i%100_000), fmt.Sprintf("person%06d@example.test", i%100_000), "done", map[string]string{"reason": "left the company"}, "192.0.2.7", fmt.Sprintf("request-%d", i)}, nil
	})
	return err
}
