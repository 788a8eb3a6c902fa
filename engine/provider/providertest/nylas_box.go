package providertest

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

// nylasBox is one mailbox behind the fake Nylas, of a provider whose messages can be in several folders. The server's lock guards it.
type nylasBox struct {
	folders  []*nylasFolder
	messages []*nylasMessage
	next     int
}

type nylasFolder struct {
	id, name, parent string
	attribute        string
}

type nylasMessage struct {
	id, thread      string
	seq             int
	at              time.Time
	folders         []string
	raw             []byte
	read            email.Message
	unread, starred bool
	draft           bool
	files           []email.Enclosure // of a draft
	content         [][]byte
}

func (b *nylasBox) init() {
	for _, f := range [][2]string{{"INBOX", `\Inbox`}, {"SENT", `\Sent`}, {"DRAFT", `\Drafts`}, {"TRASH", `\Trash`}, {"SPAM", `\Junk`}, {"Archive", `\Archive`}} {
		b.folders = append(b.folders, &nylasFolder{id: f[0], name: f[0], attribute: f[1]})
	}
}

func (b *nylasBox) byID(id string) *nylasFolder {
	for _, f := range b.folders {
		if f.id == id {
			return f
		}
	}
	return nil
}

// folder finds a folder by id or path, and makes it with the levels above when there is none.
func (b *nylasBox) folder(name string) *nylasFolder {
	if f := b.byID(name); f != nil {
		return f
	}
	parent := ""
	for _, part := range strings.Split(name, "/") {
		i := slices.IndexFunc(b.folders, func(f *nylasFolder) bool { return f.parent == parent && f.name == part })
		if i < 0 {
			b.folders = append(b.folders, b.made(part, parent))
			i = len(b.folders) - 1
		}
		parent = b.folders[i].id
	}
	return b.byID(parent)
}

// made is a new folder. Its id is one that does not fit into a path.
func (b *nylasBox) made(name, parent string) *nylasFolder {
	b.next++
	return &nylasFolder{id: fmt.Sprintf("Label/%d=", b.next), name: name, parent: parent}
}

// Deliver puts a message into a folder, known by its id or path.
func (s *NylasServer) Deliver(a *NylasAccount, folder string, m Mail) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := a.box.put([]byte(m.Raw), m.Received, a.box.folder(folder).id)
	kept.unread, kept.starred = m.Unread, m.Starred
}

// FolderID is the id of one of a mailbox's own folders.
func (s *NylasServer) FolderID(name string) string {
	switch name {
	case "Sent", "Trash":
		return strings.ToUpper(name)
	}
	return name
}

// put files a message. It joins the conversation of a message that it refers to.
func (b *nylasBox) put(raw []byte, at time.Time, folder string) *nylasMessage {
	b.next++
	m := &nylasMessage{id: fmt.Sprintf("<m/%d#>", b.next), seq: b.next, at: at, folders: []string{folder}, raw: raw, read: rfc5322.Read(raw, email.WithHeaders)}
	m.thread = b.conversation(m)
	b.messages = append(b.messages, m)
	return m
}

func (b *nylasBox) conversation(m *nylasMessage) string {
	for _, id := range append(slices.Clone(m.read.References), m.read.InReplyTo...) {
		for _, old := range b.messages {
			if old.read.MessageID == id {
				return old.thread
			}
		}
	}
	return fmt.Sprintf("thread+%d", m.seq)
}

func (b *nylasBox) message(id string, draft bool) *nylasMessage {
	for _, m := range b.messages {
		if m.id == id && m.draft == draft {
			return m
		}
	}
	return nil
}

func (b *nylasBox) remove(m *nylasMessage) {
	b.messages = slices.DeleteFunc(b.messages, func(x *nylasMessage) bool { return x == m })
}

// bin moves a message to the trash.
func (m *nylasMessage) bin() { m.folders = []string{"TRASH"} }

func nylasPeople(all []email.Address) []map[string]any {
	out := []map[string]any{}
	for _, a := range all {
		out = append(out, map[string]any{"name": a.Name, "email": a.Email})
	}
	return out
}

// attachments is what a message has, with ids that do not fit into a path.
func (m *nylasMessage) attachments() []map[string]any {
	out := []map[string]any{}
	if m.draft {
		for i, e := range m.files {
			out = append(out, map[string]any{"id": fmt.Sprintf("v0:%d", i), "filename": e.Filename, "content_type": e.ContentType, "size": len(m.content[i]), "content_id": e.ContentID, "content_disposition": "attachment", "is_inline": e.Inline})
		}
		return out
	}
	for _, a := range m.read.Attachments {
		out = append(out, map[string]any{"id": "v0:" + a.ID, "filename": a.Filename, "content_type": a.ContentType, "size": a.Size, "content_id": a.ContentID, "content_disposition": a.Disposition, "is_inline": a.Inline})
	}
	return out
}

// json is contract section 7.2.
func (m *nylasMessage) json(grant, fields string) map[string]any {
	object := "message"
	if m.draft {
		object = "draft"
	}
	if fields == "raw_mime" {
		return map[string]any{"grant_id": grant, "object": object, "id": m.id, "raw_mime": base64.URLEncoding.EncodeToString(m.raw)}
	}
	r := m.read
	out := map[string]any{"id": m.id, "grant_id": grant, "object": object, "thread_id": m.thread, "subject": r.Subject, "body": r.Body(), "snippet": r.Snippet, "from": nylasPeople(r.From), "to": nylasPeople(r.To),
		"cc": nylasPeople(r.Cc), "bcc": nylasPeople(r.Bcc), "reply_to": nylasPeople(r.ReplyTo), "date": m.at.Unix(), "created_at": m.at.Unix(), "unread": m.unread, "starred": m.starred, "folders": m.folders, "attachments": m.attachments()}
	if fields == "include_headers" {
		headers := []map[string]any{}
		for _, h := range r.Headers {
			headers = append(headers, map[string]any{"name": h.Name, "value": h.Value})
		}
		out["headers"] = headers
	}
	return out
}

// inOrder is what a list shows, the newest first.
func (b *nylasBox) inOrder(keep func(*nylasMessage) bool) []*nylasMessage {
	var out []*nylasMessage
	for _, m := range b.messages {
		if keep(m) {
			out = append(out, m)
		}
	}
	slices.SortStableFunc(out, func(x, y *nylasMessage) int {
		if c := y.at.Compare(x.at); c != 0 {
			return c
		}
		return y.seq - x.seq
	})
	return out
}

// threadJSON is contract section 7.6. The newest ids come first.
func (b *nylasBox) threadJSON(id, grant string) map[string]any {
	all := b.inOrder(func(m *nylasMessage) bool { return m.thread == id })
	if len(all) == 0 {
		return nil
	}
	messages, drafts, folders, people := []string{}, []string{}, []string{}, []email.Address{}
	unread, starred, attached := false, false, false
	out := map[string]any{"id": id, "grant_id": grant, "object": "thread", "subject": all[len(all)-1].read.Subject, "snippet": all[0].read.Snippet, "latest_draft_or_message": all[0].json(grant, "standard"),
		"earliest_message_date": all[len(all)-1].at.Unix()}
	for _, m := range all {
		if m.draft {
			drafts = append(drafts, m.id)
		} else {
			messages = append(messages, m.id)
			side := "latest_message_received_date"
			if slices.Contains(m.folders, "SENT") {
				side = "latest_message_sent_date"
			}
			if out[side] == nil {
				out[side] = m.at.Unix()
			}
		}
		unread, starred, attached = unread || m.unread, starred || m.starred, attached || len(m.attachments()) > 0
		for _, f := range m.folders {
			if !slices.Contains(folders, f) {
				folders = append(folders, f)
			}
		}
		for _, list := range [][]email.Address{m.read.From, m.read.To, m.read.Cc} {
			for _, a := range list {
				if !slices.ContainsFunc(people, func(p email.Address) bool { return strings.EqualFold(p.Email, a.Email) }) {
					people = append(people, a)
				}
			}
		}
	}
	for name, value := range map[string]any{"message_ids": messages, "draft_ids": drafts, "folders": folders, "participants": nylasPeople(people), "unread": unread, "starred": starred, "has_attachments": attached, "has_drafts": len(drafts) > 0} {
		out[name] = value
	}
	return out
}
