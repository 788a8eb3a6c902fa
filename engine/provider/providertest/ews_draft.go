package providertest

import (
	"bytes"
	"encoding/base64"
	"io"
	"slices"
	"strings"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider/rfc5322"

	"time"
)

// xFile is an attachment of a draft.
type xFile struct {
	id, name, kind, cid string
	inline              bool
	content             []byte
}

func (n *xNode) people() []email.Address {
	var out []email.Address
	if n != nil {
		for _, k := range n.kids {
			a := email.Address{Email: k.path("t:EmailAddress").text}
			if name := k.path("t:Name"); name != nil {
				a.Name = name.text
			}
			out = append(out, a)
		}
	}
	return out
}

// saveDraft is CreateItem with SaveOnly: an item made of MIME that was never sent is a draft.
func (c *xCall) saveDraft(message *xNode) []string {
	const name = "CreateItem"
	raw, err := base64.StdEncoding.DecodeString(message.path("t:MimeContent").text)
	if err != nil {
		return []string{refusal(name, "ErrorMimeContentInvalidBase64String")}
	}
	at, code := c.box.folder(c.op.path("m:SavedItemFolderId").kids[0])
	if code != "" {
		return []string{refusal(name, code)}
	}
	it := c.x.put(c.box, at, xItem{raw: raw, received: time.Now(), read: true, draft: true})
	for _, a := range it.parsed.Attachments {
		if _, r, ok := rfc5322.File(raw, a.ID); ok {
			content, _ := io.ReadAll(r)
			it.files = append(it.files, xFile{id: xID('A'), name: a.Filename, kind: a.ContentType, cid: a.ContentID, inline: a.Inline, content: content})
		}
	}
	if bcc := message.path("t:BccRecipients"); bcc != nil {
		it.parsed.Bcc = bcc.people()
	}
	it.flagged = message.path("t:Flag", "t:FlagStatus") != nil && message.path("t:Flag", "t:FlagStatus").text == "Flagged"
	it.rewrite()
	return []string{success(name, "<m:Items>"+it.xml(nil, false)+"</m:Items>")}
}

// edit sets a property of a draft, or clears it when value is nil; false: it cannot be.
func (it *xItem) edit(field string, value *xNode) bool {
	p := &it.parsed
	lists := map[string]*[]email.Address{"message:ToRecipients": &p.To, "message:CcRecipients": &p.Cc, "message:BccRecipients": &p.Bcc, "message:ReplyTo": &p.ReplyTo, "message:From": &p.From}
	if into, ok := lists[field]; ok {
		if value != nil && value.name != "t:"+strings.TrimPrefix(field, "message:") {
			return false
		}
		*into = value.people()
		it.rewrite()
		return true
	}
	switch {
	case value == nil:
		return false
	case field == "item:Subject" && value.name == "t:Subject":
		p.Subject = value.text
	case field == "item:Body" && value.name == "t:Body":
		p.HTML, p.Plain = value.text, ""
		if value.attr["BodyType"] == "Text" {
			p.HTML, p.Plain = "", value.text
		}
	default:
		return false
	}
	it.rewrite()
	return true
}

// rewrite makes the MIME of a draft from its properties.
func (it *xItem) rewrite() {
	p := it.parsed
	d := email.Draft{From: p.From, To: p.To, Cc: p.Cc, ReplyTo: p.ReplyTo, Subject: p.Subject, HTML: p.HTML, Plain: strings.TrimSuffix(p.Plain, "\r\n"), MessageID: p.MessageID, References: p.References}
	if d.HTML != "" {
		d.Plain = ""
	}
	if len(p.InReplyTo) > 0 {
		d.InReplyTo = p.InReplyTo[0]
	}
	for _, f := range it.files {
		d.Attachments = append(d.Attachments, email.Enclosure{Filename: f.name, ContentType: f.kind, ContentID: f.cid, Inline: f.inline, Content: bytes.NewReader(f.content)})
	}
	var out bytes.Buffer
	_ = rfc5322.Write(&out, d, email.Address{}, it.received)
	bcc := p.Bcc
	it.raw = out.Bytes()
	it.parsed = rfc5322.Read(it.raw, email.WithHeaders)
	it.parsed.Bcc = bcc
}

// sendItem sends drafts. It wants the change key of what is sent.
func (c *xCall) sendItem() []string {
	const name = "SendItem"
	n := c.op.path("m:ItemIds").kids[0]
	if n.attr["ChangeKey"] == "" {
		return []string{refusal(name, "ErrorChangeKeyRequired")}
	}
	it, code := c.box.item(n)
	if code != "" {
		return []string{refusal(name, code)}
	}
	saved := c.op.path("m:SavedItemFolderId")
	if !it.draft || saved == nil || c.op.attr["SaveItemToFolder"] != "true" {
		return []string{refusal(name, "ErrorInvalidRequest")}
	}
	at, code := c.box.folder(saved.kids[0])
	if code != "" {
		return []string{refusal(name, code)}
	}
	out := c.depart(name, it.raw, it.parsed, &xNode{}, at)
	if strings.Contains(out[0], "NoError") {
		c.box.remove(it)
	}
	return out
}

func (c *xCall) createAttachment() []string {
	const name = "CreateAttachment"
	it, code := c.box.item(c.op.path("m:ParentItemId"))
	if code != "" {
		return []string{refusal(name, code)}
	}
	var out []string
	for _, n := range c.op.path("m:Attachments").kids {
		content, err := base64.StdEncoding.DecodeString(n.path("t:Content").text)
		if err != nil || !it.draft {
			return append(out, refusal(name, "ErrorInvalidRequest"))
		}
		f := xFile{id: xID('A'), name: n.path("t:Name").text, content: content}
		if kind := n.path("t:ContentType"); kind != nil {
			f.kind = kind.text
		}
		if cid := n.path("t:ContentId"); cid != nil {
			f.cid = cid.text
		}
		f.inline = n.path("t:IsInline") != nil && n.path("t:IsInline").text == "true"
		it.files = append(it.files, f)
		it.key++
		it.rewrite()
		out = append(out, success(name, `<m:Attachments><t:FileAttachment><t:AttachmentId Id="`+f.id+`" RootItemId="`+it.id+`" RootItemChangeKey="`+it.changeKey()+`"/></t:FileAttachment></m:Attachments>`))
	}
	return out
}

func (c *xCall) deleteAttachment() []string {
	const name = "DeleteAttachment"
	var out []string
	for _, n := range c.op.path("m:AttachmentIds").kids {
		found := false
		for _, it := range c.box.items {
			if i := slices.IndexFunc(it.files, func(f xFile) bool { return f.id == n.attr["Id"] }); i >= 0 && it.draft {
				it.files = slices.Delete(it.files, i, i+1)
				it.key++
				it.rewrite()
				found = true
				out = append(out, success(name, `<m:RootItemId RootItemId="`+it.id+`" RootItemChangeKey="`+it.changeKey()+`"/>`))
			}
		}
		if !found {
			out = append(out, refusal(name, "ErrorInvalidAttachmentId"))
		}
	}
	return out
}

func (c *xCall) taken(own *xFolder, parent *xFolder, name string) bool {
	return slices.ContainsFunc(c.box.folders, func(f *xFolder) bool { return f != own && f.parent == parent && strings.EqualFold(f.name, name) })
}

func (c *xCall) distinguished(f *xFolder) bool {
	if f == c.box.root {
		return true
	}
	for _, named := range c.box.named {
		if named == f {
			return true
		}
	}
	return false
}

func (c *xCall) createFolder() []string {
	const name = "CreateFolder"
	parent, code := c.box.folder(c.op.path("m:ParentFolderId").kids[0])
	if code != "" {
		return []string{refusal(name, code)}
	}
	n := c.op.path("m:Folders").kids[0]
	title := n.path("t:DisplayName").text
	switch {
	case title == "":
		return []string{refusal(name, "ErrorFolderSavePropertyError")}
	case c.taken(nil, parent, title):
		return []string{refusal(name, "ErrorFolderExists")}
	}
	f := c.x.child(c.box, parent, title)
	return []string{success(name, `<m:Folders><t:Folder><t:FolderId Id="`+f.id+`" ChangeKey="AQAAAA=="/></t:Folder></m:Folders>`)}
}

func (c *xCall) updateFolder() []string {
	const name = "UpdateFolder"
	ch := c.op.path("m:FolderChanges").kids[0]
	f, code := c.box.folder(ch.kids[0])
	if code != "" {
		return []string{refusal(name, code)}
	}
	for _, set := range ch.path("t:Updates").kids {
		title := set.path("t:Folder", "t:DisplayName").text
		switch {
		case set.path("t:FieldURI").attr["FieldURI"] != "folder:DisplayName":
			return []string{refusal(name, "ErrorUpdatePropertyMismatch")}
		case c.distinguished(f):
			return []string{refusal(name, "ErrorAccessDenied")}
		case c.taken(f, f.parent, title):
			return []string{refusal(name, "ErrorFolderExists")}
		}
		f.name = title
	}
	return []string{success(name, `<m:Folders><t:Folder><t:FolderId Id="`+f.id+`" ChangeKey="AQAAAA=="/></t:Folder></m:Folders>`)}
}

func (c *xCall) moveFolder() []string {
	const name = "MoveFolder"
	to, code := c.box.folder(c.op.path("m:ToFolderId").kids[0])
	if code != "" {
		return []string{refusal(name, "ErrorToFolderNotFound")}
	}
	f, code := c.box.folder(c.op.path("m:FolderIds").kids[0])
	switch {
	case code != "":
		return []string{refusal(name, code)}
	case c.distinguished(f):
		return []string{refusal(name, "ErrorMoveDistinguishedFolder")}
	case c.taken(f, to, f.name):
		return []string{refusal(name, "ErrorFolderExists")}
	}
	f.parent = to
	return []string{success(name, `<m:Folders><t:Folder><t:FolderId Id="`+f.id+`" ChangeKey="AQAAAA=="/></t:Folder></m:Folders>`)}
}

func (c *xCall) deleteFolder() []string {
	const name = "DeleteFolder"
	f, code := c.box.folder(c.op.path("m:FolderIds").kids[0])
	switch {
	case code != "":
		return []string{refusal(name, code)}
	case c.distinguished(f):
		return []string{refusal(name, "ErrorDeleteDistinguishedFolder")}
	case c.op.attr["DeleteType"] != "MoveToDeletedItems":
		return []string{refusal(name, "ErrorInvalidRequest")}
	}
	bin := c.box.named["deleteditems"]
	if f.parent == bin {
		c.box.folders = slices.DeleteFunc(c.box.folders, func(x *xFolder) bool { return x == f })
	}
	f.parent = bin
	return []string{success(name, "")}
}
