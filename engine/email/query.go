package email

import (
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/fault"
)

// The bounds of one page.
const (
	DefaultLimit = 50
	MaxLimit     = 200
	maxAny       = 25
	maxText      = 1024
)

// Query says which messages are wanted. All filters must hold at once; within From, To, Cc, Bcc and Any one address is enough.
type Query struct {
	Limit          int    // 0 = DefaultLimit, at most MaxLimit
	Cursor         string // from Page.Next; opaque; good only with the same filters
	Subject        string // part of the subject, letter case ignored
	Any            []string
	From           []string
	To             []string
	Cc             []string
	Bcc            []string
	In             []string // folder ids; empty = the connector's own view of "the mailbox", for IMAP the inbox
	ThreadID       string
	Unread         *bool
	Starred        *bool
	HasAttachment  *bool
	ReceivedBefore time.Time // exclusive
	ReceivedAfter  time.Time // exclusive
	Native         string    // the provider's own search language; excludes the other filters
	Fields         Fields
	NoBody         bool // the caller will not look at HTML and Plain: a connector may then leave them empty
}

// Size is the page size asked for, within the bounds.
func (q Query) Size() int {
	switch {
	case q.Limit <= 0:
		return DefaultLimit
	case q.Limit > MaxLimit:
		return MaxLimit
	}
	return q.Limit
}

// Check answers fault.Invalid, with the field at fault, for filters that no mail server may be asked.
func (q Query) Check() error {
	if q.Limit < 0 || q.Limit > MaxLimit {
		return fault.New(fault.Invalid, "limit_invalid", "limit must be between 1 and %d.", MaxLimit).At("limit")
	}
	if len(q.Any) > maxAny {
		return fault.New(fault.Invalid, "any_email_invalid", "any_email takes at most %d addresses.", maxAny).At("any_email")
	}
	for _, list := range []struct {
		field string
		all   []string
	}{{"any_email", q.Any}, {"from", q.From}, {"to", q.To}, {"cc", q.Cc}, {"bcc", q.Bcc}, {"in", q.In},
		{"subject", []string{q.Subject}}, {"thread_id", []string{q.ThreadID}}, {"search_query_native", []string{q.Native}}} {
		if len(list.all) > maxAny {
			return fault.New(fault.Invalid, "filter_invalid", "%s takes at most %d values.", list.field, maxAny).At(list.field)
		}
		for _, v := range list.all {
			if broken(v) || len(v) > 2*maxText {
				return fault.New(fault.Invalid, "filter_invalid", "%s holds something that no mail server can be asked.", list.field).At(list.field)
			}
		}
	}
	if q.Native != "" && (q.Subject != "" || len(q.Any)+len(q.From)+len(q.To)+len(q.Cc)+len(q.Bcc) > 0 || q.ThreadID != "" ||
		q.Unread != nil || q.Starred != nil || q.HasAttachment != nil || !q.ReceivedAfter.IsZero() || !q.ReceivedBefore.IsZero()) {
		return fault.New(fault.Invalid, "filters_contradict", "search_query_native cannot be combined with other filters.").At("search_query_native")
	}
	return nil
}

// AboutMessages says whether the query looks at what a message says: its subject, its addresses, or what the provider's own language asks for.
func (q Query) AboutMessages() bool {
	return q.Subject != "" || q.Native != "" || len(q.Any)+len(q.From)+len(q.To)+len(q.Cc)+len(q.Bcc) > 0
}

// Matches says whether m passes the filters that can be judged on a message alone: all but In and Native.
// A connector uses it for what its server cannot be asked exactly.
func (q Query) Matches(m Message) bool {
	if q.Subject != "" && !strings.Contains(strings.ToLower(m.Subject), strings.ToLower(q.Subject)) {
		return false
	}
	if q.ThreadID != "" && q.ThreadID != m.ThreadID {
		return false
	}
	if q.Unread != nil && *q.Unread != m.Unread || q.Starred != nil && *q.Starred != m.Starred {
		return false
	}
	if q.HasAttachment != nil && *q.HasAttachment != (len(m.Attachments) > 0) {
		return false
	}
	if !q.ReceivedBefore.IsZero() && !m.Date.Before(q.ReceivedBefore) || !q.ReceivedAfter.IsZero() && !m.Date.After(q.ReceivedAfter) {
		return false
	}
	return named(q.From, m.From) && named(q.To, m.To) && named(q.Cc, m.Cc) && named(q.Bcc, m.Bcc) &&
		named(q.Any, m.From, m.To, m.Cc, m.Bcc)
}

func named(wanted []string, lists ...[]Address) bool {
	if len(wanted) == 0 {
		return true
	}
	for _, w := range wanted {
		for _, list := range lists {
			for _, a := range list {
				if strings.EqualFold(a.Email, w) {
					return true
				}
			}
		}
	}
	return false
}
