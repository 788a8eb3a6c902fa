package ews

import (
	"context"
	"errors"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
)

// own finds a folder that its owner made.
func (c *caller) own(id string) (string, error) {
	for _, k := range known {
		if k.id == id {
			return "", provider.ErrFolderSystem
		}
	}
	if id == archive {
		return "", provider.ErrFolderSystem
	}
	full, ok := theirs(id)
	if !ok {
		return "", provider.ErrFolderNotFound
	}
	s, err := c.specials()
	if err != nil {
		return "", err
	}
	if _, ok := s.ours[full]; ok || full == s.root {
		return "", provider.ErrFolderSystem
	}
	return full, nil
}

// above is the folder that another is to stand below.
func (c *caller) above(id string) (folderIDs, error) {
	if id == "" {
		return folderIDs{Named: []distinguished{{"msgfolderroot"}}}, nil
	}
	return c.place(id)
}

// CreateFolder implements provider.FolderWriter. Folders at an Exchange server have no colour.
func (c *Connector) CreateFolder(ctx context.Context, a provider.Account, f email.NewFolder) (email.Folder, error) {
	if err := f.Check(); err != nil {
		return email.Folder{}, err
	}
	var out email.Folder
	err := c.with(ctx, a, func(c *caller) error {
		parent, err := c.above(f.ParentID)
		if err != nil {
			return err
		}
		m, err := c.one(createFolder{Parent: parent, Folders: []folderBody{{Class: "IPF.Note", Name: f.Name}}}, answerBytes, true, provider.ErrFolderNotFound)
		if err != nil {
			return err
		}
		if len(m.Folders.All) != 1 || m.Folders.All[0].ID.ID == "" {
			return errRefused.Because(errors.New("the folder has no id"))
		}
		out = email.Folder{ID: safe(m.Folders.All[0].ID.ID), Name: f.Name, ParentID: f.ParentID}
		return nil
	})
	return out, err
}

// UpdateFolder implements provider.FolderWriter. The name comes first: when it is refused, nothing has moved.
func (c *Connector) UpdateFolder(ctx context.Context, a provider.Account, id string, change email.FolderChange) (email.Folder, error) {
	if err := change.Check(); err != nil {
		return email.Folder{}, err
	}
	var out email.Folder
	err := c.with(ctx, a, func(c *caller) error {
		full, err := c.own(id)
		if err != nil {
			return err
		}
		f, err := c.shown(full)
		if err != nil {
			return err
		}
		if change.Name != nil && *change.Name != f.Name {
			update := updateFolder{Changes: []folderChange{{ID: itemID{ID: f.ID.ID, Key: f.ID.Key}, Updates: []setFolder{{Field: fieldURI{"folder:DisplayName"}, Folder: folderBody{Name: *change.Name}}}}}}
			if _, err := c.one(update, answerBytes, false, provider.ErrFolderNotFound); err != nil {
				return err
			}
		}
		if change.ParentID != nil {
			to, err := c.above(*change.ParentID)
			if err != nil {
				return err
			}
			m, err := c.one(moveFolder{To: to, IDs: []itemID{{ID: full}}}, answerBytes, true, provider.ErrFolderNotFound)
			if err != nil {
				return err
			}
			if len(m.Folders.All) == 1 && m.Folders.All[0].ID.ID != "" {
				full = m.Folders.All[0].ID.ID
			}
		}
		if f, err = c.shown(full); err != nil {
			return err
		}
		s, err := c.specials()
		if err != nil {
			return err
		}
		out = s.folder(f)
		return nil
	})
	return out, err
}

// shown is a folder as it is now.
func (c *caller) shown(id string) (folder, error) {
	m, err := c.one(getFolder{Shape: shapeOf(folderFields...), IDs: folderIDs{IDs: []itemID{{ID: id}}}}, answerBytes, false, provider.ErrFolderNotFound)
	if err != nil {
		return folder{}, err
	}
	if len(m.Folders.All) != 1 {
		return folder{}, provider.ErrFolderNotFound
	}
	return m.Folders.All[0], nil
}

// DeleteFolder implements provider.FolderWriter: the folder goes to the trash with what is in it.
func (c *Connector) DeleteFolder(ctx context.Context, a provider.Account, id string) error {
	return c.with(ctx, a, func(c *caller) error {
		full, err := c.own(id)
		if err != nil {
			return err
		}
		_, err = c.one(deleteFolder{How: "MoveToDeletedItems", IDs: []itemID{{ID: full}}}, answerBytes, true, provider.ErrFolderNotFound)
		return err
	})
}
