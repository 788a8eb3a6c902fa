package webhooks

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/riverqueue/river"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// replayPiece is how many deliveries are put in line in one transaction. The lane's pace, not the replay, spares a receiver that was down.
const replayPiece = 500

// The choices of ReplayAll.
const (
	ReplayFailed         = "failed"          // every attempt was refused
	ReplayNeverAttempted = "never_attempted" // given up before the first attempt, because the webhook was paused or given up
)

var (
	errWhich   = fault.New(fault.Invalid, "webhook_replay_invalid", "Replay failed or never_attempted.").At("which")
	errSince   = fault.New(fault.Invalid, "webhook_replay_since_invalid", "Say since when, not in the future.").At("since")
	errReplays = fault.New(fault.Conflict, "webhook_replay_running", "A replay of this webhook is under way. Wait until it is done.")
)

// ReplayAll begins to send again all that was given up since a time, the oldest first, with the same event ids. A job does it in pieces; Replays says how far
// it is. Tests are left out; a delivery whose content is no longer kept is given up anew. Faults: webhook_paused, webhook_replay_invalid,
// webhook_replay_since_invalid, webhook_replay_running.
func (s *Service) ReplayAll(ctx context.Context, actor models.Actor, id models.WebhookID, which string, since time.Time) (models.Replay, error) {
	at := s.now()
	r := models.Replay{ID: models.NewID[models.ReplayID](at), WebhookID: id, Which: which, Since: since.UTC(), Actor: actor.Label, CreatedAt: at}
	if which != ReplayFailed && which != ReplayNeverAttempted {
		return r, errWhich
	}
	if since.IsZero() || since.After(at) {
		return r, errSince
	}
	err := s.within(ctx, actor, id, func(tx *store.Tx, w models.Webhook) error {
		if !w.Sends() {
			return errPaused
		}
		before, err := tx.Replays(w.ApplicationID, w.ID, 1)
		if err != nil {
			return err
		}
		if len(before) > 0 && before[0].FinishedAt == nil {
			return errReplays
		}
		r.ApplicationID = w.ApplicationID
		if r.Total, err = tx.CountGivenUp(r); err != nil {
			return err
		}
		return errors.Join(tx.InsertReplay(r), s.outbox.Job(ctx, tx, replayAll{r.ApplicationID, r.ID}, nil),
			s.audit.Append(ctx, tx, actor, entry("webhook.replay_all", w, map[string]string{
				"which": which, "since": since.UTC().Format(time.RFC3339), "deliveries": strconv.Itoa(r.Total)})))
	})
	return r, err
}

// Replays lists the latest replays of a webhook, the newest first.
func (s *Service) Replays(ctx context.Context, actor models.Actor, id models.WebhookID) ([]models.Replay, error) {
	var rows []models.Replay
	err := s.look(ctx, actor, id, func(tx *store.Tx, w models.Webhook) (err error) {
		rows, err = tx.Replays(w.ApplicationID, w.ID, 5)
		return err
	})
	return rows, err
}

// replayAll is the job of one replay.
type replayAll struct {
	Application models.ApplicationID `json:"application"`
	Replay      models.ReplayID      `json:"replay"`
}

// Kind names the job.
func (replayAll) Kind() string { return "replay_deliveries" }

type replayWorker struct {
	river.WorkerDefaults[replayAll]
	service *Service
}

// Timeout is per run; one that is cut off is taken up where it was.
func (w *replayWorker) Timeout(*river.Job[replayAll]) time.Duration { return 2 * time.Minute }

// Work puts pieces in line for a minute, and goes on in its next run.
func (w *replayWorker) Work(ctx context.Context, job *river.Job[replayAll]) error {
	s := w.service
	for end := s.real().Add(time.Minute); s.real().Before(end); {
		more, err := s.replaySome(ctx, job.Args)
		if err != nil || !more {
			return err
		}
	}
	return river.JobSnooze(0)
}

func (s *Service) replaySome(ctx context.Context, a replayAll) (more bool, err error) {
	err = s.store.InApplication(ctx, a.Application, func(tx *store.Tx) error {
		more = false
		r, err := tx.ReplayForUpdate(a.Application, a.Replay)
		if errors.Is(err, store.ErrNotFound) || err == nil && r.FinishedAt != nil {
			return nil // the webhook was deleted
		}
		if err != nil {
			return err
		}
		at := s.now()
		w, err := tx.Webhook(a.Application, r.WebhookID)
		switch {
		case errors.Is(err, store.ErrNotFound):
			r.FinishedAt, r.Stopped = &at, "The webhook was deleted."
			return tx.ChangeReplay(r)
		case err != nil:
			return err
		case !w.Sends():
			r.FinishedAt, r.Stopped = &at, "The webhook was paused, or given up."
			return tx.ChangeReplay(r)
		}
		n, err := tx.ReplayGivenUp(r, at, replayPiece)
		if err != nil {
			return fmt.Errorf("replay deliveries of webhook %s: %w", r.WebhookID, err)
		}
		r.Done += n
		if more = n == replayPiece; !more {
			r.FinishedAt = &at
		}
		return tx.ChangeReplay(r)
	})
	s.wake()
	return more, err
}
