package store

import (
	"time"

	"github.com/postern-mail/postern/models"
)

// Application answers ErrNotFound for an application outside the scope.
func (t *Tx) Application(id models.ApplicationID) (models.Application, error) {
	return one[models.Application](t.db.Table("applications").Where("id = ?", id))
}

// ApplicationForUpdate is Application with the row locked until the transaction ends. What must be judged over all callback URIs or
// connectors of an application is judged under this lock.
func (t *Tx) ApplicationForUpdate(id models.ApplicationID) (models.Application, error) {
	return one[models.Application](t.db.Raw("SELECT * FROM applications WHERE id = ? FOR UPDATE", id))
}

// Applications is every application of the scope, the oldest first: all of them on the platform, one in an application's scope.
func (t *Tx) Applications() ([]models.Application, error) {
	return all[models.Application](t.db.Table("applications").Order("created_at, id"))
}

// InsertApplication adds an application. Only the platform may.
func (t *Tx) InsertApplication(a models.Application) error {
	return wrap(t.db.Table("applications").Create(&a).Error)
}

// ChangeApplication writes what can change of an application: all but its id and its birth.
func (t *Tx) ChangeApplication(a models.Application) error {
	return changed(t.db.Table("applications").Where("id = ?", a.ID).Updates(map[string]any{
		"name": a.Name, "environment": a.Environment, "default_tenant_id": a.DefaultTenantID,
		"branding": a.Branding, "hosted_auth": a.HostedAuth, "updated_at": a.UpdatedAt,
	}))
}

// CallbackURIs is the live callback URIs of an application, the oldest first.
func (t *Tx) CallbackURIs(application models.ApplicationID) ([]models.CallbackURI, error) {
	return all[models.CallbackURI](t.db.Table("callback_uris").
		Where("application_id = ? AND deleted_at IS NULL", application).Order("created_at, id"))
}

// CallbackURI is one live callback URI.
func (t *Tx) CallbackURI(application models.ApplicationID, id models.CallbackID) (models.CallbackURI, error) {
	return one[models.CallbackURI](t.db.Table("callback_uris").
		Where("application_id = ? AND id = ? AND deleted_at IS NULL", application, id))
}

// CallbackURIByURL is the live callback URI with just these bytes. Where an old row has the same bytes for two platforms, the one that
// asks for a secret counts.
func (t *Tx) CallbackURIByURL(application models.ApplicationID, url string) (models.CallbackURI, error) {
	return one[models.CallbackURI](t.db.Table("callback_uris").
		Where("application_id = ? AND url = ? AND deleted_at IS NULL", application, url).
		Order("platform <> 'web', created_at, id"))
}

// InsertCallbackURI adds a callback URI; ErrTaken when the same is there for the same platform.
func (t *Tx) InsertCallbackURI(c models.CallbackURI) error {
	return wrap(t.db.Table("callback_uris").Create(&c).Error)
}

// ChangeCallbackURI writes url, platform and settings of a live callback URI.
func (t *Tx) ChangeCallbackURI(c models.CallbackURI) error {
	return changed(t.db.Table("callback_uris").Where("application_id = ? AND id = ? AND deleted_at IS NULL", c.ApplicationID, c.ID).
		Updates(map[string]any{"url": c.URL, "platform": c.Platform, "settings": c.Settings}))
}

// MarkCallbackURIDeleted ends a callback URI. The row stays, so that the audit has something to point at.
func (t *Tx) MarkCallbackURIDeleted(application models.ApplicationID, id models.CallbackID, at time.Time) error {
	return changed(t.db.Table("callback_uris").Where("application_id = ? AND id = ? AND deleted_at IS NULL", application, id).
		Updates(map[string]any{"deleted_at": at}))
}

// OriginRegistered says whether any application has a live callback URI for browsers at the origin. It is asked on the platform: a
// preflight names no application.
func (t *Tx) OriginRegistered(origin string) (bool, error) {
	var there bool
	err := t.db.Raw(`SELECT EXISTS (SELECT FROM callback_uris WHERE platform = 'js' AND settings->>'origin' = ? AND deleted_at IS NULL)`, origin).Scan(&there).Error
	return there, wrap(err)
}
