package portal

import (
	"context"
	"encoding/hex"
	"net/http"
	"net/url"
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
	return readList(c, "/verifications", "verdict", "reason", "source", "endpoint", "webhook", "tenant", "type", "since", "first", "last")
}

// errDay is a day in the address that is none.
var errDay = fault.New(fault.Invalid, "bad_day", "A day is written like 2026-11-23.").At("first")

func (p *Portal) verificationFilter(l list) (verifications.Filter, error) {
	f := verifications.Filter{Verdict: l.get("verdict"), Reason: l.get("reason"), Source: l.get("source"), EventType: l.get("type"), Search: l.get("q"), Cursor: l.get("cursor"), Since: p.since(l), Limit: pageSize}
	var err error
	if id := l.get("webhook"); id != "" {
		if f.Webhook, err = models.ParseID[models.WebhookID](id); err != nil {
			return f, errAbsent.Because(err)
		}
	}
	if id := l.get("endpoint"); id != "" {
		if f.Endpoint, err = models.ParseID[models.EndpointID](id); err != nil {
			return f, errAbsent.Because(err)
		}
	}
	if id := l.get("tenant"); id != "" {
		if f.Tenant, err = models.ParseID[models.TenantID](id); err != nil {
			return f, errAbsent.Because(err)
		}
	}
	if day := l.get("first"); day != "" {
		if f.Since, err = time.Parse(time.DateOnly, day); err != nil {
			return f, errDay.Because(err)
		}
	}
	if day := l.get("last"); day != "" {
		if f.Until, err = time.Parse(time.DateOnly, day); err != nil {
			return f, errDay.Because(err)
		}
		f.Until = f.Until.AddDate(0, 0, 1) // that day included
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
	filters, names, err := p.verificationFilters(c, l)
	if err != nil {
		return err
	}
	view := pages.VerificationListView{Tabs: p.verificationTabs(c, "log"), Pages: l.pages(len(found.Verifications), found.Next, ""), Filtered: l.filtered(), Filters: filters,
		Export: ui.ExportView{CSV: l.export("/verifications/export.csv"), JSON: l.export("/verifications/export.json")}}
	if f.Search == "" { // one event is no chart
		if view.Chart, err = p.verdictsOver(ctx, actor, f); err != nil {
			return err
		}
	}
	for _, v := range found.Verifications {
		row := verificationRow(v, names)
		if v.EventType != "" {
			row.TypeURL = l.url("type", v.EventType, "cursor", "", "trail", "", "from", "")
		}
		view.Rows = append(view.Rows, row)
	}
	page, err := p.frame(c, "Verifications")
	if err != nil {
		return err
	}
	page.Lede = "Every signed request that came in: what was accepted, what was refused, and why."
	if actor.Role == models.Customer {
		page.Lede = "Every signed request about your mailboxes: what was accepted, what was refused, and why. What is in them is not kept."
	}
	return web.Render(c, http.StatusOK, pages.VerificationList(page, view))
}

// verificationFilters fills the filters, and gives the names of the endpoints that the actor may know.
func (p *Portal) verificationFilters(c echo.Context, l list) (ui.FiltersView, map[models.EndpointID]string, error) {
	ctx, actor := c.Request().Context(), web.Actor(c)
	names := map[models.EndpointID]string{}
	var reasons, sources, endpoints, tenants []choice
	for _, r := range verifications.Reasons() {
		reasons = append(reasons, choice{r, verifications.AdviceFor(r).Title})
	}
	for _, s := range verifications.Sources() {
		sources = append(sources, choice{s, sourceName(s)})
	}
	if actor.Platform() {
		list, err := p.Verifications.ListSources(ctx, actor, models.ApplicationID{})
		if err != nil {
			return ui.FiltersView{}, nil, err
		}
		for _, e := range list {
			names[e.ID] = e.Name
			endpoints = append(endpoints, choice{e.ID.String(), ui.Shorten(e.Name, 40)})
		}
		if tenants, err = p.tenantChoices(ctx, actor); err != nil {
			return ui.FiltersView{}, nil, err
		}
	}
	view := l.view("Find an event by its id", filter{name: "verdict", label: "Verdict", choices: []choice{{"accepted", "Accepted"}, {"refused", "Refused"}}}, filter{name: "reason", label: "Reason", choices: reasons},
		filter{name: "source", label: "Source", choices: sources}, filter{name: "endpoint", label: "Endpoint", choices: endpoints}, filter{name: "tenant", label: "Organisation", choices: tenants},
		filter{name: "since", label: "Time", choices: spans}, typed("type", "Event type", "text"), typed("first", "From day (UTC)", "date"), typed("last", "To day (UTC)", "date"),
		filter{name: "webhook", label: "Webhook"})
	return view, names, nil
}

func verificationRow(v models.Verification, names map[models.EndpointID]string) pages.VerificationRow {
	row := pages.VerificationRow{URL: "/verifications/" + v.ID.String(), At: v.At, State: v.Verdict, Reason: verifications.AdviceFor(v.Reason).Title, Source: sourceName(v.Source),
		Type: v.EventType, Event: v.EventID, Remote: v.Address}
	if v.EndpointID != nil && v.Source != "self" { // our own receiver needs no name
		row.Endpoint = names[*v.EndpointID]
	}
	return row
}

// verdictsOver draws the verdicts over the time that the filter names, the last 30 days where it names none.
func (p *Portal) verdictsOver(ctx context.Context, actor models.Actor, f verifications.Filter) (ui.ChartView, error) {
	now := p.Now().UTC()
	if f.Until.IsZero() || f.Until.After(now) {
		f.Until = now
	}
	if f.Since.IsZero() {
		f.Since = f.Until.AddDate(0, 0, -29).Truncate(24 * time.Hour)
	}
	if f.Since.After(f.Until) {
		return ui.ChartView{}, nil
	}
	title := "Verdicts by day"
	if longest := 92 * 24 * time.Hour; f.Until.Sub(f.Since) > longest {
		f.Since, title = f.Until.Add(-longest).Add(time.Hour), "Verdicts by day, the last 92 days of the time chosen"
	}
	counts, err := p.Verifications.Counts(ctx, actor, f)
	if err != nil {
		return ui.ChartView{}, err
	}
	step, label := verifications.Step(f.Until.Sub(f.Since)), "2 Jan"
	if step == time.Hour {
		title, label = "Verdicts by hour (UTC)", "2 Jan 15:04"
	}
	var begins []time.Time
	for at := f.Since.Truncate(step); at.Before(f.Until); at = at.Add(step) {
		begins = append(begins, at)
	}
	return verdictChart(title, label, begins, counts), nil
}

// verdictChart draws accepted and refused, a bar for each beginning; its table has the numbers.
func verdictChart(title, label string, begins []time.Time, counts []verifications.Count) ui.ChartView {
	chart := ui.ChartView{ID: "verdicts", Title: title, Unit: "requests", Series: []ui.SeriesView{{Label: "Accepted", State: "accepted"}, {Label: "Refused", State: "refused"}}}
	at := map[time.Time]int{}
	for i, b := range begins {
		at[b.UTC()] = i
		chart.Bars = append(chart.Bars, ui.BarView{Label: b.Format(label), Values: []int{0, 0}})
	}
	for _, n := range counts {
		i, shown := at[n.At.UTC()]
		switch {
		case !shown:
		case n.Verdict == "accepted":
			chart.Bars[i].Values[0] += n.Count
		default:
			chart.Bars[i].Values[1] += n.Count
		}
	}
	return chart
}

// whereItCameIn names endpoint, organisation and delivery, as far as the actor may know of them.
func (p *Portal) whereItCameIn(ctx context.Context, actor models.Actor, v models.Verification, view *pages.VerificationShowView) error {
	if v.EndpointID != nil {
		view.Endpoint = v.EndpointID.String()
		if actor.Platform() {
			d, err := p.Verifications.FindSource(ctx, actor, *v.EndpointID)
			if err != nil && fault.KindOf(err) != fault.NotFound {
				return err
			}
			if err == nil {
				view.Endpoint = d.Endpoint.Name
				if actor.May(models.ReadWebhooks) {
					view.EndpointURL = sourcesURL + "/" + v.EndpointID.String()
				}
			}
		}
	}
	if v.TenantID != nil && actor.May(models.ReadTenants) {
		t, err := p.Tenants.Find(ctx, actor, *v.TenantID)
		if err != nil && fault.KindOf(err) != fault.NotFound {
			return err
		}
		if err == nil {
			view.Tenant, view.TenantURL = t.Name, "/verifications?tenant="+t.ID.String()
		}
	}
	if v.EventID != "" {
		view.SameEventURL = "/verifications?" + url.Values{"q": {v.EventID}}.Encode()
	}
	return nil
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
	if err := p.whereItCameIn(ctx, actor, v, &view); err != nil {
		return err
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
