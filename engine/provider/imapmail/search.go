package imapmail

import (
	"strings"

	"github.com/emersion/go-imap/v2"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

// filtered says whether the query needs the server's SEARCH at all.
func filtered(q email.Query) bool {
	return q.Subject != "" || q.ThreadID != "" || q.Native != "" || q.Unread != nil || q.Starred != nil || q.HasAttachment != nil ||
		len(q.Any)+len(q.From)+len(q.To)+len(q.Cc)+len(q.Bcc) > 0 || !q.ReceivedAfter.IsZero() || !q.ReceivedBefore.IsZero()
}

// criteria asks the server for at least what the query wants. Where IMAP is coarser (dates are days, addresses are substrings,
// attachments are unknown to it), fit decides on what comes back. ok is false when nothing can match.
func criteria(q email.Query) (c *imap.SearchCriteria, ok bool, err error) {
	c = &imap.SearchCriteria{}
	if q.Native != "" {
		c, err = parseNative(q.Native)
		return c, err == nil, err
	}
	if q.Subject != "" {
		c.Header = append(c.Header, imap.SearchCriteriaHeaderField{Key: "Subject", Value: q.Subject})
	}
	for _, f := range []struct {
		keys []string
		all  []string
	}{{[]string{"From"}, q.From}, {[]string{"To"}, q.To}, {[]string{"Cc"}, q.Cc}, {[]string{"Bcc"}, q.Bcc}, {[]string{"From", "To", "Cc", "Bcc"}, q.Any}} {
		var any []imap.SearchCriteria
		for _, a := range f.all {
			for _, k := range f.keys {
				any = append(any, imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: k, Value: a}}})
			}
		}
		if len(any) > 0 {
			c.And(either(any))
		}
	}
	flag(c, q.Unread, imap.FlagSeen, false)
	flag(c, q.Starred, imap.FlagFlagged, true)
	if !q.ReceivedAfter.IsZero() {
		// The server's day may begin up to fourteen hours before ours or end after it.
		c.Since = q.ReceivedAfter.UTC().AddDate(0, 0, -1)
	}
	if !q.ReceivedBefore.IsZero() {
		c.Before = q.ReceivedBefore.UTC().AddDate(0, 0, 2)
	}
	if id, alone := strings.CutPrefix(q.ThreadID, "m"); alone {
		// A message without any Message-ID: its thread is itself.
		_, _, uid, err := messageOf(id)
		if err != nil {
			return nil, false, nil
		}
		c.UID = append(c.UID, imap.UIDSetNum(uid))
	} else if q.ThreadID != "" {
		root, ok := rfc5322.ThreadRoot(q.ThreadID)
		if !ok {
			return nil, false, nil
		}
		c.And(either([]imap.SearchCriteria{
			{Header: []imap.SearchCriteriaHeaderField{{Key: "Message-ID", Value: root}}},
			{Header: []imap.SearchCriteriaHeaderField{{Key: "References", Value: root}}},
			{Header: []imap.SearchCriteriaHeaderField{{Key: "In-Reply-To", Value: root}}},
		}))
	}
	return c, true, nil
}

// flag asks for a flag's presence or absence. present says which of the two the filter's true means.
func flag(c *imap.SearchCriteria, want *bool, f imap.Flag, present bool) {
	switch {
	case want == nil:
	case *want == present:
		c.Flag = append(c.Flag, f)
	default:
		c.NotFlag = append(c.NotFlag, f)
	}
}

// either joins by OR, which in IMAP takes exactly two.
func either(all []imap.SearchCriteria) *imap.SearchCriteria {
	for len(all) > 1 {
		var next []imap.SearchCriteria
		for i := 0; i+1 < len(all); i += 2 {
			next = append(next, imap.SearchCriteria{Or: [][2]imap.SearchCriteria{{all[i], all[i+1]}}})
		}
		if len(all)%2 == 1 {
			next = append(next, all[len(all)-1])
		}
		all = next
	}
	return &all[0]
}

// fit decides what the server could not. Subject and Native are left to the server: it knows more of comparing text.
func fit(q email.Query, m email.Message) bool {
	if q.Native != "" {
		return true
	}
	q.Subject = ""
	return q.Matches(m)
}

// takeBelow gives the highest n UIDs of a set that lie below a limit (0 = none), highest first. A set may come from a server as
// "1:4294967295": it is never spread out.
func takeBelow(set imap.UIDSet, below imap.UID, n int) []imap.UID {
	var out []imap.UID
	for i := len(set) - 1; i >= 0 && len(out) < n; i-- {
		lo, hi := set[i].Start, set[i].Stop
		if hi < lo {
			lo, hi = hi, lo
		}
		if lo == 0 {
			continue // "*" has no place in an answer
		}
		if below != 0 && hi >= below {
			hi = below - 1
		}
		for u := hi; u >= lo && u > 0 && len(out) < n; u-- {
			out = append(out, u)
		}
	}
	return out
}

// uids runs a search.
func (s *session) uids(c *imap.SearchCriteria) (imap.UIDSet, error) {
	var options *imap.SearchOptions
	if s.has(imap.CapESearch) || s.has(imap.CapIMAP4rev2) {
		options = &imap.SearchOptions{ReturnAll: true} // ranges instead of a number for each message
	}
	data, err := s.client.UIDSearch(c, options).Wait()
	if err != nil {
		return nil, err
	}
	set, _ := data.All.(imap.UIDSet)
	return set, nil
}
