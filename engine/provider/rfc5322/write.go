package rfc5322

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"mime"
	"net/mail"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-message"

	"github.com/postern-mail/postern/engine/email"
)

// Write composes a draft that has passed Check. from stands in where the draft names no sender; date and the draft's MessageID must
// be set. Bcc is left out: the envelope carries it.
func Write(w io.Writer, d email.Draft, from email.Address, date time.Time) error {
	return (&composer{seed: boundarySeed()}).write(w, d, from, date)
}

// composer writes one message, any number of times to the byte: its boundaries come from seed and from their order.
type composer struct {
	seed   string
	n      int
	hollow bool // leave the files empty: for a look at the message's shape
	kept   bool // a draft that stays in the mailbox: Bcc is written, so that it is known when it is sent
}

func boundarySeed() string {
	var seed [15]byte
	_, _ = rand.Read(seed[:]) // never fails
	return hex.EncodeToString(seed[:])
}

func (c *composer) boundary() map[string]string {
	c.n++
	return map[string]string{"boundary": c.seed + "-" + strconv.Itoa(c.n)}
}

func (c *composer) write(w io.Writer, d email.Draft, from email.Address, date time.Time) error {
	c.n = 0
	var h message.Header
	senders := d.From
	if len(senders) == 0 {
		senders = []email.Address{from}
	}
	// go-message writes the field added last first.
	for i := len(d.Headers) - 1; i >= 0; i-- {
		h.Add(d.Headers[i].Name, encodeWords(d.Headers[i].Value))
	}
	h.Set("MIME-Version", "1.0")
	if len(d.References) > 0 {
		h.Set("References", "<"+strings.Join(d.References, "> <")+">")
	}
	if d.InReplyTo != "" {
		h.Set("In-Reply-To", "<"+d.InReplyTo+">")
	}
	h.Set("Message-Id", "<"+d.MessageID+">")
	h.Set("Date", date.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	h.Set("Subject", encodeWords(d.Subject))
	if !c.kept {
		d.Bcc = nil
	}
	for _, f := range []struct {
		name string
		all  []email.Address
	}{{"Reply-To", d.ReplyTo}, {"Bcc", d.Bcc}, {"Cc", d.Cc}, {"To", d.To}, {"From", senders}} {
		if len(f.all) > 0 {
			h.Set(f.name, addressList(f.all))
		}
	}
	inline, files := sorted(d)
	return c.compose(w, h, d, files, inline)
}

// sorted parts the files that the text shows from those that go beside it.
func sorted(d email.Draft) (inline, files []email.Enclosure) {
	for _, e := range d.Attachments {
		if e.Inline || e.ContentID != "" && d.HTML != "" && strings.Contains(d.HTML, "cid:"+e.ContentID) {
			inline = append(inline, e)
		} else {
			files = append(files, e)
		}
	}
	return inline, files
}

func (c *composer) compose(w io.Writer, h message.Header, d email.Draft, files, inline []email.Enclosure) error {
	switch {
	case len(files) > 0:
		h.SetContentType("multipart/mixed", c.boundary())
	case len(inline) > 0:
		h.SetContentType("multipart/related", c.boundary())
	case d.HTML != "" && d.Plain != "":
		h.SetContentType("multipart/alternative", c.boundary())
	default:
		setText(&h, d)
		return single(w, h, strings.NewReader(textOf(d)))
	}
	mw, err := message.CreateWriter(w, h)
	if err != nil {
		return fmt.Errorf("compose: %w", err)
	}
	if err := c.body(mw, d, files, inline); err != nil {
		return err
	}
	return mw.Close()
}

func (c *composer) body(mw *message.Writer, d email.Draft, files, inline []email.Enclosure) error {
	switch {
	case len(files) > 0:
		if err := c.nested(mw, d, inline); err != nil {
			return err
		}
		return c.enclose(mw, files, "attachment")
	case len(inline) > 0:
		if err := c.nested(mw, d, nil); err != nil {
			return err
		}
		return c.enclose(mw, inline, "inline")
	}
	for _, one := range []email.Draft{{Plain: d.Plain}, {HTML: d.HTML}} {
		if err := c.nested(mw, one, nil); err != nil {
			return err
		}
	}
	return nil
}

// nested writes the draft's body as one part of mw.
func (c *composer) nested(mw *message.Writer, d email.Draft, inline []email.Enclosure) error {
	var h message.Header
	many := true
	switch {
	case len(inline) > 0:
		h.SetContentType("multipart/related", c.boundary())
	case d.HTML != "" && d.Plain != "":
		h.SetContentType("multipart/alternative", c.boundary())
	default:
		many = false
		setText(&h, d)
	}
	part, err := mw.CreatePart(h)
	if err != nil {
		return fmt.Errorf("compose: %w", err)
	}
	if many {
		err = c.body(part, d, nil, inline)
	} else {
		_, err = io.WriteString(part, textOf(d))
	}
	if err != nil {
		return err
	}
	return part.Close()
}

func (c *composer) enclose(mw *message.Writer, all []email.Enclosure, disposition string) error {
	for _, e := range all {
		var h message.Header
		kind, params, err := mime.ParseMediaType(e.ContentType)
		if err != nil || strings.HasPrefix(kind, "multipart/") {
			kind, params = "application/octet-stream", nil
		}
		h.SetContentType(kind, params)
		h.Set("Content-Transfer-Encoding", "base64")
		if e.ContentID != "" {
			h.Set("Content-Id", "<"+strings.Trim(e.ContentID, "<>")+">")
		}
		dp := map[string]string{}
		if e.Filename != "" {
			dp["filename"] = e.Filename
		}
		h.SetContentDisposition(disposition, dp)
		part, err := mw.CreatePart(h)
		if err != nil {
			return fmt.Errorf("compose: %w", err)
		}
		if e.Content != nil && !c.hollow {
			if _, err := io.Copy(part, email.Reader(e.Content)); err != nil {
				return fmt.Errorf("compose: attachment: %w", err)
			}
		}
		if err := part.Close(); err != nil {
			return err
		}
	}
	return nil
}

func single(w io.Writer, h message.Header, r io.Reader) error {
	mw, err := message.CreateWriter(w, h)
	if err != nil {
		return fmt.Errorf("compose: %w", err)
	}
	if _, err := io.Copy(mw, r); err != nil {
		return err
	}
	return mw.Close()
}

func setText(h *message.Header, d email.Draft) {
	kind := "text/plain"
	if d.HTML != "" {
		kind = "text/html"
	}
	h.SetContentType(kind, map[string]string{"charset": "utf-8"})
	h.Set("Content-Transfer-Encoding", "quoted-printable")
}

func textOf(d email.Draft) string {
	if d.HTML != "" {
		return d.HTML
	}
	return d.Plain
}

func encodeWords(s string) string { return mime.QEncoding.Encode("utf-8", s) }

func addressList(all []email.Address) string {
	out := make([]string, len(all))
	for i, a := range all {
		out[i] = (&mail.Address{Name: a.Name, Address: a.Email}).String()
	}
	return strings.Join(out, ", ")
}

// WithoutBcc is raw without its Bcc field: it must not travel.
func WithoutBcc(raw []byte) []byte {
	head, rest, ok := split(raw)
	if !ok {
		return raw
	}
	out := bytes.NewBuffer(visible(head))
	out.WriteString("\r\n")
	out.Write(rest)
	return out.Bytes()
}

// Departing is a draft as it leaves: dated at the moment of sending rather than of the last change. What a draft of another program may lack is added: a sender and
// a Message-ID, without angle brackets. Bcc is still there.
func Departing(raw []byte, from email.Address, date time.Time, messageID string) []byte {
	m := ReadHeader(raw, email.Standard)
	var out bytes.Buffer
	out.WriteString("Date: " + date.Format("Mon, 02 Jan 2006 15:04:05 -0700") + "\r\n")
	if len(m.From) == 0 {
		out.WriteString("From: " + addressList([]email.Address{from}) + "\r\n")
	}
	if m.MessageID == "" {
		out.WriteString("Message-ID: <" + messageID + ">\r\n")
	}
	head, rest, ok := split(raw)
	if ok {
		head = without(head, "date")
	} else {
		head, rest = nil, raw
	}
	out.Write(head)
	out.WriteString("\r\n")
	out.Write(rest)
	return out.Bytes()
}

// visible is a header without its Bcc field.
func visible(head []byte) []byte { return without(head, "bcc") }

// without is a header without one field, named in lower case.
func without(head []byte, field string) []byte {
	out := make([]byte, 0, len(head))
	skip := false
	for _, line := range bytes.SplitAfter(head, []byte("\n")) {
		if len(line) > 0 && (line[0] == ' ' || line[0] == '\t') {
			if !skip {
				out = append(out, line...)
			}
			continue
		}
		name, _, _ := bytes.Cut(line, []byte(":"))
		if skip = strings.EqualFold(strings.TrimSpace(string(name)), field); !skip {
			out = append(out, line...)
		}
	}
	return out
}
