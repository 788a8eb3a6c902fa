package access

import (
	"context"
	"errors"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

var (
	errBearer  = fault.New(fault.Unproven, "unauthorized", "The API key or access token is missing, unknown, expired or revoked.")
	errAddress = fault.New(fault.Denied, "address_not_allowed", "This API key may not be used from your network address.")

	keyForm   = regexp.MustCompile(`^postern_(us|eu)_[A-Za-z0-9_-]{43}$`)
	tokenForm = regexp.MustCompile(`^pat_[A-Za-z0-9_-]{20,200}$`)
)

// Program says who shows the bearer: an API key or an access token of ours. A bearer that is malformed, unknown, expired or revoked is one
// and the same fault, Unproven with the code unauthorized. A database that does not answer is an error of another kind: nobody is told
// that a good key is bad. Nothing is cached, so a revoked one is refused at the next request on every node.
func (s *Service) Program(ctx context.Context, bearer secret.Text, addr netip.Addr) (models.Actor, error) {
	switch text := bearer.Reveal(); {
	case keyForm.MatchString(text):
		return s.byKey(ctx, bearer, addr)
	case tokenForm.MatchString(text):
		return s.byToken(ctx, bearer, addr)
	default:
		return models.Actor{}, errBearer
	}
}

func (s *Service) byKey(ctx context.Context, bearer secret.Text, addr netip.Addr) (models.Actor, error) {
	application, id, err := s.store.FindKey(ctx, hashOf(bearer))
	if err != nil {
		return models.Actor{}, unknown(err)
	}
	var key models.APIKey
	err = s.store.InApplication(ctx, application, func(tx *store.Tx) (err error) {
		key, err = tx.APIKey(application, id)
		return err
	})
	if err != nil {
		return models.Actor{}, unknown(err)
	}
	at := s.now().UTC()
	if !key.Usable(at) {
		return models.Actor{}, errBearer
	}
	if !allowed(key.Addresses, addr) {
		return models.Actor{}, errAddress
	}
	a := models.Actor{Kind: models.ActorKey, ID: key.ID.String(), Label: keyLabel(key), Application: application, Addr: addr, Permissions: models.KeyPermissions()}
	if len(key.Permissions) > 0 {
		a.Permissions = slices.DeleteFunc(a.Permissions, func(p models.Permission) bool { return !slices.Contains(key.Permissions, string(p)) })
	}
	if key.TenantID != nil {
		a.Tenant = *key.TenantID
	}
	if key.LastUsedAt == nil || at.Sub(*key.LastUsedAt) >= time.Minute {
		s.noteUse(ctx, application, id, at)
	}
	return a, nil
}

// noteUse writes the last use in a transaction of its own. That it fails is no reason to refuse the program.
func (s *Service) noteUse(ctx context.Context, application models.ApplicationID, id models.APIKeyID, at time.Time) {
	err := s.store.InApplication(ctx, application, func(tx *store.Tx) error { return tx.MarkAPIKeyUsed(application, id, at) })
	if err != nil {
		s.log.WarnContext(ctx, "the use of an API key was not noted", "key", id.String(), "error", err.Error())
	}
}

func (s *Service) byToken(ctx context.Context, bearer secret.Text, addr netip.Addr) (models.Actor, error) {
	tenant, id, err := s.store.FindToken(ctx, hashOf(bearer))
	if err != nil {
		return models.Actor{}, unknown(err)
	}
	var standing store.TokenStanding
	err = s.store.InTenant(ctx, tenant, func(tx *store.Tx) (err error) {
		standing, err = tx.TokenStanding(tenant, id)
		return err
	})
	if err != nil {
		return models.Actor{}, unknown(err)
	}
	token := standing.Token
	if token.Kind != "access" || standing.FamilyRevokedAt != nil || token.ExpiresAt != nil && !s.now().Before(*token.ExpiresAt) ||
		standing.Grant.Status == models.GrantRevoked || standing.Grant.Status == models.GrantPending {
		return models.Actor{}, errBearer
	}
	return models.Actor{Kind: models.ActorToken, ID: token.ID.String(), Label: "Access token for " + standing.Grant.Email, Application: token.ApplicationID,
		Tenant: tenant, Grant: token.GrantID, Permissions: models.TokenPermissions(), Addr: addr}, nil
}

// TokensHeld counts the tokens that programs hold for a grant and could use now. The caller has found the grant for the actor.
func (s *Service) TokensHeld(ctx context.Context, actor models.Actor, g models.Grant) (int, error) {
	if !actor.Sees(g.TenantID) || g.Status == models.GrantRevoked {
		return 0, nil
	}
	var n int
	err := s.store.InTenant(ctx, g.TenantID, func(tx *store.Tx) (err error) {
		n, err = tx.CountLiveTokens(g.TenantID, g.ID, s.now().UTC())
		return err
	})
	return n, err
}

// unknown turns "there is no such row" into "not proven", and nothing else.
func unknown(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return errBearer.Because(err)
	}
	return err
}

// allowed says whether addr is in one of the networks; without networks every address is. An address that could not be told is in none.
func allowed(networks []string, addr netip.Addr) bool {
	if len(networks) == 0 {
		return true
	}
	return slices.ContainsFunc(networks, func(text string) bool {
		p, err := netip.ParsePrefix(strings.TrimSpace(text))
		return err == nil && p.Contains(addr.Unmap())
	})
}
