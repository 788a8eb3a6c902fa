package models

import "time"

// WebhookHealth is how sending to a webhook went lately.
type WebhookHealth struct {
	ApplicationID ApplicationID `gorm:"column:application_id;primaryKey"`
	WebhookID     WebhookID     `gorm:"column:webhook_id;primaryKey"`
	FailingSince  *time.Time    `gorm:"column:failing_since"` // first failure after the last success; nil: it works, or nothing was sent
	LastSuccessAt *time.Time    `gorm:"column:last_success_at"`
	LastFailureAt *time.Time    `gorm:"column:last_failure_at"`
}

// TableName names the table.
func (WebhookHealth) TableName() string { return "webhook_health" }
