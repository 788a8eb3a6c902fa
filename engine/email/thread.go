package email

import (
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/fault"
)

// Thread is a conversation: messages that answer one another.
type Thread struct {
	ID           string // the ThreadID of its messages
	Subject      string // of its first message
	Snippet      string // of the latest message
	Participants []Address
	MessageIDs   []string // without drafts; oldest first. A connector may leave out all but the newest few hundred
	DraftIDs     []string // good for the calls on drafts
	Folders      []string // every folder that holds one of its messages
	Earliest     time.Time
	LastReceived time.Time // zero when everything in it was sent
	LastSent     time.Time // zero when nothing in it was sent
	Unread       bool      // some message is unread
	Starred      bool      // some message is starred
	Attachments  bool      // some message has an attachment
	Latest       Message   // its newest message or draft; Draft says which
}

// The bounds of one page of threads.
const (
	DefaultThreads = 20
	MaxThreads     = 50
)

// ThreadQuery says which threads are wanted. All filters must hold at once. Subject, the addresses and In are about messages: one message that fits all of
// them brings its whole thread. Unread, Starred, HasAttachment and the times are about the thread as it is answered.
type ThreadQuery struct {
	Limit         int      // 0 = DefaultThreads, at most MaxThreads
	Cursor        string   // from Page.Next; opaque; good only with the same filters
	Subject       string   // part of the subject, letter case ignored
	Any           []string // within each list one address is enough
	From          []string
	To            []string
	Cc            []string
	Bcc           []string
	In            []string // folder ids; empty = the connector's own view of "the mailbox", for IMAP the inbox
	Unread        *bool
	Starred       *bool
	HasAttachment *bool
	LatestBefore  time.Time // exclusive, of the latest message
	LatestAfter   time.Time // exclusive, of the latest message
	Native        string    // the provider's own search language; excludes the other filters
	NoBody        bool      // the caller will not look at HTML and Plain of Latest: a connector may then leave them empty
}

// Size is the page size asked for, within the bounds.
func (q ThreadQuery) Size() int {
	switch {
	case q.Limit <= 0:
		return DefaultThreads
	case q.Limit > MaxThreads:
		return MaxThreads
	}
	return q.Limit
}

// Check answers fault.Invalid, with the field at fault, for filters that no mail server may be asked.
func (q ThreadQuery) Check() error {
	if q.Limit < 0 || q.Limit > MaxThreads {
		return fault.New(fault.Invalid, "limit_invalid", "limit must be between 1 and %d.", MaxThreads).At("limit")
	}
	m := q.Messages()
	m.Unread, m.Starred, m.HasAttachment, m.ReceivedBefore, m.ReceivedAfter = q.Unread, q.Starred, q.HasAttachment, q.LatestBefore, q.LatestAfter
	return m.Check()
}

// Messages is the part of the query that is about messages.
func (q ThreadQuery) Messages() Query {
	return Query{Subject: q.Subject, Any: q.Any, From: q.From, To: q.To, Cc: q.Cc, Bcc: q.Bcc, In: q.In, Native: q.Native, NoBody: q.NoBody}
}

// Matches says whether t passes the filters that are about the thread as a whole.
func (q ThreadQuery) Matches(t Thread) bool {
	if q.Unread != nil && *q.Unread != t.Unread || q.Starred != nil && *q.Starred != t.Starred || q.HasAttachment != nil && *q.HasAttachment != t.Attachments {
		return false
	}
	return (q.LatestBefore.IsZero() || t.Latest.Date.Before(q.LatestBefore)) && (q.LatestAfter.IsZero() || t.Latest.Date.After(q.LatestAfter))
}

// Gather makes a thread of its messages and drafts, given oldest first; there must be one at least. Ids of messages are taken from ID, those of drafts, too, so
// that a connector whose drafts have ids of their own puts these in first. sent tells a message that its owner sent.
func Gather(id string, all []Message, sent func(Message) bool) Thread {
	t := Thread{ID: id, Subject: all[0].Subject, Latest: all[len(all)-1]}
	t.Snippet = t.Latest.Snippet
	known, folders := map[string]bool{}, map[string]bool{}
	for _, m := range all {
		for _, list := range [][]Address{m.From, m.To, m.Cc, m.Bcc} {
			for _, a := range list {
				if key := strings.ToLower(a.Email); key != "" && !known[key] {
					known[key] = true
					t.Participants = append(t.Participants, a)
				}
			}
		}
		for _, f := range m.Folders {
			if !folders[f] {
				folders[f] = true
				t.Folders = append(t.Folders, f)
			}
		}
		t.Unread, t.Starred, t.Attachments = t.Unread || m.Unread && !m.Draft, t.Starred || m.Starred, t.Attachments || len(m.Attachments) > 0
		if t.Earliest.IsZero() || m.Date.Before(t.Earliest) {
			t.Earliest = m.Date
		}
		switch {
		case m.Draft:
			t.DraftIDs = append(t.DraftIDs, m.ID)
		default:
			t.MessageIDs = append(t.MessageIDs, m.ID)
			if sent(m) {
				t.LastSent = later(t.LastSent, m.Date)
			} else {
				t.LastReceived = later(t.LastReceived, m.Date)
			}
		}
	}
	return t
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
