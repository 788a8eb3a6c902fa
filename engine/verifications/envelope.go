package verifications

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
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
	if !utf8.Valid(body) {
		return e, errNotEnvelope
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	first, err := dec.Token()
	if err != nil || first != json.Delim('{') {
		return e, errNotEnvelope
	}
	seen := map[string]struct{}{}
	for dec.More() {
		name, value, err := member(dec, seen, 1)
		if err != nil {
			return e, err
		}
		text, _ := value.(string)
		switch name {
		case "id":
			e.id = text
		case "type":
			e.kind = text
		case "time":
			e.at = readTime(value)
		}
	}
	if _, err := dec.Token(); err != nil {
		return e, errNotEnvelope
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return e, errNotEnvelope
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

// member reads one name and its value. Of objects and arrays it only checks that they are sound.
func member(dec *json.Decoder, seen map[string]struct{}, depth int) (string, json.Token, error) {
	token, err := dec.Token()
	name, isText := token.(string)
	if err != nil || !isText {
		return "", nil, errNotEnvelope
	}
	if _, twice := seen[name]; twice {
		return "", nil, errNotEnvelope
	}
	seen[name] = struct{}{}
	value, err := sound(dec, depth)
	return name, value, err
}

func sound(dec *json.Decoder, depth int) (json.Token, error) {
	token, err := dec.Token()
	if err != nil || depth > maxDepth {
		return nil, errNotEnvelope
	}
	switch token {
	case json.Delim('{'):
		seen := map[string]struct{}{}
		for dec.More() {
			if _, _, err := member(dec, seen, depth+1); err != nil {
				return nil, err
			}
		}
	case json.Delim('['):
		for dec.More() {
			if _, err := sound(dec, depth+1); err != nil {
				return nil, err
			}
		}
	default:
		return token, nil
	}
	if _, err := dec.Token(); err != nil {
		return nil, errNotEnvelope
	}
	return nil, nil
}

func readTime(value json.Token) time.Time {
	switch v := value.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil && n > 0 && n < 1<<40 {
			return time.Unix(n, 0).UTC()
		}
	case string:
		if at, err := time.Parse(time.RFC3339, v); err == nil && at.Year() > 1970 && at.Year() < 10000 {
			return at.UTC()
		}
	}
	return time.Time{}
}

// printable says whether text can be an event's id or type: 1 to 200 printable ASCII characters without spaces.
func printable(text string) bool {
	return text != "" && len(text) <= maxName && strings.IndexFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}
