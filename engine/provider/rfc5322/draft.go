package rfc5322

import (
	"bytes"
	"io"
	"strings"

	"github.com/postern-mail/postern/engine/email"
)

// written are the fields that Write sets from other parts of a draft; what else stands in a kept draft's header is carried over as it is.
var written = map[string]bool{"from": true, "sender": true, "to": true, "cc": true, "bcc": true, "reply-to": true, "subject": true, "date": true, "message-id": true, "in-reply-to": true, "references": true,
	"mime-version": true, "content-type": true, "content-transfer-encoding": true, "content-disposition": true, "return-path": true, "received": true, "dkim-signature": true}

// DraftOf reads a message that is kept as a draft back into one that can be changed. Its attachments are decoded into memory.
func DraftOf(raw []byte) email.Draft {
	head, body, _ := split(raw)
	all := fields(head)
	m := ReadHeader(raw, email.Standard)
	parts := leaves(all, body)
	d := email.Draft{From: m.From, To: m.To, Cc: m.Cc, Bcc: m.Bcc, ReplyTo: m.ReplyTo, Subject: m.Subject, MessageID: m.MessageID, References: m.References}
	if len(m.InReplyTo) > 0 {
		d.InReplyTo = m.InReplyTo[0]
	}
	bodies := map[string]string{}
	for _, p := range Texts(parts) {
		bodies[p.Path] = DecodeText(p.Body, p.Encoding, p.Charset)
	}
	Fill(&m, parts, bodies)
	d.HTML, d.Plain = m.HTML, m.Plain
	for _, p := range parts {
		about, reader, ok := FileOf([]Part{p}, p.Path)
		if !ok {
			continue
		}
		content, _ := io.ReadAll(reader) // it ends where it is broken
		d.Attachments = append(d.Attachments, email.Enclosure{Filename: about.Filename, ContentType: about.ContentType, ContentID: about.ContentID, Inline: about.Inline, Content: bytes.NewReader(content)})
	}
	for _, h := range all {
		if !written[strings.ToLower(h.Name)] && sendable(h.Name) && len(d.Headers) < 100 {
			d.Headers = append(d.Headers, email.Header{Name: h.Name, Value: text(h.Value)})
		}
	}
	return d
}

// sendable follows RFC 5322 section 2.2: printable US-ASCII without the colon.
func sendable(name string) bool {
	for i := 0; i < len(name); i++ {
		if name[i] <= ' ' || name[i] >= 0x7f || name[i] == ':' {
			return false
		}
	}
	return name != "" && len(name) <= 64 // as email.Draft.Check has it
}
