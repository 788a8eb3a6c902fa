package gmail

import (
	"context"
	"net/http"
	"slices"
	"strings"

	api "google.golang.org/api/gmail/v1"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
)

var (
	errSlash    = fault.New(fault.Invalid, "folder_name_invalid", "At Google a slash in a label's name makes a level. Name the folder above as its parent instead.").At("name")
	errColours  = fault.New(fault.Invalid, "folder_color_invalid", "Gmail has a palette of its own for labels, and both colours go together.").At("text_color")
	errLabel    = fault.New(fault.Invalid, "folder_refused", "Gmail does not take this label as it stands: its name may be too long or reserved.").At("name")
	errIntoSelf = fault.New(fault.Invalid, "folder_parent_invalid", "A folder cannot be moved below itself.").At("parent_id")
)

// labelsNow lists the labels without their numbers.
func (r *reader) labelsNow(ctx context.Context) ([]*api.Label, error) {
	var list *api.ListLabelsResponse
	err := r.call(ctx, true, func(ctx context.Context) (err error) {
		list, err = r.c.api.Users.Labels.List("me").Context(ctx).Do()
		return err
	})
	if err != nil {
		return nil, elsewhere(err)
	}
	return slices.DeleteFunc(list.Labels, func(l *api.Label) bool { return l == nil || !validID(l.Id) || l.Name == "" }), nil
}

func labelByID(all []*api.Label, id string) *api.Label {
	for _, l := range all {
		if l.Id == id {
			return l
		}
	}
	return nil
}

// CreateFolder implements provider.FolderWriter. A folder below another is a label whose name begins with that of the other and a slash.
func (c *Connector) CreateFolder(ctx context.Context, a provider.Account, f email.NewFolder) (email.Folder, error) {
	if err := f.Check(); err != nil {
		return email.Folder{}, err
	}
	if strings.Contains(f.Name, "/") {
		return email.Folder{}, errSlash
	}
	r, release := c.open(a)
	defer release()
	all, err := r.labelsNow(ctx)
	if err != nil {
		return email.Folder{}, err
	}
	name, err := path(all, f.Name, f.ParentID)
	if err != nil {
		return email.Folder{}, err
	}
	l := &api.Label{Name: name, LabelListVisibility: "labelShow", MessageListVisibility: "show", Color: colour(f.TextColor, f.BackColor)}
	var made *api.Label
	err = r.call(ctx, false, func(ctx context.Context) (err error) {
		made, err = c.api.Users.Labels.Create("me", l).Context(ctx).Do()
		return err
	})
	if err != nil {
		return email.Folder{}, unlabelled(err)
	}
	return email.Folder{ID: made.Id, Name: f.Name, ParentID: f.ParentID, TextColor: f.TextColor, BackColor: f.BackColor}, nil
}

func colour(text, back string) *api.LabelColor {
	if text == "" && back == "" {
		return nil
	}
	return &api.LabelColor{TextColor: text, BackgroundColor: back}
}

// path is a label's whole name.
func path(all []*api.Label, name, parent string) (string, error) {
	if parent == "" {
		return name, nil
	}
	above := labelByID(all, parent)
	if above == nil || above.Type == "system" || rank(above.Id) < len(system) {
		return "", provider.ErrFolderNotFound.At("parent_id")
	}
	return above.Name + "/" + name, nil
}

// unlabelled says why Gmail does not take a label.
func unlabelled(err error) error {
	d, ok := turnedDown(err)
	switch {
	case !ok:
		if f, is := fault.As(err); is && f.Code == provider.ErrMessageNotFound.Code {
			return provider.ErrFolderNotFound.Because(f)
		}
		return err
	case d.status == http.StatusConflict || d.says("exists") || d.says("conflict"):
		return provider.ErrFolderExists.Because(d.cause())
	case d.says("color"):
		return errColours.Because(d.cause())
	}
	return errLabel.Because(d.cause())
}

// own finds a label that its owner made.
func (r *reader) own(ctx context.Context, id string) (*api.Label, []*api.Label, error) {
	if !validID(id) {
		return nil, nil, provider.ErrFolderNotFound
	}
	all, err := r.labelsNow(ctx)
	if err != nil {
		return nil, nil, err
	}
	l := labelByID(all, id)
	switch {
	case l == nil:
		return nil, nil, provider.ErrFolderNotFound
	case l.Type == "system" || rank(l.Id) < len(system):
		return nil, nil, provider.ErrFolderSystem
	}
	return l, all, nil
}

// UpdateFolder implements provider.FolderWriter. The labels below are renamed with it: to the API each is a label by itself.
func (c *Connector) UpdateFolder(ctx context.Context, a provider.Account, id string, change email.FolderChange) (email.Folder, error) {
	if err := change.Check(); err != nil {
		return email.Folder{}, err
	}
	if change.Name != nil && strings.Contains(*change.Name, "/") {
		return email.Folder{}, errSlash
	}
	r, release := c.open(a)
	defer release()
	l, all, err := r.own(ctx, id)
	if err != nil {
		return email.Folder{}, err
	}
	was := email.Folder{}
	for _, f := range tree(all) {
		if f.ID == id {
			was = f
		}
	}
	f := email.Folder{ID: id, Name: was.Name, ParentID: was.ParentID}
	if change.Name != nil {
		f.Name = *change.Name
	}
	if change.ParentID != nil {
		f.ParentID = *change.ParentID
	}
	name, err := path(all, f.Name, f.ParentID)
	if err != nil {
		return email.Folder{}, err
	}
	if f.ParentID == id || strings.HasPrefix(name, l.Name+"/") {
		return email.Folder{}, errIntoSelf
	}
	patch := &api.Label{Name: name}
	text, back := "", ""
	if change.TextColor != nil {
		text = *change.TextColor
	}
	if change.BackColor != nil {
		back = *change.BackColor
	}
	patch.Color, f.TextColor, f.BackColor = colour(text, back), text, back
	if slices.ContainsFunc(all, func(x *api.Label) bool { return x.Id != id && strings.EqualFold(x.Name, name) }) {
		return email.Folder{}, provider.ErrFolderExists
	}
	rename := func(id string, to *api.Label) error {
		return unlabelled(r.call(ctx, true, func(ctx context.Context) error { // the same name twice is one renaming
			_, err := c.api.Users.Labels.Patch("me", id, to).Context(ctx).Do()
			return err
		}))
	}
	if err := rename(id, patch); err != nil {
		return email.Folder{}, err
	}
	for _, below := range all {
		if rest, ok := strings.CutPrefix(below.Name, l.Name+"/"); ok && name != l.Name && below.Type != "system" {
			if err := rename(below.Id, &api.Label{Name: name + "/" + rest}); err != nil {
				return email.Folder{}, err
			}
		}
	}
	return f, nil
}

// DeleteFolder implements provider.FolderWriter. Gmail takes the label off its messages and keeps them: they are found under all mail. Labels below stay.
func (c *Connector) DeleteFolder(ctx context.Context, a provider.Account, id string) error {
	r, release := c.open(a)
	defer release()
	l, _, err := r.own(ctx, id)
	if err != nil {
		return err
	}
	return unlabelled(r.call(ctx, true, func(ctx context.Context) error { return c.api.Users.Labels.Delete("me", l.Id).Context(ctx).Do() }))
}
