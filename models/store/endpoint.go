package store

import "github.com/postern-mail/postern/models"

// InboundEndpoint finds an endpoint by the id in its path. A disabled one is not found.
func (t *Tx) InboundEndpoint(id models.EndpointID) (models.InboundEndpoint, error) {
	return one[models.InboundEndpoint](t.db.Table("inbound_endpoints").Where("id = ? AND disabled_at IS NULL", id))
}

// SelfEndpoint finds the endpoint of an application's self-check.
func (t *Tx) SelfEndpoint(application models.ApplicationID) (models.InboundEndpoint, error) {
	return one[models.InboundEndpoint](t.db.Table("inbound_endpoints").Where("application_id = ? AND kind = 'self'", application))
}

// InsertSelfEndpoint adds the endpoint of a self-check. It says false when the application has one: another process was first.
func (t *Tx) InsertSelfEndpoint(e models.InboundEndpoint) (bool, error) {
	done := t.db.Exec(`INSERT INTO inbound_endpoints (id, application_id, tenant_id, name, kind, webhook_id, addresses, created_at) VALUES (?, ?, ?, ?, 'self', ?, ?, ?)
		ON CONFLICT (application_id) WHERE kind = 'self' DO NOTHING`,
		e.ID, e.ApplicationID, e.TenantID, e.Name, e.WebhookID, e.Addresses, e.CreatedAt)
	return done.RowsAffected == 1, wrap(done.Error)
}
