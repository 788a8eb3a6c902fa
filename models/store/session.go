package store

import (
	"encoding/json"
	"errors"
	"time"

	"gorm.io/gorm"

	"github.com/postern-mail/postern/models"
)

// A session's data has two parts: "web" is what the browser's session carries, "ceremony" a passkey ceremony under way. They are written
// apart, so that a page that is loaded meanwhile cannot bring a spent ceremony back.

// Session reads a session by the hash of its id, dead ones too.
func (t *Tx) Session(hash []byte) (models.Session, error) {
	return one[models.Session](t.db.Where("id_hash = ?", hash))
}

// SessionsOfMember lists a member's sessions, the last used first.
func (t *Tx) SessionsOfMember(member models.MemberID) ([]models.Session, error) {
	return all[models.Session](t.db.Table("sessions").Where("member_id = ?", member).Order("seen_at DESC, id_hash"))
}

// InsertSession adds a session. The hash does not stand first: gorm would spread bytes after a parenthesis over a list.
func (t *Tx) InsertSession(s models.Session) error {
	return wrap(t.db.Exec(`INSERT INTO sessions (member_id, id_hash, pass_id, epoch, data, address, user_agent, created_at, seen_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		s.MemberID, s.IDHash, s.PassID, s.Epoch, s.Data, s.Address, s.UserAgent, s.CreatedAt, s.SeenAt, s.ExpiresAt).Error)
}

// ReplaceSessionData writes what the browser's session carries.
func (t *Tx) ReplaceSessionData(hash []byte, web models.JSON) error {
	return changed(t.db.Exec(`UPDATE sessions SET data = jsonb_set(data, '{web}', ?::jsonb) WHERE id_hash = ?`, web, hash))
}

// PutCeremony begins a passkey ceremony; one that was under way is forgotten.
func (t *Tx) PutCeremony(hash []byte, ceremony models.JSON) error {
	return changed(t.db.Exec(`UPDATE sessions SET data = jsonb_set(data, '{ceremony}', ?::jsonb) WHERE id_hash = ?`, ceremony, hash))
}

// TakeCeremony gives the ceremony under way and forgets it, in one statement: of two who ask, one is given it. ErrNotFound for the other.
func (t *Tx) TakeCeremony(hash []byte) (models.JSON, error) {
	var taken struct {
		Ceremony models.JSON `gorm:"column:ceremony"`
	}
	err := t.db.Raw(`WITH before AS (SELECT id_hash, data -> 'ceremony' AS ceremony FROM sessions WHERE id_hash = ? FOR UPDATE)
		UPDATE sessions s SET data = s.data - 'ceremony' FROM before b WHERE s.id_hash = b.id_hash AND b.ceremony IS NOT NULL RETURNING b.ceremony`, hash).Take(&taken).Error
	if errors.Is(err, gorm.ErrRecordNotFound) || err == nil && !json.Valid(taken.Ceremony) {
		return nil, ErrNotFound
	}
	return taken.Ceremony, wrap(err)
}

// TouchSession notes that a session was used.
func (t *Tx) TouchSession(hash []byte, at time.Time) error {
	return wrap(t.db.Exec(`UPDATE sessions SET seen_at = ? WHERE id_hash = ? AND seen_at < ?`, at, hash, at).Error)
}

// DeleteSession ends one session. It says false when there was none.
func (t *Tx) DeleteSession(hash []byte) (bool, error) {
	done := t.db.Exec(`DELETE FROM sessions WHERE id_hash = ?`, hash)
	return done.RowsAffected == 1, wrap(done.Error)
}

// DeleteSessionsOfMember ends a member's sessions, all but the one with the hash keep. nil keeps none.
func (t *Tx) DeleteSessionsOfMember(member models.MemberID, keep []byte) (int, error) {
	if keep == nil {
		keep = []byte{}
	}
	done := t.db.Exec(`DELETE FROM sessions WHERE member_id = ? AND id_hash <> ?`, member, keep)
	return int(done.RowsAffected), wrap(done.Error)
}

// TrimSessions ends a member's oldest sessions until at most most are left.
func (t *Tx) TrimSessions(member models.MemberID, most int) (int, error) {
	done := t.db.Exec(`DELETE FROM sessions WHERE id_hash IN (SELECT id_hash FROM sessions WHERE member_id = ? ORDER BY created_at DESC, id_hash OFFSET ?)`, member, most)
	return int(done.RowsAffected), wrap(done.Error)
}

// DeleteExpiredSessions removes up to limit sessions whose time is over.
func (t *Tx) DeleteExpiredSessions(at time.Time, limit int) error {
	return wrap(t.db.Exec(`DELETE FROM sessions WHERE id_hash IN (SELECT id_hash FROM sessions WHERE expires_at < ? ORDER BY expires_at LIMIT ?)`, at, limit).Error)
}
