package verifications

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// RotateSource takes a new secret of a sender. Unless it is staged it is in force at once, the one before counts for the overlap, and a declared
// window ends: there is nothing left that could not be explained. A staged one that was there already is replaced.
func (s *Service) RotateSource(ctx context.Context, actor models.Actor, id models.EndpointID, r Rotation) (models.InboundEndpoint, error) {
	if r.Overlap < 0 || r.Overlap > maxOverlap {
		return models.InboundEndpoint{}, errOverlap
	}
	d, err := s.FindSource(ctx, actor, id) // nothing is sealed for an endpoint that is not there
	if err != nil {
		return d.Endpoint, err
	}
	if d.Endpoint.Kind == selfKind {
		return d.Endpoint, errSelf
	}
	if err := checkSecret(r.Secret, d.Endpoint.Kind); err != nil {
		return d.Endpoint, err
	}
	if used, err := s.used(ctx, d.Secrets, r.Secret); err != nil || used {
		return d.Endpoint, orSame(err)
	}
	at := s.now()
	out := d.Endpoint
	err = s.withSecret(ctx, r.Secret, at, func(tx *store.Tx, fresh models.WebhookSecretID) error {
		e, err := tx.InboundEndpointForUpdate(id)
		if err != nil {
			return err
		}
		if e.DisabledAt != nil {
			return errDisabled
		}
		rows, err := tx.InboundSecrets(id)
		if err != nil {
			return err
		}
		generation := 1
		for _, row := range rows {
			generation = max(generation, row.Generation+1)
			if err := retire(tx, row, at, r); err != nil {
				return err
			}
		}
		row := models.InboundSecret{EndpointID: id, ID: fresh, Generation: generation, Staged: r.Staged, OverlapSeconds: int(r.Overlap / time.Second), ValidFrom: at}
		if err := tx.InsertInboundSecret(row); err != nil {
			return fmt.Errorf("add generation %d to endpoint %s: %w", generation, id, err)
		}
		if !r.Staged {
			e.WindowUntil = nil
		}
		if err := tx.ChangeInboundEndpoint(e); err != nil {
			return err
		}
		out = e
		return s.audit.Append(ctx, tx, actor, entry("source.rotate_secret", e, map[string]string{
			"generation": strconv.Itoa(generation), "overlap": r.Overlap.String(), "staged": strconv.FormatBool(r.Staged)}))
	})
	return out, err
}

// retire does to an older generation what the new one means for it.
func retire(tx *store.Tx, row models.InboundSecret, at time.Time, r Rotation) error {
	until := at
	switch {
	case !row.Counts(at):
		return nil
	case row.Staged: // never used; the new one takes its place
	case r.Staged: // stays until the new one is seen
		return nil
	case row.ValidUntil == nil: // the one in force until now; an older one, still in its overlap, ends at once
		until = at.Add(r.Overlap)
	}
	row.Staged, row.ValidUntil = false, &until
	return tx.ChangeInboundSecret(row)
}

// promote makes a staged secret the one in force, after the first genuine call under it. The call itself is logged already; should this fail,
// the next call tries again.
func (s *Service) promote(ctx context.Context, id models.EndpointID, generation int) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTimeout)
	defer cancel()
	err := s.store.OnPlatform(ctx, "a staged secret is in use", func(tx *store.Tx) error {
		e, err := tx.InboundEndpointForUpdate(id)
		if err != nil {
			return err
		}
		rows, err := tx.InboundSecrets(id)
		if err != nil || len(rows) == 0 || rows[0].Generation != generation || !rows[0].Staged {
			return err // another call was first
		}
		at, staged := s.now(), rows[0]
		staged.Staged, staged.ValidFrom = false, at
		e.WindowUntil = nil
		if err := errors.Join(tx.ChangeInboundSecret(staged), tx.ChangeInboundEndpoint(e)); err != nil {
			return err
		}
		for _, row := range rows[1:] {
			if err := retire(tx, row, at, Rotation{Overlap: time.Duration(staged.OverlapSeconds) * time.Second}); err != nil {
				return err
			}
		}
		return s.audit.Append(ctx, tx, models.System("verifications"), entry("source.secret_in_use", e, map[string]string{"generation": strconv.Itoa(generation)}))
	})
	if err != nil {
		s.log.WarnContext(ctx, "a staged secret could not be made the one in force", "endpoint", id, "error", err)
	}
}

// withSecret seals a secret, in the platform's own space, and then writes the rows that name it. A sealed value without its row opens nothing; it
// is destroyed when the rows do not come about.
func (s *Service) withSecret(ctx context.Context, value secret.Text, at time.Time, rows func(*store.Tx, models.WebhookSecretID) error) error {
	id := models.NewID[models.WebhookSecretID](at)
	if err := s.store.InTenant(ctx, models.PlatformSpace, func(tx *store.Tx) error {
		return s.safe.Put(ctx, tx, models.PlatformSpace, owner(id), "secret", value)
	}); err != nil {
		return err
	}
	err := s.store.OnPlatform(ctx, "write an inbound endpoint", func(tx *store.Tx) error { return rows(tx, id) })
	if err != nil {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTimeout)
		defer cancel()
		if failed := s.destroy(clean, id); failed != nil {
			s.log.WarnContext(clean, "a sealed secret without a source stays behind", "secret", id, "error", failed)
		}
	}
	return err
}

func (s *Service) destroy(ctx context.Context, id models.WebhookSecretID) error {
	return s.store.InTenant(ctx, models.PlatformSpace, func(tx *store.Tx) error {
		_, err := s.safe.Destroy(ctx, tx, models.PlatformSpace, owner(id))
		return err
	})
}

// used says whether the value is one that counts already.
func (s *Service) used(ctx context.Context, rows []models.InboundSecret, value secret.Text) (bool, error) {
	found := false
	err := s.store.InTenant(ctx, models.PlatformSpace, func(tx *store.Tx) error {
		for _, row := range rows {
			if !row.Counts(s.now()) {
				continue
			}
			old, err := s.safe.Open(ctx, tx, models.PlatformSpace, owner(row.ID), "secret")
			if err != nil && !errors.Is(err, sealed.ErrAbsent) {
				return err
			}
			found = found || err == nil && old.Equal(value)
		}
		return nil
	})
	return found, err
}

func orSame(err error) error {
	if err != nil {
		return err
	}
	return errSameKey
}

// sweep destroys the secrets that ended long enough ago, and all of disabled endpoints: first the value, then the row that names it.
func (s *Service) sweep(ctx context.Context) error {
	for {
		var rows []models.InboundSecret
		err := s.store.OnPlatform(ctx, "find spent secrets of senders", func(tx *store.Tx) (err error) {
			rows, err = tx.SpentInboundSecrets(s.now().Add(-afterlife), 100)
			return err
		})
		if err != nil || len(rows) == 0 {
			return err
		}
		for _, row := range rows {
			if err := s.destroy(ctx, row.ID); err != nil {
				return fmt.Errorf("destroy secret %s of endpoint %s: %w", row.ID, row.EndpointID, err)
			}
			if err := s.store.OnPlatform(ctx, "forget a spent secret", func(tx *store.Tx) error { return tx.DeleteInboundSecret(row.EndpointID, row.ID) }); err != nil {
				return err
			}
		}
	}
}
