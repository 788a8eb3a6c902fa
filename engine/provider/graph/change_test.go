package graph_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
)

func TestFoldersOfALargeMailbox(t *testing.T) {
	w := start(t)
	a, x, _ := w.mailbox(t, "ada")
	for i := range 130 {
		a.Folder(fmt.Sprintf("Projects/P%03d", i))
	}
	a.Folder("Projects/P000/Deep/Deeper")
	for i := range 105 {
		a.Folder(fmt.Sprintf("Top %03d", i))
	}
	all, err := w.c.ListFolders(context.Background(), x)
	if err != nil || len(all) != 7+1+130+2+105 {
		t.Fatalf("%d folders, %v", len(all), err)
	}
	byName := map[string]email.Folder{}
	for _, f := range all {
		byName[f.Name] = f
	}
	if p := byName["Projects"]; p.ParentID != "" || p.Children != 130 || p.System || byName["P129"].ParentID != p.ID || byName["Deeper"].ParentID != byName["Deep"].ID {
		t.Errorf("%+v %+v", p, byName["Deeper"])
	}
	if in := all[0]; !in.Has(email.Inbox) || in.Name != "Posteingang" || !in.System || !byName["Gelöschte Elemente"].Has(email.Trash) {
		t.Errorf("%+v", in)
	}
	before := len(w.Requests())
	if _, err := w.c.ListFolders(context.Background(), x); err != nil {
		t.Fatal(err)
	}
	for _, r := range w.Requests()[before:] {
		if strings.Contains(r, "mailFolders/inbox") {
			t.Error("the ids of well-known folders are asked for again")
		}
	}
}

func TestMoves(t *testing.T) {
	w := start(t)
	a, x, _ := w.mailbox(t, "ada")
	a.Deliver("INBOX", mail(1, w.clock.now()))
	ctx := context.Background()
	p, _ := w.c.ListMessages(ctx, x, email.Query{})
	id := p.Items[0].ID
	for _, folder := range []string{"archive", "Trash", "SENT", "inbox", "inbox"} {
		m, err := w.c.UpdateMessage(ctx, x, id, email.Change{Folders: []string{folder}})
		if err != nil || m.ID != id {
			t.Fatalf("to %s: %+v %v", folder, m, err)
		}
	}
	no := false
	if _, err := w.c.UpdateMessage(ctx, x, id, email.Change{Unread: &no, Folders: []string{"AAAA"}}); !errors.Is(err, provider.ErrFolderNotFound) {
		t.Errorf("%v", err)
	}
	if m, err := w.c.Message(ctx, x, id, email.Standard); err != nil || !m.Unread || m.Folders[0] != strings.TrimRight(a.Folder("inbox"), "=") {
		t.Errorf("a refused move changed something: %+v %v", m, err)
	}
	if m, err := w.c.UpdateMessage(ctx, x, id, email.Change{}); err != nil || m.ID != id {
		t.Errorf("an empty change: %v", err)
	}
}

func TestErasingWhereTheActIsMissing(t *testing.T) {
	w := start(t)
	a, x, _ := w.mailbox(t, "ada")
	a.Deliver("INBOX", mail(1, w.clock.now()))
	ctx := context.Background()
	p, _ := w.c.ListMessages(ctx, x, email.Query{})
	w.Break(1, 404, "ResourceNotFound", "")
	if err := w.c.DeleteMessage(ctx, x, p.Items[0].ID, true); err != nil {
		t.Fatal(err)
	}
	if _, err := w.c.Message(ctx, x, p.Items[0].ID, email.Standard); !errors.Is(err, provider.ErrMessageNotFound) {
		t.Errorf("%v", err)
	}
	if len(a.Mailbox("Trash")) != 0 {
		t.Error("erased, and still in the trash")
	}
}

func TestInlinePictures(t *testing.T) {
	w := start(t)
	a, x, _ := w.mailbox(t, "ada")
	m := mail(1, w.clock.now())
	m.Raw = "From: a@example.com\r\nSubject: picture\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<img src=\"cid:pic@x\">\r\n--b\r\nContent-Type: image/png\r\nContent-ID: <pic@x>\r\nContent-Disposition: inline; filename=p.png\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n--b--\r\n"
	a.Deliver("INBOX", m)
	ctx := context.Background()
	p, err := w.c.ListMessages(ctx, x, email.Query{})
	if err != nil || len(p.Items[0].Attachments) != 1 || !p.Items[0].Attachments[0].Inline {
		t.Fatalf("%+v %v", p, err)
	}
	got, err := w.c.Message(ctx, x, p.Items[0].ID, email.Standard)
	if err != nil || len(got.Attachments) != 1 || got.Attachments[0].ContentID != "pic@x" || got.Attachments[0].Filename != "p.png" {
		t.Errorf("%+v %v", got.Attachments, err)
	}
	yes := true // "hasAttachments" does not count pictures within the text
	if p, err := w.c.ListMessages(ctx, x, email.Query{HasAttachment: &yes}); err != nil || len(p.Items) != 0 {
		t.Errorf("%d %v", len(p.Items), err)
	}
}

func TestRawListsStayWithinFourRequests(t *testing.T) {
	w := start(t)
	a, x, _ := w.mailbox(t, "ada")
	for i := range 30 {
		a.Deliver("INBOX", mail(i, w.clock.now()))
	}
	p, err := w.c.ListMessages(context.Background(), x, email.Query{Fields: email.RawOnly})
	if err != nil || len(p.Items) != 30 || len(p.Items[29].Raw) == 0 {
		t.Fatalf("%d %v", len(p.Items), err)
	}
}
