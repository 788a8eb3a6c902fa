package ui

import (
	"strings"
	"unicode/utf8"
)

// idParts cuts an id into head, middle and tail. Only the middle is hidden by the style sheet: ids that begin with a time are told
// apart by their tail, and the whole stays selectable.
func idParts(id string) (head, middle, tail string) {
	if len(id) < 20 || !ascii(id) {
		return id, "", ""
	}
	return id[:8], id[8 : len(id)-6], id[len(id)-6:]
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// Shorten keeps both ends of a text and puts an ellipsis in the middle, so that it has at most limit characters.
func Shorten(s string, limit int) string {
	runes := []rune(s)
	if len(runes) <= limit || limit < 3 {
		return s
	}
	head := limit / 2
	tail := limit - head - 1
	return string(runes[:head]) + "…" + string(runes[len(runes)-tail:])
}

// addressParts splits at the last "@", where a long address may break onto a second line. Either part is shortened in its middle
// when it is longer than any honest one.
func addressParts(address string) (local, domain string) {
	at := strings.LastIndex(address, "@")
	if at < 0 {
		return Shorten(address, 60), ""
	}
	return Shorten(address[:at], 36), "@" + Shorten(address[at+1:], 36)
}

// List joins words as a sentence does: "read mail, send mail and manage folders".
func List(words []string) string {
	switch len(words) {
	case 0:
		return ""
	case 1:
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// Sentence gives s with a capital first letter.
func Sentence(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	if size == 0 {
		return s
	}
	return strings.ToUpper(string(r)) + s[size:]
}
