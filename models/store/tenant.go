package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postern-mail/postern/models"
)

// TenantQuery says which tenants to list, by name. AfterName and AfterID are the keyset.
type TenantQuery struct {
	Search    string
	AfterName string
	AfterID   models.TenantID
	Limit     int
}

// TenantCounts is how many grants a tenant has by status.
type TenantCounts struct {
	TenantID                         models.TenantID
	Valid, Invalid, Pending, Revoked int
	LastUsedAt                       *time.Time
}

// Tenant reads one tenant.
func (t *Tx) Tenant(id models.TenantID) (models.Tenant, error) {
	return one[models.Tenant](t.db.Where("id = ?", id))
}

// TenantRegion tells in one round trip where a tenant's data is kept.
func (s *Store) TenantRegion(ctx context.Context, id models.TenantID) (region string, err error) {
	err = s.glance(ctx, TenantScope(id), `SELECT region FROM tenants WHERE id = $1`, []any{id}, func(rows pgx.Rows) error { return rows.Scan(&region) })
	if err == nil && region == "" {
		return "", ErrNotFound
	}
	return region, err
}

// Tenants lists tenants by name.
func (t *Tx) Tenants(q TenantQuery) ([]models.Tenant, error) {
	query := t.db.Table("tenants")
	if q.Search != "" {
		if id, err := models.ParseID[models.TenantID](q.Search); err == nil {
			query = query.Where("id = ?", id)
		} else {
			query = query.Where("name ILIKE ?", "%"+escapeLike(q.Search)+"%")
		}
	}
	if q.AfterName != "" {
		query = query.Where("(lower(name), id) > (lower(?), ?)", q.AfterName, q.AfterID)
	}
	return all[models.Tenant](query.Order("lower(name), id").Limit(q.Limit))
}

// TenantNames gives the names of some tenants, by id.
func (t *Tx) TenantNames(ids []models.TenantID) (map[models.TenantID]string, error) {
	rows, err := all[models.Tenant](t.db.Table("tenants").Where("id IN ?", ids))
	names := make(map[models.TenantID]string, len(rows))
	for _, r := range rows {
		names[r.ID] = r.Name
	}
	return names, err
}

// CountTenantGrants counts the grants of some tenants by status. A tenant without grants is absent from the answer.
func (t *Tx) CountTenantGrants(ids []models.TenantID) ([]TenantCounts, error) {
	rows := []TenantCounts{}
	err := t.db.Raw(`SELECT tenant_id, count(*) FILTER (WHERE status = 'valid') AS valid, count(*) FILTER (WHERE status = 'invalid') AS invalid,
		count(*) FILTER (WHERE status = 'pending') AS pending, count(*) FILTER (WHERE status = 'revoked') AS revoked, max(last_used_at) AS last_used_at
		FROM grants WHERE tenant_id IN ? GROUP BY tenant_id`, ids).Scan(&rows).Error
	return rows, wrap(err)
}

// InsertTenant adds a tenant.
func (t *Tx) InsertTenant(n models.Tenant) error {
	return wrap(t.db.Exec(`INSERT INTO tenants (id, name, region, state, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)`,
		n.ID, n.Name, n.Region, n.State, n.CreatedAt, n.UpdatedAt).Error)
}

// RenameTenant changes the name of a tenant of one region, and gives the name before. ErrNotFound: there is none, or another region keeps it.
func (t *Tx) RenameTenant(id models.TenantID, region, name string, at time.Time) (before string, err error) {
	done := t.db.Raw(`UPDATE tenants t SET name = ?, updated_at = ? FROM (SELECT id, name FROM tenants WHERE id = ? AND region = ? FOR UPDATE) b WHERE t.id = b.id RETURNING b.name`,
		name, at, id, region).Scan(&before)
	if done.Error == nil && done.RowsAffected == 0 {
		return "", ErrNotFound
	}
	return before, wrap(done.Error)
}
