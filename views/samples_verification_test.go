package views_test

import (
	"time"

	"github.com/postern-mail/postern/views/layout"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/views/ui"
)

// verificationSamples are the sources and the checker.
func verificationSamples() []sample {
	tabs := func(current int) []ui.TabView {
		t := []ui.TabView{{Label: "Log", URL: "/verifications"}, {Label: "Sources", URL: "/verifications/sources"}, {Label: "Check a signature", URL: "/verifications/check"}}
		t[current].Current = true
		return t
	}
	crumbs := []layout.Crumb{{Label: "Verifications", URL: "/verifications"}, {Label: "Sources", URL: "/verifications/sources"}}
	forms := []ui.OptionView{{Value: "text", Label: "The text itself", Selected: true}, {Value: "base64", Label: "Base64 of the bytes"}, {Value: "hex", Label: "Hexadecimal digits of the bytes"}}
	kinds := []ui.OptionView{{Value: "v3", Label: "A v3 sender: Nylas' cloud, another Postern", Help: "HMAC-SHA256 over the bytes, in X-Nylas-Signature.", Selected: true}, {Value: "standard", Label: "A sender by Standard Webhooks", Help: "Safe against replay."}}
	overlaps := []ui.OptionView{{Value: "24h", Label: "24 hours", Selected: true}, {Value: "0s", Label: "None"}}
	show := pages.SourceShowView{ID: grantID, State: "rotating", StateText: "A rotation is declared until 23 Nov 14:12: what no known secret explains is put off, not refused.", Kind: "A v3 sender: Nylas' cloud, another Postern",
		Target: "https://mail.example.com/hooks/" + grantID, Challenge: true, Application: "Acme CRM", Tenant: hostile, Addresses: []string{"198.51.100.7/32", "2001:db8:4:17::/64"}, Created: ago(40 * day), LogURL: "/verifications?endpoint=1",
		Secrets: []pages.SourceSecretRow{{Generation: 3, State: "staged", Since: ago(time.Minute)}, {Generation: 2, State: "counts", Since: ago(40 * day), LastAccepted: ago(time.Minute)}, {Generation: 1, State: "ended", Since: ago(90 * day), Until: ago(39 * day), LastAccepted: ago(40 * day)}},
		EditURL: "/s/edit", RotateURL: "/s/rotate", WindowURL: "/s/window", WindowOpen: true, AddressesURL: "/s/addresses", PauseURL: "/s/pause", DeleteURL: "/s/delete"}
	self := pages.SourceShowView{ID: grantID, State: "active", StateText: "Calls are checked and logged.", Kind: "Our own self-check", Target: "https://mail.example.com/hooks/" + grantID, Challenge: true, Application: "Acme CRM", Created: ago(40 * day), LogURL: "/v", WebhookURL: "/webhooks/1"}
	customer := customerPage("Verifications")
	return []sample{
		{"verification_list_customer", pages.VerificationList(customer, pages.VerificationListView{Tabs: []ui.TabView{{Label: "Log", URL: "/verifications", Current: true}, {Label: "Check a signature", URL: "/verifications/check"}},
			Filters: ui.FiltersView{Action: "/verifications", SearchLabel: "Find an event by its id", Selects: []ui.FilterView{choice("verdict", "Verdict", "Accepted", "Refused")}, Inputs: []ui.FilterInputView{{Name: "type", Label: "Event type", Type: "text", Value: hostile}, {Name: "first", Label: "From day (UTC)", Type: "date"}}}})},
		{"verification_check", pages.VerificationCheck(page("Check a signature", "Verifications"), pages.VerificationCheckView{Action: "/verifications/check", Tabs: tabs(2), Forms: forms})},
		{"verification_check_result", pages.VerificationCheck(page("Check a signature", "Verifications"), pages.VerificationCheckView{Action: "/verifications/check", Tabs: tabs(2), Forms: forms, Headers: "X-Nylas-Signature: " + hostile, Body: "{\"id\":\"1\"}\n",
			Result: &pages.CheckResultView{State: "refused", Title: "A line break at the end", Means: "The signature fits when a line break at the end of the body is taken away or added.", Do: "Look for a tool that adds or cuts a line break. Verify the bytes as they came.",
				Scheme: "X-Nylas-Signature (v3)", Matched: "the bytes without the line break at the end", Read: "as it is", Which: "The second", Header: "X-Nylas-Signature", Size: "1,204 bytes"}})},
		{"verification_check_errors", pages.VerificationCheck(page("Check a signature", "Verifications"), pages.VerificationCheckView{Action: "/verifications/check", Tabs: tabs(2), Forms: forms, Errors: []ui.ErrorView{{Field: "body", Text: "Paste the request's body, or choose a file with its bytes."}, {Field: "secret", Text: "Paste the secret that the receiver has."}}})},
		{"source_list", pages.SourceList(action(page("Sources", "Verifications"), "Add a source", "plus", "/verifications/sources/new"), pages.SourceListView{Tabs: tabs(1), CreateURL: "/new", Rows: []pages.SourceRow{
			{Name: "Nylas, United States", URL: "/s/1", Kind: "A v3 sender", State: "active", Application: "Acme CRM", Addresses: "6 addresses", SecretSince: ago(40 * day)},
			{Name: hostile, URL: "/s/2", Kind: "A sender by Standard Webhooks", State: "paused", Application: "Acme CRM", Addresses: "any address", SecretSince: ago(day)},
			{Name: "Postern's self-check", URL: "/s/3", Kind: "Our own self-check", State: "active", Application: "Acme CRM", Addresses: "any address", SecretSince: ago(400 * day)}}})},
		{"source_list_empty", pages.SourceList(page("Sources", "Verifications"), pages.SourceListView{Tabs: tabs(1), CreateURL: "/new"})},
		{"source_show", pages.SourceShow(kind(page("Nylas, United States", "Verifications"), "Source", crumbs...), show)},
		{"source_show_self", pages.SourceShow(kind(page("Postern's self-check", "Verifications"), "Source", crumbs...), self)},
		{"source_create", pages.SourceForm(page("Add a source", "Verifications"), pages.SourceFormView{Action: "/s", CancelURL: "/s", Name: hostile, Addresses: "nonsense", Kinds: kinds,
			Applications: []ui.OptionView{{Value: "1", Label: "Acme CRM"}, {Value: "2", Label: "Acme Desk"}}, Tenants: []ui.OptionView{{Value: "", Label: "None in particular"}}, Errors: []ui.ErrorView{{Field: "addresses", Text: "One of the addresses cannot be read."}}})},
		{"source_edit", pages.SourceForm(page("Change Nylas, United States", "Verifications"), pages.SourceFormView{Action: "/s/edit", CancelURL: "/s", Edit: true, Name: "Nylas, United States", Addresses: "198.51.100.7/32"})},
		{"source_rotate", pages.SourceRotate(page("A new secret of Nylas", "Verifications"), pages.SourceRotateView{Action: "/s/rotate", CancelURL: "/s", Overlaps: overlaps,
			Whens: []ui.OptionView{{Value: "staged", Label: "Not yet: it is entered ahead", Help: "Both count until the first genuine call under the new one. Then the overlap begins.", Selected: true}, {Value: "now", Label: "Already", Help: "The overlap begins now."}}})},
		{"source_addresses", pages.SourceAddresses(page("Where Nylas sends from", "Verifications"), pages.SourceAddressesView{Action: "/s/addresses", CancelURL: "/s", Server: "https://api.us.nylas.com"})},
		{"source_delete", pages.SourceDelete(page("Delete Nylas", "Verifications"), pages.SourceDeleteView{Name: "Nylas, United States", Ends: []string{"Calls to its address are answered as if there were nothing.", "Its secrets are destroyed."}, Stays: []string{"What the log says of its calls, and the audit entries."}, Action: "/s/delete", CancelURL: "/s"})},
	}
}
