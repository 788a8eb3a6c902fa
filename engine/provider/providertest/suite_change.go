package providertest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
)

func update(t *testing.T, c Case) {
	u, ok := c.Connector.(provider.MessageUpdater)
	if !ok {
		t.Skip("declared as lacking")
	}
	a := c.Account(t)
	fill(t, c, a, 3)
	id := list(t, c, a, email.Query{}).Items[0].ID // message 3: read and starred
	archive := c.folder(a, "Archive")
	yes, no := true, false
	m, err := u.UpdateMessage(ctx(t), a, id, email.Change{Unread: &yes, Starred: &no})
	if err != nil || !m.Unread || m.Starred || m.ID != id {
		t.Fatalf("%+v %v", m, err)
	}
	m, err = u.UpdateMessage(ctx(t), a, id, email.Change{Unread: &no, Folders: []string{archive}})
	if err != nil || m.Unread || len(m.Folders) != 1 || m.Folders[0] != archive || m.Subject != "Message 003" {
		t.Fatalf("%+v %v", m, err)
	}
	if got := list(t, c, a, email.Query{}); len(got.Items) != 2 {
		t.Errorf("%d left in the inbox", len(got.Items))
	}
	if got := list(t, c, a, email.Query{In: []string{archive}}); len(got.Items) != 1 || got.Items[0].ID != m.ID {
		t.Errorf("archive: %+v", got)
	}
	if c.StableIDs {
		if m.ID != id {
			t.Errorf("the id changed from %q to %q", id, m.ID)
		}
	} else if _, err := u.UpdateMessage(ctx(t), a, id, email.Change{Unread: &yes}); !errors.Is(err, provider.ErrMessageNotFound) {
		t.Errorf("the old id: %v", err)
	}
	if _, err := u.UpdateMessage(ctx(t), a, m.ID, email.Change{Folders: []string{"Nowhere"}}); !errors.Is(err, provider.ErrFolderNotFound) {
		t.Errorf("into nowhere: %v", err)
	}
	both := []string{archive, c.folder(a, "INBOX")}
	if two, err := u.UpdateMessage(ctx(t), a, m.ID, email.Change{Folders: both}); !c.ManyFolders && fault.KindOf(err) != fault.Invalid {
		t.Errorf("into two: %v", err)
	} else if c.ManyFolders && (err != nil || len(two.Folders) != 2) {
		t.Errorf("into two: %v %v", two.Folders, err)
	}
	if got := list(t, c, a, email.Query{In: []string{archive}}); len(got.Items) != 1 {
		t.Error("a refused move lost the message")
	}
}

func remove(t *testing.T, c Case) {
	d, ok := c.Connector.(provider.MessageDeleter)
	if !ok {
		t.Skip("declared as lacking")
	}
	a := c.Account(t)
	fill(t, c, a, 3)
	items := list(t, c, a, email.Query{}).Items
	if err := d.DeleteMessage(ctx(t), a, items[0].ID, false); err != nil {
		t.Fatal(err)
	}
	bin := []string{c.folder(a, "Trash")}
	trash := list(t, c, a, email.Query{In: bin}).Items
	if len(trash) != 1 || trash[0].Subject != items[0].Subject {
		t.Fatalf("trash: %+v", trash)
	}
	if err := d.DeleteMessage(ctx(t), a, trash[0].ID, false); err != nil || len(list(t, c, a, email.Query{In: bin}).Items) != 1 {
		t.Errorf("deleting from the trash: %v", err)
	}
	if err := d.DeleteMessage(ctx(t), a, items[1].ID, true); err != nil {
		t.Fatal(err)
	}
	if n := len(list(t, c, a, email.Query{}).Items); n != 1 {
		t.Errorf("%d left", n)
	}
	if n := len(list(t, c, a, email.Query{In: bin}).Items); n != 1 {
		t.Errorf("%d in the trash", n)
	}
	gone := []string{items[1].ID, "nonsense"}
	if !c.StableIDs {
		gone = append(gone, items[0].ID)
	}
	for _, id := range gone {
		if err := d.DeleteMessage(ctx(t), a, id, true); !errors.Is(err, provider.ErrMessageNotFound) {
			t.Errorf("again: %v", err)
		}
	}
}

func folders(t *testing.T, c Case) {
	f, ok := c.Connector.(provider.FolderLister)
	if !ok {
		t.Skip("declared as lacking")
	}
	a := c.Account(t)
	fill(t, c, a, 4)
	c.Deliver(t, a, "Projekte/Überweisungen & Co", Mail{Received: base, Raw: "Subject: in a folder\r\n\r\nx\r\n"})
	all, err := f.ListFolders(ctx(t), a)
	if err != nil {
		t.Fatal(err)
	}
	found := map[email.Attribute]email.Folder{}
	var odd email.Folder
	for _, x := range all {
		if x.ID == "" || strings.ContainsAny(x.ID, "/+=?#% ") || x.Name == "" {
			t.Errorf("%+v", x)
		}
		for _, at := range x.Attributes {
			found[at] = x
		}
		if x.Name == "Überweisungen & Co" {
			odd = x
		}
	}
	for _, want := range []email.Attribute{email.Inbox, email.Sent, email.Drafts, email.Trash, email.Junk, email.Archive} {
		if want == email.Archive && c.lacks("archive") {
			continue
		}
		if found[want].ID == "" || !found[want].System {
			t.Errorf("no %s", want)
		}
	}
	if in := found[email.Inbox]; in.Total != 4 || in.Unread != 2 || all[0].ID != in.ID {
		t.Errorf("inbox: %+v", in)
	}
	if odd.ParentID == "" || odd.Total != 1 {
		t.Fatalf("modified UTF-7: %+v", odd)
	}
	p := list(t, c, a, email.Query{In: []string{odd.ID}})
	if len(p.Items) != 1 || p.Items[0].Folders[0] != odd.ID {
		t.Fatalf("%+v", p)
	}
	if m, err := c.Connector.(provider.MessageReader).Message(ctx(t), a, p.Items[0].ID, email.Standard); err != nil || m.Subject != "in a folder" {
		t.Errorf("%+v %v", m, err)
	}
}

func send(t *testing.T, c Case) {
	s, ok := c.Connector.(provider.Sender)
	if !ok || c.SendTo == "" {
		t.Skip("declared as lacking, or not set up")
	}
	a := c.Account(t)
	m, err := s.Send(ctx(t), a, email.Draft{To: []email.Address{{Email: c.SendTo}}, Subject: "Grüße from the suite", HTML: "<p>Hello</p>",
		Attachments: []email.Enclosure{{Filename: "note.txt", ContentType: "text/plain", Content: strings.NewReader("note")}}})
	if err != nil {
		t.Fatal(err)
	}
	outbox := []string{c.folder(a, "Sent")}
	sent := list(t, c, a, email.Query{In: outbox}).Items
	if len(sent) != 1 || sent[0].Subject != "Grüße from the suite" || sent[0].Unread || sent[0].ID != m.ID || len(sent[0].Attachments) != 1 || sent[0].From[0].Email != a.Address {
		t.Errorf("sent: %+v, answered %+v", sent, m)
	}
	// A complete message may come without an id; it is found among the sent ones all the same, and not another in its place.
	if m, err = s.Send(ctx(t), a, email.Draft{Raw: strings.NewReader("From: " + a.Address + "\r\nTo: " + c.SendTo + "\r\nSubject: Complete\r\n\r\nHello\r\n")}); err != nil {
		t.Fatal(err)
	}
	for _, x := range list(t, c, a, email.Query{In: outbox}).Items {
		if (x.Subject == "Complete") != (x.ID == m.ID) {
			t.Errorf("the complete message is %q, and %q is %q", m.ID, x.Subject, x.ID)
		}
	}
	for name, d := range map[string]email.Draft{"nobody": {Subject: "x"}, "injection": {To: []email.Address{{Email: c.SendTo}}, Subject: "x\r\nBcc: eve@example.com"}, "not an address": {To: []email.Address{{Email: "a b"}}}} {
		if _, err := s.Send(ctx(t), a, d); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(list(t, c, a, email.Query{In: outbox}).Items); n != 2 {
		t.Errorf("%d sent", n)
	}
}

func revoked(t *testing.T, c Case) {
	a := c.Account(t)
	fill(t, c, a, 1)
	id := list(t, c, a, email.Query{}).Items[0].ID
	c.Revoke(t, a)
	c.Connector.Close(a.Key)
	_, err := c.Connector.(provider.MessageLister).ListMessages(ctx(t), a, email.Query{})
	if !errors.Is(err, provider.ErrCredentialRefused) && !errors.Is(err, provider.ErrInvalidGrant) {
		t.Errorf("list: %v", err)
	}
	_, err = c.Connector.(provider.MessageReader).Message(ctx(t), a, id, email.Standard)
	if !errors.Is(err, provider.ErrCredentialRefused) && !errors.Is(err, provider.ErrInvalidGrant) {
		t.Errorf("get: %v", err)
	}
}

func closed(t *testing.T, c Case) {
	a := c.Account(t)
	fill(t, c, a, 1)
	asked := 0
	inner := a.Credential
	a.Credential = func(ctx context.Context) (provider.Credential, error) { asked++; return inner(ctx) }
	for range 3 {
		list(t, c, a, email.Query{})
	}
	if asked > 1 {
		t.Errorf("asked %d times for the credential of a warm connection", asked)
	}
	c.Connector.Close(a.Key)
	c.Connector.Close(a.Key)
	c.Connector.Close("never used")
	a.Credential = func(context.Context) (provider.Credential, error) {
		return provider.Credential{}, provider.ErrInvalidGrant
	}
	if _, err := c.Connector.(provider.MessageLister).ListMessages(ctx(t), a, email.Query{}); !errors.Is(err, provider.ErrInvalidGrant) {
		t.Errorf("after Close something still answers: %v", err)
	}
}

func cancelled(t *testing.T, c Case) {
	a := c.Account(t)
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	begin := time.Now()
	if _, err := c.Connector.(provider.MessageLister).ListMessages(gone, a, email.Query{}); err == nil {
		t.Error("a cancelled call succeeds")
	}
	if time.Since(begin) > 5*time.Second {
		t.Error("slow to notice")
	}
}
