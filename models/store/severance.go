package store

import (
	"time"

	"github.com/postern-mail/postern/models"
)

// SeveranceQuery says which severances or receipts to list, the newest first.
type SeveranceQuery struct {
	Tenant   models.TenantID
	Grant    models.GrantID
	Open     bool // only those whose work at the provider is not closed
	Live     bool // only those that may still stand at the provider: open, unconfirmed or the owner's to end
	Provider string
	Outcome  string
	Search   string // part of the address
	Limit    int
	BeforeAt time.Time
	BeforeID string
}

// InsertSeverance adds the work of ending access at a provider.
func (t *Tx) InsertSeverance(s models.Severance) error {
	return wrap(t.db.Exec(`INSERT INTO severances (tenant_id, id, application_id, grant_id, act, provider, subject, email, reason, actor, actor_id, cut_at, next_try_at, reach, credential_id, offboarding_id, pushed, delegated)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		s.TenantID, s.ID, s.ApplicationID, s.GrantID, s.Act, s.Provider, s.Subject, s.Email, s.Reason, s.Actor, s.ActorID, s.CutAt, s.NextTryAt, s.Reach, s.CredentialID, s.OffboardingID, s.Pushed, s.Delegated).Error)
}

// Severance reads one.
func (t *Tx) Severance(tenant models.TenantID, id models.SeveranceID) (models.Severance, error) {
	return one[models.Severance](t.db.Where("tenant_id = ? AND id = ?", tenant, id))
}

// AnySeverance reads one by its id alone; the scope decides whose.
func (t *Tx) AnySeverance(id models.SeveranceID) (models.Severance, error) {
	return one[models.Severance](t.db.Where("id = ?", id))
}

// Severances lists them, the newest first.
func (t *Tx) Severances(q SeveranceQuery) ([]models.Severance, error) {
	query := t.db.Table("severances")
	if !q.Tenant.IsZero() {
		query = query.Where("tenant_id = ?", q.Tenant)
	}
	if !q.Grant.IsZero() {
		query = query.Where("grant_id = ?", q.Grant)
	}
	if q.Open {
		query = query.Where("closed_at IS NULL")
	}
	if q.Live {
		query = query.Where("confirmed_at IS NULL AND outcome IN ('', 'deleted-here-only', 'user-action-needed')")
	}
	if q.Provider != "" {
		query = query.Where("provider = ?", q.Provider)
	}
	if q.Outcome != "" {
		query = query.Where("outcome = ?", q.Outcome)
	}
	if q.Search != "" {
		query = query.Where("email ILIKE ?", "%"+escapeLike(q.Search)+"%")
	}
	if !q.BeforeAt.IsZero() {
		query = query.Where("(cut_at, id) < (?, ?)", q.BeforeAt, q.BeforeID)
	}
	return all[models.Severance](query.Order("cut_at DESC, id DESC").Limit(q.Limit))
}

// TakeSeverance gives this caller the next try, until a time. ErrNotFound: it is closed, not due yet, or somebody else's try is under way.
func (t *Tx) TakeSeverance(tenant models.TenantID, id models.SeveranceID, at, until time.Time) (models.Severance, error) {
	return one[models.Severance](t.db.Raw(`UPDATE severances SET next_try_at = ? WHERE tenant_id = ? AND id = ? AND closed_at IS NULL AND next_try_at <= ? RETURNING *`, until, tenant, id, at))
}

// OverdueSeverances lists open ones whose next try is overdue at a time: their job was lost with its process. The oldest first.
func (t *Tx) OverdueSeverances(at time.Time, most int) ([]models.Severance, error) {
	return all[models.Severance](t.db.Table("severances").Where("closed_at IS NULL AND next_try_at < ?", at).Order("next_try_at").Limit(most))
}

// ConfirmSeverance writes down that the customer saw the end at the provider. ErrNotFound: it was confirmed before, or nothing is left to confirm.
func (t *Tx) ConfirmSeverance(tenant models.TenantID, id models.SeveranceID, by, byID, note string, at time.Time) error {
	return changed(t.db.Exec(`UPDATE severances SET confirmed_at = ?, confirmed_by = ?, confirmed_by_id = ?, confirmed_note = ?
		WHERE tenant_id = ? AND id = ? AND confirmed_at IS NULL AND outcome IN ('', 'deleted-here-only', 'user-action-needed')`, at, by, byID, note, tenant, id))
}

// CountLiveSeverances counts what may still stand at a provider; of one tenant, or of all.
func (t *Tx) CountLiveSeverances(tenant models.TenantID) (int, error) {
	query := t.db.Table("severances").Where("confirmed_at IS NULL AND outcome IN ('', 'deleted-here-only', 'user-action-needed')")
	if !tenant.IsZero() {
		query = query.Where("tenant_id = ?", tenant)
	}
	var n int64
	err := query.Count(&n).Error
	return int(n), wrap(err)
}

// MarkSeveranceTried notes a try that did not settle it, and when the next one is due.
func (t *Tx) MarkSeveranceTried(tenant models.TenantID, id models.SeveranceID, answer string, next time.Time) error {
	return changed(t.db.Exec(`UPDATE severances SET attempts = attempts + 1, last_answer = ?, next_try_at = ? WHERE tenant_id = ? AND id = ? AND closed_at IS NULL`, answer, next, tenant, id))
}

// CloseSeverance settles it. ErrNotFound: somebody else did.
func (t *Tx) CloseSeverance(tenant models.TenantID, id models.SeveranceID, outcome, answer string, at time.Time) error {
	return changed(t.db.Exec(`UPDATE severances SET attempts = attempts + 1, outcome = ?, last_answer = ?, destroyed_at = ?, closed_at = ?, next_try_at = NULL WHERE tenant_id = ? AND id = ? AND closed_at IS NULL`,
		outcome, answer, at, at, tenant, id))
}

// InsertReceipt adds a receipt.
func (t *Tx) InsertReceipt(r models.Receipt) error {
	return wrap(t.db.Exec(`INSERT INTO receipts (tenant_id, id, application_id, severance_id, grant_id, email, provider, outcome, body, created_at, entry_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		r.TenantID, r.ID, r.ApplicationID, r.SeveranceID, r.GrantID, r.Email, r.Provider, r.Outcome, r.Body, r.CreatedAt, r.EntryID).Error)
}

// Receipt reads one receipt by its id; the scope decides whose.
func (t *Tx) Receipt(id models.ReceiptID) (models.Receipt, error) {
	return one[models.Receipt](t.db.Where("id = ?", id))
}

// Receipts lists receipts, the newest first.
func (t *Tx) Receipts(q SeveranceQuery) ([]models.Receipt, error) {
	query := t.db.Table("receipts")
	if !q.Tenant.IsZero() {
		query = query.Where("tenant_id = ?", q.Tenant)
	}
	if !q.Grant.IsZero() {
		query = query.Where("grant_id = ?", q.Grant)
	}
	if q.Outcome != "" {
		query = query.Where("outcome = ?", q.Outcome)
	}
	if q.Search != "" {
		query = query.Where("email ILIKE ?", "%"+escapeLike(q.Search)+"%")
	}
	if q.Provider != "" {
		query = query.Where("provider = ?", q.Provider)
	}
	if !q.BeforeAt.IsZero() {
		query = query.Where("(created_at, id) < (?, ?)", q.BeforeAt, q.BeforeID)
	}
	return all[models.Receipt](query.Order("created_at DESC, id DESC").Limit(q.Limit))
}

// OutcomeCount is how many severances ended in one way on one day.
type OutcomeCount struct {
	Day     time.Time
	Outcome string
	Count   int
}

// CountOutcomes counts closed severances by day and outcome since a time.
func (t *Tx) CountOutcomes(tenant models.TenantID, since time.Time) ([]OutcomeCount, error) {
	rows := []OutcomeCount{}
	query := t.db.Table("severances").Select("date_trunc('day', cut_at) AS day, CASE WHEN outcome = '' THEN 'open' ELSE outcome END AS outcome, count(*) AS count").Where("cut_at >= ?", since)
	if !tenant.IsZero() {
		query = query.Where("tenant_id = ?", tenant)
	}
	err := query.Group("1, 2").Order("1, 2").Scan(&rows).Error
	return rows, wrap(err)
}

// Cut is one grant that was cut, for the ledger of tombstones.
type Cut struct {
	TenantID models.TenantID
	GrantID  models.GrantID
	ID       models.SeveranceID
	CutAt    time.Time
}

// CutsSince lists what was cut at a time and after, the oldest first, past one that was seen.
func (t *Tx) CutsSince(at time.Time, after models.SeveranceID, most int) ([]Cut, error) {
	rows := []Cut{}
	err := t.db.Raw(`SELECT tenant_id, grant_id, id, cut_at FROM severances WHERE (cut_at, id) > (?, ?) ORDER BY cut_at, id LIMIT ?`, at, after, most).Scan(&rows).Error
	return rows, wrap(err)
}

// ClosedTenant is a tenant whose door was closed, and when.
type ClosedTenant struct {
	TenantID  models.TenantID
	StartedAt time.Time
}

// ClosedTenants lists tenants that are being offboarded, or were.
func (t *Tx) ClosedTenants() ([]ClosedTenant, error) {
	rows := []ClosedTenant{}
	err := t.db.Raw(`SELECT tenant_id, started_at FROM offboardings WHERE state IN ('running', 'done')`).Scan(&rows).Error
	return rows, wrap(err)
}

// LivingGrants lists those of some grants that can be used, with what decides whether they were consented to after a cut.
func (t *Tx) LivingGrants(ids []models.GrantID) ([]models.Grant, error) {
	return all[models.Grant](t.db.Table("grants").Where("revoked_at IS NULL AND id IN ?", ids))
}
