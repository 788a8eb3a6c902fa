package access

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// ServiceAccount is what a new service account may do.
type ServiceAccount struct {
	Application models.ApplicationID
	Name        string              // for people
	Permissions []models.Permission // empty: all that a service account can hold
	Addresses   []string            // CIDRs or single addresses; empty: from anywhere
	Life        time.Duration       // zero: until it is revoked
	PublicKey   string              // PEM, RSA of 2048 to 4096 bits; empty: a pair is made
}

const (
	keyBits      = 2048 // of a pair that is made here; what clients of Nylas sign with
	leastKeyBits = 2048
	mostKeyBits  = 4096 // checking a longer one costs more than it is worth
)

var errPublicKey = fault.New(fault.Invalid, "public_key_invalid", "Paste an RSA public key of 2048 to 4096 bits as PEM, beginning with -----BEGIN PUBLIC KEY-----. Never paste the private one.").At("public_key")

// CreateServiceAccount makes a service account. Where no public key is given a pair is made, and credentials holds the private one, as the file that clients read (contract,
// section 8): it is returned here and never again, for it is not kept. Otherwise credentials is empty.
func (s *Service) CreateServiceAccount(ctx context.Context, actor models.Actor, a ServiceAccount) (row models.ServiceAccount, credentials secret.Text, err error) {
	if err := mayManageKeys(actor); err != nil {
		return row, credentials, err
	}
	at := s.now().UTC()
	row = models.ServiceAccount{ApplicationID: a.Application, ID: models.NewID[models.ServiceAccountID](at), Name: strings.TrimSpace(a.Name),
		CreatedBy: actor.Label, CreatedAt: at}
	if row.Permissions, row.Addresses, row.ExpiresAt, err = narrowed("service account", row.Name, a.Permissions, models.ServicePermissions(), a.Addresses, a.Life, at); err != nil {
		return row, credentials, err
	}
	if a.PublicKey != "" {
		if row.PublicKey, err = publicKey(a.PublicKey); err != nil {
			return row, credentials, err
		}
	} else if row.PublicKey, credentials, err = s.newPair(row); err != nil {
		return row, credentials, err
	}
	err = s.store.OnPlatform(ctx, "create a service account", func(tx *store.Tx) error {
		app, err := tx.Application(a.Application)
		if err != nil {
			return fault.New(fault.Invalid, "application_unknown", "Choose one of the applications.").At("application").Because(err)
		}
		if err := tx.InsertServiceAccount(row); err != nil {
			return err
		}
		return s.recordAccount(ctx, tx, actor, "service_account.create", row, map[string]string{"application": app.Name, "permissions": strings.Join(row.Permissions, " "), "addresses": strings.Join(row.Addresses, " ")})
	})
	return row, credentials, err
}

// publicKey reads a public key that somebody made themselves. A private one is refused, so that nobody gets used to handing it over.
func publicKey(text string) ([]byte, error) {
	block, rest := pem.Decode([]byte(text))
	if block == nil || len(strings.TrimSpace(string(rest))) > 0 || block.Type != "PUBLIC KEY" {
		return nil, errPublicKey
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, errPublicKey
	}
	of, ok := key.(*rsa.PublicKey)
	if !ok || of.N.BitLen() < leastKeyBits || of.N.BitLen() > mostKeyBits {
		return nil, errPublicKey
	}
	return block.Bytes, nil
}

// newPair makes a pair of keys: the public one to keep, the private one within the file that the caller gets.
func (s *Service) newPair(row models.ServiceAccount) ([]byte, secret.Text, error) {
	pair, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, secret.Text{}, fmt.Errorf("make a service account's keys: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(&pair.PublicKey)
	if err != nil {
		return nil, secret.Text{}, fmt.Errorf("encode a service account's public key: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(pair)
	if err != nil {
		return nil, secret.Text{}, fmt.Errorf("encode a service account's private key: %w", err)
	}
	file, err := json.Marshal(map[string]string{"type": "service_account", "name": row.Name, "application_id": row.ApplicationID.String(), "region": s.region, "private_key_id": row.ID.String(),
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))})
	return public, secret.New(string(file)), err
}

// ServiceAccounts lists the service accounts of all applications: those in force first. It gives at most 500.
func (s *Service) ServiceAccounts(ctx context.Context, actor models.Actor) ([]models.ServiceAccount, error) {
	if err := mayManageKeys(actor); err != nil {
		return nil, err
	}
	var rows []models.ServiceAccount
	err := s.store.OnPlatform(ctx, "list service accounts", func(tx *store.Tx) (err error) {
		rows, err = tx.ServiceAccounts(500)
		return err
	})
	return rows, err
}

// ServiceAccount reads one.
func (s *Service) ServiceAccount(ctx context.Context, actor models.Actor, id models.ServiceAccountID) (models.ServiceAccount, error) {
	var row models.ServiceAccount
	if err := mayManageKeys(actor); err != nil {
		return row, err
	}
	err := s.store.OnPlatform(ctx, "read a service account", func(tx *store.Tx) (err error) {
		row, err = tx.ServiceAccount(id)
		return err
	})
	return row, err
}

// RevokeServiceAccount ends an account from its next request on, on every node. The keys that it made stay.
func (s *Service) RevokeServiceAccount(ctx context.Context, actor models.Actor, id models.ServiceAccountID) (models.ServiceAccount, error) {
	var row models.ServiceAccount
	if err := mayManageKeys(actor); err != nil {
		return row, err
	}
	err := s.store.OnPlatform(ctx, "revoke a service account", func(tx *store.Tx) (err error) {
		if row, err = tx.ServiceAccount(id); err != nil {
			return err
		}
		if row.RevokedAt != nil {
			return fault.New(fault.Conflict, "service_account_already_revoked", "This service account was revoked already.")
		}
		if err := tx.MarkServiceAccountRevoked(id, s.now().UTC()); err != nil {
			return err
		}
		return s.recordAccount(ctx, tx, actor, "service_account.revoke", row, nil)
	})
	return row, err
}

func (s *Service) recordAccount(ctx context.Context, tx *store.Tx, actor models.Actor, action string, a models.ServiceAccount, detail map[string]string) error {
	return s.audit.Append(ctx, tx, actor, audit.Entry{Action: action, Application: a.ApplicationID, ObjectKind: "service_account", ObjectID: a.ID.String(), Object: a.Name, Detail: detail})
}
