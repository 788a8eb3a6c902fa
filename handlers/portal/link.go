package portal

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/views/ui"
	"github.com/postern-mail/postern/web"
)

// connectPath is where a connect link is opened: the consent door's.
const connectPath = "/connect/"

var (
	linkLives  = []choice{{"1h", "1 hour"}, {"24h", "1 day"}, {"72h", "3 days"}, {"168h", "7 days"}, {"720h", "30 days"}}
	linkFields = map[string]string{"capabilities": "capability", "life": "expires", "expected_email": "address", "email": "address"}
)

// linkForm is what stands in the form of a link.
type linkForm struct {
	tenant       models.Tenant // zero: chosen in the form
	grant        *models.Grant // a reconnect
	tenantID     string
	application  string
	provider     string
	capabilities []string
	address      string
	expires      string
}

func readLinkForm(c echo.Context) (linkForm, error) {
	picked, err := several(c, "capability")
	return linkForm{tenantID: field(c, "tenant"), application: field(c, "application"), provider: field(c, "provider"), capabilities: picked,
		address: field(c, "address"), expires: field(c, "expires")}, err
}

func (p *Portal) linkCreateForm(c echo.Context) error {
	t, err := p.tenant(c)
	if err != nil {
		return err
	}
	return p.renderLinkForm(c, http.StatusOK, linkForm{tenant: t, capabilities: []string{string(provider.ReadMail)}, expires: "72h"}, nil)
}

// linkCreateAny is the form with the tenant to be chosen: for staff who come from the list of grants.
func (p *Portal) linkCreateAny(c echo.Context) error {
	actor := web.Actor(c)
	if !actor.Tenant.IsZero() {
		return web.SeeOther(c, "/tenants/"+actor.Tenant.String()+"/links/new")
	}
	return p.renderLinkForm(c, http.StatusOK, linkForm{capabilities: []string{string(provider.ReadMail)}, expires: "72h"}, nil)
}

func (p *Portal) renderLinkForm(c echo.Context, status int, f linkForm, faults []ui.ErrorView) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	_, apps, err := p.applicationNames(ctx)
	if err != nil {
		return err
	}
	if f.application == "" && len(apps) > 0 {
		f.application = apps[0].value
	}
	view := pages.LinkCreateView{Applications: options(apps, f.application), Address: f.address, Expiries: options(linkLives, f.expires), Errors: faults}
	if view.Providers, err = p.linkProviders(ctx, f); err != nil {
		return err
	}
	for _, k := range provider.Capabilities() {
		if k == provider.KnowIdentity {
			continue // part of every consent
		}
		o := ui.OptionView{Value: string(k), Label: k.Words()}
		for _, chosen := range f.capabilities {
			o.Selected = o.Selected || chosen == o.Value
		}
		view.Capabilities = append(view.Capabilities, o)
	}
	title, trail := "Make a connect link", crumbs("Grants", "/grants")
	switch {
	case f.grant != nil:
		url := "/grants/" + f.grant.ID.String()
		title, trail = "Make a reconnect link", crumbs("Grants", "/grants", f.grant.Email, url)
		view.Action, view.CancelURL, view.Reconnect, view.Tenant = url+"/reconnect", url, f.grant.Email, f.tenant.Name
	case !f.tenant.ID.IsZero():
		url := "/tenants/" + f.tenant.ID.String()
		trail = crumbs("Tenants", "/tenants", f.tenant.Name, url)
		view.Action, view.CancelURL, view.Tenant = url+"/links", url, f.tenant.Name
		if !actor.May(models.ReadTenants) {
			trail, view.CancelURL = crumbs("Mailboxes", "/"), "/"
		}
	default:
		tenants, err := p.tenantChoices(ctx, actor)
		if err != nil {
			return err
		}
		view.Action, view.CancelURL, view.Tenants = "/links", "/grants", options(tenants, f.tenantID)
	}
	page, err := p.frame(c, title)
	if err != nil {
		return err
	}
	page.Breadcrumbs = trail
	return web.Render(c, status, pages.LinkCreate(page, view))
}

// linkProviders lists what the customer can be sent to: the providers that the application has connectors for.
func (p *Portal) linkProviders(ctx context.Context, f linkForm) ([]ui.OptionView, error) {
	list := []choice{{"", "The customer's choice"}}
	if app, err := models.ParseID[models.ApplicationID](f.application); err == nil {
		connectors, err := p.Applications.Connectors(ctx, models.System("portal"), app)
		if err != nil {
			return nil, err
		}
		for _, k := range connectors {
			list = append(list, choice{k.Provider, providerName(k.Provider)})
		}
	}
	return options(list, f.provider), nil
}

func (p *Portal) linkCreate(c echo.Context) error {
	t, err := p.tenant(c)
	if err != nil {
		return err
	}
	f, err := readLinkForm(c)
	if err != nil {
		return err
	}
	f.tenant = t
	return p.makeLink(c, f)
}

func (p *Portal) linkCreateForTenant(c echo.Context) error {
	f, err := readLinkForm(c)
	if err != nil {
		return err
	}
	id, err := models.ParseID[models.TenantID](f.tenantID)
	if err != nil {
		return p.renderLinkForm(c, unprocessable, f, []ui.ErrorView{{Field: "tenant", Text: "Choose the tenant whose mailbox is to be connected."}})
	}
	if f.tenant, err = p.Tenants.Find(c.Request().Context(), web.Actor(c), id); err != nil {
		return err
	}
	return p.makeLink(c, f)
}

func (p *Portal) makeLink(c echo.Context, f linkForm) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	span, ok := life(f.expires, linkLives)
	if !ok {
		return p.renderLinkForm(c, unprocessable, f, []ui.ErrorView{{Field: "expires", Text: "Choose one of the times."}})
	}
	app, err := models.ParseID[models.ApplicationID](f.application)
	if err != nil && f.grant == nil {
		return p.renderLinkForm(c, unprocessable, f, []ui.ErrorView{{Field: "application", Text: "Choose the application that will reach the mailbox."}})
	}
	if len(f.capabilities) == 0 {
		return p.renderLinkForm(c, unprocessable, f, []ui.ErrorView{{Field: "capability", Text: "Choose at least one thing that the application will be able to do."}})
	}
	request := grants.LinkRequest{Tenant: f.tenant.ID, Application: app, Provider: f.provider, Capabilities: f.capabilities, ExpectedEmail: f.address, Life: span}
	if f.grant != nil {
		request.Grant = &f.grant.ID
	}
	link, token, err := p.Grants.MakeLink(ctx, actor, request)
	if faults, ok := formErrors(err, linkFields); ok {
		return p.renderLinkForm(c, unprocessable, f, faults)
	}
	if err != nil {
		return err
	}
	return p.renderLink(c, f, link, token)
}

// renderLink shows the link, once: only its hash is kept.
func (p *Portal) renderLink(c echo.Context, f linkForm, link models.ConnectLink, token secret.Text) error {
	page, err := p.frame(c, "The link is ready")
	if err != nil {
		return err
	}
	url := "/tenants/" + f.tenant.ID.String()
	view := pages.LinkCreatedView{Link: p.Server.URL(connectPath + token.Reveal()), Tenant: f.tenant.Name, Address: link.ExpectedEmail, Expires: link.ExpiresAt,
		Provider: "the customer's choice", Rights: linkRights(link), DoneURL: url, AnotherURL: url + "/links/new"}
	page.Breadcrumbs = crumbs("Tenants", "/tenants", f.tenant.Name, url)
	if link.Provider != "" {
		view.Provider = providerName(link.Provider)
	}
	if f.grant != nil {
		view.DoneURL, view.AnotherURL = "/grants/"+f.grant.ID.String(), ""
	} else if !web.Actor(c).May(models.ReadTenants) {
		view.DoneURL, page.Breadcrumbs = "/", crumbs("Mailboxes", "/")
	}
	return web.Render(c, http.StatusOK, pages.LinkCreated(page, view))
}

func linkRights(l models.ConnectLink) []string {
	var list []provider.Capability
	for _, k := range l.Capabilities {
		list = append(list, provider.Capability(k))
	}
	return capabilityWords(list)
}

func (p *Portal) linkRows(ctx context.Context, actor models.Actor, tenant models.TenantID) ([]pages.LinkRow, error) {
	links, err := p.Grants.Links(ctx, actor, tenant)
	if err != nil {
		return nil, err
	}
	apps, _, err := p.applicationNames(ctx)
	var rows []pages.LinkRow
	for i, l := range links {
		if i == 20 {
			break
		}
		row := pages.LinkRow{Provider: "the customer's choice", Address: l.ExpectedEmail, Application: apps[l.ApplicationID], Rights: linkRights(l),
			State: strings.ReplaceAll(l.State(p.Now()), "withdrawn", "cancelled"), By: l.CreatedBy, Created: l.CreatedAt, Expires: l.ExpiresAt}
		if l.Provider != "" {
			row.Provider = providerName(l.Provider)
		}
		if row.State == "open" {
			row.EndURL = "/tenants/" + tenant.String() + "/links/" + l.ID.String() + "/withdraw"
		}
		rows = append(rows, row)
	}
	return rows, err
}

func (p *Portal) linkWithdraw(c echo.Context) error {
	t, err := p.tenant(c)
	if err != nil {
		return err
	}
	id, err := web.ParamID[models.LinkID](c, "link")
	if err != nil {
		return err
	}
	actor := web.Actor(c)
	if err := p.Grants.WithdrawLink(c.Request().Context(), actor, t.ID, id); err != nil {
		return err
	}
	to := "/tenants/" + t.ID.String()
	if !actor.May(models.ReadTenants) {
		to = "/"
	}
	return done(c, to, "good", "The link opens nothing any more.")
}

func (p *Portal) grantReconnectForm(c echo.Context) error {
	f, err := p.reconnectForm(c)
	if err != nil {
		return err
	}
	if c.QueryParam("narrow") == "yes" { // from the least-privilege meter: only what is used stays ticked
		keep := c.QueryParams()["keep"]
		f.capabilities = slices.DeleteFunc(f.capabilities, func(name string) bool { return !slices.Contains(keep, name) })
	}
	return p.renderLinkForm(c, http.StatusOK, f, nil)
}

// reconnectForm begins with what the grant was asked for before.
func (p *Portal) reconnectForm(c echo.Context) (linkForm, error) {
	g, err := p.grant(c)
	if err != nil {
		return linkForm{}, err
	}
	t, err := p.Tenants.Find(c.Request().Context(), web.Actor(c), g.TenantID)
	if err != nil {
		return linkForm{}, err
	}
	f := linkForm{tenant: t, grant: &g, application: g.ApplicationID.String(), provider: g.Provider, address: g.Email, expires: "72h"}
	for _, k := range provider.CapabilitiesOf(g.Provider, g.ScopesRequested) {
		f.capabilities = append(f.capabilities, string(k))
	}
	return f, nil
}

func (p *Portal) grantReconnect(c echo.Context) error {
	f, err := p.reconnectForm(c)
	if err != nil {
		return err
	}
	posted, err := readLinkForm(c)
	if err != nil {
		return err
	}
	f.capabilities, f.expires = posted.capabilities, posted.expires
	return p.makeLink(c, f)
}

// grantReconnectNow makes a reconnect link and opens it: for a customer, who is the one to follow it.
func (p *Portal) grantReconnectNow(c echo.Context) error {
	f, err := p.reconnectForm(c)
	if err != nil {
		return err
	}
	_, token, err := p.Grants.MakeLink(c.Request().Context(), web.Actor(c), grants.LinkRequest{Tenant: f.tenant.ID, Grant: &f.grant.ID, Capabilities: f.capabilities})
	if err != nil {
		return err
	}
	return web.SeeOther(c, connectPath+token.Reveal())
}

// connectOwn makes a connect link for the customer's own tenant and opens it.
func (p *Portal) connectOwn(c echo.Context) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	if actor.Tenant.IsZero() {
		return web.SeeOther(c, "/links/new")
	}
	_, apps, err := p.applicationNames(ctx)
	if err != nil {
		return err
	}
	if len(apps) == 0 {
		return done(c, "/", "warn", p.Company+" has not set up an application yet. Ask them for a connect link.")
	}
	app, err := models.ParseID[models.ApplicationID](apps[0].value)
	if err != nil {
		return err
	}
	_, token, err := p.Grants.MakeLink(ctx, actor, grants.LinkRequest{Tenant: actor.Tenant, Application: app})
	if err != nil {
		return err
	}
	return web.SeeOther(c, connectPath+token.Reveal())
}
