package imap_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/imap"
	"github.com/postern-mail/postern/engine/provider/providertest"
)

// BenchmarkList20 lists 20 messages of 2 KiB over a warm connection; BenchmarkBareFetch20 is a plain client's FETCH of the same.
func BenchmarkList20(b *testing.B) {
	d, a := filled(b)
	c := imap.New(imap.Config{Guard: guard(), Roots: d.Roots})
	for b.Loop() {
		if p, err := c.ListMessages(context.Background(), a, email.Query{Limit: 20}); err != nil || len(p.Items) != 20 {
			b.Fatal(err)
		}
	}
}

func BenchmarkBareFetch20(b *testing.B) {
	d, a := filled(b)
	k, err := imapclient.DialInsecure(net.JoinHostPort(d.Host, d.IMAPPort), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = k.Close() }()
	if err := k.Login(a.Login, d.Password(a.Login).Reveal()).Wait(); err != nil {
		b.Fatal(err)
	}
	if _, err := k.Select("INBOX", &goimap.SelectOptions{ReadOnly: true}).Wait(); err != nil {
		b.Fatal(err)
	}
	var set goimap.SeqSet
	set.AddRange(181, 200)
	for b.Loop() {
		m, err := k.Fetch(set, &goimap.FetchOptions{UID: true, Flags: true, InternalDate: true, RFC822Size: true, BodySection: []*goimap.FetchItemBodySection{{Peek: true}}}).Collect()
		if err != nil || len(m) != 20 {
			b.Fatal(err)
		}
	}
}

func filled(b *testing.B) (*providertest.DovecotServer, provider.Account) {
	d := providertest.Dovecot(b)
	a := d.Account(b)
	a.Settings = d.Settings(provider.Plain)
	k := d.Client(b, a.Login)
	for range 200 {
		providertest.Append(b, k, "INBOX", providertest.Mail{Received: time.Now(), Raw: "From: a@example.com\r\nTo: b@example.com\r\nSubject: Something\r\nMessage-ID: <x@y>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + strings.Repeat("A line of sixty characters or so, to fill up the message body.\r\n", 30)})
	}
	return d, a
}

// BenchmarkThreads lists a page of threads of a folder of 10,000 messages, three to a thread.
func BenchmarkThreads(b *testing.B) {
	d := providertest.Dovecot(b)
	a := d.Account(b)
	a.Settings = d.Settings(provider.Plain)
	d.Fill(b, a.Login, 10_000, func(i int) string {
		root, refs := fmt.Sprintf("%d@threads.example.com", i/3), ""
		if i%3 > 0 {
			refs = fmt.Sprintf("In-Reply-To: <%s>\r\nReferences: <%s>\r\n", root, root)
			root = fmt.Sprintf("%d.%s", i%3, root)
		}
		return fmt.Sprintf("From: a@example.com\r\nTo: b@example.com\r\nSubject: Something %d\r\nMessage-ID: <%s>\r\n%sContent-Type: text/plain; charset=utf-8\r\n\r\n", i/3, root, refs) +
			strings.Repeat("A line of sixty characters or so, to fill up the message body.\r\n", 30)
	})
	c := imap.New(imap.Config{Guard: guard(), Roots: d.Roots})
	list := func(b *testing.B, q email.ThreadQuery) email.Page[email.Thread] {
		p, err := c.ListThreads(context.Background(), a, q)
		if err != nil || len(p.Items) != 20 {
			b.Fatal(len(p.Items), err)
		}
		return p
	}
	begin := time.Now()
	p := list(b, email.ThreadQuery{})
	b.Log("the first time", time.Since(begin))
	for name, q := range map[string]email.ThreadQuery{"first page": {}, "next page": {Cursor: p.Next}, "read": {Unread: new(bool)}, "subject": {Subject: "Something 1"}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				list(b, q)
			}
		})
	}
	b.Run("one", func(b *testing.B) {
		for b.Loop() {
			if _, err := c.Thread(context.Background(), a, p.Items[3].ID); err != nil {
				b.Fatal(err)
			}
		}
	})
	k := d.Client(b, a.Login)
	if _, err := k.Select("INBOX", &goimap.SelectOptions{ReadOnly: true}).Wait(); err != nil {
		b.Fatal(err)
	}
	for _, by := range []goimap.ThreadAlgorithm{"REFERENCES", "REFS"} {
		b.Run("bare THREAD="+string(by), func(b *testing.B) {
			for b.Loop() {
				all, err := k.UIDThread(&imapclient.ThreadOptions{Algorithm: by, SearchCriteria: &goimap.SearchCriteria{}}).Wait()
				if err != nil {
					b.Fatal(err)
				}
				if b.N == 1 {
					b.Log(len(all))
				}
			}
		})
	}
}
