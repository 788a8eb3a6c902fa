package email

import (
	"net/mail"
	"strings"

	"github.com/postern-mail/postern/engine/fault"
)

// Draft is a message that has not left yet.
type Draft struct {
	From        []Address // empty: the account's own address
	To          []Address
	Cc          []Address
	Bcc         []Address
	ReplyTo     []Address
	Subject     string
	HTML        string // one of HTML and Plain, or both
	Plain       string
	MessageID   string   // without angle brackets; made by the sender of the draft when empty
	InReplyTo   string   // Message-ID answered, without angle brackets
	References  []string // without angle brackets, oldest first
	Headers     []Header // further fields
	Attachments []Enclosure
	Raw         Content // a complete message to be sent as it is; everything above but the recipients is then ignored
	Starred     bool    // of a draft that is kept
}

// Body is what a message says: one of HTML and Plain, or both.
type Body struct {
	HTML  string
	Plain string
}

// DraftChange is what may be altered in a draft that is kept. A nil field stays as it is; one that is given replaces the old one whole, and may be empty.
type DraftChange struct {
	From        *[]Address
	To          *[]Address
	Cc          *[]Address
	Bcc         *[]Address
	ReplyTo     *[]Address
	Subject     *string
	Body        *Body
	InReplyTo   *string   // with References
	References  *[]string // with InReplyTo
	Headers     *[]Header
	Attachments *[]Enclosure
	Starred     *bool
}

// Apply is d with the change. Content that d still has to read stays unread.
func (c DraftChange) Apply(d Draft) Draft {
	put(&d.From, c.From)
	put(&d.To, c.To)
	put(&d.Cc, c.Cc)
	put(&d.Bcc, c.Bcc)
	put(&d.ReplyTo, c.ReplyTo)
	put(&d.Subject, c.Subject)
	if c.Body != nil {
		d.HTML, d.Plain = c.Body.HTML, c.Body.Plain
	}
	put(&d.InReplyTo, c.InReplyTo)
	put(&d.References, c.References)
	put(&d.Headers, c.Headers)
	put(&d.Attachments, c.Attachments)
	put(&d.Starred, c.Starred)
	return d
}

func put[T any](old *T, given *T) {
	if given != nil {
		*old = *given
	}
}

// Check answers fault.Invalid, with the field at fault, when what is to be changed cannot be kept in a draft.
func (c DraftChange) Check() error { return c.Apply(Draft{}).CheckKept() }

// Enclosure is an attachment on its way out.
type Enclosure struct {
	Filename    string
	ContentType string
	ContentID   string
	Inline      bool
	Size        int64   // 0 = unknown
	Content     Content // nil = empty
}

// Recipients is everyone the draft goes to.
func (d Draft) Recipients() []Address {
	out := make([]Address, 0, len(d.To)+len(d.Cc)+len(d.Bcc))
	return append(append(append(out, d.To...), d.Cc...), d.Bcc...)
}

// ownHeaders are the fields that a draft sets by its other parts: letting a caller add a second one would let two readers
// of the message disagree about it.
var ownHeaders = map[string]bool{
	"from": true, "sender": true, "to": true, "cc": true, "bcc": true, "reply-to": true, "subject": true, "date": true,
	"message-id": true, "in-reply-to": true, "references": true, "mime-version": true, "content-type": true,
	"content-transfer-encoding": true, "content-disposition": true, "return-path": true, "received": true, "dkim-signature": true,
}

// Check answers fault.Invalid, with the field at fault, when the draft cannot be sent as it stands.
// Line breaks in anything that becomes a header are refused: they would let the text of one field write another.
func (d Draft) Check() error {
	if len(d.Recipients()) == 0 {
		return fault.New(fault.Invalid, "recipient_missing", "Name at least one recipient.").At("to")
	}
	return d.CheckKept()
}

// CheckKept is Check for a draft that is only kept for now: it may name nobody.
func (d Draft) CheckKept() error {
	for _, list := range []struct {
		field string
		all   []Address
	}{{"from", d.From}, {"to", d.To}, {"cc", d.Cc}, {"bcc", d.Bcc}, {"reply_to", d.ReplyTo}} {
		for _, a := range list.all {
			if err := a.Check(); err != nil {
				return fault.New(fault.Invalid, "address_invalid", "One of the addresses is not a mail address.").At(list.field).Because(err)
			}
		}
	}
	for _, line := range append([]string{d.Subject, d.MessageID, d.InReplyTo}, d.References...) {
		if broken(line) {
			return fault.New(fault.Invalid, "header_injection", "The subject and the message ids must be single lines.").At("subject")
		}
	}
	for _, h := range d.Headers {
		if !fieldName(h.Name) || broken(h.Value) || ownHeaders[strings.ToLower(h.Name)] {
			return fault.New(fault.Invalid, "header_invalid", "A custom header has a name or value that cannot be sent.").At("custom_headers")
		}
	}
	for _, e := range d.Attachments {
		if broken(e.Filename) || broken(e.ContentType) || broken(e.ContentID) {
			return fault.New(fault.Invalid, "attachment_invalid", "An attachment has a name or type that cannot be sent.").At("attachments")
		}
	}
	return nil
}

// Check answers an error unless the address is one that a mail protocol can carry.
func (a Address) Check() error {
	if broken(a.Name) || broken(a.Email) || strings.ContainsAny(a.Email, "<> \t") || len(a.Email) > 320 {
		return fault.New(fault.Invalid, "address_invalid", "This is not a mail address.")
	}
	parsed, err := mail.ParseAddress(a.Email)
	if err != nil || parsed.Address != a.Email {
		return fault.New(fault.Invalid, "address_invalid", "This is not a mail address.")
	}
	return nil
}

// broken says that s cannot stand on one line of a mail protocol.
func broken(s string) bool { return strings.ContainsAny(s, "\r\n\x00") }

// longestField is in bytes: a name must leave room on its line (RFC 5322 section 2.1.1), and the library that folds lines fails where there is none.
const longestField = 64

// fieldName follows RFC 5322 section 2.2: printable US-ASCII without the colon.
func fieldName(s string) bool {
	if s == "" || len(s) > longestField {
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] >= 0x7f || s[i] == ':' {
			return false
		}
	}
	return true
}
