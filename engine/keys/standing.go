package keys

import (
	"context"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// Algorithm is what everything is sealed with (engine/vault).
const Algorithm = "AES-256-GCM, a key of each organisation, itself wrapped by the key-encryption key"

// Standing is how the keys stand.
type Standing struct {
	KEKID, Source string
	Keys          int // data keys alive
	OtherKEK      int // of them, wrapped under another key-encryption key than the one in use
	Oldest        time.Time
	Ages          [4]int // of the keys in use: up to 30, 90, 365 days, older
	Sealed        int64
	Current       int64     // of Sealed, under the key in use of its tenant
	CountedAt     time.Time // the oldest count among them; zero: nothing was counted yet
	Missing       int       // tenants that were not counted yet
	Last          *models.KeyRotation
	Secrets       []store.SecretAge // of keys and secrets that are no data keys; staff only
}

// Settled says that nothing is left under an older key.
func (s Standing) Settled() bool { return s.OtherKEK == 0 && s.Sealed == s.Current && s.Missing == 0 }

// stale is how old a count may be; what is older is counted again when somebody looks, up to atOnce tenants, and by the periodic job.
const (
	stale  = 10 * time.Minute
	atOnce = 20
)

// Refresh counts every tenant anew, and tells how the keys stand.
func (s *Service) Refresh(ctx context.Context, actor models.Actor) (Standing, error) {
	if err := s.each(ctx, s.recount(ctx)); err != nil {
		return Standing{}, err
	}
	return s.Standing(ctx, actor)
}

func (s *Service) recount(ctx context.Context) func(models.TenantID) error {
	return func(tenant models.TenantID) error {
		_, err := s.Safe.Count(ctx, s.Store, tenant)
		return err
	}
}

// Standing tells how the keys stand: to staff of all tenants, to everybody else of their own.
func (s *Service) Standing(ctx context.Context, actor models.Actor) (Standing, error) {
	out := Standing{KEKID: s.Safe.KEKID(), Source: s.Source}
	counts, tenants, err := s.counts(ctx, actor)
	if err != nil {
		return out, err
	}
	if again := s.due(counts, tenants); len(again) > 0 && len(again) <= atOnce {
		for _, id := range again {
			if _, err := s.Safe.Count(ctx, s.Store, id); err != nil {
				return out, err
			}
		}
		if counts, tenants, err = s.counts(ctx, actor); err != nil {
			return out, err
		}
	}
	known := map[models.TenantID]bool{}
	for _, c := range counts {
		known[c.TenantID] = true
		s.add(&out, c)
	}
	for _, id := range tenants {
		if !known[id] {
			out.Missing++
		}
	}
	if !actor.Platform() {
		return out, nil
	}
	err = s.Store.OnPlatform(ctx, "show the last rotation and the ages of secrets", func(tx *store.Tx) error {
		rows, err := tx.KeyRotations(1)
		if err == nil && len(rows) > 0 {
			out.Last = &rows[0]
		}
		if err != nil {
			return err
		}
		out.Secrets, err = tx.SecretAges(s.Now().UTC())
		return err
	})
	return out, err
}

func (s *Service) add(out *Standing, c models.KeyCount) {
	out.Sealed, out.Current = out.Sealed+c.Sealed, out.Current+c.Current
	if out.CountedAt.IsZero() || c.CountedAt.Before(out.CountedAt) {
		out.CountedAt = c.CountedAt
	}
	if c.KeySince == nil {
		return
	}
	out.Keys++
	if c.KEKID != out.KEKID {
		out.OtherKEK++
	}
	if out.Oldest.IsZero() || c.KeySince.Before(out.Oldest) {
		out.Oldest = *c.KeySince
	}
	switch age := s.Now().Sub(*c.KeySince); {
	case age <= 30*24*time.Hour:
		out.Ages[0]++
	case age <= 90*24*time.Hour:
		out.Ages[1]++
	case age <= 365*24*time.Hour:
		out.Ages[2]++
	default:
		out.Ages[3]++
	}
}

// counts reads what was counted, and which tenants ought to be among it.
func (s *Service) counts(ctx context.Context, actor models.Actor) (counts []models.KeyCount, tenants []models.TenantID, err error) {
	if !actor.Platform() {
		err = s.Store.InTenant(ctx, actor.Tenant, func(tx *store.Tx) (err error) {
			counts, err = tx.KeyCounts()
			return err
		})
		return counts, []models.TenantID{actor.Tenant}, err
	}
	err = s.Store.OnPlatform(ctx, "show how the keys stand", func(tx *store.Tx) (err error) {
		if tenants, err = tx.TenantIDs(models.TenantID{}, 100_000); err != nil {
			return err
		}
		counts, err = tx.KeyCounts()
		return err
	})
	return counts, append([]models.TenantID{{}}, tenants...), err
}

func (s *Service) due(counts []models.KeyCount, tenants []models.TenantID) []models.TenantID {
	at := map[models.TenantID]time.Time{}
	for _, c := range counts {
		at[c.TenantID] = c.CountedAt
	}
	var out []models.TenantID
	for _, id := range tenants {
		if s.Now().Sub(at[id]) > stale {
			out = append(out, id)
		}
	}
	return out
}

// Finding is what Verify found over all tenants.
type Finding struct {
	Tenants, Opened, OldKey, OldKEK, OldKeys, Shredded, Bad int
	Broken                                                  []string // "tenant: kind id field", a hundred at most for a tenant
}

// Leftover says that something is not as it should be after a rotation.
func (f Finding) Leftover() bool { return f.Bad+f.OldKey+f.OldKEK+f.OldKeys > 0 }

// Verify opens every sealed value there is and keeps none. It takes no lock that others wait for, and may run beside everything.
func (s *Service) Verify(ctx context.Context) (Finding, error) {
	var out Finding
	err := s.each(ctx, func(tenant models.TenantID) error {
		c, err := s.Safe.Check(ctx, s.Store, tenant)
		if err != nil {
			return err
		}
		out.Tenants++
		out.Opened, out.OldKey, out.Shredded, out.Bad = out.Opened+c.Opened, out.OldKey+c.OldKey, out.Shredded+c.Shredded, out.Bad+c.Bad
		if c.OldKEK {
			out.OldKEK++
		}
		if c.OldKeys {
			out.OldKeys++
		}
		for _, b := range c.Broken {
			out.Broken = append(out.Broken, fmt.Sprintf("%s: %s", tenant, b))
		}
		return nil
	})
	return out, err
}

// count is the job that counts every tenant's sealed values again.
type count struct{}

// Kind names the job.
func (count) Kind() string { return "count_keys" }

type countWorker struct {
	river.WorkerDefaults[count]
	s *Service
}

// Work implements river.Worker.
func (w *countWorker) Work(ctx context.Context, _ *river.Job[count]) error {
	return w.s.each(ctx, w.s.recount(ctx))
}

// Timeout bounds one round.
func (*countWorker) Timeout(*river.Job[count]) time.Duration { return 2 * time.Minute }

// Workers adds the jobs of this package.
func (s *Service) Workers(w *river.Workers) {
	river.AddWorker(w, &rotateWorker{s: s})
	river.AddWorker(w, &countWorker{s: s})
}

// Periodic lists the jobs that come round by themselves.
func (s *Service) Periodic() []*river.PeriodicJob {
	return []*river.PeriodicJob{river.NewPeriodicJob(river.PeriodicInterval(stale),
		func() (river.JobArgs, *river.InsertOpts) { return count{}, nil }, &river.PeriodicJobOpts{RunOnStart: true})}
}
