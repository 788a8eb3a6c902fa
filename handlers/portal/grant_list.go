package portal

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/layout"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/views/ui"
	"github.com/postern-mail/postern/web"
)

var grantStatuses = []choice{{"valid", "Valid"}, {"invalid", "Needs reconnect"}, {"pending", "Pending"}, {"revoked", "Revoked"}}

// grantFilter reads the filters of the grants' list. A tenant that is not an id, or not the actor's to see, is not found.
func (p *Portal) grantFilter(c echo.Context, l list) (grants.Filter, string, error) {
	f := grants.Filter{Search: l.get("q"), Status: l.get("status"), Provider: l.get("provider"), Cursor: l.get("cursor"), Limit: pageSize}
	if l.get("tenant") == "" {
		return f, "", nil
	}
	id, err := models.ParseID[models.TenantID](l.get("tenant"))
	if err != nil {
		return f, "", errAbsent.Because(err)
	}
	f.Tenant = id
	tenant, err := p.Tenants.Find(c.Request().Context(), web.Actor(c), id)
	return f, tenant.Name, err
}

func readGrantList(c echo.Context) list {
	return readList(c, "/grants", "status", "provider", "tenant")
}

func (p *Portal) grantList(c echo.Context) error {
	ctx, actor, l := c.Request().Context(), web.Actor(c), readGrantList(c)
	f, tenantName, err := p.grantFilter(c, l)
	if err != nil {
		return err
	}
	found, err := p.Grants.List(ctx, actor, f)
	if err != nil {
		return err
	}
	names, err := p.namesOfGrants(ctx, actor, found.Grants)
	if err != nil {
		return err
	}
	page, err := p.frame(c, "Grants")
	if err != nil {
		return err
	}
	page.Lede = "Every mailbox that a program can reach, or could."
	filters := []filter{{"status", "State", grantStatuses}, {"provider", "Provider", p.providerChoices()}, {"tenant", "Tenant", nil}}
	if tenantName != "" { // one tenant may be all that is offered: its name stands in the chip
		filters[2].choices = []choice{{f.Tenant.String(), tenantName}}
	}
	total := ""
	if f.Cursor == "" {
		total = counted(found.Total)
	}
	view := pages.GrantListView{Filters: l.view("Search mailboxes", filters...), Pages: l.pages(len(found.Grants), found.Next, total), Filtered: l.filtered(),
		Export: ui.ExportView{CSV: l.export("/grants/export.csv"), JSON: l.export("/grants/export.json")}, OneTenant: !actor.Tenant.IsZero(),
		Pick: p.pick(actor, l, total, found.Next != "" || f.Cursor != ""), BatchURL: batchesURL(actor)}
	if actor.May(models.WriteGrants) && actor.Platform() {
		view.EmptyURL = "/links/new"
		page.Action = layout.Action{Label: "Make a connect link", URL: "/links/new", Icon: "plus"}
	}
	for _, g := range found.Grants {
		row := p.grantRow(actor, g, names[g.TenantID])
		if view.Pick.RevokeURL != "" || view.Pick.DeleteURL != "" {
			row.ID = g.ID.String()
		}
		view.Rows = append(view.Rows, row)
	}
	return web.Render(c, http.StatusOK, pages.GrantList(page, view))
}

func (p *Portal) providerChoices() []choice {
	var out []choice
	for _, name := range p.providerCodes() {
		out = append(out, choice{name, providerName(name)})
	}
	return out
}

func (p *Portal) namesOfGrants(ctx context.Context, actor models.Actor, list []models.Grant) (map[models.TenantID]string, error) {
	ids := make([]models.TenantID, len(list))
	for i, g := range list {
		ids[i] = g.TenantID
	}
	return p.tenantNames(ctx, actor, ids)
}

func (p *Portal) grantRow(actor models.Actor, g models.Grant, tenant string) pages.GrantRow {
	can, _ := rights(g)
	row := pages.GrantRow{Address: masked(actor, g.Email), URL: "/grants/" + g.ID.String(), Provider: providerName(g.Provider), Tenant: tenant,
		State: string(g.Status), Rights: can, Created: g.CreatedAt}
	if actor.May(models.ReadTenants) {
		row.TenantURL = "/tenants/" + g.TenantID.String()
	}
	if g.LastUsedAt != nil {
		row.LastUsed = *g.LastUsedAt
	}
	return row
}

var grantColumns = []string{"id", "address", "provider", "tenant_id", "tenant", "status", "rights", "scopes_granted", "created_at", "last_used_at", "revoked_at"}

func (p *Portal) grantExportCSV(c echo.Context) error { return p.grantExport(c, sendCSV) }

func (p *Portal) grantExportJSON(c echo.Context) error { return p.grantExport(c, sendJSON) }

func (p *Portal) grantExport(c echo.Context, send sender) error {
	ctx, actor, l := c.Request().Context(), web.Actor(c), readGrantList(c)
	f, _, err := p.grantFilter(c, l)
	if err != nil {
		return err
	}
	f.Limit, f.Cursor = 200, ""
	var rows [][]string
	for {
		found, err := p.Grants.List(ctx, actor, f)
		if err != nil {
			return err
		}
		names, err := p.namesOfGrants(ctx, actor, found.Grants)
		if err != nil {
			return err
		}
		for _, g := range found.Grants {
			can, _ := rights(g)
			rows = append(rows, []string{g.ID.String(), masked(actor, g.Email), g.Provider, g.TenantID.String(), names[g.TenantID], string(g.Status),
				strings.Join(can, "; "), strings.Join(g.ScopesGranted, " "), stamp(&g.CreatedAt), stamp(g.LastUsedAt), stamp(g.RevokedAt)})
		}
		if f.Cursor = found.Next; f.Cursor == "" || len(rows) >= mostExported {
			return send(c, "grants", f.Cursor != "", grantColumns, rows)
		}
	}
}

// stamp writes a time as files carry it, UTC; empty for none.
func stamp(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
