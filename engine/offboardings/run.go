package offboardings

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/riverqueue/river"
	"golang.org/x/sync/errgroup"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/outbox"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// The steps, in their order.
const (
	StepDoor        = "door"        // nothing new begins, no grant can be used
	StepGrants      = "grants"      // each grant is severed: its credential leaves it, its provider is to be told, its record goes
	StepAccess      = "access"      // keys, links, webhooks, members, sessions
	StepProviders   = "providers"   // providers are waited for, up to the deadline
	StepSealed      = "sealed"      // every sealed value that is left is destroyed
	StepKey         = "key"         // the tenant's data key is destroyed
	StepCertificate = "certificate" // what was done is written down and signed
)

// Steps lists the steps in their order.
func Steps() []string {
	return []string{StepDoor, StepGrants, StepAccess, StepProviders, StepSealed, StepKey, StepCertificate}
}

// Offboard is the job that carries an offboarding out.
type Offboard struct {
	Tenant      models.TenantID      `json:"tenant"`
	Offboarding models.OffboardingID `json:"offboarding"`
}

// Kind names the job.
func (Offboard) Kind() string { return "offboard" }

const (
	pause    = time.Second // between two looks at providers that are waited for
	chunk    = 400         // grants cut between two notes of progress
	together = 25          // of them, in one transaction
	tickEach = 5 * time.Second
)

type worker struct {
	river.WorkerDefaults[Offboard]
	s *Service
}

// Work goes on for a while. It is safe to run twice, and in two processes at once: every step is guarded by the rows it ends.
func (w *worker) Work(ctx context.Context, job *river.Job[Offboard]) error {
	return outbox.Turn(w.s.now, func() (bool, time.Duration, error) { return w.s.Step(ctx, job.Args.Tenant, job.Args.Offboarding) })
}

// Timeout bounds one turn.
func (*worker) Timeout(*river.Job[Offboard]) time.Duration { return outbox.TurnMost }

// Workers registers the jobs of this package.
func (s *Service) Workers(w *river.Workers) { river.AddWorker(w, &worker{s: s}) }

// Tick begins what is due and finds what was lost with its process, until ctx ends. Every process runs it.
func (s *Service) Tick(ctx context.Context) {
	outbox.Watch(ctx, s.Log, "offboardings", tickEach, s.TickOnce)
}

// TickOnce looks once.
func (s *Service) TickOnce(ctx context.Context) error {
	now := s.now()
	var due []models.Offboarding
	err := s.Store.OnPlatform(ctx, "find offboardings that are due", func(tx *store.Tx) (err error) {
		due, err = tx.DueOffboardings(now, now.Add(-outbox.Lost))
		return err
	})
	if err != nil {
		return err
	}
	for _, o := range due {
		if o.State == models.OffboardingApproved {
			if err := s.begin(ctx, o); err != nil && !errors.Is(err, ErrChanged) {
				return fmt.Errorf("begin an offboarding: %w", err)
			}
			continue
		}
		err := s.Store.InTenant(ctx, o.TenantID, func(tx *store.Tx) error {
			if err := tx.BeatOffboarding(o.TenantID, o.ID, now); err != nil {
				return err
			}
			return s.Outbox.Job(ctx, tx, Offboard{Tenant: o.TenantID, Offboarding: o.ID}, outbox.LongWork())
		})
		if err != nil {
			return fmt.Errorf("go on with an offboarding: %w", err)
		}
	}
	return nil
}

// Step does one piece of work. more: there is more to do, after wait. It may be stopped anywhere and called again by anybody.
func (s *Service) Step(ctx context.Context, tenant models.TenantID, id models.OffboardingID) (more bool, wait time.Duration, err error) {
	var o models.Offboarding
	ended := map[string]models.OffboardingStep{}
	err = s.Store.InTenant(ctx, tenant, func(tx *store.Tx) (err error) {
		if o, err = tx.AnyOffboarding(id); err != nil {
			return err
		}
		if err := tx.BeatOffboarding(tenant, id, s.now()); err != nil {
			return err
		}
		steps, err := tx.OffboardingSteps(tenant, id)
		for _, step := range steps {
			ended[step.Name] = step
		}
		return err
	})
	if err != nil {
		return false, 0, fmt.Errorf("read an offboarding: %w", err)
	}
	if o.State != models.OffboardingRunning {
		return false, 0, nil
	}
	for _, step := range []struct {
		name string
		do   func(context.Context, models.Offboarding, progress) (time.Duration, error)
	}{{StepGrants, s.cutGrants}, {StepAccess, s.endAccess}, {StepProviders, s.waitForProviders}, {StepSealed, s.destroySealed}, {StepKey, s.shredKey}} {
		before := ended[step.name]
		if before.EndedAt != nil {
			continue
		}
		wait, err := step.do(ctx, o, progress{s: s, o: o, step: before, name: step.name})
		if err != nil {
			return false, 0, fmt.Errorf("offboarding, step %s: %w", step.name, err)
		}
		return true, wait, nil
	}
	if err := s.certify(ctx, o); err != nil {
		return false, 0, fmt.Errorf("offboarding, step %s: %w", StepCertificate, err)
	}
	return false, 0, nil
}

// progress notes how far a step got.
type progress struct {
	s    *Service
	o    models.Offboarding
	step models.OffboardingStep
	name string
}

// note writes it in the caller's transaction. over: the step has ended.
func (p progress) note(tx *store.Tx, total, done int, over bool, c models.JSON) error {
	now := p.s.now()
	row := p.step
	row.TenantID, row.OffboardingID, row.Name, row.Total, row.Done, row.Counts = p.o.TenantID, p.o.ID, p.name, total, done, c
	for i, name := range Steps() {
		if name == p.name {
			row.Place = i
		}
	}
	if row.StartedAt == nil {
		row.StartedAt = &now
	}
	if over {
		row.EndedAt = &now
	}
	return tx.PutOffboardingStep(row)
}

// counts writes numbers by noun.
func counts(pairs ...any) models.JSON {
	out := map[string]int{}
	for i := 0; i+1 < len(pairs); i += 2 {
		name, _ := pairs[i].(string)
		n, _ := pairs[i+1].(int)
		out[name] = n
	}
	text, err := json.Marshal(out)
	if err != nil {
		return models.JSON("{}")
	}
	return text
}

// cutGrants cuts a chunk of what is left. The rows themselves say what is done.
func (s *Service) cutGrants(ctx context.Context, o models.Offboarding, p progress) (time.Duration, error) {
	plan, err := readPlan(o.Plan)
	if err != nil {
		return 0, err
	}
	live, revoked := plan.Total()
	var left []models.GrantID
	err = s.Store.InTenant(ctx, o.TenantID, func(tx *store.Tx) (err error) {
		if left, err = tx.GrantsLeft(o.TenantID, chunk); err != nil {
			return err
		}
		n, err := tx.CountGrantsLeft(o.TenantID)
		if err != nil {
			return err
		}
		return p.note(tx, live+revoked, max(0, live+revoked-n), n == 0, counts("severed", live, "records", revoked))
	})
	if err != nil || len(left) == 0 {
		return 0, err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(outbox.AtOnce)
	actor := models.System("offboarding")
	for ids := range slices.Chunk(left, together) {
		group.Go(func() error { return s.Grants.CutFor(ctx, actor, o, ids) })
	}
	return 0, group.Wait()
}

// endAccess ends what people and programs of the tenant hold.
func (s *Service) endAccess(ctx context.Context, o models.Offboarding, p progress) (time.Duration, error) {
	actor, now := models.System("offboarding"), s.now()
	var hooks []models.WebhookID
	var flows, links int
	err := s.Store.InTenant(ctx, o.TenantID, func(tx *store.Tx) (err error) {
		if links, err = tx.RevokeLinksOfTenant(o.TenantID, now); err != nil {
			return err
		}
		flows, err = tx.CloseFlowsOfTenant(o.TenantID, now)
		return err
	})
	if err != nil {
		return 0, err
	}
	if err := s.Store.OnPlatform(ctx, "find the webhooks of an offboarded tenant", func(tx *store.Tx) error {
		v, err := tx.Inventory(o.TenantID, now)
		hooks = v.WebhookIDs
		return err
	}); err != nil {
		return 0, err
	}
	for _, id := range hooks {
		if err := s.Webhooks.Delete(ctx, actor, id); err != nil && fault.KindOf(err) != fault.NotFound {
			return 0, err
		}
	}
	plan, err := readPlan(o.Plan)
	if err != nil {
		return 0, err
	}
	return 0, s.Store.OnPlatform(ctx, "end the access of an offboarded tenant's people and programs", func(tx *store.Tx) error {
		keys, err := tx.RevokeKeysOfTenant(o.TenantID, now)
		if err != nil {
			return err
		}
		members, sessions, err := tx.RemoveMembersOfTenant(o.TenantID, now)
		if err != nil {
			return err
		}
		// Links, flows and webhooks may have ended in a turn that was killed before this one: the plan has their numbers.
		ended := map[string]string{"keys": fmt.Sprint(keys), "links": fmt.Sprint(max(links, plan.Links)), "webhooks": fmt.Sprint(max(len(hooks), plan.WebhookCount)), "members": fmt.Sprint(members), "sessions": fmt.Sprint(sessions)}
		if err := s.Audit.Append(ctx, tx, actor, object(o, plan.Name, "offboarding.end_access", ended)); err != nil {
			return err
		}
		total := keys + max(links, plan.Links) + max(len(hooks), plan.WebhookCount) + members
		return p.note(tx, total, total, true, counts("keys", keys, "links", max(links, plan.Links), "flows", flows, "webhooks", max(len(hooks), plan.WebhookCount), "members", members, "sessions", sessions))
	})
}

// waitForProviders ends when every provider has answered, or at the deadline, when what is left is closed as unconfirmed.
func (s *Service) waitForProviders(ctx context.Context, o models.Offboarding, p progress) (time.Duration, error) {
	plan, err := readPlan(o.Plan)
	if err != nil {
		return 0, err
	}
	live, _ := plan.Total()
	given := 0
	if o.DeadlineAt != nil && !s.now().Before(*o.DeadlineAt) {
		if given, err = s.Grants.GiveUp(ctx, o.TenantID); err != nil {
			return 0, err
		}
	}
	open := 0
	err = s.Store.InTenant(ctx, o.TenantID, func(tx *store.Tx) error {
		if open, err = tx.CountOpenSeverances(o.TenantID); err != nil {
			return err
		}
		return p.note(tx, live, max(0, live-open), open == 0, counts("unconfirmed", given))
	})
	if open > 0 {
		return pause, err
	}
	return 0, err
}

// destroySealed destroys what is left under the tenant's key: payloads of events, credentials of flows. The files of its evidence packs, which are under no key, go with them.
func (s *Service) destroySealed(ctx context.Context, o models.Offboarding, p progress) (time.Duration, error) {
	dropped, packs := 0, 0
	if err := s.Store.OnPlatform(ctx, "drop the deliveries and evidence packs of an offboarded tenant", func(tx *store.Tx) (err error) {
		if dropped, err = tx.DropDeliveriesOfTenant(o.TenantID, s.now()); err != nil {
			return err
		}
		packs, err = tx.DestroyEvidencePacksOfTenant(o.TenantID)
		return err
	}); err != nil {
		return 0, err
	}
	return 0, s.Store.InTenant(ctx, o.TenantID, func(tx *store.Tx) error {
		n, err := tx.DeleteSealedOfTenant(o.TenantID)
		if err != nil {
			return err
		}
		return p.note(tx, n, n, true, counts("values", n, "deliveries", dropped, "packs", packs))
	})
}

// shredKey destroys the tenant's data key. From here a copy of the ciphertext, in a backup too, opens with no key that this database has.
func (s *Service) shredKey(ctx context.Context, o models.Offboarding, p progress) (time.Duration, error) {
	plan, err := readPlan(o.Plan)
	if err != nil {
		return 0, err
	}
	return 0, s.Store.InTenant(ctx, o.TenantID, func(tx *store.Tx) error {
		n, err := tx.ShredDataKeys(o.TenantID, s.now())
		if err != nil {
			return err
		}
		if err := tx.MarkTenantOffboarded(o.TenantID, s.now()); err != nil {
			return err
		}
		if err := s.Audit.Append(ctx, tx, models.System("offboarding"), object(o, plan.Name, "offboarding.shred", map[string]string{"keys": fmt.Sprint(n)})); err != nil {
			return err
		}
		return p.note(tx, 1, 1, true, counts("keys", n))
	})
}
