package portal

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/evidence"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/layout"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/views/ui"
	"github.com/postern-mail/postern/web"
)

// primitives are the five questions as they were answered last.
func (p *Portal) primitives(ctx context.Context, actor models.Actor) ([]pages.PrimitiveView, error) {
	found, err := p.Evidence.Latest(ctx, actor)
	var out []pages.PrimitiveView
	for _, r := range found {
		if r.Group == "primitive" {
			out = append(out, pages.PrimitiveView{Question: r.Text, Name: r.Primitive, State: string(r.State), Detail: r.Detail, Checked: r.At, URL: "/security/requirements/" + r.ID})
		}
	}
	return out, err
}

var groups = []struct{ id, title, lede string }{
	{"primitive", "Five questions of every review", "Each is answered from the running system."},
	{"asvs", "OWASP ASVS 5.0, level 2", "What of it can be evaluated while Postern runs. The rest is in the tests and in SECURITY.md."},
	{"casa", "CASA", "What the App Defense Alliance's assessment asks and can be evaluated here."},
	{"assessment", "Depends on your own assessment and contract", "Postern claims none of these. Attach the document that does, with its end."},
}

// security is the requirement map.
func (p *Portal) security(c echo.Context) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	found, err := p.Evidence.Latest(ctx, actor)
	if err != nil {
		return err
	}
	documents, err := p.Evidence.Documents(ctx, "")
	if err != nil {
		return err
	}
	attached := map[string]int{}
	for _, d := range documents {
		attached[d.Requirement]++
	}
	view := pages.ReportView{Tabs: p.securityTabs(c), Checked: found[0].At}
	counts := map[evidence.State]int{}
	for _, r := range found {
		counts[r.State]++
	}
	view.Stats = []ui.StatView{{Label: "Met", Value: ui.Number(counts[evidence.Met])}, {Label: "Not met", Value: ui.Number(counts[evidence.NotMet])}, {Label: "Not claimed", Value: ui.Number(counts[evidence.NotClaimed])}}
	for _, g := range groups {
		table := &pages.ReportTableView{ID: "requirements-" + g.id, Caption: g.title, Columns: []ui.Column{ui.Col("Requirement"), ui.Col("State"), ui.Col("What was looked at"), ui.Col("Evidence")}}
		for _, r := range found {
			if r.Group != g.id {
				continue
			}
			note := r.Primitive
			if r.Ref != "" {
				note = r.Ref + " · " + r.Primitive
			}
			row := []pages.CellView{{Text: r.Text, URL: "/security/requirements/" + r.ID, Note: note}, {State: string(r.State)}, {Text: r.Detail}, {Text: "What was measured", URL: "/security/requirements/" + r.ID}}
			if n := attached[r.ID]; n > 0 {
				row[3].Note = ui.Count(n, "document", "documents") + " attached"
			}
			table.Rows = append(table.Rows, pages.ReportRowView{Cells: row})
		}
		view.Sections = append(view.Sections, pages.ReportSectionView{ID: g.id, Title: g.title, Lede: g.lede, Table: table})
	}
	page, err := p.frame(c, "Security")
	if err != nil {
		return err
	}
	page.Lede = "What a reviewer asks, and what the running system answers."
	page.Action = layout.Action{Label: "Check now", URL: "/security/check", Icon: "rotate", Post: true}
	return web.Render(c, http.StatusOK, pages.Report(page, view))
}

// securityCheck looks at everything now. It changes nothing, so whoever may read the map may ask for it.
func (p *Portal) securityCheck(c echo.Context) error {
	if _, err := p.Evidence.Check(c.Request().Context(), web.Actor(c)); err != nil {
		return err
	}
	if err := web.Flash(c, "info", "Everything was looked at again."); err != nil {
		return err
	}
	return web.SeeOther(c, "/security")
}

// requirement is one row with what was measured.
func (p *Portal) requirement(c echo.Context) error { return p.renderRequirement(c, http.StatusOK, nil) }

func (p *Portal) renderRequirement(c echo.Context, status int, faults []ui.ErrorView) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	found, err := p.Evidence.Latest(ctx, actor)
	if err != nil {
		return err
	}
	r, ok := evidence.Find(found, c.Param("requirement"))
	if !ok {
		return errAbsent
	}
	view := pages.ReportView{Tabs: p.securityTabs(c), Checked: r.At, Answer: pages.AnswerView{State: string(r.State), Text: r.Detail, Detail: r.How}}
	facts := []ui.FactView{{Label: "Met by", Text: r.Primitive}}
	if r.Ref != "" {
		facts = append(facts, ui.FactView{Label: "Asked by", Text: r.Ref})
	}
	if p.opens(actor, r.Evidence) && !r.Documents {
		facts = append(facts, ui.FactView{Label: "Behind it", Text: r.Evidence, URL: r.Evidence})
	}
	view.Sections = append(view.Sections, pages.ReportSectionView{ID: "about", Title: "About this row", Facts: facts})
	if r.Documents {
		documents, err := p.documents(c, r, faults)
		if err != nil {
			return err
		}
		view.Sections = append(view.Sections, documents)
	} else {
		view.Sections = append(view.Sections, pages.ReportSectionView{ID: "raw", Title: "What was measured", Lede: "All rows are judged by these numbers.", Code: string(r.Raw)})
	}
	page, err := p.frame(c, r.Text)
	if err != nil {
		return err
	}
	page.Kind, page.Breadcrumbs = "Requirement", crumbs("Security", "/security")
	return web.Render(c, status, pages.Report(page, view))
}

// opens says whether the actor may open a page of the portal.
func (p *Portal) opens(actor models.Actor, path string) bool {
	if path == "/security/egress" && !actor.Platform() {
		return false // the hosts of one organisation are not told apart
	}
	for _, r := range p.routes() {
		if r.Method == http.MethodGet && r.Path == path {
			return actor.May(r.Permission)
		}
	}
	return false
}

func (p *Portal) documents(c echo.Context, r evidence.Result, faults []ui.ErrorView) (pages.ReportSectionView, error) {
	actor := web.Actor(c)
	rows, err := p.Evidence.Documents(c.Request().Context(), r.ID)
	table := &pages.ReportTableView{ID: "documents", Caption: "Attached documents", Empty: "No document is attached, so nothing is shown.", Columns: []ui.Column{ui.Col("Document"), ui.Col("State"), ui.Col("Ends"), ui.Col("Attached"), ui.Col("SHA-256"), ui.Col("")}}
	for _, d := range rows {
		state := "valid"
		if d.ExpiresAt != nil && !p.Now().Before(*d.ExpiresAt) {
			state = "expired"
		}
		cells := []pages.CellView{{Text: d.Name, Note: fmt.Sprintf("%s, %s bytes", d.Kind, ui.Number(int(d.Size)))}, {State: state}, {At: timeOf(d.ExpiresAt), Never: true}, {At: d.AddedAt, Note: "by " + d.AddedBy}, {ID: fmt.Sprintf("%x", d.Digest)}, {}}
		if actor.Platform() {
			cells[0].URL = "/security/documents/" + d.ID.String()
			if actor.May(models.ManageEvidence) {
				cells[5].Act = pages.ReportActView{Label: "Remove", URL: "/security/documents/" + d.ID.String() + "/remove", Kind: "danger", Post: true}
			}
		}
		table.Rows = append(table.Rows, pages.ReportRowView{Cells: cells})
	}
	out := pages.ReportSectionView{ID: "documents", Title: "Documents", Lede: "What people brought. Postern does not judge what they say.", Table: table}
	if actor.Platform() && actor.May(models.ManageEvidence) {
		out.Form = &pages.ReportFormView{Action: "/security/requirements/" + r.ID + "/documents", Submit: "Attach document", Errors: faults,
			Fields: []ui.FieldView{{Name: "name", Label: "What it is", Help: "For example: SOC 2 Type II report, 2026.", MaxLength: "200"}, {Name: "ends", Label: "Good until", Help: "The day its claim ends.", Type: "date", Optional: true}},
			File:   &pages.ReportFileView{Name: "file", Label: "The document", Help: "PDF or plain text, at most 2 MB. It is sealed like every secret.", Accept: "application/pdf,text/plain"}}
	}
	return out, err
}

func (p *Portal) residency(c echo.Context) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	r, err := p.Evidence.Residency(ctx)
	if err != nil {
		return err
	}
	keys, err := p.Keys.Standing(ctx, actor)
	if err != nil {
		return err
	}
	region := strings.ToUpper(p.Region)
	facts := []ui.FactView{{Label: "This installation", Text: region + ", " + p.Server.Origin()}, {Label: "Its database", Text: region + ": the region is written in the database itself, and a program of another region refuses to start on it"},
		{Label: "Its keys", Text: keys.Source + "; data keys are in the database, wrapped"}, {Label: "Mail", Text: "is not kept: it is read from the provider when asked for"}}
	siblings := &pages.ReportTableView{ID: "siblings", Caption: "Other regions", Empty: "This is the only installation that is known here. An operator names others with POSTERN_SIBLINGS.", Columns: []ui.Column{ui.Col("Region"), ui.Col("Base URL")}}
	for _, name := range p.otherRegions() {
		siblings.Rows = append(siblings.Rows, pages.ReportRowView{Cells: []pages.CellView{{Text: strings.ToUpper(name)}, {Code: p.Siblings[name]}}})
	}
	view := pages.ReportView{Checked: r.At, Answer: pages.AnswerView{State: string(r.State), Text: r.Detail}, Sections: []pages.ReportSectionView{
		{ID: "where", Title: "Where things are", Facts: facts}, {ID: "siblings", Title: "Other regions", Lede: "A key of another region is refused here with 401 and told its own base URL; the people of an organisation that another region keeps are sent there.", Table: siblings}}}
	return p.report(c, "Residency", "Where this deployment, its organisations, its database and its keys are.", view)
}
