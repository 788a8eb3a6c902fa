package portal

import (
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/verifications"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/views/ui"
	"github.com/postern-mail/postern/web"
)

var sourceNames = map[string]string{"self": "Our own events", "v3": "A v3 sender", "standard": "Standard Webhooks", "google": "Google", "microsoft": "Microsoft", "receiver": "Reported by your receiver", "unknown": "Nobody known"}

func sourceName(code string) string {
	if n, ok := sourceNames[code]; ok {
		return n
	}
	return code
}

// spans are the times a log can be narrowed to.
var spans = []choice{{"1h", "Last hour"}, {"24h", "Last day"}, {"168h", "Last 7 days"}, {"720h", "Last 30 days"}}

func (p *Portal) since(l list) time.Time {
	if d, ok := life(l.get("since"), spans); ok && d > 0 {
		return p.Now().UTC().Add(-d)
	}
	return time.Time{}
}

func readVerificationList(c echo.Context) list {
	return readList(c, "/verifications", "verdict", "reason", "source", "webhook", "tenant", "since")
}

func (p *Portal) verificationFilter(l list) (verifications.Filter, error) {
	f := verifications.Filter{Verdict: l.get("verdict"), Reason: l.get("reason"), Source: l.get("source"), Search: l.get("q"), Cursor: l.get("cursor"), Since: p.since(l), Limit: pageSize}
	var err error
	if id := l.get("webhook"); id != "" {
		if f.Webhook, err = models.ParseID[models.WebhookID](id); err != nil {
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

func (p *Portal) verificationList(c echo.Context) error {
	ctx, actor, l := c.Request().Context(), web.Actor(c), readVerificationList(c)
	f, err := p.verificationFilter(l)
	if err != nil {
		return err
	}
	found, err := p.Verifications.List(ctx, actor, f)
	if err != nil {
		return err
	}
	counts, err := p.Verifications.Counts(ctx, actor, f)
	if err != nil {
		return err
	}
	var reasons, sources []choice
	for _, r := range verifications.Reasons() {
		reasons = append(reasons, choice{r, verifications.AdviceFor(r).Title})
	}
	for _, s := range verifications.Sources() {
		sources = append(sources, choice{s, sourceName(s)})
	}
	view := pages.VerificationListView{Chart: p.verdictChart(counts), Pages: l.pages(len(found.Verifications), found.Next, ""), Filtered: l.filtered(),
		Export: ui.ExportView{CSV: l.export("/verifications/export.csv"), JSON: l.export("/verifications/export.json")},
		Filters: l.view("Find an event by its id", filter{"verdict", "Verdict", []choice{{"accepted", "Accepted"}, {"refused", "Refused"}}}, filter{"reason", "Reason", reasons},
			filter{"source", "Source", sources}, filter{"since", "Time", spans}, filter{"webhook", "Webhook", nil}, filter{"tenant", "Tenant", nil})}
	for _, v := range found.Verifications {
		view.Rows = append(view.Rows, verificationRow(v))
	}
	page, err := p.frame(c, "Verifications")
	if err != nil {
		return err
	}
	page.Lede = "Every signed request that came in: what was accepted, what was refused, and why."
	return web.Render(c, http.StatusOK, pages.VerificationList(page, view))
}

func verificationRow(v models.Verification) pages.VerificationRow {
	row := pages.VerificationRow{URL: "/verifications/" + v.ID.String(), At: v.At, State: v.Verdict, Reason: verifications.AdviceFor(v.Reason).Title, Source: sourceName(v.Source),
		Type: v.EventType, Event: v.EventID, Remote: v.Address}
	if v.EndpointID != nil && v.Source != "self" { // our own receiver needs no number
		row.Endpoint = v.EndpointID.String()
	}
	return row
}

// verdictChart draws accepted and refused by day; refused is split by its most frequent reasons in the table beneath, by the verdicts here.
func (p *Portal) verdictChart(counts []verifications.Count) ui.ChartView {
	chart := ui.ChartView{ID: "verdicts", Title: "Verdicts of the last 30 days", Unit: "requests", Series: []ui.SeriesView{{Label: "Accepted", State: "accepted"}, {Label: "Refused", State: "refused"}}}
	for _, day := range lastDays(p.Now(), 30) {
		bar := ui.BarView{Label: day.Format("2 Jan"), Values: []int{0, 0}}
		for _, n := range counts {
			if sameDay(n.At, day) {
				if n.Verdict == "accepted" {
					bar.Values[0] += n.Count
				} else {
					bar.Values[1] += n.Count
				}
			}
		}
		chart.Bars = append(chart.Bars, bar)
	}
	return chart
}

func (p *Portal) verificationShow(c echo.Context) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	id, err := web.ParamID[models.VerificationID](c, "verification")
	if err != nil {
		return err
	}
	v, err := p.Verifications.Find(ctx, actor, id)
	if err != nil {
		return err
	}
	advice := verifications.AdviceFor(v.Reason)
	view := pages.VerificationShowView{ID: v.ID.String(), State: v.Verdict, Reason: advice.Title, Means: advice.Meaning, Do: advice.Do, At: v.At, Source: sourceName(v.Source), Event: v.EventID,
		Type: v.EventType, Size: ui.Number(int(v.Size)) + " bytes", Digest: hex.EncodeToString(v.Digest), Remote: v.Address, Latency: (time.Duration(v.LatencyUS) * time.Microsecond).String()}
	if v.EndpointID != nil {
		view.Endpoint = v.EndpointID.String()
	}
	if v.WebhookID != nil {
		view.Endpoint = v.WebhookID.String()
		if actor.May(models.ReadWebhooks) {
			if w, err := p.Webhooks.Find(ctx, actor, *v.WebhookID); err == nil {
				view.Endpoint, view.EndpointURL = webhookName(w), "/webhooks/"+w.ID.String()
			} else if fault.KindOf(err) != fault.NotFound {
				return err
			}
		}
	}
	if v.Generation > 0 {
		view.Secret = "Generation " + strconv.Itoa(v.Generation)
	}
	switch v.Representation {
	case "raw":
		view.Representation = "The bytes as they came"
	case "gzip":
		view.Representation = "The compressed bytes (gzip)"
	}
	if v.SkewMS != 0 {
		view.Skew = (time.Duration(v.SkewMS) * time.Millisecond).Round(time.Second).String() + " old"
	}
	if v.Listed != nil {
		view.Allowed = "The address is not on the endpoint's list."
		if *v.Listed {
			view.Allowed = "The address is on the endpoint's list."
		}
	}
	page, err := p.frame(c, advice.Title)
	if err != nil {
		return err
	}
	page.Kind, page.Breadcrumbs = "Verification", crumbs("Verifications", "/verifications")
	return web.Render(c, http.StatusOK, pages.VerificationShow(page, view))
}

func (p *Portal) verificationExportCSV(c echo.Context) error { return p.verificationExport(c, sendCSV) }

func (p *Portal) verificationExportJSON(c echo.Context) error {
	return p.verificationExport(c, sendJSON)
}

func (p *Portal) verificationExport(c echo.Context, send sender) error {
	f, err := p.verificationFilter(readVerificationList(c))
	if err != nil {
		return err
	}
	f.Cursor = ""
	var rows [][]string
	truncated, err := p.Verifications.Export(c.Request().Context(), web.Actor(c), f, func(v models.Verification) error {
		rows = append(rows, verifications.Record(v))
		return nil
	})
	if err != nil {
		return err
	}
	return send(c, "verifications", truncated, verifications.Header(), rows)
}

// factsOf lays out settings in the order of their names.
func factsOf(s models.Settings) []ui.FactView {
	names := make([]string, 0, len(s))
	for name := range s {
		names = append(names, name)
	}
	slices.Sort(names)
	var out []ui.FactView
	for _, name := range names {
		out = append(out, ui.FactView{Label: name, Text: s[name], Mono: true})
	}
	return out
}
