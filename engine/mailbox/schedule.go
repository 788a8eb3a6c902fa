package mailbox

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/riverqueue/river"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/tokens"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// When a message may leave, and how long it may still be called back (contract, sections 7.4 and 7.5).
const (
	soonest    = time.Minute
	latest     = 30 * 24 * time.Hour
	lastCall   = 10 * time.Second
	mostWait   = 1000                // schedules of one grant
	remembered = 30 * 24 * time.Hour // how a schedule ended
)

// Faults of sending later.
var (
	ErrScheduleNotFound = fault.New(fault.NotFound, "schedule_not_found", "There is no such schedule for this mailbox.")
	ErrScheduleOver     = fault.New(fault.Invalid, "schedule_over", "This message is being sent, has been sent, or was cancelled before. It cannot be called back.")
	ErrTooLate          = fault.New(fault.Invalid, "schedule_too_late", "A schedule can be cancelled until ten seconds before its time.")

	errSendAt   = fault.New(fault.Invalid, "send_at_invalid", "send_at is a time in whole seconds since 1970, at least one minute and at most 30 days ahead.").At("send_at")
	errMostWait = fault.New(fault.Limited, "schedules_most", "This mailbox has 1000 messages waiting. Let some leave, or cancel some, before you add more.")
	errRaw      = fault.New(fault.Invalid, "message_unreadable", "The message has no header that can be read, or names no recipient.").At("mime")
)

// SendLater is the job that sends a scheduled message.
type SendLater struct {
	Tenant   models.TenantID   `json:"tenant"`
	Schedule models.ScheduleID `json:"schedule"`
}

// Kind names the job.
func (SendLater) Kind() string { return "send_later" }

// later seals a message until its time. All that can be found wrong now is said now; the message that is answered is looked up now, too.
func (s *Service) later(ctx context.Context, actor models.Actor, g models.Grant, q Sending) (Sent, error) {
	now := s.now().UTC()
	if ahead := q.At.Sub(now); ahead < soonest || ahead > latest {
		return Sent{}, errSendAt
	}
	if err := s.answering(ctx, actor, g, &q); err != nil {
		return Sent{}, err
	}
	if q.Draft.Raw != nil {
		h, err := header(q.Draft.Raw)
		if err != nil {
			return Sent{}, err
		}
		if h.Get("To") == "" && h.Get("Cc") == "" && h.Get("Bcc") == "" {
			return Sent{}, errRaw
		}
	} else if err := q.Draft.Check(); err != nil {
		return Sent{}, err
	}
	if q.Draft.MessageID == "" {
		// Named now: by this name it can be found among the sent ones, should a crash hide what became of it.
		var id [16]byte
		_, _ = rand.Read(id[:]) // never fails
		_, domain, _ := strings.Cut(g.Email, "@")
		q.Draft.MessageID = hex.EncodeToString(id[:]) + "@" + firstOf(domain, "localhost")
	}
	row := models.Schedule{TenantID: g.TenantID, ID: models.NewID[models.ScheduleID](now), ApplicationID: g.ApplicationID, GrantID: g.ID, SendAt: q.At.UTC(), Status: models.SchedulePending, CreatedAt: now}
	// The grant is asked for nothing yet, but a grant that may not send is told so today.
	if _, err := s.may(ctx, actor, g, models.SendMessages, provider.SendMail); err != nil {
		return Sent{}, err
	}
	err := s.store.InTenant(ctx, g.TenantID, func(tx *store.Tx) error {
		// A revocation that commits first leaves nothing to schedule for; one that comes later finds the schedule.
		standing, err := tx.GrantForUpdate(g.TenantID, g.ID)
		if err != nil {
			return err
		}
		if !standing.Usable() {
			return tokens.ErrCut
		}
		if n, err := tx.PendingSchedules(g.TenantID, g.ID); err != nil || n >= mostWait {
			if err == nil {
				err = errMostWait
			}
			return err
		}
		if err := tx.InsertSchedule(row, now.Add(-remembered)); err != nil {
			return err
		}
		if err := s.seal(ctx, tx, g.TenantID, row.ID, q.Draft); err != nil {
			return err
		}
		return s.outbox.Job(ctx, tx, SendLater{Tenant: g.TenantID, Schedule: row.ID}, &river.InsertOpts{ScheduledAt: row.SendAt, MaxAttempts: sendTries})
	})
	if err != nil {
		return Sent{}, fmt.Errorf("schedule a message: %w", err)
	}
	return Sent{Schedule: row, Message: outline(g, q.Draft)}, nil
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// outline is what can be said of a message that has not left.
func outline(g models.Grant, d email.Draft) email.Message {
	m := email.Message{Subject: d.Subject, From: d.From, To: d.To, Cc: d.Cc, Bcc: d.Bcc, ReplyTo: d.ReplyTo, HTML: d.HTML, Plain: d.Plain}
	if d.Raw == nil && len(m.From) == 0 {
		m.From = []email.Address{{Email: g.Email}}
	}
	return m
}

// Schedules lists the scheduled messages of a mailbox, the last to leave first: all that wait, and what became of others within 30 days. At most 1200.
func (s *Service) Schedules(ctx context.Context, actor models.Actor, g models.Grant) ([]models.Schedule, error) {
	var rows []models.Schedule
	err := s.schedules(ctx, actor, g, func(tx *store.Tx) (err error) {
		rows, err = tx.Schedules(g.TenantID, g.ID, mostWait+200)
		return err
	})
	return rows, err
}

// Schedule reads one.
func (s *Service) Schedule(ctx context.Context, actor models.Actor, g models.Grant, id models.ScheduleID) (models.Schedule, error) {
	var row models.Schedule
	err := s.schedules(ctx, actor, g, func(tx *store.Tx) (err error) {
		row, err = scheduleOf(tx, g, id)
		return err
	})
	return row, err
}

// CancelSchedule calls a message back and destroys it. ErrTooLate within ten seconds of its time.
func (s *Service) CancelSchedule(ctx context.Context, actor models.Actor, g models.Grant, id models.ScheduleID) error {
	return s.schedules(ctx, actor, g, func(tx *store.Tx) error {
		row, err := scheduleOf(tx, g, id)
		if err != nil {
			return err
		}
		now := s.now().UTC()
		switch {
		case row.Status != models.SchedulePending:
			return ErrScheduleOver
		case row.SendAt.Sub(now) < lastCall:
			return ErrTooLate
		}
		row.Status, row.Reason, row.ClosedAt = models.ScheduleCancelled, "cancelled", &now
		if err := tx.CloseSchedule(row, models.SchedulePending); errors.Is(err, store.ErrNotFound) {
			return ErrScheduleOver
		} else if err != nil {
			return err
		}
		return nil
	})
}

func scheduleOf(tx *store.Tx, g models.Grant, id models.ScheduleID) (models.Schedule, error) {
	row, err := tx.Schedule(g.TenantID, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && row.GrantID != g.ID {
		return row, ErrScheduleNotFound
	}
	return row, err
}

func (s *Service) schedules(ctx context.Context, actor models.Actor, g models.Grant, fn func(*store.Tx) error) error {
	if _, err := s.may(ctx, actor, g, models.SendMessages, provider.SendMail); err != nil {
		return err
	}
	if err := s.store.InTenant(ctx, g.TenantID, fn); err != nil {
		return fmt.Errorf("scheduled messages: %w", err)
	}
	return nil
}
