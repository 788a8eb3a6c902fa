package views_test

import (
	"strings"
	"time"

	"github.com/postern-mail/postern/views/consent"
	"github.com/postern-mail/postern/views/layout"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/views/ui"
)

var setupSteps = []pages.SetupStepView{
	{Title: "Say who you are", Text: "\"Branding\": the app's name and your support address. People read both on the consent page."},
	{Title: "Create the client", Text: "Type \"Web application\", and this address, letter by letter.", Label: "Redirect address", Value: "https://postern.acme.example/v3/connect/callback/google"},
	{Title: "Name the rights", Text: "The ones below, no more.", Label: "Scopes", Value: "openid\nhttps://mail.example/auth/mail.readonly"},
}

func setupSamples() []sample {
	settings := func(title string) layout.Page {
		return kind(page(title, "Settings"), "", layout.Crumb{Label: "Settings", URL: "/settings"})
	}
	webhook := kind(page("CRM events", "Webhooks"), "Webhook", layout.Crumb{Label: "Webhooks", URL: "/webhooks"})
	plain := layout.PlainPage{Title: "Sign in", Region: "EU", Now: now}
	applications := []ui.OptionView{{Value: "1", Label: "Acme Sync", Selected: true}, {Value: "2", Label: "Acme Campaigns"}}
	expiries := []ui.OptionView{{Value: "24h", Label: "1 day", Selected: true}, {Value: "168h", Label: "7 days"}}
	triggers := []ui.OptionView{{Value: "grant.created", Label: "grant.created", Selected: true, Help: "A mailbox was connected"}, {Value: "grant.expired", Label: "grant.expired", Help: "A mailbox needs a reconnect"}}
	health := chart("health", "Deliveries", ui.SeriesView{Label: "delivered", State: "delivered"}, ui.SeriesView{Label: "retried", State: "retrying"}, ui.SeriesView{Label: "given up", State: "gave_up"})
	return []sample{
		{"signin", pages.SignIn(plain, pages.SignInView{BeginURL: "/signin/begin", FinishURL: "/signin/finish", Message: "Your session ended after 12 hours.", Demo: []pages.DemoLinkView{
			{Label: "Support staff", Detail: "Finds a tenant, sees its mailboxes, cuts access", URL: "/demo/support", Role: "support"}, {Label: "Security reviewer", Detail: "Sees everything, changes nothing", URL: "/demo/reviewer", Role: "reviewer"},
			{Label: "Customer", Detail: "Sees and disconnects the mailboxes of Northwind Traders", URL: "/demo/customer", Role: "customer"}, {Label: "Owner", Detail: "Sets everything up", URL: "/demo/owner", Role: "owner"}}})},
		{"signin_plain", pages.SignIn(plain, pages.SignInView{BeginURL: "/signin/begin", FinishURL: "/signin/finish", Elsewhere: []pages.SignInRegionView{{Region: "US", URL: "https://us.postern.example/signin"}}})},
		{"enrol", pages.Enrol(layout.PlainPage{Title: "Welcome", Now: now}, pages.EnrolView{MemberName: hostile, Role: "Reviewer", Name: "Chrome on Linux", BeginURL: "/b", FinishURL: "/f", Expires: now.Add(20 * time.Hour)})},
		{"link_create", pages.LinkCreate(kind(page("Connect a mailbox of Northwind Traders", "Tenants"), "", layout.Crumb{Label: "Northwind Traders", URL: "/tenants/1"}), pages.LinkCreateView{Action: "/tenants/1/links", CancelURL: "/tenants/1", Tenant: "Northwind Traders", Applications: applications,
			Providers:    []ui.OptionView{{Value: "", Label: "The customer's choice", Help: "Found by the address that they type", Selected: true}, {Value: "google", Label: "Google"}, {Value: "microsoft", Label: "Microsoft 365"}, {Value: "imap", Label: "Other (IMAP)"}},
			Capabilities: capabilities(), Address: "not an address", Expiries: expiries, Languages: []ui.OptionView{{Value: "en", Label: "English"}},
			Errors: []ui.ErrorView{{Field: "address", Text: "Write it as name@example.com, or leave it empty."}, {Field: "capability", Text: "Choose at least one right."}}})},
		{"link_reconnect", pages.LinkCreate(page("Reconnect "+longMail, "Grants"), pages.LinkCreateView{Action: "/grants/1/reconnect", CancelURL: "/grants/1", Tenant: "Northwind Traders", Reconnect: longMail, Applications: applications[:1], Capabilities: capabilities(), Expiries: expiries})},
		{"link_created", pages.LinkCreated(page("The link is ready", "Tenants"), pages.LinkCreatedView{Link: "https://postern.acme.example/connect/Qm9yZGVyLWNvbGxpZS1vbi1hLWhpbGwtaW4tdGhlLXJhaW4", Tenant: "Northwind Traders", Provider: "the customer's choice", Address: "ada@northwind.example", Rights: []string{"read mail", "send mail"}, Expires: now.Add(day), DoneURL: "/tenants/1", AnotherURL: "/tenants/1/links/new"})},
		{"webhook_list", pages.WebhookList(action(page("Webhooks", "Webhooks"), "Add a webhook", "plus", "/webhooks/new"), pages.WebhookListView{Rows: []pages.WebhookRow{
			{Description: "CRM events", URL: "/webhooks/1", Target: "https://hooks.crm.acme.example/postern/inbound?environment=production&version=2026-10", State: "failing", Application: "Acme Sync", Triggers: 4, LastDelivery: ago(4 * time.Minute), LastState: "retrying", SecretSince: ago(61 * day)},
			{Description: hostile, URL: "/webhooks/2", Target: "https://audit.acme.example/in", State: "active", Application: "Acme Sync", Triggers: 1, SecretSince: ago(day)},
		}, Pages: ui.PagesView{From: 1, To: 2, Total: "2"}})},
		{"webhook_list_alarm", pages.WebhookList(alarmed(page("Webhooks", "Webhooks")), pages.WebhookListView{CreateURL: "/webhooks/new"})},
		{"webhook_list_empty", pages.WebhookList(page("Webhooks", "Webhooks"), pages.WebhookListView{CreateURL: "/webhooks/new"})},
		{"webhook_create", pages.WebhookForm(page("Add a webhook", "Webhooks"), pages.WebhookFormView{Action: "/webhooks", CancelURL: "/webhooks", Target: "http://10.0.0.8/hook", Triggers: triggers, Applications: applications, Overlaps: []ui.OptionView{{Value: "0", Label: "ends at once, as with Nylas", Selected: true}, {Value: "24h", Label: "signs on for 24 hours"}},
			Errors: []ui.ErrorView{{Field: "url", Text: "Use an https address that can be reached from the internet. This one is private."}}})},
		{"webhook_edit", pages.WebhookForm(page("Change CRM events", "Webhooks"), pages.WebhookFormView{Action: "/webhooks/1", CancelURL: "/webhooks/1", Edit: true, Target: "https://hooks.crm.acme.example/in", Description: "CRM events", Triggers: triggers, Compressed: true, Emails: "ops@acme.example", States: []ui.OptionView{{Value: "active", Label: "Active", Selected: true}, {Value: "paused", Label: "Paused"}}})},
		{"webhook_show", pages.WebhookShow(webhook, pages.WebhookShowView{ID: grantID, Target: "https://hooks.crm.acme.example/postern/inbound", State: "failing", StateText: "The last 12 deliveries were not accepted; the receiver answers 500.", Application: "Acme Sync", Triggers: []string{"grant.created", "grant.updated", "grant.deleted", "grant.expired"}, Emails: []string{"ops@acme.example"}, Created: ago(200 * day),
			Health: health, Secrets: []pages.SecretRow{{Generation: 3, State: "current", Since: ago(2 * time.Hour), LastAccepted: ago(12 * time.Minute), Accepted: "reported by the receiver"}, {Generation: 2, State: "overlap", Since: ago(90 * day), Until: now.Add(22 * time.Hour), LastAccepted: ago(90 * time.Minute)}},
			Deliveries: deliveries(), DeliveriesURL: "/webhooks/1/deliveries", RotateURL: "/webhooks/1/rotate", EndOverlapURL: "/webhooks/1/end-overlap", ExtendURL: "/webhooks/1/extend-overlap", ProbeURL: "/webhooks/1/test", Lefts: []ui.OptionView{{Value: "1h", Label: "1 hour"}, {Value: "24h", Label: "24 hours", Selected: true}, {Value: "168h", Label: "7 days"}},
			Standard: true, PublicKey: "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=", KeyURL: "https://postern.acme.example/v3/webhooks/01934f7e-8a40-7000-8000-5f2d1c3b4a59/public-key",
			Safety: pages.SafetyView{Kind: "good", Lead: "Safe: the old secret can end.", Text: "The receiver accepted a call signed by the new secret alone 12 minutes ago, and needed the old one never after it."}, EditURL: "/webhooks/1/edit", DeleteURL: "/webhooks/1/delete", TestURL: "/webhooks/1/test", PauseURL: "/webhooks/1/pause"})},
		{"delivery_list", pages.DeliveryList(webhook, pages.DeliveryListView{Filters: filters("/webhooks/1/deliveries", "", choice("state", "State", "Delivered", "Retrying", "Gave up")), Rows: deliveries(), Pages: ui.PagesView{From: 1, To: 3},
			Replays:   []pages.ReplayView{{What: "All that failed since 22 Nov 2026, 13:04:05 CET", By: hostile, At: ago(time.Minute), Done: 41500, Total: 120000}, {What: "All never attempted since 1 Nov 2026, 00:00:00 CET", By: "Sofia Lindqvist", At: ago(day), Done: 12, Total: 40, Finished: ago(day), Stopped: "The webhook was paused, or given up."}},
			ReplayURL: "/webhooks/1/replays", Whiches: []ui.OptionView{{Value: "failed", Label: "Those that failed: every attempt was refused", Selected: true}, {Value: "never_attempted", Label: "Those never attempted: the webhook was paused or switched off"}}, Sinces: []ui.OptionView{{Value: "24h", Label: "yesterday at this time", Selected: true}}})},
		{"webhook_rotate", pages.WebhookRotate(kind(page("Rotate the secret of CRM events", "Webhooks"), ""), pages.WebhookRotateView{Action: "/webhooks/1/rotate", CancelURL: "/webhooks/1", Overlaps: []ui.OptionView{{Value: "0", Label: "Not at all", Help: "The old secret ends now: right after a leak"}, {Value: "1h", Label: "1 hour"}, {Value: "24h", Label: "24 hours", Selected: true}, {Value: "168h", Label: "7 days"}}})},
		{"webhook_delete", pages.WebhookDelete(page("Delete CRM events?", "Webhooks"), pages.WebhookDeleteView{Description: "CRM events", Target: "https://hooks.crm.acme.example/postern/inbound", Ends: []string{"No event is sent to this address any more; 12 that wait are given up.", "Its 2 secrets are destroyed."}, Stays: []string{"The audit log."}, Action: "/webhooks/1/delete", CancelURL: "/webhooks/1"})},
		{"delivery_show", pages.DeliveryShow(kind(page("grant.expired", "Webhooks"), "Delivery", layout.Crumb{Label: "Webhooks", URL: "/webhooks"}, layout.Crumb{Label: "CRM events", URL: "/webhooks/1"}), pages.DeliveryShowView{ID: grantID, Event: grantID, Trigger: "grant.expired", Webhook: "CRM events", WebhookURL: "/webhooks/1", Target: "https://hooks.crm.acme.example/in", State: "retrying", Created: ago(2 * time.Hour), Next: now.Add(26 * time.Minute), ReplayURL: "/deliveries/1/replay",
			Sent: pages.StageView{Text: "2 attempts, the last", At: ago(time.Hour)}, Answered: pages.StageView{State: "failed", Text: "The receiver did not answer within 15 seconds."}, Verified: pages.StageView{State: "refused", Text: "Signed with another secret", At: ago(2 * time.Hour), URL: "/verifications/1"},
			Attempts: []pages.AttemptView{
				{Number: 2, At: ago(time.Hour), State: "failed", Problem: "The receiver did not answer within 15 seconds."},
				{Number: 1, At: ago(2 * time.Hour), State: "failed", Status: 500, Latency: "84 ms", Problem: "The receiver answered 500.", SignedBy: []string{"generation 3", "generation 2"}, Address: "198.51.100.7:443",
					RequestHeaders: []ui.FactView{{Label: "content-type", Text: "application/json"}, {Label: "x-nylas-signature", Text: "not kept"}}, ResponseHeaders: []ui.FactView{{Label: "server", Text: hostile}}, ResponseBody: "<html><body>" + hostile + "</body></html>", BodyCut: true},
			}})},
		{"secret_shown", pages.SecretShown(page("The new secret of CRM events", "Webhooks"), pages.SecretShownView{Label: "Signing secret, generation 4", Secret: "s3cr3t-shown-once-0123456789abcdef", Text: []string{"Give it to the receiver within 24 hours. Until then both secrets sign."}, Facts: []ui.FactView{{Label: "Old secret ends", Text: "24 Nov 2026, 14:05:09 CET"}}, DoneURL: "/webhooks/1"})},
		{"application_list", pages.ApplicationList(settings("Applications"), pages.ApplicationListView{Rows: []pages.ApplicationRow{{Name: "Acme Sync", URL: "/applications/1", ClientID: grantID, Callbacks: 2, Grants: 12402, Keys: 3, Created: ago(400 * day)}}})},
		{"application_show", pages.ApplicationShow(settings("Acme Sync"), pages.ApplicationShowView{ClientID: grantID, Region: "EU", APIURL: "https://postern.acme.example", Created: ago(400 * day), AddURL: "/applications/1/callbacks", NewURI: "http://x", Platforms: []ui.OptionView{{Value: "web", Label: "Web"}, {Value: "js", Label: "Browser"}},
			Callbacks: []pages.CallbackRow{{URI: "https://app.acme.example/oauth/callback", Platform: "Web", Added: ago(399 * day), RemoveURL: "/applications/1/callbacks/1/remove"}}, Links: []ui.FactView{{Label: "API keys", Text: "3 keys", URL: "/api-keys"}}, Errors: []ui.ErrorView{{Field: "url", Text: "Use https. Plain http is taken only for localhost."}}})},
		{"connector_list", pages.ConnectorList(settings("Connectors"), pages.ConnectorListView{Rows: []pages.ConnectorRow{{Provider: "Google", URL: "/connectors/1", State: "working", Auth: "OAuth", Grants: 9120, SecretExpires: now.Add(12 * day), Checked: ago(time.Hour)}, {Provider: "IMAP", URL: "/connectors/2", State: "not_checked", Auth: "Password", Grants: 31}}})},
		{"connector_show", pages.ConnectorShow(settings("Sandbox"), pages.ConnectorShowView{ID: grantID, Provider: "Sandbox", State: "not_working", StateText: "The token address does not answer: connection refused.", Checked: ago(time.Minute), Facts: []ui.FactView{{Label: "Client id", Text: "postern-demo", Mono: true}, {Label: "Redirect address", Text: "https://postern.acme.example/connect/callback", Mono: true}}, Scopes: scopes(), CheckURL: "/connectors/1/check", EditURL: "/connectors/1/edit",
			Secrets: []pages.ClientSecretRow{{Name: "In use", State: "not_working", Since: ago(time.Hour), Ends: now.Add(12 * day), Warning: "Ends in 12 days"}, {Name: "Before it", State: "working", Since: ago(300 * day)}}, EndURL: "/connectors/1/end", Steps: setupSteps, Open: true})},
		{"connector_show_plain", pages.ConnectorShow(settings("IMAP"), pages.ConnectorShowView{ID: grantID, Provider: "IMAP", State: "not_checked", StateText: "Nothing to check here: each mailbox is checked when it is connected.", Steps: setupSteps[:1]})},
		{"connector_edit_nylas", pages.ConnectorEdit(settings("Connector for Nylas"), pages.ConnectorEditView{Provider: "Nylas", Action: "/connectors/2", CancelURL: "/connectors/2", HasClient: true, Scopes: capabilities(),
			Regions:   []ui.OptionView{{Value: "us", Label: "United States"}, {Value: "eu", Label: "European Union", Selected: true}},
			Upstreams: []ui.OptionView{{Value: "", Label: "People choose at Nylas"}, {Value: "google", Label: "Google"}}})},
		{"connector_edit", pages.ConnectorEdit(settings("Change Microsoft"), pages.ConnectorEditView{Provider: "Microsoft", Action: "/connectors/1", CancelURL: "/connectors/1", HasClient: true, ClientID: "123.apps.example", HasSecret: true, SecretEnds: "2026-12-31", HasTenant: true, Steps: setupSteps, Scopes: capabilities(),
			Errors: []ui.ErrorView{{Field: "secret_ends", Text: "Write the day as 2027-01-31, or leave it empty."}}})},
		{"api_key_list", pages.APIKeyList(action(settings("API keys"), "Make an API key", "plus", "/api-keys/new"), pages.APIKeyListView{Rows: []pages.APIKeyRow{
			{Name: "crm-prod", Prefix: "pk_eu_8fK2", Application: "Acme Sync", Permissions: []string{"read grants", "read mail", "send mail"}, Addresses: []string{"198.51.100.0/24"}, State: "active", Expires: now.Add(60 * day), LastUsed: ago(time.Second), RevokeURL: "/api-keys/1/revoke"},
			{Name: hostile, Prefix: "pk_eu_11aa", Application: "Acme Sync", Tenant: "Northwind Traders", Permissions: []string{"read grants"}, State: "revoked"}}})},
		{"api_key_create", pages.APIKeyCreate(settings("Make an API key"), pages.APIKeyCreateView{Action: "/api-keys", CancelURL: "/api-keys", Applications: applications, Tenants: []ui.OptionView{{Value: "", Label: "Every tenant of the application"}, {Value: "1", Label: "Northwind Traders"}}, Permissions: capabilities(), Addresses: "198.51.100.0/24\nnonsense", Expiries: expiries, Errors: []ui.ErrorView{{Field: "addresses", Text: "Line 2 is not an address or range."}}})},
		{"api_key_revoke", pages.Revoke(settings("Revoke crm-prod?"), pages.RevokeView{Button: "Revoke crm-prod", Ends: []string{"Every program that holds this key is refused from its next request on."}, Stays: []string{"The mailboxes stay connected."}, Action: "/api-keys/1/revoke", CancelURL: "/api-keys"})},
		{"service_account_list", pages.ServiceAccountList(action(settings("Service accounts"), "Create a service account", "plus", "/service-accounts/new"), pages.ServiceAccountListView{CreateURL: "/service-accounts/new", Rows: []pages.ServiceAccountRow{
			{Name: "Provisioning, Frankfurt", KeyID: grantID, Application: "Acme Sync", Permissions: []string{"make, list and delete keys"}, Addresses: []string{"198.51.100.0/24", "2001:db8::/32"}, State: "active", Expires: now.Add(60 * day), LastUsed: ago(time.Second), RevokeURL: "/service-accounts/1/revoke"},
			{Name: hostile, KeyID: grantID, Application: "Acme Sync", Permissions: []string{"apikey.get"}, State: "revoked"}}})},
		{"service_account_list_empty", pages.ServiceAccountList(action(settings("Service accounts"), "Create a service account", "plus", "/service-accounts/new"), pages.ServiceAccountListView{CreateURL: "/service-accounts/new"})},
		{"service_account_create", pages.ServiceAccountCreate(settings("Create a service account"), pages.ServiceAccountCreateView{Action: "/service-accounts", CancelURL: "/service-accounts", Applications: applications, Permissions: capabilities(), Expiries: expiries, PublicKey: "nonsense",
			Errors: []ui.ErrorView{{Field: "public_key", Text: "Paste an RSA public key of 2048 to 4096 bits as PEM, beginning with -----BEGIN PUBLIC KEY-----. Never paste the private one."}}})},
		{"service_account_shown", pages.SecretShown(settings("The service account is ready"), pages.SecretShownView{Label: "Credentials of Provisioning", Secret: `{"name":"Provisioning","private_key":"-----BEGIN PRIVATE KEY-----\n` + strings.Repeat("MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ\\n", 20) + `-----END PRIVATE KEY-----","type":"service_account"}`, Text: []string{"Save this as the program's credentials file."}, DoneURL: "/service-accounts", FileURL: "/service-accounts/file"})},
		{"member_list", pages.MemberList(action(settings("Members"), "Invite somebody", "plus", "/members/new"), pages.MemberListView{Rows: memberRows(), Pages: ui.PagesView{From: 1, To: 3, Total: "3"}})},
		{"member_invite", pages.MemberInvite(settings("Invite somebody"), pages.MemberInviteView{Action: "/members", CancelURL: "/members", Roles: []ui.OptionView{{Value: "support", Label: "Support", Help: "Sees every tenant; connects, revokes, deletes"}, {Value: "reviewer", Label: "Reviewer", Help: "Sees everything, changes nothing"}}, Tenants: []ui.OptionView{{Value: "1", Label: "Northwind Traders"}}})},
		{"member_show", pages.MemberShow(settings("Sofia Lindqvist"), pages.MemberShowView{ID: grantID, Name: "Sofia Lindqvist", Email: "sofia@acme.example", Role: "Support", State: "active", LastSeen: ago(time.Minute), May: []string{"see tenants and grants", "revoke and delete grants"}, Passkeys: passkeys(), Sessions: sessions(), Roles: []ui.OptionView{{Value: "support", Label: "Support", Selected: true}}, RoleURL: "/members/1/role", EndURL: "/members/1/end", InviteURL: "/members/1/invite", RemoveURL: "/members/1/remove"})},
		{"account", pages.Account(page("Your account", ""), pages.AccountView{Email: "sofia@acme.example", Role: "Support", Passkeys: passkeys(), Sessions: sessions(), BeginURL: "/b", FinishURL: "/f", KeyName: "Chrome on Linux", EndAllURL: "/account/signout-everywhere"})},
		{"settings", pages.Settings(page("Settings", "Settings"), pages.SettingsView{Links: []pages.SettingsLinkView{{Label: "Applications", Detail: "Programs of yours, their ids and callback addresses", Icon: "application", URL: "/applications"}, {Label: "Connectors", Detail: "How each provider is reached", Icon: "connector", URL: "/connectors"}, {Label: "API keys", Detail: "What programs may do, from where, until when", Icon: "key", URL: "/api-keys"}, {Label: "Members", Detail: "Who signs in, and in which role", Icon: "member", URL: "/members"}}})},
	}
}

func passkeys() []pages.PasskeyRow {
	return []pages.PasskeyRow{{Name: "MacBook", Kind: "synced", Added: ago(100 * day), LastUsed: ago(time.Minute), RemoveURL: "/account/passkeys/1/remove"}, {Name: hostile, Added: ago(day)}}
}

func sessions() []pages.SessionRow {
	return []pages.SessionRow{{Where: "Firefox on Linux", Address: "192.0.2.7", Started: ago(3 * time.Hour), LastSeen: now, Current: true}, {Where: "Safari on iPhone", Address: "2001:db8::17", Started: ago(9 * day), LastSeen: ago(2 * day), EndURL: "/account/sessions/2/end"}}
}

func hostedSamples() []sample {
	security := []ui.OptionView{{Value: "tls", Label: "TLS", Selected: true}, {Value: "starttls", Label: "STARTTLS"}}
	missing := ask().Can[1:]
	return []sample{
		{"consent_begin", consent.Begin(hosted("Connect your mailbox"), consent.BeginView{Ask: ask(), Detect: true, Address: "ada@northwind.example", Action: "/connect/t", CancelURL: "/connect/t/cancel", Expires: now.Add(23 * time.Hour),
			Providers: []consent.ProviderView{{Code: "google", Name: "Google", Detail: "Gmail or Google Workspace; opens Google's own page"}, {Code: "microsoft", Name: "Microsoft 365, Outlook", Detail: "Opens Microsoft's own page"}, {Code: "icloud", Name: "iCloud", Detail: "With an app password"}, {Code: "imap", Name: "Another provider", Detail: "Any IMAP server"}}})},
		{"consent_begin_pinned", consent.Begin(hosted("Reconnect your mailbox"), consent.BeginView{Ask: ask(), Reconnect: true, Expected: longMail, Detect: true, Action: "/connect/t", CancelURL: "/connect/t/cancel", Errors: []ui.ErrorView{{Text: "Google did not answer. Nothing was connected; try again."}}})},
		{"consent_password", consent.Password(hosted("Connect your iCloud mailbox"), consent.PasswordView{Ask: ask(), Provider: "iCloud", Title: "Connect your iCloud mailbox", Guidance: []string{"Sign in to your Apple Account and open Sign-In and Security.", "Choose App-Specific Passwords and make one named Acme Sync.", "Copy it and paste it below. Your own password is not needed."}, GuidanceURL: "https://account.apple.example", GuidanceText: "Open your Apple Account",
			PasswordName: "App-specific password", PasswordHelp: "Sixteen letters in four groups.", Address: "ada@icloud.example", Action: "/connect/t/password", BackURL: "/connect/t", CancelURL: "/connect/t/cancel", Errors: []ui.ErrorView{{Field: "password", Text: "iCloud refused this password. Make a new app-specific password and paste it whole."}}})},
		{"consent_password_imap", consent.Password(hosted("Connect your mailbox"), consent.PasswordView{Ask: ask(), Provider: "your provider", Title: "Connect your mailbox", PasswordName: "Password", PasswordHelp: "If your provider offers app passwords, make one for this.", Address: hostile, AskUsername: true, Action: "/connect/t/password", CancelURL: "/connect/t/cancel",
			Servers: consent.ServersView{Ask: true, Open: true, IMAPHost: "imap.northwind.example", IMAPPort: "993", IMAPSecurity: security, SMTPHost: "smtp.northwind.example", SMTPPort: "465", SMTPSecurity: security}, Errors: []ui.ErrorView{{Field: "imap_host", Text: "No mail server answers there. Check the name with your provider."}}})},
		{"consent_partial", consent.Partial(hosted("One right was not given"), consent.PartialView{Ask: ask(), Address: "ada@northwind.example", Provider: "Google", Given: ask().Can[:1], Missing: missing, Without: "Acme Sync will read your mail and cannot send replies from your address.", AskAgainURL: "/again", ContinueURL: "/without", CancelURL: "/cancel"})},
		{"consent_wrong_account", consent.WrongAccount(hosted("That is another mailbox"), consent.WrongAccountView{Ask: ask(), Expected: "ada@northwind.example", Actual: longMail, Provider: "Google", TryAgainURL: "/again", CancelURL: "/cancel"})},
		{"consent_done", consent.Done(hosted("Connected"), consent.DoneView{Ask: ask(), Address: "ada@northwind.example", Provider: "Google", Given: ask().Can, At: now, Reference: grantID})},
		{"consent_cancelled", consent.End(hosted("Cancelled"), consent.EndView{Kind: "cancelled", Title: "Nothing was connected", Text: "You cancelled. Acme Sync has no access to your mailbox, and the link can be used again until tomorrow.", TryAgainURL: "/again", ContinueURL: "https://app.acme.example", Company: "Acme CRM"})},
		{"consent_expired", consent.End(hosted("Expired"), consent.EndView{Kind: "expired", Title: "This link has ended", Text: "It was good until 22 Nov 2026, 14:00 CET.", Do: "Ask Acme CRM for a new one.", RequestID: grantID})},
		{"consent_failed", consent.End(hosted("Not connected"), consent.EndView{Kind: "failed", Title: "Your mailbox was not connected", Text: "This page was opened in another browser than the one that began.", Do: "Open the link again and stay in one browser.", TryAgainURL: "/again", RequestID: grantID})},
		{"consent_approve", consent.Approve(hosted("Approve for your organisation"), consent.ApproveView{Ask: ask(), Provider: "Microsoft 365", Code: "microsoft", Action: "/connect/flow/f", CancelURL: "/connect/flow/f/cancel"})},
		{"consent_approval", consent.Approval(hosted("Approval needed"), consent.ApprovalView{Ask: ask(), Provider: "Microsoft 365", ApprovalURL: "https://login.microsoftonline.example/organizations/v2.0/adminconsent?client_id=019a7f3c-52b1-7c44-9d2e-6b0f1a83c7d5&state=xyz", TryAgainURL: "/again", CancelURL: "/cancel"})},
	}
}

func alarmed(p layout.Page) layout.Page {
	p.Alarm = layout.Alarm{Text: "The webhook “CRM events” fails: its events do not arrive. It will be switched off in 2 days, unless one arrives before.", URL: "/webhooks/1", Act: "See the webhook"}
	return p
}
