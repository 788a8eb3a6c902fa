package webhooks

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/riverqueue/river"

	"github.com/postern-mail/postern/engine/mailer"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// mostTrouble bounds what stands above every page.
const mostTrouble = 20

// Trouble lists the webhooks that are failing or were given up, the latest first, 20 at most. Whoever may not see webhooks has none.
func (s *Service) Trouble(ctx context.Context, actor models.Actor) ([]models.Webhook, error) {
	if !actor.Platform() || !actor.May(models.ReadWebhooks) {
		return nil, nil
	}
	var rows []models.Webhook
	err := s.store.OnPlatform(ctx, "tell staff which webhooks fail", func(tx *store.Tx) (err error) {
		rows, err = tx.WebhooksInTrouble(mostTrouble)
		return err
	})
	return rows, err
}

// EndsAt is when a failing webhook is given up, unless something gets through before.
func EndsAt(w models.Webhook) time.Time { return w.StatusAt.Add(failedAfter) }

// notice is the job that mails one of the webhook's addresses that it is failing, or that it was given up. Job arguments hold ids only: the address is
// looked up by its place.
type notice struct {
	Application models.ApplicationID `json:"application"`
	Webhook     models.WebhookID     `json:"webhook"`
	Status      models.WebhookStatus `json:"status"`
	Gone        bool                 `json:"gone,omitempty"` // the receiver answered 410
	Place       int                  `json:"place"`
}

// Kind names the job.
func (notice) Kind() string { return "webhook_notice" }

// InsertOpts bounds the tries: after about half a day a mail says nothing new.
func (notice) InsertOpts() river.InsertOpts { return river.InsertOpts{MaxAttempts: 12} }

// tell enqueues the mails about a webhook's new status, in the transaction that gave it.
func (s *Service) tell(ctx context.Context, tx *store.Tx, w models.Webhook, status models.WebhookStatus, gone bool) error {
	if s.mail == nil {
		return nil
	}
	for i := range w.NotificationEmails {
		if err := s.outbox.Job(ctx, tx, notice{w.ApplicationID, w.ID, status, gone, i}, nil); err != nil {
			return err
		}
	}
	return nil
}

type noticeWorker struct {
	river.WorkerDefaults[notice]
	service *Service
}

// Timeout covers a slow mail server.
func (w *noticeWorker) Timeout(*river.Job[notice]) time.Duration { return 2 * time.Minute }

// Work sends one mail. What is over meanwhile is not told any more: a webhook that works again needs no warning.
func (w *noticeWorker) Work(ctx context.Context, job *river.Job[notice]) error {
	s, a := w.service, job.Args
	var hook models.Webhook
	var health models.WebhookHealth
	err := s.store.InApplication(ctx, a.Application, func(tx *store.Tx) (err error) {
		if hook, err = tx.Webhook(a.Application, a.Webhook); err != nil {
			return err
		}
		health, err = tx.WebhookHealth(a.Application, a.Webhook)
		return err
	})
	if errors.Is(err, store.ErrNotFound) || err == nil && (hook.Status != a.Status || a.Place >= len(hook.NotificationEmails)) || s.mail == nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read webhook %s: %w", a.Webhook, err)
	}
	subject, text := s.words(hook, health, a.Gone)
	err = s.mail.Send(ctx, hook.NotificationEmails[a.Place], subject, text)
	if errors.Is(err, mailer.ErrRefused) {
		return river.JobCancel(fmt.Errorf("the notice about webhook %s is not deliverable: %w", a.Webhook, err))
	}
	return err
}

// words is the mail. It names the webhook, not its query, where receivers keep keys.
func (s *Service) words(w models.Webhook, h models.WebhookHealth, gone bool) (subject, text string) {
	name := w.Description
	if name == "" {
		name = w.URL
		if u, err := url.Parse(w.URL); err == nil {
			name = u.Host
		}
	}
	since := w.StatusAt
	if h.FailingSince != nil {
		since = *h.FailingSince
	}
	page := s.baseURL + "/webhooks/" + w.ID.String()
	if w.Status == models.WebhookFailing {
		return "Webhook \"" + name + "\" fails: no event has arrived since " + moment(since),
			"No event has arrived at\n\n    " + withoutQuery(w.URL) + "\n\nsince " + moment(since) + ". Postern goes on trying, with growing pauses, and keeps the events meanwhile.\n\n" +
				"If nothing arrives until " + moment(EndsAt(w)) + ", Postern stops sending to it.\n\n" +
				"What to do: see what the receiver answers, and put it right. Events that wait are then sent by themselves.\n\n    " + page + "\n\n" + footer
	}
	why := "nothing had arrived at it since " + moment(since) + ", in spite of many attempts"
	if gone {
		why = "it answered 410 Gone: it does not want events any more"
	}
	return "Webhook \"" + name + "\" is switched off: events are no longer sent to it",
		"Postern has stopped sending events to\n\n    " + withoutQuery(w.URL) + "\n\nbecause " + why + ". New events are not sent to it, and not kept for it.\n\n" +
			"What to do: put the receiver right, then press \"Resume\" on the webhook's page. Under \"Deliveries\" there, what was given up can be sent again.\n\n    " + page + "\n\n" + footer
}

const footer = "-- \nYou get this because your address stands in the webhook's \"Whom to tell when deliveries fail\". It can be changed on the same page.\n"

func moment(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 MST") }
