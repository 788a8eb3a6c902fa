package models

import "time"

// Credential is another app of ours at a connector's provider, for example one that a tenant registered itself. Its client secret is sealed.
type Credential struct {
	ApplicationID ApplicationID `gorm:"column:application_id;primaryKey"`
	ID            CredentialID  `gorm:"column:id;primaryKey"`
	Provider      string        `gorm:"column:provider"`
	TenantID      *TenantID     `gorm:"column:tenant_id"` // nil: chosen by its id only; else used whenever this tenant connects
	Name          string        `gorm:"column:name"`
	ClientID      string        `gorm:"column:client_id"`
	Settings      Settings      `gorm:"column:settings"`
	CreatedAt     time.Time     `gorm:"column:created_at"`
	UpdatedAt     time.Time     `gorm:"column:updated_at"`
}

// TableName names the table.
func (Credential) TableName() string { return "credentials" }
