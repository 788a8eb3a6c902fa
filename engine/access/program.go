package access

import (
	"context"
	"errors"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

var (
	errBearer       = fault.New(fault.Unproven, "unauthorized", "The API key or access token is missing, unknown, expired or revoked.")
	errTokenAddress = fault.New(fault.Denied, "address_not_allowed", "This access token was issued to an API key that may not be used from your network address; nor may the token.")
	errAddress      = fault.New(fault.Denied, "address_not_allowed", "This API key may not be used from your network address.")

	keyForm   = regexp.MustCompile(`^postern_(us|eu)_[A-Za-z0-9_-]{43}$`)
	tokenForm = regexp.MustCompile(`^pat_[A-Za-z0-9_-]{20,200}$`)
)

// Program says who shows the bearer: an API key or an access token of ours. A bearer that is malformed, unknown, expired or revoked is one
// and the same fault, Unproven with the code unauthorized. A database that does not answer is an error of another kind: nobody is told
// that a good key is bad. A revoked token is refused at the next request on every node, a revoked key on the node that revoked it; on others within KeyStanding.
func (s *Service) Program(ctx context.Context, bearer secret.Text, addr netip.Addr) (models.Actor, error) {
	switch text := bearer.Reveal(); {
	case keyForm.MatchString(text) && !strings.HasPrefix(text, "postern_"+s.region+"_"):
		return models.Actor{}, s.elsewhere(text)
	case keyForm.MatchString(text):
		return s.byKey(ctx, bearer, addr)
	case tokenForm.MatchString(text):
		return s.byToken(ctx, bearer, addr)
	default:
		return models.Actor{}, errBearer
	}
}

// elsewhere is the answer to a key of another region: it opens nothing here, and its form alone says where it belongs, so nothing is told that the caller did not bring.
func (s *Service) elsewhere(key string) error {
	region := key[len("postern_"):][:2]
	return fault.Elsewhere(fault.Unproven, "This key", region, s.region, s.siblings[region])
}

// belongs refuses everybody of an organisation that another region keeps, and says where to go. what is what they came with.
func (s *Service) belongs(kind fault.Kind, what, region string) error {
	if region == s.region {
		return nil
	}
	return fault.Elsewhere(kind, what, region, s.region, s.siblings[region])
}

func (s *Service) byKey(ctx context.Context, bearer secret.Text, addr netip.Addr) (models.Actor, error) {
	k, err := s.keyOf(ctx, bearer)
	if err != nil {
		return models.Actor{}, err
	}
	at := s.now().UTC()
	if !k.key.Usable(at) {
		return models.Actor{}, errBearer
	}
	if k.region != "" {
		if err := s.belongs(fault.Unproven, "The organisation of this key", k.region); err != nil {
			return models.Actor{}, err
		}
	}
	if !k.allowed(addr) {
		return models.Actor{}, errAddress
	}
	a := models.Actor{Kind: models.ActorKey, ID: k.key.ID.String(), Label: keyLabel(k.key), Application: k.key.ApplicationID, Addr: addr, Permissions: k.permissions, Addresses: k.key.Addresses}
	if k.key.TenantID != nil {
		a.Tenant = *k.key.TenantID
	}
	s.noteUse(ctx, k, at)
	return a, nil
}

func (s *Service) byToken(ctx context.Context, bearer secret.Text, addr netip.Addr) (models.Actor, error) {
	tenant, id, err := s.store.FindToken(ctx, hashOf(bearer))
	if err != nil {
		return models.Actor{}, unknown(err)
	}
	standing, err := s.store.TokenSeen(ctx, tenant, id)
	if err != nil {
		return models.Actor{}, unknown(err)
	}
	token := standing.Token
	if token.Kind != "access" || standing.FamilyRevokedAt != nil || token.ExpiresAt != nil && !s.now().Before(*token.ExpiresAt) ||
		standing.Grant.Status == models.GrantRevoked || standing.Grant.Status == models.GrantPending {
		return models.Actor{}, errBearer
	}
	if err := s.belongs(fault.Unproven, "The organisation of this access token", standing.Region); err != nil {
		return models.Actor{}, err
	}
	if !within(token.Addresses, addr) {
		return models.Actor{}, errTokenAddress
	}
	permissions := models.TokenPermissions()
	if len(token.Permissions) > 0 {
		permissions = slices.DeleteFunc(permissions, func(p models.Permission) bool { return !slices.Contains(token.Permissions, string(p)) })
	}
	return models.Actor{Kind: models.ActorToken, ID: token.ID.String(), Label: "Access token for " + standing.Grant.Email, Application: token.ApplicationID,
		Tenant: tenant, Grant: token.GrantID, Permissions: permissions, Addr: addr}, nil
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
