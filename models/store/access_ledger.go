package store

import (
	"encoding/json"
	"fmt"
	"time"

	"gorm.io/gorm"

	"github.com/postern-mail/postern/models"
)

// AccessQuery says which rows of the access ledger to list, the newest first. Empty fields do not narrow.
type AccessQuery struct {
	Application models.ApplicationID
	Tenant      models.TenantID
	Grant       models.GrantID
	Actor       string // id of a key or token
	Operation   string
	Refused     bool // only what was not answered with ok
	Since       time.Time
	BeforeAt    time.Time // keyset, exclusive
	BeforeID    models.AccessID
	Limit       int
}

// AccessSeen is an access with the mailbox's address as it is now; empty when the grant is gone.
type AccessSeen struct {
	models.Access
	Email string `gorm:"column:email"`
}

// InsertAccesses adds rows to the ledger, of any tenants, in one statement. It is for the platform's scope.
func (t *Tx) InsertAccesses(rows []models.Access) error {
	text, err := json.Marshal(rows)
	if err != nil {
		return fmt.Errorf("encode accesses: %w", err)
	}
	return wrap(t.db.Exec(`INSERT INTO access_ledger (at, id, tenant_id, application_id, grant_id, actor_kind, actor_id, actor, operation, outcome, address, request_id)
		SELECT at, id, tenant_id, application_id, grant_id, actor_kind, actor_id, actor, operation, outcome, address, request_id
		FROM jsonb_to_recordset(?::jsonb) AS r (at timestamptz, id uuid, tenant_id uuid, application_id uuid, grant_id uuid, actor_kind text, actor_id text, actor text,
			operation text, outcome text, address text, request_id text)
		ON CONFLICT (tenant_id, at, id) DO NOTHING`, string(text)).Error) // a batch whose commit was not heard of comes again
}

// Accesses lists the ledger, the newest first.
func (t *Tx) Accesses(q AccessQuery) ([]AccessSeen, error) {
	query := narrowAccesses(t.db.Table("access_ledger AS a"), q)
	if !q.BeforeAt.IsZero() {
		query = query.Where("(a.at, a.id) < (?, ?)", q.BeforeAt, q.BeforeID)
	}
	return all[AccessSeen](query.Select("a.*, g.email").Joins("LEFT JOIN grants g ON g.tenant_id = a.tenant_id AND g.id = a.grant_id").Order("a.at DESC, a.id DESC").Limit(q.Limit))
}

func narrowAccesses(query *gorm.DB, q AccessQuery) *gorm.DB {
	if !q.Application.IsZero() {
		query = query.Where("a.application_id = ?", q.Application)
	}
	if !q.Tenant.IsZero() {
		query = query.Where("a.tenant_id = ?", q.Tenant)
	}
	if !q.Grant.IsZero() {
		query = query.Where("a.grant_id = ?", q.Grant)
	}
	if q.Actor != "" {
		query = query.Where("a.actor_id = ?", q.Actor)
	}
	if q.Operation != "" {
		query = query.Where("a.operation = ?", q.Operation)
	}
	if q.Refused {
		query = query.Where("a.outcome <> 'ok'")
	}
	if !q.Since.IsZero() {
		query = query.Where("a.at >= ?", q.Since)
	}
	return query
}

// Accessor is who reached a mailbox, how often and with what, among its latest accesses.
type Accessor struct {
	ActorKind models.ActorKind `gorm:"column:actor_kind"`
	ActorID   string           `gorm:"column:actor_id"`
	Actor     string           `gorm:"column:actor"`
	Operation string           `gorm:"column:operation"`
	Count     int              `gorm:"column:count"`
	LastAt    time.Time        `gorm:"column:last_at"`
}

// Accessors sums up the latest accesses of a grant, at most of them: a busy mailbox has more than a page needs to read. Refusals do not count.
// Access tokens live for an hour each, so they count together, without an id.
func (t *Tx) Accessors(tenant models.TenantID, grant models.GrantID, of int) ([]Accessor, error) {
	return all[Accessor](t.db.Raw(`SELECT actor_kind, actor_id, max(actor) AS actor, operation, count(*) AS count, max(at) AS last_at FROM (
		SELECT actor_kind, CASE WHEN actor_kind = 'key' THEN actor_id ELSE '' END AS actor_id, actor, operation, at
		FROM access_ledger WHERE tenant_id = ? AND grant_id = ? AND outcome = 'ok' ORDER BY at DESC, id DESC LIMIT ?) AS latest
		GROUP BY actor_kind, actor_id, operation ORDER BY last_at DESC`, tenant, grant, of))
}

// TurnAccessLedger makes the ledger's parts for today and the days ahead, and drops days older than keep. keep is 90 at least; the database refuses less.
func (t *Tx) TurnAccessLedger(keep, ahead int) (made, dropped int, err error) {
	var row struct {
		Made    int `gorm:"column:made"`
		Dropped int `gorm:"column:dropped"`
	}
	err = t.db.Raw("SELECT made, dropped FROM sec.turn_access_ledger(?, ?)", keep, ahead).Scan(&row).Error
	return row.Made, row.Dropped, wrap(err)
}
