package verifications

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// Report is what one of the company's own receivers found about a call that it got.
type Report struct {
	EventID        string // as the call said it; empty only with a refusal, when the call could not be believed
	Verdict        string // accepted, refused
	Reason         string // one of Reasons; empty with an acceptance: OK
	Generation     int    // of the secret that matched; 0: not known
	Representation string // raw, gzip; empty: not known
	Size           int64  // of the body in bytes; 0: not known
	Address        string // where the call came from; empty: not known
}

// What a reporting receiver is told.
var (
	errReportVerdict = fault.New(fault.Invalid, "report_verdict_invalid", "The verdict is accepted or refused.").At("verdict")
	errReportReason  = fault.New(fault.Invalid, "report_reason_invalid", "The reason is not one that fits this verdict. ok and wrong_secret are two of them.").At("reason")
	errReportEvent   = fault.New(fault.Invalid, "report_event_unknown", "This event was not sent to this webhook. Leave the id out when a refused call cannot be believed.").At("event_id")
	errReportField   = fault.New(fault.Invalid, "report_invalid", "One of generation, representation, size and address cannot be right.")
)

// reportsPerMinute bounds the reports on one webhook in each process; whoever reports holds a key, so this guards against a loop, not an attack.
const reportsPerMinute = 6000

// acceptances are the reasons of an accepted call; notReported are Postern's own, which no receiver can give.
var (
	acceptances = []string{OK, OKPreviousSecret, Duplicate}
	notReported = []string{UnknownEndpoint, RotationWindow, Paused, WrongClaims}
)

// Report writes what a receiver found into the log, under source receiver. An accepted call whose generation it names also proves that it
// knows that secret. Faults: report_verdict_invalid, report_reason_invalid, report_event_unknown, report_invalid, reports_limited.
func (s *Service) Report(ctx context.Context, actor models.Actor, id models.WebhookID, r Report) (models.Verification, error) {
	at := s.now()
	row := models.Verification{ID: models.NewID[models.VerificationID](at), At: at, Source: receiverSource, WebhookID: &id, EventID: strings.TrimSpace(r.EventID),
		Verdict: r.Verdict, Reason: r.Reason, Generation: r.Generation, Representation: r.Representation, Size: r.Size}
	if err := r.check(&row); err != nil {
		return row, err
	}
	application, err := s.applicationOf(ctx, actor, id)
	if err != nil {
		return row, err
	}
	row.ApplicationID = &application
	err = s.store.InApplication(ctx, application, func(tx *store.Tx) error {
		w, err := tx.Webhook(application, id)
		if err != nil {
			return err
		}
		if !actor.Platform() && (w.SelfCheck || !actor.Tenant.IsZero() && (w.TenantID == nil || *w.TenantID != actor.Tenant)) {
			return store.ErrNotFound
		}
		if !s.reports.take(models.EndpointID(id), receiverSource, at) {
			return fault.New(fault.Limited, "reports_limited", "%d reports a minute can be made on one webhook. Wait a minute.", reportsPerMinute).RetryAfter(time.Minute)
		}
		row.TenantID = w.TenantID
		if row.EventID != "" {
			if err := reported(tx, id, &row); err != nil {
				return err
			}
		}
		if row.Verdict == accepted && row.Generation > 0 {
			if err := tx.MarkWebhookSecretAccepted(application, id, row.Generation, at); err != nil {
				return err
			}
		}
		return tx.InsertVerifications([]models.Verification{row})
	})
	if err != nil {
		return row, fmt.Errorf("write a receiver's report: %w", err)
	}
	return row, nil
}

// check says what is wrong with the report itself.
func (r Report) check(row *models.Verification) error {
	switch r.Verdict {
	case accepted:
		if row.Reason == "" {
			row.Reason = OK
		}
		if !slices.Contains(acceptances, row.Reason) {
			return errReportReason
		}
		if row.EventID == "" {
			return errReportEvent
		}
	case refused:
		if !slices.Contains(Reasons(), row.Reason) || slices.Contains(acceptances, row.Reason) || slices.Contains(notReported, row.Reason) {
			return errReportReason
		}
	default:
		return errReportVerdict
	}
	if r.Generation < 0 || r.Generation > 1<<30 || r.Size < 0 || r.Size > 1<<40 || !slices.Contains([]string{"", raw, compressed}, r.Representation) {
		return errReportField
	}
	if r.Address != "" {
		a, err := netip.ParseAddr(r.Address)
		if err != nil {
			return errReportField
		}
		row.Address = a.Unmap().WithZone("").String()
	}
	return nil
}

// applicationOf says in which application the actor looks for the webhook.
func (s *Service) applicationOf(ctx context.Context, actor models.Actor, id models.WebhookID) (models.ApplicationID, error) {
	switch {
	case actor.Platform():
		var w models.Webhook
		err := s.store.OnPlatform(ctx, "find a webhook's application for staff", func(tx *store.Tx) (err error) {
			w, err = tx.WebhookOnPlatform(id)
			return err
		})
		return w.ApplicationID, err
	case actor.Kind == models.ActorKey && !actor.Application.IsZero():
		return actor.Application, nil
	default:
		return models.ApplicationID{}, errDenied
	}
}

// reported takes type and tenant from the delivery that the report is about: a receiver's word about them is not needed.
func reported(tx *store.Tx, id models.WebhookID, row *models.Verification) error {
	event, err := models.ParseID[models.EventID](row.EventID)
	if err != nil {
		return errReportEvent
	}
	d, err := tx.DeliveryOfEvent(id, event)
	if errors.Is(err, store.ErrNotFound) {
		return errReportEvent
	}
	row.EventType, row.TenantID = d.EventType, d.TenantID
	return err
}
