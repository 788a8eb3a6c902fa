package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postern-mail/postern/models"
)

// TokenStanding is everything that decides whether a token of ours may be used now.
type TokenStanding struct {
	Token           models.IssuedToken
	FamilyRevokedAt *time.Time
	Grant           models.Grant
	Region          string // of the tenant
}

// found runs one of the lookup functions of migrations/00007_walls.sql: it needs no scope, because it returns ids only.
func (s *Store) found(ctx context.Context, query string, presented any, into ...any) error {
	err := s.app.QueryRowContext(ctx, query, presented).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	if unreachable(err) && ctx.Err() == nil {
		return ErrUnreachable.Because(err)
	}
	return err
}

// absentID scans a null of a lookup function, which returns one row of nulls where nothing matches.
type absentID[I ~[16]byte] struct {
	id    *I
	found *bool
}

// Scan implements sql.Scanner.
func (a absentID[I]) Scan(from any) error {
	text, ok := from.(string)
	if *a.found = ok; !ok {
		return nil
	}
	id, err := models.ParseID[I](text)
	*a.id = id
	return err
}

func lookup2[A, B ~[16]byte](ctx context.Context, s *Store, query string, presented any) (a A, b B, err error) {
	var okA, okB bool
	if err := s.found(ctx, query, presented, absentID[A]{&a, &okA}, absentID[B]{&b, &okB}); err != nil {
		return a, b, fmt.Errorf("look up: %w", err)
	}
	if !okA || !okB {
		return a, b, ErrNotFound
	}
	return a, b, nil
}

// FindToken tells which tenant an issued token belongs to, by its hash.
func (s *Store) FindToken(ctx context.Context, hash []byte) (models.TenantID, models.TokenID, error) {
	return lookup2[models.TenantID, models.TokenID](ctx, s, `SELECT tenant::text, id::text FROM sec.find_token($1)`, hash)
}

// FindLink tells which tenant a connect link belongs to, by the hash of its token.
func (s *Store) FindLink(ctx context.Context, hash []byte) (models.TenantID, models.LinkID, error) {
	return lookup2[models.TenantID, models.LinkID](ctx, s, `SELECT tenant::text, id::text FROM sec.find_link($1)`, hash)
}

// FindFlowByState tells which tenant a connect flow belongs to, by the hash of the state that went to the provider.
func (s *Store) FindFlowByState(ctx context.Context, hash []byte) (models.TenantID, models.FlowID, error) {
	return lookup2[models.TenantID, models.FlowID](ctx, s, `SELECT tenant::text, id::text FROM sec.find_flow_by_state($1)`, hash)
}

// FindFlowByCode tells which tenant a connect flow belongs to, by the hash of the code we issued.
func (s *Store) FindFlowByCode(ctx context.Context, hash []byte) (models.TenantID, models.FlowID, error) {
	return lookup2[models.TenantID, models.FlowID](ctx, s, `SELECT tenant::text, id::text FROM sec.find_flow_by_code($1)`, hash)
}

// FindFlow tells which tenant a connect flow belongs to, by its id.
func (s *Store) FindFlow(ctx context.Context, id models.FlowID) (models.TenantID, error) {
	tenant, _, err := lookup2[models.TenantID, models.TenantID](ctx, s, `SELECT tenant::text, tenant::text FROM sec.find_flow($1) AS tenant`, id)
	return tenant, err
}

// FindGrant tells which tenant holds a grant of the application.
func (s *Store) FindGrant(ctx context.Context, application models.ApplicationID, id models.GrantID) (models.TenantID, error) {
	var tenant models.TenantID
	var ok bool
	err := s.app.QueryRowContext(ctx, `SELECT tenant::text FROM sec.find_grant($1, $2) AS tenant`, id, application).Scan(absentID[models.TenantID]{&tenant, &ok})
	if unreachable(err) && ctx.Err() == nil {
		return tenant, ErrUnreachable.Because(err)
	}
	if err == nil && !ok {
		err = ErrNotFound
	}
	return tenant, err
}

// InsertTokenFamily adds the family of one code exchange.
func (t *Tx) InsertTokenFamily(f models.TokenFamily) error {
	return wrap(t.db.Exec(`INSERT INTO token_families (tenant_id, id, application_id, grant_id, flow_id, created_at) VALUES (?, ?, ?, ?, ?, ?)`,
		f.TenantID, f.ID, f.ApplicationID, f.GrantID, f.FlowID, f.CreatedAt).Error)
}

// InsertIssuedToken adds a token by its hash.
func (t *Tx) InsertIssuedToken(k models.IssuedToken) error {
	return wrap(t.db.Exec(`INSERT INTO issued_tokens (tenant_id, id, application_id, grant_id, family_id, kind, hash, scopes, permissions, addresses, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		k.TenantID, k.ID, k.ApplicationID, k.GrantID, k.FamilyID, k.Kind, k.Hash, k.Scopes, k.Permissions, k.Addresses, k.CreatedAt, k.ExpiresAt).Error)
}

// TokenStanding reads a token with its family and its grant. ErrNotFound when any of the three is gone.
func (t *Tx) TokenStanding(tenant models.TenantID, id models.TokenID) (TokenStanding, error) {
	var s TokenStanding
	token, err := one[models.IssuedToken](t.db.Where("tenant_id = ? AND id = ?", tenant, id))
	if err != nil {
		return s, err
	}
	family, err := one[models.TokenFamily](t.db.Where("tenant_id = ? AND id = ?", tenant, token.FamilyID))
	if err != nil {
		return s, err
	}
	grant, err := t.Grant(tenant, token.GrantID)
	return TokenStanding{Token: token, FamilyRevokedAt: family.RevokedAt, Grant: grant}, err
}

// TokenSeen reads a token with the standing of its family and its grant in one round trip. Of the grant only address and status are read. ErrNotFound when any is gone.
func (s *Store) TokenSeen(ctx context.Context, tenant models.TenantID, id models.TokenID) (TokenStanding, error) {
	var t TokenStanding
	there := false
	err := s.glance(ctx, TenantScope(tenant), `SELECT t.id, t.application_id, t.grant_id, t.family_id, t.kind, t.scopes, t.permissions, t.addresses, t.created_at, t.expires_at, f.revoked_at, g.email, g.status, n.region
		FROM issued_tokens t JOIN token_families f ON f.tenant_id = t.tenant_id AND f.id = t.family_id JOIN grants g ON g.tenant_id = t.tenant_id AND g.id = t.grant_id
		JOIN tenants n ON n.id = t.tenant_id WHERE t.tenant_id = $1 AND t.id = $2`, []any{tenant, id}, func(rows pgx.Rows) error {
		there = true
		k := &t.Token
		return rows.Scan(&k.ID, &k.ApplicationID, &k.GrantID, &k.FamilyID, &k.Kind, (*[]string)(&k.Scopes), (*[]string)(&k.Permissions), (*[]string)(&k.Addresses), &k.CreatedAt, &k.ExpiresAt, &t.FamilyRevokedAt, &t.Grant.Email, (*string)(&t.Grant.Status), &t.Region)
	})
	if err == nil && !there {
		return t, ErrNotFound
	}
	t.Token.TenantID, t.Grant.TenantID, t.Grant.ID, t.Grant.ApplicationID = tenant, tenant, t.Token.GrantID, t.Token.ApplicationID
	return t, err
}

// RevokeTokenFamily ends one family. It says false when it had ended already.
func (t *Tx) RevokeTokenFamily(tenant models.TenantID, id models.FamilyID, at time.Time, reason string) (bool, error) {
	done := t.db.Exec(`UPDATE token_families SET revoked_at = ?, revoked_reason = ? WHERE tenant_id = ? AND id = ? AND revoked_at IS NULL`, at, reason, tenant, id)
	return done.RowsAffected == 1, wrap(done.Error)
}

// RevokeTokenFamiliesOfGrants ends all families of some grants and says how many.
func (t *Tx) RevokeTokenFamiliesOfGrants(tenant models.TenantID, grants []models.GrantID, at time.Time, reason string) (int, error) {
	done := t.db.Exec(`UPDATE token_families SET revoked_at = ?, revoked_reason = ? WHERE tenant_id = ? AND grant_id IN ? AND revoked_at IS NULL`, at, reason, tenant, grants)
	return int(done.RowsAffected), wrap(done.Error)
}

// RevokeTokenFamiliesOfFlow ends what was issued for a code that somebody presented a second time.
func (t *Tx) RevokeTokenFamiliesOfFlow(tenant models.TenantID, flow models.FlowID, at time.Time, reason string) (int, error) {
	done := t.db.Exec(`UPDATE token_families SET revoked_at = ?, revoked_reason = ? WHERE tenant_id = ? AND flow_id = ? AND revoked_at IS NULL`, at, reason, tenant, flow)
	return int(done.RowsAffected), wrap(done.Error)
}
