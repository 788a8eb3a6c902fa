package rfc5322

import (
	"bytes"
	"io"
	"mime"
	"net/mail"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/emersion/go-message/charset"

	"github.com/postern-mail/postern/engine/email"
)

const (
	mostFields  = 20_000
	mostIDs     = 100
	mostAddress = 2000
)

// words decodes RFC 2047. An unknown character set leaves the word as it is.
var words = mime.WordDecoder{CharsetReader: charset.Reader}

// split parts a message into its header and its body. complete is false when the header does not end within raw.
func split(raw []byte) (head, body []byte, complete bool) {
	for i := 0; i < len(raw); {
		end := bytes.IndexByte(raw[i:], '\n')
		if end < 0 {
			return raw, nil, false
		}
		line := raw[i : i+end]
		if len(line) == 0 || len(line) == 1 && line[0] == '\r' {
			return raw[:i], raw[i+end+1:], true
		}
		i += end + 1
	}
	return raw, nil, false
}

// HeaderEnds says whether a prefix of a message holds its whole header.
func HeaderEnds(prefix []byte) bool {
	_, _, ok := split(prefix)
	return ok
}

// fields reads header fields: unfolded, trimmed, not yet decoded. Lines that are no field are skipped.
func fields(head []byte) []email.Header {
	var out []email.Header
	for len(head) > 0 && len(out) < mostFields {
		var line []byte
		if i := bytes.IndexByte(head, '\n'); i >= 0 {
			line, head = head[:i], head[i+1:]
		} else {
			line, head = head, nil
		}
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(line) > 0 && (line[0] == ' ' || line[0] == '\t') {
			if len(out) > 0 {
				last := &out[len(out)-1]
				if len(last.Value) < 64<<10 {
					last.Value += " " + string(bytes.TrimSpace(line))
				}
			}
			continue
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		name = bytes.TrimRight(name, " \t")
		if !ok || len(name) == 0 || bytes.ContainsAny(name, " \t") {
			continue
		}
		out = append(out, email.Header{Name: string(name), Value: string(bytes.TrimSpace(value))})
	}
	return out
}

func first(all []email.Header, name string) string {
	for _, h := range all {
		if strings.EqualFold(h.Name, name) {
			return h.Value
		}
	}
	return ""
}

// text decodes a header value to clean UTF-8 on one line.
func text(raw string) string {
	out, err := words.DecodeHeader(raw)
	if err != nil {
		out = raw
	}
	return clean(toUTF8(out), false)
}

// toUTF8 takes raw eight-bit text that names no character set for what it mostly is: UTF-8, else Windows-1252.
func toUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	if r, err := charset.Reader("windows-1252", strings.NewReader(s)); err == nil {
		if b, err := io.ReadAll(r); err == nil {
			return strings.ToValidUTF8(string(b), "\ufffd")
		}
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

// clean drops control characters: NUL breaks stores, escape sequences break terminals. Line breaks stay where lines is true.
func clean(s string, lines bool) string {
	dirty := false
	for i := 0; i < len(s) && !dirty; i++ {
		c := s[i]
		dirty = c < ' ' && c != '\t' && (!lines || c != '\n' && c != '\r') || c == 0x7f
	}
	if !dirty {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || lines && (r == '\n' || r == '\r'):
			return r
		case r == '\n' || r == '\r':
			return ' '
		case r < ' ' || r == 0x7f:
			return -1
		}
		return r
	}, s)
}

// addresses reads an address list. What the strict parser refuses is read by eye: better a name without a comma than nobody.
func addresses(raw string) []email.Address {
	if strings.TrimSpace(raw) == "" {
		return nil
	}
	if len(raw) > 256<<10 {
		raw = raw[:256<<10]
	}
	parser := mail.AddressParser{WordDecoder: &words}
	if list, err := parser.ParseList(toUTF8(raw)); err == nil {
		out := make([]email.Address, 0, len(list))
		for _, a := range list {
			out = append(out, email.Address{Name: clean(toUTF8(a.Name), false), Email: clean(toUTF8(a.Address), false)})
		}
		return out
	}
	var out []email.Address
	for _, piece := range commas(raw) {
		if len(out) == mostAddress {
			break
		}
		piece = strings.TrimSpace(piece)
		if _, members, ok := strings.Cut(piece, ":"); ok && !strings.Contains(members, ":") {
			piece = strings.TrimSpace(members) // "group: a@b" keeps its first member
		}
		piece = strings.TrimRight(piece, "; ")
		if a, err := parser.Parse(piece); err == nil {
			out = append(out, email.Address{Name: clean(toUTF8(a.Name), false), Email: clean(toUTF8(a.Address), false)})
			continue
		}
		name, addr := "", piece
		if i, j := strings.LastIndexByte(piece, '<'), strings.LastIndexByte(piece, '>'); i >= 0 && j > i {
			name, addr = strings.Trim(strings.TrimSpace(piece[:i]), `"`), piece[i+1:j]
		}
		addr = clean(strings.TrimSpace(toUTF8(addr)), false)
		if addr == "" || strings.ContainsAny(addr, " \t") && !strings.Contains(addr, "@") {
			if addr != "" {
				out = append(out, email.Address{Name: text(piece)})
			}
			continue
		}
		out = append(out, email.Address{Name: text(name), Email: addr})
	}
	return out
}

// commas splits at the commas outside of quotes, comments and angle brackets.
func commas(s string) []string {
	var out []string
	depth, quoted, from := 0, false, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '(' || c == '<':
			depth++
		case (c == ')' || c == '>') && depth > 0:
			depth--
		case c == ',' && depth == 0:
			out = append(out, s[from:i])
			from = i + 1
		}
	}
	return append(out, s[min(from, len(s)):])
}

// messageIDs reads a list of message ids without their angle brackets.
func messageIDs(raw string) []string {
	var out []string
	for len(out) < mostIDs {
		i := strings.IndexByte(raw, '<')
		if i < 0 {
			break
		}
		j := strings.IndexByte(raw[i:], '>')
		if j < 0 {
			break
		}
		if id := clean(toUTF8(strings.TrimSpace(raw[i+1:i+j])), false); id != "" && len(id) <= 998 {
			out = append(out, id)
		}
		raw = raw[i+j+1:]
	}
	return out
}

// date reads a Date field; the zero time when it is missing or makes no sense.
func date(raw string) time.Time {
	if raw == "" {
		return time.Time{}
	}
	t, err := mail.ParseDate(raw)
	if err != nil {
		for _, layout := range []string{time.RFC3339, time.ANSIC, time.UnixDate, "2 Jan 06 15:04:05 MST", "Mon, 2 Jan 2006 15:04:05"} {
			if t, err = time.Parse(layout, raw); err == nil {
				break
			}
		}
	}
	if err != nil || t.Year() < 1970 || t.Year() > 9999 {
		return time.Time{}
	}
	return t.UTC()
}
