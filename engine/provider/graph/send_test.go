package graph_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
)

func TestSendingArrives(t *testing.T) {
	w := start(t)
	ada, x, _ := w.mailbox(t, "ada")
	grace, _, _ := w.mailbox(t, "grace")
	linus, _, _ := w.mailbox(t, "linus")
	ctx := context.Background()
	sent, err := w.c.Send(ctx, x, email.Draft{To: []email.Address{{Name: "Grace Ö", Email: "grace@contoso.test"}}, Bcc: []email.Address{{Email: "linus@contoso.test"}, {Name: "Q", Email: "q@example.com"}}, Subject: "Lunch?", HTML: "<p>At <b>one</b></p>", Plain: "At one",
		InReplyTo: "root@x", References: []string{"root@x"}, Headers: []email.Header{{Name: "X-Campaign", Value: "7"}}})
	if err != nil || sent.ID == "" || sent.ThreadID == "" || sent.Subject != "Lunch?" || sent.From[0].Email != "ada@contoso.test" {
		t.Fatalf("%+v %v", sent, err)
	}
	for who, box := range map[string][]email.Message{"grace": grace.Mailbox("INBOX"), "linus": linus.Mailbox("INBOX"), "sent": ada.Mailbox("Sent")} {
		if len(box) != 1 || box[0].Subject != "Lunch?" || box[0].From[0].Email != "ada@contoso.test" || len(box[0].InReplyTo) != 1 {
			t.Fatalf("%s: %+v", who, box)
		}
		if strings.Contains(strings.ToLower(string(box[0].Raw)), "linus") {
			t.Errorf("%s sees the hidden recipient", who)
		}
	}
	if m, err := w.c.Message(ctx, x, sent.ID, email.Standard); err != nil || m.Draft || len(m.Folders) != 1 || m.ThreadID != sent.ThreadID {
		t.Errorf("the answered id: %+v %v", m, err)
	}
	if n := len(ada.Mailbox("Drafts")); n != 0 {
		t.Errorf("%d drafts left", n)
	}
}

func TestSendRaw(t *testing.T) {
	w := start(t)
	_, x, _ := w.mailbox(t, "ada")
	grace, _, _ := w.mailbox(t, "grace")
	linus, _, _ := w.mailbox(t, "linus")
	raw := "From: ada@contoso.test\r\nTo: grace@contoso.test\r\nSubject: As it is\r\nMessage-ID: <own@x>\r\n\r\nunchanged\r\n"
	if _, err := w.c.Send(context.Background(), x, email.Draft{Raw: strings.NewReader(raw), To: []email.Address{{Email: "grace@contoso.test"}, {Email: "linus@contoso.test"}}}); err != nil {
		t.Fatal(err)
	}
	for _, box := range [][]email.Message{grace.Mailbox("INBOX"), linus.Mailbox("INBOX")} {
		if len(box) != 1 || string(box[0].Raw) != raw {
			t.Errorf("%+v", box)
		}
	}
	for name, d := range map[string]email.Draft{"nobody": {Raw: strings.NewReader("Subject: x\r\n\r\nx")}, "too large": {Raw: strings.NewReader(raw + strings.Repeat("\x00", 4<<20))}, "breaks off": {Raw: io.NewSectionReader(broken{}, 0, 100)}} {
		if _, err := w.c.Send(context.Background(), x, d); err == nil || fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type broken struct{}

func (broken) ReadAt([]byte, int64) (int, error) { return 0, errors.New("broken off") }

func TestSendWhereDraftsAreNotTaken(t *testing.T) {
	w := start(t)
	ada, x, _ := w.mailbox(t, "ada")
	grace, _, _ := w.mailbox(t, "grace")
	w.Break(1, 415, "UnsupportedMediaType", "")
	m, err := w.c.Send(context.Background(), x, email.Draft{To: []email.Address{{Email: "grace@contoso.test"}}, Subject: "Hi", Plain: "x"})
	if err != nil || m.ID != "" || m.Subject != "Hi" || len(grace.Mailbox("INBOX")) != 1 || len(ada.Mailbox("Sent")) != 1 {
		t.Errorf("%+v %v", m, err)
	}
}

func TestSendLargeAttachments(t *testing.T) {
	w := start(t)
	_, x, _ := w.mailbox(t, "ada")
	grace, _, _ := w.mailbox(t, "grace")
	to := []email.Address{{Email: "grace@contoso.test"}}
	big := bytes.Repeat([]byte("0123456789abcdef"), 10<<20/16)
	m, err := w.c.Send(context.Background(), x, email.Draft{To: to, Subject: "Large", Plain: "see below", Attachments: []email.Enclosure{
		{Filename: "big.bin", ContentType: "application/x-big", Content: bytes.NewReader(big)}, {Filename: "small.txt", ContentType: "text/plain", Content: strings.NewReader("small")}}})
	if err != nil {
		t.Fatal(err)
	}
	got := grace.Mailbox("INBOX")
	if len(got) != 1 || len(got[0].Attachments) != 2 || got[0].Attachments[0].Size != int64(len(big)) || got[0].Attachments[0].Filename != "big.bin" || got[0].Attachments[1].Size != 5 {
		t.Fatalf("%+v", got[0].Attachments)
	}
	read, err := w.c.Message(context.Background(), x, m.ID, email.Standard)
	if err != nil || len(read.Attachments) != 2 {
		t.Errorf("%+v %v", read.Attachments, err)
	}
	if _, err := w.c.Send(context.Background(), x, email.Draft{To: to, Attachments: []email.Enclosure{{Filename: "x", Content: bytes.NewReader(make([]byte, 37<<20))}}}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("beyond the limit: %v", err)
	}
}

func TestSendRefusals(t *testing.T) {
	w := start(t)
	ada, x, tok := w.mailbox(t, "ada")
	to := []email.Address{{Email: "grace@contoso.test"}}
	for name, f := range map[string]struct {
		d     email.Draft
		code  string
		field string
	}{
		"a recipient":    {email.Draft{To: []email.Address{{Email: "x@refused.test"}}, Plain: "x"}, "recipient_refused", "to"},
		"another sender": {email.Draft{To: to, From: []email.Address{{Email: "boss@contoso.test"}}, Plain: "x"}, "from_refused", "from"},
	} {
		_, err := w.c.Send(context.Background(), x, f.d)
		got, _ := fault.As(err)
		if got == nil || got.Code != f.code || got.Field != f.field || got.Kind != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
		safe(t, err, tok.Access)
		if n := len(ada.Mailbox("Drafts")) + len(ada.Mailbox("Sent")); n != 0 {
			t.Errorf("%s: %d left behind", name, n)
		}
	}
	w.Throttle(1, "3")
	if _, err := w.c.Send(context.Background(), x, email.Draft{To: to, Plain: "x"}); kind(t, err) != fault.Limited {
		t.Errorf("%v", err)
	}
	// Mail.Send alone cannot make the draft: Microsoft says no, and so does the table of scopes.
	bob := w.Account(contoso, "bob@contoso.test", "Bob")
	only, _ := w.connect(t, bob, "Mail.Send", "Mail.Read")
	if _, err := w.c.Send(context.Background(), account(bob, only), email.Draft{To: to, Plain: "x"}); !errors.Is(err, provider.ErrScopeMissing) {
		t.Errorf("%v", err)
	}
}
