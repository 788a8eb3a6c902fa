package graph

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/email"
)

const (
	attachMost = 3 << 20        // in one request ("Add attachment")
	piece      = 10 * 320 << 10 // of an upload: a multiple of 320 KiB below 4 MB ("Attach large files to Outlook messages")
)

// attach adds one attachment to a draft.
func (k *call) attach(path string, e email.Enclosure) error {
	content := email.Reader(e.Content)
	kind, name := e.ContentType, e.Filename
	if kind == "" {
		kind = "application/octet-stream"
	}
	if name == "" {
		name = "attachment"
	}
	if content.Size() < attachMost {
		content, err := io.ReadAll(content)
		if err != nil {
			return errUpstream.Because(err)
		}
		return k.post(path+"/attachments", map[string]any{"@odata.type": "#microsoft.graph.fileAttachment", "name": name, "contentType": kind, "contentId": strings.Trim(e.ContentID, "<>"),
			"isInline": e.Inline, "contentBytes": base64.StdEncoding.EncodeToString(content)}, nil, nil)
	}
	var session struct {
		URL string `json:"uploadUrl"`
	}
	item := map[string]any{"attachmentType": "file", "name": name, "size": content.Size(), "contentType": kind, "isInline": e.Inline}
	if e.ContentID != "" {
		item["contentId"] = strings.Trim(e.ContentID, "<>")
	}
	if err := k.post(path+"/attachments/createUploadSession", map[string]any{"AttachmentItem": item}, &session, nil); err != nil {
		return err
	}
	if !k.c.uploadsTo(session.URL) {
		return errUpstream.Because(errors.New("the upload address is not Microsoft's"))
	}
	for at := int64(0); at < content.Size(); at += piece {
		if err := k.upload(session.URL, content, at, min(at+piece, content.Size())); err != nil {
			return err
		}
	}
	return nil
}

// uploadsTo: the address of an upload is the one address that an answer of Microsoft's may name. It is on another host of theirs, and carries its own
// permission: our token does not go there.
func (c *Connector) uploadsTo(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.User != nil {
		return false
	}
	if strings.EqualFold(u.Host, c.graph.Host) && u.Scheme == c.graph.Scheme {
		return true
	}
	host := strings.ToLower(u.Hostname())
	for _, own := range []string{".office.com", ".office365.com", ".outlook.com", ".microsoft.com", ".office365.us", ".partner.outlook.cn"} {
		if u.Scheme == "https" && strings.HasSuffix(host, own) {
			return true
		}
	}
	return false
}

func (k *call) upload(address string, content *io.SectionReader, from, to int64) error {
	part := io.NewSectionReader(content, from, to-from)
	q, err := http.NewRequestWithContext(k.ctx, http.MethodPut, address, part)
	if err != nil {
		return errUpstream.Because(dial.WithoutURL(err))
	}
	q.ContentLength = part.Size()
	q.Header.Set("Content-Type", "application/octet-stream")
	q.Header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, content.Size()))
	res, err := k.c.http.Do(q)
	if err != nil {
		return errUpstream.Because(dial.WithoutURL(err))
	}
	body, err := dial.Body(res)
	if err != nil && res.StatusCode < 300 {
		return errUpstream.Because(err)
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return k.c.refusal(request{}, res, body)
	}
	return nil
}
