package portal

import (
	"cmp"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/verifications"
	"github.com/postern-mail/postern/engine/webhooks"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/views/ui"
	"github.com/postern-mail/postern/web"
)

// lefts is how long an old secret can be let sign on.
var lefts = []choice{{"1h", "1 hour"}, {"24h", "24 hours"}, {"72h", "3 days"}, {"168h", "7 days"}}

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

func (p *Portal) webhookExtendOverlap(c echo.Context) error {
	w, err := p.webhook(c)
	if err != nil {
		return err
	}
	left, ok := life(field(c, "left"), lefts)
	if !ok {
		return fault.New(fault.Invalid, "overlap_not_offered", "Choose one of the times that are offered.").At("left")
	}
	if err := p.Webhooks.ExtendOverlap(c.Request().Context(), web.Actor(c), w.ID, left); err != nil {
		return err
	}
	return done(c, "/webhooks/"+w.ID.String(), "good", "The old secret signs for another "+label(lefts, field(c, "left"))+".")
}

func label(list []choice, value string) string {
	for _, o := range list {
		if o.value == value {
			return o.label
		}
	}
	return ""
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

var (
	replayWhiches = []choice{{webhooks.ReplayFailed, "Those that failed: every attempt was refused"}, {webhooks.ReplayNeverAttempted, "Those never attempted: the webhook was paused or switched off"}}
	replaySinces  = []choice{{"1h", "an hour ago"}, {"24h", "yesterday at this time"}, {"72h", "three days ago"}, {"168h", "a week ago"}, {"336h", "two weeks ago"}}
)

func (p *Portal) deliveryList(c echo.Context) error {
	return p.renderDeliveries(c, http.StatusOK, "", "", nil)
}

func (p *Portal) renderDeliveries(c echo.Context, status int, which, since string, faults []ui.ErrorView) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	w, err := p.webhook(c)
	if err != nil {
		return err
	}
	base := "/webhooks/" + w.ID.String()
	l := readList(c, base+"/deliveries", "status", "type")
	found, err := p.Webhooks.Deliveries(ctx, actor, w.ID, webhooks.DeliveryFilter{Status: l.get("status"), Type: l.get("type"), Cursor: l.get("cursor"), Limit: pageSize})
	if err != nil {
		return err
	}
	var types []choice
	for _, t := range w.TriggerTypes {
		types = append(types, choice{t, t})
	}
	view := pages.DeliveryListView{Filters: l.view("", filter{"status", "State", deliveryStatuses}, filter{"type", "Event type", types}), Pages: l.pages(len(found.Deliveries), found.Next, ""), Filtered: l.filtered(), Errors: faults}
	for _, d := range found.Deliveries {
		view.Rows = append(view.Rows, deliveryRow(d))
	}
	replays, err := p.Webhooks.Replays(ctx, actor, w.ID)
	if err != nil {
		return err
	}
	under := false
	for _, r := range replays {
		v := pages.ReplayView{What: "All that failed since ", By: r.Actor, At: r.CreatedAt, Done: r.Done, Total: r.Total, Stopped: r.Stopped}
		if r.Which == webhooks.ReplayNeverAttempted {
			v.What = "All never attempted since "
		}
		v.What += ui.Absolute(r.Since, p.Now().UTC())
		if r.FinishedAt != nil {
			v.Finished = *r.FinishedAt
		}
		under = under || r.FinishedAt == nil
		view.Replays = append(view.Replays, v)
	}
	if actor.May(models.WriteWebhooks) && w.Sends() && !under && (len(view.Rows) > 0 || l.filtered()) {
		view.ReplayURL, view.Whiches, view.Sinces = base+"/replays", options(replayWhiches, cmp.Or(which, webhooks.ReplayFailed)), options(replaySinces, cmp.Or(since, "24h"))
	}
	page, err := p.frame(c, "Deliveries")
	if err != nil {
		return err
	}
	page.Breadcrumbs = crumbs("Webhooks", "/webhooks", webhookName(w), base)
	return web.Render(c, status, pages.DeliveryList(page, view))
}

func (p *Portal) deliveryReplayAll(c echo.Context) error {
	w, err := p.webhook(c)
	if err != nil {
		return err
	}
	which, since := field(c, "which"), field(c, "since")
	ago, ok := life(since, replaySinces)
	if !ok {
		return p.renderDeliveries(c, unprocessable, which, "", []ui.ErrorView{{Field: "since", Text: "Choose one of the times."}})
	}
	r, err := p.Webhooks.ReplayAll(c.Request().Context(), web.Actor(c), w.ID, which, p.Now().Add(-ago))
	if faults, ok := formErrors(err, nil); ok {
		return p.renderDeliveries(c, unprocessable, which, since, faults)
	}
	if err != nil {
		return err
	}
	if r.Total == 0 {
		return done(c, "/webhooks/"+w.ID.String()+"/deliveries", "info", "Nothing was given up in that time, so nothing is sent again.")
	}
	return done(c, "/webhooks/"+w.ID.String()+"/deliveries#replay", "info", ui.Count(r.Total, "delivery is", "deliveries are")+" being put in line again. Reload the page to see how far it is.")
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
	if err := p.stages(c, &view, w, found); err != nil {
		return err
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

// stages puts on one line what was sent, what the receiver answered, and what it found when it checked the signature.
func (p *Portal) stages(c echo.Context, view *pages.DeliveryShowView, w models.Webhook, found webhooks.DeliveryDetail) error {
	view.Sent, view.Answered, view.Verified = pages.StageView{Text: "Not yet"}, pages.StageView{Text: "No answer yet"}, pages.StageView{Text: "No report"}
	if n := len(found.Attempts); n > 0 {
		last := found.Attempts[n-1]
		view.Sent = pages.StageView{Text: ui.Count(n, "attempt", "attempts") + ", the last", At: last.StartedAt}
		view.Answered = pages.StageView{State: attemptState(last), Text: strconv.Itoa(last.Status) + " after " + strconv.Itoa(last.LatencyMS) + " ms"}
		if last.Status == 0 {
			view.Answered.Text = last.Problem
		}
	}
	if found.Delivery.Status == "dropped" && len(found.Attempts) == 0 {
		view.Sent = pages.StageView{State: "cancelled", Text: "Never sent"}
	}
	actor := web.Actor(c)
	if !actor.May(models.ReadVerifications) {
		view.Verified.Text = "Not for this role"
		return nil
	}
	list, err := p.Verifications.List(c.Request().Context(), actor, verifications.Filter{Webhook: w.ID, Search: found.Delivery.EventID.String(), Limit: 1})
	if err != nil || len(list.Verifications) == 0 {
		return err
	}
	v := list.Verifications[0]
	view.Verified = pages.StageView{State: v.Verdict, Text: verifications.AdviceFor(v.Reason).Title, At: v.At, URL: "/verifications/" + v.ID.String()}
	return nil
}

func attemptState(a models.Attempt) string {
	if a.Status >= 200 && a.Status < 300 {
		return "delivered"
	}
	return "failed"
}

// mostAnswer is how much of an answer is kept; see engine/webhooks.
const mostAnswer = 4 << 10

func attemptView(a models.Attempt) pages.AttemptView {
	v := pages.AttemptView{Number: a.Number, At: a.StartedAt, State: attemptState(a), Status: a.Status, Latency: strconv.Itoa(a.LatencyMS) + " ms", Problem: a.Problem, ResponseBody: a.Response, BodyCut: len(a.Response) >= mostAnswer}
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
