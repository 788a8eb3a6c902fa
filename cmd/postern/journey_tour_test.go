package main

import (
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/chromedp/chromedp"
)

// one matches the part of an address that names one thing among its like.
var one = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27,}|/[0-9]+|/requirements/.*|\?.*`)

// notPages are the addresses that a link leads to and that are no page: files to take away, and the way out.
var notPages = regexp.MustCompile(`\.json|\.csv|\.zip|\.sig|/signout|/security/packs/.|postern-audit-key|openapi|/static/|/connect/`)

// tour is a person who opens every kind of page that any link leads to, beginning at home, one of each kind. Each must answer 200, load nothing that fails, and
// stay inside a desk's window and a phone's. It gives the pages' addresses.
func (p *person) tour(look func(address string)) (seen []string) {
	p.t.Helper()
	kinds, todo, from := map[string]bool{}, []string{"/"}, map[string]string{}
	for len(todo) > 0 {
		at := todo[0]
		todo = todo[1:]
		kind := one.ReplaceAllString(at, "*")
		if kinds[kind] || notPages.MatchString(at) || slices.Contains(seen, at) {
			continue
		}
		kinds[kind] = true
		seen = append(seen, at)
		answer, err := chromedp.RunResponse(p.ctx, chromedp.Navigate(p.absolute(at)))
		if err != nil || answer == nil {
			p.stuck(err)
		}
		if answer.Status != 200 {
			p.t.Errorf("%s: a link on %s leads to %s, which answers %d", p.name, from[at], at, answer.Status)
			p.calm("status of")
			continue
		}
		p.calm()
		for _, width := range []int64{390, 1280} {
			p.do(chromedp.EmulateViewport(width, 800))
			if over := evaluate[int](p, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); over > 0 {
				widest := evaluate[string](p, `[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1).pop()?.outerHTML.slice(0, 200) || ""`)
				p.t.Errorf("%s at %s: runs over by %d pixels of %d: %s", p.name, at, over, width, widest)
			}
		}
		if look != nil {
			look(at)
		}
		if os.Getenv("POSTERN_PICTURES") == "all" {
			p.pictures("tour" + strings.Map(func(r rune) rune {
				if strings.ContainsRune("/?=&*", r) {
					return '-'
				}
				return r
			}, kind))
		}
		for _, href := range evaluate[[]string](p, `[...document.querySelectorAll("a[href]")].filter(a => a.origin === location.origin && !a.download).map(a => a.pathname + a.search)`) {
			if todo = append(todo, href); from[href] == "" {
				from[href] = at
			}
		}
	}
	return seen
}

// ownerTours sees that the program delivered has every page, and that each can be reached by a link.
func (j *journey) ownerTours() {
	p := j.someone("owner")
	p.visit(j.env["POSTERN_SIGNIN_OWNER"])
	seen := p.tour(nil)
	for _, must := range strings.Fields(`/tenants /tenants/new /links/new /grants /grants/accesses /receipts /receipts/live /offboardings /webhooks /webhooks/new
		/verifications /verifications/check /verifications/sources /verifications/sources/new /audit /security /security/encryption /security/residency /security/egress
		/security/rights /security/packs /security/passes /reference /reference/from-nylas /settings /applications /connectors /api-keys /api-keys/new /members /members/new /account`) {
		if !slices.Contains(seen, must) {
			j.t.Errorf("no link leads to %s", must)
		}
	}
	j.t.Logf("the tour: %d pages", len(seen))
}
