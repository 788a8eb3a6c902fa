package verifications

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	maxDepth = 64
	maxName  = 200 // of an event's id or type
)

// envelope is what the log needs of an event: the v3 envelope's id, type and time.
type envelope struct {
	id, kind string
	at       time.Time
}

var errNotEnvelope = errors.New("not the JSON of an event")

// readEnvelope reads a v3 envelope strictly: valid UTF-8, one object and nothing behind it, no name twice in any object (two readers could
// choose differently), names spelled exactly. time may be seconds or RFC 3339, as senders differ, or absent. With an id given, as Standard Webhooks has it in a header, any object will do and its own id is not looked at.
func readEnvelope(body []byte, id string) (envelope, error) {
	var e envelope
	if !utf8.Valid(body) || !json.Valid(body) {
		return e, errNotEnvelope
	}
	w := walk{rest: body}
	if w.next() != '{' {
		return e, errNotEnvelope
	}
	err := w.object(1, func(name, value []byte) {
		switch string(name) {
		case "id":
			e.id = readText(value)
		case "type":
			e.kind = readText(value)
		case "time":
			e.at = readTime(value)
		}
	})
	if err != nil {
		return e, err
	}
	if id != "" {
		e.id = id
		if !printable(e.kind) {
			e.kind = "" // the scheme recommends a type and does not demand one
		}
		return e, nil
	}
	if !printable(e.id) || !printable(e.kind) {
		return e, errNotEnvelope
	}
	return e, nil
}

// walk steps over text that is known to be valid JSON and looks at what JSON leaves open: depth, and names that are there twice. Reading token by token with encoding/json
// finds the same and costs five times as much, which was most of what a genuine call cost here.
type walk struct{ rest []byte }

// next gives the byte that the next value, name or end begins with.
func (w *walk) next() byte {
	for {
		switch c := w.rest[0]; c {
		case ' ', '\t', '\r', '\n', ',', ':':
			w.rest = w.rest[1:]
		default:
			return c
		}
	}
}

// value steps over one value and gives its text; of objects and arrays nothing.
func (w *walk) value(depth int) ([]byte, error) {
	first := w.next()
	if depth > maxDepth {
		return nil, errNotEnvelope
	}
	switch first {
	case '{':
		return nil, w.object(depth+1, func([]byte, []byte) {})
	case '[':
		w.rest = w.rest[1:]
		for w.next() != ']' {
			if _, err := w.value(depth + 1); err != nil {
				return nil, err
			}
		}
		w.rest = w.rest[1:]
		return nil, nil
	case '"':
		return w.text(), nil
	default: // a number or a literal ends before what parts values; as a member it never ends the text
		return w.take(bytes.IndexAny(w.rest, ",]} \t\r\n")), nil
	}
}

// text steps over a string and gives it as it stands, in its quotation marks.
func (w *walk) text() []byte {
	for end := 1; ; end++ {
		switch w.rest[end] {
		case '\\':
			end++
		case '"':
			return w.take(end + 1)
		}
	}
}

func (w *walk) take(n int) []byte {
	out := w.rest[:n]
	w.rest = w.rest[n:]
	return out
}

// object steps over an object at whose brace the walk stands, and tells each member's name and value.
func (w *walk) object(depth int, tell func(name, value []byte)) error {
	w.rest = w.rest[1:]
	var seen names
	for w.next() != '}' {
		name := w.text()
		if bytes.IndexByte(name, '\\') >= 0 {
			name = []byte(readText(name))
		} else {
			name = name[1 : len(name)-1]
		}
		if !seen.add(name) {
			return errNotEnvelope
		}
		value, err := w.value(depth)
		if err != nil {
			return err
		}
		tell(name, value)
	}
	w.rest = w.rest[1:]
	return nil
}

// fewNames is up to how many names are compared one by one.
const fewNames = 16

// names are those of one object.
type names struct {
	few  [][]byte
	many map[string]struct{} // all of them, once they are more than a few
}

// add says false for a name that is there already.
func (n *names) add(name []byte) bool {
	if n.many != nil {
		_, twice := n.many[string(name)]
		n.many[string(name)] = struct{}{}
		return !twice
	}
	for _, known := range n.few {
		if string(known) == string(name) {
			return false
		}
	}
	if n.few = append(n.few, name); len(n.few) > fewNames {
		n.many = make(map[string]struct{}, 2*fewNames)
		for _, known := range n.few {
			n.many[string(known)] = struct{}{}
		}
	}
	return true
}

// readText is what a string of JSON says; empty where the value is none.
func readText(value []byte) string {
	if len(value) == 0 || value[0] != '"' {
		return ""
	}
	if bytes.IndexByte(value, '\\') < 0 {
		return string(value[1 : len(value)-1])
	}
	var text string
	_ = json.Unmarshal(value, &text) // it is valid
	return text
}

func readTime(value []byte) time.Time {
	if len(value) > 0 && value[0] == '"' {
		if at, err := time.Parse(time.RFC3339, readText(value)); err == nil && at.Year() > 1970 && at.Year() < 10000 {
			return at.UTC()
		}
		return time.Time{}
	}
	if n, err := strconv.ParseInt(string(value), 10, 64); err == nil && n > 0 && n < 1<<40 {
		return time.Unix(n, 0).UTC()
	}
	return time.Time{}
}

// printable says whether text can be an event's id or type: 1 to 200 printable ASCII characters without spaces.
func printable(text string) bool {
	return text != "" && len(text) <= maxName && strings.IndexFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}
