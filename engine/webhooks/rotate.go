package webhooks

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/riverqueue/river"

	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// afterlife is how long an ended secret stays sealed. It signs nothing and opens nothing; the receiver of Postern's own events uses it to
// tell "signed with a secret that has ended" from "signed with a wrong one".
const afterlife = 7 * 24 * time.Hour

// Rotate makes a new secret and returns it, here and never again. During the overlap both the secret before and the new one sign; any older
// one ends now. overlap nil means what is set for the webhook; 0 ends the old secret at once.
func (s *Service) Rotate(ctx context.Context, actor models.Actor, id models.WebhookID, overlap *time.Duration) (models.Webhook, secret.Text, error) {
	if overlap != nil {
		if err := checkOverlap(*overlap); err != nil {
			return models.Webhook{}, secret.Text{}, err
		}
	}
	if _, err := s.Find(ctx, actor, id); err != nil { // nothing is sealed for a webhook that is not there
		return models.Webhook{}, secret.Text{}, err
	}
	at, key := s.now(), newSecret()
	fresh := models.NewID[models.WebhookSecretID](at)
	if err := s.seal(ctx, fresh, key); err != nil {
		return models.Webhook{}, secret.Text{}, err
	}
	var rotated models.Webhook
	err := s.within(ctx, actor, id, func(tx *store.Tx, w models.Webhook) error {
		span := time.Duration(w.OverlapSeconds) * time.Second
		if overlap != nil {
			span = *overlap
		}
		rows, err := tx.WebhookSecrets(w.ApplicationID, w.ID)
		if err != nil {
			return err
		}
		generation := 1
		for _, row := range rows {
			generation = max(generation, row.Generation+1)
			if !row.Signs(at) {
				continue
			}
			until := at
			if row.ValidUntil == nil { // the one in force until now; an older one, still in its overlap, ends at once
				until = at.Add(span)
			}
			if err := s.end(ctx, tx, row, until); err != nil {
				return err
			}
		}
		row := models.WebhookSecret{ApplicationID: w.ApplicationID, ID: fresh, WebhookID: w.ID, Generation: generation, ValidFrom: at}
		if err := tx.InsertWebhookSecret(row); err != nil {
			return fmt.Errorf("add generation %d to webhook %s: %w", generation, id, err)
		}
		w.UpdatedAt = at
		if err := tx.ChangeWebhook(w); err != nil {
			return err
		}
		rotated = w
		return s.audit.Append(ctx, tx, actor, entry("webhook.rotate_secret", w, map[string]string{
			"generation": strconv.Itoa(generation), "overlap": span.String()}))
	})
	if err != nil {
		s.unseal(ctx, fresh)
		return models.Webhook{}, secret.Text{}, err
	}
	return rotated, key, nil
}

// end sets the end of a secret and sees to it that what is sealed of it is destroyed in time.
func (s *Service) end(ctx context.Context, tx *store.Tx, row models.WebhookSecret, until time.Time) error {
	if err := tx.EndWebhookSecret(row.ApplicationID, row.ID, until); err != nil {
		return fmt.Errorf("end generation %d of webhook %s: %w", row.Generation, row.WebhookID, err)
	}
	return s.outbox.Job(ctx, tx, destroySecrets{Application: row.ApplicationID, Webhook: row.WebhookID, Secrets: []models.WebhookSecretID{row.ID}},
		&river.InsertOpts{ScheduledAt: until.Add(afterlife)})
}

// EndOverlap ends the older secret now: from here only the newest signs.
func (s *Service) EndOverlap(ctx context.Context, actor models.Actor, id models.WebhookID) error {
	return s.setOverlap(ctx, actor, id, "webhook.end_overlap", 0)
}

// ExtendOverlap lets the older secret sign for left from now on; it can shorten an overlap too.
func (s *Service) ExtendOverlap(ctx context.Context, actor models.Actor, id models.WebhookID, left time.Duration) error {
	if left <= 0 || left > maxOverlap {
		return errOverlap
	}
	return s.setOverlap(ctx, actor, id, "webhook.extend_overlap", left)
}

func (s *Service) setOverlap(ctx context.Context, actor models.Actor, id models.WebhookID, action string, left time.Duration) error {
	return s.within(ctx, actor, id, func(tx *store.Tx, w models.Webhook) error {
		rows, err := tx.WebhookSecrets(w.ApplicationID, w.ID)
		if err != nil {
			return err
		}
		at := s.now()
		for _, row := range rows {
			if row.ValidUntil == nil || !row.Signs(at) {
				continue
			}
			return errors.Join(
				s.end(ctx, tx, row, at.Add(left)),
				s.audit.Append(ctx, tx, actor, entry(action, w, map[string]string{"generation": strconv.Itoa(row.Generation), "left": left.String()})),
			)
		}
		return errNoOverlap
	})
}

// destroySecrets is the job that destroys what is sealed of secrets which have ended, or whose webhook is gone.
type destroySecrets struct {
	Application models.ApplicationID     `json:"application"`
	Webhook     models.WebhookID         `json:"webhook"`
	Secrets     []models.WebhookSecretID `json:"secrets"`
}

// Kind names the job.
func (destroySecrets) Kind() string { return "destroy_webhook_secrets" }

type destroyWorker struct {
	river.WorkerDefaults[destroySecrets]
	service *Service
}

// Work destroys. A secret whose overlap was extended since the job was made is left to the job that the extension made.
func (w *destroyWorker) Work(ctx context.Context, job *river.Job[destroySecrets]) error {
	s, a := w.service, job.Args
	for _, id := range a.Secrets {
		kept, err := s.stillNeeded(ctx, a, id)
		if err != nil {
			return err
		}
		if kept {
			continue
		}
		if err := s.destroy(ctx, id); err != nil {
			return fmt.Errorf("destroy webhook secret %s: %w", id, err)
		}
	}
	return nil
}

func (s *Service) stillNeeded(ctx context.Context, a destroySecrets, id models.WebhookSecretID) (bool, error) {
	if a.Webhook.IsZero() {
		return false, nil // the webhook was deleted
	}
	needed := false
	err := s.store.InApplication(ctx, a.Application, func(tx *store.Tx) error {
		rows, err := tx.WebhookSecrets(a.Application, a.Webhook)
		for _, row := range rows {
			if row.ID == id {
				needed = row.ValidUntil == nil || s.now().Before(row.ValidUntil.Add(afterlife))
			}
		}
		return err
	})
	return needed, err
}
