package grants

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// CutAtProvider records that a person ended the app's access at the provider, as the provider itself says it: every valid grant of that subject becomes invalid, with cause and
// time. A consent that is newer than that time stands: it came after the end. Told twice, it changes nothing the second time.
func (s *Service) CutAtProvider(ctx context.Context, provider, subject, cause string, at time.Time) error {
	var found []models.Grant
	err := s.store.OnPlatform(ctx, "a provider names a person, not a tenant", func(tx *store.Tx) (err error) {
		found, err = tx.GrantsOfSubject(provider, subject)
		return err
	})
	if err != nil {
		return fmt.Errorf("find the grants of a subject: %w", err)
	}
	for _, g := range found {
		if err := s.cutAtProvider(ctx, g, cause, at); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) cutAtProvider(ctx context.Context, g models.Grant, cause string, at time.Time) error {
	err := s.store.InTenant(ctx, g.TenantID, func(tx *store.Tx) error {
		g, err := tx.GrantForUpdate(g.TenantID, g.ID)
		if err != nil {
			return err
		}
		if g.Status != models.GrantValid || g.AuthenticatedAt != nil && g.AuthenticatedAt.After(at) {
			return nil
		}
		if err := tx.MarkGrantInvalid(g.TenantID, g.ID, g.Credential, "cut_at_provider", cause, s.now()); err != nil {
			return err
		}
		return s.CutThere(ctx, tx, g, cause, "", at)
	})
	if err != nil && !errors.Is(err, store.ErrNotFound) { // gone meanwhile: there is nothing left to cut
		return fmt.Errorf("grant %s was cut at the provider: %w", g.ID, err)
	}
	return nil
}

// CutThere records and tells that a provider ended a grant, in the transaction in which it became invalid: by its security event, or by its answer to a token that was good
// (the tokens keeper calls it then). answer is what a last refresh got, in the provider's words; it may be empty.
func (s *Service) CutThere(ctx context.Context, tx *store.Tx, g models.Grant, cause, answer string, at time.Time) error {
	entry := objectOf(g)
	entry.Action, entry.Detail = "grant.cut_at_provider", map[string]string{"provider": g.Provider, "cause": cause, "at": at.UTC().Format(time.RFC3339)}
	if answer != "" {
		entry.Detail["answer"] = answer
	}
	if err := s.audit.Append(ctx, tx, models.System("security events"), entry); err != nil {
		return err
	}
	return s.tellExpired(ctx, tx, g)
}

func (s *Service) tellExpired(ctx context.Context, tx *store.Tx, g models.Grant) error {
	var updated int64
	if g.AuthenticatedAt != nil {
		updated = g.AuthenticatedAt.Unix()
	}
	return s.tell(ctx, tx, g, "grant.expired", Notice{Code: codeExpired, GrantUpdatedAt: updated, Status: "invalid"})
}
