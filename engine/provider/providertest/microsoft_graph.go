package providertest

import (
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

const microsoftAtOnce = 4 // requests of one app to one mailbox

// graphCall is one request to Graph.
type graphCall struct {
	*MicrosoftServer
	w       http.ResponseWriter
	r       *http.Request
	body    []byte
	account *MicrosoftAccount
	scopes  []string
	path    []string // below /v1.0/me
}

var (
	errGraphItem      = &microsoftRefusal{404, "ErrorItemNotFound", "The specified object was not found in the store."}
	errGraphMalformed = &microsoftRefusal{400, "ErrorInvalidIdMalformed", "Id is malformed."}
	errGraphSegment   = &microsoftRefusal{400, "BadRequest", "Resource not found for the segment."}
	errGraphAccess    = &microsoftRefusal{403, "ErrorAccessDenied", "Access is denied. Check credentials and try again."}
)

func (s *MicrosoftServer) graph(w http.ResponseWriter, r *http.Request) {
	bearer := r.Header.Get("Authorization")
	s.mu.Lock()
	s.inFlight[bearer]++
	crowded := s.inFlight[bearer] > microsoftAtOnce
	s.mu.Unlock()
	body, _ := io.ReadAll(io.LimitReader(r.Body, 4<<20+1))
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.inFlight[bearer]-- }()
	if crowded {
		w.Header().Set("Retry-After", "1")
		microsoftJSON(w, http.StatusTooManyRequests, map[string]any{"error": map[string]string{"code": "ApplicationThrottled", "message": "Application is over its MailboxConcurrency limit."}})
		return
	}
	s.requests = append(s.requests, r.Method+" "+r.URL.RequestURI())
	w.Header().Set("request-id", microsoftGUID())
	if s.throttled.fails(w) || s.broken.fails(w) {
		return
	}
	k := &graphCall{MicrosoftServer: s, w: w, r: r, body: body}
	err := k.serve()
	if k.account != nil && r.Method != http.MethodGet {
		for _, a := range s.accounts { // what is sent reaches others
			a.stamp()
		}
	}
	var no *microsoftRefusal
	if errors.As(err, &no) {
		if no.status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", client_id="00000003-0000-0000-c000-000000000000"`)
		}
		microsoftJSON(w, no.status, map[string]any{"error": map[string]any{"code": no.code, "message": no.text, "innerError": map[string]string{"date": s.Now().UTC().Format("2006-01-02T15:04:05"), "request-id": microsoftGUID()}}})
	}
}

func (k *graphCall) serve() error {
	bearer, ok := strings.CutPrefix(k.r.Header.Get("Authorization"), "Bearer ")
	t := k.access[bearer]
	switch {
	case !ok || bearer == "":
		return &microsoftRefusal{401, "InvalidAuthenticationToken", "Access token is empty."}
	case t == nil || t.revoked:
		return &microsoftRefusal{401, "InvalidAuthenticationToken", "The token is not valid: " + bearer}
	case !k.Now().Before(t.expires):
		return &microsoftRefusal{401, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired."}
	case len(k.body) > 4<<20:
		return &microsoftRefusal{413, "RequestEntityTooLarge", "The request is too large."}
	}
	k.account, k.scopes = t.account, t.scopes
	for _, piece := range strings.Split(strings.TrimPrefix(k.r.URL.EscapedPath(), "/v1.0/"), "/") {
		p, err := url.PathUnescape(piece)
		if err != nil {
			return errGraphSegment
		}
		k.path = append(k.path, p)
	}
	if k.path[0] == "subscriptions" {
		return k.subscriptionsCall(k.path[1:])
	}
	if k.path[0] != "me" {
		return errGraphSegment
	}
	if k.path = k.path[1:]; len(k.path) == 0 {
		return k.me()
	}
	if k.account.NoMailbox {
		return &microsoftRefusal{404, "MailboxNotEnabledForRESTAPI", "The mailbox is either inactive, soft-deleted, or is hosted on-premise."}
	}
	switch k.path[0] {
	case "messages":
		return k.messages(nil, k.path[1:])
	case "mailFolders":
		return k.mailFolders()
	case "sendMail":
		return k.sendMail()
	}
	return errGraphSegment
}

func (k *graphCall) may(any ...string) bool {
	return slices.ContainsFunc(any, func(s string) bool { return slices.Contains(k.scopes, s) })
}

func (k *graphCall) mayRead() bool {
	return k.may("Mail.Read", "Mail.ReadWrite", "Mail.Read.Shared", "Mail.ReadWrite.Shared")
}

func (k *graphCall) mayWrite() bool { return k.may("Mail.ReadWrite", "Mail.ReadWrite.Shared") }

func (k *graphCall) immutable() bool {
	return strings.Contains(strings.Join(k.r.Header.Values("Prefer"), ","), `IdType="ImmutableId"`)
}

func (k *graphCall) asText() bool {
	return strings.Contains(strings.Join(k.r.Header.Values("Prefer"), ","), `outlook.body-content-type="text"`)
}

func (k *graphCall) ok(status int, v any) error {
	microsoftJSON(k.w, status, v)
	return nil
}

func (k *graphCall) me() error {
	if !k.may("User.Read") {
		return &microsoftRefusal{403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation."}
	}
	a := k.account
	id := a.Object
	if a.Personal {
		id = strings.ReplaceAll(a.Object, "-", "")[16:] // personal accounts go by another form of their id here
	}
	if k.r.URL.Query().Get("$select") == "proxyAddresses" {
		all := []string{"SMTP:" + a.Address, "X500:/o=ExchangeLabs/cn=x"}
		for _, own := range a.Aliases {
			all = append(all, "smtp:"+own)
		}
		return k.ok(200, map[string]any{"proxyAddresses": all})
	}
	var mail any = a.Address
	if a.Address == "" {
		mail = nil
	}
	return k.ok(200, map[string]any{"id": id, "displayName": a.Name, "mail": mail, "userPrincipalName": a.Login})
}

// messages serves .../messages and what is below it.
func (k *graphCall) messages(in *microsoftFolder, path []string) error {
	if len(path) == 0 {
		switch {
		case k.r.Method == http.MethodPost && in == nil:
			return k.create()
		case k.r.Method != http.MethodGet:
			return errGraphSegment
		case !k.mayRead():
			return errGraphAccess
		}
		return k.list(in)
	}
	if b, err := base64.URLEncoding.Strict().DecodeString(path[0]); err != nil || len(b) < 4 {
		return errGraphMalformed
	}
	m := k.account.message(path[0])
	switch {
	case k.r.Method == http.MethodGet && !k.mayRead(), k.r.Method != http.MethodGet && !k.mayWrite():
		return errGraphAccess
	case m == nil:
		return errGraphItem
	}
	if len(path) > 2 && path[1] == "attachments" && path[2] != "createUploadSession" {
		return k.file(m, path[2:])
	}
	switch act := k.r.Method + " " + strings.Join(path[1:], "/"); act {
	case "GET ":
		selected, expand, err := graphShape(k.r.URL.Query())
		if err != nil {
			return err
		}
		return k.ok(200, m.resource(selected, expand, k.immutable(), k.asText()))
	case "GET $value":
		k.w.Header().Set("Content-Type", "text/plain")
		_, _ = k.w.Write(m.raw)
		return nil
	case "GET attachments":
		var sel []string
		if v := k.r.URL.Query().Get("$select"); v != "" {
			sel = strings.Split(v, ",")
		}
		return k.ok(200, map[string]any{"value": graphAttachments(m.attachments(), sel)})
	case "PATCH ":
		return k.change(m)
	case "DELETE ", "POST permanentDelete":
		bin := k.account.byID("deleteditems")
		if act != "DELETE " || m.folder == bin {
			bin = k.account.byID("recoverableitemsdeletions")
		}
		m.folder = bin
		m.moves++
		if bin.wellKnown == "recoverableitemsdeletions" {
			k.account.notify("deleted", m)
		}
		k.w.WriteHeader(204)
		return nil
	case "POST move":
		return k.move(m)
	case "POST createReply":
		return k.reply(m)
	case "POST send":
		return k.send(m)
	case "POST attachments", "POST attachments/createUploadSession":
		return k.attach(m, len(path) == 3)
	}
	return errGraphSegment
}

func (k *graphCall) list(in *microsoftFolder) error {
	q, err := graphList(k.r.URL.RawQuery)
	if err != nil {
		return err
	}
	var found []*microsoftMessage
	for _, m := range k.account.messages {
		if m.folder.wellKnown != "recoverableitemsdeletions" && (in == nil || m.folder == in) && q.keep(m) {
			found = append(found, m)
		}
	}
	slices.SortFunc(found, func(a, b *microsoftMessage) int {
		c := b.received.Compare(a.received)
		if c == 0 {
			c = b.n - a.n
		}
		if q.ascending {
			c = -c
		}
		return c
	})
	values := []any{}
	for _, m := range found[min(q.skip, len(found)):min(q.skip+q.top, len(found))] {
		values = append(values, m.resource(q.selected, q.expand, k.immutable(), k.asText()))
	}
	out := map[string]any{"@odata.context": k.http.URL + "/v1.0/$metadata#users('me')/messages", "value": values}
	if q.skip+q.top < len(found) {
		name := "$skip"
		if q.search {
			name = "$skiptoken"
		}
		out["@odata.nextLink"] = k.nextLink(name, q.skip+q.top)
	}
	return k.ok(200, out)
}

func (k *graphCall) nextLink(name string, at int) string {
	v := k.r.URL.Query()
	v.Set(name, strconv.Itoa(at))
	return k.http.URL + k.r.URL.EscapedPath() + "?" + strings.ReplaceAll(v.Encode(), "+", "%20")
}

func (k *graphCall) mailFolders() error {
	if !k.mayRead() {
		return errGraphAccess
	}
	if len(k.path) == 1 {
		if k.r.Method == http.MethodPost {
			return k.folderChange(nil, nil, "create")
		}
		return k.folderList(nil)
	}
	if k.path[1] == "delta" && len(k.path) == 2 {
		return k.folderDelta()
	}
	if k.path[1] == "msgfolderroot" && len(k.path) == 2 && k.r.Method == http.MethodGet {
		return k.ok(200, map[string]any{"id": exchangeID(k.account.Object, microsoftRoot), "displayName": "Root"})
	}
	f := k.account.byID(k.path[1])
	if f == nil {
		if _, err := base64.URLEncoding.Strict().DecodeString(k.path[1]); err != nil {
			return errGraphMalformed
		}
		return errGraphItem
	}
	switch act := k.r.Method + " " + strings.Join(k.path[2:], "/"); act {
	case "POST childFolders":
		return k.folderChange(f, nil, "create")
	case "PATCH ":
		return k.folderChange(nil, f, "rename")
	case "POST move":
		return k.folderChange(nil, f, "move")
	case "DELETE ":
		return k.folderChange(nil, f, "delete")
	}
	switch {
	case k.r.Method != http.MethodGet && k.path[2] != "messages":
		return errGraphSegment
	case len(k.path) == 2:
		return k.ok(200, k.folder(f))
	case k.path[2] == "messages" && len(k.path) == 4 && k.path[3] == "delta":
		return k.messageDelta(f)
	case k.path[2] == "messages":
		return k.messages(f, k.path[3:])
	case k.path[2] == "childFolders" && len(k.path) == 3:
		return k.folderList(f)
	}
	return errGraphSegment
}

func (k *graphCall) folder(f *microsoftFolder) map[string]any {
	total, unread, children := 0, 0, 0
	for _, m := range k.account.messages {
		if m.folder == f {
			total++
			if !m.isRead {
				unread++
			}
		}
	}
	for _, c := range k.account.folders {
		if c.parent == f {
			children++
		}
	}
	parent := exchangeID(k.account.Object, microsoftRoot)
	if f.parent != nil {
		parent = f.parent.id
	}
	return map[string]any{"id": f.id, "displayName": f.name, "parentFolderId": parent, "childFolderCount": children, "unreadItemCount": unread, "totalItemCount": total, "sizeInBytes": 0, "isHidden": false}
}

func (k *graphCall) folderList(parent *microsoftFolder) error {
	top, skip, err := graphPaging(k.r.URL.Query())
	if err != nil {
		return err
	}
	all := []any{}
	for _, f := range k.account.folders {
		if f.parent == parent && f.wellKnown != "recoverableitemsdeletions" {
			all = append(all, k.folder(f))
		}
	}
	out := map[string]any{"value": all[min(skip, len(all)):min(skip+top, len(all))]}
	if skip+top < len(all) {
		out["@odata.nextLink"] = k.nextLink("$skip", skip+top)
	}
	return k.ok(200, out)
}

// Mailbox is every message of a folder as it travelled, newest last.
func (a *MicrosoftAccount) Mailbox(folder string) []email.Message {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	f := a.path(folder)
	var out []email.Message
	for _, m := range a.messages {
		if m.folder == f {
			x := rfc5322.Read(m.raw, email.WithHeaders)
			x.Raw = m.raw
			for _, e := range m.extra {
				x.Attachments = append(x.Attachments, email.Attachment{Filename: e.name, ContentType: e.kind, Size: e.size})
			}
			out = append(out, x)
		}
	}
	return out
}
