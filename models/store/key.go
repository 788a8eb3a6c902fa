package store

import (
	"time"

	"github.com/postern-mail/postern/models"
)

// LockDataKey waits until nobody seals under a tenant's data key, and keeps everybody from it until the transaction ends: keep it short.
func (t *Tx) LockDataKey(tenant models.TenantID) (DataKey, error) {
	return one[DataKey](t.db.Raw(`SELECT * FROM data_keys WHERE tenant_id = ? FOR UPDATE`, tenant))
}

// ReplaceDataKey writes what became of a data key that was read as before. ErrNotFound: somebody else changed or destroyed it meanwhile.
func (t *Tx) ReplaceDataKey(before []byte, k DataKey) error {
	return changed(t.db.Exec(`UPDATE data_keys SET kek_id = ?, wrapped = ?, key_id = ?, rotated_at = ?, settled_at = ? WHERE tenant_id = ? AND wrapped = ? AND destroyed_at IS NULL`,
		k.KEKID, k.Wrapped, k.KeyID, k.RotatedAt, k.SettledAt, k.TenantID, before))
}

// SealedUnderOthers takes up to most values that are not under the key with that number, locked. Values that somebody else has locked are passed over.
func (t *Tx) SealedUnderOthers(tenant models.TenantID, key int64, most int) ([]Sealed, error) {
	return all[Sealed](t.db.Raw(`SELECT * FROM sealed WHERE tenant_id = ? AND key_id <> ? ORDER BY owner_kind, owner_id, field LIMIT ? FOR UPDATE SKIP LOCKED`, tenant, key, most))
}

// ResealSealed replaces a ciphertext by one of the same value, place and version.
func (t *Tx) ResealSealed(s Sealed) error {
	return changed(t.db.Exec(`UPDATE sealed SET ciphertext = ? WHERE tenant_id = ? AND owner_kind = ? AND owner_id = ? AND field = ? AND version = ?`,
		s.Ciphertext, s.TenantID, s.OwnerKind, s.OwnerID, s.Field, s.Version))
}

// CountSealed counts a tenant's sealed values, and those under the key with that number.
func (t *Tx) CountSealed(tenant models.TenantID, key int64) (whole, current int64, err error) {
	row := struct{ Whole, Current int64 }{}
	err = t.db.Raw(`SELECT count(*) AS whole, count(*) FILTER (WHERE key_id = ?) AS current FROM sealed WHERE tenant_id = ?`, key, tenant).Scan(&row).Error
	return row.Whole, row.Current, wrap(err)
}

// AnySealedUnderOthers says whether a value is under another key than that.
func (t *Tx) AnySealedUnderOthers(tenant models.TenantID, key int64) (bool, error) {
	var any bool
	err := t.db.Raw(`SELECT EXISTS (SELECT FROM sealed WHERE tenant_id = ? AND key_id <> ?)`, tenant, key).Scan(&any).Error
	return any, wrap(err)
}

// SealedAfter pages through a tenant's sealed values in the order of their keys. The zero Sealed begins.
func (t *Tx) SealedAfter(tenant models.TenantID, last Sealed, most int) ([]Sealed, error) {
	query := t.db.Table("sealed").Where("tenant_id = ?", tenant)
	if last.OwnerKind != "" {
		query = query.Where("(owner_kind, owner_id, field) > (?, ?, ?)", last.OwnerKind, last.OwnerID, last.Field)
	}
	return all[Sealed](query.Order("owner_kind, owner_id, field").Limit(most))
}

// PutKeyCount writes what was counted of a tenant's key.
func (t *Tx) PutKeyCount(c models.KeyCount) error {
	return wrap(t.db.Exec(`INSERT INTO key_counts (tenant_id, key_since, kek_id, sealed, current, counted_at) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (tenant_id) DO UPDATE SET key_since = excluded.key_since, kek_id = excluded.kek_id, sealed = excluded.sealed, current = excluded.current, counted_at = excluded.counted_at`,
		c.TenantID, c.KeySince, c.KEKID, c.Sealed, c.Current, c.CountedAt).Error)
}

// KeyCounts lists what was counted, tenant by tenant; in a tenant's scope its own.
func (t *Tx) KeyCounts() ([]models.KeyCount, error) {
	return all[models.KeyCount](t.db.Order("tenant_id"))
}

// TenantIDs pages through all tenants by id.
func (t *Tx) TenantIDs(after models.TenantID, most int) ([]models.TenantID, error) {
	ids := []models.TenantID{}
	err := t.db.Raw(`SELECT id FROM tenants WHERE id > ? ORDER BY id LIMIT ?`, after, most).Scan(&ids).Error
	return ids, wrap(err)
}

// CountTenants counts all tenants.
func (t *Tx) CountTenants() (int, error) {
	var n int
	err := t.db.Raw(`SELECT count(*) FROM tenants`).Scan(&n).Error
	return n, wrap(err)
}

// BeginKeyRotation opens a rotation, or gives the one that is open already. begun is false then.
func (t *Tx) BeginKeyRotation(r models.KeyRotation) (open models.KeyRotation, begun bool, err error) {
	done := t.db.Exec(`INSERT INTO key_rotations (id, started_by, started_at, tenants) VALUES (?, ?, ?, ?) ON CONFLICT ((true)) WHERE finished_at IS NULL DO NOTHING`,
		r.ID, r.StartedBy, r.StartedAt, r.Tenants)
	if done.Error != nil {
		return r, false, wrap(done.Error)
	}
	if done.RowsAffected == 1 {
		return r, true, nil
	}
	open, err = one[models.KeyRotation](t.db.Where("finished_at IS NULL"))
	return open, false, err
}

// KeyRotation reads one rotation.
func (t *Tx) KeyRotation(id models.RotationID) (models.KeyRotation, error) {
	return one[models.KeyRotation](t.db.Where("id = ?", id))
}

// KeyRotations lists the last rotations, the newest first.
func (t *Tx) KeyRotations(most int) ([]models.KeyRotation, error) {
	return all[models.KeyRotation](t.db.Order("started_at DESC").Limit(most))
}

// AddToKeyRotation adds to the figures of a rotation.
func (t *Tx) AddToKeyRotation(id models.RotationID, done int, wrapped, resealed int64) error {
	return changed(t.db.Exec(`UPDATE key_rotations SET done = done + ?, wrapped = wrapped + ?, resealed = resealed + ? WHERE id = ?`, done, wrapped, resealed, id))
}

// FinishKeyRotation closes a rotation: the keys that were done are all there were. ErrNotFound: it is closed already.
func (t *Tx) FinishKeyRotation(id models.RotationID, at time.Time) error {
	return changed(t.db.Exec(`UPDATE key_rotations SET finished_at = ?, tenants = done WHERE id = ? AND finished_at IS NULL`, at, id))
}

// SecretAge is how many secrets of one kind are in force, by how long they have been: up to 30, 90, 365 days, and longer.
type SecretAge struct {
	Kind                         string // api_keys, webhook_secrets, client_secrets, service_accounts
	Month, Quarter, Year, Longer int
}

// SecretAges counts what is not under a data key's own age: keys and secrets that people handed out or brought. Kinds of which there is none are left out.
func (t *Tx) SecretAges(now time.Time) ([]SecretAge, error) {
	rows := []SecretAge{}
	month, quarter, year := now.AddDate(0, 0, -30), now.AddDate(0, 0, -90), now.AddDate(0, 0, -365)
	err := t.db.Raw(`SELECT kind, count(*) FILTER (WHERE since >= ?) AS month, count(*) FILTER (WHERE since >= ? AND since < ?) AS quarter, count(*) FILTER (WHERE since >= ? AND since < ?) AS year,
		count(*) FILTER (WHERE since < ?) AS longer FROM (
			SELECT 'api_keys' AS kind, created_at AS since FROM api_keys WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)
			UNION ALL SELECT 'webhook_secrets', valid_from FROM webhook_secrets WHERE valid_until IS NULL OR valid_until > ?
			UNION ALL SELECT 'client_secrets', secret_at FROM connectors WHERE secret_at IS NOT NULL
			UNION ALL SELECT 'service_accounts', created_at FROM service_accounts WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)) s GROUP BY kind ORDER BY kind`,
		month, quarter, month, year, quarter, year, now, now, now).Scan(&rows).Error
	return rows, wrap(err)
}
