package store

import (
	"time"

	"github.com/postern-mail/postern/models"
)

// ServiceAccount reads one service account, revoked ones too.
func (t *Tx) ServiceAccount(id models.ServiceAccountID) (models.ServiceAccount, error) {
	return one[models.ServiceAccount](t.db.Where("id = ?", id))
}

// ServiceAccounts lists the service accounts of all applications: those in force first, then the newest. limit bounds it.
func (t *Tx) ServiceAccounts(limit int) ([]models.ServiceAccount, error) {
	return all[models.ServiceAccount](t.db.Table("service_accounts").Order("revoked_at IS NOT NULL, created_at DESC, id DESC").Limit(limit))
}

// InsertServiceAccount adds an account by its public key.
func (t *Tx) InsertServiceAccount(a models.ServiceAccount) error {
	return wrap(t.db.Exec(`INSERT INTO service_accounts (application_id, id, name, public_key, permissions, addresses, created_by, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		a.ApplicationID, a.ID, a.Name, a.PublicKey, a.Permissions, a.Addresses, a.CreatedBy, a.CreatedAt, a.ExpiresAt).Error)
}

// MarkServiceAccountRevoked ends an account. ErrNotFound when it is absent or ended already.
func (t *Tx) MarkServiceAccountRevoked(id models.ServiceAccountID, at time.Time) error {
	return changed(t.db.Exec(`UPDATE service_accounts SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL`, at, id))
}

// MarkServiceAccountUsed notes a use, unless one was noted within the last minute.
func (t *Tx) MarkServiceAccountUsed(id models.ServiceAccountID, at time.Time) error {
	return wrap(t.db.Exec(`UPDATE service_accounts SET last_used_at = ? WHERE id = ? AND (last_used_at IS NULL OR last_used_at < ?)`, at, id, at.Add(-time.Minute)).Error)
}

// SpendServiceNonce writes down that a nonce was used. False: it was used before. Those whose time is over at now are forgotten, some with each call.
func (t *Tx) SpendServiceNonce(n models.ServiceNonce, now time.Time) (bool, error) {
	// A plain delete may wait for another request that deletes the same rows; those are its own to delete.
	if err := t.db.Exec(`DELETE FROM service_nonces WHERE (account_id, nonce_hash) IN (SELECT account_id, nonce_hash FROM service_nonces WHERE ends_at < ? LIMIT 100 FOR UPDATE SKIP LOCKED)`, now).Error; err != nil {
		return false, wrap(err)
	}
	done := t.db.Exec(`INSERT INTO service_nonces (account_id, nonce_hash, ends_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, n.AccountID, n.NonceHash, n.EndsAt)
	return done.RowsAffected == 1, wrap(done.Error)
}
