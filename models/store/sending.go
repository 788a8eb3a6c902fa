package store

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postern-mail/postern/models"
)

// What a sender does thousands of times a second stands here: a statement works on a whole batch, with arrays as its arguments.

// planned has the server plan a statement anew each time, for its arguments and for the tables as they are. A plan that is kept by name was made when the tables were
// as large as they happened to be at the fifth call. On a new installation they are empty then, reading all of them looks cheap, and goes on until something analyses
// them. Planning takes less than a millisecond, which a batch shares.
const planned = pgx.QueryExecModeCacheDescribe

// TakeEvents takes up to most committed events out of the queue, in its order, and reads whose they are and of what type. Several senders may take at once: each event goes to one.
func (t *Tx) TakeEvents(most int) ([]models.Event, error) {
	rows, err := t.sql.QueryContext(t.ctx(), `WITH due AS (
			DELETE FROM event_queue WHERE place IN (SELECT place FROM event_queue ORDER BY place LIMIT $1 FOR UPDATE SKIP LOCKED) RETURNING place, tenant_id, event_id)
		SELECT e.tenant_id, e.id, e.application_id, e.type FROM due JOIN events e ON e.tenant_id = due.tenant_id AND e.id = due.event_id ORDER BY due.place`, planned, most)
	if err != nil {
		return nil, wrap(err)
	}
	defer rows.Close() //nolint:errcheck // read to its end, or failed with an error of its own
	var out []models.Event
	for rows.Next() {
		var e models.Event
		if err := rows.Scan(&e.TenantID, &e.ID, &e.ApplicationID, &e.Type); err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, wrap(rows.Err())
}

// SendingWebhooks lists the webhooks of these applications that events go out to.
func (t *Tx) SendingWebhooks(applications []models.ApplicationID) ([]models.Webhook, error) {
	return all[models.Webhook](t.db.Raw(`SELECT * FROM webhooks WHERE application_id = ANY (?::uuid[]) AND status IN ('active', 'failing') AND deleted_at IS NULL ORDER BY id`, array(applications)))
}

// InsertDeliveries adds deliveries that wait for their first attempt. What is there already is left: an event goes to a webhook once.
func (t *Tx) InsertDeliveries(ctx context.Context, list []models.Delivery) error {
	n := len(list)
	applications, ids, hooks, events := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	tenants, types, at := make([]string, n), make([]string, n), make([]time.Time, n)
	for i, d := range list {
		applications[i], ids[i], hooks[i], events[i], types[i], at[i] = d.ApplicationID.String(), d.ID.String(), d.WebhookID.String(), d.EventID.String(), d.EventType, d.CreatedAt
		if d.TenantID != nil {
			tenants[i] = d.TenantID.String()
		}
	}
	_, err := t.sql.ExecContext(ctx, `INSERT INTO deliveries (application_id, id, webhook_id, tenant_id, event_id, event_type, status, next_attempt_at, created_at)
		SELECT a, i, w, nullif(t, '')::uuid, e, y, 'waiting', c, c FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::uuid[], $6::text[], $7::timestamptz[]) AS u (a, i, w, t, e, y, c)
		ON CONFLICT (webhook_id, event_id) DO NOTHING`, applications, ids, hooks, tenants, events, types, at)
	return wrap(err)
}

// DueWebhook is a webhook with a delivery that is due.
type DueWebhook struct {
	Application models.ApplicationID `gorm:"column:application_id"`
	Webhook     models.WebhookID     `gorm:"column:webhook_id"`
}

// DueWebhooks lists the webhooks that have a delivery due. It jumps from webhook to webhook in the index, so its cost is that of the webhooks that wait for
// something, however many deliveries each has waiting.
func (t *Tx) DueWebhooks(at time.Time) ([]DueWebhook, error) {
	return all[DueWebhook](t.db.Raw(`WITH RECURSIVE w AS (
			(SELECT application_id, webhook_id, next_attempt_at FROM deliveries WHERE status = 'waiting' ORDER BY webhook_id, next_attempt_at LIMIT 1)
		UNION ALL
			SELECT n.application_id, n.webhook_id, n.next_attempt_at FROM w, LATERAL (SELECT d.application_id, d.webhook_id, d.next_attempt_at FROM deliveries d
				WHERE d.status = 'waiting' AND d.webhook_id > w.webhook_id ORDER BY d.webhook_id, d.next_attempt_at LIMIT 1) n)
		SELECT application_id, webhook_id FROM w WHERE next_attempt_at <= ?`, at))
}

// DueDelivery is a delivery with the event that it carries; a test carries none.
type DueDelivery struct {
	Delivery models.Delivery
	Event    models.Event
}

// Settlement is what came of one attempt: the delivery as it is after it, and the attempt's row.
type Settlement struct {
	Delivery models.Delivery
	Attempt  models.Attempt
}

// Settle writes the outcomes of attempts, all of one application, in one statement. An attempt whose number was recorded already, by another process or before
// a replay, is left out, so that sending twice is recorded once. It gives the deliveries that it changed.
func (t *Tx) Settle(ctx context.Context, application models.ApplicationID, list []Settlement) (map[models.DeliveryID]bool, error) {
	n := len(list)
	ids, statuses, numbers, last := make([]string, n), make([]string, n), make([]int32, n), make([]int32, n)
	next, settled, started := make([]*time.Time, n), make([]*time.Time, n), make([]time.Time, n)
	attempts, generations, requests, responses, problems, latencies := make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]int32, n)
	for i, s := range list {
		d, a := s.Delivery, s.Attempt
		ids[i], statuses[i], numbers[i], last[i], next[i], settled[i] = d.ID.String(), d.Status, int32(a.Number), int32(d.LastStatus), d.NextAttemptAt, d.SettledAt
		attempts[i], generations[i], requests[i], responses[i], problems[i] = a.ID.String(), literal(a.Generations), object(a.Request), a.Response, a.Problem
		latencies[i], started[i] = int32(a.LatencyMS), a.StartedAt
	}
	rows, err := t.sql.QueryContext(ctx, `WITH u AS (
			SELECT * FROM unnest($2::uuid[], $3::text[], $4::int[], $5::int[], $6::timestamptz[], $7::timestamptz[], $8::uuid[], $9::text[], $10::text[], $11::text[], $12::text[], $13::int[], $14::timestamptz[])
				AS u (id, status, number, last_status, next_attempt_at, settled_at, attempt, generations, request, response, problem, latency, started_at)),
		done AS (
			UPDATE deliveries d SET status = u.status, attempts = u.number, last_status = u.last_status, next_attempt_at = u.next_attempt_at, settled_at = u.settled_at
			FROM u WHERE d.application_id = $1 AND d.id = u.id AND d.status = 'waiting' AND d.attempts = u.number - 1 RETURNING d.id),
		noted AS (
			INSERT INTO attempts (application_id, id, delivery_id, number, generations, request, status, response, problem, latency_ms, started_at)
			SELECT $1, u.attempt, u.id, u.number, u.generations::int[], u.request::jsonb, u.last_status, u.response, u.problem, u.latency, u.started_at FROM u JOIN done ON done.id = u.id)
		SELECT id FROM done`, planned, application, ids, statuses, numbers, last, next, settled, attempts, generations, requests, responses, problems, latencies, started)
	if err != nil {
		return nil, wrap(err)
	}
	defer rows.Close() //nolint:errcheck // read to its end, or failed with an error of its own
	done := make(map[models.DeliveryID]bool, n)
	for rows.Next() {
		var id models.DeliveryID
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		done[id] = true
	}
	return done, wrap(rows.Err())
}

// DropDeliveries gives up to most waiting deliveries of a webhook up without an attempt, and says how many.
func (t *Tx) DropDeliveries(hook models.WebhookID, at time.Time, most int) (int, error) {
	done := t.db.Exec(`UPDATE deliveries SET status = 'dropped', next_attempt_at = NULL, settled_at = ? WHERE (application_id, id) IN
		(SELECT application_id, id FROM deliveries WHERE webhook_id = ? AND status = 'waiting' LIMIT ?) AND status = 'waiting'`, at, hook, most)
	return int(done.RowsAffected), wrap(done.Error)
}

// DropSpent gives these deliveries up, whose events' content is gone, and says how many still waited.
func (t *Tx) DropSpent(application models.ApplicationID, ids []models.DeliveryID, at time.Time) (int, error) {
	done := t.db.Exec(`UPDATE deliveries SET status = 'dropped', next_attempt_at = NULL, settled_at = ? WHERE application_id = ? AND id = ANY (?::uuid[]) AND status = 'waiting'`,
		at, application, array(ids))
	return int(done.RowsAffected), wrap(done.Error)
}

// TakeLane says whether holder has the lane of the webhook from now on, for the time given. The database's clock decides.
func (t *Tx) TakeLane(hook models.WebhookID, holder models.AttemptID, hold time.Duration) (bool, error) {
	done := t.db.Exec(`INSERT INTO webhook_lanes AS l (webhook_id, holder, until) VALUES (?, ?, clock_timestamp() + make_interval(secs => ?))
		ON CONFLICT (webhook_id) DO UPDATE SET holder = excluded.holder, until = excluded.until WHERE l.holder = excluded.holder OR l.until < clock_timestamp()`, hook, holder, hold.Seconds())
	return done.RowsAffected == 1, wrap(done.Error)
}

// KeepLanes prolongs the lanes of holder and lists them: one that is missing was taken by another.
func (t *Tx) KeepLanes(holder models.AttemptID, hold time.Duration) ([]models.WebhookID, error) {
	ids := []models.WebhookID{}
	err := t.db.Raw(`UPDATE webhook_lanes SET until = clock_timestamp() + make_interval(secs => ?) WHERE holder = ? RETURNING webhook_id`, hold.Seconds(), holder).Scan(&ids).Error
	return ids, wrap(err)
}

// LeaveLane gives a lane back.
func (t *Tx) LeaveLane(hook models.WebhookID, holder models.AttemptID) error {
	return wrap(t.db.Exec(`DELETE FROM webhook_lanes WHERE webhook_id = ? AND holder = ?`, hook, holder).Error)
}

// texts spells ids as the array arguments of database/sql take them.
func texts[I interface{ String() string }](ids []I) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = id.String()
	}
	return out
}

// array spells ids as an array literal, which the ORM passes on as one argument.
func array[I interface{ String() string }](ids []I) string {
	return "{" + strings.Join(texts(ids), ",") + "}"
}

func literal(n models.Ints) string {
	out := make([]string, len(n))
	for i, v := range n {
		out[i] = strconv.Itoa(v)
	}
	return "{" + strings.Join(out, ",") + "}"
}

func object(s models.Settings) string {
	v, err := s.Value()
	text, ok := v.(string)
	if err != nil || !ok {
		return "{}" // a map of texts always encodes
	}
	return text
}

// InsertSealed adds ciphertexts whose owners had none of the field before. ErrTaken: one had.
func (t *Tx) InsertSealed(ctx context.Context, list []Sealed) error {
	if len(list) == 0 {
		return errors.New("nothing to seal")
	}
	n := len(list)
	owners, versions, ciphertexts := make([]string, n), make([]int32, n), make([][]byte, n)
	for i, s := range list {
		owners[i], versions[i], ciphertexts[i] = s.OwnerID, int32(s.Version), s.Ciphertext
	}
	first := list[0] // one tenant, kind and field in all
	_, err := t.sql.ExecContext(ctx, `INSERT INTO sealed (tenant_id, owner_kind, field, created_at, owner_id, version, ciphertext)
		SELECT $1, $2, $3, $4, o, v, c FROM unnest($5::uuid[], $6::int[], $7::bytea[]) AS u (o, v, c)`, first.TenantID, first.OwnerKind, first.Field, first.CreatedAt, owners, versions, ciphertexts)
	return wrap(err)
}
