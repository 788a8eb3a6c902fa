package portal

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

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
		row := pages.ConnectorRow{Provider: providerName(k.Provider), URL: "/connectors/" + app.String() + "/" + k.Provider, Auth: authWord(k.Provider), Grants: found.Total, SecretExpires: timeOf(k.SecretEndsAt), Checked: timeOf(k.CheckedAt)}
		row.State, row.StateText = p.connectorState(k)
		rows = append(rows, row)
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

// connectorState says in a word and a sentence whether a connector works, as far as that was looked at.
func (p *Portal) connectorState(k models.Connector) (state, text string) {
	name := providerName(k.Provider)
	switch {
	case !slices.Contains(p.providerCodes(), k.Provider):
		return "not_checked", "This Postern cannot reach the provider yet."
	case k.CheckOutcome == models.CheckAccepted:
		return "working", name + " answered and found nothing wrong with client id and secret."
	case k.CheckOutcome == models.CheckRefused && k.CheckBefore == models.CheckAccepted:
		return "working", name + " does not know the new client secret yet. The one before it still works."
	case k.CheckOutcome == models.CheckRefused:
		return "not_working", name + " does not accept this client id or secret. Copy both anew from its console."
	case k.CheckOutcome == models.CheckNoAnswer:
		return "not_working", name + " gave no usable answer. If it goes on, look at its status page and at your own way out to the internet."
	case p.Applications.Checkable(k.Provider):
		return "not_checked", "Set up. No live check was made since."
	}
	return "not_checked", "Nothing to check here: each mailbox is checked when it is connected."
}

// secretEnds says how long a client secret still lasts, once a reminder is due: 60, 30, 14 and 7 days before, and after.
func secretEnds(ends, now time.Time) string {
	days := int(ends.Sub(now).Hours() / 24)
	switch {
	case ends.IsZero() || days >= 60:
		return ""
	case !ends.After(now):
		return "It has ended: mailboxes of this provider cannot be reached once their tokens run out."
	case days < 1:
		return "Ends within a day"
	}
	return "Ends in " + ui.Count(days, "day", "days")
}

func checkState(c models.CheckOutcome) string {
	switch c {
	case models.CheckAccepted:
		return "working"
	case models.CheckRefused, models.CheckNoAnswer:
		return "not_working"
	}
	return "not_checked"
}

func setupSteps(name, redirect string, scopes []string) []pages.SetupStepView {
	var out []pages.SetupStepView
	for _, s := range provider.Setup(name, redirect, scopes) {
		out = append(out, pages.SetupStepView{Title: s.Title, Text: s.Text, Label: s.Label, Value: s.Value})
	}
	return out
}

func authWord(name string) string {
	switch {
	case name == "nylas":
		return "API key"
	case usesOAuth(name):
		return "OAuth"
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
	base, redirect := "/connectors/"+k.ApplicationID.String()+"/"+k.Provider, p.Server.URL("/v3/connect/callback/"+k.Provider)
	view := pages.ConnectorShowView{ID: k.ID.String(), Provider: providerName(k.Provider), Checked: timeOf(k.CheckedAt), Steps: setupSteps(k.Provider, redirect, k.Scopes), Open: k.CheckOutcome == models.CheckRefused}
	view.State, view.StateText = p.connectorState(k)
	if k.ClientID != "" {
		view.Facts = append(view.Facts, ui.FactView{Label: "Client id", Text: k.ClientID, Mono: true}, ui.FactView{Label: "Redirect address to register at the provider", Text: redirect, Mono: true})
	}
	if k.SecretAt != nil {
		view.Secrets = append(view.Secrets, pages.ClientSecretRow{Name: "In use", State: checkState(k.CheckOutcome), Since: *k.SecretAt, Ends: timeOf(k.SecretEndsAt), Warning: secretEnds(timeOf(k.SecretEndsAt), p.Now())})
	}
	if k.SecretBeforeAt != nil {
		view.Secrets = append(view.Secrets, pages.ClientSecretRow{Name: "Before it", State: checkState(k.CheckBefore), Since: *k.SecretBeforeAt})
	}
	view.Facts = append(view.Facts, factsOf(k.Settings)...)
	view.Scopes = scopeRows(models.Grant{Provider: k.Provider, ScopesRequested: k.Scopes}, nil)
	if web.Actor(c).May(models.WriteConnectors) && k.Provider != "sandbox" {
		view.EditURL = base + "/edit"
		if k.SecretBeforeAt != nil {
			view.EndURL = base + "/end-secret-before"
		}
	}
	if web.Actor(c).May(models.WriteConnectors) && p.Applications.Checkable(k.Provider) {
		view.CheckURL = base + "/check"
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

func (p *Portal) connectorCheck(c echo.Context) error {
	k, absent, err := p.connector(c)
	if err != nil {
		return err
	}
	if absent {
		return errAbsent
	}
	if k, err = p.Applications.CheckConnector(c.Request().Context(), web.Actor(c), k.ApplicationID, k.Provider); err != nil {
		return err
	}
	kind := "good"
	state, text := p.connectorState(k)
	if state != "working" {
		kind = "bad"
	}
	return done(c, "/connectors/"+k.ApplicationID.String()+"/"+k.Provider, kind, text)
}

func (p *Portal) connectorEndSecretBefore(c echo.Context) error {
	k, absent, err := p.connector(c)
	if err != nil {
		return err
	}
	if absent {
		return errAbsent
	}
	if err := p.Applications.EndSecretBefore(c.Request().Context(), web.Actor(c), k.ApplicationID, k.Provider); err != nil {
		return err
	}
	return done(c, "/connectors/"+k.ApplicationID.String()+"/"+k.Provider, "good", "The client secret before is destroyed. Delete it at the provider too.")
}

var connectorFields = map[string]string{"settings.client_id": "client_id", "settings.client_secret": "client_secret", "settings.region": "region", "settings.provider": "upstream", "settings." + provider.IMAPHost: "imap_host", "settings." + provider.SMTPHost: "smtp_host"}

func (p *Portal) connectorEditForm(c echo.Context) error {
	k, absent, err := p.connector(c)
	if err != nil {
		return err
	}
	if absent {
		k.Scopes = provider.ScopesFor(k.Provider, []provider.Capability{provider.KnowIdentity, provider.ReadMail})
	}
	return p.renderConnectorForm(c, http.StatusOK, k, !absent, ends(k), nil)
}

// ends is the day a client secret ends on, as a form has it.
func ends(k models.Connector) string {
	if k.SecretEndsAt == nil {
		return ""
	}
	return k.SecretEndsAt.Format(time.DateOnly)
}

func (p *Portal) renderConnectorForm(c echo.Context, status int, k models.Connector, exists bool, secretEnds string, faults []ui.ErrorView) error {
	base := "/connectors/" + k.ApplicationID.String()
	view := pages.ConnectorEditView{Provider: providerName(k.Provider), Action: base + "/" + k.Provider + "/edit", CancelURL: "/connectors?application=" + k.ApplicationID.String(),
		HasClient: usesOAuth(k.Provider), ClientID: k.ClientID, HasSecret: exists, SecretEnds: secretEnds,
		HasTenant: k.Provider == "microsoft", Tenant: k.Settings["tenant"], Steps: setupSteps(k.Provider, p.Server.URL("/v3/connect/callback/"+k.Provider), k.Scopes), Errors: faults}
	if k.Provider == "nylas" {
		for _, o := range []ui.OptionView{{Value: "us", Label: "United States"}, {Value: "eu", Label: "European Union"}} {
			o.Selected = o.Value == k.Settings["region"]
			view.Regions = append(view.Regions, o)
		}
		view.Upstreams = []ui.OptionView{{Value: "", Label: "People choose at Nylas"}}
		for _, name := range []string{"google", "microsoft", "yahoo", "icloud", "imap", "ews"} {
			view.Upstreams = append(view.Upstreams, ui.OptionView{Value: name, Label: providerName(name), Selected: name == k.Settings["provider"]})
		}
	}
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
	k.Settings = maps.Clone(k.Settings)
	if k.Settings == nil {
		k.Settings = models.Settings{}
	}
	switch k.Provider {
	case "microsoft":
		k.Settings["tenant"] = field(c, "tenant")
	case "nylas":
		k.Settings["region"], k.Settings["provider"] = field(c, "region"), field(c, "upstream")
	}
	var secretEnds time.Time
	if day := field(c, "secret_ends"); day != "" {
		if secretEnds, err = time.Parse(time.DateOnly, day); err != nil {
			return p.renderConnectorForm(c, unprocessable, k, !absent, day, []ui.ErrorView{{Field: "secret_ends", Text: "Write the day as 2027-01-31, or leave it empty."}})
		}
	}
	if absent {
		_, err = p.Applications.CreateConnector(ctx, actor, k.ApplicationID, applications.ConnectorDraft{Provider: k.Provider, ClientID: k.ClientID, ClientSecret: value, SecretEnds: secretEnds, Settings: k.Settings, Scopes: k.Scopes})
	} else {
		_, err = p.Applications.UpdateConnector(ctx, actor, k.ApplicationID, k.Provider, applications.ConnectorChange{ClientID: k.ClientID, ClientSecret: value, SecretEnds: &secretEnds, Settings: k.Settings, Scopes: k.Scopes})
	}
	if faults, ok := formErrors(err, connectorFields); ok {
		return p.renderConnectorForm(c, unprocessable, k, !absent, field(c, "secret_ends"), faults)
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
