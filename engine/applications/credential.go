package applications

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"slices"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// CredentialDraft is another app at a connector's provider, to be made.
type CredentialDraft struct {
	Name         string
	Type         string          // connector, or serviceaccount at Google: then ClientID is its address and ClientSecret its private key (PEM)
	Tenant       models.TenantID // zero: chosen by its id only; else used whenever this tenant connects
	ClientID     string
	ClientSecret secret.Text
	Settings     models.Settings // of these, what the provider knows is kept
}

// CredentialChange is what to alter of a credential. A nil field stays, and so do client id and secret when empty.
type CredentialChange struct {
	Name         *string
	ClientID     string
	ClientSecret secret.Text
	Settings     models.Settings
}

// CredentialFilter pages a list of credentials.
type CredentialFilter struct {
	ByUpdate, Ascending bool
	Limit, Offset       int // a limit of 0: 10; at most 200
}

var (
	errCredentialType  = fault.New(fault.Invalid, "credential_type_invalid", "credential_type is connector: another app of yours at this provider; at google also serviceaccount. An administrator's consent at Microsoft needs no credential: the consent page leads there.").At("credential_type")
	errCredentialTaken = fault.New(fault.Conflict, "credential_exists", "This connector has a credential by that name, or one for that organisation.").At("name")
	errNoApps          = fault.New(fault.Invalid, "credentials_not_offered", "This provider knows no apps, so its connector has no credentials.").At("provider")
	errServiceKey      = fault.New(fault.Invalid, "private_key_invalid", "credential_data.private_key is the RSA private key of the service account's key file, of at least 2048 bits: from -----BEGIN PRIVATE KEY----- to its end.").At("credential_data.private_key")
	errServiceAddress  = fault.New(fault.Invalid, "client_email_invalid", "credential_data.client_email is the address of the service account, from its key file.").At("credential_data.client_email")
	errCredentialID    = fault.New(fault.Invalid, "client_id_missing", "credential_data needs the client_id and client_secret of the app.").At("credential_data")
)

// Credentials lists the credentials of a connector. No secret is in them. A key of one tenant sees that tenant's.
func (s *Service) Credentials(ctx context.Context, actor models.Actor, application models.ApplicationID, name string, f CredentialFilter) ([]models.Credential, error) {
	if f.Limit <= 0 {
		f.Limit = 10
	}
	var list []models.Credential
	err := s.in(ctx, actor, models.ReadConnectors, application, func(tx *store.Tx) (err error) {
		if _, err = tx.Connector(application, name); err != nil {
			return err
		}
		list, err = tx.Credentials(application, name, f.ByUpdate, f.Ascending, min(f.Limit, 200), f.Offset)
		return err
	})
	return slices.DeleteFunc(list, func(c models.Credential) bool { return !ownCredential(actor, c) }), err
}

// ownCredential says whether the actor may know of a credential: those of other tenants are hidden from a key of one tenant.
func ownCredential(actor models.Actor, c models.Credential) bool {
	return actor.Tenant.IsZero() || c.TenantID != nil && *c.TenantID == actor.Tenant
}

// Credential reads one credential of a connector.
func (s *Service) Credential(ctx context.Context, actor models.Actor, application models.ApplicationID, name string, id models.CredentialID) (models.Credential, error) {
	var c models.Credential
	err := s.in(ctx, actor, models.ReadConnectors, application, func(tx *store.Tx) (err error) {
		c, err = tx.Credential(application, name, id)
		return err
	})
	if err == nil && !ownCredential(actor, c) {
		return models.Credential{}, store.ErrNotFound
	}
	return c, err
}

// CreateCredential adds a credential to a connector. Its client secret is sealed.
func (s *Service) CreateCredential(ctx context.Context, actor models.Actor, application models.ApplicationID, name string, d CredentialDraft) (models.Credential, error) {
	at := s.now().UTC()
	row := models.Credential{ApplicationID: application, ID: models.NewID[models.CredentialID](at), Provider: name, Name: d.Name, Type: d.Type, ClientID: d.ClientID, Settings: d.Settings, CreatedAt: at, UpdatedAt: at}
	if !d.Tenant.IsZero() {
		row.TenantID = &d.Tenant
	}
	if d.Type != models.CredentialApp && (d.Type != models.CredentialServiceAccount || name != "google") {
		return models.Credential{}, errCredentialType
	}
	defer s.alone(d.ClientSecret)()
	err := s.change(ctx, actor, models.WriteConnectors, application, func(tx *store.Tx) error {
		if _, err := tx.Connector(application, name); err != nil {
			return err
		}
		if err := s.settleCredential(&row); err != nil {
			return err
		}
		if err := credentialSecret(row.Type, d.ClientSecret); err != nil {
			return err
		}
		if err := tx.InsertCredential(row); err != nil {
			return err
		}
		if err := s.audit.Append(ctx, tx, actor, credentialEntry("credential.create", row)); err != nil {
			return err
		}
		return s.putCredential(ctx, row.ID, d.ClientSecret)
	})
	if errors.Is(err, store.ErrTaken) {
		err = errCredentialTaken.Because(err)
	}
	if err != nil {
		return models.Credential{}, err
	}
	return row, nil
}

// UpdateCredential alters a credential. A new client secret counts from the next refresh on.
func (s *Service) UpdateCredential(ctx context.Context, actor models.Actor, application models.ApplicationID, name string, id models.CredentialID, c CredentialChange) (models.Credential, error) {
	var row models.Credential
	defer s.alone(c.ClientSecret)()
	err := s.change(ctx, actor, models.WriteConnectors, application, func(tx *store.Tx) (err error) {
		if row, err = tx.Credential(application, name, id); err != nil {
			return err
		}
		said := credentialEntry("credential.update", row)
		if c.Name != nil {
			row.Name = *c.Name
		}
		if c.ClientID != "" && c.ClientID != row.ClientID {
			row.ClientID, said.Detail["client_id"] = c.ClientID, c.ClientID
		}
		if c.Settings != nil {
			row.Settings, said.Detail["settings"] = c.Settings, "replaced"
		}
		if !c.ClientSecret.Empty() {
			said.Detail["client_secret"] = "replaced"
		}
		if err := s.settleCredential(&row); err != nil {
			return err
		}
		if !c.ClientSecret.Empty() {
			if err := credentialSecret(row.Type, c.ClientSecret); err != nil {
				return err
			}
		}
		row.UpdatedAt = s.now().UTC()
		if err := tx.ChangeCredential(row); err != nil {
			return err
		}
		if err := s.audit.Append(ctx, tx, actor, said); err != nil {
			return err
		}
		if c.ClientSecret.Empty() {
			return nil
		}
		return s.putCredential(ctx, id, c.ClientSecret)
	})
	if errors.Is(err, store.ErrTaken) {
		err = errCredentialTaken.Because(err)
	}
	return row, err
}

// DeleteCredential removes a credential and destroys its client secret: the grants that were made with it stop at once.
func (s *Service) DeleteCredential(ctx context.Context, actor models.Actor, application models.ApplicationID, name string, id models.CredentialID) error {
	s.sealing.Lock()
	defer s.sealing.Unlock()
	return s.change(ctx, actor, models.WriteConnectors, application, func(tx *store.Tx) error {
		row, err := tx.Credential(application, name, id)
		if err != nil {
			return err
		}
		if err := tx.DeleteCredential(application, id); err != nil {
			return err
		}
		if err := s.audit.Append(ctx, tx, actor, credentialEntry("credential.delete", row)); err != nil {
			return err
		}
		return s.destroyCredential(ctx, id)
	})
}

// settleCredential checks a credential and brings its settings to what its provider knows.
func (s *Service) settleCredential(c *models.Credential) error {
	kind, known := kinds[c.Provider]
	if known && !kind.app {
		return errNoApps
	}
	if !oneLine(c.Name, 1, 200) {
		return errName
	}
	settings := kind.settings
	if c.Type == models.CredentialServiceAccount {
		if (email.Address{Email: c.ClientID}).Check() != nil {
			return errServiceAddress
		}
		settings = []string{"private_key_id", "client_id", "project_id"} // what names the key and the delegation. A token_uri is not kept: what we sign goes to the operator's address alone
	}
	if !oneLine(c.ClientID, 1, 500) {
		return errCredentialID
	}
	kept := models.Settings{}
	for _, key := range settings {
		if v := c.Settings[key]; v != "" {
			if !oneLine(v, 1, 2000) {
				return errSetting.At("credential_data." + key)
			}
			kept[key] = v
		}
	}
	c.Settings = kept
	return nil
}

// credentialSecret checks what a credential signs with.
func credentialSecret(kind string, value secret.Text) error {
	if kind != models.CredentialServiceAccount {
		if value.Empty() {
			return errCredentialID
		}
		return nil
	}
	block, _ := pem.Decode([]byte(value.Reveal()))
	if block == nil {
		return errServiceKey
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		if parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes); err != nil {
			return errServiceKey
		}
	}
	if key, ok := parsed.(*rsa.PrivateKey); !ok || key.N.BitLen() < 2048 {
		return errServiceKey
	}
	return nil
}

func credentialOwner(id models.CredentialID) sealed.Owner {
	return sealed.Owner{Kind: sealed.CredentialOwner, ID: id.String()}
}

// putCredential seals a client secret in a transaction of its own: see put.
func (s *Service) putCredential(ctx context.Context, id models.CredentialID, value secret.Text) error {
	return s.store.InTenant(ctx, models.PlatformSpace, func(tx *store.Tx) error {
		return s.safe.Put(ctx, tx, models.PlatformSpace, credentialOwner(id), secretField, value)
	})
}

func (s *Service) destroyCredential(ctx context.Context, id models.CredentialID) error {
	return s.store.InTenant(ctx, models.PlatformSpace, func(tx *store.Tx) error {
		_, err := s.safe.Destroy(ctx, tx, models.PlatformSpace, credentialOwner(id))
		return err
	})
}

func credentialEntry(action string, c models.Credential) audit.Entry {
	e := entry(action, c.ApplicationID, "credential", c.ID.String(), c.Name)
	e.Detail["provider"] = c.Provider
	if c.TenantID != nil {
		e.Tenant = *c.TenantID
	}
	return e
}
