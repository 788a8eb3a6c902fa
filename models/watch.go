package models

import "time"

// Watch is the watching of one grant's mailbox. How far it was looked at is sealed.
type Watch struct {
	TenantID      TenantID      `gorm:"column:tenant_id;primaryKey"`
	GrantID       GrantID       `gorm:"column:grant_id;primaryKey"`
	ApplicationID ApplicationID `gorm:"column:application_id"`
	Holder        *KeeperID     `gorm:"column:holder"`  // the process that watches; nil: none
	Fence         int64         `gorm:"column:fence"`   // goes up each time that it is taken
	Version       int64         `gorm:"column:version"` // of the position; 0: there is none yet
	Pokes         int64         `gorm:"column:pokes"`   // goes up when a push says that there is something to see
	Lapses        int64         `gorm:"column:lapses"`  // goes up when the provider says that its pushes end
	Since         time.Time     `gorm:"column:since"`   // of the position or later; the time that is in the ids of the events found from it
}

// TableName names the table.
func (Watch) TableName() string { return "watches" }
