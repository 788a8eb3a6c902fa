package grants

import (
	"context"
	"fmt"
	"net/url"

	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// adminConsent is a connector whose provider wants an administrator's approval in some organisations, and has a page for it.
type adminConsent interface {
	AdminConsentURL(app provider.App, scopes []string, state string) (string, error)
}

// approves says whether a provider has a page on which an administrator approves an app.
func (s *Service) approves(name string) bool {
	connector, err := s.providers.Connector(name)
	_, ok := connector.(adminConsent)
	return err == nil && ok
}

// approval is the address to forward to an administrator; empty where the provider has none. It carries no state of the flow: whoever approves is somebody else, in another browser.
func (s *Service) approval(ctx context.Context, f models.ConnectFlow) (string, error) {
	connector, err := s.providers.Connector(f.Provider)
	if err != nil {
		return "", err
	}
	app, err := s.tokens.App(ctx, f.ApplicationID, f.Provider, f.CredentialID)
	if err != nil {
		return "", err
	}
	return approvalURL(connector, app, f.ScopesRequested, models.NewToken(""))
}

func approvalURL(connector provider.Connector, app provider.App, scopes []string, state string) (string, error) {
	with, ok := connector.(adminConsent)
	if !ok {
		return "", nil
	}
	to, err := with.AdminConsentURL(app, scopes, state)
	if err != nil {
		return "", fmt.Errorf("build the address of the administrator's page: %w", err)
	}
	return to, nil
}

// leaveToApprove sends an administrator to the provider's page. Its answer comes back under the state, to the browser that left.
func (s *Service) leaveToApprove(ctx context.Context, f models.ConnectFlow, connector provider.Connector, app provider.App, credential *models.CredentialID, scopes []string) (Next, error) {
	state := models.NewToken("")
	to, err := approvalURL(connector, app, scopes, state)
	if err != nil {
		return Next{}, err
	}
	err = s.store.InTenant(ctx, f.TenantID, func(tx *store.Tx) error {
		return tx.LeaveConnectFlow(f.TenantID, f.ID, connector.Name(), credential, f.LoginHint, scopes, models.HashToken(state))
	})
	if absent(err) {
		return Next{}, ErrFlowSpent
	}
	if err != nil {
		return Next{}, fmt.Errorf("leave for an administrator's approval: %w", err)
	}
	return Next{Flow: f.ID, Provider: connector.Name(), URL: to}, nil
}

// approved ends the flow of an administrator and tells the program what the provider said, in the provider's own parameters (Microsoft identity platform, "Admin consent":
// admin_consent, tenant; or error). It is the browser's word, not the provider's: the program learns whether it is true when people connect, and nothing is kept here.
func (s *Service) approved(ctx context.Context, f models.ConnectFlow, a Answer) (Done, error) {
	if a.Error != "" || a.Approved != "True" {
		text := "The administrator did not approve. Nothing was changed."
		done := Done{Flow: f, Outcome: Cancelled, Public: text, RedirectURL: returnURL(f, "", "access_denied", text)}
		return done, s.over(ctx, f, Cancelled, "connect.cancelled", map[string]string{"error": "access_denied"})
	}
	done := Done{Flow: f, Outcome: Approved, RedirectURL: returnTo(f, url.Values{"admin_consent": {"True"}, "tenant": {clip(a.Organisation)}})}
	return done, s.conclude(ctx, f, Approved, models.OutcomeDone, "connect.approved", map[string]string{"provider": f.Provider})
}
