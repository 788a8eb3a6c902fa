package tokens

import (
	"context"
	"crypto/rand"
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

// How long a refresh may take. The lease outlives the request, so that nobody asks a second time while an answer may still come; who waits outlasts the lease of a
// process that died.
const (
	asking   = 20 * time.Second
	lease    = asking + 10*time.Second
	patience = lease + 10*time.Second
)

var errRenewing = fault.New(fault.Unavailable, "refresh_in_progress", "Access to this mailbox is just being renewed and the provider is slow to answer. Try again in a minute.")

// Fresh gives a credential that is good now. It refreshes an access token that is about to end: any number of callers in any number of processes share one request,
// those of one process by a single flight, the processes by a lease on the grant. The write is a compare-and-swap on the grant's credential number, so that a
// refresh that lost its turn, to a faster one or to a revocation, changes nothing. Trouble on the way never changes a grant's status; only the provider's own
// refusal does, twice, a minute apart.
func (k *Keeper) Fresh(ctx context.Context, tenant models.TenantID, id models.GrantID) (provider.Credential, error) {
	_, c, err := k.current(ctx, tenant, id)
	if err != nil {
		return provider.Credential{}, err
	}
	if k.good(c) {
		return c.use(), nil
	}
	// The caller who came first may go away; the others must still get their token.
	type answer struct {
		credential provider.Credential
		err        error
	}
	done := k.refreshing.DoChan(id.String(), func() (any, error) {
		fresh, err := k.refresh(context.WithoutCancel(ctx), tenant, id)
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

// good says whether a credential needs no refresh: a password, a token without a known end, or one that lasts a while yet.
func (k *Keeper) good(c Credential) bool {
	return !c.Password.Empty() || c.ExpiresAt.IsZero() && !c.Access.Empty() || k.Now().Add(early).Before(c.ExpiresAt)
}

func (c Credential) use() provider.Credential {
	return provider.Credential{Password: c.Password, AccessToken: c.Access, ExpiresAt: c.ExpiresAt}
}

func (k *Keeper) current(ctx context.Context, tenant models.TenantID, id models.GrantID) (g models.Grant, c Credential, err error) {
	err = k.Store.InTenant(ctx, tenant, func(tx *store.Tx) error {
		g, c, err = k.open(ctx, tx, tenant, id)
		return err
	})
	return g, c, err
}

// open reads a grant that may be used, and its credential.
func (k *Keeper) open(ctx context.Context, tx *store.Tx, tenant models.TenantID, id models.GrantID) (g models.Grant, c Credential, err error) {
	g, err = tx.Grant(tenant, id)
	switch {
	case err != nil:
	case !g.Usable():
		err = ErrCut
	default:
		if c, err = k.Load(ctx, tx, tenant, Grant(id)); errors.Is(err, sealed.ErrAbsent) {
			err = ErrCut.Because(err)
		}
	}
	if err != nil {
		err = fmt.Errorf("open the credential of a grant: %w", err)
	}
	return g, c, err
}

// refresh gets a new access token, or waits until another process has got it.
func (k *Keeper) refresh(ctx context.Context, tenant models.TenantID, id models.GrantID) (provider.Credential, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	holder := rand.Text()
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second/2) {
		g, c, ours, err := k.turn(ctx, tenant, id, holder)
		if err != nil {
			return provider.Credential{}, err
		}
		if k.good(c) {
			return c.use(), nil
		}
		if ours {
			fresh, err := k.ask(ctx, g, c, holder)
			if err != nil {
				k.giveBack(ctx, g, holder)
			}
			return fresh, err
		}
		select {
		case <-ctx.Done():
			return provider.Credential{}, errRenewing.Because(ctx.Err())
		case <-time.After(pause):
		}
	}
}

// turn takes the lease if it is free and reads the grant after it: another process, or the flight before this one, may have been here meanwhile.
func (k *Keeper) turn(ctx context.Context, tenant models.TenantID, id models.GrantID, holder string) (g models.Grant, c Credential, ours bool, err error) {
	err = k.Store.InTenant(ctx, tenant, func(tx *store.Tx) error {
		if ours, err = tx.TakeRefreshLease(tenant, id, holder, lease); err != nil {
			return err
		}
		if g, c, err = k.open(ctx, tx, tenant, id); err != nil || !ours || !k.good(c) {
			return err
		}
		return tx.EndRefreshLease(tenant, id, holder)
	})
	return g, c, ours, err
}

// giveBack ends a lease whose refresh failed, so that the next caller need not wait for its end.
func (k *Keeper) giveBack(ctx context.Context, g models.Grant, holder string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_ = k.Store.InTenant(ctx, g.TenantID, func(tx *store.Tx) error { return tx.EndRefreshLease(g.TenantID, g.ID, holder) }) // else it ends by itself
}

// ask sends the one request and keeps its answer. The caller holds the lease.
func (k *Keeper) ask(ctx context.Context, g models.Grant, old Credential, holder string) (provider.Credential, error) {
	connector, err := k.Providers.Connector(g.Provider)
	if err != nil {
		return provider.Credential{}, err
	}
	oauth, ok := connector.(provider.OAuth)
	if !ok || old.Refresh.Empty() && !delegated(g) {
		return provider.Credential{}, k.refused(ctx, g, "no refresh token")
	}
	app, err := k.App(ctx, g.ApplicationID, g.Provider, g.CredentialID)
	if err != nil {
		return provider.Credential{}, err
	}
	asked, cancel := context.WithTimeout(ctx, asking)
	token, err := renew(asked, oauth, app, g, old)
	cancel()
	if errors.Is(err, provider.ErrInvalidGrant) && k.challenged(g) {
		return provider.Credential{}, errors.Join(err, k.cutThere(ctx, g, provider.ReasonOf(err)))
	}
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
		return errors.Join(k.Save(ctx, tx, g.TenantID, Grant(g.ID), fresh), tx.EndRefreshLease(g.TenantID, g.ID, holder))
	})
	if errors.Is(err, store.ErrNotFound) { // revoked or refreshed elsewhere while we asked
		return k.overtaken(ctx, g, app, connector, token)
	}
	if err != nil {
		return provider.Credential{}, fmt.Errorf("save a refreshed token: %w", err)
	}
	return provider.Credential{AccessToken: token.Access, ExpiresAt: token.ExpiresAt}, nil
}

// delegated says whether a grant is opened by a service account, so that there is no refresh token.
func delegated(g models.Grant) bool { return g.Settings[provider.ByDelegation] == "true" }

// renew gets a new access token: by the refresh token, or by a service account's word for the mailbox.
func renew(ctx context.Context, by provider.OAuth, app provider.App, g models.Grant, old Credential) (provider.Token, error) {
	if !delegated(g) {
		return by.Refresh(ctx, app, old.Refresh)
	}
	d, ok := by.(provider.Delegate)
	if !ok || !app.Delegated {
		return provider.Token{}, provider.ErrAppRefused
	}
	token, who, err := d.Delegated(ctx, app, g.Login, g.ScopesGranted)
	if errors.Is(err, provider.ErrInvalidGrant) { // its words are for whoever connects; a grant that was there is over
		return provider.Token{}, provider.InvalidGrant(provider.ReasonOf(err))
	}
	if err == nil && who.Subject != g.Subject { // the address went to somebody else: theirs was never connected
		return provider.Token{}, provider.InvalidGrant("the address belongs to another person now")
	}
	return token, err
}

// overtaken answers a refresh that came back after its turn. Where the grant is alive, another process refreshed it: that token is used, and ours is only forgotten,
// because revoking it could end the other one too. Where the grant was cut, what came back is ended at the provider.
func (k *Keeper) overtaken(ctx context.Context, g models.Grant, app provider.App, connector provider.Connector, token provider.Token) (provider.Credential, error) {
	_, c, err := k.current(ctx, g.TenantID, g.ID)
	switch {
	case err == nil && k.good(c):
		return c.use(), nil
	case err == nil:
		return provider.Credential{}, errRenewing
	case !errors.Is(err, ErrCut) && !errors.Is(err, store.ErrNotFound):
		return provider.Credential{}, err
	}
	// Cut for this organisation only, the token is only forgotten: telling the provider would end what others hold.
	if revoker, ok := connector.(provider.Revoker); ok && !token.Refresh.Empty() && !k.leftAlone(ctx, g) {
		_, _ = revoker.Revoke(ctx, app, token) // the severance revokes the old one and reports; this is a second lock
	}
	return provider.Credential{}, ErrCut.Because(errors.New("the grant was cut while its token was refreshed"))
}

// leftAlone says whether the grant was cut without telling the provider. What cannot be read is taken for so: a token that is only forgotten harms nobody else.
func (k *Keeper) leftAlone(ctx context.Context, g models.Grant) bool {
	here := true
	err := k.Store.InTenant(ctx, g.TenantID, func(tx *store.Tx) error {
		cuts, err := tx.Severances(store.SeveranceQuery{Tenant: g.TenantID, Grant: g.ID, Limit: 1})
		here = err != nil || len(cuts) > 0 && cuts[0].Reach == models.ReachHere
		return err
	})
	return err != nil || here
}

// Reject is told that a mail server did not take a credential that looked good, and what it said. An access token is thrown away, so that the next call refreshes it and
// learns the provider's word: again is then true, as it is where somebody else has got a newer one. A password counts as refused. Where the provider says that it ended the
// access itself, one refresh is tried: if that is refused, or its token is ended too, the grant was cut at the provider, and ErrCut is answered.
func (k *Keeper) Reject(ctx context.Context, g models.Grant, refusal error) (again bool, err error) {
	byPassword, over := false, false
	challenge := provider.CutCause(refusal) != ""
	err = k.Store.InTenant(ctx, g.TenantID, func(tx *store.Tx) error {
		now, err := tx.GrantForUpdate(g.TenantID, g.ID)
		if err != nil || !now.Usable() {
			return err
		}
		if again = now.Credential != g.Credential; again {
			return nil // it has a newer credential: the refusal says nothing of that
		}
		if over = challenge && k.challenged(now) && now.Credential > now.ChallengedCredential; over {
			return nil
		}
		if challenge {
			if err := tx.MarkGrantChallenged(g.TenantID, g.ID, g.Credential, k.Now().UTC()); err != nil {
				return err
			}
		}
		c, err := k.Load(ctx, tx, g.TenantID, Grant(g.ID))
		if err != nil {
			return err
		}
		if byPassword = c.Refresh.Empty() && !delegated(g); byPassword {
			return nil
		}
		again = true
		return k.Save(ctx, tx, g.TenantID, Grant(g.ID), Credential{Access: c.Access, ExpiresAt: time.Unix(1, 0)})
	})
	if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, sealed.ErrAbsent) {
		return false, fmt.Errorf("note a credential that a mail server refused: %w", err)
	}
	if over {
		return false, k.cutThere(ctx, g, "")
	}
	if byPassword {
		if err := k.refused(ctx, g, "the mail server no longer takes the password"); !errors.Is(err, ErrCut) {
			return false, err
		}
	}
	return again && err == nil, nil
}

// challenged says whether the provider has said, a short while ago, that it ended an access token of this grant itself.
func (k *Keeper) challenged(g models.Grant) bool {
	return g.ChallengedAt != nil && k.Now().Sub(*g.ChallengedAt) < challengeHolds
}

// cutThere records that a grant was cut at the provider, and answers ErrCut.
func (k *Keeper) cutThere(ctx context.Context, g models.Grant, answer string) error {
	now := k.Now().UTC()
	err := k.Store.InTenant(ctx, g.TenantID, func(tx *store.Tx) error {
		if err := tx.MarkGrantInvalid(g.TenantID, g.ID, g.Credential, "cut_at_provider", provider.ClaimsChallenge, now); err != nil {
			return err
		}
		return k.CutThere(ctx, tx, g, provider.ClaimsChallenge, answer, now)
	})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("record a cut at the provider: %w", err)
	}
	return ErrCut
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
