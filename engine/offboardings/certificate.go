package offboardings

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// Certificate says what an offboarding ended. It holds no secret and no mailbox: those stand on the receipts that it counts.
type Certificate struct {
	Offboarding     string             `json:"offboarding"`
	Tenant          string             `json:"tenant"`
	Name            string             `json:"name"`
	Region          string             `json:"region"`
	Reason          string             `json:"reason"`
	Ticket          string             `json:"ticket,omitempty"`
	PlanHash        string             `json:"plan_hash"`
	RequestedBy     string             `json:"requested_by"`
	RequestedAt     time.Time          `json:"requested_at"`
	ApprovedBy      string             `json:"approved_by"`
	ApprovedAt      time.Time          `json:"approved_at"`
	DoorClosedAt    time.Time          `json:"door_closed_at"` // from here every call with a grant of the tenant was refused
	Grants          []CertificateGrant `json:"grants"`
	RecordsRemoved  int                `json:"records_removed"` // of grants that were cut before
	Access          map[string]int     `json:"access"`          // keys, links, flows, webhooks, members, sessions
	SealedDestroyed int                `json:"sealed_destroyed"`
	PacksDestroyed  int                `json:"evidence_packs_destroyed,omitempty"` // their files; omitted at 0, as certificates were written before it was counted
	KeysDestroyed   int                `json:"data_keys_destroyed"`
	KeyDestroyedAt  time.Time          `json:"data_key_destroyed_at"`
	Unconfirmed     int                `json:"unconfirmed_at_provider"` // no provider said so: they stand on the list of what is still live
	OwnerMustAct    int                `json:"owner_must_act"`
	Receipts        int                `json:"receipts"`
	ReceiptsDigest  string             `json:"receipts_digest"` // SHA-256 over "receipt id, space, audit entry id", a line each, by receipt id
	MatchesPlan     bool               `json:"matches_plan"`
	CompletedAt     time.Time          `json:"completed_at"`
}

// CertificateGrant is what became of one provider's grants.
type CertificateGrant struct {
	Provider string         `json:"provider"`
	Planned  int            `json:"planned"`
	Severed  int            `json:"severed"`
	Outcomes map[string]int `json:"outcomes"`
}

// certify writes the certificate, once.
func (s *Service) certify(ctx context.Context, o models.Offboarding) error {
	plan, err := readPlan(o.Plan)
	if err != nil {
		return err
	}
	err = s.Store.InTenant(ctx, o.TenantID, func(tx *store.Tx) error {
		now := s.now()
		c, err := s.certificate(tx, o, plan, now)
		if err != nil {
			return err
		}
		digest, err := audit.Digest(c)
		if err != nil {
			return err
		}
		text, err := json.Marshal(c)
		if err != nil {
			return fmt.Errorf("write a certificate: %w", err)
		}
		id := models.NewID[models.AuditID](now)
		if err := tx.FinishOffboarding(o.TenantID, o.ID, text, id, now); err != nil {
			return err
		}
		p := progress{s: s, o: o, name: StepCertificate}
		if err := p.note(tx, 1, 1, true, counts("receipts", c.Receipts)); err != nil {
			return err
		}
		entry := object(o, plan.Name, "offboarding.complete", map[string]string{audit.DigestField: digest, "receipts": fmt.Sprint(c.Receipts), "unconfirmed": fmt.Sprint(c.Unconfirmed), "matches_plan": fmt.Sprint(c.MatchesPlan)})
		entry.ID = id
		return s.Audit.Append(ctx, tx, models.System("offboarding"), entry)
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil // another process wrote it
	}
	return err
}

func (s *Service) certificate(tx *store.Tx, o models.Offboarding, plan Plan, now time.Time) (Certificate, error) {
	c := Certificate{Offboarding: o.ID.String(), Tenant: o.TenantID.String(), Name: plan.Name, Region: s.Region, Reason: o.Reason, Ticket: o.Ticket, PlanHash: hex.EncodeToString(o.PlanHash),
		RequestedBy: o.RequestedBy, RequestedAt: o.RequestedAt.UTC(), ApprovedBy: o.ApprovedBy, ApprovedAt: o.ApprovedAt.UTC(), DoorClosedAt: o.StartedAt.UTC(), Access: map[string]int{}, CompletedAt: now}
	steps, err := tx.OffboardingSteps(o.TenantID, o.ID)
	if err != nil {
		return c, err
	}
	for _, step := range steps {
		n := map[string]int{}
		if err := json.Unmarshal(step.Counts, &n); err != nil {
			return c, fmt.Errorf("read what a step ended: %w", err)
		}
		switch step.Name {
		case StepAccess:
			c.Access = n
		case StepSealed:
			c.SealedDestroyed, c.PacksDestroyed = n["values"], n["packs"]
		case StepKey:
			c.KeysDestroyed, c.KeyDestroyedAt = n["keys"], step.EndedAt.UTC()
		}
	}
	severed, err := tx.CountSevered(o.TenantID, o.ID)
	if err != nil {
		return c, err
	}
	if c.Receipts, c.ReceiptsDigest, err = tx.ReceiptsDigest(o.TenantID, o.ID); err != nil {
		return c, err
	}
	left, err := tx.GrantsLeft(o.TenantID, 1)
	if err != nil {
		return c, err
	}
	total := 0
	c.MatchesPlan = len(left) == 0
	for _, g := range plan.Grants {
		line := CertificateGrant{Provider: g.Provider, Planned: g.Live, Outcomes: map[string]int{}}
		for _, n := range severed {
			if n.Provider == g.Provider {
				line.Severed += n.Count
				line.Outcomes[n.Outcome] += n.Count
			}
		}
		c.Unconfirmed += line.Outcomes["deleted-here-only"]
		c.OwnerMustAct += line.Outcomes["user-action-needed"]
		c.RecordsRemoved += g.Revoked
		c.MatchesPlan = c.MatchesPlan && line.Severed == line.Planned
		total += line.Severed
		c.Grants = append(c.Grants, line)
	}
	c.MatchesPlan = c.MatchesPlan && total == c.Receipts && c.Access["keys"] == plan.KeyCount && c.Access["members"] == plan.Members
	return c, nil
}

// Certificate gives the certificate of an offboarding that is done, and the audit entry that commits to it. Before that it is store.ErrNotFound.
func (s *Service) Certificate(ctx context.Context, actor models.Actor, id models.OffboardingID) (Certificate, models.AuditID, error) {
	o, err := s.Find(ctx, actor, id)
	if err != nil {
		return Certificate{}, models.AuditID{}, err
	}
	if o.Certificate == nil || o.EntryID == nil {
		return Certificate{}, models.AuditID{}, store.ErrNotFound
	}
	var c Certificate
	if err := json.Unmarshal(*o.Certificate, &c); err != nil {
		return c, *o.EntryID, fmt.Errorf("read a certificate: %w", err)
	}
	return c, *o.EntryID, nil
}
