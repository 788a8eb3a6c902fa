package store

import (
	"time"

	"gorm.io/gorm"

	"github.com/postern-mail/postern/models"
)

// AuditQuery says which entries to list, the newest first. Empty fields do not narrow.
type AuditQuery struct {
	Tenant     models.TenantID
	Actor      string // part of the actor's name, or the whole id
	Action     string
	ObjectKind string
	ObjectID   string
	Outcome    string
	Since      time.Time
	Until      time.Time
	BeforeAt   time.Time // keyset: entries older than this one
	BeforeID   models.AuditID
	AfterAt    time.Time // keyset, the other way: entries newer than this one
	AfterID    models.AuditID
	Limit      int
}

// InsertAuditEntry adds one entry. There is no statement that changes one.
func (t *Tx) InsertAuditEntry(e models.AuditEntry) error {
	return wrap(t.db.Exec(`INSERT INTO audit_entries (id, at, tenant_id, application_id, actor_kind, actor_id, actor, action, object_kind, object_id, object, outcome, detail, address, request_id)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		e.ID, e.At, e.TenantID, e.ApplicationID, e.ActorKind, e.ActorID, e.Actor, e.Action, e.ObjectKind, e.ObjectID, e.Object, e.Outcome, e.Detail, e.Address, e.RequestID).Error)
}

// AuditEntries lists entries, the newest first.
func (t *Tx) AuditEntries(q AuditQuery) ([]models.AuditEntry, error) {
	query := narrowAudit(t.db.Table("audit_entries"), q)
	if q.AfterAt.IsZero() {
		if !q.BeforeAt.IsZero() {
			query = query.Where("(at, id) < (?, ?)", q.BeforeAt, q.BeforeID)
		}
		return all[models.AuditEntry](query.Order("at DESC, id DESC").Limit(q.Limit))
	}
	rows, err := all[models.AuditEntry](query.Where("(at, id) > (?, ?)", q.AfterAt, q.AfterID).Order("at, id").Limit(q.Limit))
	for i, j := 0, len(rows)-1; i < j; i, j = i+1, j-1 {
		rows[i], rows[j] = rows[j], rows[i]
	}
	return rows, err
}

// AuditEntry reads one.
func (t *Tx) AuditEntry(id models.AuditID) (models.AuditEntry, error) {
	return one[models.AuditEntry](t.db.Where("id = ?", id))
}

func narrowAudit(query *gorm.DB, q AuditQuery) *gorm.DB {
	if !q.Tenant.IsZero() {
		query = query.Where("tenant_id = ?", q.Tenant)
	}
	if q.Actor != "" {
		query = query.Where("(actor_id = ? OR actor ILIKE ?)", q.Actor, "%"+escapeLike(q.Actor)+"%")
	}
	if q.Action != "" {
		query = query.Where("action = ?", q.Action)
	}
	if q.ObjectKind != "" {
		query = query.Where("object_kind = ?", q.ObjectKind)
	}
	if q.ObjectID != "" {
		query = query.Where("object_id = ?", q.ObjectID)
	}
	if q.Outcome != "" {
		query = query.Where("outcome = ?", q.Outcome)
	}
	if !q.Since.IsZero() {
		query = query.Where("at >= ?", q.Since)
	}
	if !q.Until.IsZero() {
		query = query.Where("at < ?", q.Until)
	}
	return query
}

// ReadingQuery names the reading that one entry stands for: a person, a view, a tenant (zero: all), from a time on.
type ReadingQuery struct {
	ActorID string
	View    string
	Tenant  models.TenantID
	Since   time.Time
}

// AuditReadingNoted says whether there is an entry about it.
func (t *Tx) AuditReadingNoted(q ReadingQuery) (bool, error) {
	var noted bool
	var tenant *models.TenantID
	if !q.Tenant.IsZero() {
		tenant = &q.Tenant
	}
	err := t.db.Raw(`SELECT EXISTS (SELECT FROM audit_entries WHERE object_kind = 'audit' AND object_id = ? AND at >= ? AND action = 'audit.read' AND actor_id = ? AND tenant_id IS NOT DISTINCT FROM ?::uuid)`,
		q.View, q.Since, q.ActorID, tenant).Scan(&noted).Error
	return noted, wrap(err)
}

// LockAuditReading waits for whoever notes the same reading, until the end of the transaction.
func (t *Tx) LockAuditReading(q ReadingQuery) error {
	return wrap(t.db.Exec(`SELECT pg_advisory_xact_lock(hashtextextended(?, 0))`, "postern audit reading "+q.ActorID+" "+q.View+" "+q.Tenant.String()).Error)
}
