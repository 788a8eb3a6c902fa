package watch

import (
	"crypto/sha256"
	"strconv"
	"strings"

	"github.com/postern-mail/postern/engine/outbox"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/models"
)

// events makes the events of what a look found, those that somebody asks for.
func events(row models.Watch, g models.Grant, changes []provider.MailboxChange, wanted map[provider.ChangeKind]bool) []outbox.Event {
	var out []outbox.Event
	for _, c := range changes {
		if !wanted[c.Kind] {
			continue
		}
		out = append(out, outbox.Event{ID: eventID(row, c), Tenant: g.TenantID, Application: g.ApplicationID, Grant: g.ID, Type: string(c.Kind), Source: source(g.Provider, c.Kind), Object: object(g, c)})
	}
	return out
}

// eventID is the same for the same change found from the same position, whoever finds it: a database that was restored tells nothing twice either. The time in it is
// the position's, because events are kept and forgotten by the time in their ids.
func eventID(row models.Watch, c provider.MailboxChange) models.EventID {
	mark := c.Mark
	if mark == "" {
		mark = "version " + strconv.FormatInt(row.Version, 10)
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{"postern event", row.GrantID.String(), string(c.Kind), c.ID, mark}, "\x00")))
	return models.DigestID[models.EventID](row.Since, sum[:])
}

// source is where an event comes from, in the words of the v3 API: /<provider>/<product>/<mode>.
func source(name string, kind provider.ChangeKind) string {
	product := "emails"
	if strings.HasPrefix(string(kind), "folder.") {
		product = "folders"
	}
	return "/" + name + "/" + product + "/realtime"
}

// object is data.object of the event: the message or folder as the API answers it, and of what is gone its id.
func object(g models.Grant, c provider.MailboxChange) map[string]any {
	switch {
	case c.Message != nil:
		return c.Message.Object(g.ID.String())
	case c.Folder != nil:
		return c.Folder.Object(g.ID.String())
	}
	kind, _, _ := strings.Cut(string(c.Kind), ".")
	return map[string]any{"id": c.ID, "grant_id": g.ID.String(), "object": kind}
}
