package store

import (
	"context"

	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"github.com/postern-mail/postern/models"
)

// grantColumns in the order of grantFields. A test holds both to models.Grant.
var grantColumns = []string{"tenant_id", "id", "application_id", "provider", "subject", "email", "name", "login", "status", "status_reason", "status_detail", "status_at", "settings",
	"scopes_requested", "scopes_granted", "state", "address", "user_agent", "credential", "refused_at", "created_at", "updated_at", "authenticated_at", "last_used_at", "revoked_at", "credential_id"}

// grantFields are where a row goes, in types that the driver fills without a detour over text.
func grantFields(g *models.Grant) []any {
	return []any{(*[16]byte)(&g.TenantID), (*[16]byte)(&g.ID), (*[16]byte)(&g.ApplicationID), &g.Provider, &g.Subject, &g.Email, &g.Name, &g.Login, (*string)(&g.Status), &g.StatusReason,
		&g.StatusDetail, &g.StatusAt, (*map[string]string)(&g.Settings), (*[]string)(&g.ScopesRequested), (*[]string)(&g.ScopesGranted), &g.State, &g.Address, &g.UserAgent, &g.Credential,
		&g.RefusedAt, &g.CreatedAt, &g.UpdatedAt, &g.AuthenticatedAt, &g.LastUsedAt, &g.RevokedAt, &g.CredentialID}
}

// GrantsSeen lists grants as Tx.Grants does, in one round trip: what every request of a program begins with.
func (s *Store) GrantsSeen(ctx context.Context, scope Scope, q GrantQuery) ([]models.Grant, error) {
	statement, args := s.built(ctx, func(db *gorm.DB) *gorm.DB { return orderGrants(db, q).Select(grantColumns).Find(&[]models.Grant{}) })
	grants := []models.Grant{}
	err := s.glance(ctx, scope, statement, args, func(rows pgx.Rows) error {
		var g models.Grant
		err := rows.Scan(grantFields(&g)...)
		grants = append(grants, g)
		return err
	})
	return grants, err
}
