package consent_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/postern-mail/postern/engine/applications"
	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/graph"
	"github.com/postern-mail/postern/engine/provider/providertest"
)

const (
	contoso       = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490"
	programsPlace = "https://app.example/callback"
)

// newMicrosoft is a world with Microsoft in it, and a person there whose consent is not enough without their administrator's, by the AADSTS code named.
func newMicrosoft(t *testing.T, code string) (*world, *providertest.MicrosoftServer, *providertest.MicrosoftAccount) {
	t.Helper()
	there := providertest.Microsoft(t)
	w := newWorld(t, func(guard *dial.Guard, base *url.URL) (provider.Connector, applications.ConnectorDraft) {
		app := there.App(base.String() + "/v3/connect/callback/microsoft")
		return graph.New(graph.Config{Guard: guard, AuthURL: there.AuthURL(), TokenURL: there.TokenURL(), AdminConsentURL: there.AdminConsentURL(), GraphURL: there.GraphURL()}),
			applications.ConnectorDraft{Provider: "microsoft", ClientID: app.ClientID, ClientSecret: app.ClientSecret}
	})
	ada := there.Account(contoso, "ada@contoso.test", "Ada")
	ada.NeedsAdmin = code
	_, err := w.Applications.AddCallbackURI(context.Background(), staff, w.app, applications.Callback{URL: programsPlace})
	w.must(err)
	return w, there, ada
}

// program begins a flow as the application's own program does, and gives its first page.
func (w *world) program(state string) string {
	w.t.Helper()
	id, err := w.Grants.BeginAuth(context.Background(), grants.AuthRequest{ClientID: w.app.String(), RedirectURI: programsPlace, ResponseType: "code", Provider: "microsoft", State: state})
	w.must(err)
	return "/connect/flow/" + id.String()
}

// stopped walks a person up to the page of the approval.
func (w *world) stopped(b *http.Client, there *providertest.MicrosoftServer, person *providertest.MicrosoftAccount, first string) page {
	w.t.Helper()
	p := w.post(b, first, w.server.URL, url.Values{"provider": {"microsoft"}})
	back, why := there.Consent(p.Header.Get("Location"), person, true)
	if back == nil || !strings.Contains(back.Query().Get("error_description"), "AADSTS"+person.NeedsAdmin) {
		w.t.Fatalf("Microsoft did not ask for the administrator: %v %s", back, why)
	}
	p = w.get(b, back.String())
	if p.StatusCode != http.StatusSeeOther || !strings.HasPrefix(p.Header.Get("Location"), "/connect/flow/") {
		w.t.Fatalf("the person was sent to %q", p.Header.Get("Location"))
	}
	return w.get(b, p.Header.Get("Location"))
}

// TestPersonWithoutConsentRightsGetsTheAdministratorsLink walks, for each of Microsoft's words and for a link as for a program, from the refusal over the administrator's
// approval to the connected mailbox.
func TestPersonWithoutConsentRightsGetsTheAdministratorsLink(t *testing.T) {
	for _, code := range []string{"65001", "90093", "90094", "90095"} {
		t.Run(code, func(t *testing.T) {
			w, there, ada := newMicrosoft(t, code)
			for who, first := range map[string]string{"a link": w.link(), "a program": w.program("their-state")} {
				there.Disapprove(contoso)
				b := browser()
				p := w.stopped(b, there, ada, first)
				link := p.doc.Find("[data-testid=approval-link]").Text()
				again, _ := p.doc.Find("[data-testid=try-again]").Closest("form").Attr("action")
				if p.StatusCode != http.StatusOK || !strings.HasPrefix(link, there.URL()+"/organizations/v2.0/adminconsent?") || again == "" {
					t.Fatalf("%s: status %d, the administrator's link %q, try again at %q", who, p.StatusCode, link, again)
				}
				if other := w.post(browser(), again, w.server.URL, nil); other.StatusCode != http.StatusForbidden {
					t.Errorf("%s: another browser went on: %d", who, other.StatusCode)
				}

				approved, why := there.Consent(link, ada, true) // the administrator, in a browser of their own
				if approved == nil {
					t.Fatalf("%s: the administrator was stopped: %s", who, why)
				}
				if p = w.get(browser(), approved.String()); p.StatusCode != http.StatusOK || p.doc.Find("h1").Text() != "Approved" {
					t.Errorf("%s: the administrator sees %d %q", who, p.StatusCode, p.doc.Find("h1").Text())
				}

				p = w.post(b, again, w.server.URL, nil)
				to, err := url.Parse(p.Header.Get("Location"))
				w.must(err)
				if p.StatusCode != http.StatusSeeOther || to.Query().Has("prompt") {
					t.Fatalf("%s: after the approval the person is sent to %q; a forced prompt would be refused again", who, to)
				}
				back, why := there.Consent(to.String(), ada, true)
				if back == nil || back.Query().Get("code") == "" {
					t.Fatalf("%s: Microsoft refused after the approval: %v %s", who, back, why)
				}
				p = w.get(b, back.String())
				if who == "a program" {
					if at := p.Header.Get("Location"); !strings.HasPrefix(at, programsPlace+"?code=") || !strings.HasSuffix(at, "state=their-state") {
						t.Errorf("the program hears %q", at)
					}
					continue
				}
				if done := w.get(b, p.Header.Get("Location")); done.StatusCode != http.StatusOK || !strings.Contains(done.doc.Text(), "ada@contoso.test") {
					t.Errorf("the last page: %d", done.StatusCode)
				}
				if spent := w.post(b, again, w.server.URL, nil); spent.StatusCode != http.StatusGone {
					t.Errorf("the page of the approval was used twice: %d", spent.StatusCode)
				}
			}
		})
	}
}

// TestGivingUpOnTheAdministratorTellsTheProgram: until then the program hears nothing, because nothing is over.
func TestGivingUpOnTheAdministratorTellsTheProgram(t *testing.T) {
	w, there, ada := newMicrosoft(t, "90094")
	b := browser()
	p := w.stopped(b, there, ada, w.program("their-state"))
	cancel, _ := p.doc.Find("[data-testid=cancel]").Closest("form").Attr("action")
	if other := w.post(browser(), cancel, w.server.URL, nil); other.StatusCode != http.StatusForbidden {
		t.Errorf("another browser cancelled: %d", other.StatusCode)
	}
	p = w.post(b, cancel, w.server.URL, nil)
	to, err := url.Parse(p.Header.Get("Location"))
	w.must(err)
	if q := to.Query(); q.Get("error") != "access_denied" || !strings.Contains(q.Get("error_description"), "administrator") || q.Get("state") != "their-state" {
		t.Errorf("the program hears %s", to)
	}
	found, err := w.Grants.List(context.Background(), staff, grants.Filter{Status: "pending"})
	w.must(err)
	if len(found.Grants) != 0 {
		t.Errorf("%d grants came of it", len(found.Grants))
	}
}

// TestProgramSendsAnAdministratorToApprove is response_type=adminconsent: the program's administrator comes to a page of ours, approves at Microsoft, and the program hears of it
// with its own state. From then on nobody of the organisation is stopped.
func TestProgramSendsAnAdministratorToApprove(t *testing.T) {
	w, there, ada := newMicrosoft(t, "90094")
	begin := func() string {
		t.Helper()
		id, err := w.Grants.BeginAuth(context.Background(), grants.AuthRequest{ClientID: w.app.String(), RedirectURI: programsPlace, ResponseType: "adminconsent", State: "their-state"})
		w.must(err)
		return "/connect/flow/" + id.String()
	}
	leave := func(b *http.Client) *url.URL {
		t.Helper()
		first := begin()
		p := w.get(b, first)
		if p.StatusCode != http.StatusOK || p.doc.Find("[data-testid=approve-form]").Length() != 1 || len(p.Cookies()) != 0 {
			t.Fatalf("the administrator's page: %d", p.StatusCode)
		}
		p = w.post(b, first, w.server.URL, url.Values{"provider": {"microsoft"}})
		to, err := url.Parse(p.Header.Get("Location"))
		w.must(err)
		if p.StatusCode != http.StatusSeeOther || to.Path != "/organizations/v2.0/adminconsent" {
			t.Fatalf("led to %d %s", p.StatusCode, to)
		}
		return to
	}
	told := func(p page) url.Values {
		t.Helper()
		to, err := url.Parse(p.Header.Get("Location"))
		w.must(err)
		if p.StatusCode != http.StatusSeeOther || !strings.HasPrefix(to.String(), programsPlace+"?") || to.Query().Get("state") != "their-state" || to.Query().Has("code") {
			t.Fatalf("the program hears %d %s", p.StatusCode, to)
		}
		return to.Query()
	}

	b := browser()
	no := leave(b)
	q := url.Values{"state": {no.Query().Get("state")}, "admin_consent": {"True"}, "error": {"consent_required"}, "error_description": {"AADSTS65004: declined"}} // as Microsoft documents it
	if got := told(w.get(b, "/v3/connect/callback/microsoft?"+q.Encode())); got.Get("error") != "access_denied" || got.Has("admin_consent") {
		t.Errorf("a refusal is told as %v", got)
	}

	back, why := there.Consent(leave(b).String(), ada, true)
	if back == nil {
		t.Fatalf("Microsoft stopped the administrator: %s", why)
	}
	if other := w.get(browser(), back.String()); other.StatusCode != http.StatusForbidden {
		t.Errorf("the approval was told from another browser: %d", other.StatusCode)
	}
	back, _ = there.Consent(leave(b).String(), ada, true) // that burnt the flow
	if got := told(w.get(b, back.String())); got.Get("admin_consent") != "True" || got.Get("tenant") != contoso || got.Has("error") {
		t.Errorf("the approval is told as %v", got)
	}

	p := w.post(b, w.program("x"), w.server.URL, url.Values{"provider": {"microsoft"}})
	if back, why := there.Consent(p.Header.Get("Location"), ada, true); back == nil || back.Query().Get("code") == "" {
		t.Errorf("still stopped after the approval: %v %s", back, why)
	}
	if _, err := w.Grants.BeginAuth(context.Background(), grants.AuthRequest{ClientID: w.app.String(), RedirectURI: programsPlace, ResponseType: "adminconsent", Provider: "sandbox"}); err == nil {
		t.Error("a provider without such a page was taken")
	}
	// A state of an administrator's flow opens nothing: a code that comes with it is not looked at.
	state := leave(b).Query().Get("state")
	if got := told(w.get(b, "/v3/connect/callback/microsoft?code=x&state="+state)); got.Get("error") != "access_denied" {
		t.Errorf("a code under an administrator's state: %v", got)
	}
}
