package graph_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/providertest"
)

// watcher looks at a mailbox from one position to the next. Each look is another process's.
type watcher struct {
	*world
	t        testing.TB
	account  provider.Account
	position []byte
}

func (w *watcher) look() []provider.MailboxChange {
	w.t.Helper()
	wanted := map[provider.ChangeKind]bool{}
	for _, k := range provider.ChangeKinds() {
		wanted[k] = true
	}
	var all []provider.MailboxChange
	for range 300 {
		each, err := w.c.Watch(context.Background(), w.account)
		if err != nil {
			w.t.Fatal(err)
		}
		looked, err := each.Look(context.Background(), w.position, wanted)
		if err != nil {
			w.t.Fatal(err)
		}
		if len(looked.Changes) > provider.MostChanges {
			w.t.Fatalf("%d changes in one look", len(looked.Changes))
		}
		if looked.Position != nil {
			w.position = looked.Position
		}
		if all = append(all, looked.Changes...); !looked.More {
			return all
		}
	}
	w.t.Fatal("there is more without end")
	return nil
}

// told is what a look tells, in words: the kind, and the subject or name where there is one.
func (w *watcher) told() []string {
	w.t.Helper()
	var out []string
	for _, c := range w.look() {
		s := string(c.Kind)
		if c.Message != nil {
			s += " " + c.Message.Subject
		}
		if c.Folder != nil {
			s += " " + c.Folder.Name
		}
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}

func (w *watcher) want(what string, want ...string) {
	w.t.Helper()
	slices.Sort(want)
	if got := w.told(); !slices.Equal(got, want) {
		w.t.Fatalf("%s was told as %q, not %q", what, got, want)
	}
}

func (w *watcher) id(subject string) string {
	w.t.Helper()
	p, err := w.c.ListMessages(context.Background(), w.account, email.Query{Subject: subject})
	if err != nil || len(p.Items) != 1 {
		w.t.Fatalf("%s: %d, %v", subject, len(p.Items), err)
	}
	return p.Items[0].ID
}

func (w *watcher) move(subject, folder string) {
	w.t.Helper()
	if _, err := w.c.UpdateMessage(context.Background(), w.account, w.id(subject), email.Change{Folders: []string{folder}}); err != nil {
		w.t.Fatal(err)
	}
}

func watched(t *testing.T) (*watcher, *providertest.MicrosoftAccount) {
	t.Helper()
	w := start(t)
	w.Lifetime(1000 * time.Hour)
	a, x, _ := w.mailbox(t, "ada")
	return &watcher{world: w, t: t, account: x}, a
}

func TestMovesAreUpdates(t *testing.T) {
	w, a := watched(t)
	a.Deliver("INBOX", mail(1, w.clock.now()))
	w.want("the beginning")
	w.move("Number 001", "archive")
	w.want("a move", "message.updated Number 001")
	w.want("nothing")
	// Microsoft says of this one that it was removed, and never that it came back.
	w.move("Number 001", "inbox")
	w.want("the way back", "message.updated Number 001")
	w.move("Number 001", "archive")
	w.move("Number 001", "inbox")
	w.want("a move away and back", "message.updated Number 001")
	a.Deliver("INBOX", mail(2, w.clock.now()))
	w.move("Number 002", "archive")
	w.want("a message that a rule moved at once", "message.created Number 002")
	a.Erase("Number 002")
	w.want("its end", "message.deleted")
	w.want("nothing more")
}

// Microsoft forgets how far a mailbox was read: what is new or was changed is told, what was told before is not told again.
func TestAForgottenStateTellsNothingTwice(t *testing.T) {
	w, a := watched(t)
	for i := range 60 {
		a.Deliver("INBOX", mail(i, w.clock.now()))
	}
	w.want("the beginning")
	w.clock.pass(30 * time.Hour)
	a.Deliver("INBOX", mail(100, w.clock.now()))
	w.want("a new message", "message.created Number 100")
	w.clock.pass(time.Hour)
	w.ForgetSync()
	a.Deliver("INBOX", mail(101, w.clock.now()))
	a.Folder("Projects")
	a.Deliver("Projects", mail(102, w.clock.now()))
	if _, err := w.c.UpdateMessage(context.Background(), w.account, w.id("Number 007"), email.Change{Unread: new(bool)}); err != nil {
		t.Fatal(err)
	}
	w.want("what came with the loss", "folder.created Projects", "message.created Number 101", "message.created Number 102", "message.updated Number 007")
	w.ForgetSync()
	w.clock.pass(time.Hour)
	w.want("nothing more")
}

func TestManyChangesAreToldInPieces(t *testing.T) {
	w, a := watched(t)
	for i := range 1200 {
		a.Deliver("Archive", mail(i, w.clock.now()))
	}
	w.want("the beginning")
	var want []string
	for i := range 170 {
		folder := []string{"INBOX", "Projects/One", "Projects/Two"}[i%3]
		a.Deliver(folder, mail(2000+i, w.clock.now()))
		want = append(want, fmt.Sprintf("message.created Number %d", 2000+i))
	}
	for i := range 90 {
		a.Folder(fmt.Sprintf("Folder %02d", i))
		want = append(want, fmt.Sprintf("folder.created Folder %02d", i))
	}
	w.want("many changes", append(want, "folder.created Projects", "folder.created One", "folder.created Two")...)
	w.want("nothing more")
}

// A look that nobody could write is repeated: it tells the same, by marks that make the same events.
func TestALookThatWasLostIsRepeated(t *testing.T) {
	w, a := watched(t)
	w.want("the beginning")
	a.Deliver("INBOX", mail(1, w.clock.now()))
	before := slices.Clone(w.position)
	first := w.look()
	w.position = before
	second := w.look()
	if len(first) != 1 || len(second) != 1 || first[0].ID != second[0].ID || first[0].Kind != second[0].Kind || first[0].Mark != second[0].Mark {
		t.Fatalf("%+v, then %+v", first, second)
	}
}

// Another mailbox's links, and a server's that leads elsewhere, are not followed.
func TestLinksLeadNowhereElse(t *testing.T) {
	secrets := "https://evil.example/v1.0/me/messages?$deltatoken=x"
	address := providertest.Hostile(t, func(path string) string {
		switch {
		case strings.HasSuffix(path, "/mailFolders/delta"):
			return `{"value":[],"@odata.deltaLink":"` + secrets + `"}`
		}
		return `{}`
	})
	w := start(t)
	_, x, _ := w.mailbox(t, "ada")
	each, err := w.connector(address).Watch(context.Background(), x)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := each.Look(context.Background(), nil, nil); err == nil || strings.Contains(err.Error(), "evil") {
		t.Fatalf("a link to elsewhere was followed: %v", err)
	}
}

// A quiet mailbox costs one request for its folders and one for each folder that is busy by nature; the others take turns.
func TestAQuietMailboxIsAskedLittle(t *testing.T) {
	w, a := watched(t)
	for i := range 40 {
		a.Folder(fmt.Sprintf("Quiet %02d", i))
	}
	w.want("the beginning")
	each, err := w.c.Watch(context.Background(), w.account)
	if err != nil {
		t.Fatal(err)
	}
	position := w.position
	for look := range 6 {
		before := len(w.Requests())
		looked, err := each.Look(context.Background(), position, nil)
		if err != nil || looked.Position != nil || looked.More {
			t.Fatalf("look %d: %+v, %v", look, looked, err)
		}
		switch n := len(w.Requests()) - before; {
		case look%4 == 0 && n < 47:
			t.Errorf("look %d asked for %d things: every folder has its turn", look, n)
		case look%4 != 0 && n > 25:
			t.Errorf("look %d asked for %d things", look, n)
		}
	}
}

func TestAThrottledLookLosesNothing(t *testing.T) {
	w, a := watched(t)
	w.want("the beginning")
	for i := range 3 {
		a.Deliver("INBOX", mail(i, w.clock.now()))
	}
	each, _ := w.c.Watch(context.Background(), w.account)
	for n := range 8 {
		// The request that fails is another one each time.
		w.Break(1, 503, "ServiceUnavailable", "1")
		if n%2 == 1 {
			w.Throttle(1, "1")
		}
		if _, err := each.Look(context.Background(), w.position, maps.Collect(maps.All(map[provider.ChangeKind]bool{provider.MessageCreated: true}))); err == nil || errors.Is(err, provider.ErrCredentialRefused) {
			t.Fatalf("%v", err)
		}
		w.Break(0, 0, "", "")
		w.Throttle(0, "")
	}
	w.want("all of it", "message.created Number 000", "message.created Number 001", "message.created Number 002")
}
