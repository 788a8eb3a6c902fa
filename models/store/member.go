package store

import (
	"time"

	"github.com/postern-mail/postern/models"
)

// MemberQuery says which members to list, by name. AfterName and AfterID are the keyset.
type MemberQuery struct {
	Search    string
	Tenant    models.TenantID // zero: all
	Role      models.Role     // empty: all
	AfterName string
	AfterID   models.MemberID
	Limit     int
}

// MemberLine is a member in a list.
type MemberLine struct {
	models.Member `gorm:"embedded"`
	Role          models.Role      `gorm:"column:role"` // the strongest
	TenantID      *models.TenantID `gorm:"column:tenant_id"`
	Tenant        string           `gorm:"column:tenant"`
	Passkeys      int              `gorm:"column:passkeys"`
	LastSeenAt    *time.Time       `gorm:"column:last_seen_at"`
}

// strongest picks of each member the membership that counts, in the order of models.Roles.
const strongest = `SELECT DISTINCT ON (member_id) member_id, role, tenant_id FROM memberships
	ORDER BY member_id, array_position(ARRAY['owner','admin','support','reviewer','customer'], role), tenant_id NULLS FIRST, created_at`

// Members lists members by name.
func (t *Tx) Members(q MemberQuery) ([]MemberLine, error) {
	query := t.db.Table("members m").Joins("JOIN (" + strongest + ") s ON s.member_id = m.id").Joins("LEFT JOIN tenants n ON n.id = s.tenant_id").
		Select(`m.id, m.name, m.email, m.user_handle, m.session_epoch, m.created_at, m.disabled_at, s.role, s.tenant_id, COALESCE(n.name, '') AS tenant,
			(SELECT count(*) FROM passkeys p WHERE p.member_id = m.id) AS passkeys, (SELECT max(seen_at) FROM sessions x WHERE x.member_id = m.id) AS last_seen_at`)
	if q.Search != "" {
		like := "%" + escapeLike(q.Search) + "%"
		query = query.Where("(m.name ILIKE ? OR m.email ILIKE ?)", like, like)
	}
	if !q.Tenant.IsZero() {
		query = query.Where("EXISTS (SELECT FROM memberships x WHERE x.member_id = m.id AND x.tenant_id = ?)", q.Tenant)
	}
	if q.Role != "" {
		query = query.Where("s.role = ?", q.Role)
	}
	if q.AfterName != "" {
		query = query.Where("(lower(m.name), m.id) > (lower(?), ?)", q.AfterName, q.AfterID)
	}
	return all[MemberLine](query.Order("lower(m.name), m.id").Limit(q.Limit))
}

// Member reads one member.
func (t *Tx) Member(id models.MemberID) (models.Member, error) {
	return one[models.Member](t.db.Where("id = ?", id))
}

// MemberForUpdate is Member with the row locked until the transaction ends.
func (t *Tx) MemberForUpdate(id models.MemberID) (models.Member, error) {
	return one[models.Member](t.db.Raw(`SELECT * FROM members WHERE id = ? FOR UPDATE`, id))
}

// MemberByEmail finds a member by address, upper and lower case alike.
func (t *Tx) MemberByEmail(email string) (models.Member, error) {
	return one[models.Member](t.db.Where("lower(email) = lower(?)", email))
}

// MemberByHandle finds a member by the WebAuthn user id.
func (t *Tx) MemberByHandle(handle []byte) (models.Member, error) {
	return one[models.Member](t.db.Where("user_handle = ?", handle))
}

// InsertMember adds a member; ErrTaken when the address is somebody's.
func (t *Tx) InsertMember(m models.Member) error {
	return wrap(t.db.Exec(`INSERT INTO members (id, name, email, user_handle, session_epoch, created_at) VALUES (?, ?, ?, ?, ?, ?)`,
		m.ID, m.Name, m.Email, m.UserHandle, m.SessionEpoch, m.CreatedAt).Error)
}

// MarkMemberDisabled shuts a member out. ErrNotFound when that is so already.
func (t *Tx) MarkMemberDisabled(id models.MemberID, at time.Time) error {
	return changed(t.db.Exec(`UPDATE members SET disabled_at = ? WHERE id = ? AND disabled_at IS NULL`, at, id))
}

// MarkMemberEnabled lets a member in again. ErrNotFound when the member was not shut out.
func (t *Tx) MarkMemberEnabled(id models.MemberID) error {
	return changed(t.db.Exec(`UPDATE members SET disabled_at = NULL WHERE id = ? AND disabled_at IS NOT NULL`, id))
}

// RaiseSessionEpoch ends every session of a member made before, on every node.
func (t *Tx) RaiseSessionEpoch(id models.MemberID) error {
	return changed(t.db.Exec(`UPDATE members SET session_epoch = session_epoch + 1 WHERE id = ?`, id))
}

// OtherOwners counts the owners besides a member who are not shut out. The rows are locked, so that two owners cannot remove each other.
func (t *Tx) OtherOwners(id models.MemberID) (int, error) {
	rows, err := all[models.Member](t.db.Raw(`SELECT m.id FROM members m WHERE m.disabled_at IS NULL AND m.id <> ?
		AND EXISTS (SELECT FROM memberships s WHERE s.member_id = m.id AND s.role = 'owner') ORDER BY m.id FOR UPDATE`, id))
	return len(rows), err
}

// Memberships lists a member's memberships.
func (t *Tx) Memberships(member models.MemberID) ([]models.Membership, error) {
	return all[models.Membership](t.db.Table("memberships").Where("member_id = ?", member).Order("created_at, id"))
}

// InsertMembership adds a membership.
func (t *Tx) InsertMembership(m models.Membership) error {
	return wrap(t.db.Exec(`INSERT INTO memberships (id, member_id, role, tenant_id, created_at) VALUES (?, ?, ?, ?, ?)`, m.ID, m.MemberID, m.Role, m.TenantID, m.CreatedAt).Error)
}

// DeleteMemberships takes every role from a member.
func (t *Tx) DeleteMemberships(member models.MemberID) error {
	return wrap(t.db.Exec(`DELETE FROM memberships WHERE member_id = ?`, member).Error)
}

// Passkeys lists a member's passkeys, the oldest first.
func (t *Tx) Passkeys(member models.MemberID) ([]models.Passkey, error) {
	return all[models.Passkey](t.db.Table("passkeys").Where("member_id = ?", member).Order("created_at, id"))
}

// InsertPasskey adds a passkey; ErrTaken when the credential is known.
func (t *Tx) InsertPasskey(p models.Passkey) error {
	return wrap(t.db.Exec(`INSERT INTO passkeys (id, member_id, credential_id, credential, name, created_at) VALUES (?, ?, ?, ?, ?, ?)`,
		p.ID, p.MemberID, p.CredentialID, p.Credential, p.Name, p.CreatedAt).Error)
}

// MarkPasskeyUsed writes the counter and flags that came with a sign-in.
func (t *Tx) MarkPasskeyUsed(member models.MemberID, credentialID []byte, credential models.JSON, at time.Time) error {
	return changed(t.db.Exec(`UPDATE passkeys SET credential = ?, last_used_at = ? WHERE member_id = ? AND credential_id = ?`, credential, at, member, credentialID))
}

// DeletePasskey removes a passkey of a member.
func (t *Tx) DeletePasskey(member models.MemberID, id models.PasskeyID) error {
	return changed(t.db.Exec(`DELETE FROM passkeys WHERE member_id = ? AND id = ?`, member, id))
}

// InsertInvite adds an invite by the hash of its token. The hash does not stand first: gorm would spread bytes after a parenthesis over a list.
func (t *Tx) InsertInvite(i models.Invite) error {
	return wrap(t.db.Exec(`INSERT INTO invites (member_id, token_hash, created_by, created_at, expires_at) VALUES (?, ?, ?, ?, ?)`,
		i.MemberID, i.TokenHash, i.CreatedBy, i.CreatedAt, i.ExpiresAt).Error)
}

// Invite reads an invite by the hash of its token, spent ones too.
func (t *Tx) Invite(hash []byte) (models.Invite, error) {
	return one[models.Invite](t.db.Where("token_hash = ?", hash))
}

// MarkInviteUsed spends an invite: one caller succeeds, everybody after gets ErrNotFound. An expired one cannot be spent.
func (t *Tx) MarkInviteUsed(hash []byte, at time.Time) error {
	return changed(t.db.Exec(`UPDATE invites SET used_at = ? WHERE token_hash = ? AND used_at IS NULL AND expires_at > ?`, at, hash, at))
}

// DeleteInvites withdraws the invites of a member that are not spent.
func (t *Tx) DeleteInvites(member models.MemberID) error {
	return wrap(t.db.Exec(`DELETE FROM invites WHERE member_id = ? AND used_at IS NULL`, member).Error)
}
