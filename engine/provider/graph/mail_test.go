package graph_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/providertest"
	"github.com/postern-mail/postern/engine/secret"
)

func subjects(t testing.TB, w *world, x provider.Account, q email.Query, between func(page int)) []string {
	t.Helper()
	var out []string
	for page := 0; ; page++ {
		p, err := w.c.ListMessages(context.Background(), x, q)
		if err != nil {
			t.Fatalf("page %d: %v", page, err)
		}
		for _, m := range p.Items {
			out = append(out, m.Subject)
		}
		if p.Next == "" {
			return out
		}
		if page > 200 {
			t.Fatal("no end")
		}
		q.Cursor = p.Next
		if between != nil {
			between(page)
		}
	}
}

// Microsoft's own links count messages: what is deleted between two pages would take others with it, and what comes in would be shown twice.
func TestPagesHoldStillWhileMailComesAndGoes(t *testing.T) {
	w := start(t)
	a, x, _ := w.mailbox(t, "ada")
	base := w.clock.now().Add(-time.Hour)
	for i := range 30 {
		a.Deliver("INBOX", mail(i, base.Add(time.Duration(i/4)*time.Second))) // four a second
	}
	for _, q := range []email.Query{{Limit: 7}, {Limit: 3, Subject: "number"}} {
		got := subjects(t, w, x, q, func(page int) {
			a.Deliver("INBOX", mail(500+page, base.Add(time.Hour)))
			if page == 1 {
				a.Erase("Number 029")
				a.Erase("Number 028")
			}
		})
		seen := map[string]int{}
		for _, s := range got {
			seen[s]++
		}
		for i := range 28 {
			if s := fmt.Sprintf("Number %03d", i); seen[s] != 1 {
				t.Errorf("limit %d: %s shown %d times", q.Limit, s, seen[s])
			}
		}
	}
}

func TestManyInOneSecond(t *testing.T) {
	w := start(t)
	a, x, _ := w.mailbox(t, "ada")
	at := w.clock.now()
	for i := range 120 {
		a.Deliver("INBOX", mail(i, at.Add(time.Duration(i)*time.Millisecond)))
	}
	got := subjects(t, w, x, email.Query{Limit: 9}, nil)
	for i, s := range got {
		if want := fmt.Sprintf("Number %03d", 119-i); s != want {
			t.Fatalf("%d: %s, want %s", i, s, want)
		}
	}
	if len(got) != 120 {
		t.Errorf("%d of 120", len(got))
	}
}

func TestSearchAndThreadPages(t *testing.T) {
	w := start(t)
	a, x, _ := w.mailbox(t, "ada")
	at := w.clock.now().Add(-time.Hour)
	for i := range 40 {
		m := mail(i, at.Add(time.Duration(i)*time.Second))
		if i%2 == 0 {
			m.Raw = strings.Replace(m.Raw, "To: me@", "Cc: carl@", 1)
		}
		m.Raw = "In-Reply-To: <root@x>\r\nReferences: <root@x>\r\n" + m.Raw
		a.Deliver("INBOX", m)
	}
	if got := subjects(t, w, x, email.Query{Limit: 3, Cc: []string{"CARL@contoso.test"}}, nil); len(got) != 20 || got[0] != "Number 038" || got[19] != "Number 000" {
		t.Errorf("cc: %q", got)
	}
	// What only we can judge beside the search.
	yes := true
	if got := subjects(t, w, x, email.Query{Limit: 3, Any: []string{"carl@contoso.test", "me@contoso.test"}, From: []string{"s1@example.com"}, Unread: &yes}, nil); len(got) != 13 {
		t.Errorf("any and from: %d %q", len(got), got)
	}
	p, err := w.c.ListMessages(context.Background(), x, email.Query{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	if got := subjects(t, w, x, email.Query{Limit: 7, ThreadID: p.Items[0].ThreadID}, nil); len(got) != 40 || got[0] != "Number 039" || got[39] != "Number 000" {
		t.Errorf("thread: %q", got)
	}
	if got := subjects(t, w, x, email.Query{Limit: 7, ThreadID: p.Items[0].ThreadID, In: []string{"archive"}}, nil); len(got) != 0 {
		t.Errorf("thread in another folder: %q", got)
	}
	for native, want := range map[string]int{"subject:\"Number 03\"": 10, "$search=\"cc:carl@contoso.test\"": 20, "$filter=isRead eq false and from/emailAddress/address eq 's1@example.com'": 13} {
		if got := subjects(t, w, x, email.Query{Limit: 4, Native: native}, nil); len(got) != want {
			t.Errorf("%s: %d", native, len(got))
		}
	}
	for _, native := range []string{"nonsense:(", "$filter=toRecipients/any(r:r eq 1)"} {
		if _, err := w.c.ListMessages(context.Background(), x, email.Query{Native: native}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", native, err)
		}
	}
	if _, err := w.c.ListMessages(context.Background(), x, email.Query{In: []string{"inbox", "archive"}}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("two folders: %v", err)
	}
}

// Exchange calls a filter too complex when it likes. Then messages are looked through here.
func TestRefusedFiltersAreDecidedHere(t *testing.T) {
	w := start(t)
	a, x, _ := w.mailbox(t, "ada")
	at := w.clock.now().Add(-time.Hour)
	for i := range 20 {
		a.Deliver("INBOX", mail(i, at.Add(time.Duration(i)*time.Second)))
	}
	w.Break(1, 400, "InefficientFilter", "")
	if got := subjects(t, w, x, email.Query{From: []string{"s1@example.com"}}, nil); len(got) != 7 {
		t.Errorf("filter: %q", got)
	}
	w.Break(1, 400, "BadRequest", "")
	if got := subjects(t, w, x, email.Query{To: []string{"me@contoso.test"}}, nil); len(got) != 20 {
		t.Errorf("search: %q", got)
	}
	w.Break(1, 400, "RequestBroker--ParseUri", "")
	if got := subjects(t, w, x, email.Query{}, nil); len(got) != 20 {
		t.Errorf("expand: %q", got)
	}
	if got := subjects(t, w, x, email.Query{To: []string{`"odd (name)"@contoso.test`}}, nil); len(got) != 0 {
		t.Errorf("an address beyond KQL: %q", got)
	}
}

func TestErrorRows(t *testing.T) {
	w := start(t)
	a, x, tok := w.mailbox(t, "ada")
	a.Deliver("INBOX", mail(1, w.clock.now()))
	ctx := context.Background()
	p, err := w.c.ListMessages(ctx, x, email.Query{})
	if err != nil {
		t.Fatal(err)
	}
	id := p.Items[0].ID
	for name, f := range map[string]struct {
		set  func()
		is   error
		code string
		kind fault.Kind
		wait time.Duration
	}{
		"429":            {func() { w.Throttle(1, "17") }, nil, "provider_throttled", fault.Limited, 17 * time.Second},
		"429 by date":    {func() { w.Throttle(1, w.clock.now().Add(time.Minute).Format("Mon, 02 Jan 2006 15:04:05")+" GMT") }, nil, "provider_throttled", fault.Limited, time.Minute},
		"429 for a year": {func() { w.Throttle(1, "80000") }, nil, "provider_throttled", fault.Limited, time.Hour},
		"503":            {func() { w.Break(1, 503, "serviceUnavailable", "9") }, nil, "provider_unavailable", fault.Upstream, 9 * time.Second},
		"500":            {func() { w.Break(1, 500, "internalServerError", "") }, nil, "provider_unavailable", fault.Upstream, 0},
		"504":            {func() { w.Break(1, 504, "UnknownError", "") }, nil, "provider_unavailable", fault.Upstream, 0},
		"302":            {func() { w.Break(1, 302, "", "") }, nil, "provider_unavailable", fault.Upstream, 0},
		"403":            {func() { w.Break(1, 403, "ErrorAccessDenied", "") }, provider.ErrScopeMissing, "", fault.Denied, 0},
		"401":            {func() { w.Break(2, 401, "InvalidAuthenticationToken", "") }, provider.ErrCredentialRefused, "", fault.Unproven, 0},
		"challenge":      {func() { w.Challenge(2) }, provider.ErrCredentialRefused, "", fault.Unproven, 0},
		"404":            {func() { w.Break(1, 404, "ErrorItemNotFound", "") }, provider.ErrMessageNotFound, "", fault.NotFound, 0},
		"no mailbox":     {func() { w.Break(1, 404, "MailboxNotEnabledForRESTAPI", "") }, nil, "mailbox_unavailable", fault.Upstream, 0},
		"over quota":     {func() { w.Break(1, 507, "ErrorQuotaExceeded", "") }, nil, "mailbox_full", fault.Upstream, 0},
		"odd code":       {func() { w.Break(1, 500, "private message\\r\\nforged line", "") }, nil, "provider_unavailable", fault.Upstream, 0},
	} {
		f.set()
		_, err := w.c.Message(ctx, x, id, email.RawOnly)
		got, _ := fault.As(err)
		if got == nil || f.is != nil && !errors.Is(err, f.is) || f.code != "" && got.Code != f.code || got.Kind != f.kind || got.After != f.wait {
			t.Errorf("%s: %v %+v", name, err, got)
			continue
		}
		if name == "challenge" && !strings.Contains(err.Error(), "continuous access evaluation") {
			t.Errorf("the challenge is not noted: %v", err)
		}
		safe(t, err, tok.Access, tok.Refresh)
		w.Break(0, 0, "", "")
	}
	a.NoMailbox = true
	if _, err := w.c.ListMessages(ctx, x, email.Query{In: []string{"inbox"}}); errors.Is(err, provider.ErrFolderNotFound) || kind(t, err) != fault.Upstream {
		t.Errorf("no mailbox: %v", err)
	}
	dead := w.connector("http://127.0.0.1:1/v1.0")
	_, err = dead.ListMessages(ctx, x, email.Query{Subject: "private message"})
	if kind(t, err) != fault.Upstream {
		t.Errorf("nobody there: %v", err)
	}
	if strings.Contains(err.Error(), "private") {
		t.Errorf("the query in %v", err)
	}
}

func TestTokensThatDieEarly(t *testing.T) {
	w := start(t)
	a, x, tok := w.mailbox(t, "ada")
	a.Deliver("INBOX", mail(1, w.clock.now()))
	ctx := context.Background()
	asked := 0
	x.Credential = func(ctx context.Context) (provider.Credential, error) {
		if asked++; asked > 1 {
			var err error
			if tok, err = w.c.Refresh(ctx, w.app, tok.Refresh); err != nil {
				return provider.Credential{}, err
			}
		}
		return provider.Credential{AccessToken: tok.Access, ExpiresAt: tok.ExpiresAt}, nil
	}
	list := func() error { _, err := w.c.ListMessages(ctx, x, email.Query{}); return err }
	for range 3 {
		if err := list(); err != nil || asked != 1 {
			t.Fatalf("%d %v", asked, err)
		}
	}
	w.Challenge(1)
	if err := list(); err != nil || asked != 2 {
		t.Errorf("after a challenge: asked %d times, %v", asked, err)
	}
	w.clock.pass(59*time.Minute + 10*time.Second) // within the last minute
	if err := list(); err != nil || asked != 3 {
		t.Errorf("near the end: asked %d times, %v", asked, err)
	}
	a.RevokeSessions()
	if err := list(); !errors.Is(err, provider.ErrInvalidGrant) || asked != 4 {
		t.Errorf("revoked: asked %d times, %v", asked, err)
	}
}

func TestCloseCutsCallsInFlight(t *testing.T) {
	w := start(t)
	a, x, _ := w.mailbox(t, "ada")
	a.Deliver("INBOX", mail(1, w.clock.now()))
	inside, out := make(chan struct{}), make(chan error, 1)
	inner := x.Credential
	x.Credential = func(ctx context.Context) (provider.Credential, error) {
		close(inside)
		<-ctx.Done()
		return inner(ctx)
	}
	go func() { _, err := w.c.ListMessages(context.Background(), x, email.Query{}); out <- err }()
	<-inside
	w.c.Close(x.Key)
	select {
	case err := <-out:
		if f, _ := fault.As(err); f == nil || f.Code != "credential_refused" {
			t.Errorf("%v", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("Close does not reach a call in flight")
	}
}

// A peer whose answers lead elsewhere must not get the token.
func TestLinksThatLeadElsewhere(t *testing.T) {
	w := start(t)
	var stolen atomic.Int32
	thief := providertest.Hostile(t, func(path string) string { stolen.Add(1); return `{"value":[]}` })
	for name, link := range map[string]string{"another host": thief + "/v1.0/me/messages?$skip=1", "another scheme": "gopher://x/?a=b", "no query": "", "line break": "?a=b\\r\\nHost: x", "not a URL": "http://[::1"} {
		peer := providertest.Hostile(t, func(string) string {
			if link == "" {
				return `{"value":[{"id":"AAAA"}],"@odata.nextLink":"` + thief + `"}`
			}
			return `{"value":[{"id":"AAAA"}],"@odata.nextLink":"` + link + `"}`
		})
		c := w.connector(peer)
		x := provider.Account{Key: "k" + name, Credential: func(context.Context) (provider.Credential, error) {
			return provider.Credential{AccessToken: secret.New("the-token")}, nil
		}}
		if _, err := c.ListMessages(context.Background(), x, email.Query{}); kind(t, err) != fault.Upstream {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := c.ListFolders(context.Background(), x); kind(t, err) != fault.Upstream {
			t.Errorf("%s, folders: %v", name, err)
		}
	}
	if stolen.Load() > 0 {
		t.Error("the token went to another host")
	}
}

func TestAnswersThatMakeNoSense(t *testing.T) {
	w := start(t)
	for name, body := range map[string]string{"empty": "", "array": "[]", "text": "<html>", "wrong types": `{"value":{"id":1}}`, "endless link": `{"value":[],"@odata.nextLink":"?$skip=1"}`,
		"nulls": `{"value":[{"id":null,"subject":null,"from":null,"toRecipients":null,"receivedDateTime":null,"body":null,"flag":null}]}`, "huge": `{"value":[],"x":"` + strings.Repeat("x", 33<<20) + `"}`} {
		c := w.connector(providertest.Hostile(t, func(string) string { return body }))
		x := provider.Account{Key: name, Credential: func(context.Context) (provider.Credential, error) {
			return provider.Credential{AccessToken: secret.New("the-token")}, nil
		}}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		if _, err := c.ListMessages(ctx, x, email.Query{Limit: 5}); err != nil {
			if f, _ := fault.As(err); f == nil || f.Kind == fault.Internal {
				t.Errorf("%s: %v", name, err)
			}
		}
		_, _ = c.Message(ctx, x, "AAAA", email.Standard)
		_, _ = c.ListFolders(ctx, x)
		if ctx.Err() != nil {
			t.Errorf("%s: no end", name)
		}
		cancel()
	}
}
