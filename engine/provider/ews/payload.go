package ews

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"io"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

// messageHere holds the place of a message in a request. It stands before everything in the request that others wrote.
const messageHere = "MESSAGE-HERE"

// payload is the body of a request: XML, and in its midst, in base64, a message that is never held whole. It can be sent more than once: signing in by
// NTLM takes that.
type payload struct {
	before, after []byte
	message       *rfc5322.Outgoing // nil = none
	file          *io.SectionReader // instead of a message; nil = none
	size          int64             // of the message or file
}

func (p payload) length() int64 {
	n := int64(len(p.before) + len(p.after))
	if p.message != nil || p.file != nil {
		n += int64(base64.StdEncoding.EncodedLen(int(p.size)))
	}
	return n
}

func (p payload) open() io.ReadCloser {
	var message io.ReadCloser
	switch {
	case p.message != nil:
		message = p.message.Base64()
	case p.file != nil:
		message = encoded(io.NewSectionReader(p.file, 0, p.size))
	default:
		return io.NopCloser(bytes.NewReader(p.before))
	}
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(p.before), message, bytes.NewReader(p.after)), message}
}

// encoded is r in base64 while it is read.
func encoded(r io.Reader) io.ReadCloser {
	out, in := io.Pipe()
	go func() {
		b := bufio.NewWriterSize(in, 32<<10)
		e := base64.NewEncoder(base64.StdEncoding, b)
		_, err := io.Copy(e, r)
		if err == nil {
			err = errors.Join(e.Close(), b.Flush())
		}
		_ = in.CloseWithError(err) // never fails
	}()
	return out
}

// create makes the one item of an operation that holds messageHere. It is not repeated.
func (c *caller) create(operation createItem, m *rfc5322.Outgoing, size int64) (message, error) {
	body, err := encode(operation)
	if err != nil {
		return message{}, fault.New(fault.Internal, "ews_request", "").Because(err)
	}
	before, after, _ := bytes.Cut(body, []byte(messageHere))
	return c.only(payload{before: before, after: after, message: m, size: size}, answerBytes, true, provider.ErrFolderNotFound)
}
