package portal

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/applications"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/layout"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/views/ui"
	"github.com/postern-mail/postern/web"
)

func usesOAuth(name string) bool { return len(provider.ScopesOf(name)) > 0 }

// connectorList shows the connectors of one application, and the providers that it has none for.
func (p *Portal) connectorList(c echo.Context) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	apps, err := p.Applications.List(ctx, actor)
	if err != nil {
		return err
	}
	page, err := p.frame(c, "Connectors")
	if err != nil {
		return err
	}
	page.Lede, page.Breadcrumbs = "How each mail provider is reached.", crumbs("Settings", "/settings")
	var view pages.ConnectorListView
	if len(apps) > 0 {
		app := apps[0]
		if id := field(c, "application"); id != "" {
			i := slices.IndexFunc(apps, func(a models.Application) bool { return a.ID.String() == id })
			if i < 0 {
				return errAbsent
			}
			app = apps[i]
		}
		page.Lede = "How " + app.Name + " reaches each mail provider."
		if view.Rows, err = p.connectorRows(ctx, actor, app.ID); err != nil {
			return err
		}
	}
	return web.Render(c, http.StatusOK, pages.ConnectorList(page, view))
}

func (p *Portal) connectorRows(ctx context.Context, actor models.Actor, app models.ApplicationID) ([]pages.ConnectorRow, error) {
	have, err := p.Applications.Connectors(ctx, actor, app)
	if err != nil {
		return nil, err
	}
	var rows []pages.ConnectorRow
	for _, k := range have {
		found, err := p.Grants.List(ctx, actor, grants.Filter{Application: app, Provider: k.Provider, Limit: 1})
		if err != nil {
			return nil, err
		}
		rows = append(rows, pages.ConnectorRow{Provider: providerName(k.Provider), URL: "/connectors/" + app.String() + "/" + k.Provider, State: "not_checked", StateText: p.connectorText(k.Provider),
			Auth: authWord(k.Provider), Grants: found.Total})
	}
	if !actor.May(models.WriteConnectors) {
		return rows, nil
	}
	for _, name := range p.providerCodes() {
		if !slices.ContainsFunc(have, func(k models.Connector) bool { return k.Provider == name }) && name != "sandbox" {
			rows = append(rows, pages.ConnectorRow{Provider: providerName(name), URL: "/connectors/" + app.String() + "/" + name + "/edit", State: "not_checked", StateText: "Not set up yet", Auth: authWord(name)})
		}
	}
	return rows, nil
}

// providerCodes are the providers that can be set up here.
func (p *Portal) providerCodes() []string {
	if p.Providers != nil {
		return p.Providers.Names()
	}
	var out []string
	for _, n := range providerNames {
		out = append(out, n.value)
	}
	return out
}

func (p *Portal) connectorText(name string) string {
	if !slices.Contains(p.providerCodes(), name) {
		return "This Postern cannot reach the provider yet."
	}
	return "Set up; no live check was made"
}

func authWord(name string) string {
	switch {
	case usesOAuth(name):
		return "OAuth"
	case name == "nylas":
		return "API key"
	default:
		return "Password"
	}
}

// connector finds application and connector in the address. absent says that there is no connector, but could be.
func (p *Portal) connector(c echo.Context) (k models.Connector, absent bool, err error) {
	a, err := p.application(c)
	if err != nil {
		return k, false, err
	}
	name := c.Param("provider")
	k, err = p.Applications.Connector(c.Request().Context(), web.Actor(c), a.ID, name)
	if fault.KindOf(err) == fault.NotFound && slices.Contains(p.providerCodes(), name) {
		return models.Connector{ApplicationID: a.ID, Provider: name}, true, nil
	}
	return k, false, err
}

func (p *Portal) connectorShow(c echo.Context) error {
	k, absent, err := p.connector(c)
	if err != nil {
		return err
	}
	if absent {
		return errAbsent
	}
	view := pages.ConnectorShowView{ID: k.ID.String(), Provider: providerName(k.Provider), State: "not_checked", StateText: p.connectorText(k.Provider)}
	if k.ClientID != "" {
		view.Facts = append(view.Facts, ui.FactView{Label: "Client id", Text: k.ClientID, Mono: true}, ui.FactView{Label: "Redirect address to register at the provider", Text: p.Server.URL("/v3/connect/callback/" + k.Provider), Mono: true})
	}
	view.Facts = append(view.Facts, factsOf(k.Settings)...)
	view.Scopes = scopeRows(models.Grant{Provider: k.Provider, ScopesRequested: k.Scopes}, nil)
	if web.Actor(c).May(models.WriteConnectors) && k.Provider != "sandbox" {
		view.EditURL = "/connectors/" + k.ApplicationID.String() + "/" + k.Provider + "/edit"
	}
	page, err := p.frame(c, providerName(k.Provider))
	if err != nil {
		return err
	}
	page.Kind, page.Breadcrumbs = "Connector", crumbs("Settings", "/settings", "Connectors", "/connectors?application="+k.ApplicationID.String())
	if view.EditURL != "" {
		page.Action = layout.Action{Label: "Change it", URL: view.EditURL, Icon: "edit"}
	}
	return web.Render(c, http.StatusOK, pages.ConnectorShow(page, view))
}

var connectorFields = map[string]string{"settings.client_id": "client_id", "settings.client_secret": "client_secret", "settings." + provider.IMAPHost: "imap_host", "settings." + provider.SMTPHost: "smtp_host"}

func (p *Portal) connectorEditForm(c echo.Context) error {
	k, absent, err := p.connector(c)
	if err != nil {
		return err
	}
	if absent {
		k.Scopes = provider.ScopesFor(k.Provider, []provider.Capability{provider.KnowIdentity, provider.ReadMail})
	}
	return p.renderConnectorForm(c, http.StatusOK, k, !absent, nil)
}

func (p *Portal) renderConnectorForm(c echo.Context, status int, k models.Connector, exists bool, faults []ui.ErrorView) error {
	base := "/connectors/" + k.ApplicationID.String()
	view := pages.ConnectorEditView{Provider: providerName(k.Provider), Action: base + "/" + k.Provider + "/edit", CancelURL: "/connectors?application=" + k.ApplicationID.String(),
		HasClient: usesOAuth(k.Provider), ClientID: k.ClientID, HasSecret: exists, Errors: faults}
	for _, s := range provider.ScopesOf(k.Provider) {
		if !s.Identity {
			view.Scopes = append(view.Scopes, ui.OptionView{Value: s.Name, Label: s.Name, Help: s.Words, Selected: slices.Contains(k.Scopes, s.Name) || slices.Contains(k.Scopes, s.Short)})
		}
	}
	if exists {
		view.CancelURL = base + "/" + k.Provider
	}
	page, err := p.frame(c, "Connector for "+providerName(k.Provider))
	if err != nil {
		return err
	}
	page.Breadcrumbs = crumbs("Settings", "/settings", "Connectors", "/connectors?application="+k.ApplicationID.String())
	return web.Render(c, status, pages.ConnectorEdit(page, view))
}

func (p *Portal) connectorEdit(c echo.Context) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	k, absent, err := p.connector(c)
	if err != nil {
		return err
	}
	picked, err := several(c, "scope")
	if err != nil {
		return err
	}
	value := secret.New(strings.TrimSpace(c.FormValue("client_secret")))
	k.ClientID, k.Scopes = field(c, "client_id"), identityAnd(k.Provider, picked)
	if absent {
		_, err = p.Applications.CreateConnector(ctx, actor, k.ApplicationID, applications.ConnectorDraft{Provider: k.Provider, ClientID: k.ClientID, ClientSecret: value, Scopes: k.Scopes})
	} else {
		_, err = p.Applications.UpdateConnector(ctx, actor, k.ApplicationID, k.Provider, applications.ConnectorChange{ClientID: k.ClientID, ClientSecret: value, Settings: k.Settings, Scopes: k.Scopes})
	}
	if faults, ok := formErrors(err, connectorFields); ok {
		return p.renderConnectorForm(c, unprocessable, k, !absent, faults)
	}
	if err != nil {
		return err
	}
	return done(c, "/connectors/"+k.ApplicationID.String()+"/"+k.Provider, "good", "The connector is saved.")
}

// identityAnd adds to the picked scopes those that every consent asks for.
func identityAnd(name string, picked []string) []string {
	var out []string
	for _, s := range provider.ScopesOf(name) {
		if s.Identity || slices.Contains(picked, s.Name) {
			out = append(out, s.Name)
		}
	}
	return out
}
