package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postern-mail/postern/models"
)

// What a lane reads stands here. It looks many times a second, so each look is one round trip.

// look is one statement in its scope, of several that travel together.
type look struct {
	scope     Scope
	statement string
	args      []any
	read      func(pgx.Rows) error
}

// looks reads with several statements in one round trip, each in its own scope: the server works them off in their order, and takes them as one transaction (see
// glance). None may be of the platform. The statements are planned for their arguments each time, for the reason that planned gives.
func (s *Store) looks(ctx context.Context, list []look) error {
	err := s.looksOnce(ctx, list)
	if unreachable(err) && ctx.Err() == nil {
		return ErrUnreachable.Because(err)
	}
	return err
}

func (s *Store) looksOnce(ctx context.Context, list []look) error {
	conn, err := s.app.Conn(ctx)
	if err != nil {
		return fmt.Errorf("take a connection: %w", err)
	}
	defer conn.Close() //nolint:errcheck // gives the connection back
	var batch pgx.Batch
	scoped := make([]bool, len(list)) // whether the scope is stated before it
	for i, l := range list {
		if scoped[i] = i == 0 || l.scope != list[i-1].scope; scoped[i] {
			signed, err := s.sign(conn, l.scope.kind, l.scope.id)
			if err != nil {
				return err
			}
			batch.Queue(`SELECT set_config('postern.scope', $1, true), set_config('plan_cache_mode', 'force_custom_plan', true)`, signed)
		}
		batch.Queue(l.statement, l.args...)
	}
	return raw(conn, func(pg *pgx.Conn) (err error) {
		results := pg.SendBatch(ctx, &batch)
		defer func() {
			if closed := results.Close(); err == nil {
				err = closed
			}
		}()
		for i, l := range list {
			if err := readLook(results, scoped[i], l.read); err != nil {
				return err
			}
		}
		return nil
	})
}

func readLook(results pgx.BatchResults, scoped bool, read func(pgx.Rows) error) error {
	if scoped {
		if _, err := results.Exec(); err != nil {
			return fmt.Errorf("state the scope: %w", err)
		}
	}
	rows, err := results.Query()
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := read(rows); err != nil {
			return fmt.Errorf("read a row: %w", err)
		}
	}
	return rows.Err()
}

// LaneWork is what there is to do for one webhook.
type LaneWork struct {
	Webhook models.Webhook // the zero one: it is deleted
	Secrets []models.WebhookSecret
	Due     []DueDelivery
}

// webhookColumns in the order of webhookFields. A test holds both to models.Webhook.
const webhookColumns = `application_id, id, tenant_id, url, description, trigger_types, notification_emails, compressed, standard, self_check, status, status_at, overlap_seconds, created_at, updated_at, deleted_at`

func webhookFields(w *models.Webhook) []any {
	return []any{(*[16]byte)(&w.ApplicationID), (*[16]byte)(&w.ID), &w.TenantID, &w.URL, &w.Description, (*[]string)(&w.TriggerTypes), (*[]string)(&w.NotificationEmails), &w.Compressed,
		&w.Standard, &w.SelfCheck, (*string)(&w.Status), &w.StatusAt, &w.OverlapSeconds, &w.CreatedAt, &w.UpdatedAt, &w.DeletedAt}
}

// LaneWork reads a webhook, its secrets, and up to most deliveries that are due, the longest due first, without those in hand.
func (s *Store) LaneWork(ctx context.Context, application models.ApplicationID, hook models.WebhookID, at time.Time, inHand []models.DeliveryID, most int) (LaneWork, error) {
	var work LaneWork
	scope := ApplicationScope(application)
	list := []look{
		{scope, `SELECT ` + webhookColumns + ` FROM webhooks WHERE application_id = $1 AND id = $2 AND deleted_at IS NULL`, []any{application, hook},
			func(rows pgx.Rows) error { return rows.Scan(webhookFields(&work.Webhook)...) }},
		{scope, `SELECT application_id, id, webhook_id, generation, valid_from, valid_until, last_accepted_at FROM webhook_secrets WHERE application_id = $1 AND webhook_id = $2 ORDER BY generation DESC`,
			[]any{application, hook}, func(rows pgx.Rows) error {
				var k models.WebhookSecret
				err := rows.Scan((*[16]byte)(&k.ApplicationID), (*[16]byte)(&k.ID), (*[16]byte)(&k.WebhookID), &k.Generation, &k.ValidFrom, &k.ValidUntil, &k.LastAcceptedAt)
				work.Secrets = append(work.Secrets, k)
				return err
			}},
	}
	if most > 0 {
		list = append(list, look{scope, `SELECT d.application_id, d.id, d.webhook_id, d.tenant_id, d.event_id, d.event_type, d.status, d.attempts, d.created_at, e.grant_id, e.type, e.source, e.occurred_at
			FROM (SELECT * FROM deliveries WHERE webhook_id = $1 AND status = 'waiting' AND next_attempt_at <= $2 AND id <> ALL ($3::uuid[]) ORDER BY next_attempt_at, id LIMIT $4) d
			LEFT JOIN events e ON e.tenant_id = d.tenant_id AND e.id = d.event_id ORDER BY d.next_attempt_at, d.id`, []any{hook, at, texts(inHand), most}, func(rows pgx.Rows) error {
			one, err := dueDelivery(rows)
			work.Due = append(work.Due, one)
			return err
		}})
	}
	err := s.looks(ctx, list)
	return work, err
}

func dueDelivery(rows pgx.Rows) (DueDelivery, error) {
	var one DueDelivery
	var kind, source *string
	var occurred *time.Time
	d, e := &one.Delivery, &one.Event
	err := rows.Scan((*[16]byte)(&d.ApplicationID), (*[16]byte)(&d.ID), (*[16]byte)(&d.WebhookID), &d.TenantID, (*[16]byte)(&d.EventID), &d.EventType, &d.Status, &d.Attempts, &d.CreatedAt,
		&e.GrantID, &kind, &source, &occurred)
	if err == nil && kind != nil && source != nil && occurred != nil && d.TenantID != nil {
		e.TenantID, e.ID, e.ApplicationID, e.Type, e.Source, e.OccurredAt = *d.TenantID, d.EventID, d.ApplicationID, *kind, *source, occurred.UTC()
	}
	return one, err
}

// SealedAsk asks for one field of owners of one tenant.
type SealedAsk struct {
	Tenant models.TenantID
	Owners []string
}

// SealedAnswer is what a tenant has of it, and the key that it is under; the zero key: it has none.
type SealedAnswer struct {
	Key  DataKey
	Rows []Sealed
}

const sealedMany = `SELECT owner_id::text, version, CASE WHEN total <= $5 OR place = 1 THEN ciphertext END FROM (
	SELECT owner_id, version, ciphertext, sum(octet_length(ciphertext)) OVER w AS total, row_number() OVER w AS place FROM sealed
	WHERE tenant_id = $1 AND owner_kind = $2 AND field = $3 AND owner_id = ANY ($4::uuid[]) WINDOW w AS (ORDER BY owner_id)) s`

// SealedOfTenants reads one field of many owners of several tenants, each in its own tenant's scope, in one round trip. An owner without it is missing in the answer;
// beyond most bytes in all of one tenant's, rows come without their ciphertext.
func (s *Store) SealedOfTenants(ctx context.Context, kind, field string, asks []SealedAsk, most int) ([]SealedAnswer, error) {
	out := make([]SealedAnswer, len(asks))
	list := make([]look, 0, 2*len(asks))
	for i, ask := range asks {
		scope, a := TenantScope(ask.Tenant), &out[i]
		list = append(list,
			look{scope, sealedMany, []any{ask.Tenant, kind, field, ask.Owners, most}, func(rows pgx.Rows) error {
				row := Sealed{TenantID: ask.Tenant, OwnerKind: kind, Field: field}
				err := rows.Scan(&row.OwnerID, &row.Version, &row.Ciphertext)
				a.Rows = append(a.Rows, row)
				return err
			}},
			look{scope, `SELECT tenant_id, id, kek_id, wrapped, created_at, destroyed_at, key_id, rotated_at, settled_at FROM data_keys WHERE tenant_id = $1`, []any{ask.Tenant}, func(rows pgx.Rows) error {
				k := &a.Key
				return rows.Scan((*[16]byte)(&k.TenantID), &k.ID, &k.KEKID, &k.Wrapped, &k.CreatedAt, &k.DestroyedAt, &k.KeyID, &k.RotatedAt, &k.SettledAt)
			}})
	}
	if len(list) == 0 {
		return out, nil
	}
	err := s.looks(ctx, list)
	return out, err
}
