package store

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/postern-mail/postern/models"
)

// Seen is one event at one endpoint.
type Seen struct {
	Endpoint models.EndpointID
	Event    string
}

// Used is one generation of a sender's secret.
type Used struct {
	Endpoint   models.EndpointID
	Generation int
}

// Sent is one event on its way to one webhook.
type Sent struct {
	Webhook models.WebhookID
	Event   models.EventID
}

// The statements below take arrays and not lists of values: their text is the same for one row and for a thousand, so each is planned once. Every
// one of them writes in the order of its key; two processes that write the same keys wait for each other and never both.

// NoteGenuine records that events came in, with the digests of the signatures that proved them, and gives those of both that had come before. An event or a digest that is
// named twice is there once.
func (t *Tx) NoteGenuine(events map[Seen]time.Time, digests map[string]time.Time) (again map[Seen]struct{}, used map[string]struct{}, err error) {
	order := make([]Seen, 0, len(events))
	for e := range events {
		order = append(order, e)
	}
	slices.SortFunc(order, func(a, b Seen) int {
		return cmp.Or(bytes.Compare(a.Endpoint[:], b.Endpoint[:]), strings.Compare(a.Event, b.Event))
	})
	endpoints, names, times := make([]pgtype.UUID, len(order)), make([]string, len(order)), make([]time.Time, len(order))
	for i, e := range order {
		endpoints[i], names[i], times[i] = pgtype.UUID{Bytes: e.Endpoint, Valid: true}, e.Event, events[e]
	}
	sorted := slices.Sorted(maps.Keys(digests))
	values, at := make([][]byte, len(sorted)), make([]time.Time, len(sorted))
	for i, d := range sorted {
		values[i], at[i] = []byte(d), digests[d]
	}
	// What is new, nearly all of it, is not sent back: only what was there.
	rows, err := t.sql.QueryContext(t.ctx(), `WITH e AS (INSERT INTO inbound_seen (endpoint_id, event_id, seen_at) SELECT * FROM unnest($1::uuid[], $2::text[], $3::timestamptz[])
			ON CONFLICT (endpoint_id, event_id) DO NOTHING RETURNING endpoint_id, event_id),
		s AS (INSERT INTO known_signatures (digest, seen_at) SELECT * FROM unnest($4::bytea[], $5::timestamptz[]) ON CONFLICT (digest) DO NOTHING RETURNING digest)
		SELECT u.endpoint_id, u.event_id, NULL::bytea FROM unnest($1::uuid[], $2::text[]) AS u (endpoint_id, event_id) WHERE NOT EXISTS (SELECT FROM e WHERE e.endpoint_id = u.endpoint_id AND e.event_id = u.event_id)
		UNION ALL SELECT NULL, '', u.digest FROM unnest($4::bytea[]) AS u (digest) WHERE NOT EXISTS (SELECT FROM s WHERE s.digest = u.digest)`, endpoints, names, times, values, at)
	if err != nil {
		return nil, nil, wrap(err)
	}
	defer rows.Close() //nolint:errcheck // Err tells
	again, used = map[Seen]struct{}{}, map[string]struct{}{}
	for rows.Next() {
		var endpoint *models.EndpointID
		var e Seen
		var digest []byte
		if err := rows.Scan(&endpoint, &e.Event, &digest); err != nil {
			return nil, nil, fmt.Errorf("read what was known: %w", err)
		}
		if endpoint == nil {
			used[string(digest)] = struct{}{}
			continue
		}
		e.Endpoint = *endpoint
		again[e] = struct{}{}
	}
	return again, used, wrap(rows.Err())
}

// KnownSignatures gives those of the digests that are of signatures that were genuine once, as strings of their bytes.
func (t *Tx) KnownSignatures(digests [][]byte) (map[string]struct{}, error) {
	rows, err := t.sql.QueryContext(t.ctx(), `SELECT digest FROM known_signatures WHERE digest = ANY ($1::bytea[])`, planned, digests)
	if err != nil {
		return nil, wrap(err)
	}
	defer rows.Close() //nolint:errcheck // Err tells
	found := map[string]struct{}{}
	for rows.Next() {
		var digest []byte
		if err := rows.Scan(&digest); err != nil {
			return nil, fmt.Errorf("read a digest: %w", err)
		}
		found[string(digest)] = struct{}{}
	}
	return found, wrap(rows.Err())
}

// TenantsOfEvents says whose the events are that were sent to webhooks. One that was not sent is not in the answer.
func (t *Tx) TenantsOfEvents(sent []Sent) (map[Sent]*models.TenantID, error) {
	hooks, events := make([]pgtype.UUID, len(sent)), make([]pgtype.UUID, len(sent))
	for i, s := range sent {
		hooks[i], events[i] = pgtype.UUID{Bytes: s.Webhook, Valid: true}, pgtype.UUID{Bytes: s.Event, Valid: true}
	}
	rows, err := t.sql.QueryContext(t.ctx(), `SELECT d.webhook_id, d.event_id, d.tenant_id FROM unnest($1::uuid[], $2::uuid[]) AS s (webhook_id, event_id)
		JOIN deliveries d ON d.webhook_id = s.webhook_id AND d.event_id = s.event_id`, planned, hooks, events)
	if err != nil {
		return nil, wrap(err)
	}
	defer rows.Close() //nolint:errcheck // Err tells
	found := map[Sent]*models.TenantID{}
	for rows.Next() {
		var s Sent
		var tenant *models.TenantID
		if err := rows.Scan(&s.Webhook, &s.Event, &tenant); err != nil {
			return nil, fmt.Errorf("read a delivery: %w", err)
		}
		found[s] = tenant
	}
	return found, wrap(rows.Err())
}

// InsertVerifications adds rows to the log, and to the sums of their hours, in this process's own shard.
func (t *Tx) InsertVerifications(list []models.Verification) error {
	if len(list) == 0 {
		return nil
	}
	var c columns
	for i := range list {
		c.add(&list[i])
	}
	h, keys, totals, counts := hours(list)
	_, err := t.sql.ExecContext(t.ctx(), `WITH log AS (INSERT INTO verifications (id, at, tenant_id, application_id, endpoint_id, webhook_id, source, event_id, event_type, verdict, reason,
			generation, representation, size, digest, skew_ms, address, listed, latency_us)
			SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[],
				$12::int[], $13::text[], $14::bigint[], $15::bytea[], $16::bigint[], $17::text[], $18::bool[], $19::int[]))
		INSERT INTO verification_hours AS h (shard, hour, key, total, application_id, tenant_id, endpoint_id, webhook_id, source, event_type, verdict, reason, count)
		SELECT $20::smallint, u.* FROM unnest($21::timestamptz[], $22::bytea[], $23::bool[], $24::uuid[], $25::uuid[], $26::uuid[], $27::uuid[], $28::text[], $29::text[], $30::text[], $31::text[], $32::bigint[]) u
		ON CONFLICT (hour, shard, key) DO UPDATE SET count = h.count + excluded.count`,
		c.id, c.at, c.tenant, c.application, c.endpoint, c.webhook, c.source, c.event, c.kind, c.verdict, c.reason,
		c.generation, c.representation, c.size, c.digest, c.skew, c.address, c.listed, c.latency,
		t.shard, h.at, keys, totals, h.application, h.tenant, h.endpoint, h.webhook, h.source, h.kind, h.verdict, h.reason, counts)
	return wrap(err)
}

// columns is rows of the log, turned.
type columns struct {
	id, tenant, application, endpoint, webhook                    []pgtype.UUID
	at                                                            []time.Time
	source, event, kind, verdict, reason, representation, address []string
	generation, latency                                           []int32
	size, skew                                                    []int64
	digest                                                        [][]byte
	listed                                                        []*bool
}

func (c *columns) add(v *models.Verification) {
	c.id, c.at = append(c.id, pgtype.UUID{Bytes: v.ID, Valid: true}), append(c.at, v.At)
	c.tenant, c.application = append(c.tenant, optional(v.TenantID)), append(c.application, optional(v.ApplicationID))
	c.endpoint, c.webhook = append(c.endpoint, optional(v.EndpointID)), append(c.webhook, optional(v.WebhookID))
	c.source, c.event, c.kind = append(c.source, v.Source), append(c.event, v.EventID), append(c.kind, v.EventType)
	c.verdict, c.reason, c.representation = append(c.verdict, v.Verdict), append(c.reason, v.Reason), append(c.representation, v.Representation)
	c.address, c.generation, c.latency = append(c.address, v.Address), append(c.generation, int32(v.Generation)), append(c.latency, int32(v.LatencyUS))
	c.size, c.skew, c.listed = append(c.size, v.Size), append(c.skew, v.SkewMS), append(c.listed, v.Listed)
	digest := v.Digest
	if digest == nil {
		digest = []byte{}
	}
	c.digest = append(c.digest, digest)
}

func optional[I ~[16]byte](id *I) pgtype.UUID {
	if id == nil {
		return pgtype.UUID{}
	}
	return pgtype.UUID{Bytes: *id, Valid: true}
}

// sum is one row of the hours.
type sum struct {
	hour                                   time.Time
	total                                  bool
	application, tenant, endpoint, webhook pgtype.UUID
	source, kind, verdict, reason          string
}

// key is the digest by which the row is found. Each part has its length before it.
func (s sum) key() string {
	h := sha256.New()
	fmt.Fprint(h, s.total, s.application, s.tenant, s.endpoint, s.webhook)
	for _, text := range []string{s.source, s.kind, s.verdict, s.reason} {
		fmt.Fprintf(h, "|%d|%s", len(text), text)
	}
	return string(h.Sum(nil)[:16])
}

// hours sums rows by their hours: the sums' columns in the order of their keys, the keys, whether each is a total, and the counts.
func hours(list []models.Verification) (c columns, keys [][]byte, totals []bool, counts []int64) {
	sums := map[sum]int64{}
	for i := range list {
		v := &list[i]
		one := sum{hour: v.At.UTC().Truncate(time.Hour), application: optional(v.ApplicationID), source: v.Source, verdict: v.Verdict, reason: v.Reason}
		all := one
		all.total = true
		sums[all]++
		one.tenant, one.endpoint, one.webhook, one.kind = optional(v.TenantID), optional(v.EndpointID), optional(v.WebhookID), v.EventType
		sums[one]++
	}
	type keyed struct {
		key string
		sum
	}
	order := make([]keyed, 0, len(sums))
	for s := range sums {
		order = append(order, keyed{s.key(), s})
	}
	slices.SortFunc(order, func(a, b keyed) int { return cmp.Or(a.hour.Compare(b.hour), strings.Compare(a.key, b.key)) })
	for _, s := range order {
		keys, totals, counts = append(keys, []byte(s.key)), append(totals, s.total), append(counts, sums[s.sum])
		c.at, c.application, c.tenant, c.endpoint, c.webhook = append(c.at, s.hour), append(c.application, s.application), append(c.tenant, s.tenant), append(c.endpoint, s.endpoint), append(c.webhook, s.webhook)
		c.source, c.kind, c.verdict, c.reason = append(c.source, s.source), append(c.kind, s.kind), append(c.verdict, s.verdict), append(c.reason, s.reason)
	}
	return c, keys, totals, counts
}

// ForgetHours removes sums from before the time.
func (t *Tx) ForgetHours(before time.Time) error {
	return wrap(t.db.Exec("DELETE FROM verification_hours WHERE hour < ?", before).Error)
}
