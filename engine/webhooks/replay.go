package webhooks

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/riverqueue/river"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// mostReplayed is how many deliveries one call of ReplayAll puts in the queue again.
const mostReplayed = 500

// replaySpread is the time over which they are spread, so that a receiver that was down is not met with all of them at once.
const replaySpread = 30 * time.Second

// ReplayWhich says which of the deliveries that were given up are sent again.
type ReplayWhich string

// The choices of ReplayAll.
const (
	ReplayFailed         ReplayWhich = "failed"          // every attempt was refused
	ReplayNeverAttempted ReplayWhich = "never_attempted" // given up before the first attempt, because the webhook was paused or given up
)

var (
	errWhich = fault.New(fault.Invalid, "webhook_replay_invalid", "Replay failed or never_attempted.").At("which")
	errSince = fault.New(fault.Invalid, "webhook_replay_since_invalid", "Say since when, not in the future.").At("since")
)

// ReplayAll sends again what was given up since a time, the oldest first, with the same event ids. It takes 500 at most and says how many it took;
// call it again while it says 500. Tests are left out; a delivery whose content is no longer kept is given up anew. Faults: webhook_paused,
// webhook_replay_invalid, webhook_replay_since_invalid.
func (s *Service) ReplayAll(ctx context.Context, actor models.Actor, id models.WebhookID, which ReplayWhich, since time.Time) (int, error) {
	if which != ReplayFailed && which != ReplayNeverAttempted {
		return 0, errWhich
	}
	at := s.now()
	if since.IsZero() || since.After(at) {
		return 0, errSince
	}
	count := 0
	err := s.within(ctx, actor, id, func(tx *store.Tx, w models.Webhook) error {
		if !w.Sends() {
			return errPaused
		}
		rows, err := tx.DeliveriesGivenUp(w.ApplicationID, w.ID, which == ReplayNeverAttempted, since, mostReplayed)
		if err != nil {
			return err
		}
		count = len(rows)
		for i, d := range rows {
			due := at.Add(replaySpread * time.Duration(i) / mostReplayed)
			d.Status, d.NextAttemptAt, d.SettledAt = waiting, &due, nil
			if err := tx.ChangeDelivery(d); err != nil {
				return fmt.Errorf("replay delivery %s: %w", d.ID, err)
			}
			if err := s.outbox.Job(ctx, tx, Deliver{d.ApplicationID, d.ID, d.Attempts + 1}, &river.InsertOpts{Queue: Queue, ScheduledAt: due}); err != nil {
				return err
			}
		}
		return s.audit.Append(ctx, tx, actor, entry("webhook.replay_all", w, map[string]string{
			"which": string(which), "since": since.UTC().Format(time.RFC3339), "deliveries": strconv.Itoa(count)}))
	})
	return count, err
}
