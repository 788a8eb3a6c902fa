package portal

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/engine/tenants"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/web"
)

func (p *Portal) settings(c echo.Context) error {
	page, err := p.frame(c, "Settings")
	if err != nil {
		return err
	}
	var view pages.SettingsView
	for _, l := range []struct {
		link       pages.SettingsLinkView
		permission models.Permission
	}{
		{pages.SettingsLinkView{Label: "Applications", Detail: "The company's programs, and where they let customers return to.", Icon: "application", URL: "/applications"}, models.ReadApps},
		{pages.SettingsLinkView{Label: "Connectors", Detail: "How each mail provider is reached.", Icon: "connector", URL: "/connectors"}, models.ReadConnectors},
		{pages.SettingsLinkView{Label: "API keys", Detail: "What programs show to be let in.", Icon: "key", URL: "/api-keys"}, models.ManageKeys},
		{pages.SettingsLinkView{Label: "Service accounts", Detail: "Programs that make and end API keys by themselves.", Icon: "key", URL: "/service-accounts"}, models.ManageKeys},
		{pages.SettingsLinkView{Label: "Members", Detail: "The people who can sign in, and their roles.", Icon: "member", URL: "/members"}, models.ManageMembers},
		{pages.SettingsLinkView{Label: "Receipts", Detail: "What was cut, and what the provider answered.", Icon: "receipt", URL: "/receipts"}, models.ReadReceipts},
		{pages.SettingsLinkView{Label: "API reference", Detail: "Every call with its parameters, an example and its answer; and what is new for those who come from Nylas.", Icon: "document", URL: "/reference"}, models.ReadApps},
	} {
		if web.Actor(c).May(l.permission) {
			view.Links = append(view.Links, l.link)
		}
	}
	return web.Render(c, http.StatusOK, pages.Settings(page, view))
}

const mostFound = 20

// search looks for a word in tenants and mailboxes, and for an id in everything that the actor may open.
func (p *Portal) search(c echo.Context) error {
	ctx, actor, q := c.Request().Context(), web.Actor(c), field(c, "q")
	if len(q) > 320 {
		q = q[:320]
	}
	view := pages.SearchView{Query: q}
	if q != "" {
		found, err := p.Tenants.List(ctx, actor, tenants.Filter{Search: q, Limit: mostFound})
		if err != nil {
			return err
		}
		for _, t := range found.Tenants {
			view.Tenants = append(view.Tenants, tenantRow(t))
		}
		mailboxes, err := p.Grants.List(ctx, actor, grants.Filter{Search: q, WithPending: true, Limit: mostFound})
		if err != nil {
			return err
		}
		names, err := p.namesOfGrants(ctx, actor, mailboxes.Grants)
		if err != nil {
			return err
		}
		for _, g := range mailboxes.Grants {
			view.Grants = append(view.Grants, p.grantRow(actor, g, names[g.TenantID]))
		}
		if found.Next != "" || mailboxes.Next != "" {
			view.More = "Only the first 20 of each are shown."
		}
		if view.Others, err = p.searchIDs(c, q); err != nil {
			return err
		}
	}
	page, err := p.frame(c, "Search")
	if err != nil {
		return err
	}
	page.SearchQuery = q
	return web.Render(c, http.StatusOK, pages.Search(page, view))
}

// searchIDs finds a receipt or a webhook by its whole id.
func (p *Portal) searchIDs(c echo.Context, q string) ([]pages.FoundView, error) {
	ctx, actor := c.Request().Context(), web.Actor(c)
	var out []pages.FoundView
	id, err := models.ParseID[models.ReceiptID](q)
	if err != nil {
		return nil, nil
	}
	receipt, _, err := p.Grants.Receipt(ctx, actor, id)
	if err == nil {
		out = append(out, pages.FoundView{Kind: "Receipt", Label: masked(actor, receipt.Email), ID: q, URL: "/receipts/" + q})
	} else if fault.KindOf(err) != fault.NotFound {
		return nil, err
	}
	if !actor.May(models.ReadWebhooks) {
		return out, nil
	}
	hook, err := p.Webhooks.Find(ctx, actor, models.WebhookID(id))
	if err == nil {
		out = append(out, pages.FoundView{Kind: "Webhook", Label: webhookName(hook), ID: q, URL: "/webhooks/" + q})
	} else if fault.KindOf(err) != fault.NotFound {
		return nil, err
	}
	return out, nil
}
