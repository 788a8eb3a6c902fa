package portal

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/engine/tenants"
	"github.com/postern-mail/postern/engine/verifications"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/views/ui"
	"github.com/postern-mail/postern/web"
)

// requirement is one question of a security review with what the running system answers.
type requirement struct {
	question, primitive, state, detail, url, evidence string
}

// overdue is how long a provider may be asked before an open severance counts against the control.
const overdue = 72 * time.Hour

// requirements answers the five questions from what is there now. What was not looked at is not claimed.
func (p *Portal) requirements(ctx context.Context, actor models.Actor) ([]requirement, error) {
	reach, err := p.requireReach(ctx, actor)
	if err != nil {
		return nil, err
	}
	cut, err := p.requireCut(ctx, actor)
	if err != nil {
		return nil, err
	}
	proof, err := p.requireProof(ctx, actor)
	if err != nil {
		return nil, err
	}
	region, err := p.requireRegion(ctx, actor)
	if err != nil {
		return nil, err
	}
	return []requirement{reach, cut, proof, p.requireEncryption(), region}, nil
}

func (p *Portal) requireReach(ctx context.Context, actor models.Actor) (requirement, error) {
	r := requirement{question: "Which mailboxes can be reached, and with which rights?", primitive: "Scoped consent and inventory", state: "met", url: "/grants", evidence: "The inventory"}
	found, err := p.Grants.List(ctx, actor, grants.Filter{Status: string(models.GrantValid), Limit: 200})
	if err != nil {
		return r, err
	}
	without := 0
	for _, g := range found.Grants {
		if len(g.ScopesRequested) > 0 && len(g.ScopesGranted) == 0 {
			without++
		}
	}
	r.detail = counted(found.Total) + " mailboxes can be reached, each listed with what was asked for and what was given."
	if without > 0 {
		r.state, r.detail = "not_met", ui.Count(without, "mailbox is", "mailboxes are")+" reachable without a record of the rights that were given."
	}
	return r, nil
}

func (p *Portal) requireCut(ctx context.Context, actor models.Actor) (requirement, error) {
	r := requirement{question: "Can access be cut the day a customer leaves?", primitive: "Revoke and delete, with a receipt", state: "met", url: "/receipts", evidence: "The receipts"}
	open, _, err := p.Grants.Severances(ctx, actor, grants.ReceiptFilter{Open: true, Limit: 200})
	if err != nil {
		return r, err
	}
	late := 0
	for _, v := range open {
		if v.ClosedAt == nil && p.Now().Sub(v.CutAt) > overdue {
			late++
		}
	}
	r.detail = "Access ends here at once. Nothing is waiting for a provider's answer."
	if len(open) > 0 {
		r.detail = "Access ends here at once. Of " + ui.Count(len(open), "mailbox", "mailboxes") + " the provider's part is not finished, or is the owner's to finish."
		r.url, r.evidence = "/receipts/live", "What is still open"
	}
	if late > 0 {
		r.state, r.detail = "not_met", ui.Count(late, "mailbox waits", "mailboxes wait")+" for a provider's answer for more than three days."
	}
	return r, nil
}

func (p *Portal) requireProof(ctx context.Context, actor models.Actor) (requirement, error) {
	r := requirement{question: "Does every event prove where it comes from?", primitive: "Signed events and the verification log", state: "not_claimed", url: "/verifications", evidence: "The verification log"}
	counts, err := p.Verifications.Counts(ctx, actor, verifications.Filter{})
	if err != nil {
		return r, err
	}
	accepted, refused := 0, 0
	for _, n := range counts {
		if n.Verdict == "accepted" {
			accepted += n.Count
		} else {
			refused += n.Count
		}
	}
	if accepted+refused == 0 {
		r.detail = "No signed request came in within 30 days, so there is nothing to judge by."
		return r, nil
	}
	r.state = "met"
	r.detail = "In 30 days " + ui.Count(accepted, "request was", "requests were") + " accepted by signature and " + ui.Count(refused, "was", "were") + " refused. None got in unchecked."
	return r, nil
}

func (p *Portal) requireEncryption() requirement {
	r := requirement{question: "Is it encrypted on the way and at rest?", primitive: "TLS and envelope encryption", state: "met", url: "/security", evidence: "This page",
		detail: "Credentials are sealed with a key of each tenant, which is itself sealed; Postern does not start when that fails. The portal is reached by https only."}
	if strings.HasPrefix(p.Server.Origin(), "http://") {
		r.state, r.detail = "not_met", "Credentials are sealed with a key of each tenant. The portal is reached by plain http on this machine, as a demo is."
	}
	return r
}

func (p *Portal) requireRegion(ctx context.Context, actor models.Actor) (requirement, error) {
	r := requirement{question: "Where does the data live?", primitive: "A region for each tenant", state: "met", url: "/tenants", evidence: "The tenants and their regions"}
	if !actor.May(models.ReadTenants) {
		r.url, r.evidence = "/", "Your mailboxes"
	}
	found, err := p.Tenants.List(ctx, actor, tenants.Filter{Limit: 200})
	if err != nil {
		return r, err
	}
	elsewhere := 0
	for _, t := range found.Tenants {
		if t.Region != p.Region {
			elsewhere++
		}
	}
	r.detail = p.regionText() + "; every tenant looked at belongs there."
	if elsewhere > 0 {
		r.state, r.detail = "not_met", ui.Count(elsewhere, "tenant belongs", "tenants belong")+" to another region than this installation's."
	}
	return r, nil
}

func (p *Portal) security(c echo.Context) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	found, err := p.requirements(ctx, actor)
	if err != nil {
		return err
	}
	now := p.Now().UTC()
	view := pages.SecurityView{Checked: now}
	for _, r := range found {
		view.Rows = append(view.Rows, pages.RequirementRow{Requirement: r.question, Primitive: r.primitive, State: r.state, Detail: r.detail, Checked: now,
			Evidence: []pages.EvidenceView{{Label: r.evidence, URL: r.url}}})
	}
	for _, name := range []string{"SOC 2", "HIPAA"} {
		view.Rows = append(view.Rows, pages.RequirementRow{Requirement: name, Primitive: "Your own assessment and contract", State: "not_claimed",
			Detail: "This depends on how your company runs Postern, and on its assessor. No software can claim it.", Checked: now})
	}
	page, err := p.frame(c, "Security")
	if err != nil {
		return err
	}
	page.Lede = "What a reviewer asks, and what the running system answers."
	return web.Render(c, http.StatusOK, pages.Security(page, view))
}
