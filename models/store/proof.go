package store

import (
	"context"
	"errors"
	"time"

	"github.com/postern-mail/postern/models"
)

// sequencerLock is the advisory lock that makes one sequencer among all processes.
const sequencerLock = 5318008100

// TakeSequencer says whether this transaction is the sequencer until it ends.
func (t *Tx) TakeSequencer() (bool, error) {
	var mine bool
	err := t.db.Raw(`SELECT pg_try_advisory_xact_lock(?)`, sequencerLock).Scan(&mine).Error
	return mine, wrap(err)
}

// PendingAuditEntries takes committed entries that have no leaf yet out of the queue, in its order.
func (t *Tx) PendingAuditEntries(most int) ([]models.AuditEntry, error) {
	return all[models.AuditEntry](t.db.Raw(`WITH due AS (DELETE FROM audit_pending WHERE place IN (SELECT place FROM audit_pending ORDER BY place LIMIT ?) RETURNING place, entry_id)
		SELECT e.* FROM due JOIN audit_entries e ON e.id = due.entry_id ORDER BY due.place`, most))
}

// CountPendingAudit counts entries that wait for the sequencer, and tells the time of the oldest.
func (t *Tx) CountPendingAudit() (n int, oldest *time.Time, err error) {
	row := struct {
		N      int
		Oldest *time.Time
	}{}
	err = t.db.Raw(`SELECT count(*) AS n, min(e.at) AS oldest FROM audit_pending p JOIN audit_entries e ON e.id = p.entry_id`).Scan(&row).Error
	return row.N, row.Oldest, wrap(err)
}

// LatestCheckpoint reads the newest checkpoint. ErrNotFound: nothing was sequenced yet.
func (t *Tx) LatestCheckpoint() (models.Checkpoint, error) {
	return one[models.Checkpoint](t.db.Table("checkpoints").Order("size DESC"))
}

// Checkpoints lists the checkpoints of a log that is larger than from and not larger than size, the smallest first.
func (t *Tx) Checkpoints(from, size int64) ([]models.Checkpoint, error) {
	return all[models.Checkpoint](t.db.Where("size > ? AND size <= ?", from, size).Order("size"))
}

// Leaf is one entry's place in the log.
type Leaf struct {
	Index   int64          `gorm:"column:index"`
	EntryID models.AuditID `gorm:"column:entry_id"`
	Hash    []byte         `gorm:"column:hash"`
	Version int            `gorm:"column:version"` // of the leaf's form; see audit.Leaf
}

// InsertLeaves adds leaves and the tree's new hashes, which begin at first. Two statements, whatever their number.
func (t *Tx) InsertLeaves(ctx context.Context, leaves []Leaf, first int64, hashes [][]byte) error {
	places, entries, of, versions := make([]int64, len(leaves)), make([]string, len(leaves)), make([][]byte, len(leaves)), make([]int32, len(leaves))
	for i, l := range leaves {
		places[i], entries[i], of[i], versions[i] = l.Index, l.EntryID.String(), l.Hash, int32(l.Version)
	}
	if _, err := t.sql.ExecContext(ctx, `INSERT INTO audit_leaves (index, entry_id, hash, version) SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::bytea[], $4::int[])`, places, entries, of, versions); err != nil {
		return wrap(err)
	}
	indexes := make([]int64, len(hashes))
	for i := range hashes {
		indexes[i] = first + int64(i)
	}
	_, err := t.sql.ExecContext(ctx, `INSERT INTO audit_hashes (index, hash) SELECT * FROM unnest($1::bigint[], $2::bytea[])`, indexes, hashes)
	return wrap(err)
}

// InsertCheckpoint adds a signed checkpoint.
func (t *Tx) InsertCheckpoint(c models.Checkpoint) error {
	return wrap(t.db.Exec(`INSERT INTO checkpoints (size, root, note, at) VALUES (?, ?, ?, ?)`, c.Size, c.Root, c.Note, c.At).Error)
}

// AuditHashes reads hashes of the tree, in the order asked for.
func (t *Tx) AuditHashes(indexes []int64) ([][]byte, error) {
	rows := []struct {
		Index int64
		Hash  []byte
	}{}
	if len(indexes) == 0 {
		return nil, nil
	}
	if err := t.db.Raw(`SELECT index, hash FROM audit_hashes WHERE index IN ?`, indexes).Scan(&rows).Error; err != nil {
		return nil, wrap(err)
	}
	by := make(map[int64][]byte, len(rows))
	for _, r := range rows {
		by[r.Index] = r.Hash
	}
	out := make([][]byte, len(indexes))
	for i, index := range indexes {
		if out[i] = by[index]; out[i] == nil {
			return nil, errors.New("a hash of the audit tree is missing")
		}
	}
	return out, nil
}

// SequencedEntry is an audit entry with its leaf.
type SequencedEntry struct {
	models.AuditEntry
	Index   int64
	Version int // of the leaf
	Hash    []byte
}

// SequencedEntries reads entries with their leaves, in the log's order, from an index on and below size; of one tenant, or of all.
func (t *Tx) SequencedEntries(tenant models.TenantID, from, size int64, most int) ([]SequencedEntry, error) {
	query := t.db.Table("audit_leaves l").Select("e.*, l.index AS index, l.version AS version, l.hash AS hash").Joins("JOIN audit_entries e ON e.id = l.entry_id").Where("l.index >= ? AND l.index < ?", from, size)
	if !tenant.IsZero() {
		query = query.Where("e.tenant_id = ?", tenant)
	}
	return all[SequencedEntry](query.Order("l.index").Limit(most))
}

// LeafOf reads an entry's place in the log. ErrNotFound: it waits for the sequencer.
func (t *Tx) LeafOf(entry models.AuditID) (Leaf, error) {
	return one[Leaf](t.db.Table("audit_leaves").Where("entry_id = ?", entry))
}
