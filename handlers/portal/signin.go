package portal

import (
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/access"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/web"
)

// nextKey is where in the session the way back stands while somebody signs in: it is not in an address that others could choose.
const nextKey = "next"

func signInURL(next string) string {
	if next == "" || next == "/" {
		return "/signin"
	}
	return "/signin?next=" + url.QueryEscape(next)
}

func visitorOf(c echo.Context) access.Visitor {
	a := web.Actor(c)
	return access.Visitor{Addr: a.Addr, UserAgent: a.UserAgent, RequestID: a.RequestID}
}

// signIn is the page with the button. Somebody who is signed in already is sent on.
func (p *Portal) signIn(c echo.Context) error {
	next := web.LocalPath(c.QueryParam("next"))
	if web.Actor(c).Kind != "" {
		return web.SeeOther(c, next)
	}
	page, err := p.plain(c, "Sign in")
	if err != nil {
		return err
	}
	view := pages.SignInView{BeginURL: "/signin/begin", FinishURL: "/signin/finish"}
	if next != "/" {
		view.BeginURL += "?next=" + url.QueryEscape(next)
		view.Message = "Sign in to open the page."
	}
	people, err := p.Access.DemoPeople(c.Request().Context(), visitorOf(c))
	if err != nil {
		return err
	}
	for _, d := range people {
		view.Demo = append(view.Demo, pages.DemoLinkView{Label: d.Name + ", " + string(d.Role), Detail: roleHelp[d.Role], URL: d.Path.Reveal(), Role: string(d.Role)})
	}
	for _, region := range p.otherRegions() {
		view.Elsewhere = append(view.Elsewhere, pages.SignInRegionView{Region: strings.ToUpper(region), URL: p.Siblings[region] + "/signin"})
	}
	return web.Render(c, http.StatusOK, pages.SignIn(page, view))
}

func (p *Portal) signInBegin(c echo.Context) error {
	options, id, err := p.Access.BeginSignIn(c.Request().Context(), web.SessionID(c), visitorOf(c))
	if err != nil {
		return err
	}
	if !id.Equal(web.SessionID(c)) {
		web.AdoptSession(c, id)
	}
	if next := web.LocalPath(c.QueryParam("next")); next != "/" {
		web.Session(c).Values[nextKey] = next
		if err := web.SaveSession(c); err != nil {
			return err
		}
	}
	return c.JSON(http.StatusOK, options)
}

func (p *Portal) signInFinish(c echo.Context) error {
	answer, err := answerOf(c)
	if err != nil {
		return err
	}
	next, _ := web.Session(c).Values[nextKey].(string)
	id, _, err := p.Access.FinishSignIn(c.Request().Context(), web.SessionID(c), answer, visitorOf(c))
	if err != nil {
		return err
	}
	web.AdoptSession(c, id)
	return c.JSON(http.StatusOK, map[string]string{"next": web.LocalPath(next)})
}

// answerOf reads what the passkey script sends. Only JSON is taken: a form of another site could not send that type unasked.
func answerOf(c echo.Context) ([]byte, error) {
	if err := jsonOnly(c); err != nil {
		return nil, err
	}
	return io.ReadAll(c.Request().Body)
}

func jsonOnly(c echo.Context) error {
	if kind := c.Request().Header.Get("Content-Type"); kind != "application/json" {
		return echo.NewHTTPError(http.StatusUnsupportedMediaType)
	}
	return nil
}

func (p *Portal) signInDemo(c echo.Context) error {
	id, _, err := p.Access.FollowSignInLink(c.Request().Context(), secret.New(c.Param("token")), web.SessionID(c), visitorOf(c))
	if err != nil {
		return err
	}
	web.AdoptSession(c, id)
	return web.SeeOther(c, "/")
}

func (p *Portal) signOut(c echo.Context) error {
	if id := web.SessionID(c); !id.Empty() {
		if err := p.Access.SignOut(c.Request().Context(), id, visitorOf(c)); err != nil {
			return err
		}
	}
	if err := web.EndSession(c); err != nil {
		return err
	}
	return web.SeeOther(c, "/signin")
}

func (p *Portal) themeChange(c echo.Context) error {
	p.Server.SetTheme(c, field(c, "theme"))
	return web.SeeOther(c, c.FormValue("return"))
}

// enrol is the page behind an invitation or a set-up link.
func (p *Portal) enrol(c echo.Context) error {
	invited, err := p.Access.Invited(c.Request().Context(), secret.New(c.Param("token")))
	if err != nil {
		return err
	}
	page, err := p.plain(c, "Set up your passkey")
	if err != nil {
		return err
	}
	base := access.EnrolPath + url.PathEscape(c.Param("token"))
	return web.Render(c, http.StatusOK, pages.Enrol(page, pages.EnrolView{MemberName: invited.Name, Role: roleWord(invited.Role), FirstOwner: invited.FirstOwner,
		Name: browserName(c.Request().UserAgent()), BeginURL: base + "/begin", FinishURL: base + "/finish", Expires: invited.ExpiresAt}))
}

func (p *Portal) enrolBegin(c echo.Context) error {
	name, err := passkeyName(c)
	if err != nil {
		return err
	}
	options, id, err := p.Access.BeginEnrol(c.Request().Context(), secret.New(c.Param("token")), name, web.SessionID(c), visitorOf(c))
	if err != nil {
		return err
	}
	if !id.Equal(web.SessionID(c)) {
		web.AdoptSession(c, id)
	}
	return c.JSON(http.StatusOK, options)
}

func (p *Portal) enrolFinish(c echo.Context) error {
	answer, err := answerOf(c)
	if err != nil {
		return err
	}
	id, _, err := p.Access.FinishEnrol(c.Request().Context(), secret.New(c.Param("token")), web.SessionID(c), answer, visitorOf(c))
	if err != nil {
		return err
	}
	web.AdoptSession(c, id)
	return c.JSON(http.StatusOK, map[string]string{"next": "/"})
}

// passkeyName reads {"name": "..."} of the passkey script.
func passkeyName(c echo.Context) (string, error) {
	if err := jsonOnly(c); err != nil {
		return "", err
	}
	var body struct {
		Name string `json:"name"`
	}
	if err := c.Bind(&body); err != nil {
		return "", fault.New(fault.Invalid, "malformed", "").Because(err)
	}
	return body.Name, nil
}
