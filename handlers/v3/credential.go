package v3

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/applications"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/web"
)

// credentialJSON never holds the client id or secret. workspace_id is ours: the organisation that always connects with this app.
func credentialJSON(row models.Credential) map[string]any {
	out := map[string]any{"id": row.ID.String(), "name": row.Name, "credential_type": row.Type, "created_at": row.CreatedAt.Unix(), "updated_at": row.UpdatedAt.Unix()}
	if row.TenantID != nil {
		out["workspace_id"] = row.TenantID.String()
	}
	return out
}

func (d *Door) credentialList(c echo.Context) error {
	q := queryOf(c)
	f := applications.CredentialFilter{Limit: q.number("limit", 10, 1, 200), Offset: q.number("offset", 0, 0, 1_000_000),
		ByUpdate: q.word("sort_by", "created_at", "created_at", "updated_at") == "updated_at", Ascending: q.word("order_by", "desc", "asc", "desc") == "asc"}
	if q.err != nil {
		return q.err
	}
	name, err := segment(c, "provider")
	if err != nil {
		return err
	}
	actor := web.Actor(c)
	rows, err := d.Applications.Credentials(c.Request().Context(), actor, actor.Application, name, f)
	if err != nil {
		return err
	}
	data := make([]map[string]any, len(rows))
	for i, row := range rows {
		data[i] = credentialJSON(row)
	}
	return reply(c, http.StatusOK, map[string]any{"request_id": web.RequestID(c), "data": data, "limit": f.Limit, "offset": f.Offset})
}

// credential reads the two names of the path.
func credentialPath(c echo.Context) (string, models.CredentialID, error) {
	name, err := segment(c, "provider")
	if err != nil {
		return "", models.CredentialID{}, err
	}
	id, err := identifier(c, "credential", models.ParseID[models.CredentialID])
	return name, id, err
}

func (d *Door) credentialShow(c echo.Context) error {
	name, id, err := credentialPath(c)
	if err != nil {
		return err
	}
	actor := web.Actor(c)
	row, err := d.Applications.Credential(c.Request().Context(), actor, actor.Application, name, id)
	if err != nil {
		return err
	}
	return one(c, credentialJSON(row))
}

func (d *Door) credentialCreate(c echo.Context) error {
	name, err := segment(c, "provider")
	if err != nil {
		return err
	}
	b, err := bodyOf(c, false)
	if err != nil {
		return err
	}
	kind := b.must("credential_type")
	settings, id, key := credentialData(b)
	draft := applications.CredentialDraft{Name: b.must("name"), Type: kind, ClientID: id, ClientSecret: key, Settings: settings}
	if text := b.text("workspace_id"); text != "" {
		if draft.Tenant, err = models.ParseID[models.TenantID](strings.ToLower(text)); err != nil {
			b.wrong("workspace_id", "workspace_id is an id of 36 characters.")
		}
	}
	if b.err != nil {
		return b.err
	}
	actor := web.Actor(c)
	row, err := d.Applications.CreateCredential(c.Request().Context(), actor, actor.Application, name, draft)
	if err != nil {
		return err
	}
	return oneWith(c, http.StatusCreated, credentialJSON(row))
}

func (d *Door) credentialUpdate(c echo.Context) error {
	name, id, err := credentialPath(c)
	if err != nil {
		return err
	}
	b, err := bodyOf(c, false)
	if err != nil {
		return err
	}
	settings, client, key := credentialData(b)
	change := applications.CredentialChange{Name: b.optional("name"), ClientID: client, ClientSecret: key, Settings: settings}
	if b.err != nil {
		return b.err
	}
	actor := web.Actor(c)
	row, err := d.Applications.UpdateCredential(c.Request().Context(), actor, actor.Application, name, id, change)
	if err != nil {
		return err
	}
	return one(c, credentialJSON(row))
}

func (d *Door) credentialDelete(c echo.Context) error {
	name, id, err := credentialPath(c)
	if err != nil {
		return err
	}
	actor := web.Actor(c)
	if err := d.Applications.DeleteCredential(c.Request().Context(), actor, actor.Application, name, id); err != nil {
		return err
	}
	return done(c)
}

// credentialData takes the app out of the body, so that no later step can show it.
func credentialData(b *body) (models.Settings, string, secret.Text) {
	var key secret.Text
	service := false
	if data := b.object("credential_data"); data != nil { // a service account's key file: its key has lines, which no other setting has
		if text, ok := data.fields["private_key"].(string); ok {
			key = secret.New(text)
			delete(data.fields, "private_key")
		}
		_, service = data.fields["client_email"]
	}
	s := b.settings("credential_data")
	if service || !key.Empty() {
		id := s["client_email"]
		delete(s, "client_email")
		return s, id, key
	}
	id := s["client_id"]
	key = secret.New(s["client_secret"])
	delete(s, "client_id")
	delete(s, "client_secret")
	return s, id, key
}
