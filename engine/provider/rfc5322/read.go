package rfc5322

import (
	"encoding/base64"
	"html"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/postern-mail/postern/engine/email"
)

// Read reads a whole message. It never fails: what cannot be understood is left out. ID, Folders, Unread, Starred, Size and Raw are
// the connector's to fill; Date is the sender's.
func Read(raw []byte, want email.Fields) email.Message {
	head, body, _ := split(raw)
	all := fields(head)
	m := ReadHeader(head, want)
	parts := leaves(all, body)
	bodies := map[string]string{}
	for _, p := range Texts(parts) {
		bodies[p.Path] = DecodeText(p.Body, p.Encoding, p.Charset)
	}
	Fill(&m, parts, bodies)
	return m
}

// ReadHeader reads a header alone: everything but bodies and attachments. head may be followed by a body, which is ignored.
func ReadHeader(head []byte, want email.Fields) email.Message {
	head, _, _ = split(head)
	all := fields(head)
	m := email.Message{
		Subject: text(first(all, "Subject")), From: addresses(first(all, "From")), To: addresses(every(all, "To")), Cc: addresses(every(all, "Cc")),
		Bcc: addresses(every(all, "Bcc")), ReplyTo: addresses(first(all, "Reply-To")), Date: date(first(all, "Date")),
		InReplyTo: messageIDs(first(all, "In-Reply-To")), References: messageIDs(every(all, "References")),
	}
	if ids := messageIDs(first(all, "Message-ID")); len(ids) > 0 {
		m.MessageID = ids[0]
	}
	m.ThreadID = ThreadID(m)
	switch want {
	case email.WithHeaders:
		for _, h := range all {
			m.Headers = append(m.Headers, email.Header{Name: clean(toUTF8(h.Name), false), Value: text(h.Value)})
		}
	case email.WithBasicHeaders:
		for _, h := range all {
			if n := strings.ToLower(h.Name); n == "message-id" || n == "in-reply-to" || n == "references" {
				m.Headers = append(m.Headers, email.Header{Name: clean(toUTF8(h.Name), false), Value: text(h.Value)})
			}
		}
	}
	return m
}

func every(all []email.Header, name string) string {
	var out []string
	for _, h := range all {
		if strings.EqualFold(h.Name, name) && h.Value != "" {
			out = append(out, h.Value)
		}
	}
	return strings.Join(out, ", ")
}

// Fill adds bodies, snippet and attachments. bodies holds decoded text by part path.
func Fill(m *email.Message, parts []Part, bodies map[string]string) {
	var htmls, plains []string
	for _, p := range Texts(parts) {
		b, ok := bodies[p.Path]
		switch {
		case !ok || b == "":
		case p.Type == "text/html":
			htmls = append(htmls, b)
		default:
			plains = append(plains, b)
		}
	}
	m.HTML, m.Plain = strings.Join(htmls, "<br>\n"), strings.Join(plains, "\n")
	m.Attachments = Attachments(parts)
	m.Snippet = Snippet(m.Plain, m.HTML)
}

const snippetRunes = 100

var (
	unseen = regexp.MustCompile(`(?is)<(style|script|head|title)\b.*?(</(style|script|head|title)\s*>|$)|<!--.*?(-->|$)`)
	tags   = regexp.MustCompile(`(?s)<[^>]*(>|$)`)
)

// Snippet is the first 100 characters of what a message says, on one line, without markup.
func Snippet(plain, markup string) string {
	s := plain
	if strings.TrimSpace(s) == "" {
		if len(markup) > 64<<10 {
			markup = markup[:64<<10]
		}
		s = html.UnescapeString(tags.ReplaceAllString(unseen.ReplaceAllString(markup, " "), " "))
	}
	return squeeze(s, snippetRunes)
}

// squeeze is the first n characters of s on one line, runs of white space taken for one blank, control characters left out.
func squeeze(s string, n int) string {
	var out strings.Builder
	blank := false
	for _, r := range s {
		switch {
		case unicode.IsSpace(r):
			blank = out.Len() > 0
			continue
		case r < ' ' || r == 0x7f || r == utf8.RuneError:
			continue
		}
		if n--; blank {
			n--
		}
		if n < 0 {
			break
		}
		if blank {
			out.WriteByte(' ')
			blank = false
		}
		out.WriteRune(r)
	}
	return out.String()
}

// ThreadID names the conversation by the id of its first message: the oldest reference, else what is answered, else the message
// itself (RFC 5322 section 3.6.4). Empty for a message that has none of these.
func ThreadID(m email.Message) string {
	root := m.MessageID
	switch {
	case len(m.References) > 0:
		root = m.References[0]
	case len(m.InReplyTo) > 0:
		root = m.InReplyTo[0]
	}
	if root == "" {
		return ""
	}
	return "t" + base64.RawURLEncoding.EncodeToString([]byte(root))
}

// ThreadOf is the ThreadID of a message of which only the three fields that say it are known, or the whole header.
func ThreadOf(head []byte) string {
	head, _, _ = split(head)
	all := fields(head)
	m := email.Message{InReplyTo: messageIDs(first(all, "In-Reply-To")), References: messageIDs(every(all, "References"))}
	if ids := messageIDs(first(all, "Message-ID")); len(ids) > 0 {
		m.MessageID = ids[0]
	}
	return ThreadID(m)
}

// ThreadRoot is the Message-ID in a ThreadID; false when it is none.
func ThreadRoot(id string) (string, bool) {
	rest, ok := strings.CutPrefix(id, "t")
	b, err := base64.RawURLEncoding.Strict().DecodeString(rest)
	if !ok || err != nil || len(b) == 0 || base64.RawURLEncoding.EncodeToString(b) != rest || strings.ContainsAny(string(b), "\r\n\x00") {
		return "", false
	}
	return string(b), true
}
