package portal

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/access"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/layout"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/views/ui"
	"github.com/postern-mail/postern/web"
)

func (p *Portal) accountState(a models.ServiceAccount) string {
	return p.keyState(models.APIKey{RevokedAt: a.RevokedAt, ExpiresAt: a.ExpiresAt})
}

var servicePermissionWords = map[models.Permission]string{
	models.CreateAPIKeys: "Make API keys for the application, with any permission that a key can hold.", models.ReadAPIKeys: "List the keys, without their values.", models.DeleteAPIKeys: "Delete keys: what shows them is refused at once.",
}

// serviceActs are the same in few words.
var serviceActs = map[models.Permission]string{models.CreateAPIKeys: "make keys", models.ReadAPIKeys: "list keys", models.DeleteAPIKeys: "delete keys"}

func (p *Portal) serviceAccountList(c echo.Context) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	rows, err := p.Access.ServiceAccounts(ctx, actor)
	if err != nil {
		return err
	}
	apps, _, err := p.applicationNames(ctx)
	if err != nil {
		return err
	}
	view := pages.ServiceAccountListView{CreateURL: "/service-accounts/new"}
	for _, a := range rows {
		row := pages.ServiceAccountRow{Name: a.Name, KeyID: a.ID.String(), Application: apps[a.ApplicationID], Addresses: a.Addresses, State: p.accountState(a)}
		for _, permission := range models.ServicePermissions() {
			if len(a.Permissions) == 0 || slices.Contains(a.Permissions, string(permission)) {
				row.Permissions = append(row.Permissions, serviceActs[permission])
			}
		}
		if a.ExpiresAt != nil {
			row.Expires = *a.ExpiresAt
		}
		if a.LastUsedAt != nil {
			row.LastUsed = *a.LastUsedAt
		}
		if a.RevokedAt == nil {
			row.RevokeURL = "/service-accounts/" + a.ID.String() + "/revoke"
		}
		view.Rows = append(view.Rows, row)
	}
	page, err := p.frame(c, "Service accounts")
	if err != nil {
		return err
	}
	page.Lede, page.Breadcrumbs = "Programs that make and end API keys. Each signs its requests; only public keys are kept.", crumbs("Settings", "/settings")
	page.Action = layout.Action{Label: "Create a service account", URL: view.CreateURL, Icon: "plus"}
	return web.Render(c, http.StatusOK, pages.ServiceAccountList(page, view))
}

// serviceForm is what stands in the form of a service account.
type serviceForm struct {
	name, application, addresses, expires, publicKey string
	permissions                                      []string
}

func (p *Portal) serviceAccountCreateForm(c echo.Context) error {
	f := serviceForm{expires: "2160h"}
	for _, permission := range models.ServicePermissions() {
		f.permissions = append(f.permissions, string(permission))
	}
	return p.renderServiceForm(c, http.StatusOK, f, nil)
}

func (p *Portal) renderServiceForm(c echo.Context, status int, f serviceForm, faults []ui.ErrorView) error {
	_, apps, err := p.applicationNames(c.Request().Context())
	if err != nil {
		return err
	}
	view := pages.ServiceAccountCreateView{Action: "/service-accounts", CancelURL: "/service-accounts", Name: f.name, Addresses: f.addresses, PublicKey: f.publicKey, Errors: faults,
		Applications: options(apps, f.application), Expiries: options(keyLives, f.expires)}
	for _, permission := range models.ServicePermissions() {
		o := ui.OptionView{Value: string(permission), Label: string(permission), Help: servicePermissionWords[permission]}
		for _, chosen := range f.permissions {
			o.Selected = o.Selected || chosen == o.Value
		}
		view.Permissions = append(view.Permissions, o)
	}
	page, err := p.frame(c, "Create a service account")
	if err != nil {
		return err
	}
	page.Breadcrumbs = crumbs("Settings", "/settings", "Service accounts", "/service-accounts")
	return web.Render(c, status, pages.ServiceAccountCreate(page, view))
}

func (p *Portal) serviceAccountCreate(c echo.Context) error {
	f := serviceForm{name: field(c, "name"), application: field(c, "application"), addresses: c.FormValue("addresses"), expires: field(c, "expires"), publicKey: strings.TrimSpace(c.FormValue("public_key"))}
	var err error
	if f.permissions, err = several(c, "permission"); err != nil {
		return err
	}
	if strings.Contains(f.publicKey, "PRIVATE KEY") {
		f.publicKey = "" // it does not go back into a page
		return p.renderServiceForm(c, unprocessable, f, []ui.ErrorView{{Field: "public_key", Text: "That is a private key. Paste the public one; and take a new pair, for this one has been shown to somebody."}})
	}
	draft := access.ServiceAccount{Name: f.name, Addresses: lines(f.addresses), PublicKey: f.publicKey}
	wrong := func(name, text string) error {
		return p.renderServiceForm(c, unprocessable, f, []ui.ErrorView{{Field: name, Text: text}})
	}
	if draft.Application, err = models.ParseID[models.ApplicationID](f.application); err != nil {
		return wrong("application", "Choose one of the applications.")
	}
	// No box ticked means no right to a person, and every right to the deed: so it must be said.
	if len(f.permissions) == 0 {
		return wrong("permission", "Choose at least one thing that the service account may do.")
	}
	for _, name := range f.permissions {
		draft.Permissions = append(draft.Permissions, models.Permission(name))
	}
	var ok bool
	if draft.Life, ok = life(f.expires, keyLives); !ok {
		return wrong("expires", "Choose one of the times.")
	}
	row, credentials, err := p.Access.CreateServiceAccount(c.Request().Context(), web.Actor(c), draft)
	if faults, ok := formErrors(err, nil); ok {
		return p.renderServiceForm(c, unprocessable, f, faults)
	}
	if err != nil {
		return err
	}
	if credentials.Empty() {
		return done(c, "/service-accounts", "good", "The service account "+row.Name+" is ready. Its requests name "+row.ID.String()+" in X-Nylas-Kid.")
	}
	page, err := p.frame(c, "The service account is ready")
	if err != nil {
		return err
	}
	page.Breadcrumbs = crumbs("Settings", "/settings", "Service accounts", "/service-accounts")
	return web.Render(c, http.StatusOK, pages.SecretShown(page, pages.SecretShownView{Label: "Credentials of " + row.Name, Secret: credentials.Reveal(), DoneURL: "/service-accounts", FileURL: "/service-accounts/file",
		Text:  []string{"Save this as the program's credentials file. It holds the private key, which Postern has not kept: it is never shown again."},
		Facts: []ui.FactView{{Label: "Key id (X-Nylas-Kid)", Text: row.ID.String(), Mono: true}, {Label: "Base address for the program", Text: p.Server.Origin(), Mono: true}}}))
}

// mostCredentials is more than a credentials file with a key of 16384 bits takes.
const mostCredentials = 32 << 10

// serviceAccountFile gives the credentials that the page before showed back as a file. They are kept nowhere: they come with the request and leave with its answer, and
// nothing else than such a file is given back.
func (p *Portal) serviceAccountFile(c echo.Context) error {
	text := strings.ReplaceAll(c.FormValue("credentials"), "\r\n", "\n") // as a form sends what had plain line ends
	var file struct {
		Type string `json:"type"`
		Kid  string `json:"private_key_id"`
	}
	err := errors.New("too long")
	if len(text) <= mostCredentials {
		err = json.Unmarshal([]byte(text), &file)
	}
	id, wrong := models.ParseID[models.ServiceAccountID](file.Kid)
	if err != nil || wrong != nil || file.Type != "service_account" {
		return errCredentialsFile
	}
	download(c, "service-account-"+id.String(), false, "json")
	c.Response().Header().Set("Cache-Control", "no-store")
	return c.Blob(http.StatusOK, "application/json", []byte(text))
}

var errCredentialsFile = fault.New(fault.Invalid, "credentials_file_invalid", "These are no credentials of a service account. Copy them from the page that shows them once.")

// serviceAccount finds the service account in the address.
func (p *Portal) serviceAccount(c echo.Context) (models.ServiceAccount, error) {
	id, err := web.ParamID[models.ServiceAccountID](c, "account")
	if err != nil {
		return models.ServiceAccount{}, err
	}
	return p.Access.ServiceAccount(c.Request().Context(), web.Actor(c), id)
}

func (p *Portal) serviceAccountRevokeConfirm(c echo.Context) error {
	a, err := p.serviceAccount(c)
	if err != nil {
		return err
	}
	page, err := p.frame(c, "Revoke "+a.Name)
	if err != nil {
		return err
	}
	page.Breadcrumbs = crumbs("Settings", "/settings", "Service accounts", "/service-accounts")
	return web.Render(c, http.StatusOK, pages.Revoke(page, pages.RevokeView{Button: "Revoke " + a.Name, Ends: []string{"Whatever this service account signs is refused from the next request on."},
		Stays: []string{"The API keys that it made. Revoke those one by one where they should end, too."}, Action: here(c), CancelURL: "/service-accounts"}))
}

func (p *Portal) serviceAccountRevoke(c echo.Context) error {
	a, err := p.serviceAccount(c)
	if err != nil {
		return err
	}
	if _, err := p.Access.RevokeServiceAccount(c.Request().Context(), web.Actor(c), a.ID); err != nil {
		return err
	}
	return done(c, "/service-accounts", "good", "The service account "+a.Name+" is revoked.")
}
