package tokens

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// ErrCut says that a grant may not be used: it was revoked, is invalid, or is not redeemed yet. It is the API's 401.
var ErrCut = fault.New(fault.Unproven, "grant_not_usable", "This mailbox is not connected any more. Reconnect it to go on.")

// Fresh gives a credential that is good now. It refreshes an access token that is about to end: any number of callers in this process share
// one request, and the write is a compare-and-swap on the grant's credential number, so that a refresh that lost its turn, to another process or to
// a revocation, changes nothing. Trouble on the way never changes a grant's status; only the provider's own refusal does, twice, a minute apart.
func (k *Keeper) Fresh(ctx context.Context, tenant models.TenantID, id models.GrantID) (provider.Credential, error) {
	g, c, err := k.current(ctx, tenant, id)
	if err != nil {
		return provider.Credential{}, err
	}
	if !c.Password.Empty() || c.ExpiresAt.IsZero() && !c.Access.Empty() || k.Now().Add(early).Before(c.ExpiresAt) {
		return provider.Credential{Password: c.Password, AccessToken: c.Access, ExpiresAt: c.ExpiresAt}, nil
	}
	// The caller who came first may go away; the others must still get their token.
	type answer struct {
		credential provider.Credential
		err        error
	}
	done := k.refreshing.DoChan(id.String(), func() (any, error) {
		fresh, err := k.refresh(context.WithoutCancel(ctx), g, c)
		return answer{fresh, err}, nil
	})
	select {
	case <-ctx.Done():
		return provider.Credential{}, ctx.Err()
	case result := <-done:
		a, _ := result.Val.(answer)
		return a.credential, a.err
	}
}

func (k *Keeper) current(ctx context.Context, tenant models.TenantID, id models.GrantID) (g models.Grant, c Credential, err error) {
	err = k.Store.InTenant(ctx, tenant, func(tx *store.Tx) error {
		if g, err = tx.Grant(tenant, id); err != nil {
			return err
		}
		if !g.Usable() {
			return ErrCut
		}
		if c, err = k.Load(ctx, tx, tenant, Grant(id)); errors.Is(err, sealed.ErrAbsent) {
			return ErrCut.Because(err)
		}
		return err
	})
	if err != nil {
		return g, c, fmt.Errorf("open the credential of a grant: %w", err)
	}
	return g, c, nil
}

func (k *Keeper) refresh(ctx context.Context, g models.Grant, old Credential) (provider.Credential, error) {
	// Another process, or the flight before this one, may have been here meanwhile.
	now, c, err := k.current(ctx, g.TenantID, g.ID)
	if err != nil {
		return provider.Credential{}, err
	}
	if now.Credential != g.Credential && k.Now().Add(early).Before(c.ExpiresAt) {
		return provider.Credential{AccessToken: c.Access, ExpiresAt: c.ExpiresAt}, nil
	}
	g, old = now, c
	connector, err := k.Providers.Connector(g.Provider)
	if err != nil {
		return provider.Credential{}, err
	}
	oauth, ok := connector.(provider.OAuth)
	if !ok || old.Refresh.Empty() {
		return provider.Credential{}, k.refused(ctx, g, "no refresh token")
	}
	app, err := k.App(ctx, g.ApplicationID, g.Provider)
	if err != nil {
		return provider.Credential{}, err
	}
	token, err := oauth.Refresh(ctx, app, old.Refresh)
	if errors.Is(err, provider.ErrInvalidGrant) {
		return provider.Credential{}, errors.Join(err, k.refused(ctx, g, provider.ReasonOf(err)))
	}
	if err != nil {
		return provider.Credential{}, fmt.Errorf("refresh an access token: %w", err)
	}
	fresh := Credential{Access: token.Access, Refresh: token.Refresh, ExpiresAt: token.ExpiresAt}
	err = k.Store.InTenant(ctx, g.TenantID, func(tx *store.Tx) error {
		if err := tx.MarkGrantRefreshed(g.TenantID, g.ID, g.Credential); err != nil {
			return err
		}
		return k.Save(ctx, tx, g.TenantID, Grant(g.ID), fresh)
	})
	if errors.Is(err, store.ErrNotFound) { // revoked or refreshed elsewhere while we asked
		k.discard(ctx, g, app, connector, token)
		return provider.Credential{}, ErrCut.Because(errors.New("the grant changed while its token was refreshed"))
	}
	if err != nil {
		return provider.Credential{}, fmt.Errorf("save a refreshed token: %w", err)
	}
	return provider.Credential{AccessToken: token.Access, ExpiresAt: token.ExpiresAt}, nil
}

// discard ends a token that came back after its grant was cut. Where the grant is still alive, another process refreshed it, and revoking
// ours could end that one too: then it is only forgotten.
func (k *Keeper) discard(ctx context.Context, g models.Grant, app provider.App, connector provider.Connector, token provider.Token) {
	if _, _, err := k.current(ctx, g.TenantID, g.ID); !errors.Is(err, ErrCut) && !errors.Is(err, store.ErrNotFound) {
		return
	}
	if revoker, ok := connector.(provider.Revoker); ok && !token.Refresh.Empty() {
		_, _ = revoker.Revoke(ctx, app, token) // the severance revokes the old one and reports; this is a second lock
	}
}

// Reject is told that a mail server did not take a credential that looked good. An access token is thrown away, so that the next call refreshes it and learns the
// provider's word; a password counts as refused.
func (k *Keeper) Reject(ctx context.Context, g models.Grant) error {
	byPassword := false
	err := k.Store.InTenant(ctx, g.TenantID, func(tx *store.Tx) error {
		now, err := tx.GrantForUpdate(g.TenantID, g.ID)
		if err != nil || now.Credential != g.Credential || !now.Usable() {
			return err // it has a newer credential, or none: the refusal says nothing of that
		}
		c, err := k.Load(ctx, tx, g.TenantID, Grant(g.ID))
		if err != nil {
			return err
		}
		if byPassword = c.Refresh.Empty(); byPassword {
			return nil
		}
		return k.Save(ctx, tx, g.TenantID, Grant(g.ID), Credential{Access: c.Access, ExpiresAt: time.Unix(1, 0)})
	})
	if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, sealed.ErrAbsent) {
		return fmt.Errorf("note a credential that a mail server refused: %w", err)
	}
	if byPassword {
		if err := k.refused(ctx, g, "the mail server no longer takes the password"); !errors.Is(err, ErrCut) {
			return err
		}
	}
	return nil
}

// refused notes that the provider does not take a grant's credential. The first refusal is only remembered; one at least a minute later makes the
// grant invalid, records it and tells it.
func (k *Keeper) refused(ctx context.Context, g models.Grant, reason string) error {
	now := k.Now().UTC()
	err := k.Store.InTenant(ctx, g.TenantID, func(tx *store.Tx) error {
		if g.RefusedAt == nil || now.Sub(*g.RefusedAt) < doubt {
			return tx.MarkGrantRefused(g.TenantID, g.ID, g.Credential, now)
		}
		if err := tx.MarkGrantInvalid(g.TenantID, g.ID, g.Credential, "refresh_refused", reason, now); err != nil {
			return err
		}
		return k.Refused(ctx, tx, g, reason)
	})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("note a refused credential: %w", err)
	}
	return ErrCut
}
