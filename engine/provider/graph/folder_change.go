package graph

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

// root is the folder above those at the top ("mailFolder resource type", well-known folder names).
const root = "msgfolderroot"

var errIntoSelf = fault.New(fault.Invalid, "folder_parent_invalid", "A folder cannot be moved below itself.").At("parent_id")

// unchanged says why Microsoft does not change a folder.
func unchanged(err error) error {
	cause := errors.Unwrap(err)
	switch codeOf(err) {
	case "ErrorFolderExists", "ErrorFolderSaveNameExists", "ErrorNameExists":
		return provider.ErrFolderExists.Because(cause)
	case "ErrorDeleteDistinguishedFolder", "ErrorMoveDistinguishedFolder", "ErrorDistinguishedFolder", "ErrorCannotDeleteObject":
		return provider.ErrFolderSystem.Because(cause)
	case "ErrorMoveCopyFailed", "ErrorCannotMoveFolderToItself":
		return errIntoSelf.Because(cause)
	}
	return err
}

// parent is the path under which a folder's children are.
func (k *call) parent(id string) (string, error) {
	if id == "" {
		return "/me/mailFolders", nil
	}
	theirs, err := k.folder(id)
	if err != nil {
		return "", err
	}
	return "/me/mailFolders/" + url.PathEscape(theirs) + "/childFolders", nil
}

// CreateFolder implements provider.FolderWriter. Folders at Microsoft have no colour.
func (c *Connector) CreateFolder(ctx context.Context, a provider.Account, f email.NewFolder) (email.Folder, error) {
	if err := f.Check(); err != nil {
		return email.Folder{}, err
	}
	var out email.Folder
	err := c.with(ctx, a, func(k *call) error {
		path, err := k.parent(f.ParentID)
		if err != nil {
			return err
		}
		var made wireFolder
		if err := k.post(path, map[string]string{"displayName": f.Name}, &made, provider.ErrFolderNotFound); err != nil {
			return unchanged(err)
		}
		if made.ID == "" {
			return errUpstream.Because(errors.New("the folder has no id"))
		}
		out = email.Folder{ID: ourID(made.ID), Name: f.Name, ParentID: f.ParentID}
		return nil
	})
	return out, err
}

// own finds a folder that its owner made.
func (k *call) own(id string) (string, error) {
	theirs, err := k.folder(id)
	if err != nil {
		return "", err
	}
	uses, err := k.uses()
	if err != nil {
		return "", err
	}
	if _, ok := uses[theirs]; ok {
		return "", provider.ErrFolderSystem
	}
	return theirs, nil
}

// UpdateFolder implements provider.FolderWriter. The name comes first: when it is refused, nothing has moved.
func (c *Connector) UpdateFolder(ctx context.Context, a provider.Account, id string, change email.FolderChange) (email.Folder, error) {
	if err := change.Check(); err != nil {
		return email.Folder{}, err
	}
	var out email.Folder
	err := c.with(ctx, a, func(k *call) error {
		theirs, err := k.own(id)
		if err != nil {
			return err
		}
		path := "/me/mailFolders/" + url.PathEscape(theirs)
		if change.Name != nil {
			if err := unchanged(k.patch(path, map[string]string{"displayName": *change.Name})); err != nil {
				return err
			}
		}
		if change.ParentID != nil {
			target := root
			if *change.ParentID != "" {
				if target, err = k.folder(*change.ParentID); err != nil {
					return err
				}
			}
			if target == theirs {
				return errIntoSelf
			}
			var moved wireFolder
			if err := k.post(path+"/move", map[string]string{"destinationId": target}, &moved, provider.ErrFolderNotFound); err != nil {
				return unchanged(err)
			}
			if moved.ID != "" {
				path = "/me/mailFolders/" + url.PathEscape(moved.ID)
			}
		}
		out, err = k.shown(path)
		return err
	})
	return out, err
}

// shown is a folder as it is now.
func (k *call) shown(path string) (email.Folder, error) {
	var f wireFolder
	if err := k.json(request{method: http.MethodGet, path: path, missing: provider.ErrFolderNotFound}, &f); err != nil {
		return email.Folder{}, err
	}
	top, err := k.special(root)
	if err != nil {
		return email.Folder{}, err
	}
	out := email.Folder{ID: ourID(f.ID), Name: rfc5322.OneLine(f.Name), Total: f.Total, Unread: f.Unread, Children: f.Children}
	if f.Parent != top {
		out.ParentID = ourID(f.Parent)
	}
	return out, nil
}

// DeleteFolder implements provider.FolderWriter: the folder goes among the deleted items with what is in it.
func (c *Connector) DeleteFolder(ctx context.Context, a provider.Account, id string) error {
	return c.with(ctx, a, func(k *call) error {
		theirs, err := k.own(id)
		if err != nil {
			return err
		}
		return unchanged(k.json(request{method: http.MethodDelete, path: "/me/mailFolders/" + url.PathEscape(theirs), missing: provider.ErrFolderNotFound}, nil))
	})
}
