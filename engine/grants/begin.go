package grants

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// flowLife is how long a person has from the first page to the provider's answer.
const flowLife = 30 * time.Minute

// AuthRequest is GET /v3/connect/auth as it came.
type AuthRequest struct {
	ClientID, RedirectURI, ResponseType, Provider, Scope, State, LoginHint, Prompt, AccessType string
	CodeChallenge, CodeChallengeMethod, CredentialID, WorkspaceID                              string
	Addr                                                                                       netip.Addr
	UserAgent                                                                                  string
}

// AuthError is a wrong request whose redirect URI is registered: the program is told at its own address (RFC 6749 section 4.1.2.1).
type AuthError struct {
	Fault       *fault.Error
	RedirectURL string
}

// Error implements error.
func (e *AuthError) Error() string { return e.Fault.Error() }

// Unwrap gives the fault.
func (e *AuthError) Unwrap() error { return e.Fault }

// The faults that are never redirected: who asks, or where to, is not known.
var (
	errClient   = fault.New(fault.Invalid, "invalid_client", "No application has this client_id.").At("client_id")
	errRedirect = fault.New(fault.Invalid, "redirect_uri_not_registered", "This redirect_uri is not registered for the application. It is compared byte for byte: scheme, host, port, path and every slash.").At("redirect_uri")
)

// BeginAuth starts a connect flow that a program asked for, and gives its id: the consent page is at BaseURL + "/connect/flow/" + id. It binds no browser:
// that is done by the POST of the consent page. An *AuthError may be told at the program's address; every other error must not be redirected.
func (s *Service) BeginAuth(ctx context.Context, r AuthRequest) (models.FlowID, error) {
	application, err := models.ParseID[models.ApplicationID](r.ClientID)
	if err != nil {
		return models.FlowID{}, errClient
	}
	var app models.Application
	var callback models.CallbackURI
	err = s.store.OnPlatform(ctx, "read the application that asks for consent", func(tx *store.Tx) (err error) {
		if app, err = tx.Application(application); err != nil {
			return errClient.Because(err)
		}
		if callback, err = tx.CallbackURIByURL(application, r.RedirectURI); absent(err) {
			return errRedirect
		}
		return err
	})
	if err != nil {
		return models.FlowID{}, err
	}
	f := models.ConnectFlow{ID: models.NewID[models.FlowID](s.clock()), ApplicationID: application, RedirectURI: callback.URL, Platform: callback.Platform, ClientState: r.State,
		LoginHint: r.LoginHint, Prompt: r.Prompt, Challenge: r.CodeChallenge, Offline: r.AccessType == "offline", CreatedAt: s.now(), ExpiresAt: s.now().Add(flowLife),
		UserAgent: agent(r.UserAgent), Address: addr(r.Addr)}
	if bad := s.fillAuth(ctx, &f, r, app); bad != nil {
		var known *fault.Error
		if errors.As(bad, &known) && known.Kind == fault.Invalid {
			return models.FlowID{}, &AuthError{Fault: known, RedirectURL: returnURL(f, "", known.Code, known.Public)}
		}
		return models.FlowID{}, bad
	}
	err = s.store.InTenant(ctx, f.TenantID, func(tx *store.Tx) error {
		if t, err := tx.Tenant(f.TenantID); err != nil || t.State != models.TenantActive {
			return store.ErrNotFound
		}
		return tx.InsertConnectFlow(f)
	})
	if absent(err) {
		bad := fault.New(fault.Invalid, "invalid_request", "The workspace_id is not one of this installation's organisations.").At("workspace_id")
		return models.FlowID{}, &AuthError{Fault: bad, RedirectURL: returnURL(f, "", bad.Code, bad.Public)}
	}
	if err != nil {
		return models.FlowID{}, fmt.Errorf("begin a connect flow: %w", err)
	}
	return f.ID, nil
}

// fillAuth checks the rest of the request. Its Invalid faults carry the OAuth word as code.
func (s *Service) fillAuth(ctx context.Context, f *models.ConnectFlow, r AuthRequest, app models.Application) error {
	bad := func(field, text string) error { return fault.New(fault.Invalid, "invalid_request", text).At(field) }
	switch {
	case r.ResponseType != "code" && r.ResponseType != "adminconsent":
		return fault.New(fault.Invalid, "unsupported_response_type", "The response_type must be \"code\" or \"adminconsent\".").At("response_type")
	case len(r.State) > 2048:
		return bad("state", "The state is longer than 2048 characters.")
	case len(r.CodeChallenge) > 512:
		return bad("code_challenge", "The code_challenge is longer than 512 characters.")
	case r.AccessType != "" && r.AccessType != "online" && r.AccessType != "offline":
		return bad("access_type", "The access_type must be \"online\" or \"offline\".")
	}
	if r.CodeChallenge != "" {
		switch f.ChallengeMethod = strings.ToLower(r.CodeChallengeMethod); f.ChallengeMethod {
		case "":
			f.ChallengeMethod = "plain"
		case "plain", "s256":
		default:
			return bad("code_challenge_method", "The code_challenge_method must be \"S256\" or \"plain\".")
		}
	} else if r.CodeChallengeMethod != "" {
		return bad("code_challenge", "A code_challenge_method was given without a code_challenge.")
	}
	if f.ResponseType = r.ResponseType; f.Challenge == "" && f.Platform != "web" && !f.ForAdministrator() { // an approval gives no code
		return bad("code_challenge", "This callback URI belongs to a platform that cannot keep a secret: send a code_challenge (PKCE).")
	}
	switch {
	case r.WorkspaceID != "":
		tenant, err := models.ParseID[models.TenantID](r.WorkspaceID)
		if err != nil {
			return bad("workspace_id", "The workspace_id is not an id.")
		}
		f.TenantID = tenant
	case app.DefaultTenantID != nil:
		f.TenantID = *app.DefaultTenantID
	default:
		return bad("workspace_id", "Name the organisation with workspace_id: this application has no default one.")
	}
	return s.fillChoice(ctx, f, r)
}

func (s *Service) fillChoice(ctx context.Context, f *models.ConnectFlow, r AuthRequest) error {
	choices, err := s.choices(ctx, f.ApplicationID)
	if err != nil {
		return err
	}
	asked := strings.FieldsFunc(r.Provider, func(c rune) bool { return c == ',' || c == ' ' })
	for _, name := range asked {
		if !slices.Contains(choices, name) {
			return fault.New(fault.Invalid, "invalid_request", "This application has no connector for the provider asked for.").At("provider")
		}
	}
	if f.Providers = choices; len(asked) > 0 {
		f.Providers = asked
	}
	if len(f.Providers) == 0 {
		return fault.New(fault.Invalid, "invalid_request", "This application has no connector yet.").At("provider")
	}
	if f.ForAdministrator() {
		if f.Providers = slices.DeleteFunc(slices.Clone(f.Providers), func(name string) bool { return !s.approves(name) }); len(f.Providers) == 0 {
			return fault.New(fault.Invalid, "invalid_request", "Only Microsoft has a page on which an administrator approves an app: ask for provider=microsoft.").At("provider")
		}
	}
	if r.CredentialID != "" {
		if err := s.fillCredential(ctx, f, r.CredentialID); err != nil {
			return err
		}
	}
	if r.Scope != "" {
		f.ScopesRequested = strings.Fields(r.Scope)
		if len(f.ScopesRequested) > 50 || len(r.Scope) > 4000 {
			return fault.New(fault.Invalid, "invalid_scope", "Too many scopes.").At("scope")
		}
		if len(f.Providers) == 1 {
			for _, scope := range f.ScopesRequested {
				if _, known := provider.ScopeOf(f.Providers[0], scope); !known && len(provider.ScopesOf(f.Providers[0])) > 0 {
					return fault.New(fault.Invalid, "invalid_scope", "The provider has no such scope: %s", clip(scope)).At("scope")
				}
			}
		}
	}
	return nil
}

// fillCredential takes the app that the request names, and with it the provider. Another organisation's is not found.
func (s *Service) fillCredential(ctx context.Context, f *models.ConnectFlow, text string) error {
	unknown := fault.New(fault.Invalid, "invalid_request", "No connector credential has this id.").At("credential_id")
	id, err := models.ParseID[models.CredentialID](strings.ToLower(text))
	if err != nil {
		return unknown
	}
	var c models.Credential
	err = s.store.OnPlatform(ctx, "find the credential that a consent names", func(tx *store.Tx) (err error) {
		c, err = tx.CredentialByID(f.ApplicationID, id)
		return err
	})
	switch {
	case absent(err), err == nil && c.TenantID != nil && *c.TenantID != f.TenantID:
		return unknown
	case err != nil:
		return err
	case c.Type != models.CredentialApp:
		return fault.New(fault.Invalid, "invalid_request", "This credential is a service account: nobody consents through it. Connect its mailboxes with POST /v3/connect/custom.").At("credential_id")
	case !slices.Contains(f.Providers, c.Provider):
		return fault.New(fault.Invalid, "invalid_request", "The connector credential belongs to another provider than the one asked for.").At("credential_id")
	}
	f.Providers, f.CredentialID = []string{c.Provider}, &c.ID
	return nil
}

func clip(text string) string {
	if len(text) > 80 {
		return text[:80] + "…"
	}
	return text
}

// agent makes a browser's name fit to be kept: it is foreign text.
func agent(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if runes := []rune(text); len(runes) > 300 {
		return string(runes[:300])
	}
	return text
}

func addr(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.Unmap().String()
}

// returnURL is where a program's flow ends: its registered address with a code, or with an OAuth error, and its state as it came. A flow of a link has none.
func returnURL(f models.ConnectFlow, code, word, description string) string {
	if code != "" {
		return returnTo(f, url.Values{"code": {code}})
	}
	return returnTo(f, url.Values{"error": {word}, "error_description": {description}, "error_code": {"400"}})
}

func returnTo(f models.ConnectFlow, q url.Values) string {
	if f.RedirectURI == "" {
		return ""
	}
	if f.ClientState != "" {
		q.Set("state", f.ClientState)
	}
	// The registered address stays as it is, byte for byte; ours is added behind it.
	switch {
	case strings.HasSuffix(f.RedirectURI, "?"), strings.HasSuffix(f.RedirectURI, "&"):
		return f.RedirectURI + q.Encode()
	case strings.Contains(f.RedirectURI, "?"):
		return f.RedirectURI + "&" + q.Encode()
	default:
		return f.RedirectURI + "?" + q.Encode()
	}
}
