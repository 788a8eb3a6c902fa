package grants

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/tokens"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// Step is one POST of the first consent page: of a link (LinkToken) or of a program's flow (Flow). Browser is the random secret of this very browser,
// which its cookie holds from here to the provider's answer.
type Step struct {
	LinkToken secret.Text
	Flow      models.FlowID
	Browser   secret.Text
	Provider  string // chosen by button; empty: found by Email
	Email     string
	Again     bool // ask the provider to show its own consent page whatever it remembers
	Addr      netip.Addr
	UserAgent string
}

// Next is where the browser goes: to the provider (URL), or to our own password form.
type Next struct {
	Flow     models.FlowID
	Provider string
	URL      string
}

// Go binds the flow to the browser and leads it on. A flow belongs to one browser, one tenant, one connector and one requester from here; whatever
// comes back elsewhere is refused (RFC 9700 section 4.7 and the session-fixation attacks on hosted consent).
func (s *Service) Go(ctx context.Context, step Step) (Next, error) {
	f, err := s.bind(ctx, step)
	if err != nil {
		return Next{}, err
	}
	name, err := s.choose(ctx, f, step)
	if err != nil {
		return Next{}, err
	}
	connector, err := s.providers.Connector(name)
	if err != nil {
		return Next{}, err
	}
	hint := f.LoginHint
	if step.Email != "" {
		hint = step.Email
	}
	if oauth, ok := connector.(provider.OAuth); ok {
		return s.leave(ctx, f, oauth, hint, step.Again)
	}
	err = s.store.InTenant(ctx, f.TenantID, func(tx *store.Tx) error {
		return tx.LeaveConnectFlow(f.TenantID, f.ID, name, f.CredentialID, hint, f.Capabilities, nil)
	})
	if absent(err) {
		return Next{}, ErrFlowSpent
	}
	if err != nil {
		return Next{}, fmt.Errorf("go to the password form: %w", err)
	}
	return Next{Flow: f.ID, Provider: name}, nil
}

// bind finds or makes the flow and ties it to the browser.
func (s *Service) bind(ctx context.Context, step Step) (models.ConnectFlow, error) {
	browser := models.HashToken(step.Browser.Reveal())
	if !step.LinkToken.Empty() {
		l, err := s.link(ctx, step.LinkToken)
		if err != nil {
			return models.ConnectFlow{}, err
		}
		f := linkFlow(l)
		now := s.now()
		f.ID, f.BrowserHash, f.CreatedAt = models.NewID[models.FlowID](now), browser, now
		f.Address, f.UserAgent = addr(step.Addr), agent(step.UserAgent)
		f.ExpiresAt = now.Add(flowLife)
		if l.ExpiresAt.Before(f.ExpiresAt) {
			f.ExpiresAt = l.ExpiresAt
		}
		if f.Providers == nil {
			if f.Providers, err = s.choices(ctx, l.ApplicationID); err != nil {
				return f, err
			}
		}
		err = s.store.InTenant(ctx, f.TenantID, func(tx *store.Tx) error { return tx.InsertConnectFlow(f) })
		if err != nil {
			return f, fmt.Errorf("begin a flow from a link: %w", err)
		}
		return f, nil
	}
	f, err := s.flow(ctx, step.Flow)
	if err != nil {
		return f, err
	}
	err = s.store.InTenant(ctx, f.TenantID, func(tx *store.Tx) error {
		return tx.BindConnectFlow(f.TenantID, f.ID, browser, s.now())
	})
	if absent(err) {
		if f.BrowserHash != nil && f.SpentAt == nil && s.now().Before(f.ExpiresAt) {
			return f, errBrowser
		}
		return f, ErrFlowSpent
	}
	f.BrowserHash = browser
	return f, err
}

// choose takes the button pressed, or finds the provider by the address typed.
func (s *Service) choose(ctx context.Context, f models.ConnectFlow, step Step) (string, error) {
	if step.Provider != "" {
		if !slices.Contains(f.Providers, step.Provider) {
			return "", fault.New(fault.Invalid, "provider_not_offered", "Choose one of the providers on this page.").At("provider")
		}
		return step.Provider, nil
	}
	if len(f.Providers) == 1 && step.Email == "" {
		return f.Providers[0], nil
	}
	if step.Email == "" {
		return "", fault.New(fault.Invalid, "email_missing", "Type the address of the mailbox, or choose its provider.").At("email")
	}
	d, err := s.providers.Detect(ctx, step.Email)
	if err != nil {
		return "", err
	}
	if slices.Contains(f.Providers, d.Provider) {
		return d.Provider, nil
	}
	if slices.Contains(f.Providers, "imap") {
		return "imap", nil
	}
	return "", fault.New(fault.Invalid, "provider_not_offered", "This address belongs to %s, which cannot be connected here. Use another address.", d.Label).At("email")
}

// leave sends the browser to the provider with a fresh state and a fresh PKCE verifier (RFC 7636).
func (s *Service) leave(ctx context.Context, f models.ConnectFlow, oauth provider.OAuth, hint string, again bool) (Next, error) {
	name := oauth.Name()
	var row models.Connector
	credential := f.CredentialID
	if err := s.store.OnPlatform(ctx, "read the connector of a flow", func(tx *store.Tx) (err error) {
		if row, err = tx.Connector(f.ApplicationID, name); err != nil || credential != nil {
			return err
		}
		own, err := tx.CredentialFor(f.ApplicationID, name, f.TenantID, f.GrantID)
		if err == nil {
			credential = &own.ID
		}
		return unlessAbsent(err)
	}); err != nil {
		return Next{}, err
	}
	app, err := s.tokens.App(ctx, f.ApplicationID, name, credential)
	if err != nil {
		return Next{}, err
	}
	scopes := s.scopes(f, row, oauth)
	if f.ForAdministrator() {
		return s.leaveToApprove(ctx, f, oauth, app, credential, scopes)
	}
	state, verifier := models.NewToken(""), models.NewToken("")
	challenge := sha256.Sum256([]byte(verifier))
	request := provider.AuthRequest{State: state, CodeChallenge: base64.RawURLEncoding.EncodeToString(challenge[:]), Scopes: scopes, LoginHint: hint}
	if again {
		request.Prompt = "consent"
	}
	to, err := oauth.AuthURL(app, request)
	if err != nil {
		return Next{}, fmt.Errorf("build the address of the provider's consent page: %w", err)
	}
	err = s.store.InTenant(ctx, f.TenantID, func(tx *store.Tx) error {
		if err := tx.LeaveConnectFlow(f.TenantID, f.ID, name, credential, hint, scopes, models.HashToken(state)); err != nil {
			return err
		}
		return s.tokens.Safe.Put(ctx, tx, f.TenantID, tokens.Flow(f.ID), "verifier", secret.New(verifier))
	})
	if absent(err) {
		return Next{}, ErrFlowSpent
	}
	if err != nil {
		return Next{}, fmt.Errorf("leave for the provider: %w", err)
	}
	return Next{Flow: f.ID, Provider: name, URL: to}, nil
}

// Answer is what the provider's redirect brought back.
type Answer struct {
	Provider         string // from the path: each provider has an address of its own, so that answers cannot be mixed up (RFC 9700 section 4.4)
	State, Code      secret.Text
	Error, ErrorText string
	Approved         string      // Microsoft's admin_consent, as it came; empty: no administrator was asked
	Organisation     string      // Microsoft's tenant, with it
	Browser          secret.Text // from the cookie
}

// Done is how a step of a flow ended, for the page or the redirect that follows. RedirectURL is set when a program began the flow and it is over.
type Done struct {
	Flow        models.ConnectFlow
	Outcome     string // one of the outcomes below
	Grant       models.Grant
	Missing     []provider.Capability // partial: what was asked for and not given
	MissingRaw  []string              // the same, in the provider's words
	RedirectURL string
	Public      string // failed: what happened, for a person
	ApprovalURL string // needs_admin: where an administrator approves; may be empty
}

// The outcomes of a flow.
const (
	Connected    = "connected"
	Partial      = "partial"       // held until the person says go on or ask again
	WrongAccount = "wrong_account" // nothing was kept
	Cancelled    = "cancelled"
	Failed       = "failed"
	AskedAgain   = "asked_again"
	NeedsAdmin   = "needs_admin"
	Approved     = "approved" // by an administrator, for their organisation; no mailbox
)

// Return takes the provider's answer. The state names the flow; the cookie must be that of the browser that left. Anything else burns the state,
// sends no request to the provider, and is recorded.
func (s *Service) Return(ctx context.Context, a Answer) (Done, error) {
	tenant, id, err := s.store.FindFlowByState(ctx, models.HashToken(a.State.Reveal()))
	if absent(err) || a.State.Empty() {
		return Done{}, ErrFlowSpent
	}
	if err != nil {
		return Done{}, err
	}
	f, verifier, err := s.take(ctx, tenant, id, a)
	if err != nil {
		return Done{}, err
	}
	if f.ForAdministrator() {
		return s.approved(ctx, f, a)
	}
	if a.Error != "" || a.Code.Empty() {
		return s.declined(ctx, f, a)
	}
	connector, err := s.providers.Connector(f.Provider)
	if err != nil {
		return Done{}, err
	}
	oauth, ok := connector.(provider.OAuth)
	if !ok {
		return Done{}, ErrFlowSpent
	}
	app, err := s.tokens.App(ctx, f.ApplicationID, f.Provider, f.CredentialID)
	if err != nil {
		return Done{}, err
	}
	token, who, err := oauth.Exchange(ctx, app, a.Code, verifier)
	if err != nil {
		return s.fail(ctx, f, err)
	}
	f.Subject, f.Email, f.Name, f.Login, f.ScopesGranted = who.Subject, who.Email, who.Name, who.Email, token.Scopes
	if token.Scopes == nil { // as requested (RFC 6749 section 5.1)
		f.ScopesGranted = f.ScopesRequested
	}
	return s.arrive(ctx, f, tokens.Credential{Access: token.Access, Refresh: token.Refresh, ExpiresAt: token.ExpiresAt})
}

// take spends the flow's state for the browser it belongs to, and gives the verifier.
func (s *Service) take(ctx context.Context, tenant models.TenantID, id models.FlowID, a Answer) (models.ConnectFlow, secret.Text, error) {
	var f models.ConnectFlow
	var verifier secret.Text
	mismatch := false
	err := s.store.InTenant(ctx, tenant, func(tx *store.Tx) (err error) {
		if f, err = tx.ConnectFlowForUpdate(tenant, id); err != nil {
			return err
		}
		if err := tx.SpendConnectFlow(tenant, id, s.now()); err != nil {
			return err
		}
		mismatch = !secret.New(string(models.HashToken(a.Browser.Reveal()))).Equal(secret.New(string(f.BrowserHash))) || len(f.BrowserHash) == 0 || a.Provider != f.Provider
		if mismatch {
			if err := tx.CloseConnectFlow(tenant, id, Failed, s.now()); err != nil {
				return err
			}
			if _, err := s.tokens.Destroy(ctx, tx, tenant, tokens.Flow(id)); err != nil {
				return err
			}
			return s.audit.Append(ctx, tx, flowActor(f), audit.Entry{Action: "connect.binding_mismatch", Tenant: tenant, Application: f.ApplicationID, ObjectKind: "connect_flow",
				ObjectID: id.String(), Object: "connect flow", Outcome: models.OutcomeRefused})
		}
		if f.ForAdministrator() {
			return nil // no code comes back
		}
		verifier, err = s.tokens.Safe.Open(ctx, tx, tenant, tokens.Flow(id), "verifier")
		return err
	})
	switch {
	case absent(err):
		return f, verifier, ErrFlowSpent
	case err != nil:
		return f, verifier, fmt.Errorf("take a provider's answer: %w", err)
	case mismatch:
		return f, verifier, errBrowser
	default:
		return f, verifier, nil
	}
}

// declined ends a flow whose person, or whose provider, said no.
func (s *Service) declined(ctx context.Context, f models.ConnectFlow, a Answer) (Done, error) {
	word, outcome, text := a.Error, Cancelled, "The sign-in was cancelled. Nothing was connected."
	switch {
	case slices.ContainsFunc(needsAdmin, func(code string) bool { return strings.Contains(a.ErrorText, code) }):
		outcome, text = NeedsAdmin, needsAdminText
	case word == "access_denied":
	case word == "":
		word, outcome, text = "invalid_request", Failed, "The provider came back without an answer. Nothing was connected. Try again."
	default:
		outcome, text = Failed, "The provider refused the sign-in. Nothing was connected. Try again, or tell the person who sent you here."
	}
	if !slices.Contains(oauthWords, word) {
		word = "server_error"
	}
	done := Done{Flow: f, Outcome: outcome, Public: text, RedirectURL: returnURL(f, "", word, text)}
	return done, s.over(ctx, f, outcome, "connect."+outcome, map[string]string{"error": word})
}

// needsAdmin are Microsoft's answers to a person whose consent is not enough ("Microsoft Entra authentication and authorization error codes"): nobody has consented and
// this person may not (65001); rights that the person may not give (90093); rights that only an administrator gives (90094); a request for approval was sent (90095).
var needsAdmin = []string{"AADSTS65001", "AADSTS90093", "AADSTS90094", "AADSTS90095"}

const needsAdminText = "Microsoft asks for the approval of an administrator of this organisation first."

// oauthWords are the error words of RFC 6749 section 4.1.2.1, which every client can read.
var oauthWords = []string{"access_denied", "invalid_request", "unauthorized_client", "unsupported_response_type", "invalid_scope", "server_error", "temporarily_unavailable", "consent_required", "login_required"}

// fail ends a flow on a provider's or our own trouble.
func (s *Service) fail(ctx context.Context, f models.ConnectFlow, cause error) (Done, error) {
	text := "The provider did not accept the sign-in. Nothing was connected. Try again."
	word := "server_error"
	if known, ok := fault.As(cause); ok && known.Kind != fault.Internal {
		text = known.Public
	}
	if errors.Is(cause, provider.ErrInvalidGrant) {
		word, text = "access_denied", "The provider no longer accepts this sign-in: it was used already or took too long. Nothing was connected. Try again."
	}
	s.log.WarnContext(ctx, "a connect flow failed at the provider", "flow", f.ID, "provider", f.Provider, "error", cause)
	done := Done{Flow: f, Outcome: Failed, Public: text, RedirectURL: returnURL(f, "", word, text)}
	return done, s.over(ctx, f, Failed, "connect.failed", map[string]string{"provider": f.Provider})
}

// over closes a flow that connected nothing.
func (s *Service) over(ctx context.Context, f models.ConnectFlow, outcome, action string, detail map[string]string) error {
	return s.conclude(ctx, f, outcome, models.OutcomeRefused, action, detail)
}

// conclude closes a flow without a grant and destroys what it held.
func (s *Service) conclude(ctx context.Context, f models.ConnectFlow, outcome, result, action string, detail map[string]string) error {
	err := s.store.InTenant(ctx, f.TenantID, func(tx *store.Tx) error {
		if err := tx.CloseConnectFlow(f.TenantID, f.ID, outcome, s.now()); err != nil {
			return err
		}
		if _, err := s.tokens.Destroy(ctx, tx, f.TenantID, tokens.Flow(f.ID)); err != nil {
			return err
		}
		return s.audit.Append(ctx, tx, flowActor(f), audit.Entry{Action: action, Tenant: f.TenantID, Application: f.ApplicationID, ObjectKind: "connect_flow", ObjectID: f.ID.String(),
			Object: "connect flow", Outcome: result, Detail: detail})
	})
	if absent(err) {
		return ErrFlowSpent
	}
	if err != nil {
		return fmt.Errorf("close a connect flow: %w", err)
	}
	return nil
}

// flowActor is the person in the flow: we know the browser, not a name.
func flowActor(f models.ConnectFlow) models.Actor {
	a := models.Actor{Kind: models.ActorFlow, ID: f.ID.String(), Label: "mailbox owner", Application: f.ApplicationID, Tenant: f.TenantID, UserAgent: f.UserAgent}
	if f.LinkID != nil {
		a.Kind, a.ID, a.Label = models.ActorLink, f.LinkID.String(), "holder of a connect link"
	}
	a.Addr, _ = netip.ParseAddr(f.Address)
	return a
}
