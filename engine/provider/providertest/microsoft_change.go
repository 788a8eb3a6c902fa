package providertest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

func (k *graphCall) read(v any) error {
	if graphMediaType(k.r) != "application/json" || json.Unmarshal(k.body, v) != nil {
		return graphBad("BadRequest", "Unable to read JSON request payload.")
	}
	return nil
}

func (k *graphCall) change(m *microsoftMessage) error {
	var c map[string]json.RawMessage
	if err := k.read(&c); err != nil {
		return err
	}
	for name, raw := range c {
		switch name {
		case "isRead":
			if json.Unmarshal(raw, &m.isRead) != nil {
				return graphBad("BadRequest", "isRead is a Boolean")
			}
		case "flag":
			var f struct{ FlagStatus string }
			if json.Unmarshal(raw, &f) != nil || !slices.Contains([]string{"flagged", "notFlagged", "complete"}, f.FlagStatus) {
				return graphBad("BadRequest", "flagStatus")
			}
			m.flag = f.FlagStatus
		default:
			known := false
			if m.draft {
				var err error
				if known, err = m.edit(name, raw); err != nil {
					return err
				}
			}
			if !known {
				return graphBad("ErrorInvalidPropertySet", name+" cannot be set")
			}
		}
	}
	return k.ok(200, m.resource(nil, nil, k.immutable(), k.asText()))
}

func (k *graphCall) move(m *microsoftMessage) error {
	var to struct{ DestinationID string }
	if err := k.read(&to); err != nil {
		return err
	}
	f := k.account.byID(to.DestinationID)
	if f == nil {
		if _, err := base64.URLEncoding.Strict().DecodeString(to.DestinationID); err != nil {
			return errGraphMalformed
		}
		return errGraphItem
	}
	if f != m.folder {
		m.folder = f
		m.moves++
	}
	return k.ok(201, m.resource(nil, nil, k.immutable(), k.asText()))
}

func (k *graphCall) create() error {
	if !k.mayWrite() {
		return errGraphAccess
	}
	make := k.draft
	if graphMediaType(k.r) == "application/json" {
		make = k.draftJSON
	}
	m, err := make()
	if err != nil {
		return err
	}
	return k.ok(201, m.resource(nil, nil, k.immutable(), k.asText()))
}

// sendMail sends without a draft that anybody sees, and answers nothing.
func (k *graphCall) sendMail() error {
	if !k.may("Mail.Send") {
		return errGraphAccess
	}
	m, err := k.draft()
	if err != nil {
		return err
	}
	return k.send(m)
}

func (k *graphCall) draft() (*microsoftMessage, error) {
	if graphMediaType(k.r) != "text/plain" {
		return nil, graphBad("UnableToDeserializePostBody", "this server takes MIME only")
	}
	raw, err := base64.StdEncoding.DecodeString(string(k.body))
	if err != nil {
		return nil, graphBad("ErrorMimeContentInvalidBase64String", "Invalid base64 string for MIME content.")
	}
	m := k.account.put(k.account.byID("drafts"), raw, k.Now())
	m.draft, m.bcc = true, m.read.Bcc
	if m.read.MessageID == "" {
		m.read.MessageID = microsoftRandom(12) + "@microsoft.test"
	}
	return m, nil
}

func (k *graphCall) send(m *microsoftMessage) error {
	switch {
	case !k.may("Mail.Send"):
		return errGraphAccess
	case !m.draft:
		return graphBad("ErrorInvalidOperation", "only a draft can be sent")
	case len(m.read.To)+len(m.read.Cc)+len(m.bcc) == 0:
		return graphBad("ErrorInvalidRecipients", "At least one recipient isn't valid.")
	case len(m.read.From) > 0 && !strings.EqualFold(m.read.From[0].Email, k.account.Address):
		return &microsoftRefusal{403, "ErrorSendAsDenied", "The user account which was used to submit this request does not have the right to send mail on behalf of the specified sending account."}
	}
	for _, to := range slices.Concat(m.read.To, m.read.Cc, m.bcc) {
		if strings.HasSuffix(to.Email, "@refused.test") {
			return graphBad("ErrorInvalidRecipients", "At least one recipient isn't valid., "+to.Email)
		}
	}
	k.account.submit(m)
	k.w.WriteHeader(202)
	return nil
}

func (k *graphCall) attach(m *microsoftMessage, session bool) error {
	if session {
		var in struct {
			AttachmentItem struct {
				AttachmentType, Name, ContentType, ContentID string
				Size                                         int64
				IsInline                                     bool
			}
		}
		if err := k.read(&in); err != nil {
			return err
		}
		i := in.AttachmentItem
		if i.AttachmentType != "file" || i.Name == "" || i.Size < 3<<20 || i.Size > 150<<20 {
			return graphBad("ErrorAttachmentSizeShouldNotBeLessThanMinimumSize", "The attachment size is below the minimum for an upload session.")
		}
		id := microsoftRandom(24)
		k.uploads[id] = &microsoftUpload{account: k.account, message: m, item: microsoftAttachment{id: exchangeID("attachment", id), name: i.Name, kind: i.ContentType, contentID: i.ContentID, size: i.Size, inline: i.IsInline}}
		return k.ok(201, map[string]any{"uploadUrl": k.http.URL + "/upload/" + id, "nextExpectedRanges": []string{"0-"}, "expirationDateTime": k.Now()})
	}
	var in struct {
		Type                         string `json:"@odata.type"`
		Name, ContentType, ContentID string
		ContentBytes                 []byte
		IsInline                     bool
	}
	if err := k.read(&in); err != nil {
		return err
	}
	if in.Type != "#microsoft.graph.fileAttachment" || in.Name == "" || len(in.ContentBytes) >= 3<<20 {
		return graphBad("BadRequest", "not a file attachment below 3 MB")
	}
	x := microsoftAttachment{id: exchangeID("attachment", microsoftRandom(12)), name: in.Name, kind: in.ContentType, contentID: in.ContentID, size: int64(len(in.ContentBytes)), inline: in.IsInline, content: in.ContentBytes}
	m.extra = append(m.extra, x)
	return k.ok(201, graphAttachments([]microsoftAttachment{x}, nil)[0])
}

// upload takes the pieces of a large attachment, in order. It wants no token: the address itself is the permission.
func (s *MicrosoftServer) upload(w http.ResponseWriter, r *http.Request) {
	piece, _ := io.ReadAll(io.LimitReader(r.Body, 4<<20+1))
	n := int64(len(piece))
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.uploads[strings.TrimPrefix(r.URL.Path, "/upload/")]
	var from, to, size int64
	_, err := fmt.Sscanf(r.Header.Get("Content-Range"), "bytes %d-%d/%d", &from, &to, &size)
	switch {
	case u == nil || r.Method != http.MethodPut:
		w.WriteHeader(http.StatusNotFound)
	case err != nil || r.Header.Get("Authorization") != "" || from != u.got || to-from+1 != n || size != u.item.size || n > 4<<20:
		microsoftJSON(w, 400, map[string]any{"error": map[string]string{"code": "InvalidContentRange"}})
	default:
		u.item.content = append(u.item.content, piece...)
		if u.got += n; u.got == size {
			u.message.extra = append(u.message.extra, u.item)
			w.WriteHeader(http.StatusCreated)
			return
		}
		microsoftJSON(w, 200, map[string]any{"nextExpectedRanges": []string{strconv.FormatInt(u.got, 10) + "-"}})
	}
}
