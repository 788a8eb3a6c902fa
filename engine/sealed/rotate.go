package sealed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// One tenant's part of a rotation, in steps. Each is safe to run twice, in two processes, and to be killed in: what is written is written by a
// comparison with what was read, values that another one has in hand are passed over, and until the last step everything opens under old key or new.

// KEKID is the id of the key-encryption key in use.
func (s *Safe) KEKID() string { return s.vault.KEKID() }

// batch is how many values are sealed anew in one transaction: a few milliseconds.
const batch = 200

// Turn makes a new data key the one in use, unless that was done since. wrapped says that this call did it. The key service is asked between two transactions,
// so the tenant's scope is entered here.
func (s *Safe) Turn(ctx context.Context, db *store.Store, tenant models.TenantID, since time.Time, record func(*store.Tx) error) (wrapped bool, err error) {
	row, err := s.dataKey(ctx, db, tenant)
	if err != nil || row.DestroyedAt != nil {
		return false, err
	}
	change, turned := s.vault.Rotated, row.RotatedAt != nil && !row.RotatedAt.Before(since)
	if turned {
		if row.KEKID == s.vault.KEKID() {
			return false, nil
		}
		change = s.vault.Rewrapped
	}
	made, use, err := change(wrappedOf(row))
	if err != nil {
		return false, err
	}
	next := row
	next.KEKID, next.Wrapped, next.KeyID = made.KEKID, made.Wrapped, int64(use)
	if !turned {
		at := s.now().UTC()
		next.RotatedAt, next.SettledAt = &at, nil
	}
	return s.replace(ctx, db, row, next, record)
}

// Reseal seals a batch of values anew that are under an older key, and says how many. Zero: none is left that nobody else has in hand.
func (s *Safe) Reseal(ctx context.Context, db *store.Store, tenant models.TenantID) (int, error) {
	n := 0
	err := db.InTenant(ctx, tenant, func(tx *store.Tx) error {
		n = 0
		row, err := tx.DataKeyForSealing(tenant)
		if errors.Is(err, store.ErrNotFound) || err == nil && row.DestroyedAt != nil {
			return nil
		}
		if err != nil {
			return err
		}
		values, err := tx.SealedUnderOthers(tenant, row.KeyID, batch)
		if err != nil {
			return err
		}
		for _, v := range values {
			at := place(tenant, Owner{v.OwnerKind, v.OwnerID}, v.Field, v.Version)
			plain, err := s.vault.Open(wrappedOf(row), at, v.Ciphertext)
			if err != nil {
				return fmt.Errorf("%s.%s of %s: %w", v.OwnerKind, v.Field, v.OwnerID, err)
			}
			if v.Ciphertext, err = s.vault.Seal(wrappedOf(row), at, plain); err != nil {
				return err
			}
			if err := tx.ResealSealed(v); err != nil {
				return err
			}
		}
		n = len(values)
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("seal anew: %w", err)
	}
	return n, nil
}

// Settle destroys the older keys once nothing is under them. settled is true when they are gone, by this call (first) or before.
func (s *Safe) Settle(ctx context.Context, db *store.Store, tenant models.TenantID, record func(*store.Tx) error) (settled, first bool, err error) {
	row, err := s.dataKey(ctx, db, tenant)
	if err != nil {
		return false, false, err
	}
	if row.Wrapped == nil || row.SettledAt != nil {
		return true, false, nil
	}
	made, use, err := s.vault.Pruned(wrappedOf(row))
	if err != nil {
		return false, false, err
	}
	next := row
	at := s.now().UTC()
	next.KEKID, next.Wrapped, next.KeyID, next.SettledAt = made.KEKID, made.Wrapped, int64(use), &at
	left := false
	err = db.InTenant(ctx, tenant, func(tx *store.Tx) error {
		now, err := tx.LockDataKey(tenant) // whoever was sealing with an older key has committed now
		if err != nil {
			return err
		}
		left, err = tx.AnySealedUnderOthers(tenant, row.KeyID)
		if left = left || !bytes.Equal(now.Wrapped, row.Wrapped); err != nil || left {
			return err
		}
		if err := tx.ReplaceDataKey(row.Wrapped, next); err != nil {
			return err
		}
		return record(tx)
	})
	if err != nil {
		return false, false, fmt.Errorf("drop older keys: %w", err)
	}
	return !left, !left, nil
}

// Count counts what a tenant has sealed, and how much of it is under the key in use.
func (s *Safe) Count(ctx context.Context, db *store.Store, tenant models.TenantID) (models.KeyCount, error) {
	c := models.KeyCount{TenantID: tenant}
	err := db.InTenant(ctx, tenant, func(tx *store.Tx) error {
		row, err := tx.DataKey(tenant)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err == nil && row.DestroyedAt == nil {
			if row.KeyID == 0 { // from before keys were numbered
				use, err := s.vault.InUse(wrappedOf(row))
				if err != nil {
					return err
				}
				row.KeyID = int64(use)
			}
			since := row.CreatedAt
			if row.RotatedAt != nil {
				since = *row.RotatedAt
			}
			c.KEKID, c.KeySince = row.KEKID, &since
		}
		if c.Sealed, c.Current, err = tx.CountSealed(tenant, row.KeyID); err != nil {
			return err
		}
		c.CountedAt = s.now().UTC()
		return tx.PutKeyCount(c)
	})
	if err != nil {
		return c, fmt.Errorf("count what is sealed: %w", err)
	}
	return c, nil
}

// Checked is what Check found in one tenant.
type Checked struct {
	Opened   int
	Broken   []string // kind, id and field of each value that does not open; at most a hundred are named
	Bad      int      // how many do not open
	OldKey   int      // values that open, under an older key
	OldKEK   bool     // the data key is wrapped under another key-encryption key than the one in use
	OldKeys  bool     // older keys are still there, although nothing is under them
	Shredded int      // values whose key was destroyed: nobody opens them again
}

// Check opens everything that a tenant has sealed, a page at a time, and keeps nothing of it.
func (s *Safe) Check(ctx context.Context, db *store.Store, tenant models.TenantID) (Checked, error) {
	var found Checked
	var last store.Sealed
	for {
		var page []store.Sealed
		var row store.DataKey
		err := db.InTenant(ctx, tenant, func(tx *store.Tx) (err error) {
			if row, err = tx.DataKeyForSealing(tenant); errors.Is(err, store.ErrNotFound) {
				err = nil
			}
			if err == nil {
				page, err = tx.SealedAfter(tenant, last, 500)
			}
			return err
		})
		if err != nil {
			return found, fmt.Errorf("check what is sealed: %w", err)
		}
		if row.Wrapped != nil {
			found.OldKEK = row.KEKID != s.vault.KEKID()
			found.OldKeys = row.RotatedAt != nil && row.SettledAt == nil
		}
		for _, v := range page {
			s.checkOne(&found, row, v)
		}
		if len(page) < 500 {
			return found, nil
		}
		last = page[len(page)-1]
	}
}

func (s *Safe) checkOne(found *Checked, row store.DataKey, v store.Sealed) {
	if row.Wrapped == nil && row.DestroyedAt != nil {
		found.Shredded++
		return
	}
	if _, err := s.vault.Open(wrappedOf(row), place(v.TenantID, Owner{v.OwnerKind, v.OwnerID}, v.Field, v.Version), v.Ciphertext); err != nil {
		if found.Bad++; len(found.Broken) < 100 {
			found.Broken = append(found.Broken, v.OwnerKind+" "+v.OwnerID+" "+v.Field)
		}
		return
	}
	found.Opened++
	if row.KeyID != 0 && v.KeyID != row.KeyID {
		found.OldKey++
	}
}

// dataKey reads a tenant's key; the zero DataKey where it has none.
func (s *Safe) dataKey(ctx context.Context, db *store.Store, tenant models.TenantID) (store.DataKey, error) {
	var row store.DataKey
	err := db.InTenant(ctx, tenant, func(tx *store.Tx) (err error) {
		row, err = tx.DataKey(tenant)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		at := time.Time{}
		return store.DataKey{TenantID: tenant, DestroyedAt: &at}, nil
	}
	return row, err
}

func (s *Safe) replace(ctx context.Context, db *store.Store, before, after store.DataKey, record func(*store.Tx) error) (bool, error) {
	mine := false
	err := db.InTenant(ctx, before.TenantID, func(tx *store.Tx) error {
		err := tx.ReplaceDataKey(before.Wrapped, after)
		if mine = err == nil; !mine {
			if errors.Is(err, store.ErrNotFound) {
				return nil // another process was first
			}
			return err
		}
		return record(tx)
	})
	return mine, err
}
