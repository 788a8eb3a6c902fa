package providertest

import (
	"errors"
	"strings"
	"testing"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
)

func folderOf(t testing.TB, c Case, a provider.Account, id string) (email.Folder, bool) {
	t.Helper()
	all, err := c.Connector.(provider.FolderLister).ListFolders(ctx(t), a)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if f.ID == id {
			return f, true
		}
	}
	return email.Folder{}, false
}

func folderChange(t *testing.T, c Case) {
	w, ok := c.Connector.(provider.FolderWriter)
	if !ok {
		t.Skip("declared as lacking")
	}
	a := c.Account(t)
	inbox, sent := c.folder(a, "INBOX"), c.folder(a, "Sent")
	make := func(f email.NewFolder) email.Folder {
		t.Helper()
		out, err := w.CreateFolder(ctx(t), a, f)
		if err != nil {
			t.Fatal(err)
		}
		if out.ID == "" || strings.ContainsAny(out.ID, "/+=?#% ") || out.Name != f.Name || out.ParentID != f.ParentID || out.System {
			t.Fatalf("%+v", out)
		}
		if listed, ok := folderOf(t, c, a, out.ID); !ok || listed.Name != f.Name || listed.ParentID != f.ParentID {
			t.Fatalf("listed as %+v", listed)
		}
		return out
	}
	top := make(email.NewFolder{Name: "Kunden & Überweisungen"})
	below := make(email.NewFolder{Name: "日本 (Nord)", ParentID: top.ID})
	fill(t, c, a, 2)
	if c.Connector != nil && !c.lacks("update") {
		first := list(t, c, a, email.Query{}).Items[0]
		if m, err := c.Connector.(provider.MessageUpdater).UpdateMessage(ctx(t), a, first.ID, email.Change{Folders: []string{below.ID}}); err != nil || m.Folders[0] != below.ID {
			t.Fatalf("into the new folder: %+v %v", m, err)
		}
	}

	name := "Ost~&-"
	renamed, err := w.UpdateFolder(ctx(t), a, below.ID, email.FolderChange{Name: &name})
	if err != nil || renamed.Name != name || renamed.ParentID != top.ID {
		t.Fatalf("%+v %v", renamed, err)
	}
	if renamed.ID != below.ID {
		if _, ok := folderOf(t, c, a, below.ID); ok {
			t.Error("the old name is still there")
		}
	}
	if got := list(t, c, a, email.Query{In: []string{renamed.ID}}); len(got.Items) != 1 {
		t.Errorf("%d messages after the renaming", len(got.Items))
	}
	higher := "Kunden"
	if top, err = w.UpdateFolder(ctx(t), a, top.ID, email.FolderChange{Name: &higher}); err != nil || top.Name != higher {
		t.Fatalf("%+v %v", top, err)
	}
	all, err := c.Connector.(provider.FolderLister).ListFolders(ctx(t), a)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, f := range all {
		if f.Name == name && f.ParentID == top.ID {
			renamed, found = f, true
		}
	}
	if !found || len(list(t, c, a, email.Query{In: []string{renamed.ID}}).Items) != 1 {
		t.Fatalf("the folder within did not go along: %+v", all)
	}
	up := ""
	moved, err := w.UpdateFolder(ctx(t), a, renamed.ID, email.FolderChange{ParentID: &up})
	if err != nil || moved.Name != name || moved.ParentID != "" {
		t.Fatalf("to the top: %+v %v", moved, err)
	}
	if got := list(t, c, a, email.Query{In: []string{moved.ID}}); len(got.Items) != 1 {
		t.Errorf("%d messages after the move", len(got.Items))
	}

	if _, err := w.CreateFolder(ctx(t), a, email.NewFolder{Name: top.Name}); !errors.Is(err, provider.ErrFolderExists) {
		t.Errorf("twice: %v", err)
	}
	taken := top.Name
	if _, err := w.UpdateFolder(ctx(t), a, moved.ID, email.FolderChange{Name: &taken}); !errors.Is(err, provider.ErrFolderExists) {
		t.Errorf("renamed to one that is there: %v", err)
	}
	if _, err := w.CreateFolder(ctx(t), a, email.NewFolder{Name: "x", ParentID: "Nowhere"}); !errors.Is(err, provider.ErrFolderNotFound) {
		t.Errorf("below nowhere: %v", err)
	}
	for _, bad := range []string{"", " ", "a\r\nb", "a\x00b", strings.Repeat("x", 1025), "\xff"} {
		if _, err := w.CreateFolder(ctx(t), a, email.NewFolder{Name: bad}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("create %.10q: %v", bad, err)
		}
		if _, err := w.UpdateFolder(ctx(t), a, top.ID, email.FolderChange{Name: &bad}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("rename to %.10q: %v", bad, err)
		}
	}
	for _, id := range []string{inbox, sent} {
		_, err := w.UpdateFolder(ctx(t), a, id, email.FolderChange{Name: &name})
		if err2 := w.DeleteFolder(ctx(t), a, id); !errors.Is(err, provider.ErrFolderSystem) || !errors.Is(err2, provider.ErrFolderSystem) {
			t.Errorf("%s: %v, %v", id, err, err2)
		}
	}

	if err := w.DeleteFolder(ctx(t), a, moved.ID); err != nil {
		t.Fatal(err)
	}
	if _, ok := folderOf(t, c, a, moved.ID); ok {
		// Exchange and Outlook keep a deleted folder below the trash.
		if f, _ := folderOf(t, c, a, moved.ID); f.ParentID != c.folder(a, "Trash") {
			t.Errorf("still there: %+v", f)
		}
	}
	if err := w.DeleteFolder(ctx(t), a, top.ID); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"", "Nowhere", "~", "~AA", "a/b", "a\r\nb"} {
		_, err := w.UpdateFolder(ctx(t), a, id, email.FolderChange{Name: &name})
		if err2 := w.DeleteFolder(ctx(t), a, id); !errors.Is(err, provider.ErrFolderNotFound) || !errors.Is(err2, provider.ErrFolderNotFound) {
			t.Errorf("%q: %v, %v", id, err, err2)
		}
	}
	if got := list(t, c, a, email.Query{}); len(got.Items) != 1 {
		t.Errorf("%d in the inbox", len(got.Items))
	}
}
