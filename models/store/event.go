package store

import "github.com/postern-mail/postern/models"

// InsertEvent adds an event's row; its payload is sealed apart.
func (t *Tx) InsertEvent(e models.Event) error {
	return wrap(t.db.Exec(`INSERT INTO events (tenant_id, id, application_id, grant_id, type, source, occurred_at) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		e.TenantID, e.ID, e.ApplicationID, e.GrantID, e.Type, e.Source, e.OccurredAt).Error)
}

// Event reads one event of a tenant.
func (t *Tx) Event(tenant models.TenantID, id models.EventID) (models.Event, error) {
	return one[models.Event](t.db.Where("tenant_id = ? AND id = ?", tenant, id))
}
