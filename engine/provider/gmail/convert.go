package gmail

import (
	"bytes"
	"context"
	"encoding/base64"
	"html"
	"mime"
	"slices"
	"strings"
	"unicode/utf8"

	api "google.golang.org/api/gmail/v1"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

// Gmail's own labels, from its page "Manage labels".
const (
	inbox   = "INBOX"
	sent    = "SENT"
	drafts  = "DRAFT"
	trash   = "TRASH"
	spam    = "SPAM"
	chat    = "CHAT"
	starred = "STARRED"
	unread  = "UNREAD"
)

const (
	deepest   = 20
	mostParts = 500
	textMost  = 8 << 20 // of one text part
)

// marks fills in what Gmail tells beside the message itself. UNREAD and STARRED are labels at Gmail; here they are what they mean.
func marks(m *email.Message, g *api.Message) {
	m.ID, m.ThreadID, m.Size = g.Id, g.ThreadId, g.SizeEstimate
	if at := moment(g.InternalDate); !at.IsZero() {
		m.Date = at
	}
	if m.ThreadID == "" {
		m.ThreadID = g.Id
	}
	m.Unread, m.Starred, m.Draft = slices.Contains(g.LabelIds, unread), slices.Contains(g.LabelIds, starred), slices.Contains(g.LabelIds, drafts)
	m.Folders = folders(g.LabelIds)
}

// folders is a message's labels without those that are told as flags.
func folders(ids []string) []string {
	out := []string{}
	for _, id := range ids {
		if id != unread && id != starred && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

// text is a text part whose bytes Gmail keeps apart, to be fetched by id.
type text struct{ path, attachment, charset string }

// whole reads a message in Gmail's format "full": the tree of parts with header fields. Texts that Gmail keeps apart are answered as
// later. It never fails: what cannot be understood is left out.
func whole(g *api.Message, want email.Fields) (m email.Message, parts []rfc5322.Part, bodies map[string]string, later []text) {
	root := g.Payload
	if root == nil {
		root = &api.MessagePart{}
	}
	m = rfc5322.ReadHeader(header(root.Headers), want)
	w := walk{bodies: map[string]string{}}
	w.part(root, nil, 0, false)
	return m, w.parts, w.bodies, w.later
}

// header writes Gmail's fields as they would travel, so that one reader reads them all. Gmail decodes some values and not others; the
// reader takes both.
func header(all []*api.MessagePartHeader) []byte {
	var b bytes.Buffer
	for _, h := range all {
		if h == nil {
			continue
		}
		name := strings.Map(func(r rune) rune {
			if r <= ' ' || r >= 0x7f || r == ':' {
				return -1
			}
			return r
		}, h.Name)
		if name == "" {
			continue
		}
		b.WriteString(name)
		b.WriteString(": ")
		b.WriteString(strings.NewReplacer("\r", " ", "\n", " ").Replace(h.Value))
		b.WriteString("\r\n")
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

type walk struct {
	parts  []rfc5322.Part
	bodies map[string]string
	later  []text
}

// part numbers the leaves as IMAP does, so that an attachment's id is the same whoever asks: Gmail's own attachment ids change with
// every answer.
func (w *walk) part(p *api.MessagePart, path []int, depth int, related bool) {
	if p == nil || len(w.parts) >= mostParts {
		return
	}
	kind := strings.ToLower(strings.TrimSpace(p.MimeType))
	if multipart(p) && depth < deepest {
		for i, sub := range p.Parts {
			w.part(sub, append(path[:len(path):len(path)], i+1), depth+1, kind == "multipart/related")
		}
		return
	}
	if len(path) == 0 {
		path = []int{1}
	}
	leaf := rfc5322.Part{Path: rfc5322.Path(path), Type: kind, Filename: p.Filename, Related: related, Charset: parameter(value(p.Headers, "Content-Type"), "charset")}
	disposition, _, _ := strings.Cut(value(p.Headers, "Content-Disposition"), ";")
	leaf.Disposition = strings.ToLower(strings.TrimSpace(disposition))
	leaf.ContentID = strings.Trim(strings.TrimSpace(value(p.Headers, "Content-ID")), "<>")
	if leaf.Type == "" {
		leaf.Type = "text/plain"
	}
	body := p.Body
	if body == nil {
		body = &api.MessagePartBody{}
	}
	leaf.Size = body.Size // decoded already
	w.parts = append(w.parts, leaf)
	if len(rfc5322.Texts([]rfc5322.Part{leaf})) == 0 {
		return
	}
	switch {
	case body.Data != "":
		w.bodies[leaf.Path] = decode(body.Data, leaf.Charset)
	case body.AttachmentId != "" && body.Size <= textMost:
		w.later = append(w.later, text{leaf.Path, body.AttachmentId, leaf.Charset})
	}
}

func multipart(p *api.MessagePart) bool {
	return strings.HasPrefix(strings.ToLower(strings.TrimSpace(p.MimeType)), "multipart/")
}

func value(all []*api.MessagePartHeader, name string) string {
	for _, h := range all {
		if h != nil && strings.EqualFold(h.Name, name) {
			return h.Value
		}
	}
	return ""
}

// parameter reads one parameter of a Content-Type and forgives the rest of the field.
func parameter(field, name string) string {
	if _, params, err := mime.ParseMediaType(field); err == nil {
		return params[name]
	}
	for _, piece := range strings.Split(field, ";") {
		if k, v, ok := strings.Cut(piece, "="); ok && strings.EqualFold(strings.TrimSpace(k), name) {
			return strings.Trim(strings.TrimSpace(v), `"`)
		}
	}
	return ""
}

// decode turns a text part into UTF-8. Gmail mostly recodes a text to UTF-8 and leaves the Content-Type as the sender wrote it, so the
// bytes are believed before the header: what is UTF-8 and holds no shift sequence of an older set is UTF-8.
func decode(data, charset string) string {
	raw := octets(data)
	if utf8.Valid(raw) && !bytes.ContainsAny(raw, "\x1b\x0e\x0f\x00") {
		charset = "utf-8"
	}
	return rfc5322.DecodeText(raw, "", charset)
}

// octets reads base64url, with or without padding, as far as it goes.
func octets(s string) []byte {
	out, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
	if err != nil {
		if std, again := base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "=")); again == nil {
			return std
		}
	}
	return out
}

// read turns Gmail's answer into a message, and fetches the texts that Gmail keeps apart where noBody does not spare them.
func (r *reader) read(ctx context.Context, g *api.Message, want email.Fields, noBody bool) (email.Message, error) {
	if g == nil || !validID(g.Id) {
		return email.Message{}, errAnswer
	}
	if want == email.RawOnly {
		raw := octets(g.Raw)
		if err := r.spend(len(raw)); err != nil {
			return email.Message{}, err
		}
		m := rfc5322.Read(raw, email.Standard)
		marks(&m, g)
		m.Raw = raw
		return m, nil
	}
	m, parts, bodies, later := whole(g, want)
	for _, t := range later {
		if noBody {
			break
		}
		var body *api.MessagePartBody
		err := r.call(ctx, true, func(ctx context.Context) (err error) {
			body, err = r.c.api.Users.Messages.Attachments.Get("me", g.Id, t.attachment).Context(ctx).Do()
			return err
		})
		if err != nil {
			return email.Message{}, absent(err)
		}
		bodies[t.path] = decode(body.Data, t.charset)
	}
	rfc5322.Fill(&m, parts, bodies)
	marks(&m, g)
	m.Snippet = snippet(m, g)
	if noBody {
		m.HTML, m.Plain = "", ""
	}
	return m, r.spend(len(m.HTML) + len(m.Plain))
}

// snippet is the beginning of the text; Gmail's own, with its entities, where the text was not read.
func snippet(m email.Message, g *api.Message) string {
	if m.Snippet != "" {
		return m.Snippet
	}
	return rfc5322.Snippet(html.UnescapeString(g.Snippet), "")
}

// bare is what is left of a message that was asked for raw.
func bare(m email.Message) email.Message {
	return email.Message{ID: m.ID, ThreadID: m.ThreadID, Raw: m.Raw, Size: m.Size}
}
