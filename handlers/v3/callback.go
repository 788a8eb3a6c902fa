package v3

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/applications"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/web"
)

func callbackJSON(cb models.CallbackURI) map[string]any {
	out := map[string]any{"id": cb.ID.String(), "url": cb.URL, "platform": cb.Platform}
	if len(cb.Settings) > 0 {
		out["settings"] = cb.Settings
	}
	return out
}

func (d *Door) callbackList(c echo.Context) error {
	actor := web.Actor(c)
	rows, err := d.Applications.CallbackURIs(c.Request().Context(), actor, actor.Application)
	if err != nil {
		return err
	}
	list := make([]map[string]any, len(rows))
	for i, row := range rows {
		list[i] = callbackJSON(row)
	}
	// The specification shows success and no request_id; SDKs need request_id.
	return reply(c, http.StatusOK, map[string]any{"request_id": web.RequestID(c), "success": true, "data": list})
}

func (d *Door) callbackShow(c echo.Context) error {
	id, err := identifier(c, "callback", models.ParseID[models.CallbackID])
	if err != nil {
		return err
	}
	actor := web.Actor(c)
	row, err := d.Applications.CallbackURI(c.Request().Context(), actor, actor.Application, id)
	if err != nil {
		return err
	}
	return one(c, callbackJSON(row))
}

func (d *Door) callbackAdd(c echo.Context) error {
	b, err := bodyOf(c, false)
	if err != nil {
		return err
	}
	draft := applications.Callback{URL: b.must("url"), Platform: b.text("platform"), Settings: callbackSettings(b)}
	if b.err != nil {
		return b.err
	}
	actor := web.Actor(c)
	row, err := d.Applications.AddCallbackURI(c.Request().Context(), actor, actor.Application, draft)
	if err != nil {
		return err
	}
	return one(c, callbackJSON(row))
}

func (d *Door) callbackUpdate(c echo.Context) error {
	id, err := identifier(c, "callback", models.ParseID[models.CallbackID])
	if err != nil {
		return err
	}
	b, err := bodyOf(c, false)
	if err != nil {
		return err
	}
	change := applications.CallbackChange{URL: b.optional("url"), Platform: b.optional("platform"), Settings: callbackSettings(b)}
	if b.err != nil {
		return b.err
	}
	actor := web.Actor(c)
	row, err := d.Applications.UpdateCallbackURI(c.Request().Context(), actor, actor.Application, id, change)
	if err != nil {
		return err
	}
	return one(c, callbackJSON(row))
}

func (d *Door) callbackRemove(c echo.Context) error {
	id, err := identifier(c, "callback", models.ParseID[models.CallbackID])
	if err != nil {
		return err
	}
	actor := web.Actor(c)
	if err := d.Applications.RemoveCallbackURI(c.Request().Context(), actor, actor.Application, id); err != nil {
		return err
	}
	return reply(c, http.StatusOK, map[string]any{"request_id": web.RequestID(c), "success": true})
}

// callbackSettings takes the spelling that the Node SDK makes of sha1CertificateFingerprint too.
func callbackSettings(b *body) models.Settings {
	s := b.settings("settings")
	if v, there := s["sha_1_certificate_fingerprint"]; there && s["sha1_certificate_fingerprint"] == "" {
		s["sha1_certificate_fingerprint"] = v
	}
	return s
}
