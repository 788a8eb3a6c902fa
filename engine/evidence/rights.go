package evidence

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// Right is one capability over all mailboxes that can be reached.
type Right struct {
	Capability         provider.Capability
	Granted            int // mailboxes that have it
	Used30, Used90     int // mailboxes that it was used in
	GrantedIsEstimated bool
}

// Class is how many mailboxes of a provider have rights of a sensitivity at most.
type Class struct {
	Provider    string
	Sensitivity provider.Sensitivity
	Count       int
}

// Rights is the least-privilege meter over all that the actor may see.
type Rights struct {
	Rights  []Right
	Classes []Class
	Share   float64 // of the mailboxes that was looked at; 1: all, below: an estimate
	At      time.Time
}

// Rights counts what was granted against what was used. Over many mailboxes the counts of what was granted are estimates from a sample.
func (s *Service) Rights(ctx context.Context, actor models.Actor) (Rights, error) {
	now := s.Now().UTC()
	out := Rights{Share: 1, At: now}
	var scopes []store.ScopeCount
	var uses []store.UseCount
	err := s.read(ctx, actor, "measure least privilege", func(tx *store.Tx) (err error) {
		if scopes, out.Share, err = tx.ScopeCounts(scope(actor)); err != nil {
			return err
		}
		uses, err = tx.UseCounts(scope(actor), now.AddDate(0, 0, -30), now.AddDate(0, 0, -90))
		return err
	})
	if err != nil {
		return out, fmt.Errorf("measure least privilege: %w", err)
	}
	granted, classes := map[provider.Capability]int{}, map[Class]int{}
	for _, c := range scopes {
		n := int(float64(c.Count)/out.Share + 0.5)
		for _, capability := range provider.CapabilitiesOf(c.Provider, c.Scopes) {
			granted[capability] += n
		}
		classes[Class{Provider: c.Provider, Sensitivity: provider.MostSensitive(c.Provider, c.Scopes)}] += n
	}
	for _, capability := range provider.Capabilities() {
		r := Right{Capability: capability, Granted: granted[capability], GrantedIsEstimated: out.Share < 1}
		for _, u := range uses {
			if u.Capability == string(capability) {
				r.Used30, r.Used90 = u.In30, u.In90
			}
		}
		out.Rights = append(out.Rights, r)
	}
	for c, n := range classes {
		c.Count = n
		out.Classes = append(out.Classes, c)
	}
	slices.SortFunc(out.Classes, func(a, b Class) int { return b.Count - a.Count })
	return out, nil
}

// Unused says for each of some mailboxes which rights it was given and has not used for 90 days, and which it has used for 30.
type Unused struct {
	Granted, Used30, Used90, Idle []provider.Capability
}

// Unused measures some grants. The caller has found them for the actor.
func (s *Service) Unused(ctx context.Context, actor models.Actor, grants []models.Grant) (map[models.GrantID]Unused, error) {
	ids := make([]models.GrantID, 0, len(grants))
	for _, g := range grants {
		if !actor.Sees(g.TenantID) {
			return nil, store.ErrNotFound
		}
		ids = append(ids, g.ID)
	}
	last := map[models.GrantID]map[string]time.Time{}
	err := s.read(ctx, actor, "measure least privilege, mailbox by mailbox", func(tx *store.Tx) error {
		rows, err := tx.UsesOfGrants(ids)
		for _, r := range rows {
			if last[r.GrantID] == nil {
				last[r.GrantID] = map[string]time.Time{}
			}
			last[r.GrantID][r.Capability] = r.LastAt
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("measure least privilege: %w", err)
	}
	now, out := s.Now(), map[models.GrantID]Unused{}
	for _, g := range grants {
		u := Unused{Granted: provider.CapabilitiesOf(g.Provider, g.ScopesGranted)}
		for _, c := range u.Granted {
			if c == provider.KnowIdentity {
				continue // a consent cannot do without it
			}
			used := last[g.ID][string(c)]
			if now.Sub(used) <= 30*24*time.Hour {
				u.Used30 = append(u.Used30, c)
			}
			if now.Sub(used) <= 90*24*time.Hour {
				u.Used90 = append(u.Used90, c)
			} else {
				u.Idle = append(u.Idle, c)
			}
		}
		out[g.ID] = u
	}
	return out, nil
}
