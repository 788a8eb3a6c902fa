package store

import (
	"time"

	"github.com/postern-mail/postern/models"
)

// DataKey is a tenant's data key, wrapped. It stands here, out of every door's reach.
type DataKey struct {
	TenantID    models.TenantID `gorm:"column:tenant_id;primaryKey"`
	ID          string          `gorm:"column:id"`
	KEKID       string          `gorm:"column:kek_id"`
	Wrapped     []byte          `gorm:"column:wrapped"`
	CreatedAt   time.Time       `gorm:"column:created_at"`
	DestroyedAt *time.Time      `gorm:"column:destroyed_at"`
	KeyID       int64           `gorm:"column:key_id"`     // of the key in use; 0: not noted yet
	RotatedAt   *time.Time      `gorm:"column:rotated_at"` // since when it is in use; nil: since CreatedAt
	SettledAt   *time.Time      `gorm:"column:settled_at"` // since when nothing is under an older one
}

// TableName names the table.
func (DataKey) TableName() string { return "data_keys" }

// Sealed is one ciphertext in its place.
type Sealed struct {
	TenantID   models.TenantID `gorm:"column:tenant_id;primaryKey"`
	OwnerKind  string          `gorm:"column:owner_kind;primaryKey"`
	OwnerID    string          `gorm:"column:owner_id;primaryKey"`
	Field      string          `gorm:"column:field;primaryKey"`
	Version    int             `gorm:"column:version"`
	Ciphertext []byte          `gorm:"column:ciphertext"`
	CreatedAt  time.Time       `gorm:"column:created_at"`
	KeyID      int64           `gorm:"column:key_id;->"` // read from the ciphertext by the database
}

// TableName names the table.
func (Sealed) TableName() string { return "sealed" }

// DataKey reads a tenant's data key. ErrNotFound: it has none yet. A destroyed key is a row without Wrapped.
func (t *Tx) DataKey(tenant models.TenantID) (DataKey, error) {
	return one[DataKey](t.db.Where("tenant_id = ?", tenant))
}

// DataKeyForSealing reads a tenant's data key and keeps it from being changed until the transaction ends: a value sealed here must not
// be left behind by a rotation that ends meanwhile. Any number of transactions may hold it.
func (t *Tx) DataKeyForSealing(tenant models.TenantID) (DataKey, error) {
	return one[DataKey](t.db.Raw(`SELECT * FROM data_keys WHERE tenant_id = ? FOR KEY SHARE`, tenant))
}

// InsertDataKey adds the tenant's first key. It says false when another transaction was first; the caller reads that one.
func (t *Tx) InsertDataKey(k DataKey) (bool, error) {
	done := t.db.Exec(`INSERT INTO data_keys (tenant_id, id, kek_id, wrapped, created_at, key_id) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (tenant_id) DO NOTHING`,
		k.TenantID, k.ID, k.KEKID, k.Wrapped, k.CreatedAt, k.KeyID)
	return done.RowsAffected == 1, wrap(done.Error)
}

// Sealed reads one ciphertext.
func (t *Tx) Sealed(tenant models.TenantID, kind, id, field string) (Sealed, error) {
	return one[Sealed](t.db.Where("tenant_id = ? AND owner_kind = ? AND owner_id = ? AND field = ?", tenant, kind, id, field))
}

// NextSealedVersion tells which version a value written now must carry, and locks the row against others where there is one.
func (t *Tx) NextSealedVersion(tenant models.TenantID, kind, id, field string) (int, error) {
	var version int
	err := t.db.Raw(`SELECT version FROM sealed WHERE tenant_id = ? AND owner_kind = ? AND owner_id = ? AND field = ? FOR UPDATE`,
		tenant, kind, id, field).Scan(&version).Error
	return version + 1, wrap(err)
}

// PutSealed writes a ciphertext over the version before it. ErrTaken: somebody else wrote that version first.
func (t *Tx) PutSealed(s Sealed) error {
	done := t.db.Exec(`INSERT INTO sealed (tenant_id, owner_kind, owner_id, field, version, ciphertext, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (tenant_id, owner_kind, owner_id, field) DO UPDATE SET version = excluded.version, ciphertext = excluded.ciphertext, created_at = excluded.created_at
		WHERE sealed.version = excluded.version - 1`,
		s.TenantID, s.OwnerKind, s.OwnerID, s.Field, s.Version, s.Ciphertext, s.CreatedAt)
	if done.Error == nil && done.RowsAffected == 0 {
		return ErrTaken
	}
	return wrap(done.Error)
}

// SealedFields lists the fields that an owner has sealed.
func (t *Tx) SealedFields(tenant models.TenantID, kind, id string) ([]string, error) {
	fields := []string{}
	err := t.db.Raw(`SELECT field FROM sealed WHERE tenant_id = ? AND owner_kind = ? AND owner_id = ? ORDER BY field`, tenant, kind, id).Scan(&fields).Error
	return fields, wrap(err)
}

// DeleteSealedField destroys one ciphertext. ErrNotFound: it was not there.
func (t *Tx) DeleteSealedField(tenant models.TenantID, kind, id, field string) error {
	return changed(t.db.Exec(`DELETE FROM sealed WHERE tenant_id = ? AND owner_kind = ? AND owner_id = ? AND field = ?`, tenant, kind, id, field))
}

// DeleteSealed destroys every ciphertext of an owner and says how many there were. None is no error.
func (t *Tx) DeleteSealed(tenant models.TenantID, kind, id string) (int, error) {
	done := t.db.Exec(`DELETE FROM sealed WHERE tenant_id = ? AND owner_kind = ? AND owner_id = ?`, tenant, kind, id)
	return int(done.RowsAffected), wrap(done.Error)
}
