package portal

import (
	"net/http"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/layout"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/views/ui"
	"github.com/postern-mail/postern/web"
)

// ending is one of the three ways to end something of a grant.
type ending struct {
	title string
	view  func(layout.Page, pages.GrantEndView) templ.Component
	ends  func(*Portal, models.Grant) ui.EndsView
}

var (
	endByRevoke = ending{"Revoke", pages.GrantRevoke, func(p *Portal, g models.Grant) ui.EndsView {
		v := endsOf(p.Grants.WhatEnds(g))
		v.Stays = []string{"The record of the grant and its id. A reconnect by the owner revives it."}
		return v
	}}
	endByDelete = ending{"Delete", pages.GrantDelete, func(p *Portal, g models.Grant) ui.EndsView {
		v := endsOf(p.Grants.WhatEnds(g))
		v.Now = append(v.Now, "The grant itself. The next consent makes a new one, with a new id.")
		v.Stays = []string{"The receipt and the audit entries."}
		return v
	}}
	endTokens = ending{"Revoke the tokens of", pages.GrantRevokeTokens, func(*Portal, models.Grant) ui.EndsView {
		return ui.EndsView{Now: []string{"Every access and refresh token that programs hold for this mailbox."},
			Stays: []string{"The connection: a program with an API key still reaches the mailbox.", "The provider's own permission. Revoke the grant to end that too."}}
	}}
)

func (p *Portal) grantRevokeConfirm(c echo.Context) error       { return p.confirmEnd(c, endByRevoke) }
func (p *Portal) grantDeleteConfirm(c echo.Context) error       { return p.confirmEnd(c, endByDelete) }
func (p *Portal) grantRevokeTokensConfirm(c echo.Context) error { return p.confirmEnd(c, endTokens) }

func (p *Portal) confirmEnd(c echo.Context, e ending) error {
	g, err := p.grant(c)
	if err != nil {
		return err
	}
	return p.renderEnd(c, http.StatusOK, e, g, "", nil)
}

func (p *Portal) renderEnd(c echo.Context, status int, e ending, g models.Grant, reason string, faults []ui.ErrorView) error {
	actor := web.Actor(c)
	tenant, err := p.Tenants.Find(c.Request().Context(), actor, g.TenantID)
	if err != nil {
		return err
	}
	verb := e.title
	if actor.Role == models.Customer && e.title == "Revoke" {
		verb = "Disconnect"
	}
	page, err := p.frame(c, verb+" "+g.Email)
	if err != nil {
		return err
	}
	url := "/grants/" + g.ID.String()
	page.Breadcrumbs = crumbs("Grants", "/grants", g.Email, url)
	if actor.Role == models.Customer {
		page.Breadcrumbs = crumbs("Mailboxes", "/", g.Email, url)
	}
	view := pages.GrantEndView{Address: g.Email, Provider: providerName(g.Provider), Tenant: tenant.Name, Ends: e.ends(p, g),
		Action: c.Request().URL.Path, CancelURL: url, Reason: reason, Disconnect: actor.Role == models.Customer, Errors: faults}
	if e.title != endTokens.title && provider.OnePermission(g.Provider) {
		view.Reaches, view.ReachLabel = marked(reachesOf(g.Provider), field(c, "reach")), "How far it goes at "+providerName(g.Provider)
	}
	return web.Render(c, status, e.view(page, view))
}

// reachesOf offers the two reaches of a provider that keeps one permission for a person and an app. The words are the same whether or not another organisation
// holds the mailbox: otherwise they would tell.
func reachesOf(code string) []ui.OptionView {
	name := providerName(code)
	return []ui.OptionView{
		{Value: string(models.ReachEverywhere), Label: "Everywhere", Help: name + " is told. It keeps one permission for a person and an app: any other connection of this person through this app ends too."},
		{Value: string(models.ReachHere), Label: "This organisation only", Help: "Our copy is destroyed and " + name + " is not told. The permission stays listed there until its owner removes it."},
	}
}

// marked marks the chosen option, the first where none is.
func marked(list []ui.OptionView, chosen string) []ui.OptionView {
	found := false
	for i := range list {
		list[i].Selected = list[i].Value == chosen
		found = found || list[i].Selected
	}
	list[0].Selected = list[0].Selected || !found
	return list
}

// endingOf reads the form of a revocation or deletion.
func endingOf(c echo.Context) (grants.Ending, []ui.ErrorView) {
	reason, faults := reasonOf(c)
	e := grants.Ending{Reason: reason, Reach: models.Reach(field(c, "reach"))}
	if e.Reach != "" && e.Reach != models.ReachHere && e.Reach != models.ReachEverywhere {
		faults = append(faults, ui.ErrorView{Field: "reach", Text: "Choose how far it goes."})
	}
	return e, faults
}

// reasonOf reads the reason that goes into receipt and audit. A text that was cut would be another text, so a long one is refused.
func reasonOf(c echo.Context) (string, []ui.ErrorView) {
	reason := field(c, "reason")
	if len([]rune(reason)) > 300 {
		return reason, []ui.ErrorView{{Field: "reason", Text: "Give a reason of at most 300 characters."}}
	}
	return reason, nil
}

func (p *Portal) grantRevoke(c echo.Context) error {
	g, err := p.grant(c)
	if err != nil {
		return err
	}
	ending, faults := endingOf(c)
	if faults != nil {
		return p.renderEnd(c, unprocessable, endByRevoke, g, ending.Reason, faults)
	}
	if !provider.OnePermission(g.Provider) {
		ending.Reach = models.ReachEverywhere
	}
	if _, err := p.Grants.RevokeAs(c.Request().Context(), web.Actor(c), g.ID, ending); err != nil {
		return err
	}
	return done(c, "/grants/"+g.ID.String(), "good", "Access to "+g.Email+" is cut. The provider is being told; the receipt follows.")
}

func (p *Portal) grantDelete(c echo.Context) error {
	g, err := p.grant(c)
	if err != nil {
		return err
	}
	ending, faults := endingOf(c)
	if faults != nil {
		return p.renderEnd(c, unprocessable, endByDelete, g, ending.Reason, faults)
	}
	if !provider.OnePermission(g.Provider) {
		ending.Reach = models.ReachEverywhere
	}
	if _, err := p.Grants.DeleteAs(c.Request().Context(), web.Actor(c), g.ID, ending); err != nil {
		return err
	}
	return done(c, "/grants/"+g.ID.String()+"/receipt", "good", g.Email+" is deleted. What is left is this receipt.")
}

func (p *Portal) grantRevokeTokens(c echo.Context) error {
	g, err := p.grant(c)
	if err != nil {
		return err
	}
	n, err := p.Grants.RevokeTokens(c.Request().Context(), web.Actor(c), g.ID)
	if err != nil {
		return err
	}
	text := "No program held tokens for this mailbox. The connection stays."
	if n > 0 {
		text = "The tokens of " + ui.Count(n, "sign-in by a program", "sign-ins by programs") + " are dead. The connection stays."
	}
	return done(c, "/grants/"+g.ID.String(), "good", text)
}
