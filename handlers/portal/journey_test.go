package portal_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

func TestSupportCutsAMailbox(t *testing.T) {
	w := newWorld(t)
	b := w.as("support")
	b.get("/").is(200).shows("who", "Support Person").shows("region", "EU").shows("banner", "Demo")
	b.get("/tenants").is(200)
	b.get("/tenants/"+w.north.ID.String()).is(200).shows("title", "Northwind")
	url := "/grants/" + w.northG.ID.String()
	b.get(url).is(200).shows("title", w.northG.Email).shows("state-valid", "Valid")
	confirm := b.get(url+"/revoke").is(200).shows("ends", "tokens")
	if action, _ := confirm.page.Find("main form").Attr("action"); action != url+"/revoke" {
		t.Errorf("the confirmation posts to %q", action)
	}
	if to := b.post(url+"/revoke", "reason", "left the company").goes(); to != url {
		t.Fatalf("after revoking one is led to %s", to)
	}
	b.get(url).is(200).shows("flash", "is cut").shows("state-revoked", "Revoked").shows("state-user-action-needed", "").lacks("revoke")
	b.get(url).is(200).lacks("flash")
	b.post(url+"/revoke", "reason", "again").is(http.StatusConflict).shows("error-text", "revoked before")
	b.get(url+"/receipt").is(200).shows("receipt-sentence", "is cut off here")
	b.get("/receipts/live").is(200)
	entries, err := w.Audit.List(ctx, staff, audit.Filter{Action: "grant.revoke", ObjectID: w.northG.ID.String()})
	w.check(err)
	if len(entries.Entries) != 1 || entries.Entries[0].Actor != "Support Person" || entries.Entries[0].Detail["reason"] != "left the company" || entries.Entries[0].RequestID == "" {
		t.Errorf("audit: %+v", entries.Entries)
	}
	b.get("/grants?status=revoked").is(200).shows("grant-row", w.northG.Email).shows("chips", "State: Revoked")
	b.get("/grants?status=valid").is(200).shows("grant-row", w.southG.Email)

	url = "/grants/" + w.southG.ID.String()
	b.get(url + "/delete").is(200)
	to := b.post(url+"/delete", "reason", "").goes()
	b.get(to).is(200).shows("flash", "is deleted").shows("receipt-sentence", "is cut off here")
	b.get(url).is(200).shows("receipt-sentence", "is cut off here") // an old link leads to what remains of it
	long := b.post("/grants/"+w.grant(w.north.ID, "b@northwind.example").ID.String()+"/revoke", "reason", strings.Repeat("x", 301)).is(unprocessable)
	long.shows("error-reason", "300")
}

const unprocessable = http.StatusUnprocessableEntity

func TestTenantAndLink(t *testing.T) {
	w := newWorld(t)
	b := w.as("support")
	b.get("/tenants/new").is(200)
	b.post("/tenants", "name", "", "region", "eu").is(unprocessable).shows("error-name", "name")
	b.post("/tenants", "name", "X", "region", "us").is(unprocessable).shows("error-region", "region")
	url := b.post("/tenants", "name", `<script>alert("x")</script>`, "region", "eu").goes()
	r := b.get(url).is(200).shows("title", `<script>alert("x")</script>`)
	if strings.Contains(r.text, "<script>alert") {
		t.Error("a name is not escaped")
	}
	b.get(url + "/links/new").is(200)
	b.post(url+"/links", "application", w.app.ID.String(), "capability", "read_mail", "address", "not an address", "expires", "24h").is(unprocessable).shows("error-address", "mail address")
	if v, _ := b.post(url+"/links", "application", w.app.ID.String(), "address", "kept@example.com", "expires", "24h").is(unprocessable).page.Find(`input[name="address"]`).Attr("value"); v != "kept@example.com" {
		t.Errorf("what was typed is lost: %q", v)
	}
	b.post(url+"/links", "application", w.app.ID.String(), "capability", "read_mail", "expires", "100000h").is(unprocessable).shows("error-expires", "")
	made := b.post(url+"/links", "application", w.app.ID.String(), "capability", "read_mail", "address", "ada@example.com", "expires", "24h").is(200)
	link := strings.TrimSpace(made.find("secret-value").Text())
	if v, ok := made.find("secret-value").Attr("value"); ok {
		link = v
	}
	// The link stands on the configured origin, whatever Host a caller claims (A80).
	if !strings.HasPrefix(link, "http://localhost:8400/connect/") || len(link) < len("http://localhost:8400/connect/")+40 {
		t.Errorf("the link is %q", link)
	}
	links, err := w.Grants.Links(ctx, staff, models.TenantID(mustID[models.TenantID](t, strings.TrimPrefix(url, "/tenants/"))))
	w.check(err)
	if to := b.post(url + "/links/" + links[0].ID.String() + "/withdraw").goes(); to != url {
		t.Errorf("withdrawing leads to %s", to)
	}
	b.post(url + "/links/" + links[0].ID.String() + "/withdraw").is(http.StatusConflict)
	b.get("/search?q=northwind").is(200)
	b.get("/search?q="+w.northG.ID.String()).is(200).shows("grant-row", w.northG.Email)
}

func mustID[I ~[16]byte](t *testing.T, text string) I {
	t.Helper()
	id, err := models.ParseID[I](text)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestCustomerSeesAndCutsTheirOwn(t *testing.T) {
	w := newWorld(t)
	b := w.as("customer")
	r := b.get("/").is(200).shows("mailbox", w.northG.Email).shows("nav", "Activity")
	if strings.Contains(r.text, "southridge") {
		t.Error("another tenant's mailbox is there")
	}
	url := "/grants/" + w.northG.ID.String()
	b.get(url+"/revoke").is(200).shows("title", "Disconnect")
	b.post(url + "/revoke").goes()
	b.get("/").is(200).shows("state-revoked", "Revoked")
	b.get("/audit").is(200).shows("audit-row", "Revoked")
	if to := b.post("/connect-mailbox").goes(); !strings.HasPrefix(to, "/connect/") {
		t.Errorf("connecting leads to %s", to)
	}
	if to := b.post(url + "/reconnect-now").goes(); !strings.HasPrefix(to, "/connect/") {
		t.Errorf("reconnecting leads to %s", to)
	}
}

func TestKeysAndMembers(t *testing.T) {
	w := newWorld(t)
	b := w.as("owner")
	b.post("/api-keys", "name", "crm", "application", w.app.ID.String(), "expires", "720h").is(unprocessable).shows("error-permission", "at least one")
	b.post("/api-keys", "name", "", "application", w.app.ID.String(), "permission", "grants.read", "expires", "720h").is(unprocessable).shows("error-name", "")
	b.post("/api-keys", "name", "x", "application", w.app.ID.String(), "permission", "members.manage", "expires", "720h").is(unprocessable).shows("error-permission", "")
	b.post("/api-keys", "name", "x", "application", w.app.ID.String(), "permission", "grants.read", "addresses", "::ffff:0.0.0.0/95", "expires", "").is(unprocessable).shows("error-addresses", "IPv4")
	made := b.post("/api-keys", "name", "crm", "application", w.app.ID.String(), "tenant", w.north.ID.String(), "permission", "grants.read", "expires", "720h").is(200)
	value := secretOf(made)
	actor, err := w.Access.Program(ctx, secret.New(value), netip.MustParseAddr("192.0.2.1"))
	w.check(err)
	if actor.Tenant != w.north.ID || !actor.May(models.ReadGrants) || actor.May(models.WriteGrants) {
		t.Errorf("the key is %+v", actor)
	}
	if list := b.get("/api-keys").is(200); strings.Contains(list.text, value) || !strings.Contains(list.text, value[:17]) {
		t.Error("the list shows the key itself, or nothing to tell it by")
	}
	b.get("/api-keys/" + actor.ID + "/revoke").is(200)
	b.post("/api-keys/" + actor.ID + "/revoke").goes()
	if _, err := w.Access.Program(ctx, secret.New(value), netip.MustParseAddr("192.0.2.1")); fault.KindOf(err) != fault.Unproven {
		t.Errorf("a revoked key gives %v", err)
	}

	b.post("/members", "name", "Eve", "email", "nonsense", "role", "support").is(unprocessable).shows("error-email", "")
	b.post("/members", "name", "Eve", "email", "eve@example.com", "role", "customer").is(unprocessable).shows("error-tenant", "")
	b.post("/members", "name", "Eve", "email", "owner@acme.example", "role", "support").is(unprocessable).shows("error-email", "already")
	link := secretOf(b.post("/members", "name", "Eve", "email", "eve@example.com", "role", "support").is(200))
	path, ok := strings.CutPrefix(link, "http://localhost:8400")
	if !ok {
		t.Fatalf("the invitation is not on the configured origin: %s", link)
	}
	w.stranger().get(path).is(200).shows("passkey-enrol", "")
	w.stranger().get(path[:len(path)-1]+"x").is(http.StatusGone).shows("error-text", "Ask for a new one")
	admin := w.as("admin")
	admin.post("/members", "name", "Boss", "email", "boss@example.com", "role", "owner").is(http.StatusForbidden)
	b.get("/members?q=eve").is(200)
	b.get("/account").is(200)
}

func secretOf(r reply) string {
	r.t.Helper()
	s := r.find("secret-value")
	if v, ok := s.Attr("value"); ok {
		return v
	}
	text := strings.TrimSpace(s.Text())
	if text == "" {
		r.t.Fatalf("%s: no secret is shown", r.what)
	}
	return text
}

func TestWebhookPages(t *testing.T) {
	w := newWorld(t)
	b := w.as("support")
	b.get("/webhooks").is(200).shows("webhook-row", "Billing events")
	url := "/webhooks/" + w.webhook.ID.String()
	b.get(url).is(200).shows("title", "Billing events")
	b.post(url+"/rotate", "overlap", "99h").is(unprocessable).shows("error-overlap", "")
	value := secretOf(b.post(url+"/rotate", "overlap", "24h").is(200))
	if r := b.get(url).is(200).shows("state-overlap", ""); strings.Contains(r.text, value) {
		t.Error("the secret is shown a second time")
	}
	b.get(url).shows("safety", "Not safe yet").shows("post-probe-the-new-secret", "").shows("extend-form", "")
	b.post(url+"/extend-overlap", "left", "900h").is(http.StatusBadRequest)
	b.post(url+"/extend-overlap", "left", "168h").goes()
	b.get(url).shows("flash", "another 7 days")
	w.sendUntil("a probe that the receiver took", func() bool {
		return b.get(url).find("safety").Filter(":contains('the old secret can end')").Length() == 1
	}, func() { b.post(url + "/test").goes() })
	b.post(url + "/end-overlap").goes()
	b.get(url).is(200).lacks("state-overlap").lacks("safety")
	b.post("/webhooks", "url", "ftp://x", "application", w.app.ID.String(), "trigger", "grant.created").is(unprocessable).shows("error-url", "")
	b.post("/webhooks", "url", w.receiver, "application", w.app.ID.String(), "trigger", "nonsense").is(unprocessable).shows("error-trigger", "")
	secretOf(b.post("/webhooks", "url", w.receiver, "application", w.app.ID.String(), "trigger", "grant.created", "description", "Two").is(200))
	b.get(url + "/edit").is(200)
	b.post(url+"/edit", "url", w.receiver, "description", "Renamed", "trigger", "grant.created", "state", "active", "standard", "yes", "overlap", "24h").goes()
	if r := b.get(url).is(200).shows("title", "Renamed"); !strings.Contains(r.text, "whpk_") || !strings.Contains(r.text, "/v3/webhooks/"+w.webhook.ID.String()+"/public-key") {
		t.Error("the page does not show the public key and where it is published")
	}
	if hook, err := w.Webhooks.Find(ctx, staff, w.webhook.ID); err != nil || !hook.Standard || hook.OverlapSeconds != 86400 {
		t.Errorf("after the form: %+v, %v", hook, err)
	}
	to := b.post(url + "/test").goes()
	b.get(to).is(200)
	b.get(to).shows("stages", "Verified").shows("stages", "No report")
	b.get(url+"/deliveries").is(200).shows("delivery-row", "").shows("replay-form", "")
	for _, bad := range [][]string{{"which", "failed", "since", "900h"}, {"which", "everything", "since", "1h"}} {
		b.post(url+"/replays", bad...).is(unprocessable).shows("replay-form", "")
	}
	b.post(url+"/replays", "which", "failed", "since", "24h").goes()
	b.get(url+"/deliveries").shows("replay", "All that failed since").shows("flash", "Nothing was given up")
	w.as("reviewer").post(url+"/replays", "which", "failed", "since", "24h").is(http.StatusForbidden)
	b.post(url + "/pause").goes()
	b.get(url).is(200).shows("state-paused", "")
	b.post(url + "/resume").goes()
	b.get(url + "/delete").is(200)
	b.post(url + "/delete").goes()
	b.get(url).is(http.StatusNotFound)
}

func TestApplicationAndConnectorPages(t *testing.T) {
	w := newWorld(t)
	b := w.as("owner")
	url := "/applications/" + w.app.ID.String()
	b.get("/settings").is(200)
	b.get("/applications").is(200).lacks("primary-action")
	b.get(b.post("/applications", "name", "Second").goes()).is(200).shows("title", "Second")
	b.post(url+"/callbacks", "url", "http://example.com/x", "platform", "web").is(unprocessable).shows("error-url", "https")
	b.post(url+"/callbacks", "url", "https://app.example.com/callback", "platform", "js").goes()
	callbacks, err := w.Applications.CallbackURIs(ctx, staff, w.app.ID)
	w.check(err)
	if len(callbacks) != 1 || callbacks[0].Settings["origin"] != "https://app.example.com" {
		t.Errorf("callbacks: %+v", callbacks)
	}
	b.post(url + "/callbacks/" + callbacks[0].ID.String() + "/remove").goes()
	b.get("/connectors").is(200)
	b.get("/connectors/" + w.app.ID.String() + "/imap").is(200)
	b.get("/connectors/" + w.app.ID.String() + "/imap/edit").is(200)
	b.get("/connectors/" + w.app.ID.String() + "/google").is(http.StatusNotFound)
	b.get("/connectors/" + w.app.ID.String() + "/google/edit").is(200)
	b.post("/connectors/"+w.app.ID.String()+"/google/edit", "client_id", "").is(unprocessable).shows("error-client_id", "")
	b.post("/connectors/"+w.app.ID.String()+"/google/edit", "client_id", "id.apps.example", "client_secret", "hush-hush").goes()
	if r := b.get("/connectors/" + w.app.ID.String() + "/google").is(200); strings.Contains(r.text, "hush-hush") {
		t.Error("the client secret is on the page")
	}
	google := "/connectors/" + w.app.ID.String() + "/google"
	b.get(google+"/edit").is(200).shows("setup-steps", "Google Auth Platform")
	b.post(google+"/edit", "client_id", "id.apps.example", "secret_ends", "soon").is(unprocessable).shows("error-secret_ends", "2027-01-31")
	b.post(google+"/edit", "client_id", "id.apps.example", "client_secret", "hush-hush-two", "secret_ends", time.Now().AddDate(0, 0, 20).Format(time.DateOnly)).goes()
	if r := b.get(google).is(200).shows("secrets", "Before it"); !strings.Contains(r.text, "Ends in 19 days") && !strings.Contains(r.text, "Ends in 20 days") || strings.Contains(r.text, "hush-hush") {
		t.Error("the connector's page does not say when its secret ends, or shows it")
	}
	b.get("/").is(200).shows("needs", "client secret for Google")
	b.post(google + "/end-secret-before").goes()
	if r := b.get(google).is(200); strings.Contains(r.text, "Before it") {
		t.Error("the secret before is still there")
	}
	cloud := "/connectors/" + w.app.ID.String() + "/nylas"
	b.get(cloud+"/edit").is(200).shows("connector-form", "Region of the application")
	b.post(cloud+"/edit", "client_id", "0f3c", "client_secret", "nyk_v0_hush", "region", "moon").is(unprocessable)
	b.post(cloud+"/edit", "client_id", "0f3c", "client_secret", "nyk_v0_hush", "region", "eu", "upstream", "google").goes()
	if r := b.get(cloud).is(200); strings.Contains(r.text, "nyk_v0_hush") || !strings.Contains(r.text, ">eu<") || !strings.Contains(r.text, ">google<") {
		t.Errorf("the page of the Nylas connector: %s", r.text)
	}
	b.get("/connectors/" + w.app.ID.String() + "/nonsense/edit").is(http.StatusNotFound)
}

func TestTheWayInAndOut(t *testing.T) {
	w := newWorld(t)
	b := w.stranger()
	if to := b.get("/").goes(); to != "/signin" {
		t.Errorf("a stranger is sent to %s", to)
	}
	if to := b.get("/grants?status=valid").goes(); to != "/signin?next=%2Fgrants%3Fstatus%3Dvalid" {
		t.Errorf("a stranger who asks for a page is sent to %s", to)
	}
	b.get("/signin").is(200).shows("passkey-signin", "").shows("demo-owner", "").shows("demo-customer", "")
	begun := b.send("POST", "/signin/begin", strings.NewReader("{}"), "application/json").is(200)
	if !strings.Contains(begun.text, `"publicKey"`) || !strings.Contains(begun.text, `"userVerification":"required"`) || len(b.cookies) != 1 {
		t.Errorf("sign-in begins with %s", begun.text)
	}
	refused := b.send("POST", "/signin/finish", strings.NewReader(`{"id":"x"}`), "application/json").is(http.StatusBadRequest)
	if !strings.Contains(refused.text, `"message":`) || strings.Contains(refused.text, "<html") {
		t.Errorf("the script is answered with %s", refused.text)
	}
	b.post("/signin/finish").is(http.StatusUnsupportedMediaType)
	b.get("/signin/demo/unknown").is(http.StatusNotFound)
	b.get("/enrol/unknown").is(http.StatusGone)

	b = w.as("support")
	if to := b.get("/signin?next=//evil.example").goes(); to != "/" {
		t.Errorf("next leads to %s", to)
	}
	b.post("/theme", "theme", "ink", "return", "/grants?x=1").goes()
	if theme, _ := b.get("/").is(200).page.Find("html").Attr("data-theme"); theme != "ink" {
		t.Errorf("theme %q", theme)
	}
	if to := b.post("/theme", "theme", "", "return", "https://evil.example").goes(); to != "/" {
		t.Errorf("the theme leads to %s", to)
	}
	old := b.cookies["postern-s"]
	if to := b.post("/signout").goes(); to != "/signin" || b.cookies["postern-s"] != "" {
		t.Error("signing out leaves the cookie")
	}
	b.cookies["postern-s"] = old
	b.get("/grants").goes()

	one, two := w.as("support"), w.as("support")
	one.post("/account/sessions/end-all").goes()
	two.get("/grants").goes()
	w.as("support").get("/account").is(200)
}

func TestBadInput(t *testing.T) {
	w := newWorld(t)
	b := w.as("owner")
	b.get("/grants/nonsense").is(http.StatusNotFound).shows("error-page", "").shows("who", "Owner Person")
	b.get("/nowhere").is(http.StatusNotFound).shows("error-page", "").shows("who", "Owner Person")
	b.get("/grants?cursor=nonsense").is(http.StatusBadRequest).shows("error-text", "first page")
	b.get("/tenants?cursor=bm9uc2Vuc2U").is(http.StatusBadRequest)
	b.get("/audit?cursor=x").is(http.StatusBadRequest)
	b.get("/members?cursor=%2e").is(http.StatusBadRequest)
	b.get("/webhooks?cursor=x").is(http.StatusBadRequest)
	b.get("/verifications?cursor=x").is(http.StatusBadRequest)
	b.get("/receipts?cursor=x").is(http.StatusBadRequest)
	b.get("/grants?tenant=x").is(http.StatusNotFound)
	b.get("/grants?q=" + strings.Repeat("x", 1500)).is(200)
	b.get("/grants?q=%00").is(200)
	b.get("/grants?q=%ff").is(200)
	b.get("/search?q=%00%ff").is(200)
	b.post("/tenants", "name", "\x00\xff", "region", "eu").is(unprocessable)
	b.post("/grants/"+w.northG.ID.String()+"/revoke", "reason", "a\x00b\xff").goes()
	b.send("DELETE", "/grants", nil, "").is(http.StatusMethodNotAllowed).shows("error-page", "")
	b.post("/tenants", "name", strings.Repeat("x", 300<<10)).is(http.StatusRequestEntityTooLarge)
	b.send("POST", "/tenants", strings.NewReader("%zz"), "application/x-www-form-urlencoded").is(http.StatusUnprocessableEntity)
	b.send("POST", "/members", strings.NewReader("{"), "application/json").is(unprocessable)
	if strings.Contains(w.log.String(), "level=ERROR") {
		t.Errorf("bad input is logged as our own fault: %.2000s", w.log.String()[strings.Index(w.log.String(), "level=ERROR"):])
	}
}

func TestListsPageBothWays(t *testing.T) {
	w := newWorld(t)
	for range 120 {
		w.grant(w.north.ID, models.NewID[models.EventID](w.clock()).String()+"@northwind.example")
	}
	b := w.as("support")
	list := "/grants?tenant=" + w.north.ID.String()
	first := b.get(list).is(200).shows("pages", "121").lacks("previous")
	next, _ := first.find("next").Attr("href")
	second := b.get(next).is(200)
	next, _ = second.find("next").Attr("href")
	third := b.get(next).is(200).lacks("next")
	if n := first.find("grant-row").Length() + second.find("grant-row").Length() + third.find("grant-row").Length(); n != 121 {
		t.Errorf("three pages show %d mailboxes", n)
	}
	prev, _ := third.find("previous").Attr("href")
	again := b.get(prev).is(200)
	if again.find("grant-row").Text() != second.find("grant-row").Text() {
		t.Error("the way back leads to another page")
	}
	prev, _ = again.find("previous").Attr("href")
	if b.get(prev).is(200).find("grant-row").Text() != first.find("grant-row").Text() {
		t.Error("the way back does not end at the first page")
	}
}

// A79: what begins like a formula is text in the file.
func TestExportsAreInert(t *testing.T) {
	w := newWorld(t)
	w.grant(w.north.ID, `=HYPERLINK("https://evil.example")@northwind.example`)
	b := w.as("owner")
	r := b.get("/grants/export.csv").is(200)
	if !strings.Contains(r.text, `"'=HYPERLINK`) || strings.Contains(r.text, `"=HYPERLINK`) {
		t.Errorf("the file: %s", r.text)
	}
	if r.header.Get("Content-Disposition") != `attachment; filename="grants.csv"` || !strings.Contains(r.header.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("headers: %v", r.header)
	}
	for _, path := range []string{"/grants/export.json", "/audit/export.csv", "/audit/export.json", "/receipts/export.csv", "/receipts/export.json", "/verifications/export.csv", "/verifications/export.json"} {
		b.get(path).is(200)
	}
}

// TestAFailingWebhookStandsAboveEveryPage: for those who see webhooks, and for nobody else.
func TestAFailingWebhookStandsAboveEveryPage(t *testing.T) {
	w := newWorld(t)
	b := w.as("support")
	b.get("/grants").is(200).lacks("alarm")
	set := func(status string) {
		w.check(w.Store.InApplication(ctx, w.app.ID, func(tx *store.Tx) error {
			hook, err := tx.Webhook(w.app.ID, w.webhook.ID)
			if err == nil {
				_, err = tx.MarkWebhookStatus(w.app.ID, hook.ID, hook.Status, models.WebhookStatus(status), w.clock())
			}
			return err
		}))
	}
	set("failing")
	for _, path := range []string{"/", "/grants", "/webhooks", "/account", "/nothing-here"} {
		b.get(path).shows("alarm", "Billing events").shows("alarm", "switched off in")
	}
	w.as("customer").get("/").is(200).lacks("alarm")
	set("failed")
	b.get("/tenants").is(200).shows("alarm", "is switched off")
	b.post("/webhooks/" + w.webhook.ID.String() + "/resume").goes()
	b.get("/tenants").is(200).lacks("alarm")
}

// TestReadingTheAuditIsAudited: the pages and files of the audit leave their own entries; turning pages leaves one an hour.
func TestReadingTheAuditIsAudited(t *testing.T) {
	w := newWorld(t)
	count := func(actor, action string) int {
		t.Helper()
		page, err := w.Audit.List(ctx, staff, audit.Filter{Actor: actor, Action: action})
		w.check(err)
		return len(page.Entries)
	}
	reviewer, customer := w.as("reviewer"), w.as("customer")
	reviewer.get("/")
	if n := count("Reviewer Person", "audit.read"); n != 0 {
		t.Errorf("the home page reads the audit: %d entries", n)
	}
	for range 3 {
		link, _ := reviewer.get("/audit").is(200).page.Find(`[data-testid="audit-row"] th a`).Attr("href")
		reviewer.get(link).is(200)
		customer.get("/audit?action=grant.create").is(200)
	}
	for range 2 {
		reviewer.get("/audit/export.csv").is(200)
		customer.get("/audit/export.json").is(200)
	}
	reviewer.get("/audit?action=audit.read").is(200).shows("audit-row", "audit log")
	for _, c := range []struct {
		actor, action string
		least, most   int // an hour may turn meanwhile
	}{{"Reviewer Person", "audit.read", 2, 5}, {"Customer Person", "audit.read", 1, 2}, {"Reviewer Person", "audit.export", 2, 2}, {"Customer Person", "audit.export", 2, 2}} {
		if n := count(c.actor, c.action); n < c.least || n > c.most {
			t.Errorf("%s: %d entries %s", c.actor, n, c.action)
		}
	}
}

// TestProofOnThePages: the audit shows its newest checkpoint, an entry its inclusion, and an entry that was altered says so.
func TestProofOnThePages(t *testing.T) {
	w := newWorld(t)
	b := w.as("owner")
	link, _ := b.get("/audit").is(200).page.Find(`[data-testid="audit-row"] th a`).Attr("href")
	b.get(link).is(200).shows("proof", "does not have this entry yet").lacks("inclusion")
	for n := 1; n > 0; {
		var err error
		n, err = w.AuditLog.SequenceOnce(ctx)
		w.check(err)
	}
	b.get("/audit").is(200).shows("proof", "in the signed log").shows("checkpoint", w.AuditLog.Key()).shows("checkpoint", "POSTERN_WITNESSES")
	b.get(link).is(200).shows("proof", "of the signed log").shows("inclusion", `{"v":2,"id":"`+strings.TrimPrefix(link, "/audit/"))
	w.as("customer").get("/audit").is(200).lacks("checkpoint")
	conn, err := pgx.Connect(ctx, w.dsn)
	w.check(err)
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, `ALTER TABLE audit_entries DISABLE TRIGGER ALL`)
	w.check(err)
	_, err = conn.Exec(ctx, `UPDATE audit_entries SET object = 'Somebody else' WHERE id = $1`, strings.TrimPrefix(link, "/audit/"))
	w.check(err)
	b.get(link).is(200).shows("proof", "somebody changed it")
}
