package portal

import (
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/views/ui"
	"github.com/postern-mail/postern/web"
)

// togetherAct is one of the two ways to end many grants by one act.
type togetherAct struct {
	act   string
	verb  string
	stays string
}

var (
	revokeTogether = togetherAct{"revoke", "Revoke", "The records of the grants and their ids. A reconnect by its owner revives one."}
	deleteTogether = togetherAct{"delete", "Delete", "The receipts and the audit entries."}
)

// verbFor is the word for a person: a customer disconnects.
func (t togetherAct) verbFor(a models.Actor) string {
	if a.Role == models.Customer && t.act == revokeTogether.act {
		return "Disconnect"
	}
	return t.verb
}

func (p *Portal) batchRevokeConfirm(c echo.Context) error {
	return p.batchConfirm(c, revokeTogether)
}
func (p *Portal) batchDeleteConfirm(c echo.Context) error {
	return p.batchConfirm(c, deleteTogether)
}
func (p *Portal) batchRevoke(c echo.Context) error { return p.batchBegin(c, revokeTogether) }
func (p *Portal) batchDelete(c echo.Context) error { return p.batchBegin(c, deleteTogether) }

// pick offers to choose rows of the grants' list. total is how many match, in words; more: there are other pages.
func (p *Portal) pick(actor models.Actor, l list, total string, more bool) pages.PickView {
	if actor.Kind != models.ActorMember {
		return pages.PickView{}
	}
	v := pages.PickView{}
	if actor.May(models.RevokeGrants) {
		v.RevokeURL = "/grants/revoke-many"
	}
	if actor.May(models.DeleteGrants) {
		v.DeleteURL = "/grants/delete-many"
	}
	for _, name := range l.filters {
		if l.get(name) != "" {
			v.Filters = append(v.Filters, ui.FactView{Label: name, Text: l.get(name)})
		}
	}
	if more {
		v.All = "All that match, on the other pages too"
		if total != "" {
			v.All = "All " + total + " that match, on the other pages too"
		}
	}
	return v
}

// selection reads what was chosen from the address, which is the same for the confirmation and for the act. ok is false where nothing was.
func (p *Portal) selection(c echo.Context) (sel grants.Selection, l list, ok bool, err error) {
	l = readGrantList(c)
	if c.QueryParam("all") == "1" {
		sel.Filter, _, err = p.grantFilter(c, l)
		return sel, l, true, err
	}
	for _, text := range c.QueryParams()["grant"] {
		id, err := models.ParseID[models.GrantID](text)
		if err != nil {
			return sel, l, false, errAbsent.Because(err)
		}
		sel.IDs = append(sel.IDs, id)
	}
	return sel, l, len(sel.IDs) > 0 && len(sel.IDs) <= pageSize, nil
}

func (p *Portal) batchConfirm(c echo.Context, t togetherAct) error {
	return p.renderBatch(c, http.StatusOK, t, pages.BatchConfirmView{Batch: models.NewID[models.BatchID](p.Now()).String()})
}

func (p *Portal) renderBatch(c echo.Context, status int, t togetherAct, view pages.BatchConfirmView) error {
	actor := web.Actor(c)
	sel, l, ok, err := p.selection(c)
	if err != nil {
		return err
	}
	if !ok {
		return done(c, l.url("cursor", ""), "warn", "Choose the mailboxes first, up to a page of them, or all that match.")
	}
	chosen, err := p.Grants.Choose(c.Request().Context(), actor, t.act, sel)
	if err != nil {
		return err
	}
	if len(chosen.Grants) == 0 {
		return done(c, l.url("cursor", ""), "warn", "None of these mailboxes has an access left that this could end. "+keptWords(chosen))
	}
	verb := t.verbFor(actor)
	view.Button = verb + " " + ui.Count(len(chosen.Grants), "mailbox", "mailboxes")
	view.Tenants, view.Digest, view.Action, view.CancelURL = chosen.Tenants(), chosen.Digest, c.Request().URL.RequestURI(), l.url("cursor", "")
	view.Stays = []string{t.stays}
	if text := keptWords(chosen); text != "" {
		view.Kept = []string{text}
	}
	for i, g := range chosen.Grants {
		if i == pageSize {
			view.More = len(chosen.Grants) - pageSize
			break
		}
		view.Addresses = append(view.Addresses, masked(actor, g.Email))
	}
	shared := ""
	for _, n := range chosen.Providers() {
		ends := endsOf(provider.SeveranceOf(n.Provider, provider.SeveranceFacts{Address: "these mailboxes"}))
		if t.act == deleteTogether.act {
			ends.Now = append(ends.Now, "The grants themselves. The next consent makes new ones, with new ids.")
		}
		view.Providers = append(view.Providers, pages.BatchProviderView{Provider: providerName(n.Provider), Count: n.Count, Ends: ends})
		if provider.OnePermission(n.Provider) && shared == "" {
			shared = n.Provider
		}
	}
	if shared != "" {
		view.Reaches, view.ReachLabel = marked(reachesOf(shared), field(c, "reach")), "How far it goes at "+providerName(shared)+", and wherever a provider keeps one permission for a person and an app"
	}
	page, err := p.frame(c, view.Button+"?")
	if err != nil {
		return err
	}
	page.Breadcrumbs = crumbs("Grants", "/grants")
	return web.Render(c, status, pages.BatchConfirm(page, view))
}

// keptWords says what a selection holds that the act leaves alone.
func keptWords(c grants.Chosen) string {
	text := ""
	if c.Already > 0 {
		text = ui.Count(c.Already, "of the chosen was revoked before and stays as it is.", "of the chosen were revoked before and stay as they are.")
	}
	if c.Offboarding > 0 {
		if text != "" {
			text += " "
		}
		text += ui.Count(c.Offboarding, "ends with its organisation, which is being offboarded.", "end with their organisation, which is being offboarded.")
	}
	return text
}

func (p *Portal) batchBegin(c echo.Context, t togetherAct) error {
	view := pages.BatchConfirmView{Batch: field(c, "batch")}
	id, err := models.ParseID[models.BatchID](view.Batch)
	if err != nil {
		return p.batchConfirm(c, t) // a form that was not ours: it is shown anew
	}
	sel, _, ok, err := p.selection(c)
	if err != nil {
		return err
	}
	e, faults := endingOf(c)
	view.Reason, view.Errors = e.Reason, faults
	if !ok || faults != nil {
		return p.renderBatch(c, unprocessable, t, view)
	}
	b, err := p.Grants.EndTogether(c.Request().Context(), web.Actor(c), grants.Together{ID: id, Act: t.act, Selection: sel, Digest: field(c, "digest"), Ending: e})
	if errors.Is(err, grants.ErrSelectionMoved) || errors.Is(err, grants.ErrNothingChosen) {
		view.Errors, _ = formErrors(err, map[string]string{"digest": "", "grant": ""})
		return p.renderBatch(c, http.StatusConflict, t, view)
	}
	if err != nil {
		return err
	}
	return done(c, "/batches/"+b.ID.String(), "good", "Begun. Each mailbox is cut, and its receipt follows.")
}

// batchTitle says what a batch does.
func batchTitle(b models.Batch) string {
	verb := revokeTogether.verb
	if b.Act == deleteTogether.act {
		verb = deleteTogether.verb
	}
	return verb + " " + ui.Count(b.Total, "mailbox", "mailboxes")
}

func (p *Portal) batchList(c echo.Context) error {
	actor, l := web.Actor(c), readList(c, "/batches")
	found, next, err := p.Grants.Batches(c.Request().Context(), actor, l.get("cursor"), pageSize)
	if err != nil {
		return err
	}
	page, err := p.frame(c, "Ended together")
	if err != nil {
		return err
	}
	page.Breadcrumbs, page.Lede = crumbs("Grants", "/grants"), "Mailboxes that one person ended by one act."
	view := pages.BatchListView{Pages: l.pages(len(found), next, ""), GrantsURL: "/grants"}
	for _, b := range found {
		row := pages.BatchRow{Title: batchTitle(b), URL: "/batches/" + b.ID.String(), State: "running", Reason: masked(actor, b.Reason), By: b.RequestedBy, At: b.RequestedAt}
		if b.EndedAt != nil {
			row.State = "done"
		}
		view.Rows = append(view.Rows, row)
	}
	return web.Render(c, http.StatusOK, pages.BatchList(page, view))
}

// batchesURL leads from the grants to what was ended together.
func batchesURL(a models.Actor) string {
	if a.May(models.ReadReceipts) && a.Kind == models.ActorMember {
		return "/batches"
	}
	return ""
}
