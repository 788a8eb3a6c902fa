package store

import (
	"time"

	"github.com/postern-mail/postern/models"
)

// Connectors is the connectors of an application, by provider.
func (t *Tx) Connectors(application models.ApplicationID) ([]models.Connector, error) {
	return all[models.Connector](t.db.Table("connectors").Where("application_id = ?", application).Order("provider"))
}

// Connector is an application's way to one provider; there is at most one.
func (t *Tx) Connector(application models.ApplicationID, provider string) (models.Connector, error) {
	return one[models.Connector](t.db.Table("connectors").Where("application_id = ? AND provider = ?", application, provider))
}

// InsertConnector adds a connector; ErrTaken when the application has one for the provider.
func (t *Tx) InsertConnector(c models.Connector) error {
	return wrap(t.db.Table("connectors").Create(&c).Error)
}

// ChangeConnector writes what can change of a connector: its name, client id, settings, scopes, and what is known of its secrets.
func (t *Tx) ChangeConnector(c models.Connector) error {
	return changed(t.db.Table("connectors").Where("application_id = ? AND id = ?", c.ApplicationID, c.ID).Updates(map[string]any{
		"name": c.Name, "client_id": c.ClientID, "settings": c.Settings, "scopes": c.Scopes, "updated_at": c.UpdatedAt,
		"secret_at": c.SecretAt, "secret_ends_at": c.SecretEndsAt, "secret_before_at": c.SecretBeforeAt,
		"checked_at": c.CheckedAt, "check_outcome": c.CheckOutcome, "check_before": c.CheckBefore,
	}))
}

// ConnectorsEnding is every connector whose client secret ends before a time, of all applications, the first to end first.
func (t *Tx) ConnectorsEnding(before time.Time) ([]models.Connector, error) {
	return all[models.Connector](t.db.Table("connectors").Where("secret_ends_at < ?", before).Order("secret_ends_at").Limit(100))
}

// DeleteConnector removes a connector. Its sealed client secret is destroyed by the caller.
func (t *Tx) DeleteConnector(application models.ApplicationID, id models.ConnectorID) error {
	return changed(t.db.Exec("DELETE FROM connectors WHERE application_id = ? AND id = ?", application, id))
}
