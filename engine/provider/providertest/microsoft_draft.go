package providertest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

type graphRecipient struct {
	EmailAddress struct{ Name, Address string }
}

func graphAddresses(raw json.RawMessage) ([]email.Address, bool) {
	var all []graphRecipient
	if json.Unmarshal(raw, &all) != nil {
		return nil, false
	}
	var out []email.Address
	for _, r := range all {
		if !strings.Contains(r.EmailAddress.Address, "@") {
			return nil, false
		}
		out = append(out, email.Address{Name: r.EmailAddress.Name, Email: r.EmailAddress.Address})
	}
	return out, true
}

// edit sets one property of a draft ("Update message": these can be updated only while isDraft is true); false: there is no such property.
func (m *microsoftMessage) edit(name string, raw json.RawMessage) (known bool, err error) {
	bad := graphBad("RequestBodyRead", name+" cannot be read")
	people := map[string]*[]email.Address{"toRecipients": &m.read.To, "ccRecipients": &m.read.Cc, "bccRecipients": &m.bcc, "replyTo": &m.read.ReplyTo}
	if into, ok := people[name]; ok {
		all, ok := graphAddresses(raw)
		if !ok {
			return true, bad
		}
		*into = all
		return true, nil
	}
	switch name {
	case "subject":
		if json.Unmarshal(raw, &m.read.Subject) != nil || strings.ContainsAny(m.read.Subject, "\r\n") {
			return true, bad
		}
	case "from":
		all, ok := graphAddresses(slices.Concat([]byte("["), raw, []byte("]")))
		if !ok {
			return true, bad
		}
		m.read.From = all
	case "body":
		var b struct{ ContentType, Content string }
		if json.Unmarshal(raw, &b) != nil || b.ContentType != "html" && b.ContentType != "text" {
			return true, bad
		}
		m.read.HTML, m.read.Plain = b.Content, ""
		if b.ContentType == "text" {
			m.read.HTML, m.read.Plain = "", b.Content
		}
		m.read.Snippet = rfc5322.Snippet(m.read.Plain, m.read.HTML)
	case "internetMessageHeaders":
		var all []struct{ Name, Value string }
		if json.Unmarshal(raw, &all) != nil {
			return true, bad
		}
		for _, h := range all {
			if !strings.HasPrefix(strings.ToLower(h.Name), "x-") {
				return true, graphBad("InvalidInternetMessageHeader", "The internet message header name '"+h.Name+"' should start with 'x-' or 'X-'.")
			}
		}
	default:
		return false, nil
	}
	return true, nil
}

// draftOf makes a draft out of JSON.
func (k *graphCall) draftJSON() (*microsoftMessage, error) {
	var c map[string]json.RawMessage
	if err := k.read(&c); err != nil {
		return nil, err
	}
	m := &microsoftMessage{}
	for name, raw := range c {
		known, err := m.edit(name, raw)
		if err != nil {
			return nil, err
		}
		if !known && name != "flag" && name != "isRead" && name != "importance" {
			return nil, graphBad("RequestBodyRead", "The property '"+name+"' does not exist on type 'microsoft.graph.message'.")
		}
	}
	return k.keep(m, c["flag"], ""), nil
}

// keep files a new draft. conversation is empty for one that answers nothing.
func (k *graphCall) keep(m *microsoftMessage, flag json.RawMessage, conversation string) *microsoftMessage {
	kept := k.account.put(k.account.byID("drafts"), nil, k.Now())
	read := m.read
	read.MessageID, read.Headers, read.Date = microsoftRandom(12)+"@microsoft.test", nil, kept.received
	kept.read, kept.bcc, kept.draft = read, m.bcc, true
	if conversation != "" {
		kept.conversation = conversation
	}
	var f struct{ FlagStatus string }
	if json.Unmarshal(flag, &f) == nil && f.FlagStatus != "" {
		kept.flag = f.FlagStatus
	}
	return kept
}

// reply is "message: createReply": a draft in the conversation of the message, to its sender, with its text quoted.
func (k *graphCall) reply(m *microsoftMessage) error {
	d := &microsoftMessage{}
	d.read.Subject = "RE: " + m.read.Subject
	d.read.To, d.read.HTML = m.read.From, "<html><body><hr>"+m.read.Snippet+"</body></html>"
	d.read.InReplyTo, d.read.References = []string{m.read.MessageID}, append(slices.Clone(m.read.References), m.read.MessageID)
	return k.ok(201, k.keep(d, nil, m.conversation).resource(nil, nil, k.immutable(), k.asText()))
}

// composed is a draft that was made of JSON as it leaves. Its attachments stay beside it.
func (m *microsoftMessage) composed(from string) []byte {
	d := email.Draft{From: m.read.From, To: m.read.To, Cc: m.read.Cc, ReplyTo: m.read.ReplyTo, Subject: m.read.Subject, HTML: m.read.HTML, Plain: m.read.Plain, MessageID: m.read.MessageID, References: m.read.References}
	if len(m.read.InReplyTo) > 0 {
		d.InReplyTo = m.read.InReplyTo[0]
	}
	var out bytes.Buffer
	_ = rfc5322.Write(&out, d, email.Address{Email: from}, m.received)
	return out.Bytes()
}

// file serves .../attachments/{id} and its raw contents.
func (k *graphCall) file(m *microsoftMessage, path []string) error {
	if b, err := base64.URLEncoding.Strict().DecodeString(path[0]); err != nil || len(b) < 4 {
		return errGraphMalformed
	}
	i := slices.IndexFunc(m.attachments(), func(a microsoftAttachment) bool { return a.id == path[0] })
	if i < 0 {
		return errGraphItem
	}
	a := m.attachments()[i]
	switch k.r.Method + " " + strings.Join(path[1:], "/") {
	case "GET ":
		var sel []string
		if v := k.r.URL.Query().Get("$select"); v != "" {
			sel = strings.Split(v, ",")
		}
		return k.ok(200, graphAttachments([]microsoftAttachment{a}, sel)[0])
	case "GET $value":
		content := a.content
		for _, x := range m.read.Attachments {
			if _, r, ok := rfc5322.File(m.raw, x.ID); ok && exchangeID("attachment", m.n, x.ID) == a.id {
				var b bytes.Buffer
				_, _ = b.ReadFrom(r)
				content = b.Bytes()
			}
		}
		k.w.Header().Set("Content-Type", a.kind)
		_, _ = k.w.Write(content)
		return nil
	case "DELETE ":
		if !m.draft {
			return graphBad("ErrorInvalidOperation", "The attachment of a message that was sent cannot be deleted.")
		}
		m.extra = slices.DeleteFunc(m.extra, func(x microsoftAttachment) bool { return x.id == a.id })
		k.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return errGraphSegment
}

// folderChange serves what changes folders: POST mailFolders, .../childFolders and .../move, PATCH and DELETE.
func (k *graphCall) folderChange(parent *microsoftFolder, f *microsoftFolder, act string) error {
	if !k.mayWrite() {
		return errGraphAccess
	}
	var in struct{ DisplayName, DestinationID string }
	if k.r.Method != http.MethodDelete {
		if err := k.read(&in); err != nil {
			return err
		}
	}
	taken := func(name string, under *microsoftFolder) bool {
		return slices.ContainsFunc(k.account.folders, func(x *microsoftFolder) bool { return x != f && x.parent == under && strings.EqualFold(x.name, name) })
	}
	exists := &microsoftRefusal{409, "ErrorFolderExists", "A folder with the specified name already exists."}
	switch act {
	case "create":
		switch {
		case in.DisplayName == "":
			return graphBad("ErrorInvalidParameter", "displayName")
		case taken(in.DisplayName, parent):
			return exists
		}
		made := &microsoftFolder{id: exchangeID(k.account.Object, "made", microsoftRandom(8)), name: in.DisplayName, parent: parent}
		k.account.folders = append(k.account.folders, made)
		return k.ok(201, k.folder(made))
	case "rename":
		switch {
		case f.wellKnown != "":
			return graphBad("ErrorDistinguishedFolder", "The folder cannot be renamed.")
		case in.DisplayName == "":
			return graphBad("ErrorInvalidParameter", "displayName")
		case taken(in.DisplayName, f.parent):
			return exists
		}
		f.name = in.DisplayName
		return k.ok(200, k.folder(f))
	case "move":
		var to *microsoftFolder
		if in.DestinationID != "msgfolderroot" && in.DestinationID != exchangeID(k.account.Object, microsoftRoot) {
			if to = k.account.byID(in.DestinationID); to == nil {
				return errGraphItem
			}
		}
		switch {
		case f.wellKnown != "":
			return graphBad("ErrorMoveDistinguishedFolder", "The folder cannot be moved.")
		case taken(f.name, to):
			return exists
		}
		f.parent = to
		return k.ok(201, k.folder(f))
	}
	if f.wellKnown != "" {
		return graphBad("ErrorDeleteDistinguishedFolder", "Distinguished folders cannot be deleted.")
	}
	if bin := k.account.byID("deleteditems"); f.parent == bin {
		k.account.folders = slices.DeleteFunc(k.account.folders, func(x *microsoftFolder) bool { return x == f })
	} else {
		f.parent = bin
	}
	k.w.WriteHeader(http.StatusNoContent)
	return nil
}
