package consent

import (
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/consent"
	"github.com/postern-mail/postern/web"
)

// callback takes the provider's answer and leaves its address at once, so that neither code nor state stays in the browser's history.
func (d *Door) callback(c echo.Context) error {
	done, err := d.Grants.Return(c.Request().Context(), grants.Answer{Provider: c.Param("provider"), State: secret.New(c.QueryParam("state")), Code: secret.New(c.QueryParam("code")),
		Error: c.QueryParam("error"), ErrorText: c.QueryParam("error_description"), Approved: c.QueryParam("admin_consent"), Organisation: c.QueryParam("tenant"), Browser: d.held(c)})
	if errors.Is(err, grants.ErrFlowSpent) && c.QueryParam("admin_consent") != "" { // an administrator who was forwarded the link comes back: nobody's flow, and nothing to keep
		return d.approved(c)
	}
	if err != nil {
		return err
	}
	if done.Outcome == grants.WrongAccount && done.RedirectURL == "" {
		// Nothing of the wrong account is kept, so its page cannot be fetched again: it is shown here.
		return d.wrongAccount(c, done)
	}
	return d.finish(c, done)
}

func (d *Door) approved(c echo.Context) error {
	title, text := "Approved", "The app is approved for this organisation. Whoever was stopped can open their link again and connect."
	if c.QueryParam("error") != "" || c.QueryParam("admin_consent") != "True" {
		title, text = "Not approved", "The app was not approved. Nothing was changed."
	}
	return web.Render(c, http.StatusOK, consent.End(d.page(c, title, false), consent.EndView{Kind: "used", Title: title, Text: text, Company: d.Company}))
}

func (d *Door) wrongAccount(c echo.Context, done grants.Done) error {
	title := "Another mailbox signed in"
	return web.Render(c, http.StatusOK, consent.WrongAccount(d.page(c, title, false), consent.WrongAccountView{
		Ask: consent.AskView{Company: d.Company}, Expected: done.Flow.ExpectedEmail, Actual: done.Flow.Email, Provider: done.Flow.Provider}))
}

// done shows how a flow of this browser ended.
func (d *Door) done(c echo.Context) error {
	id, err := web.ParamID[models.FlowID](c, "flow")
	if err != nil {
		return err
	}
	done, asked, err := d.Grants.Ended(c.Request().Context(), id, d.held(c))
	if err != nil {
		return err
	}
	allowTargets(c, asked)
	ask := d.ask(asked)
	switch done.Outcome {
	case grants.Connected:
		return web.Render(c, http.StatusOK, consent.Done(d.page(c, "Your mailbox is connected", false), consent.DoneView{Ask: ask, Address: done.Flow.Email, Provider: d.label(asked, done.Flow.Provider),
			Given: given(ask, done), NotGiven: rights(done.Missing), Reconnected: done.Grant.StatusReason == "reconnected", At: done.Grant.StatusAt, Reference: done.Grant.ID.String()}))
	case grants.Partial:
		missing := rights(done.Missing)
		return web.Render(c, http.StatusOK, consent.Partial(d.page(c, "Something is still missing", false), consent.PartialView{Ask: ask, Address: done.Flow.Email, Provider: d.label(asked, done.Flow.Provider),
			Given: given(ask, done), Missing: missing, Without: without(ask.Application, missing), AskAgainURL: flowPath(id) + "/again", ContinueURL: flowPath(id) + "/continue", CancelURL: flowPath(id) + "/cancel"}))
	case grants.NeedsAdmin:
		if done.ApprovalURL == "" {
			return d.ended(c, done)
		}
		return web.Render(c, http.StatusOK, consent.Approval(d.page(c, "An administrator has to approve", false), consent.ApprovalView{Ask: ask, Provider: d.label(asked, done.Flow.Provider),
			ApprovalURL: done.ApprovalURL, TryAgainURL: flowPath(id) + "/again", CancelURL: flowPath(id) + "/cancel"}))
	default:
		return d.ended(c, done)
	}
}

// ended says that a flow ended without a mailbox.
func (d *Door) ended(c echo.Context, done grants.Done) error {
	title := "Nothing was connected"
	kind := "failed"
	if done.Outcome == grants.Cancelled {
		kind = "cancelled"
	}
	return web.Render(c, http.StatusOK, consent.End(d.page(c, title, false), consent.EndView{Kind: kind, Title: title, Text: endText(done.Outcome), Company: d.Company,
		Do: "Open the link again to start over. It stays good until it is used or ends."}))
}

func endText(outcome string) string {
	switch outcome {
	case grants.Cancelled:
		return "The sign-in was cancelled at the provider."
	case grants.NeedsAdmin:
		return "Your organisation allows this only after an administrator has approved it. Ask them to approve the app at Microsoft first."
	case grants.AskedAgain:
		return "This page was left for a new sign-in."
	default:
		return "The provider did not accept the sign-in."
	}
}

// given are the rights asked for, less those that were not given.
func given(ask consent.AskView, done grants.Done) []consent.RightView {
	not := map[string]bool{}
	for _, m := range rights(done.Missing) {
		not[m.Words] = true
	}
	var out []consent.RightView
	for _, r := range ask.Can {
		if !not[r.Words] {
			out = append(out, r)
		}
	}
	return out
}

func without(application string, missing []consent.RightView) string {
	if len(missing) == 0 {
		return ""
	}
	text := application + " will not be able to " + missing[0].Words
	for _, m := range missing[1:] {
		text += ", nor to " + m.Words
	}
	return text + "."
}

func (d *Door) label(v grants.Consent, name string) string {
	for _, choice := range v.Choices {
		if choice.Name == name {
			return choice.Label
		}
	}
	return name
}

func (d *Door) goOn(c echo.Context) error {
	id, err := web.ParamID[models.FlowID](c, "flow")
	if err != nil {
		return err
	}
	done, err := d.Grants.GoOn(c.Request().Context(), id, d.held(c))
	if err != nil {
		return err
	}
	return d.finish(c, done)
}

func (d *Door) askAgain(c echo.Context) error {
	id, err := web.ParamID[models.FlowID](c, "flow")
	if err != nil {
		return err
	}
	next, err := d.Grants.AskAgain(c.Request().Context(), id, d.held(c))
	return d.lead(c, next, err)
}
