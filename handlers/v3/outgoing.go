package v3

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"mime/multipart"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/mailbox"
)

const (
	sendMost     = 25 << 20            // files and message of a form (contract, section 7.4)
	sendBody     = sendMost + 1<<20    // and what the form itself takes
	sendJSONMost = maxBody*4/3 + 1<<17 // 3 MB of content: clients count it before base64 makes it longer
	mostParts    = 200
)

var (
	errForm25    = fault.New(fault.Invalid, "message_too_large", "The message and its files are larger than this takes: 25 MB.").At("attachments")
	errMultipart = fault.New(fault.Invalid, "payload_malformed", "The form cannot be read. Send multipart/form-data with the field message, as JSON, and one part for each file.")
	errMIMEForm  = fault.New(fault.Invalid, "payload_malformed", "type=mime takes multipart/form-data with the field mime: a complete message.")
)

// numbered is how clients name the parts of files that have no content id.
var numbered = regexp.MustCompile(`^(?:file|attachment)s?\[?\d*\]?$`)

func jsonSending(c echo.Context) (mailbox.Sending, error) {
	c.Request().Body = http.MaxBytesReader(c.Response(), c.Request().Body, sendJSONMost)
	b, err := bodyOf(c, false)
	if err != nil {
		return mailbox.Sending{}, err
	}
	return sendingOf(b, nil, sha256.New())
}

// formSending reads the message and its files.
func formSending(c echo.Context, files *mailbox.Spool) (mailbox.Sending, error) {
	message, all, digest, err := formOf(c, files, "message")
	if err != nil {
		return mailbox.Sending{}, err
	}
	b, err := parseBody(message)
	if err != nil {
		return mailbox.Sending{}, err
	}
	return sendingOf(b, all, digest)
}

// formOf reads a form: the JSON, in a field of one of the names, and the files. The files go through a spool, which forgets them when the request has been answered.
func formOf(c echo.Context, files *mailbox.Spool, names ...string) (message []byte, all []email.Enclosure, digest hash.Hash, err error) {
	digest = sha256.New()
	err = eachPart(c, errMultipart, func(p *multipart.Part, content io.Reader) (err error) {
		if slices.Contains(names, p.FormName()) {
			if message != nil {
				return errMultipart
			}
			message, err = io.ReadAll(io.LimitReader(content, sendJSONMost+1))
			if err == nil && len(message) > sendJSONMost {
				err = errForm25
			}
			return err
		}
		file := email.Enclosure{Filename: p.FileName(), ContentType: p.Header.Get("Content-Type")}
		if name := p.FormName(); !numbered.MatchString(name) {
			file.ContentID = name
		}
		start, sum := files.Size(), sha256.New()
		if file.Size, err = io.Copy(io.MultiWriter(files, sum), content); err != nil {
			return err
		}
		file.Content = io.NewSectionReader(files, start, file.Size)
		fmt.Fprintf(digest, "%q %q %q %x\n", p.FormName(), file.Filename, file.ContentType, sum.Sum(nil))
		all = append(all, file)
		return nil
	})
	if err == nil && message == nil {
		err = errMultipart
	}
	return message, all, digest, err
}

func rawSending(c echo.Context, file *mailbox.Spool) (mailbox.Sending, error) {
	var s mailbox.Sending
	digest, blank := sha256.New(), true
	err := eachPart(c, errMIMEForm, func(p *multipart.Part, content io.Reader) error {
		if p.FormName() != "mime" {
			_, err := io.Copy(io.Discard, content)
			return err
		}
		if file.Size() > 0 {
			return errMIMEForm
		}
		_, err := io.Copy(io.MultiWriter(file, digest, writerFunc(func(p []byte) { blank = blank && len(bytes.TrimSpace(p)) == 0 })), content)
		return err
	})
	if err != nil {
		return s, err
	}
	if blank {
		return s, errMIMEForm
	}
	s.Draft.Raw = file
	digest.Sum(s.Digest[:0])
	return s, nil
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}

// eachPart reads a form part by part and counts the bytes as they come, whatever Content-Length said. malformed is the answer to a form that cannot be read.
func eachPart(c echo.Context, malformed *fault.Error, take func(*multipart.Part, io.Reader) error) error {
	form, err := c.Request().MultipartReader()
	if err != nil {
		return malformed.Because(err)
	}
	left := &budget{left: sendMost}
	broken := func(err error) error {
		var tooLarge *http.MaxBytesError
		switch {
		case left.left < 0 || errors.As(err, &tooLarge):
			return errForm25
		case left.failed:
			return malformed.Because(err)
		}
		return err
	}
	for n := 0; ; n++ {
		p, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			left.failed = true
			return broken(err)
		}
		if n == mostParts || p.FormName() == "" {
			return malformed
		}
		left.r = p
		if err := take(p, left); err != nil {
			return broken(err)
		}
	}
}

// budget reads the parts of a form, all together no more than left. failed tells a reader that broke from a taker that refused.
type budget struct {
	r      io.Reader
	left   int64
	failed bool
}

func (b *budget) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errForm25
	}
	b.failed = err != nil && !errors.Is(err, io.EOF)
	return n, err
}

// sendingOf reads what is to be sent. What is not offered is refused, never left out in silence: the caller would wait for it.
func sendingOf(b *body, files []email.Enclosure, digest hash.Hash) (mailbox.Sending, error) {
	var s mailbox.Sending
	d := &s.Draft
	d.From, d.To, d.Cc, d.Bcc, d.ReplyTo = b.people("from"), b.people("to"), b.people("cc"), b.people("bcc"), b.people("reply_to")
	d.Subject, s.ReplyTo = b.text("subject"), b.text("reply_to_message_id")
	if plain := b.boolean("is_plaintext"); plain != nil && *plain {
		d.Plain = b.text("body")
	} else {
		d.HTML = b.text("body")
	}
	for _, h := range b.objects("custom_headers") {
		d.Headers = append(d.Headers, email.Header{Name: h.must("name"), Value: h.text("value")})
		b.under("custom_headers", h)
	}
	d.Attachments = append(b.enclosures(), files...)
	s.At = b.time("send_at")
	b.refuseAbsent()
	if b.err == nil {
		b.err = d.Check()
	}
	if b.err != nil {
		return s, b.err
	}
	canonical, err := json.Marshal(b.fields) // with its keys in order
	if err != nil {
		return s, fmt.Errorf("digest a message: %w", err)
	}
	digest.Write(canonical)
	digest.Sum(s.Digest[:0])
	return s, nil
}

func (b *body) refuseAbsent() {
	if draft := b.boolean("use_draft"); draft != nil && *draft {
		b.wrong("use_draft", "Messages that leave later are kept here, encrypted, and not among the provider's drafts. Leave use_draft out.")
	}
	if t := b.object("tracking_options"); t != nil {
		for _, name := range []string{"opens", "links", "thread_replies"} {
			if on := t.boolean(name); on != nil && *on {
				b.wrong("tracking_options", "Messages are not tracked here. Leave tracking_options out.")
			}
		}
	}
	for _, name := range []string{"metadata", "template"} {
		if o := b.object(name); o != nil && len(o.fields) > 0 {
			b.wrong(name, "%s is not offered here. Leave it out.", name)
		}
	}
	if b.text("signature_id") != "" {
		b.wrong("signature_id", "signature_id is not offered here. Leave it out.")
	}
}

// objects is a list of objects, nil where the field is absent.
func (b *body) objects(name string) []*body {
	switch v := b.fields[name].(type) {
	case nil:
		return nil
	case []any:
		out := make([]*body, 0, len(v))
		for _, item := range v {
			fields, ok := item.(map[string]any)
			if !ok {
				b.wrong(name, "%s is a list of objects.", name)
			}
			out = append(out, &body{fields: fields})
		}
		return out
	default:
		b.wrong(name, "%s is a list of objects.", name)
		return nil
	}
}

func (b *body) people(name string) []email.Address {
	var out []email.Address
	for _, p := range b.objects(name) {
		out = append(out, email.Address{Name: p.text("name"), Email: strings.Trim(p.must("email"), " ")})
		b.under(name, p)
	}
	return out
}

// enclosures reads the files within JSON.
func (b *body) enclosures() []email.Enclosure {
	var out []email.Enclosure
	for _, a := range b.objects("attachments") {
		e := email.Enclosure{Filename: a.text("filename"), ContentType: a.text("content_type"), ContentID: strings.Trim(a.text("content_id"), "<>")}
		inline := a.boolean("is_inline")
		e.Inline = inline != nil && *inline || a.text("content_disposition") == "inline"
		if !a.has("content") && a.has("id") {
			a.wrong("id", "Uploads ahead of a message are not offered. Send the file's content with the message.")
		}
		content, err := fromBase64(a.text("content"))
		if err != nil {
			a.wrong("content", "content is the file in base64.")
		}
		e.Size, e.Content = int64(len(content)), bytes.NewReader(content)
		out = append(out, e)
		b.under("attachments", a)
	}
	return out
}

// fromBase64 takes either alphabet, with or without padding and line breaks: clients write all of them.
func fromBase64(text string) ([]byte, error) {
	text = strings.NewReplacer("\r", "", "\n", "", "-", "+", "_", "/").Replace(text)
	return base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
}
