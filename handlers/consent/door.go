package consent

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/consent"
	"github.com/postern-mail/postern/views/layout"
	"github.com/postern-mail/postern/views/ui"
	"github.com/postern-mail/postern/web"
)

// Config is what the door shows and whom it asks.
type Config struct {
	Grants  *grants.Service
	Server  *web.Server
	Company string
	Region  string
	Demo    bool
	Now     func() time.Time
}

// Door answers /connect and the providers' callbacks.
type Door struct{ Config }

// New makes the door.
func New(c Config) *Door { return &Door{c} }

// Web is the door as the server mounts it. The callbacks lie under /v3, where Nylas' customers have registered them, and belong here: they need the cookie.
func (d *Door) Web() web.Door {
	return web.Door{Name: "consent", Prefix: "/connect", Cookies: true, Fail: d.fail, BodyLimit: 64 << 10, Routes: []web.Route{
		{Method: http.MethodGet, Path: "/connect/:token", Permission: web.Public, Handler: d.link},
		{Method: http.MethodPost, Path: "/connect/:token", Permission: web.Public, Handler: d.linkGo},
		{Method: http.MethodPost, Path: "/connect/:token/cancel", Permission: web.Public, Handler: d.linkCancel},
		{Method: http.MethodGet, Path: "/connect/flow/:flow", Permission: web.Public, Handler: d.flow},
		{Method: http.MethodPost, Path: "/connect/flow/:flow", Permission: web.Public, Handler: d.flowGo},
		{Method: http.MethodPost, Path: "/connect/flow/:flow/cancel", Permission: web.Public, Handler: d.flowCancel},
		{Method: http.MethodGet, Path: "/connect/flow/:flow/password", Permission: web.Public, Handler: d.password},
		{Method: http.MethodPost, Path: "/connect/flow/:flow/password", Permission: web.Public, Handler: d.passwordSubmit},
		{Method: http.MethodGet, Path: "/connect/flow/:flow/done", Permission: web.Public, Handler: d.done},
		{Method: http.MethodPost, Path: "/connect/flow/:flow/continue", Permission: web.Public, Handler: d.goOn},
		{Method: http.MethodPost, Path: "/connect/flow/:flow/again", Permission: web.Public, Handler: d.askAgain},
		{Method: http.MethodGet, Path: "/v3/connect/callback/:provider", Permission: web.Public, Handler: d.callback},
	}}
}

// cookieLife outlives a flow, so that its last page can still be read.
const cookieLife = time.Hour

// browser gives the secret of this browser, and sets one where there is none. It is only called by POSTs of our own pages: a GET binds nothing.
func (d *Door) browser(c echo.Context) secret.Text {
	held := d.held(c)
	if held.Empty() {
		held = secret.New(models.NewToken(""))
	}
	http.SetCookie(c.Response(), d.Server.Cookie("connect", held.Reveal(), int(cookieLife.Seconds())))
	return held
}

// held reads the secret of this browser; empty where there is none of our form.
func (d *Door) held(c echo.Context) secret.Text {
	cookie, err := c.Cookie(d.Server.CookieName("connect"))
	if err != nil || len(cookie.Value) != 43 {
		return secret.Text{}
	}
	return secret.New(cookie.Value)
}

func (d *Door) page(c echo.Context, title string, wide bool) layout.ConsentPage {
	return layout.ConsentPage{Title: title, Company: d.Company, Region: strings.ToUpper(d.Region), Theme: web.Theme(c), Demo: d.Demo, Now: d.Now(), Wide: wide}
}

// fail shows a failed request in the frame of the hosted pages.
func (d *Door) fail(c echo.Context, p web.Problem) error {
	v := consent.EndView{Kind: "failed", Title: "This did not work", Text: p.Public, Company: d.Company, RequestID: p.RequestID,
		Do: "Nothing was connected. Go back to the link or the app that sent you here and start again."}
	switch p.Kind {
	case fault.Gone:
		v.Kind, v.Title, v.Do = "expired", "This page cannot be used any more", ""
	case fault.NotFound:
		v.Kind, v.Title, v.Text = "expired", "There is no such link", "This link is not one of ours, or it was cut short on its way to you."
		v.Do = "Check that the whole link was copied, or ask the person who sent it for a new one."
	case fault.Unavailable:
		v.Do = "Nothing was changed. Try again in a moment."
	}
	if v.Text == "" {
		v.Text = "We could not go on from here."
	}
	return web.Render(c, p.Status, consent.End(d.page(c, v.Title, false), v))
}

// finish answers a step that ended a flow: back to the program that began it, or on to a page of ours. A flow that waits for its person, or for an administrator, is not
// over: the program hears of it when the person goes on or cancels.
func (d *Door) finish(c echo.Context, done grants.Done) error {
	if done.RedirectURL != "" && done.Outcome != grants.Partial && done.Outcome != grants.NeedsAdmin {
		return c.Redirect(http.StatusSeeOther, done.RedirectURL) // registered by the application, compared byte for byte when the flow began
	}
	return web.SeeOther(c, flowPath(done.Flow.ID)+"/done")
}

func flowPath(id models.FlowID) string { return "/connect/flow/" + id.String() }

// allowTargets lets the page's forms end where the flow leads: the providers on offer and the program's own address. Browsers apply form-action to the whole chain of
// redirects after a POST.
func allowTargets(c echo.Context, v grants.Consent) {
	for _, choice := range v.Choices {
		if choice.Origin != "" {
			web.AllowFormTarget(c, choice.Origin)
		}
		for _, origin := range choice.Onward {
			web.AllowFormTarget(c, origin)
		}
	}
	if u, err := url.Parse(v.ReturnTo); err == nil && u.Scheme != "" {
		if u.Host == "" {
			web.AllowFormTarget(c, u.Scheme+":")
		} else {
			web.AllowFormTarget(c, u.Scheme+"://"+u.Host)
		}
	}
}

// formErrors turns a fault that the person can mend into the errors of the form; false for everything else.
func formErrors(err error) ([]ui.ErrorView, bool) {
	known, ok := fault.As(err)
	if !ok || known.Kind != fault.Invalid && known.Kind != fault.Upstream && known.Kind != fault.Limited {
		return nil, false
	}
	field := known.Field
	switch field { // the forms' own names
	case "email":
		field = "address"
	case "ews_host", "ews_port":
		field = "exchange_host"
	}
	return []ui.ErrorView{{Field: field, Text: known.Public}}, true
}
