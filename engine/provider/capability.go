package provider

import (
	"context"

	"github.com/postern-mail/postern/engine/email"
)

// What else a connector may offer: conversations, drafts, and changes of folders. The rules for all capabilities stand in connector.go.

// ThreadReader reads conversations. Providers that know none have them built from what messages answer (RFC 5322 section 3.6.4).
type ThreadReader interface {
	// ListThreads lists the conversation with the newest message first. A conversation is listed once in a walk through the pages, however many of its messages
	// lie between two cursors; one that gets new mail meanwhile moves above the cursor and may be missed. A page may be short and still have a next one.
	ListThreads(context.Context, Account, email.ThreadQuery) (email.Page[email.Thread], error)
	// Thread reads one, whichever folders its messages are in. ErrThreadNotFound.
	Thread(ctx context.Context, a Account, id string) (email.Thread, error)
}

// ThreadWriter changes all messages of a conversation, its drafts excepted.
type ThreadWriter interface {
	// UpdateThread answers the thread as it then is. Its id stays, those of its messages may change with a move. ErrThreadNotFound. An error may come after some
	// of the messages have been changed: the call can be repeated.
	UpdateThread(ctx context.Context, a Account, id string, change email.Change) (email.Thread, error)
	// DeleteThread moves the messages to the trash.
	DeleteThread(ctx context.Context, a Account, id string) error
}

// DraftReader reads drafts. Message.ID is then the id of the draft. It is good for AttachmentReader too, but not for the other calls on messages. Message.Draft is
// true, and Bcc is told.
type DraftReader interface {
	// ListDrafts lists newest first. In and Native of the query are not looked at.
	ListDrafts(context.Context, Account, email.Query) (email.Page[email.Message], error)
	// Draft reads one. ErrDraftNotFound; also for a message that is no draft.
	Draft(ctx context.Context, a Account, id string) (email.Message, error)
}

// DraftWriter keeps drafts in the mailbox, where its owner sees them. What email.Draft.CheckKept refuses is fault.Invalid and changes nothing.
type DraftWriter interface {
	CreateDraft(context.Context, Account, email.Draft) (email.Message, error)
	// UpdateDraft changes what the change names and nothing else: attachments that it does not name stay. A draft keeps its id. ErrDraftNotFound.
	UpdateDraft(ctx context.Context, a Account, id string, change email.DraftChange) (email.Message, error)
	// DeleteDraft erases it, or moves it to the trash where the provider does that. ErrDraftNotFound.
	DeleteDraft(ctx context.Context, a Account, id string) error
}

// DraftSender sends a draft as it is kept. It is then among the sent messages and no draft any more. A draft that names nobody is fault.Invalid and stays.
// ErrDraftNotFound, so that a second call sends nothing.
type DraftSender interface {
	SendDraft(ctx context.Context, a Account, id string) (email.Message, error)
}

// FolderWriter changes folders. ErrFolderExists for a name that is taken beside it, ErrFolderSystem for the mailbox's own folders, ErrFolderNotFound also for a
// parent that is not there.
type FolderWriter interface {
	CreateFolder(context.Context, Account, email.NewFolder) (email.Folder, error)
	// UpdateFolder renames and moves it, with what is in it. Its id may change: the answer has the one that is good from here on.
	UpdateFolder(ctx context.Context, a Account, id string, change email.FolderChange) (email.Folder, error)
	// DeleteFolder loses no mail: messages that are in no other folder go to the trash. A folder with others below may be refused with fault.Conflict.
	DeleteFolder(ctx context.Context, a Account, id string) error
}

// AliasReader tells which other addresses a mailbox has. Its own is not among them.
type AliasReader interface {
	Aliases(context.Context, Account) ([]string, error)
}

// Mailbox is all that can be done with a mailbox.
type Mailbox interface {
	MessageLister
	MessageReader
	MessageUpdater
	MessageDeleter
	AttachmentReader
	FolderLister
	FolderWriter
	ThreadReader
	ThreadWriter
	DraftReader
	DraftWriter
	DraftSender
	Sender
}
