package ews_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/providertest"
)

var at = time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)

func note(subject string) providertest.Mail {
	return providertest.Mail{Received: at, Unread: true, Raw: "From: ada@example.com\r\nTo: bob@example.com\r\nSubject: " + subject + "\r\nMessage-ID: <" + strings.ReplaceAll(subject, " ", "-") + "@example.com>\r\n\r\nText of " + subject + "\r\n"}
}

// NTLM proves a connection: two people's calls at once must never meet on one.
func TestAccountsShareNoConnection(t *testing.T) {
	c, x, _ := start(t)
	x.Offer("NTLM")
	accounts := []provider.Account{x.Account(t), x.Account(t), x.Account(t)}
	for i, a := range accounts {
		x.Deliver(t, a, "INBOX", note(fmt.Sprintf("for %d", i)))
	}
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			a := accounts[i%3]
			p, err := c.ListMessages(context.Background(), a, email.Query{})
			if err != nil || len(p.Items) != 1 || p.Items[0].Subject != fmt.Sprintf("for %d", i%3) {
				t.Errorf("%+v %v", p.Items, err)
			}
			if n := c.Open(a.Key); n > 4 {
				t.Errorf("%d connections", n)
			}
		}()
	}
	wg.Wait()
}

// Some front ends forget who a connection belongs to after each request.
func TestForgetfulServer(t *testing.T) {
	c, x, _ := start(t)
	x.Forget()
	a := x.Account(t)
	x.Deliver(t, a, "INBOX", note("one"))
	for range 3 {
		if p, err := c.ListMessages(context.Background(), a, email.Query{}); err != nil || len(p.Items) != 1 {
			t.Fatalf("%+v %v", p, err)
		}
	}
}

// An administrator who changes the way to sign in has not changed the password.
func TestServerChangesItsWays(t *testing.T) {
	c, x, _ := start(t)
	a := x.Account(t)
	for _, ways := range [][]string{{"NTLM"}, {`Basic realm="x"`}, {"Negotiate", "NTLM"}} {
		x.Offer(ways...)
		for _, saved := range []string{"", "ntlm", "basic"} {
			x.HangUp()
			a.Settings["ews_auth"] = saved
			if _, err := c.ListMessages(context.Background(), a, email.Query{}); err != nil {
				t.Errorf("%v, saved %q: %v", ways, saved, err)
			}
			c.Close(a.Key)
			if _, err := c.ListMessages(context.Background(), a, email.Query{}); err != nil {
				t.Errorf("%v, saved %q: %v", ways, saved, err)
			}
		}
	}
}

func TestAnswersOfTheServer(t *testing.T) {
	c, x, _ := start(t)
	a := x.Account(t)
	x.Deliver(t, a, "INBOX", note("one"))
	list := func() error {
		_, err := c.ListMessages(context.Background(), a, email.Query{})
		return err
	}
	for _, f := range []struct {
		operation, code string
		backOff         int
		want            string
		kind            fault.Kind
		after           time.Duration
	}{
		{"FindItem", "ErrorServerBusy", 2500, "provider_throttled", fault.Limited, 2500 * time.Millisecond}, {"FindItem", "ErrorAccessDenied", 0, "exchange_denied", fault.Denied, 0}, {"FindItem", "ErrorNonExistentMailbox", 0, "mailbox_absent", fault.Upstream, 0},
		{"FindItem", "ErrorPasswordExpired", 0, "credential_refused", fault.Unproven, 0}, {"FindItem", "ErrorFolderNotFound", 0, "folder_not_found", fault.NotFound, 0}, {"FindItem", "ErrorMailboxStoreUnavailable", 0, "provider_busy", fault.Upstream, 0},
		{"FindItem", "ErrorInvalidChangeKey", 0, "provider_busy", fault.Upstream, 0}, {"FindItem", "ErrorInvalidServerVersion", 0, "exchange_too_old", fault.Upstream, 0},
		{"FindItem", "ErrorSomethingNew", 0, "mail_server_answer", fault.Upstream, 0}, {"GetItem", "ErrorInternalServerError", 0, "mail_server_answer", fault.Upstream, 0}, {"FindItem", "ErrorSchemaValidation", 0, "mail_server_answer", fault.Upstream, 0},
	} {
		x.Fail(f.operation, f.code, f.backOff)
		err := list()
		if e, _ := fault.As(err); e == nil || e.Code != f.want || e.Kind != f.kind || e.After != f.after {
			t.Errorf("%s: %v", f.code, err)
		}
	}
	for status, want := range map[int]string{503: "provider_busy", 429: "provider_throttled", 403: "exchange_denied", 404: "exchange_absent", 302: "exchange_absent", 502: "mail_server_answer", 500: "mail_server_answer", 200: "exchange_absent"} {
		x.FailHTTP("FindItem", status)
		err := list()
		e, _ := fault.As(err)
		if e == nil || e.Code != want || (want == "provider_busy" || want == "provider_throttled") && e.After != 9*time.Second {
			t.Errorf("%d: %v", status, err)
		}
	}
	// A message that is gone between being found and being read is no reason to refuse the page.
	x.Fail("GetItem", "ErrorItemNotFound", 0)
	if err := list(); err != nil {
		t.Error(err)
	}
	if err := list(); err != nil {
		t.Error(err)
	}
}

func TestCollidingChanges(t *testing.T) {
	c, x, _ := start(t)
	a := x.Account(t)
	x.Deliver(t, a, "INBOX", note("one"))
	p, err := c.ListMessages(context.Background(), a, email.Query{})
	if err != nil {
		t.Fatal(err)
	}
	no, yes := false, true
	x.Fail("UpdateItem", "ErrorIrresolvableConflict", 0)
	x.Fail("UpdateItem", "ErrorInvalidChangeKey", 0)
	if m, err := c.UpdateMessage(context.Background(), a, p.Items[0].ID, email.Change{Unread: &no, Starred: &yes}); err != nil || m.Unread || !m.Starred {
		t.Errorf("%+v %v", m, err)
	}
	if x.Receipts() != 0 {
		t.Error("marking as read sends a read receipt")
	}
	for range 3 {
		x.Fail("UpdateItem", "ErrorIrresolvableConflict", 0)
	}
	if _, err := c.UpdateMessage(context.Background(), a, p.Items[0].ID, email.Change{Unread: &yes}); fault.KindOf(err) != fault.Upstream {
		t.Errorf("a collision without end: %v", err)
	}
	if m, err := c.UpdateMessage(context.Background(), a, p.Items[0].ID, email.Change{Folders: []string{"INBOX"}}); err != nil || m.ID != p.Items[0].ID {
		t.Errorf("into the folder where it is: %+v %v", m, err)
	}
}

func TestSending(t *testing.T) {
	c, x, _ := start(t)
	a := x.Account(t)
	ctx := context.Background()
	to, bcc := []email.Address{{Email: "grace@example.com"}}, []email.Address{{Email: "blind@example.com"}}
	if _, err := c.Send(ctx, a, email.Draft{To: to, Bcc: bcc, Subject: "x", Plain: "x"}); err != nil {
		t.Fatal(err)
	}
	raw := "From: " + a.Address + "\r\nTo: named@example.com\r\nBcc: hidden@example.com\r\nMessage-ID: <r@x>\r\nSubject: raw\r\n\r\nx\r\n"
	if _, err := c.Send(ctx, a, email.Draft{Raw: strings.NewReader(raw), To: to}); err != nil {
		t.Fatal(err)
	}
	got := x.Taken()
	if len(got) != 2 || strings.Join(got[0].To, " ") != "grace@example.com blind@example.com" || strings.Contains(got[0].Raw, "blind") ||
		strings.Join(got[1].To, " ") != "grace@example.com" || strings.Contains(got[1].Raw, "hidden") {
		t.Errorf("%+v", got)
	}
	if _, err := c.Send(ctx, a, email.Draft{To: []email.Address{{Email: "refused@example.com"}}, Plain: "x"}); !errors.Is(err, provider.ErrRecipientRefused) {
		t.Error(err)
	}
	if _, err := c.Send(ctx, a, email.Draft{From: []email.Address{{Email: "boss@exchange.test"}}, To: to, Plain: "x"}); fault.KindOf(err) != fault.Denied {
		t.Errorf("in another's name: %v", err)
	}
	for code, want := range map[string]string{"ErrorMessageSizeExceeded": "message_too_large", "ErrorQuotaExceeded": "mailbox_full"} {
		x.Fail("CreateItem", code, 0)
		_, err := c.Send(ctx, a, email.Draft{To: to, Plain: "x"})
		if f, _ := fault.As(err); f == nil || f.Code != want {
			t.Errorf("%s: %v", code, err)
		}
	}
	if n := len(x.Taken()); n != 2 {
		t.Errorf("%d sent", n)
	}
	if _, err := c.Send(ctx, a, email.Draft{To: to, Attachments: []email.Enclosure{{Filename: "x", ContentType: "a/b", Content: io.NewSectionReader(endless{}, 0, 60<<20)}}}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("endless attachment: %v", err)
	}
}

type endless struct{}

func (endless) ReadAt(p []byte, _ int64) (int, error) { return len(p), nil }

func TestNativeSearch(t *testing.T) {
	c, x, _ := start(t)
	a := x.Account(t)
	for i := range 7 {
		x.Deliver(t, a, "INBOX", note(fmt.Sprintf("apple %d", i)))
		x.Deliver(t, a, "INBOX", note(fmt.Sprintf("pear %d", i)))
	}
	q := email.Query{Native: "subject:apple", Limit: 3}
	seen := map[string]bool{}
	for range 5 {
		p, err := c.ListMessages(context.Background(), a, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range p.Items {
			seen[m.Subject] = true
		}
		if q.Cursor = p.Next; p.Next == "" {
			break
		}
	}
	if len(seen) != 7 || q.Cursor != "" {
		t.Errorf("%v", seen)
	}
}

// Exchange writes characters that XML does not have as references; one such subject must not hide a page.
func TestImpossibleCharacters(t *testing.T) {
	c, x, _ := start(t)
	a := x.Account(t)
	x.Deliver(t, a, "INBOX", note("bell =?utf-8?q?=07=1F?= and more"))
	x.Deliver(t, a, "Bad\x01Name", note("two"))
	p, err := c.ListMessages(context.Background(), a, email.Query{From: []string{"ada@example.com"}})
	if err != nil || len(p.Items) != 1 {
		t.Errorf("%+v %v", p, err)
	}
	if all, err := c.ListFolders(context.Background(), a); err != nil || len(all) < 7 {
		t.Errorf("%+v %v", all, err)
	}
}

// Many messages of one second, more than a page holds: none twice, none lost.
func TestOneSecond(t *testing.T) {
	c, x, _ := start(t)
	a := x.Account(t)
	for i := range 45 {
		x.Deliver(t, a, "INBOX", note(fmt.Sprintf("n %d", i)))
	}
	seen := map[string]bool{}
	q := email.Query{Limit: 10}
	for pages := 1; ; pages++ {
		p, err := c.ListMessages(context.Background(), a, q)
		if err != nil || pages > 6 {
			t.Fatalf("page %d: %v", pages, err)
		}
		for _, m := range p.Items {
			if seen[m.ID] {
				t.Errorf("%s twice", m.Subject)
			}
			seen[m.ID] = true
		}
		if q.Cursor = p.Next; p.Next == "" {
			break
		}
	}
	if len(seen) != 45 {
		t.Errorf("%d of 45", len(seen))
	}
}

// A message too large to be read whole is still told of.
func TestEnormousMessage(t *testing.T) {
	if testing.Short() {
		t.Skip("40 MB")
	}
	c, x, _ := start(t)
	a := x.Account(t)
	m := note("huge")
	m.Raw = "From: ada@example.com\r\nTo: bob@example.com\r\nSubject: huge\r\nMessage-ID: <huge@x>\r\nMIME-Version: 1.0\r\nContent-Type: application/zip; name=big.zip\r\nContent-Disposition: attachment; filename=big.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		strings.Repeat(strings.Repeat("QUJD", 19)+"\r\n", 520_000)
	x.Deliver(t, a, "INBOX", m)
	x.Deliver(t, a, "INBOX", note("small"))
	p, err := c.ListMessages(context.Background(), a, email.Query{})
	if err != nil || len(p.Items) != 2 {
		t.Fatalf("%d %v", len(p.Items), err)
	}
	big := p.Items[1]
	if big.Subject != "huge" || big.MessageID != "huge@x" || len(big.Attachments) != 1 || big.Attachments[0].Filename != "big.zip" || big.Size != int64(len(m.Raw)) || !big.Unread {
		t.Errorf("%+v", big)
	}
	if _, err := c.Message(context.Background(), a, big.ID, email.RawOnly); !errors.Is(err, provider.ErrTooLarge) {
		t.Errorf("raw: %v", err)
	}
}
