package v3

import (
	"errors"
	"regexp"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/web"
)

var colour = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

// colour is optional, and "" where a client writes nothing into it.
func (b *body) colour(name string) *string {
	v := b.optional(name)
	if v != nil && *v != "" && !colour.MatchString(*v) {
		b.wrong(name, "%s is a colour such as #4986e7.", name)
	}
	return v
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (d *Door) folderCreate(c echo.Context) error {
	b, err := bodyOf(c, false)
	if err != nil {
		return err
	}
	f := email.NewFolder{Name: b.must("name"), ParentID: b.text("parent_id"), TextColor: text(b.colour("text_color")), BackColor: text(b.colour("background_color"))}
	if b.err != nil {
		return b.err
	}
	g, err := d.mailbox(c)
	if err != nil {
		return err
	}
	made, err := d.Mailbox.CreateFolder(c.Request().Context(), web.Actor(c), g, f)
	if err != nil {
		return folderUnknown(err, "parent_id")
	}
	return one(c, folderJSON(g, made))
}

// folderUpdate renames a folder, or moves it. Its id can change: the answer has the one that is good from here on.
func (d *Door) folderUpdate(c echo.Context) error {
	id, err := segment(c, "folder")
	if err != nil {
		return err
	}
	b, err := bodyOf(c, false)
	if err != nil {
		return err
	}
	change := email.FolderChange{Name: b.optional("name"), ParentID: b.optional("parent_id"), TextColor: b.colour("text_color"), BackColor: b.colour("background_color")}
	if change == (email.FolderChange{}) {
		b.wrong("", "Name what is to be changed: name, parent_id, text_color or background_color.")
	}
	if b.err != nil {
		return b.err
	}
	g, err := d.mailbox(c)
	if err != nil {
		return err
	}
	changed, err := d.Mailbox.UpdateFolder(c.Request().Context(), web.Actor(c), g, id, change)
	if errors.Is(err, provider.ErrFolderNotFound) && text(change.ParentID) != "" {
		// Which of the two is not there?
		if all, cannot := d.Mailbox.Folders(c.Request().Context(), web.Actor(c), g); cannot == nil && slices.ContainsFunc(all, func(f email.Folder) bool { return f.ID == id }) {
			return folderUnknown(err, "parent_id")
		}
	}
	if err != nil {
		return err
	}
	return one(c, folderJSON(g, changed))
}

// folderDelete deletes a folder. Mail that is in no other goes to the trash.
func (d *Door) folderDelete(c echo.Context) error {
	id, err := segment(c, "folder")
	if err != nil {
		return err
	}
	g, err := d.mailbox(c)
	if err != nil {
		return err
	}
	if err := d.Mailbox.DeleteFolder(c.Request().Context(), web.Actor(c), g, id); err != nil {
		return err
	}
	return done(c)
}
