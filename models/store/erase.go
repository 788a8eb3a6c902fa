package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"github.com/postern-mail/postern/models"
)

// Erased stands in the place of a personal field that was erased. The trigger audit_is_erased knows it too.
const Erased = "(erased)"

// AsEraser runs fn in one transaction of the owner in the role postern_eraser, which may take personal fields out of the audit and the access ledger and nothing else.
// The running program has no way to that role: dsn is the owner's, from whoever stands at the shell.
func (s *Store) AsEraser(ctx context.Context, dsn string, fn func(*Tx) error) error {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return fmt.Errorf("read the database address: %w", errDSN)
	}
	config.RuntimeParams["application_name"] = "postern audit erase"
	config.RuntimeParams["timezone"] = "UTC"
	db := openDB(*config)
	defer db.Close() //nolint:errcheck // committed below, or nothing happened
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	if _, err := tx.ExecContext(ctx, `SET LOCAL ROLE postern_eraser`); err != nil {
		return fmt.Errorf("become the role that may erase: %w", err)
	}
	orm := s.orm.Session(&gorm.Session{NewDB: true, Context: ctx})
	orm.Statement.ConnPool = tx
	if err := fn(&Tx{db: orm, sql: tx, shard: s.shard}); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// Vacuum lets the database overwrite what rows held before they were changed. Until then it lies in the tables' files.
func Vacuum(ctx context.Context, dsn string, tables ...string) error {
	conn, err := connectOwner(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing is open
	for _, table := range tables {
		if _, err := conn.Exec(ctx, `VACUUM `+pgx.Identifier{table}.Sanitize()); err != nil {
			return fmt.Errorf("vacuum %s: %w", table, err)
		}
	}
	return nil
}

// PersonQuery says which audit entries may name a person: by ids of theirs, or by texts in lower case that a field contains.
type PersonQuery struct {
	IDs   []string
	Texts []string
	After models.AuditID // keyset: entries with greater ids
	Limit int
}

// EntriesNaming lists entries in the log that may name somebody, by id, with what the log has of them. The caller looks closer: a text may be part of a longer word.
func (t *Tx) EntriesNaming(q PersonQuery) ([]SequencedEntry, error) {
	query := t.db.Table("audit_entries e").Select("e.*, l.index AS index, l.version AS version, l.hash AS hash").Joins("JOIN audit_leaves l ON l.entry_id = e.id").Where("e.id > ?", q.After)
	match := t.db.Where("false")
	if len(q.IDs) > 0 {
		match = match.Or("e.actor_id IN ?", q.IDs).Or("e.object_id IN ?", q.IDs)
	}
	for _, text := range q.Texts {
		like := "%" + escapeLike(text) + "%"
		match = match.Or("lower(e.actor) LIKE ? OR lower(e.object) LIKE ? OR lower(e.detail::text) LIKE ?", like, like, like)
	}
	return all[SequencedEntry](query.Where(match).Order("e.id").Limit(q.Limit))
}

// EraseAuditFields writes an entry whose personal fields were erased in part. The database refuses any other change.
func (t *Tx) EraseAuditFields(e models.AuditEntry) error {
	return changed(t.db.Exec(`UPDATE audit_entries SET actor = ?, object = ?, detail = ?, address = ?, salt = '', erased = ?, salts = ? WHERE id = ?`,
		e.Actor, e.Object, e.Detail, e.Address, e.Erased, e.Salts, e.ID))
}

// EraseAccessLabels takes an address out of the labels of access tokens in the access ledger, and says in how many rows. label is the whole label, of which case does not count.
func (t *Tx) EraseAccessLabels(label, instead string) (int64, error) {
	done := t.db.Exec(`UPDATE access_ledger SET actor = ? WHERE actor_kind = 'token' AND lower(actor) = lower(?)`, instead, label)
	return done.RowsAffected, wrap(done.Error)
}

// CountAccessLabels counts the rows of the access ledger with a label.
func (t *Tx) CountAccessLabels(label string) (n int64, err error) {
	err = t.db.Raw(`SELECT count(*) FROM access_ledger WHERE actor_kind = 'token' AND lower(actor) = lower(?)`, label).Scan(&n).Error
	return n, wrap(err)
}
