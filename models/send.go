package models

import "time"

// States of a SendOnce.
const (
	SendRunning = "running"
	SendSent    = "sent"
	SendUnknown = "unknown" // the provider's answer never came: the message may have left
)

// SendOnce is a send under a program's idempotency key. It holds digests and ids, nothing of the message.
type SendOnce struct {
	TenantID    TenantID  `gorm:"column:tenant_id"`
	GrantID     GrantID   `gorm:"column:grant_id"`
	KeyHash     []byte    `gorm:"column:key_hash"`
	RequestHash []byte    `gorm:"column:request_hash"`
	State       string    `gorm:"column:state"`
	MessageID   string    `gorm:"column:message_id"`
	ThreadID    string    `gorm:"column:thread_id"`
	CreatedAt   time.Time `gorm:"column:created_at"`
	ExpiresAt   time.Time `gorm:"column:expires_at"`
}

// TableName names the table.
func (SendOnce) TableName() string { return "sends_once" }
