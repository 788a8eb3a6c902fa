package portal

import (
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/views/ui"
	"github.com/postern-mail/postern/web"
)

func (p *Portal) batch(c echo.Context, after, most int) (grants.BatchStanding, error) {
	id, err := web.ParamID[models.BatchID](c, "batch")
	if err != nil {
		return grants.BatchStanding{}, err
	}
	return p.Grants.FindBatch(c.Request().Context(), web.Actor(c), id, after, most)
}

func (p *Portal) batchShow(c echo.Context) error {
	l := readList(c, c.Request().URL.Path)
	after, err := strconv.Atoi(l.get("cursor"))
	if err != nil || after < 0 || l.get("cursor") == "" {
		after = 0
	}
	b, err := p.batch(c, after, pageSize)
	if err != nil {
		return err
	}
	actor, url := web.Actor(c), "/batches/"+b.ID.String()
	page, err := p.frame(c, batchTitle(b.Batch))
	if err != nil {
		return err
	}
	page.Breadcrumbs = crumbs("Grants", "/grants", "Ended together", "/batches")
	next := ""
	if b.Next > 0 {
		next = strconv.Itoa(b.Next)
	}
	view := pages.BatchShowView{Sentence: batchSentence(b), State: "running", Progress: batchProgress(b), Live: batchRuns(b), LiveURL: url + "/progress", LiveState: batchState(b), Results: batchResults(b), Failed: b.Failed(),
		Reason: masked(actor, b.Reason), By: b.RequestedBy, At: b.RequestedAt, ID: b.ID.String(), Pages: l.pages(len(b.Lines), next, ui.Number(b.Total))}
	if !view.Live {
		view.State = "done"
	}
	if b.Open()+b.Severed(string(provider.DeletedHereOnly))+b.Severed(string(provider.UserActionNeeded)) > 0 {
		view.StillLiveURL = "/receipts/live"
	}
	if actor.May(models.ReadAudit) {
		view.AuditURL = "/audit?object=" + b.ID.String()
	}
	for _, line := range b.Lines {
		view.Lines = append(view.Lines, batchLine(actor, b, line))
	}
	return web.Render(c, http.StatusOK, pages.BatchShow(page, view))
}

func (p *Portal) batchProgress(c echo.Context) error {
	return p.stream(c, func() (news, bool, error) {
		b, err := p.batch(c, 0, 0)
		if err != nil {
			return news{}, false, err
		}
		return newsOf(batchState(b), batchProgress(b)), batchRuns(b), nil
	})
}

// batchRuns says whether something of it is still under way, here or at a provider.
func batchRuns(b grants.BatchStanding) bool { return b.EndedAt == nil || b.Open() > 0 }

// batchState is another text whenever the page has to be drawn anew.
func batchState(b grants.BatchStanding) string {
	switch {
	case b.EndedAt == nil && b.Failed() > 0:
		return "failing"
	case b.EndedAt == nil:
		return "running"
	case b.Open() > 0:
		return "at providers"
	default:
		return "done"
	}
}

func batchProgress(b grants.BatchStanding) []ui.ProgressView {
	done, cut := b.Done(), b.Cut()
	return []ui.ProgressView{{Name: "cut", Label: "Cut here", Done: done, Total: b.Total}, {Name: "providers", Label: "Settled at providers", Done: cut - b.Open(), Total: b.Total - (done - cut)}}
}

func batchSentence(b grants.BatchStanding) string {
	switch {
	case b.EndedAt == nil:
		return ui.Number(b.Done()) + " of " + ui.Count(b.Total, "mailbox is", "mailboxes are") + " cut so far. It goes on without this page."
	case b.Open() > 0:
		return "Nobody reaches these mailboxes through Postern any more. " + ui.Count(b.Open(), "waits", "wait") + " for the answer of a provider."
	case b.Cut() == b.Total:
		return ui.Count(b.Total, "mailbox is", "mailboxes are") + " cut off, and each has its receipt."
	default:
		return ui.Count(b.Cut(), "mailbox is", "mailboxes are") + " cut off, and each has its receipt; " + ui.Number(b.Total-b.Cut()) + " had ended before, or end otherwise."
	}
}

// batchOutcomes are the ways in which a mailbox of a batch can stand, in the order in which they are told.
var batchOutcomes = []struct{ state, means string }{
	{string(provider.SeveredVerified), "The provider confirmed, and the old token was tried and refused."},
	{string(provider.SeveredAtProvider), "The provider confirmed."},
	{string(provider.DeletedHereOnly), "Our copy is destroyed; the provider has not confirmed, or was not to be told."},
	{string(provider.UserActionNeeded), "Our copy is destroyed; only the owner can end the rest."},
	{"severing", "Cut here; the provider is being asked."},
	{"waiting", "Not cut yet."},
	{"already", "Somebody revoked it before its turn came."},
	{"gone", "Somebody deleted it before its turn came."},
	{"with_tenant", "Its organisation is being offboarded; it ends by that plan."},
}

// lineState is how one mailbox stands.
func lineState(outcome models.BatchOutcome, severed string, hasSeverance bool) string {
	switch outcome {
	case models.BatchWaiting:
		return "waiting"
	case models.BatchOffboarding:
		return "with_tenant"
	case models.BatchCut:
		if severed != "" {
			return severed
		}
		if hasSeverance {
			return "severing"
		}
		return "cut"
	default:
		return string(outcome)
	}
}

func batchResults(b grants.BatchStanding) []pages.BatchResultView {
	n := map[string]int{}
	for _, c := range b.Counts {
		n[lineState(c.Outcome, c.Severed, true)] += c.Count
	}
	var out []pages.BatchResultView
	for _, o := range batchOutcomes {
		if n[o.state] > 0 {
			out = append(out, pages.BatchResultView{State: o.state, Count: n[o.state], Means: o.means})
		}
	}
	return out
}

func batchLine(actor models.Actor, b grants.BatchStanding, line grants.BatchLine) pages.BatchLineRow {
	row := pages.BatchLineRow{Address: masked(actor, line.Email), Provider: providerName(line.Provider), State: lineState(line.Outcome, line.Severed, line.SeveranceID != nil)}
	if line.DoneAt != nil {
		row.At = *line.DoneAt
	}
	if line.Outcome == models.BatchWaiting && line.Attempts > 0 {
		row.Detail = "tried " + ui.Count(line.Attempts, "time", "times")
	}
	switch line.Outcome {
	case models.BatchWaiting, models.BatchCut:
		row.NoReceipt = "none yet"
	default:
		row.NoReceipt = "not by this"
	}
	if line.ReceiptID != nil {
		row.ReceiptURL = "/receipts/" + line.ReceiptID.String()
	}
	if line.Outcome != models.BatchGone && (b.Act != deleteTogether.act || line.Outcome != models.BatchCut) {
		row.GrantURL = "/grants/" + line.GrantID.String()
	}
	return row
}
