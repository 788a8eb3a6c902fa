package portal

import (
	"cmp"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/webhooks"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/views/ui"
	"github.com/postern-mail/postern/web"
)

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
