package portal

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/access"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/layout"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/views/ui"
	"github.com/postern-mail/postern/web"
)

var keyLives = []choice{{"2160h", "90 days"}, {"720h", "30 days"}, {"8760h", "1 year"}, {"", "No end"}}

// endsSoon is when a key that will end is pointed out.
const endsSoon = 14 * 24 * time.Hour

func (p *Portal) keyState(k models.APIKey) string {
	now := p.Now()
	switch {
	case k.RevokedAt != nil:
		return "revoked"
	case !k.Usable(now):
		return "expired"
	case k.ExpiresAt != nil && k.ExpiresAt.Sub(now) < endsSoon:
		return "expiring"
	default:
		return "active"
	}
}

func (p *Portal) keyList(c echo.Context) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	keys, err := p.Access.Keys(ctx, actor, models.ApplicationID{})
	if err != nil {
		return err
	}
	apps, _, err := p.applicationNames(ctx)
	if err != nil {
		return err
	}
	var ids []models.TenantID
	for _, k := range keys {
		if k.TenantID != nil {
			ids = append(ids, *k.TenantID)
		}
	}
	names, err := p.tenantNames(ctx, actor, ids)
	if err != nil {
		return err
	}
	view := pages.APIKeyListView{CreateURL: "/api-keys/new"}
	for _, k := range keys {
		row := pages.APIKeyRow{Name: k.Name, Prefix: k.Prefix, Application: apps[k.ApplicationID], Permissions: k.Permissions, Addresses: k.Addresses, State: p.keyState(k), Created: k.CreatedAt}
		if len(row.Permissions) == 0 {
			row.Permissions = []string{"everything that a key can do"}
		}
		if k.TenantID != nil {
			row.Tenant = names[*k.TenantID]
		}
		if k.ExpiresAt != nil {
			row.Expires = *k.ExpiresAt
		}
		if k.LastUsedAt != nil {
			row.LastUsed = *k.LastUsedAt
		}
		if k.RevokedAt == nil {
			row.RevokeURL = "/api-keys/" + k.ID.String() + "/revoke"
		}
		view.Rows = append(view.Rows, row)
	}
	page, err := p.frame(c, "API keys")
	if err != nil {
		return err
	}
	page.Lede, page.Breadcrumbs = "What programs show to be let in. Only hashes are kept.", crumbs("Settings", "/settings")
	page.Action = layout.Action{Label: "Create an API key", URL: view.CreateURL, Icon: "plus"}
	return web.Render(c, http.StatusOK, pages.APIKeyList(page, view))
}

// keyForm is what stands in the form of a key.
type keyForm struct {
	name, application, tenant, addresses, expires string
	permissions                                   []string
}

func (p *Portal) keyCreateForm(c echo.Context) error {
	return p.renderKeyForm(c, http.StatusOK, keyForm{expires: "2160h", permissions: []string{string(models.ReadGrants), string(models.ReadMessages), string(models.ExchangeTokens)}}, nil)
}

func (p *Portal) renderKeyForm(c echo.Context, status int, f keyForm, faults []ui.ErrorView) error {
	ctx := c.Request().Context()
	_, apps, err := p.applicationNames(ctx)
	if err != nil {
		return err
	}
	tenants, err := p.tenantChoices(ctx, web.Actor(c))
	if err != nil {
		return err
	}
	view := pages.APIKeyCreateView{Action: "/api-keys", CancelURL: "/api-keys", Name: f.name, Addresses: f.addresses, Errors: faults, Applications: options(apps, f.application),
		Tenants: options(append([]choice{{"", "Every tenant of the application"}}, tenants...), f.tenant), Expiries: options(keyLives, f.expires)}
	for _, permission := range models.KeyPermissions() {
		o := ui.OptionView{Value: string(permission), Label: string(permission), Help: permissionWords[permission]}
		for _, chosen := range f.permissions {
			o.Selected = o.Selected || chosen == o.Value
		}
		view.Permissions = append(view.Permissions, o)
	}
	page, err := p.frame(c, "Create an API key")
	if err != nil {
		return err
	}
	page.Breadcrumbs = crumbs("Settings", "/settings", "API keys", "/api-keys")
	return web.Render(c, status, pages.APIKeyCreate(page, view))
}

var permissionWords = map[models.Permission]string{
	models.ReadGrants: "List mailboxes and their state.", models.WriteGrants: "Change the record of a mailbox.", models.RevokeGrants: "Revoke tokens.", models.DeleteGrants: "Delete a mailbox's grant.",
	models.ReadMessages: "Read mail.", models.WriteMessages: "Mark, move and draft mail.", models.SendMessages: "Send mail.", models.ReadWebhooks: "List webhooks.", models.WriteWebhooks: "Create, change and delete webhooks.",
	models.ReadApps: "Read the application's settings.", models.WriteApps: "Change callback addresses.", models.ReadConnectors: "List connectors.", models.WriteConnectors: "Change connectors.",
	models.ExchangeTokens: "Exchange codes and refresh tokens for access tokens.",
}

func (p *Portal) keyCreate(c echo.Context) error {
	f := keyForm{name: field(c, "name"), application: field(c, "application"), tenant: field(c, "tenant"), addresses: c.FormValue("addresses"), expires: field(c, "expires")}
	var err error
	if f.permissions, err = several(c, "permission"); err != nil {
		return err
	}
	draft := access.Key{Name: f.name, Addresses: lines(f.addresses)}
	wrong := func(name, text string) error {
		return p.renderKeyForm(c, unprocessable, f, []ui.ErrorView{{Field: name, Text: text}})
	}
	if draft.Application, err = models.ParseID[models.ApplicationID](f.application); err != nil {
		return wrong("application", "Choose one of the applications.")
	}
	if f.tenant != "" {
		if draft.Tenant, err = models.ParseID[models.TenantID](f.tenant); err != nil {
			return wrong("tenant", "Choose one of the tenants.")
		}
	}
	// No box ticked means no right to a person, and every right to the deed: so it must be said.
	if len(f.permissions) == 0 {
		return wrong("permission", "Choose at least one thing that the key may do.")
	}
	for _, name := range f.permissions {
		draft.Permissions = append(draft.Permissions, models.Permission(name))
	}
	var ok bool
	if draft.Life, ok = life(f.expires, keyLives); !ok {
		return wrong("expires", "Choose one of the times.")
	}
	key, value, err := p.Access.CreateKey(c.Request().Context(), web.Actor(c), draft)
	if faults, ok := formErrors(err, nil); ok {
		return p.renderKeyForm(c, unprocessable, f, faults)
	}
	if err != nil {
		return err
	}
	page, err := p.frame(c, "The key is ready")
	if err != nil {
		return err
	}
	page.Breadcrumbs = crumbs("Settings", "/settings", "API keys", "/api-keys")
	return web.Render(c, http.StatusOK, pages.SecretShown(page, pages.SecretShownView{Label: "API key " + key.Name, Secret: value.Reveal(), DoneURL: "/api-keys",
		Text: []string{"Give this key to the program, and to nobody else. Postern keeps only a hash of it: it is never shown again."}, Facts: []ui.FactView{{Label: "Base address for the program", Text: p.Server.Origin(), Mono: true}}}))
}

// key finds the key in the address.
func (p *Portal) key(c echo.Context) (models.APIKey, error) {
	id, err := web.ParamID[models.APIKeyID](c, "key")
	if err != nil {
		return models.APIKey{}, err
	}
	return p.Access.Key(c.Request().Context(), web.Actor(c), id)
}

func (p *Portal) keyRevokeConfirm(c echo.Context) error {
	k, err := p.key(c)
	if err != nil {
		return err
	}
	page, err := p.frame(c, "Revoke "+k.Name)
	if err != nil {
		return err
	}
	page.Breadcrumbs = crumbs("Settings", "/settings", "API keys", "/api-keys")
	return web.Render(c, http.StatusOK, pages.Revoke(page, pages.RevokeView{Button: "Revoke " + k.Name, Ends: []string{"Every program that shows this key (" + k.Prefix + "…) is refused from the next request on."},
		Stays: []string{"The mailboxes, and the tokens that were issued through the key."}, Action: here(c), CancelURL: "/api-keys"}))
}

func (p *Portal) keyRevoke(c echo.Context) error {
	k, err := p.key(c)
	if err != nil {
		return err
	}
	if _, err := p.Access.RevokeKey(c.Request().Context(), web.Actor(c), k.ID); err != nil {
		return err
	}
	return done(c, "/api-keys", "good", "The key "+k.Name+" is revoked.")
}
