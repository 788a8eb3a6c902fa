package nylas

import (
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
)

// Ids at Nylas are those of the mailbox's own provider and hold any character (contract, section 2, row 22). Ours are safe for a path: what holds only letters, digits,
// dash and underscore stays as it is, all else is wrapped.

const (
	longestID     = 4000
	longestCursor = 8000
	cursorKind    = 5
)

var coding = base64.RawURLEncoding.Strict()

// ourID makes an id of theirs safe for a path.
func ourID(theirs string) string {
	if theirs == "" || regular(theirs) {
		return theirs
	}
	return "~" + coding.EncodeToString([]byte(theirs))
}

// theirID is the reverse; false for what is no id of ours.
func theirID(ours string) (string, bool) {
	if ours == "" || len(ours) > longestID {
		return "", false
	}
	rest, wrapped := strings.CutPrefix(ours, "~")
	if !wrapped {
		return ours, regular(ours)
	}
	b, err := coding.DecodeString(rest)
	s := string(b)
	return s, err == nil && utf8.Valid(b) && ourID(s) == ours && !strings.ContainsAny(s, "\r\n\x00") && s != "." && s != ".."
}

func regular(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return s != ""
}

func ourIDs(theirs []string) []string {
	var out []string
	for _, id := range theirs {
		if id != "" {
			out = append(out, ourID(id))
		}
	}
	return out
}

// cursorOf wraps a cursor of theirs together with its filters: Nylas ties it to them and does not say what a mixture does.
func cursorOf(theirs string, sum uint32) string {
	if theirs == "" {
		return ""
	}
	b := binary.LittleEndian.AppendUint32([]byte{cursorKind}, sum)
	return coding.EncodeToString(append(b, theirs...))
}

// theirCursor is the reverse.
func theirCursor(ours string, sum uint32) (string, error) {
	if ours == "" {
		return "", nil
	}
	if len(ours) > longestCursor {
		return "", provider.ErrCursor
	}
	b, err := coding.DecodeString(ours)
	if err != nil || len(b) < 6 || b[0] != cursorKind || binary.LittleEndian.Uint32(b[1:5]) != sum {
		return "", provider.ErrCursor
	}
	return string(b[5:]), nil
}

// filterSum ties a cursor to its filters. It guards against mistakes, not against forgery: a cursor opens nothing.
func filterSum(q email.Query) uint32 {
	h := fnv.New32a()
	put := func(parts ...string) {
		for _, p := range parts {
			_, _ = h.Write([]byte(p))
			_, _ = h.Write([]byte{0})
		}
		_, _ = h.Write([]byte{1})
	}
	put("messages", q.Subject, q.ThreadID, q.Native)
	for _, list := range [][]string{q.Any, q.From, q.To, q.Cc, q.Bcc, q.In} {
		put(list...)
	}
	for _, b := range []*bool{q.Unread, q.Starred, q.HasAttachment} {
		if b == nil {
			put("-")
		} else {
			put(strconv.FormatBool(*b))
		}
	}
	put(strconv.FormatInt(q.ReceivedAfter.Unix(), 10), strconv.FormatInt(q.ReceivedBefore.Unix(), 10))
	return h.Sum32()
}
