package models

import "time"

// KeyRotation is one round in which every tenant gets a new data key and everything sealed is sealed anew. At most one is open.
type KeyRotation struct {
	ID         RotationID `gorm:"column:id;primaryKey"`
	StartedBy  string     `gorm:"column:started_by"`
	StartedAt  time.Time  `gorm:"column:started_at"`
	FinishedAt *time.Time `gorm:"column:finished_at"`
	Tenants    int        `gorm:"column:tenants"`  // data keys to do: at most, while it is open; all that there were, once it is finished
	Done       int        `gorm:"column:done"`     // of them
	Wrapped    int64      `gorm:"column:wrapped"`  // data keys wrapped under the key-encryption key in use
	Resealed   int64      `gorm:"column:resealed"` // values sealed anew
}

// TableName names the table.
func (KeyRotation) TableName() string { return "key_rotations" }

// KeyCount is what is known of one tenant's data key: numbers, never a key.
type KeyCount struct {
	TenantID  TenantID   `gorm:"column:tenant_id;primaryKey"`
	KeySince  *time.Time `gorm:"column:key_since"` // nil: none, or destroyed
	KEKID     string     `gorm:"column:kek_id"`
	Sealed    int64      `gorm:"column:sealed"`
	Current   int64      `gorm:"column:current"` // of Sealed, those under the key in use
	CountedAt time.Time  `gorm:"column:counted_at"`
}

// TableName names the table.
func (KeyCount) TableName() string { return "key_counts" }
