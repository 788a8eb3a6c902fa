package nylas

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
)

const mostEmptied = 1000 // messages moved out of a folder before it is deleted

var (
	errNotEmpty = fault.New(fault.Conflict, "folder_not_empty", "This folder holds too many messages to be moved to the trash with it. Move them first.")
	errBelow    = fault.New(fault.Conflict, "folder_has_children", "This folder has others below it. Move or delete these first.")
)

// CreateFolder implements provider.FolderWriter. Nylas hands on each provider's own refusals; so that these mean the same everywhere, the folders are looked at first.
func (c *Connector) CreateFolder(ctx context.Context, a provider.Account, f email.NewFolder) (email.Folder, error) {
	if err := f.Check(); err != nil {
		return email.Folder{}, err
	}
	all, err := c.ListFolders(ctx, a)
	if err != nil {
		return email.Folder{}, err
	}
	if err := place(all, "", f.Name, f.ParentID); err != nil {
		return email.Folder{}, err
	}
	parent, _ := theirID(f.ParentID)
	body := map[string]any{"name": f.Name}
	for name, value := range map[string]string{"parent_id": parent, "text_color": f.TextColor, "background_color": f.BackColor} {
		if value != "" {
			body[name] = value
		}
	}
	return c.writeFolder(ctx, a, http.MethodPost, "", body, f.Name, f.ParentID)
}

// place says whether a folder may have this name below this parent. own is the folder itself, when it is there already.
func place(all []email.Folder, own, name, parent string) error {
	if parent != "" && !slices.ContainsFunc(all, func(f email.Folder) bool { return f.ID == parent }) {
		return provider.ErrFolderNotFound
	}
	if slices.ContainsFunc(all, func(f email.Folder) bool { return f.ID != own && f.ParentID == parent && f.Name == name }) {
		return provider.ErrFolderExists
	}
	return nil
}

// named finds a folder that its owner may change.
func (c *Connector) named(ctx context.Context, a provider.Account, id string) (email.Folder, []email.Folder, string, error) {
	theirs, ok := theirID(id)
	if !ok {
		return email.Folder{}, nil, "", provider.ErrFolderNotFound
	}
	all, err := c.ListFolders(ctx, a)
	if err != nil {
		return email.Folder{}, nil, "", err
	}
	i := slices.IndexFunc(all, func(f email.Folder) bool { return f.ID == id })
	switch {
	case i < 0:
		return email.Folder{}, nil, "", provider.ErrFolderNotFound
	case all[i].System || len(all[i].Attributes) > 0:
		return email.Folder{}, nil, "", provider.ErrFolderSystem
	}
	return all[i], all, theirs, nil
}

// UpdateFolder implements provider.FolderWriter.
func (c *Connector) UpdateFolder(ctx context.Context, a provider.Account, id string, change email.FolderChange) (email.Folder, error) {
	if err := change.Check(); err != nil {
		return email.Folder{}, err
	}
	f, all, theirs, err := c.named(ctx, a, id)
	if err != nil {
		return email.Folder{}, err
	}
	body := map[string]any{"name": f.Name} // Nylas demands the name
	if change.Name != nil {
		f.Name, body["name"] = *change.Name, *change.Name
	}
	if change.ParentID != nil {
		parent := ""
		if *change.ParentID != "" {
			var ok bool
			if parent, ok = theirID(*change.ParentID); !ok {
				return email.Folder{}, provider.ErrFolderNotFound
			}
		}
		f.ParentID, body["parent_id"] = *change.ParentID, parent
	}
	for name, value := range map[string]*string{"text_color": change.TextColor, "background_color": change.BackColor} {
		if value != nil {
			body[name] = *value
		}
	}
	if err := place(all, id, f.Name, f.ParentID); err != nil {
		return email.Folder{}, err
	}
	return c.writeFolder(ctx, a, http.MethodPut, theirs, body, f.Name, f.ParentID)
}

func (c *Connector) writeFolder(ctx context.Context, a provider.Account, method, theirs string, body map[string]any, name, parent string) (email.Folder, error) {
	var out email.Folder
	err := c.with(ctx, a, func(k *call) error {
		path := k.path("folders")
		if theirs != "" {
			path = k.path("folders", theirs)
		}
		var answer envelope[wireFolder]
		if err := k.put(method, path, body, &answer, provider.ErrFolderNotFound); err != nil {
			return err
		}
		if answer.Data.ID == "" {
			return errUpstream.Because(errors.New("the folder has no id"))
		}
		out = answer.Data.folder()
		out.Name, out.ParentID = name, parent
		return nil
	})
	return out, err
}

// DeleteFolder implements provider.FolderWriter. Google keeps the messages of a label, Microsoft and Exchange move a folder to the trash with its messages; elsewhere they
// would be gone, and are moved there first.
func (c *Connector) DeleteFolder(ctx context.Context, a provider.Account, id string) error {
	f, all, theirs, err := c.named(ctx, a, id)
	if err != nil {
		return err
	}
	return c.with(ctx, a, func(k *call) error {
		g, err := k.find()
		if err != nil {
			return err
		}
		if g.Provider != "google" && g.Provider != "microsoft" && g.Provider != "ews" {
			if slices.ContainsFunc(all, func(x email.Folder) bool { return x.ParentID == f.ID }) {
				return errBelow
			}
			if err := k.emptied(theirs); err != nil {
				return err
			}
		}
		return k.ask(request{method: http.MethodDelete, path: k.path("folders", theirs), missing: provider.ErrFolderNotFound}, nil)
	})
}

// emptied moves the messages of a folder to the trash.
func (k *call) emptied(theirs string) error {
	for moved := 0; moved <= mostEmptied; {
		var answer envelope[[]wireMessage]
		query := url.Values{"in": {theirs}, "limit": {strconv.Itoa(email.MaxLimit)}, "select": {"id"}}
		if err := k.ask(request{method: http.MethodGet, path: k.path("messages"), query: query, missing: provider.ErrFolderNotFound}, &answer); err != nil {
			return err
		}
		if len(answer.Data) == 0 {
			return nil
		}
		for _, w := range answer.Data {
			err := k.ask(request{method: http.MethodDelete, path: k.path("messages", w.ID), missing: provider.ErrMessageNotFound}, nil)
			if err != nil && !errors.Is(err, provider.ErrMessageNotFound) {
				return err
			}
			moved++
		}
	}
	return errNotEmpty
}
