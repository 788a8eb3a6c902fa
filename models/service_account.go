package models

import "time"

// ServiceAccount is a program that manages an application's API keys. It signs each request; only its public key is kept.
type ServiceAccount struct {
	ApplicationID ApplicationID    `gorm:"column:application_id;primaryKey"`
	ID            ServiceAccountID `gorm:"column:id;primaryKey"`
	Name          string           `gorm:"column:name"`
	PublicKey     []byte           `gorm:"column:public_key"` // SubjectPublicKeyInfo, of RSA
	Permissions   Strings          `gorm:"column:permissions"`
	Addresses     Strings          `gorm:"column:addresses"` // CIDRs; empty: from anywhere
	CreatedBy     string           `gorm:"column:created_by"`
	CreatedAt     time.Time        `gorm:"column:created_at"`
	ExpiresAt     *time.Time       `gorm:"column:expires_at"`
	LastUsedAt    *time.Time       `gorm:"column:last_used_at"`
	RevokedAt     *time.Time       `gorm:"column:revoked_at"`
}

// TableName names the table.
func (ServiceAccount) TableName() string { return "service_accounts" }

// Usable says whether the account may be used at now. Addresses are checked by the caller, who knows where the request came from.
func (a ServiceAccount) Usable(now time.Time) bool {
	return a.RevokedAt == nil && (a.ExpiresAt == nil || now.Before(*a.ExpiresAt))
}

// ServiceNonce is a request that was made: another with the same nonce is a copy. It is kept until the time in the request is too long ago to be taken.
type ServiceNonce struct {
	AccountID ServiceAccountID `gorm:"column:account_id;primaryKey"`
	NonceHash []byte           `gorm:"column:nonce_hash;primaryKey"`
	EndsAt    time.Time        `gorm:"column:ends_at"`
}

// TableName names the table.
func (ServiceNonce) TableName() string { return "service_nonces" }
