package store

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"github.com/postern-mail/postern/models"
)

// grantColumns in the order of grantFields. A test holds both to models.Grant.
var grantColumns = []string{"tenant_id", "id", "application_id", "provider", "subject", "email", "name", "login", "status", "status_reason", "status_detail", "status_at", "settings",
	"scopes_requested", "scopes_granted", "state", "address", "user_agent", "credential", "refused_at", "created_at", "updated_at", "authenticated_at", "last_used_at", "revoked_at", "credential_id",
	"challenged_at", "challenged_credential"}

// grantFields are where a row goes, in types that the driver fills without a detour over text.
func grantFields(g *models.Grant) []any {
	return []any{(*[16]byte)(&g.TenantID), (*[16]byte)(&g.ID), (*[16]byte)(&g.ApplicationID), &g.Provider, &g.Subject, &g.Email, &g.Name, &g.Login, (*string)(&g.Status), &g.StatusReason,
		&g.StatusDetail, &g.StatusAt, (*map[string]string)(&g.Settings), (*[]string)(&g.ScopesRequested), (*[]string)(&g.ScopesGranted), &g.State, &g.Address, &g.UserAgent, &g.Credential,
		&g.RefusedAt, &g.CreatedAt, &g.UpdatedAt, &g.AuthenticatedAt, &g.LastUsedAt, &g.RevokedAt, &g.CredentialID,
		&g.ChallengedAt, &g.ChallengedCredential}
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

// GrantOffered reads a grant as it stands now, in one round trip, and whether what it was made with is there still: its application's connector, and the credential
// beside it. ErrNotFound when the grant is gone.
func (s *Store) GrantOffered(ctx context.Context, application models.ApplicationID, tenant models.TenantID, id models.GrantID) (g models.Grant, offered bool, err error) {
	there := false
	err = s.glance(ctx, ApplicationScope(application), `SELECT `+offeredColumns+`
		FROM grants g WHERE g.tenant_id = $1 AND g.id = $2 AND g.application_id = $3`, []any{tenant, id, application}, func(rows pgx.Rows) error {
		there = true
		return rows.Scan(append(grantFields(&g), &offered)...)
	})
	if err == nil && !there {
		err = ErrNotFound
	}
	return g, offered, err
}

var offeredColumns = "g." + strings.Join(grantColumns, ", g.") + `,
	EXISTS (SELECT FROM connectors c WHERE c.application_id = g.application_id AND c.provider = g.provider)
	AND (g.credential_id IS NULL OR EXISTS (SELECT FROM credentials d WHERE d.application_id = g.application_id AND d.provider = g.provider AND d.id = g.credential_id))`
