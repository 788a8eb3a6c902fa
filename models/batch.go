package models

import "time"

// Batch revokes or deletes many grants by one act of one person. Nothing of it is secret.
type Batch struct {
	ID            BatchID    `gorm:"column:id;primaryKey"`
	TenantID      *TenantID  `gorm:"column:tenant_id"` // nil: of several tenants; staff alone see it
	Act           string     `gorm:"column:act"`       // revoke, delete
	Reach         Reach      `gorm:"column:reach"`
	Reason        string     `gorm:"column:reason"`
	RequestedBy   string     `gorm:"column:requested_by"`
	RequestedByID string     `gorm:"column:requested_by_id"`
	RequestedAt   time.Time  `gorm:"column:requested_at"`
	Total         int        `gorm:"column:total"`
	BeatAt        time.Time  `gorm:"column:beat_at"`  // a worker was at it
	EndedAt       *time.Time `gorm:"column:ended_at"` // every item has an outcome; providers may still be asked
}

// TableName names the table.
func (Batch) TableName() string { return "batches" }

// BatchOutcome is what became of one grant of a batch.
type BatchOutcome string

// The outcomes. A grant that was cut has a severance, whose outcome is the provider's.
const (
	BatchWaiting     BatchOutcome = ""
	BatchCut         BatchOutcome = "cut"
	BatchAlready     BatchOutcome = "already"     // somebody revoked it first
	BatchGone        BatchOutcome = "gone"        // somebody deleted it first
	BatchOffboarding BatchOutcome = "offboarding" // it ends with its tenant, by that plan
)

// BatchItem is one grant of a batch.
type BatchItem struct {
	TenantID    TenantID     `gorm:"column:tenant_id;primaryKey"`
	BatchID     BatchID      `gorm:"column:batch_id;primaryKey"`
	GrantID     GrantID      `gorm:"column:grant_id;primaryKey"`
	Place       int          `gorm:"column:place"`
	Email       string       `gorm:"column:email"`
	Provider    string       `gorm:"column:provider"`
	Outcome     BatchOutcome `gorm:"column:outcome"`
	SeveranceID *SeveranceID `gorm:"column:severance_id"`
	Attempts    int          `gorm:"column:attempts"` // that failed here, not at the provider
	DoneAt      *time.Time   `gorm:"column:done_at"`
}

// TableName names the table.
func (BatchItem) TableName() string { return "batch_items" }
