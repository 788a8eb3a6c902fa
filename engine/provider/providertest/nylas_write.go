package providertest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

func (f *nylasFolder) json(b *nylasBox, grant string) map[string]any {
	total, unread, children := 0, 0, 0
	for _, m := range b.messages {
		if slices.Contains(m.folders, f.id) {
			total++
			if m.unread {
				unread++
			}
		}
	}
	for _, x := range b.folders {
		if x.parent == f.id {
			children++
		}
	}
	attributes := []string{}
	if f.attribute != "" {
		attributes = append(attributes, f.attribute)
	}
	return map[string]any{"id": f.id, "grant_id": grant, "name": f.name, "object": "folder", "parent_id": f.parent, "child_count": children, "total_count": total, "unread_count": unread, "system_folder": f.attribute != "", "attributes": attributes}
}

func (k *nylasCall) folders() {
	if _, ok := k.query("parent_id", "single_level", "include_hidden_folders"); !ok {
		return
	}
	all, next, ok := nylasPage(k, k.box.folders, func(f *nylasFolder) string { return f.id }, 200)
	if !ok {
		return
	}
	var out []any
	for _, f := range all {
		out = append(out, f.json(k.box, k.grant.ID))
	}
	k.answer(out, next)
}

type nylasFolderBody struct {
	Name   string  `json:"name"`
	Parent *string `json:"parent_id"`
	Text   string  `json:"text_color"`
	Back   string  `json:"background_color"`
}

// folderBody reads and checks a folder to be made or changed; own is the one that is changed.
func (k *nylasCall) folderBody(own *nylasFolder) (nylasFolderBody, bool) {
	var f nylasFolderBody
	if !k.body(&f) {
		return f, false
	}
	parent := ""
	if own != nil {
		parent = own.parent
	}
	if f.Parent != nil {
		parent = *f.Parent
	}
	f.Parent = &parent
	if f.Name == "" || len([]rune(f.Name)) > 1024 || parent != "" && k.box.byID(parent) == nil {
		k.wrong("folder")
		return f, false
	}
	if slices.ContainsFunc(k.box.folders, func(x *nylasFolder) bool { return x != own && x.parent == parent && x.name == f.Name }) {
		nylasProblem(k.w, 409, "api.provider_error", "name is taken")
		return f, false
	}
	return f, true
}

func (k *nylasCall) makeFolder() {
	if b, ok := k.folderBody(nil); ok {
		f := k.box.made(b.Name, *b.Parent)
		k.box.folders = append(k.box.folders, f)
		k.data(f.json(k.box, k.grant.ID))
	}
}

func (k *nylasCall) showFolder() {
	if f := k.box.byID(k.parts[1]); f != nil {
		k.data(f.json(k.box, k.grant.ID))
		return
	}
	k.absent()
}

func (k *nylasCall) changeFolder() {
	f := k.box.byID(k.parts[1])
	switch {
	case f == nil:
		k.absent()
	case f.attribute != "":
		nylasProblem(k.w, 403, "api.provider_error", "system folder")
	default:
		if b, ok := k.folderBody(f); ok {
			f.name, f.parent = b.Name, *b.Parent
			k.data(f.json(k.box, k.grant.ID))
		}
	}
}

func (k *nylasCall) removeFolder() {
	f := k.box.byID(k.parts[1])
	switch {
	case f == nil:
		k.absent()
	case f.attribute != "":
		nylasProblem(k.w, 403, "api.provider_error", "system folder")
	default:
		k.box.folders = slices.DeleteFunc(k.box.folders, func(x *nylasFolder) bool { return x == f })
		for _, m := range k.box.messages {
			m.folders = slices.DeleteFunc(m.folders, func(id string) bool { return id == f.id })
		}
		nylasJSON(k.w, 200, map[string]any{"request_id": nylasID()})
	}
}

type nylasPerson struct {
	Name  string `json:"name"`
	Email string `json:"email"`
}

type nylasOutgoing struct {
	From        *[]nylasPerson `json:"from"`
	To          *[]nylasPerson `json:"to"`
	Cc          *[]nylasPerson `json:"cc"`
	Bcc         *[]nylasPerson `json:"bcc"`
	ReplyTo     *[]nylasPerson `json:"reply_to"`
	Subject     *string        `json:"subject"`
	Body        *string        `json:"body"`
	Plain       *bool          `json:"is_plaintext"`
	Starred     *bool          `json:"starred"`
	Answers     string         `json:"reply_to_message_id"`
	Attachments *[]struct {
		Filename    string `json:"filename"`
		ContentType string `json:"content_type"`
		Content     string `json:"content"`
		Size        int    `json:"size"`
		ContentID   string `json:"content_id"`
		Disposition string `json:"content_disposition"`
		Inline      bool   `json:"is_inline"`
	} `json:"attachments"`
	Headers *[]struct{ Name, Value string } `json:"custom_headers"`
}

func nylasAddresses(all *[]nylasPerson) []email.Address {
	var out []email.Address
	if all != nil {
		for _, p := range *all {
			out = append(out, email.Address{Name: p.Name, Email: p.Email})
		}
	}
	return out
}

// outgoing reads a message to be sent or kept: JSON up to 3 MB, or a form with the files beside it.
func (k *nylasCall) outgoing() (nylasOutgoing, []email.Enclosure, [][]byte, bool) {
	var o nylasOutgoing
	var files []email.Enclosure
	var content [][]byte
	if strings.HasPrefix(k.r.Header.Get("Content-Type"), "multipart/form-data") {
		form, err := k.r.MultipartReader()
		for err == nil {
			part, failed := form.NextPart()
			if failed == io.EOF {
				return o, files, content, true
			}
			if err = failed; err != nil {
				break
			}
			b, _ := io.ReadAll(part)
			if part.FormName() == "message" || part.FormName() == "draft" {
				err = json.Unmarshal(b, &o)
				continue
			}
			files = append(files, email.Enclosure{Filename: part.FileName(), ContentType: part.Header.Get("Content-Type")})
			content = append(content, b)
		}
		k.wrong("form")
		return o, nil, nil, false
	}
	if !k.body(&o) {
		return o, nil, nil, false
	}
	if o.Attachments != nil {
		for _, a := range *o.Attachments {
			b, err := base64.StdEncoding.DecodeString(a.Content)
			if err != nil || a.Filename == "" || a.ContentType == "" {
				k.wrong("attachments")
				return o, nil, nil, false
			}
			files, content = append(files, email.Enclosure{Filename: a.Filename, ContentType: a.ContentType, ContentID: a.ContentID, Inline: a.Inline}), append(content, b)
		}
	}
	return o, files, content, true
}

func (k *nylasCall) send() {
	if k.r.URL.Query().Get("type") == "mime" {
		form, err := k.r.MultipartReader()
		if err != nil {
			k.wrong("form")
			return
		}
		part, err := form.NextPart()
		if err != nil || part.FormName() != "mime" {
			k.wrong("mime")
			return
		}
		raw, _ := io.ReadAll(part)
		k.leave(raw)
		return
	}
	o, files, content, ok := k.outgoing()
	if !ok {
		return
	}
	m := &nylasMessage{draft: true}
	k.write(m, o, files, content)
	if len(m.read.To)+len(m.read.Cc)+len(m.read.Bcc) == 0 {
		k.wrong("to")
		return
	}
	k.leave(k.mime(m))
}

// mime is a kept draft as it leaves.
func (k *nylasCall) mime(m *nylasMessage) []byte {
	d := email.Draft{From: m.read.From, To: m.read.To, Cc: m.read.Cc, ReplyTo: m.read.ReplyTo, Subject: m.read.Subject, HTML: m.read.HTML, Plain: m.read.Plain, References: m.read.References, MessageID: fmt.Sprintf("%d@mailer.nylas.test", k.box.next)}
	if len(m.read.InReplyTo) > 0 {
		d.InReplyTo = m.read.InReplyTo[0]
	}
	for i, e := range m.files {
		e.Content = bytes.NewReader(m.content[i])
		d.Attachments = append(d.Attachments, e)
	}
	var b bytes.Buffer
	_ = rfc5322.Write(&b, d, email.Address{Email: k.grant.account.Address}, k.s.now())
	return b.Bytes()
}

// leave files what was sent, and delivers it to those whose mailbox is here.
func (k *nylasCall) leave(raw []byte) {
	to := rfc5322.Read(raw, email.Standard)
	raw = rfc5322.WithoutBcc(raw)
	at := k.s.now().Truncate(time.Second)
	for _, list := range [][]email.Address{to.To, to.Cc, to.Bcc} {
		for _, p := range list {
			for _, a := range k.s.accounts {
				if strings.EqualFold(a.Address, p.Email) {
					a.box.put(raw, at, "INBOX").unread = true
				}
			}
		}
	}
	m := k.box.put(raw, at, "SENT")
	nylasJSON(k.w, 200, map[string]any{"request_id": nylasID(), "grant_id": k.grant.ID, "data": m.json(k.grant.ID, "")})
}

// write brings a draft to what is named; the rest stays.
func (k *nylasCall) write(m *nylasMessage, o nylasOutgoing, files []email.Enclosure, content [][]byte) {
	r := &m.read
	for from, into := range map[*[]nylasPerson]*[]email.Address{o.From: &r.From, o.To: &r.To, o.Cc: &r.Cc, o.Bcc: &r.Bcc, o.ReplyTo: &r.ReplyTo} {
		if from != nil {
			*into = nylasAddresses(from)
		}
	}
	if len(r.From) == 0 {
		r.From = []email.Address{{Email: k.grant.account.Address}}
	}
	if o.Subject != nil {
		r.Subject = *o.Subject
	}
	if o.Body != nil {
		r.HTML, r.Plain = *o.Body, ""
		if o.Plain != nil && *o.Plain {
			r.HTML, r.Plain = "", *o.Body
		}
		r.Snippet = rfc5322.Snippet(r.Plain, r.HTML)
	}
	if o.Starred != nil {
		m.starred = *o.Starred
	}
	if o.Attachments != nil || len(files) > 0 {
		m.files, m.content = files, content
	}
	if old := k.box.message(o.Answers, false); old != nil {
		r.InReplyTo, r.References = []string{old.read.MessageID}, append(slices.Clone(old.read.References), old.read.MessageID)
	}
}

func (k *nylasCall) drafts() {
	q, ok := k.query("subject", "any_email", "to", "cc", "bcc", "starred", "thread_id", "has_attachment")
	if !ok {
		return
	}
	all, next, ok := nylasPage(k, k.box.inOrder(func(m *nylasMessage) bool { return m.draft && m.fits(q) }), func(m *nylasMessage) string { return m.id }, 200)
	if !ok {
		return
	}
	var out []any
	for _, m := range all {
		out = append(out, m.json(k.grant.ID, ""))
	}
	k.answer(out, next)
}

func (k *nylasCall) makeDraft() {
	o, files, content, ok := k.outgoing()
	if !ok {
		return
	}
	if o.Answers != "" && k.box.message(o.Answers, false) == nil {
		k.wrong("reply_to_message_id")
		return
	}
	k.box.next++
	m := &nylasMessage{id: "r" + strconv.Itoa(k.box.next), seq: k.box.next, at: k.s.now().Truncate(time.Second), folders: []string{"DRAFT"}, draft: true}
	k.write(m, o, files, content)
	m.thread = k.box.conversation(m)
	k.box.messages = append(k.box.messages, m)
	k.data(m.json(k.grant.ID, ""))
}

func (k *nylasCall) draft() *nylasMessage {
	m := k.box.message(k.parts[1], true)
	if m == nil {
		k.absent()
	}
	return m
}

func (k *nylasCall) showDraft() {
	if m := k.draft(); m != nil {
		k.data(m.json(k.grant.ID, ""))
	}
}

func (k *nylasCall) changeDraft() {
	m := k.draft()
	if m == nil {
		return
	}
	if o, files, content, ok := k.outgoing(); ok {
		k.write(m, o, files, content)
		k.data(m.json(k.grant.ID, ""))
	}
}

func (k *nylasCall) removeDraft() {
	if m := k.draft(); m != nil {
		k.box.remove(m)
		nylasJSON(k.w, 200, map[string]any{"request_id": nylasID()})
	}
}

func (k *nylasCall) sendDraft() {
	m := k.draft()
	switch {
	case m == nil:
	case len(m.read.To)+len(m.read.Cc)+len(m.read.Bcc) == 0:
		k.wrong("to")
	default:
		raw := k.mime(m)
		k.box.remove(m)
		k.leave(raw)
	}
}
