package nylas

import (
	"encoding/base64"
	"regexp"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

// The objects of contract sections 7.2, 7.6 and 7.7.

type wireAddress struct {
	Name  string `json:"name,omitempty"`
	Email string `json:"email"`
}

type wireHeader struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type wireAttachment struct {
	ID          string `json:"id"`
	Filename    string `json:"filename"`
	ContentType string `json:"content_type"`
	Size        int64  `json:"size"`
	ContentID   string `json:"content_id"`
	Disposition string `json:"content_disposition"`
	Inline      bool   `json:"is_inline"`
}

type wireMessage struct {
	ID          string           `json:"id"`
	Object      string           `json:"object"`
	Thread      string           `json:"thread_id"`
	Subject     string           `json:"subject"`
	Body        string           `json:"body"`
	Snippet     string           `json:"snippet"`
	From        []wireAddress    `json:"from"`
	To          []wireAddress    `json:"to"`
	Cc          []wireAddress    `json:"cc"`
	Bcc         []wireAddress    `json:"bcc"`
	ReplyTo     []wireAddress    `json:"reply_to"`
	Date        int64            `json:"date"`
	Unread      bool             `json:"unread"`
	Starred     bool             `json:"starred"`
	Folders     []string         `json:"folders"`
	Attachments []wireAttachment `json:"attachments"`
	Headers     []wireHeader     `json:"headers"`
	Raw         string           `json:"raw_mime"`
}

// standard is the fields of a message without its body, for select.
const bodiless = "id,object,thread_id,subject,snippet,from,to,cc,bcc,reply_to,date,unread,starred,folders,attachments,headers"

// message turns Nylas' words into ours.
func (w wireMessage) message(want email.Fields, noBody bool) email.Message {
	if want == email.RawOnly {
		return email.Message{ID: ourID(w.ID), Raw: rawOf(w.Raw)}
	}
	m := email.Message{ID: ourID(w.ID), ThreadID: ourID(w.Thread), Subject: rfc5322.OneLine(w.Subject), From: addresses(w.From), To: addresses(w.To), Cc: addresses(w.Cc), Bcc: addresses(w.Bcc),
		ReplyTo: addresses(w.ReplyTo), Unread: w.Unread, Starred: w.Starred, Draft: w.Object == "draft", Folders: ourIDs(w.Folders)}
	if w.Date > 0 {
		m.Date = time.Unix(w.Date, 0).UTC()
	}
	m.Snippet = rfc5322.Snippet(w.Snippet, w.Body)
	if !noBody {
		if markup.MatchString(w.Body) {
			m.HTML = w.Body
		} else {
			m.Plain = w.Body
		}
	}
	for _, a := range w.Attachments {
		m.Attachments = append(m.Attachments, a.attachment())
	}
	w.headers(&m, want)
	return m
}

// markup tells a body that is HTML: Nylas keeps one body and does not say which form it has.
var markup = regexp.MustCompile(`(?i)<(!doctype|html|head|body|div|p|br|span|table|a|b|i|u|em|strong|pre|ul|ol|li|h[1-6]|img|font|center|blockquote|style|meta)(\s[^>]*)?/?>`)

// headers fills what only the header fields tell.
func (w wireMessage) headers(m *email.Message, want email.Fields) {
	for _, h := range w.Headers {
		name := strings.ToLower(h.Name)
		switch name {
		case "message-id":
			if m.MessageID == "" {
				m.MessageID = rfc5322.BareID(h.Value)
			}
		case "in-reply-to":
			m.InReplyTo = append(m.InReplyTo, rfc5322.BareIDs(h.Value)...)
		case "references":
			m.References = append(m.References, rfc5322.BareIDs(h.Value)...)
		}
		threading := name == "message-id" || name == "in-reply-to" || name == "references"
		if want == email.WithHeaders || want == email.WithBasicHeaders && threading {
			m.Headers = append(m.Headers, email.Header{Name: rfc5322.OneLine(h.Name), Value: rfc5322.OneLine(h.Value)})
		}
	}
}

func (a wireAttachment) attachment() email.Attachment {
	kind, _, _ := strings.Cut(strings.ToLower(a.ContentType), ";")
	if kind = strings.TrimSpace(kind); kind == "" {
		kind = "application/octet-stream"
	}
	disposition, _, _ := strings.Cut(a.Disposition, ";")
	return email.Attachment{ID: ourID(a.ID), Filename: rfc5322.OneLine(a.Filename), ContentType: rfc5322.OneLine(kind), Size: a.Size, ContentID: rfc5322.BareID(a.ContentID), Inline: a.Inline,
		Disposition: strings.ToLower(strings.TrimSpace(rfc5322.OneLine(disposition)))}
}

// rawOf reads raw_mime. The documentation says base64url, the wire has been seen with the standard alphabet and padding: both are read.
func rawOf(s string) []byte {
	s = strings.Map(func(r rune) rune {
		switch r {
		case '+':
			return '-'
		case '/':
			return '_'
		case '=', '\r', '\n':
			return -1
		}
		return r
	}, s)
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return nil
	}
	return raw
}

func addresses(all []wireAddress) []email.Address {
	var out []email.Address
	for _, a := range all {
		out = append(out, email.Address{Name: rfc5322.OneLine(a.Name), Email: rfc5322.OneLine(a.Email)})
	}
	return out
}

func wired(all []email.Address) []wireAddress {
	var out []wireAddress
	for _, a := range all {
		out = append(out, wireAddress{Name: a.Name, Email: a.Email})
	}
	return out
}
