package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/tombstones"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

const (
	buryEach = time.Second
	buryPage = 5000
	// buryBack is how far a look reaches back: a cut may be committed a little after one with a later time.
	buryBack = time.Minute
)

// restored is what is said of a cut that a database brought back.
const restored = "cut before; a restored database had brought it back"

// CutAgain compares the database with the ledger of tombstones, cuts what a restore brought back, and says how many grants and tenants that were. Nothing may be served before it returns.
func (e *Engine) CutAgain(ctx context.Context) (grants, tenants int, err error) {
	if e.graves == nil {
		return 0, 0, nil
	}
	cut := map[models.GrantID]time.Time{}
	for _, s := range e.stones {
		if s.Grave() {
			again, err := e.killTenant(ctx, s)
			if err != nil {
				return grants, tenants, err
			}
			if again {
				tenants++
			}
			continue
		}
		if s.At.After(cut[s.Grant]) {
			cut[s.Grant] = s.At
		}
	}
	ids := make([]models.GrantID, 0, len(cut))
	for id := range cut {
		ids = append(ids, id)
	}
	for part := range slices.Chunk(ids, 1000) {
		var alive []models.Grant
		err := e.Store.OnPlatform(ctx, "compare grants with the tombstones", func(tx *store.Tx) (err error) {
			alive, err = tx.LivingGrants(part)
			return err
		})
		if err != nil {
			return grants, tenants, fmt.Errorf("compare grants with the tombstones: %w", err)
		}
		for _, g := range alive {
			consented := g.CreatedAt
			if g.AuthenticatedAt != nil {
				consented = *g.AuthenticatedAt
			}
			if consented.After(cut[g.ID]) {
				continue // its owner came back after the cut
			}
			if _, err := e.Grants.Revoke(ctx, models.System("tombstones"), g.ID, restored); err != nil && fault.KindOf(err) != fault.Conflict {
				return grants, tenants, fmt.Errorf("cut grant %s again: %w", g.ID, err)
			}
			grants++
		}
	}
	e.stones = nil
	return grants, tenants, nil
}

// killTenant ends a tenant that the ledger has as offboarded and the database as active. Its offboarding is lost with the database of then; its certificate is with who was given it.
func (e *Engine) killTenant(ctx context.Context, s tombstones.Stone) (bool, error) {
	now := e.now().UTC()
	again := false
	actor := models.System("tombstones")
	err := e.Store.InTenant(ctx, s.Tenant, func(tx *store.Tx) error {
		again = false
		t, err := tx.Tenant(s.Tenant)
		if errors.Is(err, store.ErrNotFound) || err == nil && t.State != models.TenantActive {
			return nil // never there, or known to be closed: its offboarding goes on, or is done
		}
		if err != nil {
			return err
		}
		again = true
		if err := tx.CloseTenant(s.Tenant, now); err != nil {
			return err
		}
		if _, err := tx.DeleteSealedOfTenant(s.Tenant); err != nil {
			return err
		}
		if _, err := tx.ShredDataKeys(s.Tenant, now); err != nil {
			return err
		}
		if _, err := tx.RevokeLinksOfTenant(s.Tenant, now); err != nil {
			return err
		}
		if _, err := tx.CloseFlowsOfTenant(s.Tenant, now); err != nil {
			return err
		}
		if err := tx.MarkTenantOffboarded(s.Tenant, now); err != nil {
			return err
		}
		return e.Audit.Append(ctx, tx, actor, audit.Entry{Action: "tenant.cut_again", Tenant: s.Tenant, ObjectKind: "tenant", ObjectID: s.Tenant.String(), Object: t.Name,
			Detail: map[string]string{"cut_at": s.At.Format(time.RFC3339), "reason": restored}})
	})
	if err != nil || !again {
		return again, err
	}
	err = e.Store.OnPlatform(ctx, "end the keys and members of a tenant that a restore brought back", func(tx *store.Tx) error {
		if _, err := tx.RevokeKeysOfTenant(s.Tenant, now); err != nil {
			return err
		}
		_, _, err := tx.RemoveMembersOfTenant(s.Tenant, now)
		return err
	})
	if err != nil {
		return true, fmt.Errorf("cut tenant %s again: %w", s.Tenant, err)
	}
	return true, nil
}

// bury writes what was cut into the ledger, until ctx ends, and once more then.
func (e *Engine) bury(ctx context.Context) {
	if e.graves == nil {
		return
	}
	tick := time.NewTicker(buryEach)
	defer tick.Stop()
	var seen time.Time
	failing := false
	for over := false; !over; {
		select {
		case <-ctx.Done():
			over = true
		case <-tick.C:
		}
		last, err := e.BuryOnce(context.WithoutCancel(ctx), seen)
		if err != nil && !failing && !over {
			e.log.ErrorContext(ctx, "what was cut is not being written to the ledger of tombstones", "file", e.graves.Path(), "error", err)
		}
		if failing = err != nil; !failing {
			seen = last
		}
	}
}

// BuryOnce writes what was cut since a time, and gives the time from which the next look begins. The zero time writes all.
func (e *Engine) BuryOnce(ctx context.Context, since time.Time) (time.Time, error) {
	var after models.SeveranceID
	at, last := since, since
	for {
		var cuts []store.Cut
		var closed []store.ClosedTenant
		err := e.Store.OnPlatform(ctx, "write the tombstones", func(tx *store.Tx) (err error) {
			if closed, err = tx.ClosedTenants(); err != nil {
				return err
			}
			cuts, err = tx.CutsSince(at, after, buryPage)
			return err
		})
		if err != nil {
			return since, fmt.Errorf("write the tombstones: %w", err)
		}
		stones := make([]tombstones.Stone, 0, len(cuts)+len(closed))
		for _, c := range closed {
			stones = append(stones, tombstones.Stone{Tenant: c.TenantID, At: c.StartedAt})
		}
		for _, c := range cuts {
			stones = append(stones, tombstones.Stone{Tenant: c.TenantID, Grant: c.GrantID, At: c.CutAt})
			at, after, last = c.CutAt, c.ID, c.CutAt
		}
		if _, err := e.graves.Add(stones); err != nil {
			return since, err
		}
		if len(cuts) < buryPage {
			break
		}
	}
	if last.IsZero() {
		return last, nil
	}
	return last.Add(-buryBack), nil
}
