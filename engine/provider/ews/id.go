package ews

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
)

var coding = base64.RawURLEncoding.Strict()

const (
	longestID  = 1024 // of an id at the server: 512 in the documentation
	shortestID = 8    // bytes, so that no folder's plain name is taken for one
	alone      = "m"  // a thread that is one message without a Message-ID: this, then the message's id
	mostSeen   = 400
)

// safe makes a server's id url-safe: theirs are standard base64.
func safe(id string) string {
	return strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(id), "=")
}

// theirs is the server's id in one of ours; false for what never was one. One spelling only: the decoder's forgiveness is checked away.
func theirs(id string) (string, bool) {
	if len(id) > longestID {
		return "", false
	}
	b, err := coding.DecodeString(id)
	if err != nil || len(b) < shortestID || coding.EncodeToString(b) != id {
		return "", false
	}
	return base64.StdEncoding.EncodeToString(b), true
}

// cursor is where a page ended: at which second, and what of that second was shown; or for a search in the server's own language, at
// which offset. It is not an offset otherwise: mail that arrives would shift it.
type cursor struct {
	second time.Time
	seen   map[mark]bool
	offset int
}

type mark [6]byte

func markOf(id string) mark {
	sum := sha256.Sum256([]byte(id))
	return mark(sum[:len(mark{})])
}

const cursorKind = 'E'

func (c cursor) String(q email.Query) string {
	b := []byte{cursorKind}
	b = append(b, filterSum(q)...)
	b = binary.AppendUvarint(b, uint64(c.offset))
	b = binary.AppendVarint(b, c.second.Unix())
	for m := range c.seen {
		b = append(b, m[:]...)
	}
	return coding.EncodeToString(b)
}

func readCursor(q email.Query) (cursor, error) {
	c := cursor{seen: map[mark]bool{}}
	b, err := coding.DecodeString(q.Cursor)
	if err != nil || len(q.Cursor) > 4*mostSeen*len(mark{}) || len(b) < 9 || b[0] != cursorKind || string(b[1:9]) != string(filterSum(q)) {
		return c, provider.ErrCursor
	}
	b = b[9:]
	offset, n := binary.Uvarint(b)
	if n <= 0 || offset > 1<<30 {
		return c, provider.ErrCursor
	}
	second, k := binary.Varint(b[n:])
	if k <= 0 || second < -1<<40 || second > 1<<40 || (len(b)-n-k)%len(mark{}) != 0 {
		return c, provider.ErrCursor
	}
	c.offset, c.second = int(offset), time.Unix(second, 0).UTC()
	for rest := b[n+k:]; len(rest) > 0; rest = rest[len(mark{}):] {
		c.seen[mark(rest[:len(mark{})])] = true
	}
	return c, nil
}

// filterSum ties a cursor to its filters. It guards against mistakes, not against forgery: a cursor opens nothing.
func filterSum(q email.Query) []byte {
	q.Limit, q.Cursor, q.Fields, q.NoBody = 0, "", 0, false
	text := fmt.Sprintf("%q %q %q %q %q %q %q %q %q %s %s %s %d %d", q.In, q.Subject, q.ThreadID, q.Native, q.Any, q.From, q.To, q.Cc, q.Bcc,
		wish(q.Unread), wish(q.Starred), wish(q.HasAttachment), q.ReceivedAfter.Unix(), q.ReceivedBefore.Unix())
	sum := sha256.Sum256([]byte(text))
	return sum[:8]
}

func wish(b *bool) string {
	if b == nil {
		return "-"
	}
	return yesNo(*b)
}
