package store

import (
	"context"
	"time"

	"github.com/postern-mail/postern/models"
)

// InsertEvents adds events of one tenant and application with the queue's rows that send them; their payloads are sealed apart.
func (t *Tx) InsertEvents(ctx context.Context, list []models.Event) error {
	n := len(list)
	ids, grants, types, sources, at, digests := make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]time.Time, n), make([][]byte, n)
	applications := make([]string, n)
	for i, e := range list {
		ids[i], types[i], sources[i], at[i], digests[i], applications[i] = e.ID.String(), e.Type, e.Source, e.OccurredAt, e.Digest, e.ApplicationID.String()
		if e.GrantID != nil {
			grants[i] = e.GrantID.String()
		}
		if digests[i] == nil {
			digests[i] = []byte{}
		}
	}
	_, err := t.sql.ExecContext(ctx, `WITH u AS (SELECT * FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::bytea[]) WITH ORDINALITY
			AS u (id, application, grant_id, type, source, at, digest, place)),
		added AS (INSERT INTO events (tenant_id, id, application_id, grant_id, type, source, occurred_at, digest)
			SELECT $1, id, application, nullif(grant_id, '')::uuid, type, source, at, digest FROM u)
		INSERT INTO event_queue (tenant_id, event_id) SELECT $1, id FROM u ORDER BY place`, list[0].TenantID, ids, applications, grants, types, sources, at, digests)
	return wrap(err)
}

// Event reads one event of a tenant.
func (t *Tx) Event(tenant models.TenantID, id models.EventID) (models.Event, error) {
	return one[models.Event](t.db.Where("tenant_id = ? AND id = ?", tenant, id))
}
