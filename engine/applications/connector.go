package applications

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// Where a connector's client secrets are sealed: under models.PlatformSpace, owned by sealed.ConnectorOwner. The one before is kept while a change
// of secrets lasts, and tried where the provider refuses the other.
const (
	secretField       = "client_secret"
	secretBeforeField = "client_secret_before"
)

// kinds says what a connector of each provider holds. What is not here is dropped when it comes, because clients send the same
// settings for every provider.
var kinds = map[string]struct {
	label    string
	app      bool     // it needs an app of ours at the provider: client id and secret
	settings []string // other keys
}{
	"google":    {label: "Google", app: true, settings: []string{"topic_name"}},
	"microsoft": {label: "Microsoft", app: true, settings: []string{"tenant"}},
	"yahoo":     {label: "Yahoo", app: true},
	"icloud":    {label: "iCloud"},
	"imap":      {label: "IMAP"},
	"ews":       {label: "Exchange"},
	"nylas":     {label: "Nylas", app: true, settings: []string{"region", "provider"}}, // the client secret is the application's API key there
}

var (
	errProvider      = fault.New(fault.Invalid, "provider_invalid", "provider is google, microsoft, yahoo, icloud, imap, ews or nylas. Calendars, contacts and meetings are not offered.").At("provider")
	errConnector     = fault.New(fault.Conflict, "connector_exists", "There is a connector for this provider already. Change that one.").At("provider")
	errClientID      = fault.New(fault.Invalid, "client_id_missing", "This provider needs the client id of your app there.").At("settings.client_id")
	errClientSecret  = fault.New(fault.Invalid, "client_secret_missing", "This provider needs the client secret of your app there.").At("settings.client_secret")
	errSetting       = fault.New(fault.Invalid, "setting_invalid", "A setting has at most 2000 characters, on one line.")
	errNylasRegion   = fault.New(fault.Invalid, "region_invalid", "The region of a Nylas application is us or eu.").At("settings.region")
	errNylasProvider = fault.New(fault.Invalid, "upstream_invalid", "provider is whose mailboxes Nylas is to offer: google, microsoft, yahoo, icloud, imap or ews. Leave it out to let people choose there.").At("settings.provider")
	errScopes        = fault.New(fault.Invalid, "scope_invalid", "scope is a list of at most 50 scope names without spaces.").At("scope")
)

// ConnectorDraft is a connector to be made.
type ConnectorDraft struct {
	Provider     string
	Name         string // empty: the provider's name
	ClientID     string
	ClientSecret secret.Text
	SecretEnds   time.Time       // at the provider; zero: not known, or never
	Settings     models.Settings // of these, what the provider knows is kept: topic_name, tenant
	Scopes       []string
}

// ConnectorChange is what to alter of a connector. A nil field stays, and so do the client id and secret when empty; settings and
// scopes are replaced whole.
type ConnectorChange struct {
	Name         *string
	ClientID     string
	ClientSecret secret.Text
	SecretEnds   *time.Time // the zero time: not known, or never
	Settings     models.Settings
	Scopes       []string
}

// Connectors is the connectors of an application, by provider. No secret is in them.
func (s *Service) Connectors(ctx context.Context, actor models.Actor, application models.ApplicationID) ([]models.Connector, error) {
	var list []models.Connector
	err := s.in(ctx, actor, models.ReadConnectors, application, func(tx *store.Tx) (err error) { list, err = tx.Connectors(application); return err })
	return list, err
}

// Connector is an application's connector for one provider.
func (s *Service) Connector(ctx context.Context, actor models.Actor, application models.ApplicationID, name string) (models.Connector, error) {
	var c models.Connector
	err := s.in(ctx, actor, models.ReadConnectors, application, func(tx *store.Tx) (err error) { c, err = tx.Connector(application, name); return err })
	return c, err
}

// CreateConnector makes a connector; a second one for the provider is a fault of kind Conflict. The client secret is sealed.
func (s *Service) CreateConnector(ctx context.Context, actor models.Actor, application models.ApplicationID, d ConnectorDraft) (models.Connector, error) {
	at := s.now().UTC()
	row := models.Connector{ApplicationID: application, ID: models.NewID[models.ConnectorID](at), Provider: d.Provider, Name: d.Name,
		ClientID: d.ClientID, Settings: d.Settings, Scopes: d.Scopes, CreatedAt: at, UpdatedAt: at, SecretEndsAt: day(d.SecretEnds)}
	if !d.ClientSecret.Empty() {
		row.SecretAt = &at
	}
	if err := s.settleConnector(&row); err != nil {
		return models.Connector{}, err
	}
	if kinds[row.Provider].app && d.ClientSecret.Empty() {
		return models.Connector{}, errClientSecret
	}
	defer s.alone(d.ClientSecret)()
	err := s.change(ctx, actor, models.WriteConnectors, application, func(tx *store.Tx) error {
		if _, err := tx.Application(application); err != nil {
			return err
		}
		if err := tx.InsertConnector(row); err != nil {
			return err
		}
		if err := s.audit.Append(ctx, tx, actor, connectorEntry("connector.create", row)); err != nil {
			return err
		}
		return s.put(ctx, row, d.ClientSecret)
	})
	if errors.Is(err, store.ErrTaken) {
		return models.Connector{}, errConnector.Because(err)
	}
	if err != nil {
		return models.Connector{}, err
	}
	return row, nil
}

// UpdateConnector alters a connector and answers it as it then is. A new client secret is used at once; the one before it is kept for the case that the provider
// does not know the new one yet, until EndSecretBefore. With another client id it has no meaning and is destroyed.
func (s *Service) UpdateConnector(ctx context.Context, actor models.Actor, application models.ApplicationID, name string, c ConnectorChange) (models.Connector, error) {
	var row models.Connector
	s.sealing.Lock()
	defer s.sealing.Unlock()
	err := s.change(ctx, actor, models.WriteConnectors, application, func(tx *store.Tx) error {
		if _, err := tx.ApplicationForUpdate(application); err != nil {
			return err
		}
		var err error
		if row, err = tx.Connector(application, name); err != nil {
			return err
		}
		said := connectorEntry("connector.update", row)
		c.apply(&row, said.Detail, s.now().UTC())
		if err := s.settleConnector(&row); err != nil {
			return err
		}
		row.UpdatedAt = s.now().UTC()
		if err := tx.ChangeConnector(row); err != nil {
			return err
		}
		if err := s.audit.Append(ctx, tx, actor, said); err != nil {
			return err
		}
		return s.put(ctx, row, c.ClientSecret)
	})
	return row, err
}

// EndSecretBefore destroys the client secret that an earlier change left behind. None is no error.
func (s *Service) EndSecretBefore(ctx context.Context, actor models.Actor, application models.ApplicationID, name string) error {
	s.sealing.Lock()
	defer s.sealing.Unlock()
	return s.change(ctx, actor, models.WriteConnectors, application, func(tx *store.Tx) error {
		row, err := tx.Connector(application, name)
		if err != nil || row.SecretBeforeAt == nil {
			return err
		}
		row.SecretBeforeAt, row.CheckBefore, row.UpdatedAt = nil, "", s.now().UTC()
		if err := tx.ChangeConnector(row); err != nil {
			return err
		}
		said := connectorEntry("connector.update", row)
		said.Detail["client_secret_before"] = "destroyed"
		if err := s.audit.Append(ctx, tx, actor, said); err != nil {
			return err
		}
		return s.store.InTenant(ctx, models.PlatformSpace, func(tx *store.Tx) error {
			return s.safe.DestroyField(ctx, tx, models.PlatformSpace, secretOwner(row.ID), secretBeforeField)
		})
	})
}

// DeleteConnector removes a connector and destroys its client secret. Its grants stay on record; without the connector nothing
// reaches the provider for them.
func (s *Service) DeleteConnector(ctx context.Context, actor models.Actor, application models.ApplicationID, name string) error {
	var id models.ConnectorID
	s.sealing.Lock()
	defer s.sealing.Unlock()
	return s.change(ctx, actor, models.WriteConnectors, application, func(tx *store.Tx) error {
		row, err := tx.Connector(application, name)
		if err != nil {
			return err
		}
		id = row.ID
		others, err := tx.Credentials(application, name, false, false, 10_000, 0) // they go with it
		if err != nil {
			return err
		}
		if err := tx.DeleteConnector(application, id); err != nil {
			return err
		}
		if err := s.audit.Append(ctx, tx, actor, connectorEntry("connector.delete", row)); err != nil {
			return err
		}
		return s.store.InTenant(ctx, models.PlatformSpace, func(tx *store.Tx) error {
			for _, c := range others {
				if _, err := s.safe.Destroy(ctx, tx, models.PlatformSpace, credentialOwner(c.ID)); err != nil {
					return err
				}
			}
			_, err := s.safe.Destroy(ctx, tx, models.PlatformSpace, secretOwner(id))
			return err
		})
	})
}

func (c ConnectorChange) apply(row *models.Connector, detail map[string]string, at time.Time) {
	if c.Name != nil {
		row.Name = *c.Name
	}
	other := c.ClientID != "" && c.ClientID != row.ClientID
	if other {
		row.ClientID, detail["client_id"] = c.ClientID, c.ClientID
	}
	if !c.ClientSecret.Empty() {
		detail["client_secret"] = "replaced"
		row.SecretBeforeAt, row.SecretAt, row.SecretEndsAt = row.SecretAt, &at, nil
	}
	if other { // what was sealed for the other registration opens nothing here
		row.SecretBeforeAt = nil
	}
	if other || !c.ClientSecret.Empty() {
		row.CheckedAt, row.CheckOutcome, row.CheckBefore = nil, "", ""
	}
	if c.SecretEnds != nil {
		row.SecretEndsAt = day(*c.SecretEnds)
	}
	if c.Settings != nil {
		row.Settings, detail["settings"] = c.Settings, "replaced"
	}
	if c.Scopes != nil {
		row.Scopes, detail["scope"] = c.Scopes, strings.Join(c.Scopes, " ")
	}
}

// day is a time that may be unknown, as a row has it.
func day(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func secretOwner(id models.ConnectorID) sealed.Owner {
	return sealed.Owner{Kind: sealed.ConnectorOwner, ID: id.String()}
}

// put seals a client secret in a transaction of its own, because secrets of the platform live in a scope that sees nothing else. It is
// called last within the transaction of the row and its audit entry: when sealing fails, these are rolled back. The secret before it is kept where the row says so.
func (s *Service) put(ctx context.Context, row models.Connector, value secret.Text) error {
	if value.Empty() && row.SecretBeforeAt != nil {
		return nil
	}
	return s.store.InTenant(ctx, models.PlatformSpace, func(tx *store.Tx) error {
		owner := secretOwner(row.ID)
		if row.SecretBeforeAt == nil {
			if err := s.safe.DestroyField(ctx, tx, models.PlatformSpace, owner, secretBeforeField); err != nil {
				return err
			}
		}
		if value.Empty() {
			return nil
		}
		before, err := s.safe.Open(ctx, tx, models.PlatformSpace, owner, secretField)
		if err != nil && !errors.Is(err, sealed.ErrAbsent) {
			return err
		}
		if row.SecretBeforeAt != nil && !before.Empty() {
			if err := s.safe.Put(ctx, tx, models.PlatformSpace, owner, secretBeforeField, before); err != nil {
				return err
			}
		}
		return s.safe.Put(ctx, tx, models.PlatformSpace, owner, secretField, value)
	})
}

// alone keeps other sealing changes out until the function it gives is called. Without a secret there is nothing to wait for.
func (s *Service) alone(value secret.Text) func() {
	if value.Empty() {
		return func() {}
	}
	s.sealing.Lock()
	return s.sealing.Unlock
}

// settleConnector checks a connector and brings its settings to what its provider knows.
func (s *Service) settleConnector(c *models.Connector) error {
	kind, known := kinds[c.Provider]
	if !known {
		if s.providers == nil || !slices.Contains(s.providers.Names(), c.Provider) {
			return errProvider
		}
		kind.label = c.Provider
	}
	if c.Name == "" {
		c.Name = kind.label
	}
	if !oneLine(c.Name, 1, 200) {
		return errName
	}
	if !oneLine(c.ClientID, 0, 500) {
		return errSetting.At("settings.client_id")
	}
	if kind.app && c.ClientID == "" {
		return errClientID
	}
	if region := c.Settings["region"]; c.Provider == "nylas" && region != "" && region != "us" && region != "eu" {
		return errNylasRegion
	}
	if upstream := c.Settings["provider"]; c.Provider == "nylas" && upstream != "" && (upstream == "nylas" || kinds[upstream].label == "") {
		return errNylasProvider
	}
	kept := models.Settings{}
	for _, key := range kind.settings {
		if v := c.Settings[key]; v != "" {
			if !oneLine(v, 1, 2000) {
				return errSetting.At("settings." + key)
			}
			kept[key] = v
		}
	}
	c.Settings = kept
	if len(c.Scopes) > 50 || slices.ContainsFunc(c.Scopes, func(s string) bool { return !oneLine(s, 1, 300) || strings.ContainsRune(s, ' ') }) {
		return errScopes
	}
	return nil
}

func connectorEntry(action string, c models.Connector) audit.Entry {
	e := entry(action, c.ApplicationID, "connector", c.ID.String(), c.Name)
	e.Detail["provider"] = c.Provider
	return e
}
