package models

import "time"

type scheduleNoun struct{}

// ScheduleID names a Schedule.
type ScheduleID = ID[scheduleNoun]

// States of a Schedule.
const (
	SchedulePending   = "pending"
	ScheduleSending   = "sending"
	ScheduleSent      = "sent"
	ScheduleFailed    = "failed"
	ScheduleUnknown   = "unknown" // the provider's answer was lost: the message may have left
	ScheduleCancelled = "cancelled"
)

// Schedule is a message that is to leave later. It holds nothing of the message.
type Schedule struct {
	TenantID      TenantID      `gorm:"column:tenant_id;primaryKey"`
	ID            ScheduleID    `gorm:"column:id;primaryKey"`
	ApplicationID ApplicationID `gorm:"column:application_id"`
	GrantID       GrantID       `gorm:"column:grant_id"`
	SendAt        time.Time     `gorm:"column:send_at"`
	Status        string        `gorm:"column:status"`
	Reason        string        `gorm:"column:reason"` // a code
	Tries         int           `gorm:"column:tries"`
	MessageID     string        `gorm:"column:message_id"` // the provider's, once sent
	CreatedAt     time.Time     `gorm:"column:created_at"`
	TakenAt       *time.Time    `gorm:"column:taken_at"`
	ClosedAt      *time.Time    `gorm:"column:closed_at"`
}

// TableName names the table.
func (Schedule) TableName() string { return "schedules" }
