package grants

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"time"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/outbox"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/tokens"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// Config wires the deeds on grants.
type Config struct {
	Store     *store.Store
	Audit     *audit.Keeper
	Outbox    *outbox.Keeper
	Tokens    *tokens.Keeper
	Providers *provider.Set
	BaseURL   string               // public address of this installation, without a slash at its end
	Region    string               // us or eu
	Company   string               // who asks, on the consent page
	IDTokens  ed25519.PrivateKey   // signs id tokens
	Cut       func(models.GrantID) // called when a grant was cut in this process, after the commit; nil: nobody wants to know
	// Push is where the provider of a grant was asked to push, if it was; nil, or nil for a grant: nobody out there reaches us.
	Push func(models.GrantID) *provider.Push
	Now  func() time.Time
	Log  *slog.Logger
}

// Service does the deeds. It is safe for concurrent use.
type Service struct {
	store     *store.Store
	audit     *audit.Keeper
	outbox    *outbox.Keeper
	tokens    *tokens.Keeper
	providers *provider.Set
	baseURL   string
	region    string
	company   string
	idTokens  ed25519.PrivateKey
	wasCut    func(models.GrantID)
	push      func(models.GrantID) *provider.Push
	clock     func() time.Time
	log       *slog.Logger
}

// New makes the service. It starts no work; see Workers.
func New(c Config) *Service {
	if c.Cut == nil {
		c.Cut = func(models.GrantID) {}
	}
	return &Service{wasCut: c.Cut, push: c.Push, store: c.Store, audit: c.Audit, outbox: c.Outbox, tokens: c.Tokens, providers: c.Providers, baseURL: c.BaseURL,
		region: c.Region, company: c.Company, idTokens: c.IDTokens, clock: c.Now, log: c.Log}
}

// now is cut to what the database keeps, so that a time reads the same before and after it was stored.
func (s *Service) now() time.Time { return s.clock().UTC().Truncate(time.Microsecond) }

// read runs fn in the widest scope the actor has: staff over all tenants, a tenant-bound actor in its tenant, a program in its application. fn must still
// name what it looks for: the scope is the second wall.
func (s *Service) read(ctx context.Context, actor models.Actor, reason string, fn func(*store.Tx) error) error {
	switch {
	case actor.Platform():
		return s.store.OnPlatform(ctx, reason, fn)
	case !actor.Tenant.IsZero():
		return s.store.InTenant(ctx, actor.Tenant, fn)
	case !actor.Application.IsZero():
		return s.store.InApplication(ctx, actor.Application, fn)
	default:
		return store.ErrNotFound
	}
}

// scopeOf is the widest scope the actor has, as read takes it.
func scopeOf(actor models.Actor, reason string) (store.Scope, error) {
	switch {
	case actor.Platform():
		return store.PlatformScope(reason), nil
	case !actor.Tenant.IsZero():
		return store.TenantScope(actor.Tenant), nil
	case !actor.Application.IsZero():
		return store.ApplicationScope(actor.Application), nil
	default:
		return store.Scope{}, store.ErrNotFound
	}
}

// knows says whether the actor may know of the grant at all.
func knows(actor models.Actor, g models.Grant) bool {
	return actor.Sees(g.TenantID) &&
		(actor.Application.IsZero() || actor.Application == g.ApplicationID) &&
		(actor.Grant.IsZero() || actor.Grant == g.ID)
}

// objectOf names a grant in the audit.
func objectOf(g models.Grant) audit.Entry {
	return audit.Entry{Tenant: g.TenantID, Application: g.ApplicationID, ObjectKind: "grant", ObjectID: g.ID.String(), Object: g.Email}
}

// source is the v3 word for events that come from the gateway itself.
const source = "/nylas/system"

// Notice is data.object of the grant events, in the shape that v3 receivers know.
type Notice struct {
	Code             int      `json:"code"`
	GrantID          string   `json:"grant_id"`
	IntegrationID    string   `json:"integration_id"`
	LoginID          string   `json:"login_id,omitempty"`
	Provider         string   `json:"provider"`
	Email            string   `json:"email"`
	Name             string   `json:"name,omitempty"`
	Scope            []string `json:"scope,omitempty"`
	Reauthentication *bool    `json:"reauthentication_flag,omitempty"`
	GrantUpdatedAt   int64    `json:"grant_updated_at,omitempty"`
	WorkspaceID      string   `json:"workspace_id"`
	Status           string   `json:"grant_status,omitempty"`
}

// The codes of the grant events (contract, section 6.6).
const (
	codeCreated = 25012
	codeUpdated = 25014
	codeReauth  = 25027
	codeDeleted = 25013
	codeExpired = 25009
)

func (s *Service) tell(ctx context.Context, tx *store.Tx, g models.Grant, kind string, n Notice) error {
	n.GrantID, n.IntegrationID, n.Provider, n.Email, n.WorkspaceID = g.ID.String(), g.ApplicationID.String(), g.Provider, g.Email, g.TenantID.String()
	_, err := s.outbox.Event(ctx, tx, outbox.Event{Tenant: g.TenantID, Application: g.ApplicationID, Grant: g.ID, Type: kind, Source: source, Object: n})
	return err
}

// Expired records that a provider refuses a grant for good. It is handed to the tokens keeper, which calls it in the transaction of the change.
func (s *Service) Expired(ctx context.Context, tx *store.Tx, g models.Grant, reason string) error {
	entry := objectOf(g)
	entry.Action, entry.Detail = "grant.expire", map[string]string{"provider": g.Provider, "reason": reason}
	if err := s.audit.Append(ctx, tx, models.System("token refresh"), entry); err != nil {
		return err
	}
	return s.tellExpired(ctx, tx, g)
}

// The faults of this package that more than one deed answers.
var (
	// ErrRevoked is a grant that was cut. Programs get it as 401.
	ErrRevoked        = fault.New(fault.Unproven, "grant_revoked", "Access to this mailbox was revoked. It can be used again only after its owner reconnects it.")
	ErrAlreadyRevoked = fault.New(fault.Conflict, "grant_already_revoked", "Access to this mailbox was revoked before. Nothing was changed.")
	ErrInvalidToken   = fault.New(fault.Invalid, "invalid_token", "The token is not one of ours, has expired or was revoked.")
)
