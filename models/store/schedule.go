package store

import (
	"time"

	"github.com/postern-mail/postern/models"
)

// ScheduleOwner is the owner kind under which a scheduled message is sealed.
const ScheduleOwner = "schedule"

// InsertSchedule adds a schedule that is pending, and forgets those of the grant that were closed before forget.
func (t *Tx) InsertSchedule(s models.Schedule, forget time.Time) error {
	if err := t.db.Exec(`DELETE FROM schedules WHERE tenant_id = ? AND grant_id = ? AND closed_at < ?`, s.TenantID, s.GrantID, forget).Error; err != nil {
		return wrap(err)
	}
	return wrap(t.db.Create(&s).Error)
}

// PendingSchedules counts what a grant has waiting.
func (t *Tx) PendingSchedules(tenant models.TenantID, grant models.GrantID) (int, error) {
	var n int
	err := t.db.Raw(`SELECT count(*) FROM schedules WHERE tenant_id = ? AND grant_id = ? AND status IN ('pending', 'sending')`, tenant, grant).Scan(&n).Error
	return n, wrap(err)
}

// Schedule reads one schedule.
func (t *Tx) Schedule(tenant models.TenantID, id models.ScheduleID) (models.Schedule, error) {
	return one[models.Schedule](t.db.Where("tenant_id = ? AND id = ?", tenant, id))
}

// Schedules lists the schedules of a grant, the last to leave first.
func (t *Tx) Schedules(tenant models.TenantID, grant models.GrantID, limit int) ([]models.Schedule, error) {
	return all[models.Schedule](t.db.Where("tenant_id = ? AND grant_id = ?", tenant, grant).Order("send_at DESC, id DESC").Limit(limit))
}

// TakeSchedule takes a pending schedule for sending. ErrNotFound: it is not pending any more.
func (t *Tx) TakeSchedule(tenant models.TenantID, id models.ScheduleID, at time.Time) error {
	return changed(t.db.Exec(`UPDATE schedules SET status = 'sending', taken_at = ?, tries = tries + 1 WHERE tenant_id = ? AND id = ? AND status = 'pending'`, at, tenant, id))
}

// PutBackSchedule makes a taken schedule pending again: its message surely has not left.
func (t *Tx) PutBackSchedule(tenant models.TenantID, id models.ScheduleID, reason string) error {
	return changed(t.db.Exec(`UPDATE schedules SET status = 'pending', reason = ? WHERE tenant_id = ? AND id = ? AND status = 'sending'`, reason, tenant, id))
}

// CloseSchedule ends a schedule that is in state from, and destroys its message. ErrNotFound: it is in another state.
func (t *Tx) CloseSchedule(s models.Schedule, from string) error {
	err := changed(t.db.Exec(`UPDATE schedules SET status = ?, reason = ?, message_id = ?, closed_at = ? WHERE tenant_id = ? AND id = ? AND status = ?`,
		s.Status, s.Reason, s.MessageID, s.ClosedAt, s.TenantID, s.ID, from))
	if err != nil {
		return err
	}
	_, err = t.DeleteSealed(s.TenantID, ScheduleOwner, s.ID.String())
	return err
}

// CancelSchedulesOfGrants ends everything that some grants have waiting, and destroys the messages. It says how many there were. A message that is being sent
// at this moment may still leave.
func (t *Tx) CancelSchedulesOfGrants(tenant models.TenantID, grants []models.GrantID, at time.Time, reason string) (int, error) {
	err := t.db.Exec(`DELETE FROM sealed WHERE tenant_id = ? AND owner_kind = 'schedule' AND owner_id IN (SELECT id FROM schedules WHERE tenant_id = ? AND grant_id IN ?)`,
		tenant, tenant, grants).Error
	if err != nil {
		return 0, wrap(err)
	}
	done := t.db.Exec(`UPDATE schedules SET status = 'cancelled', reason = ?, closed_at = ? WHERE tenant_id = ? AND grant_id IN ? AND status IN ('pending', 'sending')`,
		reason, at, tenant, grants)
	return int(done.RowsAffected), wrap(done.Error)
}
