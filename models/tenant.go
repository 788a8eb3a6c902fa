package models

import "time"

// TenantState is where a tenant stands in its life.
type TenantState string

// The states of a tenant.
const (
	TenantActive      TenantState = "active"
	TenantOffboarding TenantState = "offboarding"
	TenantOffboarded  TenantState = "offboarded"
)

// Tenant is a customer organisation; on the v3 wire it is the workspace.
type Tenant struct {
	ID        TenantID    `gorm:"column:id;primaryKey"`
	Name      string      `gorm:"column:name"`
	Region    string      `gorm:"column:region"`
	State     TenantState `gorm:"column:state"`
	CreatedAt time.Time   `gorm:"column:created_at"`
	UpdatedAt time.Time   `gorm:"column:updated_at"`
}

// TableName names the table.
func (Tenant) TableName() string { return "tenants" }
