package portal_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/access"
	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/web"
)

var parameter = regexp.MustCompile(`:[a-z]+`)

// fill puts ids into a route: things of the tenant that are really there, made anew for each request, because a POST may end them.
func (w *world) fill(path string, tenant models.Tenant) string {
	w.t.Helper()
	absent := models.NewID[models.EventID](w.clock()).String()
	return parameter.ReplaceAllStringFunc(path, func(name string) string {
		switch name {
		case ":tenant":
			return tenant.ID.String()
		case ":grant":
			return w.grant(tenant.ID, absent[24:]+"@"+strings.ToLower(tenant.Name)+".example").ID.String()
		case ":link":
			l, _, err := w.Grants.MakeLink(ctx, staff, grants.LinkRequest{Tenant: tenant.ID, Application: w.app.ID})
			w.check(err)
			return l.ID.String()
		case ":entry":
			page, err := w.Audit.List(ctx, staff, audit.Filter{Tenant: tenant.ID, Limit: 1})
			w.check(err)
			return page.Entries[0].ID.String()
		case ":webhook":
			return w.webhook.ID.String()
		case ":application":
			return w.app.ID.String()
		case ":provider":
			return "imap"
		case ":key":
			k, _, err := w.Access.CreateKey(ctx, staff, access.Key{Application: w.app.ID, Name: "x"})
			w.check(err)
			return k.ID.String()
		case ":account":
			a, _, err := w.Access.CreateServiceAccount(ctx, staff, access.ServiceAccount{Application: w.app.ID, Name: "x", PublicKey: somePublicKey})
			w.check(err)
			return a.ID.String()
		case ":pass":
			pass, _, err := w.Access.CreatePass(ctx, staff, tenant.ID, "Somebody else's guest", time.Hour)
			w.check(err)
			return pass.ID.String()
		case ":member":
			m, err := w.Access.EnsureMember(ctx, access.Invitation{Name: "X", Email: absent + "@example.com", Role: models.Support})
			w.check(err)
			return m.ID.String()
		default:
			return absent
		}
	})
}

var roleOf = map[string]models.Role{"owner": models.Owner, "admin": models.Admin, "support": models.Support, "reviewer": models.Reviewer, "guest": models.Guest, "customer": models.Customer}

// TestEveryRouteForEveryRole asks for every address of the portal as everybody. The answer must follow from the permission beside the route and the
// policy in models: a route that forgets its permission, or a role that gains one, shows up here.
func TestEveryRouteForEveryRole(t *testing.T) {
	w := newWorld(t)
	for _, route := range w.web.Routes() {
		if route.Door != "portal" || route.Path == "/signout" || route.Path == "/account/sessions/end-all" {
			continue // these two end the session that asks; they have tests of their own
		}
		for _, who := range people {
			b := w.as(who)
			r := b.send(route.Method, w.fill(route.Path, w.north), nil, "")
			allowed := route.Permission == web.Public || route.Permission == web.AnyMember && who != "guest"
			for _, p := range roleOf[who].Permissions() {
				allowed = allowed || p == route.Permission
			}
			refused := r.status == http.StatusForbidden || r.status == http.StatusUnauthorized
			// The deed may still refuse who was let in at the door: a member who is not platform staff, for one.
			if allowed && refused || !allowed && r.status != http.StatusForbidden {
				t.Errorf("%s %s as %s: status %d, allowed %v: %s", route.Method, route.Path, who, r.status, allowed, r.error())
			}
			if r.status >= 500 {
				t.Errorf("%s %s as %s: status %d", route.Method, route.Path, who, r.status)
			}
		}
		r := w.stranger().send(route.Method, w.fill(route.Path, w.north), nil, "")
		switch {
		case route.Permission == web.Public:
		case route.Method == "GET" && (r.status != http.StatusSeeOther || !strings.HasPrefix(r.header.Get("Location"), "/signin")):
			t.Errorf("GET %s as a stranger: status %d to %q", route.Path, r.status, r.header.Get("Location"))
		case route.Method != "GET" && r.status != http.StatusUnauthorized:
			t.Errorf("%s %s as a stranger: status %d", route.Method, route.Path, r.status)
		}
	}
	if text := w.log.String(); strings.Contains(text, "level=ERROR") {
		t.Errorf("errors in the log: %.3000s", text[strings.Index(text, "level=ERROR"):])
	}
}

// TestForeignTenantsAreNotFound asks as somebody of one tenant for everything of another. It must look as if it were not there, and stay as it is.
func TestForeignTenantsAreNotFound(t *testing.T) {
	w := newWorld(t)
	for _, who := range []string{"customer", "guest"} {
		for _, route := range w.web.Routes() {
			if route.Door != "portal" || !regexp.MustCompile(`:(tenant|grant|link|entry|receipt|verification)\b`).MatchString(route.Path) {
				continue
			}
			if !strings.Contains(strings.Join(permissionNames(roleOf[who]), " "), string(route.Permission)) {
				continue
			}
			b := w.as(who)
			path := w.fill(route.Path, w.south)
			if r := b.send(route.Method, path, nil, ""); r.status != http.StatusNotFound {
				t.Errorf("%s %s as %s of another tenant: status %d, want 404", route.Method, route.Path, who, r.status)
			}
		}
		b := w.as(who)
		for _, path := range []string{"/grants?tenant=" + w.south.ID.String(), "/grants/export.csv?tenant=" + w.south.ID.String(), "/receipts?tenant=" + w.south.ID.String()} {
			if r := b.get(path); r.status != http.StatusNotFound {
				t.Errorf("GET %s as %s: status %d, want 404", path, who, r.status)
			}
		}
		for _, path := range []string{"/", "/grants", "/grants/export.csv", "/grants/export.json", "/grants/accesses", "/grants/accesses?tenant=" + w.south.ID.String(), "/grants/accesses/export.csv", "/receipts", "/audit", "/audit?tenant=" + w.south.ID.String(), "/audit/export.csv", "/verifications", "/security"} {
			r := b.get(path)
			if strings.Contains(r.text, "southridge") || strings.Contains(r.text, "Southridge") || strings.Contains(r.text, w.southG.ID.String()) {
				t.Errorf("GET %s as %s shows the other tenant", path, who)
			}
		}
	}
	g, err := w.Grants.Find(ctx, staff, w.southG.ID)
	w.check(err)
	if g.Status != models.GrantValid {
		t.Errorf("the foreign grant is %s", g.Status)
	}
}

func permissionNames(r models.Role) []string {
	var out []string
	for _, p := range r.Permissions() {
		out = append(out, string(p))
	}
	return out
}

// TestReviewersSeeNoWholeMailbox crawls every page and file that a reviewer can open (A43).
func TestReviewersSeeNoWholeMailbox(t *testing.T) {
	w := newWorld(t)
	_, err := w.Grants.Revoke(ctx, staff, w.southG.ID, "asked for by grace.hopper@southridge.example")
	w.check(err)
	for _, who := range []string{"reviewer", "guest"} {
		b := w.as(who)
		seen := 0
		for _, route := range w.web.Routes() {
			if route.Door != "portal" || route.Method != "GET" || strings.HasPrefix(route.Path, "/signin") || strings.HasPrefix(route.Path, "/enrol") {
				continue
			}
			path := strings.ReplaceAll(route.Path, ":grant", w.northG.ID.String())
			if strings.Contains(path, "/receipt") {
				path = strings.ReplaceAll(route.Path, ":grant", w.southG.ID.String())
			}
			r := b.get(w.fill(path, w.north))
			if r.status == http.StatusOK {
				seen++
			}
			for _, whole := range []string{"ada.lovelace@", "grace.hopper@"} {
				if strings.Contains(r.text, whole) {
					t.Errorf("%s shows %s to a %s", path, whole, who)
				}
			}
		}
		if seen < 10 {
			t.Errorf("a %s saw %d pages: the crawl has lost its subject", who, seen)
		}
	}
	if !strings.Contains(w.as("support").get("/grants").text, "ada.lovelace@") {
		t.Error("support staff do not see whose mailbox it is")
	}
}

// TestWhoIsKeptOut says the policy a second time, in words that the code does not share: what a role must never reach.
func TestWhoIsKeptOut(t *testing.T) {
	w := newWorld(t)
	setUp := []string{"/settings", "/applications", "/connectors", "/api-keys", "/service-accounts", "/members"}
	for who, closed := range map[string][]string{
		"support":  append([]string{"/audit", "/security"}, setUp...),
		"reviewer": append([]string{"/webhooks", "/links/new", "/tenants/new"}, setUp...),
		"guest":    append([]string{"/account", "/security/passes", "/webhooks", "/links/new", "/tenants/new"}, setUp...),
		"customer": append([]string{"/webhooks", "/tenants", "/search", "/tenants/new"}, setUp...),
	} {
		b := w.as(who)
		for _, path := range closed {
			b.get(path).is(http.StatusForbidden).shows("error-page", "")
		}
	}
	// A reviewer changes nothing: of all unsafe routes only their own account, the theme and the way in and out are open, the checker, which keeps nothing, and another look at the requirements. A guest has no account.
	for who, own := range map[string]string{"reviewer": `^/(account|signin|enrol|guest|theme|signout|verifications/check|security/check)`, "guest": `^/(signin|enrol|guest|theme|signout|verifications/check|security/check)`} {
		b := w.as(who)
		for _, route := range w.web.Routes() {
			if route.Door != "portal" || route.Method == "GET" || regexp.MustCompile(own).MatchString(route.Path) {
				continue
			}
			b.send(route.Method, w.fill(route.Path, w.north), nil, "").is(http.StatusForbidden)
		}
	}
	b := w.as("reviewer")
	for _, path := range []string{"/grants/" + w.northG.ID.String(), "/tenants/" + w.north.ID.String()} {
		b.get(path).is(http.StatusOK).lacks("revoke").lacks("delete").lacks("revoke-tokens").lacks("reconnect").lacks("primary-action")
	}
}
