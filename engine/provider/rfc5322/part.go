package rfc5322

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/quotedprintable"
	"strconv"
	"strings"

	"github.com/emersion/go-message/charset"

	"github.com/postern-mail/postern/engine/email"
)

const (
	deepest   = 20  // nested multiparts; what lies deeper is not looked at
	mostParts = 500 // of one message
)

// Part is one leaf of a message's structure. Body holds the encoded bytes, or nil when only the structure is known.
type Part struct {
	Path        string // as IMAP numbers it: "1", "2.1"
	Type        string // lower case type/subtype
	Charset     string
	Encoding    string // Content-Transfer-Encoding, lower case
	Disposition string // lower case
	Filename    string
	ContentID   string
	Size        int64 // encoded octets
	Related     bool  // within multipart/related, where parts with a Content-ID belong to the body
	Body        []byte
}

// leaves reads the structure of an entity.
func leaves(head []email.Header, body []byte) []Part {
	w := walker{}
	w.entity(head, body, nil, 0, false)
	return w.parts
}

type walker struct{ parts []Part }

func (w *walker) entity(head []email.Header, body []byte, path []int, depth int, related bool) {
	if len(w.parts) >= mostParts {
		return
	}
	kind, params := mediaType(first(head, "Content-Type"))
	if strings.HasPrefix(kind, "multipart/") && params["boundary"] != "" && depth < deepest {
		for i, piece := range pieces(body, params["boundary"]) {
			h, b, ok := split(piece)
			if !ok { // a part without an empty line is all body, unless it begins like a header
				h, b = nil, piece
			}
			w.entity(fields(h), b, append(path[:len(path):len(path)], i+1), depth+1, kind == "multipart/related")
		}
		return
	}
	if len(path) == 0 {
		path = []int{1}
	}
	disposition, dparams := mediaType(first(head, "Content-Disposition"))
	name := dparams["filename"]
	if name == "" {
		name = params["name"]
	}
	p := Part{Path: Path(path), Type: kind, Charset: params["charset"], Encoding: strings.ToLower(strings.TrimSpace(first(head, "Content-Transfer-Encoding"))),
		Disposition: disposition, Filename: text(name), Size: int64(len(body)), Related: related, Body: body}
	if ids := messageIDs(first(head, "Content-ID")); len(ids) > 0 {
		p.ContentID = ids[0]
	}
	if p.Type == "" {
		p.Type = "text/plain"
	}
	w.parts = append(w.parts, p)
}

// Path writes part numbers the IMAP way.
func Path(numbers []int) string {
	s := make([]string, len(numbers))
	for i, n := range numbers {
		s[i] = strconv.Itoa(n)
	}
	return strings.Join(s, ".")
}

// mediaType reads "type/subtype; name=value" and forgives what programs get wrong.
func mediaType(raw string) (string, map[string]string) {
	if strings.TrimSpace(raw) == "" {
		return "", map[string]string{}
	}
	kind, params, err := mime.ParseMediaType(toUTF8(raw))
	if err == nil {
		return kind, params
	}
	if params == nil {
		params = map[string]string{}
	}
	kind, rest, _ := strings.Cut(raw, ";")
	for _, piece := range strings.Split(rest, ";") {
		if k, v, ok := strings.Cut(piece, "="); ok {
			if k = strings.ToLower(strings.TrimSpace(k)); params[k] == "" {
				params[k] = strings.Trim(strings.TrimSpace(v), `"`)
			}
		}
	}
	return clean(strings.ToLower(strings.TrimSpace(kind)), false), params
}

// pieces cuts a multipart body at its boundary lines (RFC 2046 section 5.1.1). A missing end is no reason to lose the last part.
func pieces(body []byte, boundary string) [][]byte {
	var out [][]byte
	mark := []byte("--" + boundary)
	start := -1
	for i := 0; i < len(body) && len(out) < mostParts; {
		end := bytes.IndexByte(body[i:], '\n')
		next := len(body)
		if end >= 0 {
			next = i + end + 1
		}
		line := bytes.TrimRight(body[i:next], "\r\n \t")
		if bytes.HasPrefix(line, mark) {
			rest := line[len(mark):]
			if len(rest) == 0 || bytes.Equal(rest, []byte("--")) {
				if start >= 0 {
					out = append(out, trimBreak(body[start:i]))
				}
				start = next
				if len(rest) > 0 {
					return out
				}
			}
		}
		i = next
	}
	if start >= 0 && start < len(body) {
		out = append(out, body[start:])
	}
	return out
}

// trimBreak takes off the line break that belongs to the boundary.
func trimBreak(b []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
}

// isText says that a part is what a reader is shown rather than a file.
func (p Part) isText() bool {
	return (p.Type == "text/plain" || p.Type == "text/html") && p.Disposition != "attachment" && p.Filename == ""
}

// Texts is the parts that make up the body.
func Texts(parts []Part) []Part {
	var out []Part
	for _, p := range parts {
		if p.isText() {
			out = append(out, p)
		}
	}
	return out
}

// Attachments describes all other parts.
func Attachments(parts []Part) []email.Attachment {
	var out []email.Attachment
	for _, p := range parts {
		if p.isText() {
			continue
		}
		out = append(out, email.Attachment{ID: p.Path, Filename: p.Filename, ContentType: p.Type, Size: p.decodedSize(), ContentID: p.ContentID,
			Disposition: p.Disposition, Inline: p.Disposition == "inline" || p.Disposition == "" && p.Related && p.ContentID != ""})
	}
	return out
}

// decodedSize is exact for what is not encoded, and for base64 within the last line's padding.
func (p Part) decodedSize() int64 {
	if p.Encoding != "base64" {
		return p.Size
	}
	if p.Body != nil {
		n, pad := int64(0), int64(0)
		for _, c := range p.Body {
			switch {
			case c == '=':
				pad++
			case c > ' ':
				n++
			}
		}
		return n * 3 / 4
	}
	lines := (p.Size + 77) / 78
	return (p.Size - 2*lines) * 3 / 4
}

// DecodeText turns a text part's encoded bytes into UTF-8. What cannot be decoded is shown as it is, as far as it is text.
func DecodeText(body []byte, encoding, set string) string {
	body = decode(body, encoding)
	s := string(body)
	if set = strings.ToLower(strings.TrimSpace(set)); set != "" && set != "utf-8" && set != "us-ascii" {
		if r, err := charset.Reader(set, bytes.NewReader(body)); err == nil {
			if b, err := io.ReadAll(r); err == nil {
				s = string(b)
			}
		}
	}
	return clean(toUTF8(s), true)
}

func decode(body []byte, encoding string) []byte {
	switch encoding {
	case "base64":
		out, _ := io.ReadAll(base64.NewDecoder(base64.StdEncoding, &alphabet{body}))
		return out
	case "quoted-printable":
		out, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(body)))
		if err != nil && len(out) == 0 {
			return body
		}
		return out
	}
	return body
}

// alphabet feeds only base64's own characters on, so that stray bytes or a missing end cost nothing but themselves.
type alphabet struct{ rest []byte }

func (a *alphabet) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) && len(a.rest) > 0 {
		c := a.rest[0]
		a.rest = a.rest[1:]
		if c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '/' || c == '=' {
			p[n] = c
			n++
		}
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}
