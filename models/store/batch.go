package store

import (
	"time"

	"github.com/postern-mail/postern/models"
)

// BatchQuery says which batches to list, the newest first.
type BatchQuery struct {
	Tenant   models.TenantID
	BeforeAt time.Time
	BeforeID models.BatchID
	Limit    int
}

// InsertBatch adds a batch. ErrTaken: it is there already.
func (t *Tx) InsertBatch(b models.Batch) error {
	return wrap(t.db.Exec(`INSERT INTO batches (id, tenant_id, act, reach, reason, requested_by, requested_by_id, requested_at, total, beat_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		b.ID, b.TenantID, b.Act, b.Reach, b.Reason, b.RequestedBy, b.RequestedByID, b.RequestedAt, b.Total, b.BeatAt).Error)
}

// InsertBatchItems adds the grants of a batch, in the order given.
func (t *Tx) InsertBatchItems(batch models.BatchID, list []models.Grant) error {
	n := len(list)
	tenants, grants, emails, providers := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	for i, g := range list {
		tenants[i], grants[i], emails[i], providers[i] = g.TenantID.String(), g.ID.String(), g.Email, g.Provider
	}
	_, err := t.sql.ExecContext(t.ctx(), `INSERT INTO batch_items (tenant_id, batch_id, grant_id, place, email, provider)
		SELECT tenant, $1, grant_id, place, email, provider FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[]) WITH ORDINALITY AS u (tenant, grant_id, email, provider, place)`,
		batch, tenants, grants, emails, providers)
	return wrap(err)
}

// Batch reads one by its id; the scope decides whose.
func (t *Tx) Batch(id models.BatchID) (models.Batch, error) {
	return one[models.Batch](t.db.Where("id = ?", id))
}

// Batches lists them, the newest first.
func (t *Tx) Batches(q BatchQuery) ([]models.Batch, error) {
	query := t.db.Table("batches")
	if !q.Tenant.IsZero() {
		query = query.Where("tenant_id = ?", q.Tenant)
	}
	if !q.BeforeAt.IsZero() {
		query = query.Where("(requested_at, id) < (?, ?)", q.BeforeAt, q.BeforeID)
	}
	return all[models.Batch](query.Order("requested_at DESC, id DESC").Limit(q.Limit))
}

// BeatBatch notes that somebody is at it.
func (t *Tx) BeatBatch(id models.BatchID, at time.Time) error {
	return wrap(t.db.Exec(`UPDATE batches SET beat_at = ? WHERE id = ?`, at, id).Error)
}

// EndBatch records that every item has its outcome. ErrNotFound: it was recorded, or an item waits.
func (t *Tx) EndBatch(id models.BatchID, at time.Time) error {
	return changed(t.db.Exec(`UPDATE batches SET ended_at = ? WHERE id = ? AND ended_at IS NULL AND NOT EXISTS (SELECT FROM batch_items WHERE batch_id = batches.id AND outcome = '')`, at, id))
}

// LostBatches lists those that nobody was at since before.
func (t *Tx) LostBatches(before time.Time, most int) ([]models.Batch, error) {
	return all[models.Batch](t.db.Table("batches").Where("ended_at IS NULL AND beat_at < ?", before).Order("beat_at").Limit(most))
}

// BatchItemsLeft lists items without an outcome; those that failed here stand at the end.
func (t *Tx) BatchItemsLeft(batch models.BatchID, most int) ([]models.BatchItem, error) {
	return all[models.BatchItem](t.db.Table("batch_items").Where("batch_id = ? AND outcome = ''", batch).Order("attempts, place").Limit(most))
}

// BatchItemForUpdate reads one item and locks it until the transaction ends.
func (t *Tx) BatchItemForUpdate(tenant models.TenantID, batch models.BatchID, grant models.GrantID) (models.BatchItem, error) {
	return one[models.BatchItem](t.db.Raw(`SELECT * FROM batch_items WHERE tenant_id = ? AND batch_id = ? AND grant_id = ? FOR UPDATE`, tenant, batch, grant))
}

// MarkBatchItemDone writes an item's outcome. ErrNotFound: it has one.
func (t *Tx) MarkBatchItemDone(i models.BatchItem) error {
	return changed(t.db.Exec(`UPDATE batch_items SET outcome = ?, severance_id = ?, done_at = ? WHERE tenant_id = ? AND batch_id = ? AND grant_id = ? AND outcome = ''`,
		i.Outcome, i.SeveranceID, i.DoneAt, i.TenantID, i.BatchID, i.GrantID))
}

// MarkBatchItemTried notes that an item could not be cut here. One that has its outcome stays.
func (t *Tx) MarkBatchItemTried(i models.BatchItem) error {
	return wrap(t.db.Exec(`UPDATE batch_items SET attempts = attempts + 1 WHERE tenant_id = ? AND batch_id = ? AND grant_id = ? AND outcome = ''`, i.TenantID, i.BatchID, i.GrantID).Error)
}

// BatchCount is how many items of a batch stand alike. Severed is the outcome of the severance, empty while the provider is asked.
type BatchCount struct {
	Outcome models.BatchOutcome
	Severed string
	Failed  bool // it could not be cut here so far
	Count   int
}

// CountBatch counts the items of a batch by how they stand.
func (t *Tx) CountBatch(batch models.BatchID) ([]BatchCount, error) {
	rows := []BatchCount{}
	err := t.db.Raw(`SELECT i.outcome, COALESCE(s.outcome, '') AS severed, i.outcome = '' AND i.attempts > 0 AS failed, count(*) AS count
		FROM batch_items i LEFT JOIN severances s ON s.tenant_id = i.tenant_id AND s.id = i.severance_id WHERE i.batch_id = ? GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`, batch).Scan(&rows).Error
	return rows, wrap(err)
}

// BatchLine is one item with what its provider said. ReceiptID is nil while it is asked.
type BatchLine struct {
	models.BatchItem
	Severed   string            `gorm:"column:severed"`
	ReceiptID *models.ReceiptID `gorm:"column:receipt_id"`
}

// BatchLines lists items of a batch in their order, past one place.
func (t *Tx) BatchLines(batch models.BatchID, after, most int) ([]BatchLine, error) {
	rows := []BatchLine{}
	err := t.db.Raw(`SELECT i.*, COALESCE(s.outcome, '') AS severed, r.id AS receipt_id FROM batch_items i
		LEFT JOIN severances s ON s.tenant_id = i.tenant_id AND s.id = i.severance_id
		LEFT JOIN receipts r ON r.tenant_id = i.tenant_id AND r.severance_id = i.severance_id
		WHERE i.batch_id = ? AND i.place > ? ORDER BY i.place LIMIT ?`, batch, after, most).Scan(&rows).Error
	return rows, wrap(err)
}
