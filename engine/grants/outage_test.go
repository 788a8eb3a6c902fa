package grants_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/applications"
	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/ews"
	"github.com/postern-mail/postern/engine/provider/gmail"
	"github.com/postern-mail/postern/engine/provider/graph"
	"github.com/postern-mail/postern/engine/provider/icloud"
	"github.com/postern-mail/postern/engine/provider/imap"
	"github.com/postern-mail/postern/engine/provider/nylas"
	"github.com/postern-mail/postern/engine/provider/yahoo"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/tokens"
	"github.com/postern-mail/postern/models"
)

// outage is a provider that is down: in turn it hangs up without a word, fails, is not there, and asks for fewer requests.
type outage struct {
	*httptest.Server
	asked atomic.Int64
	dead  string // an address where nobody listens, for the mail protocols
}

func newOutage(t *testing.T) *outage {
	o := &outage{}
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		switch o.asked.Add(1) % 4 {
		case 0:
			panic(http.ErrAbortHandler)
		case 1:
			http.Error(w, `{"error":"server_error"}`, http.StatusInternalServerError)
		case 2:
			http.Error(w, `<html>Service Unavailable</html>`, http.StatusServiceUnavailable)
		case 3:
			w.Header().Set("Retry-After", "3600")
			http.Error(w, `{"error":"slow_down"}`, http.StatusTooManyRequests)
		}
	}))
	t.Cleanup(o.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.dead = l.Addr().String()
	_ = l.Close()
	return o
}

const threeDays = 72 * time.Hour

// TestThreeDaysOfOutageChangeNothing plays F08 for every provider: hang-ups, 5xx, 429 and closed ports over 72 hours, towards tokens that must be renewed and towards ones that are
// still good. No grant changes its status for it, and no program is told that one did.
func TestThreeDaysOfOutageChangeNothing(t *testing.T) {
	o := newOutage(t)
	host, port, err := net.SplitHostPort(o.dead)
	if err != nil {
		t.Fatal(err)
	}
	guard := loopback()
	w := newWorld(t,
		gmail.New(gmail.Config{Guard: guard, TokenURL: o.URL + "/token", RevokeURL: o.URL + "/revoke", APIURL: o.URL, UserinfoURL: o.URL + "/me"}),
		graph.New(graph.Config{Guard: guard, TokenURL: o.URL + "/token", GraphURL: o.URL + "/v1.0"}),
		yahoo.New(yahoo.Config{Guard: guard, TokenURL: o.URL + "/token", IMAPAddr: o.dead, SMTPAddr: o.dead}),
		nylas.New(nylas.Config{Guard: guard, APIURL: o.URL}),
		icloud.New(icloud.Config{Guard: guard, IMAPAddr: o.dead, SMTPAddr: o.dead}),
		imap.New(imap.Config{Guard: guard}),
		ews.New(ews.Config{Guard: guard}))
	_ = w.box.Close()

	type mailbox struct {
		name string
		models.Grant
	}
	var all []mailbox
	long := w.clock.now().Add(2 * threeDays)
	settings := map[string]models.Settings{"imap": {provider.IMAPHost: host, provider.IMAPPort: port, provider.IMAPTLS: provider.TLS}, "ews": {"ews_host": host, "ews_port": port}}
	add := func(name, what string, c tokens.Credential) {
		who := provider.Identity{Subject: what, Email: what + "@" + name + ".example"}
		scopes := []string{string(provider.ReadMail)}
		if s := provider.ScopesFor(name, []provider.Capability{provider.ReadMail}); len(s) > 0 {
			scopes = s
		}
		all = append(all, mailbox{name + ", " + what, w.put(name, who, scopes, c, settings[name])})
	}
	for _, name := range []string{"google", "microsoft", "yahoo", "sandbox", "nylas"} {
		if name != "sandbox" {
			_, err := w.apps.CreateConnector(w.ctx, models.System("test"), w.app, applications.ConnectorDraft{Provider: name, ClientID: "1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b", ClientSecret: secret.New("the-secret")})
			w.must(err)
		}
		held := secret.New("6ba7b810-9dad-41d1-80b4-00c04fd430c8") // at Nylas, a grant's id is what is held
		add(name, "to be renewed", tokens.Credential{Access: held, Refresh: held, ExpiresAt: w.clock.now()})
		add(name, "still good", tokens.Credential{Access: held, Refresh: held, ExpiresAt: long})
	}
	for _, name := range []string{"icloud", "imap", "ews"} {
		_, err := w.apps.CreateConnector(w.ctx, models.System("test"), w.app, applications.ConnectorDraft{Provider: name})
		w.must(err)
		add(name, "by password", tokens.Credential{Password: secret.New("a password")})
	}

	for passed := time.Duration(0); passed <= threeDays; passed += 12 * time.Hour {
		for _, m := range all {
			_, err := w.mailbox.Messages(w.ctx, w.key, m.Grant, email.Query{Limit: 1})
			if k := fault.KindOf(err); k != fault.Upstream && k != fault.Limited {
				t.Fatalf("%s, after %s: %v", m.name, passed, err)
			}
		}
		w.clock.forward(12 * time.Hour)
	}
	for _, m := range all {
		if now := w.standing(m.Grant); now.Status != models.GrantValid || now.RefusedAt != nil || now.Credential != m.Credential {
			t.Errorf("%s is %s (%s), refused %v, credential %d", m.name, now.Status, now.StatusReason, now.RefusedAt, now.Credential)
		}
	}
	if n := w.count(`SELECT count(*) FROM events`); n != 0 {
		t.Errorf("programs were told of %d changes", n)
	}
	if o.asked.Load() < 20 {
		t.Errorf("the providers were asked %d times only", o.asked.Load())
	}
}

// TestProviderThatIsDownIsAskedForThreeDays: a revocation is in force here at once, whatever the provider does. It is asked again with growing pauses; after 72 hours the receipt
// says that it never confirmed, and the credential is gone.
func TestProviderThatIsDownIsAskedForThreeDays(t *testing.T) {
	o := newOutage(t)
	guard := loopback()
	for _, c := range []struct {
		name string
		by   provider.Connector
	}{
		{"sandbox", nil}, // its own server, closed
		{"google", gmail.New(gmail.Config{Guard: guard, TokenURL: o.URL + "/token", RevokeURL: o.URL + "/revoke"})},
		{"nylas", nylas.New(nylas.Config{Guard: guard, APIURL: o.URL})},
	} {
		t.Run(c.name, func(t *testing.T) {
			var w *world
			if c.by == nil {
				w = newWorld(t)
				_ = w.box.Close()
			} else {
				w = newWorld(t, c.by)
				_, err := w.apps.CreateConnector(w.ctx, models.System("test"), w.app, applications.ConnectorDraft{Provider: c.name, ClientID: "1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b", ClientSecret: secret.New("the-secret")})
				w.must(err)
			}
			held := secret.New("6ba7b810-9dad-41d1-80b4-00c04fd430c8")
			g := w.put(c.name, provider.Identity{Subject: "ada", Email: "ada@there.example"}, provider.ScopesFor(c.name, []provider.Capability{provider.ReadMail}),
				tokens.Credential{Access: held, Refresh: held, ExpiresAt: w.clock.now().Add(time.Hour)}, nil)
			cutAt := w.clock.now()
			_, err := w.grants.Revoke(w.ctx, w.support, g.ID, "")
			w.must(err)
			wants(t, reads(w.ctx, w, g), tokens.ErrCut)
			try := func() { // the jobs are River's, by the real clock
				w.count(`WITH due AS (UPDATE river.river_job SET scheduled_at = now(), state = 'available' WHERE kind = 'sever_at_provider' AND state = 'scheduled' RETURNING 1) SELECT count(*) FROM due`)
				w.work()
			}
			for i, pause := range []time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second} {
				try()
				open, _, err := w.grants.Severances(w.ctx, w.support, grants.ReceiptFilter{Open: true})
				w.must(err)
				if len(open) != 1 || open[0].Attempts != i+1 || open[0].NextTryAt == nil {
					t.Fatalf("after try %d, still live at the provider: %+v", i+1, open)
				}
				if ahead := open[0].NextTryAt.Sub(w.clock.now()); ahead > pause || open[0].NextTryAt.Before(cutAt) {
					t.Errorf("after try %d the next is %s away, want %s at most", i+1, ahead, pause)
				}
				w.clock.forward(pause)
			}
			w.clock.forward(threeDays - time.Hour)
			try()
			if n := w.count(`SELECT count(*) FROM receipts`); n != 0 {
				t.Fatal("it was given up before 72 hours were over")
			}
			w.clock.forward(time.Hour)
			try()
			receipts, _, err := w.grants.Receipts(w.ctx, w.support, grants.ReceiptFilter{})
			w.must(err)
			if len(receipts) != 1 || receipts[0].Outcome != string(provider.DeletedHereOnly) {
				t.Fatalf("after 72 hours: %+v", receipts)
			}
			if n := w.count(`SELECT count(*) FROM sealed WHERE owner_kind IN ('grant', 'severance')`); n != 0 {
				t.Error("the credential was not destroyed at the end")
			}
		})
	}
}

// TestReceiptOfADelegatedMailbox: no person consented, so nobody is told to remove a permission at their own account: what is left is an administrator's to end, and the receipt
// and the list of what may be live say where. Red where the severance does not keep how the mailbox was opened.
func TestReceiptOfADelegatedMailbox(t *testing.T) {
	w := newWorld(t, gmail.New(gmail.Config{Guard: loopback()}))
	g := w.put("google", provider.Identity{Subject: "1", Email: "ada@there.example"}, provider.ScopesFor("google", []provider.Capability{provider.ReadMail}),
		tokens.Credential{Access: secret.New("an access token"), ExpiresAt: w.clock.now().Add(time.Hour)}, models.Settings{provider.ByDelegation: "true"})
	v, err := w.grants.Revoke(w.ctx, w.support, g.ID, "") // its connector is gone, so that Google could not be told either
	w.must(err)
	w.work()
	if v, err = w.grants.Severance(w.ctx, w.support, v.ID); err != nil || !v.Delegated {
		t.Errorf("the severance says %+v, %v", v, err)
	}
	receipts, _, err := w.grants.Receipts(w.ctx, w.support, grants.ReceiptFilter{})
	w.must(err)
	if len(receipts) != 1 || !strings.Contains(string(receipts[0].Body), "Manage domain-wide delegation") || strings.Contains(string(receipts[0].Body), "myaccount.google.com") {
		t.Errorf("the receipts: %+v", receipts)
	}
}

func reads(ctx context.Context, w *world, g models.Grant) error {
	_, err := w.mailbox.Messages(ctx, w.key, g, email.Query{Limit: 1})
	return err
}
