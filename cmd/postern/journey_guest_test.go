package main

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"github.com/postern-mail/postern/handlers/portal"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/web"
)

// fetched is a page or file as the guest's own browser gets it.
type fetched struct {
	Status int    `json:"status"`
	Type   string `json:"type"`
	Text   string `json:"text"`
}

func (p *person) fetch(path string) fetched {
	p.t.Helper()
	return evaluate[fetched](p, fmt.Sprintf(`(async () => {
		const r = await fetch(%q, {redirect: "manual"});
		return {status: r.status, type: r.headers.get("content-type") || "", text: await r.text()};
	})()`, path))
}

// links are the addresses of this origin that a page leads to.
func (p *person) links(r fetched, at string) []string {
	p.t.Helper()
	if !strings.Contains(r.Type, "text/html") {
		return nil
	}
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(r.Text))
	if err != nil {
		p.t.Fatal(err)
	}
	from, err := url.Parse(p.base + at)
	if err != nil {
		p.t.Fatal(err)
	}
	var out []string
	doc.Find("a[href]").Each(func(_ int, a *goquery.Selection) {
		href, _ := a.Attr("href")
		if to, err := from.Parse(href); err == nil && to.Host == from.Host {
			out = append(out, to.RequestURI())
		}
	})
	return out
}

var inPath = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}|[0-9]+`)

// shape is an address without what tells one thing from another of its kind.
func shape(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	var names []string
	for name := range u.Query() {
		names = append(names, name)
	}
	slices.Sort(names)
	return inPath.ReplaceAllString(u.Path, "*") + "?" + strings.Join(names, "&")
}

// TestGuest is an outside reviewer at the delivered program, in a real browser, beside two organisations with a mailbox each.
func TestGuest(t *testing.T) {
	in := browser(t)
	j := &journey{t: t, browser: in, hook: newReceiver(t)}
	j.demo, j.env = startDemo(t)
	j.supportSignsIn()
	j.connectByLink("Alder & Finch", j.user(0), "guested-owner")
	j.connectByLink("Brightwater", j.user(1), "other-owner")
	j.guestLooks()
}

// guestLooks is an outside reviewer with a pass to one organisation, who opens everything there is to open (A43).
func (j *journey) guestLooks() {
	t := j.t
	owner := j.someone("pass-owner")
	owner.visit(j.env["POSTERN_SIGNIN_OWNER"])
	owner.visit("/security/passes")
	owner.choose("tenant", evaluate[string](owner, `[...document.querySelectorAll("select[name=tenant] option")].find(o => o.text.includes("Alder")).value`))
	owner.choose("expires", "7")
	owner.fill("name", "Grant Holloway, assessor")
	owner.click("submit")
	link := owner.text("secret-value")
	owner.pictures("pass")
	j.secrets = append(j.secrets, link[strings.LastIndex(link, "/")+1:])

	p := j.someone("guest")
	p.visit(link)
	p.pictures("enter")
	p.click("guest-enter")
	p.pictures("home")

	// What must be nowhere: secrets, whole mailboxes, what a provider calls the person.
	never := map[string]string{j.env["POSTERN_API_KEY"]: "the API key", j.env["POSTERN_SANDBOX_PASSWORD"]: "the sandbox's password"}
	for i, secret := range j.secrets {
		never[secret] = fmt.Sprintf("secret %d of this journey", i)
	}
	for user := range strings.SplitSeq(j.env["POSTERN_SANDBOX_USERS"], ",") {
		never[user] = "a whole mailbox"
	}
	foreign := ""
	for _, g := range wants(t, 200, "GET", j.demo.url+"/v3/grants?limit=200", j.env["POSTERN_API_KEY"], nil).data() {
		if subject, _ := g["provider_user_id"].(string); len(subject) >= 6 {
			never[subject] = "a provider's id of a person"
		}
		if g["workspace_id"] != j.env["POSTERN_TENANT_ID"] {
			foreign, _ = g["id"].(string)
		}
	}
	delete(never, "")

	seen, kinds, pages := map[string]bool{}, map[string]int{}, 0
	for todo := []string{"/"}; len(todo) > 0; todo = todo[1:] {
		at := todo[0]
		if seen[at] || kinds[shape(at)] >= 2 {
			continue
		}
		seen[at], kinds[shape(at)] = true, kinds[shape(at)]+1
		r := p.fetch(at)
		if r.Status != 200 {
			t.Errorf("a guest is led to %s, which answers %d", at, r.Status)
			continue
		}
		pages++
		for text, what := range never {
			if strings.Contains(r.Text, text) {
				t.Errorf("%s shows a guest %s", at, what)
			}
		}
		if strings.Contains(r.Type, "text/html") && kinds[shape(at)] == 1 {
			p.visit(at) // with its styles and scripts: the browser complains of whatever is wrong
		}
		todo = append(todo, p.links(r, at)...)
	}
	if pages < 20 {
		t.Errorf("the guest saw %d pages: the crawl has lost its subject", pages)
	}
	t.Logf("a guest saw %d pages of %d kinds", pages, len(kinds))

	// Everything else is shut, by the table of routes itself.
	mine := models.Guest.Permissions()
	shut := 0
	for _, route := range portal.New(portal.Config{}).Web().Routes {
		if route.Method != "GET" || route.Permission == web.Public || slices.Contains(mine, route.Permission) {
			continue
		}
		shut++
		path := regexp.MustCompile(`:[a-z]+`).ReplaceAllString(route.Path, models.BatchID{}.String())
		if r := p.fetch(path); r.Status != 403 && r.Status != 404 {
			t.Errorf("%s answers a guest with %d", route.Path, r.Status)
		}
	}
	if shut < 20 {
		t.Errorf("only %d routes are shut to a guest", shut)
	}
	if foreign == "" {
		t.Fatal("there is no grant of another organisation to ask for")
	}
	for _, path := range []string{"/grants/" + foreign, "/grants/" + foreign + "/receipt"} {
		if r := p.fetch(path); r.Status != 404 {
			t.Errorf("another organisation's %s answers a guest with %d", path, r.Status)
		}
	}
	if !evaluate[bool](p, `fetch("/security/packs", {method: "POST"}).then(r => r.status === 403)`) {
		t.Error("a guest makes an evidence pack")
	}
	p.calm("status of 403", "status of 404")

	// Every page was noted; and the next click after the pass is revoked leads out.
	owner.visit("/security/passes")
	owner.sees("passes", "Grant Holloway")
	owner.click("post-revoke")
	p.visit("/grants")
	p.sees("title", "Sign in")
	p.lost(404, link)
}
