package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postern-mail/postern/engine/verifications"
	"github.com/postern-mail/postern/models"
)

const (
	logDays   = 30      // that the rows are spread over, today the last
	logPiece  = 250_000 // rows of one statement
	logLooks  = 15      // at each filter; the middle one counts
	logGoal   = 150     // milliseconds, over 50 million rows
	logTypes  = 12
	logHooks  = 20
	logPoints = 40 // endpoints
)

// benchLog fills the verification log and asks for its page by each filter, with the chart above it, as the portal does. Rare and common values are asked for: the
// first cost a walk where an index is missing, the second where one is there that does not give the order.
func benchLog(ctx context.Context, b *bench) error {
	const name = "log"
	w, err := b.world(ctx)
	if err != nil {
		return err
	}
	fill, err := w.fillLog(ctx, b)
	if err != nil {
		return err
	}
	at := time.Now().UTC()
	type look struct {
		what string
		f    verifications.Filter
	}
	looks := []look{{"nothing", verifications.Filter{}}, {"verdict accepted", verifications.Filter{Verdict: "accepted"}}, {"verdict refused", verifications.Filter{Verdict: "refused"}},
		{"a common reason", verifications.Filter{Reason: verifications.OK}}, {"a rare reason", verifications.Filter{Reason: verifications.Stale}}, {"a reason that no row has", verifications.Filter{Reason: verifications.NotAllowlisted}},
		{"source", verifications.Filter{Source: verifications.KindV3}}, {"a rare source", verifications.Filter{Source: verifications.KindStandard}},
		{"event type", verifications.Filter{EventType: "type.3"}}, {"an event's id", verifications.Filter{Search: "evt-17"}},
		{"endpoint", verifications.Filter{Endpoint: fill.endpoint}}, {"webhook", verifications.Filter{Webhook: fill.hook}}, {"tenant", verifications.Filter{Tenant: w.tenants[3]}},
		{"a day three weeks ago", verifications.Filter{Since: at.AddDate(0, 0, -21), Until: at.AddDate(0, 0, -20)}}, {"the last 30 days", verifications.Filter{Since: at.AddDate(0, 0, -30), Until: at}},
		{"tenant and refused", verifications.Filter{Tenant: w.tenants[3], Verdict: "refused"}}, {"endpoint and reason", verifications.Filter{Endpoint: fill.endpoint, Reason: verifications.WrongSecret}},
		{"tenant, type and a week", verifications.Filter{Tenant: w.tenants[3], EventType: "type.3", Since: at.AddDate(0, 0, -7)}}}
	worst, of := 0.0, ""
	for _, l := range looks {
		took := make([]time.Duration, logLooks)
		rows := 0
		for i := range took {
			begun := time.Now()
			page, err := w.process.engine.Verifications.List(ctx, benchActor, l.f)
			if err != nil {
				return fmt.Errorf("list by %s: %w", l.what, err)
			}
			if _, err := w.process.engine.Verifications.Counts(ctx, benchActor, l.f); err != nil {
				return fmt.Errorf("count by %s: %w", l.what, err)
			}
			took[i], rows = time.Since(begun), len(page.Verifications)
		}
		slices.Sort(took)
		middle := float64(took[len(took)/2]) / float64(time.Millisecond)
		if middle > worst {
			worst, of = middle, l.what
		}
		b.note(figure{Measure: name, What: "the log's page by " + l.what, Value: middle, Unit: "ms", Goal: logGoal, AtMost: true,
			Note: fmt.Sprintf("%d rows shown, with their chart; slowest of %d %s", rows, logLooks, short(took[len(took)-1]))})
	}
	b.note(figure{Measure: name, What: fmt.Sprintf("the slowest filter over %s rows", strings.TrimSpace(number(float64(b.logRows), ""))), Value: worst, Unit: "ms", Goal: logGoal, AtMost: true, Note: of})
	return nil
}

type filled struct {
	endpoint models.EndpointID
	hook     models.WebhookID
}

// fillLog makes the log as large as is asked for, as the superuser: mostly genuine calls of the self-check, of all organisations, and a few of everything else. Its sums
// are made by the same statement as those of the rows that were there before sums were kept.
func (w *world) fillLog(ctx context.Context, b *bench) (filled, error) {
	var f filled
	begun := time.Now()
	conn, err := pgx.Connect(ctx, w.dsn)
	if err != nil {
		return f, fmt.Errorf("connect to fill the log: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // what was written is committed
	for back := range logDays {                  // days that a running Postern would have made long ago
		day := time.Now().UTC().AddDate(0, 0, -back)
		if err := makeDay(ctx, conn, day); err != nil {
			return f, err
		}
	}
	tenants := make([]string, len(w.tenants))
	for i, t := range w.tenants {
		tenants[i] = t.String()
	}
	ids := func(n int) []string {
		out := make([]string, n)
		for i := range out {
			out[i] = models.NewID[models.EndpointID](time.Now()).String()
		}
		return out
	}
	endpoints, hooks := ids(logPoints), ids(logHooks)
	if f.endpoint, err = models.ParseID[models.EndpointID](endpoints[10]); err != nil {
		return f, err
	}
	if f.hook, err = models.ParseID[models.WebhookID](hooks[5]); err != nil {
		return f, err
	}
	for done := 0; done < b.logRows; done += logPiece {
		n := min(logPiece, b.logRows-done)
		// The oldest first, as they would have come: an index in the order of time grows at its end.
		if _, err := conn.Exec(ctx, `INSERT INTO verifications (id, at, tenant_id, application_id, endpoint_id, webhook_id, source, event_id, event_type, verdict, reason, generation, representation, size, digest, skew_ms, address, latency_us)
			SELECT gen_random_uuid(), now() - ($1::bigint - n) * (interval '1 day' * $2::int / $1::bigint), CASE WHEN n % 50 <> 0 THEN ($3::uuid[])[1 + n % $9::int] END, $4, ($5::uuid[])[1 + n % $10::int], CASE WHEN n % 3 = 0 THEN ($6::uuid[])[1 + n % $11::int] END,
				CASE WHEN n % 10007 = 0 THEN 'standard' WHEN n % 5 = 0 THEN 'v3' ELSE 'self' END, CASE WHEN n % 50 <> 0 THEN 'evt-' || n ELSE '' END, CASE WHEN n % 50 <> 0 THEN 'type.' || n % $12::int ELSE '' END,
				CASE WHEN n % 50 <> 0 THEN 'accepted' ELSE 'refused' END, CASE WHEN n % 50 <> 0 THEN 'ok' WHEN n % 50000 = 0 THEN 'stale' ELSE 'wrong_secret' END, 1, 'raw', 1024, '\x00', 0, '192.0.2.7', 900
			FROM generate_series($7::bigint, $8::bigint) n`,
			b.logRows, logDays-1, tenants, w.application.String(), endpoints, hooks, done+1, done+n, len(tenants), logPoints, logHooks, logTypes); err != nil {
			return f, fmt.Errorf("fill the log: %w", err)
		}
		if done+n == b.logRows || (done/logPiece)%8 == 7 {
			fmt.Fprintf(b.out, "  %s rows\n", strings.TrimSpace(number(float64(done+n), "")))
		}
	}
	for _, statement := range []string{
		`INSERT INTO verification_hours (hour, shard, key, total, application_id, tenant_id, endpoint_id, webhook_id, source, event_type, verdict, reason, count)
			SELECT date_trunc('hour', at, 'UTC'), -2, sha256(convert_to(row_number() OVER ()::text, 'UTF8')), false, application_id, tenant_id, endpoint_id, webhook_id, source, event_type, verdict, reason, count(*)
			FROM verifications WHERE digest = '\x00' GROUP BY 1, application_id, tenant_id, endpoint_id, webhook_id, source, event_type, verdict, reason`,
		`INSERT INTO verification_hours (hour, shard, key, total, application_id, source, event_type, verdict, reason, count)
			SELECT hour, -2, sha256(convert_to('total' || row_number() OVER (), 'UTF8')), true, application_id, source, '', verdict, reason, sum(count) FROM verification_hours
			WHERE shard = -2 AND NOT total GROUP BY hour, application_id, source, verdict, reason`,
		`ANALYZE verifications`, `ANALYZE verification_hours`, `CHECKPOINT`,
	} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return f, fmt.Errorf("sum the log up: %w", err)
		}
	}
	fmt.Fprintf(b.out, "  the log is filled, after %s\n", time.Since(begun).Round(time.Second))
	return f, nil
}

// makeDay makes the log's part for a day, unless it is there. Postern's own job makes days at the same moment.
func makeDay(ctx context.Context, conn *pgx.Conn, day time.Time) error {
	var err error
	for range 3 {
		_, err = conn.Exec(ctx, fmt.Sprintf(`CREATE TABLE IF NOT EXISTS verifications_%s PARTITION OF verifications FOR VALUES FROM ('%s') TO ('%s')`,
			day.Format("20060102"), day.Format(time.DateOnly), day.AddDate(0, 0, 1).Format(time.DateOnly)))
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("make a day of the log: %w", err)
}
