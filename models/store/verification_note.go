package store

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
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

// NoteSeen records that events came in and gives those that came for the first time. An event that is named twice is there once.
func (t *Tx) NoteSeen(events map[Seen]time.Time) (map[Seen]struct{}, error) {
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
	first := make(map[Seen]struct{}, len(order))
	rows, err := t.sql.QueryContext(t.ctx(), `INSERT INTO inbound_seen (endpoint_id, event_id, seen_at) SELECT * FROM unnest($1::uuid[], $2::text[], $3::timestamptz[])
		ON CONFLICT (endpoint_id, event_id) DO NOTHING RETURNING endpoint_id, event_id`, endpoints, names, times)
	if err != nil {
		return nil, wrap(err)
	}
	defer rows.Close() //nolint:errcheck // Err tells
	for rows.Next() {
		var e Seen
		if err := rows.Scan(&e.Endpoint, &e.Event); err != nil {
			return nil, fmt.Errorf("read what was new: %w", err)
		}
		first[e] = struct{}{}
	}
	return first, wrap(rows.Err())
}

// NoteSignatures records digests of genuine signatures and gives those that came for the first time, as strings of their bytes.
func (t *Tx) NoteSignatures(digests map[string]time.Time) (map[string]struct{}, error) {
	order := make([]string, 0, len(digests))
	for d := range digests {
		order = append(order, d)
	}
	slices.Sort(order)
	values, times := make([][]byte, len(order)), make([]time.Time, len(order))
	for i, d := range order {
		values[i], times[i] = []byte(d), digests[d]
	}
	return t.digests(`INSERT INTO known_signatures (digest, seen_at) SELECT * FROM unnest($1::bytea[], $2::timestamptz[]) ON CONFLICT (digest) DO NOTHING RETURNING digest`, values, times)
}

// KnownSignatures gives those of the digests that are of signatures that were genuine once.
func (t *Tx) KnownSignatures(digests [][]byte) (map[string]struct{}, error) {
	return t.digests(`SELECT digest FROM known_signatures WHERE digest = ANY ($1::bytea[])`, planned, digests)
}

func (t *Tx) digests(query string, args ...any) (map[string]struct{}, error) {
	rows, err := t.sql.QueryContext(t.ctx(), query, args...)
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

// InsertVerifications adds rows to the log, and to the sums of their hours.
func (t *Tx) InsertVerifications(list []models.Verification) error {
	if len(list) == 0 {
		return nil
	}
	var c columns
	for i := range list {
		c.add(&list[i])
	}
	_, err := t.sql.ExecContext(t.ctx(), `INSERT INTO verifications (id, at, tenant_id, application_id, endpoint_id, webhook_id, source, event_id, event_type, verdict, reason,
			generation, representation, size, digest, skew_ms, address, listed, latency_us)
		SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[],
			$12::int[], $13::text[], $14::bigint[], $15::bytea[], $16::bigint[], $17::text[], $18::bool[], $19::int[])`,
		c.id, c.at, c.tenant, c.application, c.endpoint, c.webhook, c.source, c.event, c.kind, c.verdict, c.reason,
		c.generation, c.representation, c.size, c.digest, c.skew, c.address, c.listed, c.latency)
	if err != nil {
		return wrap(err)
	}
	return t.addHours(list)
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

// addHours adds rows to the sums of their hours, in this process's own shard.
func (t *Tx) addHours(list []models.Verification) error {
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
	var c columns
	var keys [][]byte
	var totals []bool
	var counts []int64
	for _, s := range order {
		keys, totals, counts = append(keys, []byte(s.key)), append(totals, s.total), append(counts, sums[s.sum])
		c.at, c.application, c.tenant, c.endpoint, c.webhook = append(c.at, s.hour), append(c.application, s.application), append(c.tenant, s.tenant), append(c.endpoint, s.endpoint), append(c.webhook, s.webhook)
		c.source, c.kind, c.verdict, c.reason = append(c.source, s.source), append(c.kind, s.kind), append(c.verdict, s.verdict), append(c.reason, s.reason)
	}
	_, err := t.sql.ExecContext(t.ctx(), `INSERT INTO verification_hours AS h (shard, hour, key, total, application_id, tenant_id, endpoint_id, webhook_id, source, event_type, verdict, reason, count)
		SELECT $1::smallint, u.* FROM unnest($2::timestamptz[], $3::bytea[], $4::bool[], $5::uuid[], $6::uuid[], $7::uuid[], $8::uuid[], $9::text[], $10::text[], $11::text[], $12::text[], $13::bigint[]) u
		ON CONFLICT (hour, shard, key) DO UPDATE SET count = h.count + excluded.count`,
		t.shard, c.at, keys, totals, c.application, c.tenant, c.endpoint, c.webhook, c.source, c.kind, c.verdict, c.reason, counts)
	return wrap(err)
}

// ForgetHours removes sums from before the time.
func (t *Tx) ForgetHours(before time.Time) error {
	return wrap(t.db.Exec("DELETE FROM verification_hours WHERE hour < ?", before).Error)
}
