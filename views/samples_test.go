package views_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/postern-mail/postern/views/consent"
	"github.com/postern-mail/postern/views/layout"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/views/ui"
)

var zone = time.FixedZone("CET", 3600)

// now is the moment at which every sample is looked at.
var now = time.Date(2026, 11, 23, 14, 5, 9, 0, zone)

func ago(d time.Duration) time.Time { return now.Add(-d) }

const (
	day      = 24 * time.Hour
	hostile  = `<script>alert("postern")</script>`
	longMail = "maximiliane.featherstonehaugh-von-und-zu-lichtenstein.archive+quarterly@subsidiary.of-a-very-long.example-corporation.co.uk"
	grantID  = "019a7f3c-52b1-7c44-9d2e-6b0f1a83c7d5"
)

func page(title, current string) layout.Page {
	p := layout.Page{
		Title: title, ActorName: "Sofia Lindqvist", ActorRole: "Support", AccountURL: "/account", SignOutURL: "/signout",
		Region: "EU", RegionText: "Data lives in Frankfurt, Germany", SearchURL: "/search", ThemeURL: "/account/theme", Path: "/grants?state=valid", Now: now,
		Banner: layout.Banner{Kind: "demo", Text: "Demo. The tenants and mailboxes are made up and live on this machine."},
		Foot:   []layout.NavItem{{Label: "Settings", Icon: "settings", URL: "/settings", Current: current == "Settings"}},
	}
	for _, n := range [][3]string{{"Home", "home", "/"}, {"Tenants", "tenant", "/tenants"}, {"Grants", "grant", "/grants"}, {"Webhooks", "webhook", "/webhooks"},
		{"Verifications", "verification", "/verifications"}, {"Audit", "audit", "/audit"}, {"Security", "security", "/security"}} {
		p.Nav = append(p.Nav, layout.NavItem{Label: n[0], Icon: n[1], URL: n[2], Current: n[0] == current})
	}
	return p
}

func customerPage(title string) layout.Page {
	p := page(title, "")
	p.ActorName, p.ActorRole, p.SearchURL, p.Foot, p.Banner = "Priya Raman", "Customer", "", nil, layout.Banner{}
	p.Nav = []layout.NavItem{{Label: "Mailboxes", Icon: "grant", URL: "/", Current: true}, {Label: "Activity", Icon: "activity", URL: "/audit"}, {Label: "Verifications", Icon: "verification", URL: "/verifications"}, {Label: "Security", Icon: "security", URL: "/security"}}
	return p
}

func kind(p layout.Page, kind string, crumbs ...layout.Crumb) layout.Page {
	p.Kind, p.Breadcrumbs = kind, crumbs
	return p
}

func action(p layout.Page, label, icon, url string) layout.Page {
	p.Action = layout.Action{Label: label, Icon: icon, URL: url}
	return p
}

func hosted(title string) layout.ConsentPage {
	return layout.ConsentPage{Title: title, Company: "Acme CRM", Region: "EU", Now: now, Demo: true}
}

func chart(id, title string, series ...ui.SeriesView) ui.ChartView {
	c := ui.ChartView{ID: id, Title: title, Unit: "requests", Series: series}
	for i := 29; i >= 0; i-- {
		b := ui.BarView{Label: now.AddDate(0, 0, -i).Format("2 Jan")}
		for s := range series {
			n := (i*37+s*11)%23 + 40 - i
			if s > 0 {
				n = (i * (s + 3) % 11) / (s + 1) * (i % 3)
			}
			b.Values = append(b.Values, max(0, n))
		}
		c.Bars = append(c.Bars, b)
	}
	return c
}

func verdicts() ui.ChartView {
	return chart("verifications", "Signed requests checked", ui.SeriesView{Label: "accepted", State: "accepted"}, ui.SeriesView{Label: "refused", State: "refused"})
}

func revocations() ui.ChartView {
	return chart("revocations", "Revocations by outcome", ui.SeriesView{Label: "verified", State: "severed-verified"},
		ui.SeriesView{Label: "here only", State: "deleted-here-only"}, ui.SeriesView{Label: "in progress", State: "severing"})
}

func grantRows(n int) []pages.GrantRow {
	addresses := []string{"ada@northwind.example", "support@northwind.example", longMail, "j.okafor@lumen-health.example", hostile + "@evil.example", "billing@fjord.example"}
	states := []string{"valid", "valid", "invalid", "valid", "revoked", "pending"}
	tenants := []string{"Northwind Traders", "Northwind Traders", "Fjord Logistik GmbH & Co. KG", "Lumen Health", hostile, "Fjord Logistik GmbH & Co. KG"}
	providers := []string{"Sandbox", "Google", "Microsoft 365", "IMAP", "iCloud", "Yahoo"}
	var rows []pages.GrantRow
	for i := range n {
		k := i % len(addresses)
		rows = append(rows, pages.GrantRow{Address: addresses[k], URL: fmt.Sprintf("/grants/%d", i), Provider: providers[k], Tenant: tenants[k], TenantURL: "/tenants/1",
			State: states[k], Rights: []string{"read mail", "send mail", "manage drafts"}[:1+k%3], Created: ago(40 * day), LastUsed: ago(time.Duration(i*i*7) * time.Minute)})
	}
	if n > 4 {
		rows[4].LastUsed = time.Time{}
	}
	return rows
}

func filters(action, label string, selects ...ui.FilterView) ui.FiltersView {
	return ui.FiltersView{Action: action, SearchLabel: label, Selects: selects, ClearURL: action}
}

func choice(name, label string, values ...string) ui.FilterView {
	f := ui.FilterView{Name: name, Label: label, Options: []ui.OptionView{{Value: "", Label: "Any"}}}
	for _, v := range values {
		f.Options = append(f.Options, ui.OptionView{Value: strings.ToLower(v), Label: v})
	}
	return f
}

func auditRows() []pages.AuditRow {
	return []pages.AuditRow{
		{ID: grantID, URL: "/audit/1", At: ago(4 * time.Minute), Actor: "Sofia Lindqvist", ActorNote: "Support, from 192.0.2.7", Act: "revoked", Action: "grant.revoke", Object: "ada@northwind.example", ObjectURL: "/grants/1", Tenant: "Northwind Traders", Outcome: "done", Detail: "The customer left on 20 November."},
		{ID: grantID, URL: "/audit/2", At: ago(52 * time.Minute), Actor: "API key crm-prod", ActorNote: "from 198.51.100.24", Act: "tried to read mail of", Action: "message.list", Object: longMail, Tenant: "Fjord Logistik GmbH & Co. KG", Outcome: "denied", Detail: "The grant needs a reconnect."},
		{ID: grantID, URL: "/audit/3", At: ago(26 * time.Hour), Actor: hostile, Act: "rotated the secret of", Action: "webhook.rotate", Object: "CRM events", ObjectURL: "/webhooks/1", Outcome: "done"},
		{ID: grantID, At: ago(50 * day), Actor: "Postern", Act: "told the provider about", Action: "grant.sever", Object: "billing@fjord.example", Outcome: "failed", Detail: "The provider answered 503; the next try is in 10 minutes."},
	}
}

const planHash = "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"

func planView(hash string) pages.PlanView {
	return pages.PlanView{Hash: hash, Live: 412, Revoked: 9, Links: 2, Members: 4, Sessions: 1, Estimate: "about 1 minute; how many revocations Google takes decides",
		Providers: []pages.PlanProviderView{{Provider: "Google", Live: 351, Revoked: 9, Means: "The provider is told and asked whether it is gone."}, {Provider: "Microsoft 365", Live: 61, Means: "Our copy is destroyed; only the owner, or an administrator, removes the permission."}},
		Keys:      []string{"Billing (pk_live_4f…)", hostile}, Webhooks: []string{"https://hooks.northwind.example/postern"}, Apps: []string{"Google, Acme Sync (1234.apps.example)"}}
}

func offboardingSteps() []ui.StepView {
	return []ui.StepView{{Title: "The door is closed", Detail: "412 mailboxes refused", State: "done", At: ago(4 * time.Minute)}, {Title: "Each mailbox is severed", Detail: "412 mailboxes, 9 records of earlier ones", State: "done", At: ago(3 * time.Minute)},
		{Title: "Keys, links, webhooks, members and sessions end", Detail: "2 keys, 2 links, 1 webhook, 4 members, 1 session", State: "done", At: ago(3 * time.Minute)}, {Title: "Providers answer", State: "running"},
		{Title: "Every sealed value that is left is destroyed", State: "waiting"}, {Title: "The organisation's data key is destroyed", State: "waiting"}, {Title: "The certificate is written", State: "waiting"}}
}

func liveRows() []pages.LiveRow {
	return []pages.LiveRow{
		{Address: "ada@northwind.example", URL: "/grants/1/receipt", State: "severing", Turn: "Postern asks Google again", Provider: "Google", Tenant: "Northwind Traders", TenantURL: "/tenants/1", By: "Sofia Lindqvist", CutAt: ago(26 * time.Hour), NextTry: now.Add(41 * time.Minute), ConfirmURL: "/receipts/live/1/confirm"},
		{Address: longMail, URL: "/grants/2/receipt", State: "user-action-needed", Turn: "The mailbox's owner, or their administrator", Provider: "Microsoft 365", Tenant: hostile, TenantURL: "/tenants/2", By: "Sofia Lindqvist", CutAt: ago(9 * day), ConfirmURL: "/receipts/live/2/confirm"},
		{Address: "j.okafor@lumen-health.example", URL: "/grants/3/receipt", State: "deleted-here-only", Turn: "The mailbox's owner", Provider: "Google", Tenant: "Lumen Health", TenantURL: "/tenants/3", By: "API key billing", CutAt: ago(40 * day)},
	}
}

func receiptRows() []pages.ReceiptRow {
	return []pages.ReceiptRow{
		{Address: "ada@northwind.example", URL: "/receipts/1", Act: "Revoked", Result: "severed-verified", Provider: "Google", Tenant: "Northwind Traders", TenantURL: "/tenants/1", By: "Sofia Lindqvist", At: ago(4 * time.Minute)},
		{Address: longMail, URL: "/receipts/2", Act: "Deleted", Result: "user-action-needed", Provider: "iCloud", Tenant: "Fjord Logistik GmbH & Co. KG", TenantURL: "/tenants/2", By: "Priya Raman", At: ago(3 * day)},
		{Address: "j.okafor@lumen-health.example", URL: "/receipts/3", Act: "Revoked", Result: "severing", Provider: "Microsoft 365", Tenant: "Lumen Health", TenantURL: "/tenants/3", By: "API key crm-prod", At: ago(20 * time.Second)},
	}
}

func memberRows() []pages.MemberRow {
	return []pages.MemberRow{
		{Name: "Sofia Lindqvist", Email: "sofia@acme.example", URL: "/members/1", Role: "Support", State: "active", Passkeys: 2, LastSeen: ago(time.Minute)},
		{Name: "Priya Raman", Email: "priya.raman@northwind.example", URL: "/members/2", Role: "Customer", Tenant: "Northwind Traders", State: "invited"},
		{Name: hostile, Email: longMail, Role: "Reviewer", State: "locked", LastSeen: ago(90 * day)},
	}
}

func scopes() []pages.ScopeRow {
	return []pages.ScopeRow{
		{Name: "https://www.googleapis.com/auth/gmail.readonly", Words: "Read mail", Sensitivity: "restricted", Requested: true, Granted: true, Used: ago(3 * time.Minute)},
		{Name: "https://www.googleapis.com/auth/gmail.send", Words: "Send mail", Sensitivity: "sensitive", Requested: true, Granted: true},
		{Name: "https://www.googleapis.com/auth/gmail.labels", Words: "Manage folders", Requested: true},
	}
}

func capabilities() []ui.OptionView {
	return []ui.OptionView{{Value: "read", Label: "Read mail", Selected: true, Help: "Messages, threads and attachments"}, {Value: "send", Label: "Send mail", Selected: true, Help: "From the mailbox's own address"},
		{Value: "drafts", Label: "Manage drafts"}, {Value: "folders", Label: "Manage folders", Help: "Move, mark and file messages"}, {Value: "contacts", Label: "Read contacts"}}
}

func deliveries() []pages.DeliveryRow {
	return []pages.DeliveryRow{
		{Event: grantID, URL: "/deliveries/1", Trigger: "grant.updated", State: "delivered", Attempts: 1, Status: 200, At: ago(4 * time.Minute)},
		{Event: "019a7f3c-52b1-7c44-9d2e-6b0f1a8300ff", URL: "/deliveries/2", Trigger: "grant.expired", State: "retrying", Attempts: 3, At: ago(2 * time.Hour), Next: now.Add(26 * time.Minute)},
		{Event: "019a7f3c-52b1-7c44-9d2e-6b0f1a83a1b2", URL: "/deliveries/3", Trigger: "grant.created", State: "gave_up", Attempts: 8, Status: 500, At: ago(4 * day)},
	}
}

func ask() consent.AskView {
	return consent.AskView{
		Company: "Acme CRM", Application: "Acme Sync", Organisation: "Northwind Traders",
		Can: []consent.RightView{
			{Words: "read mail", Icon: "read", Detail: "Every message and attachment of this mailbox, also old ones", Provider: "mail.read", Sensitivity: "restricted"},
			{Words: "send mail", Icon: "send", Detail: "From your address", Provider: "mail.send", Sensitivity: "sensitive"},
		},
		Cannot:     []string{"delete mail", "change your settings or filters", "see your password", "reach other mailboxes of Northwind Traders"},
		RegionText: "The connection is kept in the EU (Frankfurt). Mail is read when it is needed and not stored.",
		Undo:       "Disconnect it in Postern, ask Acme CRM, or remove Acme Sync at your provider. It works the same day.",
		UndoURL:    "https://account.example/permissions",
	}
}

func ends() ui.EndsView {
	return ui.EndsView{
		Now:   []string{"Acme Sync and every other program lose access: 3 tokens die.", "Postern destroys its own credential for this mailbox.", "Google is told to withdraw the permission; Postern tries until it answers."},
		Later: []ui.EndsByView{{Text: "A token that Google has issued may still work at Google.", By: now.Add(time.Hour)}},
		Owner: []ui.OwnerActView{{Text: "Remove Acme Sync from the list of connected apps, if Google should not answer.", Label: "Google account, connections", URL: "https://myaccount.example/connections"}},
		Stays: []string{"The entry with its id and history; the owner can reconnect it.", "The receipt and the audit log."},
	}
}

// sample is one page with lifelike data.
type sample struct {
	name string
	page templ.Component
}

func samples() []sample {
	return slices.Concat(portalSamples(), setupSamples(), securitySamples(), hostedSamples(), verificationSamples(), referenceSamples(), batchSamples())
}
