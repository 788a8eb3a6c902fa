package portal

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/offboardings"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/layout"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/views/ui"
	"github.com/postern-mail/postern/web"
)

var offboardingStates = []choice{{"planned", "Waits for approval"}, {"approved", "Approved"}, {"running", "In progress"}, {"done", "Done"}, {"withdrawn", "Withdrawn"}, {"stale", "Plan no longer holds"}}

var offboardingWaits = []choice{{"1h", "One hour"}, {"24h", "One day"}, {"72h", "Three days"}}

func (p *Portal) offboardingList(c echo.Context) error {
	ctx, actor, l := c.Request().Context(), web.Actor(c), readList(c, "/offboardings", "state", "tenant")
	f := offboardings.Filter{State: models.OffboardingState(l.get("state")), Cursor: l.get("cursor"), Limit: pageSize}
	if l.get("tenant") != "" {
		id, err := models.ParseID[models.TenantID](l.get("tenant"))
		if err != nil {
			return errAbsent.Because(err)
		}
		f.Tenant = id
	}
	found, next, err := p.Offboardings.List(ctx, actor, f)
	if err != nil {
		return err
	}
	page, err := p.frame(c, "Offboardings")
	if err != nil {
		return err
	}
	page.Lede = "Everything of an organisation, ended by a plan that a second person approved."
	view := pages.OffboardingListView{Filtered: l.filtered(), OneTenant: !actor.Tenant.IsZero(), Pages: l.pages(len(found), next, ""),
		Filters: l.view("", filter{"state", "State", offboardingStates}, filter{"tenant", "Tenant", nil})}
	for _, o := range found {
		var plan offboardings.Plan
		if err := json.Unmarshal(o.Plan, &plan); err != nil {
			return fmt.Errorf("read a plan: %w", err)
		}
		live, _ := plan.Total()
		view.Rows = append(view.Rows, pages.OffboardingRow{Tenant: plan.Name, URL: "/offboardings/" + o.ID.String(), State: string(o.State), Grants: live, Reason: masked(actor, o.Reason),
			RequestedBy: o.RequestedBy, ApprovedBy: o.ApprovedBy, At: o.RequestedAt})
	}
	return web.Render(c, http.StatusOK, pages.OffboardingList(page, view))
}

func (p *Portal) planView(plan offboardings.Plan, hash []byte) pages.PlanView {
	v := pages.PlanView{Keys: plan.Keys, Webhooks: plan.Webhooks, Links: plan.Links, Members: plan.Members, Sessions: plan.Sessions, Estimate: estimate(plan)}
	v.Live, v.Revoked = plan.Total()
	if len(hash) > 0 {
		v.Hash = hex.EncodeToString(hash)
	}
	for _, g := range plan.Grants {
		v.Providers = append(v.Providers, pages.PlanProviderView{Provider: providerName(g.Provider), Live: g.Live, Revoked: g.Revoked, Means: meaning(g.Provider)})
	}
	for _, a := range plan.Apps {
		text := providerName(a.Provider) + ", " + a.Application
		if a.ClientID != "" {
			text += " (" + a.ClientID + ")"
		}
		v.Apps = append(v.Apps, text)
	}
	return v
}

func (p *Portal) offboardingPlan(c echo.Context) error {
	return p.renderOffboardingPlan(c, http.StatusOK, pages.OffboardingPlanView{}, "72h")
}

func (p *Portal) renderOffboardingPlan(c echo.Context, status int, view pages.OffboardingPlanView, wait string) error {
	t, err := p.tenant(c)
	if err != nil {
		return err
	}
	plan, err := p.Offboardings.DryRun(c.Request().Context(), web.Actor(c), t.ID)
	if err != nil {
		return err
	}
	url := "/tenants/" + t.ID.String()
	view.Tenant, view.Plan, view.Action, view.CancelURL, view.Waits = t.Name, p.planView(plan, nil), url+"/offboard", url, options(offboardingWaits, wait)
	page, err := p.frame(c, "Offboard "+t.Name)
	if err != nil {
		return err
	}
	page.Kind, page.Breadcrumbs = "Dry run", crumbs("Tenants", "/tenants", t.Name, url)
	return web.Render(c, status, pages.OffboardingPlan(page, view))
}

func (p *Portal) offboardingCreate(c echo.Context) error {
	t, err := p.tenant(c)
	if err != nil {
		return err
	}
	view := pages.OffboardingPlanView{Reason: field(c, "reason"), Ticket: field(c, "ticket"), StartAt: field(c, "start_at")}
	wait, ok := life(field(c, "wait"), offboardingWaits)
	if !ok {
		view.Errors = append(view.Errors, ui.ErrorView{Field: "wait", Text: "Choose how long a provider is asked."})
	}
	r := offboardings.Request{Reason: view.Reason, Ticket: view.Ticket, Wait: wait}
	if view.StartAt != "" {
		if r.StartAt, err = time.Parse("2006-01-02 15:04", view.StartAt); err != nil {
			view.Errors = append(view.Errors, ui.ErrorView{Field: "start_at", Text: "Write the time in UTC, as 2026-12-31 18:00."})
		}
	}
	if view.Errors != nil {
		return p.renderOffboardingPlan(c, unprocessable, view, field(c, "wait"))
	}
	o, err := p.Offboardings.Plan(c.Request().Context(), web.Actor(c), t.ID, r)
	if faults, ok := formErrors(err, nil); ok {
		view.Errors = faults
		return p.renderOffboardingPlan(c, unprocessable, view, field(c, "wait"))
	}
	if err != nil {
		return err
	}
	return done(c, "/offboardings/"+o.ID.String(), "good", "The plan is frozen. Somebody else approves it.")
}

func (p *Portal) offboarding(c echo.Context) (offboardings.Standing, error) {
	id, err := web.ParamID[models.OffboardingID](c, "offboarding")
	if err != nil {
		return offboardings.Standing{}, err
	}
	return p.Offboardings.Find(c.Request().Context(), web.Actor(c), id)
}

func (p *Portal) offboardingShow(c echo.Context) error {
	o, err := p.offboarding(c)
	if err != nil {
		return err
	}
	actor, url := web.Actor(c), "/offboardings/"+o.ID.String()
	page, err := p.frame(c, "Offboarding of "+o.Plan.Name)
	if err != nil {
		return err
	}
	page.Kind, page.Breadcrumbs = "Offboarding", crumbs("Offboardings", "/offboardings")
	view := pages.OffboardingShowView{ID: o.ID.String(), State: string(o.State), Sentence: p.offboardingSentence(o), Tenant: o.Plan.Name, Plan: p.planView(o.Plan, o.PlanHash), Reason: masked(actor, o.Reason), Ticket: o.Ticket,
		Wait: waitWords(o.WaitSeconds), RequestedBy: o.RequestedBy, RequestedAt: o.RequestedAt, Expires: o.ExpiresAt, ApprovedBy: o.ApprovedBy}
	if o.ApprovedAt != nil {
		view.ApprovedAt = *o.ApprovedAt
	}
	if o.StartAt != nil {
		view.Start = *o.StartAt
	}
	if actor.May(models.ReadTenants) {
		view.TenantURL = "/tenants/" + o.TenantID.String()
	}
	if o.State == models.OffboardingRunning || o.State == models.OffboardingDone {
		view.Steps, view.Progress = stepViews(o), progressViews(o)
		if live, err := p.stillLiveOf(c, o); err != nil {
			return err
		} else if live > 0 {
			view.StillLive, view.StillLiveURL = live, "/receipts/live?tenant="+o.TenantID.String()
		}
	}
	switch o.State {
	case models.OffboardingRunning:
		view.LiveURL, view.LiveState = url+"/progress", liveState(o)
		if o.Open > 0 && atStep(o) == offboardings.StepProviders && actor.May(models.OffboardTenants) {
			view.StopWaitingURL = url + "/stop-waiting"
		}
	case models.OffboardingDone:
		view.CertificateURL = url + "/certificate"
	case models.OffboardingStale:
		if actor.May(models.OffboardTenants) {
			view.PlanAgainURL = "/tenants/" + o.TenantID.String() + "/offboard"
		}
	case models.OffboardingPlanned, models.OffboardingApproved:
		if !actor.May(models.OffboardTenants) {
			break
		}
		view.WithdrawURL = url + "/withdraw"
		if o.State == models.OffboardingApproved {
			break
		}
		if o.RequestedByID == actor.ID {
			view.WhyNotApprove = "You asked for this. Somebody else must approve it."
		} else {
			view.ApproveURL = url + "/approve"
		}
	}
	return web.Render(c, http.StatusOK, pages.OffboardingShow(page, view))
}

func (p *Portal) stillLiveOf(c echo.Context, o offboardings.Standing) (int, error) {
	return p.Grants.StillLiveOf(c.Request().Context(), web.Actor(c), o.TenantID)
}

func (p *Portal) offboardingProgress(c echo.Context) error {
	return p.stream(c, func() (news, bool, error) {
		o, err := p.offboarding(c)
		if err != nil {
			return news{}, false, err
		}
		return newsOf(liveState(o), progressViews(o)), o.State == models.OffboardingRunning, nil
	})
}

func (p *Portal) offboardingApproveForm(c echo.Context) error {
	o, err := p.offboarding(c)
	if err != nil {
		return err
	}
	if o.State != models.OffboardingPlanned {
		return offboardings.ErrNotThat
	}
	if o.RequestedByID == web.Actor(c).ID {
		return offboardings.ErrOwnPlan
	}
	page, err := p.frame(c, "Offboard "+o.Plan.Name+"?")
	if err != nil {
		return err
	}
	url := "/offboardings/" + o.ID.String()
	page.Breadcrumbs = crumbs("Offboardings", "/offboardings", o.Plan.Name, url)
	view := pages.OffboardingApproveView{Tenant: o.Plan.Name, Plan: p.planView(o.Plan, o.PlanHash), Reason: o.Reason, By: o.RequestedBy, AtOnce: o.StartAt == nil || !o.StartAt.After(p.Now()), Action: url + "/approve", CancelURL: url}
	if o.StartAt != nil {
		view.Start = *o.StartAt
	}
	return web.Render(c, http.StatusOK, pages.OffboardingApprove(page, view))
}

func (p *Portal) offboardingApprove(c echo.Context) error {
	id, err := web.ParamID[models.OffboardingID](c, "offboarding")
	if err != nil {
		return err
	}
	o, err := p.Offboardings.Approve(c.Request().Context(), web.Actor(c), id, field(c, "plan"))
	if err != nil {
		return err
	}
	text := "Approved. Nobody reaches these mailboxes through Postern any more."
	if o.State == models.OffboardingApproved {
		text = "Approved. It begins by itself at its time."
	}
	return done(c, "/offboardings/"+id.String(), "good", text)
}

func (p *Portal) offboardingWithdraw(c echo.Context) error {
	id, err := web.ParamID[models.OffboardingID](c, "offboarding")
	if err != nil {
		return err
	}
	if err := p.Offboardings.Withdraw(c.Request().Context(), web.Actor(c), id); err != nil {
		return err
	}
	return done(c, "/offboardings/"+id.String(), "good", "Withdrawn. Nothing was changed.")
}

func (p *Portal) offboardingStopWaiting(c echo.Context) error {
	id, err := web.ParamID[models.OffboardingID](c, "offboarding")
	if err != nil {
		return err
	}
	if err := p.Offboardings.StopWaiting(c.Request().Context(), web.Actor(c), id); err != nil {
		return err
	}
	return done(c, "/offboardings/"+id.String(), "good", "Providers are not waited for any more. What they have not confirmed stays on the list of what is still live.")
}

func (p *Portal) certificate(c echo.Context) (offboardings.Standing, offboardings.Certificate, models.AuditID, error) {
	o, err := p.offboarding(c)
	if err != nil {
		return o, offboardings.Certificate{}, models.AuditID{}, err
	}
	paper, entry, err := p.Offboardings.Certificate(c.Request().Context(), web.Actor(c), o.ID)
	return o, paper, entry, err
}

// tenantOffboard gives the tenant page its act, or leads to the offboarding that is open.
func (p *Portal) tenantOffboard(c echo.Context, t models.Tenant) (layout.Action, error) {
	actor := web.Actor(c)
	open, _, err := p.Offboardings.List(c.Request().Context(), actor, offboardings.Filter{Tenant: t.ID, Limit: 1})
	if err != nil {
		if fault.KindOf(err) == fault.NotFound {
			return layout.Action{}, nil
		}
		return layout.Action{}, err
	}
	if len(open) > 0 && (open[0].Open() || open[0].State == models.OffboardingDone) {
		return layout.Action{Label: "Its offboarding", URL: "/offboardings/" + open[0].ID.String()}, nil
	}
	if t.State == models.TenantActive && actor.May(models.OffboardTenants) {
		return layout.Action{Label: "Offboard", URL: "/tenants/" + t.ID.String() + "/offboard"}, nil
	}
	return layout.Action{}, nil
}
