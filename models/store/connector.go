package store

import "github.com/postern-mail/postern/models"

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

// ChangeConnector writes what can change of a connector: its name, client id, settings and scopes.
func (t *Tx) ChangeConnector(c models.Connector) error {
	return changed(t.db.Table("connectors").Where("application_id = ? AND id = ?", c.ApplicationID, c.ID).Updates(map[string]any{
		"name": c.Name, "client_id": c.ClientID, "settings": c.Settings, "scopes": c.Scopes, "updated_at": c.UpdatedAt,
	}))
}

// DeleteConnector removes a connector. Its sealed client secret is destroyed by the caller.
func (t *Tx) DeleteConnector(application models.ApplicationID, id models.ConnectorID) error {
	return changed(t.db.Exec("DELETE FROM connectors WHERE application_id = ? AND id = ?", application, id))
}
