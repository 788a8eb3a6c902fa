package ews

import (
	"sort"
	"strings"

	"context"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
)

type folder struct {
	ID       identifier `xml:"FolderId"`
	Parent   identifier `xml:"ParentFolderId"`
	Class    string     `xml:"FolderClass"`
	Name     string     `xml:"DisplayName"`
	Total    int        `xml:"TotalCount"`
	Children int        `xml:"ChildFolderCount"`
	Unread   int        `xml:"UnreadCount"`
}

type identifier struct {
	ID  string `xml:"Id,attr"`
	Key string `xml:"ChangeKey,attr"`
}

// known are the folders that every mailbox has, under ids of ours that do not change with the mailbox.
var known = []struct {
	id        string
	named     string // DistinguishedFolderIdNameType
	attribute email.Attribute
}{
	{"INBOX", "inbox", email.Inbox}, {"Sent", "sentitems", email.Sent}, {"Drafts", "drafts", email.Drafts}, {"Trash", "deleteditems", email.Trash}, {"Junk", "junkemail", email.Junk},
}

// archive is the folder that Outlook's Archive button makes. It has no distinguished name at a server of one's own, so it goes by its
// name at the top, as other programs find it too.
const archive = "Archive"

// special is which folder ids of the server are known ones.
type special struct {
	ours   map[string]string // server's id -> ours
	theirs map[string]string // ours -> server's id
	root   string
}

// specials asks once for each account.
func (c *caller) specials() (*special, error) {
	c.held.mu.Lock()
	s := c.held.folders
	c.held.mu.Unlock()
	if s != nil {
		return s, nil
	}
	s = &special{ours: map[string]string{}, theirs: map[string]string{}}
	ask := getFolder{Shape: shape{Base: "IdOnly"}}
	for _, k := range known {
		ask.IDs.Named = append(ask.IDs.Named, distinguished{k.named})
	}
	ask.IDs.Named = append(ask.IDs.Named, distinguished{"msgfolderroot"})
	all, err := c.call(ask, answerBytes, false)
	if err != nil {
		return nil, err
	}
	for i, m := range all {
		switch {
		case m.err(provider.ErrFolderNotFound) != nil || len(m.Folders.All) != 1:
			// A folder may be gone: only the inbox never is.
			if i == 0 {
				return nil, m.err(provider.ErrFolderNotFound)
			}
		case i < len(known):
			s.add(known[i].id, m.Folders.All[0].ID.ID)
		default:
			s.root = m.Folders.All[0].ID.ID
		}
	}
	named := compare("IsEqualTo", "folder:DisplayName", archive)
	m, err := c.one(findFolder{Traversal: "Shallow", Shape: shapeOf("folder:DisplayName"), View: pageView{Most: 1, Base: "Beginning"}, Where: &where{named},
		Parents: folderIDs{Named: []distinguished{{"msgfolderroot"}}}}, answerBytes, false, provider.ErrFolderNotFound)
	if err != nil {
		return nil, err
	}
	if found := m.Root.Folders.All; len(found) == 1 {
		s.add(archive, found[0].ID.ID)
	}
	c.held.mu.Lock()
	c.held.folders = s
	c.held.mu.Unlock()
	return s, nil
}

func (s *special) add(ours, theirs string) {
	s.ours[theirs], s.theirs[ours] = ours, theirs
}

// id is our id of a server's folder.
func (s *special) id(theirs string) string {
	if ours, ok := s.ours[theirs]; ok {
		return ours
	}
	return safe(theirs)
}

// place is how the server is told of a folder of ours.
func (c *caller) place(id string) (folderIDs, error) {
	for _, k := range known {
		if k.id == id || k.id == "INBOX" && strings.EqualFold(id, "inbox") {
			return folderIDs{Named: []distinguished{{k.named}}}, nil
		}
	}
	if id == archive {
		s, err := c.specials()
		if err != nil {
			return folderIDs{}, err
		}
		if s.theirs[archive] == "" {
			return folderIDs{}, provider.ErrFolderNotFound
		}
		return folderIDs{IDs: []itemID{{ID: s.theirs[archive]}}}, nil
	}
	full, ok := theirs(id)
	if !ok {
		return folderIDs{}, provider.ErrFolderNotFound
	}
	return folderIDs{IDs: []itemID{{ID: full}}}, nil
}

const mostFolders = 5000

// ListFolders implements provider.FolderLister. Folders of calendars, contacts and tasks are left out.
func (c *Connector) ListFolders(ctx context.Context, a provider.Account) ([]email.Folder, error) {
	var out []email.Folder
	err := c.with(ctx, a, func(c *caller) error {
		s, err := c.specials()
		if err != nil {
			return err
		}
		all, err := c.folders(s)
		for _, f := range all {
			out = append(out, s.folder(f))
		}
		return err
	})
	sort.SliceStable(out, func(i, j int) bool { return out[i].ID == "INBOX" && out[j].ID != "INBOX" })
	return out, err
}

var folderFields = []string{"folder:ParentFolderId", "folder:FolderClass", "folder:DisplayName", "folder:TotalCount", "folder:ChildFolderCount", "folder:UnreadCount"}

// folders lists the folders for mail.
func (c *caller) folders(s *special) ([]folder, error) {
	var out []folder
	for offset := 0; offset < mostFolders; {
		m, err := c.one(findFolder{Traversal: "Deep", View: pageView{Most: 200, Offset: offset, Base: "Beginning"}, Parents: folderIDs{Named: []distinguished{{"msgfolderroot"}}},
			Shape: shapeOf(folderFields...)}, answerBytes, false, provider.ErrFolderNotFound)
		if err != nil {
			return nil, err
		}
		for _, f := range m.Root.Folders.All {
			if f.Class == "" || f.Class == "IPF.Note" || strings.HasPrefix(f.Class, "IPF.Note.") {
				out = append(out, f)
			}
		}
		if m.Root.Last || len(m.Root.Folders.All) == 0 || m.Root.Next <= offset {
			break
		}
		offset = m.Root.Next
	}
	return out, nil
}

func (s *special) folder(f folder) email.Folder {
	out := email.Folder{ID: s.id(f.ID.ID), Name: f.Name, Total: f.Total, Unread: f.Unread, Children: f.Children}
	if f.Parent.ID != s.root {
		out.ParentID = s.id(f.Parent.ID)
	}
	for _, k := range known {
		if k.id == out.ID {
			out.System, out.Attributes = true, []email.Attribute{k.attribute}
		}
	}
	if out.ID == archive {
		out.System, out.Attributes = true, []email.Attribute{email.Archive}
	}
	return out
}
