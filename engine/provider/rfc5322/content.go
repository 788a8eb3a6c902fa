package rfc5322

import (
	"bytes"
	"encoding/base64"
	"errors"
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

// AboutFile is FileOf without the bytes.
func AboutFile(parts []Part, id string) (email.Attachment, bool) {
	about, _, ok := FileOf(parts, id)
	return about, ok
}

// Decoded takes off a Content-Transfer-Encoding (RFC 2045 section 6) on the way. It never fails: what is broken ends early.
func Decoded(body []byte, encoding string) io.Reader {
	return DecodedFrom(bytes.NewReader(body), encoding)
}

// DecodedFrom is Decoded for a body that is read as it is needed. Only r's own errors are errors.
func DecodedFrom(r io.Reader, encoding string) io.Reader {
	source := &source{r: r}
	switch encoding {
	case "base64":
		return lenient{base64.NewDecoder(base64.StdEncoding, &letters{source}), source}
	case "quoted-printable":
		return lenient{quotedprintable.NewReader(source), source}
	}
	return source
}

// source remembers whether what was read from ended or broke.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// lenient ends where the encoding is broken.
type lenient struct {
	r      io.Reader
	source *source
}

func (l lenient) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	switch {
	case err == nil:
	case l.source.err != nil:
		err = l.source.err
	default:
		err = io.EOF
	}
	return n, err
}

// letters lets only the letters of base64 through.
type letters struct{ r io.Reader }

func (l *letters) Read(p []byte) (int, error) {
	for {
		n, err := l.r.Read(p)
		kept := 0
		for _, c := range p[:n] {
			if c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '/' || c == '=' {
				p[kept] = c
				kept++
			}
		}
		if kept > 0 || err != nil {
			return kept, err
		}
	}
}
