package gmail_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/providertest"
)

func to(addresses ...string) []email.Address {
	var out []email.Address
	for _, a := range addresses {
		out = append(out, email.Address{Email: a})
	}
	return out
}

// of is the other user's inbox.
func (b *mailbox) of(u *providertest.GoogleUser) []email.Message {
	b.Helper()
	a := providertest.AccountWith(u, b.g.Tokens(b.app, u, providertest.GoogleEverything...))
	p, err := b.c.ListMessages(context.Background(), a, email.Query{In: []string{"INBOX"}, Fields: email.WithHeaders})
	if err != nil {
		b.Fatal(err)
	}
	return p.Items
}

func TestSendReachesEverybodyAndHidesBcc(t *testing.T) {
	b := newMailbox(t)
	grace, hidden := b.g.AddUser("grace@gmail.example", "Grace"), b.g.AddUser("hidden@gmail.example", "Hidden")
	m, err := b.c.Send(context.Background(), b.a, email.Draft{To: to("grace@gmail.example"), Bcc: to("hidden@gmail.example"), Subject: "Grüße", HTML: "<p>Hi</p>", Plain: "Hi"})
	if err != nil || m.ID == "" || m.ThreadID == "" || !slices.Equal(m.Folders, []string{"SENT"}) || m.Subject != "Grüße" || m.Unread || m.MessageID == "" {
		t.Fatalf("%+v %v", m, err)
	}
	for _, u := range []*providertest.GoogleUser{grace, hidden} {
		got := b.of(u)
		if len(got) != 1 || got[0].Subject != "Grüße" || got[0].From[0].Email != b.a.Address {
			t.Fatalf("%s: %+v", u.Address, got)
		}
		for _, h := range got[0].Headers {
			if strings.EqualFold(h.Name, "Bcc") || strings.Contains(h.Value, "hidden@") {
				t.Errorf("%s sees %+v", u.Address, h)
			}
		}
	}
}

func TestAnswerJoinsTheConversation(t *testing.T) {
	b := newMailbox(t)
	b.deliver("INBOX", "question")
	asked := b.list(email.Query{}).Items[0]
	m, err := b.c.Send(context.Background(), b.a, email.Draft{To: to("grace@example.com"), Subject: "Re: question", Plain: "Yes", InReplyTo: asked.MessageID, References: []string{asked.MessageID}})
	if err != nil || m.ThreadID != asked.ThreadID {
		t.Errorf("%+v %v", m, err)
	}
	// An answer to what is not in this mailbox, or while the search is down, leaves all the same.
	if _, err := b.c.Send(context.Background(), b.a, email.Draft{To: to("grace@example.com"), Plain: "x", InReplyTo: "elsewhere@example.com"}); err != nil {
		t.Error(err)
	}
	b.g.Fail(providertest.GoogleFault{Method: "GET", Path: "/messages", Status: 500, Times: 4})
	if _, err := b.c.Send(context.Background(), b.a, email.Draft{To: to("grace@example.com"), Plain: "y", InReplyTo: asked.MessageID}); err != nil {
		t.Error(err)
	}
}

func TestSendLarge(t *testing.T) {
	b := newMailbox(t)
	m, err := b.c.Send(context.Background(), b.a, email.Draft{To: to("grace@example.com"), Subject: "large", Plain: "see file", Attachments: []email.Enclosure{{Filename: "a.bin", ContentType: "application/octet-stream", Content: strings.NewReader(strings.Repeat("0123456789", 600_000))}}})
	if err != nil || len(m.Attachments) != 1 || m.Attachments[0].Size != 6_000_000 || b.g.Seen("POST /upload/gmail/v1/users/me/messages/send") != 1 {
		t.Fatalf("%+v %v", m.Attachments, err)
	}
	raw, err := b.c.Message(context.Background(), b.a, m.ID, email.RawOnly)
	if err != nil || !strings.Contains(string(raw.Raw), "\r\nSubject: large\r\n") {
		t.Errorf("%d bytes %v", len(raw.Raw), err)
	}
	_, err = b.c.Send(context.Background(), b.a, email.Draft{To: to("grace@example.com"), Attachments: []email.Enclosure{{Filename: "a.bin", Content: strings.NewReader(strings.Repeat("x", 40<<20))}}})
	if f, _ := fault.As(err); f == nil || f.Code != "message_too_large" || f.Kind != fault.Invalid {
		t.Errorf("40 MB: %v", err)
	}
}

func TestSendRaw(t *testing.T) {
	b := newMailbox(t)
	grace, hidden := b.g.AddUser("grace@gmail.example", "Grace"), b.g.AddUser("hidden@gmail.example", "Hidden")
	raw := "From: " + b.a.Address + "\r\nTo: grace@gmail.example\r\nBcc: stranger@example.com\r\nSubject: as it is\r\n\r\nBody\r\n"
	ctx := context.Background()
	if _, err := b.c.Send(ctx, b.a, email.Draft{Raw: strings.NewReader(raw), To: to("grace@gmail.example", "hidden@gmail.example")}); err != nil {
		t.Fatal(err)
	}
	if len(b.of(grace)) != 1 || len(b.of(hidden)) != 1 {
		t.Error("somebody got nothing")
	}
	sent := b.list(email.Query{In: []string{"SENT"}, Fields: email.WithHeaders}).Items[0]
	for _, a := range sent.Bcc {
		if a.Email == "stranger@example.com" {
			t.Error("somebody who is not among the recipients was written to")
		}
	}
	_, err := b.c.Send(ctx, b.a, email.Draft{Raw: strings.NewReader(raw), To: to("hidden@gmail.example")})
	if f, _ := fault.As(err); f == nil || f.Code != "recipients_differ" || f.Field != "to" {
		t.Errorf("%v", err)
	}
	if _, err := b.c.Send(ctx, b.a, email.Draft{Raw: strings.NewReader("Subject: nobody\r\n\r\nx")}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("%v", err)
	}
}

func TestSendRefused(t *testing.T) {
	b := newMailbox(t)
	d := email.Draft{To: to("grace@example.com"), Subject: "private words", Plain: "x"}
	for name, f := range map[string]struct {
		fault providertest.GoogleFault
		want  error
		code  string
	}{
		"recipient":    {providertest.GoogleFault{Status: 400, Reason: "invalidArgument", Say: "Invalid To header"}, provider.ErrRecipientRefused, ""},
		"as it stands": {providertest.GoogleFault{Status: 400, Reason: "invalidArgument", Say: "Precondition private words"}, nil, "provider_refused"},
		"too large":    {providertest.GoogleFault{Status: 413, Body: "<html>"}, nil, "message_too_large"},
		"limit":        {providertest.GoogleFault{Status: 429, Reason: "rateLimitExceeded", Header: map[string]string{"Retry-After": "1"}}, nil, "provider_rate_limited"},
		"not known":    {providertest.GoogleFault{Status: 503, After: true}, nil, "send_unconfirmed"},
		"no answer":    {providertest.GoogleFault{Status: 200, Body: "{", After: true}, nil, "send_unconfirmed"},
		"odd answer":   {providertest.GoogleFault{Status: 200, Body: "{}", After: true}, nil, "send_unconfirmed"},
	} {
		before := b.g.Seen("/messages/send")
		f.fault.Path = "/messages/send"
		b.g.Fail(f.fault)
		_, err := b.c.Send(context.Background(), b.a, d)
		if got, _ := fault.As(err); got == nil || f.want != nil && !errors.Is(err, f.want) || f.code != "" && got.Code != f.code {
			t.Errorf("%s: %v", name, err)
		}
		if n := b.g.Seen("/messages/send") - before; n != 1 {
			t.Errorf("%s: sent %d times", name, n)
		}
		silent(t, name, err, "private words", b.token.Access.Reveal(), "grace@")
		b.g.Heal()
	}
}

func TestLabels(t *testing.T) {
	b := newMailbox(t)
	work, home := b.g.Label(b.u, "Work"), b.g.Label(b.u, "Home/Garden")
	b.g.Deliver(t, b.a, "INBOX", providertest.Mail{Received: noon, Unread: true, Starred: true, Raw: "Subject: x\r\n\r\nx\r\n"})
	m := b.list(email.Query{}).Items[0]
	yes, no := true, false
	ctx := context.Background()
	change := func(c email.Change) email.Message {
		t.Helper()
		got, err := b.c.UpdateMessage(ctx, b.a, m.ID, c)
		if err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		return got
	}
	if got := change(email.Change{Folders: []string{"INBOX", work, home, work}}); !slices.Equal(got.Folders, []string{"INBOX", work, home}) || !got.Unread || !got.Starred {
		t.Errorf("%+v", got)
	}
	if got := change(email.Change{Folders: []string{home}, Starred: &no}); !slices.Equal(got.Folders, []string{home}) || !got.Unread || got.Starred {
		t.Errorf("%+v", got)
	}
	if got := change(email.Change{Folders: []string{}}); len(got.Folders) != 0 || !got.Unread { // archived
		t.Errorf("%+v", got)
	}
	if got := change(email.Change{Folders: []string{"STARRED", "UNREAD", "IMPORTANT"}, Unread: &no}); !slices.Equal(got.Folders, []string{"IMPORTANT"}) || got.Unread || !got.Starred {
		t.Errorf("%+v", got)
	}
	posts := b.g.Seen("/modify")
	if change(email.Change{}); b.g.Seen("/modify") != posts {
		t.Error("an empty change is sent")
	}
	if got := change(email.Change{Unread: &yes}); !got.Unread {
		t.Errorf("%+v", got)
	}
	if _, err := b.c.UpdateMessage(ctx, b.a, m.ID, email.Change{Folders: []string{"SENT"}}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("SENT by hand: %v", err)
	}
	for _, f := range []string{"Label_404", "no such", "a/b", ""} {
		if _, err := b.c.UpdateMessage(ctx, b.a, m.ID, email.Change{Folders: []string{f}}); !errors.Is(err, provider.ErrFolderNotFound) {
			t.Errorf("%q: %v", f, err)
		}
	}
	sent, err := b.c.Send(ctx, b.a, email.Draft{To: to("x@example.com"), Plain: "x"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := b.c.UpdateMessage(ctx, b.a, sent.ID, email.Change{Folders: []string{work}}); err != nil || !slices.Contains(got.Folders, "SENT") || !slices.Contains(got.Folders, work) {
		t.Errorf("a sent message: %v %v", got.Folders, err)
	}
}

func TestFolders(t *testing.T) {
	b := newMailbox(t)
	b.g.Label(b.u, "Home/Garden/2026")
	b.deliver("INBOX", "x")
	all, err := b.c.ListFolders(context.Background(), b.a)
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]email.Folder{}
	for _, f := range all {
		by[f.Name] = f
	}
	if f := by["2026"]; f.ParentID != by["Garden"].ID || by["Garden"].ParentID != by["Home"].ID || by["Home"].Children != 1 || f.System {
		t.Errorf("%+v", by)
	}
	if f := by["Inbox"]; f.ID != "INBOX" || f.Total != 1 || !f.System || !f.Has(email.Inbox) || by["Spam"].Attributes[0] != email.Junk || by["Starred"].Attributes[0] != email.Flagged {
		t.Errorf("%+v", by)
	}
	b.g.Fail(providertest.GoogleFault{Path: "/labels/Label_", Status: 404, Reason: "notFound"}) // deleted meanwhile
	if again, err := b.c.ListFolders(context.Background(), b.a); err != nil || len(again) != len(all) {
		t.Errorf("%d %v", len(again), err)
	}
	b.g.Fail(providertest.GoogleFault{Path: "/labels/INBOX", Status: 503, Times: 4, Header: map[string]string{"Retry-After": "0"}})
	if _, err := b.c.ListFolders(context.Background(), b.a); fault.KindOf(err) != fault.Upstream {
		t.Errorf("%v", err)
	}
}

// Many mailboxes at once share nothing but the connector.
func TestManyAtOnce(t *testing.T) {
	b := newMailbox(t)
	b.deliver("INBOX", "x")
	done := make(chan error)
	for i := range 40 {
		go func() {
			a, _, _ := b.g.Account(b.app)
			if i%2 == 0 {
				a = b.a
			}
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			p, err := b.c.ListMessages(ctx, a, email.Query{})
			if err == nil && (len(p.Items) == 1) != (i%2 == 0) {
				err = errors.New("somebody else's mail")
			}
			if i%2 == 1 {
				b.c.Close(a.Key)
			}
			done <- err
		}()
	}
	for range 40 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
