package webhooks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// Change is what is to be different. Zero and empty fields keep what is there, as in the v3 API.
type Change struct {
	URL, Description   string
	Status             string // active or pause; inactive, as some clients say, is pause
	TriggerTypes       []string
	NotificationEmails []string
	Compressed         *bool
	Standard           *bool
	Overlap            *time.Duration
}

// Update changes a webhook. A new address, and any way back to active, is challenged before anything is written.
func (s *Service) Update(ctx context.Context, actor models.Actor, id models.WebhookID, c Change) (models.Webhook, error) {
	before, err := s.Find(ctx, actor, id)
	if err != nil {
		return before, err
	}
	after, err := s.changed(before, c)
	if err != nil {
		return before, err
	}
	// A webhook that is failing sends already: confirming that it is active asks nothing new of it unless its owner says so in words.
	if after.URL != before.URL || c.Status == string(models.WebhookActive) && before.Status != models.WebhookActive {
		if err := s.challenge(ctx, after.URL); err != nil {
			return before, err
		}
	}
	err = s.within(ctx, actor, id, func(tx *store.Tx, w models.Webhook) error {
		if w.URL != before.URL {
			return errMoved // what was verified is not what is there any more
		}
		if after, err = s.changed(w, c); err != nil {
			return err
		}
		after.UpdatedAt = s.now()
		if after.Status != w.Status {
			after.StatusAt = after.UpdatedAt
		}
		if err := tx.ChangeWebhook(after); err != nil {
			return fmt.Errorf("change webhook %s: %w", id, err)
		}
		if after.Status == models.WebhookActive && w.Status != models.WebhookActive {
			if err := tx.MarkWebhookSucceeded(w.ApplicationID, w.ID, after.UpdatedAt); err != nil { // it has just answered
				return err
			}
		}
		return s.audit.Append(ctx, tx, actor, entry("webhook.update", after, map[string]string{"changed": strings.Join(differences(w, after), " "), "status": string(after.Status)}))
	})
	return after, err
}

var errMoved = fault.New(fault.Conflict, "webhook_changed_meanwhile", "Somebody else changed this webhook's address a moment ago. Look at it and try again.")

// changed applies c to w, or says what is wrong with it.
func (s *Service) changed(w models.Webhook, c Change) (models.Webhook, error) {
	if c.URL != "" && c.URL != w.URL {
		if w.SelfCheck {
			return w, errSelfCheck
		}
		if _, err := s.checkURL(c.URL); err != nil {
			return w, err
		}
		w.URL = c.URL
	}
	if text := strings.TrimSpace(c.Description); text != "" {
		if err := checkDescription(text); err != nil {
			return w, err
		}
		w.Description = text
	}
	var errs [2]error
	if len(c.TriggerTypes) > 0 {
		w.TriggerTypes, errs[0] = checkTriggers(c.TriggerTypes)
	}
	if len(c.NotificationEmails) > 0 {
		w.NotificationEmails, errs[1] = checkEmails(c.NotificationEmails)
	}
	for _, err := range errs {
		if err != nil {
			return w, err
		}
	}
	if c.Compressed != nil {
		w.Compressed = *c.Compressed
	}
	if c.Standard != nil {
		w.Standard = *c.Standard
	}
	if c.Overlap != nil {
		if err := checkOverlap(*c.Overlap); err != nil {
			return w, err
		}
		w.OverlapSeconds = int(*c.Overlap / time.Second)
	}
	switch c.Status {
	case "":
	case string(models.WebhookActive):
		w.Status = models.WebhookActive
	case string(models.WebhookPaused), "inactive":
		w.Status = models.WebhookPaused
	default:
		return w, fault.New(fault.Invalid, "webhook_status_invalid", "A webhook can be set to active or to pause; the other statuses are Postern's to say.").At("status")
	}
	return w, nil
}

// differences names the fields that an update changed. The audit keeps names, not values: an address may hold a key.
func differences(a, b models.Webhook) []string {
	out := []string{}
	note := func(name string, changed bool) {
		if changed {
			out = append(out, name)
		}
	}
	note("webhook_url", a.URL != b.URL)
	note("description", a.Description != b.Description)
	note("trigger_types", !slices.Equal(a.TriggerTypes, b.TriggerTypes))
	note("notification_email_addresses", !slices.Equal(a.NotificationEmails, b.NotificationEmails))
	note("compressed_delivery", a.Compressed != b.Compressed)
	note("standard_webhooks", a.Standard != b.Standard)
	note("overlap", a.OverlapSeconds != b.OverlapSeconds)
	note("status", a.Status != b.Status)
	return out
}

// Delete makes a webhook vanish, now: nothing more is sent, and nobody finds it. Jobs of the same transaction destroy its secrets' sealed values and remove, in
// pieces, what may be millions of deliveries.
func (s *Service) Delete(ctx context.Context, actor models.Actor, id models.WebhookID) error {
	return s.within(ctx, actor, id, func(tx *store.Tx, w models.Webhook) error {
		if w.SelfCheck {
			return errSelfCheck
		}
		secrets, err := tx.WebhookSecrets(w.ApplicationID, w.ID)
		if err != nil {
			return err
		}
		ids := make([]models.WebhookSecretID, len(secrets))
		for i, row := range secrets {
			ids[i] = row.ID
		}
		if err := tx.MarkWebhookDeleted(w.ApplicationID, w.ID, s.now()); err != nil {
			return fmt.Errorf("delete webhook %s: %w", id, err)
		}
		return errors.Join(
			s.outbox.Job(ctx, tx, destroySecrets{Secrets: ids}, nil),
			s.outbox.Job(ctx, tx, removeWebhook{Application: w.ApplicationID, Webhook: w.ID}, nil),
			s.audit.Append(ctx, tx, actor, entry("webhook.delete", w, nil)),
		)
	})
}
