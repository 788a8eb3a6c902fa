package models

import (
	"slices"
	"time"
)

// GrantStatus is what can be done with a grant.
type GrantStatus string

// The statuses of a grant. A deleted grant has no row.
const (
	GrantPending GrantStatus = "pending" // consent was given, the program has not redeemed its code yet
	GrantValid   GrantStatus = "valid"
	GrantInvalid GrantStatus = "invalid" // the provider refuses: reconnect
	GrantRevoked GrantStatus = "revoked" // cut; a new consent revives it
)

// Grant is the right to one mailbox, for one application, held for one tenant. Its credential is sealed, not here.
type Grant struct {
	TenantID        TenantID      `gorm:"column:tenant_id;primaryKey"`
	ID              GrantID       `gorm:"column:id;primaryKey"`
	ApplicationID   ApplicationID `gorm:"column:application_id"`
	Provider        string        `gorm:"column:provider"`
	Subject         string        `gorm:"column:subject"` // who the provider says it is; the address is only a label
	Email           string        `gorm:"column:email"`
	Name            string        `gorm:"column:name"`
	Login           string        `gorm:"column:login"`
	Status          GrantStatus   `gorm:"column:status"`
	StatusReason    string        `gorm:"column:status_reason"`
	StatusDetail    string        `gorm:"column:status_detail"`
	StatusAt        time.Time     `gorm:"column:status_at"`
	Settings        Settings      `gorm:"column:settings"`
	ScopesRequested Strings       `gorm:"column:scopes_requested"`
	ScopesGranted   Strings       `gorm:"column:scopes_granted"`
	State           string        `gorm:"column:state"`
	Address         string        `gorm:"column:address"`
	UserAgent       string        `gorm:"column:user_agent"`
	Credential      int           `gorm:"column:credential"` // counts the credentials held so far
	RefusedAt       *time.Time    `gorm:"column:refused_at"` // first invalid_grant since the last good refresh
	CreatedAt       time.Time     `gorm:"column:created_at"`
	UpdatedAt       time.Time     `gorm:"column:updated_at"`
	AuthenticatedAt *time.Time    `gorm:"column:authenticated_at"`
	LastUsedAt      *time.Time    `gorm:"column:last_used_at"`
	RevokedAt       *time.Time    `gorm:"column:revoked_at"`
	CredentialID    *CredentialID `gorm:"column:credential_id"` // the app it was consented to through; nil: the connector's
	// ChallengedAt is when the provider last said that it ended an access token itself; the token was of credential ChallengedCredential. Nil: never since the consent.
	ChallengedAt         *time.Time `gorm:"column:challenged_at"`
	ChallengedCredential int        `gorm:"column:challenged_credential"`
}

// TableName names the table.
func (Grant) TableName() string { return "grants" }

// Usable says whether the mailbox may be reached with this grant.
func (g Grant) Usable() bool { return g.Status == GrantValid }

// Missing lists what was asked for and not given.
func (g Grant) Missing() []string {
	var out []string
	for _, s := range g.ScopesRequested {
		if !slices.Contains(g.ScopesGranted, s) {
			out = append(out, s)
		}
	}
	return out
}

// TokenFamily ties together what was issued for one code: one dies, all die.
type TokenFamily struct {
	TenantID      TenantID      `gorm:"column:tenant_id;primaryKey"`
	ID            FamilyID      `gorm:"column:id;primaryKey"`
	ApplicationID ApplicationID `gorm:"column:application_id"`
	GrantID       GrantID       `gorm:"column:grant_id"`
	FlowID        *FlowID       `gorm:"column:flow_id"`
	CreatedAt     time.Time     `gorm:"column:created_at"`
	RevokedAt     *time.Time    `gorm:"column:revoked_at"`
	RevokedReason string        `gorm:"column:revoked_reason"`
}

// TableName names the table.
func (TokenFamily) TableName() string { return "token_families" }

// IssuedToken is an access or refresh token of ours, for one grant. Only its hash is kept.
type IssuedToken struct {
	TenantID      TenantID      `gorm:"column:tenant_id;primaryKey"`
	ID            TokenID       `gorm:"column:id;primaryKey"`
	ApplicationID ApplicationID `gorm:"column:application_id"`
	GrantID       GrantID       `gorm:"column:grant_id"`
	FamilyID      FamilyID      `gorm:"column:family_id"`
	Kind          string        `gorm:"column:kind"` // access, refresh
	Hash          []byte        `gorm:"column:hash"`
	Scopes        Strings       `gorm:"column:scopes"`
	Permissions   Strings       `gorm:"column:permissions"` // those of the API key that it was issued to; empty: all that a token can do
	Addresses     Strings       `gorm:"column:addresses"`   // the same: CIDRs; empty: from anywhere
	CreatedAt     time.Time     `gorm:"column:created_at"`
	ExpiresAt     *time.Time    `gorm:"column:expires_at"`
}

// TableName names the table.
func (IssuedToken) TableName() string { return "issued_tokens" }

// Severance is the durable work of ending access at the provider. It outlives its grant.
type Severance struct {
	TenantID      TenantID       `gorm:"column:tenant_id;primaryKey"`
	ID            SeveranceID    `gorm:"column:id;primaryKey"`
	ApplicationID ApplicationID  `gorm:"column:application_id"`
	GrantID       GrantID        `gorm:"column:grant_id"`
	Act           string         `gorm:"column:act"` // revoke, delete
	Provider      string         `gorm:"column:provider"`
	Subject       string         `gorm:"column:subject"`
	Email         string         `gorm:"column:email"`
	Reason        string         `gorm:"column:reason"`
	Actor         string         `gorm:"column:actor"`
	ActorID       string         `gorm:"column:actor_id"`
	CutAt         time.Time      `gorm:"column:cut_at"`
	Attempts      int            `gorm:"column:attempts"`
	NextTryAt     *time.Time     `gorm:"column:next_try_at"`
	LastAnswer    string         `gorm:"column:last_answer"`
	Outcome       string         `gorm:"column:outcome"`
	DestroyedAt   *time.Time     `gorm:"column:destroyed_at"`
	ClosedAt      *time.Time     `gorm:"column:closed_at"`
	Reach         Reach          `gorm:"column:reach"`
	ConfirmedAt   *time.Time     `gorm:"column:confirmed_at"` // the customer said that it is gone at the provider
	ConfirmedBy   string         `gorm:"column:confirmed_by"` // who wrote that down
	ConfirmedByID string         `gorm:"column:confirmed_by_id"`
	ConfirmedNote string         `gorm:"column:confirmed_note"`
	CredentialID  *CredentialID  `gorm:"column:credential_id"`
	OffboardingID *OffboardingID `gorm:"column:offboarding_id"` // the offboarding that cut it; nil: somebody did, one by one
	Pushed        bool           `gorm:"column:pushed"`         // the provider may have been asked for pushes, which have to be ended
	Delegated     bool           `gorm:"column:delegated"`      // a service account opened the mailbox: no person consented
}

// Reach is how far a severance goes at a provider that keeps one permission for a person and an app.
type Reach string

// The reaches. They differ only where the provider can be told at all.
const (
	ReachEverywhere Reach = "everywhere" // the provider is told; other connections of the same person through the same app end too
	ReachHere       Reach = "here"       // our copy is destroyed, the provider is not told: this organisation only
)

// Live says whether the permission may still stand at the provider.
func (s Severance) Live() bool {
	return s.ConfirmedAt == nil && (s.Outcome == "" || s.Outcome == "deleted-here-only" || s.Outcome == "user-action-needed")
}

// TableName names the table.
func (Severance) TableName() string { return "severances" }

// Receipt is the record of one severed grant.
type Receipt struct {
	TenantID      TenantID      `gorm:"column:tenant_id;primaryKey"`
	ID            ReceiptID     `gorm:"column:id;primaryKey"`
	ApplicationID ApplicationID `gorm:"column:application_id"`
	SeveranceID   SeveranceID   `gorm:"column:severance_id"`
	GrantID       GrantID       `gorm:"column:grant_id"`
	Email         string        `gorm:"column:email"`
	Provider      string        `gorm:"column:provider"`
	Outcome       string        `gorm:"column:outcome"`
	Body          JSON          `gorm:"column:body"`
	CreatedAt     time.Time     `gorm:"column:created_at"`
	EntryID       *AuditID      `gorm:"column:entry_id"` // the audit entry that commits to it; nil: written before the log did
}

// TableName names the table.
func (Receipt) TableName() string { return "receipts" }

// CapabilityUse is when a right of a grant was used first and last. It is written at most once a minute for a right.
type CapabilityUse struct {
	TenantID   TenantID  `gorm:"column:tenant_id;primaryKey"`
	GrantID    GrantID   `gorm:"column:grant_id;primaryKey"`
	Capability string    `gorm:"column:capability;primaryKey"`
	FirstAt    time.Time `gorm:"column:first_at"`
	LastAt     time.Time `gorm:"column:last_at"`
}

// TableName names the table.
func (CapabilityUse) TableName() string { return "capability_uses" }
