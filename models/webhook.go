package models

import "time"

// WebhookStatus says whether events are sent to a webhook.
type WebhookStatus string

// The statuses of a webhook, in the words of the v3 API.
const (
	WebhookActive  WebhookStatus = "active"
	WebhookPaused  WebhookStatus = "pause"
	WebhookFailing WebhookStatus = "failing"
	WebhookFailed  WebhookStatus = "failed"
)

// Webhook is a destination for events. Its secrets are sealed; their ages are in WebhookSecret.
type Webhook struct {
	ApplicationID      ApplicationID `gorm:"column:application_id;primaryKey"`
	ID                 WebhookID     `gorm:"column:id;primaryKey"`
	TenantID           *TenantID     `gorm:"column:tenant_id"` // nil: events of all tenants
	URL                string        `gorm:"column:url"`
	Description        string        `gorm:"column:description"`
	TriggerTypes       Strings       `gorm:"column:trigger_types"`
	NotificationEmails Strings       `gorm:"column:notification_emails"`
	Compressed         bool          `gorm:"column:compressed"`
	Standard           bool          `gorm:"column:standard"` // signed by Standard Webhooks too
	SelfCheck          bool          `gorm:"column:self_check"`
	Status             WebhookStatus `gorm:"column:status"`
	StatusAt           time.Time     `gorm:"column:status_at"`
	OverlapSeconds     int           `gorm:"column:overlap_seconds"` // of a rotation through the API; 0: the old secret ends at once
	CreatedAt          time.Time     `gorm:"column:created_at"`
	UpdatedAt          time.Time     `gorm:"column:updated_at"`
	DeletedAt          *time.Time    `gorm:"column:deleted_at"` // nothing is found or sent any more; what it leaves is removed in pieces
}

// TableName names the table.
func (Webhook) TableName() string { return "webhooks" }

// Sends says whether events go out to the webhook.
func (w Webhook) Sends() bool { return w.Status == WebhookActive || w.Status == WebhookFailing }

// WebhookSecret is one generation of a webhook's secret: when it signs, not what it is.
type WebhookSecret struct {
	ApplicationID  ApplicationID   `gorm:"column:application_id;primaryKey"`
	ID             WebhookSecretID `gorm:"column:id;primaryKey"`
	WebhookID      WebhookID       `gorm:"column:webhook_id"`
	Generation     int             `gorm:"column:generation"`
	ValidFrom      time.Time       `gorm:"column:valid_from"`
	ValidUntil     *time.Time      `gorm:"column:valid_until"` // nil: in force
	LastAcceptedAt *time.Time      `gorm:"column:last_accepted_at"`
}

// TableName names the table.
func (WebhookSecret) TableName() string { return "webhook_secrets" }

// Signs says whether the secret signs at now.
func (s WebhookSecret) Signs(now time.Time) bool {
	return s.ValidUntil == nil || now.Before(*s.ValidUntil)
}

// Event is something that happened. Its payload is sealed.
type Event struct {
	TenantID      TenantID      `gorm:"column:tenant_id;primaryKey"`
	ID            EventID       `gorm:"column:id;primaryKey"`
	ApplicationID ApplicationID `gorm:"column:application_id"`
	GrantID       *GrantID      `gorm:"column:grant_id"`
	Type          string        `gorm:"column:type"`
	Source        string        `gorm:"column:source"`
	OccurredAt    time.Time     `gorm:"column:occurred_at"`
	Digest        []byte        `gorm:"column:digest"` // keyed, of the payload; what is left when that is destroyed
}

// TableName names the table.
func (Event) TableName() string { return "events" }

// Delivery is the sending of one event to one webhook.
type Delivery struct {
	ApplicationID ApplicationID `gorm:"column:application_id;primaryKey"`
	ID            DeliveryID    `gorm:"column:id;primaryKey"`
	WebhookID     WebhookID     `gorm:"column:webhook_id"`
	TenantID      *TenantID     `gorm:"column:tenant_id"`
	EventID       EventID       `gorm:"column:event_id"`
	EventType     string        `gorm:"column:event_type"`
	Status        string        `gorm:"column:status"` // waiting, delivered, failed, dropped
	Attempts      int           `gorm:"column:attempts"`
	NextAttemptAt *time.Time    `gorm:"column:next_attempt_at"`
	LastStatus    int           `gorm:"column:last_status"` // HTTP; 0: no answer yet
	CreatedAt     time.Time     `gorm:"column:created_at"`
	SettledAt     *time.Time    `gorm:"column:settled_at"`
}

// TableName names the table.
func (Delivery) TableName() string { return "deliveries" }

// Attempt is one try of a delivery.
type Attempt struct {
	ApplicationID ApplicationID `gorm:"column:application_id;primaryKey"`
	ID            AttemptID     `gorm:"column:id;primaryKey"`
	DeliveryID    DeliveryID    `gorm:"column:delivery_id"`
	Number        int           `gorm:"column:number"`
	Generations   Ints          `gorm:"column:generations"` // of the secrets that signed
	Request       Settings      `gorm:"column:request"`     // headers as sent, signatures left out
	Status        int           `gorm:"column:status"`
	Response      string        `gorm:"column:response"` // capped; shown escaped
	Problem       string        `gorm:"column:problem"`  // in words, when there was no answer
	LatencyMS     int           `gorm:"column:latency_ms"`
	StartedAt     time.Time     `gorm:"column:started_at"`
}

// TableName names the table.
func (Attempt) TableName() string { return "attempts" }

// Replay is the sending again of all that was given up since a time.
type Replay struct {
	ApplicationID ApplicationID `gorm:"column:application_id;primaryKey"`
	ID            ReplayID      `gorm:"column:id;primaryKey"`
	WebhookID     WebhookID     `gorm:"column:webhook_id"`
	Which         string        `gorm:"column:which"` // failed, never_attempted
	Since         time.Time     `gorm:"column:since"`
	Actor         string        `gorm:"column:actor"` // who asked, for people
	Total         int           `gorm:"column:total"`
	Done          int           `gorm:"column:done"` // put in line so far
	CreatedAt     time.Time     `gorm:"column:created_at"`
	FinishedAt    *time.Time    `gorm:"column:finished_at"`
	Stopped       string        `gorm:"column:stopped"` // why it ended early, in words
}

// TableName names the table.
func (Replay) TableName() string { return "replays" }
