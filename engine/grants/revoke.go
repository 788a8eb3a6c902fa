package grants

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/engine/tokens"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// The two ways of cutting a grant.
const (
	actRevoke = "revoke"
	actDelete = "delete"
)

// doorClosed is the reason of a grant that was shut with its whole tenant and not severed yet: its credential is still there.
const doorClosed = "door_closed"

// Ending is why a grant is cut, and how far.
type Ending struct {
	Reason string
	Reach  models.Reach // empty: everywhere

	offboarding *models.OffboardingID // whose door is closed; nil: not with its tenant
	batch       *models.BatchID       // that it is cut with; nil: by itself
}

// Revoke cuts access now: in one transaction every token of ours dies, the API refuses the grant, and the credential leaves the grant for the
// severance, whose worker tells the provider, destroys the credential and writes the receipt. The record stays; a reconnect revives it.
func (s *Service) Revoke(ctx context.Context, actor models.Actor, id models.GrantID, reason string) (models.Severance, error) {
	return s.cut(ctx, actor, id, actRevoke, Ending{Reason: reason})
}

// Delete does what Revoke does, and the record is gone: the next consent makes a new id. A grant that was revoked before can be deleted.
func (s *Service) Delete(ctx context.Context, actor models.Actor, id models.GrantID, reason string) (models.Severance, error) {
	return s.cut(ctx, actor, id, actDelete, Ending{Reason: reason})
}

// RevokeAs is Revoke with a reach.
func (s *Service) RevokeAs(ctx context.Context, actor models.Actor, id models.GrantID, e Ending) (models.Severance, error) {
	return s.cut(ctx, actor, id, actRevoke, e)
}

// DeleteAs is Delete with a reach.
func (s *Service) DeleteAs(ctx context.Context, actor models.Actor, id models.GrantID, e Ending) (models.Severance, error) {
	return s.cut(ctx, actor, id, actDelete, e)
}

func (s *Service) cut(ctx context.Context, actor models.Actor, id models.GrantID, act string, e Ending) (models.Severance, error) {
	g, err := s.Find(ctx, actor, id)
	if err != nil {
		return models.Severance{}, err
	}
	var severance models.Severance
	err = s.store.InTenant(ctx, g.TenantID, func(tx *store.Tx) error {
		if g, err = tx.GrantForUpdate(g.TenantID, id); err != nil {
			return err
		}
		severance, err = s.cutLocked(ctx, tx, actor, g, act, e)
		return err
	})
	if err != nil {
		return models.Severance{}, fmt.Errorf("%s a grant: %w", act, err)
	}
	s.providers.Close(g.ID.String())
	s.wasCut(g.ID)
	return severance, nil
}

// cutLocked cuts a grant whose row the caller holds, in the caller's transaction.
func (s *Service) cutLocked(ctx context.Context, tx *store.Tx, actor models.Actor, g models.Grant, act string, e Ending) (models.Severance, error) {
	v, err := s.sever(ctx, tx, actor, g, act, e)
	if err != nil {
		return v, err
	}
	if err := s.endHeld(tx, g.TenantID, []models.GrantID{g.ID}, act, v.CutAt); err != nil {
		return v, err
	}
	return v, s.end(ctx, tx, actor, g, act, e, v.CutAt)
}

// endHeld ends what programs hold of some grants of a tenant, or have under way: tokens, codes, messages that wait, watches. It is a statement each, whatever their number.
func (s *Service) endHeld(tx *store.Tx, tenant models.TenantID, ids []models.GrantID, act string, at time.Time) error {
	if _, err := tx.RevokeTokenFamiliesOfGrants(tenant, ids, at, "grant_"+act); err != nil {
		return err
	}
	if err := tx.BurnConnectCodes(tenant, ids, at); err != nil {
		return err
	}
	if _, err := tx.CancelSchedulesOfGrants(tenant, ids, at.UTC(), "grant_"+act); err != nil {
		return err
	}
	return tx.EndWatches(tenant, ids)
}

// sever hands the credential over and enqueues the work at the provider. Where nobody is to be told, the credential is destroyed and the receipt written at once. A grant
// that was revoked before has nothing left to hand over: its first severance stands.
func (s *Service) sever(ctx context.Context, tx *store.Tx, actor models.Actor, g models.Grant, act string, e Ending) (models.Severance, error) {
	if g.StatusReason == doorClosed && e.offboarding == nil {
		return models.Severance{}, errOffboarding
	}
	if g.Status == models.GrantRevoked && g.StatusReason != doorClosed {
		if act == actRevoke {
			return models.Severance{}, ErrAlreadyRevoked
		}
		before, err := tx.Severances(store.SeveranceQuery{Tenant: g.TenantID, Grant: g.ID, Limit: 1})
		if err != nil || len(before) == 0 {
			return models.Severance{CutAt: s.now()}, err
		}
		before[0].CutAt = s.now()
		return before[0], nil
	}
	if e.Reach == "" {
		e.Reach = models.ReachEverywhere
	}
	now := s.now()
	v := models.Severance{TenantID: g.TenantID, ID: models.NewID[models.SeveranceID](now), ApplicationID: g.ApplicationID, GrantID: g.ID, Act: act, Reach: e.Reach,
		Provider: g.Provider, Subject: g.Subject, Email: g.Email, Reason: e.Reason, Actor: actor.Label, ActorID: actor.ID, CutAt: now, NextTryAt: &now, CredentialID: g.CredentialID, OffboardingID: e.offboarding,
		Delegated: delegated(g)}
	if g.StatusReason == doorClosed && g.RevokedAt != nil {
		v.CutAt = *g.RevokedAt // refused since then
	}
	if err := s.pushed(tx, &v); err != nil {
		return v, err
	}
	if err := tx.InsertSeverance(v); err != nil {
		return v, err
	}
	if answer, known := s.untold(v); known && !v.Pushed {
		c, err := s.tokens.Load(ctx, tx, g.TenantID, tokens.Grant(g.ID))
		if err != nil && !errors.Is(err, sealed.ErrAbsent) {
			return v, err
		}
		answer.AccessUntil = accessUntil(v, c)
		return v, s.settle(ctx, tx, v, answer, tokens.Grant(g.ID))
	}
	if err := s.tokens.Detach(ctx, tx, g.TenantID, g.ID, v.ID); err != nil {
		return v, err
	}
	return v, s.outbox.Job(ctx, tx, Sever{Tenant: v.TenantID, Severance: v.ID}, &river.InsertOpts{MaxAttempts: severTries})
}

// end makes the grant dead for us and records it.
func (s *Service) end(ctx context.Context, tx *store.Tx, actor models.Actor, g models.Grant, act string, e Ending, at time.Time) error {
	entry := objectOf(g)
	entry.Action, entry.Detail = "grant."+act, map[string]string{"provider": g.Provider, "reason": e.Reason}
	if e.batch != nil {
		entry.Detail["batch"] = e.batch.String()
	}
	if err := s.audit.Append(ctx, tx, actor, entry); err != nil {
		return err
	}
	if act == actDelete {
		if err := tx.DeleteGrant(g.TenantID, g.ID); err != nil {
			return err
		}
		if g.Status == models.GrantPending {
			return nil // programs never heard of it
		}
		return s.tell(ctx, tx, g, "grant.deleted", Notice{Code: codeDeleted})
	}
	if err := tx.MarkGrantRevoked(g.TenantID, g.ID, "revoked", at); err != nil {
		return err
	}
	again := false
	return s.tell(ctx, tx, g, "grant.updated", Notice{Code: codeUpdated, Reauthentication: &again, Status: "invalid"})
}

// RevokeTokens ends every access and refresh token that programs hold for a grant, and says how many families there were. The connection stays: a
// program gets new tokens only by a new consent, an API key still reaches the mailbox.
func (s *Service) RevokeTokens(ctx context.Context, actor models.Actor, id models.GrantID) (int, error) {
	g, err := s.Find(ctx, actor, id)
	if err != nil {
		return 0, err
	}
	var n int
	err = s.store.InTenant(ctx, g.TenantID, func(tx *store.Tx) error {
		if n, err = tx.RevokeTokenFamiliesOfGrants(g.TenantID, []models.GrantID{id}, s.now(), "revoked_by_staff"); err != nil {
			return err
		}
		entry := objectOf(g)
		entry.Action, entry.Detail = "grant.revoke_tokens", map[string]string{"families": fmt.Sprint(n)}
		return s.audit.Append(ctx, tx, actor, entry)
	})
	if err != nil {
		return 0, fmt.Errorf("revoke the tokens of a grant: %w", err)
	}
	return n, nil
}

// WhatEnds says, before the click, what cutting the grant ends and what it does not. It says the same whether or not another organisation holds that mailbox.
func (s *Service) WhatEnds(g models.Grant) provider.Severance {
	server := g.Settings[provider.IMAPHost]
	if server == "" {
		server = g.Settings["ews_host"]
	}
	return provider.SeveranceOf(g.Provider, provider.SeveranceFacts{Address: g.Email, Server: server, Delegated: delegated(g)})
}

// delegated says whether a service account opens the mailbox, so that no person consented.
func delegated(g models.Grant) bool { return g.Settings[provider.ByDelegation] == "true" }
