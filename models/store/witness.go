package store

import (
	"time"

	"github.com/postern-mail/postern/models"
)

// InsertWitness adds a witness that is not known yet.
func (t *Tx) InsertWitness(w models.Witness) error {
	return wrap(t.db.Exec(`INSERT INTO witnesses (name, shown, next_at) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING`, w.Name, w.Shown, w.NextAt).Error)
}

// Witnesses lists all that were ever told of, by name.
func (t *Tx) Witnesses() ([]models.Witness, error) {
	return all[models.Witness](t.db.Order("shown, name"))
}

// TakeWitness holds a witness that is due and has not seen size yet, until a time. It says false where there is nothing to do, or another process does it.
func (t *Tx) TakeWitness(name string, size int64, now, until time.Time) (bool, error) {
	done := t.db.Exec(`UPDATE witnesses SET held_until = ? WHERE name = ? AND size < ? AND next_at <= ? AND (held_until IS NULL OR held_until <= ?)`, until, name, size, now, now)
	return done.RowsAffected == 1, wrap(done.Error)
}

// MarkWitnessTold notes what a witness took, and when it is told again at the earliest.
func (t *Tx) MarkWitnessTold(name string, size int64, at, next time.Time) error {
	return changed(t.db.Exec(`UPDATE witnesses SET size = greatest(size, ?), published_at = ?, tries = 0, problem = '', next_at = ?, held_until = NULL WHERE name = ?`, size, at, next, name))
}

// MarkWitnessFailed notes that a witness took nothing, why, and when it is tried again.
func (t *Tx) MarkWitnessFailed(name, problem string, next time.Time) error {
	return changed(t.db.Exec(`UPDATE witnesses SET tries = tries + 1, problem = ?, next_at = ?, held_until = NULL WHERE name = ?`, problem, next, name))
}
