package rfc5322

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime/quotedprintable"

	"github.com/postern-mail/postern/engine/email"
)

// File finds an attachment of a whole message by its id, the path of its part, and gives its bytes as they are asked for.
func File(raw []byte, id string) (email.Attachment, io.Reader, bool) {
	head, body, _ := split(raw)
	return FileOf(leaves(fields(head), body), id)
}

// FileOf is File for parts whose bodies are known.
func FileOf(parts []Part, id string) (email.Attachment, io.Reader, bool) {
	for _, p := range parts {
		if p.Path == id && !p.isText() {
			return Attachments([]Part{p})[0], Decoded(p.Body, p.Encoding), true
		}
	}
	return email.Attachment{}, nil, false
}

// Decoded takes off a Content-Transfer-Encoding (RFC 2045 section 6) on the way. It never fails: what is broken ends early.
func Decoded(body []byte, encoding string) io.Reader {
	switch encoding {
	case "base64":
		return lenient{base64.NewDecoder(base64.StdEncoding, &alphabet{body})}
	case "quoted-printable":
		return lenient{quotedprintable.NewReader(bytes.NewReader(body))}
	}
	return bytes.NewReader(body)
}

type lenient struct{ r io.Reader }

func (l lenient) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if err != nil {
		err = io.EOF
	}
	return n, err
}
