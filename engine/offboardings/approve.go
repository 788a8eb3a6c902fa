package offboardings

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/outbox"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// The faults of an approval. Each refusal is recorded.
var (
	ErrOwnPlan = fault.New(fault.Denied, "own_plan", "You asked for this offboarding. Somebody else must approve it.")
	ErrExpired = fault.New(fault.Gone, "plan_expired", "This plan is older than a day. Make a new one: what is there may have changed.")
	ErrChanged = fault.New(fault.Conflict, "plan_changed", "What this organisation has is no longer what was planned. Nothing was changed. Make a new plan and look at it.")
	ErrNotThat = fault.New(fault.Conflict, "offboarding_not_planned", "This offboarding is not waiting for an approval any more.")
	errBegun   = fault.New(fault.Conflict, "offboarding_begun", "This offboarding has begun, or is over. It cannot be withdrawn.")
	errNoWait  = fault.New(fault.Conflict, "nothing_waited_for", "No provider is waited for.")
)

// Approve lets a plan be carried out. The approver is another person than the one who asked, whatever session they use; the plan is younger than a day; and what is there is what was planned.
// hash is the plan's, as the approver saw it. Without a time of its own the offboarding begins at once: when this returns, no grant of the tenant can be used on any process.
func (s *Service) Approve(ctx context.Context, actor models.Actor, id models.OffboardingID, hash string) (models.Offboarding, error) {
	o, err := s.Find(ctx, actor, id)
	if err != nil {
		return models.Offboarding{}, err
	}
	if !actor.Platform() || actor.Kind != models.ActorMember {
		return models.Offboarding{}, store.ErrNotFound
	}
	if err := s.approve(ctx, actor, &o.Offboarding, hash); err != nil {
		return o.Offboarding, s.refuse(ctx, actor, o, err)
	}
	now := s.now()
	if o.StartAt != nil && o.StartAt.After(now) {
		return o.Offboarding, nil
	}
	if err := s.begin(ctx, o.Offboarding); err != nil {
		return o.Offboarding, fmt.Errorf("begin an offboarding: %w", err)
	}
	o.State = models.OffboardingRunning
	return o.Offboarding, nil
}

func (s *Service) approve(ctx context.Context, actor models.Actor, o *models.Offboarding, hash string) error {
	now := s.now()
	return s.Store.OnPlatform(ctx, "approve an offboarding", func(tx *store.Tx) (err error) {
		if *o, err = tx.OffboardingForUpdate(o.TenantID, o.ID); err != nil {
			return err
		}
		switch {
		case o.State != models.OffboardingPlanned:
			return ErrNotThat
		case o.RequestedByID == actor.ID:
			return ErrOwnPlan
		case !now.Before(o.ExpiresAt):
			return ErrExpired
		case hash != hex.EncodeToString(o.PlanHash):
			return ErrChanged
		}
		t, same, err := s.same(tx, *o)
		if err != nil {
			return err
		}
		if !same {
			return ErrChanged
		}
		o.ApprovedBy, o.ApprovedByID, o.ApprovedAt = actor.Label, actor.ID, &now
		if err := tx.ApproveOffboarding(*o); err != nil {
			return err
		}
		o.State = models.OffboardingApproved
		return s.Audit.Append(ctx, tx, actor, object(*o, t.Name, "offboarding.approve", map[string]string{"plan": hash, "requested_by": o.RequestedBy}))
	})
}

// refuse records an approval that was not one, and gives its fault back.
func (s *Service) refuse(ctx context.Context, actor models.Actor, o Standing, why error) error {
	known, ok := fault.As(why)
	if !ok || known.Kind == fault.Internal {
		return fmt.Errorf("approve an offboarding: %w", why)
	}
	err := s.Store.OnPlatform(ctx, "record a refused approval", func(tx *store.Tx) error {
		entry := object(o.Offboarding, o.Plan.Name, "offboarding.approve", map[string]string{"refused": known.Code})
		entry.Outcome = models.OutcomeRefused
		if err := s.Audit.Append(ctx, tx, actor, entry); err != nil {
			return err
		}
		if errors.Is(why, ErrExpired) || errors.Is(why, ErrChanged) && o.State == models.OffboardingPlanned {
			if err := tx.EndOffboarding(o.TenantID, o.ID, models.OffboardingStale, known.Code, s.now()); err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("record a refused approval: %w", err)
	}
	return why
}

// begin closes the door: in one transaction the tenant takes nothing new, no grant of it can be used, and the job is enqueued. What was connected since the approval is not in the
// plan: then nothing begins.
func (s *Service) begin(ctx context.Context, o models.Offboarding) error {
	changed := false
	err := s.Store.OnPlatform(ctx, "see whether a plan still holds", func(tx *store.Tx) error {
		_, same, err := s.same(tx, o)
		changed = !same
		return err
	})
	if err != nil {
		return err
	}
	plan, err := readPlan(o.Plan)
	if err != nil {
		return err
	}
	if !changed {
		err = s.Store.InTenant(ctx, o.TenantID, func(tx *store.Tx) error { return s.close(ctx, tx, o, plan) })
		if !errors.Is(err, ErrChanged) {
			return err
		}
	}
	err = s.Store.OnPlatform(ctx, "end a plan that no longer holds", func(tx *store.Tx) error {
		if err := tx.EndOffboarding(o.TenantID, o.ID, models.OffboardingStale, "plan_changed", s.now()); err != nil {
			return err
		}
		entry := object(o, plan.Name, "offboarding.start", map[string]string{"refused": ErrChanged.Code})
		entry.Outcome = models.OutcomeRefused
		return s.Audit.Append(ctx, tx, models.System("offboarding"), entry)
	})
	if errors.Is(err, store.ErrNotFound) { // another process was here
		return nil
	}
	return errors.Join(err, ErrChanged)
}

func (s *Service) close(ctx context.Context, tx *store.Tx, o models.Offboarding, plan Plan) error {
	now := s.now()
	standing, err := tx.OffboardingForUpdate(o.TenantID, o.ID)
	if err != nil {
		return err
	}
	if standing.State != models.OffboardingApproved {
		return nil // another process was first
	}
	if err := tx.LockTenant(o.TenantID); err != nil {
		return err
	}
	digest, err := tx.GrantsDigest(o.TenantID)
	if err != nil {
		return err
	}
	if digest != plan.GrantsDigest {
		return ErrChanged
	}
	if err := tx.CloseTenant(o.TenantID, now); err != nil {
		return err
	}
	if err := tx.StartOffboarding(o.TenantID, o.ID, now, now.Add(time.Duration(o.WaitSeconds)*time.Second)); err != nil {
		return err
	}
	live, _ := plan.Total()
	step := models.OffboardingStep{TenantID: o.TenantID, OffboardingID: o.ID, Name: StepDoor, Place: 0, Total: live, Done: live, StartedAt: &now, EndedAt: &now, Counts: counts("grants", live)}
	if err := tx.PutOffboardingStep(step); err != nil {
		return err
	}
	if err := s.Audit.Append(ctx, tx, models.System("offboarding"), object(o, plan.Name, "offboarding.start", map[string]string{"grants": fmt.Sprint(live), "approved_by": o.ApprovedBy})); err != nil {
		return err
	}
	return s.Outbox.Job(ctx, tx, Offboard{Tenant: o.TenantID, Offboarding: o.ID}, outbox.LongWork())
}

// Withdraw calls an offboarding off before its door is closed.
func (s *Service) Withdraw(ctx context.Context, actor models.Actor, id models.OffboardingID) error {
	o, err := s.Find(ctx, actor, id)
	if err != nil {
		return err
	}
	err = s.Store.OnPlatform(ctx, "withdraw an offboarding", func(tx *store.Tx) error {
		if err := tx.EndOffboarding(o.TenantID, o.ID, models.OffboardingWithdrawn, actor.Label, s.now()); errors.Is(err, store.ErrNotFound) {
			return errBegun
		} else if err != nil {
			return err
		}
		return s.Audit.Append(ctx, tx, actor, object(o.Offboarding, o.Plan.Name, "offboarding.withdraw", nil))
	})
	if err != nil {
		return fmt.Errorf("withdraw an offboarding: %w", err)
	}
	return nil
}

// StopWaiting brings the deadline for providers to now: what they have not confirmed by then is closed as unconfirmed, and our copies are destroyed.
func (s *Service) StopWaiting(ctx context.Context, actor models.Actor, id models.OffboardingID) error {
	o, err := s.Find(ctx, actor, id)
	if err != nil {
		return err
	}
	err = s.Store.InTenant(ctx, o.TenantID, func(tx *store.Tx) error {
		if err := tx.HurryOffboarding(o.TenantID, o.ID, s.now()); errors.Is(err, store.ErrNotFound) {
			return errNoWait
		} else if err != nil {
			return err
		}
		if err := s.Outbox.Job(ctx, tx, Offboard{Tenant: o.TenantID, Offboarding: o.ID}, outbox.LongWork()); err != nil {
			return err
		}
		return s.Audit.Append(ctx, tx, actor, object(o.Offboarding, o.Plan.Name, "offboarding.stop_waiting", map[string]string{"unconfirmed": fmt.Sprint(o.Open)}))
	})
	if err != nil {
		return fmt.Errorf("stop waiting for providers: %w", err)
	}
	return nil
}
