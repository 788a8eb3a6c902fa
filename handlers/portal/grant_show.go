package portal

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/engine/ledger"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/views/ui"
	"github.com/postern-mail/postern/web"
)

// grant finds the grant in the address, as far as the actor may know of it.
func (p *Portal) grant(c echo.Context) (models.Grant, error) {
	id, err := web.ParamID[models.GrantID](c, "grant")
	if err != nil {
		return models.Grant{}, err
	}
	return p.Grants.Find(c.Request().Context(), web.Actor(c), id)
}

func (p *Portal) grantShow(c echo.Context) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	g, err := p.grant(c)
	if fault.KindOf(err) == fault.NotFound && actor.May(models.ReadReceipts) {
		return p.receiptOfGrant(c) // deleted: what remains of it is its receipt
	}
	if err != nil {
		return err
	}
	tenant, err := p.Tenants.Find(ctx, actor, g.TenantID)
	if err != nil {
		return err
	}
	apps, _, err := p.applicationNames(ctx)
	if err != nil {
		return err
	}
	can, cannot := rights(g)
	url := "/grants/" + g.ID.String()
	view := pages.GrantShowView{ID: g.ID.String(), Address: masked(actor, g.Email), Provider: providerName(g.Provider), Tenant: tenant.Name, Application: apps[g.ApplicationID],
		Region: strings.ToUpper(tenant.Region), State: string(g.Status), Reason: statusWords(g), ReasonAt: g.StatusAt, Can: can, Cannot: cannot,
		Created: g.CreatedAt}
	uses, err := p.Grants.Uses(ctx, actor, g)
	if err != nil {
		return err
	}
	view.Scopes = scopeRows(g, uses)
	view.StateText = grantSentence(g, view.Application, can)
	if g.LastUsedAt != nil {
		view.LastUsed = *g.LastUsedAt
	}
	if actor.May(models.ReadTenants) {
		view.TenantURL = "/tenants/" + g.TenantID.String()
	}
	if actor.May(models.ReadApps) {
		view.ApplicationURL = "/applications/" + g.ApplicationID.String()
	}
	if actor.May(models.RevokeGrants) && g.Status != models.GrantRevoked {
		view.RevokeTokensURL, view.RevokeURL = url+"/revoke-tokens", url+"/revoke"
	}
	if actor.May(models.DeleteGrants) {
		view.DeleteURL = url + "/delete"
	}
	if actor.May(models.WriteGrants) && g.Status != models.GrantPending {
		view.ReconnectURL = url + "/reconnect"
	}
	if view.Receipts, err = p.receiptsOf(ctx, actor, g, tenant); err != nil {
		return err
	}
	if view.Accessors, err = p.accessorsOf(ctx, actor, g); err != nil {
		return err
	}
	view.AccessesURL, view.AccessesOf = accessesPath+"?grant="+g.ID.String(), "its latest "+ui.Number(ledger.Latest)+" calls"
	// What was done with this one mailbox is part of its page, for everybody who may see the mailbox.
	entries, err := p.Audit.List(ctx, actor, audit.Filter{ObjectKind: "grant", ObjectID: g.ID.String(), Limit: firstFew})
	if err != nil {
		return err
	}
	view.Audit = auditRows(actor, entries.Entries, nil)
	if actor.May(models.ReadAudit) {
		view.AuditURL = "/audit?object=" + g.ID.String()
	}
	for _, e := range entries.Entries {
		if g.Status == models.GrantRevoked && e.Action == "grant.revoke" {
			view.ReasonBy = masked(actor, e.Actor)
			break
		}
	}
	if view.Tokens, err = p.Access.TokensHeld(ctx, actor, g); err != nil {
		return err
	}
	page, err := p.frame(c, view.Address)
	if err != nil {
		return err
	}
	page.Kind, page.Breadcrumbs = "Grant", crumbs("Grants", "/grants")
	if actor.Role == models.Customer {
		page.Kind, page.Breadcrumbs = "Mailbox", crumbs("Mailboxes", "/")
	}
	return web.Render(c, http.StatusOK, pages.GrantShow(page, view))
}

// receiptsOf lists the receipts of a grant; the first may be of work that is still under way.
func (p *Portal) receiptsOf(ctx context.Context, actor models.Actor, g models.Grant, tenant models.Tenant) ([]pages.ReceiptRow, error) {
	cuts, _, err := p.Grants.Severances(ctx, actor, grants.ReceiptFilter{Tenant: g.TenantID, Grant: g.ID, Limit: 1})
	if err != nil {
		return nil, err
	}
	var rows []pages.ReceiptRow
	if len(cuts) > 0 && cuts[0].ClosedAt == nil {
		rows = append(rows, pages.ReceiptRow{Address: masked(actor, g.Email), URL: "/grants/" + g.ID.String() + "/receipt", Act: actWord(cuts[0].Act), Result: "severing",
			Provider: providerName(g.Provider), Tenant: tenant.Name, By: cuts[0].Actor, At: cuts[0].CutAt})
	}
	written, _, err := p.Grants.Receipts(ctx, actor, grants.ReceiptFilter{Tenant: g.TenantID, Grant: g.ID, Limit: firstFew})
	return append(rows, receiptRows(actor, written, map[models.TenantID]string{tenant.ID: tenant.Name})...), err
}

func grantSentence(g models.Grant, application string, can []string) string {
	switch g.Status {
	case models.GrantValid:
		if len(can) == 0 {
			return application + " can do nothing with this mailbox: no right was given."
		}
		return application + " can " + ui.List(can) + "."
	case models.GrantInvalid:
		return "The provider no longer takes the access. Nothing is reachable until its owner reconnects the mailbox."
	case models.GrantPending:
		return "Consent was given. Nothing is reachable until the program fetches its code."
	default:
		return "Access is cut. No program reaches this mailbox through here."
	}
}

// scopeRows lays out what was asked for, what was given and what was used, the provider's own words beside plain ones. A scope counts as used when one of
// the rights that it gives was.
func scopeRows(g models.Grant, uses map[string]time.Time) []pages.ScopeRow {
	var rows []pages.ScopeRow
	at := map[string]int{}
	add := func(name string) *pages.ScopeRow {
		s, known := provider.ScopeOf(g.Provider, name)
		if known {
			name = s.Name
		}
		if i, ok := at[name]; ok {
			return &rows[i]
		}
		row := pages.ScopeRow{Name: name, Words: "Not in Postern's list of scopes."}
		if known {
			row.Words, row.Sensitivity = s.Words, sensitivityWord(s.Sensitivity)
			for _, k := range s.Capabilities {
				if at := uses[string(k)]; at.After(row.Used) {
					row.Used = at
				}
			}
		}
		if k := provider.Capability(name); !known && slices.Contains(provider.Capabilities(), k) { // a password has no scopes: we hold it to capabilities
			row.Words, row.Used = k.Words(), uses[name]
		}
		at[name] = len(rows)
		rows = append(rows, row)
		return &rows[len(rows)-1]
	}
	for _, name := range g.ScopesRequested {
		add(name).Requested = true
	}
	for _, name := range g.ScopesGranted {
		add(name).Granted = true
	}
	return rows
}

func sensitivityWord(s provider.Sensitivity) string {
	switch s {
	case provider.Restricted, provider.Sensitive:
		return string(s)
	case provider.NonSensitive:
		return "basic"
	default:
		return ""
	}
}

// endsOf says what an act ends in the three lists of the confirmation.
func endsOf(s provider.Severance) ui.EndsView {
	v := ui.EndsView{Now: s.EndsNow}
	for _, text := range s.EndsBy {
		v.Later = append(v.Later, ui.EndsByView{Text: text})
	}
	for _, text := range s.OwnerOnly {
		v.Owner = append(v.Owner, ui.OwnerActView{Text: text})
	}
	return v
}
