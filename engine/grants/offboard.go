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

// CutFor deletes a grant for an offboarding whose door is closed. A grant that is gone is no error: somebody was here before.
func (s *Service) CutFor(ctx context.Context, actor models.Actor, o models.Offboarding, id models.GrantID) error {
	var g models.Grant
	err := s.store.InTenant(ctx, o.TenantID, func(tx *store.Tx) (err error) {
		if g, err = tx.GrantForUpdate(o.TenantID, id); err != nil {
			return err
		}
		_, err = s.cutLocked(ctx, tx, actor, g, actDelete, Ending{Reason: o.Reason, offboarding: &o.ID})
		return err
	})
	if absent(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cut grant %s: %w", id, err)
	}
	s.providers.Close(s.tokens.Account(g).Key)
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
