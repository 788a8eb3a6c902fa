package verifications

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

var (
	errBroken = fault.New(fault.Invalid, "body_incomplete", "The request ended before its body did.")
	errDenied = fault.New(fault.Denied, "verifications_denied", "The verification log is for the company's staff, its reviewers and its customers.")
	errWindow = fault.New(fault.Invalid, "window_too_wide", "Choose at most 92 days, the end after the beginning.").At("since")
)

const (
	maxWindow   = 92 * 24 * time.Hour
	usualWindow = 30 * 24 * time.Hour
	mostRows    = 1_000_000 // of one export
	exportPage  = 1000
)

// Filter narrows the log. Cursor is Page.Next of the list before.
type Filter struct {
	Verdict, Reason, Source string
	Webhook                 models.WebhookID
	Endpoint                models.EndpointID
	EventType               string
	Tenant                  models.TenantID
	Since, Until            time.Time
	Search                  string // an event's id, the whole of it
	Cursor                  string
	Limit                   int // 0: 50; at most 200
}

// Page is one page of the log, the newest first. Next is empty at the end.
type Page struct {
	Verifications []models.Verification
	Next          string
}

// scoped runs fn where the actor may look, with the query narrowed to what they may see.
func (s *Service) scoped(ctx context.Context, actor models.Actor, f Filter, fn func(*store.Tx, store.VerificationQuery) error) error {
	q := store.VerificationQuery{Verdict: f.Verdict, Reason: f.Reason, Source: f.Source, Webhook: f.Webhook, Endpoint: f.Endpoint, EventType: strings.TrimSpace(f.EventType), Tenant: f.Tenant,
		EventID: strings.TrimSpace(f.Search), Since: f.Since, Until: f.Until}
	run := func(tx *store.Tx) error { return fn(tx, q) }
	switch {
	case actor.Platform():
		return s.store.OnPlatform(ctx, "read the verification log for staff", run)
	case actor.Kind == models.ActorKey && !actor.Application.IsZero():
		q.Application = actor.Application
		if !actor.Tenant.IsZero() {
			q.Tenant = actor.Tenant
		}
		return s.store.InApplication(ctx, actor.Application, run)
	case (actor.Kind == models.ActorMember || actor.Kind == models.ActorGuest) && !actor.Tenant.IsZero():
		q.Tenant = actor.Tenant
		return s.store.InTenant(ctx, actor.Tenant, run)
	default:
		return errDenied
	}
}

// List lists what the actor may see.
func (s *Service) List(ctx context.Context, actor models.Actor, f Filter) (Page, error) {
	at, id, err := store.ReadCursor[models.VerificationID](f.Cursor)
	if err != nil {
		return Page{}, err
	}
	limit := f.Limit
	if limit <= 0 {
		limit = 50
	}
	return s.page(ctx, actor, f, at, id, min(limit, 200))
}

func (s *Service) page(ctx context.Context, actor models.Actor, f Filter, at time.Time, id models.VerificationID, limit int) (Page, error) {
	var p Page
	err := s.scoped(ctx, actor, f, func(tx *store.Tx, q store.VerificationQuery) (err error) {
		q.BeforeAt, q.BeforeID, q.Limit = at, id, limit+1
		p.Verifications, err = tx.Verifications(q)
		return err
	})
	if len(p.Verifications) > limit {
		p.Verifications = p.Verifications[:limit]
		last := p.Verifications[limit-1]
		p.Next = store.Cursor(last.At, last.ID)
	}
	return p, err
}

// Find reads one row. What the actor may not see is not found.
func (s *Service) Find(ctx context.Context, actor models.Actor, id models.VerificationID) (models.Verification, error) {
	var row models.Verification
	err := s.scoped(ctx, actor, Filter{}, func(tx *store.Tx, q store.VerificationQuery) (err error) {
		row, err = tx.Verification(id)
		if err == nil && !q.Tenant.IsZero() && (row.TenantID == nil || *row.TenantID != q.Tenant) {
			row, err = models.Verification{}, store.ErrNotFound
		}
		return err
	})
	return row, err
}

// Count is how often a reason was given in one hour or day.
type Count struct {
	At      time.Time // its beginning, UTC
	Verdict string
	Reason  string
	Count   int
}

// The steps of Counts.
const (
	hourly = "hour"
	daily  = "day"
)

// Step is how long each count of a window lasts: hours up to two days, else days.
func Step(window time.Duration) time.Duration {
	if window > 0 && window <= 48*time.Hour {
		return time.Hour
	}
	return 24 * time.Hour
}

// Counts counts, calls without a row of their own included, per hour or day (see Step) and reason, the oldest first; where nothing came, nothing is listed. The window is
// the last 30 days where Since is zero, and 92 days at most; it is taken in whole hours. A filter by an event's id is answered with nothing.
func (s *Service) Counts(ctx context.Context, actor models.Actor, f Filter) ([]Count, error) {
	if f.Until.IsZero() {
		f.Until = s.now().Add(time.Second)
	}
	if f.Since.IsZero() {
		f.Since = f.Until.Add(-usualWindow)
	}
	if f.Since.After(f.Until) || f.Until.Sub(f.Since) > maxWindow {
		return nil, errWindow
	}
	step := daily
	if Step(f.Until.Sub(f.Since)) == time.Hour {
		step = hourly
	}
	sums := map[Count]int{}
	err := s.scoped(ctx, actor, f, func(tx *store.Tx, q store.VerificationQuery) error {
		clear(sums)
		rows, err := tx.VerificationCounts(q, step)
		if err != nil {
			return err
		}
		beyond, err := tx.RefusalCounts(q, step)
		for _, r := range append(rows, beyond...) {
			sums[Count{At: r.At.UTC(), Verdict: r.Verdict, Reason: r.Reason}] += r.Count
		}
		return err
	})
	out := make([]Count, 0, len(sums))
	for c, n := range sums {
		c.Count = n
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Count) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Verdict, b.Verdict), cmp.Compare(a.Reason, b.Reason))
	})
	return out, err
}

// Export gives each row that the actor may see to each, the newest first, page by page: no connection is held while a slow reader takes them. It
// stops at 1,000,000 rows and then says true.
func (s *Service) Export(ctx context.Context, actor models.Actor, f Filter, each func(models.Verification) error) (bool, error) {
	at, id, err := store.ReadCursor[models.VerificationID](f.Cursor)
	if err != nil {
		return false, err
	}
	for sent := 0; sent < mostRows; {
		p, err := s.page(ctx, actor, f, at, id, exportPage)
		if err != nil {
			return false, err
		}
		for _, v := range p.Verifications {
			if err := each(v); err != nil {
				return false, err
			}
		}
		if p.Next == "" {
			return false, nil
		}
		sent += len(p.Verifications)
		last := p.Verifications[len(p.Verifications)-1]
		at, id = last.At, last.ID
	}
	return true, nil
}
