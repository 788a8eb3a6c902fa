package gmail_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/gmail"
	"github.com/postern-mail/postern/engine/provider/providertest"
)

var noon = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)

type mailbox struct {
	*testing.T
	g     *providertest.GoogleServer
	c     *gmail.Connector
	a     provider.Account
	u     *providertest.GoogleUser
	app   provider.App
	token provider.Token
}

func newMailbox(t *testing.T) *mailbox {
	g := providertest.Google(t)
	app := g.App(callback)
	a, u, token := g.Account(app)
	c := connector(g)
	c.Hurry()
	return &mailbox{t, g, c, a, u, app, token}
}

func (b *mailbox) deliver(folder, subject string, extra ...string) {
	b.g.Deliver(b, b.a, folder, providertest.Mail{Received: noon.Add(time.Duration(b.g.Seen("")) * time.Millisecond), Raw: "From: Grace <grace@example.com>\r\nTo: ada@gmail.example\r\nSubject: " + subject + "\r\nMessage-ID: <" + strings.ReplaceAll(subject, " ", "-") + "@example.com>\r\n" + strings.Join(extra, "") + "\r\nText of " + subject + "\r\n"})
}

func (b *mailbox) list(q email.Query) email.Page[email.Message] {
	b.Helper()
	p, err := b.c.ListMessages(context.Background(), b.a, q)
	if err != nil {
		b.Fatalf("%+v: %v", q, err)
	}
	return p
}

func subjects(p email.Page[email.Message]) string {
	var out []string
	for _, m := range p.Items {
		out = append(out, m.Subject)
	}
	return strings.Join(out, "|")
}

func TestDefaultViewIsAllMailButSpamAndTrash(t *testing.T) {
	b := newMailbox(t)
	for _, f := range []string{"SPAM", "TRASH", "Label of mine", "SENT", "INBOX"} {
		b.deliver(f, "in "+f)
	}
	if got := subjects(b.list(email.Query{})); got != "in INBOX|in SENT|in Label of mine" {
		t.Errorf("%s", got)
	}
	if got := subjects(b.list(email.Query{In: []string{"SPAM"}})); got != "in SPAM" {
		t.Errorf("spam: %s", got)
	}
	if got := subjects(b.list(email.Query{In: []string{"TRASH"}, Subject: "trash"})); got != "in TRASH" {
		t.Errorf("trash: %s", got)
	}
	if got := subjects(b.list(email.Query{Native: "subject:mine OR in:sent"})); got != "in SENT|in Label of mine" {
		t.Errorf("native: %s", got)
	}
	if got := subjects(b.list(email.Query{Native: "grace@example.com", In: []string{"INBOX"}})); got != "in INBOX" {
		t.Errorf("native in a folder: %s", got)
	}
}

// Gmail's search is looser than the filters: it finds a part of a domain, names copies for "to", and has whole seconds.
func TestFiltersAreExact(t *testing.T) {
	b := newMailbox(t)
	b.g.Deliver(t, b.a, "INBOX", providertest.Mail{Received: noon.Add(500 * time.Millisecond), Raw: "From: a@mail.example.com\r\nTo: x@example.org\r\nCc: ada@gmail.example\r\nSubject: one\r\n\r\n1\r\n"})
	b.g.Deliver(t, b.a, "INBOX", providertest.Mail{Received: noon.Add(time.Second), Raw: "From: a@example.com\r\nTo: \"Lovelace, Ada\" <Ada@Gmail.example>\r\nSubject: two\r\n\r\n2\r\n"})
	for name, f := range map[string]struct {
		q    email.Query
		want string
	}{
		"from a domain":     {email.Query{From: []string{"mail.example.com"}}, ""},
		"from":              {email.Query{From: []string{"a@example.com"}}, "two"},
		"to is not a copy":  {email.Query{To: []string{"ada@gmail.example"}}, "two"},
		"any is either":     {email.Query{Any: []string{"ada@gmail.example"}}, "two|one"},
		"after a moment":    {email.Query{ReceivedAfter: noon.Add(500 * time.Millisecond)}, "two"},
		"before a moment":   {email.Query{ReceivedBefore: noon.Add(time.Second)}, "one"},
		"between":           {email.Query{ReceivedAfter: noon.Add(499 * time.Millisecond), ReceivedBefore: noon.Add(501 * time.Millisecond)}, "one"},
		"operator in quote": {email.Query{Subject: `two" OR subject:"one`}, ""},
		"operator":          {email.Query{Subject: "two OR subject:one"}, ""},
		"no word at all":    {email.Query{Subject: "?!"}, ""},
		"operator as from":  {email.Query{From: []string{"x} OR {from:a@example.com"}}, ""},
		"minus":             {email.Query{Subject: "-two"}, "two"},
	} {
		if got := subjects(b.list(f.q)); got != f.want {
			t.Errorf("%s: %q, want %q", name, got, f.want)
		}
	}
}

func TestCursorIsOfOneMailboxAndQuery(t *testing.T) {
	b := newMailbox(t)
	for i := range 4 {
		b.deliver("INBOX", fmt.Sprint("n", i))
	}
	p := b.list(email.Query{Limit: 2})
	if got := subjects(b.list(email.Query{Limit: 1, Cursor: p.Next, NoBody: true})); got != "n1" {
		t.Errorf("another limit: %s", got)
	}
	later := b.a
	later.Key = strings.TrimSuffix(b.a.Key, ":1") + ":2"
	if _, err := b.c.ListMessages(context.Background(), later, email.Query{Cursor: p.Next}); err != nil {
		t.Errorf("after a refresh of the token: %v", err)
	}
	other, _, _ := b.g.Account(b.app)
	if _, err := b.c.ListMessages(context.Background(), other, email.Query{Cursor: p.Next}); !errors.Is(err, provider.ErrCursor) {
		t.Errorf("another mailbox: %v", err)
	}
	asked := b.g.Seen("")
	for _, q := range []email.Query{{Cursor: p.Next, Subject: "n"}, {Cursor: p.Next, In: []string{"INBOX"}}, {Cursor: p.Next, Native: "n"}} {
		if _, err := b.c.ListMessages(context.Background(), b.a, q); !errors.Is(err, provider.ErrCursor) {
			t.Errorf("%+v: %v", q, err)
		}
	}
	if _, err := b.c.ListMessages(context.Background(), other, email.Query{Cursor: p.Next}); !errors.Is(err, provider.ErrCursor) || b.g.Seen("") != asked {
		t.Errorf("Google was asked with a page token of something else (%v)", err)
	}
	b.g.Fail(providertest.GoogleFault{Path: "/messages", Status: 400, Reason: "invalidArgument", Say: "Invalid pageToken"})
	if _, err := b.c.ListMessages(context.Background(), b.a, email.Query{Cursor: p.Next}); !errors.Is(err, provider.ErrCursor) {
		t.Errorf("a page token that Google forgot: %v", err)
	}
}

func TestConversation(t *testing.T) {
	b := newMailbox(t)
	b.deliver("INBOX", "plan")
	for i := range 5 {
		b.deliver("INBOX", fmt.Sprint("answer ", i), "References: <plan@example.com>\r\n")
	}
	b.deliver("TRASH", "binned", "References: <plan@example.com>\r\n")
	thread := b.list(email.Query{Subject: "plan"}).Items[0].ThreadID
	q := email.Query{ThreadID: thread, Limit: 4}
	first := b.list(q)
	if got := subjects(first); got != "answer 4|answer 3|answer 2" || first.Next == "" { // the newest is in the trash
		t.Errorf("%s %q", got, first.Next)
	}
	b.deliver("INBOX", "new on top", "References: <plan@example.com>\r\n")
	q.Cursor = first.Next
	if rest := b.list(q); subjects(rest) != "answer 1|answer 0|plan" || rest.Next != "" {
		t.Errorf("%s %q", subjects(rest), rest.Next)
	}
	if got := subjects(b.list(email.Query{ThreadID: thread, In: []string{"TRASH"}})); got != "binned" {
		t.Errorf("in the trash: %s", got)
	}
	if got := subjects(b.list(email.Query{ThreadID: thread, Subject: "ANSWER 3"})); got != "answer 3" {
		t.Errorf("with another filter: %s", got)
	}
	if p := b.list(email.Query{ThreadID: "18f0000000000fff"}); len(p.Items) != 0 {
		t.Errorf("%+v", p)
	}
}

// A message that is deleted between the list and the reading is left out; any other failure fails the page.
func TestPartialFailure(t *testing.T) {
	b := newMailbox(t)
	for i := range 8 {
		b.deliver("INBOX", fmt.Sprint("n", i))
	}
	gone := b.list(email.Query{}).Items[3].ID
	b.g.Fail(providertest.GoogleFault{Path: "/messages/" + gone, Status: 404, Reason: "notFound", Say: "Requested entity was not found."})
	if got := subjects(b.list(email.Query{})); got != "n7|n6|n5|n3|n2|n1|n0" {
		t.Errorf("%s", got)
	}
	b.g.Fail(providertest.GoogleFault{Path: "/messages/" + gone, Status: 500, Times: 9})
	if p, err := b.c.ListMessages(context.Background(), b.a, email.Query{}); fault.KindOf(err) != fault.Upstream || len(p.Items) != 0 {
		t.Errorf("%d items, %v", len(p.Items), err)
	}
	if n := b.g.Seen("/messages/" + gone); n != 6 { // once, the 404, and four tries
		t.Errorf("%d requests", n)
	}
}

// Google counts the requests of one person that are under way together.
func TestFewAtOnce(t *testing.T) {
	b := newMailbox(t)
	for i := range 20 {
		b.deliver("INBOX", fmt.Sprint("n", i))
	}
	hold := make(chan struct{})
	b.g.Fail(providertest.GoogleFault{Path: "/messages/", Times: 20, Wait: hold})
	done := make(chan error)
	go func() {
		p, err := b.c.ListMessages(context.Background(), b.a, email.Query{})
		if err == nil && len(p.Items) != 20 {
			err = fmt.Errorf("%d items", len(p.Items))
		}
		done <- err
	}()
	for b.g.MostAtOnce() < 6 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond) // for a seventh to come, if it may
	close(hold)
	if err := <-done; err != nil || b.g.MostAtOnce() != 6 {
		t.Errorf("%d at once, %v", b.g.MostAtOnce(), err)
	}
}

func TestCloseEndsCallsInFlight(t *testing.T) {
	b := newMailbox(t)
	b.deliver("INBOX", "x")
	b.list(email.Query{})
	hold := make(chan struct{})
	defer close(hold)
	b.g.Fail(providertest.GoogleFault{Path: "/messages", Status: 200, Wait: hold})
	var wg sync.WaitGroup
	wg.Add(1)
	var err error
	before := b.g.Seen("/messages")
	go func() {
		defer wg.Done()
		_, err = b.c.ListMessages(context.Background(), b.a, email.Query{})
	}()
	for b.g.Seen("/messages") == before {
		time.Sleep(time.Millisecond)
	}
	b.c.Close(b.a.Key)
	wg.Wait()
	if !errors.Is(err, provider.ErrCredentialRefused) {
		t.Errorf("%v", err)
	}
}

// A caller who looks at no body gets everything else, and no text travels.
func TestNoBody(t *testing.T) {
	b := newMailbox(t)
	b.g.Deliver(t, b.a, "INBOX", providertest.Mail{Received: noon, Raw: "From: a@example.com\r\nSubject: two parts\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\nContent-Type: text/plain\r\n\r\n" +
		strings.Repeat("A text & more. ", 10_000) + "\r\n--c--\r\n--b\r\nContent-Type: application/pdf; name=r.pdf\r\nContent-Disposition: attachment; filename=r.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjc=\r\n--b--\r\n"})
	full, short := b.list(email.Query{}).Items[0], b.list(email.Query{NoBody: true}).Items[0]
	if b.g.Seen("fields=") != 1 {
		t.Error("everything was asked for")
	}
	if n := b.g.Seen("/attachments/"); n != 1 {
		t.Errorf("the text was fetched %d times", n)
	}
	if len(full.Plain) < 100_000 || short.Plain != "" || !strings.HasPrefix(short.Snippet, "A text & more.") || len(short.Snippet) > 100 || short.Subject != full.Subject || !short.Date.Equal(full.Date) {
		t.Errorf("%q %q", short.Snippet, full.Snippet)
	}
	if len(short.Attachments) != 1 || short.Attachments[0] != full.Attachments[0] || short.Attachments[0].ID != "2" {
		t.Errorf("%+v %+v", short.Attachments, full.Attachments)
	}
}
