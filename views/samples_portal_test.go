package views_test

import (
	"time"

	"github.com/postern-mail/postern/views/layout"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/views/ui"
)

func portalSamples() []sample {
	flashed := page("Good afternoon, Sofia", "Home")
	flashed.Flash = layout.Flash{Kind: "good", Text: "ada@northwind.example is revoked. The receipt is being written."}
	tenant := kind(page("Northwind Traders", "Tenants"), "Tenant", layout.Crumb{Label: "Tenants", URL: "/tenants"})
	grant := kind(page("ada@northwind.example", "Grants"), "Grant", layout.Crumb{Label: "Northwind Traders", URL: "/tenants/1"}, layout.Crumb{Label: "Mailboxes", URL: "/grants"})
	confirm := func(title string) layout.Page {
		return kind(page(title, "Grants"), "", layout.Crumb{Label: "Grants", URL: "/grants"}, layout.Crumb{Label: longMail, URL: "/grants/1"})
	}
	end := pages.GrantEndView{Address: "ada@northwind.example", Provider: "Google", Tenant: "Northwind Traders", Ends: ends(), Action: "/grants/1/revoke", CancelURL: "/grants/1"}
	grantFilters := filters("/grants", "Search mailboxes", choice("state", "State", "Valid", "Needs reconnect", "Revoked"), choice("provider", "Provider", "Google", "Microsoft 365", "IMAP"), choice("tenant", "Tenant", "Northwind Traders"))
	chosen := grantFilters
	chosen.Chips = []ui.ChipView{{Label: "State: Valid", RemoveURL: "/grants?q=ada"}, {Label: "Search: " + hostile, RemoveURL: "/grants?state=valid"}}
	showGrant := pages.GrantShowView{
		ID: grantID, Address: "ada@northwind.example", Provider: "Google", Tenant: "Northwind Traders", TenantURL: "/tenants/1", Application: "Acme Sync", ApplicationURL: "/applications/1", Region: "EU",
		State: "valid", StateText: "Acme Sync can read and send mail of this mailbox.", Reason: "reconnected by its owner", ReasonBy: "Ada Byron", ReasonAt: ago(3 * day),
		Can: []string{"read mail", "send mail"}, Cannot: []string{"manage folders: asked for, not given", "manage drafts", "read contacts"},
		Scopes: scopes(), Created: ago(212 * day), LastUsed: ago(3 * time.Minute), Tokens: 3,
		RevokeTokensURL: "/grants/1/revoke-tokens", RevokeURL: "/grants/1/revoke", DeleteURL: "/grants/1/delete", ReconnectURL: "/grants/1/reconnect",
		Receipts: receiptRows()[:1], Audit: auditRows(), AuditURL: "/audit?object=1",
		Accessors: []pages.AccessorRow{{Who: "CRM sync (postern_eu_Ab3xYz…)", Kind: "API key", Acts: []string{"listed messages", "read messages", "downloaded attachments"}, Count: 12402, Last: ago(3 * time.Minute), URL: "/grants/accesses?actor=1"},
			{Who: "Access token for " + longMail, Kind: "Access token", Acts: []string{"sent mail"}, Count: 1, Last: ago(40 * day)}},
		AccessesURL: "/grants/accesses?grant=1", AccessesOf: "its latest 1,000 calls",
	}
	gone := pages.GrantShowView{ID: grantID, Address: longMail, Provider: "iCloud", Tenant: hostile, TenantURL: "/tenants/1", Application: "Acme Sync", State: "revoked",
		StateText: "Nothing can reach this mailbox through Postern.", Reason: "revoked", ReasonBy: "Sofia Lindqvist", ReasonAt: ago(4 * time.Minute), Created: ago(20 * day), ReconnectURL: "/grants/1/reconnect", DeleteURL: "/grants/1/delete"}
	receipt := pages.ReceiptView{
		ID: grantID, Sentence: "Google confirmed at 13:01:12 UTC that Acme Sync is cut off from ada@northwind.example, and we destroyed our copy.", Result: "severed-verified", Act: "Revoked",
		Address: "ada@northwind.example", Provider: "Google", Tenant: "Northwind Traders", TenantURL: "/tenants/1", GrantID: grantID, GrantURL: "/grants/1", By: "Sofia Lindqvist", Reason: "The customer left on 20 November.", At: ago(4 * time.Minute),
		Steps: []ui.StepView{
			{Title: "Access through Postern cut", Detail: "3 tokens died; the API answers 401.", State: "done", At: ago(4 * time.Minute)},
			{Title: "Google told", Detail: "It answered 200.", State: "done", At: ago(4*time.Minute - 2*time.Second)},
			{Title: "Probed", Detail: "The refresh token was tried once more and refused: invalid_grant.", State: "done", At: ago(4*time.Minute - 3*time.Second)},
			{Title: "Our credential destroyed", State: "running"},
			{Title: "App password removed by the owner", State: "needed"},
		},
		LiveUntil: now.Add(56 * time.Minute), Owner: ends().Owner, JSONURL: "/receipts/1.json",
		Digest: "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", SignedBy: "postern/1+0a0b0c0d+AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=", Command: "postern audit verify receipt.json", LiveURL: "/receipts/live",
		Confirmed: "Sofia Lindqvist wrote down on 21 November 2026 13:40 UTC that the customer confirmed the end.",
	}
	shared := end
	shared.ReachLabel, shared.Reaches = "How far it goes at Google", []ui.OptionView{{Value: "everywhere", Label: "Everywhere", Help: "Google is told. It keeps one permission for a person and an app: any other connection of this person through this app ends too.", Selected: true},
		{Value: "here", Label: "This organisation only", Help: "Our copy is destroyed and Google is not told. The permission stays listed there until its owner removes it."}}
	return []sample{
		{"home_staff", pages.HomeStaff(flashed, pages.HomeStaffView{
			Needs: []pages.NeedView{
				{State: "invalid", Text: "4 mailboxes of Northwind Traders need a reconnect", Detail: "Google refuses their tokens", At: ago(5 * time.Hour), Act: "Show them", URL: "/grants?state=invalid"},
				{State: "deleted-here-only", Text: "j.okafor@lumen-health.example is still live at Microsoft 365", Detail: "Revoked here; only its owner or their administrator can end it there,", At: ago(2 * day), Act: "Open the receipt", URL: "/receipts/3"},
				{State: "failing", Text: "Webhook “CRM events” fails", Detail: "12 deliveries wait,", At: ago(90 * time.Minute), Act: "Open it", URL: "/webhooks/1"},
				{State: "expiring", Text: "The client secret for Microsoft 365 ends in 12 days", Act: "Renew it", URL: "/connectors/2"},
			},
			Checked: ago(20 * time.Second),
			Numbers: []ui.StatView{{Label: "Mailboxes", Value: "12,402", URL: "/grants"}, {Label: "Need reconnect", Value: "38", URL: "/grants?state=invalid"}, {Label: "Tenants", Value: "214", URL: "/tenants"}, {Label: "Deliveries today", Value: "48,120", Detail: "99.8 % at the first attempt"}},
			Charts:  []ui.ChartView{verdicts(), revocations()}, Recent: auditRows(), AllURL: "/audit",
		})},
		{"home_staff_calm", pages.HomeStaff(page("Good afternoon, Sofia", "Home"), pages.HomeStaffView{Checked: now})},
		{"home_reviewer", pages.HomeReviewer(page("Is it under control?", "Home"), pages.HomeReviewerView{
			Primitives: []pages.PrimitiveView{
				{Question: "Exactly which mailboxes can the app touch, with which rights?", Name: "Scoped hosted consent, inventory of grants", State: "met", Detail: "12,402 grants; each has its rights on record, none holds a right that was not granted.", Checked: ago(time.Minute), URL: "/grants"},
				{Question: "How does a customer cut access the day they leave?", Name: "Revoke and delete, with a receipt", State: "met", Detail: "41 revocations in 30 days; the slowest cut our own access in 0.4 seconds.", Checked: ago(time.Minute), URL: "/receipts"},
				{Question: "How do you prove that an event came from the API?", Name: "HMAC-SHA256 signature, rotating secrets", State: "not_met", Detail: "One webhook has a secret that is 214 days old; the limit is 180.", Checked: ago(time.Minute), URL: "/webhooks"},
				{Question: "Is it encrypted in transit and at rest?", Name: "TLS only, a key per tenant", State: "met", Detail: "All 12,402 credentials open with their tenant's own key and with no other.", Checked: ago(time.Hour)},
				{Question: "Where does the data live?", Name: "Region pinned to deployment and tenant", State: "not_claimed", Detail: "The region is what the operator set; Postern cannot see where its disks are.", Checked: ago(time.Minute), URL: "/security"},
			},
			Charts: []ui.ChartView{verdicts(), revocations()},
		})},
		{"home_customer", pages.HomeCustomer(customerPage("Your mailboxes"), pages.HomeCustomerView{
			Company: "Acme CRM", Tenant: "Northwind Traders", ConnectURL: "/connect-own", RegionText: "Connections are kept in the EU (Frankfurt). Mail is not stored.",
			Mailboxes: []pages.CustomerMailboxView{
				{Address: "ada@northwind.example", URL: "/grants/1", Provider: "Google", Application: "Acme Sync", State: "valid", Can: []string{"read mail", "send mail", "manage drafts"}, Since: ago(80 * day), LastUsed: ago(time.Minute), DisconnectURL: "/grants/1/revoke"},
				{Address: longMail, URL: "/grants/2", Provider: "Microsoft 365", Application: "Acme Sync", State: "invalid", Can: []string{"read mail"}, Since: ago(9 * day), LastUsed: ago(3 * day), DisconnectURL: "/grants/2/revoke", ReconnectURL: "/grants/2/reconnect"},
				{Address: "old@northwind.example", URL: "/grants/3", Provider: "IMAP", Application: "Acme Sync", State: "revoked", Since: ago(400 * day)},
			},
		})},
		{"home_customer_empty", pages.HomeCustomer(customerPage("Your mailboxes"), pages.HomeCustomerView{Company: "Acme CRM", Tenant: hostile, ConnectURL: "/connect-own"})},
		{"tenant_list", pages.TenantList(action(page("Tenants", "Tenants"), "Add a tenant", "plus", "/tenants/new"), pages.TenantListView{
			Filters: filters("/tenants", "Search tenants", choice("region", "Region", "EU", "US"), choice("state", "State", "Active", "Offboarding")),
			Rows: []pages.TenantRow{
				{Name: "Northwind Traders", URL: "/tenants/1", Region: "EU", State: "active", Valid: 213, NeedsReconnect: 4, Revoked: 19, LastActivity: ago(time.Minute)},
				{Name: "Fjord Logistik GmbH & Co. KG, Niederlassung Süd", URL: "/tenants/2", Region: "EU", State: "offboarding", Valid: 12, Revoked: 1204, LastActivity: ago(3 * day)},
				{Name: hostile, URL: "/tenants/3", Region: "US", State: "offboarded"},
			},
			Pages: ui.PagesView{From: 1, To: 50, Total: "about 12,400", Next: "/tenants?after=x"}, Export: ui.ExportView{CSV: "/tenants.csv", JSON: "/tenants.json"},
		})},
		{"tenant_list_empty", pages.TenantList(page("Tenants", "Tenants"), pages.TenantListView{Filters: filters("/tenants", "Search tenants"), CreateURL: "/tenants/new"})},
		{"tenant_create", pages.TenantCreate(page("Add a tenant", "Tenants"), pages.TenantCreateView{
			Action: "/tenants", CancelURL: "/tenants", Name: hostile, Regions: []ui.OptionView{{Value: "eu", Label: "European Union", Help: "Frankfurt, Germany", Selected: true}, {Value: "us", Label: "United States", Help: "This Postern does not run there", Disabled: true}},
			Errors: []ui.ErrorView{{Field: "name", Text: "There is a tenant of this name already. Choose another, or open the existing one."}},
		})},
		{"tenant_show", pages.TenantShow(action(tenant, "Make a connect link", "link", "/tenants/1/links/new"), pages.TenantShowView{
			ID: grantID, Region: "EU", RegionText: "Frankfurt, Germany", State: "active", Created: ago(300 * day), Grants: grantRows(3), GrantsURL: "/grants?tenant=1", GrantCount: "213",
			Links: []pages.LinkRow{
				{Provider: "Google", Address: "new.hire@northwind.example", Application: "Acme Sync", Rights: []string{"read mail", "send mail"}, State: "open", By: "Sofia Lindqvist", Created: ago(time.Hour), Expires: now.Add(23 * time.Hour), EndURL: "/links/1/end"},
				{Provider: "The customer's choice", Application: "Acme Sync", Rights: []string{"read mail"}, State: "used", By: "API key crm-prod", Created: ago(2 * day), Expires: ago(day)},
			},
			Members: memberRows()[1:2], Receipts: receiptRows()[:1], Audit: auditRows()[:2], LinkCreateURL: "/tenants/1/links/new", InviteURL: "/tenants/1/members/new", AuditURL: "/audit?tenant=1", ReceiptsURL: "/receipts?tenant=1",
		})},
		{"tenant_show_empty", pages.TenantShow(tenant, pages.TenantShowView{ID: grantID, Region: "EU", State: "active", Created: now, LinkCreateURL: "/tenants/1/links/new"})},
		{"grant_list", pages.GrantList(page("Grants", "Grants"), pages.GrantListView{Filters: chosen, Rows: grantRows(50), Filtered: true,
			Pages: ui.PagesView{From: 51, To: 100, Total: "about 12,400", Next: "/grants?after=x", Prev: "/grants?before=x"}, Export: ui.ExportView{CSV: "/grants.csv", JSON: "/grants.json"}})},
		{"grant_list_none", pages.GrantList(page("Grants", "Grants"), pages.GrantListView{Filters: chosen, Filtered: true})},
		{"grant_list_empty", pages.GrantList(page("Grants", "Grants"), pages.GrantListView{Filters: grantFilters})},
		{"grant_show", pages.GrantShow(grant, showGrant)},
		{"grant_show_revoked", pages.GrantShow(kind(page(longMail, "Grants"), "Grant"), gone)},
		{"grant_revoke", pages.GrantRevoke(confirm("Revoke ada@northwind.example?"), end)},
		{"grant_delete", pages.GrantDelete(confirm("Delete "+longMail+"?"), pages.GrantEndView{Address: longMail, Provider: "iCloud", Tenant: hostile, Action: "/grants/1/delete", CancelURL: "/grants/1", Reason: hostile,
			Ends: ui.EndsView{Now: []string{"The grant is gone for good."}}, Errors: []ui.ErrorView{{Text: "Somebody else revoked it meanwhile. Look at what is left, then decide again."}}})},
		{"grant_revoke_google", pages.GrantRevoke(confirm("Revoke ada@northwind.example?"), shared)},
		{"grant_revoke_tokens", pages.GrantRevokeTokens(confirm("Revoke the tokens of ada@northwind.example?"), end)},
		{"access_list", pages.AccessList(kind(page("Who reached which mailbox", "Grants"), "Access ledger", layout.Crumb{Label: "Grants", URL: "/grants"}), pages.AccessListView{
			Filters: filters("/grants/accesses", "", choice("operation", "Did", "Listed messages", "Sent mail"), choice("outcome", "Outcome", "Refused"), choice("since", "Time", "Last hour", "Last day")),
			Rows: []pages.AccessRow{
				{At: ago(2 * time.Minute), Who: "CRM sync (postern_eu_Ab3xYz…)", WhoURL: "/grants/accesses?actor=1", Mailbox: "ada@northwind.example", MailboxURL: "/grants/1", Act: "Listed messages", Operation: "messages.list", State: "done", From: "198.51.100.7"},
				{At: ago(9 * time.Minute), Who: hostile, Mailbox: longMail, MailboxURL: "/grants/2", Act: "Sent mail", Operation: "messages.send", State: "refused", Outcome: "insufficient_scopes", From: "2001:db8:4:17:ffff:ffff:ffff:ffff"},
				{At: ago(5 * day), Who: "Access token", Mailbox: "a mailbox that was deleted", Act: "Downloaded an attachment", Operation: "attachments.download", State: "done", From: "203.0.113.77"},
			},
			Pages: ui.PagesView{From: 1, To: 3}, Export: ui.ExportView{CSV: "/a.csv", JSON: "/a.json"},
		})},
		{"access_list_none", pages.AccessList(page("Who reached which mailbox", "Grants"), pages.AccessListView{Filters: filters("/grants/accesses", "")})},
		{"receipt", pages.Receipt(kind(page("Receipt for ada@northwind.example", "Grants"), "Receipt", layout.Crumb{Label: "Receipts", URL: "/receipts"}), receipt)},
		{"receipt_list", pages.ReceiptList(page("Receipts", "Grants"), pages.ReceiptListView{Filters: filters("/receipts", "Search mailboxes", choice("result", "Result", "Severed, verified", "Deleted here only")), Rows: receiptRows(), Pages: ui.PagesView{From: 1, To: 3, Total: "3"}, Live: 3, LiveURL: "/receipts/live"})},
		{"live_list", pages.LiveList(page("Still live at a provider", "Grants"), pages.LiveListView{Filters: filters("/receipts/live", "Search mailboxes", choice("outcome", "State", "Owner must act")), Rows: liveRows(), Pages: ui.PagesView{From: 1, To: 3}})},
		{"live_list_none", pages.LiveList(page("Still live at a provider", "Grants"), pages.LiveListView{Filters: filters("/receipts/live", "Search mailboxes"), ReceiptsURL: "/receipts"})},
		{"live_confirm", pages.LiveConfirm(page("Is "+longMail+" gone at Microsoft 365?", "Grants"), pages.LiveConfirmView{Address: longMail, Provider: "Microsoft 365", Tenant: hostile, Steps: []string{"A work account's owner removes it at myapps.microsoft.com."}, Action: "/receipts/live/1/confirm", CancelURL: "/receipts/live",
			Note: hostile, Errors: []ui.ErrorView{{Field: "note", Text: "Say in at most 300 characters who confirmed it, and how."}}})},
		{"offboarding_list", pages.OffboardingList(page("Offboardings", "Tenants"), pages.OffboardingListView{Filters: filters("/offboardings", "", choice("state", "State", "Done")), Pages: ui.PagesView{From: 1, To: 2}, Rows: []pages.OffboardingRow{
			{Tenant: "Northwind Traders", URL: "/offboardings/1", State: "planned", Grants: 412, Reason: "The contract ended.", RequestedBy: "Sofia Lindqvist", At: ago(time.Hour)},
			{Tenant: hostile, URL: "/offboardings/2", State: "done", Grants: 12_000, Reason: hostile, RequestedBy: "Sofia Lindqvist", ApprovedBy: "Kim Park", At: ago(9 * day)}}})},
		{"offboarding_list_none", pages.OffboardingList(page("Offboardings", "Tenants"), pages.OffboardingListView{Filters: filters("/offboardings", "")})},
		{"offboarding_plan", pages.OffboardingPlan(kind(page("Offboard Northwind Traders", "Tenants"), "Dry run"), pages.OffboardingPlanView{Tenant: "Northwind Traders", Plan: planView(""), Action: "/tenants/1/offboard", CancelURL: "/tenants/1", Reason: "x", StartAt: "tomorrow",
			Waits: []ui.OptionView{{Value: "1h", Label: "One hour"}, {Value: "72h", Label: "Three days", Selected: true}}, Errors: []ui.ErrorView{{Field: "reason", Text: "Say why this organisation is offboarded, in 3 to 300 characters."}, {Field: "start_at", Text: "Write the time in UTC, as 2026-12-31 18:00."}}})},
		{"offboarding_approve", pages.OffboardingApprove(page("Offboard "+hostile+"?", "Tenants"), pages.OffboardingApproveView{Tenant: hostile, Plan: planView(planHash), Reason: hostile, By: "Sofia Lindqvist", AtOnce: true, Action: "/offboardings/1/approve", CancelURL: "/offboardings/1"})},
		{"offboarding_planned", pages.OffboardingShow(kind(page("Offboarding of Northwind Traders", "Tenants"), "Offboarding"), pages.OffboardingShowView{ID: grantID, State: "planned", Sentence: "Nothing has been changed. The plan waits for a second person.", Tenant: "Northwind Traders", TenantURL: "/tenants/1",
			Plan: planView(planHash), Reason: "The contract ended.", Ticket: "OPS-17", Wait: "72 hours", RequestedBy: "Sofia Lindqvist", RequestedAt: ago(time.Hour), Expires: now.Add(23 * time.Hour), Start: now.Add(5 * day), WhyNotApprove: "You asked for this. Somebody else must approve it.", WithdrawURL: "/offboardings/1/withdraw"})},
		{"offboarding_running", pages.OffboardingShow(kind(page("Offboarding of Northwind Traders", "Tenants"), "Offboarding"), pages.OffboardingShowView{ID: grantID, State: "running", Sentence: "Nobody reaches a mailbox of Northwind Traders through Postern since 21 November 2026 13:04:12 UTC. 3 mailboxes wait for the answer of a provider.", Tenant: "Northwind Traders", TenantURL: "/tenants/1",
			Plan: planView(planHash), Reason: "The contract ended.", Wait: "72 hours", RequestedBy: "Sofia Lindqvist", RequestedAt: ago(time.Hour), ApprovedBy: "Kim Park", ApprovedAt: ago(4 * time.Minute), Steps: offboardingSteps(),
			Progress: []ui.ProgressView{{Name: "grants", Label: "Severed here", Done: 412, Total: 412}, {Name: "providers", Label: "Settled at providers", Done: 409, Total: 412}}, LiveURL: "/offboardings/1/progress", LiveState: "running providers+",
			StopWaitingURL: "/offboardings/1/stop-waiting", StillLive: 64, StillLiveURL: "/receipts/live?tenant=1"})},
		{"certificate", pages.Certificate(kind(page("Certificate for Northwind Traders", "Tenants"), "Certificate", layout.Crumb{Label: "Offboardings", URL: "/offboardings"}), pages.CertificateView{ID: grantID, Matches: true, Tenant: "Northwind Traders", TenantID: grantID, Region: "EU",
			Sentence: "Everything of Northwind Traders was ended on 21 November 2026 13:09 UTC. Its data key is destroyed: nothing that was sealed under it can be read again. 3 mailboxes are unconfirmed at the provider.", Steps: offboardingSteps(),
			Rows: []pages.CertificateRow{{Provider: "Google", Planned: 351, Severed: 351, Confirmed: 348, Unconfirmed: 3}, {Provider: "Microsoft 365", Planned: 61, Severed: 61, OwnerMust: 61}}, ReceiptsURL: "/receipts?tenant=1", JSONURL: "/offboardings/1/certificate.json",
			Facts:  []ui.FactView{{Label: "Approved", Text: "2026-11-21 13:04:12 UTC by Kim Park"}, {Label: "Receipts", Text: "412"}, {Label: "Plan", Text: planHash, Mono: true}},
			Digest: planHash, SignedBy: "postern/1+0a0b0c0d+AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=", Command: "postern audit verify certificate.json"})},
		{"verification_list", pages.VerificationList(page("Verifications", "Verifications"), pages.VerificationListView{
			Tabs:  []ui.TabView{{Label: "Log", URL: "/verifications", Current: true}, {Label: "Sources", URL: "/verifications/sources"}, {Label: "Check a signature", URL: "/verifications/check"}},
			Chart: verdicts(), Filters: filters("/verifications", "Find an event by its id", choice("verdict", "Verdict", "Accepted", "Refused"), choice("reason", "Reason", "Wrong secret", "Body altered"), choice("source", "Source", "Own events", "Nylas"), choice("since", "Time", "Last hour", "Last day")),
			Rows: []pages.VerificationRow{
				{URL: "/verifications/1", At: ago(2 * time.Minute), State: "accepted", Reason: "Signature matches", Source: "Our own events", Endpoint: "self-check", Type: "grant.updated", TypeURL: "/verifications?type=grant.updated", Event: grantID, Remote: "127.0.0.1"},
				{URL: "/verifications/2", At: ago(9 * time.Minute), State: "refused", Reason: "The body was altered after it was signed", Source: "Nylas", Endpoint: hostile, Remote: "2001:db8:4:17:ffff:ffff:ffff:ffff"},
				{URL: "/verifications/3", At: ago(5 * time.Hour), State: "refused", Reason: "No signature", Source: "Nylas", Endpoint: "crm-inbound", Remote: "203.0.113.77"},
			},
			Pages: ui.PagesView{From: 1, To: 3, Total: "3"}, Export: ui.ExportView{CSV: "/v.csv"},
		})},
		{"verification_show", pages.VerificationShow(kind(page("Refused: the body was altered", "Verifications"), "Verification", layout.Crumb{Label: "Verifications", URL: "/verifications"}), pages.VerificationShowView{
			ID: grantID, State: "refused", Reason: "The body was altered after it was signed", Means: "A request with a signature header came in, and the signature does not fit these bytes under any secret of the endpoint. It was answered with 401 and not read.",
			Do: "If the sender is yours, check that it signs the bytes it sends, after compressing them. If you do not know the address, nothing is to be done: it changed nothing.",
			At: ago(9 * time.Minute), Source: "Nylas", Endpoint: "crm-inbound", Representation: "raw bytes", Size: "1,204 bytes", Digest: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", Remote: "203.0.113.77", Allowed: "not on the list", Latency: "0.2 ms",
		})},
		{"audit_list", pages.AuditList(page("Audit", "Audit"), pages.AuditListView{Proof: pages.ProofView{State: "met", Text: "184,220 entries, signed 4 minutes ago; the log checks out.", Checked: ago(4 * time.Minute), Note: sampleNote, Key: "postern/acme+2f1c09ab+AQ3d", Witnesses: []pages.WitnessView{{Name: "file /var/log/postern/checkpoints", Size: 184220, At: ago(40 * time.Second)},
			{Name: "webhook witness.example", Size: 184002, At: ago(time.Hour), Problem: "The receiver did not answer with a 2xx status."}, {Name: "syslog /dev/log"}}},
			Filters: filters("/audit", "Search actors and objects", choice("action", "Action", "grant.revoke"), choice("outcome", "Outcome", "Done", "Refused"), choice("since", "Time", "Today")), Rows: auditRows(),
			Pages: ui.PagesView{From: 1, To: 50, Total: "about 184,000", Next: "/audit?after=x"}, Export: ui.ExportView{CSV: "/audit.csv", JSON: "/audit.json"}})},
		{"audit_show", pages.AuditShow(kind(page("grant.revoke", "Audit"), "Audit entry"), pages.AuditShowView{Row: auditRows()[0], Before: []ui.FactView{{Label: "Status", Text: "valid"}}, After: []ui.FactView{{Label: "Status", Text: "revoked"}}, Facts: []ui.FactView{{Label: "Request", Text: grantID, Mono: true}},
			Proof: pages.ProofView{State: "met", Text: "This entry is leaf 184219 of the signed log, which held 184220 entries at its newest checkpoint.", Note: sampleNote, Key: "postern/acme+2f1c09ab+AQ3d", Index: 184219, Size: 184220,
				Leaf: `{"v":2,"id":"0196f000-0000-7000-8000-000000000001","action":"grant.revoke","personal":{"actor":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}}`, Path: []string{"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg="}}})},
		{"search", pages.Search(page("Search: ada", ""), pages.SearchView{Query: "ada", Tenants: []pages.TenantRow{{Name: "Adastra", URL: "/tenants/9", Region: "EU", State: "active"}}, Grants: grantRows(2), Others: []pages.FoundView{{Kind: "Receipt", Label: "ada@northwind.example", ID: grantID, URL: "/receipts/1"}}})},
		{"search_none", pages.Search(page("Search", ""), pages.SearchView{Query: hostile})},
		{"error_404", layout.Error(page("", ""), layout.ErrorFor(404, "", grantID))},
		{"error_500_plain", layout.PlainError(layout.PlainPage{Region: "EU", Now: now}, layout.ErrorFor(500, "", grantID))},
	}
}

const sampleNote = "postern/acme\n184220\nn4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=\n\n\u2014 postern/acme LxwJq3d5c1Z0bW9zdGx5IGhhcm1sZXNzIHNpZ25hdHVyZSBvZiBhIHNhbXBsZSwgNjQgYnl0ZXMgbG9uZw==\n"
