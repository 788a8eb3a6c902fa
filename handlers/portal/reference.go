package portal

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/layout"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/web"
)

var errNoChapter = fault.New(fault.NotFound, "chapter_not_found", "The reference has no such chapter.")

// errorsOfReference is what goes wrong, in the words of the API.
var errorsOfReference = []pages.RefError{
	{Status: "400", Type: "api.invalid_request_error", Meaning: "A parameter or field cannot be taken. The message names it."},
	{Status: "400", Type: "api.invalid_request_payload", Meaning: "The body is not what its Content-Type says, or no JSON object."},
	{Status: "401", Type: "api.authentication_error", Meaning: "The key or token is missing, unknown, expired, revoked, or not good from this address."},
	{Status: "401", Type: "grant.refresh_token_invalid", Meaning: "The mailbox was disconnected, or has to be reconnected."},
	{Status: "403", Type: "insufficient_scopes", Meaning: "The key lacks a permission, or the mailbox was connected without that right. The message names what is missing."},
	{Status: "404", Type: "api.not_found_error", Meaning: "It is not there, or not yours: the two look the same."},
	{Status: "409", Type: "api.invalid_idempotent_request", Meaning: "This Idempotency-Key was used for another message within the hour."},
	{Status: "413", Type: "api.invalid_request_error", Meaning: "The body is larger than this address takes."},
	{Status: "429", Type: "api.rate_limit_error", Meaning: "Too many requests, for us or for the provider. Wait for as many seconds as Retry-After says."},
	{Status: "500, 503", Type: "api.internal_error", Meaning: "Our fault. Tell the operator the request_id."},
	{Status: "504", Type: "api.provider_error", Meaning: "The mail provider gave no usable answer. provider_error says more."},
}

func (p *Portal) referenceFrame(c echo.Context, title, lede string) (layout.Page, error) {
	page, err := p.frame(c, title)
	page.Lede = lede
	return page, err
}

// reference is the first page of the API's reference.
func (p *Portal) reference(c echo.Context) error {
	groups, err := p.chapters()
	if err != nil {
		return err
	}
	page, err := p.referenceFrame(c, "API reference", "The v3 email API of this Postern. Clients made for Nylas' v3 work unchanged: give them the address below and a key of yours.")
	if err != nil {
		return err
	}
	return web.Render(c, http.StatusOK, pages.Reference(page, pages.ReferenceView{Base: p.Server.URL(""), Groups: groups, Errors: errorsOfReference, MayMakeKeys: web.Actor(c).May(models.ManageKeys)}))
}

// referenceShow is one chapter.
func (p *Portal) referenceShow(c echo.Context) error {
	groups, err := p.chapters()
	if err != nil {
		return err
	}
	for _, g := range groups {
		if g.ID != c.Param("chapter") {
			continue
		}
		page, err := p.referenceFrame(c, g.Title, g.Lede)
		if err != nil {
			return err
		}
		page.Breadcrumbs = []layout.Crumb{{Label: "API reference", URL: "/reference"}}
		return web.Render(c, http.StatusOK, pages.ReferenceChapter(page, pages.ReferenceView{Base: p.Server.URL(""), Groups: groups}, g))
	}
	return errNoChapter
}

// referenceNylas says what a company that comes from Nylas finds here.
func (p *Portal) referenceNylas(c echo.Context) error {
	groups, err := p.chapters()
	if err != nil {
		return err
	}
	page, err := p.referenceFrame(c, "Coming from Nylas", "What is the same, what is better, and what is absent.")
	if err != nil {
		return err
	}
	page.Breadcrumbs = []layout.Crumb{{Label: "API reference", URL: "/reference"}}
	return web.Render(c, http.StatusOK, pages.ReferenceNylas(page, pages.ReferenceView{Base: p.Server.URL(""), Groups: groups}))
}

// chapters reads the document, once.
func (p *Portal) chapters() ([]pages.RefGroup, error) {
	p.readReference.Do(func() { p.refGroups, p.refErr = referenceOf(p.Document, strings.TrimSuffix(p.Server.URL("/"), "/")) })
	return p.refGroups, p.refErr
}
