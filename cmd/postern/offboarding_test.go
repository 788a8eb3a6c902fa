package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/offboardings"
	"github.com/postern-mail/postern/engine/provider/providertest"
)

// TestOffboarding takes an organisation with a mailbox at each of the seven providers from the dry run to the certificate, in a browser, by two people. Google is down all the while, and
// the process is killed in the middle: another goes on (F12, F13).
func TestOffboarding(t *testing.T) {
	in := browser(t)
	google := &gate{}
	e, upstreams := amongSeven(t, in, "offboarding-one", func(g *providertest.GoogleServer) []string {
		return []string{"POSTERN_GOOGLE_REVOKE_URL=" + google.before(t, g.RevokeURL())}
	})
	one, tenant := e.staff, strings.TrimSuffix(e.link, "/links/new")
	owner := newPerson(t, in, e.at.url, "offboarded-owner")
	owner.trusting()
	grants := map[string]string{}
	for _, u := range upstreams {
		grants[u.name] = e.connect(u, owner)
	}
	two := e.invited(newPerson(t, in, e.at.url, "offboarding-two"), "Kim Park")

	one.visit(tenant + "/offboard")
	one.sees("plan-total", fmt.Sprint(len(upstreams)))
	one.fill("reason", "The clinic closed.")
	one.fill("ticket", "OPS-17")
	one.tick("wait", "1h", true)
	one.pictures("dry-run")
	one.click("submit")
	page := one.where()
	one.sees("offboarding-sentence", "waits for a second person")
	if one.has("approve") {
		t.Error("who asked for it is offered to approve it")
	}
	one.pictures("planned")
	for name, grant := range grants {
		wants(t, 200, "GET", e.at.url+"/v3/grants/"+grant, e.key, nil)
		if t.Failed() {
			t.Fatalf("%s is refused before the approval", name)
		}
	}
	two.scripts(false) // from here on everything works without them
	two.visit(page)
	two.click("approve")
	two.sees("main", "The clinic closed.", "refused at once")
	two.pictures("approve")
	two.click("submit")

	// The page after the click is there: no mailbox may be reached any more, whatever its provider says.
	for name, grant := range grants {
		if a := ask(t, "GET", e.at.url+"/v3/grants/"+grant+"/messages", e.key, nil); a.status != 401 && a.status != 404 {
			t.Errorf("%s after the approval: %d %s", name, a.status, a.text)
		}
	}
	id := tenant[strings.LastIndex(tenant, "/")+1:]
	open := `SELECT count(*) FROM severances WHERE tenant_id = $1 AND closed_at IS NULL`
	eventually(t, 120*time.Second, "all but Google's to be settled, and Google asked", func() bool {
		return google.refused() > 0 && count(t, e.dsn, `SELECT count(*) FROM grants WHERE tenant_id = $1`, id) == 0 && count(t, e.dsn, open, id) == 1
	})
	e.at.stop() // kill -9
	if n := count(t, e.dsn, `SELECT count(*) FROM data_keys WHERE tenant_id = $1 AND wrapped IS NOT NULL`, id); n != 1 {
		t.Fatalf("the organisation's key is gone before its provider answered: %d", n)
	}
	e.again()
	two.visit(page)
	two.await(60*time.Second, "offboarding-sentence", "1 mailbox waits for the answer of a provider")
	two.pictures("waiting")
	two.click("still-live")
	two.sees("main", upstreams[0].address)
	two.visit(page)
	two.click("post-stop-waiting-for-providers")
	two.await(120*time.Second, "offboarding-sentence", "is offboarded")
	two.pictures("done")
	two.click("certificate-link")
	two.sees("certificate-sentence", "data key is destroyed")
	if !two.has("state-matches") {
		t.Error("the certificate does not say that its totals match the plan")
	}
	two.pictures("certificate")

	two.scripts(true)
	var paper []byte
	eventually(t, 60*time.Second, "a certificate that the log has", func() bool {
		text := evaluate[string](two, `fetch("`+strings.TrimPrefix(page, e.at.url)+`/certificate.json").then(r => r.ok ? r.text() : "")`)
		paper = []byte(text)
		return text != ""
	})
	key := evaluate[string](two, `fetch("/.well-known/postern-audit-key").then(r => r.text())`)
	if v, err := audit.VerifyDocument(paper, strings.TrimSpace(key)); err != nil || !v.Proven {
		t.Errorf("the certificate does not hold: %+v, %v", v, err)
	}
	e.totals(paper, len(upstreams))

	// Receipts, and what is still live: Google, which never answered, and those of which nobody can be told.
	two.visit("/receipts?tenant=" + id)
	if n := evaluate[int](two, `document.querySelectorAll("[data-testid=receipts] tbody tr").length`); n != len(upstreams) {
		t.Errorf("%d receipts", n)
	}
	two.visit("/receipts/live?tenant=" + id)
	two.pictures("still-live")
	if n := evaluate[int](two, `document.querySelectorAll("[data-testid=live-row]").length`); n != len(upstreams)-1 {
		t.Errorf("%d are still live", n)
	}
	if text := two.text("main"); !strings.Contains(text, upstreams[0].address) || strings.Contains(text, upstreams[len(upstreams)-1].address) {
		t.Errorf("what is still live: %s", text)
	}
	for _, query := range []string{`SELECT count(*) FROM sealed WHERE tenant_id = $1`, `SELECT count(*) FROM data_keys WHERE tenant_id = $1 AND wrapped IS NOT NULL`, open} {
		if n := count(t, e.dsn, query, id); n != 0 {
			t.Errorf("%s: %d", query, n)
		}
	}
	if strings.Contains(e.at.said(), "panic") {
		t.Error("the process panicked")
	}
}

// totals holds a signed certificate to what this test knows.
func (e *every) totals(paper []byte, total int) {
	e.t.Helper()
	var signed struct {
		Body offboardings.Certificate `json:"body"`
	}
	if err := json.Unmarshal(paper, &signed); err != nil {
		e.t.Fatal(err)
	}
	c := signed.Body
	severed := 0
	for _, g := range c.Grants {
		severed += g.Severed
		if g.Planned != 1 || g.Severed != 1 {
			e.t.Errorf("%s: %d planned, %d severed", g.Provider, g.Planned, g.Severed)
		}
	}
	if !c.MatchesPlan || severed != total || c.Receipts != total || c.Unconfirmed != 1 || c.OwnerMustAct != total-2 || c.KeysDestroyed != 1 || c.RequestedBy == c.ApprovedBy || c.Ticket != "OPS-17" {
		e.t.Errorf("the certificate says %+v", c)
	}
}

// invited lets the owner invite an administrator, who comes with a passkey of their own.
func (e *every) invited(p *person, name string) *person {
	e.t.Helper()
	by := e.staff
	by.visit("/members/new")
	by.fill("name", name)
	by.fill("email", strings.ToLower(strings.ReplaceAll(name, " ", "."))+"@northgate.test")
	by.tick("role", "admin", true)
	by.click("submit")
	p.passkeyDevice()
	p.visit(by.text("secret-value"))
	p.fill("name", "A laptop")
	p.click("[data-testid=passkey-enrol] button")
	p.sees("title", "Today")
	return p
}

// scripts lets the pages of a person's browser run scripts, or not.
func (p *person) scripts(on bool) {
	p.t.Helper()
	if _, err := chromedp.Call(p.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on}); err != nil {
		p.t.Fatal(err)
	}
}

// gate is an address that is down: it answers 503 to whoever asks.
type gate struct{ asked chan struct{} }

// before gives the address that stands before another.
func (g *gate) before(t *testing.T, to string) string {
	t.Helper()
	g.asked = make(chan struct{}, 1000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		select {
		case g.asked <- struct{}{}:
		default:
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(server.Close)
	return server.URL + pathOf(t, to)
}

// refused is how often somebody was refused.
func (g *gate) refused() int { return len(g.asked) }

func pathOf(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Path
}
