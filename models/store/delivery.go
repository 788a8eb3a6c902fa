package store

import (
	"time"

	"github.com/postern-mail/postern/models"
)

// DeliveryQuery says which deliveries of a webhook to list, the newest first. Empty fields do not narrow.
type DeliveryQuery struct {
	Application models.ApplicationID
	Webhook     models.WebhookID
	Status      string
	Type        string
	BeforeAt    time.Time
	BeforeID    models.DeliveryID
	Limit       int
}

// Deliveries lists deliveries of one webhook, the newest first.
func (t *Tx) Deliveries(q DeliveryQuery) ([]models.Delivery, error) {
	query := t.db.Table("deliveries").Where("application_id = ? AND webhook_id = ?", q.Application, q.Webhook)
	if q.Status != "" {
		query = query.Where("status = ?", q.Status)
	}
	if q.Type != "" {
		query = query.Where("event_type = ?", q.Type)
	}
	if !q.BeforeAt.IsZero() {
		query = query.Where("(created_at, id) < (?, ?)", q.BeforeAt, q.BeforeID)
	}
	return all[models.Delivery](query.Order("created_at DESC, id DESC").Limit(q.Limit))
}

// Delivery reads one delivery of an application.
func (t *Tx) Delivery(application models.ApplicationID, id models.DeliveryID) (models.Delivery, error) {
	return one[models.Delivery](t.db.Table("deliveries").Where("application_id = ? AND id = ?", application, id))
}

// DeliveryForUpdate is Delivery with the row locked until the transaction ends.
func (t *Tx) DeliveryForUpdate(application models.ApplicationID, id models.DeliveryID) (models.Delivery, error) {
	return one[models.Delivery](t.db.Raw("SELECT * FROM deliveries WHERE application_id = ? AND id = ? FOR UPDATE", application, id))
}

// DeliveryOfEvent finds the delivery of an event to a webhook, for the receiver of Postern's own events.
func (t *Tx) DeliveryOfEvent(webhook models.WebhookID, event models.EventID) (models.Delivery, error) {
	return one[models.Delivery](t.db.Table("deliveries").Where("webhook_id = ? AND event_id = ?", webhook, event))
}

// InsertDelivery adds a delivery. It says false when the event has one to this webhook already: an event is fanned out once.
func (t *Tx) InsertDelivery(d models.Delivery) (bool, error) {
	done := t.db.Exec(`INSERT INTO deliveries (application_id, id, webhook_id, tenant_id, event_id, event_type, status, attempts, next_attempt_at, last_status, created_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (webhook_id, event_id) DO NOTHING`,
		d.ApplicationID, d.ID, d.WebhookID, d.TenantID, d.EventID, d.EventType, d.Status, d.Attempts, d.NextAttemptAt, d.LastStatus, d.CreatedAt)
	return done.RowsAffected == 1, wrap(done.Error)
}

// ChangeDelivery writes how far a delivery has come.
func (t *Tx) ChangeDelivery(d models.Delivery) error {
	return changed(t.db.Table("deliveries").Where("application_id = ? AND id = ?", d.ApplicationID, d.ID).Updates(map[string]any{
		"status": d.Status, "attempts": d.Attempts, "next_attempt_at": d.NextAttemptAt, "last_status": d.LastStatus, "settled_at": d.SettledAt,
	}))
}

// InsertAttempt adds one try.
func (t *Tx) InsertAttempt(a models.Attempt) error {
	return wrap(t.db.Table("attempts").Create(&a).Error)
}

// Attempts lists the tries of a delivery, the first one first.
func (t *Tx) Attempts(application models.ApplicationID, delivery models.DeliveryID) ([]models.Attempt, error) {
	return all[models.Attempt](t.db.Table("attempts").Where("application_id = ? AND delivery_id = ?", application, delivery).Order("number, id").Limit(1000))
}

// givenUp is the WHERE of what a replay takes: deliveries of events to a webhook, made since a time and given up before another.
const givenUp = `application_id = ? AND webhook_id = ? AND status = ? AND (attempts = 0) = ? AND tenant_id IS NOT NULL AND created_at >= ? AND settled_at <= ?`

func givenUpArgs(r models.Replay) []any {
	status, untried := "failed", r.Which == "never_attempted"
	if untried {
		status = "dropped"
	}
	return []any{r.ApplicationID, r.WebhookID, status, untried, r.Since, r.CreatedAt}
}

// CountGivenUp counts what a replay has to do.
func (t *Tx) CountGivenUp(r models.Replay) (int, error) {
	n := 0
	err := t.db.Raw(`SELECT count(*) FROM deliveries WHERE `+givenUp, givenUpArgs(r)...).Scan(&n).Error
	return n, wrap(err)
}

// ReplayGivenUp puts up to most of a replay's deliveries in line, the oldest first, and says how many.
func (t *Tx) ReplayGivenUp(r models.Replay, at time.Time, most int) (int, error) {
	args := append([]any{at, r.ApplicationID}, givenUpArgs(r)...)
	done := t.db.Exec(`UPDATE deliveries SET status = 'waiting', next_attempt_at = ?, settled_at = NULL WHERE application_id = ? AND id IN (
		SELECT id FROM deliveries WHERE `+givenUp+` ORDER BY created_at, id LIMIT ? FOR UPDATE SKIP LOCKED)`, append(args, most)...)
	return int(done.RowsAffected), wrap(done.Error)
}

// InsertReplay adds a replay.
func (t *Tx) InsertReplay(r models.Replay) error {
	return wrap(t.db.Table("replays").Create(&r).Error)
}

// ReplayForUpdate reads a replay and locks it until the transaction ends.
func (t *Tx) ReplayForUpdate(application models.ApplicationID, id models.ReplayID) (models.Replay, error) {
	return one[models.Replay](t.db.Raw(`SELECT * FROM replays WHERE application_id = ? AND id = ? FOR UPDATE`, application, id))
}

// Replays lists the replays of a webhook, the newest first.
func (t *Tx) Replays(application models.ApplicationID, webhook models.WebhookID, most int) ([]models.Replay, error) {
	return all[models.Replay](t.db.Raw(`SELECT * FROM replays WHERE application_id = ? AND webhook_id = ? ORDER BY created_at DESC LIMIT ?`, application, webhook, most))
}

// ChangeReplay writes how far a replay has come.
func (t *Tx) ChangeReplay(r models.Replay) error {
	return changed(t.db.Table("replays").Where("application_id = ? AND id = ?", r.ApplicationID, r.ID).Updates(map[string]any{"done": r.Done, "finished_at": r.FinishedAt, "stopped": r.Stopped}))
}
