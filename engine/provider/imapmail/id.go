package imapmail

import (
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-imap/v2"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
)

// Ids are url-safe and opaque to everyone else. A message is known by its folder, the folder's UIDVALIDITY and its UID: the only
// name that IMAP itself gives it (RFC 3501 section 2.3.1.1). It is good within its account.

const (
	messageKind = 1
	cursorKind  = 2
	threadKind  = 3
	longestName = 1000
)

var coding = base64.RawURLEncoding.Strict()

func messageID(folder string, validity uint32, uid imap.UID) string {
	return coding.EncodeToString(pack(messageKind, folder, validity, uint32(uid), 0))
}

func messageOf(id string) (folder string, validity uint32, uid imap.UID, err error) {
	folder, validity, n, sum, ok := unpack(messageKind, id)
	if !ok || sum != 0 {
		return "", 0, 0, provider.ErrMessageNotFound
	}
	return folder, validity, imap.UID(n), nil
}

// A cursor is where the next page begins: below this UID, under the same filters.
func cursorOf(folder string, validity uint32, below imap.UID, q email.Query) string {
	return coding.EncodeToString(pack(cursorKind, folder, validity, uint32(below), filterSum(q)))
}

func readCursor(c string, folder string, q email.Query) (validity uint32, below imap.UID, err error) {
	f, validity, n, sum, ok := unpack(cursorKind, c)
	if !ok || f != folder || sum != filterSum(q) {
		return 0, 0, provider.ErrCursor
	}
	return validity, imap.UID(n), nil
}

func pack(kind byte, folder string, validity, n, sum uint32) []byte {
	b := []byte{kind}
	b = binary.AppendUvarint(b, uint64(validity))
	b = binary.AppendUvarint(b, uint64(n))
	b = binary.AppendUvarint(b, uint64(sum))
	return append(b, folder...)
}

func unpack(kind byte, id string) (folder string, validity, n, sum uint32, ok bool) {
	if len(id) > 2*longestName {
		return "", 0, 0, 0, false
	}
	b, err := coding.DecodeString(id)
	// The decoder skips line breaks, so that one value would have many spellings.
	if err != nil || len(b) == 0 || b[0] != kind || coding.EncodeToString(b) != id {
		return "", 0, 0, 0, false
	}
	rest := b[1:]
	var out [3]uint32
	for i := range out {
		v, k := binary.Uvarint(rest)
		if k <= 0 || v > 1<<32-1 {
			return "", 0, 0, 0, false
		}
		out[i], rest = uint32(v), rest[k:]
	}
	folder = string(rest)
	// One id for one message: whatever does not encode back to itself was not made here.
	if out[1] == 0 || !goodName(folder) || string(pack(kind, folder, out[0], out[1], out[2])) != string(b) {
		return "", 0, 0, 0, false
	}
	return folder, out[0], out[1], out[2], true
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
	for _, list := range [][]string{q.Any, q.From, q.To, q.Cc, q.Bcc} {
		put(list...)
	}
	for _, b := range []*bool{q.Unread, q.Starred, q.HasAttachment} {
		switch {
		case b == nil:
			put("-")
		case *b:
			put("1")
		default:
			put("0")
		}
	}
	put(strconv.FormatInt(q.ReceivedAfter.Unix(), 10), strconv.FormatInt(q.ReceivedBefore.Unix(), 10))
	return h.Sum32()
}

// folderID is the name itself where that is safe in a URL, else an encoding that cannot be mistaken for one.
func folderID(name string) string {
	if plainName(name) {
		return name
	}
	return "~" + coding.EncodeToString([]byte(name))
}

func folderName(id string) (string, error) {
	rest, encoded := strings.CutPrefix(id, "~")
	if !encoded {
		if strings.EqualFold(id, "inbox") {
			return "INBOX", nil // the one name that knows no case (RFC 3501 section 5.1)
		}
		if !plainName(id) {
			return "", provider.ErrFolderNotFound
		}
		return id, nil
	}
	b, err := coding.DecodeString(rest)
	if err != nil || !goodName(string(b)) || folderID(string(b)) != id {
		return "", provider.ErrFolderNotFound
	}
	return string(b), nil
}

func plainName(s string) bool {
	if s == "" || len(s) > 200 || s == "." || s == ".." {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	return true
}

// goodName refuses what could end one command and begin another, whatever the encoding beneath.
func goodName(s string) bool {
	return s != "" && len(s) <= longestName && utf8.ValidString(s) && !strings.ContainsAny(s, "\r\n\x00")
}
