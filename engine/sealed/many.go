package sealed

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/vault"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// PutNew seals a field of many new owners of one kind in one statement. store.ErrTaken: one of them had sealed it before; use Put for that.
func (s *Safe) PutNew(ctx context.Context, tx *store.Tx, tenant models.TenantID, kind, field string, owners []string, values []secret.Text) error {
	if !slices.Contains(fields[kind], field) {
		return fmt.Errorf("%s.%s is not in the registry of sealed fields", kind, field)
	}
	key, err := s.key(ctx, tx, tenant, true)
	if err != nil {
		return err
	}
	at := s.now().UTC()
	rows := make([]store.Sealed, len(owners))
	for i, id := range owners {
		ciphertext, err := s.vault.Seal(key, place(tenant, Owner{kind, id}, field, 1), values[i])
		if err != nil {
			return err
		}
		rows[i] = store.Sealed{TenantID: tenant, OwnerKind: kind, OwnerID: id, Field: field, Version: 1, Ciphertext: ciphertext, CreatedAt: at}
	}
	if err := tx.InsertSealed(ctx, rows); err != nil {
		return fmt.Errorf("seal %s.%s of %d owners: %w", kind, field, len(owners), err)
	}
	return nil
}

// mostOpened bounds what OpenAcross opens at once of one tenant's.
const mostOpened = 16 << 20

// Opened is what OpenAcross found of one tenant's.
type Opened struct {
	Values map[string]secret.Text // by owner; an owner that has none is in neither map
	Later  map[string]bool        // owners that have sealed it and are left out, because the others fill 16 MiB already; the first is never left out
	Gone   bool                   // the tenant's key was destroyed: nothing of it opens any more
}

// OpenAcross gives a field of many owners of one kind, of several tenants at once: one round trip, in which each tenant's are read in that tenant's scope alone.
func (s *Safe) OpenAcross(ctx context.Context, db *store.Store, kind, field string, owners map[models.TenantID][]string) (map[models.TenantID]Opened, error) {
	asks := make([]store.SealedAsk, 0, len(owners))
	for tenant, ids := range owners {
		asks = append(asks, store.SealedAsk{Tenant: tenant, Owners: ids})
	}
	for again := true; ; again = false {
		found, err := s.openAcross(ctx, db, kind, field, asks)
		if err == nil || !again || !errors.Is(err, vault.ErrSealed) {
			return found, err
		}
		// As in Open: between the two reads a rotation may have sealed values anew.
	}
}

func (s *Safe) openAcross(ctx context.Context, db *store.Store, kind, field string, asks []store.SealedAsk) (map[models.TenantID]Opened, error) {
	answers, err := db.SealedOfTenants(ctx, kind, field, asks, mostOpened)
	if err != nil {
		return nil, fmt.Errorf("open %s.%s: %w", kind, field, err)
	}
	out := make(map[models.TenantID]Opened, len(asks))
	for i, a := range answers {
		tenant := asks[i].Tenant
		o := Opened{Values: make(map[string]secret.Text, len(a.Rows)), Later: map[string]bool{}}
		if o.Gone = a.Key.DestroyedAt != nil; o.Gone {
			s.vault.Forget(tenant.String())
			a.Rows = nil
		}
		for _, row := range a.Rows {
			if row.Ciphertext == nil {
				o.Later[row.OwnerID] = true
				continue
			}
			if o.Values[row.OwnerID], err = s.vault.Open(wrappedOf(a.Key), place(tenant, Owner{kind, row.OwnerID}, field, row.Version), row.Ciphertext); err != nil {
				return nil, err
			}
		}
		out[tenant] = o
	}
	return out, nil
}
