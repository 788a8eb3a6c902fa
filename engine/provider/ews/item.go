package ews

import (
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

const (
	mostMessage = 48 << 20 // the answer that holds one message: 36 MB of mail and its wrapping
	batchBytes  = 2 << 20  // messages asked for in one call
	pageBytes   = 64 << 20 // messages of one page: it ends early beyond that
)

// item is a message as the server tells it.
type item struct {
	ID       identifier `xml:"ItemId"`
	Parent   identifier `xml:"ParentFolderId"`
	Mime     string     `xml:"MimeContent"`
	Subject  string     `xml:"Subject"`
	Received time.Time  `xml:"DateTimeReceived"`
	Size     int64      `xml:"Size"`
	Answers  string     `xml:"InReplyTo"`
	Draft    bool       `xml:"IsDraft"`
	Attached bool       `xml:"HasAttachments"`
	Headers  []struct {
		Name  string `xml:"HeaderName,attr"`
		Value string `xml:",chardata"`
	} `xml:"InternetMessageHeaders>InternetMessageHeader"`
	Flag        string       `xml:"Flag>FlagStatus"`
	Attachments []attachment `xml:"Attachments>FileAttachment"`
	To          []mailbox    `xml:"ToRecipients>Mailbox"`
	Cc          []mailbox    `xml:"CcRecipients>Mailbox"`
	Bcc         []mailbox    `xml:"BccRecipients>Mailbox"`
	From        []mailbox    `xml:"From>Mailbox"`
	MessageID   string       `xml:"InternetMessageId"`
	Read        *bool        `xml:"IsRead"`
	References  string       `xml:"References"`
}

type mailbox struct {
	Name  string `xml:"Name"`
	Email string `xml:"EmailAddress"`
}

type attachment struct {
	ID struct {
		ID string `xml:"Id,attr"`
	} `xml:"AttachmentId"`
	Name        string `xml:"Name"`
	ContentType string `xml:"ContentType"`
	ContentID   string `xml:"ContentId"`
	Size        int64  `xml:"Size"`
	Inline      bool   `xml:"IsInline"`
}

// The shapes: what is told of a message beside its MIME; enough to sift; and all that can be told of one too large to be read whole.
var (
	whole    = []string{"item:ParentFolderId", "item:DateTimeReceived", "item:Size", "item:IsDraft", "item:Flag", "message:BccRecipients", "message:IsRead"}
	envelop  = append([]string{"item:Subject", "item:InReplyTo", "message:From", "message:ToRecipients", "message:CcRecipients", "message:InternetMessageId", "message:References"}, whole...)
	enormous = append([]string{"item:InternetMessageHeaders", "item:Attachments"}, envelop...)
)

// items reads messages by the server's ids. Those that are gone meanwhile are left out.
func (c *caller) items(s shape, ids []itemID, limit int64) ([]item, error) {
	all, err := c.call(getItem{Shape: s, IDs: ids}, limit, false)
	if err != nil {
		return nil, err
	}
	var out []item
	for _, m := range all {
		err := m.err(provider.ErrMessageNotFound)
		switch {
		case errors.Is(err, provider.ErrMessageNotFound):
		case err != nil:
			return nil, err
		default:
			out = append(out, m.Items.All...)
		}
	}
	return out, nil
}

// item reads one message, with its MIME unless that is too large: then what can be told without.
func (c *caller) item(id itemID, mime bool) (item, error) {
	s, limit := shapeOf(whole...), int64(answerBytes)
	if mime {
		s.Mime, limit = &mime, mostMessage
	}
	all, err := c.items(s, []itemID{id}, limit)
	if mime && errors.Is(err, dial.ErrBodyTooLarge) {
		all, err = c.items(shapeOf(enormous...), []itemID{id}, answerBytes)
	}
	if err != nil {
		return item{}, err
	}
	if len(all) != 1 {
		return item{}, provider.ErrMessageNotFound
	}
	return all[0], nil
}

// message makes our message of an item.
func (c *caller) message(it item, want email.Fields) (email.Message, error) {
	s, err := c.specials()
	if err != nil {
		return email.Message{}, err
	}
	raw, err := base64.StdEncoding.DecodeString(strings.Map(noSpace, it.Mime))
	if err != nil {
		return email.Message{}, errRefused.Because(errors.New("a message that is not base64"))
	}
	id := safe(it.ID.ID)
	if want == email.RawOnly {
		if len(raw) == 0 && it.Size > 0 {
			return email.Message{}, provider.ErrTooLarge
		}
		return email.Message{ID: id, Raw: raw}, nil
	}
	var m email.Message
	switch {
	case len(raw) > 0:
		m = rfc5322.Read(raw, want)
		m.Size = int64(len(raw))
	default:
		m = it.outline(want)
	}
	m.ID, m.Folders = id, []string{s.id(it.Parent.ID)}
	if len(it.Bcc) > 0 {
		m.Bcc = addresses(it.Bcc) // of a draft: its MIME need not name them
	}
	m.Unread, m.Starred, m.Draft = it.Read != nil && !*it.Read, it.Flag == "Flagged", it.Draft
	if !it.Received.IsZero() {
		m.Date = it.Received
	}
	if m.ThreadID == "" {
		m.ThreadID = alone + id
	}
	return m, nil
}

func noSpace(r rune) rune {
	if r == '\r' || r == '\n' || r == ' ' || r == '\t' {
		return -1
	}
	return r
}

// outline is a message without its body: by its header fields where the server kept them, else by the properties.
func (it item) outline(want email.Fields) email.Message {
	var head strings.Builder
	for _, h := range it.Headers {
		head.WriteString(h.Name + ": " + strings.NewReplacer("\r", "", "\n", " ").Replace(h.Value) + "\r\n")
	}
	m := rfc5322.ReadHeader([]byte(head.String()+"\r\n"), want)
	if len(it.Headers) == 0 {
		m = email.Message{Subject: it.Subject, From: addresses(it.From), To: addresses(it.To), Cc: addresses(it.Cc), Bcc: addresses(it.Bcc)}
		ids := rfc5322.ReadHeader([]byte("Message-ID: "+it.MessageID+"\r\nIn-Reply-To: "+it.Answers+"\r\nReferences: "+it.References+"\r\n\r\n"), email.Standard)
		m.MessageID, m.InReplyTo, m.References, m.ThreadID = ids.MessageID, ids.InReplyTo, ids.References, ids.ThreadID
	}
	m.Size = it.Size
	for _, a := range it.Attachments {
		m.Attachments = append(m.Attachments, email.Attachment{ID: safe(a.ID.ID), Filename: a.Name, ContentType: strings.ToLower(a.ContentType), ContentID: a.ContentID, Size: a.Size, Inline: a.Inline})
	}
	return m
}

func addresses(all []mailbox) []email.Address {
	var out []email.Address
	for _, m := range all {
		out = append(out, email.Address(m))
	}
	return out
}
