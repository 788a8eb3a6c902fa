package models

import "time"

// The types of credentials. A service account has its address as client id and its private key in place of the client secret.
const (
	CredentialApp            = "connector"
	CredentialServiceAccount = "serviceaccount"
)

// Credential is another app of ours at a connector's provider, for example one that a tenant registered itself. Its client secret is sealed.
type Credential struct {
	ApplicationID ApplicationID `gorm:"column:application_id;primaryKey"`
	ID            CredentialID  `gorm:"column:id;primaryKey"`
	Provider      string        `gorm:"column:provider"`
	TenantID      *TenantID     `gorm:"column:tenant_id"` // nil: chosen by its id only; else used whenever this tenant connects
	Name          string        `gorm:"column:name"`
	Type          string        `gorm:"column:type"` // one of the credential types
	ClientID      string        `gorm:"column:client_id"`
	Settings      Settings      `gorm:"column:settings"`
	CreatedAt     time.Time     `gorm:"column:created_at"`
	UpdatedAt     time.Time     `gorm:"column:updated_at"`
}

// TableName names the table.
func (Credential) TableName() string { return "credentials" }
