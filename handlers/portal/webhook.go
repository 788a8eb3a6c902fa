package portal

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/webhooks"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/layout"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/views/ui"
	"github.com/postern-mail/postern/web"
)

var webhookStates = []choice{{"active", "Active"}, {"failing", "Failing"}, {"failed", "Failed"}, {"pause", "Paused"}}

func webhookState(s models.WebhookStatus) string {
	if s == models.WebhookPaused {
		return "paused"
	}
	return string(s)
}

// webhookName is what a person calls a webhook: its description, or the host it sends to.
func webhookName(w models.Webhook) string {
	if w.Description != "" {
		return w.Description
	}
	if u, err := url.Parse(w.URL); err == nil && u.Host != "" {
		return u.Host
	}
	return w.URL
}

func (p *Portal) webhookList(c echo.Context) error {
	ctx, actor, l := c.Request().Context(), web.Actor(c), readList(c, "/webhooks", "status")
	found, err := p.Webhooks.List(ctx, actor, webhooks.Filter{Status: models.WebhookStatus(l.get("status")), Search: l.get("q"), Cursor: l.get("cursor"), Limit: pageSize})
	if err != nil {
		return err
	}
	apps, _, err := p.applicationNames(ctx)
	if err != nil {
		return err
	}
	view := pages.WebhookListView{Filters: l.view("Search webhooks", filter{"status", "State", webhookStates}), Pages: l.pages(len(found.Webhooks), found.Next, ""), Filtered: l.filtered()}
	for _, w := range found.Webhooks {
		row := pages.WebhookRow{Description: webhookName(w), URL: "/webhooks/" + w.ID.String(), Target: w.URL, State: webhookState(w.Status), Application: apps[w.ApplicationID], Triggers: len(w.TriggerTypes)}
		if row.LastDelivery, row.LastState, err = p.lastDelivery(ctx, actor, w.ID); err != nil {
			return err
		}
		secrets, err := p.Webhooks.Secrets(ctx, actor, w.ID)
		if err != nil {
			return err
		}
		if len(secrets) > 0 {
			row.SecretSince = secrets[0].ValidFrom
		}
		view.Rows = append(view.Rows, row)
	}
	page, err := p.frame(c, "Webhooks")
	if err != nil {
		return err
	}
	page.Lede = "Where events are sent, and whether they arrive."
	if actor.May(models.WriteWebhooks) {
		view.CreateURL = "/webhooks/new"
		page.Action = layout.Action{Label: "Create a webhook", URL: view.CreateURL, Icon: "plus"}
	}
	return web.Render(c, http.StatusOK, pages.WebhookList(page, view))
}

func (p *Portal) lastDelivery(ctx context.Context, actor models.Actor, id models.WebhookID) (time.Time, string, error) {
	found, err := p.Webhooks.Deliveries(ctx, actor, id, webhooks.DeliveryFilter{Limit: 1})
	if err != nil || len(found.Deliveries) == 0 {
		return time.Time{}, "", err
	}
	return found.Deliveries[0].CreatedAt, deliveryState(found.Deliveries[0]), nil
}

// webhook finds the webhook in the address, as far as the actor may know of it.
func (p *Portal) webhook(c echo.Context) (models.Webhook, error) {
	id, err := web.ParamID[models.WebhookID](c, "webhook")
	if err != nil {
		return models.Webhook{}, err
	}
	return p.Webhooks.Find(c.Request().Context(), web.Actor(c), id)
}

func (p *Portal) webhookShow(c echo.Context) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	w, err := p.webhook(c)
	if err != nil {
		return err
	}
	apps, _, err := p.applicationNames(ctx)
	if err != nil {
		return err
	}
	secrets, err := p.Webhooks.Secrets(ctx, actor, w.ID)
	if err != nil {
		return err
	}
	health, err := p.Webhooks.Health(ctx, actor, w.ID)
	if err != nil {
		return err
	}
	recent, err := p.Webhooks.Deliveries(ctx, actor, w.ID, webhooks.DeliveryFilter{Limit: 200})
	if err != nil {
		return err
	}
	base := "/webhooks/" + w.ID.String()
	view := pages.WebhookShowView{ID: w.ID.String(), Description: w.Description, Target: w.URL, State: webhookState(w.Status), StateText: p.healthSentence(w, health), Application: apps[w.ApplicationID],
		Triggers: w.TriggerTypes, Compressed: w.Compressed, Standard: w.Standard, Emails: w.NotificationEmails, Created: w.CreatedAt, DeliveriesURL: base + "/deliveries",
		Secrets: p.secretRows(secrets), Safety: p.safety(secrets), Health: p.deliveryChart(recent.Deliveries)}
	if w.Standard {
		if view.PublicKey, err = p.Webhooks.PublicKey(ctx, actor, w.ID); err != nil {
			return err
		}
		view.KeyURL = p.Server.URL("/v3/webhooks/" + w.ID.String() + "/public-key")
	}
	for i, d := range recent.Deliveries {
		if i < 10 {
			view.Deliveries = append(view.Deliveries, deliveryRow(d))
		}
	}
	if actor.May(models.WriteWebhooks) {
		view.RotateURL, view.TestURL = base+"/rotate", base+"/test"
		if !w.SelfCheck {
			view.EditURL, view.DeleteURL = base+"/edit", base+"/delete"
			if w.Status == models.WebhookPaused || w.Status == models.WebhookFailed {
				view.ResumeURL = base + "/resume"
			} else {
				view.PauseURL = base + "/pause"
			}
		}
		for _, s := range view.Secrets {
			if s.State != "overlap" {
				continue
			}
			view.EndOverlapURL, view.ExtendURL, view.Lefts = base+"/end-overlap", base+"/extend-overlap", options(lefts, "24h")
			if w.Sends() {
				view.ProbeURL = base + "/test"
			}
		}
	}
	page, err := p.frame(c, webhookName(w))
	if err != nil {
		return err
	}
	page.Kind, page.Breadcrumbs = "Webhook", crumbs("Webhooks", "/webhooks")
	return web.Render(c, http.StatusOK, pages.WebhookShow(page, view))
}

func (p *Portal) healthSentence(w models.Webhook, h models.WebhookHealth) string {
	now := p.Now().UTC()
	switch {
	case w.Status == models.WebhookPaused:
		return "Nothing is sent while it is paused."
	case w.Status == models.WebhookFailed:
		return "Postern stopped sending, because nothing arrived for too long. Put the receiver right, then resume."
	case h.FailingSince != nil:
		return "Nothing has arrived since " + ui.Absolute(*h.FailingSince, now) + ". Deliveries are tried again with growing pauses."
	case h.LastSuccessAt != nil:
		return "The last event arrived " + ui.Relative(*h.LastSuccessAt, now) + "."
	default:
		return "Nothing was sent yet."
	}
}

func (p *Portal) secretRows(list []models.WebhookSecret) []pages.SecretRow {
	var rows []pages.SecretRow
	for _, s := range list {
		row := pages.SecretRow{Generation: s.Generation, State: "current", Since: s.ValidFrom}
		if s.ValidUntil != nil {
			row.State, row.Until = "ended", *s.ValidUntil
			if s.Signs(p.Now()) {
				row.State = "overlap"
			}
		}
		if s.LastAcceptedAt != nil {
			row.LastAccepted, row.Accepted = *s.LastAcceptedAt, "2xx answer"
		}
		rows = append(rows, row)
	}
	return rows
}

// safety says in words whether the old secret of an overlap can end. What is known is what the receiver accepted: the newest alone, and after that no older one.
func (p *Portal) safety(list []models.WebhookSecret) pages.SafetyView {
	now := p.Now().UTC()
	var fresh, old *models.WebhookSecret
	for i := range list {
		switch s := &list[i]; {
		case s.ValidUntil == nil:
			fresh = s
		case s.Signs(now) && old == nil:
			old = s
		}
	}
	if fresh == nil || old == nil {
		return pages.SafetyView{}
	}
	taken, before := fresh.LastAcceptedAt, old.LastAcceptedAt
	switch {
	case taken == nil:
		return pages.SafetyView{Kind: "warn", Lead: "Not safe yet.", Text: "The receiver has not proved that it knows the new secret. Give it to the receiver, then send a probe, which is signed by the new secret alone."}
	case before != nil && !before.Before(*taken):
		return pages.SafetyView{Kind: "warn", Lead: "Not safe yet.", Text: "The receiver accepted the new secret " + ui.Relative(*taken, now) + ", and needed the old one after that, " + ui.Relative(*before, now) +
			": a part of it does not know the new one."}
	default:
		return pages.SafetyView{Kind: "good", Lead: "Safe: the old secret can end.", Text: "The receiver accepted a call signed by the new secret alone " + ui.Relative(*taken, now) + ", and needed the old one never after it."}
	}
}

// deliveryChart counts the given deliveries by day, the last fourteen days.
func (p *Portal) deliveryChart(list []models.Delivery) ui.ChartView {
	chart := ui.ChartView{ID: "deliveries", Title: "Deliveries of the last 14 days", Unit: "deliveries",
		Series: []ui.SeriesView{{Label: "Delivered", State: "delivered"}, {Label: "Retrying", State: "retrying"}, {Label: "Gave up", State: "gave_up"}}}
	days := lastDays(p.Now(), 14)
	for _, day := range days {
		bar := ui.BarView{Label: day.Format("2 Jan"), Values: []int{0, 0, 0}}
		for _, d := range list {
			if !sameDay(d.CreatedAt, day) {
				continue
			}
			switch deliveryState(d) {
			case "delivered":
				bar.Values[0]++
			case "gave_up", "cancelled":
				bar.Values[2]++
			default:
				bar.Values[1]++
			}
		}
		chart.Bars = append(chart.Bars, bar)
	}
	return chart
}

// lastDays are the midnights (UTC) of the last n days, the oldest first, today's last.
func lastDays(now time.Time, n int) []time.Time {
	today := now.UTC().Truncate(24 * time.Hour)
	out := make([]time.Time, n)
	for i := range out {
		out[i] = today.AddDate(0, 0, i-n+1)
	}
	return out
}

func sameDay(t, midnight time.Time) bool {
	return t.UTC().Truncate(24 * time.Hour).Equal(midnight)
}

// webhookForm is what stands in the form of a webhook.
type webhookForm struct {
	url, description, application, emails, state string
	triggers                                     []string
	compressed, standard                         bool
	overlap                                      string
}

// apiOverlaps are the overlaps of rotations through the API: as Nylas does it, unless somebody chooses otherwise.
var apiOverlaps = []choice{{"0", "ends at once, as with Nylas"}, {"1h", "signs on for 1 hour"}, {"24h", "signs on for 24 hours"}, {"168h", "signs on for 7 days"}}

// apiOverlap reads a choice; what was not offered is none.
func apiOverlap(text string) time.Duration {
	d, _ := life(text, apiOverlaps)
	return d
}

// overlapOf is the choice that stands for what is set; empty where none of them does.
func overlapOf(w models.Webhook) string {
	for _, o := range apiOverlaps {
		if apiOverlap(o.value) == time.Duration(w.OverlapSeconds)*time.Second {
			return o.value
		}
	}
	return ""
}

var webhookFields = map[string]string{"webhook_url": "url", "trigger_types": "trigger", "notification_email_addresses": "emails", "status": "state", "application": "application"}

func readWebhookForm(c echo.Context) (webhookForm, error) {
	picked, err := several(c, "trigger")
	return webhookForm{url: field(c, "url"), description: field(c, "description"), application: field(c, "application"), emails: field(c, "emails"), state: field(c, "state"),
		triggers: picked, compressed: field(c, "compressed") == "yes", standard: field(c, "standard") == "yes", overlap: field(c, "overlap")}, err
}

func (p *Portal) webhookCreateForm(c echo.Context) error {
	return p.renderWebhookForm(c, http.StatusOK, nil, webhookForm{triggers: emitted()}, nil)
}

// emitted are the events that Postern sends today: what a new webhook asks for unless told otherwise.
func emitted() []string {
	var out []string
	for _, t := range webhooks.Triggers() {
		if t.Emitted {
			out = append(out, t.Name)
		}
	}
	return out
}

// renderWebhookForm shows the form of a new webhook, or of w.
func (p *Portal) renderWebhookForm(c echo.Context, status int, w *models.Webhook, f webhookForm, faults []ui.ErrorView) error {
	view := pages.WebhookFormView{Action: "/webhooks", CancelURL: "/webhooks", Target: f.url, Description: f.description, Compressed: f.compressed, Standard: f.standard, Emails: f.emails, Errors: faults}
	if w == nil || !w.SelfCheck {
		view.Overlaps = options(apiOverlaps, cmp.Or(f.overlap, "0"))
	}
	for _, t := range webhooks.Triggers() {
		o := ui.OptionView{Value: t.Name, Label: t.Name, Help: t.Meaning}
		for _, chosen := range f.triggers {
			o.Selected = o.Selected || chosen == t.Name
		}
		if t.Emitted || o.Selected {
			view.Triggers = append(view.Triggers, o)
		}
	}
	title, trail := "Create a webhook", crumbs("Webhooks", "/webhooks")
	if w != nil {
		base := "/webhooks/" + w.ID.String()
		title, trail = "Change "+webhookName(*w), crumbs("Webhooks", "/webhooks", webhookName(*w), base)
		view.Edit, view.Action, view.CancelURL = true, base+"/edit", base
		view.States = options([]choice{{"active", "Active"}, {"paused", "Paused"}}, f.state)
	} else {
		_, apps, err := p.applicationNames(c.Request().Context())
		if err != nil {
			return err
		}
		if f.application == "" && len(apps) > 0 {
			f.application = apps[0].value
		}
		view.Applications = options(apps, f.application)
	}
	page, err := p.frame(c, title)
	if err != nil {
		return err
	}
	page.Breadcrumbs = trail
	return web.Render(c, status, pages.WebhookForm(page, view))
}

func (p *Portal) webhookCreate(c echo.Context) error {
	f, err := readWebhookForm(c)
	if err != nil {
		return err
	}
	app, err := models.ParseID[models.ApplicationID](f.application)
	if err != nil {
		return p.renderWebhookForm(c, unprocessable, nil, f, []ui.ErrorView{{Field: "application", Text: "Choose the application whose events are to be sent."}})
	}
	w, value, err := p.Webhooks.Create(c.Request().Context(), web.Actor(c), webhooks.Draft{Application: app, URL: f.url, Description: f.description, TriggerTypes: f.triggers,
		NotificationEmails: trimmed(strings.Split(f.emails, ",")), Compressed: f.compressed, Standard: f.standard, Overlap: apiOverlap(f.overlap)})
	if faults, ok := formErrors(err, webhookFields); ok {
		return p.renderWebhookForm(c, unprocessable, nil, f, faults)
	}
	if err != nil {
		return err
	}
	return p.renderWebhookSecret(c, w, value, []string{"Give this secret to the receiver. It proves with it that an event came from here, and that nobody changed it on the way.", "It is kept sealed and is never shown again. If it is lost, rotate it."})
}

func trimmed(list []string) []string {
	out := []string{}
	for _, s := range list {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

func (p *Portal) webhookEditForm(c echo.Context) error {
	w, err := p.webhook(c)
	if err != nil {
		return err
	}
	state := "active"
	if w.Status == models.WebhookPaused {
		state = "paused"
	}
	return p.renderWebhookForm(c, http.StatusOK, &w, webhookForm{url: w.URL, description: w.Description, triggers: w.TriggerTypes, compressed: w.Compressed, standard: w.Standard, overlap: overlapOf(w),
		emails: strings.Join(w.NotificationEmails, ", "), state: state}, nil)
}

func (p *Portal) webhookEdit(c echo.Context) error {
	w, err := p.webhook(c)
	if err != nil {
		return err
	}
	f, err := readWebhookForm(c)
	if err != nil {
		return err
	}
	change := webhooks.Change{URL: f.url, Description: f.description, TriggerTypes: f.triggers, NotificationEmails: trimmed(strings.Split(f.emails, ",")), Compressed: &f.compressed, Standard: &f.standard}
	if f.overlap != overlapOf(w) { // one that was set through the API, and is not offered here, stays
		span := apiOverlap(f.overlap)
		change.Overlap = &span
	}
	switch {
	case f.state == "paused" && w.Status != models.WebhookPaused:
		change.Status = string(models.WebhookPaused)
	case f.state == "active" && !w.Sends():
		change.Status = string(models.WebhookActive)
	}
	_, err = p.Webhooks.Update(c.Request().Context(), web.Actor(c), w.ID, change)
	if faults, ok := formErrors(err, webhookFields); ok {
		return p.renderWebhookForm(c, unprocessable, &w, f, faults)
	}
	if err != nil {
		return err
	}
	return done(c, "/webhooks/"+w.ID.String(), "good", "The webhook is saved.")
}
