package graph_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
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
	w.Break(2, 400, "InefficientFilter", "")
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
