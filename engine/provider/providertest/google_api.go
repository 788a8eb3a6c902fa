package providertest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	googleMailScope  = "https://mail.google.com/"
	googleGmailScope = "https://www.googleapis.com/auth/gmail."
)

var (
	googleMessageID = regexp.MustCompile(`^[0-9a-f]{16}$`)
	googleReaders   = []string{googleMailScope, googleGmailScope + "modify", googleGmailScope + "readonly"}
	googleChangers  = []string{googleMailScope, googleGmailScope + "modify"}
	googleSenders   = []string{googleMailScope, googleGmailScope + "modify", googleGmailScope + "compose", googleGmailScope + "send"}
	googleLabellers = []string{googleMailScope, googleGmailScope + "modify", googleGmailScope + "readonly", googleGmailScope + "labels", googleGmailScope + "metadata"}
)

// googleExchange is one request to the API by a known user.
type googleExchange struct {
	g    *GoogleServer
	w    http.ResponseWriter
	r    *http.Request
	key  *googleToken
	box  *googleBox
	q    url.Values
	body []byte
}

// api serves /gmail/v1/users/{userId}/... as the reference has it: the token first, then its scopes, then the request.
func (g *GoogleServer) api(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 64<<20))
	if err != nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	key := g.live(r)
	if key == nil {
		w.Header().Set("WWW-Authenticate", `Bearer realm="https://accounts.google.com/", error="invalid_token"`)
		googleRefuse(w, 401, "authError", "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.")
		return
	}
	path := strings.Split(strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/upload"), "/gmail/v1/users/"), "/")
	if path[0] != "me" && path[0] != key.user.Address {
		googleRefuse(w, 403, "forbidden", "Delegation denied for "+key.user.Address)
		return
	}
	e := &googleExchange{g: g, w: w, r: r, key: key, box: &key.user.box, q: r.URL.Query(), body: body}
	at := func(i int) string {
		if i < len(path) {
			return path[i]
		}
		return ""
	}
	method := r.Method + " " + at(1)
	switch {
	case method == "GET messages" && len(path) == 2:
		e.if_(append(googleReaders, googleGmailScope+"metadata"), e.list)
	case method == "POST messages" && len(path) == 3 && at(2) == "send":
		e.if_(googleSenders, e.send)
	case method == "GET messages" && len(path) == 3:
		e.if_(append(googleReaders, googleGmailScope+"metadata"), func() { e.message(at(2), e.get) })
	case method == "DELETE messages" && len(path) == 3:
		e.if_([]string{googleMailScope}, func() { e.message(at(2), e.remove) })
	case method == "GET messages" && len(path) == 5 && at(3) == "attachments":
		e.if_(googleReaders, func() { e.message(at(2), func(m *googleMessage) { e.attachment(m, at(4)) }) })
	case method == "POST messages" && len(path) == 4 && at(3) == "modify":
		e.if_(googleChangers, func() { e.message(at(2), e.modify) })
	case method == "POST messages" && len(path) == 4 && at(3) == "trash":
		e.if_(googleChangers, func() { e.message(at(2), e.trash) })
	case method == "GET threads" && len(path) == 3:
		e.if_(append(googleReaders, googleGmailScope+"metadata"), func() { e.thread(at(2)) })
	case method == "GET settings" && len(path) == 3 && at(2) == "sendAs":
		e.if_([]string{googleMailScope, googleGmailScope + "modify", googleGmailScope + "readonly", googleGmailScope + "settings.basic"}, e.sendAs)
	case method == "GET labels" && len(path) == 2:
		e.if_(googleLabellers, func() { googleReply(w, 200, map[string]any{"labels": e.box.labels}) })
	case method == "GET labels" && len(path) == 3:
		e.if_(googleLabellers, func() { e.label(at(2)) })
	case method == "GET history" && len(path) == 2:
		e.if_(append(googleReaders, googleGmailScope+"metadata"), e.history)
	case method == "POST watch" && len(path) == 2:
		e.if_(append(googleReaders, googleGmailScope+"metadata"), e.watch)
	case method == "GET profile" && len(path) == 2:
		e.if_(append(googleReaders, googleGmailScope+"compose", googleGmailScope+"metadata"), func() {
			googleReply(w, 200, map[string]any{"emailAddress": key.user.Address, "messagesTotal": len(e.box.messages), "threadsTotal": len(e.box.messages), "historyId": fmt.Sprint(e.box.historyID())})
		})
	default:
		if !e.more(method, path) {
			http.Error(w, "<!DOCTYPE html><title>Error 404 (Not Found)!!1</title>", 404)
		}
	}
}

func (e *googleExchange) if_(scopes []string, do func()) {
	for _, s := range e.key.scopes {
		if slices.Contains(scopes, s) {
			do()
			return
		}
	}
	googleRefuse(e.w, 403, "insufficientPermissions", "Request had insufficient authentication scopes.")
}

// onlyMetadata: with this scope alone neither searching nor bodies are to be had.
func (e *googleExchange) onlyMetadata() bool {
	return !slices.ContainsFunc(e.key.scopes, func(s string) bool { return slices.Contains(googleReaders, s) })
}

func (e *googleExchange) message(id string, do func(*googleMessage)) {
	m := e.box.messages[id]
	switch {
	case !googleMessageID.MatchString(id):
		googleRefuse(e.w, 400, "invalidArgument", "Invalid id value")
	case m == nil:
		googleRefuse(e.w, 404, "notFound", "Requested entity was not found.")
	default:
		do(m)
	}
}

// list answers ids only, newest first. A page token names the message above which the next page begins, and the query it belongs to.
func (e *googleExchange) list() {
	most, err := strconv.Atoi(e.q.Get("maxResults"))
	if !e.q.Has("maxResults") {
		most, err = 100, nil
	}
	if err != nil || most < 1 {
		googleRefuse(e.w, 400, "invalidArgument", "Invalid maxResults")
		return
	}
	if e.onlyMetadata() && e.q.Get("q") != "" {
		googleRefuse(e.w, 403, "forbidden", "Metadata scope does not support 'q' parameter")
		return
	}
	for _, l := range e.q["labelIds"] {
		if e.box.byID(l) == nil {
			googleRefuse(e.w, 400, "invalidArgument", "Invalid label: "+l)
			return
		}
	}
	query := fmt.Sprint(e.key.user.Sub, e.q.Get("q"), e.q["labelIds"], e.q.Get("includeSpamTrash"))
	found := e.box.find(e.q.Get("q"), e.q["labelIds"], e.q.Get("includeSpamTrash") == "true")
	if token := e.q.Get("pageToken"); token != "" {
		raw, err := base64.RawURLEncoding.DecodeString(token)
		where, of, _ := strings.Cut(string(raw), " ")
		ms, seq, _ := strings.Cut(where, ".")
		at, err2 := strconv.ParseInt(ms, 10, 64)
		n, err3 := strconv.Atoi(seq)
		if err != nil || err2 != nil || err3 != nil || of != query {
			googleRefuse(e.w, 400, "invalidArgument", "Invalid pageToken")
			return
		}
		found = slices.DeleteFunc(found, func(m *googleMessage) bool {
			return m.at.UnixMilli() > at || m.at.UnixMilli() == at && m.seq >= n
		})
	}
	out := map[string]any{"resultSizeEstimate": len(found)}
	if most = min(most, 500); len(found) > most {
		found = found[:most]
		last := found[most-1]
		out["nextPageToken"] = base64.RawURLEncoding.EncodeToString([]byte(fmt.Sprintf("%d.%d %s", last.at.UnixMilli(), last.seq, query)))
	}
	var ids []map[string]string
	for _, m := range found {
		ids = append(ids, map[string]string{"id": m.id, "threadId": m.thread})
	}
	if ids != nil {
		out["messages"] = ids
	}
	googleReply(e.w, 200, out)
}

func (e *googleExchange) get(m *googleMessage) {
	format := e.q.Get("format")
	switch format {
	case "":
		format = "full"
	case "full", "metadata", "minimal", "raw":
	default:
		googleRefuse(e.w, 400, "invalidArgument", "Invalid value at 'format'")
		return
	}
	if e.onlyMetadata() && (format == "full" || format == "raw") {
		googleRefuse(e.w, 403, "forbidden", "Metadata scope doesn't allow format "+strings.ToUpper(format))
		return
	}
	out, bad := googlePartial(m.json(format, e.q["metadataHeaders"]), e.q.Get("fields"))
	if bad != "" {
		googleRefuse(e.w, 400, "invalidParameter", "Invalid field selection "+bad)
		return
	}
	googleReply(e.w, 200, out)
}

func (e *googleExchange) thread(id string) {
	var all []map[string]any
	found := []*googleMessage{}
	for _, m := range e.box.messages {
		if m.thread == id {
			found = append(found, m)
		}
	}
	slices.SortFunc(found, func(x, y *googleMessage) int { return x.seq - y.seq })
	for _, m := range found {
		all = append(all, m.json(e.q.Get("format"), nil))
	}
	switch {
	case !googleMessageID.MatchString(id):
		googleRefuse(e.w, 400, "invalidArgument", "Invalid id value")
	case len(all) == 0:
		googleRefuse(e.w, 404, "notFound", "Requested entity was not found.")
	default:
		out, bad := googlePartial(map[string]any{"id": id, "historyId": "1", "messages": all}, e.q.Get("fields"))
		if bad != "" {
			googleRefuse(e.w, 400, "invalidParameter", "Invalid field selection "+bad)
			return
		}
		googleReply(e.w, 200, out)
	}
}

func (e *googleExchange) attachment(m *googleMessage, id string) {
	data, ok := m.blobs[id]
	if !ok {
		googleRefuse(e.w, 400, "invalidArgument", "Invalid attachment token")
		return
	}
	googleReply(e.w, 200, map[string]any{"size": len(data), "data": base64.URLEncoding.EncodeToString(data)})
}

func (e *googleExchange) label(id string) {
	l := e.box.byID(id)
	if l == nil {
		googleRefuse(e.w, 404, "notFound", "Requested entity was not found.")
		return
	}
	total, unread := 0, 0
	for _, m := range e.box.messages {
		if m.has(id) {
			total++
			if m.has("UNREAD") {
				unread++
			}
		}
	}
	googleReply(e.w, 200, map[string]any{"id": l.ID, "name": l.Name, "type": l.Type, "messagesTotal": total, "messagesUnread": unread, "threadsTotal": total, "threadsUnread": unread})
}

func (e *googleExchange) modify(m *googleMessage) {
	var in struct{ AddLabelIds, RemoveLabelIds []string }
	switch err := json.Unmarshal(e.body, &in); {
	case err != nil:
		googleRefuse(e.w, 400, "parseError", "Parse Error")
		return
	case len(in.AddLabelIds)+len(in.RemoveLabelIds) == 0:
		googleRefuse(e.w, 400, "invalidArgument", "No label add or removes specified")
		return
	}
	for _, l := range append(slices.Clone(in.AddLabelIds), in.RemoveLabelIds...) {
		switch {
		case e.box.byID(l) == nil:
			googleRefuse(e.w, 400, "invalidArgument", "labelId not found")
			return
		case l == "SENT" || l == "DRAFT" || l == "CHAT":
			googleRefuse(e.w, 400, "invalidArgument", "Invalid label: "+l)
			return
		case slices.Contains(in.AddLabelIds, l) && slices.Contains(in.RemoveLabelIds, l):
			googleRefuse(e.w, 400, "invalidArgument", "Cannot both add and remove the same label")
			return
		}
	}
	e.relabel(m, in.AddLabelIds, in.RemoveLabelIds)
}

func (e *googleExchange) relabel(m *googleMessage, add, remove []string) {
	e.box.note("labelsAdded", m, add)
	e.box.note("labelsRemoved", m, remove)
	m.labels = slices.DeleteFunc(slices.Clone(m.labels), func(l string) bool { return slices.Contains(remove, l) })
	for _, l := range add {
		if !m.has(l) {
			m.labels = append(m.labels, l)
		}
	}
	googleReply(e.w, 200, map[string]any{"id": m.id, "threadId": m.thread, "labelIds": m.labels})
}

func (e *googleExchange) trash(m *googleMessage) { e.relabel(m, []string{"TRASH"}, []string{"INBOX"}) }

func (e *googleExchange) remove(m *googleMessage) {
	delete(e.box.messages, m.id)
	e.box.note("messagesDeleted", m, nil)
	e.w.WriteHeader(http.StatusNoContent)
}

func googleMessages(all map[string]*googleMessage) []*googleMessage {
	var out []*googleMessage
	for _, m := range all {
		out = append(out, m)
	}
	return out
}

var googleBccField = regexp.MustCompile(`(?im)^bcc:.*\r?\n(?:[ \t].*\r?\n)*`)
