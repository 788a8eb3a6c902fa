package portal

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/webhooks"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/layout"
	"github.com/postern-mail/postern/views/ui"
	"github.com/postern-mail/postern/web"
)

// entry is one entry of the navigation and who sees it.
type entry struct {
	label, icon, url string
	permission       models.Permission
}

var (
	staffNav = []entry{
		{"Home", "home", "/", models.ReadAccount}, {"Tenants", "tenant", "/tenants", models.ReadTenants}, {"Grants", "grant", "/grants", models.ReadGrants},
		{"Webhooks", "webhook", "/webhooks", models.ReadWebhooks}, {"Verifications", "verification", "/verifications", models.ReadVerifications},
		{"Audit", "audit", "/audit", models.ReadAudit}, {"Security", "security", "/security", models.ReadSecurity},
	}
	customerNav = []entry{
		{"Mailboxes", "grant", "/", models.ReadGrants}, {"Activity", "activity", "/audit", models.ReadAudit}, {"Verifications", "verification", "/verifications", models.ReadVerifications}, {"Security", "security", "/security", models.ReadSecurity},
	}
	footNav = []entry{{"Settings", "settings", "/settings", models.ReadApps}}
)

func nav(a models.Actor, entries []entry, path string) []layout.NavItem {
	var out []layout.NavItem
	for _, e := range entries {
		if a.May(e.permission) {
			out = append(out, layout.NavItem{Label: e.label, Icon: e.icon, URL: e.url, Current: path == e.url || e.url != "/" && strings.HasPrefix(path, e.url+"/")})
		}
	}
	return out
}

// settled are the pages that are reached from Settings.
func settled(path string) bool {
	for _, p := range []string{"/settings", "/applications", "/connectors", "/api-keys", "/service-accounts", "/members"} {
		if path == p || strings.HasPrefix(path, p+"/") {
			return true
		}
	}
	return false
}

// frame fills everything around a page for whoever is signed in.
func (p *Portal) frame(c echo.Context, title string) (layout.Page, error) {
	a, path := web.Actor(c), c.Request().URL.Path
	flash, err := web.TakeFlash(c)
	page := layout.Page{
		Title: title, ActorName: a.Label, ActorRole: roleWord(a.Role), AccountURL: "/account", SignOutURL: "/signout",
		Region: strings.ToUpper(p.Region), RegionText: p.regionText(), Flash: flash, Theme: web.Theme(c), ThemeURL: "/theme", Path: here(c), Now: p.Now().UTC(),
	}
	if p.Demo {
		page.Banner = demoBanner
	}
	if a.Role == models.Customer {
		page.Nav = nav(a, customerNav, path)
		return page, err
	}
	page.Nav, page.Foot = nav(a, staffNav, path), nav(a, footNav, path)
	if len(page.Foot) > 0 {
		page.Foot[0].Current = settled(path)
	}
	if a.May(models.ReadTenants) {
		page.SearchURL = "/search"
	}
	page.Alarm = p.alarm(c)
	if a.Role == models.Guest {
		page.AccountURL = "" // a guest has no passkeys and no account
	}
	if a.Masked() && !a.Tenant.IsZero() {
		page.Banner = layout.Banner{Kind: "guest", Text: "You are a guest: you see one organisation, and you can change nothing."}
	}
	return page, err
}

// alarm says above every page of those who see webhooks which one fails. A database that does not answer is no reason not to show the page.
func (p *Portal) alarm(c echo.Context) layout.Alarm {
	list, err := p.Webhooks.Trouble(c.Request().Context(), web.Actor(c))
	if err != nil || len(list) == 0 {
		return layout.Alarm{}
	}
	w := list[0]
	alarm := layout.Alarm{Text: "The webhook “" + ui.Shorten(webhookName(w), 60) + "” fails: its events do not arrive. It will be switched off " + ui.Relative(webhooks.EndsAt(w), p.Now().UTC()) + ", unless one arrives before.", URL: "/webhooks/" + w.ID.String(), Act: "See the webhook"}
	if w.Status == models.WebhookFailed {
		alarm.Text = "The webhook “" + ui.Shorten(webhookName(w), 60) + "” is switched off: events are no longer sent to it."
	}
	if len(list) > 1 {
		alarm.Text, alarm.URL, alarm.Act = ui.Number(len(list))+" webhooks fail or are switched off: their events do not arrive.", "/webhooks", "See the webhooks"
	}
	return alarm
}

// crumbs says where a page is, outermost first: label, address, label, address.
func crumbs(pairs ...string) []layout.Crumb {
	var out []layout.Crumb
	for i := 0; i+1 < len(pairs); i += 2 {
		out = append(out, layout.Crumb{Label: pairs[i], URL: pairs[i+1]})
	}
	return out
}

// plain fills everything around a page for somebody who is not signed in.
func (p *Portal) plain(c echo.Context, title string) (layout.PlainPage, error) {
	flash, err := web.TakeFlash(c)
	page := layout.PlainPage{Title: title, Region: strings.ToUpper(p.Region), Theme: web.Theme(c), Flash: flash, Now: p.Now().UTC()}
	if p.Demo {
		page.Banner = demoBanner
	}
	return page, err
}

var demoBanner = layout.Banner{Kind: "demo", Text: "Demo. The people and mailboxes are made up, and everything lives on this machine."}

func (p *Portal) regionText() string {
	if p.Region == "us" {
		return "Everything this Postern keeps is in the United States"
	}
	return "Everything this Postern keeps is in the European Union"
}

// otherRegions are the regions in which a sibling of this installation answers.
func (p *Portal) otherRegions() []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(p.Siblings)) {
		if name != p.Region && p.Siblings[name] != "" {
			out = append(out, name)
		}
	}
	return out
}

// here is path and query of this page, for ways back to it.
func here(c echo.Context) string {
	u := c.Request().URL
	if u.RawQuery == "" {
		return u.EscapedPath()
	}
	return u.EscapedPath() + "?" + u.RawQuery
}

// pathElsewhere is the page to open at the installation of another region: the same one, but for addresses that carry a secret of this one.
func pathElsewhere(c echo.Context) string {
	if strings.HasPrefix(c.Request().URL.Path, "/tenants/") {
		return c.Request().URL.EscapedPath()
	}
	return "/signin"
}

// fail answers an error: JSON to the passkey script, the way in to strangers who ask for a page, the installation of the right region to those whose organisation is kept there, a page to everybody else.
func (p *Portal) fail(c echo.Context, problem web.Problem) error {
	a := web.Actor(c)
	view := layout.ErrorFor(problem.Status, problem.Public, problem.RequestID)
	if strings.HasPrefix(c.Request().Header.Get("Content-Type"), "application/json") {
		return c.JSON(problem.Status, map[string]string{"message": view.Text, "code": problem.Code})
	}
	if problem.Code == "sign_in_required" && (c.Request().Method == http.MethodGet || c.Request().Method == http.MethodHead) {
		return web.SeeOther(c, signInURL(here(c)))
	}
	if problem.Base != "" && (c.Request().Method == http.MethodGet || c.Request().Method == http.MethodHead) {
		return web.Leave(c, problem.Base+pathElsewhere(c))
	}
	if a.Kind == "" {
		page, err := p.plain(c, view.Title)
		if err != nil {
			page.Title = view.Title // the flash could not be read: the page is shown without it
		}
		return web.Render(c, problem.Status, layout.PlainError(page, view))
	}
	page, err := p.frame(c, view.Title)
	if err != nil {
		page.Flash = layout.Flash{} // the page about the error matters more than the sentence of before
	}
	return web.Render(c, problem.Status, layout.Error(page, view))
}
