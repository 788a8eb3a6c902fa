package models

import "time"

// Witness is a place outside the database where the audit log's checkpoints are published.
type Witness struct {
	Name        string     `gorm:"column:name;primaryKey"`
	Shown       string     `gorm:"column:shown"` // for people: kind, and file or host
	Size        int64      `gorm:"column:size"`  // of the last checkpoint that it took
	PublishedAt *time.Time `gorm:"column:published_at"`
	Tries       int        `gorm:"column:tries"` // in vain, since
	Problem     string     `gorm:"column:problem"`
	NextAt      time.Time  `gorm:"column:next_at"`
	HeldUntil   *time.Time `gorm:"column:held_until"`
}

// TableName names the table.
func (Witness) TableName() string { return "witnesses" }
