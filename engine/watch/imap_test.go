package watch_test

import (
	"fmt"
	"testing"
	"time"

	goimap "github.com/emersion/go-imap/v2"

	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/imap"
	"github.com/postern-mail/postern/engine/provider/providertest"
	"github.com/postern-mail/postern/engine/watch"
	"github.com/postern-mail/postern/models"
)

// letter is a small message with a subject.
func letter(subject string) providertest.Mail {
	return providertest.Mail{Unread: true, Received: time.Now(), Raw: "From: Grace Hopper <grace@example.com>\r\nTo: ada@dovecot.test\r\nSubject: " + subject + "\r\nMessage-ID: <" + subject + "@example.com>\r\nDate: Mon, 02 Nov 2026 10:00:00 +0000\r\n\r\nHello.\r\n"}
}

func imapWorld(t *testing.T) (*world, *providertest.DovecotServer) {
	t.Helper()
	d := providertest.Dovecot(t)
	w := newWorld(t, imap.New(imap.Config{Guard: guard(), Now: time.Now, Roots: d.Roots}))
	w.offer("imap")
	return w, d
}

// TestAMessageReachesTheReceiver is the whole way: delivered into Dovecot, told in IDLE, looked at, written, sent to a receiver.
func TestAMessageReachesTheReceiver(t *testing.T) {
	w, d := imapWorld(t)
	a := d.Account(t)
	d.Deliver(t, a, "INBOX", letter("before"))
	g := w.connect("imap", a)
	w.ask(everything()...)
	w.send()
	w.background(w.process(nil).Run)
	w.learned(g)

	c := d.Client(t, a.Login)
	providertest.Append(t, c, "INBOX", letter("first"))
	w.await("message.created", func() bool { return len(w.hooks.of("message.created")) == 1 })
	e := w.hooks.of("message.created")[0]
	o := e.Data.Object
	if o["subject"] != "first" || o["grant_id"] != g.ID.String() || o["object"] != "message" || o["unread"] != true || o["body"] == "" || e.Source != "/imap/emails/realtime" {
		t.Fatalf("the event is %+v", e)
	}
	id := o["id"]

	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	if err := c.Store(goimap.SeqSetNum(2), &goimap.StoreFlags{Op: goimap.StoreFlagsAdd, Flags: []goimap.Flag{goimap.FlagSeen}}, nil).Close(); err != nil {
		t.Fatal(err)
	}
	w.await("message.updated", func() bool { return len(w.hooks.of("message.updated")) == 1 })
	if o := w.hooks.of("message.updated")[0].Data.Object; o["id"] != id || o["unread"] != false {
		t.Fatalf("the update is %v", o)
	}
	if err := c.Store(goimap.SeqSetNum(2), &goimap.StoreFlags{Op: goimap.StoreFlagsAdd, Flags: []goimap.Flag{goimap.FlagDeleted}}, nil).Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Expunge().Close(); err != nil {
		t.Fatal(err)
	}
	w.await("message.deleted", func() bool { return len(w.hooks.of("message.deleted")) == 1 })
	if o := w.hooks.of("message.deleted")[0].Data.Object; o["id"] != id || o["grant_id"] != g.ID.String() || o["object"] != "message" || len(o) != 3 {
		t.Fatalf("the deletion is %v", o)
	}
	if n := w.events("message.created"); n != 1 {
		t.Fatalf("%d messages were told as created: what was there before is not news", n)
	}
}

// TestFoldersAndWhatIsInThem: other folders are looked at at each look, here because something reaches the inbox.
func TestFoldersAndWhatIsInThem(t *testing.T) {
	w, d := imapWorld(t)
	a := d.Account(t)
	g := w.connect("imap", a)
	w.ask(everything()...)
	w.send()
	w.background(w.process(nil).Run)
	w.learned(g)
	c := d.Client(t, a.Login)
	if err := c.Create("Invoices", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	const many = provider.MostChanges + 20
	for i := range many {
		providertest.Append(t, c, "Invoices", letter(fmt.Sprintf("invoice-%d", i)))
	}
	providertest.Append(t, c, "INBOX", letter("knock"))
	w.await("the messages of the new folder", func() bool { return len(w.hooks.of("message.created")) == many+1 })
	if list := w.hooks.of("folder.created"); len(list) != 1 || list[0].Data.Object["name"] != "Invoices" {
		t.Fatalf("folders created: %+v", list)
	}
	if err := c.Delete("Invoices").Wait(); err != nil {
		t.Fatal(err)
	}
	providertest.Append(t, c, "INBOX", letter("knock again"))
	w.await("the end of the folder", func() bool { return len(w.hooks.of("folder.deleted")) == 1 })
	w.await("the end of its messages", func() bool { return len(w.hooks.of("message.deleted")) == many })
	if n := w.events("message.created"); n != many+2 {
		t.Fatalf("%d events of created messages, want %d", n, many+2)
	}
}

// TestAnotherProcessGoesOn: the process that watches dies without a word; another takes over, and each message is told once.
func TestAnotherProcessGoesOn(t *testing.T) {
	w, d := imapWorld(t)
	a := d.Account(t)
	g := w.connect("imap", a)
	w.ask(everything()...)
	quick := func(c *watch.Config) { c.Hold = 2 * time.Second }
	first, second := w.process(quick), w.process(quick)
	first.Freeze(true) // it never gives back what it holds, as a killed process does not
	stop := w.background(first.Run)
	w.learned(g)
	c := d.Client(t, a.Login)
	providertest.Append(t, c, "INBOX", letter("one"))
	w.await("the first message", func() bool { return w.events("message.created") == 1 })
	stop()
	providertest.Append(t, c, "INBOX", letter("two"))
	providertest.Append(t, c, "INBOX", letter("three"))
	w.background(second.Run)
	w.await("the messages of the time between", func() bool { return w.events("message.created") == 3 })
	providertest.Append(t, c, "INBOX", letter("four"))
	w.await("the next message", func() bool { return w.events("message.created") == 4 })
	if fence := w.count(`SELECT fence FROM watches`); fence != 2 {
		t.Fatalf("the fence is %d after two processes", fence)
	}
}

// TestARevocationEndsTheWatch at once: its connection, its row, its position.
func TestARevocationEndsTheWatch(t *testing.T) {
	w, d := imapWorld(t)
	a := d.Account(t)
	g := w.connect("imap", a)
	w.ask("message.created")
	w.background(w.engine.Watch.Run)
	w.learned(g)
	c := d.Client(t, a.Login)
	connector, err := w.config.Providers.Connector("imap")
	w.must(err)
	counter := connector.(interface{ Open(string) int })
	key := w.tokens.Account(g).Key
	if n := counter.Open(key); n != 1 {
		t.Fatalf("%d connections are open to a watched mailbox", n)
	}
	_, err = w.engine.Grants.Revoke(w.ctx, models.System("test"), g.ID, "test")
	w.must(err)
	if n := counter.Open(key); n != 0 {
		t.Fatalf("%d connections are open after the revocation", n)
	}
	if n := w.count(`SELECT (SELECT count(*) FROM watches) + (SELECT count(*) FROM sealed WHERE owner_kind = 'watch')`); n != 0 {
		t.Fatalf("%d rows are left of the watch", n)
	}
	providertest.Append(t, c, "INBOX", letter("afterwards"))
	w.await("the end of its goroutine", func() bool { return w.engine.Watch.Watching() == 0 })
	if n := w.events("message.created"); n != 0 {
		t.Fatalf("%d messages were told after the revocation", n)
	}
}

// TestNobodyAsks: without a webhook that asks for mail nothing is watched, and the end of the last one ends the watch.
func TestNobodyAsks(t *testing.T) {
	w, d := imapWorld(t)
	g := w.connect("imap", d.Account(t))
	w.ask("grant.created")
	s := w.process(nil)
	w.background(s.Run)
	hook := w.ask("message.created")
	w.learned(g)
	w.must(w.engine.Webhooks.Delete(w.ctx, w.staff, hook.ID))
	w.await("the end of the watch", func() bool {
		return s.Watching() == 0 && w.count(`SELECT (SELECT count(*) FROM watches) + (SELECT count(*) FROM sealed WHERE owner_kind = 'watch')`) == 0
	})
}
