package v3_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// calls is every call of Nylas' v3 email API, and those that its clients make beside it, as the contract has them. difference is what a client may notice; a call that
// is absent says why.
var calls = []struct {
	chapter, methods, path string
	difference             string
	absent                 bool
}{
	{chapter: "Consent", methods: "GET", path: "/v3/connect/auth", difference: "`response_type=adminconsent` approves the scopes of the connector, needs no `credential_id`, and comes back with `admin_consent` and `tenant`; PKCE of RFC 7636 is taken beside Nylas' own form"},
	{methods: "POST", path: "/v3/connect/token", difference: "`client_credentials` is not offered"},
	{methods: "POST", path: "/v3/connect/revoke"},
	{methods: "GET", path: "/v3/connect/tokeninfo"},
	{methods: "POST", path: "/v3/connect/custom", difference: "by password (imap, icloud, ews) and of an existing grant (nylas); a provider's refresh tokens are not taken over"},
	{methods: "POST", path: "/v3/providers/detect"},

	{chapter: "Administration", methods: "GET PATCH", path: "/v3/applications", difference: "`additional_settings`, `idp_settings` and `domain` are not kept; callback URIs change at their own address"},
	{methods: "GET PATCH", path: "/v3/applications/:application", difference: "the caller's own id alone"},
	{methods: "GET POST", path: "/v3/applications/redirect-uris"},
	{methods: "GET PATCH DELETE", path: "/v3/applications/redirect-uris/:callback"},
	{methods: "GET POST", path: "/v3/applications/callback-uris"},
	{methods: "GET PATCH DELETE", path: "/v3/applications/callback-uris/:callback"},
	{methods: "POST", path: "/v3/applications", absent: true, difference: "applications are made in the portal"},
	{methods: "DELETE", path: "/v3/applications/:application", absent: true, difference: "as above"},
	{methods: "GET POST", path: "/v3/connectors"},
	{methods: "GET PATCH PUT DELETE", path: "/v3/connectors/:provider", difference: "no `active_credential_id`: a credential is named by the consent, or belongs to a workspace"},
	{methods: "GET POST", path: "/v3/connectors/:provider/creds", difference: "of type `connector`, at google also `serviceaccount`; an admin consent needs no credential here: the consent page leads there"},
	{methods: "GET PATCH DELETE", path: "/v3/connectors/:provider/creds/:credential"},
	{methods: "GET POST", path: "/v3/admin/applications/:application/api-keys", difference: "keys can be narrowed by `permissions`, `workspace_id` and `addresses`; without `expires_in` they do not end"},
	{methods: "GET DELETE", path: "/v3/admin/applications/:application/api-keys/:key"},
	{methods: "GET POST", path: "/v3/admin/domains", absent: true, difference: "Postern hosts no mailboxes"},

	{chapter: "Grants", methods: "GET", path: "/v3/grants", difference: "a revoked grant stays listed, as `invalid`"},
	{methods: "GET PATCH DELETE", path: "/v3/grants/:grant", difference: "`PATCH` changes no server of a mailbox: that takes its owner's consent; `scope` shows what the provider granted, whatever was written; `expose_aliases` at google and microsoft"},

	{chapter: "Messages", methods: "GET", path: "/v3/grants/:grant/messages", difference: "no `metadata_pair`, `shared_from`, `include_tracking_options`"},
	{methods: "GET PUT DELETE", path: "/v3/grants/:grant/messages/:message", difference: "no `metadata`"},
	{methods: "POST", path: "/v3/grants/:grant/messages/send", difference: "no tracking, `use_draft`, metadata, templates or signatures: asking for one is 400"},
	{methods: "PUT", path: "/v3/grants/:grant/messages/clean"},
	{methods: "GET", path: "/v3/grants/:grant/messages/schedules"},
	{methods: "GET DELETE", path: "/v3/grants/:grant/messages/schedules/:schedule"},
	{methods: "POST", path: "/v3/grants/:grant/messages/smart-compose", absent: true, difference: "no mail is given to a language model"},
	{methods: "POST", path: "/v3/grants/:grant/messages/:message/smart-compose", absent: true, difference: "as above"},
	{methods: "GET", path: "/v3/grants/:grant/threads", difference: "built here where the provider has none; no `earliest_message_date`"},
	{methods: "GET PUT DELETE", path: "/v3/grants/:grant/threads/:thread"},
	{methods: "GET POST", path: "/v3/grants/:grant/folders"},
	{methods: "GET PUT DELETE", path: "/v3/grants/:grant/folders/:folder"},
	{methods: "GET POST", path: "/v3/grants/:grant/drafts", difference: "no `metadata_pair`"},
	{methods: "GET PUT DELETE POST", path: "/v3/grants/:grant/drafts/:draft"},
	{methods: "GET", path: "/v3/grants/:grant/attachments/:attachment"},
	{methods: "GET", path: "/v3/grants/:grant/attachments/:attachment/download"},
	{methods: "GET", path: "/v3/grants/:grant/messages/:message/attachments/:attachment"},
	{methods: "GET", path: "/v3/grants/:grant/messages/:message/attachments/:attachment/download"},
	{methods: "POST", path: "/v3/grants/:grant/attachment-uploads", absent: true, difference: "files travel with their message, up to 25 MB"},
	{methods: "POST", path: "/v3/grants/:grant/attachment-uploads/:upload/complete", absent: true, difference: "as above"},
	{methods: "GET POST", path: "/v3/grants/:grant/contacts", absent: true, difference: "contacts are out"},
	{methods: "GET PUT DELETE", path: "/v3/grants/:grant/contacts/:contact", absent: true, difference: "as above"},
	{methods: "GET", path: "/v3/grants/:grant/contacts/groups", absent: true, difference: "as above"},

	{chapter: "Webhooks", methods: "GET POST", path: "/v3/webhooks"},
	{methods: "GET PUT DELETE", path: "/v3/webhooks/:webhook"},
	{methods: "POST", path: "/v3/webhooks/rotate-secret/:webhook", difference: "both secrets sign for as long as the webhook's overlap says; without one as at Nylas"},
	{methods: "PUT", path: "/v3/webhooks/:webhook/rotate-secret", difference: "as above"},
	{methods: "GET", path: "/v3/webhooks/ip-addresses"},
	{methods: "POST", path: "/v3/webhooks/mock-payload"},
	{methods: "POST", path: "/v3/webhooks/send-test-event"},
	{methods: "GET POST", path: "/v3/channels/pubsub", absent: true, difference: "events go to webhooks"},
	{methods: "GET POST", path: "/v3/channels/sns", absent: true, difference: "as above"},
}

// beside are served by Postern alone.
var beside = map[string]string{
	"GET /v3":              "who is there",
	"GET /v3/":             "the same; `nylas doctor` asks for it",
	"GET /v3/openapi.yaml": "this API's document",
	"POST /v3/webhooks/:webhook/verifications": "a receiver reports what it found",
	"POST /v3/webhooks/:webhook/replays":       "sends again all that was given up since a time",
	"GET /v3/webhooks/:webhook/replays":        "the latest replays, and how far each is",
	"GET /v3/webhooks/:webhook/public-key":     "for receivers that check Standard Webhooks' asymmetric signatures",
}

func braces(path string) string { return routeParam.ReplaceAllString(path, "{$1}") }

func servedTable() string {
	var b strings.Builder
	chapter := ""
	for _, c := range calls {
		if c.chapter != "" && c.chapter != chapter {
			chapter = c.chapter
			fmt.Fprintf(&b, "\n| %s | | |\n| --- | --- | --- |\n", chapter)
		}
		state := "served"
		switch {
		case c.absent:
			state = "absent"
		case c.difference != "":
			state = "served with a difference"
		}
		fmt.Fprintf(&b, "| %s `%s` | %s | %s |\n", strings.ReplaceAll(c.methods, " ", ", "), braces(c.path), state, c.difference)
	}
	b.WriteString("\n| Postern's own | | |\n| --- | --- | --- |\n")
	names := make([]string, 0, len(beside))
	for name := range beside {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		method, path, _ := strings.Cut(name, " ")
		fmt.Fprintf(&b, "| %s `%s` | | %s |\n", method, braces(path), beside[name])
	}
	return b.String()
}

const (
	servedBegin = "<!-- what is served: begin -->\n"
	servedEnd   = "<!-- what is served: end -->"
)

// TestREADMEListsEveryCall holds the table in the README to the routes, both ways: what it calls served is, what it calls absent is not, and nothing is served in silence.
func TestREADMEListsEveryCall(t *testing.T) {
	routed := map[string]bool{}
	for _, r := range newWorld(t).routes {
		if r.Door == "v3" && r.Method != "OPTIONS" {
			routed[r.Method+" "+r.Path] = true
		}
	}
	told := map[string]bool{}
	for _, c := range calls {
		for method := range strings.SplitSeq(c.methods, " ") {
			name := method + " " + c.path
			if told[name] {
				t.Errorf("%s stands in the table twice", name)
			}
			if told[name] = true; routed[name] == c.absent {
				t.Errorf("%s: absent is %t, and served is %t", name, c.absent, routed[name])
			}
		}
	}
	for name := range beside {
		if told[name] = true; !routed[name] {
			t.Errorf("%s is not served", name)
		}
	}
	for name := range routed {
		if !told[name] {
			t.Errorf("%s is served and not in the table", name)
		}
	}
	path := filepath.Join("..", "..", "README.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), servedBegin)
	_, after, foundEnd := strings.Cut(rest, servedEnd)
	if !found || !foundEnd {
		t.Fatalf("README.md lacks the lines %q and %q", strings.TrimSpace(servedBegin), servedEnd)
	}
	want := before + servedBegin + servedTable() + "\n" + servedEnd + after
	if want == string(text) {
		return
	}
	if !*update {
		t.Fatal("README.md's table of calls is not what is served (go test ./handlers/v3 -run TestREADMEListsEveryCall -update writes it anew)")
	}
	if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}
