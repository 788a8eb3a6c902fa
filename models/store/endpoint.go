package store

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/postern-mail/postern/models"
)

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

// InboundEndpointsIn finds those of the endpoints that exist and are not disabled.
func (t *Tx) InboundEndpointsIn(ids models.Strings) ([]models.InboundEndpoint, error) {
	return all[models.InboundEndpoint](t.db.Table("inbound_endpoints").Where("id = ANY (CAST(? AS uuid[])) AND disabled_at IS NULL", ids))
}

// InboundEndpoints lists the endpoints of an application, or of all where it is zero: at most 500, the newest first, disabled ones included.
func (t *Tx) InboundEndpoints(application models.ApplicationID) ([]models.InboundEndpoint, error) {
	query := t.db.Table("inbound_endpoints")
	if !application.IsZero() {
		query = query.Where("application_id = ?", application)
	}
	return all[models.InboundEndpoint](query.Order("created_at DESC, id DESC").Limit(500))
}

// InboundEndpointForUpdate reads an endpoint, disabled or not, with its row locked until the transaction ends.
func (t *Tx) InboundEndpointForUpdate(id models.EndpointID) (models.InboundEndpoint, error) {
	return one[models.InboundEndpoint](t.db.Raw("SELECT * FROM inbound_endpoints WHERE id = ? FOR UPDATE", id))
}

// AnyInboundEndpoint reads an endpoint, disabled or not.
func (t *Tx) AnyInboundEndpoint(id models.EndpointID) (models.InboundEndpoint, error) {
	return one[models.InboundEndpoint](t.db.Table("inbound_endpoints").Where("id = ?", id))
}

// InsertInboundEndpoint adds the endpoint of a foreign sender.
func (t *Tx) InsertInboundEndpoint(e models.InboundEndpoint) error {
	return wrap(t.db.Table("inbound_endpoints").Create(&e).Error)
}

// ChangeInboundEndpoint writes what can change of an endpoint.
func (t *Tx) ChangeInboundEndpoint(e models.InboundEndpoint) error {
	return changed(t.db.Table("inbound_endpoints").Where("id = ?", e.ID).Updates(map[string]any{
		"name": e.Name, "addresses": e.Addresses, "window_until": e.WindowUntil, "disabled_at": e.DisabledAt, "paused_at": e.PausedAt,
	}))
}

// InboundSecrets lists the generations of a sender's secret, the newest first.
func (t *Tx) InboundSecrets(endpoint models.EndpointID) ([]models.InboundSecret, error) {
	return all[models.InboundSecret](t.db.Table("inbound_secrets").Where("endpoint_id = ?", endpoint).Order("generation DESC"))
}

// InboundSecretsIn lists the generations of several endpoints' secrets, the newest first.
func (t *Tx) InboundSecretsIn(endpoints models.Strings) ([]models.InboundSecret, error) {
	return all[models.InboundSecret](t.db.Table("inbound_secrets").Where("endpoint_id = ANY (CAST(? AS uuid[]))", endpoints).Order("generation DESC"))
}

// InsertInboundSecret adds a generation.
func (t *Tx) InsertInboundSecret(s models.InboundSecret) error {
	return wrap(t.db.Table("inbound_secrets").Create(&s).Error)
}

// ChangeInboundSecret writes when a generation counts and whether it is still staged.
func (t *Tx) ChangeInboundSecret(s models.InboundSecret) error {
	return changed(t.db.Table("inbound_secrets").Where("endpoint_id = ? AND id = ?", s.EndpointID, s.ID).Updates(map[string]any{
		"staged": s.Staged, "valid_from": s.ValidFrom, "valid_until": s.ValidUntil,
	}))
}

// MarkInboundSecretsAccepted notes that genuine calls were signed with these generations; at most once in ten seconds each, as it is one row for all calls.
func (t *Tx) MarkInboundSecretsAccepted(used map[Used]time.Time) error {
	order := make([]Used, 0, len(used))
	for u := range used {
		order = append(order, u)
	}
	slices.SortFunc(order, func(a, b Used) int {
		return cmp.Or(bytes.Compare(a.Endpoint[:], b.Endpoint[:]), cmp.Compare(a.Generation, b.Generation))
	})
	for _, u := range order {
		at := used[u]
		if err := t.db.Exec(`UPDATE inbound_secrets SET last_accepted_at = ? WHERE endpoint_id = ? AND generation = ? AND (last_accepted_at IS NULL OR last_accepted_at < ?)`,
			at, u.Endpoint, u.Generation, at.Add(-HealthGrain)).Error; err != nil {
			return wrap(err)
		}
	}
	return nil
}

// SpentInboundSecrets lists secrets that ended before the time, and all of endpoints that are disabled.
func (t *Tx) SpentInboundSecrets(before time.Time, limit int) ([]models.InboundSecret, error) {
	return all[models.InboundSecret](t.db.Raw(`SELECT s.* FROM inbound_secrets s JOIN inbound_endpoints e ON e.id = s.endpoint_id
		WHERE s.valid_until < ? OR e.disabled_at IS NOT NULL ORDER BY s.id LIMIT ?`, before, limit))
}

// DeleteInboundSecret removes a generation. One that is gone is no error.
func (t *Tx) DeleteInboundSecret(endpoint models.EndpointID, id models.WebhookSecretID) error {
	return wrap(t.db.Exec("DELETE FROM inbound_secrets WHERE endpoint_id = ? AND id = ?", endpoint, id).Error)
}
