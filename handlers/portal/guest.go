package portal

import (
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/layout"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/views/ui"
	"github.com/postern-mail/postern/web"
)

// noted writes down what a guest sees before it is shown: no entry, no page.
func (p *Portal) noted(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if a := web.Actor(c); a.Kind == models.ActorGuest {
			if err := p.Access.NoteView(c.Request().Context(), a, c.Request().Method+" "+c.Request().URL.EscapedPath()); err != nil {
				return err
			}
		}
		return next(c)
	}
}

func (p *Portal) guestEnter(c echo.Context) error {
	pass, tenant, err := p.Access.FindPass(c.Request().Context(), secret.New(c.Param("token")))
	if err != nil {
		return err
	}
	page, err := p.plain(c, "A guest pass for "+pass.Name)
	if err != nil {
		return err
	}
	return web.Render(c, http.StatusOK, pages.GuestEnter(page, pages.GuestEnterView{Company: p.Company, Tenant: tenant.Name, Name: pass.Name, Until: pass.ExpiresAt, Action: c.Request().URL.EscapedPath()}))
}

func (p *Portal) guestBegin(c echo.Context) error {
	id, err := p.Access.BeginGuest(c.Request().Context(), secret.New(c.Param("token")), web.SessionID(c), visitorOf(c))
	if err != nil {
		return err
	}
	web.AdoptSession(c, id)
	return web.SeeOther(c, "/")
}

var passLives = []choice{{"1", "1 day"}, {"3", "3 days"}, {"7", "7 days"}, {"14", "14 days"}, {"30", "30 days"}, {"90", "90 days"}}

func (p *Portal) passList(c echo.Context) error {
	return p.renderPasses(c, http.StatusOK, passForm{life: "7"}, nil)
}

type passForm struct{ tenant, name, life string }

func (p *Portal) renderPasses(c echo.Context, status int, f passForm, faults []ui.ErrorView) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	rows, err := p.Access.Passes(ctx, actor, models.TenantID{})
	if err != nil {
		return err
	}
	ids := make([]models.TenantID, 0, len(rows))
	for _, r := range rows {
		ids = append(ids, r.TenantID)
	}
	names, err := p.tenantNames(ctx, actor, ids)
	if err != nil {
		return err
	}
	choices, err := p.tenantChoices(ctx, actor)
	if err != nil {
		return err
	}
	table := &pages.ReportTableView{ID: "passes", Caption: "Guest passes", Empty: "Nobody outside has a pass. Make one when a customer's reviewer asks to see for themselves.",
		Columns: []ui.Column{ui.Col("For"), ui.Col("Organisation"), ui.Col("State"), ui.Col("Ends"), ui.Col("Last seen"), ui.Num("Pages seen"), ui.Col("")}}
	for _, r := range rows {
		state := p.passState(r)
		row := pages.ReportRowView{Cells: []pages.CellView{{Text: r.Name, URL: "/security/passes/" + r.ID.String(), Note: "from " + r.CreatedBy}, {Text: names[r.TenantID]}, {State: state}, {At: r.ExpiresAt},
			{At: timeOf(r.LastSeenAt), Never: true}, {Text: ui.Number(int(r.Views))}, {}}}
		if state == "active" {
			row.Cells[6].Act = pages.ReportActView{Label: "Revoke", URL: "/security/passes/" + r.ID.String() + "/revoke", Icon: "cut", Kind: "danger", Post: true}
		}
		table.Rows = append(table.Rows, row)
	}
	form := &pages.ReportFormView{Action: "/security/passes", Submit: "Create guest pass", Errors: faults,
		Selects: []pages.ReportSelectView{{Name: "tenant", Label: "Organisation", Help: "The guest sees this one and no other.", Options: options(append([]choice{{"", "Choose"}}, choices...), f.tenant)},
			{Name: "expires", Label: "Good for", Options: options(passLives, f.life)}},
		Fields: []ui.FieldView{{Name: "name", Label: "For whom", Help: "A name that you will recognise: it stands in the audit beside everything they open.", Value: f.name, MaxLength: "200"}}}
	page, err := p.frame(c, "Guest passes")
	if err != nil {
		return err
	}
	page.Lede, page.Breadcrumbs = "An outside reviewer sees one organisation, read only, mailboxes masked, for some days. Every page they open is noted.", crumbs("Security", "/security")
	return web.Render(c, status, pages.Report(page, pages.ReportView{Tabs: p.securityTabs(c), Sections: []pages.ReportSectionView{
		{ID: "passes", Title: "Passes", Table: table}, {ID: "new", Title: "A new pass", Form: form}}}))
}

func (p *Portal) passState(r models.GuestPass) string {
	switch {
	case r.RevokedAt != nil:
		return "revoked"
	case !r.Usable(p.Now()):
		return "expired"
	default:
		return "active"
	}
}

func (p *Portal) passCreate(c echo.Context) error {
	f := passForm{tenant: field(c, "tenant"), name: field(c, "name"), life: field(c, "expires")}
	tenant, err := models.ParseID[models.TenantID](f.tenant)
	if err != nil {
		return p.renderPasses(c, unprocessable, f, []ui.ErrorView{{Field: "tenant", Text: "Choose one of the organisations."}})
	}
	days := map[string]time.Duration{"1": 1, "3": 3, "7": 7, "14": 14, "30": 30, "90": 90}[f.life]
	if days == 0 {
		return p.renderPasses(c, unprocessable, f, []ui.ErrorView{{Field: "expires", Text: "Choose one of the times."}})
	}
	pass, link, err := p.Access.CreatePass(c.Request().Context(), web.Actor(c), tenant, f.name, days*24*time.Hour)
	if faults, ok := formErrors(err, nil); ok {
		return p.renderPasses(c, unprocessable, f, faults)
	}
	if err != nil {
		return err
	}
	page, err := p.frame(c, "The pass is ready")
	if err != nil {
		return err
	}
	page.Breadcrumbs = crumbs("Security", "/security", "Guest passes", "/security/passes")
	return web.Render(c, http.StatusOK, pages.SecretShown(page, pages.SecretShownView{Label: "Link for " + pass.Name, Secret: link.Reveal(), DoneURL: "/security/passes",
		Text: []string{"Send this link to the reviewer. Whoever holds it sees this one organisation, read only, until " + ui.UTC(pass.ExpiresAt) + ".", "Postern keeps only a hash of it: it is never shown again. You can revoke it at any time."}}))
}

func (p *Portal) passShow(c echo.Context) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	id, err := web.ParamID[models.PassID](c, "pass")
	if err != nil {
		return err
	}
	pass, seen, err := p.Access.Pass(ctx, actor, id)
	if err != nil {
		return err
	}
	names, err := p.tenantNames(ctx, actor, []models.TenantID{pass.TenantID})
	if err != nil {
		return err
	}
	state := p.passState(pass)
	view := pages.ReportView{Answer: pages.AnswerView{State: state, Text: pass.Name + " may look at " + names[pass.TenantID] + " until " + ui.UTC(pass.ExpiresAt) + ".", Detail: "Given by " + pass.CreatedBy + "."}}
	if state != "active" {
		view.Answer.Text = "This pass opens nothing any more."
	}
	table := &pages.ReportTableView{ID: "views", Caption: "Pages seen", Empty: "Nobody has used this pass.", Columns: []ui.Column{ui.Col("Page"), ui.Col("When"), ui.Col("From")}}
	for _, v := range seen {
		table.Rows = append(table.Rows, pages.ReportRowView{Cells: []pages.CellView{{Code: strings.TrimPrefix(v.Path, "GET ")}, {At: v.At}, {Text: v.Address, Note: browserName(v.UserAgent)}}})
	}
	section := pages.ReportSectionView{ID: "seen", Title: "What was seen", Lede: "The last 500 pages, the newest first. " + ui.Number(int(pass.Views)) + " in all.", Table: table}
	if state == "active" {
		section.Acts = []pages.ReportActView{{Label: "Revoke this pass", URL: "/security/passes/" + pass.ID.String() + "/revoke", Icon: "cut", Kind: "danger", Post: true}}
	}
	view.Sections, view.Tabs = []pages.ReportSectionView{section}, p.securityTabs(c)
	page, err := p.frame(c, pass.Name)
	if err != nil {
		return err
	}
	page.Kind, page.Breadcrumbs = "Guest pass", []layout.Crumb{{Label: "Security", URL: "/security"}, {Label: "Guest passes", URL: "/security/passes"}}
	return web.Render(c, http.StatusOK, pages.Report(page, view))
}

func (p *Portal) passRevoke(c echo.Context) error {
	id, err := web.ParamID[models.PassID](c, "pass")
	if err != nil {
		return err
	}
	if err := p.Access.RevokePass(c.Request().Context(), web.Actor(c), id); err != nil {
		return err
	}
	if err := web.Flash(c, "good", "The pass is revoked. Whoever was using it is out."); err != nil {
		return err
	}
	return web.SeeOther(c, "/security/passes")
}
