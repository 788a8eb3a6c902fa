package grants

import (
	"context"
	"fmt"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/tokens"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// CustomRequest is a mailbox whose password a program brings by itself, or one that is connected at the provider already.
type CustomRequest struct {
	Provider string
	Tenant   models.TenantID // zero: the key's, else the application's default one
	Address  string
	Username string // empty: the address
	Password secret.Text
	Settings map[string]string // servers; may be empty
	State    string
	Existing string // id of an authorization that exists at the provider; then there is no address and no password
	// Credential is a service account that may act for the mailbox at Address; then there is no password. Scopes are for it alone; none: reading.
	Credential string
	Scopes     []string
}

var errAdoptNarrow = fault.New(fault.Denied, "permission_missing", "Only a key of the whole application may take over an existing grant: the grant may be of any of its organisations.")

// Custom tries the password live and connects the mailbox at once: there is no browser and no code. A mailbox that is connected already keeps its grant, with the new password.
// An authorization that exists at the provider is looked at live in the same way.
func (s *Service) Custom(ctx context.Context, actor models.Actor, r CustomRequest) (models.Grant, error) {
	if !actor.May(models.WriteGrants) || actor.Application.IsZero() {
		return models.Grant{}, fault.New(fault.Denied, "permission_missing", "This key or role is not allowed to do that: it lacks %s.", models.WriteGrants)
	}
	tenant, err := s.customTenant(ctx, actor, r.Tenant)
	if err != nil {
		return models.Grant{}, err
	}
	b, err := s.brought(ctx, actor, tenant, r)
	if err != nil {
		return models.Grant{}, err
	}
	now := s.now()
	f := models.ConnectFlow{TenantID: tenant, ID: models.NewID[models.FlowID](now), ApplicationID: actor.Application, Provider: r.Provider, Subject: b.who.Subject, Email: b.who.Email, Name: b.who.Name, Login: b.login,
		Settings: b.settings, CredentialID: b.app, ScopesRequested: b.scopes, ScopesGranted: b.scopes, ClientState: r.State, Address: actor.Addr.String(), UserAgent: actor.UserAgent}
	var g models.Grant
	err = s.store.InTenant(ctx, tenant, func(tx *store.Tx) error {
		if t, err := tx.Tenant(tenant); err != nil || t.State != models.TenantActive {
			return fault.New(fault.Gone, "tenant_inactive", "This organisation is being closed. Nothing was connected.")
		}
		row, err := tx.InsertGrant(models.Grant{TenantID: tenant, ID: models.NewID[models.GrantID](now), ApplicationID: f.ApplicationID, Provider: f.Provider, Subject: f.Subject, Email: f.Email, Name: f.Name, Login: f.Login,
			Status: models.GrantPending, StatusReason: "consented", StatusAt: now, Settings: f.Settings, ScopesRequested: f.ScopesRequested, ScopesGranted: f.ScopesGranted, State: f.ClientState,
			Address: f.Address, UserAgent: f.UserAgent, CreatedAt: now, UpdatedAt: now})
		if err != nil {
			return err
		}
		if err := s.tokens.Save(ctx, tx, tenant, tokens.Flow(f.ID), b.credential); err != nil {
			return err
		}
		g, err = s.activate(ctx, tx, actor, f, row)
		return err
	})
	if err != nil {
		return models.Grant{}, fmt.Errorf("connect a mailbox that a program brings: %w", err)
	}
	return g, nil
}

// customTenant decides whose mailbox it becomes. A key of one tenant connects for that tenant and no other.
func (s *Service) customTenant(ctx context.Context, actor models.Actor, asked models.TenantID) (models.TenantID, error) {
	absentTenant := fault.New(fault.Invalid, "workspace_unknown", "workspace_id names no organisation that this key may connect mailboxes for.").At("workspace_id")
	switch {
	case !actor.Tenant.IsZero() && (asked.IsZero() || asked == actor.Tenant):
		return actor.Tenant, nil
	case !actor.Tenant.IsZero():
		return asked, absentTenant
	case !asked.IsZero():
		err := s.store.InTenant(ctx, asked, func(tx *store.Tx) error {
			_, err := tx.Tenant(asked)
			return err
		})
		if absent(err) {
			return asked, absentTenant
		}
		return asked, err
	}
	var app models.Application
	err := s.store.OnPlatform(ctx, "read an application's default tenant", func(tx *store.Tx) (err error) {
		app, err = tx.Application(actor.Application)
		return err
	})
	if err == nil && app.DefaultTenantID == nil {
		err = fault.New(fault.Invalid, "workspace_missing", "Name the organisation with workspace_id: this application has no default one.").At("workspace_id")
	}
	if err != nil {
		return asked, fmt.Errorf("choose the tenant of a mailbox: %w", err)
	}
	return *app.DefaultTenantID, nil
}
