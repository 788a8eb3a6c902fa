package graph

import (
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/email"
)

const (
	odataTime = "2006-01-02T15:04:05Z"
	beginning = "receivedDateTime ge 1900-01-01T00:00:00Z"
)

// literal quotes text for OData (OData 4.01 URL conventions, section 5.1.1.6.1).
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// bounds are the clauses on time; they come first, because Microsoft demands that the property of $orderby leads in $filter. before is where the page before ended,
// a whole second: Microsoft shows seconds and compares fractions, so that everything of that second is asked for again.
func bounds(q email.Query, before time.Time) []string {
	var out []string
	if !q.ReceivedAfter.IsZero() {
		out = append(out, "receivedDateTime gt "+q.ReceivedAfter.UTC().Format(odataTime))
	}
	upper := q.ReceivedBefore
	if next := before.Add(time.Second); !before.IsZero() && (upper.IsZero() || next.Before(upper)) {
		upper = next
	}
	if !upper.IsZero() {
		if upper.Nanosecond() > 0 {
			upper = upper.Truncate(time.Second).Add(time.Second)
		}
		out = append(out, "receivedDateTime lt "+upper.UTC().Format(odataTime))
	}
	return out
}

// clauses is what Microsoft's $filter can be asked beside time. Recipients are not among it; see search.
func clauses(q email.Query) []string {
	var out []string
	if q.Unread != nil {
		out = append(out, "isRead eq "+boolean(!*q.Unread))
	}
	if q.Starred != nil {
		op := "ne"
		if *q.Starred {
			op = "eq"
		}
		out = append(out, "flag/flagStatus "+op+" 'flagged'")
	}
	if q.HasAttachment != nil {
		out = append(out, "hasAttachments eq "+boolean(*q.HasAttachment))
	}
	if len(q.From) > 0 {
		var any []string
		for _, a := range q.From {
			any = append(any, "from/emailAddress/address eq "+literal(a))
		}
		out = append(out, "("+strings.Join(any, " or ")+")")
	}
	if q.Subject != "" {
		out = append(out, "contains(subject,"+literal(q.Subject)+")")
	}
	return out
}

func boolean(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

// filter joins time and the rest; empty when nothing is to be filtered.
func filter(q email.Query, before time.Time, coarse bool) string {
	all := bounds(q, before)
	if !coarse {
		rest := clauses(q)
		if len(all) == 0 && len(rest) > 0 {
			all = append(all, beginning)
		}
		all = append(all, rest...)
	}
	return strings.Join(all, " and ")
}

// search says in KQL which recipients are wanted ("Use the $search query parameter", searchable message properties); false when there is nothing
// to search by, or an address that KQL would not take as it stands: then the messages are looked through one by one.
func search(q email.Query) (string, bool) {
	var all []string
	for _, f := range []struct {
		property string
		any      []string
	}{{"to", q.To}, {"cc", q.Cc}, {"bcc", q.Bcc}, {"participants", q.Any}} {
		var any []string
		for _, a := range f.any {
			if !plainAddress(a) {
				return "", false
			}
			any = append(any, f.property+":"+a)
		}
		switch len(any) {
		case 0:
		case 1:
			all = append(all, any[0])
		default:
			all = append(all, "("+strings.Join(any, " OR ")+")")
		}
	}
	return strings.Join(all, " AND "), len(all) > 0
}

func plainAddress(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '@' || c == '.' || c == '-' || c == '_') {
			return false
		}
	}
	return strings.Count(s, "@") == 1
}

// quoted is a whole KQL expression as the value of $search.
func quoted(kql string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(kql) + `"`
}

// native splits the provider's own language: a $filter, a $search, or without a name a search.
func native(s string) (kql, filter string) {
	s = strings.TrimSpace(s)
	if rest, ok := strings.CutPrefix(s, "$filter="); ok {
		return "", rest
	}
	s, _ = strings.CutPrefix(s, "$search=")
	if n := len(s); n > 1 && s[0] == '"' && s[n-1] == '"' && !strings.Contains(s[1:n-1], `"`) {
		s = s[1 : n-1]
	}
	return s, ""
}

// fits decides what Microsoft was not asked, or answers more loosely. Whether a message has attachments is Microsoft's own word: it does not count
// pictures within the text, and the list of attachments does.
func fits(q email.Query, w wireMessage) bool {
	if q.Native != "" {
		return true
	}
	if q.HasAttachment != nil && *q.HasAttachment != w.HasAttachments {
		return false
	}
	q.HasAttachment = nil
	return q.Matches(w.message(email.Standard))
}
