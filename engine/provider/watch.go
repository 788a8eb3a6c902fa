package provider

import (
	"context"
	"time"

	"github.com/postern-mail/postern/engine/email"
)

// ChangeKind says what befell a message or a folder, in the words of the v3 API's triggers.
type ChangeKind string

// The kinds of change.
const (
	MessageCreated ChangeKind = "message.created"
	MessageUpdated ChangeKind = "message.updated"
	MessageDeleted ChangeKind = "message.deleted"
	FolderCreated  ChangeKind = "folder.created"
	FolderUpdated  ChangeKind = "folder.updated"
	FolderDeleted  ChangeKind = "folder.deleted"
)

// ChangeKinds lists the kinds of change in a fixed order.
func ChangeKinds() []ChangeKind {
	return []ChangeKind{MessageCreated, MessageUpdated, MessageDeleted, FolderCreated, FolderUpdated, FolderDeleted}
}

// MailboxChange is one thing that changed. Message is set where one was created or updated, Folder likewise; of what was deleted only the id is known.
type MailboxChange struct {
	Kind ChangeKind
	ID   string // of the message or folder
	// Mark tells this change from another of the same kind to the same thing, in the provider's own terms (a MODSEQ, a history id), so that it is known again
	// however often it is found. Empty: it can happen once only, or the provider has no such term.
	Mark    string
	Message *email.Message
	Folder  *email.Folder
}

// Looked is what a look at a mailbox brought.
type Looked struct {
	Changes []MailboxChange
	// Position is where the next look goes on. It is opaque, holds names of folders and perhaps a provider's secret, and is at most a few MiB. nil: as before.
	Position []byte
	More     bool // there is more to tell: look again at once
}

// MostChanges is how many changes one look tells at most.
const MostChanges = 50

// Watch is one mailbox that is being watched. It is used by one goroutine. Its errors are those of every capability.
type Watch interface {
	// Look compares the mailbox with a position and tells what changed since. The first position of all is empty: then nothing is told, and the position is how the
	// mailbox stands. Nothing is lost or told twice, whoever looks, as long as each look begins with the position that the one before it gave. wanted says which
	// kinds need their message or folder: others may come without.
	Look(ctx context.Context, position []byte, wanted map[ChangeKind]bool) (Looked, error)
	// Wait returns nil when something may have changed: the provider said so, poked has a value, or it is time to look anyway.
	Wait(ctx context.Context, poked <-chan struct{}) error
	// Close ends the watch and what it holds open. It is safe to repeat, and to call while another goroutine is in Look or Wait.
	Close()
}

// Watcher is a connector that can watch a mailbox. Watch opens what it needs; it ends with Close of the watch or of the account's key, whichever comes first.
type Watcher interface {
	Watch(ctx context.Context, a Account) (Watch, error)
}

// Pause waits until d is over, poked has a value or ctx has ended: what a watch does that can only ask.
func Pause(ctx context.Context, d time.Duration, poked <-chan struct{}) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-poked:
	case <-timer.C:
	}
	return nil
}
