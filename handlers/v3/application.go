package v3

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/applications"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/web"
)

// ownApplication is the caller's application. Where the path names one it must be that one; no other exists for the caller.
func ownApplication(c echo.Context) (models.ApplicationID, error) {
	own := web.Actor(c).Application
	if c.Param("application") == "" {
		return own, nil
	}
	id, err := identifier(c, "application", models.ParseID[models.ApplicationID])
	if err != nil || id != own {
		return own, errAbsent
	}
	return own, nil
}

// applicationShow answers one object, not a list: an API key belongs to one application.
func (d *Door) applicationShow(c echo.Context) error {
	id, err := ownApplication(c)
	if err != nil {
		return err
	}
	q := queryOf(c)
	a, err := d.Applications.Find(c.Request().Context(), web.Actor(c), id)
	if err != nil {
		return err
	}
	data, err := d.applicationJSON(c, a)
	if err != nil {
		return err
	}
	names := q.list("select")
	if q.err != nil {
		return q.err
	}
	return one(c, trim(names, data))
}

// applicationUpdate replaces what the body mentions; branding and hosted_authentication whole.
func (d *Door) applicationUpdate(c echo.Context) error {
	id, err := ownApplication(c)
	if err != nil {
		return err
	}
	b, err := bodyOf(c, false)
	if err != nil {
		return err
	}
	if err := d.sameCallbacks(c, id, b); err != nil {
		return err
	}
	change := applications.Change{Name: b.optional("name"), Environment: b.optional("environment")}
	if in := b.object("branding"); in != nil {
		if name := in.optional("name"); name != nil {
			change.Name = name
		}
		change.Branding = &applications.Branding{IconURL: in.text("icon_url"), WebsiteURL: in.text("website_url"), Description: in.text("description")}
		b.under("branding", in)
	}
	if in := b.object("hosted_authentication"); in != nil {
		change.HostedAuth = &applications.HostedAuth{BackgroundImageURL: in.text("background_image_url"), Alignment: in.text("alignment"),
			ColorPrimary: in.text("color_primary"), ColorSecondary: in.text("color_secondary"), Title: in.text("title"), Subtitle: in.text("subtitle"),
			BackgroundColor: in.text("background_color"), Spacing: in.number("spacing", 0, 1000),
			TermsURL: in.text("terms_of_service_url"), PrivacyURL: in.text("privacy_policy_url")}
		b.under("hosted_authentication", in)
	}
	if b.err != nil {
		return b.err
	}
	a, err := d.Applications.Update(c.Request().Context(), web.Actor(c), id, change)
	if err != nil {
		return err
	}
	data, err := d.applicationJSON(c, a)
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, map[string]any{"request_id": web.RequestID(c), "success": true, "data": data})
}

// sameCallbacks refuses a list of callback URIs other than the one that is kept: clients write back what they read, but a URI that was left out in silence would be missed
// at the next consent.
func (d *Door) sameCallbacks(c echo.Context, application models.ApplicationID, b *body) error {
	given := map[string]bool{}
	for _, one := range b.objects("callback_uris") {
		given[one.text("url")] = true
		b.under("callback_uris", one)
	}
	if b.err != nil || !b.has("callback_uris") {
		return b.err
	}
	rows, err := d.Applications.CallbackURIs(c.Request().Context(), web.Actor(c), application)
	if err != nil {
		return err
	}
	same := len(rows) == len(given)
	for _, row := range rows {
		same = same && given[row.URL]
	}
	if !same {
		b.wrong("callback_uris", "Callback URIs are added, changed and removed one by one, at /v3/applications/redirect-uris.")
	}
	return b.err
}

func (d *Door) applicationJSON(c echo.Context, a models.Application) (map[string]any, error) {
	callbacks, err := d.Applications.CallbackURIs(c.Request().Context(), web.Actor(c), a.ID)
	if err != nil {
		return nil, err
	}
	list := make([]map[string]any, len(callbacks))
	for i, cb := range callbacks {
		list[i] = callbackJSON(cb)
	}
	branding, hosted := applications.BrandingOf(a), applications.HostedAuthOf(a)
	out := map[string]any{
		"application_id": a.ID.String(), "organization_id": d.Organization, "region": d.Region, "environment": a.Environment,
		"branding":              map[string]any{"name": a.Name, "icon_url": branding.IconURL, "website_url": branding.WebsiteURL, "description": branding.Description},
		"hosted_authentication": hosted, "callback_uris": list, "blocked": false,
		"created_at": a.CreatedAt.Unix(), "updated_at": a.UpdatedAt.Unix(),
	}
	if a.DefaultTenantID != nil {
		out["default_workspace_id"] = a.DefaultTenantID.String()
	}
	return out, nil
}
