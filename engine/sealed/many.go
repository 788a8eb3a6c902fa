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

// mostOpened bounds what OpenMany opens at once.
const mostOpened = 16 << 20

// OpenMany gives a field of many owners of one kind. later names owners that have sealed it and are left out, because the others fill 16 MiB already; the first is
// never left out. An owner that has none is in neither.
func (s *Safe) OpenMany(ctx context.Context, tx *store.Tx, tenant models.TenantID, kind, field string, owners []string) (values map[string]secret.Text, later map[string]bool, err error) {
	for again := true; ; again = false {
		values, later, err = s.openMany(ctx, tx, tenant, kind, field, owners)
		if err == nil || !again || !errors.Is(err, vault.ErrSealed) {
			return values, later, err
		}
		// As in Open: between the two reads a rotation may have sealed values anew.
	}
}

func (s *Safe) openMany(ctx context.Context, tx *store.Tx, tenant models.TenantID, kind, field string, owners []string) (values map[string]secret.Text, later map[string]bool, err error) {
	rows, err := tx.SealedMany(ctx, tenant, kind, field, owners, mostOpened)
	if err != nil {
		return nil, nil, fmt.Errorf("open %s.%s: %w", kind, field, err)
	}
	values, later = make(map[string]secret.Text, len(rows)), map[string]bool{}
	if len(rows) == 0 {
		return values, later, nil
	}
	key, err := s.key(ctx, tx, tenant, false)
	if err != nil {
		return nil, nil, err
	}
	for _, row := range rows {
		if row.Ciphertext == nil {
			later[row.OwnerID] = true
			continue
		}
		if values[row.OwnerID], err = s.vault.Open(key, place(tenant, Owner{kind, row.OwnerID}, field, row.Version), row.Ciphertext); err != nil {
			return nil, nil, err
		}
	}
	return values, later, nil
}
