package providertest

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

type microsoftFolder struct {
	id, name, wellKnown string
	parent              *microsoftFolder // nil at the top
}

type microsoftMessage struct {
	n            int // also the order of arrival
	moves        int
	folder       *microsoftFolder
	raw          []byte
	read         email.Message
	conversation string
	received     time.Time
	created      time.Time
	modified     time.Time
	stood        string // the state that modified belongs to
	isRead       bool
	flag         string
	draft        bool
	bcc          []email.Address
	extra        []microsoftAttachment
}

type microsoftAttachment struct {
	id, name, kind, contentID string
	size                      int64
	inline                    bool
	content                   []byte // of what was attached here
}

type microsoftUpload struct {
	account *MicrosoftAccount
	message *microsoftMessage
	item    microsoftAttachment
	got     int64
}

const microsoftRoot = "root"

func exchangeID(parts ...any) string {
	d := sha256.Sum256([]byte(fmt.Sprintln(parts...)))
	return base64.URLEncoding.EncodeToString(append([]byte("\x00\x02\x18\x00"), d[:]...)) // ends with "="-signs, as Exchange's do
}

func (a *MicrosoftAccount) furnish() {
	for _, f := range [][2]string{{"archive", "Archiv"}, {"deleteditems", "Gelöschte Elemente"}, {"drafts", "Entwürfe"}, {"inbox", "Posteingang"}, {"junkemail", "Junk-E-Mail"}, {"outbox", "Postausgang"}, {"sentitems", "Gesendete Elemente"}, {"recoverableitemsdeletions", ""}} {
		a.folders = append(a.folders, &microsoftFolder{id: exchangeID(a.Object, f[0]), name: f[1], wellKnown: f[0]})
	}
}

// Folder is a folder's id by its well-known name, or by a path of display names, which is made where it is missing.
func (a *MicrosoftAccount) Folder(name string) string {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	return a.path(name).id
}

func (a *MicrosoftAccount) path(name string) *microsoftFolder {
	if w, ok := map[string]string{"inbox": "inbox", "sent": "sentitems", "trash": "deleteditems", "drafts": "drafts", "junk": "junkemail", "archive": "archive"}[strings.ToLower(name)]; ok {
		name = w
	}
	if f := a.byID(name); f != nil {
		return f
	}
	var at *microsoftFolder
	for _, piece := range strings.Split(name, "/") {
		i := slices.IndexFunc(a.folders, func(f *microsoftFolder) bool { return f.parent == at && f.name == piece })
		if i < 0 {
			i = len(a.folders)
			a.folders = append(a.folders, &microsoftFolder{id: exchangeID(a.Object, "folder", i), name: piece, parent: at})
		}
		at = a.folders[i]
	}
	return at
}

func (a *MicrosoftAccount) byID(id string) *microsoftFolder {
	for _, f := range a.folders {
		if f.id == id || f.wellKnown != "" && f.wellKnown == id {
			return f
		}
	}
	return nil
}

// Deliver puts a message into a folder.
func (a *MicrosoftAccount) Deliver(folder string, m Mail) {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	x := a.put(a.path(folder), []byte(m.Raw), m.Received)
	x.isRead = !m.Unread
	if m.Starred {
		x.flag = "flagged"
	}
	x.stood, x.modified = x.state(), x.created
	a.notify("created", x)
}

// Erase takes a message away that is listed at a position, newest first.
func (a *MicrosoftAccount) Erase(subject string) {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	a.messages = slices.DeleteFunc(a.messages, func(m *microsoftMessage) bool {
		if m.read.Subject == subject {
			a.notify("deleted", m)
		}
		return m.read.Subject == subject
	})
}

func (a *MicrosoftAccount) put(f *microsoftFolder, raw []byte, received time.Time) *microsoftMessage {
	a.server.seq++
	m := &microsoftMessage{n: a.server.seq, folder: f, raw: raw, read: rfc5322.Read(raw, email.WithHeaders), received: received.UTC(), created: a.server.Now().UTC(), isRead: true, flag: "notFlagged"}
	m.conversation = exchangeID(a.Object, "conversation", m.read.ThreadID)
	if m.read.ThreadID == "" {
		m.conversation = exchangeID(a.Object, "conversation of one", m.n)
	}
	a.messages = append(a.messages, m)
	return m
}

// stamp notes when messages were changed last. It comes after each act. The lock is held.
func (a *MicrosoftAccount) stamp() {
	for _, m := range a.messages {
		if now := m.state(); now != m.stood {
			kind := "updated"
			if m.stood == "" {
				kind = "created"
			}
			if m.folder.wellKnown != "recoverableitemsdeletions" {
				a.notify(kind, m)
			}
			m.stood, m.modified = now, a.server.Now().UTC()
		}
	}
}

// state tells one state of the message from another.
func (m *microsoftMessage) state() string {
	return exchangeID(m.folder.id, m.moves, m.isRead, m.flag, m.draft, m.read.Subject, m.read.To, m.read.Cc, m.bcc, len(m.raw), m.read.HTML, m.read.Plain, len(m.extra))
}

// id depends on the folder, unless the client asked for one that does not.
func (m *microsoftMessage) id(immutable bool) string {
	if immutable {
		return exchangeID("immutable", m.n)
	}
	return exchangeID("movable", m.n, m.folder.id, m.moves)
}

func (a *MicrosoftAccount) message(id string) *microsoftMessage {
	for _, m := range a.messages {
		if m.folder.wellKnown != "recoverableitemsdeletions" && (m.id(true) == id || m.id(false) == id) {
			return m
		}
	}
	return nil
}

func (m *microsoftMessage) attachments() []microsoftAttachment {
	var out []microsoftAttachment
	for _, x := range m.read.Attachments {
		out = append(out, microsoftAttachment{id: exchangeID("attachment", m.n, x.ID), name: x.Filename, kind: x.ContentType, contentID: x.ContentID, size: x.Size, inline: x.Inline})
	}
	return append(out, m.extra...)
}

func graphPeople(all []email.Address) []any {
	out := []any{}
	for _, a := range all {
		out = append(out, map[string]any{"emailAddress": map[string]string{"name": a.Name, "address": a.Email}})
	}
	return out
}

// microsoftProperties are those of a message that may be selected.
var microsoftProperties = []string{"id", "conversationId", "subject", "from", "sender", "toRecipients", "ccRecipients", "bccRecipients", "replyTo", "receivedDateTime", "sentDateTime", "isRead", "isDraft", "flag", "parentFolderId",
	"bodyPreview", "hasAttachments", "internetMessageId", "body", "internetMessageHeaders", "changeKey", "categories", "createdDateTime", "lastModifiedDateTime", "importance", "webLink", "conversationIndex", "uniqueBody", "inferenceClassification"}

// resource is the message as Graph shows it, cut down to what was selected. Exchange keeps one body and gives HTML unless asked for text.
func (m *microsoftMessage) resource(sel []string, expand []string, immutable, asText bool) map[string]any {
	at := m.received.UTC().Format("2006-01-02T15:04:05Z")
	body, kind := m.read.HTML, "html"
	if body == "" {
		body = "<html><head>\r\n<meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\"></head><body><div class=\"PlainText\">" + html.EscapeString(m.read.Plain) + "</div></body></html>"
	}
	if asText {
		kind, body = "text", m.read.Plain
	}
	files := false
	for _, x := range m.attachments() {
		files = files || !x.inline
	}
	id := any(nil)
	if m.read.MessageID != "" {
		id = "<" + m.read.MessageID + ">"
	}
	all := map[string]any{"id": m.id(immutable), "conversationId": m.conversation, "subject": m.read.Subject, "from": nil, "sender": nil, "toRecipients": graphPeople(m.read.To), "ccRecipients": graphPeople(m.read.Cc), "bccRecipients": graphPeople(m.bcc),
		"replyTo": graphPeople(m.read.ReplyTo), "receivedDateTime": at, "sentDateTime": at, "isRead": m.isRead, "isDraft": m.draft, "flag": map[string]string{"flagStatus": m.flag}, "parentFolderId": m.folder.id,
		"createdDateTime": m.created.Format(time.RFC3339), "lastModifiedDateTime": m.modified.Format(time.RFC3339), "changeKey": m.state(), "bodyPreview": m.read.Snippet, "hasAttachments": files, "internetMessageId": id, "body": map[string]string{"contentType": kind, "content": body}}
	if len(m.read.From) > 0 {
		all["from"], all["sender"] = graphPeople(m.read.From)[0], graphPeople(m.read.From)[0]
	}
	if slices.Contains(sel, "internetMessageHeaders") && !m.draft {
		headers := []any{}
		for _, h := range m.read.Headers {
			headers = append(headers, map[string]string{"name": h.Name, "value": h.Value})
		}
		all["internetMessageHeaders"] = headers
	}
	out := map[string]any{"@odata.etag": `W/"CQAAABYAAAA"`, "id": all["id"]}
	for k, v := range all {
		if len(sel) == 0 || slices.Contains(sel, k) {
			out[k] = v
		}
	}
	if expand != nil {
		out["attachments"] = graphAttachments(m.attachments(), expand)
	}
	return out
}

func graphAttachments(all []microsoftAttachment, sel []string) []any {
	out := []any{}
	for _, x := range all {
		full := map[string]any{"id": x.id, "name": x.name, "contentType": x.kind, "size": x.size, "isInline": x.inline, "contentId": x.contentID, "contentBytes": "omitted", "lastModifiedDateTime": "2026-11-01T00:00:00Z"}
		one := map[string]any{"@odata.type": "#microsoft.graph.fileAttachment", "id": x.id}
		for k, v := range full {
			if len(sel) == 0 || slices.Contains(sel, k) || k == "contentId" && slices.Contains(sel, "microsoft.graph.fileAttachment/contentId") {
				one[k] = v
			}
		}
		out = append(out, one)
	}
	return out
}

// submit sends a draft: to the other mailboxes of this server, and into the sent items. The lock is held.
func (a *MicrosoftAccount) submit(m *microsoftMessage) {
	if m.raw == nil {
		m.raw = m.composed(a.Address)
	}
	travel := rfc5322.WithoutBcc(m.raw)
	m.raw, m.draft, m.isRead, m.folder, m.received = travel, false, true, a.byID("sentitems"), a.server.Now().UTC()
	m.moves++
	for _, to := range slices.Concat(m.read.To, m.read.Cc, m.bcc) {
		for _, other := range a.server.accounts {
			if strings.EqualFold(other.Address, to.Email) {
				got := other.put(other.byID("inbox"), travel, a.server.Now())
				got.isRead, got.extra = false, m.extra
			}
		}
	}
}

func graphMediaType(r *http.Request) string {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return kind
}

func microsoftPage(res *http.Response) string {
	defer func() { _ = res.Body.Close() }()
	var out bytes.Buffer
	_, _ = io.Copy(&out, io.LimitReader(res.Body, 1<<20))
	return out.String()
}
