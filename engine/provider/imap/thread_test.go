package imap_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/imap"
	"github.com/postern-mail/postern/engine/provider/providertest"
)

// counted passes connections on to a server and counts what the server says.
func counted(t *testing.T, to string) (addr string, said *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	said = &atomic.Int64{}
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			go func() { _, _ = io.Copy(out, in); _ = out.Close() }()
			go func() { _, _ = io.Copy(io.MultiWriter(in, counter{said}), out); _ = in.Close() }()
		}
	}()
	return l.Addr().String(), said
}

type counter struct{ n *atomic.Int64 }

func (c counter) Write(p []byte) (int, error) { c.n.Add(int64(len(p))); return len(p), nil }

// A page of threads must not cost what the folder holds: only the first list of it reads a little of every message.
func TestThreadsOfALargeFolder(t *testing.T) {
	d := providertest.Dovecot(t)
	a := d.Account(t)
	addr, said := counted(t, net.JoinHostPort(d.Host, d.IMAPPort))
	a.Settings = d.Settings(provider.Plain)
	a.Settings[provider.IMAPHost], a.Settings[provider.IMAPPort], _ = net.SplitHostPort(addr)
	const conversations = 3000
	d.Fill(t, a.Login, 3*conversations, func(i int) string {
		n, id, refs := i%conversations, "", ""
		switch i / conversations {
		case 0:
			id = fmt.Sprintf("root%d@x", n)
		default:
			id, refs = fmt.Sprintf("answer%d@x", i), fmt.Sprintf("In-Reply-To: <root%d@x>\r\nReferences: <root%d@x>\r\n", n, n)
		}
		return fmt.Sprintf("From: a@example.com\r\nTo: b@example.com\r\nSubject: Talk %d\r\nMessage-ID: <%s>\r\n%s\r\n%s", n, id, refs, strings.Repeat("Words of a message.\r\n", 5))
	})
	c := imap.New(imap.Config{Guard: guard(), Roots: d.Roots})
	cost := func(q email.ThreadQuery) (email.Page[email.Thread], int64) {
		t.Helper()
		before := said.Load()
		p, err := c.ListThreads(context.Background(), a, q)
		if err != nil {
			t.Fatal(err)
		}
		return p, said.Load() - before
	}
	first, whole := cost(email.ThreadQuery{})
	if len(first.Items) != 20 || len(first.Items[0].MessageIDs) != 3 || first.Items[0].Subject != fmt.Sprintf("Talk %d", conversations-1) || first.Next == "" {
		t.Fatalf("%d items: %+v", len(first.Items), first.Items[0])
	}
	next, second := cost(email.ThreadQuery{Cursor: first.Next})
	if len(next.Items) != 20 || next.Items[0].Subject != fmt.Sprintf("Talk %d", conversations-21) || len(next.Items[19].MessageIDs) != 3 {
		t.Fatalf("%+v", next.Items)
	}
	if _, again := cost(email.ThreadQuery{}); whole < 500_000 || again > 120_000 || second > 120_000 {
		t.Errorf("the first list brought %d bytes, the same again %d, the next page %d", whole, again, second)
	}
	// What comes later is seen, and brings an old conversation to the top.
	d.Deliver(t, a, "INBOX", providertest.Mail{Received: time.Now(), Raw: "From: a@example.com\r\nTo: b@example.com\r\nSubject: Talk 0\r\nMessage-ID: <late@x>\r\nReferences: <root0@x>\r\n\r\nstill there?\r\n"})
	if p, late := cost(email.ThreadQuery{}); len(p.Items[0].MessageIDs) != 4 || p.Items[0].Snippet != "still there?" || late > 120_000 {
		t.Errorf("%d bytes: %+v", late, p.Items[0])
	}
	// The last pages hold what was met before: nothing is told twice, and there is an end.
	if p, _ := cost(email.ThreadQuery{Subject: "Talk 1999"}); len(p.Items) != 1 || p.Next != "" || len(p.Items[0].MessageIDs) != 3 {
		t.Errorf("%+v", p)
	}
}
