package graph

import (
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

// The properties of a message that are asked for ("message resource type"). Bodies and headers are large, and only asked for when wanted.
const (
	basicFields  = "id,conversationId,subject,from,sender,toRecipients,ccRecipients,bccRecipients,replyTo,receivedDateTime,sentDateTime,isRead,isDraft,flag,parentFolderId,bodyPreview,hasAttachments,internetMessageId"
	bodyField    = ",body"
	headerField  = ",internetMessageHeaders"
	attachFields = "id,name,contentType,size,isInline"
	expanded     = "attachments($select=" + attachFields + ")"
)

func fields(want email.Fields, noBody bool) string {
	if want == email.RawOnly {
		return "id,receivedDateTime,sentDateTime"
	}
	s := basicFields
	if !noBody {
		s += bodyField
	}
	if want == email.WithHeaders || want == email.WithBasicHeaders {
		s += headerField
	}
	return s
}

type recipient struct {
	EmailAddress struct {
		Name    string `json:"name"`
		Address string `json:"address"`
	} `json:"emailAddress"`
}

type wireAttachment struct {
	Type        string `json:"@odata.type"`
	ID          string `json:"id"`
	Name        string `json:"name"`
	ContentType string `json:"contentType"`
	ContentID   string `json:"contentId"`
	Size        int64  `json:"size"`
	IsInline    bool   `json:"isInline"`
}

type wireHeader struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type wireMessage struct {
	ID             string      `json:"id"`
	ConversationID string      `json:"conversationId"`
	Subject        string      `json:"subject"`
	From           *recipient  `json:"from"`
	Sender         *recipient  `json:"sender"`
	To             []recipient `json:"toRecipients"`
	Cc             []recipient `json:"ccRecipients"`
	Bcc            []recipient `json:"bccRecipients"`
	ReplyTo        []recipient `json:"replyTo"`
	Received       time.Time   `json:"receivedDateTime"`
	Sent           time.Time   `json:"sentDateTime"`
	IsRead         bool        `json:"isRead"`
	IsDraft        bool        `json:"isDraft"`
	Flag           struct {
		Status string `json:"flagStatus"`
	} `json:"flag"`
	Folder  string `json:"parentFolderId"`
	Preview string `json:"bodyPreview"`
	Body    struct {
		ContentType string `json:"contentType"`
		Content     string `json:"content"`
	} `json:"body"`
	Created        time.Time        `json:"createdDateTime"`
	Modified       time.Time        `json:"lastModifiedDateTime"`
	ChangeKey      string           `json:"changeKey"`
	HasAttachments bool             `json:"hasAttachments"`
	Attachments    []wireAttachment `json:"attachments"`
	MessageID      string           `json:"internetMessageId"`
	Headers        []wireHeader     `json:"internetMessageHeaders"`
}

// at is when the message reached the folder; a draft that was never saved by Outlook has only one of the two.
func (w wireMessage) at() time.Time {
	if w.Received.IsZero() {
		return w.Sent.UTC()
	}
	return w.Received.UTC()
}

// message turns Microsoft's words into ours. HTML and Plain exclude each other: Exchange keeps one form and is asked for HTML.
func (w wireMessage) message(want email.Fields) email.Message {
	if want == email.RawOnly {
		return email.Message{ID: ourID(w.ID)}
	}
	m := email.Message{ID: ourID(w.ID), ThreadID: ourID(w.ConversationID), Subject: rfc5322.OneLine(w.Subject), To: addresses(w.To), Cc: addresses(w.Cc), Bcc: addresses(w.Bcc), ReplyTo: addresses(w.ReplyTo),
		Date: w.at(), Unread: !w.IsRead, Starred: w.Flag.Status == "flagged", Draft: w.IsDraft, MessageID: rfc5322.BareID(w.MessageID)}
	for _, f := range []*recipient{w.From, w.Sender} {
		if f != nil && (f.EmailAddress.Address != "" || f.EmailAddress.Name != "") {
			m.From = addresses([]recipient{*f})
			break
		}
	}
	if w.Folder != "" {
		m.Folders = []string{ourID(w.Folder)}
	}
	if strings.EqualFold(w.Body.ContentType, "text") {
		m.Plain = w.Body.Content
	} else {
		m.HTML = w.Body.Content
	}
	m.Snippet = rfc5322.Snippet(w.Preview, m.Body())
	for _, a := range w.Attachments {
		m.Attachments = append(m.Attachments, a.attachment())
	}
	w.headers(&m, want)
	return m
}

// headers fills what only the header fields tell. Microsoft gives none for messages that were written here and not sent.
func (w wireMessage) headers(m *email.Message, want email.Fields) {
	for _, h := range w.Headers {
		name := strings.ToLower(h.Name)
		switch name {
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
	kind = strings.TrimSpace(kind)
	if kind == "" {
		kind = "application/octet-stream"
		if strings.HasSuffix(a.Type, ".itemAttachment") {
			kind = "message/rfc822"
		}
	}
	out := email.Attachment{ID: ourID(a.ID), Filename: rfc5322.OneLine(a.Name), ContentType: rfc5322.OneLine(kind), Size: a.Size, ContentID: rfc5322.BareID(a.ContentID), Inline: a.IsInline, Disposition: "attachment"}
	if a.IsInline {
		out.Disposition = "inline"
	}
	return out
}

func addresses(all []recipient) []email.Address {
	var out []email.Address
	for _, r := range all {
		out = append(out, email.Address{Name: rfc5322.OneLine(r.EmailAddress.Name), Email: rfc5322.OneLine(r.EmailAddress.Address)})
	}
	return out
}
