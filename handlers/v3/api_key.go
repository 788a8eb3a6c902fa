package v3

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/access"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/web"
)

// adminBody is the most that a signed body may hold: it is read before anybody knows whether the signature holds.
const adminBody = 64 << 10

var (
	errSignature = fault.New(fault.Unproven, "credential_missing", "This takes a request that a service account has signed: X-Nylas-Kid, X-Nylas-Nonce, X-Nylas-Timestamp and X-Nylas-Signature, each given once.")
	errServices  = fault.New(fault.Denied, "service_account_required", "API keys are managed by service accounts, which sign their requests. An API key or access token cannot do that.")
)

// adminPath: these know their callers by the signature of the request, and by nothing else.
func adminPath(path string) bool { return strings.HasPrefix(path, "/v3/admin/") }

// signer says which service account signed the request. A bearer beside a signature is not looked at: some clients send one with every request.
func (d *Door) signer(c echo.Context) (models.Actor, error) {
	r := c.Request()
	var values [4]string
	given := 0
	for i, name := range []string{"X-Nylas-Kid", "X-Nylas-Nonce", "X-Nylas-Timestamp", "X-Nylas-Signature"} {
		if all := r.Header.Values(name); len(all) == 1 && all[0] != "" {
			values[i] = all[0]
			given++
		}
	}
	if given < len(values) {
		if given == 0 && r.Header.Get("Authorization") != "" {
			if _, err := d.caller(c); err != nil {
				return models.Actor{}, err
			}
			return models.Actor{}, errServices
		}
		return models.Actor{}, errSignature
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Response(), r.Body, adminBody))
	if err != nil {
		return models.Actor{}, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	actor, err := d.Access.Signer(r.Context(), access.Signed{Kid: values[0], Nonce: values[1], Timestamp: values[2], Signature: values[3], Method: r.Method, Path: r.URL.EscapedPath(), Body: body, Addr: address(c)})
	if err != nil {
		if limited := d.perAddress.take(address(c).String()); limited != nil {
			return models.Actor{}, limited
		}
		return models.Actor{}, err
	}
	if err := d.perKey.take(actor.ID); err != nil {
		return models.Actor{}, err
	}
	return actor, d.perApplication.take(actor.Application.String())
}

// everyPermission is how a key that is not limited is shown.
const everyPermission = "all"

func (d *Door) keyJSON(k models.APIKey) map[string]any {
	out := map[string]any{"id": k.ID.String(), "name": k.Name, "application_id": k.ApplicationID.String(), "permissions": list(k.Permissions), "addresses": list(k.Addresses),
		"status": "active", "created_at": k.CreatedAt.Unix(), "updated_at": k.CreatedAt.Unix()}
	if len(k.Permissions) == 0 {
		out["permissions"] = []string{everyPermission}
	}
	if k.TenantID != nil {
		out["workspace_id"] = k.TenantID.String()
	}
	if k.ExpiresAt != nil {
		out["expires_at"] = k.ExpiresAt.Unix()
	}
	if !k.Usable(d.Now()) {
		out["status"] = "expired"
	}
	return out
}

// keyCreate makes a key. name and expires_in, in days, are Nylas'; permissions, workspace_id and addresses make it narrow.
func (d *Door) keyCreate(c echo.Context) error {
	application, err := ownApplication(c)
	if err != nil {
		return err
	}
	b, err := bodyOf(c, false)
	if err != nil {
		return err
	}
	k := access.Key{Application: application, Name: b.must("name"), Addresses: b.texts("addresses"), Life: time.Duration(b.number("expires_in", 1, 1830)) * 24 * time.Hour}
	names := b.texts("permissions")
	if !slices.Equal(names, []string{everyPermission}) {
		for _, name := range names {
			k.Permissions = append(k.Permissions, models.Permission(name))
		}
		if names != nil && len(names) == 0 {
			b.wrong("permissions", "permissions is empty. Name what the key may do, or leave permissions out for everything.")
		}
	}
	if text := b.text("workspace_id"); text != "" {
		if k.Tenant, err = models.ParseID[models.TenantID](strings.ToLower(text)); err != nil {
			b.wrong("workspace_id", "workspace_id is an id of 36 characters.")
		}
	}
	if b.err != nil {
		return b.err
	}
	row, value, err := d.Access.CreateKey(c.Request().Context(), web.Actor(c), k)
	if err != nil {
		return err
	}
	data := d.keyJSON(row)
	data["api_key"] = value.Reveal() // here and never again
	return one(c, data)
}

// keyList shows the keys that were not deleted.
func (d *Door) keyList(c echo.Context) error {
	application, err := ownApplication(c)
	if err != nil {
		return err
	}
	rows, err := d.Access.Keys(c.Request().Context(), web.Actor(c), application)
	if err != nil {
		return err
	}
	data := []map[string]any{}
	for _, k := range rows {
		if k.RevokedAt == nil {
			data = append(data, d.keyJSON(k))
		}
	}
	return one(c, data)
}

// keyPath reads which key is meant: one of the caller's own application.
func keyPath(c echo.Context) (models.APIKeyID, error) {
	if _, err := ownApplication(c); err != nil {
		return models.APIKeyID{}, err
	}
	return identifier(c, "key", models.ParseID[models.APIKeyID])
}

func (d *Door) keyShow(c echo.Context) error {
	id, err := keyPath(c)
	if err != nil {
		return err
	}
	k, err := d.Access.Key(c.Request().Context(), web.Actor(c), id)
	if err != nil {
		return err
	}
	if k.RevokedAt != nil {
		return errAbsent
	}
	return one(c, d.keyJSON(k))
}

// keyDelete revokes a key: deleted or never there look the same afterwards.
func (d *Door) keyDelete(c echo.Context) error {
	id, err := keyPath(c)
	if err != nil {
		return err
	}
	if _, err := d.Access.RevokeKey(c.Request().Context(), web.Actor(c), id); err != nil {
		if f, ok := fault.As(err); ok && f.Kind == fault.Conflict {
			return errAbsent
		}
		return err
	}
	return done(c)
}
