package models

import "time"

// GuestPass lets an outside reviewer look at one tenant, read only, until it expires. Only the hash of its link is kept.
type GuestPass struct {
	TenantID   TenantID   `gorm:"column:tenant_id;primaryKey"`
	ID         PassID     `gorm:"column:id;primaryKey"`
	Name       string     `gorm:"column:name"` // whom it is for
	TokenHash  []byte     `gorm:"column:token_hash"`
	CreatedBy  string     `gorm:"column:created_by"`
	CreatedAt  time.Time  `gorm:"column:created_at"`
	ExpiresAt  time.Time  `gorm:"column:expires_at"`
	RevokedAt  *time.Time `gorm:"column:revoked_at"`
	LastSeenAt *time.Time `gorm:"column:last_seen_at"`
	Views      int64      `gorm:"column:views"`
}

// TableName names the table.
func (GuestPass) TableName() string { return "guest_passes" }

// Usable says whether the pass opens anything at that time.
func (p GuestPass) Usable(at time.Time) bool { return p.RevokedAt == nil && at.Before(p.ExpiresAt) }

// GuestView is one page that a guest opened.
type GuestView struct {
	TenantID  TenantID  `gorm:"column:tenant_id;primaryKey"`
	PassID    PassID    `gorm:"column:pass_id;primaryKey"`
	ID        EventID   `gorm:"column:id;primaryKey"`
	At        time.Time `gorm:"column:at"`
	Path      string    `gorm:"column:path"`
	Address   string    `gorm:"column:address"`
	UserAgent string    `gorm:"column:user_agent"`
}

// TableName names the table.
func (GuestView) TableName() string { return "guest_views" }
