package v3

import (
	"cmp"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/web"
)

var errFolderCursor = fault.New(fault.Invalid, "cursor_invalid", "page_token is not one that this list gave, or its folder is gone. Begin again without it.").At("page_token")

// folderUnknown says which parameter named a folder that is not there: the caller's mistake, where the address itself is right.
func folderUnknown(err error, field string) error {
	if f, ok := fault.As(err); ok && f.Code == provider.ErrFolderNotFound.Code {
		return fault.New(fault.Invalid, "folder_unknown", "%s takes the id of a folder, and this is none. A folder's name is not its id.", field).At(field).Because(err)
	}
	return err
}

func folderJSON(g models.Grant, f email.Folder) map[string]any { return f.Object(g.ID.String()) }

// usual is the order in which mail programs show the folders that every mailbox has.
var usual = []email.Attribute{email.Inbox, email.Drafts, email.Sent, email.Archive, email.Junk, email.Trash}

// ordered sorts folders: the usual ones, then the rest by name. Servers name them in any order, another one each time, and pages need one.
func ordered(folders []email.Folder) {
	rank := func(f email.Folder) int {
		if at := slices.IndexFunc(usual, f.Has); at >= 0 {
			return at
		}
		return len(usual)
	}
	slices.SortFunc(folders, func(a, b email.Folder) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), cmp.Compare(a.ID, b.ID))
	})
}

// folderList answers all folders, flat. Providers tell them all at once, so the cursor is the last folder that was shown.
func (d *Door) folderList(c echo.Context) error {
	q := queryOf(c)
	limit, cursor, parent, top := q.number("limit", email.DefaultLimit, 1, email.MaxLimit), q.text("page_token"), q.text("parent_id"), q.is("single_level")
	q.is("include_hidden_folders") // none is hidden
	absentFeatures(q)
	names := q.list("select")
	if q.err != nil {
		return q.err
	}
	g, err := d.mailbox(c)
	if err != nil {
		return err
	}
	folders, err := d.Mailbox.Folders(c.Request().Context(), web.Actor(c), g)
	if err != nil {
		return err
	}
	ordered(folders)
	if parent != "" || top {
		folders = slices.DeleteFunc(folders, func(f email.Folder) bool { return f.ParentID != parent })
	}
	if cursor != "" {
		last, err := base64.RawURLEncoding.DecodeString(cursor)
		at := slices.IndexFunc(folders, func(f email.Folder) bool { return f.ID == string(last) })
		if err != nil || at < 0 {
			return errFolderCursor
		}
		folders = folders[at+1:]
	}
	out := map[string]any{"request_id": web.RequestID(c)}
	if len(folders) > limit {
		folders = folders[:limit]
		out["next_cursor"] = base64.RawURLEncoding.EncodeToString([]byte(folders[limit-1].ID))
	}
	data := make([]map[string]any, len(folders))
	for i, f := range folders {
		data[i] = trim(names, folderJSON(g, f))
	}
	out["data"] = data
	return reply(c, http.StatusOK, out)
}

func (d *Door) folderShow(c echo.Context) error {
	q := queryOf(c)
	absentFeatures(q)
	names := q.list("select")
	if q.err != nil {
		return q.err
	}
	id, err := segment(c, "folder")
	if err != nil {
		return err
	}
	g, err := d.mailbox(c)
	if err != nil {
		return err
	}
	folders, err := d.Mailbox.Folders(c.Request().Context(), web.Actor(c), g)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(folders, func(f email.Folder) bool { return f.ID == id })
	if at < 0 {
		return provider.ErrFolderNotFound
	}
	return one(c, trim(names, folderJSON(g, folders[at])))
}
