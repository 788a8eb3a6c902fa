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
	PausedAt      *time.Time    `gorm:"column:paused_at"`    // calls are put off; nil: they are taken
	WindowUntil   *time.Time    `gorm:"column:window_until"` // end of a declared rotation of the sender's secret; nil: none
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

// InboundSecret is one generation of a sender's secret: when it counts, not what it is. Its id is that of its sealed value.
type InboundSecret struct {
	EndpointID     EndpointID      `gorm:"column:endpoint_id"`
	ID             WebhookSecretID `gorm:"column:id;primaryKey"`
	Generation     int             `gorm:"column:generation"`
	Staged         bool            `gorm:"column:staged"` // not seen yet; the first genuine call under it makes it the one in force
	OverlapSeconds int             `gorm:"column:overlap_seconds"`
	ValidFrom      time.Time       `gorm:"column:valid_from"`
	ValidUntil     *time.Time      `gorm:"column:valid_until"` // nil: no end
	LastAcceptedAt *time.Time      `gorm:"column:last_accepted_at"`
}

// TableName names the table.
func (InboundSecret) TableName() string { return "inbound_secrets" }

// Counts says whether the secret counts at now.
func (s InboundSecret) Counts(now time.Time) bool {
	return s.ValidUntil == nil || now.Before(*s.ValidUntil)
}

// RefusalCount is how many calls beyond a rate were refused for one reason at one endpoint in one minute. They have no rows of their own.
type RefusalCount struct {
	Minute        time.Time      `gorm:"column:minute"`
	EndpointID    EndpointID     `gorm:"column:endpoint_id"` // zero: no such endpoint
	Reason        string         `gorm:"column:reason"`
	Source        string         `gorm:"column:source"`
	ApplicationID *ApplicationID `gorm:"column:application_id"`
	TenantID      *TenantID      `gorm:"column:tenant_id"`
	WebhookID     *WebhookID     `gorm:"column:webhook_id"`
	Count         int64          `gorm:"column:count"`
	LastAt        time.Time      `gorm:"column:last_at"`
}

// TableName names the table.
func (RefusalCount) TableName() string { return "verification_counts" }
