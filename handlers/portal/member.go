package portal

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/access"
	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/layout"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/views/ui"
	"github.com/postern-mail/postern/web"
)

func roleChoices() []choice {
	var out []choice
	for _, r := range models.Roles() {
		out = append(out, choice{string(r), roleWord(r)})
	}
	return out
}

func (p *Portal) memberList(c echo.Context) error {
	actor, l := web.Actor(c), readList(c, "/members", "role")
	found, err := p.Access.Members(c.Request().Context(), actor, access.MemberFilter{Search: l.get("q"), Role: models.Role(l.get("role")), Cursor: l.get("cursor"), Limit: pageSize})
	if err != nil {
		return err
	}
	view := pages.MemberListView{Filters: l.view("Search people", filter{"role", "Role", roleChoices()}), Pages: l.pages(len(found.Members), found.Next, ""), Filtered: l.filtered(), InviteURL: "/members/new"}
	for _, m := range found.Members {
		view.Rows = append(view.Rows, memberRow(actor, m))
	}
	page, err := p.frame(c, "Members")
	if err != nil {
		return err
	}
	page.Lede, page.Breadcrumbs = "The people who can sign in.", crumbs("Settings", "/settings")
	page.Action = layout.Action{Label: "Invite somebody", URL: view.InviteURL, Icon: "plus"}
	return web.Render(c, http.StatusOK, pages.MemberList(page, view))
}

func memberRow(actor models.Actor, m access.MemberLine) pages.MemberRow {
	row := pages.MemberRow{Name: m.Name, Email: m.Email, Role: roleWord(m.Role), Tenant: m.Tenant, State: access.StateOf(m), Passkeys: m.Passkeys}
	if m.LastSeenAt != nil {
		row.LastSeen = *m.LastSeenAt
	}
	if actor.May(models.ManageMembers) {
		row.URL = "/members/" + m.ID.String()
	}
	return row
}

// memberForm is what stands in the form of an invitation.
type memberForm struct{ name, email, role, tenant string }

func (p *Portal) memberInviteForm(c echo.Context) error {
	f := memberForm{tenant: field(c, "tenant"), role: string(models.Support)}
	if f.tenant != "" {
		f.role = string(models.Customer)
	}
	return p.renderInvite(c, http.StatusOK, f, nil)
}

func (p *Portal) renderInvite(c echo.Context, status int, f memberForm, faults []ui.ErrorView) error {
	actor := web.Actor(c)
	tenants, err := p.tenantChoices(c.Request().Context(), actor)
	if err != nil {
		return err
	}
	view := pages.MemberInviteView{Action: "/members", CancelURL: "/members", Name: f.name, Email: f.email, Errors: faults, Tenants: options(append([]choice{{"", "None: all tenants"}}, tenants...), f.tenant)}
	for _, r := range models.Roles() {
		if r == models.Owner && actor.Role != models.Owner {
			continue
		}
		view.Roles = append(view.Roles, ui.OptionView{Value: string(r), Label: roleWord(r), Help: roleHelp[r], Selected: string(r) == f.role})
	}
	page, err := p.frame(c, "Invite somebody")
	if err != nil {
		return err
	}
	page.Breadcrumbs = crumbs("Settings", "/settings", "Members", "/members")
	return web.Render(c, status, pages.MemberInvite(page, view))
}

func (p *Portal) memberInvite(c echo.Context) error {
	f := memberForm{field(c, "name"), field(c, "email"), field(c, "role"), field(c, "tenant")}
	in := access.Invitation{Name: f.name, Email: f.email, Role: models.Role(f.role)}
	if f.tenant != "" {
		var err error
		if in.Tenant, err = models.ParseID[models.TenantID](f.tenant); err != nil {
			return p.renderInvite(c, unprocessable, f, []ui.ErrorView{{Field: "tenant", Text: "Choose one of the tenants."}})
		}
	}
	m, token, until, err := p.Access.Invite(c.Request().Context(), web.Actor(c), in)
	if faults, ok := formErrors(err, nil); ok {
		return p.renderInvite(c, unprocessable, f, faults)
	}
	if err != nil {
		return err
	}
	return p.renderInvitation(c, m, token, until)
}

// renderInvitation shows the link of an invitation, once.
func (p *Portal) renderInvitation(c echo.Context, m models.Member, token secret.Text, until time.Time) error {
	page, err := p.frame(c, "The invitation is ready")
	if err != nil {
		return err
	}
	page.Breadcrumbs = crumbs("Settings", "/settings", "Members", "/members")
	return web.Render(c, http.StatusOK, pages.SecretShown(page, pages.SecretShownView{Label: "Invitation for " + m.Name, Secret: p.Access.EnrolURL(token), DoneURL: "/members/" + m.ID.String(),
		Text:  []string{"Give this link to " + m.Name + " in a way that only they can read. Whoever opens it first registers a passkey and is signed in as them.", "It works once. It is never shown again; a new one can be made at any time."},
		Facts: []ui.FactView{{Label: "Good until", Text: ui.UTC(until)}}}))
}

// member finds the member in the address.
func (p *Portal) member(c echo.Context) (access.MemberDetail, error) {
	id, err := web.ParamID[models.MemberID](c, "member")
	if err != nil {
		return access.MemberDetail{}, err
	}
	return p.Access.Member(c.Request().Context(), web.Actor(c), id)
}

func (p *Portal) memberShow(c echo.Context) error {
	m, err := p.member(c)
	if err != nil {
		return err
	}
	return p.renderMember(c, http.StatusOK, m, string(m.Role), nil)
}

func (p *Portal) renderMember(c echo.Context, status int, m access.MemberDetail, role string, faults []ui.ErrorView) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	base := "/members/" + m.Member.ID.String()
	view := pages.MemberShowView{ID: m.Member.ID.String(), Name: m.Member.Name, Email: m.Member.Email, Role: roleWord(m.Role), State: m.State(), Invited: m.Member.CreatedAt,
		May: []string{lower(roleHelp[m.Role])}, Passkeys: passkeyRows(m.Passkeys), Sessions: sessionRows(m.Sessions), Errors: faults}
	if len(m.Sessions) > 0 {
		view.LastSeen = m.Sessions[0].SeenAt
	}
	if !m.Tenant.IsZero() {
		tenant, err := p.Tenants.Find(ctx, actor, m.Tenant)
		if err != nil {
			return err
		}
		view.Tenant = tenant.Name
	}
	page, err := p.frame(c, m.Member.Name)
	if err != nil {
		return err
	}
	page.Kind, page.Breadcrumbs = "Member", crumbs("Settings", "/settings", "Members", "/members")
	mine := actor.Role == models.Owner || m.Role != models.Owner // owners are for owners only
	if mine && m.State() == "locked" {
		page.Action = layout.Action{Label: "Let them in again", URL: base + "/enable", Post: true}
	} else if mine {
		view.InviteURL, view.RemoveURL = base+"/invite", base+"/disable"
		if len(m.Sessions) > 0 {
			view.EndURL = base + "/end-sessions"
		}
		if m.Tenant.IsZero() {
			view.RoleURL = base + "/role"
			for _, r := range models.Roles() {
				if r != models.Customer && (r != models.Owner || actor.Role == models.Owner) {
					view.Roles = append(view.Roles, ui.OptionView{Value: string(r), Label: roleWord(r), Help: roleHelp[r], Selected: string(r) == role})
				}
			}
		}
	}
	if actor.May(models.ReadAudit) {
		entries, err := p.Audit.List(ctx, actor, audit.Filter{Actor: m.Member.ID.String(), Limit: firstFew})
		if err != nil {
			return err
		}
		view.Audit = auditRows(actor, entries.Entries, nil)
	}
	return web.Render(c, status, pages.MemberShow(page, view))
}

func (p *Portal) memberRole(c echo.Context) error {
	m, err := p.member(c)
	if err != nil {
		return err
	}
	role := field(c, "role")
	err = p.Access.ChangeRole(c.Request().Context(), web.Actor(c), m.Member.ID, models.Role(role))
	if faults, ok := formErrors(err, nil); ok {
		return p.renderMember(c, unprocessable, m, role, faults)
	}
	if err != nil {
		return err
	}
	return done(c, "/members/"+m.Member.ID.String(), "good", m.Member.Name+" is now: "+roleWord(models.Role(role))+". They have to sign in again.")
}

func (p *Portal) memberReinvite(c echo.Context) error {
	m, err := p.member(c)
	if err != nil {
		return err
	}
	member, token, until, err := p.Access.Reinvite(c.Request().Context(), web.Actor(c), m.Member.ID)
	if err != nil {
		return err
	}
	return p.renderInvitation(c, member, token, until)
}

func (p *Portal) memberEndSessions(c echo.Context) error {
	m, err := p.member(c)
	if err != nil {
		return err
	}
	if err := p.Access.EndSessions(c.Request().Context(), web.Actor(c), m.Member.ID); err != nil {
		return err
	}
	return done(c, "/members/"+m.Member.ID.String(), "good", "Every session of "+m.Member.Name+" was ended.")
}

func (p *Portal) memberDisableConfirm(c echo.Context) error {
	m, err := p.member(c)
	if err != nil {
		return err
	}
	page, err := p.frame(c, "Lock out "+m.Member.Name)
	if err != nil {
		return err
	}
	page.Breadcrumbs = crumbs("Settings", "/settings", "Members", "/members", m.Member.Name, "/members/"+m.Member.ID.String())
	return web.Render(c, http.StatusOK, pages.Revoke(page, pages.RevokeView{Button: "Lock out " + m.Member.Name, Ends: []string{"Their sessions, at once.", "Their passkeys open nothing.", "An invitation that is still open."},
		Stays: []string{"What they did, in the audit.", "Their passkeys, for the day they are let in again."}, Action: here(c), CancelURL: "/members/" + m.Member.ID.String()}))
}

func (p *Portal) memberDisable(c echo.Context) error {
	m, err := p.member(c)
	if err != nil {
		return err
	}
	if err := p.Access.Disable(c.Request().Context(), web.Actor(c), m.Member.ID); err != nil {
		return err
	}
	return done(c, "/members/"+m.Member.ID.String(), "good", m.Member.Name+" is locked out.")
}

func (p *Portal) memberEnable(c echo.Context) error {
	m, err := p.member(c)
	if err != nil {
		return err
	}
	if err := p.Access.Enable(c.Request().Context(), web.Actor(c), m.Member.ID); err != nil {
		return err
	}
	return done(c, "/members/"+m.Member.ID.String(), "good", m.Member.Name+" can sign in again.")
}
