package models

import "time"

// InboundEndpoint is where signed requests of one source come in.
type InboundEndpoint struct {
	ID            EndpointID    `gorm:"column:id;primaryKey"`
	ApplicationID ApplicationID `gorm:"column:application_id"`
	TenantID      *TenantID     `gorm:"column:tenant_id"`
	Name          string        `gorm:"column:name"`
	Kind          string        `gorm:"column:kind"` // self, v3, standard
	WebhookID     *WebhookID    `gorm:"column:webhook_id"`
	Addresses     Strings       `gorm:"column:addresses"`
	CreatedAt     time.Time     `gorm:"column:created_at"`
	DisabledAt    *time.Time    `gorm:"column:disabled_at"`
}

// TableName names the table.
func (InboundEndpoint) TableName() string { return "inbound_endpoints" }

// Verification is the result of checking one inbound signed request. It holds no payload and no secret.
type Verification struct {
	ID             VerificationID `gorm:"column:id"`
	At             time.Time      `gorm:"column:at"`
	TenantID       *TenantID      `gorm:"column:tenant_id"`
	ApplicationID  *ApplicationID `gorm:"column:application_id"`
	EndpointID     *EndpointID    `gorm:"column:endpoint_id"`
	Source         string         `gorm:"column:source"`
	WebhookID      *WebhookID     `gorm:"column:webhook_id"`
	EventID        string         `gorm:"column:event_id"`
	EventType      string         `gorm:"column:event_type"`
	Verdict        string         `gorm:"column:verdict"` // accepted, refused
	Reason         string         `gorm:"column:reason"`
	Generation     int            `gorm:"column:generation"`     // of the secret that matched; 0: none
	Representation string         `gorm:"column:representation"` // raw, gzip
	Size           int64          `gorm:"column:size"`
	Digest         []byte         `gorm:"column:digest"` // keyed: tells equal bodies, gives nothing away
	SkewMS         int64          `gorm:"column:skew_ms"`
	Address        string         `gorm:"column:address"`
	Listed         *bool          `gorm:"column:listed"` // on the source's allowlist; nil: it has none
	LatencyUS      int            `gorm:"column:latency_us"`
}

// TableName names the table.
func (Verification) TableName() string { return "verifications" }
