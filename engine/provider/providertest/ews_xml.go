package providertest

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"github.com/postern-mail/postern/engine/email"
)

// xml is one item. Elements stand in the schema's order, whatever the order they were asked in.
func (it *xItem) xml(props []string, mime bool) string {
	has := func(p string) bool { return slices.Contains(props, p) }
	var b strings.Builder
	put := func(p, element, value string) {
		if has(p) && value != "" {
			b.WriteString("<t:" + element + ">" + esc(value) + "</t:" + element + ">")
		}
	}
	people := func(p, element string, all []email.Address) {
		if !has(p) || len(all) == 0 {
			return
		}
		b.WriteString("<t:" + element + ">")
		for _, a := range all {
			b.WriteString("<t:Mailbox><t:Name>" + esc(a.Name) + "</t:Name><t:EmailAddress>" + esc(a.Email) + "</t:EmailAddress><t:RoutingType>SMTP</t:RoutingType><t:MailboxType>OneOff</t:MailboxType></t:Mailbox>")
		}
		b.WriteString("</t:" + element + ">")
	}
	b.WriteString("<t:Message>")
	if mime {
		b.WriteString(`<t:MimeContent CharacterSet="UTF-8">` + base64.StdEncoding.EncodeToString(it.raw) + `</t:MimeContent>`)
	}
	b.WriteString(`<t:ItemId Id="` + it.id + `" ChangeKey="` + it.changeKey() + `"/>`)
	if has("item:ParentFolderId") {
		b.WriteString(`<t:ParentFolderId Id="` + it.folder.id + `" ChangeKey="AQAAAA=="/>`)
	}
	put("item:Subject", "Subject", it.parsed.Subject)
	if has("item:Attachments") && len(it.files) > 0 {
		b.WriteString("<t:Attachments>")
		for _, f := range it.files {
			b.WriteString(`<t:FileAttachment><t:AttachmentId Id="` + f.id + `"/><t:Name>` + esc(f.name) + `</t:Name><t:ContentType>` + esc(f.kind) + `</t:ContentType><t:Size>` + strconv.Itoa(len(f.content)) + `</t:Size><t:IsInline>` + strconv.FormatBool(f.inline) + `</t:IsInline></t:FileAttachment>`)
		}
		b.WriteString("</t:Attachments>")
	} else if has("item:Attachments") && len(it.parsed.Attachments) > 0 {
		b.WriteString("<t:Attachments>")
		for _, a := range it.parsed.Attachments {
			b.WriteString(`<t:FileAttachment><t:AttachmentId Id="` + xID('A') + `"/><t:Name>` + esc(a.Filename) + `</t:Name><t:ContentType>` + esc(a.ContentType) + `</t:ContentType><t:Size>` + strconv.FormatInt(a.Size, 10) + `</t:Size><t:IsInline>` + strconv.FormatBool(a.Inline) + `</t:IsInline></t:FileAttachment>`)
		}
		b.WriteString("</t:Attachments>")
	}
	put("item:DateTimeReceived", "DateTimeReceived", it.received.UTC().Format("2006-01-02T15:04:05Z"))
	put("item:Size", "Size", strconv.Itoa(len(it.raw)))
	put("item:InReplyTo", "InReplyTo", it.answers())
	put("item:IsDraft", "IsDraft", strconv.FormatBool(it.draft))
	if has("item:InternetMessageHeaders") {
		b.WriteString("<t:InternetMessageHeaders>")
		for _, h := range it.parsed.Headers {
			b.WriteString(`<t:InternetMessageHeader HeaderName="` + esc(h.Name) + `">` + esc(h.Value) + `</t:InternetMessageHeader>`)
		}
		b.WriteString("</t:InternetMessageHeaders>")
	}
	put("item:HasAttachments", "HasAttachments", strconv.FormatBool(len(it.parsed.Attachments) > 0))
	if has("item:Flag") {
		b.WriteString("<t:Flag><t:FlagStatus>" + map[bool]string{true: "Flagged", false: "NotFlagged"}[it.flagged] + "</t:FlagStatus></t:Flag>")
	}
	people("message:ToRecipients", "ToRecipients", it.parsed.To)
	people("message:CcRecipients", "CcRecipients", it.parsed.Cc)
	people("message:BccRecipients", "BccRecipients", it.parsed.Bcc)
	people("message:From", "From", it.parsed.From)
	put("message:InternetMessageId", "InternetMessageId", bracketed(it.parsed.MessageID))
	put("message:IsRead", "IsRead", strconv.FormatBool(it.read))
	put("message:References", "References", it.references())
	b.WriteString("</t:Message>")
	return b.String()
}
