package v3

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/web"
)

// grantWire is a grant on the wire. A struct, and not a map as the rarer objects are: a page of 200 is written field by field, without a lookup or a sort.
type grantWire struct {
	Blocked        bool           `json:"blocked"`
	CreatedAt      int64          `json:"created_at"`
	CredentialID   string         `json:"credential_id,omitempty"` // the app it was consented to through, where that is not the connector's
	Email          string         `json:"email"`
	Aliases        *[]string      `json:"email_aliases,omitempty"` // asked for, and told by the provider
	Status         string         `json:"grant_status"`
	ID             string         `json:"id"`
	Address        string         `json:"ip"`
	Name           string         `json:"name"`
	Provider       string         `json:"provider"`
	ProviderUserID string         `json:"provider_user_id"`
	Scope          []string       `json:"scope"`
	Settings       map[string]any `json:"settings"`
	State          string         `json:"state"`
	UpdatedAt      int64          `json:"updated_at"`
	UserAgent      string         `json:"user_agent"`
	WorkspaceID    string         `json:"workspace_id"`
}

// grantJSON shows a grant. The wire knows two statuses: what cannot be used is invalid, be it refused by the provider or cut here.
func grantJSON(g models.Grant) grantWire {
	status := "invalid"
	if g.Usable() {
		status = "valid"
	}
	credential := ""
	if g.CredentialID != nil {
		credential = g.CredentialID.String()
	}
	return grantWire{ID: g.ID.String(), CredentialID: credential, Provider: g.Provider, Scope: list(g.ScopesGranted), Status: status, Email: g.Email, Name: g.Name,
		Address: g.Address, UserAgent: g.UserAgent, State: g.State, ProviderUserID: g.Subject, Settings: settingsJSON(g.Settings),
		CreatedAt: g.CreatedAt.Unix(), UpdatedAt: g.UpdatedAt.Unix(), WorkspaceID: g.TenantID.String()}
}

// grantShown keeps the fields that select names.
func grantShown(names []string, g models.Grant) (any, error) { return wireShown(names, grantJSON(g)) }

func wireShown(names []string, wire grantWire) (any, error) {
	if len(names) == 0 {
		return &wire, nil
	}
	text, err := json.Marshal(wire)
	if err != nil {
		return nil, fmt.Errorf("encode a grant: %w", err)
	}
	object := map[string]any{}
	decode := json.NewDecoder(bytes.NewReader(text))
	decode.UseNumber()
	if err := decode.Decode(&object); err != nil {
		return nil, fmt.Errorf("decode a grant: %w", err)
	}
	return trim(names, object), nil
}

// settingsJSON shows ports as the numbers they are.
func settingsJSON(s models.Settings) map[string]any {
	out := make(map[string]any, len(s))
	for key, value := range s {
		out[key] = value
		if strings.HasSuffix(key, "_port") {
			if n, err := strconv.Atoi(value); err == nil {
				out[key] = n
			}
		}
	}
	return out
}

const (
	grantsLimit    = 10
	grantsMaxLimit = 200
)

// grantList answers the inventory: exactly which mailboxes the caller reaches.
func (d *Door) grantList(c echo.Context) error {
	q := queryOf(c)
	f := grants.Filter{
		Limit: q.number("limit", grantsLimit, 1, grantsMaxLimit), Offset: q.number("offset", 0, 0, 10_000_000),
		Sort: q.word("sort_by", "created_at", "created_at", "updated_at"), Ascending: q.word("order_by", "desc", "asc", "desc") == "asc",
		Since: q.time("since"), Before: q.time("before"),
		Email: q.text("email"), Status: q.word("grant_status", "", "valid", "invalid"), Address: q.text("ip"), Provider: q.text("provider"),
	}
	q.window("since", "before")
	none := q.text("account_id") != "" || len(q.list("account_ids")) > 0 // ids of version 2, which no grant here has
	if text := q.text("workspace_id"); text != "" {
		id, err := models.ParseID[models.TenantID](strings.ToLower(text))
		if err != nil {
			q.wrong("workspace_id", "workspace_id is an id of 36 characters.")
		}
		f.Tenant = id
	}
	if q.is("expose_aliases") {
		q.wrong("expose_aliases", "expose_aliases asks the provider of one mailbox: give it at /v3/grants/{id}.")
	}
	names := q.list("select")
	if q.err != nil {
		return q.err
	}
	var page grants.Page
	if !none {
		var err error
		page, err = d.Grants.List(c.Request().Context(), web.Actor(c), f)
		if err != nil && (fault.KindOf(err) != fault.NotFound || f.Tenant.IsZero()) {
			return err // a workspace that is not the caller's has no grants, like one that does not exist
		}
	}
	data := make([]any, len(page.Grants))
	for i, g := range page.Grants {
		var err error
		if data[i], err = grantShown(names, g); err != nil {
			return err
		}
	}
	return reply(c, http.StatusOK, map[string]any{"request_id": web.RequestID(c), "data": data, "limit": f.Limit, "offset": f.Offset})
}

var errMe = fault.New(fault.Unproven, "me_needs_a_token", "\"me\" stands for the grant of an access token. Name the grant when you use an API key.")

// grant finds what the path names, for a caller who may know of it: an id, an address, "me", or a prefixed form. Whatever the caller may
// not know of is not found, like what never was.
func (d *Door) grant(c echo.Context) (models.Grant, error) {
	locator, err := segment(c, "grant")
	if err != nil {
		return models.Grant{}, err
	}
	actor := web.Actor(c)
	if locator == "me" && actor.Kind != models.ActorToken {
		return models.Grant{}, errMe
	}
	g, err := d.Grants.Locate(c.Request().Context(), actor, locator)
	if fault.KindOf(err) == fault.NotFound {
		return g, errAbsent.Because(err) // one sentence for all, whatever was looked at
	}
	if !g.ID.IsZero() {
		c.Set(reached, g)
	}
	return g, err
}

func (d *Door) grantShow(c echo.Context) error {
	actor := web.Actor(c)
	if actor.Kind == models.ActorKey {
		if err := d.perApplication.take(actor.Application.String()); err != nil {
			return err
		}
	}
	g, err := d.grant(c)
	if err != nil {
		return err
	}
	if err := d.perGrantOf(g, actor); err != nil {
		return err
	}
	q := queryOf(c)
	aliases, names := q.is("expose_aliases"), q.list("select")
	if q.err != nil {
		return q.err
	}
	wire := grantJSON(g)
	if aliases {
		if wire.Aliases, err = d.aliases(c, g); err != nil {
			return err
		}
	}
	shown, err := wireShown(names, wire)
	if err != nil {
		return err
	}
	return one(c, shown)
}

// aliases asks the provider, and has that in the ledger like every other look into a mailbox. nil: it tells none.
func (d *Door) aliases(c echo.Context, g models.Grant) (*[]string, error) {
	told, known, err := d.Mailbox.Aliases(c.Request().Context(), web.Actor(c), g)
	if known || err != nil {
		d.Ledger.Note(c.Request().Context(), web.Actor(c), g, "aliases.read", outcomeOf(c, err))
	}
	if err != nil || !known {
		return nil, err
	}
	told = list(told)
	return &told, nil
}

// perGrantOf counts a request against the mailbox; requests of a key to the grant itself are counted against the application.
func (d *Door) perGrantOf(g models.Grant, actor models.Actor) error {
	if actor.Kind == models.ActorKey {
		return nil
	}
	return d.perGrant.take(g.ID.String())
}

// connectionSettings lead to the mail server that is shown the stored password. A key that may change them could send the password to a
// server of its own; so they change only where a person gives the password anew.
var connectionSettings = []string{"imap_host", "imap_port", "imap_tls", "smtp_host", "smtp_port", "smtp_tls", "smtp_user"}

var errServer = fault.New(fault.Invalid, "server_fixed", "The mail server of a connection cannot be changed here: its password would be sent to the new one. Reconnect the mailbox.")

// grantUpdate replaces settings whole; scope changes the record, not what the provider granted.
func (d *Door) grantUpdate(c echo.Context) error {
	b, err := bodyOf(c, false)
	if err != nil {
		return err
	}
	change := grants.Change{Settings: b.settings("settings"), Scopes: b.texts("scope")}
	if len(change.Scopes) > 100 {
		b.wrong("scope", "scope has at most 100 entries.")
	}
	if len(change.Settings) > 50 {
		b.wrong("settings", "settings has at most 50 entries.")
	}
	if b.err != nil {
		return b.err
	}
	for _, hidden := range []string{"password", "imap_password", "smtp_password", "refresh_token", "access_token", "client_secret", "app_password", "ews_password"} {
		delete(change.Settings, hidden) // settings are shown to whoever reads the grant
	}
	g, err := d.grant(c)
	if err != nil {
		return err
	}
	if change.Settings != nil {
		for _, key := range connectionSettings {
			given, there := change.Settings[key]
			if there && given != g.Settings[key] {
				return errServer.At("settings." + key)
			}
			if held, has := g.Settings[key]; has {
				change.Settings[key] = held
			}
		}
	}
	if g, err = d.Grants.Update(c.Request().Context(), web.Actor(c), g.ID, change); err != nil {
		return err
	}
	return one(c, grantJSON(g))
}

// grantDelete ends a grant for good. Named by its id, also one that was revoked is deleted.
func (d *Door) grantDelete(c echo.Context) error {
	locator, err := segment(c, "grant")
	if err != nil {
		return err
	}
	id, err := models.ParseID[models.GrantID](strings.ToLower(strings.TrimPrefix(locator, "grant:")))
	if err != nil {
		g, err := d.grant(c)
		if err != nil {
			return err
		}
		id = g.ID
	}
	_, err = d.Grants.Delete(c.Request().Context(), web.Actor(c), id, "asked for through the API")
	if fault.KindOf(err) == fault.NotFound {
		return errAbsent.Because(err)
	}
	if err != nil {
		return err
	}
	return done(c)
}
