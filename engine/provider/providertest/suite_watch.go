package providertest

import (
	"slices"
	"strings"
	"testing"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
)

// looks looks until there is no more, and gives what changed and the position after it.
func looks(t *testing.T, w provider.Watch, position []byte) ([]provider.MailboxChange, []byte) {
	t.Helper()
	wanted := map[provider.ChangeKind]bool{}
	for _, k := range provider.ChangeKinds() {
		wanted[k] = true
	}
	var all []provider.MailboxChange
	for range 50 {
		looked, err := w.Look(ctx(t), position, wanted)
		if err != nil {
			t.Fatalf("look: %v", err)
		}
		if looked.Position != nil {
			position = looked.Position
		}
		if all = append(all, looked.Changes...); !looked.More {
			return all, position
		}
	}
	t.Fatal("there is more without end")
	return nil, nil
}

// watched: what happens to a mailbox is told, each thing once, by whoever looks on from the last position.
func watched(t *testing.T, c Case) {
	watcher, ok := c.Connector.(provider.Watcher)
	if ok == c.lacks("watch") {
		t.Fatalf("watched: %v, declared as lacking: %v", ok, c.lacks("watch"))
	}
	if !ok {
		return
	}
	a := c.Account(t)
	c.Deliver(t, a, "INBOX", simple(1))
	var position []byte
	w, err := watcher.Watch(ctx(t), a)
	if err != nil {
		t.Fatal(err)
	}
	want := func(what string, kinds ...provider.ChangeKind) []provider.MailboxChange {
		t.Helper()
		changes, next := looks(t, w, position)
		position = next
		var got []provider.ChangeKind
		for _, x := range changes {
			got = append(got, x.Kind)
			if strings.HasPrefix(string(x.Kind), "message.") && x.Kind != provider.MessageDeleted && x.Message == nil || x.ID == "" {
				t.Errorf("%s: a change without its message: %+v", what, x)
			}
		}
		if !slices.Equal(got, kinds) {
			t.Fatalf("%s was told as %v, not %v", what, got, kinds)
		}
		return changes
	}
	want("the beginning")
	c.Deliver(t, a, "INBOX", simple(2))
	told := want("a new message", provider.MessageCreated)[0].Message
	if told.Subject != "Message 002" || !told.Unread || !strings.Contains(told.Body(), "Body of message 2") {
		t.Errorf("the new message: %+v", told)
	}
	w.Close()
	if w, err = watcher.Watch(ctx(t), a); err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	want("nothing, to the next who looks")
	if updater, ok := c.Connector.(provider.MessageUpdater); ok {
		if _, err := updater.UpdateMessage(ctx(t), a, told.ID, email.Change{Unread: new(bool)}); err != nil {
			t.Fatal(err)
		}
		if m := want("a message that was read", provider.MessageUpdated)[0].Message; m.ID != told.ID || m.Unread {
			t.Errorf("the message that was read: %+v", m)
		}
	}
	if deleter, ok := c.Connector.(provider.MessageDeleter); ok {
		if err := deleter.DeleteMessage(ctx(t), a, told.ID, true); err != nil {
			t.Fatal(err)
		}
		if x := want("a message that was erased", provider.MessageDeleted)[0]; x.ID != told.ID {
			t.Errorf("the message that was erased: %+v", x)
		}
	}
	if folders, ok := c.Connector.(provider.FolderWriter); ok {
		made, err := folders.CreateFolder(ctx(t), a, email.NewFolder{Name: "Watched"})
		if err != nil {
			t.Fatal(err)
		}
		if f := want("a new folder", provider.FolderCreated)[0].Folder; f == nil || f.Name != "Watched" || f.ID != made.ID {
			t.Errorf("the new folder: %+v", f)
		}
		if err := folders.DeleteFolder(ctx(t), a, made.ID); err != nil {
			t.Fatal(err)
		}
		// Some providers move it among what was deleted, where it is still to be seen.
		kind := provider.FolderDeleted
		if c.FolderToTrash {
			kind = provider.FolderUpdated
		}
		if x := want("a folder that was deleted", kind)[0]; x.ID != made.ID {
			t.Errorf("the folder that was deleted: %+v", x)
		}
	}
	want("nothing more")
}
