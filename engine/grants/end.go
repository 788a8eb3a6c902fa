package grants

import (
	"context"
	"fmt"

	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// Cancel ends a flow because the person said no on our own page. A flow that another browser holds cannot be cancelled by this one.
func (s *Service) Cancel(ctx context.Context, id models.FlowID, browser secret.Text) (Done, error) {
	f, err := s.flow(ctx, id)
	if err != nil {
		return Done{}, err
	}
	if len(f.BrowserHash) > 0 {
		if f, err = s.ownFlow(ctx, id, browser); err != nil {
			return Done{}, err
		}
	}
	text := "You cancelled. Nothing was connected."
	told := "The person cancelled."
	if f.Outcome == NeedsAdmin {
		told = needsAdminText
	}
	done := Done{Flow: f, Outcome: Cancelled, Public: text, RedirectURL: returnURL(f, "", "access_denied", told)}
	return done, s.over(ctx, f, Cancelled, "connect.cancelled", map[string]string{"error": "access_denied"})
}

// Ended reads how a flow of this browser ended, for the page after it.
func (s *Service) Ended(ctx context.Context, id models.FlowID, browser secret.Text) (Done, Consent, error) {
	f, err := s.ownFlow(ctx, id, browser)
	if err != nil {
		return Done{}, Consent{}, err
	}
	done := Done{Flow: f, Outcome: f.Outcome}
	switch f.Outcome {
	case "":
		return done, Consent{}, ErrFlowSpent
	case Connected:
		p := partial(f)
		done.Missing, done.MissingRaw = p.Missing, p.MissingRaw
		if f.GrantID != nil {
			err := s.store.InTenant(ctx, f.TenantID, func(tx *store.Tx) (err error) {
				done.Grant, err = tx.Grant(f.TenantID, *f.GrantID)
				return err
			})
			if err != nil && !absent(err) {
				return done, Consent{}, fmt.Errorf("read the grant of a flow: %w", err)
			}
		}
	case Partial:
		done = partial(f)
	case NeedsAdmin:
		if done.ApprovalURL, err = s.approval(ctx, f); err != nil {
			return done, Consent{}, err
		}
	}
	c, err := s.consent(ctx, f)
	return done, c, err
}
