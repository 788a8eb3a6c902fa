package providertest

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
)

// drafts is every call on drafts, in one interface for the cases.
type drafts interface {
	provider.DraftReader
	provider.DraftWriter
	provider.DraftSender
}

func listDrafts(t testing.TB, c Case, a provider.Account, q email.Query) []email.Message {
	t.Helper()
	p, err := c.Connector.(provider.DraftReader).ListDrafts(ctx(t), a, q)
	if err != nil {
		t.Fatalf("list drafts %+v: %v", q, err)
	}
	return p.Items
}

func to(addresses ...string) []email.Address {
	out := []email.Address{}
	for _, a := range addresses {
		out = append(out, email.Address{Email: a})
	}
	return out
}

func note(text string) []email.Enclosure {
	return []email.Enclosure{{Filename: "nöte.txt", ContentType: "text/plain", Content: strings.NewReader(text)}}
}

// keep writes a draft and looks at it through both doors.
func keep(t *testing.T, c Case, a provider.Account, d email.Draft) email.Message {
	t.Helper()
	m, err := c.Connector.(drafts).CreateDraft(ctx(t), a, d)
	if err != nil {
		t.Fatal(err)
	}
	if m.ID == "" || strings.ContainsAny(m.ID, "/+=?#% ") || !m.Draft || m.Subject != d.Subject || m.ThreadID == "" {
		t.Fatalf("%+v", m)
	}
	return read(t, c, a, m.ID)
}

func read(t *testing.T, c Case, a provider.Account, id string) email.Message {
	t.Helper()
	m, err := c.Connector.(drafts).Draft(ctx(t), a, id)
	if err != nil || m.ID != id || !m.Draft {
		t.Fatalf("%+v %v", m, err)
	}
	return m
}

func emails(all []email.Address) string {
	var out []string
	for _, a := range all {
		out = append(out, a.Email)
	}
	return strings.Join(out, " ")
}

func draftWrite(t *testing.T, c Case) {
	if c.lacks("drafts") {
		t.Skip("declared as lacking")
	}
	all := c.Connector.(drafts)
	a := c.Account(t)
	if got := listDrafts(t, c, a, email.Query{}); len(got) != 0 {
		t.Fatalf("%+v", got)
	}
	keep(t, c, a, email.Draft{}) // somebody began to write
	m := keep(t, c, a, email.Draft{To: to("ada@example.com", "bob@example.com"), Cc: to("carl@example.com"), Bcc: to("dora@example.com"), Subject: "Entwürfe", HTML: "<p>Grüße</p>", Attachments: note("first"), Starred: true})
	if emails(m.To) != "ada@example.com bob@example.com" || emails(m.Cc) != "carl@example.com" || emails(m.Bcc) != "dora@example.com" || !strings.Contains(m.HTML, "<p>Grüße</p>") || len(m.Attachments) != 1 || m.Attachments[0].Filename != "nöte.txt" || !m.Starred {
		t.Errorf("%+v", m)
	}
	if got := listDrafts(t, c, a, email.Query{}); len(got) != 2 || got[0].ID != m.ID || !got[0].Draft || emails(got[0].Bcc) != "dora@example.com" {
		t.Errorf("%+v", got)
	}

	// What is not named stays.
	subject, no := "Second thoughts", false
	u, err := all.UpdateDraft(ctx(t), a, m.ID, email.DraftChange{Subject: &subject, Starred: &no})
	if err != nil || u.ID != m.ID || u.Subject != subject {
		t.Fatalf("%+v %v", u, err)
	}
	u = read(t, c, a, m.ID)
	if u.Subject != subject || u.Starred || emails(u.To) != "ada@example.com bob@example.com" || emails(u.Cc) != "carl@example.com" || emails(u.Bcc) != "dora@example.com" || !strings.Contains(u.HTML, "<p>Grüße</p>") || len(u.Attachments) != 1 {
		t.Errorf("%+v", u)
	}
	if text := content(t, c, a, u); text != "first" {
		t.Errorf("the attachment is %q now", text)
	}
	// What is named is replaced whole, and may be emptied.
	others, none, files := to("eve@example.com"), to(), append(note("second"), email.Enclosure{Filename: "b.bin", ContentType: "application/octet-stream", Content: strings.NewReader("\x00\xff")})
	if u, err = all.UpdateDraft(ctx(t), a, m.ID, email.DraftChange{To: &others, Bcc: &none, Body: &email.Body{Plain: "plain now"}, Attachments: &files}); err != nil || u.ID != m.ID {
		t.Fatalf("%+v %v", u, err)
	}
	u = read(t, c, a, m.ID)
	if u.Subject != subject || emails(u.To) != "eve@example.com" || emails(u.Cc) != "carl@example.com" || len(u.Bcc) != 0 || !c.says(u, "plain now") || strings.Contains(u.Body(), "Grüße") || len(u.Attachments) != 2 {
		t.Errorf("%+v", u)
	}
	if text := content(t, c, a, u); text != "second" {
		t.Errorf("the attachment is %q now", text)
	}
	empty := []email.Enclosure{}
	if _, err = all.UpdateDraft(ctx(t), a, m.ID, email.DraftChange{Attachments: &empty}); err != nil {
		t.Fatal(err)
	}
	if u = read(t, c, a, m.ID); len(u.Attachments) != 0 || !c.says(u, "plain now") {
		t.Errorf("%+v", u)
	}
	if got := listDrafts(t, c, a, email.Query{}); len(got) != 2 {
		t.Errorf("%d drafts", len(got))
	}

	// Bad input changes nothing.
	broken := "x\r\nBcc: eve@example.com"
	if _, err := all.CreateDraft(ctx(t), a, email.Draft{Subject: broken}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("injection: %v", err)
	}
	bad := to("a b")
	for _, change := range []email.DraftChange{{Subject: &broken}, {To: &bad}} {
		if _, err := all.UpdateDraft(ctx(t), a, m.ID, change); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%+v: %v", change, err)
		}
	}
	if got := listDrafts(t, c, a, email.Query{}); len(got) != 2 || read(t, c, a, m.ID).Subject != subject {
		t.Errorf("%+v", got)
	}

	if err := all.DeleteDraft(ctx(t), a, m.ID); err != nil {
		t.Fatal(err)
	}
	if got := listDrafts(t, c, a, email.Query{}); len(got) != 1 {
		t.Errorf("%d drafts", len(got))
	}
	fill(t, c, a, 1)
	for _, id := range []string{m.ID, "", "x", "../../etc/passwd", strings.Repeat("A", 100_000), "\x00", "AAAA", list(t, c, a, email.Query{}).Items[0].ID} {
		_, err := all.Draft(ctx(t), a, id)
		_, err2 := all.UpdateDraft(ctx(t), a, id, email.DraftChange{Subject: &subject})
		_, err3 := all.SendDraft(ctx(t), a, id)
		err4 := all.DeleteDraft(ctx(t), a, id)
		for _, err := range []error{err, err2, err3, err4} {
			if !errors.Is(err, provider.ErrDraftNotFound) {
				t.Errorf("%.20q: %v", id, err)
			}
		}
	}
	if n := len(list(t, c, a, email.Query{}).Items); n != 1 {
		t.Errorf("%d in the inbox", n)
	}
}

// content reads the first attachment, where the connector can. An attachment of a draft is reached as one of a message is.
func content(t *testing.T, c Case, a provider.Account, m email.Message) string {
	t.Helper()
	reader, ok := c.Connector.(provider.AttachmentReader)
	if !ok || len(m.Attachments) == 0 {
		t.Fatalf("no attachment to read: %+v", m)
	}
	_, r, err := reader.Attachment(ctx(t), a, m.ID, m.Attachments[0].ID)
	if err != nil {
		t.Fatalf("attachment of a draft: %v", err)
	}
	defer func() { _ = r.Close() }()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func draftList(t *testing.T, c Case) {
	if c.lacks("drafts") {
		t.Skip("declared as lacking")
	}
	a := c.Account(t)
	for _, d := range []email.Draft{{Subject: "One"}, {Subject: "Two", To: to("ada@example.com")}, {Subject: "Three", To: to("bob@example.com"), Cc: to("ada@example.com"), Starred: true}, {Subject: "Four", Plain: "x", Attachments: note("n")}, {Subject: "Five", Bcc: to("dora@example.com")}} {
		keep(t, c, a, d)
	}
	yes, no := true, false
	for name, f := range map[string]struct {
		q    email.Query
		want int
	}{
		"all": {email.Query{}, 5}, "subject": {email.Query{Subject: "t"}, 2}, "to": {email.Query{To: []string{"ADA@example.com"}}, 1}, "cc": {email.Query{Cc: []string{"ada@example.com"}}, 1}, "any": {email.Query{Any: []string{"ada@example.com"}}, 2},
		"starred": {email.Query{Starred: &yes}, 1}, "not starred": {email.Query{Starred: &no}, 4}, "attachment": {email.Query{HasAttachment: &yes}, 1}, "no such thread": {email.Query{ThreadID: "tbm9uZQ"}, 0},
		"from others": {email.Query{From: []string{"ada@example.com"}}, 0}, "unread": {email.Query{Unread: &yes}, 0}, "read": {email.Query{Unread: &no}, 5},
		"bcc": {email.Query{Bcc: []string{"dora@example.com"}}, 1}, "to and starred": {email.Query{To: []string{"bob@example.com"}, Starred: &yes}, 1}, "no attachment": {email.Query{HasAttachment: &no}, 4},
	} {
		if got := listDrafts(t, c, a, f.q); len(got) != f.want {
			t.Errorf("%s: %d, want %d", name, len(got), f.want)
		}
	}
	var seen []string
	q := email.Query{Limit: 2}
	for pages := 0; ; pages++ {
		p, err := c.Connector.(provider.DraftReader).ListDrafts(ctx(t), a, q)
		if err != nil || len(p.Items) > 2 || pages > 10 {
			t.Fatalf("%+v %v", p, err)
		}
		for _, m := range p.Items {
			seen = append(seen, m.Subject)
		}
		if p.Next == "" {
			break
		}
		q.Cursor = p.Next
	}
	slices.Sort(seen)
	if !slices.Equal(seen, []string{"Five", "Four", "One", "Three", "Two"}) {
		t.Errorf("%q", seen)
	}
	for name, q := range map[string]email.Query{"broken cursor": {Cursor: "AAAA"}, "cursor of other filters": {Cursor: q.Cursor, Subject: "x"}, "negative limit": {Limit: -1}, "injection": {Subject: "x\r\nA1 LOGOUT"}} {
		if _, err := c.Connector.(provider.DraftReader).ListDrafts(ctx(t), a, q); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func draftSend(t *testing.T, c Case) {
	if c.lacks("drafts") || c.SendTo == "" {
		t.Skip("declared as lacking, or not set up")
	}
	all := c.Connector.(drafts)
	a := c.Account(t)
	converse(t, c, a, "alpha", 0, 1, Mail{})
	root := list(t, c, a, email.Query{}).Items[0]
	m := keep(t, c, a, email.Draft{Subject: "Re: Plan alpha", HTML: "<p>Yes</p>", Attachments: note("with it"), InReplyTo: "alpha.0@x", References: []string{"alpha.0@x"}})
	if !c.lacks("threads") && !c.lacks("draft threads") {
		if m.ThreadID != root.ThreadID {
			t.Errorf("the draft is in thread %q, what it answers in %q", m.ThreadID, root.ThreadID)
		}
		x, err := c.Connector.(provider.ThreadReader).Thread(ctx(t), a, root.ThreadID)
		if err != nil || !slices.Equal(x.DraftIDs, []string{m.ID}) || len(x.MessageIDs) != 1 || !x.Latest.Draft || x.Latest.ID != m.ID {
			t.Errorf("%+v %v", x, err)
		}
	}
	if _, err := all.SendDraft(ctx(t), a, m.ID); fault.KindOf(err) != fault.Invalid {
		t.Errorf("to nobody: %v", err)
	}
	known := to(c.SendTo)
	if _, err := all.UpdateDraft(ctx(t), a, m.ID, email.DraftChange{To: &known}); err != nil {
		t.Fatal(err)
	}
	sent, err := all.SendDraft(ctx(t), a, m.ID)
	if err != nil || sent.Draft {
		t.Fatalf("%+v %v", sent, err)
	}
	if got := listDrafts(t, c, a, email.Query{}); len(got) != 0 {
		t.Errorf("still a draft: %+v", got)
	}
	outbox := list(t, c, a, email.Query{In: []string{c.folder(a, "Sent")}}).Items
	if len(outbox) != 1 || outbox[0].Subject != "Re: Plan alpha" || outbox[0].Draft || outbox[0].Unread || len(outbox[0].Attachments) != 1 || emails(outbox[0].To) != c.SendTo || sent.ID != "" && sent.ID != outbox[0].ID {
		t.Errorf("sent %+v, answered %+v", outbox, sent)
	}
	if _, err := all.SendDraft(ctx(t), a, m.ID); !errors.Is(err, provider.ErrDraftNotFound) {
		t.Errorf("sent twice: %v", err)
	}
	if !c.lacks("threads") {
		x, err := c.Connector.(provider.ThreadReader).Thread(ctx(t), a, root.ThreadID)
		if !c.lacks("draft threads") && (err != nil || len(x.MessageIDs) != 2 || len(x.DraftIDs) != 0 || x.LastSent.IsZero()) {
			t.Errorf("the thread afterwards: %+v %v", x, err)
		}
	}
}
