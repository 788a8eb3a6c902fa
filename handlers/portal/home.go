package portal

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/engine/offboardings"
	"github.com/postern-mail/postern/engine/verifications"
	"github.com/postern-mail/postern/engine/webhooks"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/views/ui"
	"github.com/postern-mail/postern/web"
)

// home is the page that answers each role's first question. Strangers are sent to the sign-in page.
func (p *Portal) home(c echo.Context) error {
	switch a := web.Actor(c); {
	case a.Kind == "":
		return web.SeeOther(c, "/signin")
	case a.Role == models.Customer:
		return p.homeCustomer(c)
	case a.Role == models.Reviewer || a.Role == models.Guest:
		return p.homeReviewer(c)
	default:
		return p.homeStaff(c)
	}
}

func (p *Portal) homeStaff(c echo.Context) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	view := pages.HomeStaffView{Checked: p.Now().UTC()}
	var err error
	if view.Needs, err = p.needs(ctx, actor); err != nil {
		return err
	}
	if view.Numbers, err = p.grantNumbers(ctx, actor, models.TenantID{}); err != nil {
		return err
	}
	if view.Charts, err = p.homeCharts(ctx, actor); err != nil {
		return err
	}
	if actor.May(models.ReadAudit) {
		found, err := p.Audit.List(ctx, actor, audit.Filter{Limit: 6})
		if err != nil {
			return err
		}
		view.Recent, view.AllURL = auditRows(actor, found.Entries, nil), "/audit"
	}
	page, err := p.frame(c, "Today")
	if err != nil {
		return err
	}
	return web.Render(c, http.StatusOK, pages.HomeStaff(page, view))
}

// needs lists what waits for a person, the gravest first.
func (p *Portal) needs(ctx context.Context, actor models.Actor) ([]pages.NeedView, error) {
	var out []pages.NeedView
	live, err := p.Grants.StillLive(ctx, actor)
	if err != nil {
		return nil, err
	}
	if live > 0 {
		out = append(out, pages.NeedView{State: "severing", Text: ui.Count(live, "mailbox is", "mailboxes are") + " cut here and may still be live at a provider",
			Detail: "Only the owner can end some of these.", Act: "Show them", URL: "/receipts/live"})
	}
	if actor.May(models.OffboardTenants) {
		planned, _, err := p.Offboardings.List(ctx, actor, offboardings.Filter{State: models.OffboardingPlanned, Limit: 5})
		if err != nil {
			return nil, err
		}
		for _, o := range planned {
			if o.RequestedByID != actor.ID && p.Now().Before(o.ExpiresAt) {
				out = append(out, pages.NeedView{State: "planned", Text: "An offboarding waits for a second person", Detail: o.RequestedBy + " asks for it: " + o.Reason, At: o.RequestedAt, Act: "Look at the plan", URL: "/offboardings/" + o.ID.String()})
			}
		}
	}
	for _, status := range []models.WebhookStatus{models.WebhookFailed, models.WebhookFailing} {
		found, err := p.Webhooks.List(ctx, actor, webhooks.Filter{Status: status, Limit: 5})
		if err != nil {
			return nil, err
		}
		for _, w := range found.Webhooks {
			text := "Events do not arrive at " + webhookName(w)
			if status == models.WebhookFailed {
				text = "Postern stopped sending to " + webhookName(w)
			}
			out = append(out, pages.NeedView{State: string(status), Text: text, At: w.StatusAt, Act: "Look at the webhook", URL: "/webhooks/" + w.ID.String()})
		}
	}
	invalid, err := p.Grants.List(ctx, actor, grants.Filter{Status: string(models.GrantInvalid), Limit: 1})
	if err != nil {
		return nil, err
	}
	if invalid.Total > 0 {
		out = append(out, pages.NeedView{State: "invalid", Text: ui.Count(invalid.Total, "mailbox needs", "mailboxes need") + " a reconnect",
			Detail: "Programs cannot reach them until their owners consent again.", Act: "Show them", URL: "/grants?status=invalid"})
	}
	ending, err := p.Applications.Ending(ctx, actor)
	if err != nil {
		return nil, err
	}
	for _, k := range ending {
		out = append(out, pages.NeedView{State: "expiring", Text: "The client secret for " + providerName(k.Provider) + " " + lower(secretEnds(*k.SecretEndsAt, p.Now())), At: *k.SecretEndsAt, Act: "Change it", URL: "/connectors/" + k.ApplicationID.String() + "/" + k.Provider})
	}
	if actor.May(models.ManageEvidence) {
		fresh, err := p.Evidence.NewHosts(ctx)
		if err != nil {
			return nil, err
		}
		if fresh > 0 {
			out = append(out, pages.NeedView{State: "new", Text: "Postern reached " + ui.Count(fresh, "new outside host", "new outside hosts"), Detail: "Say that you know them, or find out why.", Act: "Show them", URL: "/security/egress"})
		}
	}
	if actor.May(models.ManageKeys) {
		keys, err := p.Access.Keys(ctx, actor, models.ApplicationID{})
		if err != nil {
			return nil, err
		}
		for _, k := range keys {
			if p.keyState(k) == "expiring" {
				out = append(out, pages.NeedView{State: "expiring", Text: "The API key " + k.Name + " ends soon", At: *k.ExpiresAt, Act: "Show the keys", URL: "/api-keys"})
			}
		}
	}
	return out, nil
}

// homeCharts are the two charts of the last thirty days.
func (p *Portal) homeCharts(ctx context.Context, actor models.Actor) ([]ui.ChartView, error) {
	counts, err := p.Verifications.Counts(ctx, actor, verifications.Filter{})
	if err != nil {
		return nil, err
	}
	days := lastDays(p.Now(), 30)
	cuts, err := p.Grants.Outcomes(ctx, actor, days[0])
	if err != nil {
		return nil, err
	}
	severed := ui.ChartView{ID: "severed", Title: "Mailboxes cut in the last 30 days", Unit: "mailboxes"}
	names := []string{"severed-verified", "severed-at-provider", "deleted-here-only", "user-action-needed", "open"}
	for _, name := range names {
		state := name
		if name == "open" {
			state = "severing"
		}
		severed.Series = append(severed.Series, ui.SeriesView{Label: ui.StateWord(state), State: state})
	}
	for _, day := range days {
		bar := ui.BarView{Label: day.Format("2 Jan"), Values: make([]int, len(names))}
		for _, n := range cuts {
			for i, name := range names {
				if sameDay(n.Day, day) && n.Outcome == name {
					bar.Values[i] += n.Count
				}
			}
		}
		severed.Bars = append(severed.Bars, bar)
	}
	return []ui.ChartView{verdictChart("Verdicts of the last 30 days", "2 Jan", days, counts), severed}, nil
}

func (p *Portal) homeReviewer(c echo.Context) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	view := pages.HomeReviewerView{}
	var err error
	if view.Primitives, err = p.primitives(ctx, actor); err != nil {
		return err
	}
	if view.Numbers, err = p.grantNumbers(ctx, actor, models.TenantID{}); err != nil {
		return err
	}
	if view.Charts, err = p.homeCharts(ctx, actor); err != nil {
		return err
	}
	rights, err := p.Evidence.Rights(ctx, actor)
	if err != nil {
		return err
	}
	view.Charts = append(view.Charts, sensitivities(rights))
	page, err := p.frame(c, "Is it under control?")
	if err != nil {
		return err
	}
	return web.Render(c, http.StatusOK, pages.HomeReviewer(page, view))
}

func (p *Portal) homeCustomer(c echo.Context) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	tenant, err := p.Tenants.Find(ctx, actor, actor.Tenant)
	if err != nil {
		return err
	}
	found, err := p.Grants.List(ctx, actor, grants.Filter{Tenant: actor.Tenant, WithPending: true, Limit: 200})
	if err != nil {
		return err
	}
	apps, _, err := p.applicationNames(ctx)
	if err != nil {
		return err
	}
	view := pages.HomeCustomerView{Company: p.Company, Tenant: tenant.Name, RegionText: p.regionText() + "."}
	if actor.May(models.WriteGrants) {
		view.ConnectURL = "/connect-mailbox"
	}
	for _, g := range found.Grants {
		view.Mailboxes = append(view.Mailboxes, customerMailbox(actor, g, apps[g.ApplicationID]))
	}
	page, err := p.frame(c, "Mailboxes")
	if err != nil {
		return err
	}
	page.Lede = "Which mailboxes of " + tenant.Name + " can be reached, and by which program."
	return web.Render(c, http.StatusOK, pages.HomeCustomer(page, view))
}

func customerMailbox(actor models.Actor, g models.Grant, application string) pages.CustomerMailboxView {
	can, _ := rights(g)
	url := "/grants/" + g.ID.String()
	m := pages.CustomerMailboxView{Address: g.Email, URL: url, Provider: providerName(g.Provider), Application: application, State: string(g.Status), Can: can, Since: sinceWhen(g)}
	if g.LastUsedAt != nil {
		m.LastUsed = *g.LastUsedAt
	}
	if actor.May(models.RevokeGrants) && g.Status != models.GrantRevoked {
		m.DisconnectURL = url + "/revoke"
	}
	if actor.May(models.WriteGrants) && (g.Status == models.GrantInvalid || g.Status == models.GrantRevoked) {
		m.ReconnectURL = url + "/reconnect-now"
	}
	return m
}

func sinceWhen(g models.Grant) time.Time {
	if g.AuthenticatedAt != nil {
		return *g.AuthenticatedAt
	}
	return g.CreatedAt
}
