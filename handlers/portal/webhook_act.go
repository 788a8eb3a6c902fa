package portal

import (
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/webhooks"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/views/ui"
	"github.com/postern-mail/postern/web"
)

var overlaps = []choice{{"24h", "24 hours: both secrets sign"}, {"1h", "1 hour"}, {"168h", "7 days"}, {"0", "None: the old secret ends now"}}

// renderWebhookSecret shows a secret that was just made, once.
func (p *Portal) renderWebhookSecret(c echo.Context, w models.Webhook, value secret.Text, text []string) error {
	page, err := p.frame(c, webhookName(w))
	if err != nil {
		return err
	}
	url := "/webhooks/" + w.ID.String()
	page.Kind, page.Breadcrumbs = "Webhook", crumbs("Webhooks", "/webhooks", webhookName(w), url)
	return web.Render(c, http.StatusOK, pages.SecretShown(page, pages.SecretShownView{Label: "Secret of " + webhookName(w), Secret: value.Reveal(), Text: text,
		Facts: []ui.FactView{{Label: "Sent to", Text: w.URL, Mono: true}}, DoneURL: url}))
}

func (p *Portal) webhookRotateForm(c echo.Context) error {
	w, err := p.webhook(c)
	if err != nil {
		return err
	}
	return p.renderRotate(c, http.StatusOK, w, "24h", nil)
}

func (p *Portal) renderRotate(c echo.Context, status int, w models.Webhook, overlap string, faults []ui.ErrorView) error {
	page, err := p.frame(c, "Rotate the secret of "+webhookName(w))
	if err != nil {
		return err
	}
	url := "/webhooks/" + w.ID.String()
	page.Breadcrumbs = crumbs("Webhooks", "/webhooks", webhookName(w), url)
	return web.Render(c, status, pages.WebhookRotate(page, pages.WebhookRotateView{Description: webhookName(w), Target: w.URL, Action: url + "/rotate", CancelURL: url,
		Overlaps: options(overlaps, overlap), Errors: faults}))
}

func (p *Portal) webhookRotate(c echo.Context) error {
	w, err := p.webhook(c)
	if err != nil {
		return err
	}
	picked := field(c, "overlap")
	span, ok := life(picked, overlaps)
	if !ok {
		return p.renderRotate(c, unprocessable, w, picked, []ui.ErrorView{{Field: "overlap", Text: "Choose one of the times."}})
	}
	w, value, err := p.Webhooks.Rotate(c.Request().Context(), web.Actor(c), w.ID, &span)
	if faults, ok := formErrors(err, nil); ok {
		return p.renderRotate(c, unprocessable, w, picked, faults)
	}
	if err != nil {
		return err
	}
	text := []string{"Give the new secret to the receiver. It is never shown again."}
	if span > 0 {
		text = append(text, "Until the overlap ends both secrets sign. The page of the webhook shows which one the receiver last accepted.")
	} else {
		text = append(text, "The old secret has ended: until the receiver has the new one, it will refuse our events.")
	}
	return p.renderWebhookSecret(c, w, value, text)
}

func (p *Portal) webhookEndOverlap(c echo.Context) error {
	w, err := p.webhook(c)
	if err != nil {
		return err
	}
	if err := p.Webhooks.EndOverlap(c.Request().Context(), web.Actor(c), w.ID); err != nil {
		return err
	}
	return done(c, "/webhooks/"+w.ID.String(), "good", "The old secret has ended. Only the new one signs.")
}

func (p *Portal) webhookTest(c echo.Context) error {
	w, err := p.webhook(c)
	if err != nil {
		return err
	}
	d, err := p.Webhooks.Test(c.Request().Context(), web.Actor(c), w.ID, "")
	if err != nil {
		return err
	}
	return done(c, "/webhooks/"+w.ID.String()+"/deliveries/"+d.ID.String(), "info", "A test event is on its way. Reload the page to see the answer.")
}

func (p *Portal) webhookPause(c echo.Context) error {
	return p.setWebhookStatus(c, models.WebhookPaused, "Nothing is sent until it is resumed.")
}

func (p *Portal) webhookResume(c echo.Context) error {
	return p.setWebhookStatus(c, models.WebhookActive, "Events are sent again.")
}

func (p *Portal) setWebhookStatus(c echo.Context, status models.WebhookStatus, text string) error {
	w, err := p.webhook(c)
	if err != nil {
		return err
	}
	if _, err := p.Webhooks.Update(c.Request().Context(), web.Actor(c), w.ID, webhooks.Change{Status: string(status)}); err != nil {
		return err
	}
	return done(c, "/webhooks/"+w.ID.String(), "good", text)
}

func (p *Portal) webhookDeleteConfirm(c echo.Context) error {
	w, err := p.webhook(c)
	if err != nil {
		return err
	}
	page, err := p.frame(c, "Delete "+webhookName(w))
	if err != nil {
		return err
	}
	url := "/webhooks/" + w.ID.String()
	page.Breadcrumbs = crumbs("Webhooks", "/webhooks", webhookName(w), url)
	return web.Render(c, http.StatusOK, pages.WebhookDelete(page, pages.WebhookDeleteView{Description: webhookName(w), Target: w.URL,
		Ends: []string{"No event is sent to this address any more, retries included.", "Its secrets are destroyed."}, Stays: []string{"The audit entries."}, Action: url + "/delete", CancelURL: url}))
}

func (p *Portal) webhookDelete(c echo.Context) error {
	w, err := p.webhook(c)
	if err != nil {
		return err
	}
	if err := p.Webhooks.Delete(c.Request().Context(), web.Actor(c), w.ID); err != nil {
		return err
	}
	return done(c, "/webhooks", "good", webhookName(w)+" was deleted.")
}

var deliveryStatuses = []choice{{"waiting", "Waiting"}, {"delivered", "Delivered"}, {"failed", "Gave up"}, {"dropped", "Cancelled"}}

func deliveryState(d models.Delivery) string {
	switch d.Status {
	case "failed":
		return "gave_up"
	case "dropped":
		return "cancelled"
	case "waiting":
		if d.Attempts > 0 {
			return "retrying"
		}
	}
	return d.Status
}

func deliveryRow(d models.Delivery) pages.DeliveryRow {
	row := pages.DeliveryRow{Event: d.EventID.String(), URL: "/webhooks/" + d.WebhookID.String() + "/deliveries/" + d.ID.String(), Trigger: d.EventType, State: deliveryState(d),
		Attempts: d.Attempts, Status: d.LastStatus, At: d.CreatedAt}
	if d.NextAttemptAt != nil && d.SettledAt == nil {
		row.Next = *d.NextAttemptAt
	}
	return row
}

func (p *Portal) deliveryList(c echo.Context) error {
	w, err := p.webhook(c)
	if err != nil {
		return err
	}
	base := "/webhooks/" + w.ID.String()
	l := readList(c, base+"/deliveries", "status", "type")
	found, err := p.Webhooks.Deliveries(c.Request().Context(), web.Actor(c), w.ID, webhooks.DeliveryFilter{Status: l.get("status"), Type: l.get("type"), Cursor: l.get("cursor"), Limit: pageSize})
	if err != nil {
		return err
	}
	var types []choice
	for _, t := range w.TriggerTypes {
		types = append(types, choice{t, t})
	}
	view := pages.DeliveryListView{Filters: l.view("", filter{"status", "State", deliveryStatuses}, filter{"type", "Event type", types}), Pages: l.pages(len(found.Deliveries), found.Next, ""), Filtered: l.filtered()}
	for _, d := range found.Deliveries {
		view.Rows = append(view.Rows, deliveryRow(d))
	}
	page, err := p.frame(c, "Deliveries")
	if err != nil {
		return err
	}
	page.Breadcrumbs = crumbs("Webhooks", "/webhooks", webhookName(w), base)
	return web.Render(c, http.StatusOK, pages.DeliveryList(page, view))
}

func (p *Portal) deliveryShow(c echo.Context) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	w, err := p.webhook(c)
	if err != nil {
		return err
	}
	id, err := web.ParamID[models.DeliveryID](c, "delivery")
	if err != nil {
		return err
	}
	found, err := p.Webhooks.Delivery(ctx, actor, w.ID, id)
	if err != nil {
		return err
	}
	d, base := found.Delivery, "/webhooks/"+w.ID.String()
	view := pages.DeliveryShowView{ID: d.ID.String(), Event: d.EventID.String(), Trigger: d.EventType, Webhook: webhookName(w), WebhookURL: base, Target: w.URL, State: deliveryState(d), Created: d.CreatedAt}
	if d.NextAttemptAt != nil && d.SettledAt == nil {
		view.Next = *d.NextAttemptAt
	}
	for _, a := range found.Attempts {
		view.Attempts = append(view.Attempts, attemptView(a))
	}
	if actor.May(models.WriteWebhooks) && d.SettledAt != nil {
		view.ReplayURL = base + "/deliveries/" + d.ID.String() + "/replay"
	}
	page, err := p.frame(c, "Delivery of "+d.EventType)
	if err != nil {
		return err
	}
	page.Kind, page.Breadcrumbs = "Delivery", crumbs("Webhooks", "/webhooks", webhookName(w), base, "Deliveries", base+"/deliveries")
	return web.Render(c, http.StatusOK, pages.DeliveryShow(page, view))
}

// mostAnswer is how much of an answer is kept; see engine/webhooks.
const mostAnswer = 4 << 10

func attemptView(a models.Attempt) pages.AttemptView {
	v := pages.AttemptView{Number: a.Number, At: a.StartedAt, State: "failed", Status: a.Status, Latency: strconv.Itoa(a.LatencyMS) + " ms", Problem: a.Problem, ResponseBody: a.Response, BodyCut: len(a.Response) >= mostAnswer}
	if a.Status >= 200 && a.Status < 300 {
		v.State = "delivered"
	}
	for _, n := range a.Generations {
		v.SignedBy = append(v.SignedBy, "generation "+strconv.Itoa(n))
	}
	v.RequestHeaders = factsOf(a.Request)
	return v
}

func (p *Portal) deliveryReplay(c echo.Context) error {
	w, err := p.webhook(c)
	if err != nil {
		return err
	}
	id, err := web.ParamID[models.DeliveryID](c, "delivery")
	if err != nil {
		return err
	}
	again, err := p.Webhooks.Replay(c.Request().Context(), web.Actor(c), w.ID, id)
	if err != nil {
		return err
	}
	return done(c, "/webhooks/"+w.ID.String()+"/deliveries/"+again.ID.String(), "info", "The event is being sent again, with the same id. Reload the page to see the answer.")
}
