package graph_test

import (
	"context"
	"errors"
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
	for range 5 { // not idle meanwhile
		w.clock.pass(10 * time.Minute)
		if err := list(); err != nil || asked != 2 {
			t.Fatalf("%d %v", asked, err)
		}
	}
	w.clock.pass(9*time.Minute + 10*time.Second) // within the last minute
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

// Accounts without a key share nothing.
func TestNoKeyNoMemory(t *testing.T) {
	w := start(t)
	ada, x, _ := w.mailbox(t, "ada")
	_, y, _ := w.mailbox(t, "grace")
	ada.Deliver("INBOX", mail(1, w.clock.now()))
	x.Key, y.Key = "", ""
	for n, who := range []provider.Account{y, x} {
		if p, err := w.c.ListMessages(context.Background(), who, email.Query{}); err != nil || len(p.Items) != n {
			t.Errorf("%d messages of %s: %v", len(p.Items), who.Address, err)
		}
	}
}

func TestCloseWhileMicrosoftAnswers(t *testing.T) {
	w := start(t)
	inside, release := make(chan struct{}), make(chan struct{})
	c := w.connector(providertest.Hostile(t, func(string) string {
		close(inside)
		<-release
		return `{"value":[]}`
	}))
	out := make(chan error, 1)
	x := provider.Account{Key: "k", Credential: func(context.Context) (provider.Credential, error) {
		return provider.Credential{AccessToken: secret.New("the-token")}, nil
	}}
	go func() { _, err := c.ListMessages(context.Background(), x, email.Query{}); out <- err }()
	<-inside
	c.Close("k")
	err := <-out
	close(release)
	if f, _ := fault.As(err); f == nil || f.Code != "credential_refused" || f.Kind != fault.Unproven {
		t.Errorf("%v", err)
	}
}

// One request for one page: a filter that Microsoft would refuse shows as a second one.
func TestFiltersAreTakenAsTheyStand(t *testing.T) {
	w := start(t)
	a, x, _ := w.mailbox(t, "ada")
	m := mail(1, w.clock.now())
	m.Raw = strings.Replace(m.Raw, "Number 001", "It's 5 o'clock (or so)", 1)
	a.Deliver("INBOX", m)
	yes, no := true, false
	at := w.clock.now()
	for name, q := range map[string]email.Query{"none": {}, "subject": {Subject: "it's 5 o'clock (or"}, "from": {From: []string{"s1@example.com", "o'brien@example.com"}}, "flags": {Unread: &yes, Starred: &no, HasAttachment: &no},
		"time": {ReceivedAfter: at.Add(-time.Second), ReceivedBefore: at.Add(time.Second)}, "all": {Subject: "o'clock", From: []string{"s1@example.com"}, Unread: &yes, ReceivedAfter: at.Add(-time.Hour)},
		"to": {To: []string{"me@contoso.test"}}, "any": {Any: []string{"me@contoso.test", "x@example.com"}, Cc: nil}, "folder": {In: []string{"inbox"}, Unread: &yes}} {
		before := len(w.Requests())
		p, err := w.c.ListMessages(context.Background(), x, q)
		if got := w.Requests()[before:]; err != nil || len(p.Items) != 1 || len(got) != 1 {
			t.Errorf("%s: %d messages, %v, after %q", name, len(p.Items), err, got)
		}
	}
}

func TestManyCallersStayWithinFourRequests(t *testing.T) {
	w := start(t)
	a, x, _ := w.mailbox(t, "ada")
	for i := range 20 {
		a.Deliver("INBOX", mail(i, w.clock.now()))
	}
	errs := make(chan error, 60)
	for range cap(errs) {
		go func() {
			_, err := w.c.ListMessages(context.Background(), x, email.Query{Fields: email.RawOnly})
			errs <- err
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
}

func TestUploadsThatLeadElsewhere(t *testing.T) {
	w := start(t)
	var stolen atomic.Int32
	thief := providertest.Hostile(t, func(string) string { stolen.Add(1); return "{}" })
	c := w.connector(providertest.Hostile(t, func(string) string { return `{"id":"AAAA","uploadUrl":"` + thief + `/upload"}` }))
	x := provider.Account{Key: "k", Address: "ada@contoso.test", Credential: func(context.Context) (provider.Credential, error) {
		return provider.Credential{AccessToken: secret.New("the-token")}, nil
	}}
	_, err := c.Send(context.Background(), x, email.Draft{To: []email.Address{{Email: "g@contoso.test"}}, Attachments: []email.Enclosure{{Filename: "x", Content: strings.NewReader(strings.Repeat("x", 4<<20))}}})
	if kind(t, err) != fault.Upstream || stolen.Load() > 0 {
		t.Errorf("%d requests to a stranger: %v", stolen.Load(), err)
	}
}

// Six messages of 8 MB are more than one answer may hold: the page is asked for again in smaller ones.
func TestHeavyPages(t *testing.T) {
	w := start(t)
	a, x, _ := w.mailbox(t, "ada")
	for i := range 6 {
		m := mail(i, w.clock.now().Add(time.Duration(i)*time.Second))
		m.Raw += strings.Repeat("a line of some length, and one more, and one more, and a break\r\n", 8<<20/64)
		a.Deliver("INBOX", m)
	}
	if got := subjects(t, w, x, email.Query{}, nil); len(got) != 6 {
		t.Errorf("%q", got)
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
