package models

import "time"

// Outcomes of an audit entry.
const (
	OutcomeDone    = "done"
	OutcomeRefused = "refused"
	OutcomeFailed  = "failed"
)

// AuditEntry says who did what to what, with what outcome. It is written once; of its personal fields parts can be erased, and nothing else ever changes.
type AuditEntry struct {
	ID            AuditID        `gorm:"column:id;primaryKey"`
	At            time.Time      `gorm:"column:at"`
	TenantID      *TenantID      `gorm:"column:tenant_id"` // nil: the platform's own affairs
	ApplicationID *ApplicationID `gorm:"column:application_id"`
	ActorKind     ActorKind      `gorm:"column:actor_kind"`
	ActorID       string         `gorm:"column:actor_id"`
	Actor         string         `gorm:"column:actor"`
	Action        string         `gorm:"column:action"` // what was asked: grant.revoke
	ObjectKind    string         `gorm:"column:object_kind"`
	ObjectID      string         `gorm:"column:object_id"`
	Object        string         `gorm:"column:object"` // its name for people
	Outcome       string         `gorm:"column:outcome"`
	Detail        Settings       `gorm:"column:detail"`
	Address       string         `gorm:"column:address"`
	RequestID     string         `gorm:"column:request_id"`
	Salt          []byte         `gorm:"column:salt"`   // made by the database; hides the personal fields in the entry's leaf; empty after an erasure
	Erased        Settings       `gorm:"column:erased"` // what stands in the leaf for each field that was erased, by name
	Salts         Settings       `gorm:"column:salts"`  // after an erasure: the salts of the fields that are left
}

// TableName names the table.
func (AuditEntry) TableName() string { return "audit_entries" }

// Checkpoint is a signed statement of the audit log's size and root.
type Checkpoint struct {
	Size int64     `gorm:"column:size;primaryKey"`
	Root []byte    `gorm:"column:root"`
	Note string    `gorm:"column:note"` // in the form of golang.org/x/mod/sumdb/note
	At   time.Time `gorm:"column:at"`
}

// TableName names the table.
func (Checkpoint) TableName() string { return "checkpoints" }
