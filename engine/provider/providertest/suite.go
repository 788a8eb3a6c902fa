package providertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
)

// Mail is a message to be put into a mailbox by other hands than the connector's.
type Mail struct {
	Raw      string
	Received time.Time
	Unread   bool
	Starred  bool
}

// Case is one connector and how to set the stage for it.
type Case struct {
	Connector provider.Connector
	// Account is a mailbox of its own for each call, empty in its inbox.
	Account func(testing.TB) provider.Account
	// Deliver puts a message into a folder, known by its id.
	Deliver func(t testing.TB, a provider.Account, folder string, m Mail)
	// Revoke makes the provider refuse the account's credential from now on.
	Revoke func(testing.TB, provider.Account)
	// SendTo is an address that takes mail; empty when sending is not tried.
	SendTo string
	// Lacks names the capabilities that the connector does not have: update, delete, folders, send, threads, drafts, folder changes, watch; archive, for a provider
	// without a folder of that use; draft threads, for one that does not put an answer that is still a draft into the conversation.
	Lacks []string

	// What differs by nature between providers. The zero values are those of IMAP.

	// Folder answers the id of what the suite calls INBOX, Sent, Trash and Archive; nil: these are the ids.
	Folder func(a provider.Account, name string) string
	// StableIDs: a message keeps its id when it moves. ManyFolders: it can be in several folders at once.
	StableIDs, ManyFolders bool
	// Everywhere: a list without a folder covers more than the inbox. The suite then names the inbox where it means it.
	Everywhere bool
	// FolderToTrash: a folder that is deleted goes among the deleted items, and is listed there.
	FolderToTrash bool
	// Native is a search of the provider's own language for a word of the subject.
	Native func(word string) string
	// OneBody: the provider keeps one form of a body, HTML, and names attachments in its own way.
	OneBody bool
}

// says is whether a message's body is the text.
func (c Case) says(m email.Message, text string) bool {
	if c.OneBody {
		return strings.Contains(m.Body(), text)
	}
	return strings.TrimSpace(m.Plain) == text
}

func (c Case) native(word string) string {
	if c.Native == nil {
		return `SUBJECT "` + word + `"`
	}
	return c.Native(word)
}

func (c Case) folder(a provider.Account, name string) string {
	if c.Folder == nil {
		return name
	}
	return c.Folder(a, name)
}

var base = time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)

// Run runs the suite.
func Run(t *testing.T, c Case) {
	for name, test := range map[string]func(*testing.T, Case){
		"capabilities": capabilities, "empty": empty, "newest first": newestFirst, "paging": paging, "filters": filters, "get": get, "large": large, "odd mail": odd,
		"not found": notFound, "bad queries": badQueries, "update": update, "delete": remove, "folders": folders, "send": send, "revoked": revoked, "closed": closed, "cancelled": cancelled,
		"threads": threadList, "paging of threads": threadPaging, "filters of threads": threadFilters, "change of threads": threadChange,
		"drafts": draftWrite, "list of drafts": draftList, "send a draft": draftSend, "change of folders": folderChange, "watch": watched,
	} {
		t.Run(name, func(t *testing.T) { test(t, c) })
	}
}

func (c Case) lacks(name string) bool {
	for _, l := range c.Lacks {
		if l == name {
			return true
		}
	}
	return false
}

func capabilities(t *testing.T, c Case) {
	for name, has := range map[string]bool{"update": is[provider.MessageUpdater](c), "delete": is[provider.MessageDeleter](c), "folders": is[provider.FolderLister](c), "send": is[provider.Sender](c),
		"threads": is[threads](c), "drafts": is[drafts](c), "folder changes": is[provider.FolderWriter](c)} {
		if has == c.lacks(name) {
			t.Errorf("%s: has it: %v, declared as lacking: %v", name, has, c.lacks(name))
		}
	}
	if !is[provider.MessageLister](c) || !is[provider.MessageReader](c) {
		t.Error("a connector that reads no mail")
	}
}

func is[T any](c Case) bool { _, ok := c.Connector.(T); return ok }

func ctx(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func list(t testing.TB, c Case, a provider.Account, q email.Query) email.Page[email.Message] {
	t.Helper()
	if c.Everywhere && len(q.In) == 0 {
		q.In = []string{c.folder(a, "INBOX")}
	}
	p, err := c.Connector.(provider.MessageLister).ListMessages(ctx(t), a, q)
	if err != nil {
		t.Fatalf("list %+v: %v", q, err)
	}
	return p
}

func simple(n int) Mail {
	return Mail{Received: base.Add(time.Duration(n) * time.Hour), Unread: n%2 == 0, Starred: n%3 == 0, Raw: fmt.Sprintf("From: Sender %d <s%d@example.com>\r\nTo: me@example.org\r\nSubject: Message %03d\r\n"+
		"Message-ID: <n%d@example.com>\r\nDate: %s\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nBody of message %d, grüße.\r\n", n%4, n%4, n, n, base.Add(time.Duration(n)*time.Hour).Format(time.RFC1123Z), n)}
}

func fill(t testing.TB, c Case, a provider.Account, n int) {
	t.Helper()
	for i := 1; i <= n; i++ {
		c.Deliver(t, a, "INBOX", simple(i))
	}
}

func empty(t *testing.T, c Case) {
	if p := list(t, c, c.Account(t), email.Query{}); len(p.Items) != 0 || p.Next != "" {
		t.Errorf("%+v", p)
	}
}

func newestFirst(t *testing.T, c Case) {
	a := c.Account(t)
	fill(t, c, a, 5)
	p := list(t, c, a, email.Query{})
	if len(p.Items) != 5 || p.Next != "" {
		t.Fatalf("%d items, next %q", len(p.Items), p.Next)
	}
	for i, m := range p.Items {
		n := 5 - i
		if m.Subject != fmt.Sprintf("Message %03d", n) || !m.Date.Equal(base.Add(time.Duration(n)*time.Hour)) || m.Unread != (n%2 == 0) || m.Starred != (n%3 == 0) || m.MessageID != fmt.Sprintf("n%d@example.com", n) {
			t.Errorf("item %d: %+v", i, m)
		}
		body := fmt.Sprintf("Body of message %d, grüße.", n)
		if !c.says(m, body) || m.Snippet != body || m.ThreadID == "" || len(m.Folders) != 1 {
			t.Errorf("item %d: %+v", i, m)
		}
		if m.ID == "" || strings.ContainsAny(m.ID, "/+=?#% ") {
			t.Errorf("id %q", m.ID)
		}
	}
	c.Deliver(t, a, "INBOX", simple(6))
	if p := list(t, c, a, email.Query{Limit: 1}); len(p.Items) != 1 || p.Items[0].Subject != "Message 006" || p.Next == "" {
		t.Errorf("new mail is not on top: %+v", p)
	}
}

func paging(t *testing.T, c Case) {
	a := c.Account(t)
	fill(t, c, a, 23)
	yes := true
	for _, q := range []email.Query{{Limit: 5}, {Limit: 1}, {Limit: 23}, {Limit: 22}, {Limit: 4, Unread: &yes}, {Limit: 3, Subject: "message"}} {
		want := 23
		if q.Unread != nil {
			want = 11
		}
		seen := map[string]bool{}
		last, pages := 1000, 0
		for {
			p := list(t, c, a, q)
			if len(p.Items) > q.Limit {
				t.Fatalf("%d items of %d", len(p.Items), q.Limit)
			}
			for _, m := range p.Items {
				var n int
				_, _ = fmt.Sscanf(m.Subject, "Message %d", &n)
				if seen[m.ID] || n >= last {
					t.Fatalf("limit %d: %s twice or out of order", q.Limit, m.Subject)
				}
				seen[m.ID], last = true, n
			}
			if pages++; pages > 40 {
				t.Fatal("no end")
			}
			if pages == 2 && q.Limit == 5 {
				c.Deliver(t, a, "INBOX", simple(100)) // must neither shift nor repeat what follows
			}
			if p.Next == "" {
				break
			}
			q.Cursor = p.Next
		}
		if len(seen) < want || len(seen) > want+1 {
			t.Errorf("limit %d: %d of %d", q.Limit, len(seen), want)
		}
	}
}

func filters(t *testing.T, c Case) {
	a := c.Account(t)
	fill(t, c, a, 8)
	c.Deliver(t, a, "INBOX", Mail{Received: base.Add(9 * time.Hour), Raw: "From: Zoë <zoe@example.com>\r\nTo: Bob <bob@example.com>\r\nCc: carl@example.com\r\nSubject: =?utf-8?q?Rechnung_f=C3=BCr_November?=\r\nMessage-ID: <root@x>\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>Hi</p>\r\n--b\r\nContent-Type: application/pdf; name=\"r.pdf\"\r\nContent-Disposition: attachment; filename=\"r.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjc=\r\n--b--\r\n"})
	c.Deliver(t, a, "INBOX", Mail{Received: base.Add(10 * time.Hour), Raw: "From: Bob <bob@example.com>\r\nTo: zoe@example.com\r\nSubject: Re: Rechnung\r\nMessage-ID: <re1@x>\r\nIn-Reply-To: <root@x>\r\nReferences: <root@x>\r\n\r\nThanks\r\n"})
	c.Deliver(t, a, "INBOX", Mail{Received: base.Add(11 * time.Hour), Raw: "From: Zoë <zoe@example.com>\r\nTo: bob@example.com\r\nSubject: Re: Rechnung\r\nMessage-ID: <re2@x>\r\nIn-Reply-To: <re1@x>\r\nReferences: <root@x> <re1@x>\r\n\r\nWelcome\r\n"})
	c.Deliver(t, a, c.folder(a, "Archive"), Mail{Received: base, Raw: "From: old@example.com\r\nSubject: Old\r\n\r\nx\r\n"})
	yes, no := true, false
	thread := list(t, c, a, email.Query{Limit: 1}).Items[0].ThreadID
	for name, f := range map[string]struct {
		q    email.Query
		want int
	}{
		"unread": {email.Query{Unread: &yes}, 4}, "read": {email.Query{Unread: &no}, 7}, "starred": {email.Query{Starred: &yes}, 2}, "not starred": {email.Query{Starred: &no}, 9},
		"subject": {email.Query{Subject: "rechnung"}, 3}, "subject utf-8": {email.Query{Subject: "für November"}, 1}, "from": {email.Query{From: []string{"zoe@example.com"}}, 2}, "from either": {email.Query{From: []string{"zoe@example.com", "bob@example.com"}}, 3},
		"part of an address": {email.Query{From: []string{"oe@example.com"}}, 0}, "to": {email.Query{To: []string{"BOB@example.com"}}, 2}, "cc": {email.Query{Cc: []string{"carl@example.com"}}, 1}, "any": {email.Query{Any: []string{"bob@example.com"}}, 3},
		"any of three": {email.Query{Any: []string{"carl@example.com", "s1@example.com", "nobody@example.com"}}, 3}, "attachment": {email.Query{HasAttachment: &yes}, 1}, "no attachment": {email.Query{HasAttachment: &no}, 10},
		"after": {email.Query{ReceivedAfter: base.Add(8 * time.Hour)}, 3}, "before": {email.Query{ReceivedBefore: base.Add(2 * time.Hour)}, 1}, "between": {email.Query{ReceivedAfter: base.Add(2 * time.Hour), ReceivedBefore: base.Add(5 * time.Hour)}, 2},
		"thread": {email.Query{ThreadID: thread}, 3}, "no such thread": {email.Query{ThreadID: "tbm9uZQ"}, 0}, "both": {email.Query{Subject: "Message", Unread: &yes, Starred: &yes}, 1}, "quotes": {email.Query{Subject: `"\") OR ALL (`}, 0},
		"in archive": {email.Query{In: []string{c.folder(a, "Archive")}}, 1}, "unread in archive": {email.Query{In: []string{c.folder(a, "Archive")}, Unread: &yes}, 0},
		"bcc": {email.Query{Bcc: []string{"dora@example.com"}}, 0}, "to either": {email.Query{To: []string{"zoe@example.com", "bob@example.com"}}, 3}, "from and to": {email.Query{From: []string{"zoe@example.com"}, To: []string{"bob@example.com"}, Cc: []string{"carl@example.com"}}, 1},
		"attachment from": {email.Query{HasAttachment: &yes, From: []string{"bob@example.com"}}, 0}, "thread and read": {email.Query{ThreadID: thread, Subject: "re:"}, 2}, "after and read": {email.Query{ReceivedAfter: base.Add(4 * time.Hour), Unread: &no, Starred: &no}, 5},
		"native": {email.Query{Native: c.native("Message")}, 8}, "native, nothing": {email.Query{Native: c.native("nowhere")}, 0}, "native in archive": {email.Query{Native: c.native("Old"), In: []string{c.folder(a, "Archive")}}, 1},
	} {
		p := list(t, c, a, f.q)
		if len(p.Items) != f.want || p.Next != "" {
			var got []string
			for _, m := range p.Items {
				got = append(got, m.Subject)
			}
			t.Errorf("%s: %d, want %d: %q next %q", name, len(p.Items), f.want, got, p.Next)
		}
	}
	m := list(t, c, a, email.Query{HasAttachment: &yes}).Items[0]
	if len(m.Attachments) != 1 || m.Attachments[0].Filename != "r.pdf" || m.Attachments[0].ContentType != "application/pdf" || m.Attachments[0].Size != 8 || m.HTML == "" {
		t.Errorf("%+v", m)
	}
	if reader, ok := c.Connector.(provider.AttachmentReader); ok && len(m.Attachments) == 1 {
		about, content, err := reader.Attachment(ctx(t), a, m.ID, m.Attachments[0].ID)
		if err != nil {
			t.Fatalf("attachment: %v", err)
		}
		body, err := io.ReadAll(content)
		if closed := content.Close(); err != nil || closed != nil || len(body) != 8 || about.Filename != "r.pdf" {
			t.Errorf("attachment: %d bytes, %+v, %v", len(body), about, err)
		}
		if _, _, err := reader.Attachment(ctx(t), a, m.ID, "99"); !errors.Is(err, provider.ErrAttachmentNotFound) {
			t.Errorf("an attachment that is not there: %v", err)
		}
	}
}

func get(t *testing.T, c Case) {
	a := c.Account(t)
	raw := simple(2)
	c.Deliver(t, a, "INBOX", raw)
	listed := list(t, c, a, email.Query{}).Items[0]
	read := func(f email.Fields) email.Message {
		t.Helper()
		m, err := c.Connector.(provider.MessageReader).Message(ctx(t), a, listed.ID, f)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	m := read(email.Standard)
	if m.ID != listed.ID || m.Subject != listed.Subject || m.Plain != listed.Plain || m.ThreadID != listed.ThreadID || len(m.Headers) != 0 || m.Raw != nil || !m.Unread {
		t.Errorf("%+v", m)
	}
	if h := read(email.WithHeaders).Headers; len(h) < 6 {
		t.Errorf("headers: %+v", h)
	}
	if h := read(email.WithBasicHeaders).Headers; len(h) != 1 || !strings.EqualFold(h[0].Name, "Message-ID") {
		t.Errorf("basic headers: %+v", h)
	}
	if m := read(email.RawOnly); string(m.Raw) != raw.Raw || m.ID != listed.ID || m.Subject != "" {
		t.Errorf("raw: %q", m.Raw)
	}
	if !list(t, c, a, email.Query{}).Items[0].Unread {
		t.Error("reading marks as read")
	}
	if p := list(t, c, a, email.Query{Fields: email.RawOnly}); len(p.Items) != 1 || string(p.Items[0].Raw) != raw.Raw {
		t.Errorf("raw list: %+v", p)
	}
	for f, least := range map[email.Fields]int{email.WithHeaders: 6, email.WithBasicHeaders: 1} {
		if p := list(t, c, a, email.Query{Fields: f}); len(p.Items[0].Headers) < least || p.Items[0].Subject != listed.Subject {
			t.Errorf("list with headers (%d): %+v", f, p.Items[0])
		}
	}
	if p := list(t, c, a, email.Query{NoBody: true}); p.Items[0].Plain != "" || p.Items[0].Snippet == "" {
		t.Errorf("no body: %+v", p.Items[0])
	}
}

// large mail must be told without its attachment being read, and its long text must come whole.
func large(t *testing.T, c Case) {
	a := c.Account(t)
	text := strings.Repeat("A line of sixty characters, give or take a few, and a break.\r\n", 3000)
	blob := strings.Repeat("QUJD", 19) + "\r\n"
	c.Deliver(t, a, "INBOX", Mail{Received: base, Raw: "From: a@example.com\r\nSubject: Large\r\nX-Long: " + strings.Repeat("x", 40) + "\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n" +
		"--c\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xfc " + text + "--c\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>short</p>\r\n--c--\r\n" +
		"--b\r\nContent-Type: application/zip; name=big.zip\r\nContent-Disposition: attachment; filename=big.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n" + strings.Repeat(blob, 20_000) + "--b--\r\n"})
	c.Deliver(t, a, "INBOX", Mail{Received: base, Raw: "From: a@example.com\r\n" + strings.Repeat("Received: from one by another with a long explanation of how it came\r\n", 1000) + "Subject: Long header\r\n\r\nend\r\n"})
	p := list(t, c, a, email.Query{})
	if len(p.Items) != 2 || p.Items[0].Subject != "Long header" || !c.says(p.Items[0], "end") {
		t.Fatalf("%d items: %q %q", len(p.Items), p.Items[0].Subject, p.Items[0].Plain)
	}
	m := p.Items[1]
	if !c.OneBody && (!strings.HasPrefix(m.Plain, "ü A line") || len(m.Plain) < len(text)) || !strings.Contains(m.HTML, "short") {
		t.Errorf("text: %d bytes, html %q", len(m.Plain), m.HTML)
	}
	if len(m.Attachments) != 1 || m.Attachments[0].Filename != "big.zip" || m.Attachments[0].ID == "" || !c.OneBody && m.Attachments[0].ID != "2" || m.Attachments[0].Size < 1_139_990 || m.Attachments[0].Size > 1_140_010 {
		t.Errorf("%+v", m.Attachments)
	}
}

func odd(t *testing.T, c Case) {
	a := c.Account(t)
	for _, raw := range []string{
		"\r\nno header at all\r\n",
		"Subject: no date, no from, no id\r\n\r\nx\r\n",
		"From: broken <<a@b>, =?utf-8?q?\r\nSubject: =?iso-2022-jp?B?GyRCRnxLXBsoQg==?=\r\nContent-Type: multipart/mixed; boundary=never\r\n\r\nx\r\n",
		"From: \xe4\xf6\xfc@example.com\r\nSubject: caf\xe9\r\nContent-Type: text/plain; charset=made-up\r\n\r\ncaf\xe9\r\n",
		"Subject: nul\r\n\r\na b\r\n",
	} {
		c.Deliver(t, a, "INBOX", Mail{Received: base, Raw: raw})
	}
	p := list(t, c, a, email.Query{})
	if len(p.Items) != 5 {
		t.Fatalf("%d of 5", len(p.Items))
	}
	for _, m := range p.Items {
		if m.ThreadID == "" || m.Date.IsZero() {
			t.Errorf("%+v", m)
		}
		if got := list(t, c, a, email.Query{ThreadID: m.ThreadID}); len(got.Items) != 1 || got.Items[0].ID != m.ID {
			t.Errorf("thread of %q: %d messages", m.Subject, len(got.Items))
		}
	}
	if p.Items[1].Subject != "café" || !c.says(p.Items[1], "café") || p.Items[2].Subject != "日本" {
		t.Errorf("%q %q %q", p.Items[1].Subject, p.Items[1].Plain, p.Items[2].Subject)
	}
}

func notFound(t *testing.T, c Case) {
	a := c.Account(t)
	fill(t, c, a, 1)
	good := list(t, c, a, email.Query{}).Items[0].ID
	reader := c.Connector.(provider.MessageReader)
	for _, id := range []string{"", "x", "../../etc/passwd", strings.Repeat("A", 100_000), good + "A", good[:len(good)-1], "AAAA", "\x00", "AQHn_wMASU5CT1g"} {
		if _, err := reader.Message(ctx(t), a, id, email.Standard); !errors.Is(err, provider.ErrMessageNotFound) {
			t.Errorf("%.20q: %v", id, err)
		}
	}
	lister := c.Connector.(provider.MessageLister)
	for _, in := range []string{"Nowhere", "~", "~AA", "a/b", "a\r\nb"} {
		if _, err := lister.ListMessages(ctx(t), a, email.Query{In: []string{in}}); fault.KindOf(err) != fault.NotFound && fault.KindOf(err) != fault.Invalid {
			t.Errorf("folder %q: %v", in, err)
		}
	}
	if _, err := reader.Message(ctx(t), a, good, email.Standard); err != nil {
		t.Errorf("after all that: %v", err)
	}
}

func badQueries(t *testing.T, c Case) {
	a := c.Account(t)
	fill(t, c, a, 3)
	next := list(t, c, a, email.Query{Limit: 1}).Next
	for name, q := range map[string]email.Query{
		"broken cursor": {Cursor: "AAAA"}, "random cursor": {Cursor: "%%%"}, "cursor of other filters": {Cursor: next, Subject: "x"}, "cursor of another folder": {Cursor: next, In: []string{c.folder(a, "Sent")}}, "a message's id as cursor": {Cursor: list(t, c, a, email.Query{}).Items[0].ID},
		"negative limit": {Limit: -1}, "huge limit": {Limit: 100_000}, "injection": {Subject: "x\r\nA1 LOGOUT"}, "nul": {From: []string{"a\x00b"}}, "native and more": {Native: "ALL", Subject: "x"},
	} {
		if _, err := c.Connector.(provider.MessageLister).ListMessages(ctx(t), a, q); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}
