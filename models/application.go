package models

import "time"

// Application is a program of the company. Its id is the client_id of the v3 API.
type Application struct {
	ID              ApplicationID `gorm:"column:id;primaryKey"`
	Name            string        `gorm:"column:name"`
	Environment     string        `gorm:"column:environment"`
	DefaultTenantID *TenantID     `gorm:"column:default_tenant_id"` // where grants go that name no tenant
	Branding        JSON          `gorm:"column:branding"`
	HostedAuth      JSON          `gorm:"column:hosted_auth"`
	CreatedAt       time.Time     `gorm:"column:created_at"`
	UpdatedAt       time.Time     `gorm:"column:updated_at"`
}

// TableName names the table.
func (Application) TableName() string { return "applications" }

// CallbackURI is an address to which a connect flow may return. It is compared byte for byte.
type CallbackURI struct {
	ApplicationID ApplicationID `gorm:"column:application_id;primaryKey"`
	ID            CallbackID    `gorm:"column:id;primaryKey"`
	URL           string        `gorm:"column:url"`
	Platform      string        `gorm:"column:platform"` // web, desktop, js, ios, android
	Settings      Settings      `gorm:"column:settings"`
	CreatedAt     time.Time     `gorm:"column:created_at"`
	DeletedAt     *time.Time    `gorm:"column:deleted_at"`
}

// TableName names the table.
func (CallbackURI) TableName() string { return "callback_uris" }

// Public says whether the platform cannot keep a secret: its codes are redeemed with PKCE alone.
func (c CallbackURI) Public() bool { return c.Platform != "web" }

// Connector is how an application reaches one provider. Its client secret is sealed, not here.
type Connector struct {
	ApplicationID ApplicationID `gorm:"column:application_id;primaryKey"`
	ID            ConnectorID   `gorm:"column:id;primaryKey"`
	Provider      string        `gorm:"column:provider"`
	Name          string        `gorm:"column:name"`
	ClientID      string        `gorm:"column:client_id"`
	Settings      Settings      `gorm:"column:settings"`
	Scopes        Strings       `gorm:"column:scopes"`
	CreatedAt     time.Time     `gorm:"column:created_at"`
	UpdatedAt     time.Time     `gorm:"column:updated_at"`

	SecretAt       *time.Time   `gorm:"column:secret_at"`        // since when the client secret is used; nil: there is none
	SecretEndsAt   *time.Time   `gorm:"column:secret_ends_at"`   // at the provider, as a person told; nil: not known, or never
	SecretBeforeAt *time.Time   `gorm:"column:secret_before_at"` // of the secret before it; nil: it is not kept
	CheckedAt      *time.Time   `gorm:"column:checked_at"`
	CheckOutcome   CheckOutcome `gorm:"column:check_outcome"` // of the secret in use
	CheckBefore    CheckOutcome `gorm:"column:check_before"`  // of the one before it
}

// TableName names the table.
func (Connector) TableName() string { return "connectors" }

// CheckOutcome is what a live check of our registration at a provider saw. Empty: none was made since the last change.
type CheckOutcome string

// The outcomes of a live check.
const (
	CheckAccepted CheckOutcome = "accepted" // the provider answered and found nothing wrong with client id and secret
	CheckRefused  CheckOutcome = "refused"
	CheckNoAnswer CheckOutcome = "no_answer"
)

// secretWarning is how long before its end a client secret is said to end soon.
const secretWarning = 60 * 24 * time.Hour

// SecretEnding says whether the client secret has ended or ends within 60 days.
func (c Connector) SecretEnding(now time.Time) bool {
	return c.SecretEndsAt != nil && now.Add(secretWarning).After(*c.SecretEndsAt)
}

// APIKey is what a program shows to be let in. Only the hash of the key is kept.
type APIKey struct {
	ApplicationID ApplicationID `gorm:"column:application_id;primaryKey"`
	ID            APIKeyID      `gorm:"column:id;primaryKey"`
	TenantID      *TenantID     `gorm:"column:tenant_id"` // nil: every tenant of the application
	Name          string        `gorm:"column:name"`
	Prefix        string        `gorm:"column:prefix"`
	Hash          []byte        `gorm:"column:hash"`
	Permissions   Strings       `gorm:"column:permissions"`
	Addresses     Strings       `gorm:"column:addresses"` // CIDRs; empty: from anywhere
	CreatedBy     string        `gorm:"column:created_by"`
	CreatedAt     time.Time     `gorm:"column:created_at"`
	ExpiresAt     *time.Time    `gorm:"column:expires_at"`
	LastUsedAt    *time.Time    `gorm:"column:last_used_at"`
	RevokedAt     *time.Time    `gorm:"column:revoked_at"`
}

// TableName names the table.
func (APIKey) TableName() string { return "api_keys" }

// Usable says whether the key may be used at now. Addresses are checked by the caller, who knows where the request came from.
func (k APIKey) Usable(now time.Time) bool {
	return k.RevokedAt == nil && (k.ExpiresAt == nil || now.Before(*k.ExpiresAt))
}
