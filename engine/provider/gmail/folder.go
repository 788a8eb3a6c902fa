package gmail

import (
	"cmp"
	"context"
	"slices"
	"strings"

	api "google.golang.org/api/gmail/v1"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
)

// countMost is how many labels are asked for their numbers of messages: Gmail tells them one label at a time, and allows 10,000.
const countMost = 200

// system is Gmail's own labels in the order in which they are listed, with names for people and their use in the words of RFC 6154.
var system = []struct {
	id, name string
	use      email.Attribute
}{
	{inbox, "Inbox", email.Inbox}, {starred, "Starred", email.Flagged}, {"IMPORTANT", "Important", ""}, {sent, "Sent", email.Sent}, {drafts, "Drafts", email.Drafts},
	{spam, "Spam", email.Junk}, {trash, "Trash", email.Trash}, {unread, "Unread", ""}, {chat, "Chats", ""},
	{"CATEGORY_PERSONAL", "Primary", ""}, {"CATEGORY_SOCIAL", "Social", ""}, {"CATEGORY_PROMOTIONS", "Promotions", ""}, {"CATEGORY_UPDATES", "Updates", ""}, {"CATEGORY_FORUMS", "Forums", ""},
}

func rank(id string) int {
	for i, s := range system {
		if s.id == id {
			return i
		}
	}
	return len(system)
}

// ListFolders implements provider.FolderLister: labels are folders. Gmail's own come first; a slash in a name makes a level where the
// label above exists.
func (c *Connector) ListFolders(ctx context.Context, a provider.Account) ([]email.Folder, error) {
	r, release := c.open(a)
	defer release()
	var list *api.ListLabelsResponse
	err := r.call(ctx, true, func(ctx context.Context) (err error) {
		list, err = c.api.Users.Labels.List("me").Context(ctx).Do()
		return err
	})
	if err != nil {
		return nil, elsewhere(err)
	}
	all := slices.DeleteFunc(list.Labels, func(l *api.Label) bool { return l == nil || !validID(l.Id) || l.Name == "" })
	slices.SortStableFunc(all, func(x, y *api.Label) int {
		return cmp.Or(cmp.Compare(rank(x.Id), rank(y.Id)), cmp.Compare(strings.ToLower(x.Name), strings.ToLower(y.Name)))
	})
	err = each(ctx, min(len(all), countMost), func(ctx context.Context, i int) error {
		return r.call(ctx, true, func(ctx context.Context) error {
			l, err := c.api.Users.Labels.Get("me", all[i].Id).Context(ctx).Do()
			if d, ok := denied(err); ok && d.status == 404 {
				return nil // deleted since: without numbers it is as good as gone
			}
			if err == nil {
				all[i].MessagesTotal, all[i].MessagesUnread = l.MessagesTotal, l.MessagesUnread
			}
			return err
		})
	})
	if err != nil {
		return nil, elsewhere(err)
	}
	return tree(all), nil
}

func tree(all []*api.Label) []email.Folder {
	byName := map[string]int{}
	for i, l := range all {
		if l.Type != "system" {
			byName[l.Name] = i
		}
	}
	out := make([]email.Folder, len(all))
	for i, l := range all {
		f := email.Folder{ID: l.Id, Name: l.Name, System: l.Type == "system", Total: int(l.MessagesTotal), Unread: int(l.MessagesUnread)}
		if n := rank(l.Id); n < len(system) {
			f.Name, f.System = system[n].name, true
			if system[n].use != "" {
				f.Attributes = []email.Attribute{system[n].use}
			}
		}
		out[i] = f
	}
	for i, l := range all {
		for at := strings.LastIndexByte(l.Name, '/'); at > 0 && !out[i].System; at = strings.LastIndexByte(l.Name[:at], '/') {
			if above, ok := byName[l.Name[:at]]; ok && at+1 < len(l.Name) {
				out[i].ParentID, out[i].Name = out[above].ID, l.Name[at+1:]
				out[above].Children++
				break
			}
		}
	}
	return out
}

// elsewhere takes a not-found that cannot mean a message for an answer that makes no sense.
func elsewhere(err error) error {
	if err == nil {
		return nil
	}
	if d, ok := turnedDown(err); ok {
		return errAnswer.Because(d.cause())
	}
	return err
}
