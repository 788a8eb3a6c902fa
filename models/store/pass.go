package store

import (
	"time"

	"github.com/postern-mail/postern/models"
)

// InsertGuestPass adds a pass.
func (t *Tx) InsertGuestPass(p models.GuestPass) error {
	return wrap(t.db.Exec(`INSERT INTO guest_passes (tenant_id, id, name, token_hash, created_by, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		p.TenantID, p.ID, p.Name, p.TokenHash, p.CreatedBy, p.CreatedAt, p.ExpiresAt).Error)
}

// GuestPass reads one pass, dead ones too.
func (t *Tx) GuestPass(id models.PassID) (models.GuestPass, error) {
	return one[models.GuestPass](t.db.Where("id = ?", id))
}

// GuestPassByToken finds a pass by the hash of its link, dead ones too.
func (t *Tx) GuestPassByToken(hash []byte) (models.GuestPass, error) {
	return one[models.GuestPass](t.db.Table("guest_passes").Where("token_hash = ?", hash))
}

// GuestPasses lists passes, the newest first; the zero tenant stands for all.
func (t *Tx) GuestPasses(tenant models.TenantID, most int) ([]models.GuestPass, error) {
	query := t.db.Table("guest_passes")
	if !tenant.IsZero() {
		query = query.Where("tenant_id = ?", tenant)
	}
	return all[models.GuestPass](query.Order("created_at DESC, id DESC").Limit(most))
}

// MarkGuestPassRevoked ends a pass. ErrNotFound: it is revoked already.
func (t *Tx) MarkGuestPassRevoked(id models.PassID, at time.Time) error {
	return changed(t.db.Exec(`UPDATE guest_passes SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL`, at, id))
}

// InsertGuestView notes a page that a guest is about to see.
func (t *Tx) InsertGuestView(v models.GuestView) error {
	err := t.db.Exec(`INSERT INTO guest_views (tenant_id, pass_id, id, at, path, address, user_agent) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		v.TenantID, v.PassID, v.ID, v.At, v.Path, v.Address, v.UserAgent).Error
	if err != nil {
		return wrap(err)
	}
	return changed(t.db.Exec(`UPDATE guest_passes SET views = views + 1, last_seen_at = ? WHERE tenant_id = ? AND id = ?`, v.At, v.TenantID, v.PassID))
}

// GuestViews lists what was seen with a pass, the newest first.
func (t *Tx) GuestViews(tenant models.TenantID, pass models.PassID, most int) ([]models.GuestView, error) {
	return all[models.GuestView](t.db.Where("tenant_id = ? AND pass_id = ?", tenant, pass).Order("id DESC").Limit(most))
}

// DeleteSessionsOfPass ends all sessions of a guest and says how many there were.
func (t *Tx) DeleteSessionsOfPass(id models.PassID) (int, error) {
	done := t.db.Exec(`DELETE FROM sessions WHERE pass_id = ?`, id)
	return int(done.RowsAffected), wrap(done.Error)
}
