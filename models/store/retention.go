package store

import (
	"time"

	"github.com/postern-mail/postern/models"
)

// What grows is removed in pieces, each a statement and a transaction of its own: no lock is held long, and a stop in between loses nothing.

// WebhooksWithDeleted lists every webhook, those included that are marked deleted and not removed yet.
func (t *Tx) WebhooksWithDeleted() ([]models.Webhook, error) {
	return all[models.Webhook](t.db.Raw(`SELECT * FROM webhooks ORDER BY id`))
}

// PrunePayloads destroys up to most sealed payloads of a tenant's events from before a time, and says how many. Ids sort by their time, so the key of the
// table finds them.
func (t *Tx) PrunePayloads(tenant models.TenantID, before time.Time, most int) (int, error) {
	done := t.db.Exec(`DELETE FROM sealed WHERE tenant_id = ? AND owner_kind = 'event' AND field = 'payload' AND owner_id IN
		(SELECT owner_id FROM sealed WHERE tenant_id = ? AND owner_kind = 'event' AND owner_id < ? LIMIT ?)`, tenant, tenant, models.FloorID[models.EventID](before), most)
	return int(done.RowsAffected), wrap(done.Error)
}

// PruneEvents removes up to most rows of a tenant's events from before a time, and says how many.
func (t *Tx) PruneEvents(tenant models.TenantID, before time.Time, most int) (int, error) {
	done := t.db.Exec(`DELETE FROM events WHERE tenant_id = ? AND id IN (SELECT id FROM events WHERE tenant_id = ? AND id < ? ORDER BY id LIMIT ?)`,
		tenant, tenant, models.FloorID[models.EventID](before), most)
	return int(done.RowsAffected), wrap(done.Error)
}

// PruneDeliveries removes up to most deliveries of a webhook from before a time, with their attempts, and says how many. It takes those that wait too: nothing
// waits that long, unless its webhook is gone.
func (t *Tx) PruneDeliveries(application models.ApplicationID, hook models.WebhookID, before time.Time, most int) (int, error) {
	n := 0
	err := t.db.Raw(`WITH gone AS (DELETE FROM deliveries WHERE application_id = ? AND id IN
			(SELECT id FROM deliveries WHERE webhook_id = ? AND created_at < ? ORDER BY created_at LIMIT ?) RETURNING id),
		also AS (DELETE FROM attempts WHERE application_id = ? AND delivery_id IN (SELECT id FROM gone))
		SELECT count(*) FROM gone`, application, hook, before, most, application).Scan(&n).Error
	return n, wrap(err)
}

// RemoveWebhook removes the row of a webhook that is marked deleted, and what hangs on it: its secrets' rows, its health. Its deliveries must be gone.
func (t *Tx) RemoveWebhook(application models.ApplicationID, id models.WebhookID) error {
	return wrap(t.db.Exec(`DELETE FROM webhooks WHERE application_id = ? AND id = ? AND deleted_at IS NOT NULL`, application, id).Error)
}
