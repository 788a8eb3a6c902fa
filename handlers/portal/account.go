package portal

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/access"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/web"
)

func (p *Portal) account(c echo.Context) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	me, err := p.Access.Account(ctx, actor, web.SessionID(c))
	if err != nil {
		return err
	}
	page, err := p.frame(c, "Your account")
	if err != nil {
		return err
	}
	view := pages.AccountView{Email: me.Member.Email, Role: roleWord(me.Role), BeginURL: "/account/passkeys/begin", FinishURL: "/account/passkeys/finish",
		KeyName: browserName(c.Request().UserAgent()), EndAllURL: "/account/sessions/end-all", Passkeys: passkeyRows(me.Passkeys), Sessions: sessionRows(me.Sessions)}
	if !me.Tenant.IsZero() {
		tenant, err := p.Tenants.Find(ctx, actor, me.Tenant)
		if err != nil {
			return err
		}
		view.Tenant = tenant.Name
	}
	if len(view.Passkeys) > 1 {
		for i, k := range me.Passkeys {
			view.Passkeys[i].RemoveURL = "/account/passkeys/" + k.ID.String() + "/remove"
		}
	}
	for i, s := range me.Sessions {
		if !s.Current {
			view.Sessions[i].EndURL = "/account/sessions/" + s.Handle + "/end"
		}
	}
	return web.Render(c, http.StatusOK, pages.Account(page, view))
}

func passkeyRows(list []models.Passkey) []pages.PasskeyRow {
	var rows []pages.PasskeyRow
	for _, k := range list {
		row := pages.PasskeyRow{Name: k.Name, Added: k.CreatedAt}
		if k.LastUsedAt != nil {
			row.LastUsed = *k.LastUsedAt
		}
		rows = append(rows, row)
	}
	return rows
}

func sessionRows(list []access.SignedIn) []pages.SessionRow {
	var rows []pages.SessionRow
	for _, s := range list {
		rows = append(rows, pages.SessionRow{Where: browserName(s.UserAgent), Address: s.Address, Started: s.CreatedAt, LastSeen: s.SeenAt, Current: s.Current})
	}
	return rows
}

func (p *Portal) passkeyBegin(c echo.Context) error {
	name, err := passkeyName(c)
	if err != nil {
		return err
	}
	options, err := p.Access.BeginPasskey(c.Request().Context(), web.Actor(c), name, web.SessionID(c))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, options)
}

func (p *Portal) passkeyFinish(c echo.Context) error {
	answer, err := answerOf(c)
	if err != nil {
		return err
	}
	if err := p.Access.FinishPasskey(c.Request().Context(), web.Actor(c), web.SessionID(c), answer); err != nil {
		return err
	}
	if err := web.Flash(c, "good", "The passkey is registered. Your other sessions were ended."); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]string{"next": "/account"})
}

// passkey finds one of the actor's own passkeys by the id in the address.
func (p *Portal) passkey(c echo.Context) (models.Passkey, error) {
	id, err := web.ParamID[models.PasskeyID](c, "passkey")
	if err != nil {
		return models.Passkey{}, err
	}
	me, err := p.Access.Account(c.Request().Context(), web.Actor(c), web.SessionID(c))
	if err != nil {
		return models.Passkey{}, err
	}
	for _, k := range me.Passkeys {
		if k.ID == id {
			return k, nil
		}
	}
	return models.Passkey{}, errAbsent
}

// errAbsent is the answer for an id that names nothing of the actor's.
var errAbsent = fault.New(fault.NotFound, "not_found", "There is nothing here by that id. It may have been deleted, or it belongs to somebody else.")

func (p *Portal) passkeyRemoveConfirm(c echo.Context) error {
	key, err := p.passkey(c)
	if err != nil {
		return err
	}
	page, err := p.frame(c, "Remove "+key.Name)
	if err != nil {
		return err
	}
	page.Breadcrumbs = crumbs("Your account", "/account")
	return web.Render(c, http.StatusOK, pages.Revoke(page, pages.RevokeView{Button: "Remove " + key.Name, Ends: []string{"This passkey signs in no more.", "Your sessions on other devices end."},
		Stays: []string{"Your other passkeys and this session."}, Action: here(c), CancelURL: "/account"}))
}

func (p *Portal) passkeyRemove(c echo.Context) error {
	id, err := web.ParamID[models.PasskeyID](c, "passkey")
	if err != nil {
		return err
	}
	if err := p.Access.RemovePasskey(c.Request().Context(), web.Actor(c), id, web.SessionID(c)); err != nil {
		return err
	}
	return done(c, "/account", "good", "The passkey was removed. Your other sessions were ended.")
}

func (p *Portal) sessionEnd(c echo.Context) error {
	if err := p.Access.EndOneSession(c.Request().Context(), web.Actor(c), c.Param("session")); err != nil {
		return err
	}
	return done(c, "/account", "good", "That session was ended.")
}

func (p *Portal) sessionEndAll(c echo.Context) error {
	actor := web.Actor(c)
	id, err := models.ParseID[models.MemberID](actor.ID)
	if err != nil {
		return err
	}
	if err := p.Access.EndSessions(c.Request().Context(), actor, id); err != nil {
		return err
	}
	if err := web.EndSession(c); err != nil {
		return err
	}
	return web.SeeOther(c, "/signin")
}
