package portal

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/applications"
	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/layout"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/views/ui"
	"github.com/postern-mail/postern/web"
)

func (p *Portal) applicationList(c echo.Context) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	list, err := p.Applications.List(ctx, actor)
	if err != nil {
		return err
	}
	keys := map[models.ApplicationID]int{}
	if actor.May(models.ManageKeys) {
		if keys, err = p.Access.CountKeys(ctx, actor); err != nil {
			return err
		}
	}
	var view pages.ApplicationListView
	for _, a := range list {
		callbacks, err := p.Applications.CallbackURIs(ctx, actor, a.ID)
		if err != nil {
			return err
		}
		found, err := p.Grants.List(ctx, actor, grants.Filter{Application: a.ID, Limit: 1})
		if err != nil {
			return err
		}
		view.Rows = append(view.Rows, pages.ApplicationRow{Name: a.Name, URL: "/applications/" + a.ID.String(), ClientID: a.ID.String(), Callbacks: len(callbacks), Grants: found.Total, Keys: keys[a.ID], Created: a.CreatedAt})
	}
	page, err := p.frame(c, "Applications")
	if err != nil {
		return err
	}
	page.Lede, page.Breadcrumbs = "The company's programs.", crumbs("Settings", "/settings")
	if len(list) == 0 && actor.May(models.WriteApps) {
		page.Action = layout.Action{Label: "Add the first application", URL: "/applications", Icon: "plus", Post: true}
	}
	return web.Render(c, http.StatusOK, pages.ApplicationList(page, view))
}

// applicationCreate adds an application. Without a name it takes the company's: the first one needs no form.
func (p *Portal) applicationCreate(c echo.Context) error {
	name := field(c, "name")
	if name == "" {
		name = p.Company
	}
	a, err := p.Applications.Create(c.Request().Context(), web.Actor(c), applications.Draft{Name: name})
	if err != nil {
		return err
	}
	return done(c, "/applications/"+a.ID.String(), "good", a.Name+" was added. Register where it lets customers return to, and set up its connectors.")
}

// application finds the application in the address.
func (p *Portal) application(c echo.Context) (models.Application, error) {
	id, err := web.ParamID[models.ApplicationID](c, "application")
	if err != nil {
		return models.Application{}, err
	}
	return p.Applications.Find(c.Request().Context(), web.Actor(c), id)
}

func (p *Portal) applicationShow(c echo.Context) error {
	a, err := p.application(c)
	if err != nil {
		return err
	}
	return p.renderApplication(c, http.StatusOK, a, "", "web", nil)
}

func (p *Portal) renderApplication(c echo.Context, status int, a models.Application, typed, platform string, faults []ui.ErrorView) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	callbacks, err := p.Applications.CallbackURIs(ctx, actor, a.ID)
	if err != nil {
		return err
	}
	base := "/applications/" + a.ID.String()
	view := pages.ApplicationShowView{ClientID: a.ID.String(), Region: strings.ToUpper(p.Region), APIURL: p.Server.Origin(), Created: a.CreatedAt, NewURI: typed, Errors: faults,
		Links: []ui.FactView{{Label: "Mailboxes", Text: "Grants", URL: "/grants"}, {Label: "Providers", Text: "Connectors", URL: "/connectors?application=" + a.ID.String()}, {Label: "Programs", Text: "API keys", URL: "/api-keys"}}}
	for _, name := range applications.Platforms() {
		view.Platforms = append(view.Platforms, ui.OptionView{Value: name, Label: name, Selected: name == platform})
	}
	write := actor.May(models.WriteApps)
	if write {
		view.AddURL = base + "/callbacks"
	}
	for _, u := range callbacks {
		row := pages.CallbackRow{URI: u.URL, Platform: u.Platform, Added: u.CreatedAt}
		if write {
			row.RemoveURL = base + "/callbacks/" + u.ID.String() + "/remove"
		}
		view.Callbacks = append(view.Callbacks, row)
	}
	page, err := p.frame(c, a.Name)
	if err != nil {
		return err
	}
	page.Kind, page.Breadcrumbs = "Application", crumbs("Settings", "/settings", "Applications", "/applications")
	return web.Render(c, status, pages.ApplicationShow(page, view))
}

func (p *Portal) callbackAdd(c echo.Context) error {
	a, err := p.application(c)
	if err != nil {
		return err
	}
	// The address is taken as it was typed, spaces around it aside: it is compared byte for byte later.
	address, platform := field(c, "url"), field(c, "platform")
	draft := applications.Callback{URL: address, Platform: platform}
	if u, err := url.Parse(address); err == nil && platform == "js" {
		draft.Settings = models.Settings{"origin": u.Scheme + "://" + u.Host}
	}
	_, err = p.Applications.AddCallbackURI(c.Request().Context(), web.Actor(c), a.ID, draft)
	if faults, ok := formErrors(err, map[string]string{"settings.origin": "url"}); ok {
		return p.renderApplication(c, unprocessable, a, address, platform, faults)
	}
	if err != nil {
		return err
	}
	return done(c, "/applications/"+a.ID.String(), "good", "The callback address is registered.")
}

func (p *Portal) callbackRemove(c echo.Context) error {
	a, err := p.application(c)
	if err != nil {
		return err
	}
	id, err := web.ParamID[models.CallbackID](c, "callback")
	if err != nil {
		return err
	}
	if err := p.Applications.RemoveCallbackURI(c.Request().Context(), web.Actor(c), a.ID, id); err != nil {
		return err
	}
	return done(c, "/applications/"+a.ID.String(), "good", "The callback address was removed. No flow returns there any more.")
}
