package portal

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/views/ui"
	"github.com/postern-mail/postern/web"
)

var liveOutcomes = []choice{{string(provider.DeletedHereOnly), "Deleted here only"}, {string(provider.UserActionNeeded), "Owner must act"}}

// liveList is everything that was cut here and may still stand at a provider, in one list.
func (p *Portal) liveList(c echo.Context) error {
	ctx, actor, l := c.Request().Context(), web.Actor(c), readList(c, "/receipts/live", "outcome", "tenant", "provider")
	f, err := p.receiptFilter(c, l)
	if err != nil {
		return err
	}
	f.Live, f.Provider = true, l.get("provider")
	found, next, err := p.Grants.Severances(ctx, actor, f)
	if err != nil {
		return err
	}
	ids := make([]models.TenantID, len(found))
	for i, v := range found {
		ids[i] = v.TenantID
	}
	names, err := p.tenantNames(ctx, actor, ids)
	if err != nil {
		return err
	}
	page, err := p.frame(c, "Still live at a provider")
	if err != nil {
		return err
	}
	page.Breadcrumbs, page.Lede = crumbs("Receipts", "/receipts"), "Cut here, and not shown gone at the provider. Nobody here can use it; somebody there could still find it listed."
	view := pages.LiveListView{Filtered: l.filtered(), OneTenant: !actor.Tenant.IsZero(), ReceiptsURL: "/receipts", Pages: l.pages(len(found), next, ""),
		Filters: l.view("Search mailboxes", filter{"outcome", "State", liveOutcomes}, filter{"provider", "Provider", p.providerChoices()}, filter{"tenant", "Tenant", nil})}
	for _, v := range found {
		view.Rows = append(view.Rows, liveRow(actor, v, names[v.TenantID]))
	}
	return web.Render(c, http.StatusOK, pages.LiveList(page, view))
}

func liveRow(actor models.Actor, v models.Severance, tenant string) pages.LiveRow {
	row := pages.LiveRow{Address: masked(actor, v.Email), URL: "/grants/" + v.GrantID.String() + "/receipt", State: v.Outcome, Provider: providerName(v.Provider), Tenant: tenant, By: v.Actor, CutAt: v.CutAt,
		Turn: "The mailbox's owner"}
	switch {
	case v.Outcome == "":
		row.State, row.Turn = "severing", "Postern asks "+providerName(v.Provider)+" again"
		if v.Attempts == 0 {
			row.Turn = "Postern tells " + providerName(v.Provider)
		}
		if v.NextTryAt != nil {
			row.NextTry = *v.NextTryAt
		}
	case v.Delegated:
		row.Turn = "An administrator of the organisation"
	case v.Provider == "microsoft":
		row.Turn = "The mailbox's owner, or their administrator"
	}
	if actor.May(models.ReadTenants) {
		row.TenantURL = "/tenants/" + v.TenantID.String()
	}
	if actor.May(models.RevokeGrants) {
		row.ConfirmURL = "/receipts/live/" + v.ID.String() + "/confirm"
	}
	return row
}

func (p *Portal) severance(c echo.Context) (models.Severance, error) {
	id, err := web.ParamID[models.SeveranceID](c, "severance")
	if err != nil {
		return models.Severance{}, err
	}
	return p.Grants.Severance(c.Request().Context(), web.Actor(c), id)
}

func (p *Portal) liveConfirmForm(c echo.Context) error {
	v, err := p.severance(c)
	if err != nil {
		return err
	}
	return p.renderLiveConfirm(c, http.StatusOK, v, "", nil)
}

func (p *Portal) renderLiveConfirm(c echo.Context, status int, v models.Severance, note string, faults []ui.ErrorView) error {
	tenant, err := p.Tenants.Find(c.Request().Context(), web.Actor(c), v.TenantID)
	if err != nil {
		return err
	}
	page, err := p.frame(c, "Is "+v.Email+" gone at "+providerName(v.Provider)+"?")
	if err != nil {
		return err
	}
	page.Breadcrumbs = crumbs("Receipts", "/receipts", "Still live at a provider", "/receipts/live")
	return web.Render(c, status, pages.LiveConfirm(page, pages.LiveConfirmView{Address: v.Email, Provider: providerName(v.Provider), Tenant: tenant.Name,
		Steps:  provider.SeveranceOf(v.Provider, provider.SeveranceFacts{Address: v.Email, HereOnly: v.Reach == models.ReachHere, Delegated: v.Delegated}).OwnerOnly,
		Action: c.Request().URL.Path, CancelURL: "/receipts/live", Note: note, Errors: faults}))
}

func (p *Portal) liveConfirm(c echo.Context) error {
	v, err := p.severance(c)
	if err != nil {
		return err
	}
	note := field(c, "note")
	if _, err := p.Grants.Confirm(c.Request().Context(), web.Actor(c), v.ID, note); err != nil {
		if faults, ok := formErrors(err, nil); ok {
			return p.renderLiveConfirm(c, unprocessable, v, note, faults)
		}
		return err
	}
	return done(c, "/receipts/live", "good", "Written down: the customer confirmed that "+v.Email+" is gone at "+providerName(v.Provider)+".")
}
