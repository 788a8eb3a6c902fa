package portal

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/views/ui"
	"github.com/postern-mail/postern/web"
)

func readAuditList(c echo.Context) list {
	return readList(c, "/audit", "action", "outcome", "tenant", "object", "since")
}

func (p *Portal) auditFilter(l list) (audit.Filter, error) {
	f := audit.Filter{Actor: l.get("q"), Action: l.get("action"), Outcome: l.get("outcome"), ObjectID: l.get("object"), Since: p.since(l), Cursor: l.get("cursor"), Limit: pageSize}
	if id := l.get("tenant"); id != "" {
		tenant, err := models.ParseID[models.TenantID](id)
		if err != nil {
			return f, errAbsent.Because(err)
		}
		f.Tenant = tenant
	}
	return f, nil
}

// actions are the audit actions that a filter offers.
func actions() []choice {
	var out []choice
	for action := range acts {
		out = append(out, choice{action, action})
	}
	slices.SortFunc(out, func(a, b choice) int { return strings.Compare(a.value, b.value) })
	return out
}

var auditOutcomes = []choice{{models.OutcomeDone, "Done"}, {models.OutcomeRefused, "Refused"}, {models.OutcomeFailed, "Failed"}}

// proof says where the log of the entries stands. Its state is the platform's: a customer is shown none.
func (p *Portal) proof(ctx context.Context, actor models.Actor, now time.Time) (pages.ProofView, error) {
	if p.AuditLog == nil || !actor.Platform() {
		return pages.ProofView{}, nil
	}
	s, err := p.AuditLog.Standing(ctx)
	if err != nil {
		return pages.ProofView{}, err
	}
	v := pages.ProofView{State: "met", Checked: now, Text: fmt.Sprintf("%d entries are in the signed log, %d wait to be. The last signature holds. Check every entry yourself: postern audit export, then postern audit verify.", s.Checkpoint.Size, s.Waiting)}
	v.Note, v.Key = s.Checkpoint.Note, s.Key
	told, err := p.AuditLog.Witnesses(ctx)
	if err != nil {
		return v, err
	}
	v.Alone = len(told) == 0
	for _, w := range told {
		v.Witnesses = append(v.Witnesses, pages.WitnessView{Name: w.Shown, Size: w.Size, At: timeOf(w.PublishedAt), Problem: w.Problem})
	}
	switch {
	case s.Checkpoint.Size == 0:
		v.State, v.Text = "not_claimed", "Nothing has been signed yet. Entries are signed within a second while a Postern runs."
	case !s.Holds:
		v.State, v.Text = "not_met", "The last signature does not match the stored log. Somebody changed it past Postern: export it now, and compare with a checkpoint that you kept."
	}
	return v, nil
}

// inclusion proves that an entry is in the log: the caller has found it for its reader.
func (p *Portal) inclusion(ctx context.Context, id models.AuditID) (pages.ProofView, error) {
	if p.AuditLog == nil {
		return pages.ProofView{}, nil
	}
	i, size, err := p.AuditLog.Inclusion(ctx, id)
	if fault.KindOf(err) == fault.Unavailable {
		return pages.ProofView{State: "not_claimed", Text: "The log does not have this entry yet. It takes a second while a Postern runs."}, nil
	}
	var broken *audit.Broken
	if errors.As(err, &broken) {
		return pages.ProofView{State: "not_met", Text: "The signed log has another entry here than the database: somebody changed it past Postern. Export the log now, and compare it with a checkpoint that you kept."}, nil
	}
	if err != nil {
		return pages.ProofView{}, err
	}
	v := pages.ProofView{State: "met", Text: fmt.Sprintf("This entry is leaf %d of the signed log, which held %d entries at its newest checkpoint.", i.Index, size), Note: i.Checkpoint, Key: p.AuditLog.Key(), Index: i.Index, Size: size, Leaf: i.Leaf}
	for _, h := range i.Path {
		v.Path = append(v.Path, h.String())
	}
	return v, nil
}

func (p *Portal) auditList(c echo.Context) error {
	ctx, actor, l := c.Request().Context(), web.Actor(c), readAuditList(c)
	f, err := p.auditFilter(l)
	if err != nil {
		return err
	}
	found, err := p.Audit.Read(ctx, actor, f)
	if err != nil {
		return err
	}
	ids := []models.TenantID{}
	for _, e := range found.Entries {
		if e.TenantID != nil {
			ids = append(ids, *e.TenantID)
		}
	}
	names, err := p.tenantNames(ctx, actor, ids)
	if err != nil {
		return err
	}
	title := "Audit"
	if actor.Role == models.Customer {
		title = "Activity"
	}
	page, err := p.frame(c, title)
	if err != nil {
		return err
	}
	page.Lede = "Who did what to what, with what outcome. Entries are never changed."
	view := pages.AuditListView{Rows: auditRows(actor, found.Entries, names), Filtered: l.filtered(),
		Export: ui.ExportView{CSV: l.export("/audit/export.csv"), JSON: l.export("/audit/export.json")},
		Filters: l.view("Who did it", filter{"action", "Act", actions()}, filter{"outcome", "Outcome", auditOutcomes}, filter{"since", "Time", spans},
			filter{"object", "Object", nil}, filter{"tenant", "Tenant", nil})}
	if view.Proof, err = p.proof(ctx, actor, page.Now); err != nil {
		return err
	}
	// The audit pages both ways by itself.
	if n := len(found.Entries); n > 0 {
		view.Pages = ui.PagesView{From: 1, To: n}
		if l.get("cursor") != "" {
			view.Pages.From, view.Pages.To = 0, 0
		}
	}
	if found.Next != "" {
		view.Pages.Next = l.url("cursor", found.Next)
	}
	if found.Prev != "" {
		view.Pages.Prev = l.url("cursor", found.Prev)
	}
	return web.Render(c, http.StatusOK, pages.AuditList(page, view))
}

// auditRows fills the lines of the audit. names may be nil where all entries are of one tenant.
func auditRows(actor models.Actor, list []models.AuditEntry, names map[models.TenantID]string) []pages.AuditRow {
	var rows []pages.AuditRow
	for _, e := range list {
		rows = append(rows, auditRow(actor, e, names))
	}
	return rows
}

func auditRow(actor models.Actor, e models.AuditEntry, names map[models.TenantID]string) pages.AuditRow {
	row := pages.AuditRow{ID: e.ID.String(), URL: "/audit/" + e.ID.String(), At: e.At, Actor: masked(actor, e.Actor), Act: actWords(e.Action), Action: e.Action, Object: masked(actor, e.Object),
		ObjectURL: objectURL(actor, e), Outcome: e.Outcome, Detail: masked(actor, detailWords(forPeople(e.Detail)))}
	if !actor.May(models.ReadAudit) {
		row.URL = ""
	}
	if e.ObjectKind == "member" && e.ObjectID == e.ActorID {
		row.Object, row.ObjectURL = "", "" // "Ada signed in", not "Ada signed in Ada"
	}
	if e.Outcome == models.OutcomeRefused {
		row.Outcome = "denied"
	}
	if e.Address != "" {
		row.ActorNote = "from " + e.Address
	}
	if e.TenantID != nil {
		row.Tenant = names[*e.TenantID]
	}
	return row
}

// objectURL leads to the thing an entry is about, where the actor may open its page.
func objectURL(actor models.Actor, e models.AuditEntry) string {
	for _, k := range []struct {
		kind, path string
		permission models.Permission
	}{
		{"grant", "/grants/", models.ReadGrants}, {"tenant", "/tenants/", models.ReadTenants}, {"webhook", "/webhooks/", models.ReadWebhooks},
		{"application", "/applications/", models.ReadApps}, {"member", "/members/", models.ManageMembers},
	} {
		if e.ObjectKind == k.kind && e.ObjectID != "" && actor.May(k.permission) && !strings.HasSuffix(e.Action, ".delete") {
			return k.path + e.ObjectID
		}
	}
	if e.ObjectKind == "batch" && actor.May(models.ReadReceipts) {
		return "/batches/" + e.ObjectID
	}
	if e.Action == "grant.delete" && actor.May(models.ReadReceipts) {
		return "/grants/" + e.ObjectID + "/receipt"
	}
	return ""
}

// forPeople leaves out what only a program compares; an entry's own page and the exports have it.
func forPeople(s models.Settings) models.Settings {
	s = maps.Clone(s)
	delete(s, "digest")
	delete(s, "receipt")
	return s
}

func detailWords(s models.Settings) string {
	var parts []string
	for _, f := range factsOf(s) {
		if f.Text != "" {
			parts = append(parts, strings.ReplaceAll(f.Label, "_", " ")+": "+f.Text)
		}
	}
	return strings.Join(parts, ", ")
}

func (p *Portal) auditShow(c echo.Context) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	id, err := web.ParamID[models.AuditID](c, "entry")
	if err != nil {
		return err
	}
	e, err := p.Audit.Open(ctx, actor, id)
	if err != nil {
		return err
	}
	names := map[models.TenantID]string{}
	if e.TenantID != nil {
		if names, err = p.tenantNames(ctx, actor, []models.TenantID{*e.TenantID}); err != nil {
			return err
		}
	}
	row := auditRow(actor, e, names)
	view := pages.AuditShowView{Row: row, Facts: []ui.FactView{{Label: "Object", Text: strings.ReplaceAll(e.ObjectKind, "_", " ") + " " + e.ObjectID, Mono: true},
		{Label: "Actor", Text: string(e.ActorKind) + " " + e.ActorID, Mono: true}}}
	for _, f := range factsOf(e.Detail) {
		if f.Text == "" {
			continue
		}
		f.Label, f.Text, f.Mono = strings.ReplaceAll(f.Label, "_", " "), masked(actor, f.Text), false
		view.After = append(view.After, f)
	}
	if e.Address != "" {
		view.Facts = append(view.Facts, ui.FactView{Label: "Address", Text: e.Address, Mono: true})
	}
	if e.RequestID != "" {
		view.Facts = append(view.Facts, ui.FactView{Label: "Request", Text: e.RequestID, Mono: true})
	}
	if view.Proof, err = p.inclusion(ctx, e.ID); err != nil {
		return err
	}
	page, err := p.frame(c, row.Actor+" "+row.Act+" "+row.Object)
	if err != nil {
		return err
	}
	page.Kind, page.Breadcrumbs = "Audit entry", crumbs("Audit", "/audit")
	return web.Render(c, http.StatusOK, pages.AuditShow(page, view))
}

var auditColumns = []string{"id", "time", "actor_kind", "actor_id", "actor", "action", "object_kind", "object_id", "object", "outcome", "detail", "tenant_id", "address", "request_id"}

func (p *Portal) auditExportCSV(c echo.Context) error { return p.auditExport(c, "csv", sendCSV) }

func (p *Portal) auditExportJSON(c echo.Context) error { return p.auditExport(c, "json", sendJSON) }

func (p *Portal) auditExport(c echo.Context, format string, send sender) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	f, err := p.auditFilter(readAuditList(c))
	if err != nil {
		return err
	}
	f.Limit, f.Cursor = 200, ""
	if err := p.Audit.NoteExport(ctx, actor, f, format); err != nil {
		return err
	}
	var rows [][]string
	for {
		found, err := p.Audit.List(ctx, actor, f)
		if err != nil {
			return err
		}
		for _, e := range found.Entries {
			tenant := ""
			if e.TenantID != nil {
				tenant = e.TenantID.String()
			}
			rows = append(rows, []string{e.ID.String(), stamp(&e.At), string(e.ActorKind), e.ActorID, masked(actor, e.Actor), e.Action, e.ObjectKind, e.ObjectID, masked(actor, e.Object), e.Outcome,
				masked(actor, detailWords(e.Detail)), tenant, e.Address, e.RequestID})
		}
		if f.Cursor = found.Next; f.Cursor == "" || len(rows) >= mostExported {
			return send(c, "audit", f.Cursor != "", auditColumns, rows)
		}
	}
}
