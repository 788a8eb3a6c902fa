package verifications

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// representation is one way in which the pasted bytes may have looked when they were signed.
type representation struct {
	bytes   []byte
	words   string
	mistake string // what it means when this one matches; empty: nothing is wrong
}

// maxRewritten bounds the bodies whose JSON is written anew in all the ways that there are.
const maxRewritten = 256 << 10

// representations lists them, the likeliest first.
func representations(body []byte) []representation {
	out := []representation{{body, "the bytes as they are", ""}}
	add := func(b []byte, words, mistake string) {
		for _, r := range out {
			if string(r.bytes) == string(b) {
				return
			}
		}
		out = append(out, representation{b, words, mistake})
	}
	if packed(body) {
		if opened, reason := gunzip(body); reason == "" {
			add(opened, "the decompressed bytes", MistakeNotOpened)
		}
		return out
	}
	add(bytes.TrimRight(body, "\r\n"), "the bytes without the line break at the end", MistakeNewline)
	add(append(bytes.Clone(body), '\n'), "the bytes with a line break at the end", MistakeNewline)
	add(bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n")), "the bytes with LF for CRLF", MistakeLines)
	add(bytes.ReplaceAll(bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n")), "the bytes with CRLF for LF", MistakeLines)
	add(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")), "the bytes without the byte order mark", MistakeLines)
	var compact bytes.Buffer
	if len(body) > maxRewritten || json.Compact(&compact, bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))) != nil {
		return out
	}
	for _, text := range escapings(compact.Bytes()) {
		add(text, "the JSON without spaces", MistakeReencoded)
		add(spaced(text), "the JSON with a space after each comma and colon", MistakeReencoded)
		for _, indent := range []string{"  ", "    ", "\t"} {
			var indented bytes.Buffer
			if json.Indent(&indented, text, "", indent) == nil {
				add(indented.Bytes(), "the JSON indented", MistakeReencoded)
				add(append(bytes.Clone(indented.Bytes()), '\n'), "the JSON indented, with a line break at the end", MistakeReencoded)
			}
		}
	}
	add(bySorting(compact.Bytes()), "the JSON with sorted names", MistakeReencoded)
	return out
}

// escapings are the same JSON as different encoders escape it: as it is, without and with the escapes for HTML, and in ASCII alone.
func escapings(compact []byte) [][]byte {
	plain := compact
	for _, pair := range [][2]string{{`\u003c`, "<"}, {`\u003e`, ">"}, {`\u0026`, "&"}, {`\/`, "/"}} {
		plain = bytes.ReplaceAll(plain, []byte(pair[0]), []byte(pair[1]))
	}
	var html bytes.Buffer
	json.HTMLEscape(&html, plain)
	return [][]byte{compact, plain, html.Bytes(), ascii(plain), bytes.ReplaceAll(plain, []byte("/"), []byte(`\/`))}
}

// spaced puts a space after each comma and colon outside texts.
func spaced(compact []byte) []byte {
	out := make([]byte, 0, len(compact)+len(compact)/8)
	inside, escaped := false, false
	for _, c := range compact {
		out = append(out, c)
		switch {
		case escaped:
			escaped = false
		case inside && c == '\\':
			escaped = true
		case c == '"':
			inside = !inside
		case !inside && (c == ',' || c == ':'):
			out = append(out, ' ')
		}
	}
	return out
}

// ascii writes everything beyond ASCII as \uXXXX, as some encoders do unasked.
func ascii(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case r < utf8.RuneSelf:
			out = append(out, text[0])
		case r > 0xffff:
			a, b := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, a, b)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		text = text[size:]
	}
	return out
}

// bySorting writes the JSON anew with the names in order; the body itself where that cannot be done.
func bySorting(compact []byte) []byte {
	dec := json.NewDecoder(bytes.NewReader(compact))
	dec.UseNumber()
	var value any
	if dec.Decode(&value) != nil {
		return compact
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if enc.Encode(value) != nil {
		return compact
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}
