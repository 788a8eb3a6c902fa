package store

import (
	"time"

	"gorm.io/gorm"

	"github.com/postern-mail/postern/models"
)

// GrantQuery says which grants to list. Empty fields do not narrow.
type GrantQuery struct {
	ID          models.GrantID
	IDs         []models.GrantID
	Application models.ApplicationID
	Tenant      models.TenantID
	Provider    string
	Status      []models.GrantStatus
	Email       string // whole, any case
	Address     string
	Search      string // part of the address or the whole id
	Since       time.Time
	Before      time.Time
	Sort        string // created_at or updated_at
	Ascending   bool
	Limit       int
	Offset      int
	AfterAt     time.Time // keyset along Sort, exclusive
	AfterID     models.GrantID
}

// Grant reads one grant.
func (t *Tx) Grant(tenant models.TenantID, id models.GrantID) (models.Grant, error) {
	return one[models.Grant](t.db.Where("tenant_id = ? AND id = ?", tenant, id))
}

// GrantForUpdate reads one grant and locks it until the transaction ends.
func (t *Tx) GrantForUpdate(tenant models.TenantID, id models.GrantID) (models.Grant, error) {
	return one[models.Grant](t.db.Raw(`SELECT * FROM grants WHERE tenant_id = ? AND id = ? FOR UPDATE`, tenant, id))
}

// GrantsForUpdate reads and locks some grants, in the order of their ids, which keeps two who lock the same ones from waiting for each other. Those that are gone are left out.
func (t *Tx) GrantsForUpdate(tenant models.TenantID, ids []models.GrantID) ([]models.Grant, error) {
	return all[models.Grant](t.db.Raw(`SELECT * FROM grants WHERE tenant_id = ? AND id IN ? ORDER BY id FOR UPDATE`, tenant, ids))
}

// GrantBySubject reads and locks the grant of one mailbox, whatever its status.
func (t *Tx) GrantBySubject(tenant models.TenantID, application models.ApplicationID, provider, subject string) (models.Grant, error) {
	return one[models.Grant](t.db.Raw(`SELECT * FROM grants WHERE tenant_id = ? AND application_id = ? AND provider = ? AND subject = ? FOR UPDATE`,
		tenant, application, provider, subject))
}

// Grants lists grants. In an application's scope it reaches all tenants of that application.
func (t *Tx) Grants(q GrantQuery) ([]models.Grant, error) {
	return all[models.Grant](orderGrants(t.db, q))
}

func orderGrants(db *gorm.DB, q GrantQuery) *gorm.DB {
	by := "created_at"
	if q.Sort == "updated_at" {
		by = "updated_at"
	}
	way, past := " DESC", "<"
	if q.Ascending {
		way, past = "", ">"
	}
	query := narrowGrants(db.Table("grants"), q)
	if !q.AfterAt.IsZero() {
		query = query.Where("("+by+", id) "+past+" (?, ?)", q.AfterAt, q.AfterID)
	}
	return query.Order(by + way + ", id" + way).Limit(q.Limit).Offset(q.Offset)
}

// CountGrants counts up to most grants: more cost more than a person needs to know.
func (t *Tx) CountGrants(q GrantQuery, most int) (int, error) {
	var n int64
	err := t.db.Table("(?) AS counted", narrowGrants(t.db.Session(&gorm.Session{NewDB: true}).Table("grants").Select("1"), q).Limit(most)).Count(&n).Error
	return int(n), wrap(err)
}

func narrowGrants(query *gorm.DB, q GrantQuery) *gorm.DB {
	if !q.Application.IsZero() {
		query = query.Where("application_id = ?", q.Application)
	}
	if !q.Tenant.IsZero() {
		query = query.Where("tenant_id = ?", q.Tenant)
	}
	if q.Provider != "" {
		query = query.Where("provider = ?", q.Provider)
	}
	if len(q.Status) > 0 {
		query = query.Where("status IN ?", q.Status)
	}
	if q.Email != "" {
		query = query.Where("lower(email) = lower(?)", q.Email)
	}
	if q.Address != "" {
		query = query.Where("address = ?", q.Address)
	}
	if !q.ID.IsZero() {
		query = query.Where("id = ?", q.ID)
	}
	if len(q.IDs) > 0 {
		query = query.Where("id IN ?", q.IDs)
	}
	if q.Search != "" {
		if id, err := models.ParseID[models.GrantID](q.Search); err == nil {
			query = query.Where("id = ?", id)
		} else {
			query = query.Where("email ILIKE ?", "%"+escapeLike(q.Search)+"%")
		}
	}
	if !q.Since.IsZero() {
		query = query.Where("created_at >= ?", q.Since)
	}
	if !q.Before.IsZero() {
		query = query.Where("created_at <= ?", q.Before)
	}
	return query
}

// InsertGrant adds a pending grant unless the mailbox has one already; either way it gives the row, locked. One statement decides
// among any number of callbacks at once.
func (t *Tx) InsertGrant(g models.Grant) (models.Grant, error) {
	err := t.db.Exec(`INSERT INTO grants (tenant_id, id, application_id, provider, subject, email, name, login, status, status_reason, status_at, settings,
		scopes_requested, scopes_granted, state, address, user_agent, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (tenant_id, application_id, provider, subject) DO NOTHING`,
		g.TenantID, g.ID, g.ApplicationID, g.Provider, g.Subject, g.Email, g.Name, g.Login, g.Status, g.StatusReason, g.StatusAt, g.Settings,
		g.ScopesRequested, g.ScopesGranted, g.State, g.Address, g.UserAgent, g.CreatedAt, g.UpdatedAt).Error
	if err != nil {
		return models.Grant{}, wrap(err)
	}
	return t.GrantBySubject(g.TenantID, g.ApplicationID, g.Provider, g.Subject)
}

// MarkGrantConnected makes a grant valid with what a consent brought. Its credential number goes up by one.
func (t *Tx) MarkGrantConnected(g models.Grant, at time.Time) error {
	return changed(t.db.Exec(`UPDATE grants SET status = 'valid', status_reason = ?, status_detail = '', status_at = ?, revoked_at = NULL, email = ?, name = ?, login = ?,
		settings = ?, scopes_requested = ?, scopes_granted = ?, state = ?, address = ?, user_agent = ?, credential = credential + 1, credential_id = ?, refused_at = NULL, challenged_at = NULL, updated_at = ?, authenticated_at = ?
		WHERE tenant_id = ? AND id = ?`,
		g.StatusReason, at, g.Email, g.Name, g.Login, g.Settings, g.ScopesRequested, g.ScopesGranted, g.State, g.Address, g.UserAgent, g.CredentialID, at, at, g.TenantID, g.ID))
}

// MarkGrantInvalid records that the provider refuses the grant. ErrNotFound: it was not valid any more, or has a newer credential.
func (t *Tx) MarkGrantInvalid(tenant models.TenantID, id models.GrantID, credential int, reason, detail string, at time.Time) error {
	return changed(t.db.Exec(`UPDATE grants SET status = 'invalid', status_reason = ?, status_detail = ?, status_at = ?
		WHERE tenant_id = ? AND id = ? AND status = 'valid' AND credential = ?`, reason, detail, at, tenant, id, credential))
}

// GrantsUsable says which of these grants may be used, in any tenant. Others are gone, or cut.
func (t *Tx) GrantsUsable(ids []string) (map[string]bool, error) {
	rows := []struct{ ID models.GrantID }{}
	if err := t.db.Raw(`SELECT id FROM grants WHERE id = ANY(?::uuid[]) AND status = 'valid'`, models.Strings(ids)).Scan(&rows).Error; err != nil {
		return nil, wrap(err)
	}
	usable := make(map[string]bool, len(rows))
	for _, r := range rows {
		usable[r.ID.String()] = true
	}
	return usable, nil
}

// GrantsOfSubject lists the valid grants of one person at a provider, in any tenant: at most 1,000.
func (t *Tx) GrantsOfSubject(provider, subject string) ([]models.Grant, error) {
	return all[models.Grant](t.db.Table("grants").Where("provider = ? AND subject = ? AND status = 'valid'", provider, subject).Order("id").Limit(1000))
}

// MarkGrantRevoked cuts a grant. ErrNotFound: it is revoked already.
func (t *Tx) MarkGrantRevoked(tenant models.TenantID, id models.GrantID, reason string, at time.Time) error {
	return changed(t.db.Exec(`UPDATE grants SET status = 'revoked', status_reason = ?, status_detail = '', status_at = ?, revoked_at = ?, updated_at = ?
		WHERE tenant_id = ? AND id = ? AND revoked_at IS NULL`, reason, at, at, at, tenant, id))
}

// MarkGrantRefreshed raises the credential number from a known one: a fence against a refresh that lost its turn. ErrNotFound: it lost.
func (t *Tx) MarkGrantRefreshed(tenant models.TenantID, id models.GrantID, from int) error {
	return changed(t.db.Exec(`UPDATE grants SET credential = credential + 1, refused_at = NULL WHERE tenant_id = ? AND id = ? AND credential = ? AND status = 'valid'`, tenant, id, from))
}

// MarkGrantRefused notes the provider's first refusal of a credential; later ones change nothing.
func (t *Tx) MarkGrantRefused(tenant models.TenantID, id models.GrantID, credential int, at time.Time) error {
	return wrap(t.db.Exec(`UPDATE grants SET refused_at = ? WHERE tenant_id = ? AND id = ? AND credential = ? AND refused_at IS NULL`, at, tenant, id, credential).Error)
}

// MarkGrantChallenged notes that the provider ended an access token of this credential itself; a second word about the same credential changes nothing.
func (t *Tx) MarkGrantChallenged(tenant models.TenantID, id models.GrantID, credential int, at time.Time) error {
	return wrap(t.db.Exec(`UPDATE grants SET challenged_at = ?, challenged_credential = credential WHERE tenant_id = ? AND id = ? AND credential = ?
		AND (challenged_at IS NULL OR challenged_credential < credential)`, at, tenant, id, credential).Error)
}

// MarkGrantUsed notes when a mailbox was last reached, and with which right. It writes at most once a minute for a right.
func (t *Tx) MarkGrantUsed(tenant models.TenantID, id models.GrantID, capability string, at time.Time) error {
	err := t.db.Exec(`INSERT INTO capability_uses (tenant_id, grant_id, capability, first_at, last_at) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (tenant_id, grant_id, capability) DO UPDATE SET last_at = excluded.last_at WHERE capability_uses.last_at < ?`,
		tenant, id, capability, at, at, at.Add(-time.Minute)).Error
	if err != nil {
		return wrap(err)
	}
	return wrap(t.db.Exec(`UPDATE grants SET last_used_at = ? WHERE tenant_id = ? AND id = ? AND (last_used_at IS NULL OR last_used_at < ?)`,
		at, tenant, id, at.Add(-time.Minute)).Error)
}

// CapabilityUses lists the rights of a grant that were ever used.
func (t *Tx) CapabilityUses(tenant models.TenantID, id models.GrantID) ([]models.CapabilityUse, error) {
	return all[models.CapabilityUse](t.db.Where("tenant_id = ? AND grant_id = ?", tenant, id))
}

// ChangeGrant replaces settings and scopes.
func (t *Tx) ChangeGrant(tenant models.TenantID, id models.GrantID, settings models.Settings, scopes models.Strings, at time.Time) error {
	return changed(t.db.Exec(`UPDATE grants SET settings = ?, scopes_requested = ?, updated_at = ? WHERE tenant_id = ? AND id = ?`, settings, scopes, at, tenant, id))
}

// DeleteGrant removes the row; its tokens go with it.
func (t *Tx) DeleteGrant(tenant models.TenantID, id models.GrantID) error {
	return changed(t.db.Exec(`DELETE FROM grants WHERE tenant_id = ? AND id = ?`, tenant, id))
}
