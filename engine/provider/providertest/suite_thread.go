package providertest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
)

// threads is every call on threads, in one interface for the cases.
type threads interface {
	provider.ThreadReader
	provider.ThreadWriter
}

func listThreads(t testing.TB, c Case, a provider.Account, q email.ThreadQuery) email.Page[email.Thread] {
	t.Helper()
	if c.Everywhere && len(q.In) == 0 {
		q.In = []string{c.folder(a, "INBOX")}
	}
	p, err := c.Connector.(provider.ThreadReader).ListThreads(ctx(t), a, q)
	if err != nil {
		t.Fatalf("list threads %+v: %v", q, err)
	}
	return p
}

// converse delivers message n of conversation name: 0 begins it, the others answer it. Hours count from base.
func converse(t testing.TB, c Case, a provider.Account, name string, n, hours int, m Mail) {
	t.Helper()
	from, to, subject, refs := "Zoë <zoe@example.com>", "bob@example.com", "Plan "+name, ""
	if n%2 == 1 {
		from, to = "Bob <bob@example.com>", "zoe@example.com"
	}
	if n > 0 {
		subject = "Re: " + subject
		refs = fmt.Sprintf("In-Reply-To: <%s.%d@x>\r\nReferences:", name, n-1)
		for i := range n {
			refs += fmt.Sprintf(" <%s.%d@x>", name, i)
		}
		refs += "\r\n"
	}
	m.Received = base.Add(time.Duration(hours) * time.Hour)
	m.Raw = "From: " + from + "\r\nTo: " + to + "\r\nSubject: " + subject + fmt.Sprintf("\r\nMessage-ID: <%s.%d@x>\r\n", name, n) + refs + "Date: " + m.Received.Format(time.RFC1123Z) + "\r\n\r\n" + fmt.Sprintf("Word %d of %s\r\n", n, name)
	c.Deliver(t, a, "INBOX", m)
}

func threadList(t *testing.T, c Case) {
	if c.lacks("threads") {
		t.Skip("declared as lacking")
	}
	a := c.Account(t)
	if p := listThreads(t, c, a, email.ThreadQuery{}); len(p.Items) != 0 || p.Next != "" {
		t.Fatalf("an empty mailbox: %+v", p)
	}
	fill(t, c, a, 4)
	converse(t, c, a, "alpha", 0, 5, Mail{})
	converse(t, c, a, "beta", 0, 6, Mail{Starred: true})
	converse(t, c, a, "alpha", 1, 7, Mail{})
	converse(t, c, a, "alpha", 2, 8, Mail{Unread: true})
	p := listThreads(t, c, a, email.ThreadQuery{})
	if len(p.Items) != 6 || p.Next != "" {
		t.Fatalf("%d threads, next %q", len(p.Items), p.Next)
	}
	alpha := p.Items[0]
	if alpha.ID == "" || strings.ContainsAny(alpha.ID, "/+=?#% ") || len(alpha.MessageIDs) != 3 || len(alpha.DraftIDs) != 0 || !strings.Contains(alpha.Subject, "Plan alpha") || alpha.Latest.Subject != "Re: Plan alpha" ||
		!c.says(alpha.Latest, "Word 2 of alpha") || alpha.Snippet != "Word 2 of alpha" || !alpha.Unread || alpha.Starred || alpha.Attachments || len(alpha.Participants) != 2 || !slices.Contains(alpha.Folders, c.folder(a, "INBOX")) {
		t.Errorf("%+v", alpha)
	}
	if !alpha.Earliest.Equal(base.Add(5*time.Hour)) || !alpha.Latest.Date.Equal(base.Add(8*time.Hour)) || !alpha.LastReceived.Equal(base.Add(8*time.Hour)) || !alpha.LastSent.IsZero() {
		t.Errorf("times: %v %v %v %v", alpha.Earliest, alpha.Latest.Date, alpha.LastReceived, alpha.LastSent)
	}
	for i, id := range alpha.MessageIDs {
		m, err := c.Connector.(provider.MessageReader).Message(ctx(t), a, id, email.Standard)
		if err != nil || m.ThreadID != alpha.ID || !m.Date.Equal(base.Add([]time.Duration{5, 7, 8}[i]*time.Hour)) {
			t.Errorf("message %d of the thread: %+v %v", i, m, err)
		}
	}
	for i, want := range []string{"Re: Plan alpha", "Plan beta", "Message 004", "Message 003", "Message 002", "Message 001"} {
		if got := p.Items[i].Latest.Subject; got != want {
			t.Errorf("thread %d is %q, want %q", i, got, want)
		}
	}
	one, err := c.Connector.(provider.ThreadReader).Thread(ctx(t), a, alpha.ID)
	if err != nil || one.ID != alpha.ID || !slices.Equal(one.MessageIDs, alpha.MessageIDs) || one.Latest.ID != alpha.Latest.ID || !one.Unread || !c.says(one.Latest, "Word 2 of alpha") {
		t.Errorf("%+v %v", one, err)
	}
	if m := listThreads(t, c, a, email.ThreadQuery{Limit: 1, NoBody: true}).Items[0].Latest; m.Body() != "" && !c.OneBody {
		t.Errorf("no body: %q", m.Body())
	}
}

func threadPaging(t *testing.T, c Case) {
	if c.lacks("threads") {
		t.Skip("declared as lacking")
	}
	a := c.Account(t)
	// Seven conversations of three, whose messages lie far apart: each must be told once, where its newest message is.
	for n := range 3 {
		for i := range 7 {
			converse(t, c, a, fmt.Sprintf("talk%d", i), n, 10*n+i+1, Mail{Unread: i%2 == 0})
		}
	}
	yes := true
	for _, q := range []email.ThreadQuery{{Limit: 3}, {Limit: 1}, {Limit: 7}, {Limit: 6}, {Limit: 2, Unread: &yes}, {Limit: 2, Subject: "plan"}} {
		want := 7
		if q.Unread != nil {
			want = 4
		}
		var seen []string
		for pages := 0; ; pages++ {
			p := listThreads(t, c, a, q)
			if len(p.Items) > q.Limit || pages > 30 {
				t.Fatalf("%d items of %d on page %d", len(p.Items), q.Limit, pages)
			}
			for _, x := range p.Items {
				if len(x.MessageIDs) != 3 {
					t.Errorf("%d messages in %s", len(x.MessageIDs), x.Subject)
				}
				seen = append(seen, x.Latest.Subject)
			}
			if p.Next == "" {
				break
			}
			q.Cursor = p.Next
		}
		down := slices.Clone(seen)
		slices.Sort(down)
		slices.Reverse(down)
		if len(slices.Compact(slices.Clone(down))) != want || !slices.Equal(seen, down) {
			t.Errorf("limit %d: %q", q.Limit, seen)
		}
	}
}

func threadFilters(t *testing.T, c Case) {
	if c.lacks("threads") {
		t.Skip("declared as lacking")
	}
	a := c.Account(t)
	fill(t, c, a, 4) // 1 and 3 are read, 3 is starred
	converse(t, c, a, "alpha", 0, 5, Mail{})
	converse(t, c, a, "alpha", 1, 6, Mail{Unread: true})
	c.Deliver(t, a, "INBOX", Mail{Received: base.Add(7 * time.Hour), Raw: "From: carl@example.com\r\nTo: me@example.org\r\nCc: dora@example.com\r\nSubject: Paper\r\nMessage-ID: <paper@x>\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nHi\r\n--b\r\nContent-Type: application/pdf; name=\"r.pdf\"\r\nContent-Disposition: attachment; filename=\"r.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjc=\r\n--b--\r\n"})
	c.Deliver(t, a, c.folder(a, "Archive"), Mail{Received: base, Raw: "From: old@example.com\r\nSubject: Old\r\nMessage-ID: <old@x>\r\n\r\nx\r\n"})
	yes, no := true, false
	for name, f := range map[string]struct {
		q    email.ThreadQuery
		want int
	}{
		"all": {email.ThreadQuery{}, 6}, "unread": {email.ThreadQuery{Unread: &yes}, 3}, "read": {email.ThreadQuery{Unread: &no}, 3}, "starred": {email.ThreadQuery{Starred: &yes}, 1}, "not starred": {email.ThreadQuery{Starred: &no}, 5},
		"subject": {email.ThreadQuery{Subject: "plan ALPHA"}, 1}, "from": {email.ThreadQuery{From: []string{"bob@example.com"}}, 1}, "from the first": {email.ThreadQuery{From: []string{"ZOE@example.com"}}, 1}, "to": {email.ThreadQuery{To: []string{"me@example.org"}}, 5},
		"cc": {email.ThreadQuery{Cc: []string{"dora@example.com"}}, 1}, "any": {email.ThreadQuery{Any: []string{"dora@example.com", "zoe@example.com"}}, 2}, "part of an address": {email.ThreadQuery{From: []string{"ob@example.com"}}, 0},
		"attachment": {email.ThreadQuery{HasAttachment: &yes}, 1}, "no attachment": {email.ThreadQuery{HasAttachment: &no}, 5}, "before": {email.ThreadQuery{LatestBefore: base.Add(3 * time.Hour)}, 2}, "after": {email.ThreadQuery{LatestAfter: base.Add(4 * time.Hour)}, 2},
		"after is open": {email.ThreadQuery{LatestAfter: base.Add(6 * time.Hour)}, 1}, "both": {email.ThreadQuery{Subject: "Message", Unread: &yes}, 2}, "in archive": {email.ThreadQuery{In: []string{c.folder(a, "Archive")}}, 1}, "quotes": {email.ThreadQuery{Subject: `"\") OR ALL (`}, 0},
		"bcc": {email.ThreadQuery{Bcc: []string{"eve@example.com"}}, 0}, "between": {email.ThreadQuery{LatestAfter: base.Add(2 * time.Hour), LatestBefore: base.Add(5 * time.Hour)}, 2}, "unread from": {email.ThreadQuery{From: []string{"zoe@example.com"}, Unread: &yes}, 1},
		"native": {email.ThreadQuery{Native: c.native("Message")}, 4}, "native, nothing": {email.ThreadQuery{Native: c.native("nowhere")}, 0},
	} {
		p := listThreads(t, c, a, f.q)
		if len(p.Items) != f.want || p.Next != "" {
			var got []string
			for _, x := range p.Items {
				got = append(got, x.Latest.Subject)
			}
			t.Errorf("%s: %d, want %d: %q next %q", name, len(p.Items), f.want, got, p.Next)
		}
	}
	next := listThreads(t, c, a, email.ThreadQuery{Limit: 1}).Next
	for name, q := range map[string]email.ThreadQuery{
		"broken cursor": {Cursor: "AAAA"}, "random cursor": {Cursor: "%%%"}, "cursor of other filters": {Cursor: next, Subject: "x"}, "a thread's id as cursor": {Cursor: listThreads(t, c, a, email.ThreadQuery{}).Items[0].ID},
		"negative limit": {Limit: -1}, "huge limit": {Limit: 51}, "injection": {Subject: "x\r\nA1 LOGOUT"}, "nul": {From: []string{"a\x00b"}}, "native and more": {Native: "ALL", Subject: "x"},
	} {
		if _, err := c.Connector.(provider.ThreadReader).ListThreads(ctx(t), a, q); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func threadChange(t *testing.T, c Case) {
	if c.lacks("threads") {
		t.Skip("declared as lacking")
	}
	all := c.Connector.(threads)
	a := c.Account(t)
	fill(t, c, a, 2)
	for n := range 3 {
		converse(t, c, a, "alpha", n, 5+n, Mail{})
	}
	id := listThreads(t, c, a, email.ThreadQuery{Limit: 1}).Items[0].ID
	inbox, archive, trash := c.folder(a, "INBOX"), c.folder(a, "Archive"), c.folder(a, "Trash")
	yes, no := true, false
	x, err := all.UpdateThread(ctx(t), a, id, email.Change{Unread: &yes, Starred: &yes})
	if err != nil || x.ID != id || !x.Unread || !x.Starred {
		t.Fatalf("%+v %v", x, err)
	}
	for _, m := range list(t, c, a, email.Query{ThreadID: id}).Items {
		if !m.Unread || !m.Starred {
			t.Errorf("%+v", m)
		}
	}
	x, err = all.UpdateThread(ctx(t), a, id, email.Change{Unread: &no, Folders: []string{archive}})
	if err != nil || x.ID != id || x.Unread || !slices.Equal(x.Folders, []string{archive}) || len(x.MessageIDs) != 3 {
		t.Fatalf("%+v %v", x, err)
	}
	if got := list(t, c, a, email.Query{In: []string{archive}}).Items; len(got) != 3 {
		t.Errorf("%d in the archive", len(got))
	}
	if got := list(t, c, a, email.Query{In: []string{inbox}}).Items; len(got) != 2 {
		t.Errorf("%d in the inbox", len(got))
	}
	if _, err := all.UpdateThread(ctx(t), a, id, email.Change{Folders: []string{"Nowhere"}}); !errors.Is(err, provider.ErrFolderNotFound) {
		t.Errorf("into nowhere: %v", err)
	}
	if err := all.DeleteThread(ctx(t), a, id); err != nil {
		t.Fatal(err)
	}
	if got := list(t, c, a, email.Query{In: []string{trash}}).Items; len(got) != 3 {
		t.Errorf("%d in the trash", len(got))
	}
	if got := list(t, c, a, email.Query{In: []string{archive}}).Items; len(got) != 0 {
		t.Errorf("%d in the archive", len(got))
	}
	for _, id := range []string{"", "x", "tbm9uZQ", "../../etc/passwd", strings.Repeat("A", 100_000), "\x00", "a\r\nb"} {
		_, err := all.Thread(ctx(t), a, id)
		_, err2 := all.UpdateThread(ctx(t), a, id, email.Change{Unread: &yes})
		if err3 := all.DeleteThread(ctx(t), a, id); !errors.Is(err, provider.ErrThreadNotFound) || !errors.Is(err2, provider.ErrThreadNotFound) || !errors.Is(err3, provider.ErrThreadNotFound) {
			t.Errorf("%.20q: %v, %v, %v", id, err, err2, err3)
		}
	}
	if got := list(t, c, a, email.Query{In: []string{inbox}}).Items; len(got) != 2 {
		t.Errorf("after all that %d in the inbox", len(got))
	}
}
