package models

import "time"

// Access is one call to a mailbox through the API: a row of the access ledger. It holds nothing of what was read or written.
type Access struct {
	At            time.Time     `gorm:"column:at" json:"at"`
	ID            AccessID      `gorm:"column:id" json:"id"`
	TenantID      TenantID      `gorm:"column:tenant_id;primaryKey" json:"tenant_id"`
	ApplicationID ApplicationID `gorm:"column:application_id" json:"application_id"`
	GrantID       GrantID       `gorm:"column:grant_id" json:"grant_id"`
	ActorKind     ActorKind     `gorm:"column:actor_kind" json:"actor_kind"` // key, token
	ActorID       string        `gorm:"column:actor_id" json:"actor_id"`
	Actor         string        `gorm:"column:actor" json:"actor"`         // as the key was called then
	Operation     string        `gorm:"column:operation" json:"operation"` // messages.list, messages.send ...
	Outcome       string        `gorm:"column:outcome" json:"outcome"`     // ok, or the code of what was answered instead
	Address       string        `gorm:"column:address" json:"address"`
	RequestID     string        `gorm:"column:request_id" json:"request_id"`
}

// TableName names the table.
func (Access) TableName() string { return "access_ledger" }
