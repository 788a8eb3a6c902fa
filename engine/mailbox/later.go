package mailbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

const (
	sendTakes = 130 * time.Second // one try: above what a connector takes for one message
	sendTries = 200               // of the job; what counts is giveUp
	giveUp    = 24 * time.Hour    // after its time, a message that a provider will not take is not tried any more
	clockSkew = 10 * time.Minute  // between us and the provider
	lookPages = 5
)

type laterWorker struct {
	river.WorkerDefaults[SendLater]
	s *Service
}

// Workers adds what this package does later.
func (s *Service) Workers(w *river.Workers) { river.AddWorker(w, &laterWorker{s: s}) }

// Work is one try.
func (w *laterWorker) Work(ctx context.Context, job *river.Job[SendLater]) error {
	return w.s.SendScheduled(ctx, job.Args.Tenant, job.Args.Schedule)
}

// Timeout bounds one try.
func (*laterWorker) Timeout(*river.Job[SendLater]) time.Duration { return sendTakes }

// SendScheduled is what the worker does: it sends a scheduled message, when it is time, at most once. SMTP has no way to ask whether a message was taken, so whoever finds a schedule that was being sent
// when its process died looks for the message among the sent ones; where it is not found it is not sent again, and the schedule says so.
func (s *Service) SendScheduled(ctx context.Context, tenant models.TenantID, id models.ScheduleID) error {
	content, err := s.Spool()
	if err != nil {
		return err
	}
	defer content.Close() //nolint:errcheck // what it held is gone either way
	var row models.Schedule
	var g models.Grant
	var d email.Draft
	taken := false
	err = s.store.InTenant(ctx, tenant, func(tx *store.Tx) (err error) {
		if row, err = tx.Schedule(tenant, id); err != nil || row.ClosedAt != nil {
			return err
		}
		if g, err = tx.Grant(tenant, row.GrantID); err != nil {
			return err
		}
		if row.Status == models.SchedulePending {
			if row.SendAt.After(s.now()) {
				return nil
			}
			if err := tx.TakeSchedule(tenant, id, s.now().UTC()); err != nil {
				return err
			}
			taken = true
		}
		if err := content.Reset(); err != nil { // the database may run this again
			return err
		}
		d, err = s.unseal(ctx, tx, tenant, id, content)
		return err
	})
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, sealed.ErrAbsent): // cancelled, or the grant is gone, and all with it
		return nil
	case err != nil:
		return fmt.Errorf("take a scheduled message: %w", err)
	case row.ClosedAt != nil:
		return nil
	case row.Status == models.SchedulePending && !taken:
		return river.JobSnooze(max(row.SendAt.Sub(s.now()), time.Second))
	}
	worker := models.System("scheduled sends")
	if !taken {
		if row.TakenAt != nil && s.now().Sub(*row.TakenAt) < sendTakes {
			return river.JobSnooze(sendTakes) // another process sends it just now
		}
		return s.lookFor(ctx, worker, g, row, d)
	}
	m, err := s.Send(ctx, worker, g, d)
	if err == nil {
		row.MessageID = m.ID
		return s.closeSchedule(ctx, row, models.ScheduleSent, "")
	}
	code := "internal"
	f, isFault := fault.As(err)
	if isFault {
		code = f.Code
	}
	switch {
	case !stayed(err):
		return s.lookFor(ctx, worker, g, row, d)
	case passing(err) && s.now().Sub(row.SendAt) < giveUp:
		pause := min(time.Minute<<min(row.Tries, 6), time.Hour)
		if isFault && f.After > 0 {
			pause = min(max(f.After, time.Second), giveUp)
		}
		if err := s.store.InTenant(ctx, tenant, func(tx *store.Tx) error { return tx.PutBackSchedule(tenant, id, code) }); err != nil && !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("put a scheduled message back: %w", err)
		}
		return river.JobSnooze(pause)
	default:
		return s.closeSchedule(ctx, row, models.ScheduleFailed, code)
	}
}

// passing: the provider could not be reached, wants to be left alone for a while, or the mailbox waits to be reconnected. The message surely has not left.
func passing(err error) bool {
	kind := fault.KindOf(err)
	return errors.Is(err, provider.ErrUnreachable) || kind == fault.Limited || kind == fault.Unproven
}

// lookFor settles a schedule whose end is not known.
func (s *Service) lookFor(ctx context.Context, actor models.Actor, g models.Grant, row models.Schedule, d email.Draft) error {
	since := row.SendAt
	if row.TakenAt != nil {
		since = *row.TakenAt
	}
	id, found, err := s.amongSent(ctx, actor, g, nameOf(d), since.Add(-clockSkew))
	switch {
	case found:
		row.MessageID = id
		return s.closeSchedule(ctx, row, models.ScheduleSent, "")
	case err != nil && passing(err) && s.now().Sub(row.SendAt) < giveUp:
		return river.JobSnooze(5 * time.Minute)
	}
	return s.closeSchedule(ctx, row, models.ScheduleUnknown, "send_unconfirmed")
}

// amongSent looks for a message by its Message-ID among those sent since.
func (s *Service) amongSent(ctx context.Context, actor models.Actor, g models.Grant, name string, since time.Time) (id string, found bool, err error) {
	if name == "" {
		return "", false, nil
	}
	err = s.with(ctx, actor, g, models.SendMessages, provider.ReadMail, func(c provider.Connector, a provider.Account) error {
		folders, ok := c.(provider.FolderLister)
		lister, lists := c.(provider.MessageLister)
		if !ok || !lists {
			return nil
		}
		all, err := folders.ListFolders(ctx, a)
		if err != nil {
			return err
		}
		q := email.Query{Limit: 50, ReceivedAfter: since, NoBody: true}
		for _, f := range all {
			if f.Has(email.Sent) {
				q.In = []string{f.ID}
			}
		}
		for range lookPages {
			page, err := lister.ListMessages(ctx, a, q)
			if err != nil {
				return err
			}
			for _, m := range page.Items {
				if m.MessageID == name {
					id, found = m.ID, true
					return nil
				}
			}
			if q.Cursor = page.Next; q.Cursor == "" {
				return nil
			}
		}
		return nil
	})
	return id, found, err
}

// closeSchedule notes how a schedule ended and destroys its message, also where the job's time has run out meanwhile.
func (s *Service) closeSchedule(ctx context.Context, row models.Schedule, status, reason string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), notesLife)
	defer cancel()
	now := s.now().UTC()
	row.Status, row.Reason, row.ClosedAt = status, reason, &now
	err := s.store.InTenant(ctx, row.TenantID, func(tx *store.Tx) error { return tx.CloseSchedule(row, models.ScheduleSending) })
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("close a schedule: %w", err)
	}
	return nil
}
