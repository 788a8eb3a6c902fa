package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postern-mail/postern/cmd/postern/load"
	"github.com/postern-mail/postern/engine/outbox"
	"github.com/postern-mail/postern/engine/webhooks"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

const (
	sendGoal     = 4000      // events a second
	sendAhead    = 20_000    // events committed and not yet received, at most: a backlog is no throughput
	sendTogether = 100       // events of one commit, as a sync that finds new mail writes them
	sendLogRows  = 1_000_000 // of deliveries, for the cost beside a large log
)

// sink is the receiver of the figures: it answers 200 and notes when each event came.
type sink struct {
	got  atomic.Int64
	note atomic.Bool // whether arrivals are noted one by one

	mu   sync.Mutex
	came map[string]time.Time
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		_, _ = io.WriteString(w, r.URL.Query().Get("challenge"))
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 2<<20))
	if err != nil {
		return
	}
	at := time.Now()
	if s.note.Load() {
		var e struct{ ID string }
		_ = json.Unmarshal(body, &e)
		s.mu.Lock()
		s.came[e.ID] = at
		s.mu.Unlock()
	}
	s.got.Add(1)
}

// benchSend holds the sending of events to the figures: 4,000 a second from commit to the receiver's 200 for one destination, a mean delay under 100 ms at a tenth of it,
// and a cost that does not grow with the log. Committing the events is part of what is measured.
func benchSend(ctx context.Context, b *bench) error {
	const name = "send"
	w, err := b.world(ctx)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for events: %w", err)
	}
	s := &sink{came: map[string]time.Time{}}
	server := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	defer server.Close() //nolint:errcheck // the measure is over
	hook, _, err := w.process.engine.Webhooks.Create(ctx, system, webhooks.Draft{Application: w.application, URL: "http://" + listener.Addr().String(), TriggerTypes: []string{"grant.updated"}})
	if err != nil {
		return err
	}
	for _, run := range []struct {
		what string
		rows int
	}{{"events of 1 KiB, from commit to 200, one destination", 0}, {fmt.Sprintf("the same beside a log of %s deliveries", strings.TrimSpace(number(sendLogRows, ""))), sendLogRows}} {
		if run.rows > 0 {
			if err := w.seedDeliveries(ctx, hook, run.rows); err != nil {
				return err
			}
		}
		before, had := w.cpuNow(ctx), s.got.Load()
		rate, err := w.sendFull(ctx, s, b.seconds)
		if err != nil {
			return err
		}
		after := w.cpuNow(ctx)
		each := func(d time.Duration) int { return int(float64(d.Microseconds()) / float64(s.got.Load()-had)) }
		b.note(figure{Measure: name, What: run.what, Value: rate, Unit: "events/s", Goal: sendGoal, Note: fmt.Sprintf("committed %d at a time meanwhile, in %d organisations; processor time an event %d µs here, receiver included, and %d µs in the database",
			sendTogether, len(w.tenants), each(after.own-before.own), each(after.database-before.database))})
	}
	mean, p99, err := w.sendGently(ctx, s, b.seconds)
	if err != nil {
		return err
	}
	b.note(figure{Measure: name, What: "delay from commit to the receiver, mean at 400 a second", Value: mean, Unit: "ms", Goal: 100, AtMost: true, Note: fmt.Sprintf("p99 %.0f ms", p99)})
	body := []byte(`{"text":"` + strings.Repeat("x", 1300) + `"}`)
	post := load.Do("POST", "/", "", "application/json", body)
	r, err := load.Run(ctx, load.Plan{Addr: listener.Addr().String(), Conns: 64, For: b.seconds, Request: func(int) []byte { return post }})
	if err == nil {
		b.rate(name, "a bare loop of POSTs to the same receiver, nothing durable", r, 0)
	}
	return err
}

// commit writes n events of 1 KiB for one organisation, in one transaction.
func (w *world) commit(ctx context.Context, tenant models.TenantID, n int) ([]models.EventID, error) {
	list := make([]outbox.Event, n)
	for i := range list {
		list[i] = outbox.Event{Tenant: tenant, Application: w.application, Type: "grant.updated", Source: "/google/emails/realtime", Object: map[string]string{"id": "m", "snippet": strings.Repeat("x", 1000)}}
	}
	var ids []models.EventID
	err := w.process.engine.Store.InTenant(ctx, tenant, func(tx *store.Tx) (err error) {
		ids, err = w.process.engine.Outbox.Events(ctx, tx, list)
		return err
	})
	return ids, err
}

// sendFull commits as fast as it can for the time given, and waits until all has arrived. It gives the events a second over the whole.
func (w *world) sendFull(ctx context.Context, s *sink, span time.Duration) (float64, error) {
	begun, had, sent := time.Now(), s.got.Load(), int64(0)
	for i := 0; time.Since(begun) < span; i++ {
		if sent-(s.got.Load()-had) > sendAhead {
			time.Sleep(time.Millisecond) // the receiver is behind by as much as is allowed; it tells nobody when it catches up
			continue
		}
		ids, err := w.commit(ctx, w.tenants[i%len(w.tenants)], sendTogether)
		if err != nil {
			return 0, err
		}
		sent += int64(len(ids))
	}
	for end := time.Now().Add(5 * time.Minute); s.got.Load()-had < sent; time.Sleep(time.Millisecond) { // what is measured ends with the last arrival, and that is counted elsewhere
		if time.Now().After(end) || ctx.Err() != nil {
			return 0, fmt.Errorf("%d of %d events arrived", s.got.Load()-had, sent)
		}
	}
	return float64(sent) / time.Since(begun).Seconds(), nil
}

// sendGently commits 400 events a second, four at a time, and gives the mean and the 99th percentile of the time until each arrived, in milliseconds.
func (w *world) sendGently(ctx context.Context, s *sink, span time.Duration) (mean, p99 float64, err error) {
	s.note.Store(true)
	defer s.note.Store(false)
	committed := map[string]time.Time{}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for begun, i := time.Now(), 0; time.Since(begun) < span; i++ {
		<-tick.C
		ids, err := w.commit(ctx, w.tenants[i%len(w.tenants)], 4)
		if err != nil {
			return 0, 0, err
		}
		at := time.Now()
		for _, id := range ids {
			committed[id.String()] = at
		}
	}
	var delays []time.Duration
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) { // the moments are noted at arrival; this only waits for the last
		s.mu.Lock()
		delays = delays[:0]
		for id, at := range committed {
			if came, ok := s.came[id]; ok {
				delays = append(delays, max(came.Sub(at), 0))
			}
		}
		s.mu.Unlock()
		if len(delays) == len(committed) {
			break
		}
		if time.Now().After(end) || ctx.Err() != nil {
			return 0, 0, fmt.Errorf("%d of %d events arrived", len(delays), len(committed))
		}
	}
	slices.Sort(delays)
	var sum time.Duration
	for _, d := range delays {
		sum += d
	}
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	return ms(sum) / float64(len(delays)), ms(delays[len(delays)*99/100]), nil
}

// seedDeliveries makes a webhook's log large: delivered deliveries with an attempt each, as the superuser.
func (w *world) seedDeliveries(ctx context.Context, hook models.Webhook, n int) error {
	conn, err := pgx.Connect(ctx, w.dsn)
	if err != nil {
		return fmt.Errorf("connect to seed: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // what was written is committed
	for _, statement := range []string{
		`INSERT INTO deliveries (application_id, id, webhook_id, tenant_id, event_id, event_type, status, attempts, last_status, created_at, settled_at)
			SELECT $1, gen_random_uuid(), $2, $3, gen_random_uuid(), 'grant.updated', 'delivered', 1, 200, now() - n * interval '1 second', now() FROM generate_series(1, $4::int) n`,
		`INSERT INTO attempts (application_id, id, delivery_id, number, generations, request, status, latency_ms, started_at)
			SELECT d.application_id, gen_random_uuid(), d.id, 1, '{1}', '{"Content-Type": "application/json"}', 200, 5, d.created_at FROM deliveries d
			WHERE d.application_id = $1 AND d.webhook_id = $2 AND d.tenant_id = $3 AND NOT EXISTS (SELECT FROM attempts a WHERE a.application_id = d.application_id AND a.delivery_id = d.id) LIMIT $4::int`,
	} {
		if _, err := conn.Exec(ctx, statement, w.application.String(), hook.ID.String(), w.tenants[0].String(), n); err != nil {
			return fmt.Errorf("seed deliveries: %w", err)
		}
	}
	_, err = conn.Exec(ctx, `ANALYZE deliveries; ANALYZE attempts; CHECKPOINT`)
	return err
}
