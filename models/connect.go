package models

import "time"

// ConnectLink opens one consent, or one reconnect, and nothing else.
type ConnectLink struct {
	TenantID      TenantID      `gorm:"column:tenant_id;primaryKey"`
	ID            LinkID        `gorm:"column:id;primaryKey"`
	ApplicationID ApplicationID `gorm:"column:application_id"`
	TokenHash     []byte        `gorm:"column:token_hash"`
	Provider      string        `gorm:"column:provider"` // empty: the customer chooses
	Capabilities  Strings       `gorm:"column:capabilities"`
	ExpectedEmail string        `gorm:"column:expected_email"`
	Language      string        `gorm:"column:language"`
	GrantID       *GrantID      `gorm:"column:grant_id"` // set for a reconnect
	CreatedBy     string        `gorm:"column:created_by"`
	CreatedByID   string        `gorm:"column:created_by_id"`
	CreatedAt     time.Time     `gorm:"column:created_at"`
	ExpiresAt     time.Time     `gorm:"column:expires_at"`
	UsedAt        *time.Time    `gorm:"column:used_at"`
	RevokedAt     *time.Time    `gorm:"column:revoked_at"`
}

// TableName names the table.
func (ConnectLink) TableName() string { return "connect_links" }

// State says in one word where the link stands at now: open, used, withdrawn or expired.
func (l ConnectLink) State(now time.Time) string {
	switch {
	case l.UsedAt != nil:
		return "used"
	case l.RevokedAt != nil:
		return "withdrawn"
	case !now.Before(l.ExpiresAt):
		return "expired"
	default:
		return "open"
	}
}

// ConnectFlow is one walk through consent, bound to one browser, one tenant, one connector and one requester.
type ConnectFlow struct {
	TenantID        TenantID      `gorm:"column:tenant_id;primaryKey"`
	ID              FlowID        `gorm:"column:id;primaryKey"`
	ApplicationID   ApplicationID `gorm:"column:application_id"`
	LinkID          *LinkID       `gorm:"column:link_id"` // nil: a program began it
	GrantID         *GrantID      `gorm:"column:grant_id"`
	Provider        string        `gorm:"column:provider"`
	Providers       Strings       `gorm:"column:providers"`
	ExpectedEmail   string        `gorm:"column:expected_email"`
	LoginHint       string        `gorm:"column:login_hint"`
	ScopesRequested Strings       `gorm:"column:scopes_requested"`
	Capabilities    Strings       `gorm:"column:capabilities"`
	RedirectURI     string        `gorm:"column:redirect_uri"`
	Platform        string        `gorm:"column:platform"`
	ClientState     string        `gorm:"column:client_state"`
	Challenge       string        `gorm:"column:challenge"`
	ChallengeMethod string        `gorm:"column:challenge_method"`
	Offline         bool          `gorm:"column:offline"`
	Prompt          string        `gorm:"column:prompt"`
	BrowserHash     []byte        `gorm:"column:browser_hash"`
	StateHash       []byte        `gorm:"column:state_hash"`
	CreatedAt       time.Time     `gorm:"column:created_at"`
	ExpiresAt       time.Time     `gorm:"column:expires_at"`
	SpentAt         *time.Time    `gorm:"column:spent_at"`
	Outcome         string        `gorm:"column:outcome"`
	Subject         string        `gorm:"column:subject"`
	Email           string        `gorm:"column:email"`
	Name            string        `gorm:"column:name"`
	Login           string        `gorm:"column:login"`
	Settings        Settings      `gorm:"column:settings"`
	ScopesGranted   Strings       `gorm:"column:scopes_granted"`
	CodeHash        []byte        `gorm:"column:code_hash"`
	CodeExpiresAt   *time.Time    `gorm:"column:code_expires_at"`
	CodeSpentAt     *time.Time    `gorm:"column:code_spent_at"`
	Address         string        `gorm:"column:address"`
	UserAgent       string        `gorm:"column:user_agent"`
	CredentialID    *CredentialID `gorm:"column:credential_id"` // nil: the connector's own app
	ResponseType    string        `gorm:"column:response_type"` // code, or adminconsent: of an administrator, for their organisation
}

// ForAdministrator says that the flow asks an administrator for an approval, and connects no mailbox.
func (f ConnectFlow) ForAdministrator() bool { return f.ResponseType == "adminconsent" }

// TableName names the table.
func (ConnectFlow) TableName() string { return "connect_flows" }
