package email

import "time"

// Thread is a conversation: messages that answer one another.
type Thread struct {
	ID           string
	Subject      string
	Snippet      string // of the latest message
	Participants []Address
	MessageIDs   []string
	DraftIDs     []string
	Folders      []string
	Earliest     time.Time
	LastReceived time.Time
	LastSent     time.Time
	Unread       bool
	Starred      bool
	Attachments  bool // some message has an attachment
	Latest       Message
}
