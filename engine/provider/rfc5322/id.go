package rfc5322

import "strings"

// OneLine makes foreign text safe to hand on: line breaks and tabs become spaces, other control characters, which break stores and terminals, go.
func OneLine(s string) string { return strings.ReplaceAll(clean(s, false), "\t", " ") }

// BareID is a message or content id without its angle brackets (RFC 5322 section 3.6.4).
func BareID(id string) string { return OneLine(strings.Trim(strings.TrimSpace(id), "<>")) }

// BareIDs reads a list of message ids, as References and In-Reply-To have them.
func BareIDs(raw string) []string {
	var out []string
	for _, f := range strings.Fields(raw) {
		if id := BareID(f); id != "" {
			out = append(out, id)
		}
	}
	return out
}
