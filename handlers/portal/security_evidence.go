package portal

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/evidence"
	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/views/ui"
	"github.com/postern-mail/postern/web"
)

func (p *Portal) egress(c echo.Context) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	hosts, err := p.Evidence.Egress(ctx, actor)
	if err != nil {
		return err
	}
	table := &pages.ReportTableView{ID: "hosts", Caption: "Outside hosts", Empty: "Nothing was reached yet. What Postern connects to is written here within ten seconds.",
		Columns: []ui.Column{ui.Col("Host"), ui.Col("State"), ui.Col("For"), ui.Col("Region"), ui.Num("Connected"), ui.Num("Refused by us"), ui.Num("Failed"), ui.Col("First"), ui.Col("Last")}}
	fresh, newest := 0, time.Time{}
	for _, h := range hosts {
		state := "known"
		if h.New {
			state, fresh = "new", fresh+1
			if h.FirstAt.After(newest) {
				newest = h.FirstAt
			}
		}
		note := ""
		if h.SeenBy != "" {
			note = "seen by " + h.SeenBy
		}
		table.Rows = append(table.Rows, pages.ReportRowView{Cells: []pages.CellView{{Code: h.Host + ":" + strconv.Itoa(h.Port)}, {State: state, Note: note}, {Text: h.Purpose}, {Text: h.Region}, {Text: ui.Number(int(h.Connected))},
			{Text: ui.Number(int(h.Refused))}, {Text: ui.Number(int(h.Failed))}, {At: h.FirstAt}, {At: h.LastAt}}})
	}
	section := pages.ReportSectionView{ID: "hosts", Title: "Outside hosts", Lede: "Every connection goes through one guard, which counts it. At most 500 are shown, the new ones first.", Table: table}
	view := pages.ReportView{Answer: pages.AnswerView{State: "met", Text: "Every outside host was looked at by a person."}}
	if fresh > 0 {
		view.Answer = pages.AnswerView{State: "not_met", Text: ui.Count(fresh, "outside host is", "outside hosts are") + " new: nobody has looked at it yet.", Detail: "Each stands in the audit, with the time it was first reached."}
		if actor.May(models.ManageEvidence) {
			section.Acts = []pages.ReportActView{{Label: "I know these hosts", URL: "/security/egress/seen?upto=" + strconv.FormatInt(newest.UnixMicro(), 10), Icon: "check", Kind: "primary", Post: true}}
		}
	}
	view.Sections = []pages.ReportSectionView{section}
	return p.report(c, "Egress", "Every host outside that Postern reached or tried to: what for, where, how often, when.", view)
}

func (p *Portal) egressSeen(c echo.Context) error {
	at, err := strconv.ParseInt(c.QueryParam("upto"), 10, 64)
	if err != nil {
		return errAbsent
	}
	if err := p.Evidence.SeenEgress(c.Request().Context(), web.Actor(c), time.UnixMicro(at+1).UTC()); err != nil {
		return err
	}
	return web.SeeOther(c, "/security/egress")
}

// rightsPage is the least-privilege meter.
func (p *Portal) rightsPage(c echo.Context) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	r, err := p.Evidence.Rights(ctx, actor)
	if err != nil {
		return err
	}
	l := readList(c, "/security/rights")
	found, err := p.Grants.List(ctx, actor, grants.Filter{Status: string(models.GrantValid), Limit: pageSize, Cursor: l.get("cursor")})
	if err != nil {
		return err
	}
	unused, err := p.Evidence.Unused(ctx, actor, found.Grants)
	if err != nil {
		return err
	}
	estimate := ""
	if r.Share < 1 {
		estimate = fmt.Sprintf("The numbers of what was given are estimates from a sample of %.1f %% of the mailboxes.", r.Share*100)
	}
	over := &pages.ReportTableView{ID: "rights", Caption: "Rights over all mailboxes", Columns: []ui.Column{ui.Col("Right"), ui.Num("Mailboxes that gave it"), ui.Num("Used in 30 days"), ui.Num("Used in 90 days"), ui.Col("State")}}
	chart := ui.ChartView{ID: "rights", Title: "Rights given and used in 90 days", Unit: "mailboxes", Series: []ui.SeriesView{{Label: "used", State: "valid"}, {Label: "not used", State: "invalid"}}}
	for _, x := range r.Rights {
		if x.Granted+x.Used90 == 0 {
			continue
		}
		state := "used"
		if x.Used90 == 0 && x.Capability != provider.KnowIdentity {
			state = "idle"
		}
		over.Rows = append(over.Rows, pages.ReportRowView{Cells: []pages.CellView{{Text: x.Capability.Words()}, {Text: about(x.Granted, x.GrantedIsEstimated)}, {Text: ui.Number(x.Used30)}, {Text: ui.Number(x.Used90)}, {State: state}}})
		chart.Bars = append(chart.Bars, ui.BarView{Label: strings.ReplaceAll(string(x.Capability), "_", " "), Values: []int{min(x.Used90, x.Granted), max(0, x.Granted-x.Used90)}})
	}
	over.Empty = "No mailbox can be reached, so no right is held."
	each := &pages.ReportTableView{ID: "grants", Caption: "Mailbox by mailbox", Empty: "No mailbox can be reached.", Columns: []ui.Column{ui.Col("Mailbox"), ui.Num("Asked"), ui.Num("Given"), ui.Num("Used in 30 days"), ui.Num("Used in 90 days"), ui.Col("Not used for 90 days"), ui.Col("")}}
	for _, g := range found.Grants {
		u := unused[g.ID]
		url := "/grants/" + g.ID.String()
		asked := provider.CapabilitiesOf(g.Provider, g.ScopesRequested)
		row := pages.ReportRowView{Cells: []pages.CellView{{Address: masked(actor, g.Email), URL: url, Note: providerName(g.Provider)}, {Text: ui.Number(len(asked))}, {Text: ui.Number(len(u.Granted))}, {Text: ui.Number(len(u.Used30))}, {Text: ui.Number(len(u.Used90))},
			{Text: ui.List(capabilityWords(u.Idle))}, {}}}
		if len(u.Idle) > 0 && actor.May(models.WriteGrants) {
			query := url + "/reconnect?narrow=yes"
			for _, used := range u.Used90 {
				query += "&keep=" + string(used)
			}
			row.Cells[6].Act = pages.ReportActView{Label: "Narrow this", URL: query}
		}
		each.Rows = append(each.Rows, row)
	}
	view := pages.ReportView{Checked: r.At, Charts: []ui.ChartView{chart, sensitivities(r)}, Sections: []pages.ReportSectionView{
		{ID: "over", Title: "Over all mailboxes", Lede: estimate, Table: over}, {ID: "each", Title: "Mailbox by mailbox", Table: each, Pages: l.pages(len(found.Grants), found.Next, "")}}}
	return p.report(c, "Least privilege", "Which rights were asked for, which were given, and which are used.", view)
}

func about(n int, estimated bool) string {
	if estimated {
		return "about " + ui.Number(n)
	}
	return ui.Number(n)
}

func (p *Portal) packList(c echo.Context) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	rows, err := p.Evidence.Packs(ctx, actor)
	if err != nil {
		return err
	}
	var ids []models.TenantID
	for _, r := range rows {
		if r.TenantID != nil {
			ids = append(ids, *r.TenantID)
		}
	}
	names, err := p.tenantNames(ctx, actor, ids)
	if err != nil {
		return err
	}
	table := &pages.ReportTableView{ID: "packs", Caption: "Evidence packs", Empty: "No pack was made yet.", Columns: []ui.Column{ui.Col("Pack"), ui.Col("State"), ui.Col("Made"), ui.Col("SHA-256"), ui.Num("Size"), ui.Col("")}}
	for _, r := range rows {
		what := "The whole installation"
		if r.TenantID != nil {
			what = names[*r.TenantID]
		}
		note := "addresses shown, for " + masked(actor, r.RequestedBy)
		if r.Masked {
			note = "addresses masked, for " + masked(actor, r.RequestedBy)
		}
		cells := []pages.CellView{{Text: what, Note: note}, {State: r.State}, {At: r.CreatedAt}, {}, {}, {}}
		switch r.State {
		case "ready":
			cells[3].Code, cells[4].Text = fmt.Sprintf("%x", r.Digest), ui.Number(int(r.Size))+"\u00a0B"
			cells[5].Act = pages.ReportActView{Label: "Download", URL: "/security/packs/" + r.ID.String() + ".zip", Icon: "download"}
		case "running", "waiting":
			cells[1].Note = fmt.Sprintf("%d of %d parts; reload to see", r.Step, r.Steps)
		default:
			cells[1].Note = r.Problem
		}
		table.Rows = append(table.Rows, pages.ReportRowView{Cells: cells})
	}
	sections := []pages.ReportSectionView{{ID: "packs", Title: "Packs", Lede: "A signed zip: JSON, CSV, and a page that prints.", Table: table}}
	if actor.May(models.WriteEvidence) {
		form := &pages.ReportFormView{Action: "/security/packs", Submit: "Make evidence pack"}
		if actor.Platform() {
			choices, err := p.tenantChoices(ctx, actor)
			if err != nil {
				return err
			}
			form.Selects = []pages.ReportSelectView{{Name: "tenant", Label: "About", Options: options(append([]choice{{"", "The whole installation"}}, choices...), "")}}
		}
		form.Selects = append(form.Selects, pages.ReportSelectView{Name: "masked", Label: "Mail addresses", Help: "Guests can download masked packs only.", Options: options([]choice{{"yes", "Masked: a…@example.com"}, {"no", "Shown whole"}}, "yes")})
		sections = append(sections, pages.ReportSectionView{ID: "make", Title: "A new pack", Form: form})
	}
	sections = append(sections, pages.ReportSectionView{ID: "check", Title: "Check a pack", Lede: "Without a network, on any machine. Exit 2 on any altered byte.", Code: "postern audit verify --key KEY PACK.zip\n\nThe key is published at " + p.Server.Origin() + "/.well-known/postern-audit-key"})
	return p.report(c, "Evidence packs", "Everything a reviewer asked for, to take home.", pages.ReportView{Sections: sections})
}

func (p *Portal) packMake(c echo.Context) error {
	var tenant models.TenantID
	if t := field(c, "tenant"); t != "" {
		var err error
		if tenant, err = models.ParseID[models.TenantID](t); err != nil {
			return errAbsent
		}
	}
	if _, err := p.Evidence.Request(c.Request().Context(), web.Actor(c), tenant, field(c, "masked") != "no"); err != nil {
		return err
	}
	if err := web.Flash(c, "info", "The pack is being made. You may leave this page."); err != nil {
		return err
	}
	return web.SeeOther(c, "/security/packs")
}

func (p *Portal) packDownload(c echo.Context) error {
	name, ok := strings.CutSuffix(c.Param("pack"), ".zip")
	id, err := models.ParseID[models.PackID](name)
	if !ok || err != nil {
		return errAbsent
	}
	pack, content, err := p.Evidence.Content(c.Request().Context(), web.Actor(c), id)
	if err != nil {
		return err
	}
	download(c, "postern-evidence-"+pack.CreatedAt.UTC().Format("2006-01-02")+"-"+id.String()[24:], false, "zip")
	return c.Blob(http.StatusOK, "application/zip", content)
}

// documentLimit is the most that an attached document may have, with room for the form around it.
const documentLimit = 2<<20 + 64<<10

func (p *Portal) documentAttach(c echo.Context) error {
	wrong := func(name, text string) error {
		return p.renderRequirement(c, unprocessable, []ui.ErrorView{{Field: name, Text: text}})
	}
	header, err := c.FormFile("file")
	if err != nil {
		return wrong("file", "Choose the document.")
	}
	file, err := header.Open()
	if err != nil {
		return err
	}
	content, err := io.ReadAll(io.LimitReader(file, documentLimit))
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	var ends time.Time
	if text := field(c, "ends"); text != "" {
		if ends, err = time.Parse("2006-01-02", text); err != nil {
			return wrong("ends", "Write the day as 2027-03-31.")
		}
	}
	err = p.Evidence.Attach(c.Request().Context(), web.Actor(c), c.Param("requirement"), field(c, "name"), ends, content)
	if faults, ok := formErrors(err, nil); ok {
		return p.renderRequirement(c, unprocessable, faults)
	}
	if err != nil {
		return err
	}
	return web.SeeOther(c, "/security/requirements/"+c.Param("requirement"))
}

func (p *Portal) documentShow(c echo.Context) error {
	id, err := web.ParamID[models.DocumentID](c, "document")
	if err != nil {
		return err
	}
	d, content, err := p.Evidence.Document(c.Request().Context(), web.Actor(c), id)
	if err != nil {
		return err
	}
	kind := "txt"
	if d.Kind == "application/pdf" {
		kind = "pdf"
	}
	download(c, "document-"+id.String()[24:], false, kind)
	return c.Blob(http.StatusOK, d.Kind, content)
}

func (p *Portal) documentRemove(c echo.Context) error {
	id, err := web.ParamID[models.DocumentID](c, "document")
	if err != nil {
		return err
	}
	requirement, err := p.Evidence.Remove(c.Request().Context(), web.Actor(c), id)
	if err != nil {
		return err
	}
	return web.SeeOther(c, "/security/requirements/"+requirement)
}

// sensitivities charts the mailboxes that can be reached by provider, and by the gravest class among their rights.
func sensitivities(r evidence.Rights) ui.ChartView {
	c := ui.ChartView{ID: "sensitivity", Title: "Mailboxes by provider and gravest right", Unit: "mailboxes", Series: []ui.SeriesView{{Label: "not sensitive", State: "valid"}, {Label: "sensitive", State: "pending"}, {Label: "restricted", State: "invalid"}, {Label: "no classes", State: "not_claimed"}}}
	if r.Share < 1 {
		c.Title += " (estimate)"
	}
	at := map[string]int{}
	for _, x := range r.Classes {
		i, ok := at[x.Provider]
		if !ok {
			i = len(c.Bars)
			at[x.Provider] = i
			c.Bars = append(c.Bars, ui.BarView{Label: providerName(x.Provider), Values: make([]int, len(c.Series))})
		}
		series := map[provider.Sensitivity]int{provider.NonSensitive: 0, provider.Sensitive: 1, provider.Restricted: 2, provider.Unclassified: 3}[x.Sensitivity]
		c.Bars[i].Values[series] += x.Count
	}
	return c
}
