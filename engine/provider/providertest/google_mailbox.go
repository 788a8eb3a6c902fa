package providertest

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"slices"
	"sort"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/emersion/go-message"
	"github.com/emersion/go-message/charset"
	"golang.org/x/text/encoding/charmap"
)

// googleBox is one mailbox at the fake Google. The server's lock guards it.
type googleBox struct {
	labels    []*googleLabel
	messages  map[string]*googleMessage
	next      int
	changes   []googleChange
	forgotten int // the newest history id that is not remembered any more
}

type googleLabel struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Type string `json:"type"`
}

type googleMessage struct {
	id, thread string
	labels     []string
	raw        []byte
	at         time.Time
	seq        int
	header     []map[string]string // decoded, as the API tells them
	payload    map[string]any
	text       string
	attached   bool
	blobs      map[string][]byte // attachment id to bytes
	history    int
	draft      string // id of the draft that it is
}

// googleApart is from which size on a text is told by attachment id instead of in place.
const googleApart = 64 << 10

func (b *googleBox) init() {
	b.messages = map[string]*googleMessage{}
	for _, id := range []string{"CHAT", "SENT", "INBOX", "IMPORTANT", "TRASH", "DRAFT", "SPAM", "CATEGORY_FORUMS", "CATEGORY_UPDATES", "CATEGORY_PERSONAL", "CATEGORY_PROMOTIONS", "CATEGORY_SOCIAL", "STARRED", "UNREAD"} {
		b.labels = append(b.labels, &googleLabel{id, id, "system"})
	}
}

func (b *googleBox) byID(id string) *googleLabel {
	for _, l := range b.labels {
		if l.ID == id {
			return l
		}
	}
	return nil
}

// label finds a label by id or name, and makes it with the levels above when there is none.
func (b *googleBox) label(name string) string {
	for _, l := range b.labels {
		if l.ID == name || l.Name == name {
			return l.ID
		}
	}
	if i := strings.LastIndexByte(name, '/'); i > 0 {
		b.label(name[:i])
	}
	l := &googleLabel{fmt.Sprintf("Label_%d", len(b.labels)), name, "user"}
	b.labels = append(b.labels, l)
	return l.ID
}

// put files a message. It joins the conversation of a message that it refers to.
func (b *googleBox) put(raw []byte, at time.Time, labels []string, thread string) *googleMessage {
	b.next++
	m := &googleMessage{id: fmt.Sprintf("18f%013x", b.next*7919), raw: raw, at: at, seq: b.next, labels: labels, blobs: map[string][]byte{}}
	m.parse()
	m.thread = thread
	refs := m.field("References") + " " + m.field("In-Reply-To")
	for _, old := range b.messages {
		if id := old.field("Message-ID"); m.thread == "" && id != "" && strings.Contains(refs, id) {
			m.thread = old.thread
		}
	}
	if m.thread == "" {
		m.thread = m.id
	}
	b.messages[m.id] = m
	b.note("messagesAdded", m, nil)
	return m
}

func (m *googleMessage) field(name string) string {
	for _, h := range m.header {
		if strings.EqualFold(h["name"], name) {
			return h["value"]
		}
	}
	return ""
}

func (m *googleMessage) parse() {
	e, err := message.Read(bytes.NewReader(m.raw))
	if e == nil {
		e, _ = message.New(message.Header{}, strings.NewReader(string(m.raw)))
		_ = err
	}
	m.payload = m.part(e, "")
	m.header, _ = m.payload["headers"].([]map[string]string)
}

// part tells an entity as the API does: parts numbered from nought, contents decoded, texts in UTF-8, files by attachment id.
func (m *googleMessage) part(e *message.Entity, id string) map[string]any {
	kind, params, err := e.Header.ContentType()
	if err != nil || kind == "" {
		kind = "text/plain"
	}
	headers := []map[string]string{}
	for f := e.Header.Fields(); f.Next(); {
		headers = append(headers, map[string]string{"name": f.Key(), "value": googleHeader(f.Value())})
	}
	_, dparams, _ := e.Header.ContentDisposition()
	name := googleHeader(dparams["filename"])
	if name == "" {
		name = googleHeader(params["name"])
	}
	out := map[string]any{"partId": id, "mimeType": kind, "filename": name, "headers": headers}
	if mr := e.MultipartReader(); mr != nil {
		out["body"] = map[string]any{"size": 0}
		parts := []map[string]any{}
		for i := 0; ; i++ {
			p, err := mr.NextPart()
			if p == nil || err != nil && !message.IsUnknownCharset(err) && !message.IsUnknownEncoding(err) {
				break
			}
			sub := fmt.Sprint(i)
			if id != "" {
				sub = id + "." + sub
			}
			parts = append(parts, m.part(p, sub))
		}
		if len(parts) > 0 {
			out["parts"] = parts
		}
		return out
	}
	data, _ := io.ReadAll(e.Body) // go-message has undone encoding and known character sets
	body := map[string]any{"size": len(data)}
	isText := strings.HasPrefix(kind, "text/")
	if isText && name == "" {
		m.text += " " + string(data)
	}
	m.attached = m.attached || name != ""
	switch {
	case name != "" || isText && len(data) > googleApart:
		key := "ANGjdJ" + googleRandom(20)
		m.blobs[key] = data
		body["attachmentId"] = key
	default:
		body["data"] = base64.URLEncoding.EncodeToString(data)
	}
	out["body"] = body
	return out
}

// headerText decodes a field to the UTF-8 that JSON demands.
func googleHeader(s string) string {
	d := mime.WordDecoder{CharsetReader: charset.Reader}
	if out, err := d.DecodeHeader(s); err == nil {
		s = out
	}
	if !utf8.ValidString(s) {
		s, _ = charmap.Windows1252.NewDecoder().String(s)
	}
	return s
}

func (m *googleMessage) has(label string) bool { return slices.Contains(m.labels, label) }

// find lists messages newest first.
func (b *googleBox) find(q string, labels []string, spamAndTrash bool) []*googleMessage {
	match := googleSearch(q)
	anywhere := strings.Contains(q, "in:anywhere")
	var out []*googleMessage
next:
	for _, m := range b.messages {
		for _, l := range labels {
			if !m.has(l) {
				continue next
			}
		}
		if !spamAndTrash && !anywhere && (m.has("SPAM") || m.has("TRASH")) || !match(m) {
			continue
		}
		out = append(out, m)
	}
	sort.Slice(out, func(i, j int) bool {
		if !out[i].at.Equal(out[j].at) {
			return out[i].at.After(out[j].at)
		}
		return out[i].seq > out[j].seq
	})
	return out
}

// json is the message in one of the API's formats.
func (m *googleMessage) json(format string, only []string) map[string]any {
	out := map[string]any{"id": m.id, "threadId": m.thread, "labelIds": m.labels, "historyId": fmt.Sprint(m.history), "internalDate": fmt.Sprint(m.at.UnixMilli()), "sizeEstimate": len(m.raw), "snippet": googleSnippet(m.text)}
	switch format {
	case "raw":
		out["raw"] = base64.URLEncoding.EncodeToString(m.raw)
	case "full":
		out["payload"] = m.payload
	case "metadata":
		headers := []map[string]string{}
		for _, h := range m.header {
			if len(only) == 0 || slices.ContainsFunc(only, func(s string) bool { return strings.EqualFold(s, h["name"]) }) {
				headers = append(headers, h)
			}
		}
		out["payload"] = map[string]any{"mimeType": m.payload["mimeType"], "headers": headers}
	}
	return out
}

// escape is how the API tells a snippet: on one line, cut, with HTML entities.
func googleSnippet(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	if r := []rune(s); len(r) > 200 {
		s = string(r[:200])
	}
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;").Replace(s)
}
