package grants

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/riverqueue/river"
	"golang.org/x/sync/errgroup"

	"github.com/postern-mail/postern/engine/outbox"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// EndBatch is the job that carries a batch out.
type EndBatch struct {
	Batch models.BatchID `json:"batch"`
}

// Kind names the job.
func (EndBatch) Kind() string { return "end_batch" }

const (
	batchChunk = 200             // grants cut between two looks at what is left
	batchPause = 5 * time.Second // after a piece in which nothing could be cut
)

type batchWorker struct {
	river.WorkerDefaults[EndBatch]
	s *Service
}

// Work goes on for a while. It is safe to run twice, and in two processes at once: each grant is marked in the transaction that cuts it.
func (w *batchWorker) Work(ctx context.Context, job *river.Job[EndBatch]) error {
	return outbox.Turn(w.s.now, func() (bool, time.Duration, error) { return w.s.StepBatch(ctx, job.Args.Batch) })
}

// Timeout bounds one turn.
func (*batchWorker) Timeout(*river.Job[EndBatch]) time.Duration { return outbox.TurnMost }

// StepBatch cuts some of what is left. more: there is more to do, after wait. It may be stopped anywhere and called again by anybody.
func (s *Service) StepBatch(ctx context.Context, id models.BatchID) (more bool, wait time.Duration, err error) {
	var b models.Batch
	var left []models.BatchItem
	err = s.store.OnPlatform(ctx, "cut what is left of a batch", func(tx *store.Tx) error {
		if b, err = tx.Batch(id); err != nil || b.EndedAt != nil {
			return err
		}
		if err := tx.BeatBatch(id, s.now()); err != nil {
			return err
		}
		if left, err = tx.BatchItemsLeft(id, batchChunk); err != nil || len(left) > 0 {
			return err
		}
		return unlessAbsent(tx.EndBatch(id, s.now()))
	})
	if err != nil {
		return false, 0, fmt.Errorf("read a batch: %w", err)
	}
	if len(left) == 0 {
		return false, 0, nil
	}
	var cut atomic.Int64
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(outbox.AtOnce)
	for _, item := range left {
		group.Go(func() error {
			err := s.cutItem(within, b, item)
			if err == nil {
				cut.Add(1)
				return nil
			}
			if within.Err() != nil {
				return err
			}
			// One that fails must not hold up the others: it is noted, and tried after them.
			s.log.WarnContext(within, "a grant of a batch could not be cut", "batch", b.ID, "grant", item.GrantID, "error", err)
			return s.store.InTenant(within, item.TenantID, func(tx *store.Tx) error { return tx.MarkBatchItemTried(item) })
		})
	}
	if err := group.Wait(); err != nil {
		return false, 0, fmt.Errorf("batch %s: %w", id, err)
	}
	if cut.Load() == 0 {
		return true, batchPause, nil
	}
	return true, 0, nil
}

// cutItem cuts one grant of a batch and marks it, in one transaction. An item that has its outcome is left alone.
func (s *Service) cutItem(ctx context.Context, b models.Batch, item models.BatchItem) error {
	actor := models.Actor{Kind: models.ActorMember, ID: b.RequestedByID, Label: b.RequestedBy}
	e := Ending{Reason: b.Reason, Reach: models.ReachEverywhere, batch: &b.ID}
	if provider.OnePermission(item.Provider) {
		e.Reach = b.Reach
	}
	var g models.Grant
	err := s.store.InTenant(ctx, item.TenantID, func(tx *store.Tx) error {
		standing, err := tx.BatchItemForUpdate(item.TenantID, b.ID, item.GrantID)
		if err != nil || standing.Outcome != models.BatchWaiting {
			return err
		}
		if g, err = tx.GrantForUpdate(item.TenantID, item.GrantID); absent(err) {
			standing.Outcome = models.BatchGone
		} else if err != nil {
			return err
		} else if err := s.cutInBatch(ctx, tx, actor, g, b.Act, e, &standing); err != nil {
			return err
		}
		now := s.now()
		standing.DoneAt = &now
		return tx.MarkBatchItemDone(standing)
	})
	if err != nil {
		return fmt.Errorf("cut grant %s: %w", item.GrantID, err)
	}
	if !g.ID.IsZero() {
		s.providers.Close(g.ID.String())
	}
	return nil
}

// cutInBatch cuts a grant whose row the caller holds and says how it went. What refuses to be cut refuses before anything is written.
func (s *Service) cutInBatch(ctx context.Context, tx *store.Tx, actor models.Actor, g models.Grant, act string, e Ending, item *models.BatchItem) error {
	v, err := s.cutLocked(ctx, tx, actor, g, act, e)
	switch {
	case errors.Is(err, ErrAlreadyRevoked):
		item.Outcome = models.BatchAlready
	case errors.Is(err, errOffboarding):
		item.Outcome = models.BatchOffboarding
	case err != nil:
		return err
	default:
		item.Outcome = models.BatchCut
		if !v.ID.IsZero() {
			item.SeveranceID = &v.ID
		}
	}
	return nil
}

// requeueBatches enqueues the batches that nobody is at: their job was lost with its process.
func (s *Service) requeueBatches(ctx context.Context, tx *store.Tx) error {
	lost, err := tx.LostBatches(s.now().Add(-outbox.Lost), 50)
	if err != nil {
		return err
	}
	for _, b := range lost {
		if err := tx.BeatBatch(b.ID, s.now()); err != nil {
			return err
		}
		if err := s.outbox.Job(ctx, tx, EndBatch{Batch: b.ID}, outbox.LongWork()); err != nil {
			return err
		}
	}
	return nil
}
