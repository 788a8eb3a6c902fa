package portal

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/verifications"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/layout"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/views/ui"
	"github.com/postern-mail/postern/web"
)

const sourcesURL = "/verifications/sources"

var sourceKinds = map[string]string{"self": "Our own self-check", verifications.KindV3: "A v3 sender: Nylas' cloud, another Postern", verifications.KindStandard: "A sender by Standard Webhooks"}

// verificationTabs leads between the log, the sources and the checker; who may not see the sources is not shown the way.
func (p *Portal) verificationTabs(c echo.Context, current string) []ui.TabView {
	tabs := []ui.TabView{{Label: "Log", URL: "/verifications", Current: current == "log"}}
	if a := web.Actor(c); a.May(models.ReadWebhooks) && a.Platform() {
		tabs = append(tabs, ui.TabView{Label: "Sources", URL: sourcesURL, Current: current == "sources"})
	}
	return append(tabs, ui.TabView{Label: "Check a signature", URL: "/verifications/check", Current: current == "check"})
}

func (p *Portal) sourceState(e models.InboundEndpoint) (state, text string) {
	switch {
	case e.DisabledAt != nil:
		return "ended", "Deleted. Calls are answered as if there were nothing here, and its secrets are destroyed."
	case e.PausedAt != nil:
		return "paused", "Calls are put off with 503 and not looked at; the sender tries again."
	case e.WindowUntil != nil && p.Now().Before(*e.WindowUntil):
		return "rotating", "A rotation is declared until " + ui.Absolute(*e.WindowUntil, p.Now()) + ": what no known secret explains is put off, not refused."
	default:
		return "active", "Calls are checked and logged."
	}
}

func (p *Portal) sourceList(c echo.Context) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	list, err := p.Verifications.ListSources(ctx, actor, models.ApplicationID{})
	if err != nil {
		return err
	}
	apps, _, err := p.applicationNames(ctx)
	if err != nil {
		return err
	}
	view := pages.SourceListView{Tabs: p.verificationTabs(c, "sources")}
	for _, e := range list {
		if e.DisabledAt != nil {
			continue
		}
		row := pages.SourceRow{Name: e.Name, URL: sourcesURL + "/" + e.ID.String(), Kind: sourceKinds[e.Kind], Application: apps[e.ApplicationID], Addresses: "any address", SecretSince: e.CreatedAt}
		row.State, _ = p.sourceState(e)
		if len(e.Addresses) > 0 {
			row.Addresses = ui.Count(len(e.Addresses), "address", "addresses")
		}
		if d, err := p.Verifications.FindSource(ctx, actor, e.ID); err != nil {
			return err
		} else if len(d.Secrets) > 0 {
			row.SecretSince = d.Secrets[0].ValidFrom
		}
		view.Rows = append(view.Rows, row)
	}
	page, err := p.frame(c, "Sources")
	if err != nil {
		return err
	}
	page.Lede, page.Breadcrumbs = "Who may send signed events to this Postern, and how each is recognised.", crumbs("Verifications", "/verifications")
	if actor.May(models.WriteWebhooks) {
		view.CreateURL = sourcesURL + "/new"
		page.Action = layout.Action{Label: "Add a source", URL: view.CreateURL, Icon: "plus"}
	}
	return web.Render(c, http.StatusOK, pages.SourceList(page, view))
}

// source finds the source in the address.
func (p *Portal) source(c echo.Context) (verifications.SourceDetail, string, error) {
	id, err := web.ParamID[models.EndpointID](c, "source")
	if err != nil {
		return verifications.SourceDetail{}, "", err
	}
	d, err := p.Verifications.FindSource(c.Request().Context(), web.Actor(c), id)
	return d, sourcesURL + "/" + id.String(), err
}

func (p *Portal) sourceShow(c echo.Context) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	d, base, err := p.source(c)
	if err != nil {
		return err
	}
	apps, _, err := p.applicationNames(ctx)
	if err != nil {
		return err
	}
	e := d.Endpoint
	view := pages.SourceShowView{ID: e.ID.String(), Kind: sourceKinds[e.Kind], Target: p.Server.URL("/hooks/" + e.ID.String()), Challenge: e.Kind != verifications.KindStandard,
		Application: apps[e.ApplicationID], Addresses: e.Addresses, Created: e.CreatedAt, LogURL: "/verifications?endpoint=" + e.ID.String()}
	view.State, view.StateText = p.sourceState(e)
	if e.TenantID != nil {
		if t, err := p.Tenants.Find(ctx, actor, *e.TenantID); err == nil {
			view.Tenant = t.Name
		}
	}
	if e.WebhookID != nil {
		view.WebhookURL = "/webhooks/" + e.WebhookID.String()
	}
	for _, s := range d.Secrets {
		view.Secrets = append(view.Secrets, p.sourceSecretRow(s))
	}
	if actor.May(models.WriteWebhooks) && e.Kind != "self" && e.DisabledAt == nil {
		view.EditURL, view.RotateURL, view.WindowURL, view.DeleteURL = base+"/edit", base+"/rotate", base+"/window", base+"/delete"
		view.WindowOpen = view.State == "rotating"
		if e.Kind == verifications.KindV3 {
			view.AddressesURL = base + "/addresses"
		}
		if view.PauseURL = base + "/pause"; e.PausedAt != nil {
			view.PauseURL, view.ResumeURL = "", base+"/resume"
		}
	}
	page, err := p.frame(c, e.Name)
	if err != nil {
		return err
	}
	page.Kind, page.Breadcrumbs = "Source", crumbs("Verifications", "/verifications", "Sources", sourcesURL)
	return web.Render(c, http.StatusOK, pages.SourceShow(page, view))
}

func (p *Portal) sourceSecretRow(s models.InboundSecret) pages.SourceSecretRow {
	row := pages.SourceSecretRow{Generation: s.Generation, State: "counts", Since: s.ValidFrom}
	switch {
	case s.Staged:
		row.State = "staged"
	case !s.Counts(p.Now()):
		row.State, row.Until = "ended", *s.ValidUntil
	case s.ValidUntil != nil:
		row.State, row.Until = "counts_until", *s.ValidUntil
	}
	if s.LastAcceptedAt != nil {
		row.LastAccepted = *s.LastAcceptedAt
	}
	return row
}
