package webhooks

import (
	"slices"
	"strings"
)

// Trigger is a type of event that a webhook can ask for, by its name in the v3 API.
type Trigger struct {
	Name    string
	Group   string // grant, message, thread, folder, contact
	Meaning string // one line for people
	Emitted bool   // Postern sends it today; the others are taken, so that a v3 client's list works unchanged
}

// triggers is the table. The names are the v3 API's; calendars, bookings and note takers are not mail and are refused.
var triggers = []Trigger{
	{"grant.created", "grant", "A mailbox was connected.", true},
	{"grant.updated", "grant", "A connection changed or was renewed.", true},
	{"grant.deleted", "grant", "A connection was deleted.", true},
	{"grant.expired", "grant", "A connection stopped working and needs its owner.", true},
	{"grant.imap_sync_completed", "grant", "The first sync of an IMAP mailbox is done.", false},
	{"message.created", "message", "A message arrived or was written.", true},
	{"message.updated", "message", "A message was moved, read or marked.", true},
	{"message.deleted", "message", "A message was deleted.", true},
	{"message.created.cleaned", "message", "A message arrived; its cleaned text is in the event.", false},
	{"message.send_success", "message", "A message was sent.", false},
	{"message.send_failed", "message", "A message could not be sent.", false},
	{"message.bounce_detected", "message", "A sent message came back.", false},
	{"message.opened", "message", "A tracked message was opened.", false},
	{"message.opened.legacy", "message", "A tracked message was opened, older tracking.", false},
	{"message.link_clicked", "message", "A link in a tracked message was opened.", false},
	{"message.link_clicked.legacy", "message", "A link in a tracked message was opened, older tracking.", false},
	{"message.delivered", "message", "A message was delivered.", false},
	{"message.bounced", "message", "A message was returned.", false},
	{"message.complaint", "message", "A recipient complained about a message.", false},
	{"message.rejected", "message", "A message was refused.", false},
	{"message.transactional.delivered", "message", "A transactional message was delivered.", false},
	{"message.transactional.bounced", "message", "A transactional message was returned.", false},
	{"message.transactional.complaint", "message", "A recipient complained about a transactional message.", false},
	{"message.transactional.rejected", "message", "A transactional message was refused.", false},
	{"message.intelligence.order", "message", "An order was recognised in a message.", false},
	{"message.intelligence.tracking", "message", "A parcel was recognised in a message.", false},
	{"message.intelligence.return", "message", "A return was recognised in a message.", false},
	{"thread.replied", "thread", "A tracked thread was answered.", false},
	{"thread.replied.legacy", "thread", "A tracked thread was answered, older tracking.", false},
	{"folder.created", "folder", "A folder was made.", true},
	{"folder.updated", "folder", "A folder was renamed or changed.", true},
	{"folder.deleted", "folder", "A folder was deleted.", true},
	{"contact.updated", "contact", "A contact was added or changed.", false},
	{"contact.deleted", "contact", "A contact was deleted.", false},
}

// Triggers lists every type of event that a webhook can ask for.
func Triggers() []Trigger { return slices.Clone(triggers) }

// KnownTrigger says whether a webhook can ask for name.
func KnownTrigger(name string) bool {
	return slices.ContainsFunc(triggers, func(t Trigger) bool { return t.Name == name })
}

// suffixes say that a payload was changed on its way out; nobody subscribes to them.
var suffixes = []string{".truncated", ".transformed", ".metadata"}

// subscription is the trigger that an event's type belongs to: the type without the suffixes that only describe its payload.
func subscription(eventType string) string {
	for {
		cut := eventType
		for _, s := range suffixes {
			cut = strings.TrimSuffix(cut, s)
		}
		if cut == eventType {
			return cut
		}
		eventType = cut
	}
}
