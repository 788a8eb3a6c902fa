package email

import "time"

// Address is one mailbox as a message names it. Name may be empty; both are foreign text and must be escaped where shown.
type Address struct {
	Name  string
	Email string
}

// Header is one header field, name as it came, value unfolded and decoded to UTF-8.
type Header struct {
	Name  string
	Value string
}

// Attachment describes a part of a message without holding its bytes.
type Attachment struct {
	ID          string // url-safe, good together with the message's id
	Filename    string // as the sender wrote it: never to be used as a path
	ContentType string // lower case type/subtype, without parameters
	Size        int64  // decoded bytes; estimated where the server tells only the encoded size
	ContentID   string // without angle brackets; empty when none
	Disposition string // attachment, inline or empty
	Inline      bool   // shown within the body
}

// Message is one message as a provider tells it. A zero field means that the provider did not tell, or was not asked.
type Message struct {
	ID          string // opaque, url-safe, without a slash; good within its account
	ThreadID    string
	Subject     string
	From        []Address
	To          []Address
	Cc          []Address
	Bcc         []Address
	ReplyTo     []Address
	Date        time.Time // when the mail server got it; the sender's Date where that is unknown
	Unread      bool
	Starred     bool
	Draft       bool
	Folders     []string // folder ids
	Snippet     string   // up to 100 characters of text, no markup
	HTML        string   // the HTML body; empty when the message has none
	Plain       string   // the plain body; empty when the message has none
	Attachments []Attachment
	Headers     []Header // all of them, in order; only when asked for
	MessageID   string   // Message-ID without angle brackets
	InReplyTo   []string // without angle brackets
	References  []string // without angle brackets, oldest first
	Size        int64    // bytes of the whole message at the server
	Raw         []byte   // the message as it travelled; only when asked for
}

// Body is what a reader is shown: the HTML where there is one, else the plain text.
func (m Message) Body() string {
	if m.HTML != "" {
		return m.HTML
	}
	return m.Plain
}

// Fields says how much of a message is wanted.
type Fields int

// The zero value is Standard.
const (
	Standard         Fields = iota // everything but Headers and Raw
	WithHeaders                    // and every header field
	WithBasicHeaders               // and the header fields that thread a message: Message-ID, In-Reply-To, References
	RawOnly                        // ID and Raw alone
)

// Change is what may be altered in a stored message. A nil field stays as it is.
type Change struct {
	Unread  *bool
	Starred *bool
	Folders []string // the folder ids to be in afterwards; nil = unchanged. Most providers accept exactly one
}

// Empty says that the change changes nothing.
func (c Change) Empty() bool { return c.Unread == nil && c.Starred == nil && c.Folders == nil }
