package nylas

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

const (
	jsonMost = 1 << 20  // of a message within JSON; Nylas takes 3 MB (contract, section 7.4). What is larger travels as a form, piece by piece
	formMost = 25 << 20 // of a message in a form
)

var (
	errUnconfirmed = fault.New(fault.Upstream, "send_unconfirmed", "Nylas did not say whether it took the message. Look among the sent messages before you send it again.")
	errEnvelope    = fault.New(fault.Invalid, "recipients_differ", "Nylas sends to everybody whom the message names, and it names somebody who is not among the recipients.").At("to")
	errUnreadable  = fault.New(fault.Invalid, "attachment_unreadable", "An attachment ended before its end.").At("attachments")
)

type wireEnclosure struct {
	Filename    string `json:"filename"`
	ContentType string `json:"content_type"`
	Content     string `json:"content"`
	Size        int    `json:"size"`
	ContentID   string `json:"content_id,omitempty"`
	Inline      bool   `json:"is_inline,omitempty"`
}

// Send implements provider.Sender. What Nylas' JSON can say travels as JSON; an answer to another message, a message in two forms, a large and a complete one travel as
// MIME (POST messages/send?type=mime), which loses nothing.
func (c *Connector) Send(ctx context.Context, a provider.Account, d email.Draft) (email.Message, error) {
	r, err := c.compose(a, d)
	if err != nil {
		return email.Message{}, err
	}
	var out email.Message
	err = c.with(ctx, a, func(k *call) error {
		r.method, r.path, r.missing = http.MethodPost, k.path("messages", "send"), errRefused
		var answer envelope[wireMessage]
		if err := k.ask(r, &answer); err != nil {
			return unsent(err)
		}
		if answer.Data.ID == "" {
			return errUnconfirmed.Because(errors.New("the sent message has no id"))
		}
		out = answer.Data.message(email.Standard, false)
		if out.Date.IsZero() {
			out.Date = c.now().UTC().Truncate(time.Second)
		}
		return nil
	})
	return out, err
}

// unsent says what became of a send that failed.
func unsent(err error) error {
	if f, ok := fault.As(err); ok && f.Code == errUpstream.Code {
		return errUnconfirmed.RetryAfter(f.After).Because(errors.Unwrap(f))
	}
	if cause := errors.Unwrap(err); errors.Is(err, errRefused) && cause != nil && strings.HasPrefix(cause.Error(), "402") {
		return provider.ErrRecipientRefused.Because(cause)
	}
	return err
}

// compose makes the request that carries a message.
func (c *Connector) compose(a provider.Account, d email.Draft) (request, error) {
	if d.Raw == nil && (d.HTML == "" || d.Plain == "") && d.InReplyTo == "" && len(d.References) == 0 && d.MessageID == "" && weight(d.HTML+d.Plain, d.Attachments) <= jsonMost {
		if err := d.Check(); err != nil {
			return request{}, err
		}
		body := map[string]any{"subject": d.Subject}
		people(body, map[string]*[]email.Address{"from": &d.From, "to": &d.To})
		for name, all := range map[string][]email.Address{"cc": d.Cc, "bcc": d.Bcc, "reply_to": d.ReplyTo} {
			if len(all) > 0 {
				body[name] = wired(all)
			}
		}
		text(body, d.HTML, d.Plain)
		if len(d.Headers) > 0 {
			body["custom_headers"] = headers(d.Headers)
		}
		return draftRequest(body, d.Attachments)
	}
	msg, err := rfc5322.Compose(d, email.Address{Email: a.Address}, c.now())
	if err != nil {
		return request{}, err
	}
	if msg.Complete() {
		// Nylas takes the recipients from the message: it and the draft must agree.
		head := msg.Header()
		for _, named := range slices.Concat(head.To, head.Cc) {
			if !rfc5322.Among(msg.To, named) {
				return request{}, errEnvelope
			}
		}
		msg.Bcc(msg.Unnamed())
	} else {
		msg.Bcc(d.Bcc)
	}
	if _, err := msg.Fits(formMost, errTooLarge); err != nil {
		return request{}, err
	}
	r := form(func(w *multipart.Writer) error {
		part, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {`form-data; name="mime"`}})
		if err == nil {
			_, err = msg.WriteTo(part)
		}
		return err
	})
	r.query = url.Values{"type": {"mime"}}
	return r, nil
}

// weight is about how many bytes a message has on the wire.
func weight(text string, files []email.Enclosure) int64 {
	n := int64(len(text))
	for _, e := range files {
		n += email.Reader(e.Content).Size() * 4 / 3
	}
	return n
}

func headers(all []email.Header) []wireHeader {
	out := []wireHeader{}
	for _, h := range all {
		out = append(out, wireHeader(h))
	}
	return out
}

// draftRequest carries a message or draft as JSON, or beside its attachments as a form where it is too heavy for that (contract, section 7.4).
func draftRequest(body map[string]any, files []email.Enclosure) (request, error) {
	words, _ := body["body"].(string)
	total := weight(words, files)
	if total > formMost*4/3 {
		return request{}, errTooLarge
	}
	if total > jsonMost {
		said, err := json.Marshal(body)
		if err != nil {
			return request{}, errUnreadable.Because(err)
		}
		return form(func(w *multipart.Writer) error { return fill(w, said, files) }), nil
	}
	if len(files) > 0 {
		all := make([]wireEnclosure, len(files))
		for i, e := range files {
			content, err := io.ReadAll(email.Reader(e.Content))
			if err != nil {
				return request{}, errUnreadable.Because(err)
			}
			all[i] = wireEnclosure{Filename: e.Filename, ContentType: typeOf(e), Content: base64.StdEncoding.EncodeToString(content), Size: len(content), ContentID: e.ContentID, Inline: e.Inline}
		}
		body["attachments"] = all
	}
	b, err := json.Marshal(body)
	if err != nil {
		return request{}, errUnreadable.Because(err)
	}
	return request{kind: "application/json", body: b}, nil
}

func typeOf(e email.Enclosure) string {
	if e.ContentType == "" {
		return "application/octet-stream"
	}
	return e.ContentType
}

// fill writes a draft and its files into a form.
func fill(w *multipart.Writer, said []byte, files []email.Enclosure) error {
	if err := w.WriteField("message", string(said)); err != nil {
		return err
	}
	for i, e := range files {
		name := "file" + strconv.Itoa(i)
		if e.ContentID != "" {
			name = e.ContentID
		}
		part, err := w.CreatePart(textproto.MIMEHeader{"Content-Type": {typeOf(e)}, "Content-Disposition": {mime.FormatMediaType("form-data", map[string]string{"name": name, "filename": e.Filename})}})
		if err == nil {
			_, err = io.Copy(part, email.Reader(e.Content))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// form is a request whose body is written while it is sent.
func form(write func(*multipart.Writer) error) request {
	boundary := multipart.NewWriter(io.Discard).Boundary()
	return request{kind: "multipart/form-data; boundary=" + boundary, stream: func() io.ReadCloser {
		r, w := io.Pipe()
		go func() {
			b := bufio.NewWriterSize(w, 32<<10)
			m := multipart.NewWriter(b)
			err := m.SetBoundary(boundary)
			if err == nil {
				err = write(m)
			}
			if err == nil {
				err = errors.Join(m.Close(), b.Flush())
			}
			_ = w.CloseWithError(err) // never fails
		}()
		return r
	}}
}
