package store

import (
	"time"

	"gorm.io/gorm"

	"github.com/postern-mail/postern/models"
)

// VerificationQuery says which rows of the verification log to list, the newest first. Empty fields do not narrow.
type VerificationQuery struct {
	Application models.ApplicationID
	Tenant      models.TenantID
	Webhook     models.WebhookID
	Endpoint    models.EndpointID
	EventType   string
	Verdict     string
	Reason      string
	Source      string
	EventID     string
	Since       time.Time
	Until       time.Time
	BeforeAt    time.Time
	BeforeID    models.VerificationID
	Limit       int
}

// VerificationCount is how often a reason was given in one hour or day (UTC).
type VerificationCount struct {
	At      time.Time `gorm:"column:at"`
	Verdict string    `gorm:"column:verdict"`
	Reason  string    `gorm:"column:reason"`
	Count   int       `gorm:"column:count"`
}

// Verifications lists the log, the newest first.
func (t *Tx) Verifications(q VerificationQuery) ([]models.Verification, error) {
	query := narrowVerifications(t.db.Table("verifications"), q)
	if !q.BeforeAt.IsZero() {
		query = query.Where("(at, id) < (?, ?)", q.BeforeAt, q.BeforeID)
	}
	return all[models.Verification](query.Order("at DESC, id DESC").Limit(q.Limit))
}

// Verification reads one row of the log. An id names the millisecond of its row (RFC 9562 section 5.7), so only one part of the log is asked.
func (t *Tx) Verification(id models.VerificationID) (models.Verification, error) {
	at := id.At()
	return one[models.Verification](t.db.Table("verifications").Where("id = ? AND at >= ? AND at < ?", id, at, at.Add(time.Millisecond)))
}

// VerificationCounts counts the log per hour or day (step), verdict and reason, from the sums that are kept of it. Since and Until are taken down and up
// to whole hours. An event's id narrows to nothing: the sums know no events.
func (t *Tx) VerificationCounts(q VerificationQuery, step string) ([]VerificationCount, error) {
	if q.EventID != "" {
		return []VerificationCount{}, nil
	}
	q.Since = q.Since.Truncate(time.Hour)
	query := narrowBy(t.db.Table("verification_hours"), q, "hour")
	// Sums over everything below the application are rows of their own. A tenant is shown none of them.
	query = query.Where("total = ?", q.Tenant.IsZero() && q.Endpoint.IsZero() && q.Webhook.IsZero() && q.EventType == "")
	return all[VerificationCount](query.Select("date_trunc(?, hour, 'UTC') AS at, verdict, reason, sum(count)::bigint AS count", step).Group("1, 2, 3").Order("1, 2, 3"))
}

func narrowVerifications(query *gorm.DB, q VerificationQuery) *gorm.DB {
	return narrowBy(query, q, "at")
}

// narrowBy narrows a table of the log whose time is in the column named.
func narrowBy(query *gorm.DB, q VerificationQuery, at string) *gorm.DB {
	if !q.Application.IsZero() {
		query = query.Where("application_id = ?", q.Application)
	}
	if !q.Tenant.IsZero() {
		query = query.Where("tenant_id = ?", q.Tenant)
	}
	if !q.Webhook.IsZero() {
		query = query.Where("webhook_id = ?", q.Webhook)
	}
	if !q.Endpoint.IsZero() {
		query = query.Where("endpoint_id = ?", q.Endpoint)
	}
	if q.EventType != "" {
		query = query.Where("event_type = ? AND event_type <> ''", q.EventType)
	}
	if q.Verdict != "" {
		query = query.Where("verdict = ?", q.Verdict)
	}
	if q.Reason != "" {
		query = query.Where("reason = ?", q.Reason)
	}
	if q.Source != "" {
		query = query.Where("source = ?", q.Source)
	}
	if q.EventID != "" {
		query = query.Where("event_id = ? AND event_id <> ''", q.EventID)
	}
	if !q.Since.IsZero() {
		query = query.Where(at+" >= ?", q.Since)
	}
	if !q.Until.IsZero() {
		query = query.Where(at+" < ?", q.Until)
	}
	return query
}

// AddRefusals adds to what was counted of this reason, endpoint and minute.
func (t *Tx) AddRefusals(c models.RefusalCount) error {
	return wrap(t.db.Exec(`INSERT INTO verification_counts AS v (minute, endpoint_id, reason, source, application_id, tenant_id, webhook_id, count, last_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (minute, endpoint_id, reason)
		DO UPDATE SET count = v.count + excluded.count, last_at = greatest(v.last_at, excluded.last_at)`,
		c.Minute, c.EndpointID, c.Reason, c.Source, c.ApplicationID, c.TenantID, c.WebhookID, c.Count, c.LastAt).Error)
}

// Refusals lists what was counted beyond the log's rows, the newest minute first. An event's id narrows to nothing: nothing of a counted call is kept.
func (t *Tx) Refusals(q VerificationQuery) ([]models.RefusalCount, error) {
	return all[models.RefusalCount](narrowRefusals(t.db.Table("verification_counts"), q).Order("minute DESC, endpoint_id, reason").Limit(q.Limit))
}

// RefusalCounts counts per hour or day (step) what was counted beyond the log's rows.
func (t *Tx) RefusalCounts(q VerificationQuery, step string) ([]VerificationCount, error) {
	return all[VerificationCount](narrowRefusals(t.db.Table("verification_counts"), q).
		Select("date_trunc(?, minute, 'UTC') AS at, 'refused' AS verdict, reason, sum(count)::bigint AS count", step).
		Group("1, 2, 3").Order("1, 2, 3"))
}

func narrowRefusals(query *gorm.DB, q VerificationQuery) *gorm.DB {
	if q.EventID != "" || q.EventType != "" || q.Verdict != "" && q.Verdict != "refused" {
		return query.Where("false")
	}
	if !q.Since.IsZero() {
		q.Since = q.Since.Truncate(time.Minute)
	}
	q.EventID, q.Verdict = "", ""
	return narrowBy(query, q, "minute")
}

// NoteSignature records the digest of a genuine signature. Once is enough.
func (t *Tx) NoteSignature(digest []byte, at time.Time) error {
	// seen_at first: gorm takes bytes right after a parenthesis for a list and spreads them.
	return wrap(t.db.Exec("INSERT INTO known_signatures (seen_at, digest) VALUES (?, ?) ON CONFLICT (digest) DO NOTHING", at, digest).Error)
}

// ForgetSeen removes what was seen before the time, at most limit rows of it, and says how many went.
func (t *Tx) ForgetSeen(before time.Time, limit int) (int, error) {
	done := t.db.Exec(`DELETE FROM inbound_seen WHERE (endpoint_id, event_id) IN
		(SELECT endpoint_id, event_id FROM inbound_seen WHERE seen_at < ? ORDER BY seen_at LIMIT ?)`, before, limit)
	return int(done.RowsAffected), wrap(done.Error)
}

// ForgetRefusals removes counts from before the time.
func (t *Tx) ForgetRefusals(before time.Time) error {
	return wrap(t.db.Exec("DELETE FROM verification_counts WHERE minute < ?", before).Error)
}

// ForgetSignatures removes the digests of signatures from before the time, at most limit of them, and says how many went.
func (t *Tx) ForgetSignatures(before time.Time, limit int) (int, error) {
	done := t.db.Exec(`DELETE FROM known_signatures WHERE digest IN (SELECT digest FROM known_signatures WHERE seen_at < ? ORDER BY seen_at LIMIT ?)`, before, limit)
	return int(done.RowsAffected), wrap(done.Error)
}
