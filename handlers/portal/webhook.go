package portal

import (
	"context"
	"net/http"
	"net/url"
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
	recent, err := p.Webhooks.Deliveries(ctx, actor, w.ID, webhooks.DeliveryFilter{Limit: 10})
	if err != nil {
		return err
	}
	days := lastDays(p.Now(), 14)
	counts, err := p.Webhooks.Outcomes(ctx, actor, w.ID, days[0])
	if err != nil {
		return err
	}
	base := "/webhooks/" + w.ID.String()
	view := pages.WebhookShowView{ID: w.ID.String(), Description: w.Description, Target: w.URL, State: webhookState(w.Status), StateText: p.healthSentence(w, health), Application: apps[w.ApplicationID],
		Triggers: w.TriggerTypes, Compressed: w.Compressed, Standard: w.Standard, Emails: w.NotificationEmails, Created: w.CreatedAt, DeliveriesURL: base + "/deliveries",
		Secrets: p.secretRows(secrets), Safety: p.safety(secrets), Health: deliveryChart(days, counts)}
	if w.Standard {
		if view.PublicKey, err = p.Webhooks.PublicKey(ctx, actor, w.ID); err != nil {
			return err
		}
		view.KeyURL = p.Server.URL("/v3/webhooks/" + w.ID.String() + "/public-key")
	}
	for _, d := range recent.Deliveries {
		view.Deliveries = append(view.Deliveries, deliveryRow(d))
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

// deliveryChart draws what came of deliveries, a bar for each of the days.
func deliveryChart(days []time.Time, counts []webhooks.OutcomeCount) ui.ChartView {
	chart := ui.ChartView{ID: "deliveries", Title: "What came of deliveries in the last 14 days", Unit: "deliveries",
		Series: []ui.SeriesView{{Label: "Delivered", State: "delivered"}, {Label: "Failed, to be retried", State: "retrying"}, {Label: "Gave up", State: "gave_up"}}}
	for _, day := range days {
		bar := ui.BarView{Label: day.Format("2 Jan"), Values: []int{0, 0, 0}}
		for _, n := range counts {
			if !n.Day.Equal(day) {
				continue
			}
			switch n.Outcome {
			case "delivered":
				bar.Values[0] += n.Count
			case "waiting":
				bar.Values[1] += n.Count
			default:
				bar.Values[2] += n.Count
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
