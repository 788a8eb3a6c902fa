package consent

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/consent"
	"github.com/postern-mail/postern/views/ui"
	"github.com/postern-mail/postern/web"
)

// link shows what a connect link asks for. Opening it uses nothing up.
func (d *Door) link(c echo.Context) error {
	v, err := d.Grants.OpenLink(c.Request().Context(), secret.New(c.Param("token")))
	if err != nil {
		return err
	}
	return d.begin(c, http.StatusOK, v, "/connect/"+c.Param("token"), v.ExpectedEmail, nil)
}

func (d *Door) linkGo(c echo.Context) error {
	token := secret.New(c.Param("token"))
	next, err := d.Grants.Go(c.Request().Context(), d.step(c, grants.Step{LinkToken: token}))
	if mistakes, ok := formErrors(err); ok {
		v, err := d.Grants.OpenLink(c.Request().Context(), token)
		if err != nil {
			return err
		}
		return d.begin(c, http.StatusUnprocessableEntity, v, "/connect/"+c.Param("token"), c.FormValue("address"), mistakes)
	}
	return d.lead(c, next, err)
}

func (d *Door) linkCancel(c echo.Context) error {
	title := "Nothing was connected"
	return web.Render(c, http.StatusOK, consent.End(d.page(c, title, false), consent.EndView{Kind: "cancelled", Title: title, Company: d.Company,
		Text: "You cancelled. No mailbox was connected.", Do: "The link stays good until it ends: open it again if you change your mind."}))
}

// flow shows what a program asks for. It binds no browser: that is done by the form.
func (d *Door) flow(c echo.Context) error {
	id, err := web.ParamID[models.FlowID](c, "flow")
	if err != nil {
		return err
	}
	v, err := d.Grants.OpenFlow(c.Request().Context(), id)
	if err != nil {
		return err
	}
	return d.begin(c, http.StatusOK, v, flowPath(id), v.LoginHint, nil)
}

func (d *Door) flowGo(c echo.Context) error {
	id, err := web.ParamID[models.FlowID](c, "flow")
	if err != nil {
		return err
	}
	next, err := d.Grants.Go(c.Request().Context(), d.step(c, grants.Step{Flow: id}))
	if mistakes, ok := formErrors(err); ok {
		v, err := d.Grants.OpenFlow(c.Request().Context(), id)
		if err != nil {
			return err
		}
		return d.begin(c, http.StatusUnprocessableEntity, v, flowPath(id), c.FormValue("address"), mistakes)
	}
	return d.lead(c, next, err)
}

func (d *Door) flowCancel(c echo.Context) error {
	id, err := web.ParamID[models.FlowID](c, "flow")
	if err != nil {
		return err
	}
	done, err := d.Grants.Cancel(c.Request().Context(), id, d.held(c))
	if err != nil {
		return err
	}
	if done.RedirectURL != "" {
		return c.Redirect(http.StatusSeeOther, done.RedirectURL)
	}
	return d.linkCancel(c)
}

func (d *Door) step(c echo.Context, s grants.Step) grants.Step {
	s.Browser, s.Provider, s.Email = d.browser(c), c.FormValue("provider"), strings.TrimSpace(c.FormValue("address"))
	s.Addr, s.UserAgent = web.Addr(c), c.Request().UserAgent()
	return s
}

// lead sends the browser on: to the provider, or to our own password form.
func (d *Door) lead(c echo.Context, next grants.Next, err error) error {
	if err != nil {
		return err
	}
	if next.URL != "" {
		return c.Redirect(http.StatusSeeOther, next.URL)
	}
	return web.SeeOther(c, flowPath(next.Flow)+"/password")
}

func (d *Door) begin(c echo.Context, status int, v grants.Consent, action, address string, mistakes []ui.ErrorView) error {
	allowTargets(c, v)
	if v.Administrator {
		return web.Render(c, status, consent.Approve(d.page(c, "Approve for your organisation", true), consent.ApproveView{Ask: d.ask(v), Provider: v.Choices[0].Label, Code: v.Choices[0].Name,
			Action: action, CancelURL: action + "/cancel", Errors: mistakes}))
	}
	view := consent.BeginView{Ask: d.ask(v), Reconnect: v.Reconnect, Expected: v.ExpectedEmail, Address: address, Detect: len(v.Choices) > 1, Action: action,
		CancelURL: action + "/cancel", Errors: mistakes}
	if v.Flow.IsZero() {
		view.Expires = v.ExpiresAt
	}
	for _, choice := range v.Choices {
		detail := "opens " + choice.Label + "'s own page"
		if choice.Password {
			detail = "with the mailbox's password or an app password"
		}
		view.Providers = append(view.Providers, consent.ProviderView{Code: choice.Name, Name: choice.Label, Detail: detail})
	}
	return web.Render(c, status, consent.Begin(d.page(c, "Connect your mailbox", true), view))
}
