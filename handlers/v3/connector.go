package v3

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/applications"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/web"
)

// connectorJSON never holds the client secret, nor the client id: settings shows what is left.
func connectorJSON(row models.Connector) map[string]any {
	settings := row.Settings
	if settings == nil {
		settings = models.Settings{}
	}
	return map[string]any{"id": row.ID.String(), "name": row.Name, "provider": row.Provider, "settings": settings, "scope": list(row.Scopes),
		"created_at": row.CreatedAt.Unix(), "updated_at": row.UpdatedAt.Unix()}
}

// list is never null on the wire.
func list(texts []string) []string {
	if texts == nil {
		return []string{}
	}
	return texts
}

func (d *Door) connectorList(c echo.Context) error {
	q := queryOf(c)
	limit, offset := q.number("limit", 200, 1, 200), q.number("offset", 0, 0, 1_000_000)
	if q.err != nil {
		return q.err
	}
	actor := web.Actor(c)
	rows, err := d.Applications.Connectors(c.Request().Context(), actor, actor.Application)
	if err != nil {
		return err
	}
	rows = rows[min(offset, len(rows)):]
	rows = rows[:min(limit, len(rows))]
	data := make([]map[string]any, len(rows))
	for i, row := range rows {
		data[i] = connectorJSON(row)
	}
	return reply(c, http.StatusOK, map[string]any{"request_id": web.RequestID(c), "data": data, "limit": limit, "offset": offset})
}

func (d *Door) connectorShow(c echo.Context) error {
	name, err := segment(c, "provider")
	if err != nil {
		return err
	}
	actor := web.Actor(c)
	row, err := d.Applications.Connector(c.Request().Context(), actor, actor.Application, name)
	if err != nil {
		return err
	}
	return one(c, connectorJSON(row))
}

func (d *Door) connectorCreate(c echo.Context) error {
	b, err := bodyOf(c, false)
	if err != nil {
		return err
	}
	settings, id, key := connectorSettings(b)
	draft := applications.ConnectorDraft{Provider: b.must("provider"), Name: b.text("name"), ClientID: id, ClientSecret: key, Settings: settings, Scopes: b.texts("scope")}
	if b.err != nil {
		return b.err
	}
	actor := web.Actor(c)
	row, err := d.Applications.CreateConnector(c.Request().Context(), actor, actor.Application, draft)
	if err != nil {
		return err
	}
	return oneWith(c, http.StatusCreated, connectorJSON(row))
}

func (d *Door) connectorUpdate(c echo.Context) error {
	name, err := segment(c, "provider")
	if err != nil {
		return err
	}
	b, err := bodyOf(c, false)
	if err != nil {
		return err
	}
	if b.text("active_credential_id") != "" {
		b.wrong("active_credential_id", "Which credential is used is said where a consent begins, by credential_id, or by the credential's own workspace_id. Leave active_credential_id out.")
	}
	settings, id, key := connectorSettings(b)
	change := applications.ConnectorChange{Name: b.optional("name"), ClientID: id, ClientSecret: key, Settings: settings, Scopes: b.texts("scope")}
	if b.err != nil {
		return b.err
	}
	actor := web.Actor(c)
	row, err := d.Applications.UpdateConnector(c.Request().Context(), actor, actor.Application, name, change)
	if err != nil {
		return err
	}
	return one(c, connectorJSON(row))
}

func (d *Door) connectorDelete(c echo.Context) error {
	name, err := segment(c, "provider")
	if err != nil {
		return err
	}
	actor := web.Actor(c)
	if err := d.Applications.DeleteConnector(c.Request().Context(), actor, actor.Application, name); err != nil {
		return err
	}
	return done(c)
}

// connectorSettings takes the credential out of the settings, so that no later step can show it.
func connectorSettings(b *body) (models.Settings, string, secret.Text) {
	s := b.settings("settings")
	id, key := s["client_id"], secret.New(s["client_secret"])
	delete(s, "client_id")
	delete(s, "client_secret")
	return s, id, key
}
