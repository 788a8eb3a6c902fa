package gmail_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/gmail"
	"github.com/postern-mail/postern/engine/provider/providertest"
)

func letter(subject string) providertest.Mail {
	return providertest.Mail{Unread: true, Received: time.Now(), Raw: "From: grace@example.com\r\nTo: ada@gmail.example\r\nSubject: " + subject + "\r\nMessage-ID: <" + subject + "@example.com>\r\n\r\nHello.\r\n"}
}

// eye looks at a mailbox as a watch does, and keeps the position.
type eye struct {
	*testing.T
	watch    provider.Watch
	position []byte
}

// look looks until there is no more, and gives what changed as "kind subject-or-id".
func (e *eye) look() []string {
	e.Helper()
	wanted := map[provider.ChangeKind]bool{}
	for _, k := range provider.ChangeKinds() {
		wanted[k] = true
	}
	var out []string
	for range 100 {
		looked, err := e.watch.Look(context.Background(), e.position, wanted)
		if err != nil {
			e.Fatal(err)
		}
		if looked.Position != nil {
			e.position = looked.Position
		}
		for _, c := range looked.Changes {
			what := c.ID
			if c.Message != nil {
				what = c.Message.Subject
			} else if c.Folder != nil {
				what = c.Folder.Name
			}
			out = append(out, string(c.Kind)+" "+what)
		}
		if !looked.More {
			return out
		}
	}
	e.Fatal("there is more without end")
	return nil
}

func (e *eye) want(list ...string) {
	e.Helper()
	if got := e.look(); strings.Join(got, "\n") != strings.Join(list, "\n") {
		e.Fatalf("the look told\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(list, "\n"))
	}
}

func watched(t *testing.T) (*providertest.GoogleServer, *gmail.Connector, provider.Account, *providertest.GoogleUser, *eye) {
	t.Helper()
	g := providertest.Google(t)
	a, u, _ := g.Account(g.App(callback))
	c := connector(g)
	w, err := c.Watch(context.Background(), a)
	if err != nil {
		t.Fatal(err)
	}
	return g, c, a, u, &eye{T: t, watch: w}
}

func TestWatchTellsTheHistory(t *testing.T) {
	g, c, a, u, e := watched(t)
	ctx := context.Background()
	g.Deliver(t, a, "INBOX", letter("before"))
	e.want()
	g.Deliver(t, a, "INBOX", letter("first"))
	e.want("message.created first")
	e.want()
	page, err := c.ListMessages(ctx, a, email.Query{Subject: "first"})
	if err != nil || len(page.Items) != 1 {
		t.Fatal(page, err)
	}
	id, no := page.Items[0].ID, false
	if _, err := c.UpdateMessage(ctx, a, id, email.Change{Unread: &no}); err != nil {
		t.Fatal(err)
	}
	e.want("message.updated first")
	g.Label(u, "Invoices")
	e.want("folder.created Invoices")
	if err := c.DeleteMessage(ctx, a, id, true); err != nil {
		t.Fatal(err)
	}
	e.want("message.deleted " + id)
	for i := range 60 {
		g.Deliver(t, a, "INBOX", letter(fmt.Sprintf("many-%02d", i)))
	}
	if n := len(e.look()); n != 60 {
		t.Fatalf("%d of 60 messages were told", n)
	}
	e.want()
}

// TestWatchAfterAWeek: the history is gone; what came since is found by listing, and the history goes on from there.
func TestWatchAfterAWeek(t *testing.T) {
	g, _, a, _, e := watched(t)
	e.want()
	m := letter("while nobody looked")
	m.Received = time.Now().Add(time.Minute)
	g.Deliver(t, a, "INBOX", m)
	g.ForgetHistory(a.Address)
	e.want("message.created while nobody looked")
	e.want()
	g.Deliver(t, a, "INBOX", letter("next"))
	e.want("message.created next")
}

// TestPushesAreAskedFor daily, where the connector names a topic.
func TestPushesAreAskedFor(t *testing.T) {
	g := providertest.Google(t)
	app := g.App(callback)
	a, _, _ := g.Account(app)
	app.Settings = map[string]string{"topic_name": "projects/acme-mail/topics/gmail"}
	a.App = func(context.Context) (provider.App, error) { return app, nil }
	w, err := connector(g).Watch(context.Background(), a)
	if err != nil {
		t.Fatal(err)
	}
	e := &eye{T: t, watch: w}
	e.want()
	e.want()
	if n := g.Seen("/watch"); n != 1 {
		t.Fatalf("pushes were asked for %d times", n)
	}
}
