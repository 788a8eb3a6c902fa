package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/vault"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// Installation is a prepared database: its id, its region and its unwrapped secret.
type Installation struct {
	ID     string
	Region string
	Secret []byte
}

// Prepare brings a database to where the engine can open it: the schema up to date (with migrate), the installation's record made or its canary checked
// against the key, the runtime roles and the scope key set. With a wrong key it writes nothing. An empty region takes the installation's own.
func Prepare(ctx context.Context, dsn string, kek vault.KEK, region string, migrate bool, now func() time.Time, log *slog.Logger) (Installation, error) {
	if migrate {
		if err := store.Migrate(ctx, dsn, log); err != nil {
			return Installation{}, err
		}
	} else if err := upToDate(ctx, dsn); err != nil {
		return Installation{}, err
	}
	row, err := store.LoadInstance(ctx, dsn)
	if errors.Is(err, store.ErrNoInstance) {
		row, err = found(ctx, dsn, kek, region, now())
	}
	if err != nil {
		return Installation{}, err
	}
	secret, err := vault.OpenInstanceSecret(kek, row.ID, vault.InstanceSecret{KEKID: row.KEKID, Wrapped: row.WrappedSecret, Canary: row.Canary})
	if err != nil {
		return Installation{}, err
	}
	if region != "" && row.Region != region {
		return Installation{}, fault.New(fault.Invalid, "region_is_another", "This database belongs to region %s, and the configuration says %s. An installation never changes its region.", row.Region, region)
	}
	return Installation{ID: row.ID, Region: row.Region, Secret: secret}, store.Prepare(ctx, dsn, secret)
}

func upToDate(ctx context.Context, dsn string) error {
	steps, err := store.MigrationStatus(ctx, dsn)
	if err != nil {
		return err
	}
	for _, s := range steps {
		if !s.Applied {
			return fault.New(fault.Invalid, "schema_old", "The database's schema is older than this program. Run \"postern migrate up\" first.")
		}
	}
	return nil
}

func found(ctx context.Context, dsn string, kek vault.KEK, region string, at time.Time) (store.Instance, error) {
	if region == "" {
		return store.Instance{}, store.ErrNoInstance
	}
	row := store.Instance{ID: models.NewID[models.EventID](at).String(), Region: region}
	made, _, err := vault.NewInstanceSecret(kek, row.ID)
	if err != nil {
		return row, err
	}
	row.KEKID, row.WrappedSecret, row.Canary = made.KEKID, made.Wrapped, made.Canary
	if err := store.SaveInstance(ctx, dsn, row); err != nil {
		// Another process may have been first: then its record counts, and its key decides.
		if other, again := store.LoadInstance(ctx, dsn); again == nil {
			return other, nil
		}
		return row, fmt.Errorf("record the installation: %w", err)
	}
	return row, nil
}

// RewrapInstance puts the installation's own secret under the key-encryption key in use. It says false where it is already.
func RewrapInstance(ctx context.Context, dsn string, v *vault.Vault) (bool, error) {
	row, err := store.LoadInstance(ctx, dsn)
	if err != nil {
		return false, err
	}
	made, changed, err := v.Instance(vault.InstanceSecret{KEKID: row.KEKID, Wrapped: row.WrappedSecret, Canary: row.Canary})
	if err != nil || !changed {
		return false, err
	}
	before := row.WrappedSecret
	row.KEKID, row.WrappedSecret, row.Canary = made.KEKID, made.Wrapped, made.Canary
	return store.RewrapInstance(ctx, dsn, before, row)
}
