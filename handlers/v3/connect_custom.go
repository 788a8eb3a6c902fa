package v3

import (
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/web"
)

// never are Nylas' providers that lead to no mailbox.
var never = []string{"virtual-calendar", "zoom"}

// connectCustom connects a mailbox whose password the program has (contract, section 3.9), or takes over a grant that exists at Nylas: provider nylas with
// settings.grant_id, which Nylas' own API has no need of; or, at google, one that a service account may act for (settings.email_address and credential_id).
func (d *Door) connectCustom(c echo.Context) error {
	b, err := bodyOf(c, false)
	if err != nil {
		return err
	}
	r := grants.CustomRequest{Provider: b.must("provider"), State: b.text("state"), Settings: map[string]string{}}
	if text := b.text("workspace_id"); text != "" {
		if r.Tenant, err = models.ParseID[models.TenantID](strings.ToLower(text)); err != nil {
			b.wrong("workspace_id", "workspace_id is an id of 36 characters.")
		}
	}
	given := b.settings("settings")
	if given == nil {
		b.wrong("settings", "settings is missing.")
	}
	either := func(names ...string) string {
		for _, name := range names {
			if given[name] != "" {
				return given[name]
			}
		}
		return ""
	}
	password := either("imap_password", "ews_password", "password", "app_password")
	r.Username, r.Password = either("imap_username", "ews_username", "username"), secret.New(password)
	r.Address = either("email", "email_address", "imap_username", "username", "ews_username")
	for _, name := range []string{"imap_host", "imap_port", "imap_tls", "smtp_host", "smtp_port", "smtp_tls", "smtp_username", "ews_host", "ews_port"} {
		if given[name] != "" {
			r.Settings[name] = given[name]
		}
	}
	if r.Provider == "nylas" {
		r.Existing = given["grant_id"]
	}
	if r.Provider == "google" {
		r.Credential, r.Scopes = given["credential_id"], b.texts("scope")
	}
	names := "imap"
	if r.Provider == "ews" {
		names = "ews"
	}
	switch {
	case slices.Contains(never, r.Provider):
		b.wrong("provider", "%s is not offered here: only mailboxes are.", r.Provider)
	case r.Provider == "nylas" && r.Existing == "":
		b.wrong("settings.grant_id", "settings.grant_id is missing: the id of a grant of your Nylas application.")
	case r.Existing != "":
	case r.Credential != "" && given["refresh_token"] == "":
		if r.Address == "" {
			b.wrong("settings.email_address", "settings.email_address is missing: whose mailbox the service account is to open.")
		}
	case given["refresh_token"] != "" || given["credential_id"] != "":
		b.wrong("settings", "A refresh token cannot be brought here, and a credential only for google, where it is a service account. Have the owner consent at /v3/connect/auth.")
	case r.Address == "":
		b.wrong("settings."+names+"_username", "settings.%s_username is missing.", names)
	case password == "":
		b.wrong("settings."+names+"_password", "settings.%s_password is missing.", names)
	case given["smtp_password"] != "" && given["smtp_password"] != password:
		b.wrong("settings.smtp_password", "Another password for sending than for reading is not offered.")
	}
	if len(r.State) > 2048 {
		b.wrong("state", "state is longer than 2048 characters.")
	}
	if b.err != nil {
		return b.err
	}
	g, err := d.Grants.Custom(c.Request().Context(), web.Actor(c), r)
	if err != nil {
		return err
	}
	return oneWith(c, http.StatusCreated, grantJSON(g))
}
