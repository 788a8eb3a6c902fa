package grants

import (
	"context"
	"fmt"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// errOffboarding is a grant whose whole tenant is being offboarded: it ends with it, by that plan.
var errOffboarding = fault.New(fault.Conflict, "tenant_closed", "This organisation is being offboarded. This mailbox is shut already, and ends with it.")

// CutFor deletes some grants for an offboarding whose door is closed, in one transaction: what each needs of its own is its severance, receipt, entries and event, and the rest is one statement
// for all. Those that are gone are no error: somebody was here before.
func (s *Service) CutFor(ctx context.Context, actor models.Actor, o models.Offboarding, ids []models.GrantID) error {
	var held []models.Grant
	err := s.store.InTenant(ctx, o.TenantID, func(tx *store.Tx) (err error) {
		if held, err = tx.GrantsForUpdate(o.TenantID, ids); err != nil || len(held) == 0 {
			return err
		}
		left := make([]models.GrantID, len(held))
		for i, g := range held {
			left[i] = g.ID
		}
		if err := s.endHeld(tx, o.TenantID, left, actDelete, s.now()); err != nil {
			return err
		}
		e := Ending{Reason: o.Reason, offboarding: &o.ID}
		for _, g := range held {
			v, err := s.sever(ctx, tx, actor, g, actDelete, e)
			if err != nil {
				return fmt.Errorf("sever grant %s: %w", g.ID, err)
			}
			if err := s.end(ctx, tx, actor, g, actDelete, e, v.CutAt); err != nil {
				return fmt.Errorf("end grant %s: %w", g.ID, err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("cut grants of an offboarding: %w", err)
	}
	for _, g := range held {
		s.providers.Close(g.ID.String())
	}
	return nil
}

// GiveUp closes what is still open of a tenant at providers as unconfirmed: its credentials are destroyed and its receipts written. What a worker is asking just now is closed too: of the two
// answers the first counts.
func (s *Service) GiveUp(ctx context.Context, tenant models.TenantID) (int, error) {
	n := 0
	for {
		var open []models.Severance
		err := s.store.InTenant(ctx, tenant, func(tx *store.Tx) (err error) {
			open, err = tx.Severances(store.SeveranceQuery{Tenant: tenant, Open: true, Limit: 100})
			return err
		})
		if err != nil || len(open) == 0 {
			return n, err
		}
		for _, v := range open {
			if err := s.close(ctx, v, provider.Revocation{Outcome: provider.DeletedHereOnly, Answer: "no answer before the deadline of the offboarding"}); err != nil {
				return n, err
			}
			n++
		}
	}
}
