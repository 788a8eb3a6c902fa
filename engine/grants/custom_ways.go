package grants

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/tokens"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// brought is what a program's own way in gave: whose mailbox it is, and what opens it.
type brought struct {
	who        provider.Identity
	login      string
	settings   models.Settings
	credential tokens.Credential
	scopes     models.Strings
	app        *models.CredentialID // the service account
}

var (
	errNotCustom      = fault.New(fault.Invalid, "provider_unknown", "Only mailboxes with a password can be connected this way: imap, icloud, ews. Others need their owner's consent at the provider, or a service account's credential at Google.").At("provider")
	errServiceAccount = fault.New(fault.Invalid, "credential_unknown", "No service account that this key may use has this credential_id.").At("settings.credential_id")
)

// brought tries what a program brings, live: a password, a grant that exists at the provider, or a service account's word. Nothing is kept.
func (s *Service) brought(ctx context.Context, actor models.Actor, tenant models.TenantID, r CustomRequest) (brought, error) {
	connector, err := s.providers.Connector(r.Provider)
	byPassword, password := connector.(provider.Password)
	adopter, adopts := connector.(provider.Adopter)
	delegate, delegates := connector.(provider.Delegate)
	if adopts = adopts && r.Existing != ""; err != nil || r.Existing != "" && !adopts || r.Credential != "" && !delegates || !adopts && r.Credential == "" && !password {
		return brought{}, errNotCustom
	}
	if err := s.tokens.Offered(ctx, actor.Application, r.Provider, nil); err != nil {
		return brought{}, fault.New(fault.Invalid, "provider_unknown", "This application has no connector for the provider asked for.").At("provider").Because(err)
	}
	switch {
	case adopts:
		return s.adopt(ctx, actor, adopter, r)
	case r.Credential != "":
		return s.delegate(ctx, actor, tenant, delegate, r)
	}
	b := brought{login: r.Username, credential: tokens.Credential{Password: r.Password}, scopes: models.Strings{}}
	if b.login == "" {
		b.login = r.Address
	}
	if b.who, b.settings, err = byPassword.Check(ctx, provider.Login{Address: r.Address, Username: r.Username, Password: r.Password, Settings: maps.Clone(r.Settings)}); err != nil {
		return brought{}, fmt.Errorf("try a password: %w", err)
	}
	return b, nil
}

// adopt looks at an authorization that exists at the provider. One key of the provider reaches every grant of the application there: a key of ours that is bound to one
// organisation must not reach another's mailbox by its id.
func (s *Service) adopt(ctx context.Context, actor models.Actor, by provider.Adopter, r CustomRequest) (brought, error) {
	if !actor.Tenant.IsZero() {
		return brought{}, errAdoptNarrow
	}
	app, err := s.tokens.App(ctx, actor.Application, r.Provider, nil)
	if err != nil {
		return brought{}, err
	}
	token, who, err := by.Adopt(ctx, app, r.Existing)
	if err != nil {
		return brought{}, fmt.Errorf("look at an existing grant: %w", err)
	}
	return brought{who: who, login: who.Email, credential: tokens.Credential{Access: token.Access, Refresh: token.Refresh, ExpiresAt: token.ExpiresAt}, scopes: token.Scopes}, nil
}

// delegate opens a mailbox by a service account. One that belongs to an organisation serves that one alone, and a key of one organisation may use its own only: a
// service account reaches every mailbox of the organisation that trusts it.
func (s *Service) delegate(ctx context.Context, actor models.Actor, tenant models.TenantID, by provider.Delegate, r CustomRequest) (brought, error) {
	id, err := models.ParseID[models.CredentialID](strings.ToLower(r.Credential))
	if err != nil {
		return brought{}, errServiceAccount
	}
	var c models.Credential
	err = s.store.OnPlatform(ctx, "find the service account that a program names", func(tx *store.Tx) (err error) {
		c, err = tx.Credential(actor.Application, r.Provider, id)
		return err
	})
	switch {
	case absent(err), err == nil && (c.Type != models.CredentialServiceAccount || c.TenantID == nil && !actor.Tenant.IsZero() || c.TenantID != nil && *c.TenantID != tenant):
		return brought{}, errServiceAccount
	case err != nil:
		return brought{}, err
	}
	for _, scope := range r.Scopes {
		if _, known := provider.ScopeOf(r.Provider, scope); !known {
			return brought{}, fault.New(fault.Invalid, "invalid_scope", "The provider has no such scope: %s", clip(scope)).At("scope")
		}
	}
	app, err := s.tokens.App(ctx, actor.Application, r.Provider, &id)
	if err != nil {
		return brought{}, err
	}
	token, who, err := by.Delegated(ctx, app, r.Address, r.Scopes)
	if err != nil {
		return brought{}, fmt.Errorf("act for a mailbox by delegation: %w", err)
	}
	if token.Access.Empty() {
		return brought{}, errors.New("a delegation without an access token")
	}
	return brought{who: who, login: who.Email, app: &id, settings: models.Settings{provider.ByDelegation: "true"}, credential: tokens.Credential{Access: token.Access, ExpiresAt: token.ExpiresAt}, scopes: token.Scopes}, nil
}
