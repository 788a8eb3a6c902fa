package tokens

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// early is how long before its end an access token counts as expired, so that it does not die on its way to the provider.
const early = 2 * time.Minute

// doubt is how far apart two refusals must lie before a grant is called invalid: one may be a provider's hiccup.
const doubt = time.Minute

// challengeHolds is for how long a provider's word that it ended a token explains what happens to the next one.
const challengeHolds = 10 * time.Minute

// Credential is what opens one mailbox: tokens, or a password.
type Credential struct {
	Access, Refresh secret.Text
	ExpiresAt       time.Time // of Access; zero: not known
	Password        secret.Text
}

// Config wires the keeper.
type Config struct {
	Store     *store.Store
	Safe      *sealed.Safe
	Providers *provider.Set
	BaseURL   string // public address of this installation, without a slash at its end
	Now       func() time.Time
	// Refused is called in the transaction in which a grant became invalid, to record and tell it. g is the grant as it was.
	Refused func(ctx context.Context, tx *store.Tx, g models.Grant, reason string) error
	// CutThere is the same where the provider said that it ended the access itself. answer is what the refresh got, in the provider's words; it may be empty.
	CutThere func(ctx context.Context, tx *store.Tx, g models.Grant, cause, answer string, at time.Time) error
}

// Keeper keeps credentials. It is safe for concurrent use.
type Keeper struct {
	Config
	refreshing singleflight.Group
}

// New makes the keeper.
func New(c Config) *Keeper { return &Keeper{Config: c} }

// Grant names a grant as the owner of sealed fields.
func Grant(id models.GrantID) sealed.Owner {
	return sealed.Owner{Kind: sealed.GrantOwner, ID: id.String()}
}

// Flow names a connect flow as the owner of sealed fields.
func Flow(id models.FlowID) sealed.Owner {
	return sealed.Owner{Kind: sealed.FlowOwner, ID: id.String()}
}

// Severance names a severance as the owner of sealed fields.
func Severance(id models.SeveranceID) sealed.Owner {
	return sealed.Owner{Kind: sealed.SeveranceOwner, ID: id.String()}
}

// Save seals a credential for its owner, in place of the one before. Empty parts leave what is there: a provider that sends no new refresh
// token means that the old one stays good (RFC 6749 section 6).
func (k *Keeper) Save(ctx context.Context, tx *store.Tx, tenant models.TenantID, o sealed.Owner, c Credential) error {
	put := func(field string, value secret.Text) error {
		if value.Empty() {
			return nil
		}
		return k.Safe.Put(ctx, tx, tenant, o, field, value)
	}
	if !c.Access.Empty() {
		var ends int64
		if !c.ExpiresAt.IsZero() {
			ends = c.ExpiresAt.Unix()
		}
		if err := put("access_token", secret.New(strconv.FormatInt(ends, 10)+" "+c.Access.Reveal())); err != nil {
			return err
		}
	}
	return errors.Join(put("refresh_token", c.Refresh), put("password", c.Password))
}

// Load opens an owner's credential. Parts it does not have are empty; none at all is sealed.ErrAbsent.
func (k *Keeper) Load(ctx context.Context, tx *store.Tx, tenant models.TenantID, o sealed.Owner) (Credential, error) {
	var c Credential
	found := false
	open := func(field string) secret.Text {
		value, err := k.Safe.Open(ctx, tx, tenant, o, field)
		if err == nil {
			found = true
		}
		return value
	}
	fields, err := tx.SealedFields(tenant, o.Kind, o.ID)
	if err != nil {
		return c, fmt.Errorf("list the credential's fields: %w", err)
	}
	for _, field := range fields {
		switch field {
		case "access_token":
			ends, token, _ := strings.Cut(open(field).Reveal(), " ")
			c.Access = secret.New(token)
			if at, err := strconv.ParseInt(ends, 10, 64); err == nil && at > 0 {
				c.ExpiresAt = time.Unix(at, 0)
			}
		case "refresh_token":
			c.Refresh = open(field)
		case "password":
			c.Password = open(field)
		}
	}
	if !found {
		return c, sealed.ErrAbsent
	}
	return c, nil
}

// Adopt gives a grant the credential that its connect flow brought, and destroys what it had before.
func (k *Keeper) Adopt(ctx context.Context, tx *store.Tx, tenant models.TenantID, flow models.FlowID, grant models.GrantID) error {
	if _, err := k.Safe.Destroy(ctx, tx, tenant, Grant(grant)); err != nil {
		return err
	}
	_, err := k.Safe.Move(ctx, tx, tenant, Flow(flow), Grant(grant))
	return err
}

// Detach takes a grant's credential away and leaves it with the severance, whose work needs it once more. From here nothing reaches the mailbox.
func (k *Keeper) Detach(ctx context.Context, tx *store.Tx, tenant models.TenantID, grant models.GrantID, severance models.SeveranceID) error {
	_, err := k.Safe.Move(ctx, tx, tenant, Grant(grant), Severance(severance))
	return err
}

// Destroy deletes the ciphertext of an owner's credential and says how many fields there were.
func (k *Keeper) Destroy(ctx context.Context, tx *store.Tx, tenant models.TenantID, o sealed.Owner) (int, error) {
	return k.Safe.Destroy(ctx, tx, tenant, o)
}

// App gives our registration at a provider: id, secret and the one address to return to. credential names one beside the connector's own; nil is the connector's. It is
// read anew each time, so that a changed secret counts at once. store.ErrNotFound: the connector or the credential was deleted.
func (k *Keeper) App(ctx context.Context, application models.ApplicationID, name string, credential *models.CredentialID) (provider.App, error) {
	app := provider.App{RedirectURI: k.BaseURL + "/v3/connect/callback/" + name}
	var owner sealed.Owner
	err := k.Store.OnPlatform(ctx, "read the connector of a flow or grant", func(tx *store.Tx) error {
		row, err := tx.Connector(application, name)
		if err != nil {
			return err
		}
		app.ClientID, app.Settings, owner = row.ClientID, row.Settings, sealed.Owner{Kind: sealed.ConnectorOwner, ID: row.ID.String()}
		if credential == nil {
			return nil
		}
		other, err := tx.Credential(application, name, *credential)
		app.ClientID, app.Settings, app.Delegated, owner = other.ClientID, other.Settings, other.Type == models.CredentialServiceAccount, sealed.Owner{Kind: sealed.CredentialOwner, ID: credential.String()}
		return err
	})
	if err != nil {
		return provider.App{}, fmt.Errorf("read the connector %s: %w", name, err)
	}
	parts := map[string]*secret.Text{"client_secret": &app.ClientSecret}
	if credential == nil {
		parts["client_secret_before"] = &app.SecretBefore
	}
	err = k.Store.InTenant(ctx, models.PlatformSpace, func(tx *store.Tx) (err error) {
		for field, into := range parts {
			*into, err = k.Safe.Open(ctx, tx, models.PlatformSpace, owner, field)
			if err != nil && !errors.Is(err, sealed.ErrAbsent) { // absent: a public client, a provider without apps, no change of secrets going on
				return err
			}
		}
		return nil
	})
	return app, err
}

// Offered says whether an application still has a connector for a provider, and the credential that a grant was made with: deleting either stops its grants at once.
func (k *Keeper) Offered(ctx context.Context, application models.ApplicationID, name string, credential *models.CredentialID) error {
	err := k.Store.OnPlatform(ctx, "see whether a grant's connector is there", func(tx *store.Tx) error {
		_, err := tx.Connector(application, name)
		if err == nil && credential != nil {
			_, err = tx.Credential(application, name, *credential)
		}
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return ErrCut.Because(errors.New("the connector or its credential was deleted"))
	}
	return err
}

// Account makes what a connector needs to reach a mailbox. The credential is opened, and refreshed if need be, only when the connector asks for it.
func (k *Keeper) Account(g models.Grant) provider.Account {
	return provider.Account{
		Key: g.ID.String() + ":" + strconv.Itoa(g.Credential), Address: g.Email, Login: g.Login, Settings: g.Settings,
		Credential: func(ctx context.Context) (provider.Credential, error) { return k.Fresh(ctx, g.TenantID, g.ID) },
		App: func(ctx context.Context) (provider.App, error) {
			return k.App(ctx, g.ApplicationID, g.Provider, g.CredentialID)
		},
	}
}
