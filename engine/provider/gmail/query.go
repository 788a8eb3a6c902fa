package gmail

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
)

// search writes the filters in Gmail's search language, after its help page "Refine searches in Gmail". Gmail compares by words and
// knows whole seconds: what it answers is looked over once more by fits. Flags and folders go as label ids, which no name can confuse.
func search(q email.Query) string {
	if q.Native != "" {
		return q.Native
	}
	var all []string
	add := func(term string) {
		if term != "" {
			all = append(all, term)
		}
	}
	add(operator("subject", q.Subject))
	for _, f := range []struct {
		names []string
		all   []string
	}{{[]string{"from"}, q.From}, {[]string{"to"}, q.To}, {[]string{"cc"}, q.Cc}, {[]string{"bcc"}, q.Bcc}, {[]string{"from", "to", "cc", "bcc"}, q.Any}} {
		add(either(f.names, f.all))
	}
	if q.Unread != nil && !*q.Unread {
		add("-is:unread")
	}
	if q.Starred != nil && !*q.Starred {
		add("-is:starred")
	}
	if q.HasAttachment != nil {
		if *q.HasAttachment {
			add("has:attachment")
		} else {
			add("-has:attachment")
		}
	}
	// Whether Gmail's bounds belong to the range is written nowhere: one second more on both sides, and fits decides.
	if !q.ReceivedAfter.IsZero() {
		add("after:" + strconv.FormatInt(q.ReceivedAfter.Unix()-1, 10))
	}
	if !q.ReceivedBefore.IsZero() {
		add("before:" + strconv.FormatInt(q.ReceivedBefore.Unix()+2, 10))
	}
	return strings.Join(all, " ")
}

// operator is name:"value", or nothing when the value has no word that could be looked for. The quotes keep whatever stands in the
// value from being read as an operator.
func operator(name, value string) string {
	value = strings.Join(strings.FieldsFunc(value, func(r rune) bool { return r == '"' || unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if !strings.ContainsFunc(value, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
		return ""
	}
	return name + `:"` + value + `"`
}

// either joins alternatives in braces. When one of them cannot be asked, none may be: the others would hide its matches.
func either(names, values []string) string {
	var all []string
	for _, v := range values {
		for _, n := range names {
			term := operator(n, v)
			if term == "" {
				return ""
			}
			all = append(all, term)
		}
	}
	switch len(all) {
	case 0:
		return ""
	case 1:
		return all[0]
	}
	return "{" + strings.Join(all, " ") + "}"
}

// labels are the label ids that a message must have, all of them.
func labels(q email.Query) []string {
	out := slices.Clone(q.In)
	if q.Unread != nil && *q.Unread {
		out = append(out, unread)
	}
	if q.Starred != nil && *q.Starred {
		out = append(out, starred)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// hidden says that the query names the trash or the spam, which Gmail leaves out of a list otherwise.
func hidden(q email.Query) bool { return slices.Contains(q.In, trash) || slices.Contains(q.In, spam) }

// fits decides what Gmail's search cannot decide exactly. The subject stays with Gmail unless it could not be asked for it: Gmail
// compares it with accents and letter case folded. So do attachments: their count here can differ from what Gmail calls one.
func fits(q email.Query, m email.Message) bool {
	if q.Native != "" {
		return true
	}
	if operator("subject", q.Subject) != "" {
		q.Subject = ""
	}
	q.HasAttachment = nil
	return q.Matches(m)
}

// fitsThread is fits for messages that come from a conversation, where Gmail has not searched.
func fitsThread(q email.Query, m email.Message, all []string) bool {
	for _, id := range labels(q) {
		if !slices.Contains(all, id) {
			return false
		}
	}
	if !hidden(q) && (slices.Contains(all, trash) || slices.Contains(all, spam)) {
		return false
	}
	return q.Matches(m)
}

// validID holds for what can be an id of Gmail's: it goes into a path.
func validID(id string) bool {
	if id == "" || len(id) > 128 {
		return false
	}
	for _, r := range id {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-') {
			return false
		}
	}
	return true
}

// cursorMark begins a cursor; a new meaning takes a new mark.
const cursorMark = "g1"

// cursor binds Google's page token to the mailbox and the filters it was given for: with others Google may answer anything.
func cursor(a provider.Account, q email.Query, token string) string {
	if token == "" {
		return ""
	}
	sum := digest(a, q)
	return base64.RawURLEncoding.EncodeToString(append(append([]byte(cursorMark), sum[:8]...), token...))
}

// pageToken is the reverse; ErrCursor for what cursor did not make for the same mailbox and filters.
func pageToken(a provider.Account, q email.Query) (string, error) {
	if q.Cursor == "" {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(q.Cursor)
	sum := digest(a, q)
	token, ok := strings.CutPrefix(string(raw), cursorMark+string(sum[:8]))
	if err != nil || !ok || token == "" || len(token) > 1024 || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", provider.ErrCursor
	}
	return token, nil
}

func digest(a provider.Account, q email.Query) [sha256.Size]byte {
	grant := a.Key
	if i := strings.LastIndexByte(grant, ':'); i >= 0 {
		grant = grant[:i] // the credential's version changes with every refresh
	}
	q.Limit, q.Cursor, q.Fields, q.NoBody = 0, "", 0, false
	q.ReceivedAfter, q.ReceivedBefore = q.ReceivedAfter.UTC().Round(0), q.ReceivedBefore.UTC().Round(0)
	b, _ := json.Marshal(struct { // plain text, numbers and times: it cannot fail
		Grant string
		Query email.Query
	}{grant, q})
	return sha256.Sum256(b)
}

// moment reads Gmail's internalDate, milliseconds since 1970; the zero time for what makes no sense.
func moment(ms int64) time.Time {
	if ms <= 0 || ms > 253402300799000 { // the end of the year 9999
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
