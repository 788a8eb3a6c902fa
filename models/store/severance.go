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
	Outcome  string
	Search   string // part of the address
	Limit    int
	BeforeAt time.Time
	BeforeID string
}

// InsertSeverance adds the work of ending access at a provider.
func (t *Tx) InsertSeverance(s models.Severance) error {
	return wrap(t.db.Exec(`INSERT INTO severances (tenant_id, id, application_id, grant_id, act, provider, subject, email, reason, actor, actor_id, cut_at, next_try_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		s.TenantID, s.ID, s.ApplicationID, s.GrantID, s.Act, s.Provider, s.Subject, s.Email, s.Reason, s.Actor, s.ActorID, s.CutAt, s.NextTryAt).Error)
}

// Severance reads one.
func (t *Tx) Severance(tenant models.TenantID, id models.SeveranceID) (models.Severance, error) {
	return one[models.Severance](t.db.Where("tenant_id = ? AND id = ?", tenant, id))
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
	return wrap(t.db.Exec(`INSERT INTO receipts (tenant_id, id, application_id, severance_id, grant_id, email, provider, outcome, body, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		r.TenantID, r.ID, r.ApplicationID, r.SeveranceID, r.GrantID, r.Email, r.Provider, r.Outcome, r.Body, r.CreatedAt).Error)
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
