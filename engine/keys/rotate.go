package keys

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/outbox"
	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// Config is what the service is made of. All of it is required.
type Config struct {
	Store  *store.Store
	Safe   *sealed.Safe
	Audit  *audit.Keeper
	Outbox *outbox.Keeper
	Source string // where the key-encryption key is, in words: "a file", "AWS KMS"
	Now    func() time.Time
	Log    *slog.Logger
}

// Service does the deeds. It is safe for concurrent use, in any number of processes.
type Service struct{ Config }

// New makes the service.
func New(c Config) *Service { return &Service{c} }

// errMay is somebody who looks at keys or turns them without the right to.
var errMay = fault.New(fault.Denied, "keys_rotate_denied", "Only an owner or admin rotates the keys.")

// Rotate is the job that works at a rotation.
type Rotate struct {
	Rotation models.RotationID `json:"rotation"`
}

// Kind names the job.
func (Rotate) Kind() string { return "rotate_keys" }

// Start begins a rotation, or goes on with the one that is open; its job is enqueued either way, because the one of before may have been lost.
func (s *Service) Start(ctx context.Context, actor models.Actor) (models.KeyRotation, error) {
	if !actor.Platform() || !actor.May(models.RotateKeys) {
		return models.KeyRotation{}, errMay
	}
	at := s.Now().UTC()
	var r models.KeyRotation
	err := s.Store.OnPlatform(ctx, "begin a rotation of the keys", func(tx *store.Tx) error {
		n, err := tx.CountTenants()
		if err != nil {
			return err
		}
		var begun bool
		// One more than tenants: the platform's own secrets have a key too. Organisations that never sealed anything have none; the end of the rotation corrects the number.
		if r, begun, err = tx.BeginKeyRotation(models.KeyRotation{ID: models.NewID[models.RotationID](at), StartedBy: actor.Label, StartedAt: at, Tenants: n + 1}); err != nil {
			return err
		}
		if begun {
			if err := s.Audit.Append(ctx, tx, actor, audit.Entry{Action: "keys.rotate", ObjectKind: "key_rotation", ObjectID: r.ID.String(), Object: "the keys of all tenants"}); err != nil {
				return err
			}
		}
		return s.Outbox.Job(ctx, tx, Rotate{Rotation: r.ID}, nil)
	})
	if err != nil {
		return r, fmt.Errorf("begin a rotation of the keys: %w", err)
	}
	return r, nil
}

// errLeft says that values stayed under older keys: somebody had them in hand all the time. The rotation stays open.
var errLeft = errors.New("values are still under older keys")

// Work goes on with a rotation until it is finished, or until ctx ends, which is no error: done is false then. It may be killed anywhere and run anew, and several processes may be at it.
func (s *Service) Work(ctx context.Context, id models.RotationID) (done bool, err error) {
	var r models.KeyRotation
	err = s.Store.OnPlatform(ctx, "read a rotation of the keys", func(tx *store.Tx) (err error) {
		r, err = tx.KeyRotation(id)
		return err
	})
	if err != nil || r.FinishedAt != nil {
		return err == nil, err
	}
	left := 0
	err = s.each(ctx, func(tenant models.TenantID) error {
		err := s.turn(ctx, r, tenant)
		if errors.Is(err, errLeft) {
			left++
			return nil
		}
		return err
	})
	if ctx.Err() != nil {
		return false, nil
	}
	if err != nil || left > 0 {
		return false, err
	}
	if err := s.countSince(ctx, r.StartedAt); err != nil {
		if ctx.Err() != nil {
			return false, nil
		}
		return false, err
	}
	return true, s.finish(ctx, r)
}

// countSince counts what nobody counted since: whoever looks at a rotation that is finished sees every organisation as it is after it, and not what was counted ten minutes ago, or never.
func (s *Service) countSince(ctx context.Context, at time.Time) error {
	counted := map[models.TenantID]time.Time{}
	err := s.Store.OnPlatform(ctx, "look whose keys were counted", func(tx *store.Tx) error {
		counts, err := tx.KeyCounts()
		for _, c := range counts {
			counted[c.TenantID] = c.CountedAt
		}
		return err
	})
	if err != nil {
		return err
	}
	return s.each(ctx, func(tenant models.TenantID) error {
		if counted[tenant].After(at) {
			return nil
		}
		_, err := s.Safe.Count(ctx, s.Store, tenant)
		return err
	})
}

// each calls fn for the platform's own key and then for every tenant's, in the order of their ids.
func (s *Service) each(ctx context.Context, fn func(models.TenantID) error) error {
	if err := fn(models.TenantID{}); err != nil {
		return err
	}
	var last models.TenantID
	for {
		var ids []models.TenantID
		err := s.Store.OnPlatform(ctx, "go through the tenants' keys", func(tx *store.Tx) (err error) {
			ids, err = tx.TenantIDs(last, 200)
			return err
		})
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := fn(id); err != nil {
				return fmt.Errorf("tenant %s: %w", id, err)
			}
			last = id
		}
		if len(ids) < 200 {
			return nil
		}
	}
}

// system is who the log of a tenant names for its part of a rotation.
var system = models.System("keys")

func (s *Service) turn(ctx context.Context, r models.KeyRotation, tenant models.TenantID) error {
	record := func(action string) func(*store.Tx) error {
		return func(tx *store.Tx) error {
			if tenant.IsZero() {
				return nil // the platform's own key stands in no tenant's audit; keys.rotate and keys.rotated tell of it
			}
			return s.Audit.Append(ctx, tx, system, audit.Entry{Action: action, Tenant: tenant, ObjectKind: "tenant", ObjectID: tenant.String(), Object: "the organisation's data key"})
		}
	}
	wrapped, err := s.Safe.Turn(ctx, s.Store, tenant, r.StartedAt, record("data_key.rotate"))
	if err != nil {
		return err
	}
	resealed := 0
	for {
		n, err := s.Safe.Reseal(ctx, s.Store, tenant)
		if err != nil {
			return err
		}
		if resealed += n; n == 0 {
			break
		}
		if err := s.note(ctx, r.ID, 0, 0, int64(n)); err != nil {
			return err
		}
	}
	settled, first, err := s.Safe.Settle(ctx, s.Store, tenant, record("data_key.settle"))
	if err != nil {
		return err
	}
	if wrapped || resealed > 0 || first {
		if _, err := s.Safe.Count(ctx, s.Store, tenant); err != nil {
			return err
		}
	}
	d, w := 0, int64(0)
	if first {
		d = 1
	}
	if wrapped {
		w = 1
	}
	if d+int(w) > 0 {
		if err := s.note(ctx, r.ID, d, w, 0); err != nil {
			return err
		}
	}
	if !settled {
		return errLeft
	}
	return nil
}

func (s *Service) note(ctx context.Context, id models.RotationID, done int, wrapped, resealed int64) error {
	return s.Store.OnPlatform(ctx, "note the progress of a rotation", func(tx *store.Tx) error { return tx.AddToKeyRotation(id, done, wrapped, resealed) })
}

func (s *Service) finish(ctx context.Context, r models.KeyRotation) error {
	err := s.Store.OnPlatform(ctx, "finish a rotation of the keys", func(tx *store.Tx) error {
		if err := tx.FinishKeyRotation(r.ID, s.Now().UTC()); err != nil {
			return err
		}
		end, err := tx.KeyRotation(r.ID)
		if err != nil {
			return err
		}
		return s.Audit.Append(ctx, tx, system, audit.Entry{Action: "keys.rotated", ObjectKind: "key_rotation", ObjectID: r.ID.String(), Object: "the keys of all tenants",
			Detail: map[string]string{"keys": fmt.Sprint(end.Done), "resealed": fmt.Sprint(end.Resealed)}})
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil // another process finished it
	}
	return err
}

// turnTime bounds one job: what is left is for the next one.
const turnTime = 45 * time.Second

type rotateWorker struct {
	river.WorkerDefaults[Rotate]
	s *Service
}

// Work implements river.Worker.
func (w *rotateWorker) Work(ctx context.Context, job *river.Job[Rotate]) error {
	bounded, cancel := context.WithTimeout(ctx, turnTime)
	defer cancel()
	done, err := w.s.Work(bounded, job.Args.Rotation)
	if errors.Is(err, store.ErrNotFound) {
		return river.JobCancel(err)
	}
	if err == nil && !done {
		return river.JobSnooze(time.Second)
	}
	return err
}

// Timeout leaves room past turnTime for the step in hand.
func (*rotateWorker) Timeout(*river.Job[Rotate]) time.Duration { return 2 * time.Minute }
