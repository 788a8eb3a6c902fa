package portal

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/views/ui"
	"github.com/postern-mail/postern/web"
)

var outcomes = []choice{{string(provider.SeveredVerified), "Severed, verified"}, {string(provider.SeveredAtProvider), "Severed at provider"},
	{string(provider.DeletedHereOnly), "Deleted here only"}, {string(provider.UserActionNeeded), "Owner must act"}}

func actWord(act string) string {
	if act == "delete" {
		return "Deleted"
	}
	return "Revoked"
}

// receiptRows fills the rows of receipts. Their bodies are not read: the act stands in the audit and on the receipt itself.
func receiptRows(actor models.Actor, list []models.Receipt, names map[models.TenantID]string) []pages.ReceiptRow {
	var rows []pages.ReceiptRow
	for _, r := range list {
		row := pages.ReceiptRow{Address: masked(actor, r.Email), URL: "/receipts/" + r.ID.String(), Result: r.Outcome, Provider: providerName(r.Provider), Tenant: names[r.TenantID], At: r.CreatedAt}
		row.Act, row.By = bodyOf(r)
		if actor.May(models.ReadTenants) {
			row.TenantURL = "/tenants/" + r.TenantID.String()
		}
		rows = append(rows, row)
	}
	return rows
}

func readReceiptList(c echo.Context) list {
	return readList(c, "/receipts", "outcome", "tenant", "open")
}

func (p *Portal) receiptFilter(c echo.Context, l list) (grants.ReceiptFilter, error) {
	f := grants.ReceiptFilter{Outcome: l.get("outcome"), Search: l.get("q"), Cursor: l.get("cursor"), Limit: pageSize}
	if l.get("tenant") == "" {
		return f, nil
	}
	id, err := models.ParseID[models.TenantID](l.get("tenant"))
	if err != nil {
		return f, errAbsent.Because(err)
	}
	f.Tenant = id
	_, err = p.Tenants.Find(c.Request().Context(), web.Actor(c), id)
	return f, err
}

func (p *Portal) receiptList(c echo.Context) error {
	ctx, actor, l := c.Request().Context(), web.Actor(c), readReceiptList(c)
	f, err := p.receiptFilter(c, l)
	if err != nil {
		return err
	}
	view := pages.ReceiptListView{Filtered: l.filtered(), OneTenant: !actor.Tenant.IsZero()}
	next := ""
	if l.get("open") != "" {
		return web.SeeOther(c, "/receipts/live") // an address of before
	}
	if view.Rows, next, err = p.closedRows(ctx, actor, f); err != nil {
		return err
	}
	view.Export = ui.ExportView{CSV: l.export("/receipts/export.csv"), JSON: l.export("/receipts/export.json")}
	if view.Live, err = p.Grants.StillLive(ctx, actor); err != nil {
		return err
	}
	view.LiveURL = "/receipts/live"
	page, err := p.frame(c, "Receipts")
	if err != nil {
		return err
	}
	page.Lede = "What was cut, and what the provider answered."
	view.Filters = l.view("Search mailboxes", filter{"outcome", "Result", outcomes}, filter{"tenant", "Tenant", nil})
	view.Pages = l.pages(len(view.Rows), next, "")
	return web.Render(c, http.StatusOK, pages.ReceiptList(page, view))
}

func (p *Portal) closedRows(ctx context.Context, actor models.Actor, f grants.ReceiptFilter) ([]pages.ReceiptRow, string, error) {
	found, next, err := p.Grants.Receipts(ctx, actor, f)
	if err != nil {
		return nil, "", err
	}
	ids := make([]models.TenantID, len(found))
	for i, r := range found {
		ids[i] = r.TenantID
	}
	names, err := p.tenantNames(ctx, actor, ids)
	return receiptRows(actor, found, names), next, err
}

var receiptColumns = []string{"id", "grant_id", "tenant_id", "address", "provider", "act", "outcome", "by", "time"}

func (p *Portal) receiptExportCSV(c echo.Context) error { return p.receiptExport(c, sendCSV) }

func (p *Portal) receiptExportJSON(c echo.Context) error { return p.receiptExport(c, sendJSON) }

func (p *Portal) receiptExport(c echo.Context, send sender) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	f, err := p.receiptFilter(c, readReceiptList(c))
	if err != nil {
		return err
	}
	f.Limit, f.Cursor = 200, ""
	var rows [][]string
	for {
		found, next, err := p.Grants.Receipts(ctx, actor, f)
		if err != nil {
			return err
		}
		for _, r := range found {
			act, by := bodyOf(r)
			rows = append(rows, []string{r.ID.String(), r.GrantID.String(), r.TenantID.String(), masked(actor, r.Email), r.Provider, act, r.Outcome, by, stamp(&r.CreatedAt)})
		}
		if f.Cursor = next; next == "" || len(rows) >= mostExported {
			return send(c, "receipts", next != "", receiptColumns, rows)
		}
	}
}

func (p *Portal) receiptShow(c echo.Context) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	id, err := web.ParamID[models.ReceiptID](c, "receipt")
	if err != nil {
		return err
	}
	row, body, err := p.Grants.Receipt(ctx, actor, id)
	if err != nil {
		return err
	}
	return p.renderWritten(c, row, body)
}

// renderWritten shows a receipt with what has happened since: who confirmed the end, and how to check the paper.
func (p *Portal) renderWritten(c echo.Context, row models.Receipt, body grants.ReceiptBody) error {
	actor := web.Actor(c)
	view := receiptView(actor, row, body)
	cut, err := p.Grants.Severance(c.Request().Context(), actor, row.SeveranceID)
	if err != nil {
		return err
	}
	if cut.ConfirmedAt != nil {
		view.Confirmed = cut.ConfirmedBy + " wrote down on " + cut.ConfirmedAt.UTC().Format("2 January 2006 15:04 UTC") + " that the customer confirmed the end."
		if cut.ConfirmedNote != "" {
			view.Confirmed += " " + masked(actor, cut.ConfirmedNote)
		}
	} else if cut.Live() {
		view.LiveURL = "/receipts/live"
	}
	if p.AuditLog != nil && actor.Role != models.Reviewer { // the paper names the mailbox in full
		document, _ := grants.Document(row, body)
		if view.Digest, err = audit.Digest(document); err != nil {
			return err
		}
		view.JSONURL, view.SignedBy = "/receipts/"+row.ID.String()+"/signed.json", p.AuditLog.Key()
		view.Command = "postern audit verify --key '" + view.SignedBy + "' receipt-" + row.ID.String() + ".json"
	}
	return p.renderReceipt(c, view, row.TenantID, row.GrantID)
}

// receiptSigned gives the receipt as a signed file, with the proof that the audit log has it.
func (p *Portal) receiptSigned(c echo.Context) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	id, err := web.ParamID[models.ReceiptID](c, "receipt")
	if err != nil {
		return err
	}
	row, body, err := p.Grants.Receipt(ctx, actor, id)
	if err != nil {
		return err
	}
	if p.AuditLog == nil || actor.Role == models.Reviewer {
		return errAbsent
	}
	document, entry := grants.Document(row, body)
	text, err := p.AuditLog.Document(ctx, audit.ReceiptFormat, document, entry)
	if err != nil {
		return err
	}
	download(c, "receipt-"+row.ID.String(), false, "json")
	return c.Blob(http.StatusOK, "application/json", text)
}

// auditKey publishes the key with which anybody checks checkpoints, receipts and certificates.
func (p *Portal) auditKey(c echo.Context) error {
	if p.AuditLog == nil {
		return errAbsent
	}
	return c.String(http.StatusOK, p.AuditLog.Key()+"\n")
}

// receiptOfGrant shows the receipt of a grant's last severance; while that is under way, how far it got. The grant may be gone.
func (p *Portal) receiptOfGrant(c echo.Context) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	id, err := web.ParamID[models.GrantID](c, "grant")
	if err != nil {
		return err
	}
	cuts, _, err := p.Grants.Severances(ctx, actor, grants.ReceiptFilter{Grant: id, Limit: 1})
	if err != nil {
		return err
	}
	if len(cuts) == 0 {
		return errAbsent
	}
	written, _, err := p.Grants.Receipts(ctx, actor, grants.ReceiptFilter{Tenant: cuts[0].TenantID, Grant: id, Limit: 20})
	if err != nil {
		return err
	}
	for _, r := range written {
		if r.SeveranceID == cuts[0].ID {
			row, body, err := p.Grants.Receipt(ctx, actor, r.ID)
			if err != nil {
				return err
			}
			return p.renderWritten(c, row, body)
		}
	}
	return p.renderReceipt(c, runningView(actor, cuts[0]), cuts[0].TenantID, id)
}

func (p *Portal) renderReceipt(c echo.Context, view pages.ReceiptView, tenant models.TenantID, grant models.GrantID) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	t, err := p.Tenants.Find(ctx, actor, tenant)
	if err != nil {
		return err
	}
	view.Tenant, view.GrantID = t.Name, grant.String()
	if actor.May(models.ReadTenants) {
		view.TenantURL = "/tenants/" + tenant.String()
	}
	if _, err := p.Grants.Find(ctx, actor, grant); err == nil {
		view.GrantURL = "/grants/" + grant.String()
	} else if fault.KindOf(err) != fault.NotFound {
		return err
	}
	page, err := p.frame(c, "Receipt for "+view.Address)
	if err != nil {
		return err
	}
	page.Kind, page.Breadcrumbs = "Receipt", crumbs("Receipts", "/receipts")
	return web.Render(c, http.StatusOK, pages.Receipt(page, view))
}

func receiptView(actor models.Actor, r models.Receipt, b grants.ReceiptBody) pages.ReceiptView {
	address := masked(actor, r.Email)
	v := pages.ReceiptView{ID: r.ID.String(), Result: r.Outcome, Act: actWord(b.Act), Address: address, Provider: providerName(r.Provider), By: b.Actor, Reason: masked(actor, b.Reason), At: b.CutAt,
		LiveUntil: b.AccessUntil, Sentence: resultSentence(r.Outcome, providerName(r.Provider), address)}
	destroyed := ui.StepView{Title: "Our copy of the credential was destroyed", Detail: ui.Count(b.FieldsDestroyed, "sealed value", "sealed values"), State: "done", At: b.DestroyedAt}
	v.Steps = []ui.StepView{{Title: "Access was cut", Detail: "Every token is dead, and the API refuses the grant.", State: "done", At: b.CutAt}}
	switch provider.Outcome(r.Outcome) {
	case provider.SeveredVerified:
		v.Steps = append(v.Steps, ui.StepView{Title: providerName(r.Provider) + " was told and confirmed", Detail: masked(actor, b.Answer), State: "done", At: r.CreatedAt},
			ui.StepView{Title: "The old refresh token was tried again and refused", Detail: b.Probe, State: "done", At: r.CreatedAt}, destroyed)
	case provider.SeveredAtProvider:
		v.Steps = append(v.Steps, ui.StepView{Title: providerName(r.Provider) + " was told and confirmed", Detail: masked(actor, b.Answer), State: "done", At: r.CreatedAt}, destroyed)
	case provider.DeletedHereOnly:
		title := providerName(r.Provider) + " has not confirmed"
		if b.Reach == string(models.ReachHere) {
			title = providerName(r.Provider) + " was not told: this organisation only"
		}
		v.Steps = append(v.Steps, ui.StepView{Title: title, Detail: masked(actor, b.Answer), State: "failed", At: r.CreatedAt}, destroyed)
	default:
		rest := ui.StepView{Title: "The rest is for the mailbox's owner", Detail: "Only they, or their administrator, can end it.", State: "needed"}
		if b.Delegated {
			rest.Title, rest.Detail = "The rest is for the organisation's administrator", "No person consented to it: only they can end their trust in the service account."
		}
		v.Steps = append(v.Steps, destroyed, rest)
	}
	if provider.Outcome(r.Outcome) == provider.UserActionNeeded || provider.Outcome(r.Outcome) == provider.DeletedHereOnly {
		for _, text := range provider.SeveranceOf(r.Provider, provider.SeveranceFacts{Address: address, HereOnly: b.Reach == string(models.ReachHere), Delegated: b.Delegated}).OwnerOnly {
			v.Owner = append(v.Owner, ui.OwnerActView{Text: text})
		}
	}
	if b.Attempts > 0 {
		v.Facts = append(v.Facts, ui.FactView{Label: "Times the provider was asked", Text: strconv.Itoa(b.Attempts)})
	}
	if b.Status != 0 {
		v.Facts = append(v.Facts, ui.FactView{Label: "The provider's HTTP status", Text: strconv.Itoa(b.Status)})
	}
	if len(b.Sentences) > 0 {
		v.Facts = append(v.Facts, ui.FactView{Label: "In words", Text: masked(actor, strings.Join(b.Sentences, " "))})
	}
	return v
}

func resultSentence(outcome, providerName, address string) string {
	switch provider.Outcome(outcome) {
	case provider.SeveredVerified:
		return providerName + " confirmed that " + address + " is cut off, and a trial with the old token was refused."
	case provider.SeveredAtProvider:
		return providerName + " confirmed that " + address + " is cut off."
	case provider.DeletedHereOnly:
		return address + " is cut off here and our copy is destroyed. " + providerName + " has not confirmed."
	default:
		return address + " is cut off here and our copy is destroyed. Only the mailbox's owner can end the rest."
	}
}

// runningView is the receipt of work that is not done: what has happened, and what is waited for.
func runningView(actor models.Actor, v models.Severance) pages.ReceiptView {
	address := masked(actor, v.Email)
	out := pages.ReceiptView{ID: v.ID.String(), Result: "severing", Act: actWord(v.Act), Address: address, Provider: providerName(v.Provider), By: v.Actor, Reason: masked(actor, v.Reason), At: v.CutAt, Running: true,
		Sentence: address + " is cut off here. " + providerName(v.Provider) + " is being told.",
		Steps:    []ui.StepView{{Title: "Access was cut", Detail: "Every token is dead, and the API refuses the grant.", State: "done", At: v.CutAt}}}
	step := ui.StepView{Title: providerName(v.Provider) + " is told, then our copy is destroyed", State: "running"}
	if v.Attempts > 0 {
		step.Detail = ui.Count(v.Attempts, "attempt", "attempts") + " so far. The last answer: " + masked(actor, v.LastAnswer)
		step.State = "waiting"
		if v.NextTryAt != nil {
			step.Detail += " The next attempt is at " + v.NextTryAt.UTC().Format(time.TimeOnly) + " UTC."
		}
	}
	out.Steps = append(out.Steps, step)
	return out
}

// bodyOf reads act and actor of a receipt. A body that does not parse leaves them empty: the receipt's own page reports it.
func bodyOf(r models.Receipt) (act, by string) {
	var b grants.ReceiptBody
	if err := json.Unmarshal(r.Body, &b); err != nil {
		return "", ""
	}
	return actWord(b.Act), b.Actor
}
