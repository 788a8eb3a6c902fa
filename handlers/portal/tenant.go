package portal

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/access"
	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/engine/tenants"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/layout"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/views/ui"
	"github.com/postern-mail/postern/web"
)

func (p *Portal) tenantList(c echo.Context) error {
	actor, l := web.Actor(c), readList(c, "/tenants")
	found, err := p.Tenants.List(c.Request().Context(), actor, tenants.Filter{Search: l.get("q"), Cursor: l.get("cursor"), Limit: pageSize})
	if err != nil {
		return err
	}
	page, err := p.frame(c, "Tenants")
	if err != nil {
		return err
	}
	page.Lede = "The customer organisations, and where their data lives."
	view := pages.TenantListView{Filters: l.view("Search tenants"), Pages: l.pages(len(found.Tenants), found.Next, ""), Filtered: l.filtered()}
	if actor.May(models.WriteTenants) {
		view.CreateURL = "/tenants/new"
		page.Action = layout.Action{Label: "Add a tenant", URL: view.CreateURL, Icon: "plus"}
	}
	for _, t := range found.Tenants {
		view.Rows = append(view.Rows, tenantRow(t))
	}
	return web.Render(c, http.StatusOK, pages.TenantList(page, view))
}

func tenantRow(t tenants.Listed) pages.TenantRow {
	row := pages.TenantRow{Name: t.Name, URL: "/tenants/" + t.ID.String(), Region: strings.ToUpper(t.Region), State: string(t.State),
		Valid: t.Counts.Valid, NeedsReconnect: t.Counts.Invalid, Revoked: t.Counts.Revoked}
	if t.Counts.LastUsedAt != nil {
		row.LastActivity = *t.Counts.LastUsedAt
	}
	return row
}

func (p *Portal) tenantCreateForm(c echo.Context) error {
	return p.renderTenantForm(c, http.StatusOK, pages.TenantCreateView{})
}

func (p *Portal) renderTenantForm(c echo.Context, status int, view pages.TenantCreateView) error {
	page, err := p.frame(c, "Add a tenant")
	if err != nil {
		return err
	}
	page.Breadcrumbs = crumbs("Tenants", "/tenants")
	view.Action, view.CancelURL = "/tenants", "/tenants"
	view.Regions = []ui.OptionView{{Value: p.Region, Label: strings.ToUpper(p.Region), Help: p.regionText() + ".", Selected: true}}
	return web.Render(c, status, pages.TenantCreate(page, view))
}

func (p *Portal) tenantCreate(c echo.Context) error {
	name := field(c, "name")
	tenant, err := p.Tenants.Create(c.Request().Context(), web.Actor(c), name, field(c, "region"))
	if faults, ok := formErrors(err, nil); ok {
		return p.renderTenantForm(c, unprocessable, pages.TenantCreateView{Name: name, Errors: faults})
	}
	if err != nil {
		return err
	}
	return done(c, "/tenants/"+tenant.ID.String(), "good", tenant.Name+" was added. Make a connect link to bring in the first mailbox.")
}

// tenant finds the tenant in the address, as far as the actor may know of it.
func (p *Portal) tenant(c echo.Context) (models.Tenant, error) {
	id, err := web.ParamID[models.TenantID](c, "tenant")
	if err != nil {
		return models.Tenant{}, err
	}
	return p.Tenants.Find(c.Request().Context(), web.Actor(c), id)
}

const firstFew = 8

func (p *Portal) tenantShow(c echo.Context) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	t, err := p.tenant(c)
	if err != nil {
		return err
	}
	url := "/tenants/" + t.ID.String()
	view := pages.TenantShowView{ID: t.ID.String(), Region: strings.ToUpper(t.Region), RegionText: p.regionText(), State: string(t.State), Created: t.CreatedAt,
		GrantsURL: "/grants?tenant=" + t.ID.String(), ReceiptsURL: "/receipts?tenant=" + t.ID.String()}
	found, err := p.Grants.List(ctx, actor, grants.Filter{Tenant: t.ID, Limit: firstFew})
	if err != nil {
		return err
	}
	view.GrantCount = counted(found.Total)
	for _, g := range found.Grants {
		view.Grants = append(view.Grants, p.grantRow(actor, g, t.Name))
	}
	if view.Numbers, err = p.grantNumbers(ctx, actor, t.ID); err != nil {
		return err
	}
	receipts, _, err := p.Grants.Receipts(ctx, actor, grants.ReceiptFilter{Tenant: t.ID, Limit: firstFew})
	if err != nil {
		return err
	}
	view.Receipts = receiptRows(actor, receipts, map[models.TenantID]string{t.ID: t.Name})
	if actor.May(models.WriteGrants) {
		view.LinkCreateURL = url + "/links/new"
		if view.Links, err = p.linkRows(ctx, actor, t.ID); err != nil {
			return err
		}
	}
	if actor.May(models.WriteTenants) {
		people, err := p.Access.Members(ctx, actor, access.MemberFilter{Tenant: t.ID, Limit: 20})
		if err != nil {
			return err
		}
		for _, m := range people.Members {
			view.Members = append(view.Members, memberRow(actor, m))
		}
	}
	if actor.May(models.ManageMembers) {
		view.InviteURL = "/members/new?tenant=" + t.ID.String()
	}
	entries, err := p.Audit.List(ctx, actor, audit.Filter{Tenant: t.ID, Limit: firstFew})
	if err != nil {
		return err
	}
	view.Audit = auditRows(actor, entries.Entries, nil)
	if actor.May(models.ReadAudit) {
		view.AuditURL = "/audit?tenant=" + t.ID.String()
	}
	page, err := p.frame(c, t.Name)
	if err != nil {
		return err
	}
	page.Kind, page.Breadcrumbs = "Tenant", crumbs("Tenants", "/tenants")
	act, err := p.tenantOffboard(c, t)
	if err != nil {
		return err
	}
	view.OffboardLabel, view.OffboardURL = act.Label, act.URL
	if t.State != models.TenantActive {
		view.LinkCreateURL = ""
	}
	if view.LinkCreateURL != "" {
		page.Action = layout.Action{Label: "Make a connect link", URL: view.LinkCreateURL, Icon: "plus"}
	}
	return web.Render(c, http.StatusOK, pages.TenantShow(page, view))
}

// counted writes a count that stops at grants.CountedUpTo.
func counted(n int) string {
	if n >= grants.CountedUpTo {
		return "more than " + ui.Number(grants.CountedUpTo)
	}
	return ui.Number(n)
}

// grantNumbers counts the actor's grants by state, of one tenant or of all.
func (p *Portal) grantNumbers(ctx context.Context, actor models.Actor, tenant models.TenantID) ([]ui.StatView, error) {
	var out []ui.StatView
	for _, s := range []struct {
		status models.GrantStatus
		label  string
	}{{models.GrantValid, "Connected mailboxes"}, {models.GrantInvalid, "Need a reconnect"}, {models.GrantRevoked, "Revoked"}} {
		found, err := p.Grants.List(ctx, actor, grants.Filter{Tenant: tenant, Status: string(s.status), Limit: 1})
		if err != nil {
			return nil, err
		}
		url := "/grants?status=" + string(s.status)
		if !tenant.IsZero() {
			url += "&tenant=" + tenant.String()
		}
		out = append(out, ui.StatView{Label: s.label, Value: counted(found.Total), URL: url})
	}
	return out, nil
}

// tenantNames names the tenants of some rows.
func (p *Portal) tenantNames(ctx context.Context, actor models.Actor, ids []models.TenantID) (map[models.TenantID]string, error) {
	seen := map[models.TenantID]bool{}
	var unique []models.TenantID
	for _, id := range ids {
		if !id.IsZero() && !seen[id] {
			seen[id] = true
			unique = append(unique, id)
		}
	}
	names, err := p.Tenants.Names(ctx, actor, unique)
	if err != nil {
		return nil, fmt.Errorf("name the tenants of a list: %w", err)
	}
	return names, nil
}

// tenantChoices lists tenants for a select: the first two hundred by name.
func (p *Portal) tenantChoices(ctx context.Context, actor models.Actor) ([]choice, error) {
	found, err := p.Tenants.List(ctx, actor, tenants.Filter{Limit: 200, Names: true})
	var out []choice
	for _, t := range found.Tenants {
		out = append(out, choice{t.ID.String(), t.Name})
	}
	return out, err
}
