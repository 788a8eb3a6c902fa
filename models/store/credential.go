package store

import "github.com/postern-mail/postern/models"

// Credentials lists the credentials of a connector.
func (t *Tx) Credentials(application models.ApplicationID, provider string, byUpdate, ascending bool, limit, offset int) ([]models.Credential, error) {
	by, way := "created_at", " DESC"
	if byUpdate {
		by = "updated_at"
	}
	if ascending {
		way = ""
	}
	return all[models.Credential](t.db.Where("application_id = ? AND provider = ?", application, provider).Order(by + way + ", id" + way).Limit(limit).Offset(offset))
}

// Credential reads one credential of a connector.
func (t *Tx) Credential(application models.ApplicationID, provider string, id models.CredentialID) (models.Credential, error) {
	return one[models.Credential](t.db.Where("application_id = ? AND provider = ? AND id = ?", application, provider, id))
}

// CredentialByID reads one credential of an application, whatever its provider.
func (t *Tx) CredentialByID(application models.ApplicationID, id models.CredentialID) (models.Credential, error) {
	return one[models.Credential](t.db.Where("application_id = ? AND id = ?", application, id))
}

// CredentialFor is the credential with which a tenant connects to a provider where the request names none: that of the grant to be connected anew, else the tenant's
// own. ErrNotFound: the connector's app is used. Service accounts take no part: nobody consents through one.
func (t *Tx) CredentialFor(application models.ApplicationID, provider string, tenant models.TenantID, grant *models.GrantID) (models.Credential, error) {
	return one[models.Credential](t.db.Raw(`SELECT c.* FROM credentials c LEFT JOIN grants g ON g.tenant_id = ? AND g.id = ? AND g.credential_id = c.id
		WHERE c.application_id = ? AND c.provider = ? AND c.type = 'connector' AND (g.id IS NOT NULL OR c.tenant_id = ?) ORDER BY g.id IS NULL LIMIT 1`, tenant, grant, application, provider, tenant))
}

// InsertCredential adds a credential; ErrTaken when the connector has one by that name, or one for that tenant.
func (t *Tx) InsertCredential(c models.Credential) error {
	return wrap(t.db.Create(&c).Error)
}

// ChangeCredential writes what can change of a credential.
func (t *Tx) ChangeCredential(c models.Credential) error {
	return changed(t.db.Exec(`UPDATE credentials SET name = ?, client_id = ?, settings = ?, updated_at = ? WHERE application_id = ? AND id = ?`,
		c.Name, c.ClientID, c.Settings, c.UpdatedAt, c.ApplicationID, c.ID))
}

// DeleteCredential removes a credential. Its sealed client secret is destroyed by the caller.
func (t *Tx) DeleteCredential(application models.ApplicationID, id models.CredentialID) error {
	return changed(t.db.Exec(`DELETE FROM credentials WHERE application_id = ? AND id = ?`, application, id))
}
