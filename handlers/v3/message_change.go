package v3

import (
	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/web"
)

// changeOf reads what is to be changed in a message, or in all messages of a thread.
func changeOf(b *body) email.Change {
	change := email.Change{Unread: b.boolean("unread"), Starred: b.boolean("starred"), Folders: b.texts("folders")}
	if change.Folders != nil && len(change.Folders) == 0 || len(change.Folders) > 100 {
		b.wrong("folders", "folders names between 1 and 100 folders, by id.")
	}
	if m := b.object("metadata"); m != nil && len(m.fields) > 0 {
		b.wrong("metadata", "No metadata is kept with messages here. Leave it out.")
	}
	if change.Empty() {
		b.wrong("", "Name what is to be changed: unread, starred or folders.")
	}
	return change
}

// messageUpdate marks and moves a message. Its id can change with a move: the answer has the one that is good from here on.
func (d *Door) messageUpdate(c echo.Context) error {
	id, err := segment(c, "message")
	if err != nil {
		return err
	}
	b, err := bodyOf(c, false)
	if err != nil {
		return err
	}
	change := changeOf(b)
	if b.err != nil {
		return b.err
	}
	g, err := d.mailbox(c)
	if err != nil {
		return err
	}
	m, err := d.Mailbox.UpdateMessage(c.Request().Context(), web.Actor(c), g, id, change)
	if err != nil {
		return folderUnknown(err, "folders")
	}
	if m.ID == "" {
		m.ID = id // moved by a server that does not tell where to
	}
	return one(c, messageJSON(g, m, email.Standard))
}

// messageDelete moves a message to the trash; with hard_delete it is erased.
func (d *Door) messageDelete(c echo.Context) error {
	q := queryOf(c)
	forever := q.is("hard_delete")
	if q.err != nil {
		return q.err
	}
	id, err := segment(c, "message")
	if err != nil {
		return err
	}
	g, err := d.mailbox(c)
	if err != nil {
		return err
	}
	if err := d.Mailbox.DeleteMessage(c.Request().Context(), web.Actor(c), g, id, forever); err != nil {
		return err
	}
	return done(c)
}
