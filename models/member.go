package models

import "time"

// Member is a person who signs in to the portal.
type Member struct {
	ID           MemberID   `gorm:"column:id;primaryKey"`
	Name         string     `gorm:"column:name"`
	Email        string     `gorm:"column:email"`
	UserHandle   []byte     `gorm:"column:user_handle"`   // the WebAuthn user id: 32 random bytes
	SessionEpoch int        `gorm:"column:session_epoch"` // raised to end all of a member's sessions at once
	CreatedAt    time.Time  `gorm:"column:created_at"`
	DisabledAt   *time.Time `gorm:"column:disabled_at"`
}

// TableName names the table.
func (Member) TableName() string { return "members" }

// Membership gives a member a role, over all tenants or in one.
type Membership struct {
	ID        MembershipID `gorm:"column:id;primaryKey"`
	MemberID  MemberID     `gorm:"column:member_id"`
	Role      Role         `gorm:"column:role"`
	TenantID  *TenantID    `gorm:"column:tenant_id"`
	CreatedAt time.Time    `gorm:"column:created_at"`
}

// TableName names the table.
func (Membership) TableName() string { return "memberships" }

// Passkey is one WebAuthn credential of a member. Credential is the library's record of it and holds nothing secret.
type Passkey struct {
	ID           PasskeyID  `gorm:"column:id;primaryKey"`
	MemberID     MemberID   `gorm:"column:member_id"`
	CredentialID []byte     `gorm:"column:credential_id"`
	Credential   JSON       `gorm:"column:credential"`
	Name         string     `gorm:"column:name"`
	CreatedAt    time.Time  `gorm:"column:created_at"`
	LastUsedAt   *time.Time `gorm:"column:last_used_at"`
}

// TableName names the table.
func (Passkey) TableName() string { return "passkeys" }

// Session is one signed-in browser, or one that is about to sign in while MemberID is nil. The cookie's value is not here, only its hash.
type Session struct {
	IDHash    []byte    `gorm:"column:id_hash;primaryKey"`
	MemberID  *MemberID `gorm:"column:member_id"`
	PassID    *PassID   `gorm:"column:pass_id"` // a guest's session: no member, a pass
	Epoch     int       `gorm:"column:epoch"`
	Data      JSON      `gorm:"column:data"`
	Address   string    `gorm:"column:address"`
	UserAgent string    `gorm:"column:user_agent"`
	CreatedAt time.Time `gorm:"column:created_at"`
	SeenAt    time.Time `gorm:"column:seen_at"`
	ExpiresAt time.Time `gorm:"column:expires_at"`
}

// TableName names the table.
func (Session) TableName() string { return "sessions" }

// Invite lets one person register one passkey.
type Invite struct {
	TokenHash []byte     `gorm:"column:token_hash;primaryKey"`
	MemberID  MemberID   `gorm:"column:member_id"`
	CreatedBy string     `gorm:"column:created_by"`
	CreatedAt time.Time  `gorm:"column:created_at"`
	ExpiresAt time.Time  `gorm:"column:expires_at"`
	UsedAt    *time.Time `gorm:"column:used_at"`
}

// TableName names the table.
func (Invite) TableName() string { return "invites" }
