package grants

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// accessLife is how long an access token of ours lives.
const accessLife = time.Hour

// RedeemRequest is POST /v3/connect/token. Caller is who authenticated with an API key, in the header or as client_secret; a zero Caller did not.
type RedeemRequest struct {
	GrantType, ClientID, RedirectURI string
	Code, CodeVerifier, RefreshToken secret.Text
	Caller                           models.Actor
}

// Issued is what a program gets for a code or a refresh token.
type Issued struct {
	AccessToken, RefreshToken, IDToken secret.Text // RefreshToken is empty for online access, and where the old one stays good
	ExpiresIn                          int         // seconds
	Grant                              models.Grant
	Scope                              string
}

// The faults of the token endpoint; their codes are the words of RFC 6749 section 5.2.
var (
	errGrantType   = fault.New(fault.Invalid, "unsupported_grant_type", "The grant_type must be \"authorization_code\" or \"refresh_token\".")
	errBadClient   = fault.New(fault.Invalid, "invalid_client", "The client_id and its secret do not belong together, or the secret is missing: send an API key of the application.")
	errBadCode     = fault.New(fault.Invalid, "invalid_grant", "The code is not valid: it was used before, is past its time, or belongs to another application or redirect_uri.")
	errBadVerifier = fault.New(fault.Invalid, "invalid_grant", "The code_verifier does not match the code_challenge of this sign-in. The code cannot be used any more; start again.")
	errBadRefresh  = fault.New(fault.Invalid, "invalid_grant", "The refresh token is not valid any more. Send the person through connect/auth again.")
)

// Redeem exchanges a code, once, or a refresh token. A code presented a second time ends everything that was issued for it.
func (s *Service) Redeem(ctx context.Context, r RedeemRequest) (Issued, error) {
	application, err := models.ParseID[models.ApplicationID](r.ClientID)
	if err != nil || !r.Caller.Application.IsZero() && r.Caller.Application != application {
		return Issued{}, errBadClient
	}
	switch r.GrantType {
	case "authorization_code":
		return s.redeemCode(ctx, application, r)
	case "refresh_token":
		return s.redeemRefresh(ctx, application, r)
	default:
		return Issued{}, errGrantType
	}
}

func (s *Service) redeemCode(ctx context.Context, application models.ApplicationID, r RedeemRequest) (Issued, error) {
	tenant, id, err := s.store.FindFlowByCode(ctx, models.HashToken(r.Code.Reveal()))
	if absent(err) {
		return Issued{}, errBadCode
	}
	if err != nil {
		return Issued{}, err
	}
	var issued Issued
	var refusal error
	err = s.store.InTenant(ctx, tenant, func(tx *store.Tx) error {
		issued, refusal = Issued{}, nil
		f, err := tx.ConnectFlowForUpdate(tenant, id)
		if err != nil {
			return err
		}
		if f.ApplicationID != application {
			refusal = errBadCode // another application's code: not even burnt, so that nobody can spoil it by guessing ids
			return nil
		}
		if f.CodeSpentAt != nil {
			refusal = errBadCode
			return s.reused(ctx, tx, r.Caller, f)
		}
		// A failed attempt burns the code: whoever tries has it, and should not try twice.
		if err := tx.SpendConnectCode(tenant, id, s.now()); err != nil {
			return err
		}
		if refusal = s.checkCode(f, r); refusal != nil {
			entry := audit.Entry{Action: "grant.redeem", Tenant: tenant, Application: application, ObjectKind: "connect_flow", ObjectID: id.String(), Object: f.Email, Outcome: models.OutcomeRefused}
			return s.audit.Append(ctx, tx, callerOr(r.Caller, f), entry)
		}
		issued, err = s.bringInForce(ctx, tx, r.Caller, f)
		return err
	})
	if err == nil {
		err = refusal
	}
	if err != nil {
		return Issued{}, fmt.Errorf("redeem a code: %w", err)
	}
	return issued, nil
}

// checkCode says why a code may not be redeemed, or nil.
func (s *Service) checkCode(f models.ConnectFlow, r RedeemRequest) error {
	switch {
	case f.CodeExpiresAt == nil || !s.now().Before(*f.CodeExpiresAt), r.RedirectURI != f.RedirectURI:
		return errBadCode
	case !r.Caller.Tenant.IsZero() && r.Caller.Tenant != f.TenantID:
		return errBadCode
	case r.Caller.Application.IsZero() && (f.Platform == "web" || f.Challenge == ""):
		return errBadClient // no secret: only a public platform with PKCE may do without
	case f.Challenge == "" && !r.CodeVerifier.Empty():
		return errBadVerifier // a verifier without a challenge: somebody stripped it (RFC 9700 section 2.1.1)
	case f.Challenge != "" && !verified(f.ChallengeMethod, f.Challenge, r.CodeVerifier):
		return errBadVerifier
	default:
		return nil
	}
}

// verified compares the verifier with the challenge. For S256 two forms are in the field: that of RFC 7636 section 4.2, base64url of the digest's bytes, and that of Nylas'
// clients, base64 of the digest's hexadecimal text. Both are computed and compared in constant time.
func verified(method, challenge string, verifier secret.Text) bool {
	if verifier.Empty() {
		return false
	}
	if method == "plain" {
		return subtle.ConstantTimeCompare([]byte(verifier.Reveal()), []byte(challenge)) == 1
	}
	sum := sha256.Sum256([]byte(verifier.Reveal()))
	challenge = strings.TrimRight(challenge, "=")
	rfc := base64.RawURLEncoding.EncodeToString(sum[:])
	nylas := base64.RawStdEncoding.EncodeToString([]byte(hex.EncodeToString(sum[:])))
	return subtle.ConstantTimeCompare([]byte(rfc), []byte(challenge))|subtle.ConstantTimeCompare([]byte(nylas), []byte(challenge)) == 1
}

// reused ends everything that was issued for a code that is presented again: one of the two who hold it should not (RFC 6749 section 4.1.2).
func (s *Service) reused(ctx context.Context, tx *store.Tx, caller models.Actor, f models.ConnectFlow) error {
	n, err := tx.RevokeTokenFamiliesOfFlow(f.TenantID, f.ID, s.now(), "code_reused")
	if err != nil || n == 0 {
		return err
	}
	return s.audit.Append(ctx, tx, callerOr(caller, f), audit.Entry{Action: "token.code_reused", Tenant: f.TenantID, Application: f.ApplicationID, ObjectKind: "grant", ObjectID: idOf(f.GrantID),
		Object: f.Email, Outcome: models.OutcomeRefused, Detail: map[string]string{"families_ended": fmt.Sprint(n)}})
}

func callerOr(caller models.Actor, f models.ConnectFlow) models.Actor {
	if caller.Kind == "" {
		return flowActor(f)
	}
	return caller
}

func idOf(id *models.GrantID) string {
	if id == nil {
		return ""
	}
	return id.String()
}

// bringInForce makes the flow's grant valid and issues its tokens.
func (s *Service) bringInForce(ctx context.Context, tx *store.Tx, caller models.Actor, f models.ConnectFlow) (Issued, error) {
	now := s.now()
	// The pending row may be gone, when another consent for this mailbox ran out meanwhile; then it is made anew.
	g, err := tx.InsertGrant(models.Grant{TenantID: f.TenantID, ID: *f.GrantID, ApplicationID: f.ApplicationID, Provider: f.Provider, Subject: f.Subject, Email: f.Email, Name: f.Name,
		Login: f.Login, Status: models.GrantPending, StatusReason: "consented", StatusAt: now, Settings: f.Settings, ScopesRequested: f.ScopesRequested,
		ScopesGranted: f.ScopesGranted, CreatedAt: now, UpdatedAt: now})
	if err != nil {
		return Issued{}, err
	}
	if g, err = s.activate(ctx, tx, callerOr(caller, f), f, g); err != nil {
		return Issued{}, err
	}
	family := models.TokenFamily{TenantID: g.TenantID, ID: models.NewID[models.FamilyID](now), ApplicationID: g.ApplicationID, GrantID: g.ID, FlowID: &f.ID, CreatedAt: now}
	if err := tx.InsertTokenFamily(family); err != nil {
		return Issued{}, err
	}
	issued := Issued{Grant: g}
	limits := limitsOf(caller)
	if f.Offline {
		if issued.RefreshToken, err = s.issue(tx, family, "refresh", models.RefreshTokenPrefix, g.ScopesGranted, limits, nil); err != nil {
			return Issued{}, err
		}
	}
	return s.withAccess(tx, family, g, limits, issued)
}

// tokenLimits are what a token inherits of the API key that it is issued to. It is no wider than that key: or a key that may not send could get itself a token that may.
type tokenLimits struct{ permissions, addresses models.Strings }

// limitsOf reads the limits of who redeems. A program without a key, on a platform that keeps no secret, has none but those of every token.
func limitsOf(caller models.Actor) tokenLimits {
	out := tokenLimits{models.Strings{}, append(models.Strings{}, caller.Addresses...)}
	if caller.Kind != models.ActorKey {
		return out
	}
	return out.within(caller.Permissions)
}

// within leaves what is among the permissions, too. ExchangeTokens is always among them: without it nobody redeems.
func (l tokenLimits) within(permissions []models.Permission) tokenLimits {
	all := models.TokenPermissions()
	kept := models.Strings{}
	for _, p := range all {
		if slices.Contains(permissions, p) && (len(l.permissions) == 0 || slices.Contains(l.permissions, string(p))) {
			kept = append(kept, string(p))
		}
	}
	if len(kept) == len(all) {
		kept = models.Strings{}
	}
	l.permissions = kept
	return l
}

func (s *Service) issue(tx *store.Tx, family models.TokenFamily, kind, prefix string, scopes []string, limits tokenLimits, ends *time.Time) (secret.Text, error) {
	token := models.NewToken(prefix)
	err := tx.InsertIssuedToken(models.IssuedToken{TenantID: family.TenantID, ID: models.NewID[models.TokenID](s.clock()), ApplicationID: family.ApplicationID, GrantID: family.GrantID,
		FamilyID: family.ID, Kind: kind, Hash: models.HashToken(token), Scopes: scopes, Permissions: limits.permissions, Addresses: limits.addresses, CreatedAt: s.now(), ExpiresAt: ends})
	return secret.New(token), err
}

func (s *Service) withAccess(tx *store.Tx, family models.TokenFamily, g models.Grant, limits tokenLimits, issued Issued) (Issued, error) {
	ends := s.now().Add(accessLife)
	var err error
	if issued.AccessToken, err = s.issue(tx, family, "access", models.AccessTokenPrefix, g.ScopesGranted, limits, &ends); err != nil {
		return Issued{}, err
	}
	claims := jwt.MapClaims{"iss": s.baseURL, "aud": g.ApplicationID.String(), "sub": g.ID.String(), "email": g.Email, "email_verified": true, "name": g.Name, "provider": g.Provider,
		"iat": s.now().Unix(), "exp": ends.Unix()}
	id, err := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims).SignedString(s.idTokens)
	if err != nil {
		return Issued{}, fmt.Errorf("sign an id token: %w", err)
	}
	issued.IDToken, issued.ExpiresIn, issued.Scope, issued.Grant = secret.New(id), int(accessLife.Seconds()), strings.Join(g.ScopesGranted, " "), g
	return issued, nil
}

// redeemRefresh issues a new access token. The refresh token stays good until it is revoked, as v3 clients expect.
func (s *Service) redeemRefresh(ctx context.Context, application models.ApplicationID, r RedeemRequest) (Issued, error) {
	if r.Caller.Application.IsZero() {
		return Issued{}, errBadClient
	}
	standing, err := s.standing(ctx, r.RefreshToken, "refresh")
	if err != nil || standing.Token.ApplicationID != application || !knows(r.Caller, standing.Grant) {
		if err != nil && !errors.Is(err, ErrInvalidToken) {
			return Issued{}, err
		}
		return Issued{}, errBadRefresh
	}
	var issued Issued
	tenant := standing.Token.TenantID
	err = s.store.InTenant(ctx, tenant, func(tx *store.Tx) error {
		now, err := tx.TokenStanding(tenant, standing.Token.ID)
		if err != nil || now.FamilyRevokedAt != nil || now.Grant.Status != models.GrantValid {
			return errBadRefresh.Because(err)
		}
		family := models.TokenFamily{TenantID: tenant, ID: now.Token.FamilyID, ApplicationID: application, GrantID: now.Grant.ID}
		// Neither wider than the key that got the refresh token, nor than the one that shows it.
		limits := tokenLimits{now.Token.Permissions, now.Token.Addresses}.within(r.Caller.Permissions)
		if len(r.Caller.Addresses) > 0 {
			limits.addresses = r.Caller.Addresses
		}
		issued, err = s.withAccess(tx, family, now.Grant, limits, Issued{})
		return err
	})
	if err != nil {
		return Issued{}, fmt.Errorf("redeem a refresh token: %w", err)
	}
	return issued, nil
}

// standing reads a token of ours that may be used now, or ErrInvalidToken. kind "" takes both.
func (s *Service) standing(ctx context.Context, token secret.Text, kind string) (store.TokenStanding, error) {
	tenant, id, err := s.store.FindToken(ctx, models.HashToken(token.Reveal()))
	if absent(err) {
		return store.TokenStanding{}, ErrInvalidToken
	}
	if err != nil {
		return store.TokenStanding{}, err
	}
	var standing store.TokenStanding
	err = s.store.InTenant(ctx, tenant, func(tx *store.Tx) (err error) {
		standing, err = tx.TokenStanding(tenant, id)
		return err
	})
	if absent(err) {
		return standing, ErrInvalidToken
	}
	if err != nil {
		return standing, fmt.Errorf("read a token: %w", err)
	}
	if standing.FamilyRevokedAt != nil || kind != "" && standing.Token.Kind != kind || standing.Token.ExpiresAt != nil && !s.now().Before(*standing.Token.ExpiresAt) {
		return standing, ErrInvalidToken
	}
	return standing, nil
}

// RevokeToken is POST /v3/connect/revoke: the token, its children and its parent refresh token end; the grant and the provider's token stay. A token
// the caller may not know of, and one that has ended, is ErrInvalidToken.
func (s *Service) RevokeToken(ctx context.Context, actor models.Actor, token secret.Text) error {
	standing, err := s.standing(ctx, token, "")
	if err != nil {
		return err
	}
	if !knows(actor, standing.Grant) {
		return ErrInvalidToken
	}
	tenant := standing.Token.TenantID
	err = s.store.InTenant(ctx, tenant, func(tx *store.Tx) error {
		done, err := tx.RevokeTokenFamily(tenant, standing.Token.FamilyID, s.now(), "revoked_by_program")
		if err != nil || !done {
			return err
		}
		entry := objectOf(standing.Grant)
		entry.Action, entry.Detail = "token.revoke", map[string]string{"kind": standing.Token.Kind}
		return s.audit.Append(ctx, tx, actor, entry)
	})
	if err != nil {
		return fmt.Errorf("revoke a token: %w", err)
	}
	return nil
}

// TokenFacts is what tokeninfo tells.
type TokenFacts struct {
	Issuer, Audience, Subject, Email string
	IssuedAt, ExpiresAt              time.Time
}

// TokenInfo tells what a token of ours stands for: an access token that may be used now, or an id token that we signed and that is not past its time.
func (s *Service) TokenInfo(ctx context.Context, access, id secret.Text) (TokenFacts, error) {
	if !access.Empty() {
		standing, err := s.standing(ctx, access, "access")
		if err != nil {
			return TokenFacts{}, err
		}
		if standing.Grant.Status == models.GrantRevoked {
			return TokenFacts{}, ErrInvalidToken
		}
		t := standing.Token
		return TokenFacts{Issuer: s.baseURL, Audience: t.ApplicationID.String(), Subject: t.GrantID.String(), Email: standing.Grant.Email, IssuedAt: t.CreatedAt, ExpiresAt: *t.ExpiresAt}, nil
	}
	var claims struct {
		jwt.RegisteredClaims
		Email string `json:"email"`
	}
	_, err := jwt.ParseWithClaims(id.Reveal(), &claims, func(*jwt.Token) (any, error) { return s.idTokens.Public(), nil },
		jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}), jwt.WithIssuer(s.baseURL), jwt.WithExpirationRequired(), jwt.WithTimeFunc(s.clock))
	if err != nil || len(claims.Audience) == 0 || claims.IssuedAt == nil {
		return TokenFacts{}, ErrInvalidToken
	}
	return TokenFacts{Issuer: claims.Issuer, Audience: claims.Audience[0], Subject: claims.Subject, Email: claims.Email, IssuedAt: claims.IssuedAt.Time, ExpiresAt: claims.ExpiresAt.Time}, nil
}

// Detected is which provider an address most likely belongs to, in the words of the v3 API.
type Detected struct {
	Address  string
	Provider string // empty when nothing is known
	Type     string // which IMAP service: icloud, fastmail ...
	Known    bool
}

// Detect looks at an address. Unless all is set, only providers that the actor's application has a connector for count.
func (s *Service) Detect(ctx context.Context, actor models.Actor, address string, all bool) (Detected, error) {
	d, err := s.providers.Detect(ctx, address)
	if err != nil {
		return Detected{}, err
	}
	out := Detected{Address: address, Provider: d.Provider, Type: d.Flavour, Known: d.Known}
	if out.Type == "" {
		out.Type = d.Provider
	}
	if all {
		return out, nil
	}
	choices, err := s.choices(ctx, actor.Application)
	if err != nil {
		return out, err
	}
	for _, name := range choices {
		if name == d.Provider {
			return out, nil
		}
	}
	return Detected{Address: address}, nil
}
