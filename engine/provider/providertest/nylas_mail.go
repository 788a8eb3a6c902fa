package providertest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

// nylasCall is one request to the mail of a grant.
type nylasCall struct {
	s     *NylasServer
	w     http.ResponseWriter
	r     *http.Request
	grant *NylasGrant
	box   *nylasBox
	parts []string // of the path below the grant, decoded
}

// mail serves /v3/grants/{id}/... (contract, section 7).
func (s *NylasServer) mail(w http.ResponseWriter, r *http.Request, app *nylasApp) {
	g := s.grant(r, app)
	switch {
	case g == nil:
		nylasProblem(w, 404, "grant.not_found", "No Grant found")
		return
	case g.Status != "valid":
		nylasProblem(w, 401, "api.authentication_error", "Grant has expired")
		return
	}
	k := &nylasCall{s: s, w: w, r: r, grant: g, box: &g.account.box}
	rest := strings.SplitN(r.URL.EscapedPath(), "/", 5)[4]
	for _, p := range strings.Split(rest, "/") {
		p, err := url.PathUnescape(p)
		if err != nil {
			nylasProblem(w, 400, "api.invalid_request_error", "path")
			return
		}
		k.parts = append(k.parts, p)
	}
	k.serve()
}

func (k *nylasCall) serve() {
	shape := k.r.Method + " " + k.parts[0] + strings.Repeat("/*", len(k.parts)-1)
	if k.parts[0] == "attachments" && len(k.parts) == 3 && k.parts[2] == "download" {
		shape = "GET attachments/*/download"
	}
	if shape == "POST messages/*" && k.parts[1] == "send" {
		k.send()
		return
	}
	serve, ok := map[string]func(){"GET messages": k.list, "GET messages/*": k.show, "PUT messages/*": k.change, "DELETE messages/*": k.remove, "GET attachments/*": k.attachment, "GET attachments/*/download": k.download,
		"GET folders": k.folders, "POST folders": k.makeFolder, "GET folders/*": k.showFolder, "PUT folders/*": k.changeFolder, "DELETE folders/*": k.removeFolder,
		"GET threads": k.threads, "GET threads/*": k.showThread, "PUT threads/*": k.changeThread, "DELETE threads/*": k.removeThread,
		"GET drafts": k.drafts, "POST drafts": k.makeDraft, "GET drafts/*": k.showDraft, "PUT drafts/*": k.changeDraft, "DELETE drafts/*": k.removeDraft, "POST drafts/*": k.sendDraft}[shape]
	if !ok {
		nylasProblem(k.w, 404, "api.not_found_error", "no such path")
		return
	}
	serve()
}

func (k *nylasCall) data(v any) { nylasData(k.w, 200, v) }

func (k *nylasCall) absent() { nylasProblem(k.w, 404, "api.not_found_error", "not found") }

func (k *nylasCall) wrong(what string) {
	nylasProblem(k.w, 400, "api.invalid_request_error", what)
}

// query checks the parameters of a list and gives what is asked in our words; false when it was answered already.
func (k *nylasCall) query(known ...string) (email.Query, bool) {
	v := k.r.URL.Query()
	for name := range v {
		if !slices.Contains(known, name) && name != "limit" && name != "page_token" && name != "select" {
			k.wrong("unknown parameter " + name)
			return email.Query{}, false
		}
	}
	q := email.Query{Subject: v.Get("subject"), ThreadID: v.Get("thread_id"), Native: v.Get("search_query_native")}
	if v.Has("any_email") {
		q.Any = strings.Split(v.Get("any_email"), ",")
	}
	q.From, q.To, q.Cc, q.Bcc, q.In = v["from"], v["to"], v["cc"], v["bcc"], v["in"]
	for name, into := range map[string]**bool{"unread": &q.Unread, "starred": &q.Starred, "has_attachment": &q.HasAttachment} {
		if v.Has(name) {
			b, err := strconv.ParseBool(strings.ToLower(v.Get(name)))
			if err != nil {
				k.wrong(name)
				return q, false
			}
			*into = &b
		}
	}
	for name, into := range map[string]*time.Time{"received_after": &q.ReceivedAfter, "latest_message_after": &q.ReceivedAfter, "received_before": &q.ReceivedBefore, "latest_message_before": &q.ReceivedBefore} {
		if v.Has(name) {
			n, err := strconv.ParseInt(v.Get(name), 10, 64)
			if err != nil {
				k.wrong(name)
				return q, false
			}
			*into = time.Unix(n, 0)
		}
	}
	for _, id := range q.In {
		if k.box.byID(id) == nil {
			k.wrong("in")
			return q, false
		}
	}
	return q, true
}

// page cuts a list; each item has a key that does not change.
func nylasPage[T any](k *nylasCall, all []T, key func(T) string, most int) ([]T, string, bool) {
	v := k.r.URL.Query()
	limit := min(50, most)
	if v.Has("limit") {
		n, err := strconv.Atoi(v.Get("limit"))
		if err != nil || n < 1 || n > most {
			k.wrong("limit")
			return nil, "", false
		}
		limit = n
	}
	if after := v.Get("page_token"); after != "" {
		i := slices.IndexFunc(all, func(x T) bool { return "after "+key(x) == after })
		if i < 0 {
			k.wrong("page_token")
			return nil, "", false
		}
		all = all[i+1:]
	}
	if len(all) <= limit {
		return all, "", true
	}
	return all[:limit], "after " + key(all[limit-1]), true
}

func (k *nylasCall) answer(list []any, next string) {
	if list == nil {
		list = []any{}
	}
	out := map[string]any{"request_id": nylasID(), "data": list}
	if next != "" {
		out["next_cursor"] = next
	}
	nylasJSON(k.w, 200, out)
}

// fits says whether a message passes the filters, folders included.
func (m *nylasMessage) fits(q email.Query) bool {
	r := m.read
	r.ThreadID, r.Unread, r.Starred, r.Date = m.thread, m.unread, m.starred, m.at
	if m.draft {
		r.Attachments = make([]email.Attachment, len(m.files))
	}
	for _, id := range q.In {
		if !slices.Contains(m.folders, id) {
			return false
		}
	}
	if id, ok := strings.CutPrefix(q.Native, "rfc822msgid:"); ok {
		return r.MessageID == id
	}
	if word, ok := strings.CutPrefix(q.Native, "subject:"); ok {
		return strings.Contains(strings.ToLower(r.Subject), strings.ToLower(word))
	}
	return q.Matches(r)
}

var nylasMessageFilters = []string{"subject", "any_email", "to", "from", "cc", "bcc", "in", "thread_id", "unread", "starred", "has_attachment", "received_before", "received_after", "fields", "search_query_native"}

func (k *nylasCall) list() {
	q, ok := k.query(nylasMessageFilters...)
	if !ok {
		return
	}
	fields := k.r.URL.Query().Get("fields")
	if !slices.Contains([]string{"", "standard", "include_headers", "include_basic_headers", "raw_mime"}, fields) {
		k.wrong("fields")
		return
	}
	all, next, ok := nylasPage(k, k.box.inOrder(func(m *nylasMessage) bool { return !m.draft && m.fits(q) }), func(m *nylasMessage) string { return m.id }, 200)
	if !ok {
		return
	}
	var out []any
	for _, m := range all {
		one := m.json(k.grant.ID, fields)
		if only := k.r.URL.Query().Get("select"); only != "" {
			for name := range one {
				if !slices.Contains(strings.Split(only, ","), name) {
					delete(one, name)
				}
			}
		}
		out = append(out, one)
	}
	k.answer(out, next)
}

func (k *nylasCall) show() {
	if m := k.box.message(k.parts[1], false); m != nil {
		k.data(m.json(k.grant.ID, k.r.URL.Query().Get("fields")))
		return
	}
	k.absent()
}

// alter is the body of a change to a message or thread.
type nylasAlter struct {
	Unread  *bool     `json:"unread"`
	Starred *bool     `json:"starred"`
	Folders *[]string `json:"folders"`
}

func (k *nylasCall) alter() (nylasAlter, bool) {
	var a nylasAlter
	if !k.body(&a) {
		return a, false
	}
	if a.Folders != nil {
		for _, id := range *a.Folders {
			if k.box.byID(id) == nil {
				k.wrong("folders")
				return a, false
			}
		}
	}
	return a, true
}

func (k *nylasCall) body(v any) bool {
	d := json.NewDecoder(io.LimitReader(k.r.Body, 3<<20))
	d.DisallowUnknownFields()
	if !strings.HasPrefix(k.r.Header.Get("Content-Type"), "application/json") || d.Decode(v) != nil {
		nylasProblem(k.w, 400, "api.invalid_request_payload", "body")
		return false
	}
	return true
}

func (a nylasAlter) apply(m *nylasMessage) {
	if a.Unread != nil {
		m.unread = *a.Unread
	}
	if a.Starred != nil {
		m.starred = *a.Starred
	}
	if a.Folders != nil {
		m.folders = slices.Clone(*a.Folders)
	}
}

func (k *nylasCall) change() {
	m := k.box.message(k.parts[1], false)
	if m == nil {
		k.absent()
		return
	}
	if a, ok := k.alter(); ok {
		a.apply(m)
		k.data(m.json(k.grant.ID, ""))
	}
}

func (k *nylasCall) remove() {
	m := k.box.message(k.parts[1], false)
	if m == nil {
		k.absent()
		return
	}
	if k.r.URL.Query().Get("hard_delete") == "true" {
		k.box.remove(m)
	} else {
		m.bin()
	}
	nylasJSON(k.w, 200, map[string]any{"request_id": nylasID()})
}

// file finds an attachment of a message or draft.
func (k *nylasCall) file() (map[string]any, io.Reader) {
	id := k.r.URL.Query().Get("message_id")
	m := k.box.message(id, false)
	if m == nil {
		m = k.box.message(id, true)
	}
	if m == nil {
		return nil, nil
	}
	for i, a := range m.attachments() {
		if a["id"] != k.parts[1] {
			continue
		}
		if m.draft {
			return a, strings.NewReader(string(m.content[i]))
		}
		if _, content, ok := rfc5322.File(m.raw, strings.TrimPrefix(k.parts[1], "v0:")); ok {
			return a, content
		}
	}
	return nil, nil
}

func (k *nylasCall) attachment() {
	if about, _ := k.file(); about != nil {
		about["grant_id"] = k.grant.ID
		k.data(about)
		return
	}
	k.absent()
}

func (k *nylasCall) download() {
	_, content := k.file()
	if content == nil {
		k.absent()
		return
	}
	k.w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = io.Copy(k.w, content)
}
