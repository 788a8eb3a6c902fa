package providertest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"slices"
	"strings"
)

// send takes the message in the JSON, or beside it on the upload path. The envelope is the message's own To, Cc and Bcc.
func (e *googleExchange) send() {
	var in struct{ Raw, ThreadID string }
	raw, err := []byte(nil), error(nil)
	if strings.HasPrefix(e.r.URL.Path, "/upload/") {
		var meta []byte
		meta, raw, err = e.uploaded()
		if err == nil {
			err = json.Unmarshal(meta, &in)
		}
	} else if err = json.Unmarshal(e.body, &in); err == nil {
		raw, err = base64.URLEncoding.DecodeString(in.Raw)
	}
	if err != nil || len(raw) == 0 {
		googleRefuse(e.w, 400, "invalidArgument", "'raw' RFC822 payload message string or uploading message via /upload/* URL required")
		return
	}
	m := &googleMessage{raw: raw, blobs: map[string][]byte{}}
	m.parse()
	var to []*mail.Address
	for _, f := range []string{"To", "Cc", "Bcc"} {
		if m.field(f) == "" {
			continue
		}
		list, err := mail.ParseAddressList(m.field(f))
		if err != nil {
			googleRefuse(e.w, 400, "invalidArgument", "Invalid "+f+" header")
			return
		}
		to = append(to, list...)
	}
	if len(to) == 0 {
		googleRefuse(e.w, 400, "invalidArgument", "Recipient address required")
		return
	}
	if in.ThreadID != "" && !slices.ContainsFunc(googleMessages(e.box.messages), func(x *googleMessage) bool { return x.thread == in.ThreadID }) {
		googleRefuse(e.w, 404, "notFound", "Requested entity was not found.")
		return
	}
	if m.field("References") == "" && m.field("In-Reply-To") == "" {
		in.ThreadID = "" // "the References and In-Reply-To headers must be set in compliance with the RFC 2822 standard"
	}
	kept := e.box.put(raw, e.g.now(), []string{"SENT"}, in.ThreadID)
	for _, a := range to {
		if u := e.g.users[a.Address]; u != nil {
			u.box.put(googleWithoutBcc(raw), e.g.now(), []string{"UNREAD", "INBOX"}, "")
		}
	}
	googleReply(e.w, 200, map[string]any{"id": kept.id, "threadId": kept.thread, "labelIds": kept.labels})
}

func (e *googleExchange) uploaded() (meta, raw []byte, err error) {
	kind, params, err := mime.ParseMediaType(e.r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/related" || e.q.Get("uploadType") != "multipart" {
		return nil, nil, fmt.Errorf("not a multipart upload")
	}
	r := multipart.NewReader(bytes.NewReader(e.body), params["boundary"])
	for i := range 2 {
		p, err := r.NextRawPart()
		if err != nil {
			return nil, nil, err
		}
		b, err := io.ReadAll(p)
		if err != nil {
			return nil, nil, err
		}
		if i == 0 {
			meta = b
		} else if raw = b; !strings.HasPrefix(p.Header.Get("Content-Type"), "message/") {
			return nil, nil, fmt.Errorf("media type %q", p.Header.Get("Content-Type"))
		}
	}
	return meta, raw, nil
}

func googleWithoutBcc(raw []byte) []byte {
	head, body, ok := bytes.Cut(raw, []byte("\r\n\r\n"))
	if !ok {
		return raw
	}
	head = googleBccField.ReplaceAll(append(head, '\r', '\n'), nil)
	return append(append(head, '\r', '\n'), body...)
}

// sendAs lists the addresses that a person sends as: their own, those they proved to be theirs, and those they did not.
func (e *googleExchange) sendAs() {
	all := []map[string]any{{"sendAsEmail": e.key.user.Address, "isPrimary": true, "isDefault": true}}
	for _, own := range e.key.user.Aliases {
		all = append(all, map[string]any{"sendAsEmail": own, "verificationStatus": "accepted"})
	}
	for _, other := range e.key.user.Unproved {
		all = append(all, map[string]any{"sendAsEmail": other, "verificationStatus": "pending"})
	}
	googleReply(e.w, 200, map[string]any{"sendAs": all})
}
