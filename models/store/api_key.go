package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postern-mail/postern/models"
)

// FindKey tells which application an API key belongs to, by the hash of the key.
func (s *Store) FindKey(ctx context.Context, hash []byte) (models.ApplicationID, models.APIKeyID, error) {
	return lookup2[models.ApplicationID, models.APIKeyID](ctx, s, `SELECT application::text, id::text FROM sec.find_key($1)`, hash)
}

// APIKey reads one key of an application, revoked ones too.
func (t *Tx) APIKey(application models.ApplicationID, id models.APIKeyID) (models.APIKey, error) {
	return one[models.APIKey](t.db.Where("application_id = ? AND id = ?", application, id))
}

// KeySeen reads one key of an application in one round trip, as what every request of a program begins with.
func (s *Store) KeySeen(ctx context.Context, application models.ApplicationID, id models.APIKeyID) (models.APIKey, error) {
	var k models.APIKey
	there := false
	err := s.glance(ctx, ApplicationScope(application), `SELECT application_id, id, tenant_id, name, prefix, permissions, addresses, created_by, created_at, expires_at, last_used_at, revoked_at
		FROM api_keys WHERE application_id = $1 AND id = $2`, []any{application, id}, func(rows pgx.Rows) error {
		there = true
		return rows.Scan(&k.ApplicationID, &k.ID, &k.TenantID, &k.Name, &k.Prefix, (*[]string)(&k.Permissions), (*[]string)(&k.Addresses), &k.CreatedBy, &k.CreatedAt, &k.ExpiresAt, &k.LastUsedAt, &k.RevokedAt)
	})
	if err == nil && !there {
		return k, ErrNotFound
	}
	return k, err
}

// NoteKeyUse writes the last use of a key.
func (s *Store) NoteKeyUse(ctx context.Context, application models.ApplicationID, id models.APIKeyID, at time.Time) error {
	return s.InApplication(ctx, application, func(tx *Tx) error { return tx.MarkAPIKeyUsed(application, id, at) })
}

// AnyAPIKey reads one key by its id alone. It is for the platform's scope: another sees its own application's keys only.
func (t *Tx) AnyAPIKey(id models.APIKeyID) (models.APIKey, error) {
	return one[models.APIKey](t.db.Where("id = ?", id))
}

// APIKeys lists the keys of an application, of all applications when it is zero: those in force first, then the newest. limit bounds it.
func (t *Tx) APIKeys(application models.ApplicationID, limit int) ([]models.APIKey, error) {
	query := t.db.Table("api_keys")
	if !application.IsZero() {
		query = query.Where("application_id = ?", application)
	}
	return all[models.APIKey](query.Order("revoked_at IS NOT NULL, created_at DESC, id DESC").Limit(limit))
}

// CountAPIKeys counts the keys in force, by application.
func (t *Tx) CountAPIKeys() (map[models.ApplicationID]int, error) {
	var rows []struct {
		ApplicationID models.ApplicationID `gorm:"column:application_id"`
		Keys          int                  `gorm:"column:keys"`
	}
	err := t.db.Raw(`SELECT application_id, count(*) AS keys FROM api_keys WHERE revoked_at IS NULL GROUP BY application_id`).Scan(&rows).Error
	out := make(map[models.ApplicationID]int, len(rows))
	for _, r := range rows {
		out[r.ApplicationID] = r.Keys
	}
	return out, wrap(err)
}

// InsertAPIKey adds a key by its hash.
func (t *Tx) InsertAPIKey(k models.APIKey) error {
	return wrap(t.db.Exec(`INSERT INTO api_keys (application_id, id, tenant_id, name, prefix, hash, permissions, addresses, created_by, created_at, expires_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		k.ApplicationID, k.ID, k.TenantID, k.Name, k.Prefix, k.Hash, k.Permissions, k.Addresses, k.CreatedBy, k.CreatedAt, k.ExpiresAt).Error)
}

// MarkAPIKeyRevoked ends a key. ErrNotFound when it is absent or ended already.
func (t *Tx) MarkAPIKeyRevoked(application models.ApplicationID, id models.APIKeyID, at time.Time) error {
	return changed(t.db.Exec(`UPDATE api_keys SET revoked_at = ? WHERE application_id = ? AND id = ? AND revoked_at IS NULL`, at, application, id))
}

// MarkAPIKeyUsed notes a use, unless one was noted within the last minute.
func (t *Tx) MarkAPIKeyUsed(application models.ApplicationID, id models.APIKeyID, at time.Time) error {
	return wrap(t.db.Exec(`UPDATE api_keys SET last_used_at = ? WHERE application_id = ? AND id = ? AND (last_used_at IS NULL OR last_used_at < ?)`,
		at, application, id, at.Add(-time.Minute)).Error)
}

// CountLiveTokens counts the access and refresh tokens of a grant that are good at a time.
func (t *Tx) CountLiveTokens(tenant models.TenantID, grant models.GrantID, at time.Time) (int, error) {
	var n int
	err := t.db.Raw(`SELECT count(*) FROM issued_tokens k JOIN token_families f ON f.tenant_id = k.tenant_id AND f.id = k.family_id
		WHERE f.tenant_id = ? AND f.grant_id = ? AND f.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > ?)`, tenant, grant, at).Scan(&n).Error
	return n, wrap(err)
}
