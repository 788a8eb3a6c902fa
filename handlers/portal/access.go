package portal

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/ledger"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/views/ui"
	"github.com/postern-mail/postern/web"
)

// accessesPath is the access ledger.
const accessesPath = "/grants/accesses"

// operationWords say what a program did, by the ledger's name of it.
var operationWords = map[string]string{
	"messages.list": "Listed messages", "messages.read": "Read a message", "messages.update": "Marked or moved a message", "messages.delete": "Deleted a message", "messages.send": "Sent mail",
	"messages.clean": "Read messages, cleaned", "threads.list": "Listed threads", "threads.read": "Read a thread", "threads.update": "Marked or moved a thread", "threads.delete": "Deleted a thread",
	"folders.list": "Listed folders", "folders.read": "Read a folder's name", "folders.create": "Made a folder", "folders.update": "Renamed a folder", "folders.delete": "Deleted a folder",
	"drafts.list": "Listed drafts", "drafts.read": "Read a draft", "drafts.create": "Wrote a draft", "drafts.update": "Changed a draft", "drafts.delete": "Deleted a draft", "drafts.send": "Sent a draft",
	"attachments.read": "Read an attachment's name", "attachments.download": "Downloaded an attachment", "aliases.read": "Read the mailbox's other addresses", "schedules.list": "Listed scheduled mail", "schedules.read": "Read of scheduled mail", "schedules.delete": "Cancelled scheduled mail",
}

func operationWord(code string) string {
	if w, ok := operationWords[code]; ok {
		return w
	}
	return code
}

func operationChoices() []choice {
	var out []choice
	for code, word := range operationWords {
		out = append(out, choice{code, word})
	}
	slices.SortFunc(out, func(a, b choice) int { return strings.Compare(a.value, b.value) })
	return out
}

func readAccessList(c echo.Context) list {
	return readList(c, accessesPath, "operation", "outcome", "since", "grant", "tenant", "actor")
}

func (p *Portal) accessFilter(l list) (ledger.Filter, error) {
	f := ledger.Filter{Actor: l.get("actor"), Operation: l.get("operation"), Refused: l.get("outcome") == "refused", Cursor: l.get("cursor"), Since: p.since(l), Limit: pageSize}
	var err error
	if id := l.get("grant"); id != "" {
		if f.Grant, err = models.ParseID[models.GrantID](id); err != nil {
			return f, errAbsent.Because(err)
		}
	}
	if id := l.get("tenant"); id != "" {
		if f.Tenant, err = models.ParseID[models.TenantID](id); err != nil {
			return f, errAbsent.Because(err)
		}
	}
	return f, nil
}

func (p *Portal) accessList(c echo.Context) error {
	ctx, actor, l := c.Request().Context(), web.Actor(c), readAccessList(c)
	f, err := p.accessFilter(l)
	if err != nil {
		return err
	}
	found, err := p.Ledger.List(ctx, actor, f)
	if err != nil {
		return err
	}
	view := pages.AccessListView{Pages: l.pages(len(found.Accesses), found.Next, ""), Filtered: l.filtered(),
		Export: ui.ExportView{CSV: l.export(accessesPath + "/export.csv"), JSON: l.export(accessesPath + "/export.json")},
		Filters: l.view("", filter{"operation", "Did", operationChoices()}, filter{"outcome", "Outcome", []choice{{"refused", "Refused"}}}, filter{"since", "Time", spans},
			filter{"grant", "Mailbox", nil}, filter{"tenant", "Tenant", nil}, filter{"actor", "Key or token", nil})}
	for _, a := range found.Accesses {
		row := pages.AccessRow{At: a.At, Who: masked(actor, a.Actor), WhoURL: l.url("actor", a.ActorID, "cursor", "", "trail", "", "from", ""), Mailbox: "a mailbox that was deleted",
			Act: operationWord(a.Operation), Operation: a.Operation, State: "done", From: a.Address}
		if a.Email != "" {
			row.Mailbox, row.MailboxURL = masked(actor, a.Email), "/grants/"+a.GrantID.String()
		}
		if a.Outcome != "ok" {
			row.State, row.Outcome = "refused", a.Outcome
		}
		view.Rows = append(view.Rows, row)
	}
	page, err := p.frame(c, "Who reached which mailbox")
	if err != nil {
		return err
	}
	page.Kind, page.Lede, page.Breadcrumbs = "Access ledger", "Every call to a mailbox through the API, the newest first. What was read is not kept.", crumbs("Grants", "/grants")
	if actor.Role == models.Customer {
		page.Breadcrumbs = crumbs("Mailboxes", "/")
	}
	return web.Render(c, http.StatusOK, pages.AccessList(page, view))
}

func (p *Portal) accessExportCSV(c echo.Context) error { return p.accessExport(c, sendCSV) }

func (p *Portal) accessExportJSON(c echo.Context) error { return p.accessExport(c, sendJSON) }

func (p *Portal) accessExport(c echo.Context, send sender) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	f, err := p.accessFilter(readAccessList(c))
	if err != nil {
		return err
	}
	f.Cursor, f.Limit = "", 500
	var rows [][]string
	for {
		found, err := p.Ledger.List(ctx, actor, f)
		if err != nil {
			return err
		}
		for _, a := range found.Accesses {
			a.Email, a.Actor = masked(actor, a.Email), masked(actor, a.Actor)
			rows = append(rows, ledger.Record(a))
		}
		if f.Cursor = found.Next; f.Cursor == "" || len(rows) >= mostExported {
			return send(c, "accesses", f.Cursor != "", ledger.Header(), rows)
		}
	}
}

// accessorsOf sums up who reached a mailbox: a line for each key or token, the latest first.
func (p *Portal) accessorsOf(ctx context.Context, actor models.Actor, g models.Grant) ([]pages.AccessorRow, error) {
	who, err := p.Ledger.Who(ctx, actor, g)
	if err != nil {
		return nil, err
	}
	var rows []pages.AccessorRow
	at := map[string]int{}
	for _, w := range who {
		i, ok := at[w.ActorID]
		if !ok {
			i = len(rows)
			at[w.ActorID] = i
			row := pages.AccessorRow{Who: "Access tokens of this mailbox", Kind: "issued to programs by its owner's consent", Last: w.LastAt}
			if w.ActorKind == models.ActorKey {
				row.Who, row.Kind, row.URL = masked(actor, w.Actor), "API key", address(accessesPath, nil, "actor", w.ActorID, "grant", g.ID.String())
			}
			rows = append(rows, row)
		}
		rows[i].Acts = append(rows[i].Acts, lowerFirst(operationWord(w.Operation)))
		rows[i].Count += w.Count
	}
	return rows, nil
}

func lowerFirst(text string) string {
	if text == "" {
		return text
	}
	return strings.ToLower(text[:1]) + text[1:]
}
