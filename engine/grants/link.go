package grants

import (
	"context"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// LinkRequest says what a connect link is to open.
type LinkRequest struct {
	Tenant        models.TenantID
	Application   models.ApplicationID
	Provider      string   // empty: the customer chooses
	Capabilities  []string // of provider.Capability; empty: read mail
	ExpectedEmail string   // the only mailbox that may be connected; empty: any
	Language      string   // empty: en
	Life          time.Duration
	Grant         *models.GrantID // reconnect this one
}

const (
	defaultLinkLife = 72 * time.Hour
	longestLinkLife = 30 * 24 * time.Hour
)

// MakeLink makes a connect link. The token is returned once and kept only as a hash; the link's address is BaseURL + "/connect/" + token.
func (s *Service) MakeLink(ctx context.Context, actor models.Actor, r LinkRequest) (models.ConnectLink, secret.Text, error) {
	if !actor.Sees(r.Tenant) || r.Tenant.IsZero() {
		return models.ConnectLink{}, secret.Text{}, store.ErrNotFound
	}
	if r.Grant != nil {
		g, err := s.Find(ctx, actor, *r.Grant)
		if err != nil {
			return models.ConnectLink{}, secret.Text{}, err
		}
		r.Tenant, r.Application, r.Provider, r.ExpectedEmail = g.TenantID, g.ApplicationID, g.Provider, g.Email
		if len(r.Capabilities) == 0 {
			r.Capabilities = words(provider.CapabilitiesOf(g.Provider, g.ScopesRequested))
		}
	}
	if err := s.checkLink(ctx, &r); err != nil {
		return models.ConnectLink{}, secret.Text{}, err
	}
	token := models.NewToken("")
	now := s.now()
	l := models.ConnectLink{TenantID: r.Tenant, ID: models.NewID[models.LinkID](now), ApplicationID: r.Application, TokenHash: models.HashToken(token), Provider: r.Provider,
		Capabilities: r.Capabilities, ExpectedEmail: r.ExpectedEmail, Language: r.Language, GrantID: r.Grant, CreatedBy: actor.Label, CreatedByID: actor.ID,
		CreatedAt: now, ExpiresAt: now.Add(r.Life)}
	err := s.store.InTenant(ctx, r.Tenant, func(tx *store.Tx) error {
		if t, err := tx.Tenant(r.Tenant); err != nil {
			return store.ErrNotFound
		} else if t.State != models.TenantActive {
			return store.ErrClosed
		}
		if err := tx.InsertConnectLink(l); err != nil {
			return err
		}
		return s.audit.Append(ctx, tx, actor, audit.Entry{Action: "connect_link.create", Tenant: r.Tenant, Application: r.Application, ObjectKind: "connect_link", ObjectID: l.ID.String(),
			Object: linkName(l), Detail: map[string]string{"capabilities": strings.Join(r.Capabilities, " "), "expires": l.ExpiresAt.Format(time.RFC3339)}})
	})
	if err != nil {
		return models.ConnectLink{}, secret.Text{}, fmt.Errorf("make a connect link: %w", err)
	}
	return l, secret.New(token), nil
}

func (s *Service) checkLink(ctx context.Context, r *LinkRequest) error {
	if len(r.Capabilities) == 0 {
		r.Capabilities = []string{string(provider.ReadMail)}
	}
	for _, c := range r.Capabilities {
		if !slices.Contains(provider.Capabilities(), provider.Capability(c)) {
			return fault.New(fault.Invalid, "capability_unknown", "Choose what the app will be able to do from the list.").At("capabilities")
		}
	}
	if r.Life == 0 {
		r.Life = defaultLinkLife
	}
	if r.Life < time.Minute || r.Life > longestLinkLife {
		return fault.New(fault.Invalid, "life_out_of_range", "A connect link lives between one minute and 30 days.").At("life")
	}
	r.ExpectedEmail = strings.TrimSpace(r.ExpectedEmail)
	if r.ExpectedEmail != "" {
		if a, err := mail.ParseAddress(r.ExpectedEmail); err != nil || a.Address != r.ExpectedEmail || len(r.ExpectedEmail) > 320 {
			return provider.ErrAddress.At("expected_email")
		}
	}
	if r.Language == "" {
		r.Language = "en"
	}
	choices, err := s.choices(ctx, r.Application)
	if err != nil {
		return err
	}
	if len(choices) == 0 {
		return fault.New(fault.Invalid, "no_connector", "This application has no connector yet. Set one up first.").At("application")
	}
	if r.Provider != "" && !slices.Contains(choices, r.Provider) {
		return fault.New(fault.Invalid, "provider_unknown", "This application has no connector for that provider.").At("provider")
	}
	return nil
}

// choices lists the providers that an application can connect, in the order of their connectors' making.
func (s *Service) choices(ctx context.Context, application models.ApplicationID) ([]string, error) {
	var rows []models.Connector
	err := s.store.OnPlatform(ctx, "read the connectors a customer may choose from", func(tx *store.Tx) (err error) {
		if _, err = tx.Application(application); err != nil {
			return err
		}
		rows, err = tx.Connectors(application)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the connectors: %w", err)
	}
	var names []string
	for _, c := range rows {
		if _, err := s.providers.Connector(c.Provider); err == nil {
			names = append(names, c.Provider)
		}
	}
	return names, nil
}

// Links lists a tenant's connect links, the newest first.
func (s *Service) Links(ctx context.Context, actor models.Actor, tenant models.TenantID) ([]models.ConnectLink, error) {
	if !actor.Sees(tenant) {
		return nil, store.ErrNotFound
	}
	var rows []models.ConnectLink
	err := s.store.InTenant(ctx, tenant, func(tx *store.Tx) (err error) {
		rows, err = tx.ConnectLinks(tenant)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list connect links: %w", err)
	}
	return rows, nil
}

// WithdrawLink ends a link that was not used yet.
func (s *Service) WithdrawLink(ctx context.Context, actor models.Actor, tenant models.TenantID, id models.LinkID) error {
	if !actor.Sees(tenant) {
		return store.ErrNotFound
	}
	err := s.store.InTenant(ctx, tenant, func(tx *store.Tx) error {
		l, err := tx.ConnectLink(tenant, id)
		if err != nil {
			return err
		}
		if err := tx.MarkConnectLinkRevoked(tenant, id, s.now()); err != nil {
			if absent(err) {
				return fault.New(fault.Conflict, "link_spent", "This link was used or withdrawn before. Nothing was changed.")
			}
			return err
		}
		return s.audit.Append(ctx, tx, actor, audit.Entry{Action: "connect_link.withdraw", Tenant: tenant, Application: l.ApplicationID, ObjectKind: "connect_link", ObjectID: id.String(), Object: linkName(l)})
	})
	if err != nil {
		return fmt.Errorf("withdraw a connect link: %w", err)
	}
	return nil
}

func linkName(l models.ConnectLink) string {
	if l.ExpectedEmail != "" {
		return "link for " + l.ExpectedEmail
	}
	return "link for any mailbox"
}

func words[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}

func capabilities(list []string) []provider.Capability {
	out := make([]provider.Capability, len(list))
	for i, v := range list {
		out[i] = provider.Capability(v)
	}
	return out
}
