package graph

import (
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
)

// Microsoft's ids are base64 in the alphabet for URLs, with padding. Ours are the same without it; whatever does not look like that is wrapped.

const longestID = 1024

var coding = base64.RawURLEncoding.Strict()

// ourID makes an id of Microsoft's safe for a path.
func ourID(theirs string) string {
	bare := strings.TrimRight(theirs, "=")
	if theirs == "" || regular(bare) && len(theirs)%4 == 0 && len(theirs)-len(bare) <= 2 {
		return bare
	}
	return "~" + coding.EncodeToString([]byte(theirs))
}

// theirID is the reverse; false for what is no id of ours.
func theirID(ours string) (string, bool) {
	if ours == "" || len(ours) > longestID {
		return "", false
	}
	if rest, wrapped := strings.CutPrefix(ours, "~"); wrapped {
		b, err := coding.DecodeString(rest)
		s := string(b)
		ok := err == nil && utf8.Valid(b) && ourID(s) == ours && !strings.ContainsAny(s, "\r\n\x00") && s != "." && s != ".."
		return s, ok
	}
	if !regular(ours) || len(ours)%4 == 1 {
		return "", false
	}
	return ours + "=="[:(4-len(ours)%4)%4], true
}

func regular(s string) bool {
	if s == "" {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}

// place is where the next page begins. Filtered lists go on below a time: Microsoft's own links count messages ($skip), so that mail which comes or
// goes meanwhile would shift what follows. Searches have no such order to hold on to, and go on with the query of Microsoft's link.
type place struct {
	before time.Time // messages of this second and older follow
	seen   []uint64  // those of that second which were shown already
	link   string    // the query of a link
}

const (
	cursorKind = 3
	mostSeen   = 1000 // in one second
	longLink   = 8000
)

func (p place) cursor(q email.Query) string {
	b := []byte{cursorKind}
	b = binary.AppendUvarint(b, uint64(filterSum(q)))
	at := int64(0)
	if !p.before.IsZero() {
		at = p.before.Unix()
	}
	b = binary.AppendVarint(b, at)
	b = binary.AppendUvarint(b, uint64(len(p.seen)))
	for _, s := range p.seen {
		b = binary.LittleEndian.AppendUint64(b, s)
	}
	return coding.EncodeToString(append(b, p.link...))
}

func readCursor(c string, q email.Query) (place, error) {
	var p place
	if len(c) > 3*longLink+12*mostSeen {
		return p, provider.ErrCursor
	}
	b, err := coding.DecodeString(c)
	if err != nil || len(b) == 0 || b[0] != cursorKind {
		return p, provider.ErrCursor
	}
	sum, n := binary.Uvarint(b[1:])
	if n <= 0 || sum != uint64(filterSum(q)) {
		return p, provider.ErrCursor
	}
	b = b[1+n:]
	at, n := binary.Varint(b)
	if n <= 0 || at < 0 || at > 1<<40 {
		return p, provider.ErrCursor
	}
	b = b[n:]
	count, n := binary.Uvarint(b)
	if n <= 0 || count > mostSeen || uint64(len(b)-n) < 8*count {
		return p, provider.ErrCursor
	}
	b = b[n:]
	for range count {
		p.seen = append(p.seen, binary.LittleEndian.Uint64(b))
		b = b[8:]
	}
	p.link = string(b)
	if at > 0 {
		p.before = time.Unix(at, 0).UTC()
	}
	// The link's query is the mailbox owner's own search at worst; it must only not become another request.
	if (at == 0) == (p.link == "") || len(p.link) > longLink || !queryText(p.link) {
		return p, provider.ErrCursor
	}
	return p, nil
}

func queryText(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] >= 0x7f || s[i] == '#' {
			return false
		}
	}
	return true
}

func idSum(id string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id))
	return h.Sum64()
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
	put(q.Subject, q.ThreadID, q.Native)
	for _, list := range [][]string{q.Any, q.From, q.To, q.Cc, q.Bcc, q.In} {
		put(list...)
	}
	for _, b := range []*bool{q.Unread, q.Starred, q.HasAttachment} {
		switch {
		case b == nil:
			put("-")
		default:
			put(strconv.FormatBool(*b))
		}
	}
	put(strconv.FormatInt(q.ReceivedAfter.Unix(), 10), strconv.FormatInt(q.ReceivedBefore.Unix(), 10))
	return h.Sum32()
}
