package store

import (
	"time"

	"github.com/postern-mail/postern/models"
)

// OffboardingQuery says which offboardings to list, the newest first.
type OffboardingQuery struct {
	Tenant   models.TenantID
	State    models.OffboardingState
	BeforeAt time.Time
	BeforeID models.OffboardingID
	Limit    int
}

// InsertOffboarding adds a plan. ErrTaken: the tenant has an open one.
func (t *Tx) InsertOffboarding(o models.Offboarding) error {
	return wrap(t.db.Exec(`INSERT INTO offboardings (tenant_id, id, state, plan, plan_hash, reason, ticket, wait_seconds, start_at, requested_by, requested_by_id, requested_at, expires_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		o.TenantID, o.ID, o.State, o.Plan, o.PlanHash, o.Reason, o.Ticket, o.WaitSeconds, o.StartAt, o.RequestedBy, o.RequestedByID, o.RequestedAt, o.ExpiresAt).Error)
}

// AnyOffboarding reads one by its id; the scope decides whose.
func (t *Tx) AnyOffboarding(id models.OffboardingID) (models.Offboarding, error) {
	return one[models.Offboarding](t.db.Where("id = ?", id))
}

// OffboardingForUpdate reads one and locks it until the transaction ends.
func (t *Tx) OffboardingForUpdate(tenant models.TenantID, id models.OffboardingID) (models.Offboarding, error) {
	return one[models.Offboarding](t.db.Raw(`SELECT * FROM offboardings WHERE tenant_id = ? AND id = ? FOR UPDATE`, tenant, id))
}

// Offboardings lists them, the newest first.
func (t *Tx) Offboardings(q OffboardingQuery) ([]models.Offboarding, error) {
	query := t.db.Table("offboardings")
	if !q.Tenant.IsZero() {
		query = query.Where("tenant_id = ?", q.Tenant)
	}
	if q.State != "" {
		query = query.Where("state = ?", q.State)
	}
	if !q.BeforeAt.IsZero() {
		query = query.Where("(requested_at, id) < (?, ?)", q.BeforeAt, q.BeforeID)
	}
	return all[models.Offboarding](query.Order("requested_at DESC, id DESC").Limit(q.Limit))
}

// DueOffboardings lists those that somebody should be working at: approved ones whose time has come, running ones that nobody was at since before.
func (t *Tx) DueOffboardings(at, before time.Time) ([]models.Offboarding, error) {
	return all[models.Offboarding](t.db.Table("offboardings").Where(`(state = 'approved' AND (start_at IS NULL OR start_at <= ?) OR state = 'running') AND (beat_at IS NULL OR beat_at < ?)`, at, before).Order("beat_at NULLS FIRST").Limit(50))
}

// ApproveOffboarding records who approved it. ErrNotFound: it is not planned any more, is past its time, or the approver is who asked for it.
func (t *Tx) ApproveOffboarding(o models.Offboarding) error {
	return changed(t.db.Exec(`UPDATE offboardings SET state = 'approved', approved_by = ?, approved_by_id = ?, approved_at = ?
		WHERE tenant_id = ? AND id = ? AND state = 'planned' AND expires_at > ? AND requested_by_id <> ?`,
		o.ApprovedBy, o.ApprovedByID, o.ApprovedAt, o.TenantID, o.ID, o.ApprovedAt, o.ApprovedByID))
}

// StartOffboarding begins the work. ErrNotFound: it is not approved.
func (t *Tx) StartOffboarding(tenant models.TenantID, id models.OffboardingID, at, deadline time.Time) error {
	return changed(t.db.Exec(`UPDATE offboardings SET state = 'running', started_at = ?, deadline_at = ?, beat_at = ? WHERE tenant_id = ? AND id = ? AND state = 'approved'`, at, deadline, at, tenant, id))
}

// EndOffboarding ends one that never began: withdrawn or stale. ErrNotFound: it has begun, or ended before.
func (t *Tx) EndOffboarding(tenant models.TenantID, id models.OffboardingID, state models.OffboardingState, by string, at time.Time) error {
	return changed(t.db.Exec(`UPDATE offboardings SET state = ?, ended_by = ?, ended_at = ? WHERE tenant_id = ? AND id = ? AND state IN ('planned', 'approved')`, state, by, at, tenant, id))
}

// BeatOffboarding notes that somebody is at it.
func (t *Tx) BeatOffboarding(tenant models.TenantID, id models.OffboardingID, at time.Time) error {
	return wrap(t.db.Exec(`UPDATE offboardings SET beat_at = ? WHERE tenant_id = ? AND id = ?`, at, tenant, id).Error)
}

// HurryOffboarding brings the deadline forward. ErrNotFound: it is not running, or past its deadline.
func (t *Tx) HurryOffboarding(tenant models.TenantID, id models.OffboardingID, at time.Time) error {
	return changed(t.db.Exec(`UPDATE offboardings SET deadline_at = ? WHERE tenant_id = ? AND id = ? AND state = 'running' AND deadline_at > ?`, at, tenant, id, at))
}

// FinishOffboarding writes the certificate. ErrNotFound: it is written.
func (t *Tx) FinishOffboarding(tenant models.TenantID, id models.OffboardingID, certificate models.JSON, entry models.AuditID, at time.Time) error {
	return changed(t.db.Exec(`UPDATE offboardings SET state = 'done', certificate = ?, entry_id = ?, ended_at = ? WHERE tenant_id = ? AND id = ? AND state = 'running'`, certificate, entry, at, tenant, id))
}

// PutOffboardingStep writes how far a step got. One that has ended stays as it ended.
func (t *Tx) PutOffboardingStep(s models.OffboardingStep) error {
	return wrap(t.db.Exec(`INSERT INTO offboarding_steps (tenant_id, offboarding_id, name, place, total, done, counts, started_at, ended_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (tenant_id, offboarding_id, name) DO UPDATE SET total = excluded.total, done = excluded.done, counts = excluded.counts,
			started_at = COALESCE(offboarding_steps.started_at, excluded.started_at), ended_at = excluded.ended_at WHERE offboarding_steps.ended_at IS NULL`,
		s.TenantID, s.OffboardingID, s.Name, s.Place, s.Total, s.Done, s.Counts, s.StartedAt, s.EndedAt).Error)
}

// OffboardingSteps lists the steps in their order.
func (t *Tx) OffboardingSteps(tenant models.TenantID, id models.OffboardingID) ([]models.OffboardingStep, error) {
	return all[models.OffboardingStep](t.db.Table("offboarding_steps").Where("tenant_id = ? AND offboarding_id = ?", tenant, id).Order("place"))
}

// CloseTenant closes a tenant's door: nothing new begins there, and no grant of it can be used. It waits for writers under way. The caller counts afterwards.
func (t *Tx) CloseTenant(tenant models.TenantID, at time.Time) error {
	if err := t.LockTenant(tenant); err != nil {
		return err
	}
	if err := changed(t.db.Exec(`UPDATE tenants SET state = 'offboarding', updated_at = ? WHERE id = ? AND state = 'active'`, at, tenant)); err != nil {
		return err
	}
	return wrap(t.db.Exec(`UPDATE grants SET status = 'revoked', status_reason = 'door_closed', status_detail = '', status_at = ?, revoked_at = ?, updated_at = ? WHERE tenant_id = ? AND revoked_at IS NULL`, at, at, at, tenant).Error)
}

// LockTenant keeps new grants, links, keys, webhooks and members of a tenant waiting until the transaction ends (sec.tenant_closed).
func (t *Tx) LockTenant(tenant models.TenantID) error {
	return wrap(t.db.Exec(`SELECT pg_advisory_xact_lock(hashtextextended('postern tenant ' || ?, 0))`, tenant.String()).Error)
}

// MarkTenantOffboarded records that nothing of the tenant is left.
func (t *Tx) MarkTenantOffboarded(tenant models.TenantID, at time.Time) error {
	return wrap(t.db.Exec(`UPDATE tenants SET state = 'offboarded', updated_at = ? WHERE id = ? AND state <> 'offboarded'`, at, tenant).Error)
}

// GrantsLeft lists grants that a tenant still has, whatever their status, the oldest id first.
func (t *Tx) GrantsLeft(tenant models.TenantID, most int) ([]models.GrantID, error) {
	ids := []models.GrantID{}
	err := t.db.Raw(`SELECT id FROM grants WHERE tenant_id = ? ORDER BY id LIMIT ?`, tenant, most).Scan(&ids).Error
	return ids, wrap(err)
}

// CountGrantsLeft counts them.
func (t *Tx) CountGrantsLeft(tenant models.TenantID) (int, error) {
	var n int64
	err := t.db.Table("grants").Where("tenant_id = ?", tenant).Count(&n).Error
	return int(n), wrap(err)
}

// CountOpenSeverances counts a tenant's severances whose work at the provider is under way.
func (t *Tx) CountOpenSeverances(tenant models.TenantID) (int, error) {
	var n int64
	err := t.db.Table("severances").Where("tenant_id = ? AND closed_at IS NULL", tenant).Count(&n).Error
	return int(n), wrap(err)
}

// SeveredCount is how many grants of a provider an offboarding ended in one way.
type SeveredCount struct {
	Provider string
	Outcome  string
	Count    int
}

// CountSevered counts what an offboarding ended, by provider and outcome.
func (t *Tx) CountSevered(tenant models.TenantID, id models.OffboardingID) ([]SeveredCount, error) {
	rows := []SeveredCount{}
	err := t.db.Raw(`SELECT provider, outcome, count(*) AS count FROM severances WHERE tenant_id = ? AND offboarding_id = ? GROUP BY 1, 2 ORDER BY 1, 2`, tenant, id).Scan(&rows).Error
	return rows, wrap(err)
}

// ReceiptsDigest gives the number of receipts of an offboarding, and a SHA-256 over their ids and audit entries in order: the certificate stands for exactly these.
func (t *Tx) ReceiptsDigest(tenant models.TenantID, id models.OffboardingID) (n int, digest string, err error) {
	row := struct {
		N      int
		Digest string
	}{}
	err = t.db.Raw(`SELECT count(*) AS n, encode(sha256(convert_to(COALESCE(string_agg(r.id::text || ' ' || COALESCE(r.entry_id::text, ''), E'\n' ORDER BY r.id), ''), 'UTF8')), 'hex') AS digest
		FROM receipts r JOIN severances s ON s.tenant_id = r.tenant_id AND s.id = r.severance_id WHERE r.tenant_id = ? AND s.offboarding_id = ?`, tenant, id).Scan(&row).Error
	return row.N, row.Digest, wrap(err)
}

// DeleteSealedOfTenant destroys every ciphertext of a tenant and says how many there were.
func (t *Tx) DeleteSealedOfTenant(tenant models.TenantID) (int, error) {
	done := t.db.Exec(`DELETE FROM sealed WHERE tenant_id = ?`, tenant)
	return int(done.RowsAffected), wrap(done.Error)
}

// ShredDataKeys destroys a tenant's data keys: what was sealed under them, in backups too, opens never again with this database. It says how many there were.
func (t *Tx) ShredDataKeys(tenant models.TenantID, at time.Time) (int, error) {
	done := t.db.Exec(`UPDATE data_keys SET wrapped = NULL, destroyed_at = ? WHERE tenant_id = ? AND destroyed_at IS NULL`, at, tenant)
	return int(done.RowsAffected), wrap(done.Error)
}

// CloseFlowsOfTenant ends connect flows under way and spends every code.
func (t *Tx) CloseFlowsOfTenant(tenant models.TenantID, at time.Time) (int, error) {
	done := t.db.Exec(`UPDATE connect_flows SET spent_at = COALESCE(spent_at, ?), outcome = CASE WHEN outcome IN ('', 'partial') THEN 'failed' ELSE outcome END,
		code_spent_at = CASE WHEN code_hash IS NULL THEN code_spent_at ELSE COALESCE(code_spent_at, ?) END
		WHERE tenant_id = ? AND (outcome IN ('', 'partial') OR code_hash IS NOT NULL AND code_spent_at IS NULL)`, at, at, tenant)
	return int(done.RowsAffected), wrap(done.Error)
}

// RevokeLinksOfTenant withdraws every connect link that could still be followed.
func (t *Tx) RevokeLinksOfTenant(tenant models.TenantID, at time.Time) (int, error) {
	done := t.db.Exec(`UPDATE connect_links SET revoked_at = ? WHERE tenant_id = ? AND used_at IS NULL AND revoked_at IS NULL`, at, tenant)
	return int(done.RowsAffected), wrap(done.Error)
}

// RevokeKeysOfTenant ends every API key that is bound to a tenant.
func (t *Tx) RevokeKeysOfTenant(tenant models.TenantID, at time.Time) (int, error) {
	done := t.db.Exec(`UPDATE api_keys SET revoked_at = ? WHERE tenant_id = ? AND revoked_at IS NULL`, at, tenant)
	return int(done.RowsAffected), wrap(done.Error)
}

// DropDeliveriesOfTenant gives up deliveries of a tenant's events that still wait: their payload is about to be destroyed.
func (t *Tx) DropDeliveriesOfTenant(tenant models.TenantID, at time.Time) (int, error) {
	done := t.db.Exec(`UPDATE deliveries SET status = 'dropped', next_attempt_at = NULL, settled_at = ? WHERE tenant_id = ? AND status = 'waiting'`, at, tenant)
	return int(done.RowsAffected), wrap(done.Error)
}

// RemoveMembersOfTenant takes a tenant's memberships away, ends the sessions of those members and locks out who has no other. It says how many of each there were.
func (t *Tx) RemoveMembersOfTenant(tenant models.TenantID, at time.Time) (members, sessions int, err error) {
	gone := t.db.Exec(`DELETE FROM sessions WHERE member_id IN (SELECT member_id FROM memberships WHERE tenant_id = ?)`, tenant)
	if gone.Error != nil {
		return 0, 0, wrap(gone.Error)
	}
	if err := t.db.Exec(`DELETE FROM invites WHERE used_at IS NULL AND member_id IN (SELECT member_id FROM memberships WHERE tenant_id = ?)`, tenant).Error; err != nil {
		return 0, 0, wrap(err)
	}
	if err := t.db.Exec(`UPDATE members m SET disabled_at = COALESCE(disabled_at, ?), session_epoch = session_epoch + 1
		WHERE EXISTS (SELECT FROM memberships s WHERE s.member_id = m.id AND s.tenant_id = ?) AND NOT EXISTS (SELECT FROM memberships s WHERE s.member_id = m.id AND s.tenant_id IS DISTINCT FROM ?)`,
		at, tenant, tenant).Error; err != nil {
		return 0, 0, wrap(err)
	}
	out := t.db.Exec(`DELETE FROM memberships WHERE tenant_id = ?`, tenant)
	return int(out.RowsAffected), int(gone.RowsAffected), wrap(out.Error)
}
