package mailbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"strings"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// kept is a draft as it is sealed. Its contents follow in pieces, one after the other: the complete message, or the files in their order.
type kept struct {
	From        []keptAddress `json:"from,omitempty"`
	To          []keptAddress `json:"to,omitempty"`
	Cc          []keptAddress `json:"cc,omitempty"`
	Bcc         []keptAddress `json:"bcc,omitempty"`
	ReplyTo     []keptAddress `json:"reply_to,omitempty"`
	Subject     string        `json:"subject,omitempty"`
	HTML        string        `json:"html,omitempty"`
	Plain       string        `json:"plain,omitempty"`
	MessageID   string        `json:"message_id,omitempty"`
	InReplyTo   string        `json:"in_reply_to,omitempty"`
	References  []string      `json:"references,omitempty"`
	Headers     []keptHeader  `json:"headers,omitempty"`
	Attachments []keptFile    `json:"attachments,omitempty"`
	Raw         bool          `json:"raw,omitempty"`
	Size        int64         `json:"size"` // of all contents
}

type keptAddress struct {
	Name  string `json:"name,omitempty"`
	Email string `json:"email"`
}

type keptHeader struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type keptFile struct {
	Filename    string `json:"filename,omitempty"`
	ContentType string `json:"content_type,omitempty"`
	ContentID   string `json:"content_id,omitempty"`
	Inline      bool   `json:"inline,omitempty"`
	Size        int64  `json:"size"`
}

func keep(d email.Draft) kept {
	k := kept{From: keepAll(d.From), To: keepAll(d.To), Cc: keepAll(d.Cc), Bcc: keepAll(d.Bcc), ReplyTo: keepAll(d.ReplyTo), Subject: d.Subject, HTML: d.HTML, Plain: d.Plain,
		MessageID: d.MessageID, InReplyTo: d.InReplyTo, References: d.References, Raw: d.Raw != nil, Size: contents(d).size}
	for _, h := range d.Headers {
		k.Headers = append(k.Headers, keptHeader{h.Name, h.Value})
	}
	for _, e := range d.Attachments {
		k.Attachments = append(k.Attachments, keptFile{e.Filename, e.ContentType, e.ContentID, e.Inline, email.Reader(e.Content).Size()})
	}
	return k
}

// draft is the draft that was kept, its contents read from content.
func (k kept) draft(content io.ReaderAt) email.Draft {
	d := email.Draft{From: unkept(k.From), To: unkept(k.To), Cc: unkept(k.Cc), Bcc: unkept(k.Bcc), ReplyTo: unkept(k.ReplyTo), Subject: k.Subject, HTML: k.HTML, Plain: k.Plain,
		MessageID: k.MessageID, InReplyTo: k.InReplyTo, References: k.References}
	if k.Raw {
		d.Raw = io.NewSectionReader(content, 0, k.Size)
		return d
	}
	for _, h := range k.Headers {
		d.Headers = append(d.Headers, email.Header{Name: h.Name, Value: h.Value})
	}
	at := int64(0)
	for _, f := range k.Attachments {
		d.Attachments = append(d.Attachments, email.Enclosure{Filename: f.Filename, ContentType: f.ContentType, ContentID: f.ContentID, Inline: f.Inline, Size: f.Size,
			Content: io.NewSectionReader(content, at, f.Size)})
		at += f.Size
	}
	return d
}

func keepAll(all []email.Address) []keptAddress {
	var out []keptAddress
	for _, a := range all {
		out = append(out, keptAddress{a.Name, a.Email})
	}
	return out
}

func unkept(all []keptAddress) []email.Address {
	var out []email.Address
	for _, a := range all {
		out = append(out, email.Address{Name: a.Name, Email: a.Email})
	}
	return out
}

type joined struct {
	io.Reader
	size int64
}

// contents is all that a draft's text does not hold, one after the other.
func contents(d email.Draft) joined {
	if d.Raw != nil {
		return joined{email.Reader(d.Raw), d.Raw.Size()}
	}
	var all []io.Reader
	out := joined{}
	for _, e := range d.Attachments {
		r := email.Reader(e.Content)
		all, out.size = append(all, r), out.size+r.Size()
	}
	out.Reader = io.MultiReader(all...)
	return out
}

// seal puts the draft into the vault, piece by piece.
func (s *Service) seal(ctx context.Context, tx *store.Tx, tenant models.TenantID, id models.ScheduleID, d email.Draft) error {
	owner := sealed.Owner{Kind: sealed.ScheduleOwner, ID: id.String()}
	text, err := json.Marshal(keep(d))
	if err != nil {
		return fmt.Errorf("write a draft: %w", err)
	}
	if err := s.safe.Put(ctx, tx, tenant, owner, "draft", secret.New(string(text))); err != nil {
		return err
	}
	content := contents(d)
	piece := make([]byte, min(content.size, sealed.SchedulePiece))
	for n := 0; content.size > 0; n++ {
		part := piece[:min(content.size, sealed.SchedulePiece)]
		if _, err := io.ReadFull(content, part); err != nil {
			return fmt.Errorf("read what is to be sent later: %w", err)
		}
		if err := s.safe.Put(ctx, tx, tenant, owner, sealed.SchedulePieceField(n), secret.New(string(part))); err != nil {
			return err
		}
		content.size -= int64(len(part))
	}
	return nil
}

// unseal takes the draft out of the vault; its contents go into the spool.
func (s *Service) unseal(ctx context.Context, tx *store.Tx, tenant models.TenantID, id models.ScheduleID, content *Spool) (email.Draft, error) {
	owner := sealed.Owner{Kind: sealed.ScheduleOwner, ID: id.String()}
	text, err := s.safe.Open(ctx, tx, tenant, owner, "draft")
	if err != nil {
		return email.Draft{}, err
	}
	var k kept
	if err := json.Unmarshal([]byte(text.Reveal()), &k); err != nil {
		return email.Draft{}, errors.New("a kept draft cannot be read")
	}
	for n := 0; content.Size() < k.Size; n++ {
		piece, err := s.safe.Open(ctx, tx, tenant, owner, sealed.SchedulePieceField(n))
		if err != nil {
			return email.Draft{}, err
		}
		if _, err := io.WriteString(content, piece.Reveal()); err != nil {
			return email.Draft{}, err
		}
	}
	return k.draft(content), nil
}

// headMost is how much of a complete message is looked at for its header.
const headMost = 1 << 20

// header reads the header of a complete message.
func header(raw email.Content) (mail.Header, error) {
	start := make([]byte, min(raw.Size(), headMost))
	if _, err := io.ReadFull(email.Reader(raw), start); err != nil {
		return nil, fmt.Errorf("read a header: %w", err)
	}
	m, err := mail.ReadMessage(bytes.NewReader(append(start, "\r\n\r\n"...)))
	if err != nil {
		return nil, errRaw.Because(errors.New("no header"))
	}
	return m.Header, nil
}

// nameOf is the Message-ID of a draft; empty where a complete message has none.
func nameOf(d email.Draft) string {
	if d.Raw == nil {
		return d.MessageID
	}
	h, err := header(d.Raw)
	if err != nil {
		return ""
	}
	return strings.Trim(strings.TrimSpace(h.Get("Message-Id")), "<>")
}
