package store

import "github.com/postern-mail/postern/models"

// TakeSend takes an idempotency key for a send. It answers the row, and whether it is new: when it is not, it is what the key stood for before.
// Keys of the grant that have run out are forgotten on the way.
func (t *Tx) TakeSend(s models.SendOnce) (models.SendOnce, bool, error) {
	if err := t.db.Exec(`DELETE FROM sends_once WHERE tenant_id = ? AND grant_id = ? AND expires_at <= ?`, s.TenantID, s.GrantID, s.CreatedAt).Error; err != nil {
		return s, false, wrap(err)
	}
	insert := t.db.Exec(`INSERT INTO sends_once (tenant_id, grant_id, key_hash, request_hash, state, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (tenant_id, grant_id, key_hash) DO NOTHING`, s.TenantID, s.GrantID, s.KeyHash, s.RequestHash, models.SendRunning, s.CreatedAt, s.ExpiresAt)
	if insert.Error != nil {
		return s, false, wrap(insert.Error)
	}
	if insert.RowsAffected == 1 {
		return s, true, nil
	}
	row, err := one[models.SendOnce](t.db.Where("tenant_id = ? AND grant_id = ? AND key_hash = ?", s.TenantID, s.GrantID, s.KeyHash))
	return row, false, err
}

// MarkSend notes how a send that runs ended.
func (t *Tx) MarkSend(s models.SendOnce) error {
	return changed(t.db.Exec(`UPDATE sends_once SET state = ?, message_id = ?, thread_id = ? WHERE tenant_id = ? AND grant_id = ? AND key_hash = ? AND state = ?`,
		s.State, s.MessageID, s.ThreadID, s.TenantID, s.GrantID, s.KeyHash, models.SendRunning))
}

// FreeSend gives the key of a send that did not happen back.
func (t *Tx) FreeSend(s models.SendOnce) error {
	return changed(t.db.Exec(`DELETE FROM sends_once WHERE tenant_id = ? AND grant_id = ? AND key_hash = ? AND state = ?`, s.TenantID, s.GrantID, s.KeyHash, models.SendRunning))
}
