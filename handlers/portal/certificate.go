package portal

import (
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/offboardings"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/views/ui"
	"github.com/postern-mail/postern/web"
)

func (p *Portal) certificateShow(c echo.Context) error {
	o, paper, _, err := p.certificate(c)
	if err != nil {
		return err
	}
	page, err := p.frame(c, "Certificate for "+paper.Name)
	if err != nil {
		return err
	}
	url := "/offboardings/" + o.ID.String()
	page.Kind, page.Breadcrumbs = "Certificate", crumbs("Offboardings", "/offboardings", paper.Name, url)
	view := pages.CertificateView{ID: paper.Offboarding, Sentence: certificateSentence(paper), Matches: paper.MatchesPlan, Tenant: paper.Name, TenantID: paper.Tenant, Region: region(paper.Region), Steps: stepViews(o),
		ReceiptsURL: "/receipts?tenant=" + paper.Tenant, Facts: certificateFacts(web.Actor(c), paper)}
	for _, g := range paper.Grants {
		view.Rows = append(view.Rows, pages.CertificateRow{Provider: providerName(g.Provider), Planned: g.Planned, Severed: g.Severed,
			Confirmed:   g.Outcomes[string(provider.SeveredVerified)] + g.Outcomes[string(provider.SeveredAtProvider)],
			Unconfirmed: g.Outcomes[string(provider.DeletedHereOnly)], OwnerMust: g.Outcomes[string(provider.UserActionNeeded)]})
	}
	if p.AuditLog != nil {
		if view.Digest, err = audit.Digest(paper); err != nil {
			return err
		}
		view.SignedBy, view.JSONURL = p.AuditLog.Key(), url+"/certificate.json"
		view.Command = "postern audit verify --key '" + view.SignedBy + "' certificate-" + paper.Offboarding + ".json"
	}
	return web.Render(c, http.StatusOK, pages.Certificate(page, view))
}

func region(code string) string {
	switch code {
	case "us":
		return "US"
	case "eu":
		return "EU"
	}
	return code
}

func certificateSentence(c offboardings.Certificate) string {
	text := "Everything of " + c.Name + " was ended on " + c.CompletedAt.UTC().Format("2 January 2006 15:04 UTC") + ". Its data key is destroyed: nothing that was sealed under it can be read again."
	if c.Unconfirmed > 0 {
		text += " " + ui.Count(c.Unconfirmed, "mailbox is", "mailboxes are") + " unconfirmed at the provider."
	}
	if c.OwnerMustAct > 0 {
		text += " Of " + ui.Count(c.OwnerMustAct, "mailbox", "mailboxes") + " only the owner can end the rest."
	}
	return text
}

func certificateFacts(actor models.Actor, c offboardings.Certificate) []ui.FactView {
	at := func(t time.Time) string { return ui.UTC(t) }
	facts := []ui.FactView{
		{Label: "Reason", Text: masked(actor, c.Reason)}, {Label: "Asked for", Text: at(c.RequestedAt) + " by " + c.RequestedBy}, {Label: "Approved", Text: at(c.ApprovedAt) + " by " + c.ApprovedBy},
		{Label: "Every call refused since", Text: at(c.DoorClosedAt)}, {Label: "Data key destroyed", Text: at(c.KeyDestroyedAt)}, {Label: "Sealed values destroyed with it", Text: strconv.Itoa(c.SealedDestroyed)},
		{Label: "Records of mailboxes cut before", Text: strconv.Itoa(c.RecordsRemoved)}, {Label: "Receipts", Text: strconv.Itoa(c.Receipts)}, {Label: "Receipts' digest", Text: c.ReceiptsDigest, Mono: true}, {Label: "Plan", Text: c.PlanHash, Mono: true},
	}
	for _, noun := range []choice{{"keys", "API keys ended"}, {"links", "Connect links withdrawn"}, {"webhooks", "Webhooks deleted"}, {"members", "Members removed"}, {"sessions", "Sessions ended"}} {
		facts = append(facts, ui.FactView{Label: noun.label, Text: strconv.Itoa(c.Access[noun.value])})
	}
	if c.Ticket != "" {
		facts = append(facts, ui.FactView{Label: "Ticket", Text: c.Ticket})
	}
	return facts
}

// certificateSigned gives the certificate as a signed file, with the proof that the audit log has it.
func (p *Portal) certificateSigned(c echo.Context) error {
	_, paper, entry, err := p.certificate(c)
	if err != nil {
		return err
	}
	if p.AuditLog == nil {
		return errAbsent
	}
	text, err := p.AuditLog.Document(c.Request().Context(), audit.CertificateFormat, paper, entry)
	if err != nil {
		return err
	}
	download(c, "certificate-"+paper.Offboarding, false, "json")
	return c.Blob(http.StatusOK, "application/json", text)
}
