package grants

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// Choice is one provider on the consent page.
type Choice struct {
	Name, Label string
	Password    bool             // opened by a password form of ours, not at the provider
	Origin      string           // of the provider's own page; empty with Password
	Onward      []string         // origins to which that page sends the browser on
	Scopes      []provider.Scope // what would be asked of it
}

// Consent is all that the first page of a flow says.
type Consent struct {
	Application   models.Application
	Tenant        models.Tenant
	Company       string
	Region        string
	Requester     string // who made the link; empty for a program's flow
	Choices       []Choice
	Capabilities  []provider.Capability // what the app will be able to do
	Cannot        []provider.Capability // what it will not
	ReturnTo      string                // the program's registered address; empty for a link
	ExpectedEmail string
	LoginHint     string
	Reconnect     bool
	Administrator bool // asked to approve the app for their organisation; no mailbox is connected
	ExpiresAt     time.Time
	Flow          models.FlowID // zero: the page of a link, before any flow
}

// The faults of a link or flow that cannot be walked any more.
var (
	ErrLinkSpent = fault.New(fault.Gone, "link_spent", "This link has been used, withdrawn, or is past its time. Ask the person who sent it for a new one.")
	ErrFlowSpent = fault.New(fault.Gone, "flow_spent", "This page has been used already, or stood open too long. Nothing was connected. Start again from the link or the app that sent you here.")
	errBrowser   = fault.New(fault.Denied, "flow_of_another_browser", "This sign-in was started in another browser, so it was stopped and nothing was connected. Start again from the link or the app that sent you here.")
)

// OpenLink reads what the page of a connect link says. It changes nothing: opening a link neither uses it nor binds a browser.
func (s *Service) OpenLink(ctx context.Context, token secret.Text) (Consent, error) {
	l, err := s.link(ctx, token)
	if err != nil {
		return Consent{}, err
	}
	return s.consent(ctx, linkFlow(l))
}

func (s *Service) link(ctx context.Context, token secret.Text) (models.ConnectLink, error) {
	tenant, id, err := s.store.FindLink(ctx, models.HashToken(token.Reveal()))
	if err != nil {
		return models.ConnectLink{}, err
	}
	var l models.ConnectLink
	err = s.store.InTenant(ctx, tenant, func(tx *store.Tx) (err error) {
		l, err = tx.ConnectLink(tenant, id)
		return err
	})
	if err != nil {
		return l, fmt.Errorf("read a connect link: %w", err)
	}
	if l.State(s.now()) != "open" {
		return l, ErrLinkSpent
	}
	return l, nil
}

// linkFlow is the flow that a link would start.
func linkFlow(l models.ConnectLink) models.ConnectFlow {
	f := models.ConnectFlow{TenantID: l.TenantID, ApplicationID: l.ApplicationID, LinkID: &l.ID, GrantID: l.GrantID, ExpectedEmail: l.ExpectedEmail, LoginHint: l.ExpectedEmail,
		Capabilities: l.Capabilities, Platform: "web", ExpiresAt: l.ExpiresAt}
	if l.Provider != "" {
		f.Providers = models.Strings{l.Provider}
	}
	return f
}

// OpenFlow reads what the page of a program's flow says. It changes nothing.
func (s *Service) OpenFlow(ctx context.Context, id models.FlowID) (Consent, error) {
	f, err := s.flow(ctx, id)
	if err != nil {
		return Consent{}, err
	}
	if f.SpentAt != nil || !s.now().Before(f.ExpiresAt) {
		return Consent{}, ErrFlowSpent
	}
	c, err := s.consent(ctx, f)
	c.Flow = id
	return c, err
}

func (s *Service) flow(ctx context.Context, id models.FlowID) (models.ConnectFlow, error) {
	var f models.ConnectFlow
	tenant, err := s.store.FindFlow(ctx, id)
	if err != nil {
		return f, err
	}
	err = s.store.InTenant(ctx, tenant, func(tx *store.Tx) (err error) {
		f, err = tx.ConnectFlow(tenant, id)
		return err
	})
	if err != nil {
		return f, fmt.Errorf("read a connect flow: %w", err)
	}
	return f, nil
}

func (s *Service) consent(ctx context.Context, f models.ConnectFlow) (Consent, error) {
	c := Consent{Company: s.company, Region: s.region, ExpectedEmail: f.ExpectedEmail, LoginHint: f.LoginHint, Reconnect: f.GrantID != nil && f.LinkID != nil,
		ExpiresAt: f.ExpiresAt, ReturnTo: f.RedirectURI, Administrator: f.ForAdministrator()}
	var rows []models.Connector
	err := s.store.OnPlatform(ctx, "name who asks for consent", func(tx *store.Tx) (err error) {
		if c.Application, err = tx.Application(f.ApplicationID); err != nil {
			return err
		}
		if c.Tenant, err = tx.Tenant(f.TenantID); err != nil {
			return err
		}
		if f.LinkID != nil {
			l, err := tx.ConnectLink(f.TenantID, *f.LinkID)
			if err != nil {
				return err
			}
			c.Requester = l.CreatedBy
		}
		rows, err = tx.Connectors(f.ApplicationID)
		return err
	})
	if err != nil {
		return c, fmt.Errorf("read what a consent page says: %w", err)
	}
	can := map[provider.Capability]bool{}
	for _, row := range rows {
		connector, err := s.providers.Connector(row.Provider)
		if err != nil || len(f.Providers) > 0 && !slices.Contains(f.Providers, row.Provider) {
			continue
		}
		choice := Choice{Name: row.Provider, Label: connector.Label()}
		_, choice.Password = connector.(provider.Password)
		if oauth, ok := connector.(provider.OAuth); ok {
			choice.Password, choice.Origin = false, originOf(oauth, row.Settings)
			if on, ok := connector.(provider.Onward); ok {
				choice.Onward = on.Onward()
			}
		}
		scopes := s.scopes(f, row, connector)
		for _, name := range scopes {
			if choice.Password {
				break
			}
			scope, known := provider.ScopeOf(row.Provider, name)
			if !known {
				scope = provider.Scope{Name: name, Short: name}
			}
			choice.Scopes = append(choice.Scopes, scope)
		}
		for _, capability := range provider.CapabilitiesOf(row.Provider, scopes) {
			can[capability] = true
		}
		c.Choices = append(c.Choices, choice)
	}
	if len(c.Choices) == 0 {
		return c, fault.New(fault.Gone, "no_connector", "The provider of this link is not offered any more. Ask the person who sent it for a new one.")
	}
	for _, capability := range provider.Capabilities() {
		if can[capability] {
			c.Capabilities = append(c.Capabilities, capability)
		} else {
			c.Cannot = append(c.Cannot, capability)
		}
	}
	return c, nil
}

// originOf tells where a provider's consent page lives: the page before it must be allowed to lead there.
func originOf(oauth provider.OAuth, settings models.Settings) string {
	nobody := strings.Repeat("x", 43) // only the address's origin is looked at
	to, err := oauth.AuthURL(provider.App{ClientID: nobody, RedirectURI: nobody, Settings: settings}, provider.AuthRequest{State: nobody, CodeChallenge: nobody})
	if err != nil {
		return ""
	}
	u, err := url.Parse(to)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// scopes decides what is asked of a provider: what the flow names, else what its capabilities need, else the connector's own, else the provider's
// default. The provider app caps the first; a smaller wish is never widened.
func (s *Service) scopes(f models.ConnectFlow, row models.Connector, connector provider.Connector) []string {
	oauth, ok := connector.(provider.OAuth)
	switch {
	case !ok:
		return f.Capabilities // a password has no scopes: what was agreed on is held by us
	case len(f.ScopesRequested) > 0:
		return withIdentity(row.Provider, f.ScopesRequested)
	case len(f.Capabilities) > 0:
		return provider.ScopesFor(row.Provider, capabilities(f.Capabilities))
	case len(row.Scopes) > 0:
		return withIdentity(row.Provider, row.Scopes)
	default:
		return withIdentity(row.Provider, oauth.DefaultScopes())
	}
}

// withIdentity names scopes as they go over the wire and adds those that are always asked for: who the person is.
func withIdentity(name string, scopes []string) []string {
	var out []string
	add := func(scope string) {
		if !slices.Contains(out, scope) {
			out = append(out, scope)
		}
	}
	for _, scope := range provider.ScopesOf(name) {
		if scope.Identity {
			add(scope.Name)
		}
	}
	for _, wanted := range scopes {
		if scope, known := provider.ScopeOf(name, wanted); known {
			wanted = scope.Name
		}
		add(wanted)
	}
	return out
}
