package store

import (
	"time"

	"github.com/postern-mail/postern/models"
)

// InsertConnectLink adds a link by the hash of its token.
func (t *Tx) InsertConnectLink(l models.ConnectLink) error {
	return wrap(t.db.Exec(`INSERT INTO connect_links (tenant_id, id, application_id, token_hash, provider, capabilities, expected_email, language, grant_id, created_by, created_by_id, created_at, expires_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		l.TenantID, l.ID, l.ApplicationID, l.TokenHash, l.Provider, l.Capabilities, l.ExpectedEmail, l.Language, l.GrantID, l.CreatedBy, l.CreatedByID, l.CreatedAt, l.ExpiresAt).Error)
}

// ConnectLink reads one link.
func (t *Tx) ConnectLink(tenant models.TenantID, id models.LinkID) (models.ConnectLink, error) {
	return one[models.ConnectLink](t.db.Where("tenant_id = ? AND id = ?", tenant, id))
}

// ConnectLinks lists a tenant's links, the newest first, at most 100.
func (t *Tx) ConnectLinks(tenant models.TenantID) ([]models.ConnectLink, error) {
	return all[models.ConnectLink](t.db.Where("tenant_id = ?", tenant).Order("created_at DESC, id DESC").Limit(100))
}

// MarkConnectLinkUsed spends a link. ErrNotFound: it was spent, withdrawn or is past its time.
func (t *Tx) MarkConnectLinkUsed(tenant models.TenantID, id models.LinkID, at time.Time) error {
	return changed(t.db.Exec(`UPDATE connect_links SET used_at = ? WHERE tenant_id = ? AND id = ? AND used_at IS NULL AND revoked_at IS NULL AND expires_at > ?`, at, tenant, id, at))
}

// MarkConnectLinkRevoked withdraws a link. ErrNotFound: it was used or withdrawn already.
func (t *Tx) MarkConnectLinkRevoked(tenant models.TenantID, id models.LinkID, at time.Time) error {
	return changed(t.db.Exec(`UPDATE connect_links SET revoked_at = ? WHERE tenant_id = ? AND id = ? AND used_at IS NULL AND revoked_at IS NULL`, at, tenant, id))
}

// InsertConnectFlow adds a flow.
func (t *Tx) InsertConnectFlow(f models.ConnectFlow) error {
	return wrap(t.db.Exec(`INSERT INTO connect_flows (tenant_id, id, application_id, link_id, grant_id, provider, providers, expected_email, login_hint, scopes_requested, capabilities,
		redirect_uri, platform, client_state, challenge, challenge_method, offline, prompt, browser_hash, created_at, expires_at, address, user_agent, credential_id, response_type)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, COALESCE(NULLIF(?, ''), 'code'))`,
		f.TenantID, f.ID, f.ApplicationID, f.LinkID, f.GrantID, f.Provider, f.Providers, f.ExpectedEmail, f.LoginHint, f.ScopesRequested, f.Capabilities,
		f.RedirectURI, f.Platform, f.ClientState, f.Challenge, f.ChallengeMethod, f.Offline, f.Prompt, f.BrowserHash, f.CreatedAt, f.ExpiresAt, f.Address, f.UserAgent, f.CredentialID, f.ResponseType).Error)
}

// ConnectFlow reads one flow.
func (t *Tx) ConnectFlow(tenant models.TenantID, id models.FlowID) (models.ConnectFlow, error) {
	return one[models.ConnectFlow](t.db.Where("tenant_id = ? AND id = ?", tenant, id))
}

// ConnectFlowForUpdate reads one flow and locks it until the transaction ends.
func (t *Tx) ConnectFlowForUpdate(tenant models.TenantID, id models.FlowID) (models.ConnectFlow, error) {
	return one[models.ConnectFlow](t.db.Raw(`SELECT * FROM connect_flows WHERE tenant_id = ? AND id = ? FOR UPDATE`, tenant, id))
}

// BindConnectFlow ties a flow to the browser that posted its consent page. ErrNotFound: another browser has it, or it is spent.
func (t *Tx) BindConnectFlow(tenant models.TenantID, id models.FlowID, browser []byte, at time.Time) error {
	return changed(t.db.Exec(`UPDATE connect_flows SET browser_hash = ? WHERE tenant_id = ? AND id = ? AND (browser_hash IS NULL OR browser_hash = ?) AND spent_at IS NULL AND expires_at > ?`,
		browser, tenant, id, browser, at))
}

// LeaveConnectFlow notes the provider chosen, the app there, what is asked of it, and the state under which the answer must come back.
func (t *Tx) LeaveConnectFlow(tenant models.TenantID, id models.FlowID, provider string, credential *models.CredentialID, hint string, scopes models.Strings, state []byte) error {
	return changed(t.db.Exec(`UPDATE connect_flows SET provider = ?, credential_id = ?, login_hint = ?, scopes_requested = ?, state_hash = ? WHERE tenant_id = ? AND id = ? AND spent_at IS NULL`,
		provider, credential, hint, scopes, state, tenant, id))
}

// SpendConnectFlow takes the provider's answer, once. ErrNotFound: it was taken, or is past its time.
func (t *Tx) SpendConnectFlow(tenant models.TenantID, id models.FlowID, at time.Time) error {
	return changed(t.db.Exec(`UPDATE connect_flows SET spent_at = ? WHERE tenant_id = ? AND id = ? AND spent_at IS NULL AND expires_at > ?`, at, tenant, id, at))
}

// CloseConnectFlow records how a flow ended. ErrNotFound: it has an outcome already, one that does not wait for the person.
func (t *Tx) CloseConnectFlow(tenant models.TenantID, id models.FlowID, outcome string, at time.Time) error {
	return changed(t.db.Exec(`UPDATE connect_flows SET outcome = ?, spent_at = COALESCE(spent_at, ?) WHERE tenant_id = ? AND id = ? AND outcome IN ('', 'partial', 'needs_admin')`, outcome, at, tenant, id))
}

// HoldConnectFlow keeps what the provider told until the person, or the program, says go on.
func (t *Tx) HoldConnectFlow(f models.ConnectFlow) error {
	return changed(t.db.Exec(`UPDATE connect_flows SET outcome = ?, subject = ?, email = ?, name = ?, login = ?, settings = ?, scopes_granted = ? WHERE tenant_id = ? AND id = ? AND outcome = ''`,
		f.Outcome, f.Subject, f.Email, f.Name, f.Login, f.Settings, f.ScopesGranted, f.TenantID, f.ID))
}

// IssueConnectCode ends a program's flow with a code to redeem.
func (t *Tx) IssueConnectCode(tenant models.TenantID, id models.FlowID, grant models.GrantID, code []byte, expires time.Time) error {
	return changed(t.db.Exec(`UPDATE connect_flows SET outcome = 'connected', grant_id = ?, code_hash = ?, code_expires_at = ? WHERE tenant_id = ? AND id = ? AND code_hash IS NULL`,
		grant, code, expires, tenant, id))
}

// SpendConnectCode redeems a code, once. ErrNotFound: it was redeemed before.
func (t *Tx) SpendConnectCode(tenant models.TenantID, id models.FlowID, at time.Time) error {
	return changed(t.db.Exec(`UPDATE connect_flows SET code_spent_at = ? WHERE tenant_id = ? AND id = ? AND code_spent_at IS NULL`, at, tenant, id))
}

// SetConnectFlowGrant notes the grant that a flow led to.
func (t *Tx) SetConnectFlowGrant(tenant models.TenantID, id models.FlowID, grant models.GrantID) error {
	return changed(t.db.Exec(`UPDATE connect_flows SET grant_id = ? WHERE tenant_id = ? AND id = ?`, grant, tenant, id))
}

// BurnConnectCodes spends every code that leads to one of some grants: they were cut, and a consent given before that must not revive them.
func (t *Tx) BurnConnectCodes(tenant models.TenantID, grants []models.GrantID, at time.Time) error {
	return wrap(t.db.Exec(`UPDATE connect_flows SET code_spent_at = ? WHERE tenant_id = ? AND grant_id IN ? AND code_hash IS NOT NULL AND code_spent_at IS NULL`, at, tenant, grants).Error)
}
