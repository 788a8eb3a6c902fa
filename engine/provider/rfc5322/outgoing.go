package rfc5322

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
)

const (
	rawHeadMost = 1 << 20 // of the header of a complete message, and of what is looked at to describe it
	copyBuffer  = 32 << 10
)

var (
	errUnreadable = fault.New(fault.Invalid, "message_unreadable", "The message ended before its end, or its header is longer than 1 MB.")
	errContent    = fault.New(fault.Invalid, "attachment_unreadable", "An attachment ended before its end.").At("attachments")
)

// Outgoing is a message on its way. It is never held whole: it is written anew, byte for byte the same, as often as a protocol asks for it.
// It needs the draft's contents for as long. Not safe for concurrent use.
type Outgoing struct {
	From []email.Address // who sends it: the draft's, else the message's own, else nobody
	To   []email.Address // everybody who is to get it

	draft email.Draft
	from  email.Address
	date  time.Time
	seed  string

	head []byte // of a complete message, changed or not
	rest *io.SectionReader

	kept  bool   // see Keep
	ahead []byte // header lines in front
	size  int64
}

// Compose makes a message of a draft: from its fields, or, where it is a complete message, of that. from stands in for a sender that the draft does not
// name. What the draft may not hold is a fault of fault.Invalid. The Bcc field is left out: the envelope carries it; see Bcc and Keep.
func Compose(d email.Draft, from email.Address, date time.Time) (*Outgoing, error) {
	o := &Outgoing{draft: d, from: from, date: date, seed: boundarySeed()}
	if d.Raw != nil {
		return o, o.complete()
	}
	if err := d.Check(); err != nil {
		return nil, err
	}
	o.named()
	return o, nil
}

// Keep makes what is kept of a draft: as Compose does, but it may name nobody, and Bcc is written. A complete message stays as it is.
func Keep(d email.Draft, from email.Address, date time.Time) (*Outgoing, error) {
	o := &Outgoing{draft: d, from: from, date: date, seed: boundarySeed(), kept: true}
	if d.Raw != nil {
		return o, o.complete()
	}
	if err := d.CheckKept(); err != nil {
		return nil, err
	}
	o.named()
	return o, nil
}

// Rewrite is Keep for a draft that was read from the mailbox and changed: what another program wrote into it need not pass Check.
func Rewrite(d email.Draft, from email.Address, date time.Time) *Outgoing {
	o := &Outgoing{draft: d, from: from, date: date, seed: boundarySeed(), kept: true}
	o.named()
	return o
}

// named gives a message its id.
func (o *Outgoing) named() {
	if o.draft.MessageID == "" {
		o.draft.MessageID = NewMessageID(o.from.Email)
	}
	o.From, o.To = o.draft.From, o.draft.Recipients()
}

// NewMessageID makes a Message-ID, without angle brackets, for a message of this address.
func NewMessageID(address string) string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:]) + "@" + domainOf(address)
}

func domainOf(address string) string {
	if i := strings.LastIndexByte(address, '@'); i >= 0 && i+1 < len(address) {
		return address[i+1:]
	}
	return "localhost"
}

// complete reads the header of a message that the caller wrote. Its recipients are those it names, unless the draft names others.
func (o *Outgoing) complete() error {
	raw := o.draft.Raw
	start := make([]byte, min(raw.Size(), rawHeadMost))
	if _, err := io.ReadFull(email.Reader(raw), start); err != nil {
		return errUnreadable.Because(err)
	}
	head, body, ends := split(start)
	if !ends && int64(len(start)) < raw.Size() {
		return errUnreadable
	}
	after := int64(len(start) - len(body))
	if !o.kept {
		head = visible(head)
	}
	o.head, o.rest = slices.Clone(head), io.NewSectionReader(raw, after, raw.Size()-after)
	m := ReadHeader(start, email.Standard)
	o.From, o.To = o.draft.From, o.draft.Recipients()
	if len(o.From) == 0 {
		o.From = m.From
	}
	if len(o.To) == 0 {
		o.To = slices.Concat(m.To, m.Cc, m.Bcc)
	}
	if o.kept {
		return nil
	}
	if m.MessageID == "" && len(o.head) > 0 {
		// As a submission server may (RFC 6409 section 8.3): otherwise nobody could find among the sent messages the one that was sent.
		o.head = append([]byte("Message-ID: <"+NewMessageID(o.from.Email)+">\r\n"), o.head...)
	}
	return email.Draft{From: o.From, To: o.To}.Check()
}

// Complete says that the caller wrote the whole message.
func (o *Outgoing) Complete() bool { return o.head != nil }

// Header is what the message says on top, Bcc left out.
func (o *Outgoing) Header() email.Message {
	if o.Complete() {
		return ReadHeader(append(slices.Clone(o.head), "\r\n"...), email.Standard)
	}
	d := o.draft
	m := email.Message{Subject: d.Subject, From: d.From, To: d.To, Cc: d.Cc, ReplyTo: d.ReplyTo, MessageID: d.MessageID, References: d.References}
	if d.InReplyTo != "" {
		m.InReplyTo = []string{d.InReplyTo}
	}
	return m
}

// Unnamed is who is to get the message without being named in it.
func (o *Outgoing) Unnamed() []email.Address {
	h := o.Header()
	var out []email.Address
	for _, a := range o.To {
		if !Among(h.To, a) && !Among(h.Cc, a) && !Among(out, a) {
			out = append(out, a)
		}
	}
	return out
}

// Among says whether a is one of all.
func Among(all []email.Address, a email.Address) bool {
	return slices.ContainsFunc(all, func(x email.Address) bool { return strings.EqualFold(x.Email, a.Email) })
}

// Bcc names hidden recipients in the message after all, for servers that take their recipients from there and the field out of what they send.
func (o *Outgoing) Bcc(all []email.Address) {
	o.ahead, o.size = nil, 0
	if len(all) == 0 {
		return
	}
	lines := make([]string, len(all)) // one on a line (RFC 5322 section 2.2.3)
	for i, a := range all {
		lines[i] = (&mail.Address{Name: a.Name, Address: a.Email}).String()
	}
	o.ahead = []byte("Bcc: " + strings.Join(lines, ",\r\n ") + "\r\n")
}

// WriteTo implements io.WriterTo.
func (o *Outgoing) WriteTo(w io.Writer) (int64, error) {
	count := &counter{w: w}
	err := o.write(count)
	return count.n, err
}

func (o *Outgoing) write(w io.Writer) error {
	if _, err := w.Write(o.ahead); err != nil {
		return err
	}
	if !o.Complete() {
		return (&composer{seed: o.seed, kept: o.kept}).write(w, o.draft, o.from, o.date)
	}
	if _, err := w.Write(append(slices.Clone(o.head), "\r\n"...)); err != nil {
		return err
	}
	_, err := io.CopyBuffer(onlyWriter{w}, io.NewSectionReader(o.rest, 0, o.rest.Size()), make([]byte, copyBuffer))
	return err
}

// Size is how many bytes WriteTo writes. It is found out by writing once to nowhere. A content that cannot be read is a fault.
func (o *Outgoing) Size() (int64, error) {
	if o.size > 0 {
		return o.size, nil
	}
	count := &counter{w: io.Discard}
	if err := o.write(count); err != nil {
		return 0, errContent.Because(err)
	}
	o.size = count.n
	return o.size, nil
}

// Fits is Size for whoever takes no more than most: tooLarge beyond it. What is surely too large is refused before anything is read.
func (o *Outgoing) Fits(most int64, tooLarge *fault.Error) (int64, error) {
	var least int64
	if o.Complete() {
		least = o.rest.Size()
	}
	for _, e := range o.draft.Attachments {
		if e.Content != nil {
			least += e.Content.Size()
		}
	}
	if least > most {
		return 0, tooLarge
	}
	size, err := o.Size()
	if err == nil && size > most {
		err = tooLarge
	}
	return size, err
}

// Bytes is the whole message in memory, for what is known to be small.
func (o *Outgoing) Bytes() ([]byte, error) {
	var out bytes.Buffer
	if err := o.write(&out); err != nil {
		return nil, errContent.Because(err)
	}
	return out.Bytes(), nil
}

// Reader reads the message from its beginning. It must be closed; until then nothing else may be asked of o.
func (o *Outgoing) Reader() io.ReadCloser {
	return piped(func(w io.Writer) error { return o.write(w) })
}

// Base64 is Reader in base64 on one line. It takes base64.StdEncoding.EncodedLen of Size.
func (o *Outgoing) Base64() io.ReadCloser {
	return piped(func(w io.Writer) error {
		encoded := base64.NewEncoder(base64.StdEncoding, w)
		if err := o.write(encoded); err != nil {
			return err
		}
		return encoded.Close()
	})
}

func piped(write func(io.Writer) error) io.ReadCloser {
	r, w := io.Pipe()
	go func() {
		b := bufio.NewWriterSize(w, copyBuffer)
		err := write(b)
		if err == nil {
			err = b.Flush()
		}
		_ = w.CloseWithError(err) // never fails
	}()
	return r
}

// Read describes the message as it will be read, without ids of the provider's. Of a complete message beyond 1 MB only the beginning is looked at, and
// its attachments are left out.
func (o *Outgoing) Read() (email.Message, error) {
	if o.Complete() {
		start := make([]byte, min(o.rest.Size(), rawHeadMost))
		if _, err := o.rest.ReadAt(start, 0); err != nil && !errors.Is(err, io.EOF) {
			return email.Message{}, errUnreadable.Because(err)
		}
		m := Read(slices.Concat(o.head, []byte("\r\n"), start), email.Standard)
		if int64(len(start)) < o.rest.Size() {
			m.Attachments = nil
		}
		return m, nil
	}
	var shape bytes.Buffer
	c := composer{seed: o.seed, hollow: true, kept: o.kept}
	if err := c.write(&shape, o.draft, o.from, o.date); err != nil {
		return email.Message{}, fmt.Errorf("compose: %w", err)
	}
	m := Read(shape.Bytes(), email.Standard)
	// Files stand in the message in the order in which they were written: those within the text first.
	inline, files := sorted(o.draft)
	inline = slices.DeleteFunc(inline, func(e email.Enclosure) bool { return e.Filename == "" && strings.HasPrefix(e.ContentType, "text/") }) // those are read as text
	if all := slices.Concat(inline, files); len(all) == len(m.Attachments) {
		for i, e := range all {
			if e.Content != nil {
				m.Attachments[i].Size = e.Content.Size()
			}
		}
	}
	return m, nil
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

type onlyWriter struct{ io.Writer }
