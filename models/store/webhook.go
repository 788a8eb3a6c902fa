package store

import (
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/postern-mail/postern/models"
)

// WebhookQuery says which webhooks to list, the newest first. Empty fields do not narrow.
type WebhookQuery struct {
	Application models.ApplicationID
	Tenant      models.TenantID
	Status      models.WebhookStatus
	Search      string // part of the URL or the description
	WithoutSelf bool   // leave Postern's own out
	BeforeAt    time.Time
	BeforeID    models.WebhookID
	Limit       int
}

// Webhooks lists webhooks, the newest first.
func (t *Tx) Webhooks(q WebhookQuery) ([]models.Webhook, error) {
	query := t.db.Table("webhooks").Where("deleted_at IS NULL")
	if !q.Application.IsZero() {
		query = query.Where("application_id = ?", q.Application)
	}
	if !q.Tenant.IsZero() {
		query = query.Where("tenant_id = ?", q.Tenant)
	}
	if q.Status != "" {
		query = query.Where("status = ?", q.Status)
	}
	if q.Search != "" {
		part := "%" + escapeLike(q.Search) + "%"
		query = query.Where("(url ILIKE ? OR description ILIKE ?)", part, part)
	}
	if q.WithoutSelf {
		query = query.Where("NOT self_check")
	}
	if !q.BeforeAt.IsZero() {
		query = query.Where("(created_at, id) < (?, ?)", q.BeforeAt, q.BeforeID)
	}
	return all[models.Webhook](query.Order("created_at DESC, id DESC").Limit(q.Limit))
}

// Webhook reads one webhook of an application.
func (t *Tx) Webhook(application models.ApplicationID, id models.WebhookID) (models.Webhook, error) {
	return one[models.Webhook](t.db.Table("webhooks").Where("application_id = ? AND id = ? AND deleted_at IS NULL", application, id))
}

// WebhookForUpdate is Webhook with the row locked until the transaction ends.
func (t *Tx) WebhookForUpdate(application models.ApplicationID, id models.WebhookID) (models.Webhook, error) {
	return one[models.Webhook](t.db.Raw("SELECT * FROM webhooks WHERE application_id = ? AND id = ? AND deleted_at IS NULL FOR UPDATE", application, id))
}

// WebhooksInTrouble lists webhooks that are failing or were given up, the latest first.
func (t *Tx) WebhooksInTrouble(most int) ([]models.Webhook, error) {
	return all[models.Webhook](t.db.Raw(`SELECT * FROM webhooks WHERE status IN ('failing', 'failed') AND deleted_at IS NULL ORDER BY status_at DESC LIMIT ?`, most))
}

// WebhookOnPlatform finds a webhook by its id alone, for staff, who are not bound to an application.
func (t *Tx) WebhookOnPlatform(id models.WebhookID) (models.Webhook, error) {
	return one[models.Webhook](t.db.Table("webhooks").Where("id = ? AND deleted_at IS NULL", id))
}

// CountWebhooks says how many webhooks an application has, Postern's own left out.
func (t *Tx) CountWebhooks(application models.ApplicationID) (int, error) {
	var n int
	err := t.db.Raw("SELECT count(*) FROM webhooks WHERE application_id = ? AND NOT self_check AND deleted_at IS NULL", application).Scan(&n).Error
	return n, wrap(err)
}

// InsertWebhook adds a webhook. ErrNotFound: its tenant or application does not exist. ErrTaken: its id does already.
func (t *Tx) InsertWebhook(w models.Webhook) error {
	err := t.db.Table("webhooks").Create(&w).Error
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "23503" { // foreign_key_violation
		return ErrNotFound.Because(err)
	}
	return wrap(err)
}

// ChangeWebhook writes what can change of a webhook.
func (t *Tx) ChangeWebhook(w models.Webhook) error {
	return changed(t.db.Table("webhooks").Where("application_id = ? AND id = ?", w.ApplicationID, w.ID).Updates(map[string]any{
		"url": w.URL, "description": w.Description, "trigger_types": w.TriggerTypes, "notification_emails": w.NotificationEmails,
		"compressed": w.Compressed, "standard": w.Standard, "status": w.Status, "status_at": w.StatusAt, "overlap_seconds": w.OverlapSeconds, "updated_at": w.UpdatedAt,
	}))
}

// MarkWebhookStatus moves a webhook from one status to another. It says false when the webhook had left that status meanwhile.
func (t *Tx) MarkWebhookStatus(application models.ApplicationID, id models.WebhookID, from, to models.WebhookStatus, at time.Time) (bool, error) {
	done := t.db.Exec("UPDATE webhooks SET status = ?, status_at = ?, updated_at = ? WHERE application_id = ? AND id = ? AND status = ?", to, at, at, application, id, from)
	return done.RowsAffected == 1, wrap(done.Error)
}

// MarkWebhookDeleted makes a webhook vanish from every list and every sending. Its rows are removed by RemoveWebhook and the statements before it.
func (t *Tx) MarkWebhookDeleted(application models.ApplicationID, id models.WebhookID, at time.Time) error {
	return changed(t.db.Exec("UPDATE webhooks SET deleted_at = ?, updated_at = ? WHERE application_id = ? AND id = ? AND deleted_at IS NULL", at, at, application, id))
}

// WebhookSecrets lists the generations of a webhook's secret, the newest first.
func (t *Tx) WebhookSecrets(application models.ApplicationID, webhook models.WebhookID) ([]models.WebhookSecret, error) {
	return all[models.WebhookSecret](t.db.Table("webhook_secrets").
		Where("application_id = ? AND webhook_id = ?", application, webhook).Order("generation DESC"))
}

// InsertWebhookSecret adds a generation.
func (t *Tx) InsertWebhookSecret(s models.WebhookSecret) error {
	return wrap(t.db.Table("webhook_secrets").Create(&s).Error)
}

// EndWebhookSecret sets when a generation stops to sign.
func (t *Tx) EndWebhookSecret(application models.ApplicationID, id models.WebhookSecretID, until time.Time) error {
	return changed(t.db.Exec("UPDATE webhook_secrets SET valid_until = ? WHERE application_id = ? AND id = ?", until, application, id))
}

// MarkWebhookSecretAccepted notes that the receiver took a signature of this generation. A generation that is gone is no error.
func (t *Tx) MarkWebhookSecretAccepted(application models.ApplicationID, webhook models.WebhookID, generation int, at time.Time) error {
	return wrap(t.db.Exec(`UPDATE webhook_secrets SET last_accepted_at = ? WHERE application_id = ? AND webhook_id = ? AND generation = ?
		AND (last_accepted_at IS NULL OR last_accepted_at < ?)`, at, application, webhook, generation, at).Error)
}

// WebhookHealth reads how sending to a webhook went. A webhook to which nothing was sent has an empty one.
func (t *Tx) WebhookHealth(application models.ApplicationID, webhook models.WebhookID) (models.WebhookHealth, error) {
	row, err := one[models.WebhookHealth](t.db.Table("webhook_health").Where("application_id = ? AND webhook_id = ?", application, webhook))
	if errors.Is(err, ErrNotFound) {
		return models.WebhookHealth{ApplicationID: application, WebhookID: webhook}, nil
	}
	return row, err
}

// HealthGrain is how often a success is written for a webhook that works: one row must not become the bottleneck of all its deliveries.
const HealthGrain = 10 * time.Second

// MarkWebhookSucceeded notes a success. For a webhook that works it writes at most once in ten seconds.
func (t *Tx) MarkWebhookSucceeded(application models.ApplicationID, webhook models.WebhookID, at time.Time) error {
	return wrap(t.db.Exec(`INSERT INTO webhook_health AS h (application_id, webhook_id, last_success_at) VALUES (?, ?, ?)
		ON CONFLICT (application_id, webhook_id) DO UPDATE SET last_success_at = excluded.last_success_at, failing_since = NULL
		WHERE h.failing_since IS NOT NULL OR h.last_success_at IS NULL OR h.last_success_at < ?`,
		application, webhook, at, at.Add(-HealthGrain)).Error)
}

// MarkWebhookFailed notes a failure and answers since when the webhook has been failing.
func (t *Tx) MarkWebhookFailed(application models.ApplicationID, webhook models.WebhookID, at time.Time) (time.Time, error) {
	var since time.Time
	err := t.db.Raw(`INSERT INTO webhook_health AS h (application_id, webhook_id, failing_since, last_failure_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (application_id, webhook_id) DO UPDATE SET last_failure_at = excluded.last_failure_at, failing_since = COALESCE(h.failing_since, excluded.failing_since)
		RETURNING failing_since`, application, webhook, at, at).Scan(&since).Error
	return since, wrap(err)
}
