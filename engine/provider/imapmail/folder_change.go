package imapmail

import (
	"context"
	"errors"
	"strings"

	"github.com/emersion/go-imap/v2"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
)

var (
	errFolderName   = fault.New(fault.Invalid, "folder_name_invalid", "This mail server cannot keep a folder of that name. Use a shorter one, without the sign that separates folders.").At("name")
	errFolderWithin = fault.New(fault.Invalid, "folder_parent_invalid", "A folder cannot be moved into itself.").At("parent_id")
	errFolderLeaf   = fault.New(fault.Invalid, "folder_parent_invalid", "This mail server keeps no folders within that one.").At("parent_id")
	errFolderFull   = fault.New(fault.Conflict, "folder_not_empty", "There are folders within this one. Delete those first.")
)

// tree is the folders as a server tells them.
type tree struct {
	all    []*imap.ListData
	delim  string // between a folder and those within it; empty for a server that knows no such thing
	prefix string // of every folder of one's own (RFC 2342), such as "INBOX."
}

func (s *session) hierarchy(ctx context.Context) (tree, error) {
	all, err := s.folders(ctx, false)
	if err != nil {
		return tree{}, err
	}
	t := tree{all: all}
	for _, d := range all {
		if d.Delim != 0 {
			t.delim = string(d.Delim)
			break
		}
	}
	if s.has(imap.CapNamespace) || s.has(imap.CapIMAP4rev2) {
		s.allow(ctx, selectBytes)
		space, err := s.client.Namespace().Wait()
		if err != nil {
			return tree{}, err
		}
		if len(space.Personal) > 0 && goodName("x"+space.Personal[0].Prefix) {
			t.prefix = space.Personal[0].Prefix
			if d := space.Personal[0].Delim; d != 0 {
				t.delim = string(d)
			}
		}
	}
	return t, nil
}

// find answers nil for a folder that is not there.
func (t tree) find(name string) *imap.ListData {
	for _, d := range t.all {
		if d.Mailbox == name && !hasAttr(d, imap.MailboxAttrNonExistent) {
			return d
		}
	}
	return nil
}

// within lists the folders below one.
func (t tree) within(name string) []*imap.ListData {
	var out []*imap.ListData
	for _, d := range t.all {
		if t.delim != "" && strings.HasPrefix(d.Mailbox, name+t.delim) {
			out = append(out, d)
		}
	}
	return out
}

// place is the full name of a folder below another, or at the top where parent is empty.
func (t tree) place(parent, name string) (string, error) {
	if t.delim != "" && strings.Contains(name, t.delim) {
		return "", errFolderName
	}
	full := t.prefix + name
	if parent != "" {
		above := t.find(parent)
		switch {
		case above == nil:
			return "", provider.ErrFolderNotFound
		case t.delim == "" || hasAttr(above, imap.MailboxAttrNoInferiors):
			return "", errFolderLeaf
		}
		full = parent + t.delim + name
	}
	if !goodName(full) {
		return "", errFolderName
	}
	if t.find(full) != nil || strings.EqualFold(full, "INBOX") {
		return "", provider.ErrFolderExists
	}
	return full, nil
}

func parentName(id string) (string, error) {
	if id == "" {
		return "", nil
	}
	return folderName(id)
}

// CreateFolder makes a folder and subscribes to it, so that other mail programs show it, too.
func (m *Mail) CreateFolder(ctx context.Context, a provider.Account, f email.NewFolder) (email.Folder, error) {
	var out email.Folder
	if err := f.Check(); err != nil {
		return out, err
	}
	parent, err := parentName(f.ParentID)
	if err != nil {
		return out, err
	}
	err = m.with(ctx, m.at(a), "", false, func(s *session) error {
		t, err := s.hierarchy(ctx)
		if err != nil {
			return err
		}
		name, err := t.place(parent, f.Name)
		if err != nil {
			return err
		}
		s.allow(ctx, selectBytes)
		if err := s.client.Create(name, nil).Wait(); err != nil {
			return folderFault(err)
		}
		_ = s.client.Subscribe(name).Wait()
		out, err = s.told(ctx, name)
		return err
	})
	return out, err
}

// told is one folder as the list of all has it.
func (s *session) told(ctx context.Context, name string) (email.Folder, error) {
	all, err := s.folders(ctx, false)
	if err != nil {
		return email.Folder{}, err
	}
	for _, f := range flatten(all) {
		if f.ID != folderID(name) {
			continue
		}
		s.allow(ctx, selectBytes)
		if data, err := s.client.Status(name, &imap.StatusOptions{NumMessages: true, NumUnseen: true}).Wait(); err == nil {
			f.Total, f.Unread = deref(data.NumMessages), deref(data.NumUnseen)
		}
		return f, nil
	}
	return email.Folder{}, provider.ErrFolderNotFound
}

// folderFault reads what servers say to a change of folders (RFC 5530).
func folderFault(err error) error {
	var no *imap.Error
	if !errors.As(err, &no) || no.Type != imap.StatusResponseTypeNo {
		return err
	}
	switch no.Code {
	case imap.ResponseCodeAlreadyExists:
		return provider.ErrFolderExists.Because(plain(err))
	case imap.ResponseCodeNonExistent:
		return provider.ErrFolderNotFound.Because(plain(err))
	case imap.ResponseCodeCannot:
		return errFolderName.Because(plain(err))
	case imap.ResponseCodeHasChildren:
		return errFolderFull.Because(plain(err))
	}
	return err
}

// own refuses the mailbox's own folders, and those that hold one of them.
func (t tree) own(name string) error {
	if t.find(name) == nil {
		return provider.ErrFolderNotFound
	}
	use := uses(t.all)
	if use[name] != "" {
		return provider.ErrFolderSystem
	}
	for _, d := range t.within(name) {
		if use[d.Mailbox] != "" {
			return provider.ErrFolderSystem
		}
	}
	return nil
}

// UpdateFolder renames a folder, or moves it below another. In IMAP a folder is its name: its id changes, and so do those of its messages and of the folders within.
func (m *Mail) UpdateFolder(ctx context.Context, a provider.Account, id string, change email.FolderChange) (email.Folder, error) {
	var out email.Folder
	if err := change.Check(); err != nil {
		return out, err
	}
	name, err := folderName(id)
	if err != nil {
		return out, err
	}
	err = m.with(ctx, m.at(a), "", false, func(s *session) error {
		t, err := s.hierarchy(ctx)
		if err != nil {
			return err
		}
		if err := t.own(name); err != nil {
			return err
		}
		from := t.find(name)
		above, label := parent(from), lastName(from)
		if t.prefix != "" && above+t.delim == t.prefix {
			above = ""
		}
		if change.Name != nil {
			label = *change.Name
		}
		if change.ParentID != nil {
			if above, err = parentName(*change.ParentID); err != nil {
				return err
			}
			if above == name || strings.HasPrefix(above, name+t.delim) {
				return errFolderWithin
			}
		}
		if label != lastName(from) || change.ParentID != nil {
			to, err := t.place(above, label)
			switch {
			case errors.Is(err, provider.ErrFolderExists) && t.full(above, label) == name:
			case err != nil:
				return err
			default:
				if err := s.rename(ctx, name, to); err != nil {
					return err
				}
				name = to
			}
		}
		out, err = s.told(ctx, name)
		return err
	})
	return out, err
}

func (t tree) full(parent, name string) string {
	if parent == "" {
		return t.prefix + name
	}
	return parent + t.delim + name
}

func (s *session) rename(ctx context.Context, from, to string) error {
	if err := s.leaveFolder(ctx); err != nil {
		return err
	}
	s.allow(ctx, selectBytes)
	if err := s.client.Rename(from, to, nil).Wait(); err != nil {
		return folderFault(err)
	}
	s.account.tree.Add(1)
	s.allow(ctx, selectBytes)
	_ = s.client.Subscribe(to).Wait()
	_ = s.client.Unsubscribe(from).Wait()
	return nil
}

// leaveFolder makes sure that no folder is selected that is about to change its name: the inbox never does.
func (s *session) leaveFolder(ctx context.Context) error {
	if s.folder == "" || s.folder == "INBOX" {
		return nil
	}
	s.allow(ctx, selectBytes)
	return s.use("INBOX", false)
}

// DeleteFolder deletes a folder. IMAP would erase what is in it: the messages go to the trash first. What arrives in the moment between is lost.
func (m *Mail) DeleteFolder(ctx context.Context, a provider.Account, id string) error {
	name, err := folderName(id)
	if err != nil {
		return err
	}
	return m.with(ctx, m.at(a), "", false, func(s *session) error {
		t, err := s.hierarchy(ctx)
		if err != nil {
			return err
		}
		if err := t.own(name); err != nil {
			return err
		}
		if len(t.within(name)) > 0 {
			return errFolderFull
		}
		if selectable(t.find(name)) {
			s.allow(ctx, selectBytes)
			if err := s.use(name, true); err != nil {
				return err
			}
			if s.count() > 0 {
				trash, err := s.special(ctx, email.Trash)
				if err != nil {
					return err
				}
				everything := imap.UIDSet{imap.UIDRange{Start: 1, Stop: 0}}
				if _, _, err := s.move(ctx, everything, trash); err != nil {
					return err
				}
			}
		}
		if err := s.leaveFolder(ctx); err != nil {
			return err
		}
		s.allow(ctx, selectBytes)
		if err := s.client.Delete(name).Wait(); err != nil {
			return folderFault(err)
		}
		s.account.tree.Add(1)
		_ = s.client.Unsubscribe(name).Wait()
		return nil
	})
}
