package providertest

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

const xMost = 1000 // items in one answer, the throttling policy's default

// xCall is one operation under way.
type xCall struct {
	x    *ExchangeServer
	box  *xBox
	user string
	op   *xNode
}

// ews is the SOAP endpoint.
func (x *ExchangeServer) ews(w http.ResponseWriter, r *http.Request, user string, body []byte) {
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "text/xml") {
		w.WriteHeader(http.StatusUnsupportedMediaType)
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	tree, err := readTree(body)
	if err == nil {
		err = tree.valid()
	}
	if err == nil && (tree.name != "s:Envelope" || tree.path("s:Header", "t:RequestServerVersion") == nil || tree.path("s:Header", "t:RequestServerVersion").attr["Version"] < "Exchange2013") {
		err = errSchemaVersion{}
	}
	if err != nil {
		x.fault(w, "ErrorSchemaValidation", err.Error(), 0)
		return
	}
	c := &xCall{x, x.boxes[user], user, tree.path("s:Body").kids[0]}
	name := strings.TrimPrefix(c.op.name, "m:")
	x.requests = append(x.requests, name)
	for i, t := range x.trouble {
		if t.operation != name {
			continue
		}
		x.trouble = slices.Delete(x.trouble, i, i+1)
		switch {
		case t.status != 0:
			w.Header().Set("Retry-After", "9")
			w.WriteHeader(t.status)
		case t.code == "ErrorServerBusy":
			x.fault(w, t.code, "The server cannot service this request right now. Try again later.", t.backOff)
		default:
			_, _ = w.Write([]byte(envelopeOf(name, refusal(name, t.code))))
		}
		return
	}
	calls := map[string]func() []string{"FindItem": c.findItem, "GetItem": c.getItem, "FindFolder": c.findFolder, "GetFolder": c.getFolder, "UpdateItem": c.updateItem, "MoveItem": c.moveItem,
		"DeleteItem": c.deleteItem, "CreateItem": c.createItem, "SendItem": c.sendItem, "CreateAttachment": c.createAttachment, "DeleteAttachment": c.deleteAttachment,
		"CreateFolder": c.createFolder, "UpdateFolder": c.updateFolder, "MoveFolder": c.moveFolder, "DeleteFolder": c.deleteFolder}
	_, _ = w.Write([]byte(envelopeOf(name, calls[name]()...)))
}

type errSchemaVersion struct{}

func (errSchemaVersion) Error() string { return "RequestServerVersion" }

func (x *ExchangeServer) fault(w http.ResponseWriter, code, text string, backOff int) {
	more := ""
	if backOff != 0 {
		more = `<t:MessageXml xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"><t:Value Name="BackOffMilliseconds">` + strconv.Itoa(backOff) + `</t:Value></t:MessageXml>`
	}
	w.WriteHeader(http.StatusInternalServerError)
	_, _ = w.Write([]byte(`<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault><faultcode xmlns:a="http://schemas.microsoft.com/exchange/services/2006/types">a:` + code +
		`</faultcode><faultstring xml:lang="en-US">` + esc(text) + `</faultstring><detail><e:ResponseCode xmlns:e="http://schemas.microsoft.com/exchange/services/2006/errors">` + code +
		`</e:ResponseCode><e:Message xmlns:e="http://schemas.microsoft.com/exchange/services/2006/errors">` + esc(text) + `</e:Message>` + more + `</detail></s:Fault></s:Body></s:Envelope>`))
}

func envelopeOf(name string, messages ...string) string {
	return `<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header><h:ServerVersionInfo MajorVersion="15" MinorVersion="1" xmlns:h="http://schemas.microsoft.com/exchange/services/2006/types"/></s:Header>` +
		`<s:Body><m:` + name + `Response xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages" xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"><m:ResponseMessages>` + strings.Join(messages, "") +
		`</m:ResponseMessages></m:` + name + `Response></s:Body></s:Envelope>`
}

func success(name, inner string) string {
	return `<m:` + name + `ResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>` + inner + `</m:` + name + `ResponseMessage>`
}

func refusal(name, code string) string {
	return `<m:` + name + `ResponseMessage ResponseClass="Error"><m:MessageText>The request failed.</m:MessageText><m:ResponseCode>` + code + `</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey></m:` + name + `ResponseMessage>`
}

// esc writes text as Exchange does: characters that XML does not have become references, which no strict reader takes.
func esc(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '&':
			b.WriteString("&amp;")
		case r == '"':
			b.WriteString("&quot;")
		case r < ' ' && r != '\t' && r != '\n' && r != '\r':
			b.WriteString("&#x" + strconv.FormatInt(int64(r), 16) + ";")
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// asked is the further properties of a shape.
func asked(shape *xNode) []string {
	var out []string
	if more := shape.path("t:AdditionalProperties"); more != nil {
		for _, k := range more.kids {
			out = append(out, k.attr["FieldURI"])
		}
	}
	return out
}

// notFound are what FindItem never tells ("FindItem operation": it returns only a summary).
var notInFind = []string{"item:Body", "item:Attachments", "item:InternetMessageHeaders", "message:ToRecipients", "message:CcRecipients", "message:BccRecipients", "item:MimeContent"}

func (c *xCall) findItem() []string {
	const name = "FindItem"
	var at *xFolder
	parents := c.op.path("m:ParentFolderIds").kids
	at, code := c.box.folder(parents[0])
	if code != "" {
		return []string{refusal(name, code)}
	}
	props := asked(c.op.path("m:ItemShape"))
	if slices.ContainsFunc(props, func(p string) bool { return slices.Contains(notInFind, p) }) || c.op.path("m:ItemShape", "t:IncludeMimeContent") != nil {
		return []string{refusal(name, "ErrorInvalidPropertyRequest")}
	}
	query, where := c.op.path("m:QueryString"), c.op.path("m:Restriction")
	if query != nil && where != nil {
		return []string{refusal(name, "ErrorInvalidRestriction")}
	}
	var found []*xItem
	for _, it := range c.box.items {
		if it.folder != at || time.Now().Before(it.visible) {
			continue
		}
		ok := true
		switch {
		case where != nil:
			if ok, code = it.holds(where.kids[0]); code != "" {
				return []string{refusal(name, code)}
			}
		case query != nil:
			word, inSubject := strings.CutPrefix(strings.ToLower(query.text), "subject:")
			text := it.parsed.Subject
			if !inSubject {
				text += " " + it.parsed.Plain
			}
			ok = strings.Contains(strings.ToLower(text), word)
		}
		if ok {
			found = append(found, it)
		}
	}
	if order := c.op.path("m:SortOrder", "t:FieldOrder"); order != nil {
		if order.kids[0].attr["FieldURI"] != "item:DateTimeReceived" || order.attr["Order"] != "Descending" {
			return []string{refusal(name, "ErrorUnsupportedPathForSortGroup")}
		}
		slices.SortStableFunc(found, func(a, b *xItem) int {
			if d := b.received.Compare(a.received); d != 0 {
				return d
			}
			return int(b.serial - a.serial)
		})
	}
	window, next, last := page(len(found), c.op.path("m:IndexedPageItemView"))
	var b strings.Builder
	b.WriteString(`<m:RootFolder IndexedPagingOffset="` + strconv.Itoa(next) + `" TotalItemsInView="` + strconv.Itoa(len(found)) + `" IncludesLastItemInRange="` + strconv.FormatBool(last) + `"><t:Items>`)
	for _, it := range found[window[0]:window[1]] {
		b.WriteString(it.xml(props, false))
	}
	b.WriteString(`</t:Items></m:RootFolder>`)
	return []string{success(name, b.String())}
}

func page(n int, view *xNode) (window [2]int, next int, last bool) {
	most, offset := xMost, 0
	if view != nil {
		if m, err := strconv.Atoi(view.attr["MaxEntriesReturned"]); err == nil {
			most = min(m, xMost)
		}
		offset, _ = strconv.Atoi(view.attr["Offset"])
	}
	from := min(max(offset, 0), n)
	to := min(from+most, n)
	return [2]int{from, to}, to, to == n
}

// each answers one response message for each item asked about.
func (c *xCall) each(name string, do func(*xItem) (inner, code string)) []string {
	var out []string
	for _, n := range c.op.path("m:ItemIds").kids {
		it, code := c.box.item(n)
		inner := ""
		if code == "" {
			inner, code = do(it)
		}
		if code != "" {
			out = append(out, strings.Replace(refusal(name, code), "</m:"+name+"ResponseMessage>", "<m:Items/></m:"+name+"ResponseMessage>", 1))
			continue
		}
		out = append(out, success(name, inner))
	}
	return out
}

func (c *xCall) getItem() []string {
	shape := c.op.path("m:ItemShape")
	mime := shape.path("t:IncludeMimeContent")
	return c.each("GetItem", func(it *xItem) (string, string) {
		return "<m:Items>" + it.xml(asked(shape), mime != nil && mime.text == "true") + "</m:Items>", ""
	})
}

func (c *xCall) updateItem() []string {
	const name = "UpdateItem"
	var out []string
	for _, ch := range c.op.path("m:ItemChanges").kids {
		if ch.kids[0].attr["ChangeKey"] == "" && c.op.attr["ConflictResolution"] != "AlwaysOverwrite" {
			return append(out, refusal(name, "ErrorChangeKeyRequiredForWriteOperations"))
		}
		it, code := c.box.item(ch.kids[0])
		if code != "" {
			return append(out, refusal(name, code))
		}
		for _, set := range ch.path("t:Updates").kids {
			field, message := set.path("t:FieldURI").attr["FieldURI"], set.path("t:Message")
			if message == nil {
				if set.name != "t:DeleteItemField" || !it.edit(field, nil) {
					return append(out, refusal(name, "ErrorInvalidPropertyDelete"))
				}
				continue
			}
			switch {
			case len(message.kids) != 1:
				return append(out, refusal(name, "ErrorIncorrectUpdatePropertyCount"))
			case field == "message:IsRead" && message.kids[0].name == "t:IsRead":
				it.read = message.kids[0].text == "true"
				if it.read && c.op.attr["SuppressReadReceipts"] != "true" {
					c.x.receipts++
				}
			case field == "item:Flag" && message.kids[0].name == "t:Flag":
				it.flagged = message.path("t:Flag", "t:FlagStatus").text == "Flagged"
			case it.draft && it.edit(field, message.kids[0]):
			default:
				return append(out, refusal(name, "ErrorUpdatePropertyMismatch"))
			}
		}
		it.key++
		out = append(out, success(name, "<m:Items>"+it.xml(nil, false)+"</m:Items><m:ConflictResults><t:Count>0</t:Count></m:ConflictResults>"))
	}
	return out
}

func (c *xCall) moveItem() []string {
	to, code := c.box.folder(c.op.path("m:ToFolderId").kids[0])
	if code != "" {
		return []string{refusal("MoveItem", "ErrorToFolderNotFound")}
	}
	return c.each("MoveItem", func(it *xItem) (string, string) {
		it.id, it.folder, it.key = xID(xItemKind), to, 1
		return "<m:Items>" + it.xml(nil, false) + "</m:Items>", ""
	})
}

func (c *xCall) deleteItem() []string {
	return c.each("DeleteItem", func(it *xItem) (string, string) {
		switch c.op.attr["DeleteType"] {
		case "HardDelete":
			c.box.remove(it)
		case "MoveToDeletedItems":
			it.id, it.folder = xID(xItemKind), c.box.named["deleteditems"]
		default:
			return "", "ErrorInvalidRequest"
		}
		return "", ""
	})
}

// createItem sends. The copy can be found a moment later, and its id is not told.
func (c *xCall) createItem() []string {
	const name = "CreateItem"
	message := c.op.path("m:Items").kids[0]
	mime, saved := message.path("t:MimeContent"), c.op.path("m:SavedItemFolderId")
	if c.op.attr["MessageDisposition"] == "SaveOnly" && mime != nil && saved != nil {
		return c.saveDraft(message)
	}
	if c.op.attr["MessageDisposition"] != "SendAndSaveCopy" || mime == nil || saved == nil {
		return []string{refusal(name, "ErrorInvalidRequest")}
	}
	raw, err := base64.StdEncoding.DecodeString(mime.text)
	if err != nil {
		return []string{refusal(name, "ErrorMimeContentInvalidBase64String")}
	}
	at, code := c.box.folder(saved.kids[0])
	if code != "" {
		return []string{refusal(name, code)}
	}
	m := rfc5322.Read(raw, email.Standard)
	return c.depart(name, raw, m, message, at)
}

// depart sends, and files the copy.
func (c *xCall) depart(name string, raw []byte, m email.Message, message *xNode, at *xFolder) []string {
	taken := Taken{From: c.user, Raw: string(raw)}
	for _, list := range []struct {
		element string
		all     []email.Address
	}{{"t:ToRecipients", m.To}, {"t:CcRecipients", m.Cc}, {"t:BccRecipients", m.Bcc}} {
		if given := message.path(list.element); given != nil {
			list.all = nil
			for _, k := range given.kids {
				list.all = append(list.all, email.Address{Email: k.path("t:EmailAddress").text})
			}
		}
		for _, a := range list.all {
			taken.To = append(taken.To, a.Email)
		}
	}
	switch {
	case len(taken.To) == 0:
		return []string{refusal(name, "ErrorMissingRecipients")}
	case slices.Contains(taken.To, "refused@example.com"):
		return []string{refusal(name, "ErrorInvalidRecipients")}
	case len(m.From) == 1 && !strings.EqualFold(m.From[0].Email, c.user):
		return []string{refusal(name, "ErrorSendAsDenied")}
	}
	c.x.sent = append(c.x.sent, taken)
	c.x.put(c.box, at, xItem{raw: raw, received: time.Now(), read: true, visible: time.Now().Add(100 * time.Millisecond)})
	return []string{success(name, "<m:Items/>")}
}
