package rfc5322

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"net/mail"
	"strings"
	"time"

	"github.com/emersion/go-message"

	"github.com/postern-mail/postern/engine/email"
)

// Write composes a draft that has passed Check. from stands in where the draft names no sender; date and the draft's MessageID must
// be set. Bcc is left out: the envelope carries it.
func Write(w io.Writer, d email.Draft, from email.Address, date time.Time) error {
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
	for _, f := range []struct {
		name string
		all  []email.Address
	}{{"Reply-To", d.ReplyTo}, {"Cc", d.Cc}, {"To", d.To}, {"From", senders}} {
		if len(f.all) > 0 {
			h.Set(f.name, addressList(f.all))
		}
	}
	var files, inline []email.Enclosure
	for _, e := range d.Attachments {
		if e.Inline || e.ContentID != "" && d.HTML != "" && strings.Contains(d.HTML, "cid:"+e.ContentID) {
			inline = append(inline, e)
		} else {
			files = append(files, e)
		}
	}
	return compose(w, h, d, files, inline)
}

func compose(w io.Writer, h message.Header, d email.Draft, files, inline []email.Enclosure) error {
	switch {
	case len(files) > 0:
		h.SetContentType("multipart/mixed", nil)
	case len(inline) > 0:
		h.SetContentType("multipart/related", nil)
	case d.HTML != "" && d.Plain != "":
		h.SetContentType("multipart/alternative", nil)
	default:
		setText(&h, d)
		return single(w, h, strings.NewReader(textOf(d)))
	}
	mw, err := message.CreateWriter(w, h)
	if err != nil {
		return fmt.Errorf("compose: %w", err)
	}
	if err := body(mw, d, files, inline); err != nil {
		return err
	}
	return mw.Close()
}

func body(mw *message.Writer, d email.Draft, files, inline []email.Enclosure) error {
	switch {
	case len(files) > 0:
		if err := nested(mw, d, inline); err != nil {
			return err
		}
		return enclose(mw, files, "attachment")
	case len(inline) > 0:
		if err := nested(mw, d, nil); err != nil {
			return err
		}
		return enclose(mw, inline, "inline")
	}
	for _, one := range []email.Draft{{Plain: d.Plain}, {HTML: d.HTML}} {
		if err := nested(mw, one, nil); err != nil {
			return err
		}
	}
	return nil
}

// nested writes the draft's body as one part of mw.
func nested(mw *message.Writer, d email.Draft, inline []email.Enclosure) error {
	var h message.Header
	many := true
	switch {
	case len(inline) > 0:
		h.SetContentType("multipart/related", nil)
	case d.HTML != "" && d.Plain != "":
		h.SetContentType("multipart/alternative", nil)
	default:
		many = false
		setText(&h, d)
	}
	part, err := mw.CreatePart(h)
	if err != nil {
		return fmt.Errorf("compose: %w", err)
	}
	if many {
		err = body(part, d, nil, inline)
	} else {
		_, err = io.WriteString(part, textOf(d))
	}
	if err != nil {
		return err
	}
	return part.Close()
}

func enclose(mw *message.Writer, all []email.Enclosure, disposition string) error {
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
		if e.Content != nil {
			if _, err := io.Copy(part, e.Content); err != nil {
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

// Recipients is who a raw message names, and Sender its From; used when a caller brings a complete message.
func Recipients(raw []byte) (from []email.Address, to []email.Address, messageID string) {
	m := ReadHeader(raw, email.Standard)
	to = append(append(append(to, m.To...), m.Cc...), m.Bcc...)
	return m.From, to, m.MessageID
}

// WithoutBcc is raw without its Bcc field: it must not travel.
func WithoutBcc(raw []byte) []byte {
	head, rest, ok := split(raw)
	if !ok {
		return raw
	}
	var out bytes.Buffer
	skip := false
	for _, line := range bytes.SplitAfter(head, []byte("\n")) {
		if len(line) > 0 && (line[0] == ' ' || line[0] == '\t') {
			if !skip {
				out.Write(line)
			}
			continue
		}
		name, _, _ := bytes.Cut(line, []byte(":"))
		if skip = strings.EqualFold(strings.TrimSpace(string(name)), "bcc"); !skip {
			out.Write(line)
		}
	}
	out.WriteString("\r\n")
	out.Write(rest)
	return out.Bytes()
}
